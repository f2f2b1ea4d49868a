"""What reading a file of a stranger may cost, and what becomes of a file that is broken.

A reader spends a `Budget` before it builds: parts (what a file is made of), bytes, and nesting.
`guarded` is the door that every reader stands behind: whatever goes wrong with a file inside it
ends as one ArchiveError with its cause.
"""

import contextlib
import functools
import os
import stat

from models.errors import ArchiveError, one_line

import numpy as np

PARTS = 200_000   # opcodes, fields, cells, names of a file; 22,000 classes by name need 66,000
NESTING = 32      # of values within values; a checkpoint of PyTorch has 5
MOST_PACKED = 20  # times that packed numbers may unpack; trained ones shrink to 90 %
SPARE = 32 << 20  # bytes that any file may take, for small ones are mostly zeros and text
LARGEST_NETWORK = 600 << 20  # bytes in float32; VGG-19 has 575 MB


class Refused(ArchiveError):
    """A file asks for more than plain weights need."""


class Budget:
    """What the reading of one file may still cost.

    All that is built counts together: bytes up to twice the file's size, or, if it is packed, up
    to MOST_PACKED times its size where the network can need as much; and SPARE bytes.

    Args:
        path: of the file, for messages.
        size: its bytes.
        needed: bytes of the network that is asked for, in float32.
    """

    def __init__(self, path, size, needed=LARGEST_NETWORK):
        self.path = path
        self.size = size
        self.bytes = max(2 * size, min(MOST_PACKED * size, needed)) + SPARE
        self.bytes_left, self.parts_left = self.bytes, PARTS

    def take_parts(self, count=1):
        """Spend parts.

        Raises:
            Refused: they are more than are left.
        """
        self.parts_left -= count
        if self.parts_left < 0:
            raise Refused(f'{self.path} was refused: it has more than {PARTS} parts')

    def take_bytes(self, count, told='it'):
        """Spend bytes, before they are built.

        Args:
            count: of bytes.
            told: what takes them, for the message.

        Raises:
            Refused: they are more than are left.
        """
        self.bytes_left -= count
        if self.bytes_left < 0:
            raise Refused(f'{self.path} was refused: {told} unpacks to more than {self.bytes} '
                          f'bytes, and the file has {self.size}')

    def require_nesting(self, depth):
        """Refuse values that are nested too deep.

        Raises:
            Refused: they are.
        """
        if depth > NESTING:
            raise Refused(f'{self.path} was refused: it has values nested more than {NESTING} '
                          'deep')


@contextlib.contextmanager
def guarded(path):
    """Turn whatever goes wrong with a file into an ArchiveError that names it, with the cause.

    Raises:
        ArchiveError: as it was raised within; or the file cannot be read, or it is broken.
    """
    try:
        with np.errstate(all='ignore'):  # numbers are checked when they are taken
            yield
    except (ArchiveError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except MemoryError as problem:
        raise ArchiveError(f'{path} is broken, or needs more memory than there is') from problem
    except BaseException as problem:  # a panic of a library in Rust is no Exception
        told = one_line(problem, 300)
        if ' ' not in told:  # a key or a name alone
            told = f'{type(problem).__name__} {told}'.strip()
        unreadable = isinstance(problem, OSError) and problem.errno and problem.filename
        raise ArchiveError(f'cannot read {path}: {problem.strerror}' if unreadable else
                           f'{path} is broken: {told}') from problem


def require_file(path):
    """Refuse what is no file with bytes in it: a pipe or a device would be read for ever.

    Raises:
        ArchiveError: there is no such file, or it is something else.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no weight file {path}') from problem
    if stat.S_ISDIR(status.st_mode):
        raise ArchiveError(f'{path} is a folder; name the weight file in it')
    if not stat.S_ISREG(status.st_mode):
        raise ArchiveError(f'{path} is no file, but a pipe or a device; name a weight file')
    return status.st_size


def guards(function):
    """Let a function whose first argument is the path of a file run behind the guard."""
    @functools.wraps(function)
    def call(path, *arguments, **named):
        with guarded(path):
            return function(path, *arguments, **named)
    return call


def product(shape):
    """Compute the number of elements of a shape, exactly."""
    count = 1
    for length in shape:
        count *= length
    return count
