"""MatConvNet's `.mat` files of networks, by scipy: of chains ("SimpleNN") and graphs ("DagNN").

A chain's `layers` is a row of structs; those of convolutions (dense layers are convolutions as
large as their input) have `name` and `weights` {kernel, bias}, before 2015 `filters` and `biases`.
The mean is `meta.normalization.averageImage`, before `normalization.averageImage`, RGB, one pixel
or an image; class names are `meta.classes.description`. A graph has the arrays in `params`, structs
with `name` and `value`, and its `layers` name theirs, kernel before bias. Either may be within a
struct, as `save FILE net` writes it. Source: vlfeat/matconvnet, utils/import-caffe.py and
matlab/+dagnn/@DagNN/saveobj.m.
"""

import struct
import zlib

import numpy as np
import scipy.io

from models.errors import ArchiveError
from models.weights.formats.contents import MEAN_IMAGE_NOTE, Contents
from models.weights.formats.pickles import Refused

COMPRESSED = 15      # type of an element that zlib packs
MOST_COMPRESSED = 20  # times; trained numbers shrink to 90 %


def read(path):
    """Return the contents of a `.mat` file of MatConvNet.

    Raises:
        Refused: it unpacks to many times its size.
        ArchiveError: it is broken, or holds something else.
    """
    try:
        _require_honest_sizes(path)
        file = scipy.io.loadmat(str(path), struct_as_record=False, squeeze_me=False)
    except (ValueError, TypeError, KeyError, IndexError, NotImplementedError, OSError, EOFError,
            MemoryError, OverflowError, UnicodeDecodeError, zlib.error,
            scipy.io.matlab.MatReadError) as problem:
        raise ArchiveError(f'{path} is a broken .mat file: {problem}') from problem
    file = _network_in(file)
    if 'layers' not in file:
        raise ArchiveError(f'{path} is no network of MatConvNet; it holds '
                           f'{", ".join(name for name in file if not name.startswith("__"))}')
    contents = Contents('matconvnet')
    named = _params(file.get('params'))
    for layer in np.ravel(file['layers']):
        layer = _only(layer)
        arrays = _weights(layer, named)
        if arrays:
            name = str(_only(getattr(layer, 'name', '')))
            contents.others += [f'{name}, array {index}' for index in range(2, len(arrays))]
            for ending, array in zip('Wb', arrays):
                contents.arrays[f'{name}.{ending}'] = array
    meta = _only(file.get('meta', np.empty(0, object)))
    normalization = _only(getattr(meta, 'normalization', file.get('normalization')))
    image = getattr(normalization, 'averageImage', None)
    if image is not None and np.size(image) >= 3 and np.shape(image)[-1] == 3:
        contents.mean_pixel = np.asarray(image, 'float64').reshape(-1, 3).mean(axis=0)[::-1]
        if np.size(image) > 3:
            contents.notes.append(MEAN_IMAGE_NOTE)
    classes = _only(getattr(meta, 'classes', file.get('classes')))
    words = getattr(classes, 'description', None)
    if words is not None:
        contents.classes = [str(_only(word)) for word in np.ravel(words)]
    return contents


def _require_honest_sizes(path):
    """Refuse a file whose packed elements unpack to more than any weights would."""
    with open(path, 'rb') as file:
        head = file.read(128)
        order = '<' if head[126:128] == b'IM' else '>'
        while len(tag := file.read(8)) == 8:
            kind, size = struct.unpack(order + 'II', tag)
            if kind != COMPRESSED:
                file.seek(size, 1)
                continue
            unpacker, unpacked, left = zlib.decompressobj(), 0, size
            while left and (block := file.read(min(left, 1 << 16))):
                left -= len(block)
                while block:
                    unpacked += len(unpacker.decompress(block, 1 << 22))
                    block = unpacker.unconsumed_tail
                    if unpacked > MOST_COMPRESSED * size + (1 << 24):
                        raise Refused(f'{path} was refused: {size} bytes in it unpack to more '
                                      f'than {unpacked}')


def _network_in(variables):
    """Return the variables of a file, or the fields of the one struct in it that has layers."""
    for value in variables.values():
        value = _only(value)
        if 'layers' not in variables and hasattr(value, 'layers'):
            return {name: getattr(value, name) for name in value._fieldnames}
    return variables


def _params(structs):
    """Return dict from names to arrays of a graph's parameters."""
    structs = [] if structs is None else [_only(struct) for struct in np.ravel(structs)]
    return {str(_only(struct.name)): struct.value for struct in structs
            if hasattr(struct, 'name') and hasattr(struct, 'value')}


def _weights(layer, named):
    """Return [kernel, bias] of a layer, or nothing.

    Args:
        layer: a struct.
        named: a graph's parameters by name.
    """
    if hasattr(layer, 'weights'):
        arrays = list(np.ravel(layer.weights))
    elif named and hasattr(layer, 'params'):
        arrays = [named[name] for name in (str(_only(name)) for name in np.ravel(layer.params))
                  if name in named]
    else:
        arrays = [getattr(layer, name) for name in ('filters', 'biases') if hasattr(layer, name)]
    return [np.asarray(array) for array in arrays if np.size(array)]


def _only(value):
    """Return the one element of what MATLAB keeps as an array of one; nothing of an empty one."""
    while isinstance(value, np.ndarray):
        if value.size == 0:
            return None
        if value.dtype != object and value.ndim <= 1 and value.size == 1:
            return value.ravel()[0]
        value = value.ravel()[0]
    return value
