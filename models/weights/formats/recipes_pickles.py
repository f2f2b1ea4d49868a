"""The Lasagne Recipes' `.pkl` files: Python 2 pickles of parameters in the order of the network.

A dict with 'param values' (of vgg_cnn_s: 'values'), a list of W, b, W, b and so on as
lasagne.layers.get_all_param_values gives it, 'synset words' and 'mean value' or 'mean image'; or
that list alone. Source: Lasagne/Recipes, modelzoo/ and examples/.
"""

import bz2
import tempfile

from models.errors import ArchiveError
from models.weights.formats import pickles
from models.weights.formats.contents import MEAN_IMAGE_NOTE, Contents, mean_of

VALUES = ('param values', 'values')
LARGEST = 4 * 1024 ** 3  # bytes of an unpacked .bz2; the largest of the Recipes has 1.6e9


def read(path):
    """Return the contents of a pickle: of kind 'recipes' if a dict says what is what, else 'list'.

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
    value = pickles.load(file, path, size)
    if isinstance(value, dict):
        value = {pickles.text(key): part for key, part in value.items()
                 if isinstance(key, (str, bytes))}
        contents = Contents('recipes')
        parameters = next((value[key] for key in VALUES if key in value), None)
        contents.classes = _words(value.get('synset words'))
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
    return value.array if isinstance(value, pickles.Array) else value


def _words(value):
    """Return the class names, if there are any."""
    value = _plain(value)
    if value is None:
        return None
    value = value.tolist() if hasattr(value, 'tolist') else value
    if not isinstance(value, list) or not all(isinstance(word, (str, bytes)) for word in value):
        return None
    return [pickles.text(word) for word in value]
