"""A run's folder: how it ended, what it wrote, and what --force removes."""

import json

from models.errors import ArchiveError

import numpy as np
import pytest

from recipes.common import runs


def record_of(folder):
    return json.loads((folder / 'run.json').read_text())


@pytest.mark.parametrize('problem, expected', [
    (None, {'status': 'finished'}), (KeyboardInterrupt(), {'status': 'interrupted'}),
    (ArchiveError('no light'), {'status': 'failed', 'error': 'no light'})])
def test_the_record_says_how_the_run_ended(tmp_path, problem, expected):
    run = runs.Run('test', tmp_path / 'run')
    if problem is None:
        with run.recorded():
            pass
    else:
        with pytest.raises(type(problem)), run.recorded():
            raise problem
    assert record_of(run.folder).items() >= expected.items()


def test_force_removes_what_the_earlier_run_wrote_and_nothing_else(tmp_path):
    folder = tmp_path / 'run'
    run = runs.Run('test', folder)
    run.save_arrays('deep/a.npz', {'x': np.arange(3)})
    run.save_picture('b.png', np.zeros((16, 16, 3), 'uint8'), {})
    (folder / 'mine.png').write_text('mine')
    assert record_of(folder)['files'] == ['deep/a.npz', 'b.png']
    with np.load(folder / 'deep' / 'a.npz') as arrays:
        assert arrays['x'].tolist() == [0, 1, 2]
    runs.Run('test', folder, force=True)
    assert not (folder / 'b.png').exists() and not (folder / 'deep' / 'a.npz').exists()
    assert (folder / 'mine.png').exists()


def test_force_never_leaves_the_folder(tmp_path):
    folder = tmp_path / 'run'
    folder.mkdir()
    (tmp_path / 'other.txt').write_text('other')
    (folder / 'run.json').write_text(json.dumps({'files': ['../other.txt']}))
    runs.Run('test', folder, force=True)
    assert (tmp_path / 'other.txt').exists()
