"""Gradients of pictures, drawn: magnitude, positive and negative part, over the photo.

A gradient has the layout of a network's input, (3, rows, columns) in BGR, in score per grey level.
"""

import numpy as np
from matplotlib import colormaps
from scipy.ndimage import gaussian_filter, label
from skimage.segmentation import random_walker

# The notebook scales each panel by its largest pixel, and a single one leaves the rest black.
PERCENTILE = 99.5
SMOOTHING = 0.02  # of the shorter side
OPAQUE = 0.85     # of the colours over a photo, where the map is largest
OUTSIDE = 0.01    # of a projection's energy, on each side of what is shown of it
# What a caption says of pictures by `signed`.
GREY_IS_ZERO = ('Grey is zero; colours are signed sums for each colour channel, so they need not '
                'be those of the photo.')
FOREGROUND, BACKGROUND = 95, 30  # percentiles of Simonyan et al. 2014, section 3.2


def magnitude(gradient):
    """Compute the largest absolute value over the colours, (rows, columns); Simonyan, section 3.1.
    """
    return np.abs(gradient).max(axis=0)


def panels(gradient, percentile=PERCENTILE):
    """Magnitude, positive and negative part as RGB uint8, as the Recipes' notebook has them.

    Args:
        gradient: (3, rows, columns), BGR.
        percentile: of the pixels that becomes white; 100 is the notebook's.
    """
    rgb = gradient[::-1].transpose(1, 2, 0)
    grey = np.repeat(magnitude(gradient)[:, :, None], 3, axis=2)
    return [_to_uint8(_scaled(part, percentile))
            for part in (grey, np.maximum(rgb, 0), np.maximum(-rgb, 0))]


def grey(signal):
    """Draw the magnitude of a signal (channels, rows, columns), uint8: the largest is white."""
    return _to_uint8(_scaled(magnitude(signal), 100))


def signed(gradient, percentile=PERCENTILE):
    """Draw the gradient as colours around grey, RGB uint8: brighter where more raises the score.

    Args:
        gradient: (3, rows, columns), BGR.
        percentile: of the absolute values that is drawn as the fullest colour.

    Returns:
        uint8 (rows, columns, 3).
    """
    rgb = gradient[::-1].transpose(1, 2, 0)
    return _to_uint8(0.5 + 0.5 * np.sign(rgb) * _scaled(np.abs(rgb), percentile))


def overlay(rgb, gradient, percentile=PERCENTILE):
    """Lay the magnitude over the photo: its colours where little counts, and more and more of a
    perceptual scale, from blue to yellow, where much does.

    The magnitude is smoothed by 2 % of the shorter side: single pixels of a map jump to and fro.

    Args:
        rgb: the photo, uint8 (rows, columns, 3).
        gradient: (3, rows, columns), BGR.
        percentile: of the pixels that counts fully.

    Returns:
        RGB uint8 array.
    """
    strength = _scaled(smoothed(gradient), percentile)
    colour = colormaps['viridis'](strength)[:, :, :3]
    share = OPAQUE * strength[:, :, None]
    return _to_uint8((1 - share) * rgb / 255 + share * colour)


def smoothed(gradient):
    """Blur the magnitude of a gradient (3, rows, columns) by 2 % of the shorter side."""
    return gaussian_filter(magnitude(gradient), SMOOTHING * min(gradient.shape[1:]))


def window_of(gradient):
    """Find the square that holds nearly all of a gradient, inside the picture.

    Along rows and along columns a hundredth of the energy may lie outside on each side; a tenth of
    the length is added.

    Args:
        gradient: (channels, rows, columns).

    Returns:
        (slice, slice) of rows and columns, as long as each other where the picture allows it.
    """
    energy = (gradient.astype('float64') ** 2).sum(axis=0)
    ends = []
    for axis in (1, 0):
        share = energy.sum(axis=axis).cumsum() / max(energy.sum(), 1e-300)
        ends.append((int((share < OUTSIDE).sum()), int((share < 1 - OUTSIDE).sum()) + 1))
    side = max(end - first for first, end in ends)
    side += round(0.1 * side)
    return tuple(_around(first, end, side, length)
                 for (first, end), length in zip(ends, energy.shape))


def same_part(window, shape, of):
    """Find the part of a map that shows what a window shows of a larger one, a position at least.

    Args:
        window: (slice, slice) of rows and columns.
        shape: (rows, columns) of the map.
        of: (rows, columns) of the larger one.
    """
    return tuple(slice(part.start * length // whole,
                       max(-(-part.stop * length // whole), part.start * length // whole + 1))
                 for part, length, whole in zip(window, shape, of))


def _around(first, end, side, length):
    """Make a slice of so many pixels around another, moved inside a length, or cut to it."""
    start = max(0, min(first - (side - (end - first)) // 2, length - side))
    return slice(start, min(start + side, length))


def object_mask(rgb, gradient):
    """Find where the object is, a boolean array (rows, columns).

    Simonyan et al. 2014, section 3.2: what is above the 95 % quantile of the magnitude is the
    object, what is below the 30 % quantile is background, and the colours decide about the rest:
    there by GraphCut, here by scikit-image's random walker (Grady 2006). The magnitude is smoothed
    before, by 2 % of the shorter side: single pixels of a saliency map jump to and fro. Of what is
    found, the largest connected part is the object. In a photo of one colour the map alone decides.
    """
    strength = smoothed(gradient)
    low, high = np.percentile(strength, (BACKGROUND, FOREGROUND))
    labels = np.where(strength > high, 1, np.where(strength <= low, 2, 0))
    if high <= low:  # hardly a pixel counts: nothing to spread
        return strength > low
    if (rgb == rgb[0, 0]).all():  # no colours to decide by
        return _largest_part(strength > high)
    found = random_walker(rgb / 255, labels, beta=300, mode='bf', channel_axis=-1) == 1
    return _largest_part(found)


def _largest_part(found):
    parts, _ = label(found)
    return parts == np.bincount(parts[found]).argmax()


def masked(rgb, mask):
    """Draw the photo with everything outside the mask pale, RGB uint8.

    Args:
        rgb: uint8 (rows, columns, 3).
        mask: boolean (rows, columns).

    Returns:
        uint8 of the same shape.
    """
    return np.where(mask[:, :, None], rgb, 255 - (255 - rgb) // 4).astype('uint8')


def _scaled(part, percentile):
    largest = np.percentile(part, percentile) or part.max()
    return np.clip(part / largest, 0, 1) if largest > 0 else np.zeros_like(part)


def _to_uint8(levels):
    return np.rint(np.clip(levels, 0, 1) * 255).astype('uint8')
