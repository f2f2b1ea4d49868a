# %% [markdown]
# # Control: which of a painting's features to keep
#
# The article ends with a wish: see every feature of a style, mark those that are wanted, and put only
# these into the loss. The notebook goes three steps that way, on top of
# [1508.06576](https://arxiv.org/abs/1508.06576): fewer colours, an atlas of what the network finds in a
# painting, and a picture in the painting's style without one of its motifs.
#
# | here | in | recipe |
# |---|---|---|
# | a palette | the article | `recipes/common/palettes.py`, `styletransfer.py --style-palette` |
# | the photo's own colours | Gatys et al. 2016, [1606.05897](https://arxiv.org/abs/1606.05897), section 3 | `recipes/common/colours.py`, `--colours` |
# | an atlas of features | the article, at its end | `recipes/feature_atlas.py`, `recipes/style/motifs.py` |
# | without a motif | the same, and Gatys et al. 2017, [1611.07865](https://arxiv.org/abs/1611.07865), equations 5 and 6 | `styletransfer.py --features` |

# %%
import models  # noqa: F401 - first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** Which motif leaves the painting is said by a place in it: the motif that fires there
# most. `PLACE` is in shares of height and width from the upper left corner: of the bundled painting, a
# star. `THRESHOLD` is the slider of the atlas's page.

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 128                       # pixels of the pictures' shorter side
STEPS = 60                       # evaluations of loss and gradient for each picture
COLOURS = 6                      # of the reduced painting
PHOTO = images.bundled_photo()   # NASA's portrait of an astronaut
PAINTING = images.PAINTING       # drawn by this project's code
PLACE = (0.1, 0.07)
THRESHOLD = 0.25                 # of the motif's strength: where it is stronger, it goes

# %%
import io

import numpy as np

import shown
from recipes.common import colours, command_line, figures, lbfgs, palettes, projections
from recipes.common.networks import load_to
from recipes.common.objective import Objective
from recipes.style import masks, motifs
from recipes.style.defaults import settings_of
from recipes.style.loss import Looker, Painting, StyleLoss, style_transfer

MARGIN = 8
settings = settings_of('archive', MODEL)
content_layers = dict.fromkeys(command_line.layer_weights(settings.content_layers), 1.0)
style_layers = dict.fromkeys(command_line.layer_weights(settings.style_layers), 50.0)
net, mean_pixel = load_to([*content_layers, *style_layers], MODEL, pool='average_exc_pad')
photo, painting = (images.resize(images.read(path), SIZE) for path in (PHOTO, PAINTING))


def prepared(rgb):
    return images.prepare(images.extend(rgb, MARGIN), mean_pixel)


def minimised(objective):
    *_, (x, _) = lbfgs.minimise(objective, prepared(photo), 1, STEPS)
    return images.trim(images.deprocess(x.reshape(prepared(photo).shape), mean_pixel), MARGIN)


def painted(like):
    """Paint the photo like a picture."""
    return minimised(style_transfer(net, prepared(photo), prepared(like), content_layers,
                                    style_layers, relative=True))


# %% [markdown]
# ## A palette
#
# A style transfer smears a painting's many colours into all of their mixtures: Gram matrices have
# products, and mixtures have the right products too. Reduced before to a few colours by k-means in
# L\*a\*b\*, where a distance is what an eye sees,
#
# $$\min_{c_1, \dots, c_K} \sum_i \min_k \lVert p_i - c_k \rVert_2^2 ,$$
#
# there are fewer to mix. Below each picture: how its pixels are spread over $a^*$ (green to red) and
# $b^*$ (blue to yellow).

# %%
palette = palettes.palette_of(painting, COLOURS)
reduced = palettes.with_palette(painting, palette)
plain, with_few = painted(painting), painted(reduced)
file = io.BytesIO()
figures.save_distributions(file, [painting, plain, reduced, with_few],
                           ['the painting', 'like the painting', f'{len(palette)} colours',
                            'like these'], width=2.6)
shown.jpeg(file, 'colours of a painting and of the result, in full and reduced to a few')

# %%
rows = []
for name, like, result in (('all colours', painting, plain), ('a palette', reduced, with_few)):
    kept, there = palettes.peaks_kept(like, result)
    rows.append([name, palettes.entropy(like), palettes.entropy(result), f'{kept} of {there}',
                 palettes.share_near(result, palette)])
shown.table(['painting', 'its colours, bits', "the result's, bits", 'peaks kept',
             'pixels near the palette'], rows)

# %% [markdown]
# The result has fewer colours than the one of the whole painting, and more of its pixels are near the
# palette. But the peaks do not survive: Gram matrices ask for products of channels, and between two paints
# there are pixels of every mixture that have them. The article's promise holds by halves only, at this size
# and with this network. (Few paints and nothing between them is a matter of the last step:
# `palettes.with_palette` of the result.)
#
# ## The photo's own colours
#
# Two ways keep the photo's colours: take only the luminance of the result; or give the painting the
# photo's mean colour and covariance before, $\Sigma$, by the linear map
# $\Sigma_{photo}^{1/2} \Sigma_{painting}^{-1/2}$.

# %%
matched = colours.matched(painting, photo)
shown.grid([plain, colours.with_colours_of(photo, plain), matched, painted(matched)],
           ["the painting's colours", 'luminance only', 'the painting, matched', 'like that'],
           columns=4, about="the photo's colours kept in two ways")

# %% [markdown]
# ## An atlas of features
#
# In each style layer, channels that fire at the same places belong together: a *motif*. Their maps
# are blurred a little, correlated and grouped,
#
# $$d(i, j) = 1 - \operatorname{corr}\left(a_i, a_j\right).$$
#
# `python recipes/feature_atlas.py` makes a page of them to click on. Here are the motifs of one
# layer, with the places at which they fire.

# %% tags=["gallery"]
LAYER = list(style_layers)[-1]
(found,) = projections.compile_activations(net, [LAYER])(images.prepare(painting, mean_pixel))
numbers = motifs.group(found[0], 8)
heats = motifs.heats(found[0], numbers)


def lit(heat):
    """The painting where a motif fires, and grey elsewhere."""
    share = masks.fitted(heat.astype('float32'), *painting.shape[:2])[:, :, None]
    pale = 235 - (255 - painting.mean(axis=2, keepdims=True)) * 0.2
    return np.rint(painting * share + pale * (1 - share)).clip(0, 255).astype('uint8')


shown.grid([painting, *map(lit, heats)],
           ['the painting', *(f'motif {number}, {int((numbers == number).sum())} channels'
                              for number in range(len(heats)))], columns=3,
           about=f'the motifs of {LAYER} in a painting')

# %% [markdown]
# ## Without one of them
#
# Dropping a motif's channels from the loss is not enough: channels are shared, and other layers see
# the motif too. So the places at which it fires leave the painting's statistics, by a guide $T$ that is
# 0 there and 1 elsewhere,
#
# $$G^l_{ij} = \frac{1}{\sum_p T_p^2} \sum_p T_p^2\, F^l_{ip} F^l_{jp} ,$$
#
# and the painting itself, where they are painted over, as units around would see them still.

# %% tags=["gallery"]
row, column = (int(share * length) for share, length in zip(PLACE, heats.shape[1:]))
motif = int(heats[:, row, column].argmax())
kept = (masks.fitted(heats[motif].astype('float32'), *painting.shape[:2]) < THRESHOLD
        ).astype('float32')
rest = masks.paint_over(painting, kept)
channels = {LAYER: np.flatnonzero(numbers != motif)}
loss = StyleLoss(net, content_layers, style_layers, guided=True, channels=channels)
around = np.pad(kept, MARGIN, mode='reflect')[None]
everywhere = np.ones((1, *prepared(photo).shape[2:]), 'float32')
targets = Looker(loss).targets(prepared(photo), [Painting(prepared(rest), around)], everywhere)
loss.aim_at(targets)
energies = targets.energies()
loss.weigh({name: 0.0 for name in loss.names})
loss.weigh({f'{kind} {layer}': weight / energies[f'{kind} {layer}']
            for kind, layers in (('content', content_layers), ('style', style_layers))
            for layer, weight in layers.items()})
without = minimised(Objective(loss, prepared(photo).shape))
shown.grid([painting, rest, plain, without],
           ['the painting', f'without motif {motif}', 'like all of it', 'like the rest'], columns=4,
           about='a painting without one of its motifs, and what is painted like it')

# %% [markdown]
# With the stars go the ring of the moon, the lamps and the glow behind the mill: to the network they
# are one motif. What is painted like the rest has less yellow and more of the water's green.
#
# ## What a full VGG-19 would change
#
# A motif is as good as the channels that make it. To `conv3_1` the embedded network's are close to
# VGG-19's; deeper ones tell fewer shapes apart. With `MODEL = 'vgg19'` the atlas goes to `conv5_1`, and
# its motifs come nearer to things: a moon, a tree.
