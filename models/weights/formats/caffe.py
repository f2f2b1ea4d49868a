"""Caffe's `.caffemodel`: a protocol buffer of the network with the arrays ("blobs") of each layer.

Only the fields that hold names, shapes and numbers are read; numbers are taken as they lie in the
file. The three generations of layers are known: LayerParameter (field 100 of NetParameter),
V1LayerParameter (field 2), and within that V0LayerParameter (its field 1). Source: BVLC/caffe,
src/caffe/proto/caffe.proto.
"""

import mmap

import numpy as np

from models.errors import ArchiveError
from models.weights.formats.contents import Contents
from models.weights.formats.pickles import product

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
# Of a NetParameter: name, layers, input, input_dim, force_backward, state, debug_info, input_shape
# and layer; packed numbers are BYTES.
TOP_FIELDS = {1: (BYTES,), 2: (BYTES,), 3: (BYTES,), 4: (VARINT, BYTES), 5: (VARINT,), 6: (BYTES,),
              7: (VARINT,), 8: (BYTES,), 100: (BYTES,)}
LAYERS = (2, 100)


def read(path):
    """Return the contents of a `.caffemodel`.

    Raises:
        ArchiveError: it is no such file, or it is broken.
    """
    contents = Contents('caffe')
    with open(path, 'rb') as file:
        # The arrays look into the map, which is closed with the last of them.
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        for name, blobs in _layers(data):
            for ending, blob in zip('Wb', blobs):
                contents.arrays[f'{name}.{ending}'] = _array(data, blob)
    except (ValueError, UnicodeDecodeError) as problem:
        raise ArchiveError(f'{path} is no .caffemodel, or a broken one: {problem}') from problem
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


def fields(data, start, end):
    """Yield (number, wire type, value) of a message; the value of BYTES is (start, end).

    Raises:
        ValueError: it is no message, or goes beyond its end.
    """
    while start < end:
        tag, start = _varint(data, start, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, start = _varint(data, start, end)
        elif wire in (FIXED32, FIXED64):
            value, start = start, start + (4 if wire == FIXED32 else 8)
        elif wire == BYTES:
            length, start = _varint(data, start, end)
            value, start = (start, start + length), start + length
        else:
            raise ValueError(f'a field of wire type {wire} at byte {start}')
        if number == 0 or start > end:
            raise ValueError(f'a field that ends at byte {start}, beyond {end}')
        yield number, wire, value


def _layers(data):
    """Yield (name, places of the blobs) of each layer that has any."""
    for number, wire, value in fields(data, 0, len(data)):
        if wire == BYTES and number in LAYERS:
            name_field, blobs_field = (4, 6) if number == 2 else (1, 7)
            name, blobs = _name_and_blobs(data, value, name_field, blobs_field)
            if number == 2 and not name:  # a layer of generation 0 inside one of generation 1
                inner = _all(data, value, 1)
                if inner:
                    name, blobs = _name_and_blobs(data, inner[0], 1, 50)
            if blobs:
                yield name, blobs


def _name_and_blobs(data, place, name_field, blobs_field):
    name = _all(data, place, name_field)
    text = data[slice(*name[0])].decode('utf-8') if name else ''
    return text, _all(data, place, blobs_field)


def _all(data, place, wanted):
    return [value for number, wire, value in fields(data, *place)
            if wire == BYTES and number == wanted]


def _array(data, place):
    """Return the numbers of a BlobProto in its shape."""
    old = {1: 1, 2: 1, 3: 1, 4: 1}  # num, channels, height, width
    shape, chunks, kind, is_old = None, [], '<f4', False
    for number, wire, value in fields(data, *place):
        if number in old and wire == VARINT:
            old[number], is_old = value, True
        elif number == 7 and wire == BYTES:
            shape = _shape(data, value)
        elif number in (5, 8):  # data, double_data; packed or one by one
            kind = '<f4' if number == 5 else '<f8'
            width = 4 if number == 5 else 8
            chunks.append(value if wire == BYTES else (value, value + width))
    if shape is None:
        shape = tuple(old.values()) if is_old else None
    numbers = [np.frombuffer(data, kind, (end - start) // np.dtype(kind).itemsize, start)
               for start, end in chunks]
    if any((end - start) % np.dtype(kind).itemsize for start, end in chunks):
        raise ValueError('a blob that ends within a number')
    flat = numbers[0] if len(numbers) == 1 else np.concatenate(numbers or [np.empty(0, kind)])
    shape = (flat.size,) if shape is None else shape
    if product(shape) != flat.size:
        raise ValueError(f'a blob of shape {shape} with {flat.size} numbers')
    return flat.reshape(shape)


def _shape(data, place):
    """Return the dimensions of a BlobShape, packed or one by one."""
    shape = []
    for number, wire, value in fields(data, *place):
        if number == 1 and wire == VARINT:
            shape.append(value)
        elif number == 1 and wire == BYTES:
            start, end = value
            while start < end:
                length, start = _varint(data, start, end)
                shape.append(length)
    if len(shape) > 32:
        raise ValueError(f'a blob of {len(shape)} dimensions')
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
