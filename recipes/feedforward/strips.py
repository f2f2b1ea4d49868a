"""A generator layer by layer, in strips of rows: for pictures too large for it as a whole.

Tiles with means and deviations of their own are wrong by 13 to 17 dB. Here each layer is computed
for the whole picture before the next one, strip by strip where it needs room, and a normalisation
takes the statistics of the whole map: the result is the whole network's.
"""

from models.layers import (
    ChannelsLayer,
    CroppedSumLayer,
    InstanceNormLayer,
    PadLayer,
    Rule,
    TransposedConvolutionLayer,
    inverse_deviation,
    taken,
)

import lasagne
import numpy as np
import theano
import theano.tensor as T
from lasagne import nonlinearities
from lasagne.layers import (
    BatchNormLayer,
    ConcatLayer,
    Conv2DLayer,
    InputLayer,
    NonlinearityLayer,
    Pool2DLayer,
)

STRIP = 32 << 20  # bytes that the input of a strip takes, about
FLOAT = 4


class Strips:
    """A generator that is computed in strips.

    Args:
        net: ordered dict of layers, in an order in which each comes after those below it.
        own_statistics: whether batch normalisations take the picture's statistics, as in training.
        strip: bytes that the input of a strip may take.
    """

    def __init__(self, net, own_statistics=False, strip=STRIP):
        self.layers = list(net.values())
        self.own_statistics, self.strip = own_statistics, strip
        self.last_use = {}
        for number, layer in enumerate(self.layers):
            for below in _below(layer):
                self.last_use[below] = number
        self.functions = {}

    def paint(self, *inputs):
        """Compute the generator.

        Args:
            inputs: of its input layers, in order: (1, channels, rows, columns), float32.

        Returns:
            The last layer's output.
        """
        left, made = list(inputs), {}
        for number, layer in enumerate(self.layers):
            if isinstance(layer, InputLayer):
                made[layer] = left.pop(0)
            else:
                made[layer] = self._computed(layer, made, number)
            for below in _below(layer):
                if self.last_use[below] == number and below is not layer:
                    made.pop(below, None)
        return made[self.layers[-1]]

    def peak(self, *sizes):
        """Predict the bytes of the maps that are in memory at once.

        Args:
            sizes: (rows, columns) of each input layer's maps, in order.
        """
        shapes = _shapes(self.layers, sizes)
        alive, most = {}, 0
        for number, layer in enumerate(self.layers):
            deferred = isinstance(layer, PadLayer)
            alive[layer] = 0 if deferred or self._in_place(layer, number) else shapes[layer]
            most = max(most, sum(alive.values()))
            for below in _below(layer):
                if self.last_use[below] == number:
                    freed = alive.pop(below, 0)
                    if deferred or self._in_place(layer, number):
                        alive[layer] += freed
        return most + 4 * self.strip

    def _in_place(self, layer, number):
        """Tell whether a layer may write over what is below it: nobody else needs that any more."""
        return (isinstance(layer, (InstanceNormLayer, BatchNormLayer, NonlinearityLayer,
                                   ChannelsLayer))
                and self.last_use[layer.input_layer] == number
                and not isinstance(layer.input_layer, (InputLayer, PadLayer)))

    def _computed(self, layer, made, number):
        if isinstance(layer, CroppedSumLayer):
            return _summed(layer, *(_whole(made[below]) for below in layer.input_layers))
        if isinstance(layer, ConcatLayer):
            return np.concatenate([_whole(made[below]) for below in layer.input_layers], axis=1)
        below = made[layer.input_layer]
        if isinstance(layer, PadLayer):
            return Padded(_whole(below), layer.rule)
        if isinstance(layer, Conv2DLayer):
            zeros = layer.pad[0]
            if zeros or not isinstance(below, Padded):
                below = Padded(_whole(below), Rule(zeros, zeros, 'zero'))
            return self._convolved(layer, below)
        below = _whole(below)
        if isinstance(layer, TransposedConvolutionLayer):
            return self._transposed(layer, below)
        if isinstance(layer, Pool2DLayer):
            return self._pooled(layer, below)
        target = below if self._in_place(layer, number) else np.empty_like(below)
        if isinstance(layer, (InstanceNormLayer, BatchNormLayer)):
            return self._normalised(layer, below, target)
        for strip in self._strips(below.shape):
            target[:, :, strip] = self._function(layer)(below[:, :, strip])
        return target

    def _strips(self, shape, bytes_of_a_row=None):
        """Give slices of rows, of about the bytes that a strip may take."""
        at_once = max(1, int(self.strip // (bytes_of_a_row or FLOAT * shape[1] * shape[3])))
        return [slice(top, min(top + at_once, shape[2])) for top in range(0, shape[2], at_once)]

    def _function(self, layer, build=None):
        """Give the compiled function of one layer, by itself."""
        if layer not in self.functions:
            x = T.tensor4()
            self.functions[layer] = theano.function([x], (build or layer.get_output_for)(x))
        return self.functions[layer]

    def _convolved(self, layer, padded):
        stride, size = layer.stride[0], layer.filter_size[0]
        rows, columns = padded.places()
        height, width = ((len(places) - size) // stride + 1 for places in (rows, columns))
        result = np.empty((1, layer.num_filters, height, width), 'float32')
        channels = padded.x.shape[1]
        # Patches and kernels' points take several times the strip.
        for strip in self._strips(result.shape, FLOAT * channels * len(columns) * stride):
            needed = rows[strip.start * stride:(strip.stop - 1) * stride + size]
            result[:, :, strip] = self._function(layer, _without_padding(layer))(
                taken(padded.x, needed, columns))
        return result

    def _transposed(self, layer, x):
        before, after = layer.crop
        stride, size = layer.stride, layer.size
        height, width = (layer.length(length) for length in x.shape[2:])
        result = np.empty((1, layer.filters, height, width), 'float32')
        for strip in self._strips(result.shape):
            # Input row i reaches rows i * stride - before to size - 1 below.
            first = max(0, -(-(strip.start + before - size + 1) // stride))
            last = min(x.shape[2] - 1, (strip.stop - 1 + before) // stride)
            whole = self._function(layer, _uncropped(layer))(x[:, :, first:last + 1])
            offset = first * stride - before
            part = whole[:, :, strip.start - offset:strip.stop - offset, before:before + width]
            result[:, :, strip, :part.shape[3]] = part
        return result

    def _pooled(self, layer, x):
        factor = layer.pool_size[0]
        rows, columns = (length // factor for length in x.shape[2:])
        result = np.empty((1, x.shape[1], rows, columns), 'float32')
        for strip in self._strips(result.shape, FLOAT * factor * x.shape[1] * x.shape[3]):
            result[:, :, strip] = self._function(layer)(
                x[:, :, strip.start * factor:strip.stop * factor])
        return result

    def _normalised(self, layer, x, target):
        scale, shift, epsilon, leak = _parts(layer)
        if isinstance(layer, BatchNormLayer) and not self.own_statistics:
            mean, inverse = layer.mean.get_value(), layer.inv_std.get_value()
        else:
            mean = x.mean(axis=(0, 2, 3), dtype='float64')
            squares = sum(np.square(x[:, :, strip] - mean[:, None, None].astype('float32'))
                          .sum(axis=(0, 2, 3), dtype='float64') for strip in self._strips(x.shape))
            variance = squares / (x.shape[2] * x.shape[3])
            inverse = (1 / np.sqrt(variance + epsilon) if isinstance(layer, BatchNormLayer) else
                       inverse_deviation(mean, variance, epsilon))
        factor, centre = (array.astype('float32')[:, None, None]
                          for array in (scale * inverse, mean))
        for strip in self._strips(x.shape):
            part = (x[:, :, strip] - centre) * factor + shift[:, None, None]
            target[:, :, strip] = part if leak is None else np.where(part <= 0, leak * part, part)
        return target


class Padded:
    """Maps that are padded where they are looked at.

    Args:
        x: (1, channels, rows, columns).
        rule: a `models.layers.Rule`.
    """

    def __init__(self, x, rule):
        self.x, self.rule = x, rule

    def places(self):
        """Give the places of the padded rows and columns."""
        return tuple(self.rule.places(length) for length in self.x.shape[2:])


def _whole(maps):
    return taken(maps.x, *maps.places()) if isinstance(maps, Padded) else maps


def _below(layer):
    return getattr(layer, 'input_layers', None) or (
        [] if isinstance(layer, InputLayer) else [layer.input_layer])


def _shapes(layers, sizes):
    """Give the bytes of each layer's maps."""
    inputs = [layer for layer in layers if isinstance(layer, InputLayer)]
    shapes = {layer: (1, layer.shape[1], *size) for layer, size in zip(inputs, sizes)}
    found = lasagne.layers.get_output_shape(layers, shapes)
    return {layer: FLOAT * int(np.prod(shape)) for layer, shape in zip(layers, found)}


def _summed(layer, whole, branch):
    """Add to the branch, in place."""
    if layer.cut:
        whole = whole[:, :, layer.cut:-layer.cut, layer.cut:-layer.cut]
    branch += whole
    return branch


def _parts(layer):
    """Give scale, shift, epsilon and the slope below 0 (None without a rectifier)."""
    if isinstance(layer, BatchNormLayer):
        return layer.gamma.get_value(), layer.beta.get_value(), layer.epsilon, None
    leak = {nonlinearities.identity: None, nonlinearities.rectify: np.float32(0)}.get(
        layer.nonlinearity, getattr(layer.nonlinearity, 'leakiness', None))
    return layer.scale.get_value(), layer.shift.get_value(), layer.epsilon, leak


def _without_padding(layer):
    """Give the function from padded maps to the convolution's output."""
    def build(x):
        y = T.nnet.conv2d(x, layer.W, filter_shape=layer.get_W_shape(), filter_flip=False,
                          subsample=layer.stride)
        return y if layer.b is None else y + layer.b.dimshuffle('x', 0, 'x', 'x')
    return build


def _uncropped(layer):
    """Give the function from maps to a transposed convolution with nothing cut off."""
    plain = TransposedConvolutionLayer(
        (None, layer.input_shape[1], None, None), layer.filters, layer.size, layer.W, layer.b,
        layer.stride, (0, min(layer.crop[1], 0)))
    return plain.get_output_for
