"""Pickles, read without running anything that they name.

A pickle is a program: it can import any module and call any function in it. Here it may name only
what is on a list, and each name on the list stands for a function of this module that builds plain
arrays and checks sizes against the bytes that are there. Everything else is refused by name.
"""

import io
import pickle
import re
from collections import OrderedDict

import numpy as np

from models.errors import ArchiveError

LONGEST_NUMBER = 4300  # decimal digits, Python's own limit; longer ones take quadratic time
FORBIDDEN = (pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2,
             pickle.EXT4, pickle.PERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)
BROKEN = (pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError, AttributeError,
          TypeError, OverflowError, AssertionError, MemoryError, RecursionError, ImportError)


class Refused(ArchiveError):
    """A file asks for something that plain weights do not need."""


def load(file, path, size, allowed=None, stored=None):
    """Return the value of the next pickle of a file, made of plain values and arrays.

    Text of Python 2 comes as bytes, for arrays are text there too; see `text`.

    Args:
        file: open for reading bytes, at the pickle.
        path: of the file, for messages.
        size: bytes of the file: no part of the pickle may claim more.
        allowed: further names, '<module>.<name>' -> function that stands for it.
        stored: function of a persistent id, for formats whose arrays lie beside the pickle.

    Raises:
        Refused: the pickle names what is not on the list, or does more than to build values.
        ArchiveError: it is broken.
    """
    unpickler = _Unpickler(_Bounded(file, path, size), path, size, allowed or {}, stored)
    try:
        return unpickler.load()
    except BROKEN as problem:
        told = str(problem) or type(problem).__name__
        raise ArchiveError(f'{path} is a broken pickle: {told}') from problem


def text(value):
    """Return what Python 2 or 3 pickled as a string, as a string."""
    return value.decode('latin-1') if isinstance(value, bytes) else value


class Array:
    """An array that a pickle is about to describe."""

    def __init__(self):
        self.array = None

    def build(self, state):
        *_, shape, dtype, by_columns, data = state
        if isinstance(data, list):
            raise Refused('an array of Python objects')
        self.array = from_bytes(data, dtype, shape, 'F' if by_columns else 'C')


class Kind:
    """A numpy type: fixed-size numbers or text, in either byte order."""

    def __init__(self, name, *_):
        self.name = text(name)
        if not re.fullmatch(r'[<>|=]?([fiu][1248]|b1|[SU]\d{1,4})', self.name):
            raise Refused(f'numpy type {self.name!r}')

    def build(self, state):
        order = text(state[1])
        if order in ('<', '>'):
            self.name = order + self.name.lstrip('<>|=')

    def dtype(self):
        return np.dtype(self.name)


def from_bytes(data, kind, shape, order='C'):
    """Return an array over the bytes that a pickle holds.

    Raises:
        Refused: the shape claims more or less than there is.
    """
    if isinstance(data, str):  # of Python 3's protocols below 3
        data = data.encode('latin-1')
    dtype, shape = kind.dtype(), whole_shape(shape)
    if not isinstance(data, (bytes, bytearray)) or product(shape) * dtype.itemsize != len(data):
        raise Refused(f'an array of shape {shape} over {len(data)} bytes')
    return np.frombuffer(data, dtype).reshape(shape, order=text(order))


def whole_shape(shape):
    """Return a shape as a tuple, if it is one."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if len(shape) > 32 or not all(type(length) is int and length >= 0 for length in shape):
        raise Refused(f'an array of shape {str(shape)[:60]}')
    return shape


def product(shape):
    """Return the number of elements of a shape, exactly."""
    count = 1
    for length in shape:
        count *= length
    return count


def _scalar(kind, data=b''):
    return from_bytes(data, kind, ())[()]


def _frombuffer(data, kind, shape, order):
    return from_bytes(data, kind, shape, order)


def _ordered_dict(pairs=()):
    return OrderedDict(pairs)


def _empty_bytes(*arguments):
    """Stand for `bytes()`, with which Python 3 writes no bytes in protocols below 3."""
    if arguments:
        raise Refused('a call of bytes with arguments')
    return b''


def _not_callable(name):
    def refuse(*_):
        raise Refused(f'a call of {name}')
    return refuse


NUMPY = {'multiarray._reconstruct': lambda *_: Array(), 'multiarray.scalar': _scalar,
         'numeric._frombuffer': _frombuffer}
ALLOWED = {f'numpy.{core}.{name}': function
           for core in ('core', '_core') for name, function in NUMPY.items()}
ALLOWED.update({'numpy.ndarray': _not_callable('numpy.ndarray'), 'numpy.dtype': Kind,
                'collections.OrderedDict': _ordered_dict, '__builtin__.bytes': _empty_bytes,
                'builtins.bytes': _empty_bytes})


class _Named:
    """What a pickle may call: a name on the list and the function that stands for it."""

    def __init__(self, name, function):
        self.name, self.function = name, function

    def __call__(self, *arguments):
        return self.function(*arguments)


class _Bounded:
    """A file that refuses to be asked for more than is left of it."""

    def __init__(self, file, path, size):
        self.file, self.path, self.size = file, path, size

    def read(self, count):
        left = self.size - self.file.tell()
        if count > left:
            raise Refused(f'{self.path}: {count} bytes where {left} are left')
        return self.file.read(count)

    def readinto(self, buffer):
        return self.file.readinto(buffer)

    def readline(self):
        return self.file.readline()


class _Unpickler(pickle._Unpickler):
    """Python's own interpreter of pickles in Python, whose memo cannot be blown up by an index."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, path, size, allowed, stored):
        super().__init__(file, encoding='bytes')
        self.path, self.stored = path, stored
        self.encoded_left = size
        self.allowed = {**ALLOWED, '_codecs.encode': self._encode, **allowed}

    def load(self):
        try:
            return super().load()
        except Refused as problem:
            told = str(problem)
            raise Refused(told if told.startswith(str(self.path)) else
                          f'{self.path} was refused, it holds more than weights: '
                          f'{told}') from None

    def find_class(self, module, name):
        full = f'{text(module)}.{text(name)}'
        if full not in self.allowed:
            raise Refused(f'{full[:200]}{_advice(full, self.stored is not None)}')
        return _Named(full, self.allowed[full])

    def persistent_load(self, identity):
        if self.stored is None:
            raise Refused(f'a persistent id, {str(identity)[:80]}')
        return self.stored(identity)

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack[-1]
        if not isinstance(function, _Named):
            raise Refused(f'a call of {type(function).__name__}')
        self.stack[-1] = function(*arguments)

    def load_build(self):
        state, value = self.stack.pop(), self.stack[-1]
        if isinstance(value, (Array, Kind)):
            value.build(state)
        elif not isinstance(value, OrderedDict):  # PyTorch's own has metadata that nobody needs
            raise Refused(f'a changed {type(value).__name__}')

    def load_int(self):
        line = self.readline()[:-1]
        if line in (b'00', b'01'):
            self.append(line == b'01')
        else:
            self.append(int(self._short(line)))

    def load_long(self):
        self.append(int(self._short(self.readline()[:-1]).rstrip(b'L')))

    def load_bytearray8(self):
        self.append(self.read(int.from_bytes(self.read(8), 'little')))

    def _short(self, line):
        if len(line) > LONGEST_NUMBER:
            raise Refused(f'a number of {len(line)} digits')
        return line

    def _encode(self, string, encoding):
        """Stand for `_codecs.encode`, with which Python 3 writes bytes in protocols below 3."""
        if text(encoding) not in ('latin1', 'latin-1') or not isinstance(string, str):
            raise Refused(f'text encoded as {str(text(encoding))[:40]}')
        self.encoded_left -= len(string)
        if self.encoded_left < 0:
            raise Refused('the same text again and again')
        return string.encode('latin-1')

    def load_forbidden(self):
        raise Refused('an operation that builds objects or loads from outside')

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INT[0]] = load_int
    dispatch[pickle.LONG[0]] = load_long
    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    for _code in FORBIDDEN:
        dispatch[_code[0]] = load_forbidden


def _advice(name, of_pytorch):
    """Return what else to do about a name that is not on the list, where that is known."""
    if name.startswith(('torchvision.models.', 'torch.nn.modules.')):
        return ('; this is a whole PyTorch model: save its parameters with '
                'torch.save(model.state_dict(), FILE)')
    if name.startswith(('theano.', 'pycuda.', 'pygpu.')):
        return ('; these are arrays of Theano: save numpy arrays, as '
                'lasagne.layers.get_all_param_values gives them')
    if name.startswith('lasagne.layers.'):
        return ('; these are layers of Lasagne: save numpy arrays, as '
                'lasagne.layers.get_all_param_values gives them')
    if name.startswith('joblib.'):
        return '; joblib wrote it: load it with joblib where you trust it, and save an .npz'
    if of_pytorch:
        told = ('the options of a command line beside its parameters'
                if name.startswith('argparse.') else
                f'an object of {name.partition(".")[0][:40]} beside its parameters, or is one')
        return (f'; this is a checkpoint of PyTorch that holds {told}: load it with torch where '
                "you trust it, and save the parameters alone, torch.save(checkpoint['state_dict'], "
                'FILE) or the like')
    return ''


def open_bytes(data):
    """Return bytes as an open file."""
    return io.BytesIO(data)
