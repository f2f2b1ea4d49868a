"""AlexNet and its kin, the networks that deconvnets were made for.

Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks". Layer
names, filters and constants are those of Caffe's models/bvlc_alexnet and
models/bvlc_reference_caffenet; in CaffeNet pooling comes before normalisation. conv2, conv4 and
conv5 have two groups of channels, one for each of the two GPUs of 2012. Pooling keeps partial
windows, as Caffe does.

Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", figure 3, saw in a
deconvnet that the first layer is too coarse (aliased by its stride of 4, with dead and
overgrown filters), and changed it: 7x7 filters of stride 2 instead of 11x11 of stride 4, a stride
of 2 in conv2, and no groups. The paper does not give its "local contrast operation" across maps
in numbers; here it is AlexNet's normalisation behind the pooling. Padding is chosen so that every
map has the size that figure 3 writes beside it (110, 55, 26, 13, 13, 13, 13, 6). That filters
whose root mean square is above 0.1 are set back to it belongs to training.
"""

from functools import partial

from models.blocks import classifier, convolution, pooling, response_normalisation, scaled
from models.facts import Facts

GROUPS = 2


def alexnet(pool='max', width=1, classes=1000):
    """List the layers of AlexNet, as a list of (name, how to build it): norm, then pool."""
    return _network(_two_gpus, ('norm', 'pool'), pool, width, classes)


def caffenet(pool='max', width=1, classes=1000):
    """List the layers of Caffe's reference model, as a list of (name, how to build it)."""
    return _network(_two_gpus, ('pool', 'norm'), pool, width, classes)


def zeiler_fergus(pool='max', width=1, classes=1000):
    """List the layers of Zeiler & Fergus' network, as a list of (name, how to build it)."""
    return _network(_finer, ('pool', 'norm'), pool, width, classes)


def _network(convolutions, behind, pool, width, classes):
    """List the layers: what is `behind` the first two convolutions comes in that order."""
    conv1, conv2, *deeper = convolutions(partial(_even, width=width))
    kinds = {'pool': partial(pooling, size=3, mode=pool, ignore_border=False),
             'norm': response_normalisation}
    layers = []
    for number, convolve in enumerate((conv1, conv2), start=1):
        layers.append((f'conv{number}', convolve))
        layers += [(f'{kind}{number}', kinds[kind]) for kind in behind]
    layers += [(f'conv{number}', convolve) for number, convolve in enumerate(deeper, start=3)]
    return layers + [('pool5', kinds['pool'])] + classifier(scaled(4096, width), classes)


def _two_gpus(count):
    return [partial(convolution, filters=count(96), size=11, stride=4, pad=0),
            partial(convolution, filters=count(256), size=5, groups=GROUPS),
            partial(convolution, filters=count(384)),
            partial(convolution, filters=count(384), groups=GROUPS),
            partial(convolution, filters=count(256), groups=GROUPS)]


def _finer(count):
    return [partial(convolution, filters=count(96), size=7, stride=2, pad=1),
            partial(convolution, filters=count(256), size=5, stride=2, pad=0),
            partial(convolution, filters=count(384)),
            partial(convolution, filters=count(384)),
            partial(convolution, filters=count(256))]


def _even(count, width):
    """Scale a number of filters by the width, to a whole number that groups can share."""
    return GROUPS * scaled(count / GROUPS, width)


# All five convolutions are the style, since there are no more. Units of conv3, the content, see 99
# pixels, in zeiler_fergus 75 (conv4_2 of VGG-19: 84); it is also layer 3 of Zeiler & Fergus' figure
# 2. Those of conv4, to dream of, see 131, in zeiler_fergus 107 (conv4_4 of VGG-19: 116).
ALEXNET = Facts(
    alexnet, 'AlexNet by Berkeley, Krizhevsky et al. 2012', 227,
    style=('conv1', 'conv2', 'conv3', 'conv4', 'conv5'), content='conv3',
    deeper=('conv1', 'conv2', 'conv3', 'conv4'), deconvnet='conv3', dream='conv4')
FACTS = {
    'alexnet': ALEXNET,
    'caffenet': ALEXNET._replace(layers=caffenet, about="Caffe's AlexNet, which pools first"),
    'zeiler_fergus': ALEXNET._replace(layers=zeiler_fergus, size=224, about=(
        'AlexNet with a finer first layer, Zeiler & Fergus 2014')),
}
