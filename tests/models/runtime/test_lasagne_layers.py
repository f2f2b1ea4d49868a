"""The layers of Lasagne 0.2 that 0.1 lacks, against numpy."""

import importlib

import models  # noqa: F401

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (
    BiasLayer,
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    DilatedConv2DLayer,
    ElemwiseMergeLayer,
    ElemwiseSumLayer,
    ExpressionLayer,
    InputLayer,
    InverseLayer,
    MaxPool2DLayer,
    ParametricRectifierLayer,
    Pool1DLayer,
    RandomizedRectifierLayer,
    ScaleLayer,
    Upscale1DLayer,
    get_output,
    prelu,
    rrelu,
    standardize,
)
from lasagne.layers.dnn import Pool2DDNNLayer

SHAPE = (2, 3, 4, 5)
X = np.random.RandomState(0).uniform(-1, 1, SHAPE).astype('float32')
PER_CHANNEL = np.array([0.5, -1, 2], 'float32')


@pytest.fixture
def below():
    """Return an input layer with three channels of any size."""
    return InputLayer((None, 3, None, None))


def evaluate(layer, *values, **options):
    """Return the output for values of the input layers, whose known shape must fit."""
    inputs = [other for other in lasagne.layers.get_all_layers(layer)
              if isinstance(other, InputLayer)]
    output = get_output(layer, **options).eval(
        {other.input_var: value for other, value in zip(inputs, values)})
    shapes = {other: value.shape for other, value in zip(inputs, values)}
    assert lasagne.layers.get_output_shape(layer, shapes) == output.shape
    return output


def spread(values):
    return values.reshape(1, 3, 1, 1)


@pytest.mark.parametrize('build, expected', [
    (lambda net: BiasLayer(net, b=PER_CHANNEL), X + spread(PER_CHANNEL)),
    (lambda net: BiasLayer(net, b=None), X),
    (lambda net: ScaleLayer(net, scales=PER_CHANNEL), X * spread(PER_CHANNEL)),
    (lambda net: standardize(net, PER_CHANNEL, 2 * PER_CHANNEL),
     (X - spread(PER_CHANNEL)) / spread(2 * PER_CHANNEL)),
    (lambda net: ParametricRectifierLayer(net), np.where(X > 0, X, 0.25 * X)),
    (lambda net: ParametricRectifierLayer(net, alpha=PER_CHANNEL),
     np.where(X > 0, X, spread(PER_CHANNEL) * X)),
    (lambda net: ExpressionLayer(net, lambda x: 2 * x), 2 * X),
    (lambda net: ExpressionLayer(net, lambda x: x.mean(-1), lambda shape: shape[:-1]), X.mean(-1)),
    (lambda net: ExpressionLayer(net, lambda x: x[:, :2], (None, 2, None, None)), X[:, :2]),
])
def test_layers_that_compute_each_element(below, build, expected):
    layer = build(below)
    output = get_output(layer).eval({below.input_var: X})
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-6)
    known = layer.get_output_shape_for(SHAPE)
    assert all(size in (None, real) for size, real in zip(known, output.shape))


def test_standardize_is_not_trained(below):
    layer = standardize(below, PER_CHANNEL, PER_CHANNEL)
    assert lasagne.layers.get_all_params(layer, trainable=True) == []
    assert len(lasagne.layers.get_all_params(layer)) == 2


def test_an_expressions_shape_is_found(below):
    layer = ExpressionLayer(InputLayer((None, 3, 4, 5)), lambda x: x.mean(-1), 'auto')
    assert layer.output_shape == (None, 3, 4)


def test_parameters_need_known_axes():
    net = InputLayer((None, 3, None))
    with pytest.raises(ValueError, match='BiasLayer needs specified input sizes'):
        BiasLayer(net, shared_axes=0)
    assert BiasLayer(InputLayer((7, 3, 5)), shared_axes=(0, 1)).b.get_value().shape == (5,)


@pytest.mark.parametrize('flip', [False, True])
def test_a_dilated_convolution_has_holes(below, flip):
    W = np.random.RandomState(1).uniform(-1, 1, (3, 2, 2, 2)).astype('float32')
    layer = DilatedConv2DLayer(below, 2, 2, dilation=(2, 3), W=W, nonlinearity=None,
                               flip_filters=flip)
    kernel = W[:, :, ::-1, ::-1] if flip else W
    expected = sum(np.einsum('bcij,co->boij', X[:, :, 2 * i:2 * i + 2, 3 * j:3 * j + 2],
                             kernel[:, :, i, j]) for i in range(2) for j in range(2))
    np.testing.assert_allclose(evaluate(layer, X), expected, atol=1e-5)
    with pytest.raises(NotImplementedError, match='PadLayer'):
        DilatedConv2DLayer(below, 2, 3, pad=1)


def test_poolings_and_upscaling_along_one_axis():
    x, net = X[:, :, 0], InputLayer((None, 3, None))
    found = evaluate(Pool1DLayer(net, 2, stride=1, mode='average_exc_pad'), x)
    np.testing.assert_allclose(found, (x[:, :, 1:] + x[:, :, :-1]) / 2, atol=1e-6)
    partial = evaluate(Pool1DLayer(net, 2, ignore_border=False), x)
    np.testing.assert_array_equal(partial[:, :, 2], x[:, :, 4])
    np.testing.assert_array_equal(evaluate(Upscale1DLayer(net, 3), x), x.repeat(3, axis=2))


def test_cudnns_first_average_counts_the_padding(below):
    found = evaluate(Pool2DDNNLayer(below, 3, stride=1, pad=1, mode='average'), X)
    np.testing.assert_allclose(found[:, :, 0, 0], X[:, :, :2, :2].sum(axis=(2, 3)) / 9, atol=1e-6)


def test_merging_crops_to_the_smallest():
    large, small = InputLayer((None, 3, 4, 5)), InputLayer((None, 3, 3, 2))
    y = X[:, :, :3, :2] + 1
    cropping = (None, None, 'upper', 'center')
    cut = X[:, :, 1:, 1:3]
    found = evaluate(ConcatLayer([large, small], cropping=cropping), X, y)
    np.testing.assert_array_equal(found, np.concatenate([cut, y], axis=1))
    found = evaluate(ElemwiseSumLayer([large, small], coeffs=[1, -2], cropping=cropping), X, y)
    np.testing.assert_allclose(found, cut - 2 * y, atol=1e-6)
    layer = ElemwiseMergeLayer([large, small], T.maximum, [None, None, 'lower', 'lower'])
    np.testing.assert_array_equal(evaluate(layer, X, y), np.maximum(X[:, :, :3, :2], y))
    with pytest.raises(ValueError, match="Unknown crop mode 'middle'"):
        ConcatLayer([large, small], cropping=['middle'])
    with pytest.raises(ValueError, match='Mismatch.*4, 3 long along axis 2'):
        ConcatLayer([large, small]).output_shape  # noqa: B018
    assert ConcatLayer([large, InputLayer((None, None, 4, 5))]).output_shape == (None, None, 4, 5)
    with pytest.raises(ValueError, match='got 1 coeffs for 2 incomings'):
        ElemwiseSumLayer([large, large], coeffs=[1])


def test_an_inverse_unpools_and_transposes(below):
    x = np.array([[1, 5], [3, 2]], 'float32').reshape(1, 1, 2, 2)
    net = InputLayer((None, 1, 2, 2))
    signal = InputLayer((None, 1, 1, 1))
    unpooled = evaluate(InverseLayer(signal, MaxPool2DLayer(net, 2)), np.float32([[[[7]]]]), x)
    np.testing.assert_array_equal(unpooled[0, 0], [[0, 7], [0, 0]])
    dense = DenseLayer(net, 3, nonlinearity=None)
    back = evaluate(InverseLayer(InputLayer((None, 3)), dense), np.float32([[1, 2, 3]]), x)
    np.testing.assert_allclose(back.ravel(), dense.W.get_value() @ [1, 2, 3], rtol=1e-5)
    # Tied weights: an autoencoder of a convolution.
    conv = Conv2DLayer(below, 4, 3, pad=1, b=None, nonlinearity=None)
    decoded = InverseLayer(conv, conv)
    assert lasagne.layers.get_all_params(decoded) == [conv.W]
    assert evaluate(decoded, X).shape == X.shape


def test_prelu_and_rrelu_take_the_nonlinearitys_place(below):
    for function, kind in ((prelu, ParametricRectifierLayer), (rrelu, RandomizedRectifierLayer)):
        conv = Conv2DLayer(below, 2, 1, name='conv')
        layer = function(conv)
        assert isinstance(layer, kind) and layer.input_layer is conv
        assert conv.nonlinearity is lasagne.nonlinearities.identity
        assert layer.name == f'conv_{function.__name__}'


def test_rrelu_draws_a_slope_for_each_channel(below):
    layer = RandomizedRectifierLayer(below, 0.2, 0.6)
    negative = -np.ones(SHAPE, 'float32')
    np.testing.assert_allclose(evaluate(layer, negative, deterministic=True), -0.4, rtol=1e-6)
    slopes = -evaluate(layer, negative)
    assert 0.2 <= slopes.min() < slopes.max() <= 0.6
    assert (slopes == slopes[:1, :, :1, :1]).all()
    assert len(np.unique(slopes)) == 3
    np.testing.assert_array_equal(evaluate(layer, -negative), 1)


@pytest.mark.parametrize('place, names', [
    ('layers.special', 'InverseLayer NonlinearityLayer prelu ExpressionLayer standardize'),
    ('layers.normalization', 'batch_norm BatchNormLayer LocalResponseNormalization2DLayer'),
    ('layers.conv', 'Conv2DLayer TransposedConv2DLayer Deconv2DLayer conv_output_length'),
    ('layers.pool', 'Upscale2DLayer Pool1DLayer MaxPool2DLayer'),
    ('layers.merge', 'ConcatLayer concat ElemwiseSumLayer'),
    ('layers.corrmm', 'Conv2DMMLayer'),
    ('layers.dnn', 'Conv2DDNNLayer MaxPool2DDNNLayer batch_norm_dnn'),
    ('layers', 'concat Deconv2DLayer DropoutLayer dropout InverseLayer get_all_param_values'),
])
def test_the_old_places_have_the_same_classes(place, names):
    module = importlib.import_module(f'lasagne.{place}')
    for name in names.split():
        assert callable(getattr(module, name))
        if 'MM' not in name and 'DNN' not in name and hasattr(lasagne.layers, name):
            assert getattr(module, name) is getattr(lasagne.layers, name)


def test_mm_layers_correlate_as_in_0_2(below):
    layer = lasagne.layers.corrmm.Conv2DMMLayer(below, 2, 3)
    assert layer.flip_filters is False


def test_parameters_of_another_type_are_taken(below):
    dense = DenseLayer(InputLayer((None, 2)), 3)
    values = [np.full((2, 3), 1 / 3), np.arange(3)]  # float64, integers
    lasagne.layers.set_all_param_values(iter([dense]), values)
    assert dense.W.dtype == theano.config.floatX == 'float32'
    np.testing.assert_array_equal(dense.W.get_value(), np.float32(1 / 3))
    with pytest.raises(ValueError, match='got 1 values to set 2 parameters'):
        lasagne.layers.set_all_param_values(dense, values[:1])
    with pytest.raises(ValueError, match='mismatch: parameter has shape'):
        lasagne.layers.set_all_param_values(dense, values[::-1])
