"""Networks: their layers, shapes, weights, and what a wrong request is told."""

import lasagne
import numpy as np
import pytest
import theano
from lasagne.layers import get_output

import models
from models.errors import ArchiveError

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


@pytest.mark.parametrize('request_, words', [
    (lambda: models.build('vgg91'), ['vgg91', 'did you mean vgg19']),
    (lambda: models.build('resnet'), ['there are', 'vgg16']),
    (lambda: models.build('vgg19', deepest='conv42'), ['conv42', 'did you mean', 'conv4_2']),
    (lambda: models.build('vgg19', pool='median'), ['median', 'average_exc_pad']),
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
