# %% [markdown]
# # A tour of the layers
#
# From the article of 2016 that this archive follows: walk through a network from the first convolution
# to the last, and at each stop see what its strongest channels find in a photo, by guided backprop
# ([1412.6806](https://arxiv.org/abs/1412.6806)). First the single largest element of a channel, then the
# whole map. Early stops are colours and edges; later ones need a larger part of the photo.
#
# | here | in the article | recipe |
# |---|---|---|
# | channels by their sums | "deeper" | `recipes/layer_features.py: tour` |
# | what a unit sees | | `recipes/common/receptive_fields.py` |
# | one element, whole map | "deeper" | `recipes/layer_features.py` |

# %%
import models  # first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** `'vgg16'` and `'vgg19'` need their weights (`python -m models.weights fetch vgg19`).
# `python recipes/layer_features.py` makes a page of every convolution, to browse.

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 128                       # pixels of the photo's shorter side
ROWS = 4                         # channels in each layer
PHOTO = images.bundled_photo()   # NASA's portrait of an astronaut
STOPS = None                     # names of layers, or None for five of the network's own

# %%
import numpy as np

import shown
from recipes import layer_features
from recipes.common import maps, projections, receptive_fields

stops = list(STOPS or models.facts_of(MODEL).style)
if STOPS is None and models.facts_of(MODEL).content not in stops:
    stops = sorted([*stops, models.facts_of(MODEL).content])
net, stops, mean_pixel = layer_features.load_network(MODEL, layers=stops)
photo = images.resize(images.read(PHOTO), SIZE)
x = images.prepare(photo, mean_pixel)
activations = projections.compile_activations(net, stops)(x)
project = projections.compile_projection(net, stops, 'guided')

# %% [markdown]
# ## What a unit can see
#
# A convolution of size $k$ on a map whose units see $r$ pixels and stand $s$ pixels apart gives units
# that see
#
# $$r' = r + (k - 1)\, s, \qquad s' = s \cdot \text{stride} .$$

# %%
fields = {stop: receptive_fields.receptive_field(net[stop]) for stop in stops}
shown.table(['layer', 'channels', 'units', 'a unit sees', 'never fire in this photo'],
            [[stop, activation.shape[1], ' x '.join(map(str, activation.shape[2:])),
              ' x '.join(str(field.size) for field in fields[stop]),
              int((activation[0].max(axis=(1, 2)) <= 0).sum())]
             for stop, activation in zip(stops, activations)])

# %% [markdown]
# ## The stops
#
# For channel $c$ with map $a_c$ two gradients are taken by guided backprop, of the largest element
# and of the whole,
#
# $$\frac{\partial}{\partial I} \max_p a_c(p) \qquad\text{and}\qquad
#   \frac{\partial}{\partial I} \sum_p a_c(p) .$$
#
# In each row: what the strongest unit sees of the photo, what in it excites that unit, and what
# excites the whole map.

# %%
tours = {stop: layer_features.tour(index, stop, activations, project, x, ROWS)
         for index, stop in enumerate(stops)}


def visit(stop):
    """Show the strongest channels of a layer."""
    parts, titles = [], []
    for feature in tours[stop]:
        parts += [receptive_fields.patch_of(fields[stop], feature.place, photo),
                  maps.signed(receptive_fields.gradient_patch_of(fields[stop], feature.place,
                                                                 feature.element)),
                  maps.signed(feature.whole)]
        titles += [f'channel {feature.channel}', f'largest, {feature.largest:.3g}',
                   f'all, {feature.sum:.3g}']
    return shown.grid(parts, titles, columns=6, width=11, interpolation='nearest',
                      about=f'{stop}: patch, largest element and whole map of its channels')


# %%
visit(stops[0])

# %% [markdown]
# The first stop: units see 3 pixels. They are detectors of colours and of steps in one direction.

# %%
visit(stops[1])

# %%
visit(stops[2])

# %% [markdown]
# In the middle: textures and pieces of contours. Patches are large enough to recognise.

# %% tags=["gallery"]
visit(stops[3])

# %%
visit(stops[-1])

# %% [markdown]
# ## One element or the whole map?
#
# The article finds that the sum over a map suits shallow layers, where one element is a few pixels,
# and the single element deep layers, where the sum blurs. How much of the photo does each cover?
# Take the share of pixels whose magnitude is above a tenth of the map's largest.


# %%
def covered(gradient):
    size = maps.magnitude(gradient)
    return float((size > 0.1 * size.max()).mean())


depth = np.arange(len(stops))
shares = {name: [np.mean([covered(getattr(feature, field)) for feature in tours[stop]])
                 for stop in stops] for name, field in (('largest element', 'element'),
                                                        ('whole map', 'whole'))}
shown.curves({name: (depth, values) for name, values in shares.items()}, 'layer',
             'share of the photo', 'how much of the photo a map covers, by depth', yscale='log',
             xticks=depth, xticklabels=stops)

# %% [markdown]
# A shallow element covers a few pixels and tells nothing; a deep one covers a region with a shape.
# The whole map covers most of the photo at the first stops and still a large part at the last one.
# And from the second stop on much of it is shared by all channels, which makes it a poor portrait of
# any of them:

# %%
shown.table(['layer', 'correlation of two whole maps', 'of two single elements'],
            [[stop, *(float(np.mean([
                np.corrcoef(maps.magnitude(getattr(one, field)).ravel(),
                            maps.magnitude(getattr(other, field)).ravel())[0, 1]
                for number, one in enumerate(tours[stop]) for other in tours[stop][:number]]))
                for field in ('whole', 'element'))] for stop in stops if len(tours[stop]) > 1])

# %% [markdown]
# ## What a full network would change
#
# In VGG-19 the last stops find eyes, wheels and lettering. The embedded network, a quarter to half
# as wide and taught with photos of 64 pixels, gets as far as textures and round or striped shapes; the
# tour to `conv3_1` looks alike in both, as its layers to there learned to agree with VGG-19's.
