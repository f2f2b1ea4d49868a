"""The folder of a run: pictures that carry their parameters, losses.csv, run.json."""

import csv
import hashlib
import importlib.metadata
import json
import os
import platform
import time
from pathlib import Path

from PIL import Image, PngImagePlugin

from models.errors import ArchiveError
from models.runtime import start

OWN_FILES = ('round_*.png', 'result.png', 'figure.png', 'losses.csv')
PICTURE_ENDINGS = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.webp', '.gif')
PACKAGES = ('numpy', 'scipy', 'pillow', 'matplotlib', 'Theano-PyMC', 'Lasagne',
            'scipy-openblas32')


class Run:
    """One run of a recipe, with its folder.

    Args:
        recipe: its name.
        out: the folder to make; None makes a new `runs/<recipe>-NNN`.
        force: whether to write into a folder that exists; what an earlier run of the archive left
            there is removed, so that the folder shows one run, and everything else is kept.

    Raises:
        ArchiveError: the folder exists, cannot be made, or is named like a picture.
    """

    def __init__(self, recipe, out=None, force=False):
        self.recipe = recipe
        self.folder = _make_folder(Path(out), force) if out else _make_next_folder(recipe)
        self.started = time.time()
        self.record = {'recipe': recipe, 'status': 'running',
                       'started': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
                       'versions': versions(), 'threads': start.blas_threads()}

    def save_record(self, **entries):
        """Add entries to run.json and write it, whole or not at all."""
        self.record.update(entries, seconds=round(time.time() - self.started, 2))
        partial = self.folder / 'run.json.partial'
        partial.write_text(json.dumps(self.record, indent=2) + '\n')
        os.replace(partial, self.folder / 'run.json')

    def save_picture(self, name, rgb, parameters):
        """Save a uint8 RGB picture as PNG, with the parameters that decide its pixels inside.

        No time, path or duration goes in, so the same parameters give the same bytes.
        """
        text = PngImagePlugin.PngInfo()
        text.add_text('Software', 'Theano/Lasagne reproduction archive')
        text.add_text('Parameters', json.dumps({'recipe': self.recipe, **parameters},
                                               sort_keys=True))
        Image.fromarray(rgb).save(self.folder / name, pnginfo=text)

    def save_table(self, name, columns, rows):
        """Save rows as a CSV file with a header."""
        with open(self.folder / name, 'w', newline='') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(columns)
            writer.writerows(rows)


def versions():
    """Return the versions of Python, the archive and what its results depend on."""
    return {'python': platform.python_version(), 'archive': _version('lasagne-archive'),
            **{name: _version(name) for name in PACKAGES}}


def pixel_hash(rgb):
    """Return a short SHA-256 of a picture's size and pixels, the same for any file format."""
    return hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest()[:16]


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _make_folder(folder, force):
    if folder.suffix.lower() in PICTURE_ENDINGS:
        raise ArchiveError(f'--out names the folder of the run, and {folder} is named like a '
                           'picture; leave the ending away')
    if folder.exists() and not force:
        raise ArchiveError(f'{folder} exists already; take another --out, or --force to write '
                           'into it')
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / 'run.json').exists():
            for pattern in OWN_FILES:
                for path in folder.glob(pattern):
                    path.unlink()
        (folder / 'run.json').touch()
    except OSError as problem:
        raise ArchiveError(f'cannot write the folder {folder}: {problem.strerror}; take another '
                           '--out') from problem
    return folder


def _make_next_folder(recipe):
    for number in range(1, 1000000):
        folder = Path('runs') / f'{recipe}-{number:03d}'
        if not folder.exists():
            return _make_folder(folder, force=True)
    raise ArchiveError('runs/ is full; clear it or use --out')
