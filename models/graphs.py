"""A network as people bring it: a dict of Lasagne layers, of any keys, or its last layer.

What the archive builds is an ordered dict under the papers' names, with 'input' as the first key.
A network of somebody else's needs neither: layers are found by following their inputs.
"""

import copy
from collections import OrderedDict

from models.errors import ArchiveError

import theano.tensor as T
from lasagne import nonlinearities
from lasagne.layers import InputLayer, NonlinearityLayer, get_all_layers

# What turns scores into probabilities; and what leaves scores as they are.
SQUASHING = (nonlinearities.softmax, T.nnet.softmax, nonlinearities.sigmoid, T.nnet.sigmoid)
LINEAR = (None, nonlinearities.identity)


class Network(OrderedDict):
    """The layers of a network of the archive by name, from the picture on.

    Attributes:
        origin: `models.weights.files.Origin` of the weights, or None where they are random.
    """

    origin = None


def named_layers(net):
    """Layers by name, an OrderedDict.

    Args:
        net: a dict of Lasagne layers, whose keys are the names; or a last layer, with which a layer
            is called by its own name, or by its kind and number where it has none or shares it.
    """
    if hasattr(net, 'items'):
        return OrderedDict(net)
    layers = get_all_layers(net)
    own = [layer.name for layer in layers]
    return OrderedDict((layer.name if layer.name and own.count(layer.name) == 1
                        else f'{type(layer).__name__} {number}', layer)
                       for number, layer in enumerate(layers))


def name_of(net, layer):
    """Name a layer in a message: by its key in the network, else by where it stands.

    Args:
        net: dict of layers, a last layer, or a list of layers.
        layer: one that these depend on; it need not be among them.
    """
    named = {} if isinstance(net, (list, tuple)) else named_layers(net)
    for name, known in named.items():
        if known is layer:
            return str(name)
    if layer.name:
        return layer.name
    above = next((name for name, known in named.items() if layer in get_all_layers(known)), None)
    return f'({type(layer).__name__}' + (')' if above is None else f' below {above})')


def last_layer(net):
    """Find the last layer of a dict; a layer is itself the last."""
    return next(reversed(named_layers(net).values()))


def input_layer(net, layers=None):
    """Find the one input layer that layers of a network depend on.

    Args:
        net: dict of layers, or a last layer.
        layers: of it; None takes all.

    Raises:
        ArchiveError: there are several, or none.
    """
    layers = list(named_layers(net).values()) if layers is None else layers
    found = [layer for layer in get_all_layers(layers) if isinstance(layer, InputLayer)]
    if len(found) != 1:
        names = ' and '.join(name_of(net, layer) for layer in found) or 'none'
        raise ArchiveError(f'the network must have one input layer, and it has {names}; give the '
                           'part of it that leads from one input to what you look for')
    return found[0]


def scores(net):
    """Find the layer of the unnormalised scores, 'fc8' in the VGGs: before softmax or sigmoid.

    Where the softmax is a layer of its own, this is the layer before; where it is the nonlinearity
    of a dense layer, a linear layer with the same weights; and the last layer itself where it ends
    in scores.

    Args:
        net: dict of layers, or a last layer; its output is (batch, classes).

    Raises:
        ArchiveError: the network ends in no scores, because it was cut off or classifies nothing.
    """
    last = last_layer(net)
    nonlinearity = getattr(last, 'nonlinearity', None)
    if len(last.output_shape) == 2 and nonlinearity in LINEAR:
        return last
    if len(last.output_shape) != 2 or nonlinearity not in SQUASHING:
        raise ArchiveError(f'the network ends at {name_of(net, last)}, not in class probabilities '
                           'or in scores without a nonlinearity; take the whole network '
                           '(`models.load` without `deepest`, from weights that reach that far)')
    if isinstance(last, NonlinearityLayer):
        return last.input_layer
    linear = copy.copy(last)  # its weights are the same variables
    linear.nonlinearity = nonlinearities.identity
    return linear
