"""Names out of files: as names of results, in titles and in pages."""

import html
import json
import os

import models
from models.errors import ArchiveError, one_line

import numpy as np
import pytest
from PIL import Image

from recipes import class_model, deconvnet, layer_features, saliency
from recipes.common import figures, names, photos, runs

HOSTILE = ['..', '.', '', ' ', '...', '../../etc/passwd', '/etc/passwd', 'a\\b', 'a\0b', 'a\nb',
           '\x1b[2J', '\udcff\udcfe', 'CON', 'nul.txt', 'com1', 'x' * 300, 'ü' * 300, '-rf',
           '.hidden', 'x$^^$', '<script>', '\u202egpj', 'a ', 'a.', '\U0001f600' * 100]


@pytest.mark.parametrize('text', HOSTILE)
def test_a_file_name_is_one_part_of_a_path_and_can_be_written(tmp_path, text):
    name = names.file_name(text)
    assert name and name == os.path.basename(name) and name not in ('.', '..')
    assert name.isprintable() and len(name.encode()) <= names.LONGEST
    assert name[0] not in '.-' and name[-1] not in '. '
    assert name.partition('.')[0].lower() not in names.DEVICES
    (tmp_path / f'{name}_deconvnet_overlay.png.partial').write_text('x')
    assert names.file_name(name) == name


@pytest.mark.parametrize('text', ['a photo (2)', 'a#1 50%25', 'conv1_1', 'Zoë', '写真', "it's"])
def test_a_name_that_is_safe_stays(text):
    assert names.file_name(text) == text


def test_no_two_are_the_same():
    found = names.unique(dict(enumerate([*HOSTILE, *HOSTILE, 'a', 'A', 'a-2', 'a', 'index.html'])),
                         taken=('index.html',))
    folded = [name.casefold() for name in found.values()]
    assert len(set(folded)) == len(folded) and 'index.html' not in folded
    many = names.unique(dict.fromkeys(range(20000), 'photo'))
    assert len(set(many.values())) == 20000 and many[19999] == 'photo-20000'


@pytest.mark.parametrize('text', HOSTILE)
def test_text_of_a_page_is_only_text(text):
    shown = names.in_page(f'"{text}<b>&')
    assert not set('<>"') & set(shown) and shown.isprintable()
    assert html.unescape(shown) == one_line(f'"{text}<b>&')
    shown.encode('utf-8')


@pytest.mark.parametrize('text', [*HOSTILE, r'$\undefined{', '$', '_^{}'])
def test_any_text_can_be_a_title(tmp_path, text):
    figures.save_grid(tmp_path / 'a.png', [np.zeros((16, 16, 3), 'uint8')], [text])
    assert Image.open(tmp_path / 'a.png').size[0] == 900


def test_dollars_are_drawn_as_they_are(tmp_path):
    drawn = []
    for title in 'x$^2$', 'x$^3$', 'x²':
        figures.save_grid(tmp_path / 'a.png', [np.zeros((16, 16, 3), 'uint8')], [title])
        drawn.append((tmp_path / 'a.png').read_bytes())
    assert len(set(drawn)) == 3


def test_a_message_is_one_printable_line_of_bounded_length():
    problem = ArchiveError('a\x1b[2J\r\nb\udcff\u202e' + 'x' * 10 ** 6 + ' do this')
    told = str(problem)
    assert told.startswith('a\\x1b[2J b\\udcff\\u202ex') and told.endswith('x do this')
    assert told.isprintable() and len(told) <= 2000
    assert str(models.errors.CannotRun('x\ny')) == 'x y'
    assert one_line('a\u3000b\u00a0c') == 'a b c'


def test_a_run_writes_into_its_folder_only(tmp_path):
    run = runs.Run('test', tmp_path / 'run')
    for name in ('../a.png', 'a/../../b.png', '/tmp/c.png'):
        with pytest.raises(ValueError, match='leads out of the folder'):
            run.save_picture(name, np.zeros((16, 16, 3), 'uint8'), {})
    run.save_table('a.csv', ['\udcff', 'ü'], [['\ud800', 1]])
    assert (run.folder / 'a.csv').read_text(encoding='utf-8') == '\\udcff,ü\n\\ud800,1\n'


@pytest.fixture(scope='module')
def odd_names(tmp_path_factory):
    """Return a folder of photos with names as some have them, and of files that are no photos."""
    folder = tmp_path_factory.mktemp('odd')
    photo = Image.fromarray(np.random.RandomState(0).randint(0, 255, (32, 32, 3), 'uint8'))
    for name in (b'...png', b'\xff\xfe.png', b'x' * 251 + b'.png', b'index.html.png',
                 b'run.json.png', b'a\nb.png', b'$^$.png', b'-.png'):
        photo.save(folder / os.fsdecode(name), 'PNG')
    for name in ('._a.png', 'table.h5', 'page.eps', 'film.mpg', 'page.pdf'):
        (folder / name).write_text('no photo')
    (folder / 'gone.png').symlink_to(folder / 'nowhere')
    return folder


def test_only_photos_of_a_folder_are_its_photos(odd_names):
    found = photos.find([odd_names])
    assert len(found) == 8 and not any(path.name.startswith('._') for path in found)
    with pytest.raises(ArchiveError, match='no picture or folder'):
        photos.find(['x' * 300])


@pytest.mark.parametrize('recipe, arguments', [
    (layer_features, ['--layers', 'conv1_1', '--channels', '1']),
    (deconvnet, ['--layer', 'conv1_1', '--channels', '1']),
    (saliency, ['--layer', 'conv1_1', '--unit', '1', '--method', 'gradient'])])
def test_odd_names_of_photos_are_done_all_and_stay_in_the_folder(tmp_path, odd_names, recipe,
                                                                 arguments, capsys):
    out = tmp_path / 'deep' / 'run'
    recipe.main([str(odd_names), *arguments, '--size', '32', '--out', str(out)])
    assert [path.name for path in tmp_path.iterdir()] == ['deep']
    assert [path.name for path in out.parent.iterdir()] == ['run']
    record = json.loads((out / 'run.json').read_text())
    assert record['status'] == 'finished' and record['problems'] == []
    if recipe is not deconvnet:
        assert len(list(out.rglob('*.npz'))) == 8
    told = capsys.readouterr().out
    assert all(line.isprintable() for line in told.splitlines())
    told.encode('utf-8')


def test_classes_whose_names_are_awkward_have_files_of_their_own(tmp_path):
    run = runs.Run('test', tmp_path / 'run')
    classes = ['figure', 'a b', 'a_b', 'x$^^$', '../up', '\udcff', 'A_B']
    pictures = [np.full((16, 16, 3), number, 'uint8') for number in range(len(classes))]
    history = [[0.0] * 2 * len(classes)]
    class_model.save(run, classes, pictures, [pictures], history, {})
    files = [path for path in run.folder.glob('*.png') if path.name != 'figure.png']
    assert sorted(np.asarray(Image.open(path))[0, 0, 0] for path in files) == list(range(7))
    assert (run.folder / 'a_b.png').exists() and (run.folder / 'a_b-2.png').exists()
