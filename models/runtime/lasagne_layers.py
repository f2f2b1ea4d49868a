"""The layers of Lasagne 0.2.dev1 that Recipes-era code uses, for Lasagne 0.1: all but
convolutions, pooling and recurrence.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

import functools

from models.runtime.lasagne_base import as_tuple, int_types
from models.runtime.theano_mends import rectify

import lasagne.layers
import numpy as np
import theano
import theano.tensor as T
from lasagne import init, nonlinearities
from lasagne.layers import Layer, MergeLayer, NonlinearityLayer
from lasagne.random import get_rng
from lasagne.utils import floatX
from theano.sandbox.rng_mrg import MRG_RandomStream


class DenseLayer(lasagne.layers.DenseLayer):
    """A product with a matrix, a bias and a nonlinearity.

    Args:
        num_leading_axes: how many axes are kept; those behind them are one axis for the product.
            Negative: how many of the last axes go into it.

    Raises:
        ValueError: no axis is left for the product, or one of unknown size.
    """

    def __init__(self, incoming, num_units, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, num_leading_axes=1, **options):
        Layer.__init__(self, incoming, **options)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        self.num_units, self.num_leading_axes = num_units, num_leading_axes
        axes, inputs = len(self.input_shape), self.input_shape[num_leading_axes:]
        if not -axes <= num_leading_axes < axes:
            why = ('requesting more trailing axes than there are input dimensions'
                   if num_leading_axes < 0 else 'leaving no trailing axes for the dot product')
            raise ValueError(f'Got num_leading_axes={num_leading_axes} for a {axes}-dimensional '
                             f'input, {why}.')
        if None in inputs:
            raise ValueError('A DenseLayer requires a fixed input shape (except for the leading '
                             f'axes). Got {self.input_shape!r} for '
                             f'num_leading_axes={num_leading_axes}.')
        self.W = self.add_param(W, (int(np.prod(inputs)), num_units), name='W')
        self.b = b if b is None else self.add_param(b, (num_units,), name='b',
                                                    regularizable=False)

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        return tuple(input_shape[:self.num_leading_axes]) + (self.num_units,)

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        kept = self.num_leading_axes % input.ndim
        product = T.dot(input.flatten(kept + 1) if input.ndim > kept + 1 else input, self.W)
        return self.nonlinearity(product if self.b is None else product + self.b)


class DropoutLayer(lasagne.layers.DropoutLayer):
    """Set elements to zero with probability p in training.

    Args:
        rescale: divide by 1 - p, so that the mean stays.
        shared_axes: along these all elements fall together.
    """

    def __init__(self, incoming, p=0.5, rescale=True, shared_axes=(), **options):
        Layer.__init__(self, incoming, **options)  # 0.1's own names its class, which is this one
        self._srng = MRG_RandomStream(get_rng().randint(1, 2147462579))
        self.p, self.rescale = p, rescale
        self.shared_axes = _axes(shared_axes, len(self.input_shape))

    def get_output_for(self, input, deterministic=False, **options):
        """Build the expression of the output; of the input itself with `deterministic`."""
        if deterministic or self.p == 0:
            return input
        # 1 - p would be float64 for a numpy float32.
        kept = 1 - (T.constant(self.p) if isinstance(self.p, np.generic) else self.p)
        shape = self.input_shape if None not in self.input_shape else input.shape
        shape = tuple(1 if axis in self.shared_axes else shape[axis] for axis in range(input.ndim))
        mask = self._srng.binomial(shape, p=kept, dtype=input.dtype)
        if self.shared_axes:
            mask = T.patternbroadcast(mask, [axis in self.shared_axes
                                             for axis in range(input.ndim)])
        return (input / kept if self.rescale else input) * mask


def dropout_channels(incoming, *arguments, **options):
    """Make a DropoutLayer that drops whole channels (Tompson et al. 2014)."""
    axes = len(getattr(incoming, 'output_shape', incoming))
    return DropoutLayer(incoming, *arguments, **{**options, 'shared_axes': range(2, axes)})


def dropout_locations(incoming, *arguments, **options):
    """Make a DropoutLayer that drops a place in all channels."""
    return DropoutLayer(incoming, *arguments, **{**options, 'shared_axes': (1,)})


def _axes(axes, dimensions):
    """Give the axes as a tuple of integers from 0 on.

    Args:
        axes: 'auto', all but the second; 'all'; an axis or several, negative ones from the end.

    Raises:
        ValueError: an axis that is not there.
    """
    if isinstance(axes, str):
        named = {'auto': (0, *range(2, dimensions)), 'all': range(dimensions)}
        if axes not in named:
            raise ValueError(f"axes must be 'auto', 'all', an integer or a tuple, not {axes!r}")
        axes = named[axes]
    axes = [axes] if isinstance(axes, int_types) else list(axes)
    if not all(-dimensions <= axis < dimensions for axis in axes):
        raise ValueError(f'there is no such axis in {dimensions} dimensions: {axes}')
    return tuple(int(axis) % dimensions for axis in axes)


CROPPINGS = (None, 'lower', 'upper', 'center')


def _cropping(cropping, dimensions):
    """Give a crop mode for each axis; None where none was given.

    Raises:
        ValueError: another word than 'lower', 'upper' or 'center'.
    """
    cropping = (list(cropping or ()) + dimensions * [None])[:dimensions]
    unknown = [mode for mode in cropping if mode not in CROPPINGS]
    if unknown:
        raise ValueError(f'Unknown crop mode {unknown[0]!r}')
    return cropping


def autocrop(inputs, cropping):
    """Build the expressions, cut to the smallest along the axes to crop.

    Args:
        inputs: expressions with equally many axes.
        cropping: for each axis None, 'lower', 'upper' or 'center', or None for no axis at all.

    Raises:
        ValueError: another word, or expressions with different numbers of axes.
    """
    if cropping is None:
        return inputs
    _check_axes([x.ndim for x in inputs], inputs)
    for axis, mode in enumerate(_cropping(cropping, inputs[0].ndim)):
        if mode is not None:
            shortest = T.min(T.stack([x.shape[axis] for x in inputs]))
            inputs = [_crop(x, axis, shortest, mode) for x in inputs]
    return inputs


def autocrop_array_shapes(input_shapes, cropping):
    """Compute the shapes after `autocrop`; None where they are not known yet.

    Raises:
        ValueError: as `autocrop`.
    """
    if cropping is None:
        return input_shapes
    _check_axes([len(shape) for shape in input_shapes], input_shapes)
    cropping = _cropping(cropping, len(input_shapes[0]))
    shortest = [None if None in sizes else min(sizes) for sizes in zip(*input_shapes)]
    return [tuple(size if mode is None else least
                  for size, least, mode in zip(shape, shortest, cropping))
            for shape in input_shapes]


def _check_axes(dimensions, inputs):
    if len(set(dimensions)) > 1:
        raise ValueError(f'Not all inputs are of the same dimensionality. Got {len(inputs)} inputs '
                         f'of dimensionalities {dimensions}.')


def _crop(x, axis, length, mode):
    """Cut an axis of x to so many elements."""
    beyond = x.shape[axis] - length
    start = {'lower': 0, 'upper': beyond, 'center': beyond // 2}[mode]
    return x[(slice(None),) * axis + (slice(start, start + length),)]


class _CroppingMergeLayer(MergeLayer):
    """Merge layers; `cropping` first cuts all to the smallest, see `autocrop`.

    Raises:
        ValueError: another word, or sizes that differ where they must not.
    """

    axis = None  # along which sizes may differ

    def __init__(self, incomings, cropping=None, **options):
        super().__init__(incomings, **options)
        self.cropping = cropping
        if cropping is not None:
            self.cropping = _cropping(cropping, len(self.input_shapes[0]))
            if self.axis is not None:
                self.cropping[self.axis] = None

    def get_output_shape_for(self, input_shapes):
        """Compute the shape of the output; None where it is not known yet."""
        input_shapes = autocrop_array_shapes(input_shapes, self.cropping)
        _check_axes([len(shape) for shape in input_shapes], input_shapes)
        return tuple(self._length(axis, lengths, len(input_shapes[0]))
                     for axis, lengths in enumerate(zip(*input_shapes)))

    def _length(self, axis, lengths, dimensions):
        known = [length for length in lengths if length is not None]
        if self.axis is not None and axis == self.axis % dimensions:
            return sum(known) if len(known) == len(lengths) else None
        if len(set(known)) > 1:
            raise ValueError(f'Mismatch: the inputs of {self.name or type(self).__name__} are '
                             f'{", ".join(map(str, known))} long along axis {axis}')
        return known[0] if known else None

    def cropped(self, inputs):
        """Cut the inputs' expressions to the smallest along the axes to crop."""
        return autocrop(inputs, self.cropping)


class ConcatLayer(_CroppingMergeLayer):
    """Concatenate layers along an axis."""

    def __init__(self, incomings, axis=1, cropping=None, **options):
        self.axis = axis
        super().__init__(incomings, cropping, **options)

    def get_output_for(self, inputs, **options):
        """Build the expression of the output for these inputs."""
        return T.concatenate(self.cropped(inputs), axis=self.axis)


class ElemwiseMergeLayer(_CroppingMergeLayer):
    """Merge layers element by element, with a function of two of them."""

    def __init__(self, incomings, merge_function, cropping=None, **options):
        super().__init__(incomings, cropping, **options)
        self.merge_function = merge_function

    def get_output_for(self, inputs, **options):
        """Build the expression of the output for these inputs."""
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
        """Build the expression of the output for these inputs."""
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
        """Compute the shape of what the layer took."""
        return input_shapes[2]

    def get_output_for(self, inputs, **options):
        """Build the expression of the output for these inputs."""
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
        """Compute the shape of the output; None where it is not known yet."""
        if self._shape is None:
            return input_shape
        if callable(self._shape):
            return self._shape(input_shape)
        if self._shape != 'auto':
            return tuple(self._shape)
        zeros = T.zeros([size or 0 for size in input_shape])
        return tuple(int(size) or None for size in self.function(zeros).shape.eval())

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        return self.function(input)


class _PerAxisLayer(Layer):
    """A layer with one parameter for each place along the axes that it is not shared over."""

    def __init__(self, incoming, shared_axes, **options):
        super().__init__(incoming, **options)
        self.shared_axes = _axes(shared_axes, len(self.input_shape))

    def _add(self, parameter, name, **tags):
        return _add_shared(self, parameter, name, self.shared_axes, **tags)

    def _spread(self, parameter):
        return _spread(parameter, self.shared_axes, len(self.input_shape))


def _add_shared(layer, parameter, name, axes, **tags):
    """Add a parameter with one element for each place along all axes but these.

    Raises:
        ValueError: such an axis of unknown size.
    """
    shape = [size for axis, size in enumerate(layer.input_shape) if axis not in axes]
    if None in shape:
        raise ValueError(f'{type(layer).__name__} needs specified input sizes for all axes that '
                         f'its {name} is not shared over.')
    return layer.add_param(parameter, shape, name, **tags)


def _spread(parameter, axes, dimensions):
    """Give a parameter an axis of length 1 for each that it is shared over."""
    kept = iter(range(parameter.ndim))
    return parameter.dimshuffle(*('x' if axis in axes else next(kept)
                                  for axis in range(dimensions)))


class BiasLayer(_PerAxisLayer):
    """Add a bias, by default one a channel."""

    def __init__(self, incoming, b=init.Constant(0), shared_axes='auto', **options):
        super().__init__(incoming, shared_axes, **options)
        self.b = None if b is None else self._add(b, 'b', regularizable=False)

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        return input if self.b is None else input + self._spread(self.b)


class ScaleLayer(_PerAxisLayer):
    """Multiply by a factor, by default one a channel."""

    def __init__(self, incoming, scales=init.Constant(1), shared_axes='auto', **options):
        super().__init__(incoming, shared_axes, **options)
        self.scales = self._add(scales, 'scales', regularizable=False)

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        return input * self._spread(self.scales)


def standardize(layer, offset, scale, shared_axes='auto'):
    """Standardise a layer: minus an offset, over a scale, arrays that training leaves alone."""
    as_given = isinstance(offset, theano.Variable), isinstance(scale, theano.Variable)
    layer = BiasLayer(layer, -(offset if as_given[0] else floatX(offset)), shared_axes)
    layer.params[layer.b].discard('trainable')
    layer = ScaleLayer(layer, floatX(1) / (scale if as_given[1] else floatX(scale)), shared_axes)
    layer.params[layer.scales].discard('trainable')
    return layer


class ParametricRectifierLayer(_PerAxisLayer):
    """A rectifier with a learned slope below zero, by default one a channel (He et al. 2015)."""

    def __init__(self, incoming, alpha=init.Constant(0.25), shared_axes='auto', **options):
        super().__init__(incoming, shared_axes, **options)
        self.alpha = self._add(alpha, 'alpha', regularizable=False)

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        return T.switch(T.le(input, 0), input * self._spread(self.alpha), input)


class RandomizedRectifierLayer(Layer):
    """A rectifier with a slope below zero that is drawn anew for each unit in training (rrelu).

    With deterministic=True it is the mean of `lower` and `upper`.
    """

    def __init__(self, incoming, lower=0.3, upper=0.8, shared_axes='auto', **options):
        super().__init__(incoming, **options)
        wrong = lower > upper
        if not isinstance(wrong, theano.Variable) and wrong:
            raise ValueError('Upper bound for RandomizedRectifierLayer needs to be higher than '
                             'lower bound.')
        self.shared_axes = _axes(shared_axes, len(self.input_shape))
        self.lower, self.upper = lower, upper
        self._srng = MRG_RandomStream(get_rng().randint(1, 2147462579))

    def get_output_for(self, input, deterministic=False, **options):
        """Build the expression of the output for this input."""
        if deterministic or self.lower is self.upper or self.lower == self.upper:
            return rectify(input, (self.lower + self.upper) / 2.0)
        shape = [1 if axis in self.shared_axes else input.shape[axis]
                 for axis in range(input.ndim)]
        slope = self._srng.uniform(tuple(shape), low=self.lower, high=self.upper,
                                   ndim=input.ndim, dtype=theano.config.floatX)
        slope = T.addbroadcast(slope, *self.shared_axes)
        return T.switch(T.le(input, 0), input * slope, input)


def prelu(layer, **options):
    """Build the layer with a ParametricRectifierLayer in the place of its nonlinearity."""
    return _instead_of_nonlinearity(layer, ParametricRectifierLayer, 'prelu', options)


def rrelu(layer, **options):
    """Build the layer with a RandomizedRectifierLayer in the place of its nonlinearity."""
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
    These have the tag `batch_norm_stat`.
    Source: Ioffe & Szegedy 2015; the running inverse deviation `inv_std` is Lasagne 0.2's.
    """

    def __init__(self, incoming, axes='auto', epsilon=1e-4, alpha=0.1, beta=init.Constant(0),
                 gamma=init.Constant(1), mean=init.Constant(0), inv_std=init.Constant(1),
                 **options):
        super().__init__(incoming, **options)
        self.axes = _axes(axes, len(self.input_shape))
        self.epsilon, self.alpha = epsilon, alpha
        add = functools.partial(_add_shared, self, axes=self.axes)
        average = {'trainable': False, 'regularizable': False, 'batch_norm_stat': True}
        self.beta = beta if beta is None else add(beta, 'beta', regularizable=False)
        self.gamma = gamma if gamma is None else add(gamma, 'gamma')
        self.mean, self.inv_std = add(mean, 'mean', **average), add(inv_std, 'inv_std', **average)

    def get_output_for(self, input, deterministic=False, batch_norm_use_averages=None,
                       batch_norm_update_averages=None, **options):
        """Build the expression of the output for this input."""
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
        spread = functools.partial(_spread, axes=self.axes, dimensions=input.ndim)
        gamma = 1 if self.gamma is None else spread(self.gamma)
        beta = 0 if self.beta is None else spread(self.beta)
        return (input - spread(mean)) * (gamma * spread(inv_std)) + beta

    def _running(self, average, batch_value):
        """Make a copy of the average with the update that a compiled function will make."""
        running = theano.clone(average, share_inputs=False)
        update = (1 - self.alpha) * running + self.alpha * batch_value
        # An average of one element broadcasts, a batch's value need not know that it does.
        running.default_update = T.patternbroadcast(update, running.broadcastable)
        return running


class StandardizationLayer(Layer):
    """Give each example mean 0 and variance 1, in training and after it.

    Args:
        axes: over which the two are taken: 'auto', the last of two axes, and all behind the first
            two of more; 'spatial', all behind the first two; 'features', all behind the first;
            or an axis or several.
    """

    def __init__(self, incoming, axes='auto', epsilon=1e-4, **options):
        super().__init__(incoming, **options)
        dimensions = len(self.input_shape)
        named = {'auto': range(1 if dimensions == 2 else 2, dimensions),
                 'spatial': range(2, dimensions), 'features': range(1, dimensions)}
        self.axes = _axes(named.get(axes, axes) if isinstance(axes, str) else axes, dimensions)
        self.epsilon = epsilon

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        variance = input.var(self.axes, keepdims=True)
        return (input - input.mean(self.axes, keepdims=True)) / T.sqrt(variance + self.epsilon)


def batch_norm(layer, **options):
    """Build the layer with batch normalisation between it and its nonlinearity.

    The layer loses its bias, which the normalisation would take away, and its nonlinearity, which
    follows in a layer of its own.
    """
    return _before_nonlinearity(layer, 'bn', options, [(BatchNormLayer, '')])


def instance_norm(layer, learn_scale=True, learn_bias=True, **options):
    """Build the layer with each map of each example standardised before its nonlinearity.

    A scale and a bias for each channel follow, if wanted (Ulyanov et al. 2016).
    """
    kinds = [(StandardizationLayer, ''), *[(ScaleLayer, '_scale')] * bool(learn_scale),
             *[(BiasLayer, '_bias')] * bool(learn_bias)]
    return _before_nonlinearity(layer, 'in', {'axes': 'spatial', **options}, kinds)


def layer_norm(layer, **options):
    """Build the layer with each example standardised as a whole before its nonlinearity.

    A scale and a bias for each channel follow (Ba et al. 2016).
    """
    return _before_nonlinearity(layer, 'ln', {'axes': 'features', **options}, [
        (StandardizationLayer, ''), (ScaleLayer, '_scale'), (BiasLayer, '_bias')])


def _before_nonlinearity(layer, short, options, kinds):
    """Put layers between a layer, without its bias, and its nonlinearity.

    Args:
        short: behind the layer's name it is the name of the first of them, if options has none.
        options: of the first.
        kinds: (class, what follows in its name) of each.
    """
    nonlinearity = getattr(layer, 'nonlinearity', None)
    if nonlinearity is not None:
        layer.nonlinearity = nonlinearities.identity
    if getattr(layer, 'b', None) is not None:
        del layer.params[layer.b]
        layer.b = None
    own = getattr(layer, 'name', None)
    name = options.pop('name', None) or (own and f'{own}_{short}')
    for kind, suffix in kinds:
        layer = kind(layer, name=name and name + suffix, **options)
        options = {}
    if nonlinearity is None:
        return layer
    return NonlinearityLayer(layer, nonlinearity, name=name and f'{name}_nonlin')


class TransformerLayer(MergeLayer):
    """Take each image through an affine map of its own (Jaderberg et al. 2015).

    Args:
        incoming: the images (batch, channels, rows, columns).
        localization_network: a layer (batch, 6): for each image the map, in row order (2, 3), from
            (x, y, 1) of the output to (x, y) of the input; both are -1 to 1.
        downsample_factor: how much smaller the output is, a number or one for rows and columns.
        border_mode: what lies beyond: 'nearest', 'mirror' or 'wrap'.

    Raises:
        ValueError: other shapes, or another border_mode.
    """

    def __init__(self, incoming, localization_network, downsample_factor=1,
                 border_mode='nearest', **options):
        super().__init__([incoming, localization_network], **options)
        self.downsample_factor = as_tuple(downsample_factor, 2)
        self.border_mode = border_mode
        images, maps = self.input_shapes
        if len(maps) != 2 or maps[1] != 6:
            raise ValueError('The localization network must have output shape: (batch_size, 6)')
        if len(images) != 4:
            raise ValueError('The input network must have a 4-dimensional output shape: '
                             '(batch_size, num_input_channels, input_rows, input_columns)')
        if border_mode not in BORDERS:
            raise ValueError(f'border_mode must be one of {", ".join(BORDERS)}, not {border_mode}')

    def get_output_shape_for(self, input_shapes):
        """Compute the shape of the output; None where it is not known yet."""
        shape = input_shapes[0]
        return tuple(shape[:2]) + tuple(None if size is None else int(size // factor)
                                        for size, factor in zip(shape[2:],
                                                                self.downsample_factor))

    def get_output_for(self, inputs, **options):
        """Build the expression of the output for these inputs."""
        images, maps = inputs
        size = [T.cast(images.shape[axis] // factor, 'int64')
                for axis, factor in zip((2, 3), self.downsample_factor)]
        y, x = (_from_minus_one_to_one(length) for length in size)
        grid = T.stack([T.tile(x, size[0]), T.repeat(y, size[1]), T.ones((size[0] * size[1],))])
        places = T.dot(maps.reshape((-1, 2, 3)), grid)  # (batch, x and y, positions)
        sampled = _interpolated(images, places[:, 1], places[:, 0], BORDERS[self.border_mode])
        return sampled.reshape((images.shape[0], images.shape[1], *size))


def _from_minus_one_to_one(length):
    """Make so many numbers from -1 to 1, evenly spaced."""
    return T.arange(length).astype(theano.config.floatX) * (2 / T.maximum(length - 1, 1)).astype(
        theano.config.floatX) - 1


# What stands in the place of an index beyond the border, of so many places.
BORDERS = {
    'nearest': lambda index, length: T.clip(index, 0, length - 1),
    'mirror': lambda index, length: abs((index + length - 1) % T.maximum(2 * (length - 1), 1)
                                        - (length - 1)),
    'wrap': lambda index, length: index % length,
}


def _interpolated(images, y, x, border):
    """Interpolate the images between their pixels, bilinearly: (batch, channels, positions).

    Args:
        images: (batch, channels, rows, columns).
        y, x: (batch, positions), -1 to 1.
        border: (index, length) to the index to take.
    """
    total, batch = 0, T.arange(images.shape[0]).dimshuffle(0, 'x')
    around = []
    for place, axis in ((y, 2), (x, 3)):
        place = (place + 1) / 2 * (images.shape[axis] - 1).astype(place.dtype)
        first = T.floor(place)
        around.append([(first, first + 1 - place), (first + 1, place - first)])
    for row, row_weight in around[0]:
        for column, column_weight in around[1]:
            pixels = images[batch, :, border(row.astype('int64'), images.shape[2]),
                            border(column.astype('int64'), images.shape[3])]
            total = total + pixels * (row_weight * column_weight).dimshuffle(0, 1, 'x')
    return total.dimshuffle(0, 2, 1)


def flattened_shape(self, input_shape):
    """Compute the shape of a FlattenLayer's output; None where it is not known yet."""
    kept, flat = input_shape[:self.outdim - 1], input_shape[self.outdim - 1:]
    return tuple(kept) + (None if None in flat else int(np.prod(flat)),)


def padded_shape(self, input_shape):
    """Compute the shape of a PadLayer's output; None where it is not known yet."""
    axes = len(input_shape) - self.batch_ndim
    widths = [self.width] * axes if isinstance(self.width, int_types) else list(self.width)
    sizes = list(input_shape)
    for axis, width in enumerate(widths, start=self.batch_ndim):
        if sizes[axis] is not None:
            sizes[axis] += 2 * width if isinstance(width, int_types) else sum(width)
    return tuple(sizes)


def sliced_shape(self, input_shape):
    """Compute the shape of a SliceLayer's output; None where it is not known yet."""
    sizes = list(input_shape)
    if isinstance(self.slice, int_types):
        del sizes[self.axis]
    elif sizes[self.axis] is not None:
        sizes[self.axis] = len(range(*self.slice.indices(sizes[self.axis])))
    return tuple(sizes)


def with_plain_integers(original):
    """Make a function whose integers may be numpy's: 0.1 asks whether they are Python's."""
    def plain(value):
        if isinstance(value, (list, tuple)):
            return type(value)(map(plain, value))
        return int(value) if isinstance(value, np.integer) else value

    def mended(*arguments, **options):
        return original(*map(plain, arguments),
                        **{name: plain(value) for name, value in options.items()})

    mended.__wrapped__ = original
    return mended
