"""Knows Oxford's VGG-19 by its first kernels: in which order are axes and colours of a file?

A file whose kernels are turned, or whose red and blue are exchanged, loads without an error and
paints worse. So the 64 kernels of conv1_1 lie beside this module, in the scale of Gatys'
normalisation (Simonyan & Zisserman 2015, Creative Commons Attribution 4.0; taken from the
normalised network as circulated, float16). Turned or exchanged, their mean cosine with themselves
is below 0.7.
"""

from pathlib import Path

import numpy as np

KERNELS = Path(__file__).with_name('vgg19_conv1_1.npz')
SAME = 0.999  # mean cosine from which two sets of kernels are the same; float16 costs 1e-7

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
    with np.load(KERNELS) as file:
        known = file['conv1_1.W'].astype('float64')
    if kernel.shape != known.shape:
        return None
    kernel = np.asarray(kernel, 'float64')
    lengths = [np.linalg.norm(each.reshape(64, -1), axis=1) for each in (kernel, known)]
    if not lengths[0].all():
        return None
    scale = float(np.exp(np.log(lengths[0] / lengths[1]).mean()))
    for told, turn in TURNS.items():
        for exchanged in (False, True):
            turned = turn(kernel)[:, ::-1] if exchanged else turn(kernel)
            cosines = (turned * known).sum(axis=(1, 2, 3)) / (lengths[0] * lengths[1])
            if cosines.mean() > SAME:
                return told + (', red and blue exchanged' if exchanged else ''), scale
    return None
