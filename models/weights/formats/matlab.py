"""MATLAB's `.mat` files of version 5: numbers, text, cells and structs, by their variables' names.

A file is a row of elements, each with its type and its bytes; a matrix is an element made of
elements, and a cell or struct one made of matrices. scipy reads them too, but makes room for what
a file claims before it looks whether it is there. Source: MathWorks, "MAT-File Format", level 5.
"""

import mmap
import struct
import zlib

from models.weights.bounds import Refused, product

import numpy as np

HEADER = 128      # bytes before the first element
MATRIX, COMPRESSED = 14, 15  # types of elements
TYPES = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8',
         13: 'u8'}
ENCODINGS = {1: 'latin-1', 2: 'latin-1', 4: 'utf-16', 16: 'utf-8', 17: 'utf-16', 18: 'utf-32'}
CELL, STRUCT, TEXT = 1, 2, 4  # classes of matrices
NUMBERS = range(6, 16)
COMPLEX = 0x800
BLOCK = 1 << 20  # bytes


def read(path, budget):
    """Read the variables of a file by their names.

    Numbers are arrays, text of one row is a string, a cell array is the list of its elements and
    a struct array the list of its dicts, by columns; anything else is None.

    Args:
        path: of the file.
        budget: what reading it may cost; each element is a part.

    Raises:
        Refused: it claims more than it holds, or is nested too deep.
        ValueError, zlib.error: it is broken.
    """
    with open(path, 'rb') as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    reader = _Reader('<' if data[126:128] == b'IM' else '>', budget)
    variables = {}
    for kind, content in reader.elements(data[HEADER:]):
        if kind == COMPRESSED:
            ((kind, content),) = reader.elements(_unpacked(content, budget))
        if kind == MATRIX:
            name, value = reader.matrix(content)
            variables[name] = value
    return variables


def _unpacked(content, budget):
    unpacker, unpacked = zlib.decompressobj(), bytearray()
    while len(content) and not unpacker.eof:
        # In pieces, for what is not consumed is copied each time.
        block = unpacker.decompress(content[:BLOCK], BLOCK)
        content = content[BLOCK:]
        while block:
            budget.take_bytes(len(block), 'a packed variable')
            unpacked += block
            block = unpacker.decompress(unpacker.unconsumed_tail, BLOCK)
    if not unpacker.eof:
        raise ValueError('a packed variable that is cut off')
    return memoryview(unpacked)


class _Reader:
    """Reads elements in one order of bytes, '<' or '>'."""

    def __init__(self, order, budget):
        self.order, self.budget = order, budget

    def elements(self, data):
        """Yield (type, bytes) of the elements that stand one after another."""
        while len(data):
            self.budget.take_parts()
            kind, size = struct.unpack(self.order + 'II', data[:8])
            start, padded = 8, size if kind == COMPRESSED else size + -size % 8
            if kind >> 16:  # up to 4 bytes stand where the size would
                kind, size, start, padded = kind & 0xffff, kind >> 16, 4, 4
            if size > min(padded, len(data) - start):
                raise ValueError(f'an element of {size} bytes where {len(data) - start} are left')
            yield kind, data[start:start + size]
            data = data[start + padded:]

    def matrix(self, data, depth=1):
        """Read the name and the value of a matrix."""
        self.budget.require_nesting(depth)
        if not len(data):
            return '', np.empty((0, 0))
        parts = self.elements(data)
        flags = self._integers(parts)
        shape = tuple(self._integers(parts))
        name = bytes(_next(parts)[1]).decode('latin-1')
        if min(shape, default=0) < 0 or len(shape) > 32:
            raise ValueError(f'an array of {len(shape)} axes or of negative size')
        kind = flags[0] & 0xff
        if kind in NUMBERS:
            return name, self._numbers(parts, shape, flags[0] & COMPLEX)
        if kind == TEXT:
            return name, self._text(parts, shape)
        if kind == CELL:
            return name, [self._part(parts, depth) for _ in self._counted(shape)]
        if kind == STRUCT:
            return name, self._structs(parts, shape, depth)
        return name, None

    def _structs(self, parts, shape, depth):
        (width,) = self._integers(parts)
        names = bytes(_next(parts)[1])
        if width < 1:
            raise ValueError('a struct whose fields have no names')
        fields = [names[start:start + width].partition(b'\0')[0].decode('latin-1')
                  for start in range(0, len(names), width)]
        return [{field: self._part(parts, depth) for field in fields}
                for _ in self._counted(shape)]

    def _counted(self, shape):
        """Pay for the elements of a shape, and give a range over them."""
        self.budget.take_parts(product(shape))
        return range(product(shape))

    def _part(self, parts, depth):
        kind, content = _next(parts)
        if kind != MATRIX:
            raise ValueError(f'an element of type {kind} within a cell or struct')
        return self.matrix(content, depth + 1)[1]

    def _numbers(self, parts, shape, is_complex):
        kind, content = _next(parts)
        if is_complex:
            raise ValueError('complex numbers')
        numbers = np.frombuffer(content, self._type(kind))
        if product(shape) != numbers.size:
            raise Refused(f'{self.budget.path} was refused: it claims an array of shape {shape} '
                          f'and holds {numbers.size} numbers of it')
        return numbers.reshape(shape, order='F')

    def _text(self, parts, shape):
        kind, content = _next(parts)
        self.budget.take_bytes(4 * len(content))
        encoding = ENCODINGS[kind]
        if encoding in ('utf-16', 'utf-32'):
            encoding += '-le' if self.order == '<' else '-be'
        return (bytes(content).decode(encoding) if len(shape) == 2 and shape[0] == 1 else
                '' if product(shape) == 0 else None)

    def _integers(self, parts):
        kind, content = _next(parts)
        if len(content) > 4 * 64:
            raise ValueError(f'an array of {len(content) // 4} axes')
        return np.frombuffer(content, self._type(kind)).tolist()

    def _type(self, kind):
        if kind not in TYPES:
            raise ValueError(f'numbers of the unknown type {kind}')
        return np.dtype(self.order + TYPES[kind])


def _next(parts):
    found = next(parts, None)
    if found is None:
        raise ValueError('a matrix that lacks its elements')
    return found
