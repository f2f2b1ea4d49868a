"""The Lasagne Recipes' `.pkl` files: Python 2 pickles of parameters in the order of the network.

A dict with 'param values' (of vgg_cnn_s: 'values'), a list of W, b, W, b and so on as
lasagne.layers.get_all_param_values gives it, 'synset words' and 'mean value' or 'mean image'; or
that list alone; or a dict from layers to arrays, as in a `.npy`. Source: Lasagne/Recipes, modelzoo/
and examples/.
"""

import bz2
import tempfile

from models.errors import ArchiveError
from models.weights.formats import npy, pickles
from models.weights.formats.contents import (
    MEAN_IMAGE_NOTE,
    arrays_in,
    from_list,
    from_tree,
    mean_of,
)

import numpy as np

VALUES = ('param values', 'values')
BLOCK = 1 << 20        # bytes
PACKED_BLOCK = 1 << 16  # bytes; what is behind the end of a stream is copied for each stream


def read(path, budget):
    """Read the contents of a pickle: of kind 'recipes' if a dict says what is what, 'named' if it
    names its arrays, else 'list'.

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
    """Read the contents of a packed pickle, as alexjc/neural-doodle has it.

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
    value = pickles.load(file, path, size, npy.OBJECTS, budget=budget)
    described = ({pickles.text(key): part for key, part in value.items()
                  if isinstance(key, (str, bytes))} if isinstance(value, dict) else {})
    key = next((key for key in VALUES if key in described), None)
    if key is not None:
        contents = _listed(described[key], path, 'recipes', budget)
    elif isinstance(value, dict):
        contents = from_tree('named', value, budget, npy.plain)
        if not contents.arrays:
            raise ArchiveError(f'{path} holds no list of parameters and no arrays under names like '
                               'conv1_1.W; it is none of the pickles of the Lasagne Recipes')
    else:
        contents = _listed(value, path, 'list', budget)
    contents.classes = _words(described.get('synset words'))
    for key in ('mean value', 'mean image'):
        if described.get(key) is not None:
            contents.mean_pixel = mean_of(npy.plain(described[key]), path)
    if 'mean image' in described:
        contents.notes.append(MEAN_IMAGE_NOTE)
    return contents


def _listed(parameters, path, kind, budget):
    """Make the contents of a list W, b, W, b and so on, or of one of pairs of them."""
    if not isinstance(parameters, (list, tuple)):
        raise ArchiveError(f'{path} holds no list of parameters; it is none of the pickles of the '
                           'Lasagne Recipes')
    arrays = arrays_in(parameters, budget, npy.plain)
    if arrays is None or len(arrays) % 2:
        raise ArchiveError(f'{path} holds no list of W, b, W, b and so on')
    return from_list(arrays, kind)


def _words(value):
    """Find the class names, if there are any."""
    value = npy.plain(value)
    value = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    if not isinstance(value, (list, tuple)) or not all(isinstance(word, (str, bytes))
                                                       for word in value):
        return None
    return [pickles.text(word) for word in value]
