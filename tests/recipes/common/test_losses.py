"""The losses against slow numpy, and against PyTorch on VGG-19."""

import importlib.util
from pathlib import Path

import models

import numpy as np
import pytest
import theano
import theano.tensor as T

from recipes import styletransfer
from recipes.common import images, losses
from recipes.style.loss import Looker, Painting, StyleLoss, Targets

GOLDEN = Path(__file__).parent.parent.parent / 'golden'


def gram(x):
    """Return the Gram matrices of (batch, channels, rows, columns), by loops."""
    result = np.zeros((len(x), x.shape[1], x.shape[1]))
    for n in range(len(x)):
        for i in range(x.shape[1]):
            for j in range(x.shape[1]):
                result[n, i, j] = (x[n, i].astype('float64') * x[n, j]).sum()
    return result


def total_variation(x):
    total = 0.
    for image in x.astype('float64'):
        for channel in image:
            for r in range(channel.shape[0] - 1):
                for c in range(channel.shape[1] - 1):
                    down = channel[r, c] - channel[r + 1, c]
                    right = channel[r, c] - channel[r, c + 1]
                    total += (down ** 2 + right ** 2) ** 1.25
    return total


@pytest.fixture(scope='module')
def features():
    random = np.random.RandomState(3)
    return [random.uniform(0, 2, shape).astype('float32')
            for shape in ((1, 5, 6, 7), (1, 5, 4, 9), (1, 5, 6, 7))]


def test_losses_agree_with_loops(features):
    photo, painting, picture = features
    p, a, x = T.tensor4(), T.tensor4(), T.tensor4()
    compute = theano.function([p, a, x], [
        losses.gram_matrix(x), losses.content_loss({'l': p}, {'l': x}, 'l'),
        losses.style_loss({'l': a}, {'l': x}, 'l'), losses.total_variation_loss(x)])
    grams, content, style, variation = compute(photo, painting, picture)
    np.testing.assert_allclose(grams, gram(picture), rtol=1e-5)
    np.testing.assert_allclose(content, 0.5 * ((picture - photo) ** 2).sum(), rtol=1e-5)
    distance = gram(picture) / (6 * 7) - gram(painting) / (4 * 9)
    np.testing.assert_allclose(style, (distance ** 2).sum() / (4 * 5 ** 2), rtol=1e-5)
    np.testing.assert_allclose(variation, total_variation(picture), rtol=1e-5)


def test_style_loss_is_the_recipes_where_sizes_agree(features):
    photo, _, picture = features
    a, x = T.tensor4(), T.tensor4()
    loss = losses.style_loss({'l': a}, {'l': x}, 'l').eval({a: photo, x: picture})
    squares = ((gram(picture) - gram(photo)) ** 2).sum()
    np.testing.assert_allclose(loss, squares / (4 * 5 ** 2 * (6 * 7) ** 2), rtol=1e-5)


def test_the_recipes_loss_on_vgg19_agrees_with_pytorch():
    spec = importlib.util.spec_from_file_location('style_losses', GOLDEN / 'style_losses.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    golden = np.load(module.OUT)

    options = styletransfer.parse(['--impl', 'recipes', '--model', 'vgg19'])
    net = models.build('vgg19', 'average_exc_pad', 'conv5_1', seed=0)
    photo, painting = (images.prepare(rgb, module.MEAN_PIXEL) for rgb in module.pictures())
    loss = StyleLoss(net, [module.CONTENT], module.STYLE)
    targets = Looker(loss).targets(photo, [Painting(painting)])
    loss.aim_at(targets)
    loss.weigh(styletransfer.weigh(options, net, loss, targets, photo))
    terms, gradient = loss(module.start())
    assert loss.names == ['content conv4_2', *(f'style {name}' for name in module.STYLE),
                          'total variation']
    np.testing.assert_allclose(terms, golden['terms'], rtol=2e-6)  # measured: 2.1e-7
    # Thirteen layers of float32 against float64: the relative L2 error measured is 1.1e-7.
    error = np.linalg.norm(gradient - golden['gradient']) / np.linalg.norm(golden['gradient'])
    assert error < 1e-6


def test_range_loss_is_half_the_squares_outside_but_for_the_last_row_and_column():
    x = np.random.RandomState(0).uniform(-150, 150, (1, 3, 5, 7)).astype('float32')
    lowest, highest = np.array([-100., -90, -80]), np.array([100., 110, 120])
    expected = 0.0
    for channel in range(3):
        for row in range(4):
            for column in range(6):
                value = float(x[0, channel, row, column])
                outside = max(0, lowest[channel] - value, value - highest[channel])
                expected += 0.5 * outside ** 2
    image = T.tensor4()
    compute = theano.function([image], losses.range_loss(image, lowest.astype('float32'),
                                                         highest.astype('float32')))
    assert expected > 0
    np.testing.assert_allclose(compute(x), expected, rtol=1e-6)  # sums of float32


def test_energies_are_the_losses_of_a_picture_without_activations():
    """A guided covariance of two regions and a content layer, by their definitions."""
    random = np.random.RandomState(1)
    photo = random.normal(size=(1, 4, 3, 5))
    target = random.normal(size=(1, 2, 4, 4))
    masses = np.array([3.0, 1.0])
    targets = Targets({'a': photo}, {'b': [target]}, {}, {'b': masses})
    energies = targets.energies()
    assert list(energies) == ['content a', 'style b']
    np.testing.assert_allclose(energies['content a'], 0.5 * (photo ** 2).sum(), rtol=1e-12)
    each = (target[0] ** 2).sum(axis=(1, 2)) / (4 * 4 ** 2)
    np.testing.assert_allclose(energies['style b'], 0.75 * each[0] + 0.25 * each[1], rtol=1e-12)
    dark = targets._replace(photo={'a': np.zeros_like(photo)})
    assert dark.energies()['content a'] == 1  # nothing to be a share of


@pytest.fixture(scope='module')
def grid_loss():
    image = T.dtensor4()
    return theano.function([image], losses.grid_loss(image))


def test_grid_loss_is_what_folds_onto_the_grid(grid_loss):
    random = np.random.RandomState(0)
    x = random.normal(0, 30, (2, 3, 67, 131))
    means = np.zeros((2, 3, 1, 2, 4, 4))
    for row in range(60):
        for column in range(120):  # two windows of 60 pixels; the first pixel has no square around
            around = x[:, :, row:row + 4, column:column + 4].mean(axis=(2, 3))
            means[:, :, 0, column // 60, row % 4, column % 4] += (
                x[:, :, row + 1, column + 1] - around) / 15 ** 2
    means -= means.mean(axis=(4, 5), keepdims=True)
    np.testing.assert_allclose(grid_loss(x), 15 ** 2 * (means ** 2).sum(), rtol=1e-10)
    assert grid_loss(x[:, :, :40]) == 0


@pytest.mark.parametrize('pattern, follows', [
    (lambda down, right: 10 * (-1.0) ** (down + right), True),                    # checkerboard
    (lambda down, right: 10 * np.cos(np.pi / 2 * (down + right)), True),          # stripes
    (lambda down, right: 10 * np.cos(2 * np.pi / 5 * right), False),  # of another period
    (lambda down, right: 2.0 * down - right, False)])                 # light to dark
def test_grid_loss_is_of_patterns_that_follow_the_grid(grid_loss, pattern, follows):
    x = pattern(*np.mgrid[:64, :64])[None, None]
    found = float(grid_loss(x)) / 60 ** 2
    if follows:  # the mean square of 100 or 50
        assert found > 45
    else:
        assert found < 1e-9
