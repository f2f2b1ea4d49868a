"""The arrays of an `.npz`, read one at a time, after it is known what each will take.

numpy's own reader evaluates a header before it looks at it, and makes an array as large as the
header claims. Here a header has the one form in which numpy writes plain numbers and text, and
claims the bytes that are there; whether an array may be of Python objects, whose pickle follows,
says who asks. Source: numpy/lib/format.py, NumPy Enhancement Proposal 1.
"""

from __future__ import annotations  # Python 3.9 does not know `X | None`

import hashlib
import os
import re
import zipfile
from dataclasses import dataclass

from models.errors import one_line
from models.weights.bounds import Budget, Refused, product

import numpy as np

LARGEST_DIRECTORY = 2 << 20  # bytes of a zip's table of files; an entry has 50 and its name
LONGEST_HEADER = 10_000      # bytes, numpy's own limit; of ours they have 118
BLOCK = 1 << 20              # bytes
MAGIC = b'\x93NUMPY'
HEADER = re.compile(
    rb"\{'descr': '([<>|=]?(?:[fiuc][1248]|c16|b1|[SU][1-9]\d{0,5})|\|?O)', "
    rb"'fortran_order': (False|True), 'shape': \(((?:\d{1,18}L?, ?)*(?:\d{1,18}L?)?)\),? ?\}\s*")


class Zip(zipfile.ZipFile):
    """A zip file whose table of files is no larger than the many files of any weights.

    Args:
        path: of the file.

    Raises:
        Refused: the table is larger.
        zipfile.BadZipFile and others: it is no zip file, or a broken one.
    """

    def __init__(self, path):
        self.bounded = _Bounded(path)
        try:
            super().__init__(self.bounded)
        except BaseException:
            self.bounded.close()
            raise
        self.bounded.most = None

    def close(self):
        super().close()
        self.bounded.close()


class _Bounded:
    """A file that makes no room for more than is left of it; zipfile asks for what it claims.

    Attributes:
        most: bytes that can be read at once; None for as many as are left.
    """

    def __init__(self, path):
        self.path, self.most = path, LARGEST_DIRECTORY
        self.file = open(path, 'rb')
        self.size = os.fstat(self.file.fileno()).st_size
        self.seek, self.tell, self.close = self.file.seek, self.file.tell, self.file.close
        self.seekable = self.file.seekable

    def read(self, count=-1):
        if self.most is not None and count > self.most:
            raise Refused(f'{self.path} was refused: its table of files has {count} bytes')
        left = max(self.size - self.file.tell(), 0)
        return self.file.read(left if count is None or count < 0 else min(count, left))


@dataclass
class Header:
    """What an array says of itself: its shape, its type, its order in memory."""

    shape: tuple
    dtype: np.dtype
    order: str

    def nbytes(self):
        """Compute the bytes of the array."""
        return product(self.shape) * self.dtype.itemsize


def read_header(file, path, size, may_be_objects=False):
    """Read the header of an open `.npy`, and leave the file behind it.

    Args:
        file: open for reading bytes, at its start.
        path: of the file, for messages.
        size: bytes of the file.
        may_be_objects: of Python, whose pickle is behind the header.

    Raises:
        Refused: it is none of plain numbers or text, or claims another size than is there.
    """
    magic = file.read(8)
    width = {1: 2, 2: 4, 3: 4}.get(magic[6]) if len(magic) == 8 else None
    if width is None or not magic.startswith(MAGIC):
        raise Refused(f'{path} is broken: it is no array of numpy')
    length = int.from_bytes(file.read(width), 'little')
    text = file.read(length) if length <= LONGEST_HEADER else b''
    found = HEADER.fullmatch(text)
    header = found and Header(tuple(int(digits) for digits in re.findall(rb'\d+', found[3])),
                              np.dtype(found[1].decode()), 'F' if found[2] == b'True' else 'C')
    if header is None or header.dtype.hasobject and not may_be_objects:
        raise Refused(f'{path} is broken: it is no array of numbers or text '
                      f'({one_line(text[:100].decode("latin-1")).strip() or "no header"})')
    held = size - 8 - width - length
    if not header.dtype.hasobject and header.nbytes() != held:
        raise Refused(f'{path} was refused: it claims {header.shape} of {header.dtype}, and holds '
                      f'{held} bytes')
    return header


def read_numbers(file, header):
    """Read the array of numbers or text behind its header.

    Raises:
        EOFError: it is cut off.
    """
    array = np.empty(header.shape, header.dtype, header.order)
    flat = array.reshape(-1, order=header.order).view('u1') if array.size else array
    for start in range(0, array.nbytes, BLOCK):
        place = flat[start:start + BLOCK]
        block = file.read(len(place))
        if len(block) != len(place):
            raise EOFError('it is cut off')
        place[:] = np.frombuffer(block, 'u1')
    file.read(1)  # at the end of a packed file the checksum is compared
    return array


class Arrays:
    """An open .npz, to be used in a `with`; a mapping from keys to arrays that are read on demand.

    Args:
        path: of the file.
        budget: that all arrays together must fit into.

    Attributes:
        files: the keys.

    Raises:
        Refused: they do not, whatever they claim; or they are packed as numpy does not pack.
        zipfile.BadZipFile and others: it is no zip file, or a broken one.
    """

    def __init__(self, path, budget):
        self.path = path
        self.archive = Zip(path)
        self.entries = {entry.filename[:-len('.npy')]: entry for entry in self.archive.infolist()
                        if entry.filename.endswith('.npy')}
        self.files = list(self.entries)
        try:
            for entry in self.archive.infolist():
                self._require_plain(entry)
                budget.take_bytes(entry.file_size, entry.filename)
        except BaseException:
            self.archive.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.close()

    def close(self):
        """Close the file."""
        self.archive.close()

    def open(self, key):
        """Open an array's `.npy` for reading bytes."""
        return self.archive.open(self.entries[key])

    def size(self, key):
        """Give the bytes of an array's `.npy`."""
        return self.entries[key].file_size

    def header(self, key):
        """Read the header of an array.

        Raises:
            Refused: it is none of plain numbers or text, or claims another size than is there.
        """
        with self.open(key) as file:
            return read_header(file, self._place(key), self.size(key))

    def __getitem__(self, key):
        with self.open(key) as file:
            return read_numbers(file, read_header(file, self._place(key), self.size(key)))

    def read_all(self):
        """Read every array: a dict.

        Raises:
            Refused, zipfile.BadZipFile and others: as `read_all` of the module.
        """
        return {key: self[key] for key in self.files}

    def sha256(self):
        """Compute the SHA-256 of the whole file, in hexadecimal.

        It is that of the bytes which the arrays come from, also where another file has taken the
        name since it was opened.
        """
        return sha256_of(self.archive.bounded.file)

    def _place(self, key):
        return f'{self.path}, at {key},'

    def _require_plain(self, entry):
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Refused(f'{self.path} was refused: {entry.filename} in it is packed in a way '
                          'that numpy does not write')


def sha256_of(file):
    """Compute the SHA-256 of an open binary file from its first byte on, in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    for block in iter(lambda: file.read(BLOCK), b''):
        digest.update(block)
    return digest.hexdigest()


def read_all(path):
    """Read every array of an .npz: a dict.

    Raises:
        Refused: they take more than such a file can need, or are none of numbers or text.
        OSError, zipfile.BadZipFile and others: there is no such file, or it is broken.
    """
    with opened(path) as file:
        return file.read_all()


def opened(path):
    """Open an .npz whose arrays may take as much as such a file can need: `Arrays`.

    Raises:
        Refused, OSError and others: as `read_all`.
    """
    return Arrays(path, Budget(path, os.path.getsize(path)))
