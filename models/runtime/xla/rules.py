"""What each of Theano's ops is in JAX, one rule an op.

A rule takes the op and the values of its inputs: what JAX traces, or numpy arrays (and slices) that
are known while the program is written, shapes among them. The outputs get their types behind it.
What belongs to networks (convolution, pooling, padding, classes, random numbers): `layer_rules`.
"""

from functools import reduce

from models.runtime.xla import layer_rules
from models.runtime.xla.layer_rules import PRECISION, integers

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from theano import scalar
from theano.compile import ops as compile_ops
from theano.compile.builders import OpFromGraph
from theano.graph.basic import Constant, NoParams
from theano.graph.fg import FunctionGraph
from theano.tensor import basic, elemwise, extra_ops, opt as tensor_opt, subtensor, type_other
from theano.tensor.blas import BatchedDot
from theano.tensor.nnet import sigm


def evaluate(nodes, outputs, values):
    """Compute a graph, with arrays or with what JAX traces.

    Args:
        nodes: in order.
        outputs: variables.
        values: variable to value, of the inputs; those of the nodes are added.

    Returns:
        The values of the outputs, a list.
    """
    def value(variable):
        return variable.data if isinstance(variable, Constant) else values[variable]

    for node in nodes:
        inputs = [value(variable) for variable in node.inputs]
        if decides_shapes(node) and not any(map(is_traced, inputs)):
            found = performed(node, inputs)
        else:
            found = rule_of(node)(node.op, *inputs)
        found = found if isinstance(found, (tuple, list)) else [found]
        for variable, each in zip(node.outputs, found):
            dtype = getattr(variable.type, 'dtype', None)
            values[variable] = each.astype(dtype) if dtype and each.dtype != dtype else each
    return [value(variable) for variable in outputs]


def is_traced(value):
    """Tell whether only XLA's program will know a value."""
    return isinstance(value, jax.Array)


def decides_shapes(node):
    """Tell whether a node makes such things only as shapes are made of: numbers, vectors of
    integers, slices."""
    return all(not hasattr(variable, 'ndim') or variable.ndim == 0
               or variable.ndim == 1 and variable.dtype.startswith(('int', 'uint', 'bool'))
               for variable in node.outputs)


def performed(node, inputs):
    """Compute a node as Theano does in Python; its outputs, a list."""
    outputs, params = [[None] for _ in node.outputs], node.run_params()
    node.op.prepare_node(node, None, None, 'py')
    node.op.perform(node, inputs, outputs,
                    *([] if params is NoParams else [node.params_type.filter(params)]))
    return [np.asarray(output) if hasattr(variable, 'dtype') else output
            for variable, (output,) in zip(node.outputs, outputs)]


def rule_of(node):
    """Find the rule of a node, a function of (op, *inputs), or None where there is none."""
    op = node.op
    if isinstance(op, elemwise.Elemwise):
        function = scalar_function(op.scalar_op)
        return function and (lambda op, *inputs: function(*prepared(node, inputs)))
    if isinstance(op, elemwise.CAReduce) and type(op.scalar_op) not in REDUCTIONS:
        return None
    if getattr(op, 'unshared', False):  # a convolution with kernels of its own at each position
        return None
    return next((RULES[kind] for kind in type(op).__mro__ if kind in RULES), None)


# What decides shapes

SHAPING = {  # op to which of its inputs do
    basic.Reshape: slice(1, 2), basic.Alloc: slice(1, None), basic.AllocEmpty: slice(None),
    basic.ARange: slice(None), basic.Eye: slice(None), basic.Join: slice(0, 1),
    basic.Split: slice(1, None), type_other.MakeSlice: slice(None),
    extra_ops.RepeatOp: slice(1, 2), **layer_rules.SHAPING}


def shaping_inputs(node):
    """List the inputs of a node whose values decide shapes; of indices, the bounds of slices."""
    if not isinstance(node.op, (subtensor.Subtensor, subtensor.IncSubtensor)):
        return node.inputs[SHAPING.get(type(node.op), slice(0))]
    first = 2 if isinstance(node.op, subtensor.IncSubtensor) else 1
    given = node.inputs[first:]
    entries = subtensor.get_idx_list([None, *given], node.op.idx_list)
    bounds = [bound for entry in entries if isinstance(entry, slice)
              for bound in (entry.start, entry.stop, entry.step)]
    return [variable for variable in given if any(variable is bound for bound in bounds)]


def knows_shapes(node):
    """Tell whether a node's outputs depend on the shapes of its inputs, and not on their values."""
    return isinstance(node.op, (compile_ops.Shape, compile_ops.Shape_i))


# Elements

SCALARS = {  # others are called as in numpy or scipy
    scalar.Add: lambda *terms: reduce(jnp.add, terms),
    scalar.Mul: lambda *factors: reduce(jnp.multiply, factors),
    scalar.Second: lambda x, y: jnp.broadcast_arrays(x, y)[1],
    scalar.Clip: lambda x, low, high: jnp.where(x < low, low, jnp.where(x > high, high, x)),
    scalar.Cast: lambda x: x, scalar.Identity: lambda x: x,
    scalar.RoundHalfAwayFromZero: lambda x: jnp.sign(x) * jnp.floor(jnp.abs(x) + 0.5),
    sigm.ScalarSoftplus: jax.nn.softplus}
AS_THEY_ARE = (scalar.Cast, scalar.Switch)  # inputs that are not brought to one type first


def scalar_function(op):
    """Tell what an op on numbers is in JAX, or None: Theano names numpy's or scipy's function."""
    if type(op) in SCALARS:
        return SCALARS[type(op)]
    parts = op.nfunc_spec[0].split('.') if getattr(op, 'nfunc_spec', None) else ['none']
    return reduce(lambda place, part: getattr(place, part, None), parts,
                  jnp if len(parts) == 1 else jax)


def prepared(node, inputs):
    """Convert the inputs of an elementwise node to the type that numpy and Theano compute in.

    JAX would take int32 and float32 to float32, Theano to float64.

    Raises:
        ValueError: lengths differ where Theano says so; JAX would stretch one that happens to be 1.
    """
    for axis, stretched in enumerate(zip(*(variable.broadcastable for variable in node.inputs))):
        lengths = {np.shape(x)[axis] for x, may_be in zip(inputs, stretched) if not may_be}
        if len(lengths) > 1:
            raise ValueError(f'input dimensions do not match in axis {axis} of {node.op}: '
                             f'{[np.shape(x) for x in inputs]}')
    if isinstance(node.op.scalar_op, AS_THEY_ARE):
        return inputs
    made = node.outputs[0].dtype
    dtype = np.result_type(*(x.dtype for x in inputs)) if made == 'bool' else made
    return [x.astype(dtype) for x in inputs]


REDUCTIONS = {scalar.Add: jnp.sum, scalar.Mul: jnp.prod, scalar.ScalarMaximum: jnp.max,
              scalar.ScalarMinimum: jnp.min, scalar.AND: jnp.all, scalar.OR: jnp.any}


def reduction(op, x):
    sums_in = getattr(op, 'acc_dtype', None)  # float64 for float32, as on the CPU
    return REDUCTIONS[type(op.scalar_op)](x.astype(sums_in) if sums_in else x, axis=op.axis)


def max_and_argmax(op, x):
    axes = range(x.ndim) if op.axis is None else op.axis
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    x = jnp.transpose(x, (*kept, *axes)).reshape([x.shape[axis] for axis in kept] + [-1])
    return x.max(-1), x.argmax(-1)


def assertion(op, x, *conditions):
    # A program cannot stop: where a condition that only it knows fails, all becomes NaN.
    if not all(is_traced(condition) or np.all(condition) for condition in conditions):
        raise AssertionError(op.msg)
    for condition in filter(is_traced, conditions):
        x = unless(jnp.all(condition), x)
    return x


def unless(right, x):
    """x, or NaN all over where something is not right; integers have no such value and stay."""
    if right is True or not jnp.issubdtype(x.dtype, jnp.floating):
        return x
    return jnp.where(right, x, jnp.nan)


# Shapes

def shuffled(op, x):
    x = jnp.transpose(x, (*op.shuffle, *op.drop))
    lengths = iter(x.shape)
    return x.reshape([1 if axis == 'x' else next(lengths) for axis in op.new_order])


def split(op, x, axis, lengths):
    return tuple(jnp.split(x, np.cumsum(lengths)[:-1], int(axis)))


def batched_product(op, x, y):
    rows, columns = 'i'[3 - x.ndim:], 'k'[3 - y.ndim:]  # of a matrix each, or of a vector
    return jnp.einsum(f'n{rows}j,nj{columns}->n{rows}{columns}', x, y, precision=PRECISION)


# Indices. Negative ones count from the end. JAX takes one that is out of bounds for the nearest, or
# leaves it out, without a word; here the result is NaN, which recipes stop at.

def taken(op, x, *index):
    place, x = place_of(op, index), jnp.asarray(x)
    return unless(is_inside(place, x.shape), x[place])


def put(op, x, y, *index):
    place, x = place_of(op, index), jnp.asarray(x)
    right = is_inside(place, x.shape)
    if op.set_instead_of_inc:
        return unless(right, x.at[place].set(y))
    if all(isinstance(part, slice) and (part.step or 1) > 0 for part in place):
        return added_to_part(x, y, place)
    return unless(right, x.at[place].add(y))


def place_of(op, values):
    """Convert an index to what numpy takes, a tuple."""
    parts = (subtensor.get_idx_list([None, *values], op.idx_list) if hasattr(op, 'idx_list')
             else values)
    return tuple(slice(*(bound if bound is None else int(bound)
                         for bound in (part.start, part.stop, part.step)))
                 if isinstance(part, slice) else part for part in parts)


def is_inside(place, shape):
    """Tell whether an index is within bounds: True, or what JAX traces.

    Raises:
        IndexError: one that is known is not.
    """
    inside = []
    for part, length in zip([part for part in place if part is not None], shape):
        if isinstance(part, slice):
            continue
        right = ((part >= -length) & (part < length)).all()
        if is_traced(right):
            inside.append(right)
        elif not right:
            raise IndexError(f'index {part} is out of bounds for {length} elements')
    return reduce(jnp.logical_and, inside, True)


def added_to_part(x, y, place):
    """Add y to a part of x, the gradient of such a part: padded, as a sum is fused, and a scatter
    is not, and slow where it is to be deterministic."""
    parts = [range(*part.indices(length)) for part, length
             in zip([*place, *[slice(None)] * (x.ndim - len(place))], x.shape)]
    y = jnp.broadcast_to(y, [len(part) for part in parts])
    return x + lax.pad(y.astype(x.dtype), np.array(0, x.dtype), [
        (part.start, length - part[-1] - 1, part.step - 1) if part else (length, 0, 0)
        for part, length in zip(parts, x.shape)])


def inner_graph(op, *inputs):
    graph = FunctionGraph(op.local_inputs, op.local_outputs, clone=True)
    return evaluate(graph.toposort(), graph.outputs, dict(zip(graph.inputs, inputs)))


RULES = {
    compile_ops.Shape: lambda op, x: np.array(np.shape(x), 'int64'),
    compile_ops.Shape_i: lambda op, x: np.array(np.shape(x)[op.i], 'int64'),
    **dict.fromkeys([compile_ops.ViewOp, compile_ops.DeepCopyOp, compile_ops.Rebroadcast,
                     compile_ops.SpecifyShape, extra_ops.CpuContiguous, basic.TensorFromScalar,
                     basic.ScalarFromTensor], lambda op, x, *rest: x),
    basic.Reshape: lambda op, x, shape: jnp.reshape(x, integers(shape)),
    basic.Alloc: lambda op, x, *shape: jnp.broadcast_to(x, integers(shape)),
    basic.AllocEmpty: lambda op, *shape: jnp.zeros(integers(shape), op.dtype),
    basic.ARange: lambda op, *limits: jnp.arange(*(limit.item() for limit in limits)),
    basic.Eye: lambda op, *numbers: jnp.eye(*integers(numbers)),
    basic.Join: lambda op, axis, *parts: jnp.concatenate(parts, int(axis)),
    basic.Split: split,
    tensor_opt.MakeVector: lambda op, *numbers: jnp.stack([jnp.asarray(one) for one in numbers]),
    type_other.MakeSlice: lambda op, *bounds: slice(*bounds),
    extra_ops.RepeatOp: lambda op, x, times: jnp.repeat(x, times, op.axis),
    elemwise.DimShuffle: shuffled, elemwise.CAReduce: reduction, tensor_opt.Assert: assertion,
    basic.MaxAndArgmax: max_and_argmax, basic.Argmax: lambda op, x: max_and_argmax(op, x)[1],
    **dict.fromkeys([subtensor.Subtensor, subtensor.AdvancedSubtensor,
                     subtensor.AdvancedSubtensor1], taken),
    **dict.fromkeys([subtensor.IncSubtensor, subtensor.AdvancedIncSubtensor,
                     subtensor.AdvancedIncSubtensor1], put),
    basic.Dot: lambda op, x, y: jnp.dot(x, y, precision=PRECISION),
    BatchedDot: batched_product, OpFromGraph: inner_graph, **layer_rules.RULES}
