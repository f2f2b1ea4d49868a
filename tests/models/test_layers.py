"""The generators' layers against numpy, PyTorch's golden arrays and finite differences."""

from pathlib import Path

from models import feedforward
from models.layers import (
    PADDINGS,
    InstanceNormLayer,
    PadLayer,
    Places,
    Rule,
    SameRule,
    Take,
    TransposedConvolutionLayer,
)

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne import nonlinearities
from lasagne.layers import InputLayer

GOLDEN = Path(__file__).parents[1] / 'golden' / 'generators.npz'
NUMPYS = {'zero': 'constant', 'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}


@pytest.fixture(scope='module')
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


def built(golden, dtype):
    """Make the layers that the golden arrays are of: name -> layer."""
    data = InputLayer((None, 3, None, None))
    scale, shift, kernels = (theano.shared(golden[name].astype(dtype))
                             for name in ('scale', 'shift', 'kernels'))
    return {'instance_norm': InstanceNormLayer(data, scale, shift),
            'reflect': PadLayer(data, Rule(4, 4, 'reflect')),
            'circular': PadLayer(data, Rule(4, 4, 'circular')),
            'replicate': PadLayer(data, Rule(4, 4, 'replicate')),
            'nearest': PadLayer(data, Rule(0, 0, enlarged=2)),
            'transposed': TransposedConvolutionLayer(data, 2, 3, kernels, None, 2, (1, 0)),
            'transposed_wide': TransposedConvolutionLayer(data, 2, 3, kernels, None, 3, (0, -2))}


@pytest.mark.parametrize('dtype, tolerance', [('float64', 1e-9), ('float32', 1e-5)])
def test_layers_and_their_gradients_are_pytorchs(golden, dtype, tolerance):
    layers = built(golden, dtype)
    x = T.TensorType(dtype, (False,) * 4)()
    outputs = []
    for name, layer in layers.items():
        y = layer.get_output_for(x)
        outputs += [y, T.grad((y * golden[f'{name}_weights'].astype(dtype)).sum(), x)]
    found = iter(theano.function([x], outputs)(golden['x'].astype(dtype)))
    for name, layer in layers.items():
        for wanted in (golden[name], golden[f'{name}_gradient']):
            value = next(found)
            assert value.dtype == dtype
            np.testing.assert_allclose(value, wanted, atol=tolerance * np.abs(wanted).max(),
                                       err_msg=name)
        assert layer.get_output_shape_for(golden['x'].shape) == golden[name].shape, name


@pytest.mark.parametrize('mode', PADDINGS)
@pytest.mark.parametrize('before, after', [(0, 0), (1, 2), (4, 4), (9, 0)])
def test_places_are_numpys_padding(mode, before, after):
    for length in (1, 2, 3, 7):
        rows = np.arange(1, length + 1)
        for enlarged in (1, 2):
            wanted = np.pad(np.repeat(rows, enlarged), (before, after), mode=NUMPYS[mode])
            places = Rule(before, after, mode, enlarged).places(length)
            np.testing.assert_array_equal(np.where(places < 0, 0, rows[places]), wanted)


@pytest.mark.parametrize('size, stride', [(3, 1), (3, 2), (9, 1)])
def test_same_padding_is_tensorflows(size, stride):
    for length in range(2, 12):
        out = -(-length // stride)  # TensorFlow's documentation: ceil(length / stride)
        total = max((out - 1) * stride + size - length, 0)
        assert SameRule(size, stride).pads(length) == (total // 2, total - total // 2)


def test_a_padding_of_another_kind_is_an_error():
    with pytest.raises(ValueError, match='no padding'):
        PadLayer((None, 3, None, None), Rule(1, 1, 'mirror'))


@pytest.mark.parametrize('mode, enlarged', [('reflect', 1), ('zero', 2), ('circular', 2)])
def test_gradients_of_paddings_agree_with_finite_differences(mode, enlarged):
    def padded(x):
        rule = Rule(2, 3, mode, enlarged)
        return Take()(x, Places(rule)(x.shape[2]), Places(rule)(x.shape[3]))

    x = np.random.RandomState(0).normal(size=(2, 2, 3, 4))
    theano.gradient.verify_grad(padded, [x], rng=np.random.RandomState(1))


@pytest.mark.parametrize('nonlinearity', [None, nonlinearities.rectify,
                                          nonlinearities.LeakyRectify(0.1)])
def test_gradients_of_the_normalisation_agree_with_finite_differences(nonlinearity):
    def normalised(x, scale, shift):
        layer = InstanceNormLayer((None, 3, None, None), theano.shared(np.ones(3)),
                                  theano.shared(np.ones(3)), nonlinearity=nonlinearity)
        layer.scale, layer.shift = scale, shift
        return layer.get_output_for(x)

    random = np.random.RandomState(0)
    point = random.normal(3, 2, (2, 3, 4, 5)), random.normal(1, 1, 3), random.normal(0, 1, 3)
    theano.gradient.verify_grad(normalised, point, rng=random)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
def test_rounding_in_a_map_of_one_grey_is_not_blown_up(dtype):
    shift = theano.shared(np.full(2, 0.25, dtype))
    layer = InstanceNormLayer((None, 2, None, None), theano.shared(np.full(2, 3, dtype)), shift)
    x = T.TensorType(dtype, (False,) * 4)()
    maps = np.full((1, 2, 8, 8), 77, dtype)
    maps[0, :, ::2] += 77e-6  # what rounding leaves
    maps[0, 1, :, ::2] += 1  # what a picture may have
    found = theano.function([x], layer.get_output_for(x))(maps)
    np.testing.assert_array_equal(found[0, 0], 0.25)
    assert found[0, 1].std() == pytest.approx(3, rel=1e-3)


def test_a_generator_paints_one_grey_as_one_colour():
    net = feedforward.build(feedforward.ARCHIVE._replace(width=0.25))
    x = T.tensor4()
    paint = theano.function([x], lasagne.layers.get_output(net['output'], x))
    for level in (-120, 0, 131):
        painted = paint(np.full((1, 3, 72, 96), level, 'float32'))
        assert np.ptp(painted, axis=(2, 3)).max() < 0.1
