"""Knows Oxford's VGG-19 by its first kernels: in which order are axes and colours of a file?

A file whose kernels are turned, or whose red and blue are exchanged, loads without an error and
paints worse. Three rounded numbers tell of each of the 64 kernels of conv1_1 (Simonyan & Zisserman
2015) where it leans: to the right, down, and to red. No kernel can be made of them. Turned or
exchanged, the kernels' numbers have a cosine below 0.53 with these.
"""

import numpy as np

# Of each kernel, in tenths: see `leanings`.
LEANINGS = (
    (-6, -7, 0), (-2, 0, -9), (-5, 0, -3), (-2, -7, 0), (7, -6, 1), (0, 0, -7), (-8, 5, -1),
    (6, -7, 3), (0, 0, 0), (1, 7, -6), (0, -8, 0), (5, -6, -1), (0, 0, -1), (-6, 5, -6), (0, 7, 0),
    (0, 0, 0), (0, 0, 8), (-6, -5, 1), (0, 0, -2), (0, 0, 6), (-6, -7, -4), (-5, -8, 1),
    (0, 0, -10), (6, 6, -1), (-7, 2, -3), (0, 0, -9), (-4, 8, 0), (1, 0, 7), (7, -1, 0),
    (-1, -1, 9), (5, 7, -1), (0, 0, 0), (0, 0, 6), (-4, 4, 1), (-3, 7, 0), (8, 4, 0), (0, 0, -8),
    (2, 8, 0), (-3, -8, -2), (-1, 0, -6), (-4, 4, 0), (3, -8, -1), (8, -5, 0), (1, -8, 0),
    (-8, 3, 0), (7, -6, 0), (-5, 5, 2), (5, 8, 0), (-8, 3, 2), (8, -4, -3), (0, 0, -6),
    (-9, -3, 0), (4, -2, 3), (5, 7, 2), (-6, 6, -1), (8, 2, -3), (8, -2, 0), (-7, 0, -1),
    (8, -1, 0), (0, 0, 8), (8, 4, 0), (-1, 0, 0), (-7, 5, 0), (-7, 1, 1))
NORMALISED_LENGTH = 0.048  # geometric mean of the kernels' lengths after Gatys' normalisation
SAME = 0.97  # cosine from which kernels are the same; noise of 30 % leaves 0.99, other kernels 0.3

TURNS = {
    'as they are': lambda kernel: kernel,
    'turned by 180 degrees': lambda kernel: kernel[:, :, ::-1, ::-1],
    'with rows and columns exchanged': lambda kernel: kernel.transpose(0, 1, 3, 2),
    'turned by 180 degrees, with rows and columns exchanged':
        lambda kernel: kernel.transpose(0, 1, 3, 2)[:, :, ::-1, ::-1],
}


def compare(kernel):
    """Tell how a first kernel relates to VGG-19's.

    Args:
        kernel: (out, in, rows, columns) as the archive would take it: BGR, correlation.

    Returns:
        None if it is another network's, else (how, scale): how it differs, one of TURNS,
        followed by ', red and blue exchanged' where they are; and the geometric mean of its
        scale over that of the normalised network.
    """
    if kernel.shape != (len(LEANINGS), 3, 3, 3):
        return None
    kernel = np.asarray(kernel, 'float64')
    lengths = np.linalg.norm(kernel.reshape(len(kernel), -1), axis=1)
    if not lengths.all() or not np.isfinite(lengths).all():
        return None
    scale = float(np.exp(np.log(lengths).mean()) / NORMALISED_LENGTH)
    known = np.array(LEANINGS) / np.linalg.norm(LEANINGS)
    for told, turn in TURNS.items():
        for exchanged in (False, True):
            found = leanings(turn(kernel)[:, ::-1] if exchanged else turn(kernel))
            if (found * known).sum() > SAME * np.linalg.norm(found):
                return told + (', red and blue exchanged' if exchanged else ''), scale
    return None


def leanings(kernel):
    """Measure where kernels lean to.

    Args:
        kernel: (out, 3, 3, 3): BGR, rows, columns; none of zeros only.

    Returns:
        (out, 3), each from -1 to 1: the kernel of length 1 times a pattern of length 1, which is
        the last column minus the first, the last row minus the first, red minus blue.
    """
    kernel = kernel / np.sqrt((kernel ** 2).sum(axis=(1, 2, 3), keepdims=True))
    pairs = ((kernel[..., 2], kernel[..., 0]), (kernel[:, :, 2], kernel[:, :, 0]),
             (kernel[:, 2], kernel[:, 0]))
    return np.stack([(above - below).sum(axis=(1, 2)) / np.sqrt(18) for above, below in pairs], 1)
