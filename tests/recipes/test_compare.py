"""Comparing with figures, pictures and another run: verdicts, statuses, wrong requests."""

import csv
import json
import shutil
from functools import lru_cache

import numpy as np
import pytest
from PIL import Image

from recipes import compare, saliency, styletransfer
from recipes.common import images
from recipes.measures import judging, manifest, pictures, wrong_pairs

PAINT = ['--size', '48', '--rounds', '2', '--evals', '4', '--quiet', '--style-layers',
         'conv1_1,conv2_1', '--content-layers', 'conv2_1']


@pytest.fixture(autouse=True, scope='module')
def compiled_once():
    """Compile the network in which pictures are compared once for all tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures.InNetwork, 'of', lru_cache(pictures.InNetwork.of))
        yield


@pytest.fixture(scope='module')
def painted(tmp_path_factory):
    """Return the folders of two runs of style transfer that differ in the style's weight."""
    folder = tmp_path_factory.mktemp('painted')
    for name, weight in (('a', '1e5'), ('b', '1e3')):
        styletransfer.main([*PAINT, '--style-weight', weight, '--out', str(folder / name)])
    return folder / 'a', folder / 'b'


@pytest.fixture
def figures(tmp_path):
    """Return a folder with a picture, and another with the same as a JPEG."""
    rgb = images.resize(images.read(images.bundled_photo()), 120)
    for name in ('ours', 'theirs'):
        (tmp_path / name).mkdir()
    Image.fromarray(rgb).save(tmp_path / 'ours' / 'photo.png')
    Image.fromarray(rgb).save(tmp_path / 'theirs' / 'photo.jpg', quality=92)
    return tmp_path / 'ours', tmp_path / 'theirs'


def run(tmp_path, *arguments):
    """Run the recipe; return its folder and what it could not find alike, None where all is."""
    out = tmp_path / 'out'
    try:
        compare.main([*map(str, arguments), '--quiet', '--force', '--out', str(out)])
    except compare.Incomplete as problem:
        return out, str(problem)
    return out, None


def test_a_picture_and_its_jpeg_are_alike_and_its_mirror_image_is_not(tmp_path, figures):
    ours, theirs = figures
    out, failure = run(tmp_path, ours, theirs)
    assert failure is None
    page = (out / 'compare.html').read_text()
    assert 'Comparison: <span class="good">alike' in page and '{{' not in page
    rgb = images.read(ours / 'photo.png')
    Image.fromarray(np.ascontiguousarray(rgb[:, ::-1])).save(ours / 'photo.png')
    out, failure = run(tmp_path, ours, theirs)
    assert '1 not alike: photo.jpg, photo.png: SSIM' in failure
    with open(out / 'measures.csv') as file:
        rows = list(csv.DictReader(file))
    assert [row['passes'] for row in rows if row['measure'] == 'ssim'] == ['False']
    assert json.loads((out / 'run.json').read_text())['status'] == 'finished'


def test_the_exit_status_is_1_where_something_is_not_alike(tmp_path, figures, error_of):
    ours, theirs = figures
    Image.fromarray(images.resize(images.read(images.PAINTING), 120)[:120, :120]).save(
        ours / 'photo.png')
    status, errors = error_of(compare.main, [ours, theirs, '--quiet', '--out', tmp_path / 'out'])
    assert status == 1 and 'not alike' in errors


def test_a_grid_is_cut_into_panels_in_the_order_of_the_names(tmp_path, figures):
    ours, _ = figures
    (ours / 'photo.png').unlink()
    panels = [images.resize(images.crop_square(images.read(path)), 224) for path in
              (images.bundled_photo(), images.PAINTING)]
    for name, panel in zip('ab', panels):
        Image.fromarray(panel).save(ours / f'{name}.png')
    path = tmp_path / 'figure.jpg'
    path.write_bytes(wrong_pairs.figure_of(panels, 2, quality=92))
    assert run(tmp_path, ours, path, '--grid', '1x2', '--kind', 'photo')[1] is None
    path.write_bytes(wrong_pairs.figure_of(panels[::-1], 2, quality=92))
    assert run(tmp_path, ours, path, '--grid', '1x2', '--kind', 'photo')[1].startswith('2 not')


def test_a_run_is_like_itself(tmp_path, painted):
    out, failure = run(tmp_path, painted[0], painted[0])
    assert failure is None
    with open(out / 'losses.csv') as file:
        assert {row['they part at'] for row in csv.DictReader(file)} == {'never'}


def test_two_runs_are_told_apart_by_parameters_pictures_and_losses(tmp_path, painted):
    out, failure = run(tmp_path, *painted)
    assert 'result.png' in failure
    with open(out / 'differences.csv') as file:
        told = {row['']: (row['first run'], row['second run']) for row in csv.DictReader(file)}
    assert told['style_weight'] == ('100000.0', '1000.0')
    with open(out / 'losses.csv') as file:
        losses = {row['term']: row for row in csv.DictReader(file)}
    assert losses['style conv1_1']['they part at'] == 'evaluation 1, round 0'
    assert 'Differences in parameters' in (out / 'compare.html').read_text()


def test_losses_part_where_they_part():
    a = {'total': np.array([4.0, 3.0, 2.0]), 'own': np.array([1.0])}
    b = {'total': np.array([4.0, 3.0 + 1e-6, 2.5])}
    (total, own) = judging.compare_losses(a, b)
    assert total == ('total', 2.0, 2.5, pytest.approx(0.2), 3)
    assert own == ('own', 1.0, None, None, 1)
    assert judging.differences({'x': {'y': 1}, 'z': 2}, {'x': {'y': 3}}) == [
        ('x: y', 1, 3), ('z', 2, '(nothing)')]
    rounds = [{'round': 0, 'evaluations': 1}, {'round': 1, 'evaluations': 5}]
    assert judging.round_of(2, rounds) == 1


def test_the_manifest_is_whole():
    figures, kinds = manifest.read()
    assert len(figures) >= 9
    for figure in figures.values():
        assert len(figure.panels) == figure.grid[0] * figure.grid[1]
        assert {'paper', 'number', 'shows'} < set(figure._fields) and figure.arguments is not None
    for limits in kinds.values():
        assert all(len(limit.because) > 20 for limit in limits)
    assert compare.filled(['a', '--weights', '{weights}', '{x}'], {'weights': None, 'x': 1}) == [
        'a', '1']


def test_a_saliency_figure_is_compared_by_its_maps(tmp_path, shared_data):
    """The run's photo decides which of the folder's figures it is compared with."""
    figures, _ = manifest.read()
    figure = figures['recipes-saliency-guided']
    folder = shared_data / 'figures'
    panels = compare.grids.cut(images.read(manifest.find(figure, folder)), *figure.grid)
    Image.fromarray(compare.without_frame(panels[0])).save(tmp_path / 'snake.png')
    saliency.main([str(tmp_path / 'snake.png'), '--method', 'guided', '--size', '96', '--quiet',
                   '--out', str(tmp_path / 'run')])
    out, failure = run(tmp_path, tmp_path / 'run', folder)
    assert failure is None
    with open(out / 'measures.csv') as file:
        rows = list(csv.DictReader(file))
    assert {row['figure'] for row in rows} == {'recipes-saliency-guided'}
    ranks = [float(row['value']) for row in rows if row['measure'] == 'rank']
    assert len(ranks) == 3 and all(-1 < rank < 1 for rank in ranks)
    assert all(row['passes'] == '' for row in rows if row['kind'] == 'map')


def test_the_published_photo_is_made_again_and_compared(tmp_path, shared_data):
    out, failure = run(tmp_path, '--figures', shared_data / 'figures', '--reproduce',
                       'recipes-photo')
    assert failure is None
    assert (out / 'recipes-photo' / 'round_00.png').exists()


def half_a_run(folder, painted):
    shutil.copytree(painted[0], folder)
    record = json.loads((folder / 'run.json').read_text())
    (folder / 'run.json').write_text(json.dumps({**record, 'status': 'running'}))


def test_half_a_run_and_one_without_pictures_are_told(tmp_path, painted, error_of):
    half_a_run(tmp_path / 'half', painted)
    status, errors = error_of(compare.main, [tmp_path / 'half', painted[1]])
    assert status == 2 and 'is half a run' in errors and '--resume' in errors
    shutil.copytree(painted[0], tmp_path / 'lost')
    (tmp_path / 'lost' / 'result.png').unlink()
    status, errors = error_of(compare.main, [tmp_path / 'lost', painted[1]])
    assert status == 2 and 'lacks 1 of the files' in errors and 'result.png' in errors
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'empty' / 'run.json').write_text(
        '{"recipe": "styletransfer", "files": [], "status": "finished"}')
    status, errors = error_of(compare.main, [tmp_path / 'empty', painted[1]])
    assert status == 2 and 'no picture of the same name' in errors


def test_figures_of_other_shapes_are_told(tmp_path, figures, error_of):
    ours, theirs = figures
    Image.new('RGB', (60, 90)).save(theirs / 'photo.jpg')
    status, errors = error_of(compare.main, [ours, theirs])
    assert status == 2 and '120x120 pixels and 60x90 are of other shapes' in errors
    status, errors = error_of(compare.main, [ours, theirs / 'photo.jpg', '--grid', '3x3'])
    assert status == 2 and '3x3 panels' in errors


@pytest.mark.parametrize('arguments, words', [
    (['--reproduce', 'recipes-stile-grid'], 'did you mean recipes-style-grid'),
    (['{ours}', '{theirs}', '--figure', 'grid'], 'figure in the manifest'),
    (['--reproduce', 'recipes-style-grid', '--figures', '{ours}'], 'recipes-style-grid.png'),
    (['{ours}'], 'what shall'), ([], 'name a run'),
    (['{ours}', 'nowhere'], 'there is no folder or file nowhere'),
    (['nowhere', '{theirs}'], 'there is no folder nowhere'),
    (['{ours}', '{theirs}', '--kind', 'pohto'], 'did you mean photo'),
    (['{ours}', '{theirs}', '--grid', '3by3'], 'is no grid')])
def test_wrong_requests_are_one_line(tmp_path, monkeypatch, figures, error_of, arguments, words):
    monkeypatch.chdir(tmp_path)
    places = {'{ours}': figures[0], '{theirs}': figures[1]}
    status, errors = error_of(compare.main, [places.get(word, word) for word in arguments])
    assert status == 2 and words in errors
    assert not (tmp_path / 'runs').exists()


def test_missing_weights_are_told_with_the_command_that_brings_them(tmp_path, shared_data,
                                                                    error_of):
    for path in (shared_data / 'figures' / 'lasagne_style').iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    status, errors = error_of(compare.main, ['--figures', tmp_path, '--reproduce',
                                             'recipes-style-grid'])
    assert status == 2 and 'cannot be made again' in errors
    assert 'python -m models.weights' in errors and 'vgg19_normalized' in errors
