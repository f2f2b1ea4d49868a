"""Pooling of 2x2 with stride 2, maximum or mean, in Theano's place."""

from models.runtime.native import NativeOp, integers

import numpy as np
import theano.tensor as T
from theano.compile import optdb
from theano.graph.basic import Apply
from theano.graph.opt import in2out, local_optimizer
from theano.tensor import TensorType
from theano.tensor.signal import pool

MODES = ('max', 'average_exc_pad', 'average_inc_pad')  # without padding the last two are the same
WINDOW = [(2, 2), (2, 2), (0, 0)]                      # size, stride, padding


class Pool(NativeOp):
    """The largest of each window, or its mean."""

    __props__, params_type = integers('mean')
    files, function = ('pooling.c', 'pooling_forward.c'), 'pool'

    def make_node(self, x):
        """Make the node for x (batch, channels, rows, columns)."""
        return Apply(self, [x], [TensorType('float32', (*x.broadcastable[:2], False, False))()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from that of the input."""
        ((batch, channels, rows, columns),) = shapes
        return [(batch, channels, rows // 2, columns // 2)]


class Unpool(NativeOp):
    """The gradient of `Pool`: a mean's to the whole window, a maximum's to the first in row order.
    """

    __props__, params_type = integers('mean')
    files, function = ('pooling.c', 'pooling_back.c'), 'unpool'

    def make_node(self, x, y, above):
        """Make the node for the input x, the output y (unused for a mean), the gradient above."""
        return Apply(self, [x, y, above], [x.type()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        return [shapes[0]]


def apply():
    """Have Theano take these ops for every pooling that they fit."""
    optdb.register('archive_pooling', in2out(pooling, name='archive_pooling'), 48.65, 'fast_run',
                   'archive')


@local_optimizer(None)
def pooling(fgraph, node):
    """Replace a pooling or its gradient."""
    op = node.op
    if type(op) not in (pool.Pool, pool.MaxPoolGrad, pool.AveragePoolGrad) or op.mode not in MODES:
        return False
    *arrays, size, stride, pad = node.inputs
    x = arrays[0]
    if not op.ignore_border or op.ndim != 2 or x.ndim != 4 or x.broadcastable[2:] != (False, False):
        return False
    if any(array.dtype != 'float32' for array in arrays) or [
            _constant(value) for value in (size, stride, pad)] != WINDOW:
        return False
    mean = op.mode != 'max'
    if isinstance(op, pool.Pool):
        return [Pool(mean=mean)(x)]
    if mean:
        _, above = arrays
        return [Unpool(mean=True)(x, T.constant(np.zeros((0, 0, 0, 0), 'float32')), above)]
    return [Unpool()(*arrays)]


def _constant(value):
    return tuple(value.data) if isinstance(value, T.Constant) else None
