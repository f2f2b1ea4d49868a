"""How gradients are drawn, and the object cut out by them."""

import numpy as np
import pytest

from recipes.common import figures, maps


def gradient():
    """Return a gradient (3, 20, 30) in BGR: one blue pixel up, one red pixel down."""
    found = np.zeros((3, 20, 30), 'float32')
    found[0, 4, 5], found[2, 6, 7] = 2, -4
    return found


def test_magnitude_is_the_largest_over_the_colours():
    found = maps.magnitude(gradient())
    assert found[4, 5] == 2 and found[6, 7] == 4 and (found != 0).sum() == 2


def test_panels_are_rgb_and_scaled_by_their_largest_pixel():
    magnitude, positive, negative = maps.panels(gradient(), percentile=100)
    assert magnitude[6, 7].tolist() == [255] * 3 and magnitude[4, 5].tolist() == [128] * 3
    assert positive[4, 5].tolist() == [0, 0, 255] and not positive[6, 7].any()
    assert negative[6, 7].tolist() == [255, 0, 0] and not negative[4, 5].any()


def test_a_percentile_makes_more_pixels_white():
    ramp = np.zeros((3, 10, 100), 'float32')
    ramp[:] = np.arange(100)
    dim, bright = (maps.panels(ramp, percentile)[0] for percentile in (100, 50))
    assert (bright == 255).mean() > 0.49 and (dim == 255).mean() < 0.02


def test_signed_is_grey_where_nothing_counts():
    found = maps.signed(gradient(), 100)
    assert found[0, 0].tolist() == [128] * 3
    assert found[6, 7].tolist() == [0, 128, 128] and found[4, 5].tolist() == [128, 128, 191]


@pytest.mark.parametrize('draw', [lambda zero: maps.panels(zero)[0], maps.signed])
def test_a_map_of_zeros_is_drawn_without_a_warning(draw):
    found = draw(np.zeros((3, 8, 8), 'float32'))
    assert len(np.unique(found)) == 1


def test_an_overlay_keeps_the_photos_colours_where_nothing_counts():
    rgb = np.full((50, 60, 3), (40, 90, 160), 'uint8')
    strength = np.zeros((3, 50, 60))
    strength[:, 10:14, 20:24] = 1
    found = maps.overlay(rgb, strength, 100)
    np.testing.assert_array_equal(found[30:], rgb[30:])
    brightest = found[12, 22].astype(int)
    assert brightest[0] > 180 and brightest[1] > 180 and brightest[2] < 110  # yellow
    # Speckles count less than what is as strong all around.
    strength[:, 40, 50] = 1
    speckled = maps.overlay(rgb, strength, 100)
    assert np.abs(speckled[40, 50].astype(int) - rgb[40, 50]).sum() < 0.5 * np.abs(
        brightest - rgb[12, 22]).sum()


@pytest.mark.parametrize('rows, columns', [((5, 9), (10, 14)), ((0, 3), (27, 30)),
                                           ((0, 20), (0, 30)), ((7, 8), (7, 8))])
def test_a_window_holds_the_signal_inside_the_picture(rows, columns):
    gradient = np.zeros((3, 20, 30))
    gradient[:, slice(*rows), slice(*columns)] = 1
    window = maps.window_of(gradient)
    assert (gradient[(slice(None), *window)] ** 2).sum() >= 0.95 * (gradient ** 2).sum()
    (first, end), (begin, stop) = ((part.start, part.stop) for part in window)
    assert 0 <= first < end <= 20 and 0 <= begin < stop <= 30
    longest = max(rows[1] - rows[0], columns[1] - columns[0])
    assert max(end - first, stop - begin) <= round(1.1 * longest)
    small = maps.same_part(window, (5, 6), (20, 30))
    assert small[0].start == first * 5 // 20 and small[0].stop > small[0].start


def test_the_mask_follows_the_colours_of_the_photo():
    rgb = np.full((60, 80, 3), (40, 90, 40), 'uint8')
    rgb[20:40, 30:50] = (220, 60, 50)
    random = np.random.RandomState(0)
    strength = random.uniform(0, 0.1, (3, 60, 80))
    strength[:, 24:36, 34:46] += 1  # the map knows the middle of the object only
    rgb[50:55, 70:75] = (220, 60, 50)  # of the same colour and small: the largest part counts
    strength[:, 50:55, 70:75] += 1
    mask = maps.object_mask(rgb, strength)
    wanted = np.zeros((60, 80), bool)
    wanted[20:40, 30:50] = True
    assert (mask == wanted).mean() > 0.98
    pale = maps.masked(rgb, mask)
    assert (pale[mask] == rgb[mask]).all() and pale[0, 0].min() > 150


def test_the_mask_of_a_photo_of_one_colour_is_what_the_map_says():
    strength = np.zeros((3, 60, 80))
    strength[:, 20:32, 30:42] = 1
    mask = maps.object_mask(np.full((60, 80, 3), 90, 'uint8'), strength)
    wanted = np.zeros((60, 80), bool)
    wanted[20:32, 30:42] = True
    assert (mask == wanted).mean() > 0.97 and mask[26, 36] and not mask[0].any()


def test_a_mosaic_has_room_for_every_picture():
    pictures = [np.full((4, 6, 3), value, 'uint8') for value in (10, 20, 30)]
    pictures[2] = pictures[2][:2, :3]
    sheet = figures.mosaic(pictures, 2, gap=1)
    assert sheet.shape == (9, 13, 3)
    assert sheet[0, 0, 0] == 10 and sheet[3, 12, 0] == 20 and sheet[8, 5, 0] == 30
    assert (sheet[4] == 255).all() and sheet[8, 12, 0] == 255
