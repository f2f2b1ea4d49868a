"""Networks by name: an ordered dict of Lasagne layers under the papers' names."""

import difflib
import shlex
from functools import partial

from models import all_cnn, caffenet, googlenet, squeezenet, vgg, vgg_cnn_s, waiting
from models.errors import ArchiveError
from models.graphs import Network
from models.weights import files

import numpy as np
import theano
from lasagne.layers import InputLayer

FAMILIES = (vgg, googlenet, caffenet, vgg_cnn_s, squeezenet, all_cnn)
FACTS = {name: facts for family in FAMILIES for name, facts in family.FACTS.items()}

# name -> its layers, a list of (name, function that builds the layer onto those below, the names
# of those below). Where none is named, it is the layer before.
NETWORKS = {name: facts.layers for name, facts in FACTS.items()}
LISTED = 20  # names at most in an error; of more, the nearest only


def build(name, pool='max', deepest=None, width=1, seed=0, array=None, classes=None, size=None):
    """Build a network of the archive, with random weights unless `array` gives them.

    Args:
        name: one of NETWORKS; 'vgg19_normalized' is VGG-19's convolutions.
        pool: 'max', 'average_exc_pad' or 'average_inc_pad'.
        deepest: name of the last layer to build; None builds all. Without a hidden dense layer
            the input may have any number of rows and columns.
        width: factor on every number of filters, for small experiments; above 0.
        seed: of the random weights, normal with variance 2 / inputs (He et al. 2015, equation 10).
        array: function (key, shape) -> array that gives '<layer>.W' and '<layer>.b', in floatX.
        classes: how many the network tells apart; None takes the paper's number.
        size: rows and columns of the input where a dense layer fixes them; None takes the
            network's own, 224, or 227 for AlexNet and CaffeNet.

    Returns:
        `Network` of Lasagne layers; 'input' takes (batch, 3, rows, columns), BGR, 0..255 with the
        mean subtracted.

    Raises:
        ArchiveError: unknown network, layer or pooling.
    """
    count = {} if classes is None else {'classes': classes}
    layers = NETWORKS[known_network(name)](pool=pool, width=width, **count)
    if deepest is not None:
        layers = layers[:layer_names(name).index(known_layer(name, deepest)) + 1]
    fixed = any(layer == 'fc6' for layer, *_ in layers)
    size = (size or FACTS[name].size) if fixed else None
    array = array or partial(_draw, np.random.RandomState(seed))

    net = Network(input=InputLayer((None, 3, size, size), name='input'))
    for layer_name, construct, *below in layers:
        incomings = [net[other] for other in below] or [next(reversed(net.values()))]
        net[layer_name] = construct(*incomings, array=array, name=layer_name)
    return net


def load(name, weights=None, pool='max', deepest=None):
    """Build a network with its trained weights.

    Args:
        name, pool, deepest: as for `build`.
        weights: an .npz file, with the archive's names or, for SqueezeNet, torchvision's; None
            takes the embedded network's own, or `<name>.npz` in `models.weights.files.folder()`.

    Returns:
        (net, classes, mean_pixel): the `Network` of layers, with its origin; the list of class
        names, ImageNet's where the file has none and the network tells 1000 apart, else None;
        mean_pixel as float32 of shape (3,), BGR.

    Raises:
        ArchiveError: unknown network or layer, no file, or a file that lacks a layer at or above
            the deepest, or has it in another shape.
    """
    path = files.find(known_network(name), weights)
    with waiting.doing(f'reading the weights of {name}'), files.WeightFile(path, name) as file:
        classes = file.classes()
        net = build(name, pool, deepest, width=file.width(), array=file.array,
                    classes=classes and len(classes))
        net.origin = file.origin()
        file.name_extra_keys(layer_names(name))
        if classes is None and next(reversed(net.values())).output_shape[1:] == (1000,):
            classes = [words for _, words in files.imagenet_classes()]
        return net, classes, file.mean_pixel()


def deepest_of(name, layers):
    """Find which of these layers of a network comes last, to cut the network off after it.

    Raises:
        ArchiveError: unknown network or layer.
    """
    names = layer_names(name)
    return max(layers, key=lambda layer: names.index(known_layer(name, layer)))


def layer_names(name):
    """List the names of a network's layers, in order.

    Raises:
        ArchiveError: unknown network.
    """
    return [layer for layer, *_ in NETWORKS[known_network(name)]()]


def facts_of(name):
    """Look up the `Facts` of a network.

    Raises:
        ArchiveError: unknown network.
    """
    return FACTS[known_network(name)]


def known_network(name):
    """Check a name: give it if it is a network's, else stop and suggest the nearest.

    Raises:
        ArchiveError: says what there is.
    """
    return known_name(name, list(NETWORKS), 'network', 'python -m models')


def known_layer(name, layer):
    """Check a layer's name: give it if the network has it, else stop and suggest the nearest.

    Raises:
        ArchiveError: says what there is.
    """
    return known_name(layer, layer_names(name), 'layer', listing('layers', name))


def known_name(name, names, kind, command=None):
    """Check a name: give it if it is among the names, else stop and suggest the nearest.

    Args:
        name: asked for.
        names: that there are.
        kind: of thing, for the message.
        command: that lists all of them, or None.

    Raises:
        ArchiveError: says what there is, and the command.
    """
    if name in names:
        return name
    names = list(map(str, names))  # keys of somebody's own network may be anything
    near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
    hints = [f'did you mean {" or ".join(near)}?'] if near else []
    if not near and (command is None or len(names) <= LISTED):
        hints.append(f'there are {", ".join(names)}')
    if command is not None:
        hints.append(f'{command} lists all')
    raise ArchiveError(f'there is no {kind} {name!r}; {"; ".join(hints)}')


def listing(what, name, search=None, weights=None):
    """Write the command that lists the 'layers' or the 'classes' of a network."""
    words = ['python', '-m', 'models', what, name]
    words += [] if search is None else [search]
    words += [] if weights is None else ['--weights', str(weights)]
    return ' '.join(map(shlex.quote, words))


def _draw(random, key, shape):
    if key.endswith('.b'):
        return np.zeros(shape, theano.config.floatX)
    inputs = int(np.prod(shape[1:]))
    return random.normal(0, np.sqrt(2 / inputs), shape).astype(theano.config.floatX)
