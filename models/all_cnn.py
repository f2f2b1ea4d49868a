"""All-CNN-C and its three siblings, Springenberg et al. 2015, "Striving for Simplicity".

Tables 1 and 2, model C: does a network need pooling? `base_cnn_c` has max pooling;
`strided_cnn_c` leaves it out and gives its stride to the convolution before; `all_cnn_c` puts a
convolution of stride 2 in its place; `conv_pool_cnn_c` has the additional convolution and the
pooling, so that a comparison counts the same number of layers. Errors on CIFAR-10 without
augmentation, table 3:

    base_cnn_c 9.74 %   strided_cnn_c 10.19 %   conv_pool_cnn_c 9.31 %   all_cnn_c 9.08 %

The paper's pictures have 32x32 pixels; since there is no dense layer, any size from 16 up works.
Dropout (20 % of the input, 50 % after each layer of stride 2) stands in
recipes/train_all_cnn.py: the archive's networks are for looking into.
"""

from functools import partial

from models.blocks import convolution, mean_over_positions, pooling, probabilities, scaled
from models.facts import Facts

FILTERS = (96, 192)
PUBLISHED_ERRORS = {'base_cnn_c': 9.74, 'strided_cnn_c': 10.19, 'conv_pool_cnn_c': 9.31,
                    'all_cnn_c': 9.08}  # percent, CIFAR-10 without augmentation, table 3


def base_cnn_c(pool='max', width=1, classes=10):
    """List the layers of model C, as a list of (name, how to build it)."""
    return _network(partial(_block, depth=2, pool=pool), width, classes)


def strided_cnn_c(pool='max', width=1, classes=10):
    """List the layers of Strided-CNN-C: the convolution before a pooling has its stride."""
    return _network(partial(_block, depth=2, last_stride=2), width, classes)


def conv_pool_cnn_c(pool='max', width=1, classes=10):
    """List the layers of ConvPool-CNN-C: one more convolution before each pooling."""
    return _network(partial(_block, depth=3, pool=pool), width, classes)


def all_cnn_c(pool='max', width=1, classes=10):
    """List the layers of All-CNN-C: convolutions of stride 2 in the place of pooling."""
    return _network(partial(_block, depth=3, last_stride=2), width, classes)


def _block(number, filters, depth, pool=None, last_stride=1):
    layers = [(f'conv{number}_{index}',
               partial(convolution, filters=filters, stride=last_stride if index == depth else 1))
              for index in range(1, depth + 1)]
    if pool is not None:  # 3x3 of stride 2 that overlap; 32 -> 16 -> 8
        layers.append((f'pool{number}',
                       partial(pooling, size=3, mode=pool, ignore_border=False)))
    return layers


def _network(block, width, classes):
    first, second = (scaled(filters, width) for filters in FILTERS)
    return (block(1, first) + block(2, second)
            + [('conv3_1', partial(convolution, filters=second, pad=0)),  # 8 -> 6
               ('conv3_2', partial(convolution, filters=second, size=1)),
               # Table 1 has a rectifier here too. A class whose scores are below zero everywhere
               # then gets no gradient: small networks died within an epoch, so it is left out.
               ('conv3_3', partial(convolution, filters=classes, size=1, nonlinearity=None)),
               ('mean', mean_over_positions),
               ('prob', probabilities)])


# Units of the style layers see 3, 5, 11, 15 and 27 of 32 pixels. As in the VGGs the content has
# twice the resolution of the deepest style layer. All four siblings have these layers.
ALL_CNN_C = Facts(
    all_cnn_c, 'All-CNN-C, Springenberg et al. 2015', 32,
    style=('conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1'), content='conv2_2',
    deeper=('conv1_1', 'conv1_2', 'conv2_2', 'conv3_1'), deconvnet='conv2_2', dream='conv3_1')
FACTS = {
    'all_cnn_c': ALL_CNN_C,
    'base_cnn_c': ALL_CNN_C._replace(layers=base_cnn_c, about='the same with pooling'),
    'strided_cnn_c': ALL_CNN_C._replace(layers=strided_cnn_c, about=(
        'the same without what All-CNN-C has in the place of pooling')),
    'conv_pool_cnn_c': ALL_CNN_C._replace(layers=conv_pool_cnn_c, about=(
        'the same as deep as All-CNN-C, with pooling')),
}
