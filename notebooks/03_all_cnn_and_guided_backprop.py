# %% [markdown]
# # All-CNN and guided backprop
#
# Springenberg, Dosovitskiy, Brox & Riedmiller 2015, [1412.6806](https://arxiv.org/abs/1412.6806): a
# network of convolutions only is as good as one with pooling, but it has no switches, and a deconvnet
# has nothing to tell one photo from another by. Guided backprop has. The notebook computes the three
# rules on a picture of 16 pixels in whole numbers, then on photos, and shows what to doubt.
#
# | here | in the paper | recipe |
# |---|---|---|
# | three rules | section 3.4, figure 1 | `modifiedbackprop: GuidedBackprop, ZeilerBackprop` |
# | one unit of a photo | figures 2 and 3 | `recipes/common/projections.py: compile_projection` |
# | without switches | section 3.4 | the same |
# | the network | tables 1 to 3 | `models/all_cnn.py`, `recipes/train_all_cnn.py` |

# %%
import models  # first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** Any network with rectifiers will do; a VGG's dense layers want `SIZE = 224`. A trained All-CNN-C comes from
# `recipes/train_all_cnn.py`; the archive ships none.

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 128                       # pixels of the photos' shorter side
PHOTOS = [images.bundled_photo(), *(images.bundled_photo().with_name(name)
                                    for name in ('chelsea.png', 'coffee.png'))]

# %%
import lasagne
import numpy as np
from lasagne.layers import Conv2DLayer, DenseLayer, InputLayer
from scipy.stats import spearmanr

import diagrams
import shown
from recipes import saliency
from recipes.common import maps, photos, projections

# %% [markdown]
# ## Three rules
#
# Forwards every rectifier computes $f^{l+1} = \max(0, f^l)$. Backwards a signal $R^{l+1}$ arrives.
#
# - **Gradient** (backprop): pass where the input was positive,
#   $R^l = [f^l > 0]\; R^{l+1}$.
# - **Deconvnet**: pass what is positive itself,
#   $R^l = [R^{l+1} > 0]\; R^{l+1}$.
# - **Guided backprop**: both,
#   $R^l = [f^l > 0]\,[R^{l+1} > 0]\; R^{l+1}$.
#
# Take a picture of 4x4 pixels, 0 to 15. A convolution with two kernels of ones and the biases -50 and
# -75 gives two maps of 2x2, rectified. A dense layer weighs those 8 numbers with +1 five times and -1
# three times. Everything can be done by hand.

# %%
net = {'picture': InputLayer((None, 1, 4, 4))}
net['conv'] = Conv2DLayer(net['picture'], 2, 3, W=np.ones((2, 1, 3, 3), 'float32'),
                          b=np.array([-50, -75], 'float32'))
row = np.array([1] * 5 + [-1] * 3, 'float32')
net['dense'] = DenseLayer(net['conv'], 4, W=np.repeat(row[:, None], 4, axis=1))
picture = np.arange(16, dtype='float32').reshape(1, 1, 4, 4)
conv, dense = projections.compile_activations(net, ['conv', 'dense'])(picture)
shown.drawn(diagrams.integers([picture[0, 0], *conv[0], dense], ['picture', 'map 0, rectified',
                                                                'map 1, rectified', 'dense']),
            'a picture of 16 pixels and what the small network makes of it')

# %% [markdown]
# Back from the first of the four outputs:

# %% tags=["gallery"]
seed = projections.unit_target(dense, 'dense', 0)
by_rule = {method: projections.compile_projection(net, ['dense'], method)(picture, seed)[0, 0]
           for method in projections.METHODS}
shown.drawn(diagrams.integers(list(by_rule.values()),
                              [saliency.TITLES[method] for method in by_rule], columns=3),
            'the three rules on a picture of 16 pixels, in whole numbers')

# %% [markdown]
# Follow one number. At the first position of map 0 the sum of nine pixels is 45, and $45 - 50 < 0$:
# the rectifier gave 0, so backprop and guided backprop stop there, and the deconvnet does not. The last
# three weights are negative: their signal is stopped by the deconvnet and by guided backprop, and the
# gradient subtracts it. So the guided map is nowhere above the deconvnet's.

# %%
assert (by_rule['guided'] <= by_rule['deconvnet']).all()
np.testing.assert_array_equal(by_rule['gradient'],
                              [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]])

# %% [markdown]
# The archive checks its op against these numbers, because it can go wrong without a word: on every
# Theano since 0.10 the Recipes' notebook, which assigns `op.grad`, computes the plain gradient three
# times. Notebook 8 is about that.
#
# ## On photos
#
# The strongest unit of the strongest channel in a layer, for three photos.

# %%
LAYER = models.facts_of(MODEL).dream
net, classes, mean_pixel = models.load(MODEL)
pictures = [photos.fit(images.read(path), net, SIZE, square=True) for path in PHOTOS]
x = photos.stack(pictures, mean_pixel)
(activations,) = projections.compile_activations(net, [LAYER])(x)
channel = int(activations.sum(axis=(0, 2, 3)).argmax())
seed = projections.unit_target(activations, LAYER, channel)
project = {method: projections.compile_projection(net, [LAYER], method)
           for method in projections.METHODS}
by_rule = {method: function(x, seed) for method, function in project.items()}
shown.grid([part for index, rgb in enumerate(pictures)
            for part in (rgb, *(maps.signed(found[index]) for found in by_rule.values()))],
           ['photo', *(saliency.TITLES[method] for method in by_rule)] * len(pictures), columns=4,
           about='one unit of three photos: gradient, guided backprop, deconvnet')

# %% [markdown]
# The gradient is everywhere of both signs, since what excites the unit and what inhibits it add up on
# the way. The two others keep what excites it.
#
# ## Without switches
#
# With max pooling the deconvnet knows the photo through its switches. All-CNN has strided convolutions
# instead. Then nothing of the photo enters the way back, and the deconvnet's map of a unit is *the
# same for every photo*. The same happens in a trained network when its max pooling becomes a mean: no
# switches, one map.

# %% tags=["gallery"]
mean_net, _, _ = models.load(MODEL, pool='average_exc_pad', deepest=LAYER)
place = tuple(length // 2 for length in activations.shape[2:])
seed = projections.unit_target(activations, LAYER, channel, place)
parts, titles, alike = [], [], {}
for method in ('deconvnet', 'guided'):
    found = projections.compile_projection(mean_net, [LAYER], method)(x, seed)
    alike[method] = np.abs(found - found[:1]).max() / np.abs(found).max()
    parts += [maps.signed(one) for one in found]
    titles += [f'{saliency.TITLES[method]}, photo {number}' for number in range(1, len(x) + 1)]
assert alike['deconvnet'] < 3e-5 < 1e-2 < alike['guided']  # 2e-5 is float32's rounding
shown.grid(parts, titles, columns=len(x),
           about='without switches: one deconvnet map for all photos, guided maps of each')

# %% [markdown]
# All-CNN-C itself, with weights as they were drawn at random, on three pictures of 32 pixels:

# %%
all_cnn = models.build('all_cnn_c')
top = models.scores(all_cnn).name
small = photos.stack([images.resize_to(rgb, 32, 32) for rgb in pictures], mean_pixel)
(scores,) = projections.compile_activations(all_cnn)(small)
rows = []
for method in projections.METHODS:
    found = projections.compile_projection(all_cnn, None, method)(
        small, projections.class_target(scores, 3))
    rows.append([saliency.TITLES[method],
                 float(np.abs(found[1:] - found[:1]).max() / np.abs(found).max())])
count = lasagne.layers.count_params(all_cnn[top], trainable=True)
print(f'All-CNN-C: {count} parameters, scores in {top}')
shown.table(['way back from one class', 'largest difference between photos'], rows)

# %% [markdown]
# The paper's network has 1.3 million parameters by its text and errs on 9.08 % of CIFAR-10 (table 3;
# 10.19 % for the strided network without more layers, 9.74 % with pooling). Nobody has trained it here
# to the end: `python recipes/train_all_cnn.py PHOTOS` does.
#
# ## What to doubt
#
# Guided maps look clean, but what do they say? Adebayo et al. 2018
# ([1810.03292](https://arxiv.org/abs/1810.03292)) and Nie et al. 2018
# ([1805.07039](https://arxiv.org/abs/1805.07039)) let upper layers forget what they learned, and
# compared the maps. Here the upper half of the layers gets random weights, as before a training; Spearman's
# rank correlation compares the magnitudes before and after. A map that explains the network must change.

# %%
(scores,) = projections.compile_activations(net)(x)
seed = projections.class_target(scores, scores.argmax(axis=1))
ways = {method: projections.compile_projection(net, None, method) for method in projections.METHODS}
before = {method: way(x, seed) for method, way in ways.items()}
convolutions = [layer for layer in net.values() if isinstance(layer, (Conv2DLayer, DenseLayer))]
random = np.random.RandomState(1)
for layer in convolutions[-len(convolutions) // 2:]:
    shape = layer.W.get_value().shape
    inputs = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
    layer.W.set_value(random.normal(0, np.sqrt(2 / inputs), shape).astype('float32'))
after = {method: way(x, seed) for method, way in ways.items()}

# %% tags=["gallery"]
shown.grid([maps.panels(found[method][0])[0] for found in (before, after) for method in ways],
           [f'{saliency.TITLES[method]}, {when}' for when in ('as trained', 'upper half random')
            for method in ways], columns=3,
           about='maps as trained, and with the upper half of the network random')

# %%
shown.table(['map', "Spearman's correlation, as trained against random"],
            [[saliency.TITLES[method], float(np.mean([
                spearmanr(maps.magnitude(a).ravel(), maps.magnitude(b).ravel())[0]
                for a, b in zip(before[method], after[method])]))] for method in ways])

# %% [markdown]
# The higher the number, the less the map depends on what the upper half had learned. Guided backprop
# mostly shows edges that the *lower* layers see. It is a good picture of what a unit could respond
# to, and a poor reason for a class.
#
# ## What a full network would change
#
# In a VGG deep units answer to parts of things, and guided maps of a unit draw these parts: an eye, a
# wheel. The rules, and what happens without switches, are the same for every network.
