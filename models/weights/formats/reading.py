"""What kind of weight file it is, told by its first bytes and not by its name."""

import re
from pathlib import Path

from models.errors import ArchiveError
from models.weights import bounds, files, npz
from models.weights.formats import (
    caffe,
    foreign,
    keras,
    matconvnet,
    npy,
    pytorch,
    recipes_pickles,
    tensors,
)
from models.weights.formats.contents import from_list, from_tree, mean_of

import numpy as np

KNOWN = ("the Lasagne Recipes' .pkl, .npz, PyTorch's .pth, .safetensors, Keras' .h5, Caffe's "
         ".caffemodel and MatConvNet's .mat")
NOT_WEIGHTS = {
    b'version https://git-lfs': 'a pointer of git-lfs, not the file; get it with `git lfs pull`',
    b'<': 'a web page, not weights; the download went wrong',
    b'MATLAB 7.3': 'a .mat file of version 7.3; save it with `-v7`',
    b'\x1f\x8b': 'packed with gzip; unpack it first',
    b'Rar!': 'packed with rar; unpack it first',
    b'7z\xbc\xaf': 'packed with 7z; unpack it first',
    b'\xfd7zXZ': 'packed with xz; unpack it first',
}

DESCRIPTIONS = ('mean_pixel', 'classes', 'wnids', 'width', 'provenance')
COUNTED = re.compile(r'([A-Za-z_]*)(\d{1,6})')


@bounds.guards
def read(path, needed=bounds.LARGEST_NETWORK):
    """Read the contents of a weight file of any known kind.

    Args:
        path: of the file.
        needed: bytes of the network that is wanted, in float32; what is packed may unpack to as
            much, or to twice the size of the file.

    Raises:
        ArchiveError: there is no such file, it is of no known kind, it is broken, or it was
            refused because it holds more than weights.
    """
    path = Path(path)
    size = bounds.require_file(path)
    with open(path, 'rb') as file:
        start = file.read(512)
    if not start:
        raise ArchiveError(f'{path} is empty; the download went wrong')
    for mark, told in NOT_WEIGHTS.items():
        if start.lstrip().startswith(mark):
            raise ArchiveError(f'{path} is {told}')
    if start[257:262] == b'ustar':
        raise ArchiveError(f'{path} is a tar file, such as PyTorch wrote before 0.2; unpack it, or '
                           'save it anew')
    told = foreign.recognised(path, start)
    if told:
        raise ArchiveError(f'{path} is {told}')
    contents = _reader(path, start)(path, bounds.Budget(path, size, needed))
    for key, array in contents.arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in 'fiub':
            raise ArchiveError(f'{path} is broken: {key} holds no numbers')
    return contents


def _reader(path, start):
    if start.startswith(b'PK'):
        return _read_zip
    if start.startswith(b'\x89HDF\r\n\x1a\n'):
        return keras.read
    if start.startswith(b'MATLAB 5.0'):
        return matconvnet.read
    if start.startswith(b'\x93NUMPY'):
        return npy.read
    if start.startswith(b'BZh'):
        return recipes_pickles.read_bz2
    if pytorch.is_legacy(start):
        return pytorch.read_legacy
    if len(start) > 8 and start[8:9] == b'{' and start[7] == 0:
        return tensors.read
    if caffe.starts_like_one(start):
        return caffe.read
    if start[:1] == b'\x80' or start[:1] in (b'(', b']', b'}', b'c'):
        return recipes_pickles.read
    raise ArchiveError(f'{path} is no weight file that is known; known are {KNOWN}')


def _read_zip(path, budget):
    with npz.Zip(path) as archive:
        names = archive.namelist()
    if pytorch.is_zip(names):
        return pytorch.read_zip(path, budget)
    if all(name.endswith('.npy') for name in names):
        return _read_npz(path, budget)
    inside = [name for name in names if name.endswith(('.h5', '.npz', '.pth', '.pt', '.bin'))]
    raise ArchiveError(f'{path} is a zip file, but neither an .npz nor PyTorch\'s; unpack it first'
                       + (f', and convert {inside[0][:80]!r} of it' if inside else ''))


def _read_npz(path, budget):
    """Read the contents of an .npz: arrays by name, or counted as `np.savez(FILE, *list)` does.

    Arrays of Python objects are read as those of a `.npy`.
    """
    arrays = {}
    with npz.Arrays(path, budget) as file:
        for key in file.files:
            with file.open(key) as entry:
                arrays[key] = npy.read_array(entry, f'{path}, at {key},', file.size(key), budget)
    described = {key: arrays.pop(key) for key in DESCRIPTIONS if key in arrays}
    contents = _counted(arrays) or from_tree('npz', arrays, budget, npy.plain)
    if all(key.endswith(('_W', '_b')) for key in arrays):
        contents.kind = 'underscored'
    if not contents.arrays:
        raise ArchiveError(f'{path} holds no weights under names like conv1_1.W')
    if 'mean_pixel' in described:
        contents.mean_pixel = mean_of(described['mean_pixel'], path)
    if 'classes' in described:
        budget.take_parts(described['classes'].size)
        contents.classes = files.class_names(path, described['classes'])
    return contents


def _counted(arrays):
    """Make the contents of arrays that are named by one word and their place in a list."""
    places = {key: COUNTED.fullmatch(key) for key in arrays}
    words = {place and place[1] for place in places.values()}
    counts = sorted(int(place[2]) for place in places.values() if place)
    if len(words) != 1 or None in words or len(arrays) % 2 or counts != list(range(len(arrays))):
        return None
    return from_list([arrays[key] for key in sorted(arrays, key=lambda key: int(places[key][2]))],
                     'npz_list')
