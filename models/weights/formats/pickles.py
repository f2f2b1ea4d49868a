"""Pickles, read without running anything that they name.

A pickle is a program: it can import any module and call any function in it. Here it may name only
what is on a list, and each name on the list stands for a function of this module that builds plain
arrays and checks sizes against the bytes that are there. Everything else is refused by name.
"""

import io
import pickle
import re
from collections import OrderedDict

from models.errors import one_line
from models.weights.bounds import PARTS, Budget, Refused, product

import numpy as np

LONGEST_NUMBER = 4300  # decimal digits, Python's own limit; longer ones take quadratic time
FORBIDDEN = (pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2,
             pickle.EXT4, pickle.PERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER,
             pickle.EMPTY_SET, pickle.FROZENSET, pickle.ADDITEMS)
LONGEST_LENGTH = 2 ** 48  # elements along one axis
LARGEST_KEY = 2 ** 61     # whole numbers from there up may share one hash by the thousand


def load(file, path, size, allowed=None, stored=None, budget=None):
    """Read the value of the next pickle of a file, made of plain values and arrays.

    Text of Python 2 comes as bytes, for arrays are text there too; see `text`. No value holds
    itself, none is nested deep, and none would be large if it were written out, for the same part
    may be in it many times.

    Args:
        file: open for reading bytes, at the pickle.
        path: of the file, for messages.
        size: bytes of the file: no part of the pickle may claim more.
        allowed: further names, '<module>.<name>' -> function that stands for it.
        stored: function of a persistent id, for formats whose arrays lie beside the pickle.
        budget: what it may cost; None makes one for the size.

    Raises:
        Refused: the pickle names what is not on the list, or does more than to build values.
        pickle.UnpicklingError and others: it is broken.
    """
    return _Unpickler(_Bounded(file, path, size), path, budget or Budget(path, size),
                      allowed or {}, stored).load()


def shown(value):
    """Make a short description of any value; only text and numbers are shown themselves."""
    if isinstance(value, (str, bytes)):
        return one_line(repr(value[:80]), 100)
    if value is None or isinstance(value, float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if value.bit_length() < 128 else f'a number of {value.bit_length()} bits'
    if isinstance(value, tuple):
        more = ', ...' if len(value) > 4 else ',' if len(value) == 1 else ''
        return f'({", ".join(_shown_part(part) for part in value[:4])}{more})'
    return f'a {type(value).__name__}'


def _shown_part(value):
    return 'a tuple' if isinstance(value, tuple) else shown(value)


def text(value):
    """Convert what Python 2 or 3 pickled as a string to a string."""
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
        if not (isinstance(self.name, str) and len(self.name) < 20
                and re.fullmatch(r'[<>|=]?([fiu][1248]|b1|[SU][1-9]\d{0,3})', self.name)):
            raise Refused(f'numpy type {shown(self.name)}')

    def build(self, state):
        order = text(state[1])
        if order in ('<', '>'):
            self.name = order + self.name.lstrip('<>|=')

    def dtype(self):
        return np.dtype(self.name)


def from_bytes(data, kind, shape, order='C'):
    """Make an array over the bytes that a pickle holds.

    Raises:
        Refused: the shape claims more or less than there is.
    """
    if isinstance(data, str):  # of Python 3's protocols below 3
        data = data.encode('latin-1')
    dtype, shape = kind.dtype(), whole_shape(shape)
    if not isinstance(data, (bytes, bytearray)) or product(shape) * dtype.itemsize != len(data):
        raise Refused(f'an array of shape {shape} over {held(data)} bytes')
    return np.frombuffer(data, dtype).reshape(shape, order=text(order))


def whole_shape(shape):
    """Check that a value is a shape: a tuple."""
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if len(shape) > 32 or not all(type(length) is int and 0 <= length < LONGEST_LENGTH
                                  for length in shape):
        raise Refused(f'an array of {len(shape)} axes, of shape {shown(shape)}')
    return shape


def held(data):
    """Count the bytes of a value that should be bytes."""
    return len(data) if isinstance(data, (bytes, bytearray)) else 'no'


def _scalar(kind, data=b''):
    return from_bytes(data, kind, ())[()]


def _frombuffer(data, kind, shape, order):
    return from_bytes(data, kind, shape, order)


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
                '__builtin__.bytes': _empty_bytes, 'builtins.bytes': _empty_bytes})


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
            raise Refused(f'{self.path} is broken: it claims {count} bytes where {left} are left')
        return self.file.read(count)

    def readinto(self, buffer):
        return self.file.readinto(buffer)

    def readline(self):
        return self.file.readline()


def _counted(operation):
    """Make an operation of the interpreter that spends a part first."""
    def counted(self):
        self.budget.take_parts()
        operation(self)
    return counted


class _Entry:
    """What is known of a value that holds others.

    Attributes:
        value: itself, so that its identity stays its own.
        depth: of values within values, 1 for one that holds nothing.
        parts: that it had if it were written out, each part as often as it is in it.
        is_within: it is part of another value and changes no more.
    """

    __slots__ = ('value', 'depth', 'parts', 'is_within')

    def __init__(self, value):
        self.value, self.depth, self.parts, self.is_within = value, 1, 1, False


class _Unpickler(pickle._Unpickler):
    """Python's own interpreter of pickles in Python, whose memo cannot be blown up by an index."""

    dispatch = dict(pickle._Unpickler.dispatch)

    def __init__(self, file, path, budget, allowed, stored):
        super().__init__(file, encoding='bytes')
        self.path, self.budget, self.stored = path, budget, stored
        self.entries = {}
        self.allowed = {**ALLOWED, 'collections.OrderedDict': self._ordered_dict,
                        '_codecs.encode': self._encode, **allowed}

    def load(self):
        try:
            return super().load()
        except Refused as problem:
            told = str(problem)
            raise Refused(told if told.startswith(one_line(self.path)) else
                          f'{self.path} was refused, it holds more than weights: '
                          f'{told}') from None

    def find_class(self, module, name):
        full = f'{text(module)}.{text(name)}'
        if full not in self.allowed:
            raise Refused(f'{full[:200]}{_advice(full, self.stored is not None)}')
        return _Named(full, self.allowed[full])

    def persistent_load(self, identity):
        if self.stored is None:
            raise Refused(f'a persistent id, {shown(identity)}')
        return self.stored(identity)

    def _hold(self, holder, parts):
        """Note that a value holds others; return it.

        Raises:
            Refused: it is nested too deep, has too many parts, or is within another value.
        """
        entry = self.entries.get(id(holder))
        if entry is None:
            entry = self.entries[id(holder)] = _Entry(holder)
        if entry.is_within:
            raise Refused('a value that is changed while it is part of another one')
        for part in parts:
            known = self.entries.get(id(part))
            if known is entry:
                raise Refused('a value that is part of itself')
            if known is not None:
                known.is_within = True
                entry.depth = max(entry.depth, known.depth + 1)
            entry.parts += known.parts if known else 1
        self.budget.require_nesting(entry.depth)
        if entry.parts > PARTS:
            raise Refused('a value that holds the same values again and again')
        return holder

    def _put(self, holder, keys, values):
        """Set values of a dict; the keys are text and numbers, whose hashes are cheap."""
        if type(holder) not in (dict, OrderedDict):
            raise Refused(f'items of a {type(holder).__name__}')
        if len(keys) != len(values):
            raise pickle.UnpicklingError('a key without a value')
        for key, value in zip(keys, values):
            if not (isinstance(key, (str, bytes))
                    or isinstance(key, int) and abs(key) < LARGEST_KEY):
                raise Refused(f'a key that is {shown(key)}')
            holder[key] = value
        return self._hold(holder, values)

    def _add(self, holder, values):
        if type(holder) is not list:
            raise Refused(f'elements of a {type(holder).__name__}')
        holder.extend(values)
        self._hold(holder, values)

    def load_tuple(self):
        items = self.pop_mark()
        self.append(self._hold(tuple(items), items))

    def _load_last(self, count):
        items = self.stack[-count:]
        if len(items) < count:
            raise pickle.UnpicklingError('a tuple without its elements')
        self.stack[-count:] = [self._hold(tuple(items), items)]

    def load_tuple1(self):
        self._load_last(1)

    def load_tuple2(self):
        self._load_last(2)

    def load_tuple3(self):
        self._load_last(3)

    def load_empty_list(self):
        self.append(self._hold([], []))

    def load_empty_dictionary(self):
        self.append(self._hold({}, []))

    def load_list(self):
        items = self.pop_mark()
        self.append(self._hold(items, items))

    def load_dict(self):
        items = self.pop_mark()
        self.append(self._put({}, items[::2], items[1::2]))

    def load_append(self):
        value = self.stack.pop()
        self._add(self.stack[-1], [value])

    def load_appends(self):
        items = self.pop_mark()
        self._add(self.stack[-1], items)

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._put(self.stack[-1], [key], [value])

    def load_setitems(self):
        items = self.pop_mark()
        self._put(self.stack[-1], items[::2], items[1::2])

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack[-1]
        if not isinstance(function, _Named):
            raise Refused(f'a call of {type(function).__name__}')
        if type(arguments) is not tuple:
            raise Refused(f'a call with a {type(arguments).__name__}')
        self._take(arguments)
        value = self.stack[-1] = function(*arguments)
        if id(value) not in self.entries and not isinstance(value, (bytes, str, int)):
            self._hold(value, [arguments])

    def load_build(self):
        state, value = self.stack.pop(), self.stack[-1]
        self._take(state)
        if isinstance(value, (Array, Kind)):
            if type(state) is not tuple:
                raise Refused(f'an array described by a {type(state).__name__}')
            value.build(state)
            self._hold(value, [state])
        elif not isinstance(value, OrderedDict):  # PyTorch's own has metadata that nobody needs
            raise Refused(f'a changed {type(value).__name__}')

    def _take(self, arguments):
        """Spend what a function may do with its arguments: look at every part, copy every text."""
        entry = self.entries.get(id(arguments))
        self.budget.take_parts(entry.parts if entry else 1)
        self.budget.take_bytes(sum(len(part) for part in arguments
                                   if isinstance(part, (str, bytes, bytearray)))
                               if isinstance(arguments, (tuple, list)) else 0)

    def load_int(self):
        line = self._short_line()
        if line in (b'00', b'01'):
            self.append(line == b'01')
        else:
            self.append(int(line))

    def load_long(self):
        self.append(int(self._short_line().rstrip(b'L')))

    def load_float(self):
        self.append(float(self._short_line()))

    def load_get(self):
        self.append(self.memo[int(self._short_line())])

    def load_put(self):
        self.memo[int(self._short_line())] = self.stack[-1]

    def load_bytearray8(self):
        self.append(self.read(int.from_bytes(self.read(8), 'little')))

    def _short_line(self):
        line = self.readline()[:-1]
        if len(line) > LONGEST_NUMBER:
            raise Refused(f'a number of {len(line)} digits')
        return line

    def _ordered_dict(self, pairs=()):
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            raise Refused('an ordered dict of something else than pairs')
        return self._put(OrderedDict(), *([pair[index] for pair in pairs] for index in (0, 1)))

    def _encode(self, string, encoding):
        """Stand for `_codecs.encode`, with which Python 3 writes bytes in protocols below 3."""
        if text(encoding) not in ('latin1', 'latin-1') or not isinstance(string, str):
            told = one_line(text(encoding), 40) if isinstance(encoding, (str, bytes)) else 'it is'
            raise Refused(f'text encoded as {told}')
        return string.encode('latin-1')

    def load_forbidden(self):
        raise Refused('an operation that builds objects or loads from outside')

    dispatch.update({
        pickle.TUPLE[0]: load_tuple, pickle.TUPLE1[0]: load_tuple1, pickle.TUPLE2[0]: load_tuple2,
        pickle.TUPLE3[0]: load_tuple3, pickle.EMPTY_LIST[0]: load_empty_list,
        pickle.EMPTY_DICT[0]: load_empty_dictionary, pickle.LIST[0]: load_list,
        pickle.DICT[0]: load_dict, pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends, pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems, pickle.REDUCE[0]: load_reduce,
        pickle.BUILD[0]: load_build, pickle.INT[0]: load_int, pickle.LONG[0]: load_long,
        pickle.FLOAT[0]: load_float, pickle.GET[0]: load_get, pickle.PUT[0]: load_put,
        pickle.BYTEARRAY8[0]: load_bytearray8})
    for _code in FORBIDDEN:
        dispatch[_code[0]] = load_forbidden
    dispatch = {_code: _counted(_function) for _code, _function in dispatch.items()}


def _advice(name, of_pytorch):
    """Tell what else to do about a name that is not on the list, where that is known."""
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
    """Open bytes as a file."""
    return io.BytesIO(data)
