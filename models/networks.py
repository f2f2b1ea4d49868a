"""Networks by name: an ordered dict of Lasagne layers under the papers' names."""

import difflib
from collections import OrderedDict
from functools import partial

import numpy as np
import theano
from lasagne import nonlinearities
from lasagne.layers import InputLayer

from models import vgg
from models.errors import ArchiveError
from models.weights import files

# name -> its layers, a list of (name, function that builds the layer onto the one before)
NETWORKS = {
    'vgg19_quarter': vgg.vgg19_quarter,
    'vgg16': vgg.vgg16,
    'vgg19': vgg.vgg19,
    'vgg19_normalized': vgg.vgg19_convolutions,
}


def build(name, pool='max', deepest=None, width=1, seed=0, array=None):
    """Build a network of the archive, with random weights unless `array` gives them.

    Args:
        name: 'vgg19_quarter', 'vgg16', 'vgg19' or 'vgg19_normalized' (VGG-19's convolutions).
        pool: 'max', 'average_exc_pad' or 'average_inc_pad'.
        deepest: name of the last layer to build; None builds all. Without a dense layer the input
            may have any number of rows and columns.
        width: factor on every number of filters, for small experiments; above 0.
        seed: of the random weights, normal with variance 2 / inputs (He et al. 2015, equation 10).
        array: function (key, shape) -> array that gives '<layer>.W' and '<layer>.b', in floatX.

    Returns:
        OrderedDict of Lasagne layers; 'input' takes (batch, 3, rows, columns), BGR, 0..255 with
        the mean subtracted.

    Raises:
        ArchiveError: unknown network, layer or pooling.
    """
    layers = _layers_of(name)(pool=pool, width=width)
    if deepest is not None:
        names = [layer for layer, _ in layers]
        layers = layers[:names.index(known_name(deepest, names, 'layer')) + 1]
    size = vgg.DENSE_INPUT_SIZE if 'fc6' in dict(layers) else None  # else any size
    array = array or partial(_draw, np.random.RandomState(seed))

    net = OrderedDict(input=InputLayer((None, 3, size, size), name='input'))
    for layer_name, construct in layers:
        previous = next(reversed(net.values()))
        net[layer_name] = construct(previous, array=array, name=layer_name)
    return net


def load(name, weights=None, pool='max', deepest=None):
    """Build a network with its trained weights.

    Args:
        name, pool, deepest: as for `build`.
        weights: an .npz file; None takes the embedded network's own, or `<name>.npz` in the folder
            $ARCHIVE_WEIGHTS.

    Returns:
        (net, classes, mean_pixel): the OrderedDict of layers; the list of class names, None where
        the file has none; mean_pixel as float32 of shape (3,), BGR.

    Raises:
        ArchiveError: unknown network or layer, no file, or a file that lacks a layer at or above
            the deepest, or has it in another shape.
    """
    expected = [layer for layer, _ in _layers_of(name)(pool=pool)]
    path = files.find(name, weights)
    with files.WeightFile(path) as file:
        net = build(name, pool, deepest, array=file.array)
        file.name_extra_keys(expected)
        return net, file.classes(), file.mean_pixel()


def scores(net):
    """Return the layer before the softmax, 'fc8' in the VGGs: a class's unnormalised score.

    Raises:
        ArchiveError: the network ends in no softmax, because it was cut off or classifies nothing.
    """
    last = next(reversed(net.values()))
    if getattr(last, 'nonlinearity', None) is not nonlinearities.softmax:
        raise ArchiveError(f'the network ends at {last.name}, not in class probabilities; '
                           'load it without `deepest`, and from weights that reach that far')
    return last.input_layer


def deepest_of(name, layers):
    """Return which of these layers of a network comes last, to cut the network off after it.

    Raises:
        ArchiveError: unknown network or layer.
    """
    names = [layer for layer, _ in _layers_of(name)()]
    return max(layers, key=lambda layer: names.index(known_name(layer, names, 'layer')))


def known_name(name, names, kind):
    """Return the name if it is among the names, else stop and suggest the nearest.

    Raises:
        ArchiveError: says what there is.
    """
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f'did you mean {" or ".join(near)}?' if near else f'there are {", ".join(names)}'
    raise ArchiveError(f'there is no {kind} {name!r}; {hint}')


def _layers_of(name):
    return NETWORKS[known_name(name, list(NETWORKS), 'network')]


def _draw(random, key, shape):
    if key.endswith('.b'):
        return np.zeros(shape, theano.config.floatX)
    inputs = int(np.prod(shape[1:]))
    return random.normal(0, np.sqrt(2 / inputs), shape).astype(theano.config.floatX)
