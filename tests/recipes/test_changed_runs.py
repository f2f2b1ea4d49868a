"""What a run has kept, changed by hand or of an earlier version: it goes on, or says why not.

Each entry of run.json, of a round's state, of a checkpoint and of a selection is taken out or made
something else, one at a time. The run then goes on as before or ends in one line with status 2.
"""

import copy
import json
import shutil

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer, train_all_cnn
from recipes.common import runs, training
from recipes.style import journal, options as style_options, resuming, selections

OTHERS = ('x', '', -1, 0, 1.5, 10 ** 30, float('inf'), float('nan'), True, [], {}, [None],
          ['\ud800\0'], {'x': 'y'}, None)


@pytest.fixture(scope='module')
def painted(tmp_path_factory):
    """Return the folder of a run of two rounds of Adam."""
    folder = tmp_path_factory.mktemp('painted')
    picture = np.random.RandomState(0).randint(0, 255, (20, 20, 3), 'uint8')
    for name in ('photo.png', 'painting.png'):
        Image.fromarray(picture).save(folder / name)
    styletransfer.main(['--size', '16', '--rounds', '2', '--evals', '2', '--optimiser', 'adam',
                        '--watch', '--quiet', '--content', str(folder / 'photo.png'), '--style',
                        str(folder / 'painting.png'), '--out', str(folder / 'run')])
    return folder / 'run'


@pytest.fixture
def outcome(monkeypatch, capsys):
    """Return a function that resumes a run: 'goes on' once painting begins, or its one line."""

    class GoesOn(BaseException):
        pass

    def stop(*arguments):
        raise GoesOn

    def resume(folder, *arguments):
        try:
            styletransfer.main(['--resume', str(folder), '--rounds', '3', '--quiet', *arguments])
        except GoesOn:
            return 'goes on'
        except ArchiveError as problem:
            assert str(problem) and '\n' not in str(problem)
            return str(problem)
        except SystemExit:
            return capsys.readouterr().err
        raise AssertionError('it has painted')

    monkeypatch.setattr(styletransfer, 'Looker', stop)
    monkeypatch.setattr(runs, '_sync', lambda path: None)  # some hundred times is slow on disks
    return resume


def places_in(entry, path=()):
    """Yield the path of keys of each entry of a JSON value, below the value itself."""
    pairs = entry.items() if isinstance(entry, dict) else \
        enumerate(entry) if isinstance(entry, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from places_in(value, (*path, key))


def changed(record, path, value=None, taken_out=False):
    """Return a copy of a JSON value with one entry changed or taken out."""
    result = copy.deepcopy(record)
    entry = result
    for key in path[:-1]:
        entry = entry[key]
    if taken_out:
        del entry[path[-1]]
    else:
        entry[path[-1]] = value
    return result


def changes(record, seed, others):
    """Yield copies of a JSON value with each entry taken out, or made `others` other things."""
    random = np.random.RandomState(seed)
    for path in places_in(record):
        yield path, changed(record, path, taken_out=True)
        for index in random.permutation(len(OTHERS))[:others]:
            yield (*path, OTHERS[index]), changed(record, path, OTHERS[index])


def check_records(painted, tmp_path, outcome, seed, others):
    """Resume a run with each change of its run.json; return how often it went on and did not."""
    folder = tmp_path / 'run'
    record = json.loads((painted / 'run.json').read_text())
    record['rounds'], record['versions'] = record['rounds'][:1], {}
    shutil.copytree(painted, folder)
    found = []
    for path, other in changes(record, seed, others):
        (folder / 'run.json').write_text(json.dumps(other))
        try:
            found.append(outcome(folder) == 'goes on')
        except Exception as problem:
            raise AssertionError(f'run.json with {path} changed') from problem
    return sum(found), len(found) - sum(found)


def test_a_changed_run_json_goes_on_or_is_one_line(painted, tmp_path, outcome):
    went_on, refused = check_records(painted, tmp_path, outcome, seed=0, others=1)
    assert went_on > 50 and refused > 50


@pytest.mark.slow
def test_every_change_of_run_json_goes_on_or_is_one_line(painted, tmp_path, outcome):
    check_records(painted, tmp_path, outcome, seed=1, others=len(OTHERS))


@pytest.mark.parametrize('text', ['', '[]', '7', 'null', '{"recipe": ', '[' * 100000, '\udc80'])
def test_a_run_json_that_is_none_is_one_line(painted, tmp_path, outcome, text):
    shutil.copytree(painted, tmp_path / 'run')
    (tmp_path / 'run' / 'run.json').write_text(text, errors='surrogateescape')
    assert 'is no run of the archive' in outcome(tmp_path / 'run')


@pytest.mark.parametrize('edit, words', [
    (lambda record: record['options'].pop('save_every'), 'goes on'),  # of before there was one
    (lambda record: record.pop('options_version'), 'goes on'),
    (lambda record: record.update(options_version=resuming.VERSION + 1), 'of a later'),
    (lambda record: record['options'].update(size='large'), "--size: 'large' is not a whole"),
    (lambda record: record['options'].update(crop='yes'), "--crop cannot be 'yes'"),
    (lambda record: record['options'].update(style=7), '--style cannot be 7'),
    (lambda record: record['options'].update(content='/no/photo.png'),
     'where has it moved? Name it with --content'),
    (lambda record: record['plan'].update(core=[0, 'x']), 'the plan in its run.json was changed'),
    (lambda record: record['parameters'].pop('photo_pixels'), 'does not say what photo pixels'),
    (lambda record: record.update(files=[1]), 'its run.json lacks files'),
])
def test_what_was_changed_is_named(painted, tmp_path, outcome, edit, words):
    shutil.copytree(painted, tmp_path / 'run')
    record = json.loads((painted / 'run.json').read_text())
    edit(record)
    (tmp_path / 'run' / 'run.json').write_text(json.dumps(record))
    assert words.replace('of a later', 'have version') in outcome(tmp_path / 'run')


def test_pictures_that_moved_are_named_anew(painted, tmp_path, outcome):
    shutil.copytree(painted.parent, tmp_path / 'elsewhere')
    folder = tmp_path / 'elsewhere' / 'run'
    record = json.loads((folder / 'run.json').read_text())
    for name in ('content', 'style'):
        record['options'][name] = json.loads(json.dumps(record['options'][name]).replace(
            str(painted.parent), '/gone'))
    (folder / 'run.json').write_text(json.dumps(record))
    assert 'Name it with --content' in outcome(folder)
    photo, painting = (str(tmp_path / 'elsewhere' / name)
                       for name in ('photo.png', 'painting.png'))
    assert outcome(folder, '--content', photo, '--style', painting) == 'goes on'
    Image.new('RGB', (20, 20)).save(photo)
    assert 'photo pixels was' in outcome(folder, '--content', photo, '--style', painting)


def test_a_run_that_was_killed_before_its_first_page_is_watched_on(painted, tmp_path):
    shutil.copytree(painted, tmp_path / 'run')
    record = json.loads((painted / 'run.json').read_text())
    record['files'].remove('watch.html')
    (tmp_path / 'run' / 'run.json').write_text(json.dumps(record))
    options = style_options.parse(['--resume', str(tmp_path / 'run'), '--rounds', '3'])
    assert resuming.resumed(options)[0].watch


def array_changes(arrays):
    """Yield (name, arrays) with each array taken out or made something else."""
    for name, array in arrays.items():
        yield name, {key: value for key, value in arrays.items() if key != name}
        with np.errstate(over='ignore'):
            halved = array.astype('float16' if array.dtype.kind in 'fi' else array.dtype)
        others = [np.array('x'), np.array(-1), np.array(2 ** 40), np.array(np.nan),
                  np.zeros((0,)), np.zeros((2, 3)), array.ravel()[:-1], np.full_like(array, 7),
                  halved]
        if array.dtype.kind == 'f':
            others.append(np.full_like(array, np.nan))
        for other in others:
            if other.dtype != array.dtype or not np.array_equal(other, array):
                yield name, {**arrays, name: other}


def test_a_changed_state_goes_on_or_is_one_line(painted, tmp_path, outcome):
    folder = tmp_path / 'run'
    shutil.copytree(painted, folder)
    with np.load(painted / 'state_02.npz') as file:
        arrays = dict(file)
    refused = set()
    for name, other in array_changes(arrays):
        np.savez(folder / 'state_02.npz', **other)
        found = outcome(folder)
        assert found == 'goes on' or 'state_02.npz' in found or 'has all of' in found, name
        if found != 'goes on':
            refused.add(name)
    assert refused == {*journal.State.FIELDS, 'optimiser moment', 'optimiser square',
                       'optimiser steps'} | set(arrays) & {'best_x'}


def test_a_changed_checkpoint_goes_on_or_is_one_line(tmp_path):
    parameters = {'model': 'all_cnn_c', 'size': 16, 'width': 0.05, 'epochs': 3, 'batch': 64,
                  'rate': 0.01, 'augment': False, 'seed': 1, 'classes': ['a', 'b'], 'train': 2,
                  'test': 0, 'pixels': '00ff'}
    net = train_all_cnn.models.build('all_cnn_c', width=0.05, classes=2)
    variables = train_all_cnn.lasagne.layers.get_all_params(net['prob'], trainable=True)
    arrays = {name: np.asarray(value) for name, value in training.checkpoint_arrays(
        variables, parameters, 1, [[1, 0.01, 0.7, 50, np.nan]]).items()}

    def resumed(arrays):
        np.savez(tmp_path / 'checkpoint.npz', **arrays)
        return training.load_checkpoint(tmp_path / 'checkpoint.npz', variables, parameters,
                                        parameters['epochs'], len(train_all_cnn.HISTORY))

    progress = resumed(arrays)
    assert progress.step == len(progress.history) == 1
    refused = set()
    for name, other in array_changes(arrays):
        try:
            resumed(other)
        except ArchiveError as problem:
            assert 'checkpoint' in str(problem) and '\n' not in str(problem)
            refused.add(name)
    for _, other in changes(parameters, 0, 2):
        if json.dumps(other) != json.dumps(parameters):
            with pytest.raises(ArchiveError, match='other options'):
                resumed({**arrays, 'settings': np.array(json.dumps(other))})
    assert refused == set(arrays)


SELECTION = {'format': 'style features', 'version': 1, 'model': 'vgg19_quarter',
             'picture': {'name': 'a.png', 'pixels': '00ff'}, 'threshold': 0.5,
             'layers': {'conv1_1': {'channels': 16, 'dropped': [5, 3]}},
             'motifs': [{'layer': 'conv1_1', 'motif': 0, 'channels': [3, 5], 'rows': 1,
                         'columns': 2, 'heat': 'AP8='}]}


def test_a_changed_selection_is_read_or_one_line(tmp_path):
    path = tmp_path / 'selection.json'
    path.write_text(json.dumps(SELECTION))
    selections.read(path)
    refused = 0
    for where, other in changes(SELECTION, 0, len(OTHERS)):
        path.write_text(json.dumps(other))
        try:
            selections.read(path).kept(np.zeros((16, 16, 3), 'uint8'))
        except ArchiveError as problem:
            assert '\n' not in str(problem), where
            refused += 1
    assert refused > 150
    path.write_text('{"format":' + '[' * 100000)
    with pytest.raises(ArchiveError, match='no selection'):
        selections.read(path)


def test_a_full_run_json_reads_as_it_was_written(painted):
    assert runs.read_record(painted)['status'] == 'finished'
