"""Whole weight files with some bytes changed, by a seed."""

import bz2
import functools
import io
import struct
import zipfile
import zlib
from pathlib import Path

import attacks

FILES = Path(__file__).parents[1] / 'golden' / 'weight_files'
SUFFIXES = {'pickle': '.pkl', 'pth': '.pth', 'npz': '.npz', 'mat': '.mat', 'hdf5': '.h5',
            'caffemodel': '.caffemodel', 'safetensors': '.safetensors'}
NUMBERS = [0, 1, 2, 127, 128, 255, 256, 0x7fff, 0xffff, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1,
           2 ** 40, 2 ** 62, 2 ** 63, 2 ** 64 - 1]
LARGEST_ATTACK = 20_000  # bytes; larger ones are themselves the attack
LARGEST_UNPACKED = 1 << 20  # bytes


@functools.cache
def corpus(kind):
    """Return (name, content) of whole files of a kind, and of small hostile ones."""
    suffix = SUFFIXES.get(kind, '.pkl')
    whole = [(path.name, path.read_bytes()) for path in sorted(FILES.iterdir())
             if path.name.startswith('tiny') and path.suffix == suffix]
    if kind == 'bz2':
        whole = [(name, bz2.compress(content)) for name, content in whole]
    return whole * 20 + [(name, content) for name, content in attacks.small(kind)
                         if len(content) < LARGEST_ATTACK]


def changed(kind, count, random):
    """Return (name, content) of so many changed files of a kind."""
    files = corpus(kind)
    chosen = [files[random.randint(len(files))] for _ in range(count)]
    return [(f'{kind} {index}: {name}',
             (_inside if random.randint(2) else mutated)(content, random))
            for index, (name, content) in enumerate(chosen)]


def mutated(content, random):
    """Return content with one to eight changes.

    Args:
        content: bytes.
        random: a numpy RandomState.
    """
    content = bytearray(content)
    for _ in range(random.randint(1, 9)):
        if content:
            CHANGES[random.randint(len(CHANGES))](content, random)
    return bytes(content)


def _inside(content, random):
    """Return content with changes within what is packed, whose checksums are right again."""
    try:
        if content.startswith(b'BZh'):
            unpacked = bz2.BZ2Decompressor().decompress(content, LARGEST_UNPACKED)
            return bz2.compress(mutated(unpacked, random))
        if content.startswith(b'MATLAB'):
            return mutated(_unpacked_mat(content), random)
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as archive, \
                zipfile.ZipFile(buffer, 'w') as changed_archive:
            names = archive.namelist()
            chosen = names[random.randint(min(len(names), 3))]
            for name in names[:100]:
                data = archive.read(name)
                changed_archive.writestr(name, mutated(data, random) if name == chosen else data)
        return buffer.getvalue()
    except (OSError, EOFError, ValueError, RuntimeError, NotImplementedError, MemoryError,
            zipfile.BadZipFile, zlib.error, struct.error):
        return mutated(content, random)  # nothing is packed, or it is broken already


def _unpacked_mat(content):
    """Return a .mat file whose variables are not packed."""
    parts, place = [content[:128]], 128
    while place < len(content):
        kind, size = struct.unpack('<II', content[place:place + 8])
        data = content[place + 8:place + 8 + size]
        parts.append(zlib.decompress(data) if kind == 15 else content[place:place + 8] + data)
        place += 8 + size
    return b''.join(parts)


def _place(content, random):
    """Return a position: anywhere, or near an end, where tables stand."""
    near = min(len(content), 4096)
    return [random.randint(len(content)), random.randint(near),
            len(content) - 1 - random.randint(near)][random.randint(3)]


def _flip(content, random):
    content[_place(content, random)] ^= 1 << random.randint(8)


def _overwrite(content, random):
    place = _place(content, random)
    content[place:place + 8] = random.bytes(min(8, len(content) - place))


def _number(content, random):
    place = _place(content, random)
    width = [1, 2, 4, 8][random.randint(4)]
    number = NUMBERS[random.randint(len(NUMBERS))]
    order = '<>'[random.randint(2)]
    data = struct.pack(order + 'Q', number)
    content[place:place + width] = data[:width] if order == '<' else data[-width:]


def _remove(content, random):
    place = _place(content, random)
    del content[place:place + random.randint(1, 64)]


def _repeat(content, random):
    place = _place(content, random)
    part = content[place:place + random.randint(1, 256)]
    content[place:place] = part * random.randint(1, 20)


def _move(content, random):
    place, other = _place(content, random), _place(content, random)
    part = content[place:place + random.randint(1, 256)]
    content[other:other + len(part)] = part


def _cut(content, random):
    del content[_place(content, random):]


CHANGES = [_flip, _flip, _overwrite, _number, _number, _remove, _repeat, _move, _cut]
