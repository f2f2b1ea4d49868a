"""The three ways back agree with an independent implementation, to the last digit."""

import importlib.util
from pathlib import Path

import models
from models.errors import ArchiveError

import numpy as np
import pytest
import theano

from recipes import deconvnet
from recipes.common import projections

GOLDEN = Path(__file__).parents[2] / 'golden' / 'maps.py'
SPEC = importlib.util.spec_from_file_location('maps', GOLDEN)
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)
CASES = [(network, method) for network in golden.NETWORKS for method in golden.METHODS]


@pytest.fixture(scope='module')
def arrays():
    """Return the golden arrays."""
    with np.load(golden.OUT) as file:
        return dict(file)


def build(network, dtype):
    """Return the golden network in float32 or float64, and its layers that have targets."""
    *_, filters, size, width, hidden, scores = golden.NETWORKS[network]
    classes = {'all_cnn_c': 10}.get(network, filters.get('fc8'))

    def array(key, shape):
        return golden.array(network, key, shape).astype(dtype)

    with theano.config.change_flags(floatX=dtype):
        net = models.build(network, width=width, size=size, classes=classes, array=array)
    assert models.scores(net).name == scores
    return net, [*hidden, scores]


def compile_maps(network, method, dtype):
    """Return a function: slice of the golden pictures -> {layer: maps}, each by its own target."""
    net, layers = build(network, dtype)
    look = projections.compile_activations(net, layers)
    project = projections.compile_projection(net, layers, method)

    def compute(batch):
        pictures = golden.pictures(network).astype(dtype)[batch]
        activations = look(pictures)
        found = {}
        for index, (layer, activation) in enumerate(zip(layers, activations)):
            seeds = [np.zeros_like(other) for other in activations]
            seeds[index] = seed_of(activation, layer, batch)
            found[layer] = project(pictures, *seeds)
        return found

    return compute


def seed_of(activation, layer, batch):
    if activation.ndim == 2:
        return projections.class_target(activation, golden.CLASSES[batch])
    return np.concatenate([
        projections.unit_target(activation[number:number + 1], layer, channel)
        for number, channel in enumerate(golden.CHANNELS[batch])])


def assert_golden(arrays, name, found):
    """Compare maps with PyTorch's to 1e-9 of the largest element.

    Sums of some thousand products in another order, 2e-16 each, leave 1e-13; a switch or mask
    that differs is 1e-3 and more.
    """
    largest = np.abs(found).max()
    np.testing.assert_allclose(found[:, :, ::2, ::2], arrays[name], rtol=0, atol=1e-9 * largest)
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3)), arrays[f'{name} sum'],
                               rtol=0, atol=1e-9 * np.abs(found).sum())
    np.testing.assert_allclose(np.sqrt((found ** 2).sum(axis=(1, 2, 3))), arrays[f'{name} norm'],
                               rtol=1e-9, atol=0)


@pytest.mark.parametrize('network, method', CASES)
def test_maps_are_pytorchs_in_float64(arrays, network, method):
    compute = compile_maps(network, method, 'float64')
    together, alone = compute(slice(0, 5)), compute(slice(0, 1))
    for layer, found in together.items():
        assert_golden(arrays, f'{network} {method} {layer}', found)
        largest = np.abs(found).max()
        np.testing.assert_allclose(alone[layer], found[:1], rtol=0, atol=1e-12 * largest)


@pytest.mark.parametrize('network, method', CASES)
def test_maps_in_float32_are_near(arrays, network, method):
    """Measured: at most 9.5e-7, ten roundings. One switch the other way is 1e-2 and more."""
    for layer, found in compile_maps(network, method, 'float32')(slice(0, 5)).items():
        expected = arrays[f'{network} {method} {layer}']
        assert found.dtype == 'float32'
        difference = np.sqrt(((found[:, :, ::2, ::2] - expected) ** 2).sum(axis=(1, 2, 3)))
        norm = np.sqrt((expected ** 2).sum(axis=(1, 2, 3)))
        assert not difference[norm == 0].any()
        assert (difference <= 1e-5 * norm).all(), difference / norm


@pytest.mark.parametrize('network', golden.NETWORKS)
def test_the_explicit_deconvnet_is_pytorchs(arrays, network):
    net, layers = build(network, 'float64')
    pictures, batch = golden.pictures(network), slice(0, 5)
    for layer, activation in zip(layers, projections.compile_activations(net, layers)(pictures)):
        project = deconvnet.compile_deconvnet(net, layer)
        found = project(pictures, seed_of(activation, layer, batch))
        assert_golden(arrays, f'{network} deconvnet {layer}', found)


@pytest.mark.parametrize('network, layer', [('squeezenet', 'fire5/concat'), ('squeezenet', 'pool3'),
                                            ('base_cnn_c', 'conv3_1')])
def test_the_explicit_deconvnet_is_the_gradient_with_overlaps_and_branches(network, layer):
    """Windows of 3x3 at stride 2 that overlap and stick out, and concatenated channels."""
    with theano.config.change_flags(floatX='float64'):
        net = models.build(network, deepest=layer, width=1 / 8)
    pictures = np.random.RandomState(0).uniform(-100, 100, (2, 3, 37, 44))
    (activations,) = projections.compile_activations(net, [layer])(pictures)
    seed = projections.unit_target(activations, layer, 1, at_value=True)
    seed += projections.unit_target(activations, layer, 0, (2, 1), at_value=True)
    gradient = projections.compile_projection(net, [layer], 'deconvnet')(pictures, seed)
    explicit = deconvnet.compile_deconvnet(net, layer)(pictures, seed)
    assert np.abs(gradient).max() > 0
    np.testing.assert_allclose(explicit, gradient, rtol=0, atol=1e-12 * np.abs(gradient).max())


def test_average_pooling_has_no_switches_for_a_deconvnet():
    net = models.build('vgg19', 'average_exc_pad', 'conv2_1', width=1 / 16)
    with pytest.raises(ArchiveError, match='no way down through pool1.*--pool max'):
        deconvnet.compile_deconvnet(net, 'conv2_1')


def test_the_network_is_left_as_it_was():
    net = models.build('vgg19', deepest='conv2_1', width=1 / 16)
    before = {name: dict(vars(layer)) for name, layer in net.items()}
    weights = net['conv1_1'].W.get_value()
    for method in projections.METHODS:
        projections.compile_projection(net, ['conv2_1'], method)
    with pytest.raises(ArchiveError, match='conv9'):
        projections.compile_projection(net, ['conv9'], 'guided')
    assert {name: vars(layer) for name, layer in net.items()} == before
    np.testing.assert_array_equal(net['conv1_1'].W.get_value(), weights)


def activations_of(rows=3, columns=4):
    return np.arange(2 * 5 * rows * columns, dtype='float32').reshape(2, 5, rows, columns)


def test_units_are_a_place_or_the_channels_strongest():
    activations = activations_of()
    activations[1, 2, 0, 3] = 1000
    assert projections.unit_indices(activations, 'x', 2) == [(2, 2, 3), (2, 0, 3)]
    assert projections.unit_indices(activations, 'x', 2, (1, 0)) == [(2, 1, 0)] * 2
    seed = projections.unit_target(activations, 'x', 2, at_value=True)
    assert seed[1, 2, 0, 3] == 1000 and (seed != 0).sum() == 2
    assert projections.unit_target(activations, 'x', 2).sum() == 2


@pytest.mark.parametrize('place', [(3, 0), (0, 4)])
def test_a_unit_outside_the_map_is_told_what_there_is(place):
    with pytest.raises(ArchiveError, match='conv has 3x4 units.*none at {},{}'.format(*place)):
        projections.unit_target(activations_of(), 'conv', 0, place)


def test_a_channel_that_is_not_there_is_told_what_there_is():
    net = models.build('vgg19', deepest='conv1_1', width=1 / 16)
    projections.known_channel(net, 'conv1_1', 3)
    with pytest.raises(ArchiveError, match='conv1_1 has the channels 0 to 3; there is no 4'):
        projections.known_channel(net, 'conv1_1', 4)


def test_an_empty_map_and_a_dense_layer_have_no_places():
    with pytest.raises(ArchiveError, match='nothing is left of the picture at pool5.*0x4 units'):
        projections.unit_target(activations_of(rows=0), 'pool5', 0)
    with pytest.raises(ArchiveError, match='fc8 has no rows and columns'):
        projections.unit_target(np.ones((1, 7)), 'fc8', 0, (1, 1))
