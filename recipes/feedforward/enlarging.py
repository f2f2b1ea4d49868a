"""Making photos smaller, and measuring how well they were enlarged: Johnson et al., section 4.2."""

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from recipes.common import colours

BLUR = 1.0         # pixels, the deviation (section 4.2, "Implementation Details")
FINE = 1.5         # pixels: what a blur of this deviation takes away is called fine
WHOLE_RANGE = 255


def lowered(rgb, factor):
    """Blur a photo and take fewer of its pixels, by bicubic interpolation.

    Args:
        rgb: uint8 (rows, columns, 3), multiples of the factor.
        factor: how many times smaller it gets.

    Returns:
        RGB uint8 (rows / factor, columns / factor, 3).
    """
    blurred = gaussian_filter(rgb.astype('float32'), (BLUR, BLUR, 0))
    return _resized(blurred, rgb.shape[0] // factor, rgb.shape[1] // factor)


def bicubic(rgb, factor):
    """Enlarge a picture by bicubic interpolation: RGB uint8, factor times the rows and columns."""
    return _resized(rgb.astype('float32'), factor * rgb.shape[0], factor * rgb.shape[1])


def _resized(x, rows, columns):
    channels = [np.array(Image.fromarray(channel).resize((columns, rows), Image.BICUBIC))
                for channel in np.moveaxis(x, 2, 0)]
    return np.clip(np.rint(np.stack(channels, axis=2)), 0, WHOLE_RANGE).astype('uint8')


def measured(rgb, photo):
    """Compare an enlarged picture with the photo, on luminance.

    Args:
        rgb, photo: uint8 (rows, columns, 3), of one shape, of 7 pixels and up.

    Returns:
        (psnr, ssim, fine): decibels, infinite for the photo itself; structural similarity, 0..1;
        energy of what is fine, by the photo's, 1 if all of it was restored.
    """
    grey, wanted = colours.luminance(rgb), colours.luminance(photo)
    with np.errstate(divide='ignore'):
        psnr = peak_signal_noise_ratio(wanted, grey, data_range=WHOLE_RANGE)
    return (float(psnr), float(structural_similarity(wanted, grey, data_range=WHOLE_RANGE)),
            float(_fine_energy(grey) / max(_fine_energy(wanted), 1e-9)))


def _fine_energy(grey):
    return ((grey - gaussian_filter(grey, FINE)) ** 2).mean()
