"""What --impl decides: constants of the paper, of its authors' code and of two well-known codes.

README.md beside this file has the differences in a table.
"""

from collections import namedtuple

import models
from models import vgg

import numpy as np

from recipes.common.lbfgs import CORRECTIONS

# What --impl decides where the command line says nothing. content_per: whether the content loss is
# a sum, a mean, or a sum that weighs as at the notebook's size; style_per: whether a layer's style
# loss is the paper's E or the mean squared difference of Gram matrices, 4/N^2 of it; noise: the
# white noise to start from; levels: what white is before the mean is subtracted; counted: whether
# the total variation is in the loss that is reported. Layers are those of `models.facts.Facts`
# where they are None, each style layer then weighs style_factor.
Settings = namedtuple('Settings', 'content_layers content_weight content_per style_layers '
                                  'style_factor style_weight style_per tv_weight variation counted '
                                  'range_weight pool init noise levels phases rounds evals '
                                  'corrections margin factr pgtol normalise_gradients')

# Lasagne/Recipes, examples/styletransfer/Art Style Transfer.ipynb; the cell is named by what it
# defines.
NOTEBOOK = Settings(
    content_layers=None, style_layers=None, style_factor=1.0,  # cell `layers`: conv4_2, conv*_1
    content_weight=1e-3, content_per='sum',     # cell `losses`: 0.001 * content_loss
    style_weight=2e5, style_per='paper',        # cell `losses`: 0.2e6 * style_loss
    tv_weight=1e-8, variation='recipes', counted=True,  # 0.1e-7 * total_variation_loss
    range_weight=0.0,                           # there is none
    pool='average_exc_pad',                     # cell `build_model`
    init='noise', noise='uniform', levels=255,  # cell `generated_image`: uniform(-128, 128)
    phases=1, rounds=8, evals=40,               # last cell: range(8), maxfun=40
    corrections=CORRECTIONS,                    # scipy's default
    margin=0,                                   # there is none
    factr=1e7, pgtol=1e-5,                      # scipy's defaults
    normalise_gradients=False)

# The archive adapts the notebook's weights to the network's width and the picture's size, paints
# a margin that is cut off, and lets L-BFGS go on to the last evaluation.
ARCHIVE = NOTEBOOK._replace(content_per='reference', margin=8, factr=0.0, pgtol=0.0)

# On the embedded network, whose layers to conv3_1 have learned to agree with the real VGG-19's.
# Losses are shares of the photo's and the painting's own: as sums, content and style balance four
# times differently for van Gogh's "Starry Night" and for a painting of strong contrast. From the
# photo, because from noise the same style has less of the content (correlation 0.38, now 0.6).
# From coarse to fine: broader strokes, and nearer to the style after less time.
EMBEDDED = ARCHIVE._replace(
    content_layers='conv3_1', content_weight=1.0, content_per='energy',
    style_layers='conv1_1,conv1_2,conv2_1,conv2_2,conv3_1', style_weight=50.0, style_per='energy',
    tv_weight=0.0, range_weight=6e-3, init='content', phases=2, rounds=2, evals=60,
    corrections=15)

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

# Gatys, Ecker & Bethge 2015, section "Methods".
PAPER = NOTEBOOK._replace(
    style_factor=0.2, style_weight=1.0,  # w_l = 1/5; alpha / beta = 1e-3, of figure 2 B to D
    tv_weight=0.0,                       # equation 7 has two terms
    factr=0.0, pgtol=0.0)                # not stated, so the archive's

# leongatys/PytorchNeuralStyleTransfer, NeuralStyleTransfer.ipynb.
AUTHORS = PAPER._replace(
    content_weight=1.0, content_per='mean',       # `content_weights` 1e0, nn.MSELoss
    style_factor=1.0, style_weight=1e3, style_per='mean',  # `style_weights` 1e3/n**2, GramMSELoss
    pool='max',                                   # class `VGG`, its default
    init='content', noise='normal',               # `opt_img` is a copy of the photo
    rounds=5, evals=100)                          # `max_iter` 500

# jcjohnson/neural-style, neural_style.lua; options are those of its command line.
NEURAL_STYLE = AUTHORS._replace(
    content_weight=5.0,        # -content_weight, of a mean of squares
    style_weight=100.0,        # -style_weight; its Gram matrices are over all elements, 1/N^2 more
    tv_weight=1e-3, variation='squares', counted=False,  # -tv_weight; lines 576-597, gradient only
    init='noise', noise='faint',  # -init random: 0.001 * randn
    levels=256,                # line 422: img:mul(256.0)
    rounds=10, evals=100)      # -num_iterations 1000

IMPLEMENTATIONS = {'archive': ARCHIVE, 'recipes': NOTEBOOK, 'paper': PAPER, 'authors': AUTHORS,
                   'neural_style': NEURAL_STYLE}

# With gradients normalised at the start, weights are what they say, whatever the network and size.
# In one phase: at the start of a second one the style is near, and its weight would grow.
NORMALISED = {'content_weight': 20.0, 'style_weight': 100.0, 'tv_weight': 10.0, 'phases': 1,
              'content_per': 'sum', 'style_per': 'paper', 'range_weight': 0.0}


def settings_of(implementation, model):
    """List the constants that hold where the command line says nothing, with layers' names.

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
