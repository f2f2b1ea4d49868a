"""What --impl decides: constants of the paper, of its authors' code and of two well-known codes.

The README has the differences in a table.
"""

from collections import namedtuple

import models
import numpy as np

from models import vgg

# What --impl decides where the command line says nothing. content_per: whether the content loss is
# a sum, a mean, or a sum that weighs as at the notebook's size; style_per: whether a layer's style
# loss is the paper's E or the mean squared difference of Gram matrices, 4/N^2 of it; noise: the
# white noise to start from; levels: what white is before the mean is subtracted; counted: whether
# the total variation is in the loss that is reported. Layers are those of `models.facts.Facts`
# where they are None, each style layer then weighs style_factor.
Settings = namedtuple('Settings', 'content_layers content_weight content_per style_layers '
                                  'style_factor style_weight style_per tv_weight variation counted '
                                  'range_weight pool init noise levels rounds evals margin '
                                  'factr pgtol normalise_gradients')

# Of the notebook; the tolerances of L-BFGS are scipy's defaults.
NOTEBOOK = Settings(content_layers=None, content_weight=1e-3, content_per='sum',
                    style_layers=None, style_factor=1.0, style_weight=2e5,
                    style_per='paper', tv_weight=1e-8, variation='recipes', counted=True,
                    range_weight=0.0, pool='average_exc_pad', init='noise', noise='uniform',
                    levels=255, rounds=8, evals=40, margin=0, factr=1e7, pgtol=1e-5,
                    normalise_gradients=False)

# The archive adapts the notebook's weights to the network's width and the picture's size, paints
# a margin that is cut off, and lets L-BFGS go on to the last evaluation.
ARCHIVE = NOTEBOOK._replace(content_per='reference', margin=8, factr=0.0, pgtol=0.0)

# On the embedded network, whose layers to conv3_1 have learned to agree with the real VGG-19's.
# Losses are shares of the photo's and the painting's own: as sums, content and style balance four
# times differently for van Gogh's "Starry Night" and for a painting of strong contrast. From the
# photo, because from noise the same style has less of the content (correlation 0.38, now 0.6).
EMBEDDED = ARCHIVE._replace(
    content_layers='conv3_1', content_weight=1.0, content_per='energy',
    style_layers='conv1_1,conv1_2,conv2_1,conv2_2,conv3_1', style_weight=50.0, style_per='energy',
    tv_weight=0.0, range_weight=4e-3, init='content', rounds=4, evals=40)

# Tuned by eye on the smaller network: by conv4_2 alone it does not tell what is in a photo, and at
# equal weights conv4_1 and conv5_1 are two thirds of the loss at the end: ripples, not strokes.
EARLIER = ARCHIVE._replace(content_layers='conv3_2=0.2,conv4_2', content_weight=2e-2,
                           style_layers='conv1_1,conv2_1,conv3_1,conv4_1=0.2,conv5_1=0.1',
                           tv_weight=3e-8)

ARCHIVE_OF = {'vgg19_small': EMBEDDED, 'vgg19_quarter': EARLIER}

# The notebook's weights are for the VGGs. Activations of other networks differ from theirs a
# hundredfold and their squares and fourth powers, which the losses are, by far more: SqueezeNet
# paints coloured noise at these weights. So each term's gradient is normalised at the start. From
# the photo, content is kept better at the same style (correlation 0.51 rather than 0.36).
ARCHIVE_OF_OTHERS = ARCHIVE._replace(normalise_gradients=True, init='content')

# Gatys et al. 2015, equations 1 to 7: alpha / beta = 1e-3, and each style layer weighs a fifth.
# There is no total variation; L-BFGS's habits are not told, so they are the archive's.
PAPER = NOTEBOOK._replace(style_factor=0.2, style_weight=1.0, tv_weight=0.0, factr=0.0, pgtol=0.0)

# leongatys/PytorchNeuralStyleTransfer, NeuralStyleTransfer.ipynb: means of squares, style weights
# 1e3 / N^2 for layers of N channels, 500 evaluations from the photo, max pooling.
AUTHORS = PAPER._replace(
    content_weight=1.0, content_per='mean', style_factor=1.0, style_weight=1e3, style_per='mean',
    pool='max', init='content', noise='normal', rounds=5, evals=100)

# jcjohnson/neural-style, neural_style.lua: means of squares, Gram matrices over all elements (here
# 1/N^2 more in the weight), white is 256, total variation in the gradient only.
NEURAL_STYLE = AUTHORS._replace(
    content_weight=5.0, style_weight=100.0, tv_weight=1e-3, variation='squares', counted=False,
    init='noise', noise='faint', levels=256, rounds=10, evals=100)

IMPLEMENTATIONS = {'archive': ARCHIVE, 'recipes': NOTEBOOK, 'paper': PAPER, 'authors': AUTHORS,
                   'neural_style': NEURAL_STYLE}

# With gradients normalised at the start, weights are what they say, whatever the network and size.
NORMALISED = {'content_weight': 20.0, 'style_weight': 100.0, 'tv_weight': 10.0,
              'content_per': 'sum', 'style_per': 'paper', 'range_weight': 0.0}


def settings_of(implementation, model):
    """The constants that hold where the command line says nothing, with layers' names.

    Raises:
        ArchiveError: unknown network.
    """
    facts = models.facts_of(model)
    settings = IMPLEMENTATIONS[implementation]
    if implementation == 'archive':
        settings = ARCHIVE_OF.get(model, ARCHIVE if model in vgg.FACTS else ARCHIVE_OF_OTHERS)
    return settings._replace(
        content_layers=settings.content_layers or facts.content,
        style_layers=settings.style_layers or ','.join(
            f'{layer}={settings.style_factor}' for layer in facts.style))


def white_noise(kind, shape, seed):
    """Draw white noise to start from, as an implementation does, float64 of that shape.

    Args:
        kind: 'uniform' (the notebook's), 'normal' (the authors'), 'faint' (neural-style's).
        shape: (1, 3, rows, columns).
        seed: of the noise.
    """
    random = np.random.RandomState(seed)
    if kind == 'uniform':
        start = random.uniform(-128, 128, shape)
    else:
        start = random.normal(0, 0.001 if kind == 'faint' else 64, shape)
    return start.astype('float32').astype('float64')
