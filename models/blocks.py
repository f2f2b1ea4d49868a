"""What networks of several families are built of: functions from the layer below to a layer.

Convolutions correlate, have a bias and a rectifier, and take their numbers from a function
(key, shape) -> array. The layers of generators, which are classes, stand in `layers.py`.
"""

from functools import partial

from models.errors import ArchiveError

import theano
import theano.tensor as T
from lasagne.layers import (
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    GlobalPoolLayer,
    LocalResponseNormalization2DLayer,
    NonlinearityLayer,
    Pool2DLayer,
)
from lasagne.nonlinearities import rectify, softmax

POOLINGS = ('max', 'average_exc_pad', 'average_inc_pad')


def convolution(previous, filters, array, name, size=3, stride=1, pad='same',
                nonlinearity=rectify, groups=1):
    """Build a convolution with bias and rectifier onto the layer before.

    Channels of different groups do not see each other; a kernel has as many as a group.

    Args:
        previous: the Lasagne layer below.
        filters: how many.
        array: function (key, shape) -> array that gives <name>.W and <name>.b.
        name: of the layer.
        size, stride, pad: of rows and columns alike, in positions; pad also 'same'.
        nonlinearity: what follows the bias.
        groups: of channels.
    """
    shape = (filters, previous.output_shape[1] // groups, size, size)
    return Conv2DLayer(previous, filters, size, stride, pad, flip_filters=False,
                       nonlinearity=nonlinearity, W=_shared(array, name + '.W', shape),
                       b=_shared(array, name + '.b', (filters,)), num_groups=groups, name=name)


def pooling(previous, mode, array, name, size=2, stride=2, pad=0, ignore_border=True):
    """Build a pooling onto the layer before; partial windows fall away, or do not.

    Args:
        previous, name: as of `convolution`.
        mode: of POOLINGS.
        array: is not asked for anything.
        size, stride, pad: of rows and columns alike, in positions.
        ignore_border: whether partial windows fall away.
    """
    if mode not in POOLINGS:
        raise ArchiveError(f'there is no pooling {mode!r}; there are {", ".join(POOLINGS)}')
    return Pool2DLayer(previous, size, stride=stride, pad=pad, mode=mode,
                       ignore_border=ignore_border, name=name)


def response_normalisation(previous, array, name, size=5, alpha=1e-4, beta=0.75, k=1):
    """Build a normalisation of each unit by its neighbours in the channels onto the layer before.

    Krizhevsky et al. 2012, "ImageNet Classification with Deep Convolutional Neural Networks",
    section 3.3, with Caffe's constants: x / (k + alpha / size * sum of x^2)^beta, summed over the
    `size` channels around it. Caffe divides alpha by the size, the paper and Lasagne do not.
    """
    return LocalResponseNormalization2DLayer(previous, alpha=alpha / size, k=k, beta=beta, n=size,
                                             name=name)


def dense(previous, units, nonlinearity, array, name):
    """Build a dense layer onto the layer before; its array is (units, inputs) or (units, ...).

    Args:
        previous, array, name: as of `convolution`.
        units: how many.
        nonlinearity: what follows the bias, or None.
    """
    shape = (units,) + previous.output_shape[1:]
    W = array(name + '.W', shape).reshape(units, -1).T
    return DenseLayer(previous, units, nonlinearity=nonlinearity,
                      W=theano.shared(W, name=name + '.W', borrow=True),
                      b=_shared(array, name + '.b', (units,)), name=name)


def mean_over_positions(previous, array, name):
    """Build the mean of each channel over all rows and columns onto the layer before."""
    return GlobalPoolLayer(previous, pool_function=T.mean, name=name)


def probabilities(previous, array, name):
    """Build a softmax onto the layer before."""
    return NonlinearityLayer(previous, softmax, name=name)


def scaled(count, width):
    """Scale a number of filters by the width of a network: a whole number, at least 1."""
    if not width > 0:
        raise ArchiveError(f'the width of a network is a factor above 0, not {width}')
    return max(1, round(count * width))


def classifier(hidden, classes):
    """List the layers fc6 to fc8 with so many hidden units each, and the softmax."""
    return [('fc6', partial(dense, units=hidden, nonlinearity=rectify)),
            ('fc7', partial(dense, units=hidden, nonlinearity=rectify)),
            ('fc8', partial(dense, units=classes, nonlinearity=None)),
            ('prob', probabilities)]


def concatenation(*incomings, array, name):
    """Build the channels of several layers, one after another."""
    return ConcatLayer(incomings, name=name)


def _shared(array, key, shape):
    return theano.shared(array(key, shape), name=key, borrow=True)
