# %% [markdown]
# # Deconvnets: what excites a channel
#
# Zeiler & Fergus 2014, [1311.2901](https://arxiv.org/abs/1311.2901): go from one unit of a network
# back to the pixels, undoing each layer on the way, and see what in the photo it answered to. The
# notebook draws each of the three steps, does them one by one, shows that the whole is a gradient
# with another rule for rectifiers, and sorts patches of photos by what excites a channel most.
#
# | here | in the paper | recipe |
# |---|---|---|
# | strides, transposes, switches | section 2.1, figure 1 | `recipes/deconvnet.py: step_down`, `unpool` |
# | the steps, one by one | section 2.1 | `compile_steps`, `compile_deconvnet` |
# | as a gradient | | `modifiedbackprop: ZeilerBackprop` |
# | strongest patches | figure 2 | `Survey`, `show` |
# | first filters, occlusion | sections 4.1 and 4.2, figures 6 and 7 | `FirstFilters`, `recipes/occlusion.py` |

# %%
import models  # first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** Any network with max pooling will do; `'zeiler_fergus'`, `'vgg16'` and `'vgg19'` need
# their weights (`python -m models.weights fetch vgg19`).

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 128                       # pixels of the photos' shorter side
ROWS = 8                         # channels that are shown
PHOTO = images.bundled_photo()   # NASA's portrait of an astronaut
OTHERS = ('chelsea.png', 'coffee.png', 'rocket.jpg', 'motorcycle_left.png', 'hubble_deep_field.jpg')

# %%
import numpy as np
from lasagne.layers import InputLayer, MaxPool2DLayer

import diagrams
import shown
from recipes import deconvnet, occlusion
from recipes.common import figures, maps, projections, receptive_fields

# %% [markdown]
# ## Three steps
#
# **Filtering.** A convolution takes a weighted sum of each neighbourhood. Along one axis, with a
# kernel of three numbers and stride $s$,
#
# $$y_u = \sum_{t=0}^{2} w_t\, x_{s u + t} .$$
#
# Read the same lines backwards and each unit hands its signal to the pixels that it came from:
#
# $$\tilde x_i = \sum_{u,\,t:\; s u + t = i} w_t\, \tilde y_u .$$
#
# With stride 2 pixels get their sums from two units or from one: the transpose has a pattern of its
# own, which is why maps of networks with strides show grids.

# %% tags=["gallery"]
shown.drawn(diagrams.strides(), 'a convolution with stride 1 and with stride 2, and their transposes')

# %% [markdown]
# As a matrix, $y = C x$ forwards and $\tilde x = C^T \tilde y$ backwards. It is no inverse:
# $C^T C \neq I$. What a "deconvolution" gives is what the unit looks for, not what was there.

# %%
shown.drawn(diagrams.matrices(), 'a convolution as a matrix, and its transpose')

# %% [markdown]
# **Unpooling.** A max pooling forgets where in its window the maximum was. The deconvnet remembers:
# that is its *switch*. On the way back a signal goes to the switch, and zero everywhere else. The
# numbers below come out of `recipes/deconvnet.py`. A window of equal values takes the first.

# %%
below = np.array([[5, 1, 2, 2], [0, 3, 8, 1], [4, 4, 0, 6], [1, 2, 3, 0]], 'float32')
signal = np.array([[7, -2], [1, 9]], 'float32')
window = {'input': InputLayer((None, 1, None, None))}
window['pool'] = MaxPool2DLayer(window['input'], 2)
(pooled,) = projections.compile_activations(window, ['pool'])(below[None, None])
unpooled = deconvnet.compile_deconvnet(window, 'pool')(below[None, None], signal[None, None])
shown.drawn(diagrams.switches(below, pooled[0, 0], signal, unpooled[0, 0]),
            'a pooling, its switches, and a signal that goes back through them')

# %% [markdown]
# **Rectification.** Forwards a rectifier lets positive sums through, $\max(0, z)$. Backwards the
# deconvnet applies the same function to the *signal*, $\max(0, \tilde y)$, whatever the sum was
# forwards. The gradient does the other thing: it lets through what was positive forwards. Notebook 3
# has both in integers.
#
# ## The steps, one by one
#
# The unit: the strongest of the strongest channel in a layer. All other activations of the layer
# are set to zero, as in the paper.

# %%
LAYER = models.facts_of(MODEL).deconvnet
net, _, mean_pixel = models.load(MODEL, deepest=LAYER)
photo = images.resize(images.read(PHOTO), SIZE)
x = images.prepare(photo, mean_pixel)
look = projections.compile_activations(net, [LAYER])
(activations,) = look(x)
channel = int(activations[0].sum(axis=(1, 2)).argmax())
seed = projections.unit_target(activations, LAYER, channel, at_value=True)
names, steps = deconvnet.compile_steps(net, LAYER)
signals = steps(x, seed)
shown.table(['signal at', 'shape', 'share that is not zero', 'largest'],
            [[name, ' x '.join(map(str, signal.shape[1:])), float((signal != 0).mean()),
              float(signal.max())] for name, signal in zip(names, signals)])

# %% [markdown]
# Each picture is the signal of one layer, summed over its channels: one unit fans out on the way
# down, and at every pooling jumps to the places that were strongest.

# %%


def drawn(signal):
    levels = np.abs(signal[0]).sum(axis=0)
    return figures.coloured(levels / max(levels.max(), 1e-12), 'perceptual')


shown.grid([*map(drawn, signals[:-1]), maps.signed(signals[-1][0])], [*names[:-1], 'pixels'],
           columns=6, interpolation='nearest', about='one unit on its way down to the pixels')

# %% [markdown]
# ## The same as a gradient
#
# Transposed filters are the gradient of a convolution, and switches are the gradient of max pooling.
# Only the rectifier differs, so the whole deconvnet is `theano.grad` with one rule changed:
#
# $$\tilde y^{\,l} = \tilde y^{\,l+1} \left[\tilde y^{\,l+1} > 0\right]
# \quad\text{instead of}\quad \tilde y^{\,l} = \tilde y^{\,l+1} \left[z^{\,l} > 0\right].$$
#
# (Average pooling has no switches, and a response normalisation has a gradient but no step in the
# paper.)

# %%
project = projections.compile_projection(net, [LAYER], 'deconvnet')
stepwise, gradient = signals[-1], project(x, seed)
difference = np.abs(stepwise - gradient).max() / np.abs(stepwise).max()
assert difference < 1e-4  # float32 sums in another order
shown.grid([photo, maps.signed(stepwise[0]), maps.signed(gradient[0])],
           ['the photo', 'step by step', f'as a gradient (differs by {difference:.0e})'], columns=3,
           about='the deconvnet step by step, and as a gradient')

# %% [markdown]
# ## What excites a channel most
#
# The paper's figure 2 searches the validation photos of ImageNet for the nine that excite a channel
# most, and shows beside each what of it the deconvnet brings back. Here are squares cut out of the
# bundled photos, a small library of our own.

# %%
library = {}
for place in (PHOTO, *(images.bundled_photo().with_name(name) for name in OTHERS)):
    rgb, side = images.resize(images.read(place), 2 * SIZE), SIZE // 2
    for top in range(0, rgb.shape[0] - side + 1, side):
        for left in range(0, rgb.shape[1] - side + 1, side):
            library[place.stem, top, left] = rgb[top:top + side, left:left + side]
print(len(library), 'squares of', side, 'pixels')


def batches(count=16):
    found = list(library.items())
    return (found[start:start + count] for start in range(0, len(found), count))


survey = deconvnet.Survey(look, batches(), mean_pixel, LAYER)
print(survey.sentence())

# %% tags=["gallery"]
pairs, titles = [], []
for channel in survey.liveliest(ROWS):
    both = [deconvnet.show(library[key], images.prepare(library[key], mean_pixel),
                           [(channel, None)], look, project, net[LAYER])[:2]
            for key in survey.best((channel, None), 9)]
    pairs.append(figures.mosaic([
        figures.mosaic([maps.signed(projection) for _, projection in both], 3),
        figures.mosaic([patch for patch, _ in both], 3)], 2, gap=6))
    titles.append(f'{LAYER}, channel {channel}')
shown.grid(pairs, titles, columns=2, width=10,
           about='nine strongest patches of channels, and what the deconvnet brings back of each')

# %% [markdown]
# Left the projections, right the patches. Patches of one channel differ, and their projections agree:
# in the edge, stroke or texture that they share. A unit here sees this much of the picture:

# %%
fields = receptive_fields.receptive_field(net[LAYER])
print(f'a unit of {LAYER} sees {fields[0].size} x {fields[1].size} pixels, one every '
      f'{fields[0].stride}')

# %% [markdown]
# ## First filters, and a grey square
#
# The paper found faults of AlexNet by looking: some first filters dominate, and a stride of 4
# aliases. `FirstFilters` measures both.

# %%
filters = deconvnet.FirstFilters(net)
print(filters.sentence())
shown.grid([np.kron(maps.signed(kernel, 100), np.ones((8, 8, 1), 'uint8'))
            for kernel in filters.kernels[:32]], [''] * 32, columns=16, width=9,
           interpolation='nearest', about='filters of the first layer')

# %% [markdown]
# Does a map tell the truth? Slide a grey square over the photo, and see where the sum of the
# channel's activations falls. The deconvnet draws what in the photo the whole channel answers to; the
# square measures what the channel really misses. Where both are strong, the map can be believed; where
# the square hardly costs anything, or even helps, the map alone would have misled.

# %% tags=["gallery"]
squares = occlusion.squares_of(photo.shape[:2], SIZE // 5, SIZE // 20)
found = occlusion.Occlusion(occlusion.compile_look(net, LAYER, probabilities=False), x, squares)
covered = occlusion.importance(found.sum, found.sums, squares, photo.shape[:2])
everywhere = np.zeros_like(activations)
everywhere[:, found.channel] = activations[:, found.channel]
projection = project(x, everywhere)[0]
shown.grid([occlusion.with_square(photo, squares.side), maps.signed(projection),
            figures.coloured(covered, 'perceptual')],
           ['a square', f'channel {found.channel} by the deconvnet', 'missed where covered'],
           columns=3, about='a channel by the deconvnet, and what it misses behind a grey square')

# %% [markdown]
# ## What a full network would change
#
# The paper's network has 96 first filters of 7x7 pixels and was shown 1.3 million photos; its layer 4
# and 5 answer to dog faces, wheels and flowers. The embedded network has 3x3 filters and saw 100 000
# photos of 64 pixels: its layers answer to edges, colours and textures, and hardly to things. With
# `MODEL = 'vgg19'`, or `'zeiler_fergus'` and 224 pixels, and a folder of photos for the library, the
# patches are the paper's kind.
