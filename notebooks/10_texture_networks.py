# %% [markdown]
# # Texture networks
#
# Ulyanov, Lebedev, Vedaldi & Lempitsky 2016, [1603.03417](https://arxiv.org/abs/1603.03417): a network
# that turns noise into a texture, in one pass, trained on Gatys' texture loss alone. Ulyanov, Vedaldi &
# Lempitsky 2016, [1607.08022](https://arxiv.org/abs/1607.08022): normalise each picture by its own
# statistics.
#
# | here | in the paper | recipe |
# |---|---|---|
# | the pyramid | section 3.2, figure 2 | `models/feedforward.py: TEXTURE, build` |
# | the loss | equations 2 to 4 | `recipes/feedforward/objective.py: LossNetwork` |
# | textures | figure 3 | `recipes/texture_networks.py apply` |
# | how they differ, and go round | section 3.2 | the same, `evaluate` |
# | against the optimisation | section 4.2 | `recipes/feedforward/evaluation.py: Optimisation` |

# %%
from models import feedforward  # first: models prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.**

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the loss network
GENERATOR = 'stones'             # one that ships, or the file of one that you trained
TEXTURE = images.ASSETS / 'stones.jpg'
SIZE = 256                       # pixels of the textures' sides
STEPS = 60                       # of the training, and evaluations of the optimisation
ROWS = 3                         # textures

# %%
import time

import numpy as np
import theano
import theano.tensor as T

import shown
from recipes.common import lbfgs
from recipes.common.objective import Objective
from recipes.feedforward import generators, measures, objective, training
from recipes.feedforward.applying import Painter

SIZE = max(64, SIZE)  # the pyramid's coarsest noise wants two pixels

# %% [markdown]
# ## The pyramid
#
# Noise at six sizes, each half of the next. From the coarsest on: three convolutions, enlarged to the
# nearest, joined with what the next noise gives, three convolutions, and so on. Padding is circular, so a
# texture goes round, and it may have any size.

# %%
description = feedforward.DIALECTS['texture_instance']
net = feedforward.build(description)
assert feedforward.parameter_count(net) == 116915
shown.table(['scale', 'noise for 256 x 256', 'channels behind it'], [
    (scale, f'3 x {256 >> 6 - scale} x {256 >> 6 - scale}', 8 * scale) for scale in range(1, 7)])

# %% [markdown]
# ## The loss
#
# Gram matrices of a fixed network, of the texture and of what the noise became (equations 2 and 3),
# averaged over noise: $\mathcal{L}(\theta) = E_z \sum_l \|G^l(g(z;\theta)) - G^l(x_0)\|_2^2$ (equation
# 4). A few steps from the start:

# %%
texture = images.resize(images.read(TEXTURE), 256)
loss = objective.LossNetwork(objective.Settings(model=MODEL), texture, content=False)
half = description._replace(width=0.5)
trainer = training.Trainer(half, loss, seed=1)
random = np.random.RandomState(0)
history = [float((trainer.step(trainer.inputs(None, 64, 64, 1, random), 5e-3) * loss.factors).sum())
           for _ in range(STEPS)]
shown.curves({'texture loss': (range(1, STEPS + 1), history)}, 'step', 'loss',
             'the first steps of a training', yscale='log')

# %% [markdown]
# ## Textures
#
# The generator that ships. Every noise is another texture; none repeats the example.

# %% tags=["gallery"]
painter = Painter(generators.find(GENERATOR))
made = [painter.texture(SIZE, SIZE, seed) for seed in range(1, ROWS + 1)]
shown.grid([images.square(texture, SIZE), *made],
           ['the example', *(f'seed {seed}' for seed in range(1, ROWS + 1))], columns=ROWS + 1,
           about='a texture and what a network makes of noise')

# %% [markdown]
# Laid beside itself, a texture has no seam: the steps across its edges are those inside. The larger one
# is of one noise of four times the area.

# %% tags=["gallery"]
tiled = np.tile(made[0][::2, ::2], (2, 2, 1))
shown.grid([tiled, painter.texture(2 * SIZE, 2 * SIZE, 1)[::2, ::2]],
           ['one texture, four times', 'of twice the sides'], columns=2, width=6,
           about='textures go round, and may have any size')

# %%
shown.table(['', 'measured', 'would be'], [
    ('steps across the edges, by those inside', measures.seam(made[0]), 1),
    ('difference of two textures, by that of shuffled pixels',
     measures.diversity(made) if ROWS > 1 else float('nan'), 1),
    ('spectrum at periods 2 and 4, by its neighbours', measures.checkerboard(made[0]), 1),
    ('mean colour off, grey levels',
     float(np.abs(made[0].mean(axis=(0, 1)) - texture.mean(axis=(0, 1))).max()), 0)])

# %% [markdown]
# ## Against the optimisation
#
# Gatys' way to a texture: start from noise, and minimise the same loss for this one picture.

# %%
picture = T.tensor4()
total = loss.total(loss.terms(picture))
both = theano.function([picture], [total.dimshuffle('x'), T.grad(total, picture)])
measure = theano.function([picture], total)
start = random.uniform(-128, 128, (1, 3, SIZE, SIZE)).astype('float32')
objective_of_one = Objective(both, start.shape)
began = time.perf_counter()
(*_, (optimised, _)) = lbfgs.minimise(objective_of_one, start, 1, STEPS)
optimised = optimised.reshape(start.shape)
seconds = time.perf_counter() - began
began = time.perf_counter()
one = painter.texture(SIZE, SIZE, 1)
shown.table(['made by', 'loss', 'seconds'], [
    ('one pass', float(measure(images.prepare(one, loss.mean_pixel))), time.perf_counter() - began),
    (f'{STEPS} evaluations', float(measure(optimised.astype('float32'))), seconds)])

# %%
shown.grid([images.deprocess(optimised, loss.mean_pixel), one],
           [f'{STEPS} evaluations', 'one pass'], columns=2, width=6,
           about='a texture by optimisation and by one pass')

# %% [markdown]
# ## With a full VGG
#
# `train --impl ulyanov --dialect texture` has the authors' constants on VGG-19. Their published networks
# are read by `python -m models.weights convert FILE.t7 --as generator`.
