"""What may be wrong with what a generator paints, in numbers.

Pictures are RGB uint8 (rows, columns, 3).
"""

from itertools import combinations

import numpy as np
from scipy.ndimage import median_filter

from recipes.common import colours

EDGE = 16            # pixels
NEIGHBOURS = (2, 7)  # how far the frequencies are that a peak is compared with
DOT = 60             # grey levels from the median of its 3x3 neighbours


def border(rgb, edge=EDGE):
    """Compare the outermost pixels with those inside.

    Args:
        rgb: uint8 (rows, columns, 3), larger than both edges.
        edge: pixels.

    Returns:
        (difference, ratio): the largest difference of a channel's means, grey levels; deviation
        outside by that inside, of the luminance.
    """
    outside = np.ones(rgb.shape[:2], bool)
    outside[edge:-edge, edge:-edge] = False
    means = [rgb[place].mean(axis=0) for place in (outside, ~outside)]
    grey = colours.luminance(rgb)
    return (float(np.abs(means[0] - means[1]).max()),
            float(grey[outside].std() / max(grey[~outside].std(), 1e-9)))


def checkerboard(rgb):
    """Find how far the spectrum at periods of 2 and 4 pixels rises above its neighbourhood.

    Args:
        rgb: uint8 (rows, columns, 3).

    Returns:
        The largest ratio of an amplitude, averaged over rows or over columns, to the median of its
        neighbours'; about 1 without a checkerboard.
    """
    grey = colours.luminance(rgb)
    ratios = []
    for lines in (grey, grey.T):
        lines = lines[:, :lines.shape[1] // 4 * 4]
        window = np.hanning(lines.shape[1])
        centred = lines - lines.mean(axis=1, keepdims=True)
        spectrum = np.abs(np.fft.rfft(centred * window)).mean(axis=0)
        for period in (2, 4):
            at = lines.shape[1] // period
            near = [at + sign * step for sign in (-1, 1) for step in range(*NEIGHBOURS)]
            near = [place for place in near if 0 < place < len(spectrum)]
            ratios.append(spectrum[at] / max(np.median(spectrum[near]), 1e-9))
    return float(max(ratios))


def dots(rgb):
    """Give the share of pixels that stand out alone, far from the median of their neighbours.

    Args:
        rgb: uint8 (rows, columns, 3).

    Returns:
        0..1.
    """
    grey = colours.luminance(rgb)
    return float((np.abs(grey - median_filter(grey, 3, mode='reflect')) > DOT).mean())


def seam(rgb):
    """Compare the steps across the edges, were the picture laid beside itself, with those inside.

    Args:
        rgb: uint8 (rows, columns, 3).

    Returns:
        Mean absolute step across by that inside, the larger of rows and columns; about 1 where it
        can be laid side by side.
    """
    x = rgb.astype('float64')
    ratios = []
    for axis in (0, 1):
        inside = np.abs(np.diff(x, axis=axis)).mean()
        across = np.abs(x.take(0, axis) - x.take(-1, axis)).mean()
        ratios.append(across / max(inside, 1e-9))
    return float(max(ratios))


def diversity(pictures):
    """Give the mean absolute difference of pictures from one another by that of their pixels.

    Args:
        pictures: two or more, RGB uint8 (rows, columns, 3), of one shape.

    Returns:
        About 1 where pictures have nothing in common but their colours, 0 where they are the same.
    """
    x = [rgb.astype('float64') for rgb in pictures]
    between = np.mean([np.abs(a - b).mean() for a, b in combinations(x, 2)])
    shuffled = np.random.RandomState(0).permutation(x[0].reshape(-1, 3)).reshape(x[0].shape)
    return float(between / max(np.abs(x[0] - shuffled).mean(), 1e-9))
