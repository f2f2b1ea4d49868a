# %% [markdown]
# # Saliency maps and class models
#
# Simonyan, Vedaldi & Zisserman 2014, [1312.6034](https://arxiv.org/abs/1312.6034): which pixels of
# *this* photo matter for a class, and what picture would the network call that class most of all? Both
# are gradients of a class's score with respect to the picture, one taken once, one climbed.
#
# | here | in the paper | recipe |
# |---|---|---|
# | maps of a photo | section 3.1, figure 2 | `recipes/saliency.py: compile_saliency_function` |
# | the four-panel figure | the Lasagne Recipes' notebook | `recipes/common/maps.py: panels` |
# | mean over crops | section 3.1 | `recipes/saliency.py: cut`, `put_back` |
# | object masks | section 3.2, figure 3 | `recipes/common/maps.py: object_mask` |
# | class models | section 2, figure 1 | `recipes/class_model.py: compile_class_score`, `climb` |

# %%
import models  # first: it prepares Theano and Lasagne

from recipes.common import images

# %% [markdown]
# **Parameters.** `'vgg16'`, `'vgg19'` and `'squeezenet'` need their weights
# (`python -m models.weights fetch squeezenet`); take `SIZE = 224` and `SIDE = 224` for them.

# %% tags=["parameters"]
MODEL = 'vgg19_small'            # the network that ships with the archive
SIZE = 96                        # pixels of the photos' shorter side
SIDE = 64                        # pixels of the class models, as the network was trained
STEPS = 120                      # of the climb
PHOTOS = [images.bundled_photo(), images.bundled_photo().with_name('chelsea.png')]

# %%
import numpy as np

import modifiedbackprop
import shown
from modifiedbackprop import GuidedBackprop, ZeilerBackprop
from recipes import class_model, saliency
from recipes.common import class_names
from recipes.common import maps, photos

net, classes, mean_pixel = models.load(MODEL)
pictures = [photos.fit(images.read(path), net, SIZE, square=True) for path in PHOTOS]
x = photos.stack(pictures, mean_pixel)

# %% [markdown]
# ## The gradient of a score
#
# For one photo $I_0$ a network's score $S_c$ of class $c$, taken before the softmax, is nearly
# linear around it:
#
# $$S_c(I) \approx w^T I + b, \qquad w = \left.\frac{\partial S_c}{\partial I}\right|_{I_0}.$$
#
# A large $|w|$ says that a small change of this pixel changes the score much. With a value for each
# colour, the paper draws the largest:
#
# $$M_{ij} = \max_k \left| w_{ijk} \right| .$$
#
# In Theano this is the article's function, in full:

# %%
import inspect

from IPython.display import Code

Code(inspect.getsource(saliency.compile_saliency_function), language='python')

# %% [markdown]
# The same function gives guided backprop (Springenberg et al. 2015) and the deconvnet (Zeiler &
# Fergus 2014) where the network's rectifiers pass the signal back by another rule. Notebook 3 is
# about the rules.

# %%
gradients = {}
compiled = saliency.compile_saliency_function(net)
gradients['gradient'], found = compiled(x)
for name, rule in (('guided', GuidedBackprop), ('deconvnet', ZeilerBackprop)):
    with modifiedbackprop.applied(net, rule):
        gradients[name], _ = saliency.compile_saliency_function(net)(x)
seen = [class_names.class_name(classes, index) for index in found]
print(seen)

# %% [markdown]
# The figure of the Recipes' notebook has four panels for each method: the photo; the magnitude; what
# would raise the score if it were brighter; what would if it were darker.


# %% tags=["gallery"]
def four_panels(index):
    parts, titles = [], []
    for method, gradient in gradients.items():
        parts += [pictures[index], *maps.panels(gradient[index])]
        titles += [f'seen: {seen[index]}', saliency.TITLES[method], 'positive', 'negative']
    return shown.grid(parts, titles, columns=4,
                      about='gradient, guided backprop and deconvnet: photo, size, positive, negative')


four_panels(0)

# %%
four_panels(1)

# %% [markdown]
# The plain gradient is scattered and has both signs everywhere. Guided backprop lets only positive
# signals through every rectifier; what is negative in its map comes from the first convolution alone,
# whose kernels have negative weights and no rectifier below them. Its lines are the photo's own edges,
# and later research warns of that: notebook 3 shows how little they depend on the class.
#
# ## Quieter maps
#
# The paper averages over ten crops. SmoothGrad (Smilkov et al. 2017,
# [1706.03825](https://arxiv.org/abs/1706.03825)) averages over noisy copies:
#
# $$\hat M(I) = \frac{1}{n} \sum_{k=1}^{n} M\!\left(I + \mathcal{N}(0, \sigma^2)\right).$$

# %%
own = saliency.Target(None, None, None)
averagings = {'once': saliency.Averaging(), 'ten crops': saliency.Averaging(crops=10),
              '25 noisy copies': saliency.Averaging(smooth=25)}
rows, titles = [], []
for name, averaging in averagings.items():
    batch = photos.Photos(PHOTOS, net, SIZE, square=True)
    for _, rgb, result, _ in saliency.compute_maps(net, batch, mean_pixel, ['gradient'], own,
                                                   averaging, classes):
        rows.append(maps.overlay(rgb, result['gradient']))
        titles.append(name)
shown.grid(rows, titles, columns=len(PHOTOS) * len(averagings), width=11,
           about='the gradient once, over ten crops, and over noisy copies')

# %% [markdown]
# ## The object, cut out
#
# The map's strongest 5 % are taken for the object and its weakest 30 % for background; colours decide
# about the rest. The paper uses GraphCut; here it is a random walker. Nobody told the network where
# the object is: it was trained with the photo's class alone.

# %% tags=["gallery"]
cut_out = [maps.masked(rgb, maps.object_mask(rgb, gradient))
           for rgb, gradient in zip(pictures, gradients['guided'])]
shown.grid([part for pair in zip(pictures, cut_out) for part in pair],
           [text for name in seen for text in (f'seen: {name}', 'cut out')], columns=4,
           about='photos, and the objects that the maps cut out')

# %% [markdown]
# ## Class models
#
# Not a photo is given now, but a class. From the mean colour, climb to
#
# $$\arg\max_I\; S_c(I) - \lambda \lVert I \rVert_2^2 .$$
#
# The score is taken before the softmax: a probability can also be raised by lowering other classes.
# The paper does not give $\lambda$; the archive takes $10^{-7}$. Smoother pictures need more than a
# norm: Yosinski et al. 2015, [1506.06579](https://arxiv.org/abs/1506.06579), let the picture decay and
# blur it every few steps.

# %%
names = class_model.default_classes(classes, models.scores(net).output_shape[1])
wanted = class_model.wanted_classes(names, classes, models.scores(net).output_shape[1], MODEL)
function = class_model.compile_class_score(net)
climbs = {'norm only': class_model.Regularisers(),
          'decay and blur': class_model.Regularisers(l2=0, decay=1e-4, blur=0.5)}
ways, scores = {}, {}
for name, regularisers in climbs.items():
    way = list(class_model.climb(
        function, class_model.starting_images('zero', wanted, SIDE, seed=1), wanted, STEPS,
        regularisers=regularisers, jitter=0 if name == 'norm only' else 4,
        clip=lambda image: images.within_pixels(image, mean_pixel)))
    ways[name] = way[-1][0]
    scores[name] = np.array([score.mean() for _, score, _ in way])

# %% tags=["gallery"]
shown.grid([images.deprocess(one, mean_pixel) for way in ways.values() for one in way],
           [f'{text}: {name}' for name in climbs for text in names], columns=len(names), width=11,
           about='pictures that a network takes for goldfish, monarch, ladybug and others')

# %%
shown.curves({name: (np.arange(len(values)), values) for name, values in scores.items()}, 'step',
             'score, mean of the classes', 'the scores during the climb')

# %% [markdown]
# The score soon passes that of any photo, and the picture is none: the network was never asked what
# a goldfish is, only what tells it from the other classes.
#
# ## What a full network would change
#
# The embedded network knows 202 classes at 64 pixels and is right once in three or four photos: it has
# no class for a person, so what it says of the portrait is the nearest of its own. SqueezeNet (5 MB)
# or a VGG names the cat, their maps lie on it, and class models at 224 pixels repeat the thing in several
# places and views, as in the paper's figure 1.
