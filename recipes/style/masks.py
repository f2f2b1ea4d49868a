"""Masks: pictures whose colours name regions, the same colour in photo and paintings; and pictures
that say which part of a painting is its style, white, and which is not, black."""

from models.errors import ArchiveError

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum

from recipes.common import colours, images

MOST = 8  # regions; each is a Gram matrix more in every layer
SOFTNESS = 1 / 50  # of the shorter side: how far what is painted over is smoothed
RIM = 1 / 32       # of the shorter side, at most: so near what is painted over its colours reach
OF_DEPTH = 0.2     # of the depth of what is painted over: a small thing has a narrow rim


def read(path):
    """Read a mask, RGB uint8 (rows, columns, 3).

    Raises:
        ArchiveError: it is no picture, or has more than 8 colours.
    """
    rgb = images.read(path)
    count = len(colours.distinct(rgb))
    if count > MOST:
        raise ArchiveError(f'the mask {path} has {count} colours, and each is a '
                           f'region; take up to {MOST}, drawn without smooth edges, as PNG')
    return rgb


def colours_of(mask):
    """List the colours in a mask, a sorted list of (red, green, blue).

    Args:
        mask: RGB uint8 (rows, columns, 3).
    """
    return [tuple(map(int, colour)) for colour in colours.distinct(mask)]


def check_shape(path, mask, whose, rgb):
    """Check that a mask was drawn on its picture: the same shape, at whatever size.

    Args:
        path: of the mask.
        mask: array (rows, columns, ...).
        whose: path of the picture.
        rgb: the picture, whole.

    Raises:
        ArchiveError: they differ by more than rounding does.
    """
    if same_shape(mask.shape, rgb.shape):
        return
    (rows, columns), (own_rows, own_columns) = rgb.shape[:2], mask.shape[:2]
    hint = ('turn it too' if same_shape((own_columns, own_rows), rgb.shape)
            else 'draw it on the picture')
    raise ArchiveError(f'the mask {path} is {own_columns}x{own_rows} pixels and its picture '
                       f'{whose}, upright as its camera says, {columns}x{rows}: {hint}, so that '
                       'both have one shape')


def same_shape(shape, other):
    """Tell whether two pictures (rows, columns, ...) may be one at two sizes: within a pixel."""
    small, large = sorted((shape[:2], other[:2]), key=lambda lengths: lengths[0] * lengths[1])
    return any(abs(small[one] - large[one] * small[by] / large[by]) <= 1
               for one, by in ((0, 1), (1, 0)))


def check(photo_mask, painting_masks):
    """Check that each region of the photo has its counterpart in a painting.

    Raises:
        ArchiveError: some has none.
    """
    there = {colour for mask in painting_masks for colour in colours_of(mask)}
    missing = [colour for colour in colours_of(photo_mask) if colour not in there]
    if missing:
        raise ArchiveError(f"the colour {hexadecimal(missing[0])} of the photo's mask is in no "
                           f"painting's mask; they have {', '.join(map(hexadecimal, there))}")


def hexadecimal(colour):
    """Write a colour as '#rrggbb'."""
    return '#{:02x}{:02x}{:02x}'.format(*colour)


def resize_to(mask, rows, columns):
    """Resize a mask to so many rows and columns, and no new colours.

    Args:
        mask: RGB uint8 (rows, columns, 3).
    """
    return np.array(Image.fromarray(mask).resize((columns, rows), Image.NEAREST))


def regions(mask, colours):
    """Find which pixels have which colour: float32 (colours, rows, columns) of 0 and 1."""
    return np.array([(mask == colour).all(axis=2) for colour in colours], 'float32')


def read_kept(path):
    """Read how much each pixel of a painting counts, float32 (rows, columns), 0..1.

    Args:
        path: of a picture: white counts, black does not, grey in part.

    Raises:
        ArchiveError: it is no picture, or nothing counts.
    """
    kept = images.read(path).mean(axis=2, dtype='float32') / 255
    if kept.max() < 0.5:
        raise ArchiveError(f'the mask {path} leaves nothing of the painting: white counts, black '
                           'is left out')
    return kept


def fitted(kept, rows, columns):
    """Resize how much each pixel counts, float32, 0..1."""
    return np.array(Image.fromarray(kept, 'F').resize((columns, rows), Image.BILINEAR))


def with_rim(away):
    """Widen each connected part of what is painted over by its rim, boolean (rows, columns)."""
    parts, count = label(away)
    depths = maximum(distance_transform_edt(away), parts, np.arange(count + 1))
    distances, nearest = distance_transform_edt(~away, return_indices=True)
    return distances <= np.minimum(OF_DEPTH * depths[parts[tuple(nearest)]],
                                   RIM * min(away.shape))


def paint_over(rgb, kept):
    """Paint over what does not count of a picture with the colours around.

    They are taken from beyond a rim: a heat map ends before its shape does, and the orange strokes
    around a moon, 6 pixels of 256 wide, would fill all of it with orange. The rim of something
    small is narrow, or it would be filled with the next thing's colours, or the next with its.

    What is left out of the statistics is seen by units around it all the same: those of conv5_1
    see 156 pixels of a VGG-19's input. So it goes out of the picture too.

    Args:
        rgb: the picture.
        kept: float (rows, columns), 0..1; below one half is painted over.
    """
    away = kept < 0.5
    if not away.any() or away.all():
        return rgb
    near = with_rim(away)
    places = distance_transform_edt(away if near.all() else near, return_distances=False,
                                    return_indices=True)
    filled = rgb[tuple(places)].astype('float32')
    softness = SOFTNESS * min(rgb.shape[:2])
    # Smoothed over what is painted over only, or its surroundings would bleed into it twice.
    weight = gaussian_filter(away.astype('float32'), softness)
    smooth = [gaussian_filter(filled[..., band] * away, softness) / np.maximum(weight, 1e-6)
              for band in range(3)]
    return np.where(away[..., None], np.rint(np.clip(np.stack(smooth, 2), 0, 255)),
                    rgb).astype('uint8')
