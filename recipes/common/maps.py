"""Gradients of pictures, drawn: magnitude, positive and negative part, over the photo.

A gradient has the layout of a network's input, (3, rows, columns) in BGR, in score per grey level.
"""

import numpy as np
from matplotlib import colormaps
from scipy.ndimage import gaussian_filter, label
from skimage.segmentation import random_walker

# The notebook scales each panel by its largest pixel, and a single one leaves the rest black.
PERCENTILE = 99.5
SMOOTHING = 0.02
FOREGROUND, BACKGROUND = 95, 30  # percentiles of Simonyan et al. 2014, section 3.2


def magnitude(gradient):
    """Return the largest absolute value over the colours, (rows, columns); Simonyan, section 3.1.
    """
    return np.abs(gradient).max(axis=0)


def panels(gradient, percentile=PERCENTILE):
    """Return magnitude, positive and negative part as RGB uint8, as the Recipes' notebook has them.

    Args:
        gradient: (3, rows, columns), BGR.
        percentile: of the pixels that becomes white; 100 is the notebook's.
    """
    rgb = gradient[::-1].transpose(1, 2, 0)
    grey = np.repeat(magnitude(gradient)[:, :, None], 3, axis=2)
    return [_to_uint8(_scaled(part, percentile))
            for part in (grey, np.maximum(rgb, 0), np.maximum(-rgb, 0))]


def signed(gradient, percentile=PERCENTILE):
    """Return the gradient as colours around grey, RGB uint8: brighter where more raises the score.
    """
    rgb = gradient[::-1].transpose(1, 2, 0)
    return _to_uint8(0.5 + 0.5 * np.sign(rgb) * _scaled(np.abs(rgb), percentile))


def overlay(rgb, gradient, percentile=PERCENTILE):
    """Return the photo in grey with the magnitude on it in colour, RGB uint8."""
    strength = _scaled(magnitude(gradient), percentile)[:, :, None]
    grey = rgb.mean(axis=2, keepdims=True) / 255
    colour = colormaps['inferno'](strength[:, :, 0])[:, :, :3]
    return _to_uint8(0.5 * grey * (1 - strength) + colour * np.sqrt(strength)
                     + 0.25 * grey)


def object_mask(rgb, gradient):
    """Return where the object is, a boolean array (rows, columns).

    Simonyan et al. 2014, section 3.2: what is above the 95 % quantile of the magnitude is the
    object, what is below the 30 % quantile is background, and the colours decide about the rest:
    there by GraphCut, here by scikit-image's random walker (Grady 2006). The magnitude is smoothed
    before, by 2 % of the shorter side: single pixels of a saliency map jump to and fro. Of what is
    found, the largest connected part is the object. In a photo of one colour the map alone decides.
    """
    strength = gaussian_filter(magnitude(gradient), SMOOTHING * min(rgb.shape[:2]))
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
    """Return the photo with everything outside the mask pale, RGB uint8."""
    return np.where(mask[:, :, None], rgb, 255 - (255 - rgb) // 4).astype('uint8')


def _scaled(part, percentile):
    largest = np.percentile(part, percentile) or part.max()
    return np.clip(part / largest, 0, 1) if largest > 0 else np.zeros_like(part)


def _to_uint8(levels):
    return np.rint(np.clip(levels, 0, 1) * 255).astype('uint8')
