"""Measures of pictures against slow oracles, scipy and numbers worked out by hand."""

import models

import numpy as np
import pytest
from scipy.stats import spearmanr, wasserstein_distance

from recipes.common import images, palettes, projections
from recipes.measures import alignment, pictures


@pytest.fixture(scope='module')
def noise():
    """Return two pictures of noise, RGB uint8 (32, 40, 3)."""
    random = np.random.RandomState(0)
    return random.randint(0, 256, (2, 32, 40, 3)).astype('uint8')


def test_the_same_is_as_alike_as_can_be(noise):
    a = noise[0]
    assert pictures.ssim(a, a) == pytest.approx(1)
    assert pictures.colour_distance(a, a) == 0
    grey = a.mean(axis=2)
    assert pictures.rank_correlation(grey, grey) == pytest.approx(1)
    assert pictures.overlap(grey, grey) == 1


def test_the_rank_correlation_is_scipys_also_with_ties(noise):
    a, b = (x.mean(axis=2) // 30 for x in noise)
    assert pictures.rank_correlation(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel())[0])
    assert pictures.rank_correlation(a, np.zeros_like(a)) == 0


def test_the_brightest_pixels_are_counted():
    a, b = np.zeros((10, 10)), np.zeros((10, 10))
    a[0, :5] = [5, 4, 3, 2, 1]
    b[0, 2:7] = [5, 4, 3, 2, 1]
    assert pictures.overlap(a, b) == pytest.approx(3 / 7)  # of 5 and 5, 3 in common


def test_the_distance_of_colours_is_the_earth_movers(noise):
    """Along one direction it is scipy's distance, up to the quantiles that are taken."""
    a, b = (palettes.to_lab(x).reshape(-1, 3) for x in noise)
    wanted = np.mean([wasserstein_distance(a @ direction, b @ direction)
                      for direction in pictures.DIRECTIONS])
    assert pictures.earth_movers(*noise) == pytest.approx(wanted, rel=0.1)
    assert len(pictures.DIRECTIONS) == 13


def test_a_shift_of_the_lightness_is_what_it_is():
    """Greys of L* 40 and 60: 20 along L*, 20 / sqrt(2) and 20 / sqrt(3) aslant, else nothing."""
    a, b = (np.full((16, 16, 3), level, 'uint8') for level in (94, 145))
    step = palettes.to_lab(b)[0, 0, 0] - palettes.to_lab(a)[0, 0, 0]
    wanted = step * (1 + 4 / np.sqrt(2) + 4 / np.sqrt(3)) / 13
    assert pictures.earth_movers(a, b) == pytest.approx(wanted, rel=0.01)
    assert pictures.spread(a) == pictures.SMALLEST_SPREAD  # of one colour


def test_in_a_network_as_numpy_has_it(noise):
    look = pictures.InNetwork.of('vgg19_quarter')
    layers = models.facts_of('vgg19_quarter').style[:4]
    net, _, mean_pixel = models.load('vgg19_quarter', pool='average_exc_pad', deepest=layers[-1])
    seen = [projections.compile_activations(net, layers)(images.prepare(rgb, mean_pixel))
            for rgb in noise]
    apart = []
    for x, y in zip(*seen):
        grams = []
        for one in (x[0].astype('float64'), y[0].astype('float64')):
            flat = one.reshape(len(one), -1)
            grams.append(flat @ flat.T / flat.shape[1])
        apart.append(np.sqrt(((grams[0] - grams[1]) ** 2).sum() / (grams[1] ** 2).sum()))
    assert look.gram(*noise) == pytest.approx(max(apart), rel=1e-3)
    assert look.gram(noise[0], noise[0]) == 0
    flat = [np.concatenate([(channel - channel.mean()).ravel() for channel in one[2][0]])
            for one in seen]
    wanted = flat[0] @ flat[1] / np.sqrt((flat[0] @ flat[0]) * (flat[1] @ flat[1]))
    assert look.content(*noise) == pytest.approx(wanted, abs=1e-4)
    assert look.content(noise[0], noise[0]) == pytest.approx(1)


def test_sampling_interpolates_four_pixels_and_no_more():
    """8 pixels to 4: places 0.5, 2.5, 4.5, 6.5, each between two, along both axes."""
    rgb = (np.arange(64).reshape(8, 8, 1) * [1, 2, 3]).astype('uint8')
    found = alignment.sampled(rgb, 4, 4)
    for row in range(4):
        for column in range(4):
            four = rgb[2 * row:2 * row + 2, 2 * column:2 * column + 2].astype(float)
            np.testing.assert_array_equal(found[row, column], np.rint(four.mean(axis=(0, 1))))


@pytest.mark.parametrize('down, right', [(0, 0), (3, -2), (-4, 4)])
def test_a_small_shift_is_found_and_undone(noise, down, right):
    big = images.resize_to(noise[0], 100, 100)
    ours, theirs = big[10:80, 10:80], big[10 - down:80 - down, 10 - right:80 - right]
    pair = alignment.align(ours, theirs)
    assert pair.offset == (down, right)
    np.testing.assert_array_equal(pair.ours, pair.theirs)
    assert bool(pair.done) == bool(down or right)
