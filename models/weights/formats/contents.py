"""What was found in a weight file, in the file's own layout and under its own names."""

from __future__ import annotations  # Python 3.9 does not know `X | None`

from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from models.errors import ArchiveError

MEAN_IMAGE_NOTE = ('the mean of this file is an image; the archive subtracts its mean over all '
                   'positions')


LONGEST_NAME = 1000  # characters of a class; ImageNet's longest have 131


@dataclass
class Contents:
    """What a weight file holds.

    Attributes:
        kind: 'recipes', 'list', 'pytorch', 'safetensors', 'keras', 'caffe', 'matconvnet' or 'npz'.
        arrays: '<module>.W' and '<module>.b' -> array, in the order and layout of the file. The
            modules have the names of the file; where it only counts, '0', '1' and so on.
        mean_pixel: float (3,), BGR, or None where the file has none.
        classes: the names of the classes in the order of the outputs, or None.
        notes: what a user should know, one sentence each.
    """

    kind: str
    arrays: OrderedDict = field(default_factory=OrderedDict)
    mean_pixel: np.ndarray | None = None
    classes: list | None = None
    notes: list = field(default_factory=list)

    def modules(self):
        """Return the names of the modules that have weights, in the order of the file."""
        return [key[:-2] for key in self.arrays if key.endswith('.W')]


def from_named(kind, tensors):
    """Return the contents of a dict from PyTorch's parameter names to arrays.

    '<module>.weight' and '<module>.bias' are PyTorch's, '<module>.W' and '<module>.b' the
    archive's. A leading 'module.' (of DataParallel) falls away. What is neither is left out.
    """
    endings = {'weight': 'W', 'bias': 'b', 'W': 'W', 'b': 'b'}
    contents = Contents(kind)
    for key, array in tensors.items():
        module, _, ending = key.rpartition('.')
        module = module[len('module.'):] if module.startswith('module.') else module
        if module and ending in endings:
            contents.arrays[f'{module}.{endings[ending]}'] = array
    return contents


def mean_of(image, path):
    """Return a mean as (3,): of an image (3, rows, columns) its mean over the positions.

    Raises:
        ArchiveError: it has no three channels in front.
    """
    if isinstance(image, (list, tuple)) and len(image) == 3 and all(
            isinstance(value, (int, float)) for value in image):
        image = np.array(image, 'float64')
    if not isinstance(image, (np.ndarray, np.generic)) or image.dtype.kind not in 'fiu':
        raise ArchiveError(f'{path}: the mean that it holds is a {type(image).__name__}; it must '
                           'be three numbers or an image of three channels')
    image = np.asarray(image, 'float64')
    if image.size == 3:
        return image.ravel()
    if image.ndim == 3 and image.shape[0] == 3:
        return image.mean(axis=(1, 2))
    raise ArchiveError(f'{path}: the mean that it holds is {image.shape}; it must be three numbers '
                       'or an image of three channels')


def class_names(words, path):
    """Return the names of the classes as strings, or None where a file has none.

    Args:
        words: a list, a tuple or an array of text; anything else is no list of names.
        path: of the file, for messages.

    Raises:
        ArchiveError: one is longer than any name.
    """
    if isinstance(words, np.ndarray) and words.ndim == 1:
        words = words.tolist()
    if not isinstance(words, (list, tuple)) or not all(
            isinstance(word, (str, bytes)) for word in words):
        return None
    longest = max(map(len, words), default=0)
    if longest > LONGEST_NAME:
        raise ArchiveError(f'{path} names a class with {longest} characters; no name has so many')
    return [word.decode('latin-1') if isinstance(word, bytes) else word for word in words]
