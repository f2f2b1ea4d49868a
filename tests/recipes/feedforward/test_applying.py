"""Painting files, folders, patterns and the standard input, here and in other processes."""

import importlib
import io
import sys

from models.errors import ArchiveError, Incomplete

import numpy as np
import pytest
from PIL import Image

from recipes import perceptual_losses
from recipes.common import colours, images
from recipes.feedforward import applying, workers


def apply(generator, out, *arguments):
    perceptual_losses.main(['apply', *map(str, arguments), '--generator', str(generator), '--out',
                            str(out), '--quiet'])


def test_good_pictures_of_a_folder_are_painted_and_broken_ones_named(generator, folder, tmp_path):
    with pytest.raises(Incomplete, match='1 of 3 pictures were left out.*b.png'):
        apply(generator, tmp_path / 'out', folder)
    assert images.read(tmp_path / 'out' / 'a.png').shape == (40, 52, 3)
    assert images.read(tmp_path / 'out' / 'c.png').shape == (33, 30, 3)
    assert not (tmp_path / 'out' / 'b.png').exists()


def test_a_pattern_the_standard_input_and_colours(generator, folder, tmp_path, monkeypatch):
    content = (folder / 'a.png').read_bytes()
    monkeypatch.setattr('sys.stdin', type('Stdin', (), {'buffer': io.BytesIO(content)}))
    apply(generator, tmp_path / 'plain', '-', folder / '[ac].png', '--size', 24)
    painted = images.read(tmp_path / 'plain' / 'stdin.png')
    np.testing.assert_array_equal(painted, images.read(tmp_path / 'plain' / 'a.png'))
    assert painted.shape == (24, 31, 3) and (tmp_path / 'plain' / 'c.png').exists()
    apply(generator, tmp_path / 'coloured', folder / 'a.png', '--size', 24, '--keep-colours')
    photo = images.resize(images.read(folder / 'a.png'), 24)
    np.testing.assert_array_equal(images.read(tmp_path / 'coloured' / 'a.png'),
                                  colours.with_colours_of(photo, painted))
    with pytest.raises(ArchiveError, match='no picture matches'):
        apply(generator, tmp_path / 'none', tmp_path / '*.tif')
    assert not (tmp_path / 'none').exists()


def test_a_folder_of_nothing_but_broken_pictures_is_an_error(generator, folder, tmp_path):
    with pytest.raises(ArchiveError, match='b.png') as problem:
        apply(generator, tmp_path / 'out', folder / 'b.png')
    assert not isinstance(problem.value, Incomplete)


def test_what_is_no_generator_is_told(folder, tmp_path):
    other = tmp_path / 'weights.npz'
    np.savez(other, **{'conv1_1.W': np.zeros(3)})
    for path, told in ((other, 'no generator of the archive'),
                       (tmp_path / 'none.npz', 'there is no generator')):
        with pytest.raises(ArchiveError, match=told):
            apply(path, tmp_path / 'out', folder)
        assert not (tmp_path / 'out').exists()


# What stands for a task, in a file of its own, as another process imports it: the first byte twice;
# some contents kill the process, or the first that takes them.
TASK = """
import os


def double(content, name):
    if content == b'dies':
        os._exit(9)
    if content.startswith(b'once '):
        mark = content[5:].decode()
        if not os.path.exists(mark):
            open(mark, 'w').close()
            os._exit(9)
    return content[:1] * 2, None
"""


@pytest.fixture
def double(tmp_path, monkeypatch):
    """Return that task."""
    (tmp_path / 'task_that_dies.py').write_text(TASK)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module('task_that_dies').double
    del sys.modules['task_that_dies']


def reader(content):
    def read():
        if content is None:
            raise ArchiveError('it cannot be read')
        return content, 'name'
    return read


def test_a_process_that_dies_loses_nothing(double, tmp_path):
    contents = {'a': b'a', 'b': b'once ' + str(tmp_path / 'mark').encode(), 'c': b'c', 'd': None,
                'e': b'dies', 'f': b'f'}
    found = {key: (result, problem) for key, result, problem in workers.in_processes(
        double, {key: reader(content) for key, content in contents.items()}, 2)}
    assert {key: found[key] for key in 'abcf'} == {
        'a': (b'aa', None), 'b': (b'oo', None), 'c': (b'cc', None), 'f': (b'ff', None)}
    assert found['d'] == (None, 'it cannot be read')
    assert found['e'][0] is None and 'have died over it' in found['e'][1]
    assert (tmp_path / 'mark').exists()


@pytest.mark.slow
def test_processes_paint_the_same_bytes(generator, folder, tmp_path):
    (folder / 'b.png').unlink()
    apply(generator, tmp_path / 'one', folder, '--threads', 1)
    apply(generator, tmp_path / 'two', folder, '--processes', 2)
    for name in ('a.png', 'c.png'):
        with Image.open(tmp_path / 'one' / name) as one, Image.open(tmp_path / 'two' / name) as two:
            assert one.tobytes() == two.tobytes()


def test_a_missing_cluster_is_told(double, monkeypatch):
    monkeypatch.setattr(workers, 'PATIENCE', 1)
    pytest.importorskip('distributed')
    with pytest.raises(ArchiveError, match='no scheduler at tcp://127.0.0.1:9'):
        list(workers.on_cluster(double, {'a': reader(b'a')}, 'tcp://127.0.0.1:9'))


@pytest.mark.slow
def test_a_cluster_paints_the_same_bytes(generator, folder):
    distributed = pytest.importorskip('distributed')
    (folder / 'b.png').unlink()
    task = applying.Task(generator.read_bytes(), threads=1)
    readers = {path: (lambda path=path: (path.read_bytes(), str(path)))
               for path in sorted(folder.iterdir())}
    here = {key: result for key, result, _ in workers.here(task, readers)}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  dashboard_address=None) as cluster:
        there = {key: result for key, result, _ in workers.on_cluster(
            task, readers, cluster.scheduler_address)}
    assert here.keys() == there.keys()
    for key, painted in here.items():
        np.testing.assert_array_equal(there[key], painted)


@pytest.mark.slow
def test_a_worker_of_a_cluster_that_dies_loses_nothing(double, tmp_path):
    distributed = pytest.importorskip('distributed')
    contents = {'a': b'a', 'b': b'once ' + str(tmp_path / 'mark').encode(), 'c': b'c', 'd': None}
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                  dashboard_address=None) as cluster:
        found = {key: (result, problem) for key, result, problem in workers.on_cluster(
            double, {key: reader(content) for key, content in contents.items()},
            cluster.scheduler_address)}
    assert found == {'a': (b'aa', None), 'b': (b'oo', None), 'c': (b'cc', None),
                     'd': (None, 'it cannot be read')}
    assert (tmp_path / 'mark').exists()
