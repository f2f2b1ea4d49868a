"""GoogLeNet, AlexNet's kin and VGG_CNN_S: layers, sizes, and the same numbers as PyTorch's."""

import importlib.util
from pathlib import Path

import models
from models import blocks, caffenet
from models.errors import ArchiveError

import lasagne
import numpy as np
import pytest
import theano
from lasagne.layers import InputLayer, get_output

from recipes import deconvnet
from recipes.common import projections
from recipes.common.receptive_fields import Field, receptive_field

SPEC = importlib.util.spec_from_file_location(
    'zoo', Path(__file__).parents[1] / 'golden' / 'zoo.py')
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)
DEEPEST = 'googlenet', 'explicit'  # compiles for half a minute


@pytest.fixture(scope='module')
def arrays():
    """Return the golden arrays."""
    with np.load(golden.OUT) as file:
        return dict(file)


def build(network, dtype):
    """Return the golden network in float32 or float64."""

    def array(key, shape):
        return golden.array(network, key, shape).astype(dtype)

    rows, _, width, _ = golden.NETWORKS[network]
    with theano.config.change_flags(floatX=dtype):
        return models.build(network, width=width, size=rows, classes=golden.CLASSES, array=array)


def assert_golden(arrays, name, found, step, tolerance):
    """Compare with PyTorch's, to a fraction of the largest element, and of the sum of sizes.

    In float64 sums of some thousand products in another order leave 1e-13, a partial window or a
    switch that differs 1e-3 and more.
    """
    largest, total = np.abs(found).max(), np.abs(found).sum()
    np.testing.assert_allclose(step(found), arrays[name], rtol=0, atol=tolerance * largest)
    np.testing.assert_allclose(found.sum(axis=tuple(range(1, found.ndim))), arrays[f'{name} sum'],
                               rtol=0, atol=tolerance * total)


@pytest.mark.parametrize('network', golden.NETWORKS)
@pytest.mark.parametrize('dtype, tolerance', [('float64', 1e-11), ('float32', 1e-5)])
def test_activations_are_pytorchs(arrays, network, dtype, tolerance):
    net, kept = build(network, dtype), golden.NETWORKS[network].kept
    names = [*kept, models.scores(net).name]
    *found, scores = projections.compile_activations(net, names)(
        golden.pictures(network).astype(dtype))
    for name, activation in zip(kept, found):
        assert activation.dtype == dtype
        np.testing.assert_array_equal(activation.shape, arrays[f'{network} {name} shape'])
        assert_golden(arrays, f'{network} {name}', activation,
                      lambda maps: maps[:, ::2, ::2, ::2], tolerance)
    expected = arrays[f'{network} scores']
    np.testing.assert_allclose(scores, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize('network, method', [
    pytest.param(network, method, marks=[pytest.mark.slow] * ((network, method) == DEEPEST))
    for network in golden.NETWORKS for method in golden.METHODS])
def test_maps_are_pytorchs(arrays, network, method):
    net = build(network, 'float64')
    layer, x = models.scores(net).name, golden.pictures(network)
    project = (deconvnet.compile_deconvnet(net, layer) if method == 'explicit'
               else projections.compile_projection(net, [layer], method))
    seed = projections.class_target(np.zeros((2, golden.CLASSES)), golden.PICKED)
    found = project(x, seed)
    assert_golden(arrays, f'{network} {method}', found, lambda maps: maps[:, :, ::4, ::4], 1e-9)
    np.testing.assert_allclose(np.sqrt((found ** 2).sum(axis=(1, 2, 3))),
                               arrays[f'{network} {method} norm'], rtol=1e-9)


def normalised_by_hand(x, size, alpha, beta, k):
    """Return Caffe's response normalisation across channels of x (batch, channels, ...)."""
    y = np.empty_like(x)
    for channel in range(x.shape[1]):
        first = max(0, channel - size // 2)
        neighbours = x[:, first:channel + size // 2 + 1]
        y[:, channel] = x[:, channel] / (k + alpha / size * (neighbours ** 2).sum(axis=1)) ** beta
    return y


@pytest.mark.parametrize('dtype, tolerance', [('float64', 1e-14), ('float32', 1e-6)])
@pytest.mark.parametrize('channels, constants', [
    (9, {}), (2, {}), (7, {'size': 3, 'alpha': 5e-4, 'beta': 0.5, 'k': 2})])
def test_response_normalisation_is_caffes(channels, constants, dtype, tolerance):
    variable = theano.tensor.TensorType(dtype, (False,) * 4)()
    below = InputLayer((None, channels, None, None), variable)
    layer = blocks.response_normalisation(below, array=None, name='norm', **constants)
    x = np.random.RandomState(0).uniform(-200, 200, (2, channels, 3, 4)).astype(dtype)
    expected = normalised_by_hand(x.astype('float64'), **{'size': 5, 'alpha': 1e-4, 'beta': 0.75,
                                                          'k': 1, **constants})
    found = get_output(layer).eval({variable: x})
    assert found.dtype == dtype and layer.get_output_shape_for(x.shape) == x.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance)
    assert (np.abs(expected) < 0.9 * np.abs(x)).mean() > 0.2  # the constants matter


def caffes_pooled_length(length, size, stride, pad):
    """Return Caffe's number of pooling windows: round up, then drop one that is all padding."""
    pooled = int(np.ceil((length + 2 * pad - size) / stride)) + 1
    return pooled - 1 if pad and (pooled - 1) * stride >= length + pad else pooled


@pytest.mark.parametrize('size, stride, pad, partial', [
    (3, 2, 0, True), (3, 3, 0, True), (2, 2, 0, True), (3, 1, 1, False)])
def test_poolings_have_caffes_number_of_windows(size, stride, pad, partial):
    """Of every pooling in the zoo; one of stride 1 has no partial windows."""
    array = np.zeros((1, 1, 40, 40), 'float32')
    for length in range(size, 40):
        layer = blocks.pooling(InputLayer((None, 1, length, length)), 'max', None, 'pool', size,
                            stride, pad, ignore_border=not partial)
        expected = caffes_pooled_length(length, size, stride, pad)
        assert layer.output_shape[2:] == (expected, expected)
        if length % 9 == 0:
            output = get_output(layer, array[:, :, :length, :length]).eval()
            assert output.shape[2:] == (expected, expected)


SHAPES = {  # of the papers' or prototxts' tables, at the network's own size
    'googlenet': (6998552, {'conv1/7x7_s2': (64, 112, 112), 'pool2/3x3_s2': (192, 28, 28),
                            'inception_3b/output': (480, 28, 28),
                            'inception_4c/output': (512, 14, 14),
                            'inception_4e/output': (832, 14, 14), 'pool4/3x3_s2': (832, 7, 7),
                            'pool5/7x7_s1': (1024,), 'loss3/classifier': (1000,)}),
    'alexnet': (60965224, {'conv1': (96, 55, 55), 'norm1': (96, 55, 55), 'pool1': (96, 27, 27),
                           'conv2': (256, 27, 27), 'pool2': (256, 13, 13), 'pool5': (256, 6, 6)}),
    'caffenet': (60965224, {'norm1': (96, 27, 27), 'conv5': (256, 13, 13), 'pool5': (256, 6, 6),
                            'fc7': (4096,)}),
    'zeiler_fergus': (62357608, {'conv1': (96, 110, 110), 'pool1': (96, 55, 55),
                                 'conv2': (256, 26, 26), 'pool2': (256, 13, 13),
                                 'conv5': (256, 13, 13), 'pool5': (256, 6, 6)}),
    'vgg_cnn_s': (102908520, {'conv1': (96, 109, 109), 'pool1': (96, 37, 37),
                              'conv2': (256, 33, 33), 'pool2': (256, 17, 17),
                              'pool5': (512, 6, 6)}),
}


@pytest.mark.parametrize('name', SHAPES)
def test_layers_have_the_papers_shapes_and_number_of_parameters(name):
    net = models.build(name, array=lambda key, shape: np.zeros(shape, 'float32'))
    parameters, expected = SHAPES[name]
    assert lasagne.layers.count_params(net['prob']) == parameters
    size = 224 if name == 'googlenet' else net['input'].shape[2]
    assert size == (227 if name in ('alexnet', 'caffenet') else 224)
    shapes = lasagne.layers.get_output_shape(list(net.values()), (1, 3, size, size))
    shapes = dict(zip(net, shapes))
    assert {layer: shapes[layer][1:] for layer in expected} == expected
    assert shapes['prob'] == (1, 1000)
    scores = 'loss3/classifier' if name == 'googlenet' else 'fc8'
    assert models.scores(net) is net[scores]
    assert models.build(name, width=1 / 64, classes=7)['prob'].output_shape[1] == 7


def test_alexnet_normalises_first_and_caffenet_pools_first():
    assert list(models.build('alexnet', width=1 / 32))[1:7] == [
        'conv1', 'norm1', 'pool1', 'conv2', 'norm2', 'pool2']
    for name in ('caffenet', 'zeiler_fergus'):
        assert list(models.build(name, width=1 / 32))[1:7] == [
            'conv1', 'pool1', 'norm1', 'conv2', 'pool2', 'norm2']


@pytest.mark.parametrize('name, groups', [('alexnet', 2), ('caffenet', 2), ('zeiler_fergus', 1)])
def test_the_second_half_of_the_channels_does_not_see_the_first(name, groups):
    net = models.build(name, width=1 / 16)
    found = {layer: net[layer].num_groups for layer in ('conv1', 'conv2', 'conv3', 'conv4',
                                                        'conv5')}
    assert found == {'conv1': 1, 'conv2': groups, 'conv3': 1, 'conv4': groups, 'conv5': groups}
    assert net['conv4'].W.get_value().shape == (24, 24 // groups, 3, 3)


@pytest.mark.parametrize('width', [1, 1 / 3, 1 / 64, 1 / 1000])
def test_groups_can_share_any_width(width):
    net = models.build('caffenet', width=width, deepest='conv5',
                       array=lambda key, shape: np.zeros(shape, 'float32'))
    assert all(net[layer].num_filters % caffenet.GROUPS == 0 for layer in ('conv1', 'conv5'))


def test_googlenet_takes_any_size_and_can_be_cut_off_inside_a_module():
    net = models.build('googlenet', width=1 / 32, deepest='inception_4c/output')
    assert net['input'].shape == (None, 3, None, None)
    image = np.zeros((1, 3, 50, 33), 'float32')
    output = get_output(net['inception_4c/output']).eval({net['input'].input_var: image})
    assert output.shape == (1, 16, 3, 2)
    assert models.deepest_of('googlenet', ['inception_3a/pool', 'conv1/7x7_s2',
                                           'inception_3a/1x1']) == 'inception_3a/pool'
    cut = models.build('googlenet', width=1 / 32, deepest='inception_3a/5x5_reduce')
    below = lasagne.layers.get_all_layers(cut['inception_3a/5x5_reduce'])
    assert [layer.name for layer in below] == ['input', *list(cut)[1:8], 'inception_3a/5x5_reduce']


@pytest.mark.parametrize('name', SHAPES)
def test_every_pooling_has_the_kind_asked_for(name):
    net = models.build(name, 'average_exc_pad', width=1 / 64)
    kinds = {layer.mode for layer in net.values() if hasattr(layer, 'mode')}
    assert kinds == {'average_exc_pad'}
    with pytest.raises(ArchiveError, match='median.*average_exc_pad'):
        models.build(name, 'median', width=1 / 64)


@pytest.mark.parametrize('name, deepest, field', [
    ('caffenet', 'norm1', Field(19, 8, 0)), ('caffenet', 'conv5', Field(163, 16, -64)),
    ('zeiler_fergus', 'norm2', Field(43, 16, -1)), ('vgg_cnn_s', 'pool2', Field(41, 12, 0)),
    ('googlenet', 'pool1/norm1', Field(11, 4, -3)),
    ('googlenet', 'inception_3a/output', Field(59, 8, -23))])
def test_receptive_fields(name, deepest, field):
    net = models.build(name, width=1 / 64, deepest=deepest)
    assert receptive_field(net[deepest]) == (field, field)
    assert receptive_field(models.build(name, width=1 / 64)['prob']) is None


def test_weights_are_found_under_caffes_names(tmp_path):
    asked = {}

    def array(key, shape):
        asked[key] = np.random.RandomState(len(asked)).normal(size=shape).astype('float32')
        return asked[key]

    models.build('googlenet', width=1 / 32, array=array)
    assert {'conv1/7x7_s2.W', 'inception_3a/1x1.W', 'inception_5b/pool_proj.b',
            'loss3/classifier.W'} <= set(asked)
    assert len(asked) == 2 * (3 + 9 * 6 + 1)
    np.savez(tmp_path / 'googlenet.npz', **asked, width=1 / 32, mean_pixel=(104, 117, 123))
    net, classes, mean_pixel = models.load('googlenet', tmp_path / 'googlenet.npz')
    np.testing.assert_array_equal(net['inception_4c/5x5'].W.get_value(),
                                  asked['inception_4c/5x5.W'])
    assert classes[1] == 'goldfish, Carassius auratus' and mean_pixel.tolist() == [104, 117, 123]
