"""The archive's weight files: `.npz` with `<layer>.W`, `<layer>.b`, `mean_pixel`, `classes`.

Kernels are (out, in, rows, columns) and correlate (they are not flipped), for an input in BGR,
0..255, minus mean_pixel. `provenance` is JSON: where the numbers come from, and the hash of each
array. Nothing in a file is ever unpickled.
"""

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import zipfile
from collections import namedtuple
from pathlib import Path

from models.errors import ArchiveError, one_line, reason_of
from models.weights import bounds, npz, sources, torchvision

import numpy as np
import platformdirs
import theano

# The networks that ship with the archive; the first is the default.
EMBEDDED = {name: Path(__file__).parent.parent / 'embedded' / f'{name}.npz'
            for name in ('vgg19_small', 'vgg19_quarter')}
IMAGENET_CLASSES = Path(__file__).with_name('imagenet_classes.txt')
VGG_MEAN_PIXEL = (103.939, 116.779, 123.68)  # BGR, of the Oxford models
DESCRIPTIONS = {'mean_pixel', 'classes', 'wnids', 'width', 'provenance'}
WIDEST = 64  # factor on the numbers of filters
LARGEST_PROVENANCE = 16 << 20  # bytes; of GoogLeNet's it has 50 kB
LARGEST_MEAN = 1000  # of 0 to 255; more is no mean of pixels
LONGEST_NAME = 1000  # characters of a class's name; the longest of ImageNet has 121

Origin = namedtuple('Origin', 'path sha256')  # the file of weights that were loaded, and its hash

log = logging.getLogger('archive')


def folder():
    """Tell the folder of fetched and converted weights.

    It is $ARCHIVE_WEIGHTS, else the place where this platform keeps what can be had again.
    """
    return Path(os.environ.get('ARCHIVE_WEIGHTS')
                or Path(platformdirs.user_cache_dir('lasagne-archive')) / 'weights')


def find(name, weights=None):
    """Find a network's weight file: its path, which can be read.

    Args:
        name: of the network.
        weights: a path; None looks for the embedded file or `<name>.npz` in `folder()`.

    Raises:
        ArchiveError: there is no such file; says which command gets one.
    """
    if weights is not None:
        path = Path(weights)
    elif name in EMBEDDED:
        path = EMBEDDED[name]
    else:
        path = folder() / f'{name}.npz'
        if not path.exists():
            raise ArchiveError(_how_to_get(name))
    try:
        with open(path, 'rb'):
            return path
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no weight file {path}') from problem
    except IsADirectoryError as problem:
        raise ArchiveError(f'{path} is a folder; name the .npz file of weights in it') from problem
    except OSError as problem:
        raise ArchiveError(f'cannot read {path}: {problem.strerror}') from problem


def _how_to_get(name):
    fetched = [source for source in sources.of_network(name) if source.can_be_fetched()]
    fetch = (f'fetch them (python -m models.weights fetch {name}, {fetched[0].megabytes} MB), '
             if fetched else '')
    return (f'the weights of {name} are not in {folder()}: {fetch}convert a file that you have '
            f'(python -m models.weights convert FILE --as {name}), name an .npz file '
            '(--weights FILE) or another folder ($ARCHIVE_WEIGHTS), or use vgg19_small, which '
            'comes with the archive')


def write(path, arrays, provenance):
    """Write a weight file so that it is there in whole or not at all.

    The same arrays and provenance give the same bytes.

    Args:
        path: of the .npz.
        arrays: key -> array; no array of objects.
        provenance: what JSON can hold.

    Raises:
        ArchiveError: the disk is full, or the place cannot be written.
    """
    path = Path(path)
    text = np.array(json.dumps(provenance, sort_keys=True))
    unfinished = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f'.{path.name}.',
                                         delete=False) as file:
            unfinished = file.name
            write_arrays(file, {**arrays, 'provenance': text})
            file.flush()
            os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(unfinished, 0o666 & ~mask)  # a temporary file is the owner's alone
        os.replace(unfinished, path)
    except OSError as problem:
        raise ArchiveError(f'cannot write {path}: {reason_of(problem)}, or name another folder in '
                           '$ARCHIVE_WEIGHTS; nothing was changed') from problem
    finally:
        if unfinished and os.path.exists(unfinished):
            with contextlib.suppress(OSError):
                os.remove(unfinished)


def write_arrays(file, arrays, compression=zipfile.ZIP_STORED):
    """Write arrays as `np.savez` does, to the same bytes, and close what it opens where it fails.

    numpy leaves that to the end of the object, which then writes an error of its own to stderr.

    Args:
        file: open, binary.
        arrays: key -> array; no array of objects.
        compression: `zipfile.ZIP_STORED` or, as `np.savez_compressed`, `zipfile.ZIP_DEFLATED`.

    Raises:
        OSError: it cannot be written, such as on a full disk.
    """
    with zipfile.ZipFile(file, 'w', compression, allowZip64=True) as archive:
        for key, array in arrays.items():
            with archive.open(f'{key}.npy', 'w', force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


def _is_npz(path):
    """Tell whether a file is a zip of arrays; PyTorch's files are zips, too."""
    if not zipfile.is_zipfile(path):
        return False
    with npz.Zip(path) as archive:
        return all(name.endswith('.npy') for name in archive.namelist())


def array_sha256(array):
    """Compute the SHA-256 of an array's numbers as they lie in a file, in hexadecimal."""
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()


def sha256(path):
    """Compute the SHA-256 of a file, in hexadecimal."""
    with open(path, 'rb') as file:
        return npz.sha256_of(file)


def imagenet_classes():
    """List ImageNet's 1000 classes in the order of the outputs: (WordNet id, names) each.

    The ids and names of the ILSVRC 2012 classification task.
    """
    lines = IMAGENET_CLASSES.read_text().splitlines()
    return [tuple(line.split(' ', 1)) for line in lines]


def class_names(path, names):
    """Convert the names of classes to text that can be shown and written: a list of str.

    What cannot be printed becomes what `errors.one_line` makes of it, spaces in a row become one,
    and a name without any character '?'.

    Args:
        path: of the file that they are from, for messages.
        names: array or list of text, of bytes in UTF-8 or Latin-1, or of whole numbers.

    Raises:
        ArchiveError: they are something else, or no list.
    """
    try:
        found = names.tolist() if isinstance(names, np.ndarray) and names.ndim == 1 else names
    except (ValueError, SystemError):  # numbers beyond Unicode
        found = None
    if not isinstance(found, list) or not all(type(name) in (str, bytes, int) for name in found):
        raise ArchiveError(f'{path} is broken at classes: it must be a list of names, one for each '
                           'output')
    return [_shown(str(name) if type(name) is int else name) for name in found]


def _shown(name):
    if isinstance(name, bytes):
        try:
            name = name.decode('utf-8')
        except UnicodeDecodeError:
            name = name.decode('latin-1')
    # numpy has text padded with NULs.
    return ' '.join(one_line(name.rstrip('\0'), LONGEST_NAME).split()) or '?'


class WeightFile:
    """An open weight file, to be used in a `with`; arrays are read one at a time.

    Args:
        path: of the .npz file.
        network: whose weights it has; torchvision's parameter names are known for some.

    Raises:
        ArchiveError: it is not an .npz file, or it is broken.
    """

    def __init__(self, path, network=None):
        self.path = path
        with bounds.guarded(path):
            size = bounds.require_file(path)
            is_npz = _is_npz(path)
        if not is_npz and str(path).endswith('.npz'):
            raise ArchiveError(f'{path} is no whole .npz file; fetch or convert it anew')
        if not is_npz:
            raise ArchiveError(f'{path} is not a weight file of the archive (.npz); convert it: '
                               f'python -m models.weights convert {path} --as '
                               f'{network or "NETWORK"}')
        with bounds.guarded(path):
            self.budget = bounds.Budget(path, size)
            self.arrays = npz.Arrays(path, self.budget)
        translated = torchvision.keys_of(network)
        self.from_torchvision = any(key in self.arrays.files for key in translated.values())
        self.keys = translated if self.from_torchvision else {}

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.arrays.close()

    def array(self, key, shape):
        """Read an array in the type of the networks (floatX).

        Args:
            key: '<layer>.W' or '<layer>.b'.
            shape: what the network needs. A dense layer's inputs may stand in one axis or more.

        Raises:
            ArchiveError: it is missing, of another shape, or not made of finite numbers.
        """
        key = self.keys.get(key, key)
        if key not in self.arrays.files:
            there = [name.rpartition('.')[0] for name in self.arrays.files
                     if name.endswith(('.W', '.weight'))]
            raise ArchiveError(f'{self.path} has no {key}; its layers are '
                               f'{", ".join(there) or "none"}: ask for layers that it has, or '
                               'take another file')
        found = self._read_numbers(key)
        if self.from_torchvision and found.ndim == 4 and found.shape[1] == 3:
            found = torchvision.for_bgr_to_255(found)
        if found.size != int(np.prod(shape)) or found.shape[:1] != tuple(shape[:1]):
            raise ArchiveError(f'{self.path} has the weights of another network: {key} is '
                               f'{found.shape}, and this network needs {tuple(shape)}')
        if found.dtype != theano.config.floatX:
            with np.errstate(over='ignore'):
                found = found.astype(theano.config.floatX)
            if not np.isfinite(found).all():
                raise ArchiveError(f'{self.path} is broken at {key}: it holds numbers that '
                                   f'{theano.config.floatX} cannot')
        return found.reshape(shape)

    def origin(self):
        """Tell which file this is: an `Origin`, with the hash of the bytes that arrays come from.

        The open file is hashed, whatever has taken its name since.
        """
        with bounds.guarded(self.path):
            return Origin(self.path, self.arrays.sha256())

    def mean_pixel(self):
        """Read the mean to subtract, float32 (3,), BGR, 0..255; Oxford's where none is named."""
        if self.from_torchvision:
            return torchvision.mean_pixel()
        if 'mean_pixel' not in self.arrays.files:
            return np.array(VGG_MEAN_PIXEL, 'float32')
        mean_pixel = self._read_numbers('mean_pixel')
        if mean_pixel.size != 3:
            raise ArchiveError(f'{self.path}: mean_pixel is {mean_pixel.shape}; it must be three '
                               'numbers, blue, green and red')
        if not np.abs(mean_pixel).max() <= LARGEST_MEAN:
            raise ArchiveError(f'{self.path}: mean_pixel is {mean_pixel.ravel().tolist()}; it must '
                               'be three numbers within 0 to 255')
        return mean_pixel.astype('float32').ravel()

    def width(self):
        """Read the factor on the number of filters that the network was built with; 1 if none."""
        if 'width' not in self.arrays.files:
            return 1
        width = self._read_numbers('width').ravel()
        if width.size != 1 or not 0 < width[0] <= WIDEST:
            raise ArchiveError(f'{self.path} is broken at width: it must be one number above 0 and '
                               f'up to {WIDEST}')
        return float(width[0])

    def classes(self):
        """List the names of the classes in the order of the outputs, or None.

        Raises:
            ArchiveError: they are no list of text.
        """
        if 'classes' not in self.arrays.files:
            return None
        with bounds.guarded(f'{self.path}, at classes,'):
            self.budget.take_parts(bounds.product(self.arrays.header('classes').shape))
            return class_names(self.path, self.arrays['classes'])

    def provenance(self):
        """Say where the numbers come from, a dict, or None where the file does not say."""
        if 'provenance' not in self.arrays.files:
            return None
        with bounds.guarded(f'{self.path}, at provenance,'):
            if self.arrays.header('provenance').nbytes() > LARGEST_PROVENANCE:
                raise bounds.Refused(f'{self.path} was refused: its provenance is larger than '
                                     f'{LARGEST_PROVENANCE} bytes')
            provenance = json.loads(str(self._read('provenance')))
        if not isinstance(provenance, dict):
            raise ArchiveError(f'{self.path} is broken at provenance: it is no table')
        return provenance

    def verify_arrays(self):
        """Compare each array with the hash that the provenance has of it; return how many.

        Raises:
            ArchiveError: one differs, is missing, or cannot be read.
        """
        hashes = (self.provenance() or {}).get('arrays', {})
        if not isinstance(hashes, dict):
            raise ArchiveError(f'{self.path} is broken at provenance: its hashes are no table')
        for key, wanted in hashes.items():
            if key not in self.arrays.files or array_sha256(self._read(key)) != wanted:
                raise ArchiveError(f'{self.path} is damaged at {key}; fetch or convert it again')
        return len(hashes)

    def name_extra_keys(self, layers):
        """Name, as a warning, the arrays that belong to none of these layers; they are ignored."""
        extra = [key for key in self.arrays.files
                 if key not in DESCRIPTIONS and key not in self.keys.values()
                 and key.rpartition('.')[0] not in layers]
        if extra:
            log.warning('%s: ignored what is no layer of the network: %s', self.path,
                        ', '.join(extra))

    def _read_numbers(self, key):
        found = self._read(key)
        if found.dtype.kind not in 'fiu' or not np.isfinite(found).all():
            raise ArchiveError(f'{self.path} is broken at {key}: it must hold finite real numbers')
        return found

    def _read(self, key):
        with bounds.guarded(f'{self.path}, at {key},'):
            return self.arrays[key]
