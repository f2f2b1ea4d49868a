"""What was found in a weight file, in the file's own layout and under its own names."""

from __future__ import annotations  # Python 3.9 does not know `X | None`

import re
from collections import OrderedDict
from dataclasses import dataclass, field

from models.errors import ArchiveError

import numpy as np

MEAN_IMAGE_NOTE = ('the mean of this file is an image; the archive subtracts its mean over all '
                   'positions')

ENDINGS = {'weight': 'W', 'weights': 'W', 'kernel': 'W', 'W': 'W', 'w': 'W',
           'bias': 'b', 'biases': 'b', 'b': 'b'}
PARAMETER = re.compile(rf'(?P<module>.+)[./:_](?P<word>{"|".join(ENDINGS)})(:0)?')


@dataclass
class Contents:
    """What a weight file holds.

    Attributes:
        kind: 'recipes', 'list', 'pytorch', 'safetensors', 'keras', 'keras_list', 'caffe',
            'matconvnet', 'npz', 'npz_list', 'underscored', 'npy', 'named' or 'hdf5'.
        arrays: '<module>.W' and '<module>.b' -> array, in the order and layout of the file. The
            modules have the names of the file; where it only counts, '0', '1' and so on.
        mean_pixel: float (3,), BGR, or None where the file has none.
        classes: the names of the classes in the order of the outputs, or None.
        notes: what a user should know, one sentence each.
        others: names in the file of what is neither a module's W nor its b.
    """

    kind: str
    arrays: OrderedDict = field(default_factory=OrderedDict)
    mean_pixel: np.ndarray | None = None
    classes: list | None = None
    notes: list = field(default_factory=list)
    others: list = field(default_factory=list)

    def modules(self):
        """List the names of the modules that have weights, in the order of the file."""
        return [key[:-2] for key in self.arrays if key.endswith('.W')]


def from_named(kind, tensors):
    """Make the contents of a dict from names of parameters to arrays.

    '<module>.weight' and '<module>.bias' are PyTorch's, '<module>.W' and '<module>.b' the
    archive's, '<module>/kernel:0' and '<module>/bias:0' TensorFlow's; a point, a slash, a colon
    or an underscore may stand before the last word. Names of anything else are `others`.
    """
    contents = Contents(kind)
    for key, array in tensors.items():
        parts = PARAMETER.fullmatch(key)
        if parts:
            contents.arrays[f'{parts["module"]}.{ENDINGS[parts["word"]]}'] = array
        else:
            contents.others.append(key)
    return contents


def from_tree(kind, tree, budget, opened=lambda value: value):
    """Make the contents of nested dicts and lists with arrays in them.

    An array's name is made of the keys above it, so that it does not matter under which key, and
    how deep, somebody put a network. A list of two arrays is a module's W and b. Where nothing has
    such a name, but there is one list W, b, W, b and so on, the contents are of kind 'list'.

    Args:
        kind: of the contents, if arrays have names.
        tree: dicts, lists and whatever `opened` knows.
        budget: what it may cost; each value is a part, and names take their length.
        opened: function from what a format has to the array, dict or list that it stands for.

    Raises:
        Refused: there are more values, or longer names, than there may be.
    """
    named, lists, seen = OrderedDict(), [], set()
    left = [('', tree)]
    while left:
        name, closed = left.pop()
        budget.take_parts()
        budget.take_bytes(len(name), 'a name')
        value = opened(closed)
        if isinstance(value, np.ndarray):
            named[name] = value
            continue
        if id(closed) in seen:  # a container may hold itself
            continue
        seen.add(id(closed))
        if isinstance(value, dict):
            left += [(_below(name, key), part) for key, part in reversed(value.items())
                     if type(key) in (str, bytes, int)]
        elif isinstance(value, (list, tuple)):
            arrays = arrays_in(value, budget, opened) or []
            if name and len(arrays) == 2:
                named[f'{name}.W'], named[f'{name}.b'] = arrays
            elif arrays and len(arrays) % 2 == 0:
                lists.append(arrays)
    contents = from_named(kind, named)
    return from_list(lists[0]) if not contents.arrays and len(lists) == 1 else contents


def from_list(arrays, kind='list'):
    """Make the contents of a list W, b, W, b and so on."""
    contents = Contents(kind)
    for index, array in enumerate(arrays):
        contents.arrays[f'{index // 2}.{"Wb"[index % 2]}'] = np.asarray(array)
    return contents


def _below(name, key):
    key = key.decode('latin-1') if isinstance(key, bytes) else str(key)
    return f'{name}.{key}' if name else key


def arrays_in(values, budget, opened):
    """Find the arrays of a list of arrays, or of one of pairs of arrays; else None."""
    arrays = []
    for value in map(opened, values):
        budget.take_parts(len(value) if isinstance(value, (list, tuple)) else 1)
        arrays += map(opened, value) if isinstance(value, (list, tuple)) else [value]
    return arrays if all(isinstance(array, (np.ndarray, np.generic)) for array in arrays) else None


def mean_of(image, path):
    """Reduce a mean to (3,): of an image (3, rows, columns) its mean over the positions.

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
