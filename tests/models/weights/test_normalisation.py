"""Gatys' normalisation: each mean becomes 1, the output stays, dead channels do not explode."""

import lasagne
import numpy as np
import pytest
import theano
from lasagne.layers import Conv2DLayer

import models
from models.errors import ArchiveError
from models.weights import normalisation
from recipes.common import images


@pytest.fixture(scope='module')
def photos():
    """Return the bundled photo at two sizes, as the embedded network takes it."""
    _, _, mean_pixel = models.load('vgg19_quarter')
    photo = images.read(images.bundled_photo())
    return [images.prepare(images.resize(photo, size), mean_pixel) for size in (96, 64)]


def fresh():
    return models.load('vgg19_quarter', pool='average_exc_pad')[0]


def test_means_are_those_of_the_original_activations_over_all_positions(photos):
    net = fresh()
    means = normalisation.activation_means(net, photos)
    layer = net['conv2_1']
    activations = [lasagne.layers.get_output(layer).eval({net['input'].input_var: photo})
                   for photo in photos]
    together = np.concatenate([a[0].reshape(len(a[0]), -1) for a in activations], axis=1)
    np.testing.assert_allclose(means['conv2_1'], together.mean(axis=1), rtol=1e-5)


def test_each_mean_becomes_one_and_the_output_stays(photos):
    net = fresh()
    run = theano.function([net['input'].input_var], lasagne.layers.get_output(net['fc8']))
    before = run(photos[0])
    original = normalisation.activation_means(net, photos)
    scales = normalisation.normalise(net, photos)
    after = run(photos[0])
    # 16 layers of float32 sums; divided by a mean of 5e-4 a channel's own rounding is larger
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-4 * abs(before).max())
    for name, mean in normalisation.activation_means(net, photos).items():
        fires = original[name] > 0
        assert abs(mean[fires] - 1).max() < 1e-3, name
        np.testing.assert_allclose(scales[name][fires], original[name][fires])


def test_a_floor_keeps_nearly_dead_channels_from_exploding(photos):
    net = fresh()
    original = normalisation.activation_means(net, photos)
    normalisation.normalise(net, photos, floor=0.1)
    for name, mean in normalisation.activation_means(net, photos).items():
        lowest = 0.1 * original[name].mean()
        expected = original[name] / np.maximum(original[name], lowest)
        np.testing.assert_allclose(mean, expected, atol=1e-3)
    assert any((mean < 0.1 * mean.mean()).any() for mean in original.values())


def test_a_channel_that_never_fires_is_left_alone():
    net = models.build('vgg19', deepest='conv1_2', width=1 / 16)
    net['conv1_1'].b.set_value(np.array([-1e6, 0, 0, 0], 'float32'))
    photo = np.random.RandomState(0).uniform(-100, 100, (1, 3, 16, 16)).astype('float32')
    scales = normalisation.normalise(net, [photo])
    assert scales['conv1_1'][0] == 1
    assert all(np.isfinite(layer.W.get_value()).all() for layer in net.values()
               if isinstance(layer, Conv2DLayer))


def test_a_negative_floor_is_an_error(photos):
    with pytest.raises(ArchiveError, match='floor'):
        normalisation.normalise(fresh(), photos, floor=-0.1)
