"""The parameter names and the input of torchvision's networks.

Its networks take RGB / 255, minus a mean, divided by a deviation. The archive's take BGR, 0..255,
minus a mean: order, scale and deviation go into the first kernel, which is exact. Source:
pytorch/vision, torchvision/models/squeezenet.py and torchvision/transforms/_presets.py.
"""

import numpy as np

MEAN = np.array([0.485, 0.456, 0.406])       # of RGB / 255
DEVIATION = np.array([0.229, 0.224, 0.225])

SQUEEZENET = {'conv1': 'features.0', 'conv10': 'classifier.1'}
SQUEEZENET.update({f'fire{number}/{ours}': f'features.{index}.{theirs}'
                   for number, index in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12))
                   for ours, theirs in (('squeeze1x1', 'squeeze'), ('expand1x1', 'expand1x1'),
                                        ('expand3x3', 'expand3x3'))})
LAYERS = {'squeezenet': SQUEEZENET}  # network -> the archive's layer -> torchvision's module


def keys_of(network):
    """Map each key of the archive to that of torchvision: '<layer>.W' and '<layer>.b'."""
    return {f'{layer}.{ours}': f'{module}.{theirs}'
            for layer, module in LAYERS.get(network, {}).items()
            for ours, theirs in (('W', 'weight'), ('b', 'bias'))}


def mean_pixel():
    """Give torchvision's mean as the archive subtracts it: float32 (3,), BGR, 0..255."""
    return (255 * MEAN[::-1]).astype('float32')


def for_bgr_to_255(kernel):
    """Convert a first kernel (out, RGB, rows, columns) for an input in BGR, 0..255 minus mean."""
    return (kernel / (255 * DEVIATION)[:, None, None])[:, ::-1]
