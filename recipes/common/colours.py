"""Keeping a photo's colours: by luminance only, or with the painting's colours made the photo's.

Gatys, Bethge, Hertzmann & Shechtman 2016, "Preserving Color in Neural Artistic Style Transfer",
sections 3 and 4. Pictures are RGB uint8 arrays (rows, columns, 3).
"""

import numpy as np
from scipy.ndimage import gaussian_filter

WAYS = ('painting', 'luminance', 'matched')
LUMA = np.array((0.299, 0.587, 0.114))  # of red, green and blue; ITU-R BT.601
# Added to the variances of colours, in squared grey levels: a grey painting has none across grey.
SMALLEST_VARIANCE = 1.0
STRIP = 256  # rows
BLUR = 2.0  # pixels, the deviation of a Gaussian


def distinct(rgb):
    """List the colours in a picture, sorted, uint8 (colours, 3); its time grows with the pixels."""
    there = np.zeros(2 ** 24, bool)
    for strip in _strips(rgb):
        red, green, blue = np.moveaxis(strip.astype('uint32'), -1, 0)
        there[(red << 16) | (green << 8) | blue] = True
    codes = np.flatnonzero(there)
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=1).astype('uint8')


def luminance(rgb):
    """Compute the luminance of an RGB uint8 picture, float64 (rows, columns), 0..255."""
    return rgb @ LUMA


def as_grey(values):
    """Show a luminance, 0..255, as an RGB uint8 picture."""
    grey = np.clip(np.rint(values), 0, 255).astype('uint8')
    return np.repeat(grey[:, :, None], 3, axis=2)


def luminance_matched(painting, photo):
    """Match the painting's luminance to the photo's mean and deviation: a grey picture.

    Args:
        painting, photo: RGB uint8 (rows, columns, 3); of any two sizes.

    Returns:
        RGB uint8 of the painting's shape.
    """
    (mean, deviation), (wanted_mean, wanted_deviation) = (
        (colour @ LUMA, np.sqrt(LUMA @ covariance @ LUMA))
        for colour, covariance in map(_moments, (painting, photo)))
    factor = wanted_deviation / max(deviation, 1)
    return np.concatenate([as_grey((luminance(strip) - mean) * factor + wanted_mean)
                           for strip in _strips(painting)])


def with_colours_of(photo, picture):
    """Join a picture's own luminance and the photo's two colour differences.

    Args:
        photo, picture: RGB uint8 (rows, columns, 3), of one shape.

    Returns:
        RGB uint8 of that shape.
    """
    difference = luminance(picture) - luminance(photo)
    return np.clip(np.rint(photo + difference[:, :, None]), 0, 255).astype('uint8')


def matched(painting, photo):
    """Transform the painting's colours to the photo's mean colour and covariance of colours.

    A linear map of colours, with the symmetric root of both covariances (the paper's image
    analogies variant, section 4).

    Args:
        painting, photo: RGB uint8 (rows, columns, 3); of any two sizes.

    Returns:
        RGB uint8 of the painting's shape.
    """
    (mean, own), (wanted_mean, wanted) = map(_moments, (painting, photo))
    roots = [_root(covariance + SMALLEST_VARIANCE * np.eye(3)) for covariance in (own, wanted)]
    linear = (roots[1] @ np.linalg.inv(roots[0])).T
    mapped = ((strip - mean) @ linear + wanted_mean for strip in _strips(painting))
    return np.concatenate([np.clip(np.rint(strip), 0, 255).astype('uint8') for strip in mapped])


def _strips(rgb):
    """Cut a picture into strips: in float64, a whole one of a camera takes half a gigabyte."""
    return (rgb[row:row + STRIP] for row in range(0, len(rgb), STRIP))


def _moments(rgb):
    """Compute the mean (3,) and covariance (3, 3) of a picture's colours."""
    count = rgb.shape[0] * rgb.shape[1]
    mean = rgb.mean(axis=(0, 1))
    covariance = sum(strip.T @ strip for strip in (
        (strip - mean).reshape(-1, 3) for strip in _strips(rgb))) / max(count - 1, 1)
    return mean, covariance


def _root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values) @ vectors.T


def saturation(rgb):
    """Compute the mean saturation of a picture, 0..1: of HSV, (largest - smallest) / largest.

    The picture is blurred by 2 pixels first: grey with colourful noise over it is grey.

    Args:
        rgb: uint8 (rows, columns, 3).
    """
    blurred = gaussian_filter(rgb.astype('float64'), (BLUR, BLUR, 0))
    largest, smallest = blurred.max(axis=2), blurred.min(axis=2)
    return float(((largest - smallest) / np.maximum(largest, 1)).mean())
