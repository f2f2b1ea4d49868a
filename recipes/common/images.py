"""Pictures: RGB uint8 outside, BGR float32 minus mean inside. All conversions are here."""

import contextlib
import importlib.util
import io
import os
import stat
import warnings
from pathlib import Path

from models.errors import ArchiveError, Notice, one_line

import numpy as np
from PIL import Image

from recipes.common import colour_profiles, containers

ASSETS = Path(__file__).parent.parent / 'assets'
PAINTING = ASSETS / 'windy_night.jpg'
SMALLEST = 16  # pixels; conv5_1 of a VGG sees one position for every 16
LARGEST = 2048 * 2048  # pixels; a full VGG-19's loss and gradient take 4.4 kB each, 18 GB in all
SIXTEEN_BITS = ('I', 'I;16', 'I;16B', 'I;16L', 'I;16N')
STRIP = 256  # rows that are converted at once
LARGEST_FILE = 2 ** 29  # bytes

# What is read: Pillow's name of a format -> (most pixels, endings of its files). Decoders take so
# many bytes a pixel, for the worst of pictures: JPEG 12, TIFF 8, PNG 5, GIF 2 and BMP 7, JPEG 2000
# 28, WebP 16 and AVIF 14. BMP and PPM are read where their pixels lie there as they are: for what
# is packed, or numbers in text, Pillow has decoders in Python, of some 100000 pixels a second.
FORMATS = {'JPEG': (2 ** 26, ('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo')),
           'PNG': (2 ** 26, ('.png', '.apng')), 'TIFF': (2 ** 26, ('.tif', '.tiff')),
           'GIF': (2 ** 26, ('.gif',)), 'BMP': (2 ** 26, ('.bmp',)),
           'WEBP': (2 ** 25, ('.webp',)), 'AVIF': (2 ** 25, ('.avif',)),
           'JPEG2000': (2 ** 24, ('.jp2', '.j2k', '.j2c', '.jpc', '.jpx', '.jpf')),
           'PPM': (2 ** 26, ('.ppm', '.pgm', '.pbm', '.pnm'))}


def bundled_photo():
    """Find the default photo, NASA's portrait of an astronaut (scikit-image)."""
    package = importlib.util.find_spec('skimage').submodule_search_locations[0]
    return Path(package) / 'data' / 'astronaut.png'


def named_like_a_picture(path):
    """Tell whether a file's name is one of a picture; '._name' is a Mac's notes on it."""
    endings = {ending for _, endings in FORMATS.values() for ending in endings}
    return path.suffix.lower() in endings and not path.name.startswith('._')


def read(path):
    """Read a picture of any of `FORMATS`, turned upright, in sRGB.

    Transparency is laid over white; 16 bits become 8; of an animation the first frame is taken, of
    a TIFF the first page that is no preview. A colour profile that cannot be used is left out with
    a `Notice`.

    Returns:
        uint8 array (rows, columns, 3), RGB.

    Raises:
        ArchiveError: there is no such file, it is no picture, it is broken, or its size is
            beyond use (below 16 pixels, or above what `FORMATS` says).
    """
    return over_white(*read_with_alpha(path))


def read_with_alpha(path):
    """Read a picture as `read` does, and its transparency by itself.

    Returns:
        (rgb, alpha): uint8 (rows, columns, 3) and (rows, columns), or None where nothing is
        transparent.
    """
    path = Path(path)
    with _opened(path) as file:
        return decode(file, path)


@contextlib.contextmanager
def _opened(path):
    """Open the file of a picture for reading; whatever the system refuses is an ArchiveError."""
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise ArchiveError(f'{path} is a folder; name one picture in it')
        if not stat.S_ISREG(found.st_mode):
            raise ArchiveError(f'{path} is no file but a pipe or a device; save the picture first')
        if found.st_size > LARGEST_FILE:
            raise ArchiveError(f'{path} has {found.st_size / 1e6:.0f} MB; up to '
                               f'{LARGEST_FILE / 1e6:.0f} are read, so reduce it first')
        with path.open('rb') as file:
            yield file
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise ArchiveError(f'there is no picture {path}') from problem
    except (OSError, ValueError) as problem:
        raise ArchiveError(f'{path} cannot be read: '
                           f'{getattr(problem, "strerror", None) or problem}') from problem


def decoded(content, name):
    """Read a picture out of the bytes of a file, as `read` does.

    Args:
        content: bytes.
        name: what to call it.
    """
    return over_white(*decode(io.BytesIO(content), name))


def content_of(path):
    """Read the bytes of a picture's file, which may be broken.

    Raises:
        ArchiveError: there is no such file, it is none, or it is too large.
    """
    path = Path(path)
    with _opened(path) as file:
        return file.read()


def decode(file, name):
    """Decode a picture out of a file: the one place where a decoder sees foreign bytes.

    Args:
        file: opened for reading bytes.
        name: what to call it.

    Returns:
        (rgb, alpha) as of `read_with_alpha`.

    Raises:
        ArchiveError: as of `read`, whatever a decoder raises.
    """
    try:
        with warnings.catch_warnings(), _silent():
            warnings.simplefilter('ignore')  # on what is broken and does not matter
            rgb, alpha, complaint = _decoded(file, name)
    except ArchiveError:
        raise
    except Image.DecompressionBombError as problem:
        raise _too_large(name, None) from problem
    except Image.UnidentifiedImageError as problem:
        raise ArchiveError(f'{name} is not a picture that can be read; take one of '
                           f'{", ".join(FORMATS)}') from problem
    except Exception as problem:  # decoders raise nearly every kind, MemoryError too
        reason = one_line(problem, 200) or type(problem).__name__
        raise ArchiveError(f'{name} cannot be read as a picture, it is broken: {reason}'
                           ) from problem
    if complaint:
        warnings.warn(f'the colour profile of {name} is left out: {complaint}', Notice,
                      stacklevel=2)
    return rgb, alpha


def _decoded(file, name):
    """Decode: (rgb, alpha, what is wrong with the colour profile or None); raises anything."""
    Image.init()
    known = [form for form in FORMATS if form in Image.OPEN]
    content, orientation, profile = containers.opened(file.read())
    with Image.open(io.BytesIO(content), formats=known) as image:
        del content
        columns, rows = image.size
        if rows * columns > FORMATS[image.format][0]:
            raise _too_large(name, image)
        if min(rows, columns) < SMALLEST:
            raise ArchiveError(f'{name} is {columns}x{rows} pixels; at least '
                               f'{SMALLEST}x{SMALLEST} are needed')
        if image.format in ('BMP', 'PPM') and image.tile[0][0] != 'raw':
            raise ValueError('it is packed, text, or of other than 8 bits, which is not read in '
                             f'{image.format} files; save it as PNG')
        if orientation is None:
            orientation = containers.orientation_of(image.info.get('exif'), image.info.get('xmp'))
        profile = image.info.get('icc_profile') if profile is None else profile
        to_srgb, complaint = None, None
        if profile is not None:
            try:
                to_srgb = colour_profiles.to_srgb(profile, image.mode)
            except ValueError as problem:
                complaint = str(problem)
        image.load()
        rgb, alpha = _pixels(image, to_srgb)
    return upright(rgb, orientation), alpha if alpha is None else upright(alpha, orientation), \
        complaint


@contextlib.contextmanager
def _silent():
    """Keep what decoders write to the terminal themselves, as libtiff does at every broken row."""
    try:
        terminal = os.dup(2)
    except OSError:  # it is closed: nothing is shown anyway
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _too_large(name, image):
    most = (2 ** 26 if image is None else FORMATS[image.format][0]) / 1e6
    return ArchiveError(f'{name} has too many pixels (more than {most:.0f} million); reduce it '
                        'first')


def _pixels(image, to_srgb):
    """RGB and alpha, or None, of an opened picture, in strips: no second copy of the whole.

    Args:
        image: PIL picture.
        to_srgb: function from one to the same in sRGB, RGB; None where it is so already.
    """
    columns, rows = image.size
    white = _white(image)
    transparent = image.mode in ('RGBA', 'LA', 'PA', 'La', 'RGBa') or 'transparency' in image.info
    rgb = np.empty((rows, columns, 3), 'uint8')
    alpha = np.empty((rows, columns), 'uint8') if transparent else None
    for strip, place in _strips(image):
        if white is not None:
            levels = np.asarray(strip).astype('float64') * (255 / white)
            strip = Image.fromarray(np.rint(levels).astype('uint8'))
        elif transparent:
            strip = strip.convert('RGBA')
            alpha[place] = np.asarray(strip.getchannel('A'))
            strip = strip.convert('RGB')
        rgb[place] = np.asarray(strip.convert('RGB') if to_srgb is None else to_srgb(strip))
    return rgb, None if alpha is None or alpha.min() == 255 else alpha


def _strips(image):
    """Parts of a PIL picture with their rows, a slice."""
    columns, rows = image.size
    for top in range(0, rows, STRIP):
        bottom = min(top + STRIP, rows)
        yield image.crop((0, top, columns, bottom)), slice(top, bottom)


def _white(image):
    """Find the level that is white of a picture with more than 8 bits, or None for one of 8.

    Raises:
        ValueError: nobody knows.
    """
    if image.mode == 'F':
        raise ValueError('its pixels are floating-point numbers of unknown range; save it with '
                         '8 or 16 bits')
    if image.mode not in SIXTEEN_BITS:
        return None
    ends = [(levels.min(), levels.max()) for levels in (np.asarray(strip) for strip, _
                                                        in _strips(image))]
    low, high = min(ends)[0], max(high for _, high in ends)
    if low < 0 or high > 65535:
        raise ValueError('its pixels are integers of more than 16 bits; save it with 8 or 16')
    # Integers of 32 bits have no white of their own: up to 255 they are levels of 8 bits.
    wide = 32 in getattr(image, 'tag_v2', {}).get(258, ())
    return 255 if wide and high <= 255 else 65535


def upright(pixels, orientation):
    """Turn a picture as EXIF's orientation says.

    Args:
        pixels: array (rows, columns, ...).
        orientation: 1 to 8, or None for 1; 6 was taken with the camera's right side down.
    """
    turned = {2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
              5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x, -1),
              7: lambda x: x[::-1, ::-1].swapaxes(0, 1), 8: np.rot90}
    return np.ascontiguousarray(turned.get(orientation, lambda x: x)(pixels))


def over_white(rgb, alpha):
    """Lay a picture over white.

    Args:
        rgb: uint8 array (rows, columns, 3).
        alpha: uint8 array (rows, columns), or None where nothing is transparent.
    """
    if alpha is None:
        return rgb
    laid = np.empty_like(rgb)
    for top in range(0, len(rgb), STRIP):
        place = slice(top, top + STRIP)
        strip = Image.fromarray(np.dstack([rgb[place], alpha[place]]))
        below = Image.new('RGBA', strip.size, 'white')
        laid[place] = np.asarray(Image.alpha_composite(below, strip).convert('RGB'))
    return laid


def resize(rgb, short_side):
    """Resize a picture, RGB uint8, so that its shorter side has `short_side` pixels.

    Args:
        rgb: uint8 (rows, columns, 3).
        short_side: pixels.

    Raises:
        ArchiveError: it would have more than 4.2 million pixels, 2048x2048.
    """
    rows, columns = fitted(rgb.shape, short_side)
    if rows * columns > LARGEST:
        raise ArchiveError(f'a picture of {columns}x{rows} pixels is too large; take a smaller '
                           '--size, or crop what is long and narrow')
    return resize_to(rgb, rows, columns)


def fitted(shape, short_side):
    """Compute (rows, columns) of a picture of this shape, fitted to that shorter side."""
    factor = short_side / min(shape[:2])
    return tuple(max(short_side, round(length * factor)) for length in shape[:2])


def resize_to(rgb, rows, columns):
    """Resize a picture to so many rows and columns.

    Args:
        rgb: uint8 (rows, columns, 3), or (rows, columns).
        rows, columns: of the result, whose type is the same; the filter is Lanczos'.

    Raises:
        ArchiveError: they are more pixels than Pillow can count, 2^31.
    """
    if rows * columns >= 2 ** 31:
        raise ArchiveError(f'a picture of {columns}x{rows} pixels is too large; take a smaller '
                           '--size')
    return np.array(Image.fromarray(rgb).resize((columns, rows), Image.LANCZOS))


def crop_square(rgb):
    """Cut out the square in the middle, as the Recipes cut their pictures.

    Args:
        rgb: (rows, columns, 3).

    Returns:
        (side, side, 3), a view; the side is the shorter one.
    """
    rows, columns = rgb.shape[:2]
    side = min(rows, columns)
    top, left = (rows - side) // 2, (columns - side) // 2
    return rgb[top:top + side, left:left + side]


def square(rgb, side):
    """Cut out the square in the middle of a picture, and resize it to sides of so many pixels.

    Args:
        rgb: uint8 (rows, columns, 3).
        side: pixels.

    Returns:
        uint8 (side, side, 3).
    """
    return resize_to(crop_square(rgb), side, side)


def extend(rgb, margin):
    """Extend a picture by a margin of so many pixels on all sides that mirrors it.

    Args:
        rgb: (rows, columns, 3).
        margin: pixels; beyond the opposite edge it is mirrored again.

    Returns:
        (rows + 2 * margin, columns + 2 * margin, 3).
    """
    return np.pad(rgb, ((margin, margin), (margin, margin), (0, 0)), mode='reflect')


def trim(rgb, margin):
    """Cut off a picture's margin: the inverse of `extend`.

    Args:
        rgb: (rows + 2 * margin, columns + 2 * margin, 3).
        margin: pixels.

    Returns:
        (rows, columns, 3), a view.
    """
    return rgb[margin:rgb.shape[0] - margin, margin:rgb.shape[1] - margin]


def prepare(rgb, mean_pixel, levels=255):
    """Convert a picture to what networks take.

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
    """Convert what networks take to a picture: the inverse of `prepare`, clipped and rounded.

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
    """Clip what networks take to what a picture can hold: 0..255 before the mean.

    Args:
        x: array (batch, 3, rows, columns), BGR minus mean.
        mean_pixel: (3,), BGR, 0..255.
    """
    mean = np.reshape(mean_pixel, (1, 3, 1, 1)).astype(x.dtype)
    return np.clip(x, -mean, 255 - mean)


def enlarge(x, rows, columns, margin=0):
    """Resize what networks take, interpolated; its margin is mirrored anew.

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
