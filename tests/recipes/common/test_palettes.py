"""Palettes, bits, distributions of colours, and what is painted over."""

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes.common import images, palettes
from recipes.style import masks


@pytest.fixture(scope='module')
def painting():
    return images.resize(images.read(images.PAINTING), 96)


def colours_in(rgb):
    return len(np.unique(rgb.reshape(-1, 3), axis=0))


@pytest.mark.parametrize('count', [2, 12])
def test_a_palette_has_so_many_colours_and_each_pixel_its_nearest(painting, count):
    palette = palettes.palette_of(painting, count, seed=3)
    np.testing.assert_array_equal(palette, palettes.palette_of(painting, count, seed=3))
    reduced = palettes.with_palette(painting, palette)
    assert len(palette) == colours_in(reduced) == count
    lab, own = (palettes.to_lab(rgb.reshape(-1, 1, 3)) for rgb in (painting, palette))
    distances = np.linalg.norm(lab - own.reshape(1, -1, 3), axis=2)
    np.testing.assert_array_equal(reduced.reshape(-1, 3), palette[distances.argmin(axis=1)])


def test_more_colours_stand_nearer_to_the_painting_than_colours_at_random(painting):
    errors = {}
    random = np.random.RandomState(0).randint(0, 256, (12, 3)).astype('uint8')
    for name, palette in (('random', random), *((count, palettes.palette_of(painting, count))
                                                for count in (3, 12))):
        reduced = palettes.with_palette(painting, palette)
        errors[name] = np.linalg.norm(palettes.to_lab(painting) - palettes.to_lab(reduced),
                                      axis=2).mean()
    assert errors[12] < 0.6 * errors[3] and errors[12] < 0.6 * errors['random']


def test_a_picture_of_few_colours_keeps_them():
    rgb = np.zeros((16, 16, 3), 'uint8')
    rgb[:8] = 250, 3, 77
    np.testing.assert_array_equal(palettes.with_palette(rgb, palettes.palette_of(rgb, 5)), rgb)


@pytest.mark.parametrize('bits, levels', [(1, [0, 255]), (2, [0, 85, 170, 255])])
def test_bits_leave_evenly_spaced_levels(bits, levels):
    every = np.arange(256, dtype='uint8')
    expected = [min(levels, key=lambda level: abs(level - value)) for value in every]
    np.testing.assert_array_equal(palettes.with_bits(every, bits), expected)
    np.testing.assert_array_equal(palettes.with_bits(every, 8), every)


def test_distribution_entropy_and_peaks_of_three_paints():
    colours = np.array([(200, 30, 30), (30, 60, 200), (240, 220, 60), (30, 60, 200)], 'uint8')
    rgb = np.repeat(colours, 64, axis=0).reshape(16, 16, 3)
    assert palettes.distribution(rgb).sum() == pytest.approx(1)
    assert palettes.entropy(rgb) == pytest.approx(1.5)  # 1/4, 1/2 and 1/4
    assert len(palettes.peaks(rgb)) == 3
    assert palettes.peaks_kept(rgb, rgb) == (3, 3)
    assert palettes.peaks_kept(rgb, rgb[:4]) == (1, 3)
    assert palettes.share_near(rgb, colours[:1]) == 0.25


def test_no_colour_of_srgb_is_outside_the_distribution():
    levels = np.linspace(0, 255, 18).astype('uint8')
    every = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(18, -1, 3)
    assert palettes.distribution(every).sum() == pytest.approx(1)
    blue = np.full((16, 16, 3), (0, 0, 255), 'uint8')
    assert len(palettes.peaks(blue)) == 1 and palettes.entropy(blue) == 0


@pytest.mark.parametrize('rgb, name', [
    ((210, 40, 40), 'red'), ((230, 130, 30), 'orange'), ((235, 215, 50), 'yellow'),
    ((40, 150, 60), 'green'), ((40, 60, 200), 'blue'), ((10, 10, 10), 'black'),
    ((128, 128, 128), 'grey'), ((250, 250, 250), 'white')])
def test_colours_have_names(rgb, name):
    lab = palettes.to_lab(np.array(rgb, 'uint8'))
    assert palettes.names_of(lab) == name
    assert palettes.hexadecimal(lab) == '#{:02x}{:02x}{:02x}'.format(*rgb)


def test_a_picture_has_the_colours_of_its_pixels_and_not_of_their_mean():
    rgb = np.full((4, 10, 3), (240, 210, 40), 'uint8')
    rgb[:, 6:] = 40, 60, 200
    lab = palettes.to_lab(rgb)
    assert palettes.names_of(lab.mean(axis=(0, 1))) not in ('yellow', 'blue')
    weights = np.ones((4, 10))
    assert palettes.looks_of(lab, weights) == [
        ('yellow', '#f0d228', pytest.approx(0.6)), ('blue', '#283cc8', pytest.approx(0.4))]
    weights[:, :6] = 0.5
    assert [name for name, _, _ in palettes.looks_of(lab, weights)] == ['blue', 'yellow']
    weights[:, :6] = 0
    assert palettes.looks_of(lab, weights) == [('blue', '#283cc8', pytest.approx(1))]


def test_what_is_painted_over_does_not_take_the_colour_of_its_rim():
    rows, columns = np.mgrid[:128, :128]
    away = np.hypot(rows - 60, columns - 50)
    rgb = np.full((128, 128, 3), (30, 60, 190), 'uint8')
    rgb[away < 24] = 230, 140, 30
    kept = (away >= 21).astype('float32')  # the outer 3 pixels of the moon are left
    found = masks.paint_over(rgb, kept)
    np.testing.assert_array_equal(found[away < 21],
                                  np.full_like(found[away < 21], (30, 60, 190)))
    np.testing.assert_array_equal(found[away >= 21], rgb[away >= 21])


def test_a_small_thing_is_painted_over_with_what_touches_it():
    rgb = np.full((128, 128, 3), (235, 225, 200), 'uint8')
    rgb[43:57, 43:57] = 30, 40, 120
    kept = np.ones((128, 128), 'float32')
    kept[46:54, 46:54] = 0  # 3 pixels inside a dark square: a rim of 4 would be beyond it
    kept[90:, 20:100] = 0   # and something large elsewhere, whose rim is wide
    np.testing.assert_array_equal(masks.paint_over(rgb, kept)[43:57, 43:57], rgb[43:57, 43:57])


def test_a_strip_that_is_all_rim_is_still_painted_over_with():
    rgb = np.zeros((64, 64, 3), 'uint8')
    rgb[:, :2] = 30, 60, 190
    kept = np.zeros((64, 64), 'float32')
    kept[:, :2] = 1
    np.testing.assert_array_equal(masks.paint_over(rgb, kept), np.full_like(rgb, (30, 60, 190)))


def test_what_does_not_count_is_painted_over_with_what_is_around():
    rgb = np.full((40, 40, 3), (200, 180, 90), 'uint8')
    rgb[10:20, 10:20] = 0
    kept = np.ones((40, 40), 'float32')
    kept[9:21, 9:21] = 0
    np.testing.assert_array_equal(masks.paint_over(rgb, kept),
                                  np.full_like(rgb, (200, 180, 90)))
    np.testing.assert_array_equal(masks.paint_over(rgb, np.ones_like(kept)), rgb)


def test_a_mask_of_what_counts(tmp_path):
    path = tmp_path / 'mask.png'
    levels = np.array([0, 51, 255, 255], 'uint8').repeat(4)
    Image.fromarray(np.tile(levels, (16, 1))).save(path)
    np.testing.assert_allclose(masks.read_kept(path)[0, ::4], [0, 0.2, 1, 1], rtol=1e-6)
    Image.new('RGB', (16, 16)).save(path)
    with pytest.raises(ArchiveError, match='leaves nothing of the painting'):
        masks.read_kept(path)
