"""Pictures: RGB uint8 outside, BGR float32 minus mean inside. All conversions are here."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from models.errors import ArchiveError

ASSETS = Path(__file__).parent.parent / 'assets'
PAINTING = ASSETS / 'windy_night.jpg'
SMALLEST = 16  # pixels; conv5_1 of a VGG sees one position for every 16
LARGEST = 2048 * 2048  # pixels; a full VGG-19's loss and gradient take 4.4 kB each, 18 GB in all
SIXTEEN_BITS = ('I', 'I;16', 'I;16B', 'I;16L', 'I;16N')


def bundled_photo():
    """Return the path of the default photo, NASA's portrait of an astronaut (scikit-image)."""
    package = importlib.util.find_spec('skimage').submodule_search_locations[0]
    return Path(package) / 'data' / 'astronaut.png'


def read(path):
    """Read a picture of any kind that Pillow knows, turned upright.

    Transparency is laid over white; 16 bits become 8; of an animation the first frame is taken.

    Returns:
        uint8 array (rows, columns, 3), RGB.

    Raises:
        ArchiveError: there is no such file, it is no picture, it is broken, or its size is
            beyond use (below 16 pixels, or above Pillow's limit of 89 million).
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            with Image.open(path) as image:
                pixels = _to_rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as problem:
        raise ArchiveError(f'{path} has too many pixels (more than {Image.MAX_IMAGE_PIXELS}); '
                           'reduce it first') from problem
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no picture {path}') from problem
    except IsADirectoryError as problem:
        raise ArchiveError(f'{path} is a folder; name one picture in it') from problem
    except Image.UnidentifiedImageError as problem:
        raise ArchiveError(f'{path} is not a picture that Pillow can read') from problem
    except (OSError, SyntaxError, ValueError, EOFError, NotImplementedError) as problem:
        raise ArchiveError(f'{path} cannot be read as a picture: {problem}') from problem
    if min(pixels.shape[:2]) < SMALLEST:
        raise ArchiveError(f'{path} is {pixels.shape[1]}x{pixels.shape[0]} pixels; at least '
                           f'{SMALLEST}x{SMALLEST} are needed')
    return pixels


def _to_rgb(image):
    if image.mode in SIXTEEN_BITS:
        levels = np.asarray(image)
        if levels.min() < 0 or levels.max() > 65535:
            raise ValueError('its pixels are integers of more than 16 bits; save it with 8 or 16')
        image = Image.fromarray(np.rint(levels / 257).astype('uint8'))  # 65535 / 255
    elif image.mode == 'F':
        raise ValueError('its pixels are floating-point numbers of unknown range; save it with '
                         '8 or 16 bits')
    if image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info:
        image = image.convert('RGBA')
        image = Image.alpha_composite(Image.new('RGBA', image.size, 'white'), image)
    return np.array(image.convert('RGB'))


def resize(rgb, short_side):
    """Return the picture with its shorter side `short_side` pixels long, its aspect kept.

    Raises:
        ArchiveError: it would have more than 4.2 million pixels, 2048x2048.
    """
    rows, columns = fitted(rgb.shape, short_side)
    if rows * columns > LARGEST:
        raise ArchiveError(f'a picture of {columns}x{rows} pixels is too large; take a smaller '
                           '--size, or crop what is long and narrow')
    return resize_to(rgb, rows, columns)


def fitted(shape, short_side):
    """Return (rows, columns) of a picture of this shape, fitted to that shorter side."""
    factor = short_side / min(shape[:2])
    return tuple(max(short_side, round(length * factor)) for length in shape[:2])


def resize_to(rgb, rows, columns):
    """Return the picture with so many rows and columns.

    Raises:
        ArchiveError: they are more pixels than Pillow can count, 2^31.
    """
    if rows * columns >= 2 ** 31:
        raise ArchiveError(f'a picture of {columns}x{rows} pixels is too large; take a smaller '
                           '--size')
    return np.array(Image.fromarray(rgb).resize((columns, rows), Image.LANCZOS))


def crop_square(rgb):
    """Return the square in the middle, as the Recipes cut their pictures."""
    rows, columns = rgb.shape[:2]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return rgb[top:top + side, left:left + side]


def extend(rgb, margin):
    """Return the picture with a margin of so many pixels on all sides, that mirrors it."""
    return np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)), mode='reflect')


def trim(rgb, margin):
    """Return the picture without its margin: the inverse of `extend`."""
    return rgb[margin:rgb.shape[0] - margin, margin:rgb.shape[1] - margin]


def prepare(rgb, mean_pixel, levels=255):
    """Return a picture as networks take it.

    Args:
        rgb: uint8 array (rows, columns, 3).
        mean_pixel: (3,), BGR, 0..255.
        levels: what white is, before the mean is subtracted.

    Returns:
        float32 array (1, 3, rows, columns), BGR, 0..255 minus the mean.
    """
    bgr = rgb[:, :, ::-1].transpose(2, 0, 1)[None].astype('float32')
    if levels != 255:
        bgr *= levels / 255
    return np.ascontiguousarray(bgr - np.reshape(mean_pixel, (1, 3, 1, 1)).astype('float32'))


def deprocess(x, mean_pixel, levels=255):
    """Return what networks take as a picture: the inverse of `prepare`, clipped and rounded.

    Args:
        x: array (1, 3, rows, columns) or (3, rows, columns), BGR minus mean.
        mean_pixel: (3,), BGR, 0..255.
        levels: what white is, before the mean is subtracted.

    Returns:
        uint8 array (rows, columns, 3), RGB.
    """
    bgr = np.reshape(x, np.shape(x)[-3:]) + np.reshape(mean_pixel, (3, 1, 1))
    if levels != 255:
        bgr = bgr * (255 / levels)
    return np.clip(np.rint(bgr), 0, 255).astype('uint8').transpose(1, 2, 0)[:, :, ::-1]


def within_pixels(x, mean_pixel):
    """Return what networks take, clipped to what a picture can hold: 0..255 before the mean.

    Args:
        x: array (batch, 3, rows, columns), BGR minus mean.
        mean_pixel: (3,), BGR, 0..255.
    """
    mean = np.reshape(mean_pixel, (1, 3, 1, 1)).astype(x.dtype)
    return np.clip(x, -mean, 255 - mean)


def enlarge(x, rows, columns, margin=0):
    """Return what networks take at another size, interpolated; its margin is mirrored anew.

    Args:
        x: float array (1, 3, rows, columns), with the margin.
        rows, columns: wanted, without the margin.
        margin: pixels on all sides.
    """
    inner = x[0, :, margin:x.shape[2] - margin, margin:x.shape[3] - margin].astype('float32')
    larger = [np.array(Image.fromarray(channel, 'F').resize((columns, rows), Image.BICUBIC))
              for channel in inner]
    edges = (0, 0), (margin, margin), (margin, margin)
    return np.pad(larger, edges, mode='reflect')[None].astype('float64')
