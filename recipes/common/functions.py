"""Compiled functions that take arrays as people have them.

    look = functions.compiled({image: input_layer}, outputs)
    look(np.random.rand(2, 3, 64, 64))

Theano takes no float64 and no int64 where float32 is wanted, and tells a wrong shape from inside
its graph. Here each array of real numbers is converted, and its axes are checked before. What runs
thousands of times on arrays that the archive makes itself, such as style transfer's loss, is
compiled by `theano.function` and pays nothing for this.
"""

from collections import namedtuple

from models.errors import ArchiveError

import numpy as np
import theano
from lasagne.layers import InputLayer

AXES = {2: ('batch', 'units'), 3: ('batch', 'channels', 'positions'),
        4: ('batch', 'channels', 'rows', 'columns'),
        5: ('batch', 'channels', 'planes', 'rows', 'columns')}

# What a function takes at one place: what it is called, the names of its axes, how many elements
# each axis must have (None: any number), and the type to convert to.
Wanted = namedtuple('Wanted', 'name axes lengths dtype')


def compiled(inputs, outputs, **options):
    """Compile outputs as a `Function` of inputs.

    Args:
        inputs: in their order, Theano variable -> the Lasagne layer whose output it has the shape
            of, or the names of its axes, a tuple.
        outputs, options: as of `theano.function`.
    """
    return Function(theano.function(list(inputs), outputs, **options),
                    [wanted_of(variable, like) for variable, like in inputs.items()])


def wanted_of(variable, like):
    """Describe what a function takes for a variable, a `Wanted`; `like` is as of `compiled`."""
    if isinstance(like, tuple):
        return Wanted(variable.name, like, [None] * len(like), variable.dtype)
    shape = like.output_shape
    axes = AXES.get(len(shape)) or tuple(f'axis {number}' for number in range(len(shape)))
    # Pictures may be larger than those that a network was made for, but not of other channels.
    lengths = [1 if single else length if number == 1 else None
               for number, (single, length) in enumerate(zip(variable.broadcastable, shape))]
    name = 'images' if isinstance(like, InputLayer) else variable.name
    return Wanted(name, axes, lengths, variable.dtype)


class Function:
    """Checks and converts arrays, and gives them to a function of Theano's.

    Args:
        function: Theano's.
        wanted: list of `Wanted`, of what it takes.

    Attributes:
        function: Theano's.

    Raises:
        ArchiveError: when called, for arrays of other axes, or of what is no real number.
    """

    def __init__(self, function, wanted):
        self.function, self.wanted = function, wanted

    def __call__(self, *values):
        if len(values) != len(self.wanted):
            names = ', '.join(wanted.name for wanted in self.wanted)
            raise ArchiveError(f'expected {len(self.wanted)} arrays ({names}), got {len(values)}')
        return self.function(*map(converted, values, self.wanted))


def converted(value, wanted):
    """Convert an array, or nested lists, to the type that is wanted.

    Args:
        value: real numbers; none is copied where the type is right.
        wanted: `Wanted`.

    Raises:
        ArchiveError: it has other axes, or is no real number, or no whole one where these count.
    """
    array = np.asarray(value)
    axes = f'{wanted.name}: expected ({", ".join(wanted.axes)}{"," * (len(wanted.axes) == 1)})'
    if array.ndim != len(wanted.axes):
        batch = wanted.axes[0] == 'batch' and array.ndim == len(wanted.axes) - 1
        raise ArchiveError(f'{axes}, got shape {array.shape}'
                           + ('; a batch of one is array[None]' if batch else ''))
    for name, wanted_length, length in zip(wanted.axes, wanted.lengths, array.shape):
        if wanted_length not in (None, length):
            raise ArchiveError(f'{axes} with {wanted_length} in {name}, got shape {array.shape}')
    if array.dtype.kind not in 'biuf':
        raise ArchiveError(f'{wanted.name}: expected real numbers, got {array.dtype}')
    with np.errstate(invalid='ignore'):  # a whole number that is none is told below
        found = array.astype(wanted.dtype, copy=False)
    if found.dtype.kind in 'iu' and not np.array_equal(found, array):
        raise ArchiveError(f'{wanted.name}: expected whole numbers of type {wanted.dtype}')
    return found
