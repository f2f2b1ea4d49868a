"""What the tests of weight files share."""

import pytest


def varint(value):
    """Return a number as a protocol buffer has it."""
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def written(*fields):
    """Return a protocol buffer of (number, bytes or integer) fields."""
    return b''.join(varint(number << 3 | 2) + varint(len(value)) + value
                    if isinstance(value, bytes) else varint(number << 3) + varint(value)
                    for number, value in fields)


@pytest.fixture(scope='session')
def message():
    """Return the function that writes protocol buffers, which Caffe's files are."""
    return written


@pytest.fixture(scope='session')
def write_caffemodel():
    """Return a function (path, arrays by '<layer>.W' and '.b') that writes a `.caffemodel`."""
    def blob(array):
        shape = written((1, b''.join(map(varint, array.shape))))
        return written((7, shape), (5, array.tobytes()))

    def write(path, arrays):
        with open(path, 'wb') as file:
            file.write(written((1, b'VGG')))
            for layer in [key[:-2] for key in arrays if key.endswith('.W')]:
                blobs = [(7, blob(arrays[f'{layer}.{part}'])) for part in 'Wb']
                file.write(written((100, written((1, layer.encode()), *blobs))))

    return write
