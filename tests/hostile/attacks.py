"""Weight files that try to cost more than they are, or to be more than weights; made when run.

`KINDS` has a function for each reader, which yields (name, content). Files are small, and grow
with `scale`, so that what is quick by luck at one size shows at another.
"""

import bz2
import functools
import io
import json
import os
import pickle
import struct
import tempfile
import zipfile
import zlib

import numpy as np

ESCAPE = '\x1b]0;owned\x07\x1b[2J\nsecond line\r\u202e'


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def values(*arrays):
    """Return the pickle of a dict of the Recipes with these opcodes behind 'param values'."""
    return b'\x80\x02}U\x0cparam values' + b''.join(arrays) + b's.'


def doubled(times, opcode=b'\x86', first=b'K\x01'):
    """Return opcodes of a tuple (x, x), x of which is such a tuple, and so on: 2^times parts."""
    return first + b''.join(b'q%ch%c' % (index, index) + opcode for index in range(times))


def number(digits):
    """Return the opcode of an integer of so many bytes."""
    return b'\x8b' + struct.pack('<i', digits) + b'\xff' * (digits - 1) + b'\x01'


def array(shape=b'K\x02\x85', kind=b'f4', data=b'12345678'):
    """Return opcodes of an array that says these things of itself."""
    return (b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR(K\x01'
            + shape + b'cnumpy\ndtype\n(U' + bytes([len(kind)]) + kind + b'K\x00K\x01tR(K\x03U\x01<'
            b'NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T' + struct.pack('<i', len(data))
            + data + b'tb')


def nested(opening, closing, depth):
    return opening * depth + closing * depth


def opcodes(scale):
    """Yield (name, opcodes that leave one value) that any pickle may hold."""
    many = 20_000 * scale
    for times in (8, 30, 60, 200):
        bomb = doubled(times)
        yield f'a tuple of 2^{times} parts', bomb
        yield f'a dict with a key of 2^{times} parts', b'}' + bomb + b'Ns'
        yield f'a dict of marks with a key of 2^{times} parts', b'(' + bomb + b'Nd'
        yield f'an ordered dict with a key of 2^{times} parts', (
            b'ccollections\nOrderedDict\n](' + bomb + b'N\x86e\x85R')
        yield f'a set with an element of 2^{times} parts', b'\x8f(' + bomb + b'\x90'
        yield f'a frozen set of 2^{times} parts', b'(' + bomb + b'\x91'
        yield f'an array of a shape of 2^{times} parts', array(shape=bomb)
        yield f'a type that is a tuple of 2^{times} parts', (
            b'cnumpy\ndtype\n' + bomb + b'\x85R')
        yield f'text in an encoding of 2^{times} parts', b'c_codecs\nencode\nX\1\0\0\0a' + bomb + (
            b'\x86R')
        yield f'a persistent id of 2^{times} parts', bomb + b'Q'
        yield f'pairs of 2^{times} parts', b'ccollections\nOrderedDict\n' + bomb + b'\x85R'
        yield f'lists of 2^{times} parts', (
            b']' + b''.join(b'q%c](h%ch%ce' % (index, index, index) for index in range(times)))
    for depth in (10, 50, 1000, many, 50 * many):
        yield f'{depth} tuples within one another', b')' + b'\x85' * depth
        yield f'{depth} lists within one another', nested(b'](', b'e', depth)
        yield f'{depth} dicts within one another', nested(b'}K\x01', b's', depth)
        yield f'{depth} marks', b'(' * depth + b'N' + b'l' * depth
    yield 'a list in itself', b']q\0h\0a'
    yield 'a list in a list in itself', b']q\0]h\0aa'
    yield 'a dict in itself', b'}q\0K\1h\0s'
    yield 'a list that grows within another', b']q\0]q\1h\0ah\0h\1a'
    yield 'a chain of lists from above', b''.join(
        b']q%c' % index for index in range(250)) + b''.join(
        b'h%ch%ca0' % (index, index + 1) for index in range(249)) + b'h\0'
    for digits in (8, 3000, 50_000 * scale):
        yield f'thirty lengths of {digits} bytes', array(shape=b'(' + number(digits) * 30 + b't')
        yield f'a length of {digits} bytes', array(shape=number(digits) + b'\x85')
        yield f'a key of {digits} bytes', b'}' + number(digits) + b'Ns'
        yield f'a number of {digits} digits', b'I' + b'7' * digits + b'\n'
        yield f'a long number of {digits} digits', b'L' + b'7' * digits + b'L\n'
        yield f'a float of {digits} digits', b'F' + b'7' * digits + b'\n'
        yield f'a memo of {digits} digits', b'Np' + b'7' * digits + b'\n'
        yield f'a memo asked for by {digits} digits', b'g' + b'7' * digits + b'\n'
    yield 'keys of one hash', b'}(' + b''.join(
        b'\x8a\x0c' + (index * (2 ** 61 - 1)).to_bytes(12, 'little') + b'N'
        for index in range(1, many)) + b'u'
    yield 'keys that are not numbers', b'}(' + b'G' + struct.pack('>d', 1.5) + b'NNN\x88Nu'
    yield 'items of a list', b']K\0K\1s'
    yield 'elements of a dict', b'}K\1a'
    yield 'an odd number of items', b'}(K\1K\1K\1u'
    yield 'the same pairs again and again', (
        b'ccollections\nOrderedDict\nq\0](' + b'K\1N\x86' * 5000 + b'e\x85q\1R0'
        + b'h\0h\1R0' * many + b'N')
    yield 'the same text as arrays', (
        b'cnumpy.core.multiarray\nscalar\nq\0cnumpy\ndtype\n(U\5S9999K\0K\1tRT'
        + struct.pack('<i', 9999) + b'a' * 9999 + b'\x86q\1](' + b'h\0h\1R' * many + b'e')
    yield 'the same text encoded', (
        b'c_codecs\nencode\nq\0X' + struct.pack('<i', 100_000) + b'a' * 100_000
        + b'X\6\0\0\0latin1\x86q\1](' + b'h\0h\1R' * many + b'e')
    yield 'a state that is text', (
        b'cnumpy.core.multiarray\n_reconstruct\n)RT' + struct.pack('<i', 100 * many)
        + b'a' * (100 * many) + b'b')
    yield 'values pushed and dropped', b'N0' * (30 * many) + b'N'
    yield 'values pushed', b'](' + b'N' * (60 * many) + b'e'
    for kind in (b'S0', b'U0', b'V0', b'S00', b'O8', b'f9', b'i4,O8', b'c16', b'M8', b'',
                 b'f4' * 9):
        yield f'an array of type {kind.decode()}', array(kind=kind)
        yield f'a huge array of type {kind.decode()}', array(b'J\xff\xff\xff\x7f\x85', kind, b'')
    for shape in (b'N', b')', b'K\2', b'X\2\0\0\0ab', b'\x8a\1\xff\x85', b'(K\0' + number(9) + b't',
                  b'(' + b'K\1' * 40 + b't', b'G' + struct.pack('>d', 2) + b'\x85', b'\x88\x85'):
        yield f'an array of shape {shape!r}', array(shape)
    yield 'names with escapes', b'c' + ESCAPE.replace('\n', '').encode() + b'\nname\n'
    yield 'a name of a megabyte', b'c' + b'a' * 10 ** 6 + b'\nname\n'
    yield 'text that is none', b'X\2\0\0\0\xff\xff'


def pickles(scale=1):
    """Yield hostile pickles, by themselves and where the Recipes have values, means and names."""
    for name, value in opcodes(scale):
        yield name, b'\x80\x02' + value + b'.'
        yield f'{name}, as parameters', values(value)
        yield f'{name}, as the mean', (
            b'\x80\x02}(U\x0cparam values]U\x0amean value' + value + b'u.')
    for name, value in list(opcodes(scale))[:30]:
        yield f'{name}, as class names', (
            b'\x80\x02}(U\x0cparam values]U\x0csynset words' + value + b'u.')
    words = ['a' * 10 ** 6 * scale] + ['b'] * 1000
    yield 'a class with a million letters', pickle.dumps(
        {'param values': [], 'synset words': words}, 2)
    yield 'classes with escapes', pickle.dumps(
        {'param values': [np.ones(3), ESCAPE], 'synset words': [ESCAPE, '\ud800', '\0']}, 2)
    yield 'a command', pickle.dumps(Calls(os.system, 'mkdir canary'), 2)
    yield 'a command among weights', values(b"cposix\nsystem\nU\x0cmkdir canary\x85R")
    yield 'an evaluation', pickle.dumps(Calls(eval, "__import__('os').mkdir('canary')"), 4)
    yield 'arrays of objects', pickle.dumps([np.array([{}], object)], 2)
    yield 'arrays of 32 axes', pickle.dumps([np.ones((1,) * 32), np.ones(1)] * 16, 2)
    yield 'text in place of arrays', pickle.dumps([np.array(['a']), np.array(['b'])] * 16, 2)
    yield 'numbers in place of arrays', pickle.dumps([1, 2.0] * 16, 2)
    yield 'infinite and huge numbers', pickle.dumps(
        [np.full((64, 3, 3, 3), 1e300), np.full(64, np.nan)] * 16, 2)


def packed_pickles(scale=1):
    """Yield hostile .bz2 files."""
    zeros = bz2.compress(bytes(1 << 24))
    yield 'zeros', zeros
    for count in (10, 200 * scale):
        yield f'{count} streams of zeros', zeros * count
    yield 'empty streams', bz2.compress(b'') * 100_000 * scale
    yield 'streams and garbage', zeros + b'garbage'
    yield 'cut off', bz2.compress(os.urandom(10_000))[:-20]
    yield 'an array of zeros', bz2.compress(values(b'](' + array(
        b'J\x00\x00\x00\x10\x85', data=bytes(1 << 30)) + b'e')) if scale > 1 else zeros[:-1]
    for name, value in opcodes(1):
        if len(value) < 10_000:
            yield name, bz2.compress(values(value))


def pths(scale=1):
    """Yield hostile .pth files of both layouts."""
    for name, value in opcodes(scale):
        yield name, pth(b'\x80\x02' + value + b'.')
        if len(value) < 10_000:
            yield f'{name}, as a tensor', pth(b'\x80\x02}X\1\0\0\0a' + value + b's.')
            yield f'{name}, older', legacy(b'\x80\x02' + value + b'.')
            yield f'{name}, as keys', legacy(tensors(1), b'\x80\x02' + value + b'.')
            yield f'{name}, as a storage', pth(b'\x80\x02(U\7storage' + value + b'tQ.')
            yield f'{name}, as a persistent key', pth(
                b'\x80\x02(U\7storagectorch\nFloatStorage\n' + value + b'U\3cpuK\4tQ.')
            yield f'{name}, as arguments of a tensor', pth(
                b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(' + value * 6 + b'tR.')
    many = 2000 * scale
    yield 'many tensors of one storage', pth(tensors(many, 1_000_000), bytes(4_000_000))
    yield 'a storage that claims much', pth(tensors(1, 2 ** 62), bytes(16))
    yield 'a directory of many files', crowded(pth(tensors(1), bytes(16)), 60_000)
    whole = pth(tensors(1), bytes(16))
    entry = bytearray(whole)
    place = whole.rindex(b'PK\x01\x02') + 20
    entry[place:place + 4] = b'\xff\xff\xff\x7f'
    yield 'a packed size of 2 GB', bytes(entry)
    yield 'an older storage of 2^61 floats', legacy(tensors(1, 2 ** 61))[:-24] + struct.pack(
        '<Q', 2 ** 61) + bytes(16)
    yield 'escapes in names', pth(tensors(1, name=ESCAPE), bytes(16), folder=ESCAPE[:5])


def tensors(count, size=4, name='a'):
    """Return the pickle of a dict of tensors over one storage of so many floats."""
    names = [f'{name}{index}.weight'.encode() for index in range(count)]
    storage = (b'(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0' + b'0X\3\0\0\0cpu'
               + b'\x8a\x09' + size.to_bytes(9, 'little') + b'tQ')
    tensor = (b'ctorch._utils\n_rebuild_tensor_v2\n(' + storage + b'K\0'
              + b'\x8a\x09' + size.to_bytes(9, 'little') + b'\x85K\1\x85\x89NtR')
    return b'\x80\x02}(' + b''.join(
        b'X' + struct.pack('<i', len(key)) + key + tensor for key in names) + b'u.'


def pth(pickled, data=None, folder='archive'):
    """Return a zip as PyTorch writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr(f'{folder}/data.pkl', pickled)
        if data is not None:
            archive.writestr(f'{folder}/data/0', data)
    return buffer.getvalue()


def crowded(content, count):
    """Return a zip whose table of files has its last one many times."""
    end, last = content.rindex(b'PK\x05\x06'), content.rindex(b'PK\x01\x02')
    size, start = struct.unpack('<II', content[end + 12:end + 20])
    more = content[last:end] * (count - 1)
    return content[:end] + more + content[end:end + 12] + struct.pack(
        '<II', size + len(more), start) + content[end + 20:]


def legacy(parameters, keys=None):
    """Return a file of PyTorch's older layout."""
    return (b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.' + pickle.dumps(1001, 2)
            + pickle.dumps({'little_endian': True}, 2) + parameters
            + (keys or pickle.dumps(['0'], 2)) + struct.pack('<Q', 4) + bytes(16))


def npy(header, data=b'', version=1):
    """Return an .npy with this header."""
    width = '<H' if version == 1 else '<I'
    header = header.encode('latin-1')
    return b'\x93NUMPY' + bytes([version, 0]) + struct.pack(width, len(header)) + header + data


def described(kind, shape, by_columns=False):
    return f"{{'descr': '{kind}', 'fortran_order': {by_columns}, 'shape': {shape}, }}"


def npz(members, compression=zipfile.ZIP_STORED):
    """Return an .npz of (name, content)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        for name, content in members:
            archive.writestr(f'{name}.npy', content)
    return buffer.getvalue()


def saved(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def headers(scale):
    """Yield (name, content of an .npy)."""
    for kind in ('S0', '|S0', 'U0', '<U0', 'V0', '|V0', 'O', '|O', 'f9', 'c16', 'M8[s]', 'x', ''):
        for shape in ('(2,)', f'({2 ** 32},)', f'({2 ** 62}, {2 ** 62})', '()'):
            yield f'{kind} of {shape}', npy(described(kind, shape))
    for shape in (f'({2 ** 40},)', '(-1,)', '(0,)', f'(0, {10 ** 18})', '(1' + '0' * 5000 + ',)',
                  '(' + '1, ' * 40 + ')', '(' * 3000, '(' * 3000 + ')' * 3000, '-' * 5000 + '1',
                  '1' * 9000, '(1, 2', "('a',)", '(3L,)', '(1.5,)', '[1]', 'None',
                  '__import__("os")', '(1,)' + ' ' * 9000, '\\', '"', "'''", '\n(1,)', '\0',
                  '(1,)\n#', '9' * 9000 + 'L'):
        yield f'shape {shape[:20]!r} of {len(shape)}', npy(described('<f4', shape), bytes(4))
    for version in (0, 1, 2, 3, 4, 255):
        yield f'version {version}', npy(described('<f4', '(1,)'), bytes(4), version)
    yield 'a header of 4 GB', b'\x93NUMPY\x02\x00\xff\xff\xff\xff{'
    yield 'a structured type', npy("{'descr': [('a', '<f4'), ('b', '|O')], 'fortran_order': False, "
                                   "'shape': (1,), }", bytes(12))
    yield 'deep types', npy("{'descr': " + "[('a', " * 800 + ', ' + "'shape': (1,), }")
    yield 'no array', b'no array'
    yield 'nothing', b''
    yield 'zeros', npy(described('<f4', f'({4 * 10 ** 6 * scale},)'), bytes(16 * 10 ** 6 * scale))


def npzs(scale=1):
    """Yield hostile .npz files."""
    for name, content in headers(scale):
        yield name, npz([('conv1_1.W', content)], zipfile.ZIP_DEFLATED)
        if len(content) < 10_000:
            for key in ('mean_pixel', 'classes', 'width', 'provenance'):
                yield f'{name}, as {key}', npz([('conv1_1.W', npy(described('<f4', '(1,)'),
                                                                  bytes(4))), (key, content)])
    allowance = npy(described('<f4', '(250000,)'), bytes(10 ** 6))
    yield 'thousands of zero arrays', npz(
        [(f'a{index}.W', allowance) for index in range(400 * scale)], zipfile.ZIP_DEFLATED)
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield f'packed by method {method}', npz([('conv1_1.W', allowance)], method)
    whole = npz([('conv1_1.W', npy(described('<f4', '(4,)'), bytes(16)))])
    place = whole.rindex(b'PK\x01\x02')
    for offset, width in ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2),
                          (42, 4)):
        for value in (b'\0', b'\1', b'\xff'):
            content = bytearray(whole)
            content[place + offset:place + offset + width] = value * width
            yield f'directory with {value!r} at {offset}', bytes(content)
    end = whole.rindex(b'PK\x05\x06')
    for offset, width in ((4, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)):
        content = bytearray(whole)
        content[end + offset:end + offset + width] = b'\xff' * width
        yield f'end with ff at {offset}', bytes(content)
    yield 'a directory of many files', crowded(whole, 60_000)
    yield 'a directory of some thousand files', crowded(whole, 5000)
    yield 'one name many times', overlapping(2000 * scale)
    yield 'escapes in names', npz([(f'{ESCAPE}.W', allowance)])
    yield 'millions of classes', saved(**{'conv1_1.W': np.ones(3)},
                                       classes=np.full(500_000 * scale, 'a'))
    yield 'classes of two dimensions', saved(**{'a.W': np.ones(3)}, classes=np.full((2, 2), 'a'))
    yield 'classes that are no text', npz([('a.W', npy(described('<f4', '(1,)'), bytes(4))), (
        'classes', npy(described('<U1', '(2,)'), b'\xff' * 8))])
    yield 'a class with a million letters', saved(
        **{'a.W': np.ones(3)}, classes=np.array(['a' * 10 ** 6, 'b']))
    for told in ('[' * 10 ** 5, '{"a":' * 10 ** 5, '1' * 10 ** 5, '"' + ESCAPE, '[]',
                 '{"arrays": 1}', '{"arrays": {"x": "y"}}', '[' + '[],' * 10 ** 6 + '1]'):
        yield f'provenance {told[:9]!r}', saved(**{'conv1_1.W': np.ones(3)}, provenance=told)
    for width in (np.nan, np.inf, -1, 0, 1e300, [1, 2], 'a', 1e-300, 1j):
        yield f'width {width}', saved(**{'conv1_1.W': np.ones((64, 3, 3, 3))}, width=width)


def overlapping(count):
    """Return an .npz in which many names stand for the same array."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('a0.W.npy', npy(described('<f4', '(250000,)'), os.urandom(10 ** 6)))
        first = archive.infolist()[0]
        for index in range(1, count):
            again = zipfile.ZipInfo(f'a{index}.W.npy')
            for field in ('header_offset', 'file_size', 'compress_size', 'CRC', 'compress_type'):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
    return buffer.getvalue()


def element(kind, data, order='<'):
    """Return an element of a .mat file."""
    return struct.pack(order + 'II', kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind, shape, *parts, name=b'', flags=0):
    """Return a matrix of a class, with its parts."""
    return element(14, element(6, struct.pack('<II', kind | flags, 0))
                   + element(5, np.array(shape, '<i4').tobytes()) + element(1, name)
                   + b''.join(parts))


def mat(*elements):
    """Return a .mat file of these elements."""
    return b'MATLAB 5.0 MAT-file'.ljust(124) + b'\x00\x01IM' + b''.join(elements)


def packed(content):
    data = zlib.compress(content, 9)
    return struct.pack('<II', 15, len(data)) + data


def mats(scale=1):
    """Yield hostile .mat files."""
    numbers = matrix(7, (1, 2), element(7, bytes(8)))
    cell = matrix(1, (1, 1), numbers)
    for kind, told in ((1, 'cells'), (2, 'structs'), (3, 'objects'), (4, 'letters'), (5, 'sparse'),
                       (6, 'doubles'), (9, 'bytes'), (16, 'functions'), (17, 'opaque'), (99, 'x')):
        for shape in ((2 ** 15, 2 ** 15), (2 ** 30,), (0, 2 ** 30), (-1, 1), (2 ** 31 - 1,) * 3,
                      (1,) * 60, (), (1, 1)):
            parts = [element(5, struct.pack('<i', 8)), element(1, b'')] if kind == 2 else []
            content = matrix(kind, shape, *parts, name=b'layers')
            yield f'{told} of shape {shape[:4]}', mat(content)
            yield f'{told} of shape {shape[:4]}, packed', mat(packed(content))
    for depth in (5, 40, 1000):
        for inner, told in ((cell, 'cells'), (numbers, 'numbers')):
            content = inner
            for _ in range(depth):
                content = matrix(1, (1, 1), content, name=b'layers')
            yield f'{told} {depth} deep', mat(content)
            yield f'{told} {depth} deep, packed', mat(packed(content))
    yield 'cells 200,000 deep', mat(packed(deep_cells(20_000 * scale)))
    zeros = matrix(7, (1, 4_000_000), element(7, bytes(16_000_000)), name=b'a')
    yield 'zeros, packed', mat(packed(zeros))
    yield 'zeros, packed many times', mat(*[packed(zeros)] * 20 * scale)
    yield 'packed in packed', mat(packed(packed(numbers)))
    yield 'a matrix of nothing', mat(element(14, b''))
    yield 'layers of nothing', mat(matrix(1, (1, 3), *[element(14, b'')] * 3, name=b'layers'))
    yield 'many cells', mat(packed(matrix(1, (1, 300_000 * scale), *[element(14, b'')] * 300_000
                                          * scale, name=b'layers')))
    yield 'many structs without fields', mat(matrix(
        2, (1, 10 ** 9), element(5, struct.pack('<i', 1)), element(1, b''), name=b'layers'))
    for width in (-1, 0, 1, 2 ** 31 - 1):
        yield f'fields of {width} letters', mat(matrix(
            2, (1, 1), element(5, struct.pack('<i', width)), element(1, b'weights\0' * 40),
            *[numbers] * 40, name=b'layers'))
    yield 'complex numbers', mat(matrix(6, (1, 1), element(9, bytes(8)), element(9, bytes(8)),
                                        name=b'layers', flags=0x800))
    yield 'small elements that are large', mat(matrix(1, (1, 1), name=b'layers'),
                                               struct.pack('<HHI', 14, 60000, 0))
    for kind in (0, 8, 10, 11, 14, 15, 16, 99):
        yield f'numbers of type {kind}', mat(matrix(7, (1, 1), element(kind, bytes(8)),
                                                    name=b'layers'))
    yield 'an element of 4 GB', mat(struct.pack('<II', 14, 2 ** 32 - 1))
    yield 'a packed element of 4 GB', mat(struct.pack('<II', 15, 2 ** 32 - 1) + b'x')
    yield 'escapes as names', mat(matrix(7, (1, 1), element(7, bytes(4)), name=ESCAPE.encode()))
    yield 'text that is none', mat(matrix(4, (1, 2), element(16, b'\xff\xff'), name=b'layers'))
    yield 'a header alone', mat()
    yield 'the other order', b'MATLAB 5.0'.ljust(126) + b'MI' + b'\0' * 64


def deep_cells(depth):
    """Return a matrix of cells within cells, written from the outside in one pass."""
    head = element(6, struct.pack('<II', 1, 0)) + element(5, struct.pack('<ii', 1, 1)) + (
        element(1, b''))
    sizes, size = [], 0
    for _ in range(depth):
        size += len(head)
        sizes.append(size)
        size += 8
    return b''.join(struct.pack('<II', 14, size) + head for size in reversed(sizes))


def hdf5s(scale=1):
    """Yield hostile HDF5 files."""
    import h5py

    def keras(file, names=(b'kernel',)):
        file.attrs['layer_names'] = [b'block1_conv1']
        group = file.create_group('block1_conv1')
        group.attrs['weight_names'] = list(names)
        return group

    def deep(file):
        group = file
        for _ in range(50 * scale):
            group = group.create_group('layers')

    def cycle(file):
        file['layers/a/vars'] = file.create_group('b')
        file['b/again'] = file['layers']
        file['b/0'] = np.ones(3)

    def doubled_groups(file):
        group = file.create_group('layers')
        for index in range(30):
            below = file.create_group(f'x{index}')
            group['a'], group['b'] = below, below
            group = below

    fillings = {
        'chunks far larger than the data': lambda file: keras(file).create_dataset(
            'kernel', (4,), 'f4', chunks=(4,), maxshape=(None,)).resize((1,)),
        'large chunks': lambda file: keras(file).create_dataset(
            'kernel', data=np.zeros(4), chunks=(2 ** 24,), maxshape=(None,), compression='gzip'),
        'much that is not there': lambda file: keras(file).create_dataset(
            'kernel', (10 ** 5, 10 ** 5 * scale), 'f4', chunks=(1000, 1000)),
        'zeros, packed': lambda file: keras(file).create_dataset(
            'kernel', data=np.zeros(4 * 10 ** 6 * scale, 'f4'), compression='gzip'),
        'many zeros, packed': lambda file: [
            file.create_dataset(f'layers/{index}/vars/0', data=np.zeros(60_000, 'f4'),
                                compression='gzip') for index in range(300 * scale)],
        'numbers of another file': lambda file: keras(file).create_dataset(
            'kernel', (4,), 'f4', external=[('/etc/passwd', 0, 16)]),
        'a link to another file': lambda file: keras(file).__setitem__(
            'kernel', h5py.ExternalLink('fifo', '/kernel')),
        'a link to a device': lambda file: file.__setitem__(
            'layers', h5py.ExternalLink('/dev/zero', '/')),
        'a link to itself': lambda file: keras(file).__setitem__(
            'kernel', h5py.SoftLink('/block1_conv1/kernel')),
        'a group in place of numbers': lambda file: keras(file).create_group('kernel'),
        'a virtual data set': lambda file: keras(file).create_virtual_dataset(
            'kernel', virtual(h5py)),
        'groups in themselves': cycle,
        'groups in groups': deep,
        '2^30 groups': doubled_groups,
        'many groups': lambda file: [file.create_group(f'layers/{index}/vars')
                                     for index in range(1000 * scale)],
        'names that are numbers': lambda file: file.attrs.__setitem__('layer_names', [1, 2]),
        'names of nothing': lambda file: file.attrs.__setitem__('layer_names', [b'', b'/', b'..']),
        'names that are missing': lambda file: file.attrs.__setitem__('layer_names', [b'x']),
        'one name': lambda file: file.attrs.__setitem__('layer_names', 'block1_conv1'),
        'names with escapes': lambda file: [
            file.attrs.__setitem__('layer_names', [ESCAPE.encode()]),
            file.create_group(ESCAPE).attrs.__setitem__('weight_names', [b'kernel']),
            file[ESCAPE].create_dataset('kernel', data=np.ones(3))],
        'text in place of numbers': lambda file: keras(file).create_dataset('kernel', data=b'text'),
        'no numbers': lambda file: keras(file).create_dataset('kernel', dtype='f4'),
        'numbers without shape': lambda file: keras(file).create_dataset('kernel', data=1.0),
        'references': lambda file: keras(file).create_dataset('kernel', (1,), h5py.ref_dtype),
        'lists of numbers': lambda file: keras(file).create_dataset(
            'kernel', (1,), h5py.vlen_dtype('f4')),
        'nothing': lambda file: None,
    }
    for name, fill in fillings.items():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'file.h5')
            with h5py.File(path, 'w') as file:
                fill(file)
            with open(path, 'rb') as file:
                yield name, file.read()


def virtual(h5py):
    layout = h5py.VirtualLayout((4,), 'f4')
    layout[:] = h5py.VirtualSource('other.h5', 'x', (4,))
    return layout


def varint(value):
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def message(*fields):
    """Return a protocol buffer of (number, bytes or integer) fields."""
    return b''.join(varint(number << 3 | 2) + varint(len(value)) + value
                    if isinstance(value, bytes) else varint(number << 3) + varint(value)
                    for number, value in fields)


def caffemodels(scale=1):
    """Yield hostile .caffemodel files."""
    def model(*blobs, name=b'conv1_1'):
        return message((1, b'VGG'), (100, message((1, name), *[(7, blob) for blob in blobs])))

    many = 100_000 * scale
    yield 'floats one by one', model(b'\x2d\0\0\x80\x3f' * 10 * many)
    yield 'doubles one by one', model(b'\x41' + bytes(8) + (b'\x41' + bytes(8)) * 5 * many)
    yield 'tiny fields', message((1, b'VGG')) + b'\x08\x01' * 10 * many
    yield 'tiny layers', message((1, b'VGG')) + message((100, b'')) * 5 * many
    yield 'tiny blobs', model(*[b''] * 3 * many)
    yield 'a shape of many lengths', model(message((7, message((1, b'\1' * many))), (5, bytes(4))))
    yield 'a shape of many fields', model(message((7, b'\x08\1' * many), (5, bytes(4))))
    for length in (0, 2 ** 31, 2 ** 63, 2 ** 64 - 1, 2 ** 69):
        yield f'a length of {length}', model(message((7, message((1, length))), (5, bytes(16))))
        yield f'lengths of {length}', model(message(*[(axis, length) for axis in (1, 2, 3, 4)],
                                                    (5, bytes(16))))
        yield f'a field of {length} bytes', message((1, b'VGG')) + b'\xa2\x06' + varint(length)
        yield f'a shape of {length} bytes', model(b'\x3a' + varint(length))
    for width in (1, 3, 7, 9):
        yield f'{width} bytes of numbers', model(message((5, bytes(width))))
    yield 'floats and doubles', model(message((5, bytes(8)), (8, bytes(8)), (5, bytes(4))))
    yield 'numbers that are integers', model(message((5, 1), (8, 2)))
    yield 'escapes as names', model(message((5, bytes(4))), name=ESCAPE.encode())
    yield 'a name that is no text', model(message((5, bytes(4))), name=b'\xff\xff')
    yield 'a name of a megabyte', model(message((5, bytes(4))), name=b'a' * 10 ** 6 * scale)
    yield 'numbers that never end', message((1, b'VGG')) + b'\xa2\x06' + b'\xff' * 10 ** 5
    for wire in (3, 4, 6, 7):
        yield f'wire type {wire}', message((1, b'VGG')) + bytes([8 | wire]) * 99
    yield 'field 0', message((1, b'VGG')) + b'\x00\x01'
    yield 'layers in layers', message((1, b'VGG'), (2, message((1, message((2, message(
        (1, message((1, b'a'), (50, message((5, bytes(4)))))))))))))


def safetensors(scale=1):
    """Yield hostile .safetensors files."""
    def file(header, data=bytes(16), length=None):
        header = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack('<Q', len(header) if length is None else length) + header + data

    def entry(dtype='F32', shape=(4,), offsets=(0, 16)):
        return {'dtype': dtype, 'shape': shape, 'data_offsets': offsets}

    for length in (0, 1, 2 ** 20, 2 ** 40, 2 ** 55):
        yield f'a table of {length} bytes', file({'a.weight': entry()}, length=length)
    for depth in (100, 10_000, 10 ** 6 * scale):
        yield f'lists {depth} deep', file(b'{"a":' + b'[' * depth)
        yield f'tables {depth} deep', file(b'{"a":' * depth)
    for shape in ((2 ** 40,), (2 ** 64,), (-1,), (0, 2 ** 63), (1,) * 10_000, ('a',), (1.5,), 4,
                  None):
        yield f'shape {str(shape)[:20]}', file({'a.weight': entry(shape=shape)})
    for offsets in ((0, 2 ** 62), (16, 0), (-16, 0), (0, 8), (4, 20), (0,), None, ('a', 'b')):
        yield f'offsets {offsets}', file({'a.weight': entry(offsets=offsets)})
    for kind in ('F8_E4M3', 'BF16', 'F16', 'U64', 'BOOL', 'C64', 'x', '', None, 4, ESCAPE):
        yield f'type {kind!r}', file({'a.weight': entry(kind)})
    yield 'a number of many digits', file(b'{"a":' + b'9' * 10 ** 6 * scale + b'}')
    yield 'many tensors', file({f'{index}.weight': entry(shape=(0,), offsets=(0, 0))
                                for index in range(40_000 * scale)}, b'')
    yield 'escapes as names', file({f'{ESCAPE}.weight': entry()})
    yield 'the same place twice', file({'a.weight': entry(), 'b.weight': entry()})
    yield 'the same name twice', file(b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},'
                                      b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}')
    yield 'no text', file(b'{"\xff\xff":1}')
    yield 'a list', file(b'{}' + b' ' * 40)


KINDS = {'pickle': pickles, 'bz2': packed_pickles, 'pth': pths, 'npz': npzs, 'mat': mats,
         'hdf5': hdf5s, 'caffemodel': caffemodels, 'safetensors': safetensors}


@functools.cache
def small(kind):
    """Return (name, content) of the hostile files of a kind at their smallest, made once."""
    return list(KINDS[kind]())
