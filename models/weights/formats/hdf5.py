"""HDF5 files, opened in a process of their own.

The library that reads them is a large one in C, and a broken file can make it crash, run for ever,
or allocate without end before anybody is asked. So `hdf5_reader.py` runs it under limits of memory
and time, and this module asks that process: first what there is, then for one array after another.
"""

import contextlib
import json
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

from models.errors import ArchiveError
from models.weights.bounds import Refused, product

import numpy as np

READER = Path(__file__).with_name('hdf5_reader.py')
SLOWEST = 20e6  # bytes a second that packed numbers unpack at least
SECONDS = 10    # of computing, for a file of no size
BLOCK = 1 << 20  # bytes


class Group(OrderedDict):
    """Members of a group by name, `Group` or `Dataset`; its attributes of text and whole numbers in
    `attrs`."""

    def __init__(self, attributes):
        super().__init__()
        self.attrs = attributes


class Dataset:
    """An array of numbers that is read when it is asked for.

    Attributes:
        name: of it, with those of its groups.
        shape, dtype: of its array; a `dtype` of None is none of numbers.
        refused: why it is not read, or None.
    """

    def __init__(self, file, name, shape, dtype, refused):
        self.file, self.name = file, name
        self.shape, self.dtype = tuple(shape), dtype and np.dtype(dtype)
        self.refused = refused

    def read(self):
        """Read the array that this stands for.

        Raises:
            ArchiveError: it holds no numbers, or cannot be read.
            Refused: it claims far more than it holds, or takes it from another file.
        """
        return self.file.array(self)


class File:
    """An open HDF5 file, to be used in a `with`.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Attributes:
        root: the Group of all.

    Raises:
        ArchiveError: it is broken.
    """

    def __init__(self, path, budget):
        self.path, self.budget = path, budget
        seconds = SECONDS + int(budget.bytes / SLOWEST)
        self.process = subprocess.Popen(
            [sys.executable, str(READER), str(Path(path).resolve()), str(budget.bytes),
             str(budget.parts_left), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        try:
            self.root = self._group(self._answer()['root'])
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.process.kill()
        with contextlib.suppress(BrokenPipeError):  # of what a dead reader did not take
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def array(self, dataset):
        """Read the array of a dataset of this file."""
        if dataset.refused:
            raise Refused(f'{self.path} was refused: {dataset.name} {dataset.refused}')
        if dataset.dtype is None:
            raise ArchiveError(f'{self.path}: {dataset.name} holds no numbers')
        self.budget.take_bytes(product(dataset.shape) * dataset.dtype.itemsize, dataset.name)
        try:
            self.process.stdin.write(json.dumps(dataset.name).encode() + b'\n')
            self.process.stdin.flush()
        except BrokenPipeError:
            self._fail()
        self._answer()
        array = np.empty(dataset.shape, dataset.dtype)
        flat = array.reshape(-1).view('u1') if array.size else array.ravel()
        while len(flat):
            count = self.process.stdout.readinto(flat[:BLOCK])
            if not count:
                self._fail()
            flat = flat[count:]
        return array

    def _answer(self):
        """Read the next line of the reader."""
        line = self.process.stdout.readline()
        if not line.endswith(b'\n'):
            self._fail()
        answer = json.loads(line)
        if 'problem' in answer:
            raise ArchiveError(f'{self.path} is a broken HDF5 file: {answer["problem"]}'
                               ) from RuntimeError(answer['traceback'])
        return answer

    def _fail(self):
        """Raise what it means that the reader is gone."""
        self.process.wait()
        raise ArchiveError(f'{self.path} is a broken HDF5 file: the process that read it ended '
                           f'with status {self.process.returncode}')

    def _group(self, described):
        group = Group(described['attributes'])
        for name, member in described['members'].items():
            self.budget.take_parts()
            group[name] = (self._group(member) if 'members' in member else
                           Dataset(self, **member))
        return group
