"""What the ops of networks are in JAX: convolution, pooling, padding, classes, random numbers."""

from models import layers

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from theano.sandbox import rng_mrg
from theano.tensor.nnet import abstract_conv, nnet
from theano.tensor.signal import pool

# float32 as float32: by default NVIDIA's GPUs since Ampere multiply with 10 bits of each factor.
PRECISION = lax.Precision.HIGHEST


def integers(values):
    """Convert what is known to a tuple of Python's integers."""
    return tuple(int(value) for value in values)


# Convolutions: the gradients are the transposes of the linear map, and that by the input is
# itself a convolution where steps are 1

def convolution(op, x, kernels):
    if op.filter_flip:
        kernels = jnp.flip(kernels, range(2, kernels.ndim))
    return lax.conv_general_dilated(
        x, kernels, op.subsample, pads_of(op, kernels), rhs_dilation=op.filter_dilation,
        feature_group_count=op.num_groups, precision=PRECISION)


def pads_of(op, kernels):
    """Pixels of padding, (before, after) for each axis."""
    size = [(length - 1) * gap + 1 for length, gap in zip(kernels.shape[2:], op.filter_dilation)]
    return abstract_conv.border_mode_to_pad(op.border_mode, op.convdim, size)


def to_input(op, kernels, above, size):
    steps = (*op.subsample, *op.filter_dilation, op.num_groups)
    back = [(length - 1 - before, length - 1 - after)
            for length, (before, after) in zip(kernels.shape[2:], pads_of(op, kernels))]
    if set(steps) == {1} and min(min(back)) >= 0:
        # NVIDIA's library is slower at the transpose where it must be deterministic: 0.7 of
        # 9.4 ms, VGG-19 at 256 pixels on an H200.
        swapped = jnp.swapaxes(kernels, 0, 1)
        found = lax.conv_general_dilated(
            above, swapped if op.filter_flip else turned(swapped), (1,) * len(back), back,
            precision=PRECISION)
        if found.shape[2:] == integers(size):
            return found  # of another size the transpose, below, is refused
    shape = above.shape[0], kernels.shape[1] * op.num_groups, *integers(size)
    return transposed(lambda x: convolution(op, x, kernels), shape, above)


def turned(kernels):
    """Reverse all axes behind the second, by indices: in `flip` XLA recognises the transpose."""
    flat = kernels.reshape(*kernels.shape[:2], -1)
    return flat[..., np.arange(flat.shape[-1])[::-1]].reshape(kernels.shape)


def to_kernels(op, x, above, size):
    shape = above.shape[1], x.shape[1] // op.num_groups, *integers(size)
    return transposed(lambda kernels: convolution(op, x, kernels), shape, above)


def transposed(linear, shape, above):
    """Compute the transpose of a linear function of arrays of a shape, at `above`."""
    return jax.linear_transpose(linear, jax.ShapeDtypeStruct(shape, above.dtype))(above)[0]


# Pooling

def windows_of(op, x, size, stride, pad):
    """Size, stride and (before, after) of padding of the windows, for each axis of x."""
    size, stride, pad = (integers(numbers) for numbers in (size, stride, pad))
    counts = pool.Pool.out_shape(x.shape, size, op.ignore_border, stride, pad, op.ndim)[-op.ndim:]
    # Where the border counts, the last window may end behind it.
    after = [zeros if op.ignore_border else max(0, (count - 1) * step + window - length)
             for count, step, window, length, zeros
             in zip(counts, stride, size, x.shape[-op.ndim:], pad)]
    lead = x.ndim - op.ndim
    return (1,) * lead + size, (1,) * lead + stride, [(0, 0)] * lead + [*zip(pad, after)]


def sums_of(x, windows):
    return lax.reduce_window(x, np.array(0, x.dtype), lax.add, *windows)


def divisors(op, x, windows):
    """Compute what the sums of windows are divided by, of a shape that goes with the output's."""
    total = np.ones((), x.dtype)
    for length, size, stride, (before, after) in zip(x.shape, *windows):
        starts = np.arange((length + before + after - size) // stride + 1) * stride - before
        inside = np.minimum(starts + size, length) - np.maximum(starts, 0)
        # Windows that end behind the border have fewer elements; padding counts if it is said so.
        whole = op.mode == 'sum' or op.mode == 'average_inc_pad' and op.ignore_border
        each = 1 if op.mode == 'sum' else size
        total = total[..., None] * (np.full(1, each) if whole or size == 1 else inside)
    return total.astype(x.dtype)


def pooled(op, x, size, stride, pad):
    windows = windows_of(op, x, size, stride, pad)
    if op.mode == 'max':
        return lax.reduce_window(x, np.array(-np.inf, x.dtype), lax.max, *windows)
    return sums_of(x, windows) / divisors(op, x, windows)


def mean_back(op, x, above, size, stride, pad):
    windows = windows_of(op, x, size, stride, pad)
    return transposed(lambda x: sums_of(x, windows), x.shape, above / divisors(op, x, windows))


def max_back(op, x, y, above, size, stride, pad):
    """Give a window's gradient to its first maximum in row order, as the archive's C ops do.

    One place of the windows after the other, by slices and padding: a scatter on a GPU adds in
    any order.
    """
    window, stride, pads = windows_of(op, x, size, stride, pad)
    padded = lax.pad(x, np.array(-np.inf, x.dtype), [(*pair, 0) for pair in pads])
    free, total = jnp.ones(y.shape, bool), jnp.zeros(padded.shape, x.dtype)
    for start in np.ndindex(*window):
        ends = [first + (count - 1) * step + 1
                for first, count, step in zip(start, y.shape, stride)]
        chosen = free & (lax.slice(padded, start, ends, stride) == y)
        free &= ~chosen
        total += lax.pad(jnp.where(chosen, above, 0), np.array(0, x.dtype),
                         [(first, full - end, step - 1) for first, full, end, step
                          in zip(start, padded.shape, ends, stride)])
    return lax.slice(total, [before for before, _ in pads],
                     [before + length for (before, _), length in zip(pads, x.shape)])


# Classes. The loss of a label out of bounds is NaN; JAX would take the nearest class.

def picked(x, labels):
    """Of each row the element of its label."""
    inside = (labels >= 0) & (labels < x.shape[1])
    return jnp.where(inside, x[jnp.arange(len(x)), labels], jnp.nan)


def is_label(x, labels):
    """Tell of each element of (rows, classes) whether it is its row's label's."""
    return jnp.arange(x.shape[1]) == labels[:, None]


def crossentropy(op, x, bias, labels):
    logs = jax.nn.log_softmax(x + bias, -1)
    return -picked(logs, labels), jnp.exp(logs), logs.argmax(-1)


def crossentropy_back(op, above, softmax, labels):
    return jnp.reshape(above, (-1, 1)) * (softmax - is_label(softmax, labels))


def crossentropy_of_probabilities_back(op, above, x, labels):
    return jnp.where(is_label(x, labels), (-above / picked(x, labels))[:, None], 0)


def softmax_back(op, above, softmax):
    return softmax * (above - (above * softmax).sum(-1, keepdims=True))


# Random numbers: MRG31k3p as in theano.sandbox.rng_mrg, so the same as on the CPU

FIRST, SECOND = np.int32(2147483647), np.int32(2147462579)  # the moduli M1 and M2 there


def uniform(op, state, size):
    count, streams, dtype = int(np.prod(size, dtype='int64')), len(state), op.output_type.dtype

    def wrapped(y, modulus):  # int32 overflows into negative numbers, which are too large, too
        return jnp.where((y < 0) | (y >= modulus), y - modulus, y)

    def step(state, turn):
        x11, x12, x13, x21, x22, x23 = state.T
        y = ((x12 & 511) << 22) + (x12 >> 9) + ((x13 & 16777215) << 7) + (x13 >> 24)
        first = wrapped(wrapped(y, FIRST) + x13, FIRST)
        y, z = (wrapped(((x & 65535) << 15) + 21069 * (x >> 16), SECOND) for x in (x21, x23))
        second = wrapped(wrapped(z + x23, SECOND) + y, SECOND)
        after = jnp.stack([first, x11, x12, second, x21, x22], 1)
        moves = turn * streams + jnp.arange(streams) < count  # in the last turn, some streams only
        return (jnp.where(moves[:, None], after, state),
                first - second + jnp.where(first <= second, FIRST, 0))

    state, samples = lax.scan(step, jnp.asarray(state), jnp.arange(-(-count // streams)))
    unit = np.array(4.6566126e-10 if dtype == 'float32' else 2.0 ** -31, dtype)
    return state, samples.ravel()[:count].astype(dtype).reshape(integers(size)) * unit


# Padding and normalisation of the generators

def taken(op, x, rows, columns):
    for axis, places in ((2, rows), (3, columns)):
        shape = [1] * 4
        shape[axis] = len(places)
        there = jnp.reshape(places >= 0, shape)
        x = jnp.where(there, jnp.take(x, jnp.maximum(places, 0), axis), 0)
    return x


def put(op, g, rows, columns, height, width):
    # Products with ones and zeros: a scatter would add in another order each time.
    ones = [(jnp.asarray(places)[:, None] == jnp.arange(int(length))).astype(g.dtype)
            for places, length in ((rows, height), (columns, width))]
    return jnp.einsum('bcij,ih,jw->bchw', g, *ones, precision=PRECISION)


def normalised(op, x, scale, shift):
    mean = x.mean((2, 3), dtype='float64')
    variance = ((x - mean[:, :, None, None]) ** 2).mean((2, 3))
    inverse = layers.inverse_deviation(mean, variance, op.epsilon, jnp)
    y = (x - mean[:, :, None, None]) * (inverse * scale)[:, :, None, None] + shift[:, None, None]
    return jnp.where(y <= 0, 0, y) if op.rectified else y, mean, inverse


def normalised_back(op, g, x, y, mean, inverse, scale):
    g = jnp.where(y <= 0, 0, g) if op.rectified else g
    normal = (x - mean[:, :, None, None]) * inverse[:, :, None, None]
    scales, shifts = (part.sum((2, 3), dtype='float64') for part in (g * normal, g))
    count = x.shape[2] * x.shape[3]
    back = (scale * inverse)[:, :, None, None] * (
        g - (shifts[:, :, None, None] + normal * scales[:, :, None, None]) / count)
    return back, scales, shifts


# The inputs, by place, whose values decide shapes.
SHAPING = {abstract_conv.AbstractConv2d_gradInputs: slice(2, 3),
           abstract_conv.AbstractConv2d_gradWeights: slice(2, 3),
           abstract_conv.AbstractConv3d_gradInputs: slice(2, 3),
           abstract_conv.AbstractConv3d_gradWeights: slice(2, 3),
           pool.Pool: slice(1, None), pool.MaxPoolGrad: slice(3, None),
           pool.AveragePoolGrad: slice(2, None), rng_mrg.mrg_uniform: slice(1, 2),
           layers.Places: slice(None), layers.Put: slice(3, None)}
RULES = {
    abstract_conv.AbstractConv: convolution, abstract_conv.AbstractConv_gradInputs: to_input,
    abstract_conv.AbstractConv_gradWeights: to_kernels,
    pool.Pool: pooled, pool.MaxPoolGrad: max_back, pool.AveragePoolGrad: mean_back,
    nnet.Softmax: lambda op, x: jax.nn.softmax(x, -1),
    nnet.LogSoftmax: lambda op, x: jax.nn.log_softmax(x, -1),
    nnet.SoftmaxWithBias: lambda op, x, bias: jax.nn.softmax(x + bias, -1),
    nnet.SoftmaxGrad: softmax_back,
    nnet.CrossentropySoftmaxArgmax1HotWithBias: crossentropy,
    nnet.CrossentropySoftmax1HotWithBiasDx: crossentropy_back,
    nnet.CrossentropyCategorical1Hot: lambda op, x, labels: -jnp.log(picked(x, labels)),
    nnet.CrossentropyCategorical1HotGrad: crossentropy_of_probabilities_back,
    rng_mrg.mrg_uniform: uniform,
    layers.Places: lambda op, length: op.rule.places(int(length)),
    layers.Take: taken, layers.Put: put,
    layers.Normalise: normalised, layers.NormaliseBack: normalised_back}
