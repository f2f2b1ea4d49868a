"""Photos by file or folder, read in batches; broken ones are named and the others are done."""

import os
from pathlib import Path

import models
from models import graphs
from models.errors import ArchiveError, Incomplete
from models.weights import files

import numpy as np

from recipes.common import images, names

TAKEN = ('index.html', 'run.json')  # names of files beside those of the photos
TOLD = 8  # problems that are told; run.json has all


def find(paths):
    """Find the pictures that files and folders name, each once: in a folder every one, by name.

    In a folder a file is a picture by its ending; a Mac's notes on one (`._name`) are none.

    Raises:
        ArchiveError: there is no such file or folder, or a folder without a picture.
    """
    found = []
    for path in map(Path, paths):
        if os.path.isdir(path):  # unlike Path's, False for a name that is too long
            inside = sorted(file for file in path.iterdir()
                            if images.named_like_a_picture(file) and file.is_file())
            if not inside:
                raise ArchiveError(f'there is no picture in the folder {path}')
            found += inside
        elif os.path.exists(path):
            found.append(path)
        else:
            raise ArchiveError(f'there is no picture or folder {path}')
    return list(dict.fromkeys(found))  # one that is named twice is shown once


class Photos:
    """Photos of any number, fitted to a network, in batches of one shape.

    Args:
        paths: of pictures, as `find` gives them.
        net: what they are for; a dense layer fixes their size.
        size: pixels of the shorter side.
        batch: how many at most are given at once.
        square: whether to cut out the square in the middle.

    Attributes:
        names: path -> a short name of its own for files of results, safe as one.
        problems: what could not be read, one line each.

    Raises:
        ArchiveError: there is one photo only, and it cannot be read.
    """

    def __init__(self, paths, net, size, batch=16, square=False):
        self.paths, self.net, self.size, self.batch = paths, net, size, batch
        self.square = square
        self.names = names.unique({path: path.stem for path in paths}, TAKEN, 'photo')
        self.problems = []
        if len(paths) == 1:  # the only one must be good, before anything is begun
            self.read(paths[0])

    def batches(self):
        """Yield lists of (path, RGB uint8 array) with arrays of one shape, in order.

        Raises:
            ArchiveError: none could be read.
        """
        waiting = []
        self.problems = []
        for path in self.paths:
            try:
                rgb = self.read(path)
            except ArchiveError as problem:
                self.problems.append(str(problem))
                continue
            if waiting and (len(waiting) == self.batch or waiting[0][1].shape != rgb.shape):
                yield waiting
                waiting = []
            waiting.append((path, rgb))
        if waiting:
            yield waiting
        else:
            raise ArchiveError(told(self.problems))

    def read(self, path):
        """Read one photo, fitted to the network: RGB uint8 array."""
        return fit(images.read(path), self.net, self.size, self.square)

    def finish(self):
        """Tell which photos were left out.

        Raises:
            Incomplete: some were.
            ArchiveError: all were.
        """
        if len(self.problems) == len(self.paths):
            raise ArchiveError(told(self.problems))
        if self.problems:
            raise Incomplete(f'{len(self.problems)} of {len(self.paths)} photos were left out, '
                             f'the others are done: {told(self.problems)}')


def told(problems):
    """Say what could not be read in one line; of many only the first."""
    more = len(problems) - TOLD
    return '; '.join(problems[:TOLD]) + (f'; and {more} more, see run.json' if more > 0 else '')


def fit(rgb, net, size, square=False):
    """Fit a picture to the size that a network takes.

    Args:
        rgb: uint8 array (rows, columns, 3).
        net: ordered dict of layers.
        size: pixels of the shorter side; where the network fixes its input, the square in the
            middle is taken.
        square: take the square in the middle anyway.
    """
    if square or graphs.input_layer(net).shape[2] is not None:
        rgb = images.crop_square(rgb)
    return images.resize(rgb, size)


def size_for(net, model, wanted, embedded):
    """Choose the size of pictures: as wanted, else fixed by the network, else by its training.

    Args:
        net: ordered dict of layers.
        model: its name.
        wanted: pixels of the shorter side, or None.
        embedded: pixels for the embedded network.

    Raises:
        ArchiveError: the network fixes another.
    """
    default = embedded if model in files.EMBEDDED else models.facts_of(model).size
    fixed = graphs.input_layer(net).shape[2]
    if None not in (wanted, fixed) and wanted != fixed:
        raise ArchiveError(f'a dense layer of this network fixes the size at {fixed} pixels; '
                           'omit --size')
    return wanted or fixed or default


def stack(rgbs, mean_pixel):
    """Stack pictures of one shape as networks take them: (batch, 3, rows, columns)."""
    return np.concatenate([images.prepare(rgb, mean_pixel) for rgb in rgbs])
