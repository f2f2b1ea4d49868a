"""The pooling and upscaling of Lasagne 0.2.dev1, for Lasagne 0.1.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

from models.runtime.lasagne_base import as_tuple

import theano.tensor as T
from lasagne.layers import Layer, Pool2DLayer
from lasagne.layers.pool import pool_output_length
from theano.tensor.signal import pool


def pool_2d(input, **options):
    """Pool over the last two axes, as `theano.tensor.signal.pool.pool_2d`."""
    return pool.pool_2d(input, **options)


def pool_3d(input, **options):
    """Pool over the last three axes, as `theano.tensor.signal.pool.pool_3d`."""
    return pool.pool_3d(input, **options)


class _PoolLayer(Layer):
    """Pooling over all axes behind the first two.

    Args:
        pool_size, stride, pad: an integer, or one for each axis; the stride is by default the size.
        ignore_border: leave partial windows at the end out.
        mode: 'max', 'average_inc_pad', 'average_exc_pad' or 'sum'.

    Raises:
        ValueError: another number of axes.
    """

    def __init__(self, incoming, axes, pool_size, stride, pad, ignore_border, mode, **options):
        super().__init__(incoming, **options)
        if len(self.input_shape) != axes + 2:
            raise ValueError(f'Tried to create a {axes}D pooling layer with input shape '
                             f'{self.input_shape!r}. Expected {axes + 2} input dimensions '
                             f'(batchsize, channels, {axes} spatial dimensions).')
        self.pool_size = as_tuple(pool_size, axes)
        self.stride = self.pool_size if stride is None else as_tuple(stride, axes)
        self.pad = as_tuple(pad, axes)
        self.ignore_border, self.mode = ignore_border, mode

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        return tuple(input_shape[:2]) + tuple(
            pool_output_length(*along, self.ignore_border)
            for along in zip(input_shape[2:], self.pool_size, self.stride, self.pad))

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        function = pool_3d if len(self.pool_size) == 3 else pool_2d
        return function(input, ws=self.pool_size, stride=self.stride, pad=self.pad,
                        ignore_border=self.ignore_border, mode=self.mode)


class Pool1DLayer(_PoolLayer):
    """Pooling over the last axis, (batch, channels, positions)."""

    def __init__(self, incoming, pool_size, stride=None, pad=0, ignore_border=True, mode='max',
                 **options):
        super().__init__(incoming, 1, pool_size, stride, pad, ignore_border, mode, **options)

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        pooled = pool_2d(T.shape_padright(input), ws=(*self.pool_size, 1),
                         stride=(*self.stride, 1), pad=(*self.pad, 0),
                         ignore_border=self.ignore_border, mode=self.mode)
        return pooled[:, :, :, 0]


class MaxPool1DLayer(Pool1DLayer):
    """Pool1DLayer with mode 'max'."""

    def __init__(self, incoming, pool_size, stride=None, pad=0, ignore_border=True, **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, 'max', **options)


class Pool3DLayer(_PoolLayer):
    """Pooling over the last three axes, (batch, channels, depth, rows, columns)."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0, 0), ignore_border=True,
                 mode='max', **options):
        super().__init__(incoming, 3, pool_size, stride, pad, ignore_border, mode, **options)


class MaxPool3DLayer(Pool3DLayer):
    """Pool3DLayer with mode 'max'."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0, 0), ignore_border=True,
                 **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, 'max', **options)


def with_four_axes(original):
    """Make the __init__ of 0.1's Pool2DLayer with 0.2's check of the input's shape."""
    def __init__(self, incoming, *arguments, **options):
        original(self, incoming, *arguments, **options)
        if len(self.input_shape) != 4:
            raise ValueError(f'Tried to create a 2D pooling layer with input shape '
                             f'{self.input_shape!r}. Expected 4 input dimensions '
                             '(batchsize, channels, 2 spatial dimensions).')

    __init__.__wrapped__ = original
    return __init__


class _WithoutPartialWindows:
    """cuDNN's pooling: it cannot take a partial window. Its first 'average' counts the padding."""

    def __init__(self, incoming, pool_size, stride, pad, ignore_border, mode, **options):
        if not ignore_border:
            raise NotImplementedError(f'{type(self).__name__} does not support '
                                      'ignore_border=False')
        mode = 'average_inc_pad' if mode == 'average' else mode
        super().__init__(incoming, pool_size, stride, pad, ignore_border, mode, **options)


class Pool2DDNNLayer(_WithoutPartialWindows, Pool2DLayer):
    """Pool2DLayer under cuDNN's name. Runs anywhere."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0), ignore_border=True,
                 mode='max', **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, mode, **options)


class MaxPool2DDNNLayer(Pool2DDNNLayer):
    """Pool2DDNNLayer with mode 'max'."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0), ignore_border=True,
                 **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, 'max', **options)


class Pool3DDNNLayer(_WithoutPartialWindows, Pool3DLayer):
    """Pool3DLayer under cuDNN's name. Runs anywhere."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0, 0), ignore_border=True,
                 mode='max', **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, mode, **options)


class MaxPool3DDNNLayer(Pool3DDNNLayer):
    """Pool3DDNNLayer with mode 'max'."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0, 0), ignore_border=True,
                 **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, 'max', **options)


class _UpscaleLayer(Layer):
    """Make all axes behind the first two longer.

    Args:
        scale_factor: an integer, or one for each axis.
        mode: 'repeat' each element, or 'dilate': zeros behind each.

    Raises:
        ValueError: a factor below 1, or another mode.
    """

    axes = None

    def __init__(self, incoming, scale_factor, mode='repeat', **options):
        super().__init__(incoming, **options)
        self.scale_factor = as_tuple(scale_factor, self.axes)
        if min(self.scale_factor) < 1:
            raise ValueError(f'Scale factor must be >= 1, not {self.scale_factor}')
        if mode not in ('repeat', 'dilate'):
            raise ValueError(f"Mode must be either 'repeat' or 'dilate', not {mode}")
        self.mode = mode

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        return tuple(input_shape[:2]) + tuple(
            None if size is None else size * factor
            for size, factor in zip(input_shape[2:], self.scale_factor))

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        if self.mode == 'dilate':
            zeros = T.zeros(self.get_output_shape_for(input.shape), input.dtype)
            places = tuple(slice(None, None, factor) for factor in self.scale_factor)
            return T.set_subtensor(zeros[(slice(None), slice(None)) + places], input)
        for axis, factor in enumerate(self.scale_factor, start=2):
            if factor > 1:
                input = T.extra_ops.repeat(input, factor, axis)
        return input


class Upscale1DLayer(_UpscaleLayer):
    """Make (batch, channels, positions) longer."""

    axes = 1


class Upscale2DLayer(_UpscaleLayer):
    """Make (batch, channels, rows, columns) larger."""

    axes = 2


class Upscale3DLayer(_UpscaleLayer):
    """Make (batch, channels, depth, rows, columns) larger."""

    axes = 3


class SpatialPyramidPoolingLayer(Layer):
    """Pool images of any size to so many values (He et al. 2015): (batch, channels, values).

    Args:
        pool_dims: into how many rows, and as many columns, each level parts the image.
        mode: 'max', 'average_inc_pad' or 'average_exc_pad'.
        implementation: 'fast' by windows of one size, which does not fit all image sizes, or
            'kaiming' by the paper's.

    Raises:
        ValueError: another number of axes or another mode.
    """

    def __init__(self, incoming, pool_dims=(4, 2, 1), mode='max', implementation='fast',
                 **options):
        super().__init__(incoming, **options)
        if len(self.input_shape) != 4:
            raise ValueError(f'Tried to create a SPP layer with input shape {self.input_shape!r}. '
                             'Expected 4 input dimensions (batchsize, channels, 2 spatial '
                             'dimensions).')
        if mode not in ('max', 'average_inc_pad', 'average_exc_pad'):
            raise ValueError("Mode must be either 'max', 'average_inc_pad' or 'average_exc_pad'. "
                             f'Got {mode!r}')
        self.pool_dims, self.mode, self.implementation = pool_dims, mode, implementation

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        return (*input_shape[:2], sum(parts * parts for parts in self.pool_dims))

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        size = [input.shape[axis] if known is None else known
                for axis, known in enumerate(self.input_shape[2:], start=2)]
        level = self._by_regions if self.implementation == 'kaiming' else self._by_windows
        return T.concatenate([level(input, size, parts) for parts in self.pool_dims], axis=2)

    def _by_windows(self, input, size, parts):
        window = [(length + parts - 1) // parts for length in size]
        stride = [length // parts for length in size]
        return pool_2d(input, ws=window, stride=stride, mode=self.mode, pad=None,
                       ignore_border=True).flatten(3)

    def _by_regions(self, input, size, parts):
        function = T.max if self.mode == 'max' else T.mean
        rows, columns = ([slice(part * length // parts, ((part + 1) * length + parts - 1) // parts)
                          for part in range(parts)] for length in size)
        return T.stack([function(input[:, :, row, column], axis=(2, 3))
                        for row in rows for column in columns], axis=2)


class SpatialPyramidPoolingDNNLayer(SpatialPyramidPoolingLayer):
    """SpatialPyramidPoolingLayer under cuDNN's name. Runs anywhere."""

    def __init__(self, incoming, pool_dims=(4, 2, 1), mode='max', **options):
        super().__init__(incoming, pool_dims, mode, **options)
