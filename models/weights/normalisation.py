"""Gatys' normalisation: rescale a VGG so that each channel's mean activation is 1.

Gatys, Ecker & Bethge 2015, "A Neural Algorithm of Artistic Style", section "Methods": the mean
over images and positions of each filter's activation becomes 1, and the output of the network
stays what it was, because it has rectifiers and no normalisation across channels.

The network that Gatys gave away was measured with max pooling, though his method paints with
average pooling: of its five first layers the mean over 200 photos (256 pixels, one of each of 200
classes of ImageNet) is 0.98, 1.00, 0.98, 0.96 and 0.95 with max pooling, and 0.98, 1.00, 0.77,
0.78 and 0.54 with average pooling. With max pooling half of the channels of each layer are within
8 % of 1, nine in ten within 22 %, and the furthest are 0.47 and 1.51. So much do other photos make,
and so near to his comes a normalisation by some hundred photos of one's own.
"""

from models.errors import ArchiveError

import lasagne
import numpy as np
import theano
from lasagne.layers import Conv2DLayer, DenseLayer, LocalResponseNormalization2DLayer, MergeLayer


def activation_means(net, images):
    """Measure the mean activation of each channel of each convolution, over images and positions.

    Args:
        net: ordered dict of layers; Gatys' had max pooling when it was measured.
        images: arrays of shape (batch, 3, rows, columns), BGR minus mean; sizes may differ.

    Returns:
        Dict from layer name to a float64 array (channels,).
    """
    layers = _convolutions(net)
    outputs = lasagne.layers.get_output(list(layers.values()))
    sums = [output.sum(axis=(0, 2, 3), dtype='float64') for output in outputs]
    positions = [output.shape[0] * output.shape[2] * output.shape[3] for output in outputs]
    gather = theano.function([net['input'].input_var], sums + positions)
    totals = [sum(parts) for parts in zip(*(gather(image) for image in images))]
    return {name: totals[index] / totals[index + len(layers)]
            for index, name in enumerate(layers)}


def normalise(net, images, floor=0.0):
    """Rescale the convolutions of a network in place; what it computes in the end stays the same.

    Args:
        net: ordered dict of layers, a chain of convolutions, poolings and dense layers.
        images: as for `activation_means`.
        floor: a channel is divided by its mean, but by no less than this fraction of its layer's
            mean activation. 0 is faithful and right for the full VGG. A network with nearly dead
            channels needs one: divided by a mean of 5e-4 they explode on white noise.

    Returns:
        Dict from layer name to the scale (channels,) by which its activations were divided.

    Raises:
        ArchiveError: the floor is negative, or the network is no such chain.
    """
    for name, layer in net.items():
        if (isinstance(layer, (MergeLayer, LocalResponseNormalization2DLayer))
                or getattr(layer, 'num_groups', 1) > 1):
            raise ArchiveError(f'only a chain of convolutions and poolings can be normalised, and '
                               f'this network has {name}; take a VGG')
    if not floor >= 0:
        raise ArchiveError(f'the floor of the normalisation is a fraction from 0 up, not {floor}')
    scales = {name: _scale(mean, floor)
              for name, mean in activation_means(net, images).items()}
    before = np.ones(3)  # the input is not rescaled
    for name, layer in net.items():
        if isinstance(layer, Conv2DLayer):
            scale = scales[name]
            _multiply(layer.W, before[None, :, None, None] / scale[:, None, None, None])
            _multiply(layer.b, 1 / scale)
            before = scale
        elif isinstance(layer, DenseLayer):
            inputs = layer.W.get_value(borrow=True).shape[0]
            _multiply(layer.W, np.repeat(before, inputs // len(before))[:, None])
            break
    return scales


def _scale(mean, floor):
    scale = np.maximum(mean, floor * mean.mean())
    return np.where(scale > 0, scale, 1)  # a channel that never fires has nothing to rescale


def _convolutions(net):
    return {name: layer for name, layer in net.items() if isinstance(layer, Conv2DLayer)}


def _multiply(parameter, factor):
    value = parameter.get_value(borrow=True)
    parameter.set_value((value * factor).astype(value.dtype), borrow=True)
