"""Keeping a photo's colours: by luminance only, or with the painting's colours made the photo's.

Gatys, Bethge, Hertzmann & Shechtman 2016, "Preserving Color in Neural Artistic Style Transfer",
sections 3 and 4. Pictures are RGB uint8 arrays (rows, columns, 3).
"""

import numpy as np
from scipy.ndimage import gaussian_filter

WAYS = ('painting', 'luminance', 'matched')
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue; ITU-R BT.601
# Added to the variances of colours, in squared grey levels: a grey painting has none across grey.
SMALLEST_VARIANCE = 1.0
BLUR = 2.0  # pixels, the deviation of a Gaussian


def luminance(rgb):
    """Return the luminance, float64 (rows, columns), 0..255."""
    return rgb @ np.array(LUMA)


def as_grey(values):
    """Return a luminance as an RGB picture."""
    grey = np.clip(np.rint(values), 0, 255).astype('uint8')
    return np.repeat(grey[:, :, None], 3, axis=2)


def luminance_matched(painting, photo):
    """Return the painting's luminance with the photo's mean and deviation, as a grey picture."""
    own, wanted = luminance(painting), luminance(photo)
    return as_grey((own - own.mean()) * wanted.std() / max(own.std(), 1) + wanted.mean())


def with_colours_of(photo, picture):
    """Return a picture with its own luminance and the photo's two colour differences."""
    difference = luminance(picture) - luminance(photo)
    return np.clip(np.rint(photo + difference[:, :, None]), 0, 255).astype('uint8')


def matched(painting, photo):
    """Return the painting with the photo's mean colour and covariance of colours.

    A linear map of colours, with the symmetric root of both covariances (the paper's image
    analogies variant, section 4).
    """
    own, wanted = (rgb.reshape(-1, 3).astype('float64') for rgb in (painting, photo))
    roots = [_root(np.cov(colours.T) + SMALLEST_VARIANCE * np.eye(3)) for colours in (own, wanted)]
    mapped = (own - own.mean(axis=0)) @ (roots[1] @ np.linalg.inv(roots[0])).T + wanted.mean(axis=0)
    return np.clip(np.rint(mapped), 0, 255).astype('uint8').reshape(painting.shape)


def _root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(values) @ vectors.T


def saturation(rgb):
    """Return the mean saturation of a picture, 0..1: of HSV, (largest - smallest) / largest.

    The picture is blurred by 2 pixels first: grey with colourful noise over it is grey.
    """
    blurred = gaussian_filter(rgb.astype('float64'), (BLUR, BLUR, 0))
    largest, smallest = blurred.max(axis=2), blurred.min(axis=2)
    return float(((largest - smallest) / np.maximum(largest, 1)).mean())
