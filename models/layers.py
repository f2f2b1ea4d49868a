"""Layers of the feed-forward generators that Lasagne lacks.

Padding that mirrors, repeats or goes round, upsampling to the nearest, instance normalisation,
transposed convolution with output padding, and sums of maps of two sizes. Every padding and
upsampling is one rule: which row and column of the input each of the output's is (`places`); the
same rule serves the compiled network and one that is computed strip by strip.
"""

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
    """What `Take` computes, in numpy."""
    picked = np.ascontiguousarray(x.take(rows, 2).take(columns, 3))
    picked[:, :, rows < 0] = 0
    picked[:, :, :, columns < 0] = 0
    return picked


def places(length, before, after, mode, enlarged=1, numeric=T):
    """Give which row of the input each row of a padded output is.

    Args:
        length: rows of the input, before they are enlarged; a number or an expression.
        before, after: rows to add at either end, of the enlarged input.
        mode: 'zero', 'reflect' (around the outermost rows, which are not repeated), 'replicate' or
            'circular'. A padding may be larger than the input.
        enlarged: how many times each row is repeated first.
        numeric: the module that computes, `theano.tensor` or `numpy`.

    Returns:
        Vector of whole numbers; NOWHERE is a zero.

    Raises:
        ValueError: another mode.
    """
    count = length * enlarged
    place = numeric.arange(-before, count + after)
    if mode == 'zero':
        inside = numeric.clip(place, 0, count - 1)
        place = (inside + 1) * numeric.eq(inside, place) - 1 if numeric is T else np.where(
            inside == place, place, NOWHERE)
    elif mode == 'reflect':
        period = numeric.maximum(2 * (count - 1), 1)
        place = place % period
        place = numeric.minimum(place, period - place) * (count > 1)
    elif mode == 'replicate':
        place = numeric.clip(place, 0, count - 1)
    elif mode == 'circular':
        place = place % count
    else:
        raise ValueError(f'there is no padding {mode!r}; there are {", ".join(PADDINGS)}')
    return place // enlarged


class PadLayer(Layer):
    """Maps with a margin around them, and each pixel repeated before, if wanted.

    Args:
        pad: pixels on all four sides.
        mode: one of PADDINGS.
        enlarged: how many times rows and columns are repeated first; with a pad of 0 that is
            upsampling to the nearest.
    """

    def __init__(self, incoming, pad, mode='reflect', enlarged=1, **options):
        super().__init__(incoming, **options)
        if mode not in PADDINGS:
            raise ValueError(f'there is no padding {mode!r}; there are {", ".join(PADDINGS)}')
        self.pad, self.mode, self.enlarged = pad, mode, enlarged

    def pads(self, length):
        """Give how much is added at either end of so many rows or columns."""
        return self.pad, self.pad

    def places(self, length, numeric=T):
        """Give which of so many rows or columns each of the output's is."""
        return places(length, *self.pads(length), self.mode, self.enlarged, numeric)

    def get_output_shape_for(self, input_shape):
        """Give the shape of the output; None where it is not known yet."""
        return (*input_shape[:2], *(None if length is None else
                                    length * self.enlarged + sum(self.pads(length))
                                    for length in input_shape[2:]))

    def get_output_for(self, input, **options):
        """Give the expression of the output for this input."""
        return Take()(input, self.places(input.shape[2]), self.places(input.shape[3]))


class SamePadLayer(PadLayer):
    """The zeros that TensorFlow's SAME puts around the input of a convolution.

    Of an odd number of zeros one more stands behind than before; how many there are depends on
    the number of rows. Source: TensorFlow's documentation of tf.nn.convolution.

    Args:
        size: rows and columns of the kernel.
        stride: 1 or 2 of the convolution.
    """

    def __init__(self, incoming, size, stride, **options):
        super().__init__(incoming, 0, 'zero', **options)
        self.size, self.stride = size, stride

    def pads(self, length):
        """Give how much is added at either end of so many rows or columns."""
        total = self.size - self.stride + length % self.stride
        return total // 2, total - total // 2


class InstanceNormLayer(Layer):
    """Each map of each picture with mean 0 and variance 1, then scaled and shifted.

    Ulyanov, Vedaldi & Lempitsky 2016, "Instance Normalization: The Missing Ingredient for Fast
    Stylization". The variance is over all positions, undivided by one less.

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
        mean = input.mean(axis=(2, 3), keepdims=True)
        centred = input - mean
        variance = (centred ** 2).mean(axis=(2, 3), keepdims=True)
        factor = self.scale.dimshuffle('x', 0, 'x', 'x') / T.sqrt(variance
                                                                  + np.float32(self.epsilon))
        return self.nonlinearity(centred * factor + self.shift.dimshuffle('x', 0, 'x', 'x'))


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
