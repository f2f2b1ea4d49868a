"""Gram matrices as symmetric products, in the place of Theano's general ones."""

from models.runtime.native import NativeOp, has_blas, integers, is_elementwise, made_by

import theano.tensor as T
from theano import scalar
from theano.compile import optdb
from theano.graph.basic import Apply
from theano.graph.opt import in2out, local_optimizer
from theano.tensor import TensorType
from theano.tensor.basic import Reshape
from theano.tensor.blas import BatchedDot
from theano.tensor.elemwise import DimShuffle


class Gram(NativeOp):
    """The products of each pair of channels, summed over positions; half of them are computed."""

    __props__ = ()
    files, function = ('gram.c', 'gram_forward.c'), 'gram'

    def make_node(self, x):
        """Make the node for x (batch, channels, positions)."""
        return Apply(self, [x], [TensorType('float32', (x.broadcastable[0], False, False))()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from that of the input."""
        ((batch, channels, _),) = shapes
        return [(batch, channels, channels)]


class GramBack(NativeOp):
    """The gradient of `Gram`, alone or added to what other layers say of the same activations."""

    __props__, params_type = integers('added inplace')
    files, function = ('gram.c', 'gram_back.c'), 'gram_back'

    def __init__(self, **parameters):
        super().__init__(**parameters)
        if self.inplace:
            self.destroy_map = {0: [2]}

    def make_node(self, above, x, onto):
        """Make the node for the gradient above (batch, channels, channels), x, and what to add
        to, of the shape of x; where nothing is added, x itself."""
        return Apply(self, [above, x, onto], [onto.type()])

    def infer_shape(self, fgraph, node, shapes):
        """Compute the shape of the output from those of the inputs."""
        return [shapes[1]]


def apply():
    """Have Theano take these ops wherever they fit."""
    for position, name, optimiser, tags in (
            (48.66, 'archive_gram', gram, ['fast_run']),
            (48.67, 'archive_gram_added', added, ['fast_run']),
            (70.5, 'archive_gram_inplace', inplace, ['fast_run', 'inplace'])):
        optdb.register(name, in2out(optimiser, name=name), position, 'archive', *tags)


@local_optimizer(None)
def gram(fgraph, node):
    """Replace x times x transposed, and the two terms of its gradient."""
    if isinstance(node.op, BatchedDot) and has_blas():
        x, y = node.inputs
        if _transposed(y) is x and _is_float(x):
            return [Gram()(x)]
    if is_elementwise(node, scalar.Add) and has_blas():
        return _replace_gradient(fgraph, node)
    return False


def _replace_gradient(fgraph, node):
    """Replace S x + (x' S)' by (S + S') x, among the terms of a sum."""
    for left in node.inputs:
        for right in node.inputs:
            across = _transposed(right)
            if not made_by(left, BatchedDot) or not made_by(across, BatchedDot):
                continue
            (above, x), (y, again) = left.owner.inputs, across.owner.inputs
            if above is again and _transposed(y) is x and _is_float(above) and _is_float(x):
                rest = [term for term in node.inputs if term is not left and term is not right]
                return [T.add(GramBack()(above, x, x), *rest) if rest else GramBack()(above, x, x)]
    return False


@local_optimizer(None)
def added(fgraph, node):
    """Add a Gram matrix's gradient to the other gradient of the same activations."""
    if not is_elementwise(node, scalar.Add) or len(node.inputs) != 2:
        return False
    for mine, other in (node.inputs, node.inputs[::-1]):
        if not made_by(mine, Reshape) or not made_by(mine.owner.inputs[0], GramBack):
            continue
        made = mine.owner.inputs[0]
        above, x, _ = made.owner.inputs
        if (made.owner.op.added or len(fgraph.clients[mine]) > 1 or len(fgraph.clients[made]) > 1
                or other.type != node.outputs[0].type or not made_by(x, Reshape)):
            continue
        total = GramBack(added=True)(above, x, other.reshape(x.owner.inputs[1], ndim=3))
        return [T.patternbroadcast(total.reshape(mine.owner.inputs[1], ndim=mine.ndim),
                                   node.outputs[0].broadcastable)]
    return False


@local_optimizer(None)
def inplace(fgraph, node):
    """Add into the memory of the other gradient."""
    if isinstance(node.op, GramBack) and node.op.added and not node.op.inplace:
        return [node.op.changed(inplace=True)(*node.inputs)]
    return False


def _transposed(variable):
    """Give x where the variable is x with its last two axes exchanged, else None."""
    if made_by(variable, DimShuffle) and tuple(variable.owner.op.new_order) == (0, 2, 1):
        return variable.owner.inputs[0]
    return None


def _is_float(variable):
    return variable.dtype == 'float32'
