"""Convolutions of 3x3 and stride 1 by Winograd's minimal filtering, in Theano's place.

A local optimiser takes them, forward and back to the input, wherever the archive or its user writes
T.nnet.conv2d; no recipe knows. ARCHIVE_CONVOLUTION=direct leaves Theano's own method.
"""

import os

import theano
from theano.graph.basic import Apply
from theano.graph.op import ExternalCOp
from theano.graph.opt import local_optimizer
from theano.graph.params_type import ParamsType
from theano.scalar import int32
from theano.tensor import TensorType
from theano.tensor.blas import blas_header_text, ldflags
from theano.tensor.nnet.abstract_conv import AbstractConv2d, AbstractConv2d_gradInputs
from theano.tensor.nnet.opt import conv_groupopt

from models.errors import CannotRun

VARIABLE, METHODS = 'ARCHIVE_CONVOLUTION', ('winograd', 'direct')
FEWEST_CHANNELS = 8  # fewer, in or out, and the transforms cost more than they save


class Winograd(ExternalCOp):
    """A 3x3 convolution of stride 1, or its gradient with respect to its input; float32.

    Args:
        pad: zeros around the input, (rows, columns), 0 to 2 each.
        flip: whether the kernels are flipped, as in a convolution proper.
        backward: whether channels go from the kernels' first axis to their second, and kernels are
            flipped once more.
    """

    __props__ = ('pad_rows', 'pad_columns', 'flip', 'backward')
    params_type = ParamsType(pad_rows=int32, pad_columns=int32, flip=int32, backward=int32)

    def __init__(self, pad, flip, backward):
        self.pad_rows, self.pad_columns = pad
        self.flip, self.backward = int(flip), int(backward)
        super().__init__(['winograd.c'], 'APPLY_SPECIFIC(winograd)')

    def make_node(self, x, kernels):
        """Return the node for x (batch, channels, rows, columns), kernels (out, in, 3, 3)."""
        channels = kernels.broadcastable[self.backward]
        y = TensorType('float32', (x.broadcastable[0], channels, False, False))()
        return Apply(self, [x, kernels], [y])

    def infer_shape(self, fgraph, node, shapes):
        """Return the shape of the output from those of the inputs."""
        (batch, _, rows, columns), kernels = shapes
        return [(batch, kernels[self.backward], rows + 2 * self.pad_rows - 2,
                 columns + 2 * self.pad_columns - 2)]

    def perform(self, node, inputs, outputs, params=None):
        raise NotImplementedError('Winograd runs in C only')

    def c_support_code(self, **options):
        return blas_header_text() + super().c_support_code(**options)

    def c_libraries(self, **options):
        return ldflags()

    def c_lib_dirs(self, **options):
        return ldflags(libs=False, libs_dir=True)

    def c_header_dirs(self, **options):
        return ldflags(libs=False, include_dir=True)

    def c_compile_args(self, **options):
        return ldflags(libs=False, flags=True) + ['-fopenmp']


def apply():
    """Have Theano take `Winograd` for every convolution that it fits.

    Raises:
        CannotRun: ARCHIVE_CONVOLUTION is neither winograd nor direct.
    """
    method = os.environ.get(VARIABLE) or METHODS[0]
    if method not in METHODS:
        raise CannotRun(f'{VARIABLE} is {method!r}; it must be {" or ".join(METHODS)}')
    if method == 'winograd':
        for name, optimiser in (('archive_winograd', forward),
                                ('archive_winograd_gradient', to_input)):
            conv_groupopt.register(name, optimiser, 'fast_run', position=-1)


@local_optimizer([AbstractConv2d])
def forward(fgraph, node):
    """Replace a convolution."""
    pad = _fitting_pad(node.op, AbstractConv2d)
    x, kernels = node.inputs
    if pad is None or x.dtype != 'float32' or kernels.dtype != 'float32':
        return False
    return [Winograd(pad, node.op.filter_flip, backward=False)(x, kernels)]


@local_optimizer([AbstractConv2d_gradInputs])
def to_input(fgraph, node):
    """Replace a convolution's gradient with respect to its input."""
    pad = _fitting_pad(node.op, AbstractConv2d_gradInputs)
    kernels, gradient, _ = node.inputs
    if pad is None or gradient.dtype != 'float32' or kernels.dtype != 'float32':
        return False
    pad = tuple(2 - zeros for zeros in pad)
    return [Winograd(pad, node.op.filter_flip, backward=True)(gradient, kernels)]


def _fitting_pad(op, kind):
    """Return the padding (rows, columns) of a convolution that Winograd fits, else None."""
    if not theano.config.blas__ldflags:  # the user's own choice; Theano's stand-in is no BLAS
        return None
    shape = getattr(op, 'kshp', None)
    if type(op) is not kind or shape is None or tuple(shape[-2:]) != (3, 3) or len(shape) != 4:
        return None
    if op.subsample != (1, 1) or op.filter_dilation != (1, 1) or op.num_groups != 1 or op.unshared:
        return None
    if any(channels is None or channels < FEWEST_CHANNELS for channels in shape[:2]):
        return None
    pad = {'half': (1, 1), 'valid': (0, 0), 'full': (2, 2)}.get(op.border_mode, op.border_mode)
    pad = [zeros if isinstance(zeros, tuple) else (zeros, zeros) for zeros in pad]
    if any(before != after or not 0 <= before <= 2 for before, after in pad):
        return None
    return tuple(before for before, _ in pad)
