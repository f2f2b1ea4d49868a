"""What kind of weight file it is, told by its first bytes and not by its name."""

import zipfile
from pathlib import Path

import numpy as np

from models.errors import ArchiveError
from models.weights import files
from models.weights.formats import caffe, keras, matconvnet, pytorch, recipes_pickles, tensors
from models.weights.formats.contents import from_named, mean_of

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


def read(path):
    """Return the contents of a weight file of any known kind.

    Args:
        path: of the file.

    Raises:
        ArchiveError: there is no such file, it is of no known kind, it is broken, or it was
            refused because it holds more than weights.
    """
    path = Path(path)
    try:
        with open(path, 'rb') as file:
            start = file.read(512)
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no weight file {path}') from problem
    except IsADirectoryError as problem:
        raise ArchiveError(f'{path} is a folder; name the weight file in it') from problem
    if not start:
        raise ArchiveError(f'{path} is empty; the download went wrong')
    for mark, told in NOT_WEIGHTS.items():
        if start.lstrip().startswith(mark):
            raise ArchiveError(f'{path} is {told}')
    if start[257:262] == b'ustar':
        raise ArchiveError(f'{path} is a tar file, such as PyTorch wrote before 0.2; unpack it, or '
                           'save it anew')
    return _reader(path, start)(path)


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


def _read_zip(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if pytorch.is_zip(names):
            return pytorch.read_zip(path)
        if all(name.endswith('.npy') for name in names):
            return _read_npz(path)
    except files.BROKEN as problem:
        raise ArchiveError(f'{path} is a broken zip file: {problem}') from problem
    raise ArchiveError(f'{path} is a zip file, but neither an .npz nor PyTorch\'s; unpack it first')


def _read_npz(path):
    """Return the contents of an .npz with the archive's names or PyTorch's."""
    files.require_honest_sizes(path)
    with np.load(path, allow_pickle=False) as file:
        described = {key: file[key] for key in ('mean_pixel', 'classes') if key in file.files}
        arrays = {key: file[key] for key in file.files if key not in described and '.' in key}
    contents = from_named('npz', arrays)
    if not contents.arrays:
        raise ArchiveError(f'{path} holds no weights under names like conv1_1.W')
    if 'mean_pixel' in described:
        contents.mean_pixel = mean_of(described['mean_pixel'], path)
    if 'classes' in described:
        contents.classes = described['classes'].tolist()
    return contents
