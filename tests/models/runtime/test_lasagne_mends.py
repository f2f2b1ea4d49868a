"""Lasagne 0.1 with the surface of 0.2, against slow numpy oracles."""

import models  # noqa: F401

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (
    BatchNormLayer,
    Conv2DLayer,
    DenseLayer,
    InputLayer,
    NonlinearityLayer,
    TransposedConv2DLayer,
    Upscale2DLayer,
    batch_norm,
    get_output,
)
from lasagne.layers.dnn import Conv2DDNNLayer, MaxPool2DDNNLayer, Pool2DDNNLayer


def correlate(x, W, stride=1, pad=0, groups=1):
    """Return the correlation of x (batch, in, rows, columns) with W (out, in / groups, r, c)."""
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    size = W.shape[2]
    outs, ins = W.shape[0] // groups, W.shape[1]
    rows, columns = ((n - size) // stride + 1 for n in x.shape[2:])
    y = np.zeros((len(x), len(W), rows, columns))
    for out in range(len(W)):
        seen = x[:, out // outs * ins:][:, :ins]
        for r in range(rows):
            for c in range(columns):
                patch = seen[:, :, r * stride:r * stride + size, c * stride:c * stride + size]
                y[:, out, r, c] = (patch * W[out]).sum(axis=(1, 2, 3))
    return y


def evaluate(layer, x, **options):
    variable = layer_input(layer).input_var
    return get_output(layer, **options).eval({variable: x})


def layer_input(layer):
    return lasagne.layers.get_all_layers(layer)[0]


def arrays(*shapes, seed=0):
    random = np.random.RandomState(seed)
    return [random.uniform(-1, 1, shape).astype('float32') for shape in shapes]


@pytest.mark.parametrize('stride, pad, groups, flip', [
    (1, 0, 1, True), (1, 1, 1, False), (2, 1, 1, True), (1, 2, 2, False)])
def test_convolution(stride, pad, groups, flip):
    x, W, b = arrays((2, 4, 6, 7), (6, 4 // groups, 3, 3), (6,))
    layer = Conv2DLayer(InputLayer((None, 4, None, None)), 6, 3, stride, pad, W=W, b=b,
                        nonlinearity=None, flip_filters=flip, num_groups=groups)
    kernel = W[:, :, ::-1, ::-1] if flip else W
    expected = correlate(x, kernel, stride, pad, groups) + b[None, :, None, None]
    result = evaluate(layer, x)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    known = layer.get_output_shape_for(x.shape)
    assert known == result.shape


def test_same_padding_keeps_the_size_and_refuses_even_filters():
    x, W = arrays((1, 2, 5, 6), (3, 2, 3, 3))
    layer = Conv2DLayer(InputLayer((None, 2, None, None)), 3, 3, pad='same', W=W, b=None,
                        nonlinearity=None, flip_filters=False)
    np.testing.assert_allclose(evaluate(layer, x), correlate(x, W, 1, 1), atol=1e-5)
    with pytest.raises(NotImplementedError):
        Conv2DLayer(InputLayer((None, 2, None, None)), 3, 4, pad='same')


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match='3 groups'):
        Conv2DLayer(InputLayer((None, 4, None, None)), 6, 3, num_groups=3)


def test_dnn_layers_run_anywhere_and_correlate():
    x, W = arrays((1, 2, 6, 6), (3, 2, 3, 3))
    net = InputLayer((None, 2, None, None))
    conv = Conv2DDNNLayer(net, 3, 3, pad=1, W=W, nonlinearity=None)
    expected = correlate(x, W, 1, 1)
    np.testing.assert_allclose(evaluate(conv, x), expected, atol=1e-5)
    windows = expected.reshape(1, 3, 3, 2, 3, 2)
    np.testing.assert_allclose(evaluate(MaxPool2DDNNLayer(conv, 2), x), windows.max((3, 5)),
                               atol=1e-5)
    mean = Pool2DDNNLayer(conv, 2, mode='average_exc_pad')
    np.testing.assert_allclose(evaluate(mean, x), windows.mean((3, 5)), atol=1e-5)


def test_transposed_convolution_is_the_transpose():
    x, W, y = arrays((1, 2, 7, 7), (3, 2, 3, 3), (1, 3, 4, 4))
    layer = TransposedConv2DLayer(InputLayer((None, 3, None, None)), 2, 3, stride=2, crop=1, W=W,
                                  b=None, nonlinearity=None, flip_filters=True)
    back = evaluate(layer, y)
    assert back.shape == x.shape == layer.get_output_shape_for(y.shape)
    there = correlate(x, W, 2, 1)
    np.testing.assert_allclose((there * y).sum(), (x * back).sum(), rtol=1e-4)


def test_upscale_repeats():
    x, = arrays((1, 2, 2, 3))
    layer = Upscale2DLayer(InputLayer((None, 2, None, None)), (2, 3))
    np.testing.assert_array_equal(evaluate(layer, x), x.repeat(2, axis=2).repeat(3, axis=3))


def test_batch_normalisation_trains_and_infers():
    x, = arrays((8, 3, 4, 4))
    layer = BatchNormLayer(InputLayer((None, 3, None, None)))
    image = layer.input_layer.input_var
    train = theano.function([image], get_output(layer))
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    normalised = (x - mean[:, None, None]) / np.sqrt(variance + 1e-4)[:, None, None]
    np.testing.assert_allclose(train(x), normalised, atol=1e-5)
    np.testing.assert_allclose(layer.mean.get_value(), 0.1 * mean, atol=1e-6)
    np.testing.assert_allclose(layer.inv_std.get_value(),
                               0.9 + 0.1 / np.sqrt(variance + 1e-4), atol=1e-5)
    infer = get_output(layer, deterministic=True).eval({image: x})
    running = layer.mean.get_value()[:, None, None], layer.inv_std.get_value()[:, None, None]
    np.testing.assert_allclose(infer, (x - running[0]) * running[1], atol=1e-5)


def test_batch_norm_goes_before_the_nonlinearity():
    layer = batch_norm(Conv2DLayer(InputLayer((None, 3, None, None), name='in'), 2, 3))
    assert isinstance(layer, NonlinearityLayer)
    assert isinstance(layer.input_layer, BatchNormLayer)
    assert layer.input_layer.input_layer.b is None
    assert layer.nonlinearity is lasagne.nonlinearities.rectify


def test_helpers_take_any_iterable():
    a = InputLayer((None, 2))
    net = {'a': a, 'b': DenseLayer(a, 3), 'c': NonlinearityLayer(a)}
    assert len(get_output(net.values())) == 3
    assert len(get_output(layer for layer in net.values())) == 3
    assert lasagne.layers.get_output_shape(iter([a, net['b']])) == [(None, 2), (None, 3)]
    assert len(lasagne.layers.get_all_param_values(net.values())) == 2


def test_rectifiers_have_no_gradient_at_zero():
    x = T.vector()
    outputs = [DenseLayer.__init__.__defaults__[-2](x), lasagne.nonlinearities.rectify(x),
               lasagne.nonlinearities.LeakyRectify(0.1)(x)]
    gradients = [T.grad(output.sum(), x) for output in outputs]
    results = theano.function([x], gradients)(np.array([-1, 0, 1], 'float32'))
    np.testing.assert_allclose(results, [[0, 0, 1], [0, 0, 1], [0.1, 0.1, 1]], rtol=1e-6)


def test_lasagne_is_imported_without_pkg_resources(python):
    code = ('import sys, types\n'
            'broken = sys.modules["pkg_resources"] = types.ModuleType("pkg_resources")\n'
            'import models, lasagne\n'
            'print(lasagne.__version__, sys.modules["pkg_resources"] is broken)\n')
    run = python('-c', code)
    assert run.stdout == '0.1 True\n', run.stderr
