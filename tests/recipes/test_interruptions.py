"""Runs that somebody stops, kills, stops reading, or gives too small a disk.

A run that ends early leaves whole files, tells it in one line or none, exits with the status that
the README names, and goes on to the same bytes.
"""

import contextlib
import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import models
from models import process
from models.errors import ArchiveError
from models.weights import files

import numpy as np
import pytest
from PIL import Image

from recipes.common import command_line, runs

ROOT = Path(__file__).parent.parent.parent
RECIPE = ROOT / 'recipes' / 'styletransfer.py'
# Few layers, since every set of them is compiled.
SHALLOW = ['--content-layers', 'conv2_2', '--style-layers', 'conv1_1,conv2_1']
SMALL = ['--size', '16', '--rounds', '1', '--evals', '2', *SHALLOW]


def start(*arguments, **options):
    """Start Python in a process of its own; its output is captured."""
    return subprocess.Popen([sys.executable, *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True,
                            env={**os.environ, 'PYTHONPATH': str(ROOT)}, **options)


def wait_for(is_there, child):
    """Wait until something is there, or the child has ended."""
    while not is_there() and child.poll() is None:
        time.sleep(0.002)


def wait_for_imports(child):
    """Wait until a child imports Theano: numpy, which it needs, is in its memory."""
    def is_importing():
        with contextlib.suppress(OSError):
            return 'multiarray' in Path(f'/proc/{child.pid}/maps').read_text()

    wait_for(is_importing, child)


def assert_told_well(errors):
    """Assert that a child said one thing at most, and no traceback."""
    assert errors.count('\n') <= 1 and 'Traceback' not in errors and 'ignored' not in errors, errors


def assert_whole(folder):
    """Assert that each file in a folder can be read to its end, but for what was never named."""
    for path in folder.rglob('*'):
        if path.suffix == '.png':
            Image.open(path).load()
        elif path.suffix == '.npz':
            with np.load(path) as arrays:
                dict(arrays)
        elif path.suffix == '.json':
            json.loads(path.read_text())
        elif path.suffix == '.csv':
            assert len({len(row) for row in csv.reader(path.open())}) == 1


@pytest.fixture
def small_disk(tmp_path):
    """Return a function that gives a folder on a disk of so many kilobytes, or skip."""
    folder = tmp_path / 'disk'
    folder.mkdir()

    def make(kilobytes):
        option = 'remount,' if os.path.ismount(folder) else ''
        command = ['mount', '-t', 'tmpfs', '-o', f'{option}size={kilobytes}k', 'tmpfs', folder]
        if not shutil.which('mount') or subprocess.run(command, capture_output=True).returncode:
            pytest.skip('only root may mount a small disk, and not in every container')
        return folder

    yield make
    subprocess.run(['umount', folder], capture_output=True)


@pytest.mark.parametrize('number', process.SIGNALS)
@pytest.mark.parametrize('program', [[RECIPE], ['-m', 'models.weights', 'list']])
def test_a_signal_during_the_imports_ends_without_a_word(program, number):
    child = start(*program, cwd=ROOT)
    wait_for_imports(child)
    child.send_signal(number)
    output, errors = child.communicate(timeout=600)
    assert (child.returncode, output, errors) == (128 + number, '', '')


def test_a_program_of_others_keeps_its_own_signals(tmp_path):
    (tmp_path / 'theirs.py').write_text(
        'import signal, models\n'
        'print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n'
        'try:\n    signal.raise_signal(signal.SIGINT)\n'
        'except KeyboardInterrupt:\n    print("theirs")\n')
    output, errors = start(tmp_path / 'theirs.py').communicate(timeout=600)
    assert (output, errors) == ('True\ntheirs\n', '')


@pytest.mark.parametrize('number', process.SIGNALS)
def test_each_signal_is_an_interruption_with_its_status(number, capsys):
    default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
    before = signal.signal(number, default)  # a suite in the background begins with it ignored
    try:
        with pytest.raises(SystemExit) as exit_:
            command_line.run(lambda: signal.raise_signal(number))
        assert exit_.value.code == 128 + number and signal.getsignal(number) == default
    finally:
        signal.signal(number, before)


def test_an_ignored_signal_stays_ignored(capsys):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        command_line.run(lambda: signal.raise_signal(signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize('streams', ['<&- >&- 2>&-', '2>&-', '2>&1 | head -1'])
def test_a_run_is_finished_though_nobody_reads_what_it_says(tmp_path, streams):
    command = ' '.join([sys.executable, str(RECIPE), *SMALL, '--out', f'{tmp_path}/run', streams])
    subprocess.run(command, shell=True, capture_output=True, timeout=600,
                   env={**os.environ, 'PYTHONPATH': str(ROOT)})
    assert json.loads((tmp_path / 'run' / 'run.json').read_text())['status'] == 'finished'
    assert_whole(tmp_path / 'run')
    assert (tmp_path / 'run' / 'figure.png').exists()


def test_a_stream_goes_on_where_its_reader_has_gone():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, 'w') as file:
        stream = process.Stream(file)
        for _ in range(2):
            print('lost', file=stream, flush=True)
        assert stream.problem is None


def test_what_a_full_disk_loses_of_the_output_is_told(capfd):
    with open('/dev/full', 'w') as full, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'stdout', full)
        with pytest.raises(SystemExit) as exit_:
            command_line.run(lambda: print('a table'))
    assert exit_.value.code == 1
    assert 'what it printed is lost: the disk is full' in capfd.readouterr().err


def test_arrays_are_written_as_numpy_does_and_closed_where_there_is_no_room(tmp_path, capfd):
    arrays = {'a': np.arange(6.0).reshape(2, 3), 'b c': np.array('text'), 'd': np.zeros((2, 0))}
    for name, save, compression in (('plain', np.savez, {}), (
            'small', np.savez_compressed, {'compression': files.zipfile.ZIP_DEFLATED})):
        save(tmp_path / f'{name}.npz', **arrays)
        with open(tmp_path / name, 'wb') as file:
            files.write_arrays(file, arrays, **compression)
        assert (tmp_path / name).read_bytes() == (tmp_path / f'{name}.npz').read_bytes()
    with pytest.raises(OSError, match='No space left'), open('/dev/full', 'wb') as file:
        files.write_arrays(file, {'large': np.random.RandomState(0).rand(1 << 16)})
    assert capfd.readouterr().err == ''


def test_a_file_that_finds_no_room_is_named_and_the_record_stays(tmp_path, monkeypatch):
    run = runs.Run('test', tmp_path / 'run')
    run.save_record(mark=1)
    monkeypatch.setattr(runs, '_sync', lambda path: open('/dev/full', 'w').write('x' * 9999))
    with pytest.raises(ArchiveError, match='cannot write .*/b.png: the disk is full; make room'), \
            run.recorded():
        run.record['files'].append('b.png')
        run.save_picture('b.png', np.zeros((16, 16, 3), 'uint8'), {})
    assert [path.name for path in run.folder.iterdir()] == ['run.json']
    assert json.loads((run.folder / 'run.json').read_text())['mark'] == 1


@pytest.mark.parametrize('name', ['file', 'link'])
def test_runs_that_cannot_be_made_name_out(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'runs').write_text('') if name == 'file' else \
        (tmp_path / 'runs').symlink_to('nowhere/at/all')
    with pytest.raises(ArchiveError, match='cannot make the folder runs/test-001 here: .*--out'):
        runs.Run('test')


def test_a_style_transfer_on_a_full_disk_is_one_line_and_goes_on(tmp_path, small_disk):
    disk = small_disk(120)
    arguments = ['--size', '48', '--rounds', '3', '--evals', '2', '--quiet']
    child = start(RECIPE, *arguments, '--out', disk / 'run')
    output, errors = child.communicate(timeout=600)
    assert child.returncode == 2
    assert_told_well(errors)
    assert f'cannot write {disk}/run/' in errors and 'the disk is full' in errors
    assert_whole(disk)
    small_disk(20000)
    assert start(RECIPE, '--quiet', '--resume', disk / 'run').communicate(timeout=600)[1] == ''
    assert json.loads((disk / 'run' / 'run.json').read_text())['status'] == 'finished'


@pytest.mark.slow
@pytest.mark.parametrize('kilobytes', [64, 200, 1000])
def test_a_full_disk_during_a_compilation_is_one_line(tmp_path, small_disk, kilobytes, monkeypatch):
    monkeypatch.setenv('THEANO_FLAGS', f'base_compiledir={small_disk(kilobytes)}')
    child = start(RECIPE, *SMALL, '--quiet', '--out', tmp_path / 'run')
    _, errors = child.communicate(timeout=500)
    assert child.returncode == 2 and 'the disk is full' in errors
    assert_told_well(errors)


# At random moments: each kind of run is stopped twenty times in each way.

class Painting:
    """A style transfer that goes on in its folder.

    Args:
        folder: for its results.
        data: folder for what it is given.
    """

    size = 3000  # kilobytes of a whole run, about

    def __init__(self, folder, data):
        self.out = folder / 'run'

    def command(self):
        """The arguments of Python for what is to be done next."""
        if (self.out / 'run.json').exists():
            return [RECIPE, '--quiet', '--resume', self.out]
        return [RECIPE, '--size', '48', '--rounds', '20', '--evals', '10', '--save-every', '7',
                '--quiet', '--force', '--out', self.out]

    def is_done(self):
        """Tell whether there is nothing left to do."""
        return (self.out / 'run.json').exists() and \
            json.loads((self.out / 'run.json').read_text())['status'] == 'finished'

    def results(self):
        """Return the bytes of what it made, by name."""
        return {path.name: path.read_bytes() for path in self.out.rglob('*')
                if path.suffix in ('.png', '.npz', '.csv', '.gif')}


class Training(Painting):
    """A training that goes on in new folders, from the last checkpoint."""

    size = 1500

    def __init__(self, folder, data):
        self.folder, self.data = folder, data / 'data.npz'
        pictures = np.random.RandomState(0).randint(0, 255, (64, 16, 16, 3), 'uint8')
        np.savez(self.data, images=pictures, labels=np.arange(64) % 2)

    def command(self):
        done = sorted(self.folder.glob('run_*'), key=lambda path: int(path.name[4:]))
        self.out = self.folder / f'run_{len(done)}'
        kept = [path / 'checkpoint.npz' for path in done if (path / 'checkpoint.npz').exists()]
        return [ROOT / 'recipes' / 'train_all_cnn.py', self.data, '--width', '0.1', '--size', '16',
                '--epochs', '40', '--quiet', '--out', self.out,
                *(['--resume', kept[-1]] if kept else [])]

    def results(self):
        return {name: (self.out / name).read_bytes() for name in ('weights.npz', 'epochs.csv')}


class Conversion(Painting):
    """A conversion, which begins anew each time."""

    size = 9000

    def __init__(self, folder, data):
        self.out, self.data = folder, data / 'vgg19.npz'
        net = models.build('vgg19', width=0.25, deepest='conv5_4')
        np.savez(self.data, **{
            f'{name}.{part}': getattr(layer, part).get_value()
            for name, layer in net.items() if hasattr(layer, 'W') for part in 'Wb'})

    def command(self):
        return ['-m', 'models.weights', 'convert', self.data, '--as', 'vgg19_quarter', '--out',
                self.out / 'converted.npz']

    def is_done(self):
        return (self.out / 'converted.npz').exists()

    def results(self):
        return {'converted.npz': (self.out / 'converted.npz').read_bytes()}


@pytest.fixture(params=[Painting, Training, Conversion])
def job(request, tmp_path):
    """Return a function that makes a job in a folder, and one that was done without a break."""
    def make(folder):
        folder.mkdir(parents=True, exist_ok=True)
        return request.param(folder, tmp_path)

    whole = make(tmp_path / 'whole' / 'out')
    began = time.time()
    child = start(*whole.command())
    assert child.communicate()[1].count('Traceback') == 0 and child.returncode == 0
    whole.seconds = time.time() - began
    return make, whole


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_twenty_interruptions_end_in_the_same_bytes(tmp_path, job, number):
    make, whole = job
    chance, interrupted = random.Random(number), 0
    work = make(tmp_path / 'stopped' / 'out')
    while interrupted < 20:
        child = start(*work.command())
        wait_for_imports(child)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(chance.uniform(0, whole.seconds))
        child.send_signal(number)
        _, errors = child.communicate(timeout=300)
        assert_told_well(errors)
        assert_whole(tmp_path / 'stopped' / 'out')
        if child.returncode:
            status = -number if number == signal.SIGKILL else 128 + number
            assert child.returncode == status, errors
            interrupted += 1
        assert child.returncode or work.is_done()
        if work.is_done():  # before the signal came, or just then; another one begins
            assert work.results() == whole.results()
            shutil.rmtree(tmp_path / 'stopped')
            work = make(tmp_path / 'stopped' / 'out')
    while not work.is_done() or child.returncode:
        child = start(*work.command())
        assert child.communicate()[1].count('Traceback') == 0
    assert work.results() == whole.results()


@pytest.mark.slow
def test_twenty_full_disks_end_in_the_same_bytes(tmp_path, job, small_disk):
    make, whole = job
    chance = random.Random(0)
    for _ in range(20):
        disk = small_disk(chance.randint(8, whole.size))
        work = make(disk / 'out' / 'job')
        child = start(*work.command())
        _, errors = child.communicate(timeout=300)
        assert child.returncode in (0, 1, 2)
        assert_told_well(errors)
        assert child.returncode == 0 or ('the disk is full' in errors and str(disk) in errors)
        assert_whole(disk)
        small_disk(100000)
        if child.returncode == 2:
            child = start(*work.command())
            assert child.communicate()[1].count('\n') <= 1 and child.returncode == 0
            assert work.results() == whole.results()
        subprocess.run(['umount', disk], check=True)
