# %% [markdown]
# # A neural algorithm of artistic style
#
# Gatys, Ecker & Bethge 2015, [1508.06576](https://arxiv.org/abs/1508.06576): the activations of a
# network say *what* is in a picture, and the correlations between its channels say *how* it is
# painted. Both can be asked for at once: a photo's content in a painting's style. The notebook takes
# them one by one, then together, and tries what changes the result: layers, weights, statistics.
#
# | here | in the paper | recipe |
# |---|---|---|
# | content alone | equation 1, figure 1 below | `recipes/reconstruct.py` |
# | style alone | equations 3 to 5, figure 1 above | `recipes/reconstruct.py --style` |
# | both | equation 7, figure 2 | `recipes/style/loss.py: style_transfer` |
# | layers against weights | figure 3 | `recipes/styletransfer.py --grid` |

# %%
import models  # first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** Whoever has VGG-19 (`python -m models.weights fetch vgg19`) writes `'vgg19'` here,
# and 300 for `SIZE`.

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 128                       # pixels of the pictures' shorter side
STEPS = 60                       # evaluations of loss and gradient for each picture
ROWS = 4                         # pictures, at most, in each comparison
PHOTO = images.bundled_photo()   # NASA's portrait of an astronaut
PAINTING = images.PAINTING       # drawn by this project's code

# %%
import numpy as np
from tqdm import tqdm

import shown
from recipes import reconstruct
from recipes.common import command_line, lbfgs, losses, straight_lines
from recipes.common.networks import load_to
from recipes.common.objective import Objective
from recipes.style.defaults import settings_of
from recipes.style.loss import style_transfer

facts, settings = models.facts_of(MODEL), settings_of('archive', MODEL)
photo, painting = (images.resize(images.read(path), SIZE) for path in (PHOTO, PAINTING))
shown.grid([photo, painting], ['the photo', 'the painting'], columns=2, width=6)

# %% [markdown]
# ## Content alone
#
# Let $F^l_{ij}$ be the activation of channel $i$ at position $j$ in layer $l$ for the picture that is
# sought, and $P^l_{ij}$ the photo's. The content loss is
#
# $$\mathcal{L}_{content} = \frac{1}{2} \sum_{i,j} \left(F^l_{ij} - P^l_{ij}\right)^2 .$$
#
# From faint noise, L-BFGS walks to a picture whose activations in *one* layer are the photo's. What
# the layer does not record, the picture does not have.


# %%
def rebuild(picture, sets, style=False, kind='gram', lines=False):
    """Rebuild a picture from each of several sets of layers, written like 'conv1_1=0.1,conv4_2'."""
    layers = [command_line.layer_weights(text) for text in sets]
    net, mean_pixel = load_to([name for one in layers for name in one], MODEL,
                              pool='average_exc_pad')
    return [reconstruct.reconstruct(
        net, mean_pixel, picture, text, one, style, kind, seed=1, evals=STEPS,
        noise=reconstruct.NOISE, tv_weight=reconstruct.TV_WEIGHT, counts=[STEPS], lines=lines,
        bar=tqdm(disable=True)) for text, one in zip(sets, layers)]


# %% tags=["gallery"]
contents = rebuild(photo, list(facts.deeper)[-ROWS:])
shown.grid([photo, *(result.frames[-1] for result in contents)],
           ['the photo', *(result.layers for result in contents)], columns=5,
           about='the photo, and what single layers know of it, shallow to deep')

# %% [markdown]
# Shallow layers keep nearly every pixel. Deep ones keep which things are where, and are free in
# colours and in the exact run of lines. That freedom is what a style can fill.
#
# ## Style alone
#
# The style of a layer is the matrix of products of its channels, summed over positions: what occurs
# together, wherever it is. With $N_l$ channels and $M_l$ positions,
#
# $$G^l_{ij} = \sum_k F^l_{ik} F^l_{jk}, \qquad
#   E_l = \frac{1}{4 N_l^2 M_l^2} \sum_{i,j} \left(G^l_{ij} - A^l_{ij}\right)^2, \qquad
#   \mathcal{L}_{style} = \sum_l w_l E_l .$$
#
# Here $A^l$ is the painting's matrix. The archive divides each matrix by its own picture's number
# of positions, so that photo and painting may have different sizes; where they have the same, this
# is the paper's $E_l$.

# %% tags=["gallery"]
chosen = list(command_line.layer_weights(settings.style_layers))
counts = np.unique(np.linspace(1, len(chosen), min(ROWS, len(chosen))).astype(int)).tolist()
textures = rebuild(painting, [','.join(chosen[:count]) for count in counts], style=True)
shown.grid([painting, *(result.frames[-1] for result in textures)],
           ['the painting', *(f'to {chosen[count - 1]}' for count in counts)], columns=3,
           about='textures from the style of more and more layers')

# %% [markdown]
# From the first layer come colours and their small-scale mixture; each further layer adds larger
# structures: strokes, then the run of strokes. Nothing stays at its place.
#
# ## Both at once
#
# $$\mathcal{L}_{total} = \alpha\, \mathcal{L}_{content} + \beta\, \mathcal{L}_{style} .$$
#
# The weights below are shares: each loss is divided by what it is for a picture without any
# activation (`relative=True`), so that one pair of numbers suits other paintings and networks. The
# paper's own ratio $\alpha / \beta = 10^{-3}$ is for the plain sums, which
# `recipes/styletransfer.py --impl paper` takes.

# %%
content_layers = dict.fromkeys(command_line.layer_weights(settings.content_layers), 1.0)
style_layers = dict.fromkeys(chosen, 50.0)
net, mean_pixel = load_to([*content_layers, *style_layers], MODEL, pool='average_exc_pad')
# A margin that mirrors the pictures is painted too, and cut off: borders are where padding is seen.
p, a = (images.prepare(images.extend(rgb, reconstruct.MARGIN), mean_pixel)
        for rgb in (photo, painting))


def paint(objective, start, steps=STEPS):
    """Minimise from an array; give the picture."""
    *_, (x, _) = lbfgs.minimise(objective, start, 1, steps)
    return images.trim(images.deprocess(x.reshape(p.shape), mean_pixel), reconstruct.MARGIN)


# %% tags=["gallery"]
objective = style_transfer(net, p, a, content_layers, style_layers, relative=True)
result = paint(objective, p)
shown.grid([photo, painting, result], ['content', 'style', 'both'], columns=3,
           about='a photo, a painting, and the photo painted like it')

# %%
history = np.array(objective.history)
shown.curves({name: (np.arange(1, len(history) + 1), values)
              for name, values in zip(objective.function.names, history.T) if values.any()},
             'evaluation', 'weighted loss', 'the terms of the loss', xscale='log', yscale='log')

# %% [markdown]
# L-BFGS first finds how long its steps may be, and one is far too long. Then the style terms fall by
# two to four powers of ten, while content, zero at the start, settles where the two balance. Most is
# gone after a few dozen evaluations; later ones refine what is hardly seen.
#
# ## Layers against weights
#
# The paper's figure 3: from top to bottom the style has more layers, from left to right content
# counts more. The start is the photo here and white noise in the paper; from the photo, content is
# kept better at the same style.

# %% tags=["gallery"]
factors = [0.2, 1.0, 5.0][:ROWS]
pictures, titles = [], []
for count in dict.fromkeys([counts[len(counts) // 2 - 1], len(chosen)]):
    loss = objective.function if count == len(chosen) else style_transfer(
        net, p, a, content_layers, dict.fromkeys(chosen[:count], 50.0), relative=True).function
    shares = {name: float(weight.get_value()) for name, weight in loss.weights.items()
              if name.startswith('content')}
    for factor in factors:
        loss.weigh({name: factor * weight for name, weight in shares.items()})
        pictures.append(paint(Objective(loss, p.shape), p, -(-STEPS // 2)))
        titles.append(f'style to {chosen[count - 1]}, content {factor:g}')
shown.grid(pictures, titles, columns=len(factors),
           about='more style layers downwards, more content to the right')

# %% [markdown]
# ## What early layers bring
#
# In the article a photo that is rebuilt from `conv4_2` alone loses its colours, and its straight
# lines bend; a little of `conv1_1` brings both back. Both can be measured: the saturation, and on a
# drawn picture the distance of edges from the straight lines that they were.

# %%
lines = straight_lines.draw(SIZE)
deep = facts.deeper[-1]
bent = rebuild(lines, [deep, f'{facts.style[0]}=0.1,{deep}'], lines=True)
shown.grid([lines, *(result.frames[-1] for result in bent)],
           ['drawn', *(result.layers for result in bent)], columns=3,
           about='coloured shapes, from a deep layer alone and with a little of the first one')

# %%
from recipes.common import colours

shown.table(['from', 'saturation', 'edges from their lines, pixels'],
            [['the drawing', colours.saturation(lines), straight_lines.distance(lines)],
             *([result.layers, result.saturation, float(result.distance)] for result in bent)])

# %% [markdown]
# With this network the lines bend, and a tenth of `conv1_1` straightens them. The colours only go
# astray: their saturation does not fall, as it does with `vgg19_quarter`.
#
# ## Means instead of covariances
#
# Must it be products of channels? The article tries plain means,
#
# $$\mu^l_i = \frac{1}{M_l} \sum_k F^l_{ik},$$
#
# and finds little change. Other statistics were proposed since: mean and deviation of each channel,
# and the covariance, which is the Gram matrix of centred channels.

# %%
pictures = {'gram': result}
for kind in losses.KINDS[1:ROWS]:
    pictures[kind] = paint(style_transfer(net, p, a, content_layers, style_layers, kind=kind,
                                          relative=True), p)
shown.grid(list(pictures.values()), list(pictures), columns=4, about='the style by four kinds of statistics')

# %% [markdown]
# How far is each from the painting, measured by Gram matrices? The loss of the photo is 1.

# %%
measure = style_transfer(net, p, a, {}, dict.fromkeys(chosen, 1.0), relative=True)


def gram_distance(rgb):
    return measure.eval_loss(images.prepare(images.extend(rgb, reconstruct.MARGIN), mean_pixel))


shown.table(['statistics', 'Gram distance to the painting'],
            [[kind, gram_distance(picture) / gram_distance(photo)]
             for kind, picture in pictures.items()])

# %% [markdown]
# All four are far nearer to the painting than the photo is, and the pictures are of one kind: the article
# is right that means change little. Covariances get there soonest; Gram matrices also have to agree on
# products of large means.
#
# ## What a full VGG-19 would change
#
# The embedded network learned VGG-19's first five style layers, to `conv3_1`, and paints nearly as
# it does with these. Above, it is a quarter as wide and knows 202 classes of small photos: content
# from `conv4_2`, the paper's choice, holds less of what things are than VGG-19's does. With
# `MODEL = 'vgg19'` the content comes from `conv4_2` and the style from `conv1_1` to `conv5_1`, and textures
# of the deep layers show parts of things.
