# %% [markdown]
# # DeepDream
#
# Mordvintsev, Olah & Tyka 2015, "Inceptionism", and [their notebook](https://github.com/google/deepdream):
# show a network a photo, and change the photo so that a layer answers more strongly to whatever it
# answers to already. Faint resemblances grow. The notebook takes the dream apart: the
# objective, the octaves, the layer, and four ways to say what to dream of.
#
# | here | there | recipe |
# |---|---|---|
# | objective and step | `make_step` | `recipes/deepdream.py: compile_dream` |
# | octaves | `deepdream` | `recipes/deepdream.py: dream` |
# | layers, guides | the notebook's figures | `layer_objective`, `class_objective` |
# | zoom | the loop at the end | `enlarged` |

# %%
import models  # first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** The original is `'googlenet'` with `inception_4c/output` at 500 pixels or more
# (`python -m models.weights fetch googlenet`).

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 128                       # pixels of the photo's shorter side
STEPS = 8                        # in each octave
PHOTO = images.bundled_photo()   # NASA's portrait of an astronaut
GUIDE = images.PAINTING          # what a guided dream looks for
DREAMT_CLASS = 'monarch'         # or None, for networks whose dense layers fix the size: the VGGs

# %%
import numpy as np

import shown
from recipes import deepdream
from recipes.common import class_names
from recipes.common import projections

facts = models.facts_of(MODEL)
LAYER = facts.dream
photo = images.resize(images.read(PHOTO), SIZE)
net, classes, mean_pixel = deepdream.load_network(MODEL, layer=LAYER)
x = images.prepare(photo, mean_pixel)

# %% [markdown]
# ## The objective
#
# With the activations $a$ of a layer, climb
#
# $$\max_I\; \tfrac{1}{2} \lVert a(I) \rVert_2^2, \qquad
#   \frac{\partial}{\partial a}\; \tfrac{1}{2} \lVert a \rVert_2^2 = a .$$
#
# What is strong is pushed most: no target is given, the photo chooses. Each step has the same size,
#
# $$I \leftarrow I + s\, \frac{g}{\operatorname{mean} |g|}, \qquad s = 1.5 \text{ grey levels},$$
#
# and before each one the photo is shifted at random, so that the grid of the network's strides leaves
# no trace.
#
# ## Octaves
#
# A unit sees a fixed number of pixels, so the size of what appears depends on the size of the picture.
# The dream begins small; what a size added is enlarged by 1.4 and goes on at the next.

# %%
octaves = max(count for count in (1, 2, 3, 4)
              if SIZE / 1.4 ** (count - 1) >= deepdream.SMALLEST_OCTAVE)


def dream(ascend, start=x, seed=1):
    """Dream once; yield each step's (picture as the network takes it, octave, objective)."""
    for image, octave, _, value in deepdream.dream(
            ascend, start, np.random.RandomState(seed), octaves, iterations=STEPS,
            jitter=SIZE // 8, clip=lambda image: images.within_pixels(image, mean_pixel)):
        yield image, octave, value


def last(ascend, start=x):
    *_, (image, _, _) = dream(ascend, start)
    return image


# %% tags=["gallery"]
by_layer = deepdream.layer_objective(net, LAYER)
way = list(dream(by_layer))
ends = [max((step for step in way if step[1] == octave), key=lambda step: step[2])[0]
        for octave in range(octaves)]
result = way[-1][0]
shown.grid([photo, *(images.deprocess(image, mean_pixel) for image in [*ends[:-1], result])],
           ['the photo', *(f'{image.shape[3]} x {image.shape[2]} pixels' for image in
                           [*ends[:-1], result])], columns=octaves + 1, width=11,
           about=f'a dream of {LAYER}, octave by octave')

# %%
steps = np.arange(len(way))
shown.curves({f'octave {octave + 1}': tuple(np.array([(number, step[2]) for number, step in
                                                     zip(steps, way) if step[1] == octave]).T)
              for octave in range(octaves)}, 'step', 'objective', 'the objective in each octave',
             yscale='log')

# %% [markdown]
# ## Shallow and deep
#
# Shallow layers dream of edges and their directions, deeper ones of textures and parts.

# %%
layers = list(dict.fromkeys([facts.deeper[0], facts.deeper[1], facts.deeper[-2], LAYER]))
pictures = [last(deepdream.layer_objective(net, layer)) for layer in layers[:-1]] + [result]
shown.grid([images.deprocess(image, mean_pixel) for image in pictures], layers, columns=4, width=11,
           about='dreams of shallow and of deep layers')

# %% [markdown]
# ## What to dream of
#
# Instead of all that a layer holds, one **channel**; a **class**, through its score; or what a
# **guide** shows: at each position the feature of the guide that fits best there is maximised,
#
# $$\max_I \sum_p a_p(I) \cdot b_{q(p)}, \qquad q(p) = \arg\max_q\; a_p \cdot b_q ,$$
#
# with the guide's activations $b_q$ at its positions $q$.

# %% tags=["gallery"]
guide = images.prepare(images.resize(images.read(GUIDE), SIZE), mean_pixel)
(seen,) = projections.compile_activations(net, [LAYER])(x)
strongest = int(seen.sum(axis=(0, 2, 3)).argmax())
ways = {f'channel {strongest}': deepdream.layer_objective(net, LAYER, strongest),
        'guided by the painting': deepdream.layer_objective(net, LAYER, guide=guide)}
if DREAMT_CLASS is not None:
    whole, _, _ = deepdream.load_network(MODEL)
    index = class_names.find_class(classes, DREAMT_CLASS, models.scores(whole).output_shape[1])
    ways[f'class {DREAMT_CLASS}'] = deepdream.class_objective(whole, index)
shown.grid([images.deprocess(last(ascend), mean_pixel) for ascend in ways.values()], list(ways),
           columns=3, about='dreams of one channel, of a class, and guided by a painting')

# %% [markdown]
# ## Into the dream
#
# Dream, enlarge the middle, dream again. Each round leaves less of the photo; `--frames 100` makes a film.

# %% tags=["gallery"]
frames, image = [], x
for _ in range(4):
    image = last(by_layer, image)
    frames.append(images.deprocess(image, mean_pixel))
    image = deepdream.enlarged(image, 0.12)
shown.grid(frames, [f'frame {number}' for number in range(1, 5)], columns=4, width=11,
           about='four frames of a zoom into the dream')

# %% [markdown]
# ## Why so many dogs?
#
# The dreams of 2015 are full of dogs because 118 of ImageNet's 1000 classes are dogs. A dream shows
# what a network was taught. What does ours see in its own?

# %%
excited = deepdream.Excited(MODEL, None, 'max', SIZE, photo, images.deprocess(result, mean_pixel))
print(excited.sentences())

# %% [markdown]
# ## What a full network would change
#
# The embedded network saw photos of 64 pixels in 202 classes: its dreams are eyes, curls and scales
# at best, and no whole animals. GoogLeNet, which this was invented on, has them
# (`MODEL = 'googlenet'`, the layer `inception_4c/output`, is the notebook of 2015).
