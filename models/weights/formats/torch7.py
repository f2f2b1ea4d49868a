"""Torch7's `.t7` files, read without Torch and without running anything from them.

An object is a kind in 4 bytes and what belongs to it: a number (8 bytes), text (its length and
bytes), a table (its number in the file, its size, its keys and values), an object of a class (its
number, a version, the name of the class, its contents), or true or false. Tensors are sizes,
strides, an offset and a storage; storages are their length and their numbers; every other class has
a table. What was read once stands there by its number alone. Functions are refused: they are
programs. Source: torch/torch7, File.lua, lib/TH and generic/Tensor.c, generic/Storage.c.
"""

import struct

from models.errors import ArchiveError
from models.weights.bounds import Refused, product

import numpy as np

NIL, NUMBER, TEXT, TABLE, OBJECT, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)
STORAGES = {'Float': '<f4', 'Double': '<f8', 'Cuda': '<f4', 'CudaDouble': '<f8', 'Long': '<i8',
            'CudaLong': '<i8', 'Int': '<i4', 'Short': '<i2', 'Char': 'i1', 'Byte': 'u1'}
MOST_AXES = 8
NESTING = 200  # of values within values; a pyramid of 6 scales has 45
LONGEST_NAME = 200  # bytes of the name of a class


class Module(dict):
    """An object of a class: the table that it has, and the name of the class.

    Attributes:
        kind: such as 'nn.SpatialConvolution'.
    """

    def __init__(self, kind):
        super().__init__()
        self.kind = kind


def read(path, budget):
    """Read the first object of a file, in Torch's binary form.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Returns:
        Numbers, text, truth values, None, dicts for tables, `Module`s and arrays for tensors.

    Raises:
        Refused: it holds a function, or more than such a file can need.
        ArchiveError: it is broken, or in Torch's text form.
    """
    with open(path, 'rb') as file:
        content = file.read()
    if content[:1] in (b'3', b'4'):
        raise ArchiveError(f"{path} is in Torch's text form; save it with torch.save(FILE, OBJECT, "
                           "'binary')")
    return _Reader(path, content, budget).value(0)


class _Reader:
    """What is left of a file, and the objects that it has shown so far."""

    def __init__(self, path, content, budget):
        self.path, self.content, self.budget = path, content, budget
        self.place, self.seen = 0, {}

    def take(self, count):
        if count < 0 or count > len(self.content) - self.place:
            raise ArchiveError(f'{self.path} is broken: it ends too early')
        self.place += count
        return self.content[self.place - count:self.place]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self):
        return self.take(self.number('<i')).decode('latin-1')

    def value(self, depth):
        """Read an object; it is `depth` deep in others."""
        self.budget.take_parts()
        if depth > NESTING:
            raise Refused(f'{self.path} was refused: it has values nested more than {NESTING} deep')
        kind = self.number('<i')
        if kind == NIL:
            return None
        if kind == NUMBER:
            return self.number('<d')
        if kind == TEXT:
            return self.text()
        if kind == BOOLEAN:
            return self.number('<i') == 1
        if kind in (TABLE, OBJECT):
            number = self.number('<i')
            if number in self.seen:
                return self.seen[number]
            return (self.table(number, {}, depth) if kind == TABLE
                    else self.object(number, depth))
        if kind in FUNCTIONS:
            raise Refused(f'{self.path} was refused: it holds a function, which is a program; save '
                          'the network without it (net:clearState())')
        raise ArchiveError(f'{self.path} is broken: nothing is known of kind {kind} in it')

    def table(self, number, table, depth):
        self.seen[number] = table
        for _ in range(self.number('<i')):
            key, value = self.value(depth + 1), self.value(depth + 1)
            if isinstance(key, (str, float, bool)):
                table[int(key) if isinstance(key, float) and key.is_integer() else key] = value
        return table

    def object(self, number, depth):
        name = self.text()
        if name.startswith('V '):
            name = self.text()
        if len(name) > LONGEST_NAME:
            raise ArchiveError(f'{self.path} is broken: a class has a name of {len(name)} bytes')
        library, _, word = name.partition('.')
        if library == 'torch' and word.endswith('Storage'):
            self.seen[number] = storage = self.storage(word[:-len('Storage')])
            return storage
        if library == 'torch' and word.endswith('Tensor'):
            self.seen[number] = tensor = self.tensor(depth)
            return tensor
        module = Module(name)
        self.seen[number] = module
        table = self.value(depth + 1)
        if not isinstance(table, dict):
            raise ArchiveError(f'{self.path} is broken: an object of {name} has no table')
        module.update(table)
        return module

    def storage(self, kind):
        if kind not in STORAGES:
            raise ArchiveError(f'{self.path} holds a storage of {kind or "unknown"} numbers; save '
                               'the network as float (net:float())')
        dtype, count = np.dtype(STORAGES[kind]), self.number('<q')
        if count < 0 or count > len(self.content):
            raise ArchiveError(f'{self.path} is broken: a storage of {count} numbers')
        self.budget.take_bytes(count * dtype.itemsize, 'a storage')
        return np.frombuffer(self.take(count * dtype.itemsize), dtype)

    def tensor(self, depth):
        axes = self.number('<i')
        if not 0 <= axes <= MOST_AXES:
            raise ArchiveError(f'{self.path} is broken: a tensor of {axes} axes')
        sizes, strides = ([self.number('<q') for _ in range(axes)] for _ in range(2))
        offset = self.number('<q') - 1
        storage = self.value(depth + 1)
        if not axes or storage is None:
            return np.zeros(0, 'float32')
        last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides))
        if (not isinstance(storage, np.ndarray) or min(sizes) < 1 or min(strides) < 0 or offset < 0
                or last >= storage.size):
            raise ArchiveError(f'{self.path} is broken: a tensor {sizes} over a storage that is '
                               'smaller')
        self.budget.take_bytes(product(sizes) * storage.itemsize, 'a tensor')
        steps = [stride * storage.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(storage[offset:], sizes, steps, writeable=False)
