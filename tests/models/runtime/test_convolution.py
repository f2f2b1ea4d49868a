"""The Winograd convolution against the direct one, and when it is taken."""

import numpy as np
import pytest
import theano
import theano.tensor as T

from models.runtime import start
from models.runtime.convolution import Winograd

DIRECT = theano.compile.get_default_mode().excluding('archive_winograd',
                                                     'archive_winograd_gradient')


def taken(function):
    return sum(isinstance(node.op, Winograd) for node in function.maker.fgraph.toposort())


def compile_both(channels, filters, pad, flip=False, dtype='float32'):
    """Return (Winograd, direct) functions: (x, kernels, gradient above) -> (y, gradient of x)."""
    x, kernels, above = (T.TensorType(dtype, (False,) * 4)() for _ in range(3))
    y = T.nnet.conv2d(x, kernels, filter_shape=(filters, channels, 3, 3), border_mode=pad,
                      filter_flip=flip)
    outputs = [y, T.grad(None, x, known_grads={y: above})]
    return [theano.function([x, kernels, above], outputs, mode=mode) for mode in (None, DIRECT)]


def numbers(*shapes, seed=0):
    random = np.random.RandomState(seed)
    return [random.normal(size=shape).astype('float32') for shape in shapes]


@pytest.fixture(scope='module')
def functions():
    """Return a function that compiles once for each (channels, filters, pad, flip)."""
    compiled = {}

    def get(*case):
        if case not in compiled:
            compiled[case] = compile_both(*case)
        return compiled[case]

    return get


# More than 48 tiles go through the transforms, fewer are multiplied directly.
@pytest.mark.parametrize('batch, size', [
    (1, (32, 32)), (2, (29, 31)), (3, (17, 50)), (1, (64, 4)), (60, (3, 3)), (60, (1, 1)),
    (60, (2, 5)), (1, (6, 300)), (1, (300, 5)), (1, (5, 6)), (2, (1, 1))])
@pytest.mark.parametrize('case', [(8, 16, 'half'), (9, 11, 'full', True), (17, 8, 'valid'),
                                  (8, 13, (2, 0))])
def test_it_is_the_direct_convolution(functions, batch, size, case):
    channels, filters, pad, *_ = case
    zeros = {'half': (1, 1), 'full': (2, 2), 'valid': (0, 0)}.get(pad, pad)
    size = [max(length, 3 - 2 * zero) for length, zero in zip(size, zeros)]  # something is left
    shape = [length + 2 * zero - 2 for length, zero in zip(size, zeros)]
    ours, direct = functions(*case)
    assert taken(ours) == 2 and taken(direct) == 0
    inputs = numbers((batch, channels, *size), (filters, channels, 3, 3),
                     (batch, filters, *shape))
    for found, expected in zip(ours(*inputs), direct(*inputs)):
        assert found.shape == expected.shape
        # Measured: at most 7e-6 on these numbers; the transforms' factors reach 8 and 1/24.
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_arrays_need_not_be_contiguous(functions):
    ours, direct = functions(8, 16, 'half')
    x, kernels, above = numbers((1, 8, 60, 70), (16, 8, 3, 6), (1, 16, 30, 35))
    inputs = x[:, :, ::2, ::-2], kernels[..., ::2], above.transpose(0, 1, 3, 2).copy().transpose(
        0, 1, 3, 2)
    for found, expected in zip(ours(*inputs), direct(*inputs)):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('where', ['input', 'kernels'])
def test_what_is_not_finite_directly_is_not_finite_here(functions, value, where):
    ours, direct = functions(8, 16, 'half')
    x, kernels, above = numbers((1, 8, 40, 40), (16, 8, 3, 3), (1, 16, 40, 40))
    if where == 'input':
        x[0, 3, 17, 22] = above[0, 5, 30, 9] = value
    else:
        kernels[4, 2, 1, 0] = value
    for found, expected in zip(ours(x, kernels, above), direct(x, kernels, above)):
        assert not np.isfinite(expected).all()
        assert not np.isfinite(found[~np.isfinite(expected)]).any()


def test_the_same_input_gives_the_same_bytes(functions):
    ours, _ = functions(8, 16, 'half')
    inputs = numbers((2, 8, 40, 40), (16, 8, 3, 3), (2, 16, 40, 40))
    first, again = ours(*inputs), ours(*inputs)
    for one, two in zip(first, again):
        assert one.tobytes() == two.tobytes()


def test_the_blas_has_its_threads_back(functions):
    ours, _ = functions(8, 16, 'half')
    before = start.blas_threads()
    ours(*numbers((1, 8, 40, 40), (16, 8, 3, 3), (1, 16, 40, 40)))
    assert start.blas_threads() == before


@pytest.mark.parametrize('options', [
    {'filter_shape': (8, 8, 5, 5)}, {'filter_shape': (8, 8, 3, 3), 'subsample': (2, 2)},
    {'filter_shape': (8, 3, 3, 3)}, {'filter_shape': (4, 8, 3, 3)}, {'filter_shape': None},
    {'filter_shape': (8, 8, 3, 3), 'filter_dilation': (2, 2)},
    {'filter_shape': (8, 8, 3, 3), 'num_groups': 2}, {'filter_shape': (8, 8, 3, 3),
                                                      'border_mode': (3, 3)}])
def test_other_convolutions_are_left_alone(options):
    x, kernels = T.tensor4s('xk')
    y = T.nnet.conv2d(x, kernels, **options)
    assert taken(theano.function([x, kernels], [y, T.grad(y.sum(), x)])) == 0


def test_float64_is_left_alone():
    assert all(taken(function) == 0 for function in compile_both(8, 8, 'half', dtype='float64'))


def test_wrong_channels_are_an_error(functions):
    ours, _ = functions(8, 16, 'half')
    x, kernels, above = numbers((1, 9, 40, 40), (16, 8, 3, 3), (1, 16, 40, 40))
    with pytest.raises(ValueError, match='pictures of 9 channels and kernels'):
        ours(x, kernels, above)


@pytest.mark.parametrize('method, flags, count', [('direct', '', 0), ('', '', 2),
                                                  ('winograd', '', 2),
                                                  ('', 'blas__ldflags=', 0)])
def test_the_environment_turns_it_off(python, method, flags, count):
    code = ('import models, theano, theano.tensor as T\n'
            'from models.runtime.convolution import Winograd\n'
            'x, k = T.tensor4s("xk")\n'
            'y = T.nnet.conv2d(x, k, filter_shape=(8, 8, 3, 3))\n'
            'f = theano.function([x, k], [y, T.grad(y.sum(), x)])\n'
            'print(sum(isinstance(node.op, Winograd) for node in f.maker.fgraph.toposort()))')
    assert python('-c', code, ARCHIVE_CONVOLUTION=method,
                  THEANO_FLAGS=flags).stdout.strip() == str(count)


def test_another_method_is_one_line_and_status_2(python):
    run = python('-c', 'import models', ARCHIVE_CONVOLUTION='fft')
    assert run.returncode == 2
    assert run.stderr == "error: ARCHIVE_CONVOLUTION is 'fft'; it must be winograd or direct\n"
