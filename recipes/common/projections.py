"""From units of a network back to the picture: gradient, guided backprop, deconvnet.

    (scores,) = compile_activations(net)(images)
    project = compile_projection(net, method='guided')
    maps = project(images, class_target(scores, scores.argmax(axis=1)))

The network is any: a dict of Lasagne layers, under whatever keys, or a last layer
(`models.graphs.named_layers` says what a layer is called then). Images are arrays of its input's
axes and range, and of any real type. Instead of the class scores, layers can be named:

    (activations,) = compile_activations(net, ['conv4_2'])(images)
    project = compile_projection(net, ['conv4_2'], 'guided')
    maps = project(images, unit_target(activations, 'conv4_2', channel=7))

A target has the shape of its layer's activations and says how much each unit counts: the gradient
is that of the sum of target times activation. One compilation serves all units of all layers.
"""

import contextlib

import models
from models import graphs
from models.errors import ArchiveError

import lasagne
import numpy as np
import theano.tensor as T

import modifiedbackprop
from modifiedbackprop import GuidedBackprop, ZeilerBackprop
from recipes.common import functions

METHODS = {'gradient': None, 'guided': GuidedBackprop, 'deconvnet': ZeilerBackprop}


def compile_activations(net, names=None):
    """Compile what layers see in pictures.

    Args:
        net: dict of layers, or a last layer.
        names: of layers; None takes the class scores, before a softmax.

    Returns:
        `functions.Function`: images of the input's axes, such as (batch, 3, rows, columns) -> list
        of activations, (batch, channels, rows, columns) or (batch, classes).

    Raises:
        ArchiveError: the network lacks a layer, or ends in no class scores.
    """
    layers = layers_of(net, names)
    source = graphs.input_layer(net, layers)
    return functions.compiled({source.input_var: source}, _outputs(layers, source.input_var))


def compile_projection(net, names=None, method='gradient', leave=()):
    """Compile the way back from units of layers to the pictures.

    Args:
        net: dict of layers, or a last layer; it is left as it was.
        names: of layers; None takes the class scores, before a softmax.
        method: 'gradient' (Simonyan et al. 2014), 'guided' (Springenberg et al. 2015) or
            'deconvnet' (Zeiler & Fergus 2014, in the form of a gradient).
        leave: nonlinearities that keep their own gradient; see `modifiedbackprop.applied`.

    Returns:
        `functions.Function`: (images, one target for each layer) -> gradient of the sum over layers
        of target times activation, of the images' shape.

    Raises:
        ArchiveError: the network lacks a layer, or has no rectifier for the method to change.
    """
    layers = layers_of(net, names)
    source = graphs.input_layer(net, layers)
    image = source.input_var
    with applied(net, method, leave, layers):
        activations = _outputs(layers, image)
        targets = [activation.type(f'target of {graphs.name_of(net, layer)}')
                   for layer, activation in zip(layers, activations)]
        cost = sum(T.sum(target * activation) for target, activation in zip(targets, activations))
        gradient = T.grad(cost, image)
    return functions.compiled({image: source, **dict(zip(targets, layers))}, gradient)


def layers_of(net, names=None):
    """Find the layers of these names, a list; None gives the one of the class scores.

    Raises:
        ArchiveError: the network lacks a layer, or ends in no class scores.
    """
    if names is None:
        return [models.scores(net)]
    layers = graphs.named_layers(net)
    return [layers[known_layer(net, name)] for name in names]


def applied(net, method, leave=(), layers=None):
    """Open a `with` inside which a network's rectifiers follow one of METHODS on the way back.

    Args:
        net, leave, layers: as `modifiedbackprop.applied` has them.
        method: one of METHODS.

    Raises:
        ArchiveError: there is no such method, or it does not suit the network.
    """
    rule = METHODS[models.known_name(method, list(METHODS), 'method')]
    return (contextlib.nullcontext() if rule is None
            else modifiedbackprop.applied(net, rule, leave, layers))


def _outputs(layers, image):
    return lasagne.layers.get_output(layers, image, deterministic=True)


def class_target(scores, classes):
    """Compute the target that picks one class for each picture.

    Args:
        scores: (batch, classes).
        classes: one index a picture, or one for all.
    """
    target = np.zeros_like(scores)
    target[np.arange(len(scores)), classes] = 1
    return target


def unit_target(activations, layer, channel, place=None, at_value=False):
    """Compute the target that picks one unit of a channel in each picture.

    Args:
        activations: (batch, channels, rows, columns), or (batch, channels) of a dense layer.
        layer: its name, for errors.
        channel: index.
        place: (row, column) in the map; None takes the channel's largest element in each picture.
        at_value: the target is the unit's activation (Zeiler & Fergus) and not 1.

    Raises:
        ArchiveError: there is no such unit.
    """
    target = np.zeros_like(activations)
    for index, unit in enumerate(unit_indices(activations, layer, channel, place)):
        at = (index, *unit)
        target[at] = activations[at] if at_value else 1
    return target


def unit_indices(activations, layer, channel, place=None):
    """List the index within each picture of the units that `unit_target` picks: list of tuples.

    Args:
        activations, layer, channel, place: as of `unit_target`.

    Returns:
        (channel, row, column) for each picture, or (channel,) of a dense layer.
    """
    no_empty_map(activations, layer)
    if activations.ndim == 2:
        if place is not None:
            raise ArchiveError(f'{layer} has no rows and columns; name a unit by one number')
        return [(channel,)] * len(activations)
    rows, columns = activations.shape[2:]
    if place is None:
        best = activations[:, channel].reshape(len(activations), -1).argmax(axis=1)
        return [(channel, *divmod(int(number), columns)) for number in best]
    if not (0 <= place[0] < rows and 0 <= place[1] < columns):
        raise ArchiveError(f'{layer} has {rows}x{columns} units in each channel for a picture of '
                           f'this size, counted from 0; there is none at {place[0]},{place[1]}')
    return [(channel, *place)] * len(activations)


def known_channel(net, name, channel):
    """Stop where a layer has no such channel.

    Args:
        net: dict of layers, or a last layer.
        name: of the layer.
        channel: index.

    Raises:
        ArchiveError: says what there is.
    """
    (layer,) = layers_of(net, [name])
    count = layer.output_shape[1]
    if not 0 <= channel < count:
        raise ArchiveError(f'{name} has the channels 0 to {count - 1}; there is no {channel}')


def no_empty_map(activations, layer):
    """Stop where a picture is so small that a layer's map has no units.

    Args:
        activations: (batch, channels, rows, columns), or (batch, channels).
        layer: its name.

    Raises:
        ArchiveError: says so.
    """
    if 0 in activations.shape:
        raise ArchiveError(f'nothing is left of the picture at {layer}, its map has '
                           f'{"x".join(map(str, activations.shape[2:]))} units; take a larger '
                           '--size or a layer further down')


def known_layer(net, name):
    """Check a layer's name: give it if the network has it, else stop and suggest the nearest.

    Raises:
        ArchiveError: says what there is.
    """
    layers = graphs.named_layers(net)
    return models.known_name(name, [other for other, layer in layers.items()
                                    if not isinstance(layer, lasagne.layers.InputLayer)], 'layer')


def require_maps(net, names, network, instead=''):
    """Stop where a layer has no rows and columns, such as a dense one.

    Args:
        net: ordered dict of layers.
        names: of layers.
        network: its name.
        instead: what else could be done, for the message.

    Raises:
        ArchiveError: names a layer that has, and the command that lists all.
    """
    for name in names:
        if len(layers_of(net, [name])[0].output_shape) != 4:
            raise ArchiveError(f'{name} has no rows and columns; take a convolution or a pooling '
                               f'such as {models.facts_of(network).content}{instead}; '
                               f'{models.listing("layers", network)} lists all')
