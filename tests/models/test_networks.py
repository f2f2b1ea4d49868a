"""Networks: their layers, shapes, weights, and what a wrong request is told."""

from pathlib import Path

import models
from models.errors import ArchiveError
from models.weights import torchvision

import lasagne
import numpy as np
import pytest
import theano
from lasagne.layers import get_output

from recipes.common import images, projections
from recipes.common.receptive_fields import receptive_field

GOLDEN = Path(__file__).parent.parent / 'golden'

VGG16_DEPTHS, VGG19_DEPTHS = (2, 2, 3, 3, 3), (2, 2, 4, 4, 4)


def convolution_names(depths):
    return [f'conv{block}_{index}' for block, depth in enumerate(depths, 1)
            for index in range(1, depth + 1)]


@pytest.mark.parametrize('name, depths, parameters', [
    ('vgg16', VGG16_DEPTHS, 138357544), ('vgg19', VGG19_DEPTHS, 143667240)])
def test_vggs_have_the_papers_layers_and_number_of_parameters(name, depths, parameters):
    # Zeros instead of 140 million random numbers.
    net = models.build(name, array=lambda key, shape: np.zeros(shape, 'float32'))
    assert [layer for layer in net if layer.startswith('conv')] == convolution_names(depths)
    assert list(net)[-4:] == ['fc6', 'fc7', 'fc8', 'prob']
    assert net['input'].shape == (None, 3, 224, 224)
    assert net['pool5'].output_shape == (None, 512, 7, 7)
    assert lasagne.layers.count_params(net['prob']) == parameters
    assert models.scores(net) is net['fc8']


def test_a_network_is_cut_off_and_has_a_free_size_without_dense_layers():
    net = models.build('vgg19', deepest='conv4_2', width=1 / 16, pool='average_exc_pad')
    assert list(net)[-1] == 'conv4_2'
    assert net['input'].shape == (None, 3, None, None)
    assert net['conv4_2'].num_filters == 32
    assert net['pool1'].mode == 'average_exc_pad'
    image = np.zeros((2, 3, 19, 33), 'float32')
    output = get_output(net['conv4_2']).eval({net['input'].input_var: image})
    assert output.shape == (2, 32, 2, 4)


def test_random_weights_follow_the_seed_and_keep_the_signal():
    first, again, other = (models.build('vgg19', deepest='conv1_2', seed=seed)
                           for seed in (1, 1, 2))
    weights = [net['conv1_2'].W.get_value() for net in (first, again, other)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
    assert abs(weights[0].var() / (2 / (64 * 9)) - 1) < 0.05
    assert weights[0].dtype == theano.config.floatX == 'float32'


def test_given_arrays_are_used_and_nothing_is_drawn(monkeypatch):
    monkeypatch.setattr('models.networks._draw', None)
    asked = {}

    def array(key, shape):
        asked[key] = shape
        return np.full(shape, 0.5, 'float32')

    net = models.build('vgg19_quarter', array=array)
    assert asked['conv1_1.W'] == (16, 3, 3, 3) and asked['fc8.W'] == (202, 128)
    assert len(asked) == 34
    assert (net['conv5_4'].W.get_value() == 0.5).all()


def test_the_first_convolution_correlates():
    net, _, _ = models.load('vgg19_quarter', deepest='conv1_1')
    random = np.random.RandomState(0)
    image = random.uniform(-100, 100, (1, 3, 3, 3)).astype('float32')
    output = get_output(net['conv1_1']).eval({net['input'].input_var: image})
    W, b = net['conv1_1'].W.get_value(), net['conv1_1'].b.get_value()
    middle = np.maximum(0, (W * image).sum(axis=(1, 2, 3)) + b)
    np.testing.assert_allclose(output[0, :, 1, 1], middle, rtol=1e-4, atol=1e-4)


def test_deepest_of_follows_the_network_not_the_list():
    assert models.deepest_of('vgg19', ['conv4_2', 'pool4', 'conv1_1']) == 'pool4'



@pytest.mark.parametrize('name', models.NETWORKS)
def test_the_layers_that_stand_for_a_network_are_its_own(name):
    facts, names = models.facts_of(name), [layer for layer, *_ in models.NETWORKS[name]()]
    net = models.build(name, width=1 / 64)
    for layers in (facts.style, facts.deeper):
        assert sorted(layers, key=names.index) == list(layers) and len(set(layers)) == len(layers)
        seen = [receptive_field(net[layer])[0].size for layer in layers]
        assert seen == sorted(seen)
    for layer in (*facts.style, *facts.deeper, facts.content, facts.deconvnet, facts.dream):
        assert len(net[layer].output_shape) == 4
    assert models.build(name, width=1 / 64)['input'].shape[2] in (None, facts.size)


def test_squeezenet_has_the_authors_layers_and_number_of_parameters():
    net = models.build('squeezenet')
    assert lasagne.layers.count_params(net['prob']) == 1235496  # of torchvision's squeezenet1_1
    shapes = lasagne.layers.get_output_shape(list(net.values()), (1, 3, 224, 224))
    shapes = dict(zip(net, shapes))
    assert shapes['conv1'] == (1, 64, 111, 111)
    assert shapes['pool1'] == (1, 64, 55, 55)
    assert shapes['fire3/concat'] == (1, 128, 55, 55) and shapes['pool3'] == (1, 128, 27, 27)
    assert shapes['pool5'] == (1, 256, 13, 13) and shapes['fire9/concat'] == (1, 512, 13, 13)
    assert models.scores(net) is net['pool10'] and shapes['prob'] == (1, 1000)
    assert models.deepest_of('squeezenet', ['fire2/expand1x1', 'fire2/concat']) == 'fire2/concat'
    cut = models.build('squeezenet', deepest='fire2/expand3x3', width=1 / 8)
    assert [layer.name for layer in lasagne.layers.get_all_layers(cut['fire2/expand3x3'])] == [
        'input', 'conv1', 'pool1', 'fire2/squeeze1x1', 'fire2/expand3x3']


def test_partial_pooling_windows_count():
    net = models.build('squeezenet', deepest='pool1', width=1 / 16)
    image = np.random.RandomState(0).uniform(-100, 100, (1, 3, 20, 21)).astype('float32')
    below, pooled = get_output([net['conv1'], net['pool1']])
    below, pooled = theano.function([net['input'].input_var], [below, pooled])(image)
    assert below.shape == (1, 4, 9, 10) and pooled.shape == (1, 4, 4, 5)
    np.testing.assert_array_equal(pooled[:, :, 1, -1], below[:, :, 2:5, 8:].max(axis=(2, 3)))


@pytest.mark.parametrize('name, parameters, convolutions, poolings', [
    ('all_cnn_c', 1369738, 9, 0), ('base_cnn_c', 954730, 7, 2),
    ('strided_cnn_c', 954730, 7, 0), ('conv_pool_cnn_c', 1369738, 9, 2)])
def test_all_cnn_c_and_its_siblings(name, parameters, convolutions, poolings):
    net = models.build(name)
    assert lasagne.layers.count_params(net['prob']) == parameters
    kinds = [layer.rstrip('_0123456789') for layer in net]
    assert kinds.count('conv') == convolutions and kinds.count('pool') == poolings
    shapes = lasagne.layers.get_output_shape(list(net.values()), (1, 3, 32, 32))
    shapes = dict(zip(net, shapes))
    assert shapes['conv3_1'] == (1, 192, 6, 6) and shapes['mean'] == (1, 10)
    assert models.scores(net) is net['mean']
    assert models.build(name, classes=100, width=1 / 16)['prob'].output_shape == (None, 100)


def test_the_number_of_classes_and_the_size_can_be_chosen():
    net = models.build('vgg16', width=1 / 32, classes=7, size=64)
    assert net['input'].shape == (None, 3, 64, 64)
    assert net['fc8'].output_shape == (None, 7) and net['fc6'].W.get_value().shape[0] == 16 * 4


def torchvision_file(path, mean_key=False):
    """Save a SqueezeNet of random numbers under torchvision's names; return the arrays."""
    random = np.random.RandomState(0)
    net = models.build('squeezenet')
    names = torchvision.keys_of('squeezenet')
    arrays = {names[f'{name}.{part}']:
              random.normal(0, 0.1, getattr(layer, part).get_value().shape).astype('float16')
              for name, layer in net.items() if hasattr(layer, 'W') for part in 'Wb'}
    np.savez(path, **arrays)
    return arrays


def test_torchvisions_names_are_known_and_its_input_is_folded_in(tmp_path, caplog):
    arrays = torchvision_file(tmp_path / 'squeezenet.npz')
    net, classes, mean_pixel = models.load('squeezenet', tmp_path / 'squeezenet.npz')
    assert not caplog.records
    assert len(classes) == 1000 and classes[1] == 'goldfish, Carassius auratus'
    np.testing.assert_array_equal(net['fire9/expand1x1'].W.get_value(),
                                  arrays['features.12.expand1x1.weight'].astype('float32'))
    rgb = np.random.RandomState(1).randint(0, 256, (3, 3, 3)).astype('float64')
    normalised = (rgb / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    kernel = arrays['features.0.weight'].astype('float64')
    expected = (kernel * normalised.transpose(2, 0, 1)).sum(axis=(1, 2, 3))
    bgr = rgb[:, :, ::-1].transpose(2, 0, 1) - mean_pixel.reshape(3, 1, 1)
    found = (net['conv1'].W.get_value() * bgr).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_squeezenets_top_1_is_pytorchs(shared_data):
    """On every photo whose two best scores differ by more than 1e-3, and scores to 1e-3."""
    with np.load(GOLDEN / 'squeezenet_top1.npz') as golden:
        photos, top1, best = (golden[key] for key in ('photos', 'top1', 'best_scores'))
    weights = shared_data / 'weights' / 'squeezenet1_1_torchvision_fp16.npz'
    net, classes, mean_pixel = models.load('squeezenet', weights=weights)
    compute = theano.function([net['input'].input_var], get_output(models.scores(net)))
    found, largest = [], []
    for photo in photos:
        rgb = images.read(shared_data / 'photos' / photo)
        top, left = ((length - 224) // 2 for length in rgb.shape[:2])
        scores = compute(images.prepare(rgb[top:top + 224, left:left + 224], mean_pixel))
        found.append(scores.argmax())
        largest.append(scores.max())
    clear = best[:, 0] - best[:, 1] > 1e-3
    assert clear.sum() > 190
    np.testing.assert_array_equal(np.array(found)[clear], top1[clear])
    np.testing.assert_allclose(largest, best[:, 0], rtol=1e-4)


@pytest.mark.parametrize('request_, words', [
    (lambda: models.build('vgg91'), ['vgg91', 'did you mean vgg19']),
    (lambda: models.build('zzz'), ['there are', 'vgg16', 'python -m models lists all']),
    (lambda: models.build('vgg19', deepest='conv42'),
     ['conv42', 'did you mean', 'conv4_2', 'python -m models layers vgg19 lists all']),
    (lambda: models.build('googlenet', deepest='zzz'),
     ['zzz', 'python -m models layers googlenet lists all']),
    (lambda: projections.known_layer(models.build('vgg19', deepest='conv1_1'), 'conv2_1'),
     ["no layer 'conv2_1'", 'did you mean conv1_1']),
    (lambda: models.build('vgg19', 'median', width=1 / 64), ['median', 'average_exc_pad']),
    (lambda: models.build('squeezenet', 'median', width=1 / 64), ['median', 'average_exc_pad']),
    (lambda: models.build('vgg19', width=0), ['width', '0']),
    (lambda: models.deepest_of('vgg16', ['conv5_4']), ['conv5_4', 'did you mean']),
    (lambda: models.scores(models.build('vgg19', deepest='conv1_1')), ['conv1_1', 'deepest']),
])
def test_wrong_requests_are_told_what_there_is(request_, words):
    with pytest.raises(ArchiveError) as problem:
        request_()
    for word in words:
        assert word in str(problem.value)
    assert '\n' not in str(problem.value)
