"""The archive's weight files: `.npz` with `<layer>.W`, `<layer>.b`, `mean_pixel`, `classes`.

Kernels are (out, in, rows, columns) and correlate (they are not flipped), for an input in BGR,
0..255, minus mean_pixel. Nothing in a file is ever unpickled.
"""

import hashlib
import logging
import os
import zipfile
from pathlib import Path

import numpy as np
import theano

from models.errors import ArchiveError
from models.weights import torchvision

EMBEDDED = Path(__file__).parent.parent / 'embedded' / 'vgg19_quarter.npz'
IMAGENET_CLASSES = Path(__file__).with_name('imagenet_classes.txt')
VGG_MEAN_PIXEL = (103.939, 116.779, 123.68)  # BGR, of the Oxford models
DESCRIPTIONS = {'mean_pixel', 'classes', 'wnids', 'width'}

log = logging.getLogger('archive')


def find(name, weights=None):
    """Return the path of a network's weight file.

    Args:
        name: of the network.
        weights: a path; None looks for the embedded file or $ARCHIVE_WEIGHTS/<name>.npz.

    Raises:
        ArchiveError: there is no such file.
    """
    if weights is not None:
        path = Path(weights)
    elif name == EMBEDDED.stem:
        path = EMBEDDED
    elif os.environ.get('ARCHIVE_WEIGHTS'):
        path = Path(os.environ['ARCHIVE_WEIGHTS']) / f'{name}.npz'
    else:
        raise ArchiveError(f'the weights of {name} do not come with the archive; name their .npz '
                           f'file (--weights FILE), or the folder of {name}.npz in '
                           '$ARCHIVE_WEIGHTS, or use vgg19_quarter, which does')
    try:
        with open(path, 'rb'):
            return path
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no weight file {path}') from problem
    except IsADirectoryError as problem:
        raise ArchiveError(f'{path} is a folder; name the .npz file of weights in it') from problem
    except OSError as problem:
        raise ArchiveError(f'cannot read {path}: {problem.strerror}') from problem


def sha256(path):
    """Return the SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def imagenet_classes():
    """Return ImageNet's 1000 classes in the order of the outputs: (WordNet id, names) each.

    The ids and names of the ILSVRC 2012 classification task.
    """
    lines = IMAGENET_CLASSES.read_text().splitlines()
    return [tuple(line.split(' ', 1)) for line in lines]


class WeightFile:
    """An open weight file, to be used in a `with`; arrays are read one at a time.

    Args:
        path: of the .npz file.
        network: whose weights it has; torchvision's parameter names are known for some.

    Raises:
        ArchiveError: it is not an .npz file, or it is broken.
    """

    def __init__(self, path, network=None):
        self.path = path
        if not zipfile.is_zipfile(path):
            raise ArchiveError(f'{path} is not a weight file of the archive (.npz)')
        try:
            self.arrays = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as problem:
            raise ArchiveError(f'{path} is a broken weight file: {problem}') from problem
        translated = torchvision.keys_of(network)
        self.from_torchvision = any(key in self.arrays.files for key in translated.values())
        self.keys = translated if self.from_torchvision else {}

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.arrays.close()

    def array(self, key, shape):
        """Return an array in the type of the networks (floatX).

        Args:
            key: '<layer>.W' or '<layer>.b'.
            shape: what the network needs. A dense layer's inputs may stand in one axis or more.

        Raises:
            ArchiveError: it is missing, of another shape, or not made of finite numbers.
        """
        key = self.keys.get(key, key)
        if key not in self.arrays.files:
            there = [name.rpartition('.')[0] for name in self.arrays.files
                     if name.endswith(('.W', '.weight'))]
            raise ArchiveError(f'{self.path} has no {key}; its layers are '
                               f'{", ".join(there) or "none"}: ask for layers that it has, or '
                               'take another file')
        found = self._read_numbers(key)
        if self.from_torchvision and found.ndim == 4 and found.shape[1] == 3:
            found = torchvision.for_bgr_to_255(found)
        if found.size != int(np.prod(shape)) or found.shape[:1] != tuple(shape[:1]):
            raise ArchiveError(f'{self.path} has the weights of another network: {key} is '
                               f'{found.shape}, and this network needs {tuple(shape)}')
        return found.astype(theano.config.floatX, copy=False).reshape(shape)

    def mean_pixel(self):
        """Return the mean to subtract, float32 (3,), BGR, 0..255; Oxford's where none is named."""
        if self.from_torchvision:
            return torchvision.mean_pixel()
        if 'mean_pixel' not in self.arrays.files:
            return np.array(VGG_MEAN_PIXEL, 'float32')
        mean_pixel = self._read_numbers('mean_pixel')
        if mean_pixel.size != 3:
            raise ArchiveError(f'{self.path}: mean_pixel is {mean_pixel.shape}; it must be three '
                               'numbers, blue, green and red')
        return mean_pixel.astype('float32').ravel()

    def width(self):
        """Return the factor on the number of filters that the network was built with; 1 if none."""
        return float(self._read_numbers('width')) if 'width' in self.arrays.files else 1

    def classes(self):
        """Return the names of the classes in the order of the outputs, or None."""
        return self._read('classes').tolist() if 'classes' in self.arrays.files else None

    def name_extra_keys(self, layers):
        """Name, as a warning, the arrays that belong to none of these layers; they are ignored."""
        extra = [key for key in self.arrays.files
                 if key not in DESCRIPTIONS and key not in self.keys.values()
                 and key.rpartition('.')[0] not in layers]
        if extra:
            log.warning('%s: ignored what is no layer of the network: %s', self.path,
                        ', '.join(extra))

    def _read_numbers(self, key):
        found = self._read(key)
        if found.dtype.kind not in 'fiu' or not np.isfinite(found).all():
            raise ArchiveError(f'{self.path} is broken at {key}: it must hold finite real numbers')
        return found

    def _read(self, key):
        try:
            return self.arrays[key]
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as problem:
            raise ArchiveError(f'{self.path} is broken at {key}: {problem}') from problem
