"""Undoing what a figure does to a picture: scaling, JPEG, a frame, a shift of a few pixels."""

import io
from collections import namedtuple

from models.errors import ArchiveError

import numpy as np
from PIL import Image, JpegImagePlugin
from scipy.ndimage import map_coordinates

from recipes.common import colours, images

ASPECT = 0.03  # of the ratio of the sides: a larger difference is another shape
FRAME = 2      # pixels of a figure's frame, on each side
SHIFT = 4      # pixels at most that a figure moves a picture by; rounding of axes moves 1 or 2

# Two pictures of one shape, RGB uint8; what was done to them, a list of words; by how many pixels,
# down and right, the second lay off the first.
Pair = namedtuple('Pair', 'ours theirs done offset')

# How a JPEG file was made: its quantisation tables, and how its colours were sampled.
Jpeg = namedtuple('Jpeg', 'tables sampling')


def align(ours, theirs, framed=False, scaling='smooth', jpeg=None, offset=None):
    """Bring a picture and the panel of a figure to one shape and place.

    The larger of the two is reduced. What a frame covers is left out of both. Then the panel is
    moved by up to SHIFT pixels to where the luminances correlate most, and both are cut to what
    they share.

    Args:
        ours, theirs: RGB uint8 (rows, columns, 3).
        framed: whether the panel has a frame around it.
        scaling: one of SCALINGS, how the figure was scaled.
        jpeg: `Jpeg` of the figure's file, or None; ours is then compressed alike.
        offset: (down, right) in pixels, where it is known; None looks for it.

    Returns:
        Pair.

    Raises:
        ArchiveError: they are of other shapes.
    """
    _same_shape(ours, theirs)
    done = []
    size = min(ours.shape[:2], theirs.shape[:2])
    if ours.shape != theirs.shape:
        if ours.shape[:2] != size:
            done.append(f'ours scaled from {_sides(ours)} to {_sides(theirs)} ({scaling})')
            ours = SCALINGS[scaling](ours, *size)
        if theirs.shape[:2] != size:
            done.append(f'the figure scaled from {_sides(theirs)} to {_sides(ours)} (smooth)')
            theirs = images.resize_to(theirs, *size)
    if jpeg is not None:
        ours = compressed(ours, jpeg)
        done.append("ours compressed with the figure's JPEG tables")
    if framed:
        ours, theirs = images.trim(ours, FRAME), images.trim(theirs, FRAME)
        done.append(f'{FRAME} pixels of frame left out')
    down, right = offset or best_shift(ours, theirs, SHIFT)
    if down or right:
        done.append(f'moved by {down} down, {right} right')
    return Pair(_part(ours, down, right), _part(theirs, -down, -right), done, (down, right))


def _same_shape(ours, theirs):
    """Stop where two pictures are of other shapes."""
    (rows, columns), (their_rows, their_columns) = ours.shape[:2], theirs.shape[:2]
    ratio = rows / columns * their_columns / their_rows
    if abs(np.log(ratio)) > ASPECT:
        raise ArchiveError(f'{_sides(ours)} pixels and {_sides(theirs)} are of other shapes; '
                           'compare pictures of the same photo, cut alike')


def _sides(rgb):
    return f'{rgb.shape[1]}x{rgb.shape[0]}'


def sampled(rgb, rows, columns):
    """Resample a picture to so many rows and columns, each pixel interpolated from four.

    So matplotlib drew pictures until its version 2: what is reduced is not smoothed before.

    Args:
        rgb: uint8 (rows, columns, 3).
    """
    places = [(np.arange(count) + 0.5) * length / count - 0.5
              for count, length in zip((rows, columns), rgb.shape)]
    grid = np.meshgrid(*places, indexing='ij')
    channels = [map_coordinates(channel.astype('float32'), grid, order=1, mode='nearest')
                for channel in np.moveaxis(rgb, 2, 0)]
    return np.rint(np.stack(channels, axis=2)).astype('uint8')


def nearest(rgb, rows, columns):
    """Resample a picture to so many rows and columns, each pixel the nearest one."""
    return np.array(Image.fromarray(rgb).resize((columns, rows), Image.NEAREST))


# How figures are scaled: by averaging over what becomes a pixel, or by two ways of sampling.
SCALINGS = {'smooth': images.resize_to, 'sampled': sampled, 'nearest': nearest}


def jpeg_of(path):
    """Tell how a file was compressed: `Jpeg`, or None where it is no JPEG."""
    with Image.open(path) as image:
        if image.format != 'JPEG':
            return None
        return Jpeg(image.quantization, JpegImagePlugin.get_sampling(image))


def compressed(rgb, jpeg):
    """Compress a picture as a `Jpeg` says, and decode it.

    Args:
        rgb: uint8 (rows, columns, 3).
        jpeg: a `Jpeg`.
    """
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, 'JPEG', qtables=jpeg.tables,
                              subsampling=max(0, jpeg.sampling))
    return np.array(Image.open(file).convert('RGB'))


def best_shift(ours, theirs, most):
    """By how many pixels (down, right) the second picture lies off the first, at most `most`.

    Where nothing correlates more than the place itself, (0, 0).
    """
    a, b = colours.luminance(ours), colours.luminance(theirs)
    most = min(most, min(a.shape) // 8)
    offsets = [(down, right) for down in range(-most, most + 1) for right in range(-most, most + 1)]
    offsets.sort(key=lambda offset: abs(offset[0]) + abs(offset[1]))  # of equals the nearest
    return max(offsets, key=lambda offset: _correlation(_part(a, *offset),
                                                        _part(b, -offset[0], -offset[1])))


def _part(x, down, right):
    """Cut out what of (rows, columns, ...) overlaps with another that is off by so many pixels."""
    rows, columns = x.shape[:2]
    return x[max(0, -down):rows - max(0, down), max(0, -right):columns - max(0, right)]


def _correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a ** 2).sum() * (b ** 2).sum())
    return round(float((a * b).sum() / scale), 6) if scale > 0 else 0.0
