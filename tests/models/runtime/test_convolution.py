"""The archive's convolutions against Theano's own, and when they are taken."""

from models.runtime import start
from models.runtime.convolution import Back, Forward, KernelPoints, Patches, PatchesBack, Weights

import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.nonlinearities import rectify

from modifiedbackprop import GuidedBackprop, ZeilerBackprop

DIRECT = theano.compile.get_default_mode().excluding('archive')


def taken(function, *kinds):
    return sum(isinstance(node.op, kinds or (Forward, Back, Weights))
               for node in function.maker.fgraph.toposort())


def compile_both(channels, filters, pad, flip=False, dtype='float32', size=(3, 3), stride=(1, 1)):
    """Return (ours, Theano's) functions: (x, kernels, gradient above) -> (y, gradients of x and of
    the kernels)."""
    x, kernels, above = (T.TensorType(dtype, (False,) * 4)() for _ in range(3))
    y = T.nnet.conv2d(x, kernels, filter_shape=(filters, channels, *size), border_mode=pad,
                      filter_flip=flip, subsample=stride)
    outputs = [y, *T.grad(None, [x, kernels], known_grads={y: above})]
    return [theano.function([x, kernels, above], outputs, mode=mode) for mode in (None, DIRECT)]


def numbers(*shapes, seed=0):
    random = np.random.RandomState(seed)
    return [random.normal(size=shape).astype('float32') for shape in shapes]


def assert_close(found, expected, tolerance):
    for one, other in zip(found, expected):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


@pytest.fixture(scope='module')
def functions():
    """Return a function that compiles once for each (channels, filters, pad, ...)."""
    compiled = {}

    def get(*case, **options):
        key = case, tuple(options.items())
        if key not in compiled:
            compiled[key] = compile_both(*case, **options)
        return compiled[key]

    return get


@pytest.mark.parametrize('batch, size', [
    (1, (32, 32)), (2, (29, 31)), (3, (17, 50)), (1, (64, 4)), (60, (3, 3)), (60, (1, 1)),
    (60, (2, 5)), (1, (6, 300)), (1, (300, 5)), (1, (5, 6)), (2, (1, 1)), (1, (90, 130)),
    (5, (12, 12))])
@pytest.mark.parametrize('case', [(8, 16, 'half'), (9, 11, 'full', True), (17, 8, 'valid'),
                                  (8, 13, (2, 0))])
def test_winograd_is_the_direct_convolution(functions, batch, size, case):
    channels, filters, pad, *_ = case
    zeros = {'half': (1, 1), 'full': (2, 2), 'valid': (0, 0)}.get(pad, pad)
    size = [max(length, 3 - 2 * zero) for length, zero in zip(size, zeros)]  # something is left
    shape = [length + 2 * zero - 2 for length, zero in zip(size, zeros)]
    ours, direct = functions(*case)
    assert taken(ours) == 3 and taken(direct) == 0
    inputs = numbers((batch, channels, *size), (filters, channels, 3, 3),
                     (batch, filters, *shape))
    # Measured: at most 2e-6 on these numbers.
    assert_close(ours(*inputs), direct(*inputs), 5e-6)


@pytest.mark.parametrize('size', [(40, 37), (11, 7), (23, 64)])
@pytest.mark.parametrize('channels, filters, pad, options', [
    (3, 16, 'half', {}), (16, 3, 'half', {}), (3, 8, 'full', {'flip': True}),
    (3, 7, (3, 3), {'size': (7, 7), 'stride': (2, 2)}), (20, 9, 'valid', {'size': (1, 1)}),
    (20, 9, (2, 1), {'size': (1, 1), 'stride': (2, 3)}), (8, 8, (1, 1), {'stride': (2, 2)}),
    (4, 5, (0, 3), {'size': (5, 2), 'stride': (3, 1), 'flip': True}),
    (3, 4, 'valid', {'size': (11, 7), 'stride': (4, 4)}), (6, 4, (5, 0), {'size': (2, 3)})])
def test_patches_are_the_direct_convolution(functions, size, channels, filters, pad, options):
    ours, direct = functions(channels, filters, pad, **options)
    assert taken(ours, Patches, PatchesBack) == 2 and taken(direct, Patches, PatchesBack) == 0
    x, kernels = numbers((3, channels, *size), (filters, channels, *options.get('size', (3, 3))))
    shape = T.nnet.abstract_conv.get_conv_output_shape(
        x.shape, kernels.shape, pad, options.get('stride', (1, 1)))
    (above,) = numbers(shape, seed=1)
    # The same products, summed in another order.
    assert_close(ours(x, kernels, above), direct(x, kernels, above), 2e-6)


@pytest.mark.parametrize('channels', [3, 8])
def test_arrays_need_not_be_contiguous(functions, channels):
    ours, direct = functions(channels, 16, 'half')
    x, kernels, above = numbers((1, channels, 60, 70), (16, channels, 3, 6), (1, 16, 30, 35))
    inputs = x[:, :, ::2, ::-2], kernels[..., ::2], above.transpose(0, 1, 3, 2).copy().transpose(
        0, 1, 3, 2)
    assert_close(ours(*inputs), direct(*inputs), 5e-6)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize('where', ['input', 'kernels'])
@pytest.mark.parametrize('channels', [3, 8])
def test_what_is_not_finite_directly_is_not_finite_here(functions, value, where, channels):
    ours, direct = functions(channels, 16, 'half')
    x, kernels, above = numbers((1, channels, 40, 40), (16, channels, 3, 3), (1, 16, 40, 40))
    if where == 'input':
        x[0, 2, 17, 22] = above[0, 5, 30, 9] = value
    else:
        kernels[4, 2, 1, 0] = value
    for found, expected in zip(ours(x, kernels, above)[:2], direct(x, kernels, above)):
        assert not np.isfinite(expected).all()
        assert not np.isfinite(found[~np.isfinite(expected)]).any()


@pytest.mark.parametrize('case', [(8, 16, 'half'), (3, 16, 'half')])
def test_the_same_input_gives_the_same_bytes(functions, case):
    ours, _ = functions(*case)
    inputs = numbers((2, case[0], 70, 40), (16, case[0], 3, 3), (2, 16, 70, 40))
    first, again = ours(*inputs), ours(*inputs)
    for one, two in zip(first, again):
        assert one.tobytes() == two.tobytes()


def test_the_number_of_threads_changes_no_byte(python):
    code = ('import models, numpy as np, theano, theano.tensor as T, hashlib\n'
            'x, k = T.tensor4s("xk")\n'
            'few = theano.gradient.disconnected_grad(k[:, :3])  # its gradient is Theano\'s\n'
            'first = T.nnet.conv2d(x, few, filter_shape=(8, 3, 3, 3), border_mode="half")\n'
            'y = T.nnet.conv2d(first, k, filter_shape=(8, 8, 3, 3), border_mode="half")\n'
            'f = theano.function([x, k], [y, *T.grad((y ** 2).sum(), [x, k])])\n'
            'random = np.random.RandomState(0)\n'
            'a, b = (random.normal(size=s).astype("f") for s in ((2, 3, 70, 50), (8, 8, 3, 3)))\n'
            'print(hashlib.sha256(b"".join(o.tobytes() for o in f(a, b))).hexdigest())')
    one, two = (python('-c', code, OMP_NUM_THREADS=count).stdout for count in '12')
    assert one == two != ''


def test_kernels_that_changed_are_transformed_anew():
    kernels = theano.shared(*numbers((8, 8, 3, 3)))
    x = T.tensor4()
    function = theano.function([x], T.nnet.conv2d(x, kernels, filter_shape=(8, 8, 3, 3)))
    assert taken(function, KernelPoints) == 1
    (picture,) = numbers((1, 8, 12, 12), seed=1)
    before = function(picture).copy()
    kernels.get_value(borrow=True)[3, 2] *= 2   # behind Theano's back
    after = function(picture)
    np.testing.assert_allclose(after[:, 3] - before[:, 3],
                               one_channel(picture, kernels.get_value()[3, 2] / 2), atol=1e-4)
    np.testing.assert_array_equal(np.delete(after, 3, 1), np.delete(before, 3, 1))


def one_channel(picture, kernel):
    """Return channel 2 of a picture convolved with a kernel, by loops."""
    kernel, x = kernel[::-1, ::-1], picture[:, 2]
    rows, columns = x.shape[1] - 2, x.shape[2] - 2
    return sum(kernel[i, j] * x[:, i:i + rows, j:j + columns] for i in range(3) for j in range(3))


def test_the_blas_has_its_threads_back(functions):
    before = start.blas_threads()
    for channels in (3, 8):
        ours, _ = functions(channels, 16, 'half')
        ours(*numbers((1, channels, 40, 40), (16, channels, 3, 3), (1, 16, 40, 40)))
    assert start.blas_threads() == before


@pytest.mark.parametrize('rule', [None, GuidedBackprop, ZeilerBackprop])
@pytest.mark.parametrize('channels', [3, 8])
def test_bias_and_rectifiers_are_fused_and_stay_what_they_are(rule, channels):
    random = np.random.RandomState(0)
    first, second = (theano.shared(random.normal(size=(8, count, 3, 3)).astype('float32'))
                     for count in (channels, 8))
    biases = [theano.shared(random.normal(size=8).astype('float32'), 'bias') for _ in range(2)]
    activation = rule(rectify) if rule else rectify
    x = T.tensor4()
    y = activation(T.nnet.conv2d(x, first, filter_shape=(8, channels, 3, 3), border_mode='half')
                   + biases[0].dimshuffle('x', 0, 'x', 'x'))
    y = activation(T.nnet.conv2d(y, second, filter_shape=(8, 8, 3, 3), border_mode='half')
                   + biases[1].dimshuffle('x', 0, 'x', 'x'))
    weight = T.tensor4()
    outputs = [y, T.grad((y * weight).sum(), x)]
    ours, direct = (theano.function([x, weight], outputs, mode=mode) for mode in (None, DIRECT))
    nodes = ours.maker.fgraph.toposort()
    assert all(node.op.rectified and node.inputs[2].name == 'bias' for node in nodes
               if isinstance(node.op, (Forward, Patches)))
    masks = [(node.op.masked, node.op.itself) for node in nodes
             if isinstance(node.op, (Back, PatchesBack))]
    assert masks == [{None: (1, 0), GuidedBackprop: (1, 1), ZeilerBackprop: (0, 1)}[rule]] * 2
    inputs = numbers((2, channels, 21, 34), (2, 8, 21, 34), seed=1)
    assert_close(ours(*inputs), direct(*inputs), 5e-6)


def test_what_is_wanted_before_the_rectifier_is_there():
    x = T.tensor4()
    kernels = theano.shared(*numbers((8, 8, 3, 3)))
    convolved = T.nnet.conv2d(x, kernels, filter_shape=(8, 8, 3, 3))
    ours, direct = (theano.function([x], [convolved, rectify(convolved)], mode=mode)
                    for mode in (None, DIRECT))
    inputs = numbers((1, 8, 20, 20), seed=1)
    assert_close(ours(*inputs), direct(*inputs), 5e-6)


@pytest.mark.parametrize('options', [
    {'filter_shape': (8, 8, 5, 5)}, {'filter_shape': (8, 8, 3, 3), 'subsample': (2, 2)},
    {'filter_shape': (8, 3, 3, 3)}, {'filter_shape': (4, 8, 3, 3)}, {'filter_shape': None},
    {'filter_shape': (8, 8, 3, 3), 'filter_dilation': (2, 2)},
    {'filter_shape': (8, 8, 3, 3), 'num_groups': 2}, {'filter_shape': (8, 8, 3, 3),
                                                      'border_mode': (3, 3)}])
def test_winograd_leaves_other_convolutions_alone(options):
    x, kernels = T.tensor4s('xk')
    y = T.nnet.conv2d(x, kernels, **options)
    assert taken(theano.function([x, kernels], [y, T.grad(y.sum(), x)])) == 0


def test_float64_is_left_alone():
    kinds = (Forward, Back, Weights, Patches, PatchesBack)
    for channels in (3, 8):
        assert all(taken(function, *kinds) == 0
                   for function in compile_both(channels, 8, 'half', dtype='float64'))


@pytest.mark.parametrize('channels', [3, 8])
def test_wrong_channels_are_an_error(functions, channels):
    ours, _ = functions(channels, 16, 'half')
    x, kernels, above = numbers((1, 9, 40, 40), (16, channels, 3, 3), (1, 16, 40, 40))
    with pytest.raises(ValueError, match=f'kernels for {channels} channels got 9'):
        ours(x, kernels, above)


@pytest.mark.parametrize('channels', [3, 8])
def test_too_small_pictures_are_an_error(functions, channels):
    ours, _ = functions(channels, 16, 'valid')
    x, kernels, above = numbers((1, channels, 2, 9), (16, channels, 3, 3), (1, 16, 1, 7))
    with pytest.raises(ValueError, match='pictures of 2x9, too small for its padding'):
        ours(x, kernels, above)


@pytest.mark.parametrize('method, flags, count', [('direct', '', 0), ('', '', 3),
                                                  ('winograd', '', 3),
                                                  ('', 'blas__ldflags=', 0)])
def test_the_environment_turns_it_off(python, method, flags, count):
    code = ('import models, theano, theano.tensor as T\n'
            'from models.runtime.native import NativeOp\n'
            'x, k = T.tensor4s("xk")\n'
            'y = T.nnet.conv2d(x, k, filter_shape=(8, 8, 3, 3))\n'
            'f = theano.function([x, k], [y, T.grad(y.sum(), x)])\n'
            'print(sum(isinstance(node.op, NativeOp) for node in f.maker.fgraph.toposort()))')
    assert python('-c', code, ARCHIVE_CONVOLUTION=method,
                  THEANO_FLAGS=flags).stdout.strip() == str(count)


def test_another_method_is_one_line_and_status_2(python):
    run = python('-c', 'import models', ARCHIVE_CONVOLUTION='fft')
    assert run.returncode == 2
    assert run.stderr == "error: ARCHIVE_CONVOLUTION is 'fft'; it must be winograd or direct\n"


def test_functions_share_what_they_keep_of_the_same_kernels(python):
    code = ('import models, numpy as np, theano, theano.tensor as T, resource\n'
            'x = T.tensor4()\n'
            'kernels = theano.shared(np.zeros((512, 1024, 3, 3), "float32"))\n'
            'y = T.nnet.conv2d(x, kernels, filter_shape=(512, 1024, 3, 3))\n'
            'functions = [theano.function([x], y + number) for number in range(3)]\n'
            'picture, peaks = np.zeros((1, 1024, 8, 8), "float32"), []\n'
            'for function in functions:\n'
            '    function(picture)\n'
            '    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n'
            'print(peaks[2] - peaks[0])')
    grown = int(python('-c', code).stdout)
    assert grown < 30000  # kB; the points and a copy of these kernels are 94 000
