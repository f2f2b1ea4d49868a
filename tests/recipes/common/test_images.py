"""Pictures of every kind that users have, and files that are none."""

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes.common import images


@pytest.fixture(scope='module')
def rgb():
    """Return a smooth RGB picture of 24 rows and 40 columns."""
    r, c = np.mgrid[0:24, 0:40]
    return np.stack([r * 10, c * 6, 255 - r * 5 - c], axis=2).astype('uint8')


def save(path, image, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize('mode, ending, tolerance', [
    ('RGB', 'png', 0), ('RGB', 'jpg', 8), ('RGB', 'webp', 12), ('CMYK', 'tif', 0),
    ('CMYK', 'jpg', 10), ('P', 'png', 40), ('P', 'gif', 40), ('RGBA', 'png', 0)])
def test_colour_pictures_work(tmp_path, rgb, mode, ending, tolerance):
    path = save(tmp_path / f'picture.{ending}', Image.fromarray(rgb).convert(mode))
    difference = abs(images.read(path).astype(int) - rgb)
    assert difference.shape == rgb.shape and difference.mean() <= tolerance


@pytest.mark.parametrize('mode', ['L', '1', 'LA'])
def test_grey_pictures_get_three_equal_channels(tmp_path, rgb, mode):
    read = images.read(save(tmp_path / 'grey.png', Image.fromarray(rgb).convert(mode)))
    assert read.shape == rgb.shape
    assert (read == read[:, :, :1]).all() and read.std() > 10


@pytest.mark.parametrize('ending', ['png', 'tif'])
def test_sixteen_bits_become_eight(tmp_path, rgb, ending):
    wide = rgb[:, :, 0].astype('uint16') * 257
    path = save(tmp_path / f'wide.{ending}', Image.fromarray(wide))
    np.testing.assert_array_equal(images.read(path)[:, :, 1], rgb[:, :, 0])


def test_transparency_is_laid_over_white(tmp_path, rgb):
    alpha = np.full((24, 40, 1), 255, 'uint8')
    alpha[:, :20] = 0
    read = images.read(save(tmp_path / 'a.png', Image.fromarray(np.concatenate([rgb, alpha], 2))))
    assert (read[:, :20] == 255).all()
    np.testing.assert_array_equal(read[:, 20:], rgb[:, 20:])


def test_a_transparent_palette_colour_is_laid_over_white(tmp_path, rgb):
    image = Image.fromarray(rgb).convert('P')
    path = save(tmp_path / 'p.png', image, transparency=image.getpixel((0, 0)))
    assert (images.read(path)[0, 0] == 255).all()


def test_a_rotated_photo_is_turned_upright(tmp_path, rgb):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees to show
    path = save(tmp_path / 'r.png', Image.fromarray(np.rot90(rgb)), exif=exif)
    np.testing.assert_array_equal(images.read(path), rgb)


def broken(path, content):
    path.write_bytes(content)
    return path


def truncated(path, rgb):
    save(path, Image.fromarray(np.random.RandomState(0).randint(0, 255, (64, 64, 3), 'uint8')))
    path.write_bytes(path.read_bytes()[:2000])
    return path


def bomb(path, rgb):
    return save(path.with_suffix('.png'), Image.new('1', (20000, 20000)))


@pytest.mark.parametrize('make, words', [
    (lambda path, rgb: path, 'there is no picture'),
    (lambda path, rgb: path.parent, 'is a folder'),
    (lambda path, rgb: broken(path, b'a letter, not a picture'), 'not a picture'),
    (lambda path, rgb: broken(path, b''), 'not a picture'),
    (truncated, 'truncated'),
    (lambda path, rgb: save(path, Image.new('RGB', (1, 1))), '1x1 pixels'),
    (lambda path, rgb: save(path, Image.new('RGB', (15, 400))), 'at least 16x16'),
    (lambda path, rgb: save(path.with_suffix('.tif'), Image.new('F', (30, 30))), 'floating'),
    (bomb, 'too many pixels'),
], ids=['missing', 'folder', 'text', 'empty', 'truncated', '1x1', 'narrow', 'float', 'bomb'])
def test_what_is_no_picture_is_told_in_one_line(tmp_path, rgb, make, words):
    with pytest.raises(ArchiveError, match=words) as problem:
        images.read(make(tmp_path / 'picture.jpg', rgb))
    assert '\n' not in str(problem.value)


def test_the_bundled_pictures_are_there():
    assert images.read(images.bundled_photo()).shape == (512, 512, 3)
    assert images.read(images.PAINTING).shape == (512, 640, 3)


@pytest.mark.parametrize('size', [16, 17, 100])
def test_resize_keeps_the_aspect_and_hits_the_short_side(rgb, size):
    rows, columns, _ = images.resize(rgb, size).shape
    assert rows == size and columns == round(40 * size / 24)


def test_crop_takes_the_middle(rgb):
    np.testing.assert_array_equal(images.crop_square(rgb), rgb[:, 8:32])
    np.testing.assert_array_equal(images.square(rgb, 12), images.resize(rgb[:, 8:32], 12))


def test_prepare_and_deprocess_are_inverse(rgb):
    mean_pixel = (103.939, 116.779, 123.68)
    x = images.prepare(rgb, mean_pixel)
    assert x.shape == (1, 3, 24, 40) and x.dtype == 'float32' and x.flags.c_contiguous
    np.testing.assert_allclose(x[0, 0, 3, 4], rgb[3, 4, 2] - 103.939, rtol=1e-6)
    np.testing.assert_array_equal(images.deprocess(x, mean_pixel), rgb)
    assert images.deprocess(x[0] * 100, mean_pixel).dtype == 'uint8'
    assert images.deprocess(x + 0.4, mean_pixel).tolist() == rgb.tolist()
