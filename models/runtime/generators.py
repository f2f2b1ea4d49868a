"""Padding, upsampling and normalisation of float32 maps in C, in place of `models.layers`' own."""

from models.runtime.native import NativeOp, integers

import numpy as np
import theano.tensor as T
from theano.compile import optdb
from theano.graph.basic import Apply
from theano.graph.opt import in2out, local_optimizer


class Take(NativeOp):
    """Rows and columns by their numbers; with `back`, numbers added up at theirs."""

    __props__, params_type = integers('unused')
    files, function = ('places.c', 'places_take.c'), 'take'

    def make_node(self, x, rows, columns):
        """Make the node for x (batch, channels, rows, columns) and two vectors of int64."""
        return Apply(self, [x, rows, columns], [_maps(x)])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output."""
        (batch, channels, _, _), (rows,), (columns,) = shapes
        return [(batch, channels, rows, columns)]


class Put(NativeOp):
    """Numbers added up at their rows and columns."""

    __props__, params_type = integers('unused')
    files, function = ('places.c', 'places_put.c'), 'put'

    def make_node(self, g, rows, columns, height, width):
        """Make the node for g (batch, channels, rows, columns), places, the output's size."""
        return Apply(self, [g, rows, columns, height, width], [_maps(g)])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output."""
        return [(*shapes[0][:2], node.inputs[3], node.inputs[4])]


class Normalise(NativeOp):
    """Instance normalisation, and a rectifier if asked for.

    Parameters:
        flat: `models.layers.FLAT` in billionths.
    """

    __props__, params_type = integers('rectified flat')
    files, function = ('normalise.c', 'normalise_forward.c'), 'normalise'

    def make_node(self, x, scale, shift, epsilon):
        """Make the node for maps, (channels,) twice, and what is added to the variances."""
        moments = T.TensorType('float32', (False, False))
        return Apply(self, [x, scale, shift, epsilon], [_maps(x), moments(), moments()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shapes of the outputs."""
        return [shapes[0], shapes[0][:2], shapes[0][:2]]


class NormaliseBack(NativeOp):
    """The gradient of `Normalise`."""

    __props__, params_type = integers('rectified')
    files, function = ('normalise.c', 'normalise_back.c'), 'normalise_back'

    def make_node(self, g, x, y, mean, inverse, scale):
        """Make the node for the gradient above and what `Normalise` had and made."""
        return Apply(self, [g, x, y, mean, inverse, scale], [_maps(x), mean.type(), mean.type()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shapes of the outputs."""
        return [shapes[1], shapes[3], shapes[3]]


def _maps(x):
    return x.type.clone(broadcastable=(*x.broadcastable[:2], False, False))()


def apply():
    """Have Theano take these ops for all such layers of float32 maps."""
    optdb.register('archive_generators', in2out(native, name='archive_generators'), 48.66,
                   'fast_run', 'archive')


@local_optimizer(None)
def native(fgraph, node):
    """Replace an op of the generators' layers."""
    from models import layers  # it wants the runtime ready

    op, inputs = node.op, node.inputs
    if not inputs or any(x.dtype not in ('float32', 'int64') for x in inputs):
        return False
    if type(op) is layers.Take:
        return [Take()(*inputs)]
    if type(op) is layers.Put:
        return [Put()(*inputs)]
    if type(op) is layers.Normalise:
        epsilon = T.constant(np.float64(op.epsilon))
        return Normalise(rectified=op.rectified, flat=round(layers.FLAT * 1e9))(*inputs, epsilon)
    if type(op) is layers.NormaliseBack:
        return NormaliseBack(rectified=op.rectified)(*inputs)
    return False
