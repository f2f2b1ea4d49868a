"""Caffe's `.caffemodel`: a protocol buffer of the network with the arrays ("blobs") of each layer.

Only the fields that hold names, shapes and numbers are read; numbers are taken as they lie in the
file. The three generations of layers are known: LayerParameter (field 100 of NetParameter),
V1LayerParameter (field 2), and within that V0LayerParameter (its field 1). Source: BVLC/caffe,
src/caffe/proto/caffe.proto.
"""

import mmap

from models.errors import ArchiveError
from models.weights.bounds import product
from models.weights.formats.contents import Contents

import numpy as np

VARINT, BYTES = 0, 2  # wire types
FIXED = {1: 8, 5: 4}  # wire types of so many bytes
# Of a NetParameter: name, layers, input, input_dim, force_backward, state, debug_info, input_shape
# and layer; packed numbers are BYTES.
TOP_FIELDS = {1: (BYTES,), 2: (BYTES,), 3: (BYTES,), 4: (VARINT, BYTES), 5: (VARINT,), 6: (BYTES,),
              7: (VARINT,), 8: (BYTES,), 100: (BYTES,)}
LAYERS = (2, 100)


def read(path, budget):
    """Read the contents of a `.caffemodel`.

    Args:
        path: of the file.
        budget: what reading it may cost; each field that is looked at is a part.

    Raises:
        ArchiveError: it holds no weights.
        Refused: it has more fields than the networks of Caffe.
        ValueError: it is no such file, or it is broken.
    """
    contents = Contents('caffe')
    with open(path, 'rb') as file:
        # The arrays look into the map, which is closed with the last of them.
        message = _Message(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), budget)
    for name, blobs in _layers(message):
        for ending, blob in zip('Wb', blobs):
            contents.arrays[f'{name}.{ending}'] = _array(blob)
    if not contents.arrays:
        raise ArchiveError(f'{path} is no .caffemodel with weights')
    return contents


def starts_like_one(start):
    """Tell whether the first bytes of a file are fields of a network, as far as its first layer."""
    place, some = 0, False
    while place < len(start):
        try:
            tag, place = _varint(start, place, len(start))
            number, wire = tag >> 3, tag & 7
            if wire not in TOP_FIELDS.get(number, ()):
                return False
            length, place = _varint(start, place, len(start))
        except ValueError:
            return some  # the bytes end, or a number is too long
        if number in LAYERS:
            return True
        place, some = place + (length if wire == BYTES else 0), True
    return some


class _Message:
    """A message of a protocol buffer, or a field within one.

    Args:
        data: the bytes of the file.
        budget: what reading it may cost.
        start: of the message in the data.
        end: of it, None for that of the data.
    """

    def __init__(self, data, budget, start=0, end=None):
        self.data, self.budget = data, budget
        self.start, self.end = start, len(data) if end is None else end

    def fields(self):
        """Yield (number, wire type, value); a value of BYTES or of fixed size is a message.

        Raises:
            ValueError: it is no message, or goes beyond its end.
        """
        start = self.start
        while start < self.end:
            self.budget.take_parts()
            tag, start = _varint(self.data, start, self.end)
            number, wire = tag >> 3, tag & 7
            if wire == VARINT:
                value, start = _varint(self.data, start, self.end)
            elif wire in FIXED:
                value, start = self.part(start, FIXED[wire]), start + FIXED[wire]
            elif wire == BYTES:
                length, start = _varint(self.data, start, self.end)
                value, start = self.part(start, length), start + length
            else:
                raise ValueError(f'a field of wire type {wire} at byte {start}')
            if number == 0 or start > self.end:
                raise ValueError(f'a field that ends at byte {start}, beyond {self.end}')
            yield number, wire, value

    def part(self, start, length):
        """Read the message of these bytes of the data."""
        return _Message(self.data, self.budget, start, start + length)

    def all(self, wanted):
        """Read the messages in the fields of this number."""
        return [value for number, wire, value in self.fields()
                if wire == BYTES and number == wanted]

    def numbers(self):
        """Yield the integers that stand packed one after another."""
        start = self.start
        while start < self.end:
            self.budget.take_parts()
            number, start = _varint(self.data, start, self.end)
            yield number


def _layers(model):
    """Yield (name, messages of the blobs) of each layer that has any."""
    for number, wire, layer in model.fields():
        if wire == BYTES and number in LAYERS:
            name_field, blobs_field = (4, 6) if number == 2 else (1, 7)
            name, blobs = _name_and_blobs(layer, name_field, blobs_field)
            if number == 2 and not name:  # a layer of generation 0 inside one of generation 1
                inner = layer.all(1)
                if inner:
                    name, blobs = _name_and_blobs(inner[0], 1, 50)
            if blobs:
                yield name, blobs


def _name_and_blobs(layer, name_field, blobs_field):
    name = layer.all(name_field)
    text = layer.data[name[0].start:name[0].end].decode('utf-8') if name else ''
    return text, layer.all(blobs_field)


def _array(blob):
    """Read the numbers of a BlobProto in its shape."""
    old = {1: 1, 2: 1, 3: 1, 4: 1}  # num, channels, height, width
    shape, chunks, kind, is_old = None, [], '<f4', False
    for number, wire, value in blob.fields():
        if number in old and wire == VARINT:
            old[number], is_old = value, True
        elif number == 7 and wire == BYTES:
            shape = _shape(value)
        elif number in (5, 8) and wire != VARINT:  # data, double_data; packed or one by one
            kind = '<f4' if number == 5 else '<f8'
            chunks.append((value.start, value.end))
    if shape is None:
        shape = tuple(old.values()) if is_old else None
    numbers = [np.frombuffer(blob.data, kind, (end - start) // np.dtype(kind).itemsize, start)
               for start, end in chunks]
    if any((end - start) % np.dtype(kind).itemsize for start, end in chunks):
        raise ValueError('a blob that ends within a number')
    flat = numbers[0] if len(numbers) == 1 else np.concatenate(numbers or [np.empty(0, kind)])
    shape = (flat.size,) if shape is None else shape
    if product(shape) != flat.size:
        raise ValueError(f'a blob of shape {shape} with {flat.size} numbers')
    return flat.reshape(shape)


def _shape(message):
    """Read the dimensions of a BlobShape, packed or one by one."""
    shape = []
    for number, wire, value in message.fields():
        if number == 1 and wire == VARINT:
            shape.append(value)
        elif number == 1 and wire == BYTES:
            shape.extend(value.numbers())
        if len(shape) > 32:
            raise ValueError('a blob of more than 32 dimensions')
    return tuple(shape)


def _varint(data, start, end):
    value = 0
    for shift in range(0, 70, 7):
        if start >= end:
            raise ValueError(f'a number that is cut off at byte {start}')
        byte = data[start]
        start += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, start
    raise ValueError(f'a number of more than 64 bits before byte {start}')
