"""What kind of weight file it is, told by its first bytes and not by its name."""

from pathlib import Path

import numpy as np

from models.errors import ArchiveError
from models.weights import bounds, npz
from models.weights.formats import caffe, keras, matconvnet, pytorch, recipes_pickles, tensors
from models.weights.formats.contents import class_names, from_named, mean_of

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
    b'\x93NUMPY': 'one array alone (.npy); networks have several, in an .npz',
}


@bounds.guards
def read(path, needed=bounds.LARGEST_NETWORK):
    """Return the contents of a weight file of any known kind.

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
    if start.startswith(b'BZh'):
        return recipes_pickles.read_bz2
    if pytorch.is_legacy(start):
        return pytorch.read_legacy
    if len(start) > 8 and start[8:9] == b'{' and start[7] == 0:
        return tensors.read
    if start[:1] == b'\x80' or start[:1] in (b'(', b']', b'}', b'c'):
        return recipes_pickles.read
    if start.startswith(caffe.STARTS):
        return caffe.read
    raise ArchiveError(f'{path} is no weight file that is known; known are {KNOWN}')


def _read_zip(path, budget):
    with npz.Zip(path) as archive:
        names = archive.namelist()
    if pytorch.is_zip(names):
        return pytorch.read_zip(path, budget)
    if all(name.endswith('.npy') for name in names):
        return _read_npz(path, budget)
    raise ArchiveError(f'{path} is a zip file, but neither an .npz nor PyTorch\'s; unpack it first')


def _read_npz(path, budget):
    """Return the contents of an .npz with the archive's names or PyTorch's."""
    with npz.Arrays(path, budget) as file:
        if 'classes' in file.files:
            budget.take_parts(bounds.product(file.header('classes').shape))
        described = {key: file[key] for key in ('mean_pixel', 'classes') if key in file.files}
        arrays = {key: file[key] for key in file.files if key not in described and '.' in key}
    contents = from_named('npz', arrays)
    if not contents.arrays:
        raise ArchiveError(f'{path} holds no weights under names like conv1_1.W')
    if 'mean_pixel' in described:
        contents.mean_pixel = mean_of(described['mean_pixel'], path)
    contents.classes = class_names(described.get('classes'), path)
    return contents
