"""Masks: pictures whose colours name regions, the same colour in photo and paintings."""

import numpy as np
from PIL import Image

from models.errors import ArchiveError
from recipes.common import images

MOST = 8  # regions; each is a Gram matrix more in every layer


def read(path):
    """Return a mask, RGB uint8 (rows, columns, 3).

    Raises:
        ArchiveError: it is no picture, or has more than 8 colours.
    """
    rgb = images.read(path)
    if len(colours_of(rgb)) > MOST:
        raise ArchiveError(f'the mask {path} has {len(colours_of(rgb))} colours, and each is a '
                           f'region; take up to {MOST}, drawn without smooth edges, as PNG')
    return rgb


def colours_of(mask):
    """Return the colours in a mask, a sorted list of (red, green, blue)."""
    return [tuple(map(int, colour)) for colour in np.unique(mask.reshape(-1, 3), axis=0)]


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
    """Return a colour as '#rrggbb'."""
    return '#{:02x}{:02x}{:02x}'.format(*colour)


def resize_to(mask, rows, columns):
    """Return a mask with so many rows and columns, and no new colours."""
    return np.array(Image.fromarray(mask).resize((columns, rows), Image.NEAREST))


def regions(mask, colours):
    """Return which pixels have which colour: float32 (colours, rows, columns) of 0 and 1."""
    return np.array([(mask == colour).all(axis=2) for colour in colours], 'float32')
