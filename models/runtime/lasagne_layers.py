"""The layers of Lasagne 0.2.dev1 that Recipes-era code uses, for Lasagne 0.1.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

import functools

import theano
import theano.tensor as T
from lasagne import init, nonlinearities
from lasagne.layers import Layer, MergeLayer, Pool2DLayer
from lasagne.layers.conv import conv_output_length
from lasagne.layers.pool import pool_output_length
from lasagne.random import get_rng
from lasagne.utils import as_tuple, floatX
from theano.sandbox.rng_mrg import MRG_RandomStream
from theano.tensor.signal.pool import pool_2d

from models.runtime.theano_mends import rectify


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


class DilatedConv2DLayer(Conv2DLayer):
    """A correlation whose kernel's elements lie `dilation` pixels apart; no stride, no padding.

    W has the shape (input channels, filters, rows, columns), as in 0.2.
    """

    def __init__(self, incoming, num_filters, filter_size, dilation=(1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, **options):
        self.dilation = as_tuple(dilation, 2, int)
        if pad not in (0, (0, 0), 'valid'):
            raise NotImplementedError(f'DilatedConv2DLayer cannot pad by {pad!r}; put a PadLayer '
                                      'below it')
        super().__init__(incoming, num_filters, filter_size, (1, 1), 0, untie_biases, W, b,
                         nonlinearity, flip_filters, **options)

    def get_W_shape(self):
        """Return (input channels, filters, rows, columns)."""
        return (self.input_shape[1], self.num_filters) + self.filter_size

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        return (input_shape[0], self.num_filters) + tuple(
            None if size is None else size - (filter_size - 1) * dilation
            for size, filter_size, dilation in zip(input_shape[2:], self.filter_size,
                                                   self.dilation))

    def convolve(self, input):
        """Return the expression before bias and nonlinearity."""
        return T.nnet.conv2d(input, self.W.dimshuffle(1, 0, 2, 3), filter_flip=self.flip_filters,
                             filter_dilation=self.dilation)


class Pool2DDNNLayer(Pool2DLayer):
    """Pool2DLayer under cuDNN's name, which cannot take a partial window. Runs anywhere.

    cuDNN's first 'average' counts the padding.
    """

    def __init__(self, incoming, pool_size, stride=None, pad=(0, 0), ignore_border=True,
                 mode='max', **options):
        if not ignore_border:
            raise NotImplementedError('Pool2DDNNLayer does not support ignore_border=False')
        mode = 'average_inc_pad' if mode == 'average' else mode
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


class Pool1DLayer(Layer):
    """Pooling over the last axis, (batch, channels, positions); arguments as of Pool2DLayer."""

    def __init__(self, incoming, pool_size, stride=None, pad=0, ignore_border=True, mode='max',
                 **options):
        super().__init__(incoming, **options)
        (self.pool_size,) = as_tuple(pool_size, 1)
        (self.stride,) = as_tuple(pool_size if stride is None else stride, 1)
        (self.pad,) = as_tuple(pad, 1)
        self.ignore_border, self.mode = ignore_border, mode

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        return input_shape[:-1] + (pool_output_length(input_shape[-1], self.pool_size, self.stride,
                                                      self.pad, self.ignore_border),)

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        pooled = pool_2d(T.shape_padright(input), ws=(self.pool_size, 1), stride=(self.stride, 1),
                         pad=(self.pad, 0), ignore_border=self.ignore_border, mode=self.mode)
        return pooled[:, :, :, 0]


class Upscale1DLayer(Layer):
    """Repeat each position of (batch, channels, positions) `scale_factor` times."""

    def __init__(self, incoming, scale_factor, **options):
        super().__init__(incoming, **options)
        (self.scale_factor,) = as_tuple(scale_factor, 1, int)
        if self.scale_factor < 1:
            raise ValueError(f'Scale factor must be >= 1, not {self.scale_factor}')

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        length = input_shape[2]
        return input_shape[:2] + (None if length is None else length * self.scale_factor,)

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        return T.extra_ops.repeat(input, self.scale_factor, 2)


class _CroppingMergeLayer(MergeLayer):
    """Merge layers; `cropping` first cuts all to the smallest.

    Args:
        cropping: for each axis None, 'lower', 'upper' or 'center', or None for no axis at all.

    Raises:
        ValueError: another word, or sizes that differ where they must not.
    """

    axis = None  # along which sizes may differ

    def __init__(self, incomings, cropping=None, **options):
        super().__init__(incomings, **options)
        dimensions = len(self.input_shapes[0])
        self.cropping = (list(cropping or ()) + dimensions * [None])[:dimensions]
        if self.axis is not None:
            self.cropping[self.axis] = None
        unknown = set(self.cropping) - {None, 'lower', 'upper', 'center'}
        if unknown:
            raise ValueError(f'Unknown crop mode {unknown.pop()!r}')

    def get_output_shape_for(self, input_shapes):
        """Return the shape of the output; None where it is not known yet."""
        return tuple(self._length(*along) for along in zip(range(len(self.cropping)),
                                                           zip(*input_shapes)))

    def _length(self, axis, lengths):
        known = [length for length in lengths if length is not None]
        if self.axis is not None and axis == self.axis % len(self.cropping):
            return sum(known) if len(known) == len(lengths) else None
        if self.cropping[axis] is not None:
            return min(known) if len(known) == len(lengths) else None
        if len(set(known)) > 1:
            raise ValueError(f'Mismatch: the inputs of {self.name or type(self).__name__} are '
                             f'{", ".join(map(str, known))} long along axis {axis}')
        return known[0] if known else None

    def cropped(self, inputs):
        """Return the inputs' expressions, cut to the smallest along the axes to crop."""
        for axis, mode in enumerate(self.cropping):
            if mode is not None:
                shortest = T.min(T.stack([x.shape[axis] for x in inputs]))
                inputs = [_crop(x, axis, shortest, mode) for x in inputs]
        return inputs


def _crop(x, axis, length, mode):
    """Return so much of an axis of x."""
    beyond = x.shape[axis] - length
    start = {'lower': 0, 'upper': beyond, 'center': beyond // 2}[mode]
    return x[(slice(None),) * axis + (slice(start, start + length),)]


class ConcatLayer(_CroppingMergeLayer):
    """Concatenate layers along an axis."""

    def __init__(self, incomings, axis=1, cropping=None, **options):
        self.axis = axis
        super().__init__(incomings, cropping, **options)

    def get_output_for(self, inputs, **options):
        """Return the expression of the output for these inputs."""
        return T.concatenate(self.cropped(inputs), axis=self.axis)


class ElemwiseMergeLayer(_CroppingMergeLayer):
    """Merge layers element by element, with a function of two of them."""

    def __init__(self, incomings, merge_function, cropping=None, **options):
        super().__init__(incomings, cropping, **options)
        self.merge_function = merge_function

    def get_output_for(self, inputs, **options):
        """Return the expression of the output for these inputs."""
        return functools.reduce(self.merge_function, self.cropped(inputs))


class ElemwiseSumLayer(ElemwiseMergeLayer):
    """Sum layers element by element, each times its coefficient."""

    def __init__(self, incomings, coeffs=1, cropping=None, **options):
        super().__init__(incomings, T.add, cropping, **options)
        self.coeffs = coeffs if isinstance(coeffs, list) else [coeffs] * len(incomings)
        if len(self.coeffs) != len(incomings):
            raise ValueError(f'Mismatch: got {len(self.coeffs)} coeffs for {len(incomings)} '
                             'incomings')

    def get_output_for(self, inputs, **options):
        """Return the expression of the output for these inputs."""
        return super().get_output_for([x if coefficient == 1 else x * coefficient
                                       for x, coefficient in zip(inputs, self.coeffs)], **options)


class InverseLayer(MergeLayer):
    """Undo a layer by its partial derivative, at what went through it: unpooling, for example.

    Args:
        incoming: what comes from above, of the shape of the layer's output.
        layer: the one to undo.
    """

    def __init__(self, incoming, layer, **options):
        super().__init__([incoming, layer, layer.input_layer], **options)

    def get_output_shape_for(self, input_shapes):
        """Return the shape of what the layer took."""
        return input_shapes[2]

    def get_output_for(self, inputs, **options):
        """Return the expression of the output for these inputs."""
        signal, above, below = inputs
        return T.grad(None, wrt=below, known_grads={above: signal})


class ExpressionLayer(Layer):
    """Apply a function.

    Args:
        output_shape: None where the shape stays, a shape, a function of the input's shape, or
            'auto': compute a batch of zeros, of size 0 along unknown axes, and look.
    """

    def __init__(self, incoming, function, output_shape=None, **options):
        super().__init__(incoming, **options)
        self.function, self._shape = function, output_shape

    def get_output_shape_for(self, input_shape):
        """Return the shape of the output; None where it is not known yet."""
        if self._shape is None:
            return input_shape
        if callable(self._shape):
            return self._shape(input_shape)
        if self._shape != 'auto':
            return tuple(self._shape)
        zeros = T.zeros([size or 0 for size in input_shape])
        return tuple(int(size) or None for size in self.function(zeros).shape.eval())

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        return self.function(input)


class _PerAxisLayer(Layer):
    """A layer with one parameter for each place along the axes that it is not shared over."""

    def __init__(self, incoming, shared_axes, **options):
        super().__init__(incoming, **options)
        if shared_axes == 'auto':
            shared_axes = (0,) + tuple(range(2, len(self.input_shape)))
        self.shared_axes = (shared_axes,) if isinstance(shared_axes, int) else tuple(shared_axes)

    def _add(self, parameter, name, **tags):
        shape = [size for axis, size in enumerate(self.input_shape)
                 if axis not in self.shared_axes]
        if None in shape:
            raise ValueError(f'{type(self).__name__} needs specified input sizes for all axes that '
                             f'its {name} is not shared over')
        return self.add_param(parameter, shape, name, **tags)

    def _spread(self, parameter):
        """Return a parameter with an axis of length 1 for each that it is shared over."""
        kept = iter(range(parameter.ndim))
        return parameter.dimshuffle(*('x' if axis in self.shared_axes else next(kept)
                                      for axis in range(len(self.input_shape))))


class BiasLayer(_PerAxisLayer):
    """Add a bias, by default one a channel."""

    def __init__(self, incoming, b=init.Constant(0), shared_axes='auto', **options):
        super().__init__(incoming, shared_axes, **options)
        self.b = None if b is None else self._add(b, 'b', regularizable=False)

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        return input if self.b is None else input + self._spread(self.b)


class ScaleLayer(_PerAxisLayer):
    """Multiply by a factor, by default one a channel."""

    def __init__(self, incoming, scales=init.Constant(1), shared_axes='auto', **options):
        super().__init__(incoming, shared_axes, **options)
        self.scales = self._add(scales, 'scales', regularizable=False)

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        return input * self._spread(self.scales)


def standardize(layer, offset, scale, shared_axes='auto'):
    """Return the layer minus an offset and over a scale, arrays that training leaves alone."""
    layer = BiasLayer(layer, -floatX(offset), shared_axes)
    layer.params[layer.b].discard('trainable')
    layer = ScaleLayer(layer, 1 / floatX(scale), shared_axes)
    layer.params[layer.scales].discard('trainable')
    return layer


class ParametricRectifierLayer(_PerAxisLayer):
    """A rectifier with a learned slope below zero, by default one a channel (He et al. 2015)."""

    def __init__(self, incoming, alpha=init.Constant(0.25), shared_axes='auto', **options):
        super().__init__(incoming, shared_axes, **options)
        self.alpha = self._add(alpha, 'alpha', regularizable=False)

    def get_output_for(self, input, **options):
        """Return the expression of the output for this input."""
        return T.switch(T.le(input, 0), input * self._spread(self.alpha), input)


class RandomizedRectifierLayer(Layer):
    """A rectifier with a slope below zero that is drawn anew for each unit in training (rrelu).

    With deterministic=True it is the mean of `lower` and `upper`.
    """

    def __init__(self, incoming, lower=0.3, upper=0.8, shared_axes='auto', **options):
        super().__init__(incoming, **options)
        if not isinstance(lower, theano.graph.basic.Variable) and not lower <= upper:
            raise ValueError('Upper bound for RandomizedRectifierLayer needs to be higher than '
                             'lower bound.')
        if shared_axes == 'auto':
            shared_axes = (0,) + tuple(range(2, len(self.input_shape)))
        self.shared_axes = (shared_axes,) if isinstance(shared_axes, int) else tuple(shared_axes)
        self.lower, self.upper = lower, upper
        self._srng = MRG_RandomStream(get_rng().randint(1, 2147462579))

    def get_output_for(self, input, deterministic=False, **options):
        """Return the expression of the output for this input."""
        if deterministic or self.lower is self.upper or self.lower == self.upper:
            return rectify(input, (self.lower + self.upper) / 2.0)
        shape = [1 if axis in self.shared_axes else input.shape[axis]
                 for axis in range(input.ndim)]
        slope = self._srng.uniform(tuple(shape), low=self.lower, high=self.upper,
                                   ndim=input.ndim, dtype=theano.config.floatX)
        slope = T.addbroadcast(slope, *self.shared_axes)
        return T.switch(T.le(input, 0), input * slope, input)


def prelu(layer, **options):
    """Return the layer with a ParametricRectifierLayer in the place of its nonlinearity."""
    return _instead_of_nonlinearity(layer, ParametricRectifierLayer, 'prelu', options)


def rrelu(layer, **options):
    """Return the layer with a RandomizedRectifierLayer in the place of its nonlinearity."""
    return _instead_of_nonlinearity(layer, RandomizedRectifierLayer, 'rrelu', options)


def _instead_of_nonlinearity(layer, kind, suffix, options):
    if getattr(layer, 'nonlinearity', None) is not None:
        layer.nonlinearity = nonlinearities.identity
    options.setdefault('name', layer.name and f'{layer.name}_{suffix}')
    return kind(layer, **options)


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
