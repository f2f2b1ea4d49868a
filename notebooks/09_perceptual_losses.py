# %% [markdown]
# # Perceptual losses
#
# Johnson, Alahi & Fei-Fei 2016, [1603.08155](https://arxiv.org/abs/1603.08155): the losses of style
# transfer need not be minimised for every picture anew. A network can be trained on them once, and
# then paints any photo in one pass. The same losses train one that enlarges photos.
#
# | here | in the paper | recipe |
# |---|---|---|
# | the network | supplement, table 1 | `models/feedforward.py: Description, build` |
# | losses | section 3.2, equations 2 to 4 | `recipes/feedforward/objective.py: LossNetwork` |
# | training | section 4.1 | `recipes/feedforward/training.py: Trainer` |
# | against the optimisation | figure 5, table 1 | `recipes/perceptual_losses.py evaluate` |
# | blocks with and without sums | supplement | the same, `--block plain` |
# | super-resolution | section 4.2, figures 8 and 9 | `recipes/super_resolution.py` |

# %%
from models import feedforward  # first: models prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** Generators that you trained are named by their files.

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the loss network
GENERATORS = ['windy_night', 'mosaic', 'starry_night']
SIZE = 256                       # pixels of the photos' sides
STEPS = 40                       # of the two trainings
ROWS = 3                         # photos
PHOTOS = [images.bundled_photo(), *(images.bundled_photo().with_name(name)
                                    for name in ('chelsea.png', 'coffee.png'))]

# %%
import lasagne
import numpy as np

import shown
from recipes.common import photos
from recipes.feedforward import enlarging, evaluation, generators, objective, training
from recipes.feedforward.applying import Painter

pictures = [images.square(images.read(path), SIZE) for path in PHOTOS[:ROWS]]

# %% [markdown]
# ## The network
#
# A convolution of 9x9, two of stride 2, five residual blocks of two 3x3 at a quarter of the size, two
# upsamplings, a convolution of 9x9, and $150\tanh$. The paper's has 1,679,235 parameters; the author's
# published networks with instance normalisation half the filters and 424,899. The archive's mirrors at
# the edges, where zeros would make borders, and enlarges to the nearest pixel, where a transposed
# convolution makes checkerboards.

# %%
net = feedforward.build(feedforward.ARCHIVE)
assert feedforward.parameter_count(net) == 424899
shown.table(['layer', 'output for 3 x 256 x 256', 'parameters'], [
    (name, ' x '.join(map(str, lasagne.layers.get_output_shape(layer, (1, 3, 256, 256))[1:])),
     sum(parameter.get_value().size for parameter in layer.get_params()))
    for name, layer in net.items() if layer.get_params() and not name.endswith('_norm')])

# %% [markdown]
# ## Losses
#
# - **Features** (equation 2): the squared distance between a layer's activations of the picture and of
#   the photo, $\ell^{\phi,j}_{feat}(\hat y, y) = \frac{1}{C_jH_jW_j}\|\phi_j(\hat y)-\phi_j(y)\|_2^2$.
# - **Style** (equations 3 and 4): the same of Gram matrices,
#   $\ell^{\phi,j}_{style}(\hat y, y) = \|G^\phi_j(\hat y)-G^\phi_j(y)\|_F^2$.
#
# `archive` takes each as a share of the photo's or the painting's own, as its optimisation does, so
# that one pair of weights suits every painting. A term that the paper lacks counts what repeats on the
# grid of the upsampling: without it, stripes of a period of four pixels fill whatever is flat.

# %%
painting = images.resize(images.read(images.PAINTING), 256)
loss = objective.LossNetwork(objective.Settings(model=MODEL), painting)
optimisation = evaluation.Optimisation(loss)
prepared = [images.prepare(rgb, loss.mean_pixel) for rgb in pictures]
shown.table(['picture', 'loss'], [
    ('the photo as it is', float(optimisation.measure(prepared[0], prepared[0]))),
    ('grey', float(optimisation.measure(0 * prepared[0], prepared[0])))])

# %% [markdown]
# ## Training
#
# Adam on random squares of photos. Here from the start, for a moment, with residual blocks and with
# the same network without the sums; the paper found both to reach the same loss in the end, the
# residual one sooner.

# %%
crops = [images.resize(rgb, 128) for rgb in pictures]
random = np.random.RandomState(0)


def trained(block):
    description = feedforward.ARCHIVE._replace(width=0.25, block=block)
    trainer = training.Trainer(description, loss, seed=1)
    history = []
    for step in range(STEPS):
        batch = photos.stack([crops[step % len(crops)][:96, :96]], loss.mean_pixel)
        terms = trainer.step([batch], 2e-3)
        history.append(float((terms * loss.factors).sum()))
    return history


shown.curves({block: (range(1, STEPS + 1), trained(block)) for block in ('residual', 'plain')},
             'step', 'loss', 'the first steps of two trainings, with residual and plain blocks',
             yscale='log')

# %% [markdown]
# The generators that ship were trained for a quarter to three quarters of an hour on one core; their
# logs lie in `models/embedded/generators`. Photos that they have not seen:

# %% tags=["gallery"]
painters = {name: Painter(generators.find(name)) for name in GENERATORS}
shown.grid([part for rgb in pictures
            for part in (rgb, *(painter.paint(rgb) for painter in painters.values()))],
           ['photo', *painters] * len(pictures), columns=len(painters) + 1,
           about='photos painted in one pass by generators that were trained on one painting each')

# %% [markdown]
# ## Against the optimisation
#
# Figure 5 and table 1: how low the loss of one pass is, against L-BFGS on each photo, and how many
# times faster it is.

# %% tags=["gallery"]
name = GENERATORS[0]
compiled = generators.compile_generator(*generators.load(generators.find(name)))
counts = [count for count in (2, 10, 50, 100) if count <= 2 * STEPS + 20]
found = evaluation.compared(compiled, optimisation, prepared, counts)
shown.curves({'optimisation': (counts, [found['losses'][count] for count in counts]),
              f'{name}, one pass': (counts, [found['loss']] * len(counts))},
             'evaluations', 'loss', 'the loss of one pass against the optimisation of each photo',
             xscale='log', yscale='log')

# %%
shown.table(['painted by', 'loss', 'seconds', 'times faster'], [
    ('one pass', found['loss'], found['seconds'], ''),
    *((f'{count} evaluations', found['losses'][count], found['optimisation_seconds'][count],
       found['times_faster'][count]) for count in counts)])

# %% [markdown]
# ## Super-resolution
#
# A photo is blurred and made four times smaller; a network enlarges it again. Trained on the difference
# of pixels it blurs what it cannot know, for that is the mean of what there may be. Trained on the
# difference of features (equation 2) it draws fine detail, right or wrong: more of the energy of
# what is fine, and a lower PSNR. Both as the paper says.

# %% tags=["gallery"]
networks = {name: Painter(generators.find(name)) for name in ('enlarge_4', 'enlarge_4_pixels')}
photo = images.square(images.read(PHOTOS[0]), SIZE)
small = enlarging.lowered(photo, 4)
enlarged = {'bicubic': enlarging.bicubic(small, 4),
            **{name: painter.paint(small) for name, painter in networks.items()}}
part = slice(0, SIZE // 2), slice(SIZE // 4, 3 * SIZE // 4)
shown.grid([rgb[part] for rgb in (*enlarged.values(), photo)], [*enlarged, 'photo'], columns=4,
           about='a photo enlarged four times: bicubic, trained on features, trained on pixels')

# %%
shown.table(['enlarged by', 'PSNR', 'SSIM', 'fine detail'],
            [(name, *enlarging.measured(rgb, photo)) for name, rgb in enlarged.items()])

# %% [markdown]
# ## With a full VGG
#
# The paper's loss network is VGG-16: `train --impl johnson --dialect johnson` takes its layers, weights
# and network, and wants `vgg16` weights, 40 000 steps and a GPU. Published networks load with
# `python -m models.weights convert FILE --as generator`.
