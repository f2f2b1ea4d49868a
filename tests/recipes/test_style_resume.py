"""A run that is stopped, killed or taken up at an earlier round ends as if nothing had been."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer
from recipes.style import journal
from recipes.style.loss import StyleLoss

ROOT = Path(__file__).parent.parent.parent
# Few layers, since every set of them is compiled.
SHALLOW = ['--content-layers', 'conv2_2', '--style-layers', 'conv1_1,conv2_1']
SMALL = ['--size', '16', '--rounds', '3', '--evals', '3', '--quiet', *SHALLOW]


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Return the folder of a run of three rounds on a photo that lies beside it."""
    folder = tmp_path_factory.mktemp('finished')
    picture = np.random.RandomState(0).randint(0, 255, (20, 20, 3), 'uint8')
    Image.fromarray(picture).save(folder / 'photo.png')
    paint(*SMALL, '--content', folder / 'photo.png', '--out', folder / 'run')
    return folder / 'run'


def paint(*arguments):
    styletransfer.main([*map(str, arguments), '--quiet'])


def bytes_of(folder):
    """Return the bytes of pictures, states and losses in a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*')
            if path.name.endswith(('.png', '.npz', '.csv', '.gif', '.partial'))}


def assert_same(folder, expected):
    found, expected = bytes_of(folder), bytes_of(expected)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


class Stopped(BaseException):
    """A stop that no code of the recipe expects."""


@pytest.fixture
def stopping(monkeypatch):
    """Return a function that has the run stop at the n-th loss from now on."""
    original = StyleLoss.__call__

    def at(evaluation):
        count = [0]

        def counted(loss, picture):
            count[0] += 1
            if count[0] == evaluation:
                raise Stopped
            return original(loss, picture)

        monkeypatch.setattr(StyleLoss, '__call__', counted)

    return at


VARIANTS = {
    'lbfgs': [],
    'adam': ['--optimiser', 'adam', '--bounds', '--save-every', '2'],
    'phases': ['--size', '32', '--phases', '2', '--rounds', '2', '--normalise-gradients'],
}


@pytest.mark.parametrize('variant', VARIANTS)
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path, stopping, variant):
    arguments = [*SMALL, *VARIANTS[variant]]
    paint(*arguments, '--out', tmp_path / 'whole')
    stopping(8 if variant != 'phases' else 25)  # of the second round, or of the second phase
    with pytest.raises(Stopped):
        paint(*arguments, '--out', tmp_path / 'stopped')
    assert len(journal.numbers(tmp_path / 'stopped')) < len(journal.numbers(tmp_path / 'whole'))
    stopping(None)
    paint('--resume', tmp_path / 'stopped')
    assert_same(tmp_path / 'stopped', tmp_path / 'whole')
    record = json.loads((tmp_path / 'stopped' / 'run.json').read_text())
    assert record['status'] == 'finished' and len(record['resumed']) == 1
    whole = json.loads((tmp_path / 'whole' / 'run.json').read_text())
    assert record['rounds'] == whole['rounds']


def test_a_run_in_phases_can_have_more_rounds_of_the_last_one(tmp_path):
    arguments = [*SMALL, '--size', '32', '--phases', '2', '--rounds', '2']
    paint(*arguments, '--last-rounds', '4', '--out', tmp_path / 'whole')
    paint(*arguments, '--out', tmp_path / 'run')
    with pytest.raises(ArchiveError, match='all of its 4 rounds, 2 of them in the last phase'):
        paint('--resume', tmp_path / 'run')
    paint('--resume', tmp_path / 'run', '--rounds', '3')
    paint('--resume', tmp_path / 'run', '--rounds', '4')
    assert journal.numbers(tmp_path / 'run') == [0, 1, 2, 3, 4, 5, 6]
    assert_same(tmp_path / 'run', tmp_path / 'whole')


@pytest.mark.parametrize('ending', ['keep_best', 'save_figures'])
def test_a_run_that_was_stopped_after_its_last_round_gets_its_result(tmp_path, finished,
                                                                     monkeypatch, ending):
    def stop(*arguments):
        raise Stopped

    content = ['--content', finished.parent / 'photo.png']
    with monkeypatch.context() as patch:
        patch.setattr(journal.Journal, ending, stop)
        with pytest.raises(Stopped):
            paint(*SMALL, *content, '--out', tmp_path / 'run')
    assert journal.numbers(tmp_path / 'run') == [0, 1, 2, 3]
    paint('--resume', tmp_path / 'run')
    assert_same(tmp_path / 'run', finished)


def test_a_finished_run_keeps_its_result_until_there_is_a_new_one(tmp_path, finished, monkeypatch):
    def stop(*arguments):
        raise Stopped

    shutil.copytree(finished, tmp_path / 'run')
    with monkeypatch.context() as patch:
        patch.setattr(styletransfer, 'Looker', stop)
        with pytest.raises(Stopped):
            paint('--resume', tmp_path / 'run', '--rounds', '4')
    assert_same(tmp_path / 'run', finished)
    paint('--resume', tmp_path / 'run', '--rounds', '4')
    assert journal.numbers(tmp_path / 'run') == [0, 1, 2, 3, 4]


def test_a_watched_run_is_watched_on(tmp_path, stopping, capsys):
    stopping(7)
    with pytest.raises(Stopped):
        paint(*SMALL, '--watch', '--out', tmp_path / 'run')
    page = (tmp_path / 'run' / 'watch.html').read_text()
    assert 'stopped after' in page and 'http-equiv="refresh"' not in page
    stopping(None)
    paint('--resume', tmp_path / 'run')
    assert 'finished after' in (tmp_path / 'run' / 'watch.html').read_text()


def test_an_earlier_round_goes_on_in_a_new_folder(tmp_path, finished):
    before = bytes_of(finished)
    paint('--resume', finished, '--from', '1', '--out', tmp_path / 'again')
    assert_same(tmp_path / 'again', finished)
    assert bytes_of(finished) == before


def test_a_finished_run_gets_more_rounds(tmp_path, finished):
    content = ['--content', finished.parent / 'photo.png']
    paint(*SMALL, *content, '--rounds', '2', '--out', tmp_path / 'run')
    paint('--resume', tmp_path / 'run', '--rounds', '3')
    assert_same(tmp_path / 'run', finished)


def test_a_state_is_exact_and_not_read_from_a_picture(finished):
    state = journal.State.load(finished / 'state_03.npz')
    assert state.x.dtype == 'float64' and (state.x != np.rint(state.x)).mean() > 0.9
    assert state.seed == 1 and state.number == 3 and len(state.history) >= 9


@pytest.mark.parametrize('change, arguments, words', [
    (None, ['--resume', '{run}'], 'has all of its 3 rounds'),
    (None, ['--resume', '{run}', '--from', '7'], 'no round 7 to go on from; it has 0 to 3'),
    (None, ['--resume', 'nowhere', '--size', '32'], 'nowhere is no run of the archive'),
    (None, ['--resume', '{run}', '--style-weight', '3'], '--style-weight cannot be changed'),
    (None, ['--resume', '{run}', '--seed', '1'], '--seed cannot be changed'),  # its default
    (None, ['--resume', '{run}', '--from', '1', '--out', '{run}', '--force'],
     'would write over the run that goes on'),
    (None, ['--resume', '{run}', '--from', '1', '--out', '{run}/..', '--force'],
     'would write over the run that goes on'),
    (None, ['--from', '1'], 'name the run with --resume'),
    ('state', ['--resume', '{run}', '--from', '2'], 'state_02.npz is no state of a run'),
    ('photo', ['--resume', '{run}', '--from', '1'], 'photo pixels was'),
    ('record', ['--resume', '{run}'], 'is no run of the archive'),
])
def test_what_cannot_go_on_is_one_line(finished, tmp_path, error_of, change, arguments, words):
    folder, photo = tmp_path / 'run', finished.parent / 'photo.png'
    shutil.copytree(finished, folder)
    picture = np.array(Image.open(photo))
    if change == 'state':
        (folder / 'state_02.npz').write_bytes((folder / 'state_02.npz').read_bytes()[:500])
    elif change == 'photo':
        Image.fromarray(255 - picture).save(photo)
    elif change == 'record':
        (folder / 'run.json').write_text('{"recipe": ')
    before = bytes_of(folder)
    status, errors = error_of(styletransfer.main,
                              [argument.format(run=folder) for argument in arguments])
    Image.fromarray(picture).save(photo)
    assert status == 2 and words in errors
    assert bytes_of(folder) == before


def start_process(arguments):
    return subprocess.Popen([sys.executable, str(ROOT / 'recipes' / 'styletransfer.py'),
                             *map(str, arguments)], stderr=subprocess.PIPE, text=True,
                            env={**os.environ, 'PYTHONPATH': str(ROOT)})


def is_finished(folder):
    path = folder / 'run.json'
    return path.exists() and json.loads(path.read_text())['status'] == 'finished'


def kill_at_random(folder, first, rest, kills, chance):
    """Run, kill -9 at random moments, resume, until it is done.

    Most kills come up to 0.4 s after a round was kept, one in six at any time since the start.

    Returns:
        How many kills found the process alive.
    """
    done = 0
    while True:
        process = start_process(rest if (folder / 'run.json').exists() else first)
        if done < kills:
            if chance.random() < 5 / 6:
                before = journal.numbers(folder)
                while journal.numbers(folder) == before and process.poll() is None:
                    time.sleep(0.002)
                time.sleep(chance.uniform(0, 0.4))
            else:
                time.sleep(chance.uniform(0, 8))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                done += 1
        _, errors = process.communicate(timeout=3000)
        if is_finished(folder):  # it may be killed after that, while Python ends
            return done
        assert process.returncode == -signal.SIGKILL, errors


def kill_test(tmp_path, kills, rounds_, seed):
    arguments = ['--model', 'vgg19_quarter', '--size', '48', '--rounds', str(rounds_),
                 '--evals', '10', '--save-every', '7', '--quiet']
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    paint(*arguments, '--out', whole)
    done = kill_at_random(killed, [*arguments, '--out', killed, '--force'],
                          ['--resume', killed, '--quiet'], kills, random.Random(seed))
    assert_same(killed, whole)
    return done


def test_kill_9_and_resume_end_in_the_same_bytes(tmp_path):
    assert kill_test(tmp_path, kills=2, rounds_=6, seed=1) >= 1


@pytest.mark.slow
def test_twenty_kills_end_in_the_same_bytes(tmp_path):
    assert kill_test(tmp_path, kills=20, rounds_=300, seed=2) == 20
