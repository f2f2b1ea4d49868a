"""The layers of Lasagne 0.2.dev1 that Recipes-era code uses, for Lasagne 0.1.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

import theano
import theano.tensor as T
from lasagne import init, nonlinearities
from lasagne.layers import Layer, Pool2DLayer
from lasagne.layers.conv import conv_output_length
from lasagne.utils import as_tuple


class Conv2DLayer(Layer):
    """Convolution over the last two axes, (batch, channels, rows, columns).

    Args:
        pad: 0, an integer, a pair, 'same' (odd filters only), 'full' or 'valid'; real padding of
            the convolution, where 0.1 crops or copies.
        flip_filters: True convolves, False correlates as Caffe, PyTorch and cuDNN do.
        num_groups: channels fall into so many groups that do not see each other.

    Raises:
        ValueError: channels that the groups do not divide.
        NotImplementedError: 'same' with a filter of even size.
    """

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=True, num_groups=1,
                 convolution=T.nnet.conv2d, **options):
        super().__init__(incoming, **options)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.num_filters = num_filters
        self.filter_size = as_tuple(filter_size, 2, int)
        self.stride = as_tuple(stride, 2, int)
        self.untie_biases = untie_biases
        self.flip_filters = flip_filters
        self.num_groups = num_groups
        self.convolution = convolution
        if num_filters % num_groups or self.input_shape[1] % num_groups:
            raise ValueError(f'{self.input_shape[1]} input channels and {num_filters} filters '
                             f'cannot be parted into {num_groups} groups')
        if pad == 'same' and not all(size % 2 for size in self.filter_size):
            raise NotImplementedError('`same` padding needs filters of odd size')
        self.pad = ((0, 0) if pad == 'valid' else pad if pad in ('same', 'full')
                    else as_tuple(pad, 2, int))
        self.W = self.add_param(W, self.get_W_shape(), name='W')
        self.b = None
        if b is not None:
            shape = self.output_shape[1:] if untie_biases else (num_filters,)
            self.b = self.add_param(b, shape, name='b', regularizable=False)

    def get_W_shape(self):
        """Return (filters, input channels of a group, rows, columns)."""
        return (self.num_filters, self.input_shape[1] // self.num_groups) + self.filter_size

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        pads = self.pad if isinstance(self.pad, tuple) else (self.pad, self.pad)
        return (input_shape[0], self.num_filters) + tuple(
            conv_output_length(*along) for along in zip(input_shape[2:], self.filter_size,
                                                        self.stride, pads))

    def convolve(self, input):
        """Return the expression before bias and nonlinearity."""
        border_mode = 'half' if self.pad == 'same' else self.pad
        groups = {'num_groups': self.num_groups} if self.num_groups > 1 else {}
        return self.convolution(input, self.W, self.input_shape, self.get_W_shape(),
                                subsample=self.stride, border_mode=border_mode,
                                filter_flip=self.flip_filters, **groups)

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        conved = self.convolve(input)
        if self.b is not None:
            pattern = ('x', 0, 1, 2) if self.untie_biases else ('x', 0, 'x', 'x')
            conved = conved + self.b.dimshuffle(*pattern)
        return self.nonlinearity(conved)


class Conv2DDNNLayer(Conv2DLayer):
    """Conv2DLayer with cuDNN's default: it correlates (flip_filters=False). Runs anywhere."""

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, **options):
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, **options)


class TransposedConv2DLayer(Conv2DLayer):
    """The transpose of a convolution (upsampling for a stride above 1), `crop` in pad's place.

    W has the shape (input channels, filters, rows, columns), as in 0.2.
    """

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), crop=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, **options):
        self.crop = crop
        super().__init__(incoming, num_filters, filter_size, stride, crop, untie_biases, W, b,
                         nonlinearity, flip_filters, **options)

    def get_W_shape(self):
        """Return (input channels, filters, rows, columns)."""
        return (self.input_shape[1], self.num_filters) + self.filter_size

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        return (input_shape[0], self.num_filters) + tuple(
            None if size is None else (size - 1) * stride + filter_size - 2 * crop
            for size, stride, filter_size, crop in zip(input_shape[2:], self.stride,
                                                       self.filter_size, self._crops()))

    def _crops(self):
        return {'full': tuple(size - 1 for size in self.filter_size),
                'same': tuple(size // 2 for size in self.filter_size)}.get(self.pad, self.pad)

    def convolve(self, input):
        """Return the expression before bias and nonlinearity."""
        transpose = T.nnet.abstract_conv.AbstractConv2d_gradInputs(
            imshp=self.output_shape, kshp=self.get_W_shape(), subsample=self.stride,
            border_mode=self._crops(), filter_flip=not self.flip_filters)
        size = self.get_output_shape_for(input.shape)[2:]
        return transpose(self.W, input, size)


class Pool2DDNNLayer(Pool2DLayer):
    """Pool2DLayer under cuDNN's name, which cannot take a partial window. Runs anywhere."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0), ignore_border=True,
                 mode='max', **options):
        if not ignore_border:
            raise NotImplementedError('Pool2DDNNLayer does not support ignore_border=False')
        super().__init__(incoming, pool_size, stride, pad, ignore_border, mode, **options)


class MaxPool2DDNNLayer(Pool2DDNNLayer):
    """Pool2DDNNLayer with mode 'max'."""

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0), ignore_border=True,
                 **options):
        super().__init__(incoming, pool_size, stride, pad, ignore_border, 'max', **options)


class Upscale2DLayer(Layer):
    """Repeat each row and each column `scale_factor` times (an integer or a pair)."""

    def __init__(self, incoming, scale_factor, **options):
        super().__init__(incoming, **options)
        self.scale_factor = as_tuple(scale_factor, 2, int)
        if min(self.scale_factor) < 1:
            raise ValueError(f'Scale factor must be >= 1, not {self.scale_factor}')

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        return tuple(input_shape[:2]) + tuple(
            None if size is None else size * factor
            for size, factor in zip(input_shape[2:], self.scale_factor))

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        for axis, factor in zip((2, 3), self.scale_factor):
            if factor > 1:
                input = T.extra_ops.repeat(input, factor, axis)
        return input


class BatchNormLayer(Layer):
    """Normalise each channel to mean 0 and variance 1, then scale by gamma and shift by beta.

    With `deterministic=True` (or batch_norm_use_averages=True) by the running means that training
    has gathered, else by those of the batch, which the running ones then follow at rate alpha.
    Source: Ioffe & Szegedy 2015; the running inverse deviation `inv_std` is Lasagne 0.2's.
    """

    def __init__(self, incoming, axes='auto', epsilon=1e-4, alpha=0.1, beta=init.Constant(0),
                 gamma=init.Constant(1), mean=init.Constant(0), inv_std=init.Constant(1),
                 **options):
        super().__init__(incoming, **options)
        if axes == 'auto':
            axes = (0,) + tuple(range(2, len(self.input_shape)))
        self.axes = (axes,) if isinstance(axes, int) else tuple(axes)
        self.epsilon, self.alpha = epsilon, alpha
        shape = [size for axis, size in enumerate(self.input_shape) if axis not in self.axes]
        if None in shape:
            raise ValueError('BatchNormLayer needs known sizes along the axes it keeps')
        self.beta = beta if beta is None else self.add_param(beta, shape, 'beta',
                                                             regularizable=False)
        self.gamma = gamma if gamma is None else self.add_param(gamma, shape, 'gamma')
        self.mean = self.add_param(mean, shape, 'mean', trainable=False, regularizable=False)
        self.inv_std = self.add_param(inv_std, shape, 'inv_std', trainable=False,
                                      regularizable=False)

    def get_output_for(self, input, deterministic=False, batch_norm_use_averages=None,
                       batch_norm_update_averages=None, **options):
        """Return the expression of the output for this input."""
        use_averages = deterministic if batch_norm_use_averages is None else (
            batch_norm_use_averages)
        update_averages = (not deterministic) if batch_norm_update_averages is None else (
            batch_norm_update_averages)
        batch_mean = input.mean(self.axes)
        batch_inv_std = T.inv(T.sqrt(input.var(self.axes) + self.epsilon))
        mean, inv_std = ((self.mean, self.inv_std) if use_averages
                         else (batch_mean, batch_inv_std))
        if update_averages:
            mean = mean + 0 * self._running(self.mean, batch_mean)
            inv_std = inv_std + 0 * self._running(self.inv_std, batch_inv_std)
        kept = iter(range(input.ndim - len(self.axes)))
        pattern = ['x' if axis in self.axes else next(kept) for axis in range(input.ndim)]
        gamma = 1 if self.gamma is None else self.gamma.dimshuffle(pattern)
        beta = 0 if self.beta is None else self.beta.dimshuffle(pattern)
        return ((input - mean.dimshuffle(pattern)) * (gamma * inv_std.dimshuffle(pattern))
                + beta)

    def _running(self, average, batch_value):
        """Return a copy of the average with the update that a compiled function will make."""
        running = theano.clone(average, share_inputs=False)
        running.default_update = (1 - self.alpha) * running + self.alpha * batch_value
        return running


def batch_norm(layer, **options):
    """Return the layer with batch normalisation between it and its nonlinearity.

    The layer loses its bias, which the normalisation would take away, and its nonlinearity, which
    follows in a layer of its own.
    """
    from lasagne.layers import NonlinearityLayer

    nonlinearity = getattr(layer, 'nonlinearity', None)
    if nonlinearity is not None:
        layer.nonlinearity = nonlinearities.identity
    if getattr(layer, 'b', None) is not None:
        del layer.params[layer.b]
        layer.b = None
    name = options.pop('name', layer.name and f'{layer.name}_bn')
    layer = BatchNormLayer(layer, name=name, **options)
    if nonlinearity is None:
        return layer
    return NonlinearityLayer(layer, nonlinearity, name=name and f'{name}_nonlin')
