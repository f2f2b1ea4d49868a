"""Convolutions in Theano's place: 3x3 by Winograd's minimal filtering, others by patches.

Forward and both ways back, wherever the archive or its user writes T.nnet.conv2d. Biases and
rectifiers go into passes over memory that are made anyway. ARCHIVE_CONVOLUTION=direct leaves
Theano's own method. README.md beside this file says what was tried.
"""

import os

from models.errors import CannotRun
from models.runtime.native import (
    NativeOp,
    compared_with_zero,
    has_blas,
    integers,
    is_elementwise,
    made_by,
    masked,
)

import numpy as np
import theano.tensor as T
from theano import scalar
from theano.compile import optdb
from theano.graph.basic import Apply
from theano.graph.opt import in2out, local_optimizer
from theano.tensor import TensorType
from theano.tensor.elemwise import DimShuffle
from theano.tensor.nnet.abstract_conv import (
    AbstractConv2d,
    AbstractConv2d_gradInputs,
    AbstractConv2d_gradWeights,
    get_conv_output_shape,
)
from theano.tensor.nnet.opt import conv_groupopt

VARIABLE, METHODS = 'ARCHIVE_CONVOLUTION', ('winograd', 'direct')
FEWEST_CHANNELS = 8  # fewer, in or out, and Winograd's transforms cost more than they save
PLACE = 'pad_rows pad_columns flip '  # zeros around the picture; whether the kernels are flipped
STRIDES = 'stride_rows stride_columns '


class KernelPoints(NativeOp):
    """The values of kernels at the points of Winograd's polynomials; kept while they are the same.
    """

    __props__, params_type = integers('flip')
    files, function = ('winograd.c', 'winograd_kernels.c'), 'kernel_points'

    def make_node(self, kernels):
        """Make the node for kernels (out, in, 3, 3); its output is (36, out, in)."""
        return Apply(self, [kernels], [TensorType('float32', (False,) * 3)()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from that of the kernels."""
        ((filters, channels, _, _),) = shapes
        return [(T.constant(36), filters, channels)]


class Forward(NativeOp):
    """A convolution by Winograd, with its bias and, if asked for, rectified."""

    __props__, params_type = integers(PLACE + 'rectified')
    files, function = ('winograd.c', 'winograd_forward.c'), 'forward'

    def make_node(self, x, points, bias):
        """Make the node for x (batch, in, rows, columns), points and bias (out,) or empty."""
        return Apply(self, [x, points, bias], [pictures(x)])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        (batch, _, rows, columns), (_, filters, _), _ = shapes
        return [(batch, filters, rows + 2 * self.pad_rows - 2, columns + 2 * self.pad_columns - 2)]


class Back(NativeOp):
    """The gradient of a convolution with respect to its input, by Winograd.

    Parameters:
        masked: it passes only where `output` is positive.
        itself: it passes only where it is positive itself.
    """

    __props__, params_type = integers(PLACE + 'masked itself')
    files, function = ('winograd.c', 'winograd_back.c'), 'back'

    def make_node(self, above, points, output):
        """Make the node for the gradient above, points and the rectified output, or empty."""
        return Apply(self, [above, points, output], [pictures(above)])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        (batch, _, rows, columns), (_, _, channels), _ = shapes
        return [(batch, channels, rows + 2 - 2 * self.pad_rows, columns + 2 - 2 * self.pad_columns)]


class Weights(NativeOp):
    """The gradient of a convolution with respect to its kernels, by Winograd."""

    __props__, params_type = integers(PLACE)
    files, function = ('winograd.c', 'winograd_weights.c'), 'weights'

    def make_node(self, x, above):
        """Make the node for x (batch, in, rows, columns) and the gradient above."""
        return Apply(self, [x, above], [TensorType('float32', (False,) * 4)()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        x, above = shapes
        return [(above[1], x[1], T.constant(3), T.constant(3))]


class Patches(NativeOp):
    """A convolution of any size and stride, with its bias and, if asked for, rectified."""

    __props__, params_type = integers(PLACE + STRIDES + 'rectified')
    files, function = ('patches.c', 'patches_forward.c'), 'patches'

    def make_node(self, x, kernels, bias):
        """Make the node for x, kernels (out, in, rows, columns) and bias (out,) or empty."""
        return Apply(self, [x, kernels, bias], [pictures(x)])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        x, kernels, _ = shapes
        return [get_conv_output_shape(x, kernels, (self.pad_rows, self.pad_columns),
                                      (self.stride_rows, self.stride_columns))]


class PatchesBack(NativeOp):
    """The gradient of such a convolution with respect to its input; parameters as for `Back`."""

    __props__, params_type = integers(PLACE + STRIDES + 'masked itself')
    files, function = ('patches.c', 'patches_back.c'), 'patches_back'

    def make_node(self, above, kernels, output, size):
        """Make the node for the gradient above, kernels, the rectified output or an empty one,
        and the (rows, columns) of the input, int64."""
        return Apply(self, [above, kernels, output, size], [pictures(above)])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        above, kernels = shapes[:2]
        return [(above[0], kernels[1], node.inputs[3][0], node.inputs[3][1])]


def pictures(x):
    """Make a variable for pictures of the batch of x."""
    return TensorType('float32', (x.broadcastable[0], False, False, False))()


NO_BIAS = T.constant(np.zeros(0, 'float32'))
NO_OUTPUT = T.constant(np.zeros((0, 0, 0, 0), 'float32'))


def apply():
    """Have Theano take these ops for every convolution that they fit.

    Raises:
        CannotRun: ARCHIVE_CONVOLUTION is neither winograd nor direct.
    """
    method = os.environ.get(VARIABLE) or METHODS[0]
    if method not in METHODS:
        raise CannotRun(f'{VARIABLE} is {method!r}; it must be {" or ".join(METHODS)}')
    if method == 'direct':
        return
    for optimiser in (forward, to_input, to_kernels):
        conv_groupopt.register(f'archive_{optimiser.__name__}', optimiser, 'fast_run', 'archive',
                               position=-1)
    # After the convolutions are chosen (48.6) and before elementwise work is fused (49).
    for position, optimiser in enumerate((with_bias, rectified, from_rectifier)):
        name = f'archive_{optimiser.__name__}'
        optdb.register(name, in2out(optimiser, name=name), 48.61 + 0.01 * position, 'fast_run',
                       'archive')


@local_optimizer([AbstractConv2d])
def forward(fgraph, node):
    """Replace a convolution."""
    x, kernels = node.inputs
    place = _place(node.op, AbstractConv2d, x, kernels)
    if place is None:
        return False
    if _fits_winograd(node.op, place):
        return _as(node, Forward(**place)(x, KernelPoints(flip=place['flip'])(kernels), NO_BIAS))
    return _as(node, Patches(**place, **_strides(node.op))(x, kernels, NO_BIAS))


@local_optimizer([AbstractConv2d_gradInputs])
def to_input(fgraph, node):
    """Replace a convolution's gradient with respect to its input."""
    kernels, above, size = node.inputs
    place = _place(node.op, AbstractConv2d_gradInputs, above, kernels)
    if place is None:
        return False
    if _fits_winograd(node.op, place):
        points = KernelPoints(flip=place['flip'])(kernels)
        return _as(node, Back(**place)(above, points, NO_OUTPUT))
    if _is_thin(node.op, place):  # back is forth with the kernels flipped: patches of few channels
        turned = {f'pad_{axis}': length - 1 - place[f'pad_{axis}']
                  for axis, length in zip(('rows', 'columns'), node.op.kshp[2:])}
        return _as(node, Patches(**turned, flip=not place['flip'], stride_rows=1,
                                 stride_columns=1)(above, kernels.dimshuffle(1, 0, 2, 3), NO_BIAS))
    return _as(node, PatchesBack(**place, **_strides(node.op))(above, kernels, NO_OUTPUT,
                                                               T.cast(size, 'int64')))


@local_optimizer([AbstractConv2d_gradWeights])
def to_kernels(fgraph, node):
    """Replace a convolution's gradient with respect to its kernels."""
    x, above, _ = node.inputs
    place = _place(node.op, AbstractConv2d_gradWeights, x, above)
    if place is None:
        return False
    if _fits_winograd(node.op, place):
        return _as(node, Weights(**place)(x, above))
    if not _is_thin(node.op, place):
        return False
    # The gradient above is correlated with the picture instead: patches of few channels.
    filters, channels, rows, columns = node.op.kshp
    turned = AbstractConv2d_gradWeights(
        kshp=(channels, filters, rows, columns), filter_flip=False,
        border_mode=(rows - 1 - place['pad_rows'], columns - 1 - place['pad_columns']))
    kernels = turned(above, x, T.stack([T.constant(rows), T.constant(columns)]))
    kernels = kernels.dimshuffle(1, 0, 2, 3)
    return _as(node, kernels if place['flip'] else kernels[:, :, ::-1, ::-1])


def _as(node, output):
    """Give a replacement the axes of length 1 that the node's output is known to have.

    Kernels of one channel, as shared variables know since Lasagne 0.2, make such axes.
    """
    return [T.patternbroadcast(output, node.outputs[0].broadcastable)]


def _place(op, kind, *arrays):
    """Find the padding and flip of a convolution that our ops fit, else None."""
    if type(op) is not kind or any(array.dtype != 'float32' for array in arrays) or not has_blas():
        return None
    shape = getattr(op, 'kshp', None)
    if shape is None or len(shape) != 4 or None in shape[-2:]:
        return None
    if op.filter_dilation != (1, 1) or op.num_groups != 1 or op.unshared:
        return None
    pad = {'half': tuple(length // 2 for length in shape[-2:]), 'valid': (0, 0),
           'full': tuple(length - 1 for length in shape[-2:])}.get(op.border_mode, op.border_mode)
    pad = [zeros if isinstance(zeros, tuple) else (zeros, zeros) for zeros in pad]
    if any(before != after for before, after in pad):
        return None
    return {'pad_rows': pad[0][0], 'pad_columns': pad[1][0], 'flip': op.filter_flip}


def _fits_winograd(op, place):
    filters, channels, *size = op.kshp
    return (size == [3, 3] and op.subsample == (1, 1)
            and max(place['pad_rows'], place['pad_columns']) <= 2
            and None not in (filters, channels) and min(filters, channels) >= FEWEST_CHANNELS)


def _is_thin(op, place):
    """Tell whether a convolution of stride 1 has at most half as many filters as channels."""
    filters, channels, rows, columns = op.kshp
    return (op.subsample == (1, 1) and None not in (filters, channels) and 2 * filters <= channels
            and place['pad_rows'] < rows and place['pad_columns'] < columns and rows > 1)


def _strides(op):
    return {'stride_rows': op.subsample[0], 'stride_columns': op.subsample[1]}


def with_bias_of(convolved, bias, fgraph):
    """Tell whether this is a convolution without bias, and one number for each channel."""
    return (made_by(convolved, (Forward, Patches)) and convolved.owner.inputs[2] is NO_BIAS
            and not convolved.owner.op.rectified and len(fgraph.clients[convolved]) == 1
            and made_by(bias, DimShuffle) and bias.owner.op.new_order == ('x', 0, 'x', 'x')
            and not bias.owner.inputs[0].broadcastable[0] and bias.dtype == 'float32')


@local_optimizer(None)
def with_bias(fgraph, node):
    """Add the bias, one number a channel, where the convolution writes its output."""
    if not is_elementwise(node, scalar.Add) or len(node.inputs) != 2:
        return False
    for convolved, bias in (node.inputs, node.inputs[::-1]):
        if with_bias_of(convolved, bias, fgraph):
            x, kernels, _ = convolved.owner.inputs
            return [convolved.owner.op(x, kernels, bias.owner.inputs[0])]
    return False


@local_optimizer(None)
def rectified(fgraph, node):
    """Rectify where the convolution writes its output.

    The gradient's mask then asks the rectified output, which is positive at the same places.
    """
    convolved = compared_with_zero(node)
    if not made_by(convolved, (Forward, Patches)) or convolved.owner.op.rectified:
        return False
    users = {user for user, _ in fgraph.clients[convolved]}
    masks = {user for user in users if user != 'output' and compared_with_zero(user) is convolved}
    outputs = {user for user in users if user != 'output' and masked(user) == (convolved,) * 2}
    if not outputs or users != masks | outputs:
        return False  # somebody wants it as it was
    output = convolved.owner.op.changed(rectified=True)(*convolved.owner.inputs)
    return {**{mask.outputs[0]: T.le(output, 0) for mask in masks},
            **{user.outputs[0]: output for user in outputs}}


@local_optimizer(None)
def from_rectifier(fgraph, node):
    """Apply the rectifiers above, of whatever way back, where the gradient is read."""
    if not isinstance(node.op, (Back, PatchesBack)):
        return False
    found = masked(node.inputs[0].owner)
    if found is None:
        return False
    mask, gradient = found
    _, kernels, output, *size = node.inputs
    if mask is gradient and not node.op.itself:
        return [node.op.changed(itself=True)(gradient, kernels, output, *size)]
    if mask is not gradient and not node.op.masked:
        return [node.op.changed(masked=True)(gradient, kernels, mask, *size)]
    return False
