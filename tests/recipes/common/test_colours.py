"""Colours kept: luminance of one picture, colour differences of another; matched covariances."""

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes.common import colours
from recipes.style import masks


@pytest.fixture
def photo():
    random = np.random.RandomState(0)
    return (random.beta(2, 4, (40, 50, 1)) * [90, 160, 250]).astype('uint8')


@pytest.fixture
def painting():
    return np.random.RandomState(1).randint(60, 180, (30, 30, 3)).astype('uint8')


def test_matched_colours_have_the_photos_mean_and_covariance(photo, painting):
    mapped = colours.matched(painting, photo).reshape(-1, 3).astype(float)
    wanted = photo.reshape(-1, 3).astype(float)
    # Clipping and rounding to bytes move them by a little.
    np.testing.assert_allclose(mapped.mean(axis=0), wanted.mean(axis=0), atol=3)
    np.testing.assert_allclose(np.cov(mapped.T), np.cov(wanted.T), rtol=0.15, atol=30)


def test_a_grey_painting_is_matched_too(photo):
    grey = np.repeat(np.arange(0, 250, 5, 'uint8').reshape(10, 5, 1), 3, axis=2)
    mapped = colours.matched(grey, photo)
    np.testing.assert_allclose(mapped.mean((0, 1)), photo.mean((0, 1)), atol=4)
    assert mapped.std() > 5


def test_luminance_comes_from_the_picture_and_colour_from_the_photo():
    photo = np.full((4, 4, 3), (120, 100, 90), 'uint8')
    picture = np.full((4, 4, 3), 130, 'uint8')
    result = colours.with_colours_of(photo, picture)
    np.testing.assert_allclose(colours.luminance(result), 130, atol=1)
    np.testing.assert_allclose(np.diff(result[0, 0].astype(int)), [-20, -10], atol=1)


def test_the_paintings_luminance_gets_the_photos_mean_and_deviation(photo, painting):
    grey = colours.luminance_matched(painting, photo)
    assert (grey[:, :, 0] == grey[:, :, 2]).all()
    np.testing.assert_allclose(grey.mean(), colours.luminance(photo).mean(), atol=3)
    np.testing.assert_allclose(grey[:, :, 0].std(), colours.luminance(photo).std(), rtol=0.1)


def test_saturation_is_that_of_hsv():
    wide = np.ones((40, 40, 1), 'uint8')
    assert colours.saturation(wide * np.uint8([200, 100, 50])) == pytest.approx(0.75)
    assert colours.saturation(wide * np.uint8([80, 80, 80])) == colours.saturation(0 * wide) == 0


def test_colourful_noise_over_grey_is_hardly_saturated():
    noise = np.random.RandomState(0).randint(28, 229, (60, 60, 3)).astype('uint8')
    assert colours.saturation(noise) < 0.2


def test_masks_give_regions_by_colour(tmp_path):
    mask = np.zeros((20, 30, 3), 'uint8')
    mask[:, 10:] = (255, 0, 0)
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    read = masks.read(tmp_path / 'mask.png')
    assert masks.colours_of(read) == [(0, 0, 0), (255, 0, 0)]
    regions = masks.regions(masks.resize_to(read, 40, 60), masks.colours_of(read))
    assert regions.shape == (2, 40, 60) and (regions.sum(axis=0) == 1).all()
    assert regions[0, :, :20].all() and regions[1, :, 20:].all()


def test_a_mask_with_smooth_edges_is_refused(tmp_path):
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (20, 20, 3), 'uint8')).save(
        tmp_path / 'smooth.png')
    with pytest.raises(ArchiveError, match='each is a region; take up to 8'):
        masks.read(tmp_path / 'smooth.png')


def test_a_region_without_counterpart_is_named():
    red, blue = np.full((2, 2, 3), (255, 0, 0), 'uint8'), np.full((2, 2, 3), (0, 0, 255), 'uint8')
    with pytest.raises(ArchiveError, match="#ff0000 of the photo's mask.*they have #0000ff"):
        masks.check(red, [blue])
    masks.check(red, [blue, red])
