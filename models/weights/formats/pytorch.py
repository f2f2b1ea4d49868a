"""PyTorch's `.pth` files: parameters by name, in the older layout and in the zip of today.

The older layout is five pickles (a magic number, the version, the machine, the parameters, the
names of the storages) and then each storage: its number of elements in 8 bytes and the elements.
The zip has the parameters in `<name>/data.pkl` and each storage as a stored file of
`<name>/data/`. Source: pytorch/pytorch, torch/serialization.py and torch/_utils.py.
"""

import zipfile

from models.errors import ArchiveError
from models.weights import npz
from models.weights.formats import pickles
from models.weights.formats.contents import from_tree

import numpy as np

MAGIC = 0x1950a86a20f9469cfc6c
LEGACY_START = b'\x80\x02\x8a\x0a' + MAGIC.to_bytes(10, 'little') + b'.'
LARGEST_PICKLE = 64 * 1024 ** 2  # bytes of data.pkl; of a VGG they are a few thousand
STORAGES = {'Float': '<f4', 'Double': '<f8', 'Half': '<f2', 'BFloat16': 'bfloat16', 'Long': '<i8',
            'Int': '<i4', 'Short': '<i2', 'Char': 'i1', 'Byte': 'u1', 'Bool': '?'}


def is_legacy(start):
    """Tell whether a file that starts so is of the older layout."""
    return start.startswith(LEGACY_START)


def is_zip(names):
    """Tell whether a zip with files of these names is PyTorch's."""
    return any(name.endswith('/data.pkl') for name in names)


def read_legacy(path, budget):
    """Read the contents of a file of the older layout.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: it names what parameters do not need.
        ArchiveError: it is broken.
    """
    size = path.stat().st_size
    storages = {}
    with open(path, 'rb') as file:
        for _ in range(3):  # magic number, version, machine
            machine = pickles.load(file, path, size, budget=budget)
        _require_little_endian(path, machine)
        parameters = pickles.load(file, path, size, ALLOWED, _collector(storages), budget)
        keys = pickles.load(file, path, size, budget=budget)
        if (not isinstance(keys, list) or not all(isinstance(key, str) for key in keys)
                or set(keys) != set(storages)):
            raise ArchiveError(f'{path} is broken: it lists storages that no parameter has, or '
                               'lacks some')
        for key in keys:
            storage = storages[key]
            count = int.from_bytes(file.read(8), 'little')
            left = size - file.tell()
            data = file.read(min(left, count * storage.itemsize(), storage.nbytes()))
            storage.fill(path, data)
            if count != storage.count:
                raise ArchiveError(f'{path} is broken: storage {key} has {count} elements, not '
                                   f'{storage.count}')
    return _contents(path, parameters, budget)


def read_zip(path, budget):
    """Read the contents of a zip.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: it names what parameters do not need, or a file in it is compressed.
        ArchiveError: it is broken.
    """
    size = path.stat().st_size
    with npz.Zip(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        program = [name for name in entries if '/code/' in name or name.endswith('constants.pkl')]
        if program:
            raise pickles.Refused(f'{path} was refused, it is a TorchScript program ({program[0]}):'
                                  ' save its parameters with torch.save(model.state_dict(), FILE)')
        if sum(entry.file_size for entry in entries.values()) > size:
            raise pickles.Refused(f'{path} was refused: what is in it claims more than the '
                                  f'{size} bytes of the file')
        for entry in entries.values():
            if entry.compress_type != zipfile.ZIP_STORED:
                raise pickles.Refused(f'{path} was refused: {entry.filename} in it is compressed; '
                                      'PyTorch compresses nothing')
        (pickled, *others) = [name for name in entries if name.endswith('/data.pkl')]
        if others:
            raise pickles.Refused(f'{path} was refused: it has data.pkl more than once')
        folder = pickled[:-len('data.pkl')]
        if entries[pickled].file_size > LARGEST_PICKLE:
            raise pickles.Refused(f'{path} was refused: its data.pkl has '
                                  f'{entries[pickled].file_size} bytes')
        order = archive.read(folder + 'byteorder') if folder + 'byteorder' in entries else b'little'
        _require_little_endian(path, {'little_endian': order == b'little'})
        storages = {}
        data = archive.read(pickled)
        parameters = pickles.load(pickles.open_bytes(data), path, len(data), ALLOWED,
                                  _collector(storages), budget)
        for key, storage in storages.items():
            name = f'{folder}data/{key}'
            if name not in entries:
                raise ArchiveError(f'{path} is broken: {name} is missing')
            storage.fill(path, archive.read(name))
    return _contents(path, parameters, budget)


class Storage:
    """Numbers that lie beside the pickle; several tensors may look at them."""

    def __init__(self, kind, count):
        if (not isinstance(kind, StorageKind) or type(count) is not int
                or not 0 <= count < 2 ** 63):
            raise pickles.Refused('a storage of unknown kind')
        self.kind, self.count = kind.name, count
        self.array = None

    def nbytes(self):
        return self.count * self.itemsize()

    def itemsize(self):
        return 2 if self.kind == 'bfloat16' else np.dtype(self.kind).itemsize

    def fill(self, path, data):
        if len(data) != self.nbytes():
            raise ArchiveError(f'{path} is broken: a storage of {self.count} elements has '
                               f'{len(data)} bytes')
        self.array = (from_bfloat16(data) if self.kind == 'bfloat16'
                      else np.frombuffer(data, self.kind))


class StorageKind:
    """The type of a storage, which a pickle names like a class."""

    def __init__(self, name):
        self.name = name

    def __call__(self, *_):
        raise pickles.Refused('a call of a storage')


class Tensor:
    """A view of a storage that is not read yet."""

    def __init__(self, storage, offset, shape, strides, *_):
        self.storage, self.offset = storage, offset
        self.shape, self.strides = pickles.whole_shape(shape), pickles.whole_shape(strides)
        last = sum((length - 1) * stride for length, stride in zip(self.shape, self.strides))
        count = pickles.product(self.shape)
        if (not isinstance(storage, Storage) or type(offset) is not int or offset < 0
                or len(self.shape) != len(self.strides) or count > storage.count
                or (count and offset + last >= storage.count)):
            raise pickles.Refused(f'a tensor of shape {self.shape} over a storage that is smaller')

    def array(self):
        numbers = self.storage.array[self.offset:]
        strides = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(numbers, self.shape, strides, writeable=False)


def from_bfloat16(data):
    """Convert bfloat16 numbers, the upper halves of float32 numbers, to float32, exactly."""
    return (np.frombuffer(data, '<u2').astype('<u4') << 16).view('<f4')


def _rebuild_tensor(*arguments):
    return Tensor(*arguments)


def _rebuild_parameter(tensor, *_):
    return tensor


ALLOWED = {'torch._utils._rebuild_tensor_v2': _rebuild_tensor,
           'torch._utils._rebuild_tensor': _rebuild_tensor,
           'torch._utils._rebuild_parameter': _rebuild_parameter}
for _name, _kind in STORAGES.items():
    # A class that stands in a persistent id; nothing may call it.
    ALLOWED[f'torch.{_name}Storage'] = StorageKind(_kind)


def _collector(storages):
    """Make what stands for persistent ids: it notes each storage that is asked for."""

    def stored(identity):
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != 'storage':
            raise pickles.Refused(f'a persistent id that is no storage, {pickles.shown(identity)}')
        _, kind, key, _, count, *view = identity
        if view and view[0] is not None:  # offset and size within another storage, before 0.4
            raise pickles.Refused('a view of a storage, of PyTorch before 0.4; save it anew')
        if not isinstance(key, str):
            raise pickles.Refused('a storage without a name')
        if key not in storages:
            storages[key] = Storage(getattr(kind, 'function', None), count)
        return storages[key]

    return stored


def _require_little_endian(path, machine):
    if not isinstance(machine, dict) or machine.get('little_endian') is not True:
        raise ArchiveError(f'{path} was written by a machine of the other byte order; save it on '
                           'another one')


def _contents(path, parameters, budget):
    """Make the contents of a dict of tensors, also of one within others."""
    if not isinstance(parameters, dict):
        raise ArchiveError(f'{path} holds no parameters by name, but a '
                           f'{type(parameters).__name__}; save them with '
                           'torch.save(model.state_dict(), FILE)')
    def opened(value):
        if not isinstance(value, Tensor):
            return value
        array = value.array()
        budget.take_bytes(array.nbytes, 'a tensor')  # many may look at the same storage
        return array

    contents = from_tree('pytorch', parameters, budget, opened)
    if not contents.arrays and not contents.others:
        raise ArchiveError(f'{path} holds no parameters by name: save them with '
                           'torch.save(model.state_dict(), FILE)')
    return contents
