"""Each mend of Theano, by what was wrong without it."""

import importlib

import models  # noqa: F401
from models.runtime import theano_mends

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.link.c.cmodule import GCC_compiler
from theano.tensor.elemwise import Elemwise
from theano.tensor.nnet.corr import CorrMM
from theano.tensor.nnet.corr3d import Corr3dMM
from theano.tensor.signal import pool


def test_openmp_compiles():
    x, y = T.matrices('xy')
    add = theano.function([x, y], Elemwise(theano.scalar.add, openmp=True)(x, y))
    values = np.linspace(0, 1, 300).reshape(10, 30).astype('float32')
    np.testing.assert_array_equal(add(values, values), 2 * values)


def test_one_op_leaves_the_compiler_flags_of_the_others_alone():
    before = T.blas.Gemm(inplace=False).c_compile_args()
    for convolution in CorrMM(openmp=True), Corr3dMM(openmp=True):
        flags = convolution.c_compile_args(c_compiler=GCC_compiler)
        assert flags == [*before, '-fopenmp']
    assert T.blas.Gemm(inplace=False).c_compile_args() == before and '-fopenmp' not in before


def test_a_second_process_compiles_nothing(python, tmp_path):
    code = ('import models, theano, theano.tensor as T, numpy\n'
            'from theano.link.c.cmodule import GCC_compiler\n'
            'compiled, original = [], GCC_compiler.compile_str\n'
            'def compile_str(*arguments, **options):\n'
            '    compiled.append(arguments)\n'
            '    return original(*arguments, **options)\n'
            'GCC_compiler.compile_str = compile_str\n'
            'x = T.matrix()\n'
            'theano.function([x], x.dimshuffle(1, 0, "x"))\n'
            'print(len(compiled))')
    flags = f'base_compiledir={tmp_path}'
    counts = [int(python('-c', code, THEANO_FLAGS=flags, PYTHONHASHSEED=seed).stdout)
              for seed in ('1', '2')]
    assert counts[0] > 0 and counts[1] == 0


def first_maxima(x, size, stride, pad):
    """Return, for each window, the flat index in x of its first maximum in row order."""
    rows, columns = x.shape
    switches = []
    for top in range(-pad, rows + pad - size + 1, stride):
        for left in range(-pad, columns + pad - size + 1, stride):
            inside = [(r, c) for r in range(top, top + size) for c in range(left, left + size)
                      if 0 <= r < rows and 0 <= c < columns]
            r, c = max(inside, key=lambda place: x[place])  # max keeps the first of equals
            switches.append(r * columns + c)
    return np.array(switches)


@pytest.mark.parametrize('size, stride, pad', [(2, 2, 0), (3, 2, 0), (3, 2, 1)])
def test_pooling_has_one_switch_a_window(size, stride, pad):
    random = np.random.RandomState(0)
    x = random.randint(0, 3, (7, 9)).astype('float32')  # few values: ties in nearly every window
    x[:4, :4] = 0
    switches = first_maxima(x, size, stride, pad)
    image = T.tensor4()
    pooled = pool.pool_2d(image, (size, size), True, (stride, stride), (pad, pad), 'max')
    weights = T.tensor4()
    gradient = T.grad(None, image, known_grads={pooled: weights})
    direction = T.tensor4()
    forward = T.grad((gradient * direction).sum(), weights)  # the transpose of the gradient
    function = theano.function([image, weights, direction], [pooled, gradient, forward])
    g = random.uniform(-1, 1, len(switches)).astype('float32')
    d = random.uniform(-1, 1, x.shape).astype('float32')
    shape = (1, 1, (7 + 2 * pad - size) // stride + 1, (9 + 2 * pad - size) // stride + 1)
    maxima, back, there = function(x[None, None], g.reshape(shape), d[None, None])

    expected = np.bincount(switches, g, x.size).reshape(x.shape)
    np.testing.assert_array_equal(maxima.ravel(), x.ravel()[switches])
    np.testing.assert_allclose(back[0, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(there.ravel(), d.ravel()[switches])


def mean_of_windows(x, size, stride, pad, count_padding):
    """Return (means, their Jacobian (windows, pixels of x)) of one plane, window by window."""
    (rows, columns), (height, width), (down, right), (above, left) = x.shape, size, stride, pad
    means, jacobian = [], []
    for top in range(-above, rows + above - height + 1, down):
        for start in range(-left, columns + left - width + 1, right):
            inside = np.zeros(x.shape)
            inside[max(top, 0):max(top + height, 0), max(start, 0):max(start + width, 0)] = 1
            jacobian.append(inside / (height * width if count_padding else inside.sum()))
            means.append((jacobian[-1] * x).sum())
    return np.array(means), np.array(jacobian).reshape(len(means), -1)


@pytest.mark.parametrize('mode', ['average_exc_pad', 'average_inc_pad'])
@pytest.mark.parametrize('size, stride, pad', [
    ((3, 3), (1, 1), (1, 1)), ((3, 3), (2, 2), (1, 1)), ((2, 3), (3, 1), (1, 2)),
    ((5, 4), (2, 3), (4, 0)), ((2, 2), (2, 2), (0, 0)), ((7, 9), (1, 1), (3, 4))])
def test_mean_pooling_with_padding_has_a_gradient(mode, size, stride, pad):
    random = np.random.RandomState(0)
    x = random.normal(size=(7, 9))
    means, jacobian = mean_of_windows(x, size, stride, pad, mode == 'average_inc_pad')
    g, direction = random.normal(size=len(means)), random.normal(size=x.shape)
    shape = [(length + 2 * p - s) // step + 1
             for length, p, s, step in zip(x.shape, pad, size, stride)]
    image, weights, other = T.dtensor4s(3)
    pooled = pool.pool_2d(image, size, True, stride, pad, mode)
    gradient = T.grad(None, image, known_grads={pooled: weights})
    forward = T.grad((gradient * other).sum(), weights)  # the transpose of the gradient
    found, back, there = theano.function([image, weights, other], [pooled, gradient, forward])(
        x[None, None], g.reshape(1, 1, *shape), direction[None, None])
    np.testing.assert_allclose(found.ravel(), means, atol=1e-12)
    np.testing.assert_allclose(back.ravel(), g @ jacobian, atol=1e-12)
    np.testing.assert_allclose(there.ravel(), jacobian @ direction.ravel(), atol=1e-12)


@pytest.mark.parametrize('leakiness', [0, 0.25])
def test_relu_is_exact_at_and_below_zero(leakiness):
    x = T.vector()
    y = T.nnet.relu(x, leakiness)
    function = theano.function([x], [y, T.grad(y.sum(), x)])
    values = np.array([-2, -0., 0, 3, np.inf, np.nan, -np.inf], 'float32')
    output, gradient = function(values)
    below = [-2 * leakiness, 0, 0]
    np.testing.assert_array_equal(output[:6], below + [3, np.inf, np.nan])
    assert output[6] == (-np.inf if leakiness else 0)
    np.testing.assert_array_equal(gradient[:5], [leakiness] * 3 + [1, 1])


def test_relu_with_a_symbolic_slope_is_theanos_own():
    x, slope = T.vector(), T.scalar()
    value = T.nnet.relu(x, slope).eval({x: np.array([-2, 4], 'float32'), slope: 0.5})
    np.testing.assert_array_equal(value, [-1, 4])


@pytest.mark.parametrize('name', [
    'theano.tensor.signal.downsample', 'theano.tensor.shared_randomstreams', 'theano.sandbox.cuda',
    'theano.sandbox.cuda.dnn', 'theano.sandbox.cuda.basic_ops', 'theano.sandbox.neighbours',
    'theano.scan_module.scan_utils', 'theano.compat.python2x', 'theano.gof', 'theano.gof.graph',
    'theano.gof.opt', 'theano.gof.op'])
def test_moved_modules_import_under_their_old_names(name):
    assert importlib.import_module(name).__name__ == name


def test_moved_names_are_back():
    from theano.sandbox.neighbours import images2neibs
    from theano.sandbox.rng_mrg import MRG_RandomStreams
    from theano.scan_module import until

    assert MRG_RandomStreams(1).uniform((2,)).eval().shape == (2,)
    assert isinstance(T.scalar(), theano.Variable) and theano.gof.Variable is theano.Variable
    assert theano.OpFromGraph is theano.compile.OpFromGraph is theano.compile.builders.OpFromGraph
    assert callable(images2neibs) and callable(until)
    assert theano.Op is theano.gof.Op is theano.gof.op.Op
    assert callable(theano.gof.local_optimizer) and callable(theano.gof.opt.local_optimizer)


def test_gof_walks_graphs_into_lists():
    x, y = T.vectors('xy')
    z = T.exp(x) + y
    assert theano.gof.graph.inputs([z]) == [x, y]
    assert set(theano.gof.graph.ancestors([z])) >= {x, y, z}
    assert set(theano.gof.graph.variables([x], [z])) == {x, y, z, z.owner.inputs[0]}
    assert theano.gof.graph.orphans([x], [z]) == [y]
    assert [node.op for node in theano.gof.graph.ops([x, y], [z])] == [z.owner.op,
                                                                       T.exp(x).owner.op]


def test_gof_compares_graphs():
    x, y = T.vectors('xy')
    same = theano.gof.graph.is_same_graph
    assert same(T.exp(x) + y, T.exp(x) + y) and not same(T.exp(x) + y, T.exp(y) + y)
    assert issubclass(theano.gof.EquilibriumOptimizer, theano.gof.Optimizer)


def test_cuda_is_as_on_a_machine_without_it():
    cuda = theano.sandbox.cuda
    assert cuda.cuda_enabled is False and cuda.cuda_available is False
    assert cuda.dnn.dnn_available() is False and 'gone' in cuda.dnn.dnn_available.msg
    x = T.vector()
    assert cuda.basic_ops.gpu_contiguous(x) is x
    with pytest.raises(OSError, match='gpu0 cannot be used; remove the line'):
        cuda.use('gpu0')


@pytest.mark.filterwarnings('ignore:.*deprecated:UserWarning')
@pytest.mark.parametrize('convolve', [T.nnet.conv2d, T.nnet.conv.conv2d])
def test_convolutions_take_the_arguments_of_their_time(convolve):
    random = np.random.RandomState(0)
    x, W = (random.uniform(-1, 1, shape).astype('float32')
            for shape in ((2, 3, 6, 5), (4, 3, 2, 3)))
    image, kernels = T.tensor4s(2)
    y = convolve(image, kernels, image_shape=x.shape, filter_shape=W.shape, border_mode='valid',
                 subsample=(2, 1))
    expected = sum(np.einsum('bcij,oc->boij', x[:, :, row:row + 5:2, column:column + 3],
                             W[:, :, 1 - row, 2 - column])
                   for row in range(2) for column in range(3))
    np.testing.assert_allclose(y.eval({image: x, kernels: W}), expected, atol=1e-5)


def test_random_streams_take_the_size_first():
    from theano.tensor.shared_randomstreams import RandomStreams

    streams = RandomStreams(seed=3)
    draw = theano.function([], [
        streams.uniform((400,), -1, 3), streams.normal(size=(400,), avg=5, std=0.5),
        streams.binomial((400,), n=1, p=0.25), streams.random_integers((400,), 2, 4)])
    uniform, normal, binomial, integers = draw()
    assert uniform.dtype == normal.dtype == 'float32' and binomial.dtype == 'int64'
    assert -1 <= uniform.min() < -0.8 and 2.8 < uniform.max() <= 3
    assert abs(normal.mean() - 5) < 0.1 and abs(normal.std() - 0.5) < 0.1
    assert set(binomial) == {0, 1} and abs(binomial.mean() - 0.25) < 0.1
    assert set(integers) == {2, 3, 4}
    assert not np.array_equal(draw()[0], uniform)  # the state goes on


def test_downsample_takes_the_arguments_of_its_time():
    from theano.tensor.signal import downsample

    image = T.tensor4()
    x = np.arange(16, dtype='float32').reshape(1, 1, 4, 4)
    pooled = downsample.max_pool_2d(image, ds=(2, 2), st=(2, 2), ignore_border=True,
                                    padding=(0, 0), mode='average_exc_pad')
    np.testing.assert_array_equal(pooled.eval({image: x})[0, 0], [[2.5, 4.5], [10.5, 12.5]])
    partial = downsample.max_pool_2d(image, (3, 3))  # whose partial windows count by default
    np.testing.assert_array_equal(partial.eval({image: x})[0, 0], [[10, 11], [14, 15]])
    op = downsample.DownsampleFactorMax((3, 3), ignore_border=True)
    np.testing.assert_array_equal(op(image).eval({image: x})[0, 0], [[10]])


@pytest.mark.parametrize('inline', [False, True])
def test_an_assigned_gradient_is_honoured(inline):
    x = T.vector()
    op = theano.OpFromGraph([x], [x * 2], inline=inline)
    op.grad = lambda inputs, gradients: (gradients[0] * 100 + inputs[0],)
    plain = theano.OpFromGraph([x], [x * 2], inline=inline)
    y = T.vector()
    function = theano.function([y], [op(y), T.grad(op(y).sum(), y), T.grad(plain(y).sum(), y)])
    output, assigned, own = function(np.array([1, 5], 'float32'))
    np.testing.assert_array_equal(output, [2, 10])
    np.testing.assert_array_equal(assigned, [101, 105])
    np.testing.assert_array_equal(own, [2, 2])


def test_a_subclass_gradient_is_honoured_wherever_it_is_imported_from():
    from theano.compile.builders import OpFromGraph

    class Hundredfold(OpFromGraph):
        def grad(self, inputs, gradients):
            return [gradients[0] * 100]

    x, y = T.vectors('xy')
    gradient = T.grad(Hundredfold([x], [x * 2])(y).sum(), y)
    np.testing.assert_array_equal(gradient.eval({y: np.float32([1, 5])}), [100, 100])


@pytest.mark.parametrize('axis', [1, -3])
def test_joins_have_short_shapes(axis):
    """A dimension is that of the first input and no switch between it and the sum over all."""
    tensors = T.tensor4s(4)
    node = T.join(axis, *tensors).owner
    shapes = [tuple(T.lscalars(4)) for _ in tensors]
    (found,) = node.op.infer_shape(None, node, [(), *shapes])
    assert [found[dimension] is shapes[0][dimension] for dimension in range(4)] == [
        True, False, True, True]
    assert theano.gof.graph.inputs([found[1]]) == [shape[1] for shape in shapes]


@pytest.mark.parametrize('axis', [0, 2, -1])
def test_joins_have_the_right_shapes(axis):
    values = [np.zeros([2 if number == axis % 3 else 4 for number in range(3)], 'float32'),
              np.zeros((4, 4, 4), 'float32')]
    a, b, position = T.tensor3(), T.tensor3(), T.iscalar()
    expected = np.concatenate(values, axis).shape
    known = theano.function([a, b], T.join(axis, a, b).shape)
    np.testing.assert_array_equal(known(*values), expected)
    unknown = theano.function([position, a, b], T.join(position, a, b).shape)
    np.testing.assert_array_equal(unknown(axis, *values), expected)


@pytest.mark.parametrize('index', [
    np.s_[None], np.s_[:, None], np.s_[1, None], np.s_[None, :, 1:], np.s_[..., None],
    np.s_[:, None, ..., 2]])
def test_new_axes_leave_the_axes_behind_them(index):
    x = np.arange(24.).reshape(2, 3, 4)
    expected = x[index]
    variable = T.as_tensor_variable(x)[index]
    assert variable.ndim == expected.ndim
    np.testing.assert_array_equal(variable.eval(), expected)


def test_rectify_takes_arrays_too():
    np.testing.assert_array_equal(theano_mends.rectify(np.array([-1., 2.])), [0, 2])


def test_inlining_does_not_copy_what_is_below():
    x, y = T.vectors('xy')
    op = theano.compile.builders.OpFromGraph([x], [T.tanh(x)], inline=True)
    node = op(T.exp(y)).owner
    (inlined,) = theano.compile.builders.inline_ofg_expansion.transform(None, node)
    assert inlined.owner.op == T.tanh(x).owner.op
    assert inlined.owner.inputs[0] is node.inputs[0]
    value = theano.function([y], op(T.sqr(y)))(np.array([0.5], 'float32'))
    np.testing.assert_allclose(value, np.tanh(0.25), rtol=1e-6)
