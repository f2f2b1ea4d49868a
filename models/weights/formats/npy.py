"""numpy's `.npy` files that hold Python objects: a dict from layers to arrays, or a list of them.

As machrisaa/tensorflow-vgg's vgg19.npy and ethereon/caffe-tensorflow's files: an array of no
dimension, whose only element is the dict, behind the header a pickle. It is read as guardedly as
any other pickle; arrays of plain numbers need none.
"""

from models.errors import ArchiveError
from models.weights import npz
from models.weights.bounds import Refused, product
from models.weights.formats import pickles
from models.weights.formats.contents import from_tree

import numpy as np

MOST_AXES = 2  # of an array of objects: a dict, a list, or a list of pairs


def read(path, budget):
    """Read the contents of a `.npy` file, of kind 'npy' or, if it only counts, 'list'.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: its pickle names what arrays do not need.
        ArchiveError: it is broken, or holds no arrays by name and no list of W, b, W, b.
    """
    with open(path, 'rb') as file:
        value = read_array(file, path, path.stat().st_size, budget)
    if value.dtype != object:
        raise ArchiveError(f'{path} is one array alone (.npy), of shape {value.shape}; networks '
                           'have several, in an .npz')
    contents = from_tree('npy', value, budget, plain)
    if not contents.arrays:
        raise ArchiveError(f'{path} holds Python objects, but no layers with weights among them')
    return contents


def read_array(file, path, size, budget):
    """Read the array of an open `.npy` file; one of objects has them as the pickle has them.

    Args:
        file: open for reading bytes, at its start.
        path: of the file, for messages.
        size: bytes of the file.
        budget: what reading the objects may cost.

    Raises:
        Refused: it claims more than it holds, or its pickle names what arrays do not need.
        ArchiveError: it is broken.
    """
    header = npz.read_header(file, path, size, may_be_objects=True)
    if not header.dtype.hasobject:
        return npz.read_numbers(file, header)
    value = pickles.load(file, path, size, OBJECTS, budget=budget)
    if not isinstance(value, Objects) or not isinstance(value.array, np.ndarray):
        raise ArchiveError(f'{path} is a broken .npy file: its pickle holds no array')
    return value.array


def plain(value):
    """Read the array that a pickle describes, or the objects that an array of them holds."""
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
            raise Refused("numbers of numpy type 'O8', or objects of another")
        if not of_objects:
            super().build(state)
            return
        shape = pickles.whole_shape(shape)
        if len(shape) > MOST_AXES or product(shape) != len(data):
            raise Refused(f'an array of shape {shape} over {len(data)} objects')
        self.array = np.empty(len(data), object)
        for index, value in enumerate(data):  # all at once, numpy would look into them
            self.array[index] = value
        self.array = self.array.reshape(shape)


class Kind(pickles.Kind):
    """A numpy type: Python objects, or what `pickles.Kind` knows."""

    def __init__(self, name, *more):
        self.of_objects = pickles.text(name) in ('O', 'O4', 'O8', '|O')
        super().__init__('u1' if self.of_objects else name, *more)


OBJECTS = {'numpy.dtype': Kind,
           **{f'numpy.{core}.multiarray._reconstruct': lambda *_: Objects()
              for core in ('core', '_core')}}
