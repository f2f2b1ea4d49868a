"""VGG-16 and VGG-19, Simonyan & Zisserman 2015, "Very Deep Convolutional Networks", table 1.

3x3 convolutions that correlate, padding 1, each with a rectifier; 2x2 pooling. Layer names are
those of the Caffe models. Dropout is left out: the archive's networks are trained already.
"""

from functools import partial

from models.blocks import (
    classifier,
    convolution,
    dense,
    mean_over_positions,
    pooling,
    probabilities,
    scaled,
)
from models.facts import Facts

FILTERS = (64, 128, 256, 512, 512)  # of the five blocks
DENSE_INPUT_SIZE = 224              # rows and columns, which fc6 fixes


def vgg16(pool='max', width=1, classes=1000):
    """List the layers of VGG-16 (configuration D), as a list of (name, how to build it)."""
    return _convolutions((2, 2, 3, 3, 3), pool, width) + classifier(scaled(4096, width), classes)


def vgg19(pool='max', width=1, classes=1000):
    """List the layers of VGG-19 (configuration E), as a list of (name, how to build it)."""
    return vgg19_convolutions(pool, width) + classifier(scaled(4096, width), classes)


def vgg19_convolutions(pool='max', width=1, classes=None):
    """List the layers of VGG-19 to pool5, as Gatys' normalised network has them: no classes."""
    return _convolutions((2, 2, 4, 4, 4), pool, width)


def vgg19_quarter(pool='max', width=1, classes=202):
    """List the layers of the embedded network; see models/embedded/README.md."""
    return (_convolutions((2, 2, 4, 4, 4), pool, width, filters=(16, 32, 64, 128, 128))[:-1]
            + [('mean', mean_over_positions),  # it has no pool5
               ('fc8', partial(dense, units=classes, nonlinearity=None)),
               ('prob', probabilities)])


def vgg19_small(pool='max', width=1, classes=202):
    """List the layers of the network that ships with the archive; see models/embedded.

    Style is made of the layers to conv3_1, which are half as wide as VGG-19's; those above, which
    tell classes apart, are a quarter as wide.
    """
    filters = (32, 64, (128, 64, 64, 64), 128, 128)
    return (_convolutions((2, 2, 4, 4, 4), pool, width, filters)[:-1]
            + [('mean', mean_over_positions),  # it has no pool5
               ('fc8', partial(dense, units=classes, nonlinearity=None)),
               ('prob', probabilities)])


def _convolutions(depths, pool, width, filters=FILTERS):
    layers = []
    for block, (depth, counts) in enumerate(zip(depths, filters), start=1):
        counts = (counts,) * depth if isinstance(counts, int) else counts
        layers += [(f'conv{block}_{index}', partial(convolution, filters=scaled(count, width)))
                   for index, count in enumerate(counts, start=1)]
        layers.append((f'pool{block}', partial(pooling, mode=pool)))
    return layers


# Style and content as in Gatys et al. 2015. Units of conv3_4 see 48 pixels, parts of things, and
# those of conv4_4, to dream of, 116, whole heads.
VGG19 = Facts(
    vgg19, 'VGG-19 by Oxford, Simonyan & Zisserman 2015', DENSE_INPUT_SIZE,
    style=('conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1'), content='conv4_2',
    deeper=('conv1_2', 'conv2_2', 'conv3_2', 'conv4_2'), deconvnet='conv3_4', dream='conv4_4')
# The same, but for the fourth convolutions of a block, which VGG-16 has not.
VGG16 = VGG19._replace(layers=vgg16, about='VGG-16 by Oxford, Simonyan & Zisserman 2015',
                       deconvnet='conv3_3', dream='conv4_3')
FACTS = {
    'vgg19_small': VGG19._replace(
        layers=vgg19_small, size=64,
        about='the embedded network: a VGG-19 half as wide to conv3_1, a quarter above'),
    'vgg19_quarter': VGG19._replace(layers=vgg19_quarter, size=64, about=(
        'the embedded network of before: a VGG-19 a quarter as wide')),
    'vgg16': VGG16,
    'vgg19': VGG19,
    # Trained anew by others, with other preprocessing.
    'vgg16_torchvision': VGG16._replace(about='VGG-16, trained anew by torchvision'),
    'vgg19_torchvision': VGG19._replace(about='VGG-19, trained anew by torchvision'),
    'vgg19_normalized': VGG19._replace(layers=vgg19_convolutions, about=(
        "VGG-19's convolutions, rescaled as Gatys et al. did")),
}
