"""Networks for what a recipe looks at: layers with maps, or the class scores."""

import models
from models import networks

from lasagne.layers import Conv2DLayer

from recipes.common import class_names, projections


def load_to(layers, model, weights=None, pool='max', instead=''):
    """Load a network cut off after the deepest of some layers.

    Args:
        layers: names; each must have rows and columns.
        model, weights, pool: as of `models.load`.
        instead: what else could be done than to name such layers, for the message.

    Returns:
        (net, mean_pixel): `models.graphs.Network` of layers; (3,), BGR.

    Raises:
        ArchiveError: a layer is not there, or has no rows and columns.
    """
    net, _, mean_pixel = models.load(model, weights, pool, models.deepest_of(model, layers))
    projections.require_maps(net, layers, model, instead)
    return net, mean_pixel


def load_to_output(layer, model, weights=None, pool='max', instead=''):
    """Load a network cut off after a layer, or whole where None is named, for its class scores.

    Args:
        layer: name of one of any kind, or None.
        model, weights, pool: as of `models.load`.
        instead: what to do where the network has no classes, for the message.

    Returns:
        (net, classes, mean_pixel, output): as of `models.load`, and the name of the layer, or of
        that of the scores before the softmax.

    Raises:
        ArchiveError: the layer is not there, or the network tells no classes apart.
    """
    net, classes, mean_pixel = models.load(model, weights, pool, layer)
    return net, classes, mean_pixel, layer or class_names.scores_of(net, model, instead).name


def tells_classes(model):
    """Tell whether a network ends in the probabilities of classes."""
    return 'prob' in networks.layer_names(model)


def convolutions(net):
    """List the names of a network's convolutions, from the picture on.

    Args:
        net: ordered dict of layers.
    """
    return [name for name, layer in net.items() if isinstance(layer, Conv2DLayer)]


def convolutions_of(model):
    """List the names of the convolutions of a network by its name, without its weights."""
    return convolutions(models.build(model, width=1 / 64))
