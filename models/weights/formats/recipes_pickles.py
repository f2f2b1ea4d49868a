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
from models.weights.formats.contents import (MEAN_IMAGE_NOTE, arrays_in, from_list, from_tree,
                                             mean_of)

VALUES = ('param values', 'values')
LARGEST = 4 * 1024 ** 3  # bytes of an unpacked .bz2; the largest of the Recipes has 1.6e9


def read(path):
    """Return the contents of a pickle: of kind 'recipes' if a dict says what is what, 'named' if it
    names its arrays, else 'list'.

    Raises:
        Refused: it names what arrays do not need.
        ArchiveError: it is broken, or holds something else.
    """
    with open(path, 'rb') as file:
        return _read(file, path, path.stat().st_size)


def read_bz2(path):
    """Return the contents of a packed pickle, as alexjc/neural-doodle has it.

    Raises:
        Refused, ArchiveError: as `read`; it unpacks to more than 4 GiB, or is broken.
    """
    with bz2.open(path) as packed, tempfile.TemporaryFile() as unpacked:
        try:
            for block in iter(lambda: packed.read(1 << 20), b''):
                unpacked.write(block)
                if unpacked.tell() > LARGEST:
                    raise pickles.Refused(f'{path} was refused: it unpacks to more than '
                                          f'{LARGEST} bytes')
        except EOFError as problem:
            raise ArchiveError(f'{path} is broken: {problem}') from problem
        size = unpacked.tell()
        unpacked.seek(0)
        return _read(unpacked, path, size)


def _read(file, path, size):
    value = pickles.load(file, path, size, npy.OBJECTS)
    described = ({pickles.text(key): part for key, part in value.items()
                  if isinstance(key, (str, bytes))} if isinstance(value, dict) else {})
    key = next((key for key in VALUES if key in described), None)
    if key is not None:
        contents = _listed(described[key], path, 'recipes')
    elif isinstance(value, dict):
        contents = from_tree('named', value, npy.plain)
        if not contents.arrays:
            raise ArchiveError(f'{path} holds no list of parameters and no arrays under names like '
                               'conv1_1.W; it is none of the pickles of the Lasagne Recipes')
    else:
        contents = _listed(value, path, 'list')
    contents.classes = _words(described.get('synset words'))
    for key in ('mean value', 'mean image'):
        if described.get(key) is not None:
            contents.mean_pixel = mean_of(npy.plain(described[key]), path)
    if 'mean image' in described:
        contents.notes.append(MEAN_IMAGE_NOTE)
    return contents


def _listed(parameters, path, kind):
    """Return the contents of a list W, b, W, b and so on, or of one of pairs of them."""
    if not isinstance(parameters, (list, tuple)):
        raise ArchiveError(f'{path} holds no list of parameters; it is none of the pickles of the '
                           'Lasagne Recipes')
    arrays = arrays_in(parameters, npy.plain)
    if arrays is None or len(arrays) % 2:
        raise ArchiveError(f'{path} holds no list of W, b, W, b and so on')
    return from_list(arrays, kind)


def _words(value):
    """Return the class names, if there are any."""
    value = npy.plain(value)
    if value is None:
        return None
    value = value.tolist() if hasattr(value, 'tolist') else value
    if not isinstance(value, list) or not all(isinstance(word, (str, bytes)) for word in value):
        return None
    return [pickles.text(word) for word in value]
