"""numpy's `.npy` files that hold Python objects: a dict from layers to arrays, or a list of them.

As machrisaa/tensorflow-vgg's vgg19.npy and ethereon/caffe-tensorflow's files: an array of no
dimension, whose only element is the dict, behind the header a pickle. It is read as guardedly as
any other pickle; arrays of plain numbers need none.
"""

import math

import numpy as np

from models.errors import ArchiveError
from models.weights.formats import pickles
from models.weights.formats.contents import from_tree


def read(path):
    """Return the contents of a `.npy` file, of kind 'npy' or, if it only counts, 'list'.

    Raises:
        Refused: its pickle names what arrays do not need.
        ArchiveError: it is broken, or holds no arrays by name and no list of W, b, W, b.
    """
    with open(path, 'rb') as file:
        value = read_array(file, path, path.stat().st_size)
    if value.dtype != object:
        raise ArchiveError(f'{path} is one array alone (.npy), of shape {value.shape}; networks '
                           'have several, in an .npz')
    contents = from_tree('npy', value, plain)
    if not contents.arrays:
        raise ArchiveError(f'{path} holds Python objects, but no layers with weights among them')
    return contents


def read_array(file, path, size):
    """Return the array of an open `.npy` file; one of objects has them as the pickle has them.

    Args:
        file: open for reading bytes, at its start.
        path: of the file, for messages.
        size: bytes of the file.

    Raises:
        Refused, ArchiveError: as `read`.
    """
    try:
        version = np.lib.format.read_magic(file)
        header = (np.lib.format.read_array_header_1_0 if version == (1, 0)
                  else np.lib.format.read_array_header_2_0)
        shape, by_columns, dtype = header(file)
        if not dtype.hasobject:
            return _numbers(file, path, size, shape, by_columns, dtype)
    except ValueError as problem:
        raise ArchiveError(f'{path} is a broken .npy file: {problem}') from problem
    value = pickles.load(file, path, size, OBJECTS)
    if not isinstance(value, Objects) or not isinstance(value.array, np.ndarray):
        raise ArchiveError(f'{path} is a broken .npy file: its pickle holds no array')
    return value.array


def _numbers(file, path, size, shape, by_columns, dtype):
    held = size - file.tell()
    if pickles.product(shape) * dtype.itemsize != held:
        raise ArchiveError(f'{path} was refused: it claims {shape} of {dtype}, and holds {held} '
                           'bytes')
    return np.frombuffer(file.read(), dtype).reshape(shape, order='F' if by_columns else 'C')


def plain(value):
    """Return the array that a pickle describes, or the objects that an array of them holds."""
    if isinstance(value, pickles.Array):
        value = value.array
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = value.tolist()  # of no dimension, the one object
    return value


class Objects(pickles.Array):
    """An array of Python objects or of numbers that a pickle is about to describe."""

    def build(self, state):
        *_, shape, dtype, by_columns, data = state
        of_objects = isinstance(dtype, Kind) and dtype.of_objects
        if of_objects != isinstance(data, list):
            raise pickles.Refused("numbers of numpy type 'O8', or objects of another")
        if not of_objects:
            super().build(state)
            return
        shape = pickles.whole_shape(shape)
        if math.prod(shape) != len(data):
            raise pickles.Refused(f'an array of shape {shape} over {len(data)} objects')
        self.array = np.empty(len(data), object)
        self.array[:] = data
        self.array = self.array.reshape(shape)


class Kind(pickles.Kind):
    """A numpy type: Python objects, or what `pickles.Kind` knows."""

    def __init__(self, name, *more):
        self.of_objects = pickles.text(name) in ('O', 'O4', 'O8', '|O')
        super().__init__('u1' if self.of_objects else name, *more)


OBJECTS = {'numpy.dtype': Kind,
           **{f'numpy.{core}.multiarray._reconstruct': lambda *_: Objects()
              for core in ('core', '_core')}}
