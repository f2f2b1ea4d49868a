"""Layers of the feed-forward generators that Lasagne lacks.

Padding that mirrors, repeats or goes round, upsampling to the nearest, instance normalisation,
transposed convolution with output padding, and sums of maps of two sizes. Every padding and
upsampling is one `Rule`: which row and column of the input each of the output's is; it serves the
compiled network and one that is computed strip by strip.
"""

from typing import NamedTuple

import numpy as np
import theano.tensor as T
from lasagne import nonlinearities
from lasagne.layers import Layer, MergeLayer
from theano.gradient import DisconnectedType
from theano.graph.basic import Apply
from theano.graph.op import Op
from theano.tensor.nnet.abstract_conv import AbstractConv2d_gradInputs

PADDINGS = ('zero', 'reflect', 'replicate', 'circular')
NOWHERE = -1  # the place of a zero
# A map whose deviation is below this share of its mean, or this itself where the mean is below 1,
# is the same everywhere but for rounding: of a picture of one grey, convolutions make maps that
# deviate by 1e-6 of their mean, and layer after layer would blow that up to stripes and dots. The
# least that a picture of 8 bits can deviate by is a hundred times more.
FLAT = 1e-4


class Take(Op):
    """Rows and columns of maps by their numbers; NOWHERE gives zeros."""

    __props__ = ()

    def make_node(self, x, rows, columns):
        """Make the node for x (batch, channels, rows, columns) and two vectors of int64."""
        x, rows, columns = map(T.as_tensor_variable, (x, rows, columns))
        rows, columns = T.cast(rows, 'int64'), T.cast(columns, 'int64')
        return Apply(self, [x, rows, columns], [T.TensorType(
            x.dtype, (*x.broadcastable[:2], False, False))()])

    def perform(self, node, inputs, outputs, params=None):
        outputs[0][0] = taken(*inputs)

    def infer_shape(self, fgraph, node, shapes):
        """Give the shape of the output."""
        (batch, channels, _, _), (rows,), (columns,) = shapes
        return [(batch, channels, rows, columns)]

    def connection_pattern(self, node):
        """Say that only the maps have a gradient."""
        return [[True], [False], [False]]

    def grad(self, inputs, gradients):
        """Put each number's gradient where it came from."""
        x, rows, columns = inputs
        return [Put()(gradients[0], rows, columns, x.shape[2], x.shape[3]),
                DisconnectedType()(), DisconnectedType()()]


class Put(Op):
    """The gradient of `Take`: numbers added up at their rows and columns."""

    __props__ = ()

    def make_node(self, g, rows, columns, height, width):
        """Make the node for g (batch, channels, rows, columns), places, and the output's size."""
        g, rows, columns = map(T.as_tensor_variable, (g, rows, columns))
        height, width = (T.cast(length, 'int64') for length in (height, width))
        return Apply(self, [g, rows, columns, height, width], [T.TensorType(
            g.dtype, (*g.broadcastable[:2], False, False))()])

    def perform(self, node, inputs, outputs, params=None):
        g, rows, columns, height, width = inputs
        there = np.zeros((*g.shape[:2], int(height), g.shape[3]), g.dtype)
        np.add.at(there, (slice(None), slice(None), rows[rows >= 0]), g[:, :, rows >= 0])
        both = np.zeros((*g.shape[:2], int(height), int(width)), g.dtype)
        np.add.at(both, (slice(None), slice(None), slice(None), columns[columns >= 0]),
                  there[:, :, :, columns >= 0])
        outputs[0][0] = both

    def infer_shape(self, fgraph, node, shapes):
        """Give the shape of the output."""
        return [(*shapes[0][:2], node.inputs[3], node.inputs[4])]

    def connection_pattern(self, node):
        """Say that only the numbers have a gradient."""
        return [[True], [False], [False], [False], [False]]

    def grad(self, inputs, gradients):
        """Take each number's gradient from where it went."""
        return [Take()(gradients[0], *inputs[1:3]), *(DisconnectedType()() for _ in range(4))]


def taken(x, rows, columns):
    """Compute in numpy what `Take` computes.

    Args:
        x: (batch, channels, rows, columns).
        rows, columns: int vectors of indices; -1 gives zeros.

    Returns:
        (batch, channels, len(rows), len(columns)).
    """
    picked = np.ascontiguousarray(x.take(rows, 2).take(columns, 3))
    picked[:, :, rows < 0] = 0
    picked[:, :, :, columns < 0] = 0
    return picked


class Rule(NamedTuple):
    """How maps are padded along one axis.

    Attributes:
        before, after: rows to add at either end, of the enlarged maps.
        mode: 'zero', 'reflect' (around the outermost rows, which are not repeated), 'replicate' or
            'circular'. A padding may be larger than the maps.
        enlarged: how many times each row is repeated first.
    """

    before: int
    after: int
    mode: str = 'reflect'
    enlarged: int = 1

    def pads(self, length):
        """Give how much is added at either end of so many rows."""
        return self.before, self.after

    def length(self, length):
        """Give how many rows the result has."""
        return length * self.enlarged + sum(self.pads(length))

    def places(self, length):
        """Give which of so many rows each row of the result is: int64; NOWHERE is a zero."""
        count = length * self.enlarged
        before, after = self.pads(length)
        place = np.arange(-before, count + after)
        if self.mode == 'zero':
            place = np.where((place >= 0) & (place < count), place, NOWHERE)
        elif self.mode == 'reflect':
            period = max(2 * (count - 1), 1)
            place = np.minimum(place % period, period - place % period) * (count > 1)
        elif self.mode == 'replicate':
            place = np.clip(place, 0, count - 1)
        else:
            place = place % count
        return place // self.enlarged


class SameRule(NamedTuple):
    """The zeros that TensorFlow's SAME puts around the input of a convolution.

    Of an odd number of zeros one more stands behind than before; how many there are depends on
    the number of rows. Source: TensorFlow's documentation of tf.nn.convolution.

    Attributes:
        size: rows of the kernel.
        stride: of the convolution, 1 or 2.
    """

    size: int
    stride: int

    def pads(self, length):
        """Give how much is added at either end of so many rows."""
        total = self.size - self.stride + length % self.stride
        return total // 2, total - total // 2

    def length(self, length):
        """Give how many rows the result has."""
        return length + sum(self.pads(length))

    def places(self, length):
        """Give which of so many rows each row of the result is: int64; NOWHERE is a zero."""
        return Rule(*self.pads(length), 'zero').places(length)


class Places(Op):
    """The places of a rule, for a number of rows that is known when the function runs."""

    __props__ = ('rule',)

    def __init__(self, rule):
        self.rule = rule

    def make_node(self, length):
        """Make the node for a number of rows."""
        return Apply(self, [T.cast(length, 'int64')], [T.lvector()])

    def perform(self, node, inputs, outputs, params=None):
        outputs[0][0] = self.rule.places(int(inputs[0]))

    def infer_shape(self, fgraph, node, shapes):
        """Give the length of the output."""
        return [(self.rule.length(node.inputs[0]),)]

    def connection_pattern(self, node):
        """Say that a number of rows has no gradient."""
        return [[False]]

    def grad(self, inputs, gradients):
        """Give no gradient."""
        return [DisconnectedType()()]


class Normalise(Op):
    """Each map of each picture with mean 0 and variance 1, then scaled, shifted, and rectified.

    Outputs: the maps; the mean of each (batch, channels); one over its deviation.
    """

    __props__ = ('epsilon', 'rectified')

    def __init__(self, epsilon, rectified):
        self.epsilon, self.rectified = float(epsilon), bool(rectified)

    def make_node(self, x, scale, shift):
        """Make the node for x (batch, channels, rows, columns), scale and shift (channels,)."""
        x, scale, shift = map(T.as_tensor_variable, (x, scale, shift))
        x = T.patternbroadcast(x, [False] * 4)
        moments = T.TensorType(x.dtype, (False, False))
        return Apply(self, [x, scale, shift], [x.type(), moments(), moments()])

    def perform(self, node, inputs, outputs, params=None):
        x, scale, shift = inputs
        mean = x.mean(axis=(2, 3), dtype='float64')
        variance = ((x - mean[:, :, None, None]) ** 2).mean(axis=(2, 3), dtype='float64')
        inverse = inverse_deviation(mean, variance, self.epsilon)
        y = ((x - mean[:, :, None, None]) * (inverse * scale)[:, :, None, None]
             + shift[:, None, None])
        y = np.where(y <= 0, 0, y) if self.rectified else y
        for output, value in zip(outputs, (y, mean, inverse)):
            output[0] = value.astype(x.dtype)

    def infer_shape(self, fgraph, node, shapes):
        """Give the shapes of the outputs."""
        return [shapes[0], shapes[0][:2], shapes[0][:2]]

    def connection_pattern(self, node):
        """Say that the moments are no way back."""
        return [[True, False, False]] * 3

    def grad(self, inputs, gradients):
        """Give the gradients of maps, scale and shift."""
        x, scale, shift = inputs
        y, mean, inverse = self(*inputs)
        back, scales, shifts = NormaliseBack(self.rectified)(gradients[0], x, y, mean, inverse,
                                                             scale)
        return [back, scales.sum(axis=0).astype(scale.dtype),
                shifts.sum(axis=0).astype(shift.dtype)]


def inverse_deviation(mean, variance, epsilon, numpy=np):
    """Give one over the deviation of maps, 0 of flat ones, which a normalisation leaves flat.

    Args:
        mean, variance: of each map, arrays.
        epsilon: added to the variance.
        numpy: numpy, or JAX's.
    """
    flat = variance < (FLAT * numpy.maximum(1, abs(mean))) ** 2
    return numpy.where(flat, 0, 1 / numpy.sqrt(variance + epsilon))


class NormaliseBack(Op):
    """The gradient of `Normalise`: that of the maps, and of each map's scale and shift."""

    __props__ = ('rectified',)

    def __init__(self, rectified):
        self.rectified = bool(rectified)

    def make_node(self, g, x, y, mean, inverse, scale):
        """Make the node for the gradient above and what `Normalise` had and made."""
        g = T.patternbroadcast(T.as_tensor_variable(g), [False] * 4)
        return Apply(self, [g, x, y, mean, inverse, scale],
                     [x.type(), mean.type(), mean.type()])

    def perform(self, node, inputs, outputs, params=None):
        g, x, y, mean, inverse, scale = inputs
        g = np.where(y <= 0, 0, g) if self.rectified else g
        normal = (x - mean[:, :, None, None]) * inverse[:, :, None, None]
        scales, shifts = ((part).sum(axis=(2, 3), dtype='float64') for part in (g * normal, g))
        count = x.shape[2] * x.shape[3]
        back = (scale * inverse)[:, :, None, None] * (
            g - shifts[:, :, None, None] / count - normal * scales[:, :, None, None] / count)
        for output, value in zip(outputs, (back, scales, shifts)):
            output[0] = value.astype(x.dtype)

    def infer_shape(self, fgraph, node, shapes):
        """Give the shapes of the outputs."""
        return [shapes[1], shapes[3], shapes[3]]


class PadLayer(Layer):
    """Maps with a margin around them, and each pixel repeated before, if wanted.

    Args:
        rule: a `Rule` or a `SameRule`, for rows and for columns.

    Raises:
        ValueError: another kind of padding.
    """

    def __init__(self, incoming, rule, **options):
        super().__init__(incoming, **options)
        if getattr(rule, 'mode', 'zero') not in PADDINGS:
            raise ValueError(f'there is no padding {rule.mode!r}; there are {", ".join(PADDINGS)}')
        self.rule = rule

    def get_output_shape_for(self, input_shape):
        """Give the shape of the output; None where it is not known yet."""
        return (*input_shape[:2], *(None if length is None else self.rule.length(length)
                                    for length in input_shape[2:]))

    def get_output_for(self, input, **options):
        """Give the expression of the output for this input."""
        rows, columns = (Places(self.rule)(input.shape[axis]) for axis in (2, 3))
        return Take()(input, rows, columns)


class InstanceNormLayer(Layer):
    """Each map of each picture with mean 0 and variance 1, then scaled and shifted.

    Ulyanov, Vedaldi & Lempitsky 2016, "Instance Normalization: The Missing Ingredient for Fast
    Stylization". The variance is over all positions, undivided by one less. A `FLAT` map becomes
    its shift.

    Args:
        scale, shift: (channels,) each.
        epsilon: added to the variance.
        nonlinearity: of the result; None for none.
    """

    def __init__(self, incoming, scale, shift, epsilon=1e-5, nonlinearity=None, **options):
        super().__init__(incoming, **options)
        channels = (self.input_shape[1],)
        self.scale = self.add_param(scale, channels, name='scale', regularizable=False)
        self.shift = self.add_param(shift, channels, name='shift', regularizable=False)
        self.epsilon = epsilon
        self.nonlinearity = nonlinearity or nonlinearities.identity

    def get_output_for(self, input, **options):
        """Give the expression of the output for this input."""
        plain = self.nonlinearity is nonlinearities.rectify
        y = Normalise(self.epsilon, plain)(input, self.scale, self.shift)[0]
        return y if plain else self.nonlinearity(y)


class TransposedConvolutionLayer(Layer):
    """The transpose of a convolution, which enlarges; rows and columns may be added at the end.

    Output rows = (rows - 1) stride + kernel - before - after. PyTorch's and Torch's padding p and
    output padding a are crops of (p, p - a); a negative crop adds rows that only the bias reaches.

    Args:
        filters: channels of the output.
        size: rows and columns of the kernel.
        crop: (before, after), rows and columns that are cut off at either end.
        W: (channels of the input, filters, size, size), as of the convolution whose transpose this
            is: it correlates from the output to the input.
        b: (filters,), or None.
    """

    def __init__(self, incoming, filters, size, W, b, stride=2, crop=(0, 0), **options):
        super().__init__(incoming, **options)
        self.filters, self.size, self.stride, self.crop = filters, size, stride, crop
        self.W = self.add_param(W, (self.input_shape[1], filters, size, size), name='W')
        self.b = None if b is None else self.add_param(b, (filters,), name='b',
                                                       regularizable=False)

    def get_output_shape_for(self, input_shape):
        """Give the shape of the output; None where it is not known yet."""
        return (input_shape[0], self.filters,
                *(None if length is None else self.length(length) for length in input_shape[2:]))

    def length(self, length):
        """Give how many rows or columns the output has."""
        return (length - 1) * self.stride + self.size - sum(self.crop)

    def get_output_for(self, input, **options):
        """Give the expression of the output for this input."""
        before, after = self.crop
        rows, columns = (self.length(length) + before + max(after, 0)
                         for length in (input.shape[2], input.shape[3]))
        transpose = AbstractConv2d_gradInputs(
            imshp=(None, self.filters, None, None), kshp=self.W.get_value(borrow=True).shape,
            border_mode=(0, 0), subsample=(self.stride, self.stride), filter_flip=False)
        whole = transpose(self.W, input, T.stack([rows, columns]))
        cut = whole[:, :, before:rows - max(after, 0), before:columns - max(after, 0)]
        return cut if self.b is None else cut + self.b.dimshuffle('x', 0, 'x', 'x')


class CroppedSumLayer(MergeLayer):
    """The sum of a branch and what it branched off from, cut to the branch's size in the middle.

    Args:
        whole: the layer with the larger maps, or maps of the same size.
        branch: the other one.
        cut: pixels to cut off the larger one on each side.
    """

    def __init__(self, whole, branch, cut=0, **options):
        super().__init__([whole, branch], **options)
        self.cut = cut

    def get_output_shape_for(self, input_shapes):
        """Give the shape of the output: the branch's."""
        return input_shapes[1]

    def get_output_for(self, inputs, **options):
        """Give the expression of the output for these inputs."""
        whole, branch = inputs
        if self.cut:
            whole = whole[:, :, self.cut:-self.cut, self.cut:-self.cut]
        return whole + branch


class ChannelsLayer(Layer):
    """Colours in another convention: a number times each channel plus another, perhaps reversed.

    Args:
        factor: of every channel.
        offset: (3,), added to each channel of the result.
        reverse: whether red, green and blue become blue, green and red before that, or back.
    """

    def __init__(self, incoming, factor=1, offset=(0, 0, 0), reverse=True, **options):
        super().__init__(incoming, **options)
        self.factor, self.offset, self.reverse = factor, tuple(offset), reverse

    def get_output_for(self, input, **options):
        """Give the expression of the output for this input."""
        x = input[:, ::-1] if self.reverse else input
        offset = np.reshape(self.offset, (1, 3, 1, 1)).astype(x.dtype)
        return x * np.asarray(self.factor, x.dtype) + offset
