"""The folder of a run: pictures that carry their parameters, losses.csv, run.json."""

import contextlib
import csv
import hashlib
import json
import os
import platform
import shutil
import sys
import time
import zipfile
from pathlib import Path

from models.errors import ArchiveError, reason_of
from models.runtime import start
from models.runtime.xla import devices
from models.weights import files

from PIL import Image, PngImagePlugin

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
        self.folder = (_make_next_folder(recipe) if out is None
                       else _make_folder(Path(out), force))
        self.started = time.time()
        self.record = {'recipe': recipe, 'status': 'running',
                       'started': time.strftime('%Y-%m-%dT%H:%M:%S%z'),
                       'versions': versions(), 'threads': start.blas_threads(),
                       'device': devices.description(), 'files': []}

    @classmethod
    def reopened(cls, recipe, folder, keep):
        """Reopen a run that goes on in its folder, where what `keep` does not keep is removed.

        Args:
            recipe: its name.
            folder: of a run that has a run.json.
            keep: function from the name of a file of the run to whether it stays.

        Raises:
            ArchiveError: it has no run.json that can be read.
        """
        run = cls.__new__(cls)
        run.recipe, run.folder = recipe, Path(folder)
        run.record = read_record(folder)
        run.started = time.time() - run.record.get('seconds', 0)
        for name in [name for name in run.record['files'] if not keep(name)]:
            (run.folder / name).unlink(missing_ok=True)
            run.record['files'].remove(name)
        for partial in run.folder.rglob('*.partial'):  # of a process that was killed
            partial.unlink()
        run.record.pop('error', None)
        run.save_record(status='running', versions=versions(), threads=start.blas_threads(),
                        device=devices.description())
        return run

    def copy_from(self, folder, keep):
        """Copy those files of an earlier run that `keep` keeps."""
        for name in read_record(folder)['files']:
            if keep(name) and (Path(folder) / name).exists():
                with self.writing(name) as path:
                    shutil.copyfile(Path(folder) / name, path)

    def save_record(self, **entries):
        """Add entries to run.json and write it."""
        self.record.update(entries, seconds=self.seconds())
        with self.writing('run.json') as path:
            path.write_text(json.dumps(self.record, indent=2, allow_nan=False) + '\n')

    @contextlib.contextmanager
    def recorded(self):
        """Write into run.json how what is done inside has ended, also where it fails."""
        try:
            yield
        except KeyboardInterrupt:
            self.save_record(status='interrupted')
            print(f'stopped; what was done until then is in {self.folder}', file=sys.stderr)
            raise
        except Exception as problem:
            with contextlib.suppress(ArchiveError):  # of a full disk the problem itself tells
                self.save_record(status='failed', error=str(problem))
            raise
        self.save_record(status='finished')

    def seconds(self):
        """Count the seconds since the run began."""
        return round(time.time() - self.started, 2)

    def save_picture(self, name, rgb, parameters):
        """Save an RGB, RGBA or grey uint8 picture as PNG, with what decides its pixels inside.

        No time, path or duration goes in, so the same parameters give the same bytes.
        """
        text = PngImagePlugin.PngInfo()
        text.add_text('Software', 'Theano/Lasagne reproduction archive')
        text.add_text('Parameters', json.dumps({'recipe': self.recipe, **parameters},
                                               sort_keys=True))
        with self.writing(name) as path:
            Image.fromarray(rgb).save(path, format='PNG', pnginfo=text)

    def save_table(self, name, columns, rows):
        """Save rows as a CSV file with a header."""
        with self.writing(name) as path, open(path, 'w', newline='', encoding='utf-8',
                                              errors='backslashreplace') as file:
            writer = csv.writer(file, lineterminator='\n')
            writer.writerow(columns)
            writer.writerows(rows)

    def save_arrays(self, name, arrays):
        """Save a dict of arrays as a compressed .npz file."""
        with self.writing(name) as path, open(path, 'wb') as file:
            files.write_arrays(file, arrays, zipfile.ZIP_DEFLATED)

    def save_state(self, name, arrays):
        """Save a dict of arrays as an .npz file, uncompressed: noise does not get smaller."""
        with self.writing(name) as path, open(path, 'wb') as file:
            files.write_arrays(file, arrays)

    @contextlib.contextmanager
    def writing(self, name):
        """Give a path to write to, that takes its name when it is whole and on disk, not before.

        run.json lists the file before it exists, so that --force always finds it.

        Raises:
            ValueError: the name leads out of the folder; `recipes.common.names` makes safe ones.
            ArchiveError: it cannot be written; a file of this name that was there stays.
        """
        if Path(name).is_absolute() or '..' in Path(name).parts:
            raise ValueError(f'{name!r} leads out of the folder of the run')
        if name != 'run.json' and name not in self.record['files']:
            self.record['files'].append(name)
            self.save_record()
        path = self.folder / name
        partial = path.with_name(f'{path.name}.partial')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            _sync(partial)
            os.replace(partial, path)
            _sync(path.parent)
        except OSError as problem:
            raise ArchiveError(f'cannot write {path}: {reason_of(problem)} (or take another '
                               'folder with --out)') from problem
        finally:
            with contextlib.suppress(OSError):  # such as a folder that nobody may write to
                partial.unlink()


def read_record(folder):
    """Read what run.json in a folder says.

    Raises:
        ArchiveError: there is no such folder or file, or it is broken.
    """
    try:
        record = json.loads((Path(folder) / 'run.json').read_text(),
                            parse_constant=_no_number, parse_float=_finite)
    except (OSError, ValueError, RecursionError) as problem:
        raise ArchiveError(f'{folder} is no run of the archive: it has no run.json that can be '
                           'read') from problem
    wrong = [name for name, is_right in ENTRIES.items()
             if not isinstance(record, dict) or not is_right(record.get(name))]
    if wrong:
        raise ArchiveError(f'{folder} is no run of the archive: its run.json lacks '
                           f'{" and ".join(wrong)}, or has something else there')
    return {name: value for name, value in record.items() if value is not None}


def _no_number(text):
    raise ValueError(f'{text} is no number')


def _finite(text):
    value = float(text)
    return value if abs(value) < float('inf') else _no_number(text)


def _is_list_of(kind):
    return lambda value: isinstance(value, list) and all(isinstance(one, kind) for one in value)


def _or_missing(is_right):
    return lambda value: value is None or is_right(value)


# What every run.json must have, and what an entry must be where it is there.
ENTRIES = {
    'recipe': lambda value: isinstance(value, str),
    'files': _is_list_of(str),
    'status': _or_missing(lambda value: isinstance(value, str)),
    'seconds': _or_missing(lambda value: type(value) in (int, float)),
    'rounds': _or_missing(lambda value: _is_list_of(dict)(value)
                          and all(type(entry.get('round')) is int for entry in value)),
    'resumed': _or_missing(_is_list_of(int)),
    'parameters': _or_missing(lambda value: isinstance(value, dict)),
    'options': _or_missing(lambda value: isinstance(value, dict)),
    'plan': _or_missing(lambda value: isinstance(value, dict)),
}


def _sync(path):
    """Have what was written to a file or folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def versions():
    """List the versions of Python, the archive and what its results depend on."""
    return {'python': platform.python_version(),
            'archive': start.installed_version('lasagne-archive'),
            **{name: start.installed_version(name) for name in PACKAGES}}


def pixel_hash(rgb):
    """Compute a short SHA-256 of a picture's size and pixels, the same for any file format."""
    return hashlib.sha256(repr(rgb.shape).encode() + rgb.tobytes()).hexdigest()[:16]


def _make_folder(folder, force):
    if folder.suffix.lower() in PICTURE_ENDINGS:
        raise ArchiveError(f'--out names the folder of the run, and {folder} is named like a '
                           'picture; omit the ending')
    try:
        folder.mkdir(parents=True)
    except FileExistsError as problem:
        if not force or not folder.is_dir():
            raise ArchiveError(f'{folder} exists already; take another --out, or --force to write '
                               'into a folder') from problem
        _remove_earlier_run(folder)
    except OSError as problem:
        raise ArchiveError(f'cannot make the folder {folder}: {reason_of(problem)}; take another '
                           '--out') from problem
    return folder


def _remove_earlier_run(folder):
    try:
        record = json.loads((folder / 'run.json').read_text())
        files, cells = list(record['files']), list(record.get('cells', []))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return  # no run of the archive
    for path in (folder / name for name in files):
        if folder.resolve() in path.resolve().parents and path.is_file():
            path.unlink()
    for cell in (folder / name for name in cells):  # of a grid: runs of their own
        if folder.resolve() == cell.resolve().parent and cell.is_dir():
            _remove_earlier_run(cell)
            (cell / 'run.json').unlink(missing_ok=True)
            for path in (cell / 'frames', cell):
                with contextlib.suppress(OSError):  # it is not there, or holds what is no run's
                    path.rmdir()


def _make_next_folder(recipe):
    for number in range(1, 1000000):
        folder = Path('runs') / f'{recipe}-{number:03d}'
        try:
            folder.mkdir(parents=True)
        except OSError as problem:
            if isinstance(problem, FileExistsError) and os.path.lexists(folder):
                continue  # also where another run takes the same number at this moment
            raise ArchiveError(f'cannot make the folder {folder} here: {reason_of(problem)}; name '
                               'another one with --out') from problem
        return folder
    raise ArchiveError('runs/ is full; clear it or use --out')
