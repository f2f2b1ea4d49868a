"""Fewer colours in a painting, before its statistics are taken, and how colours are distributed.

The article: what a style transfer makes of a painting of many colours is a smear of all of them;
reduced to a few before, the peaks of its distribution survive. Colours are compared in CIE L*a*b*,
where a distance of 2.3 is just noticeable. Pictures are RGB uint8 arrays (rows, columns, 3).
"""

import numpy as np
from scipy.cluster.vq import kmeans
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from skimage.color import lab2rgb, rgb2lab
from skimage.feature import peak_local_max

from recipes.common import colours

SAMPLE = 20000   # pixels that k-means looks at
STARTS = 5       # of k-means, of which the best is taken
MOST = 256       # colours; more than that is no reduction that anybody sees
NEAR = 10.0      # in L*a*b*: the same colour, at another lightness of the same paint
BIN = 4.0        # width of a bin of a*b*, in which distributions are drawn and peaks found
REACH = 112.0    # of a* and b*, to both sides: sRGB's blue has b* = -108, its magenta a* = 98
PEAK_SHARE = 2e-3  # of all pixels, in one bin after smoothing: less is no peak
GREY = 12.0      # chroma in L*a*b* below which a colour is grey
# Where the hues of L*a*b* end, in degrees from a*.
HUES = ((20, 'pink'), (50, 'red'), (78, 'orange'), (110, 'yellow'), (175, 'green'), (235, 'cyan'),
        (305, 'blue'), (345, 'purple'), (361, 'pink'))
PEAK_DISTANCE = 2  # bins: nearer peaks are one, and a peak that moved no further has survived


def palette_of(rgb, count, seed=0):
    """Choose the colours that stand best for a picture's: k-means in L*a*b*.

    Args:
        rgb: the picture.
        count: of colours, at most.
        seed: of the pixels that are looked at and of k-means.

    Returns:
        uint8 array (colours, 3); the picture's own colours where it has no more than `count`.
    """
    pixels = rgb.reshape(-1, 3)
    own = colours.distinct(rgb)
    if len(own) <= count:
        return own
    random = np.random.RandomState(seed)
    sample = pixels[random.permutation(len(pixels))[:SAMPLE]]
    centres, _ = kmeans(to_lab(sample), count, iter=STARTS, seed=random)
    return np.rint(lab2rgb(centres[None])[0].clip(0, 1) * 255).astype('uint8')


def to_lab(colours):
    """Convert RGB uint8 colours (..., 3) to L*a*b*, float64."""
    return rgb2lab(np.asarray(colours).reshape(1, -1, 3) / 255.0)[0].reshape(np.shape(colours))


def with_palette(rgb, palette):
    """Draw a picture with each pixel in the nearest colour of a palette (colours, 3)."""
    _, nearest = cKDTree(to_lab(palette)).query(to_lab(rgb).reshape(-1, 3))
    return palette[nearest].reshape(rgb.shape)


def with_bits(colours, bits):
    """Round RGB uint8 colours (..., 3) to so many bits for each of red, green and blue.

    Levels are evenly spaced; black and white stay what they are.
    """
    largest = 2 ** bits - 1
    return np.rint(np.rint(colours / 255.0 * largest) / largest * 255).astype('uint8')


def share_near(rgb, palette):
    """Measure which share of the pixels has nearly a colour of the palette, 0..1.

    Args:
        rgb: uint8 (rows, columns, 3).
        palette: RGB uint8 (colours, 3).
    """
    distances, _ = cKDTree(to_lab(palette)).query(to_lab(rgb).reshape(-1, 3))
    return float((distances <= NEAR).mean())


def distribution(rgb):
    """Compute the shares of pixels over a* (rows) and b* (columns), in bins of BIN; sum 1.

    The bins reach as far as sRGB does, so no pixel is outside.
    """
    lab = to_lab(rgb).reshape(-1, 3)
    edges = np.arange(-REACH, REACH + BIN, BIN)
    counts, _, _ = np.histogram2d(lab[:, 1], lab[:, 2], (edges, edges))
    return counts / len(lab)


def entropy(rgb):
    """Measure how widely the colours of a picture are spread over a* and b*, in bits.

    Args:
        rgb: uint8 (rows, columns, 3).

    Returns:
        From 0, one colour, up to the binary logarithm of the number of bins.
    """
    shares = distribution(rgb)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum())


def peaks(rgb):
    """Find the bins (a*, b*) of the peaks of a picture's distribution, highest first.

    Args:
        rgb: uint8 (rows, columns, 3).

    Returns:
        int (peaks, 2).
    """
    smooth = gaussian_filter(distribution(rgb), 0.7)
    return peak_local_max(smooth, min_distance=PEAK_DISTANCE, threshold_abs=PEAK_SHARE,
                          exclude_border=False)


def peaks_kept(painting, result):
    """Count peaks of a painting's distribution: (those that are peaks of a result's, all).

    Args:
        painting, result: RGB uint8 (rows, columns, 3); of any two sizes.
    """
    there, found = peaks(painting), peaks(result)
    if not len(there) or not len(found):
        return 0, len(there)
    distances, _ = cKDTree(found).query(there)
    return int((distances <= PEAK_DISTANCE).sum()), len(there)


def names_of(lab):
    """Name colours, L*a*b* (..., 3): an array (...) of words."""
    lightness, a, b = np.moveaxis(np.asarray(lab), -1, 0)
    ends, names = zip(*HUES)
    hues = np.array(names)[np.searchsorted(ends, np.degrees(np.arctan2(b, a)) % 360, 'right')]
    greys = np.select([lightness < 25, lightness > 80], ['black', 'white'], 'grey')
    return np.where(np.hypot(a, b) < GREY, greys, hues)


def hexadecimal(lab):
    """Write a colour, L*a*b* (3,), as '#rrggbb'."""
    rgb = np.rint(lab2rgb(np.reshape(lab, (1, 1, 3)))[0, 0].clip(0, 1) * 255).astype(int)
    return '#{:02x}{:02x}{:02x}'.format(*rgb)


def looks_of(lab, weights):
    """Name what colours a picture has where it counts, the one that counts most first.

    Pixels are named one by one: the mean of blue and of yellow ones would be a colour that nobody
    sees.

    Args:
        lab: L*a*b* (rows, columns, 3).
        weights: (rows, columns), from 0 up, with a sum above 0.

    Returns:
        list of (name, mean of the pixels of that name as '#rrggbb', their share of the weights).
    """
    counts = weights > 0
    colours, shares = lab[counts], weights[counts] / weights[counts].sum()
    names = names_of(colours)
    found = []
    for name in np.unique(names):
        own = names == name
        mean = np.average(colours[own], axis=0, weights=shares[own])
        found.append((str(name), hexadecimal(mean), float(shares[own].sum())))
    return sorted(found, key=lambda look: -look[2])
