"""What Lasagne 0.2.dev1 documents and 0.1 lacks, against numpy. Graphs run in Python: they are
small, and their C modules would take minutes to compile."""

import models  # noqa: F401

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import layers
from lasagne.layers import DenseLayer, InputLayer, get_all_params, get_output

SHAPE = (2, 3, 4, 5)
X = np.random.RandomState(0).uniform(-1, 1, SHAPE).astype('float32')


@pytest.fixture(autouse=True)
def _without_compiling():
    mode = theano.compile.mode.Mode(linker='vm', optimizer='fast_compile')
    with theano.config.change_flags(mode=mode, cxx=''):
        yield


def evaluate(layer, *values, **options):
    """Return the output for values of the input layers, whose known shape must fit."""
    inputs = [other for other in layers.get_all_layers(layer) if isinstance(other, InputLayer)]
    output = get_output(layer, **options).eval(
        {other.input_var: value for other, value in zip(inputs, values)})
    shapes = {other: value.shape for other, value in zip(inputs, values)}
    known = layers.get_output_shape(layer, shapes)
    assert all(size in (None, real) for size, real in zip(known, output.shape))
    return output


@pytest.mark.parametrize('shared, shape', [
    ('auto', (3,)), ('all', ()), (0, (3, 4, 5)), ((0, 1), (4, 5)), ([0, -1], (3, 4)),
    (np.int64(2), (2, 3, 5)), ((-1, -2, -3, -4), ()), ((), SHAPE)])
@pytest.mark.parametrize('kind, name', [
    (layers.ParametricRectifierLayer, 'alpha'), (layers.BiasLayer, 'b'),
    (layers.ScaleLayer, 'scales'), (layers.BatchNormLayer, 'mean')])
def test_a_parameter_has_one_element_for_each_place_it_is_not_shared_over(kind, name, shared,
                                                                           shape):
    option = 'axes' if kind is layers.BatchNormLayer else 'shared_axes'
    layer = kind(InputLayer(SHAPE), **{option: shared})
    assert getattr(layer, name).get_value().shape == shape
    if kind is layers.ParametricRectifierLayer:
        np.testing.assert_allclose(evaluate(layer, X), np.where(X > 0, X, X / 4), rtol=1e-6)


@pytest.mark.parametrize('shared, drawn', [('all', 1), ('auto', 3), ((0, 1, 2), 5), ((), 120)])
def test_a_random_slope_is_drawn_for_each_place_it_is_not_shared_over(shared, drawn):
    layer = layers.RandomizedRectifierLayer(InputLayer(SHAPE), shared_axes=shared)
    assert len(np.unique(evaluate(layer, -np.ones(SHAPE, 'float32')))) == drawn
    for wrong in ('some', 4, (0, -5)):
        with pytest.raises(ValueError, match='axes must be|no such axis'):
            layers.RandomizedRectifierLayer(InputLayer(SHAPE), shared_axes=wrong)


def test_dropped_places_are_shared():
    net = InputLayer((8, 6, 5, 4))
    ones = np.ones((8, 6, 5, 4), 'float32')
    for layer, axes in ((layers.dropout(net, 0.5, shared_axes=(0, -1)), (0, 3)),
                        (layers.dropout_channels(net), (2, 3)),
                        (layers.spatial_dropout(net, p=0.25), (2, 3)),
                        (layers.dropout_locations(net, rescale=False), (1,))):
        found = evaluate(layer, ones)
        kept = 1 / (1 - layer.p) if layer.rescale else 1
        assert set(np.unique(found)) == {np.float32(0), np.float32(kept)}
        assert (found == found.max(axis=axes, keepdims=True)).all()
        np.testing.assert_array_equal(evaluate(layer, ones, deterministic=True), ones)
    assert get_output(layers.DropoutLayer(net, np.float32(0.2))).dtype == 'float32'


@pytest.mark.parametrize('leading, shape', [(1, (60,)), (2, (20,)), (3, (5,)), (-1, (5,)),
                                            (-2, (20,)), (-4, (120,))])
def test_a_product_keeps_its_leading_axes(leading, shape):
    layer = DenseLayer(InputLayer(SHAPE), 7, num_leading_axes=leading, nonlinearity=None)
    kept = SHAPE[:leading]
    expected = X.reshape(*kept, -1) @ layer.W.get_value()
    np.testing.assert_allclose(evaluate(layer, X), expected, rtol=1e-4, atol=1e-5)
    assert layer.output_shape == (*kept, 7) and layer.W.get_value().shape == (*shape, 7)
    with pytest.raises(ValueError, match='for a 4-dimensional input'):
        DenseLayer(InputLayer(SHAPE), 7, num_leading_axes=4 if leading > 0 else -5)
    with pytest.raises(ValueError, match='requires a fixed input shape'):
        DenseLayer(InputLayer((2, 3, None)), 7)


def test_parameters_may_be_expressions():
    root, other = theano.shared(np.float32([[4, 9]])), theano.shared(np.float32(1), name='other')
    layer = DenseLayer(InputLayer((None, 1)), 2, W=T.sqrt(root) + other, name='dense')
    top = DenseLayer(layer, 1, W=lambda shape: T.ones(shape) * root[0, 0], b=None)
    assert get_all_params(top) == [root, other, layer.b]
    assert get_all_params(top, unwrap_shared=False) == [layer.W, layer.b, top.W]
    assert get_all_params(top, regularizable=True) == [root, other]
    assert (layer.W.name, layer.b.name, other.name) == ('dense.W', 'dense.b', 'other')
    with pytest.raises(ValueError, match='collect_shared_vars'):
        lasagne.updates.sgd(T.sum(layer.W), [layer.W], 1)


@pytest.mark.parametrize('spec, kind, words', [
    (np.zeros((2, 3)), ValueError, r'provided numpy array has shape \(2, 3\), should be \(3, 2\)'),
    (lambda shape: np.zeros(3), ValueError, 'returned by the provided callable has shape'),
    (T.vector(), ValueError, 'provided Theano variable has 1 dimensions, should be 2'),
    ('W', TypeError, 'provided spec is not a numpy array, a Theano expression, or a callable'),
    (lambda shape: [1], TypeError, 'the value returned by the provided callable is not a numpy'),
    (5, ValueError, 'has shape'),
])
def test_other_parameters_are_refused(spec, kind, words):
    with pytest.raises(kind, match=words):
        lasagne.utils.create_param(spec, (3, 2), 'W')


def test_shared_variables_are_collected_from_left_to_right():
    x, y, z = (theano.shared(0.0, name) for name in 'xyz')
    collect = lasagne.utils.collect_shared_vars
    assert collect([x, y, z]) == [x, y, z]
    assert collect([z * (y + x), x, T.exp(x)]) == [z, y, x]
    assert collect(y ** 2 / (x - z)) == [y, x, z]
    assert collect(iter([T.scalar() * y, y])) == [y] and collect([]) == []


def test_options_that_no_layer_takes_are_warned_of():
    layer = layers.BatchNormLayer(InputLayer((2, 3)))
    with pytest.warns(UserWarning, match='batch_norm_use_average .perhaps you meant '
                                         'batch_norm_use_averages'):
        get_output(layer, batch_norm_use_average=True)
    get_output(layer, batch_norm_use_averages=True, deterministic=True)  # no warning: an error here
    with pytest.raises(TypeError, match='keys must be lasagne layers'):
        get_output(layer, {'input': T.matrix()})


def test_norms_of_weights():
    compute = lasagne.utils.compute_norms
    for array, axes in ((X[0, 0], 0), (X[0], (1, 2)), (X, (1, 2, 3)), (X[None], (1, 2, 3, 4))):
        expected = np.sqrt((array ** 2).sum(axis=axes))
        np.testing.assert_allclose(compute(array), expected, rtol=1e-5)
        np.testing.assert_allclose(compute(theano.shared(array)).eval(), expected, rtol=1e-5)
    np.testing.assert_array_equal(compute(np.array([-1, 2])), [1, 2])
    with pytest.raises(RuntimeError, match='Unsupported type'):
        compute([1])
    with pytest.raises(ValueError, match='Unsupported tensor dimensionality 6'):
        compute(np.zeros((1,) * 6))


def test_sizes_may_be_numpys_or_unknown():
    net = InputLayer((None, 3, None, 4))
    assert layers.FlattenLayer(net).output_shape == (None, None)
    assert layers.FlattenLayer(net, outdim=4).output_shape == (None, 3, None, 4)
    assert layers.PadLayer(net, np.int64(2)).output_shape == (None, 3, None, 8)
    assert layers.PadLayer(net, [(1, 2), (3, 4)]).output_shape == (None, 3, None, 11)
    assert layers.SliceLayer(net, np.int64(1), axis=2).output_shape == (None, 3, 4)
    assert layers.SliceLayer(net, slice(1, 3), axis=2).output_shape == (None, 3, None, 4)
    assert layers.ReshapeLayer(net, ([0], np.int64(-1), [np.int64(3)])).output_shape == (
        None, None, 4)
    assert layers.DimshuffleLayer(net, (np.int64(0), 2, 1, 3)).output_shape == (None, None, 3, 4)
    with pytest.raises(ValueError, match='symbolic output shape'):
        layers.ExpressionLayer(net, T.exp, lambda shape: (T.iscalar(),)).output_shape  # noqa: B018


@pytest.mark.parametrize('axes', [1, 2, 3])
def test_dilating_puts_zeros_behind(axes):
    kind = getattr(layers, f'Upscale{axes}DLayer')
    x = np.arange(1, 1 + 2 ** axes, dtype='float32').reshape(1, 1, *(2,) * axes)
    factors = (3, 1, 2)[:axes]
    layer = kind(InputLayer((None, 1) + (None,) * axes), factors, mode='dilate')
    found = evaluate(layer, x)
    assert found.shape[2:] == tuple(2 * factor for factor in factors)
    places = tuple(slice(None, None, factor) for factor in factors)
    np.testing.assert_array_equal(found[(slice(None),) * 2 + places], x)
    assert np.count_nonzero(found) == x.size
    repeated = x
    for axis, factor in enumerate(factors, start=2):
        repeated = repeated.repeat(factor, axis)
    np.testing.assert_array_equal(evaluate(kind(layer.input_layer, factors), x), repeated)
    with pytest.raises(ValueError, match="'repeat' or 'dilate', not fill"):
        kind(layer.input_layer, 2, mode='fill')


def test_a_transposed_convolution_has_the_size_that_is_asked_for():
    net = InputLayer((None, 3, 4, 4))
    kind = layers.TransposedConv2DLayer
    assert kind(net, 2, 3, stride=2, crop=1).output_shape == (None, 2, 7, 7)
    layer = kind(net, 2, 3, stride=2, crop='same', output_size=8)
    assert layer.output_shape == (None, 2, 8, 8) and layer.crop == 'same'
    assert kind(net, 2, 3, crop=1).crop == (1, 1) and kind(net, 2, 3, crop='valid').crop == (0, 0)
    assert kind(net, 2, 3, output_size=T.ivector()).output_shape == (None, 2, None, None)
    assert kind(net, 2, 3, crop='full').output_shape == (None, 2, 2, 2)
    with pytest.raises(NotImplementedError, match='has no groups'):
        kind(InputLayer((None, 4, 4, 4)), 2, 3, num_groups=2)


def test_convolutions_want_their_number_of_axes():
    for axes in (1, 2, 3):
        kind, pool = (getattr(layers, f'{name}{axes}DLayer') for name in ('Conv', 'Pool'))
        assert kind((2, 3, *(7,) * axes), 4, 3, pad='same').output_shape == (2, 4, *(7,) * axes)
        assert pool((2, 3, *(7,) * axes), 3, stride=2).output_shape == (2, 3, *(3,) * axes)
        for layer in (kind, pool):
            with pytest.raises(ValueError, match=f'Tried to create a {axes}D'):
                layer((2, 3, *(7,) * (axes + 1)), 4, 3)


@pytest.mark.parametrize('flip', [True, False])
@pytest.mark.parametrize('channelwise', [True, False])
def test_each_place_has_its_own_kernel(flip, channelwise):
    layer = layers.LocallyConnected2DLayer(InputLayer((None, *SHAPE[1:])), 3, (3, 5), b=None,
                                           nonlinearity=None, flip_filters=flip,
                                           channelwise=channelwise)
    W = layer.W.get_value()
    padded = np.pad(X, ((0, 0), (0, 0), (1, 1), (2, 2)))
    expected = np.zeros(SHAPE)
    for row in range(4):
        for column in range(5):
            seen = padded[:, :, row:row + 3, column:column + 5]
            seen = seen[:, :, ::-1, ::-1] if flip else seen
            expected[:, :, row, column] = np.einsum(
                'bcij,cij->bc' if channelwise else 'bcij,fcij->bf', seen, W[..., row, column])
    np.testing.assert_allclose(evaluate(layer, X), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(NotImplementedError, match="requires stride=1 and pad='same'"):
        layers.LocallyConnected2DLayer(InputLayer(SHAPE), 3, 3, stride=2)


def test_a_pyramid_pools_to_one_size():
    net = InputLayer((None, 3, None, None))
    layer = layers.SpatialPyramidPoolingLayer(net, [2, 1], implementation='kaiming')
    found = evaluate(layer, X)
    regions = [X[:, :, rows, columns].max(axis=(2, 3)) for rows in (slice(0, 2), slice(2, 4))
               for columns in (slice(0, 3), slice(2, 5))]
    np.testing.assert_array_equal(found, np.stack([*regions, X.max(axis=(2, 3))], axis=2))
    assert layers.SpatialPyramidPoolingLayer(net).output_shape == (None, 3, 21)


@pytest.mark.parametrize('axes, over', [('auto', (2, 3)), ('spatial', (2, 3)),
                                        ('features', (1, 2, 3)), (1, (1,)), ((-1, 0), (0, 3))])
def test_each_example_is_standardised(axes, over):
    layer = layers.StandardizationLayer(InputLayer(SHAPE), axes=axes)
    expected = (X - X.mean(over, keepdims=True)) / np.sqrt(X.var(over, keepdims=True) + 1e-4)
    np.testing.assert_allclose(evaluate(layer, X), expected, rtol=1e-4, atol=1e-5)


def test_norms_come_before_the_nonlinearity():
    def kinds(function, **options):
        dense = DenseLayer(InputLayer((2, 3)), 4, name='d')
        top = function(dense, **options)
        assert dense.b is None and dense.nonlinearity is lasagne.nonlinearities.identity
        return [(type(layer).__name__, layer.name) for layer in layers.get_all_layers(top)[2:]]

    end = ('NonlinearityLayer', 'd_in_nonlin')
    standardised = ('StandardizationLayer', 'd_in')
    scale, bias = ('ScaleLayer', 'd_in_scale'), ('BiasLayer', 'd_in_bias')
    assert kinds(layers.instance_norm) == [standardised, scale, bias, end]
    assert kinds(layers.instance_norm, learn_scale=False) == [standardised, bias, end]
    assert kinds(layers.layer_norm, name='n') == [
        ('StandardizationLayer', 'n'), ('ScaleLayer', 'n_scale'), ('BiasLayer', 'n_bias'),
        ('NonlinearityLayer', 'n_nonlin')]
    assert kinds(layers.batch_norm) == [('BatchNormLayer', 'd_bn'),
                                        ('NonlinearityLayer', 'd_bn_nonlin')]


def test_running_averages_have_their_tag():
    layer = layers.BatchNormLayer(InputLayer((2, 3)))
    assert get_all_params(layer, batch_norm_stat=True) == [layer.mean, layer.inv_std]
    assert get_all_params(layer, batch_norm_stat=False) == [layer.beta, layer.gamma]


@pytest.mark.parametrize('border, beyond', [('nearest', 0), ('mirror', 1), ('wrap', 3)])
def test_an_affine_map_moves_the_image(border, beyond):
    """The identity, and one pixel to the left, where a column from beyond the border comes in."""
    image, maps = InputLayer((None, 2, 3, 4)), InputLayer((None, 6))
    layer = layers.TransformerLayer(image, maps, border_mode=border)
    x = np.random.RandomState(0).uniform(size=(2, 2, 3, 4)).astype('float32')
    affine = np.float32([[1, 0, 0, 0, 1, 0], [1, 0, -2 / 3, 0, 1, 0]])
    moved = np.concatenate([x[1, :, :, [beyond]].transpose(1, 2, 0), x[1, :, :, :3]], axis=2)
    np.testing.assert_allclose(evaluate(layer, x, affine), np.stack([x[0], moved]), atol=1e-5)
    half = layers.TransformerLayer(image, maps, downsample_factor=(3, 2))
    assert half.output_shape == (None, 2, 1, 2)
    with pytest.raises(ValueError, match=r'must have output shape: \(batch_size, 6\)'):
        layers.TransformerLayer(image, InputLayer((None, 5)))
    with pytest.raises(ValueError, match='border_mode must be one of nearest, mirror, wrap'):
        layers.TransformerLayer(image, maps, border_mode='zero')


def test_arrays_are_cropped():
    shapes = [(1, 2, 3, 4), (5, 4, 4, 2), (7, 1, 8, 9)]
    cropping = [None, 'lower', 'center', 'upper']
    arrays = [np.random.RandomState(0).uniform(size=shape) for shape in shapes]
    cut = layers.merge.autocrop([theano.shared(array) for array in arrays], cropping)
    places = [slice(0, 3), slice(0, 3), slice(2, 5)]
    for found, array, rows in zip(cut, arrays, places):
        np.testing.assert_array_equal(found.eval(), array[:, :1, rows, -2:])
    assert layers.merge.autocrop_array_shapes(shapes, cropping) == [
        (1, 1, 3, 2), (5, 1, 3, 2), (7, 1, 3, 2)]
    assert layers.merge.autocrop_array_shapes(shapes, None) is shapes
    with pytest.raises(ValueError, match='Not all inputs are of the same'):
        layers.merge.autocrop_array_shapes([(1, 2), (1, 2, 3)], ['lower'])


def test_a_column_of_predictions_meets_a_vector_of_targets():
    p, y = np.float32([[0.9], [0.2], [0.7], [0.4]]), np.float32([1, 0, 0, 0])
    predictions, targets = T.as_tensor_variable(p), T.vector()
    assert predictions.broadcastable == (False, True)
    objectives, t = lasagne.objectives, y[:, None]
    for function, expected in (
            (objectives.binary_accuracy, [[1], [1], [0], [1]]),
            (objectives.squared_error, (p - t) ** 2),
            (objectives.huber_loss, (p - t) ** 2 / 2),
            (objectives.binary_crossentropy, -np.log(np.where(t > 0, p, 1 - p))),
            (lambda *arrays: objectives.binary_hinge_loss(*arrays, log_odds=True),
             np.maximum(0, 1 - p * (2 * t - 1))),
            (lambda *arrays: objectives.binary_hinge_loss(*arrays, 2, False),
             np.maximum(0, 2 - np.log(p / (1 - p)) * (2 * t - 1))),
            (lambda *arrays: objectives.binary_hinge_loss(arrays[0], 2 * arrays[1] - 1, 1, True,
                                                          False),
             np.maximum(0, 1 - p * (2 * t - 1)))):
        np.testing.assert_allclose(function(predictions, targets).eval({targets: y}), expected,
                                   rtol=1e-5, atol=1e-6)
    one_unit = get_output(DenseLayer(InputLayer((None, 2)), 1))
    assert lasagne.objectives.squared_error(one_unit, targets).broadcastable == (False, True)
    with pytest.raises(TypeError, match='rank mismatch'):
        objectives.categorical_accuracy(T.tensor3(), T.vector())
    with pytest.warns(FutureWarning, match='log_odds=True or False'):
        objectives.binary_hinge_loss(predictions, targets)


def test_huber_loss_and_selu():
    x = np.array([-3, -1, -0.5, 0, 0.25, 2], 'float32')
    v = T.vector()
    found = theano.function([v], [
        lasagne.objectives.huber_loss(v, T.zeros_like(v), delta=0.5),
        lasagne.nonlinearities.selu(v), lasagne.nonlinearities.SELU(2, 3)(v)])(x)
    a = np.abs(x)
    expected = [np.where(a <= 0.5, a ** 2 / 2, 0.5 * (a - 0.25)),
                1.05070099 * np.where(x > 0, x, 1.67326324 * np.expm1(x)),
                2 * np.where(x > 0, x, 3 * np.expm1(x))]
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_amsgrad_keeps_the_largest_square():
    parameter, gradient = theano.shared(np.float32([1, -2])), T.vector()
    step = theano.function([gradient],
                           updates=lasagne.updates.amsgrad([gradient], [parameter], 0.01))
    start, mean, square, largest = np.array([1., -2]), *np.zeros((3, 2))
    for number, g in enumerate(np.array([[0.5, -1], [-0.1, 3], [0, 0.2]]), start=1):
        step(g.astype('float32'))
        mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g ** 2
        largest = np.maximum(largest, square)
        rate = 0.01 * np.sqrt(1 - 0.999 ** number) / (1 - 0.9 ** number)
        start = start - rate * mean / (np.sqrt(largest) + 1e-8)
    np.testing.assert_allclose(parameter.get_value(), start, rtol=1e-5)


@pytest.mark.parametrize('name', ['rmsprop', 'adadelta', 'adam', 'adamax', 'amsgrad'])
def test_rates_of_numpy_keep_the_type(name):
    parameter = theano.shared(np.float32([1, 2]))
    rates = {'rho': np.float32(0.9)} if name in ('rmsprop', 'adadelta') else {
        'beta1': np.float32(0.9)}
    updates = getattr(lasagne.updates, name)(T.sum(parameter ** 2), [parameter],
                                             np.float32(0.1), **rates)
    assert {new.dtype for new in updates.values()} == {'float32'}
