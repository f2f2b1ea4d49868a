"""The Lasagne Recipes' `.pkl` files: Python 2 pickles of parameters in the order of the network.

A dict with 'param values' (of vgg_cnn_s: 'values'), a list of W, b, W, b and so on as
lasagne.layers.get_all_param_values gives it, 'synset words' and 'mean value' or 'mean image'; or
that list alone. Source: Lasagne/Recipes, modelzoo/ and examples/.
"""

import bz2
import tempfile

import numpy as np

from models.errors import ArchiveError
from models.weights.formats import pickles
from models.weights.formats.contents import MEAN_IMAGE_NOTE, Contents, class_names, mean_of

VALUES = ('param values', 'values')
BLOCK = 1 << 20        # bytes
PACKED_BLOCK = 1 << 16  # bytes; what is behind the end of a stream is copied for each stream


def read(path, budget):
    """Return the contents of a pickle: of kind 'recipes' if a dict says what is what, else 'list'.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: it names what arrays do not need.
        ArchiveError: it is broken, or holds something else.
    """
    with open(path, 'rb') as file:
        return _read(file, path, path.stat().st_size, budget)


def read_bz2(path, budget):
    """Return the contents of a packed pickle, as alexjc/neural-doodle has it.

    Args:
        path: of the file.
        budget: what reading it may cost, unpacked.

    Raises:
        Refused, ArchiveError: as `read`; it unpacks to many times its size.
    """
    with open(path, 'rb') as packed, tempfile.TemporaryFile() as unpacked:
        for block in _unpacked(packed, budget):
            budget.take_bytes(len(block))
            unpacked.write(block)
        size = unpacked.tell()
        unpacked.seek(0)
        return _read(unpacked, path, size, budget)


def _unpacked(packed, budget):
    """Yield the bytes of a .bz2, of one stream after another as pbzip2 writes them."""
    unpacker, block = bz2.BZ2Decompressor(), packed.read(PACKED_BLOCK)
    while block or not unpacker.needs_input:
        yield unpacker.decompress(block, BLOCK)
        block = b''
        if unpacker.eof:
            budget.take_parts()
            block = unpacker.unused_data or packed.read(PACKED_BLOCK)
            if not block:
                return
            unpacker = bz2.BZ2Decompressor()
        elif unpacker.needs_input:
            block = packed.read(PACKED_BLOCK)
    raise EOFError('it is cut off')


def _read(file, path, size, budget):
    value = pickles.load(file, path, size, budget=budget)
    if isinstance(value, dict):
        value = {pickles.text(key): part for key, part in value.items()
                 if isinstance(key, (str, bytes))}
        contents = Contents('recipes')
        parameters = next((value[key] for key in VALUES if key in value), None)
        contents.classes = class_names(_plain(value.get('synset words')), path)
        for key in ('mean value', 'mean image'):
            if value.get(key) is not None:
                contents.mean_pixel = mean_of(_plain(value[key]), path)
        if 'mean image' in value:
            contents.notes.append(MEAN_IMAGE_NOTE)
    else:
        contents, parameters = Contents('list'), value
    if not isinstance(parameters, (list, tuple)):
        raise ArchiveError(f'{path} holds no list of parameters; it is none of the pickles of the '
                           'Lasagne Recipes')
    arrays = [_plain(array) for array in parameters]
    if len(arrays) % 2 or not all(hasattr(array, 'shape') for array in arrays):
        raise ArchiveError(f'{path} holds no list of W, b, W, b and so on')
    for index, array in enumerate(arrays):
        contents.arrays[f'{index // 2}.{"Wb"[index % 2]}'] = array
    return contents


def _plain(value):
    value = value.array if isinstance(value, pickles.Array) else value
    return np.asarray(value) if isinstance(value, np.generic) else value
