"""Saliency: the article's function, crops, SmoothGrad, units, folders, and every wrong request."""

import json

import models
from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

import modifiedbackprop
from modifiedbackprop import GuidedBackprop
from recipes import saliency
from recipes.common import images, maps, photos, projections


@pytest.fixture(scope='module')
def embedded():
    """Return (net, classes, x): the embedded network and the bundled photo at 64 pixels."""
    net, classes, mean_pixel = models.load('vgg19_quarter')
    photo = images.resize(images.read(images.bundled_photo()), 64)
    return net, classes, images.prepare(photo, mean_pixel)


@pytest.fixture(scope='module')
def compute(embedded):
    """Return the article's function for the embedded network."""
    return saliency.compile_saliency_function(embedded[0])


@pytest.fixture(scope='module')
def all_methods(tmp_path_factory, folder_of_photos):
    """Return the folder of a run by all methods on three photos of which one is broken."""
    out = tmp_path_factory.mktemp('runs') / 'all'
    with pytest.raises(saliency.photos.Incomplete):
        saliency.main([str(folder_of_photos), '--method', 'all', '--size', '40', '--overlay',
                       '--mask', '--out', str(out), '--quiet'])
    return out


def test_the_articles_remark_a_bit_of_the_map_raises_the_score(embedded, compute):
    net, _, x = embedded
    look = projections.compile_activations(net, [models.scores(net).name])
    maps, (found,) = compute(x)
    (before,), (after,), (against,) = (
        look(x + step * maps / np.abs(maps).max())[0] for step in (0, 1, -1))
    assert after[found] > before[found] > against[found]
    # To first order by the map's squared norm over its largest element.
    expected = float((maps.astype('float64') ** 2).sum() / np.abs(maps).max())
    assert 0.5 * expected < after[found] - before[found] < 2 * expected


def test_the_articles_function_is_batch_wise_and_is_the_class_map(embedded, compute):
    net, _, x = embedded
    batch = np.concatenate([x[:, :, :, ::-1], x])
    maps, found = compute(batch)
    alone, (only,) = compute(x)
    np.testing.assert_allclose(maps[1:], alone, rtol=0, atol=1e-5 * np.abs(alone).max())
    assert found[1] == only and maps.shape == batch.shape
    layer = models.scores(net).name
    project = projections.compile_projection(net, [layer])
    seed = projections.class_target(np.zeros((2, 202), 'float32'), found)
    np.testing.assert_array_equal(project(batch, seed), maps)


def test_the_articles_function_follows_an_applied_rule(embedded, compute):
    net, _, x = embedded
    with modifiedbackprop.applied(net, GuidedBackprop):
        guided = saliency.compile_saliency_function(net)
    (maps, found), (plain, same) = guided(x), compute(x)
    assert found == same and not np.allclose(maps, plain)


def test_ten_crops_are_put_back_where_they_were():
    x = np.random.RandomState(0).normal(size=(2, 3, 16, 24)).astype('float32')
    parts, places = saliency.cut(x, 10)
    assert parts.shape == (20, 3, 14, 21)
    np.testing.assert_array_equal(parts[2 * 5], x[0, :, :14, :21][:, :, ::-1])
    np.testing.assert_allclose(saliency.put_back(parts, places, x.shape), x, rtol=1e-6)
    marked = np.zeros_like(parts)
    marked[2 * 9 + 1] = 1  # the second picture's middle, mirrored
    back = saliency.put_back(marked, places, x.shape)
    assert not back[0].any() and (back[1, :, 1:15, 1:22] > 0).all() and not back[1, :, 0].any()


@pytest.mark.parametrize('crops', [1, 10])
def test_smoothgrad_is_the_mean_over_noisy_copies(crops):
    """By a map that is the picture itself, so that the mean is the picture plus mean noise."""
    x = np.random.RandomState(0).uniform(-100, 100, (1, 3, 16, 16)).astype('float32')
    parts, places = saliency.cut(x, crops)
    averaging = saliency.Averaging(crops, smooth=50, noise=0.1)
    noisy = []

    def project(images_, seed):
        noisy.append(images_)
        return images_

    result = saliency.average(project, parts, places, None, x.shape, averaging,
                              np.random.RandomState(1))
    assert len(noisy) == 50
    span = x.max() - x.min()
    assert abs(np.std(np.array(noisy) - parts) / (0.1 * span) - 1) < 0.05
    assert 0 < np.std(result - x) < 0.3 * 0.1 * span


def test_a_run_folder_has_arrays_pictures_and_what_was_seen(all_methods):
    names = {path.name for path in all_methods.iterdir()}
    for photo in 'abd':
        expected = {f'{photo}.npz', f'{photo}_figure.png'} | {
            f'{photo}_{method}{kind}.png' for method in projections.METHODS
            for kind in ('', '_overlay', '_mask')}
        assert expected <= names
    with np.load(all_methods / 'a.npz') as arrays:
        assert arrays['photo'].shape == (40, 60, 3) and arrays['photo'].dtype == 'uint8'
        assert arrays['guided'].shape == (3, 40, 60) and arrays['guided'].dtype == 'float32'
        assert not np.allclose(arrays['guided'], arrays['gradient'])
    record = json.loads((all_methods / 'run.json').read_text())
    assert [seen['photo'] for seen in record['seen']] == ['a', 'b', 'd']
    assert 0 < record['seen'][0]['probability'] <= 1 and record['status'] == 'finished'
    assert record['parameters']['size'] == 40


def test_pictures_are_large_and_the_figure_has_the_photo_once(all_methods, monkeypatch):
    for method in projections.METHODS:
        for kind in ('', '_overlay', '_mask'):
            assert min(Image.open(all_methods / f'a_{method}{kind}.png').size) >= 512
    with np.load(all_methods / 'a.npz') as arrays:
        drawn = np.array(Image.open(all_methods / 'a_guided.png'))
        np.testing.assert_array_equal(drawn[::13, ::13],
                                      maps.panels(arrays['guided'])[0])  # 13 * 40 = 520
    saved = []
    monkeypatch.setattr(saliency.figures, 'save_grid',
                        lambda path, pictures, titles, **options: (saved.append(titles),
                                                                   path.write_text('')))
    run = saliency.runs.Run('saliency', all_methods.parent / 'figure', False)
    seen, gradient = seen_of(1, [0.3, 0.5, 0.2]), np.ones((3, 20, 20), 'float32')
    rgb = np.zeros((20, 20, 3), 'uint8')
    for methods in (projections.METHODS, ['guided']):
        saliency.save(run, 'x', rgb, dict.fromkeys(methods, gradient), seen, {}, 99, False, False)
    assert saved == [['fox (0.50)', 'gradient', 'guided backprop', 'deconvnet'],
                     ['fox (0.50)', 'guided backprop', 'raises the score', 'lowers the score']]
    assert saliency.parse([]).methods == list(projections.METHODS)


def seen_of(index, probabilities, names=('cat', 'fox', 'sandal', 'shoe')):
    """Choose a class by its index, or None: what is told of a photo, as `choose` does."""
    with np.errstate(divide='ignore'):
        scores = np.log(np.array([probabilities], 'float64'))
    _, (seen,) = saliency.choose(scores, saliency.Target(None, None, index), list(names), 1)
    return seen


MANY = [0.04, 0.001, 0.06, 0.05, *[0.849 / 20] * 20]  # nothing is likely
NAMES = ['cat', 'fox', 'sandal', 'shoe', *(f'thing {number}' for number in range(20))]


@pytest.mark.parametrize('index, probabilities, title, sentence', [
    (1, [0.1, 0.85, 0.003, 0.047], 'fox (0.85)', 'fox 0.85, cat 0.10, shoe 0.05'),
    (2, [0.1, 0.85, 0.003, 0.047], 'sandal (0.003)',
     'sandal 0.003; it sees fox 0.85, cat 0.10, shoe 0.05'),
    (2, MANY, 'not sure: sandal 0.06, shoe 0.05, thing 0 0.04',
     'not sure: sandal 0.06, shoe 0.05, thing 0 0.04'),
    (1, MANY, 'fox (0.001)\nnot sure: sandal 0.06, shoe 0.05, thing 0 0.04',
     'fox 0.001; it sees not sure: sandal 0.06, shoe 0.05, thing 0 0.04')])
def test_a_network_that_does_not_know_says_so(index, probabilities, title, sentence):
    seen = seen_of(index, probabilities, NAMES)
    assert (saliency.title_of(seen), saliency.sentence_of(seen)) == (title, sentence)


def test_three_guesses_are_printed_and_recorded(tmp_path, capsys):
    saliency.main(['--method', 'gradient', '--size', '32', '--out', str(tmp_path / 'run')])
    (seen,) = json.loads((tmp_path / 'run' / 'run.json').read_text())['seen']
    assert len(seen['guesses']) == 3 and seen['guesses'][0][1:] == [seen['name'],
                                                                    seen['probability']]
    told = capsys.readouterr().out
    for _, name, _ in seen['guesses']:
        assert name in told


def test_a_broken_photo_is_left_out_and_the_status_says_so(all_methods, tmp_path, error_of,
                                                           folder_of_photos):
    record = json.loads((all_methods / 'run.json').read_text())
    assert len(record['problems']) == 1 and 'c.jpg' in record['problems'][0]
    status, errors = error_of(saliency.main, [folder_of_photos, '--layer', 'conv1_1', '--unit',
                                              '0', '--out', tmp_path / 'run', '--quiet'])
    assert status == 1 and '1 of 4 photos were left out, the others are done' in errors
    assert (tmp_path / 'run' / 'd.npz').exists()


def test_batches_do_not_change_the_maps(all_methods, folder_of_photos, tmp_path):
    """The two photos of one shape go through together above, and alone here."""
    saliency.main([str(folder_of_photos / 'b.jpg'), '--size', '40', '--out', str(tmp_path / 'run'),
                   '--quiet'])
    with np.load(all_methods / 'b.npz') as together, np.load(tmp_path / 'run' / 'b.npz') as alone:
        largest = np.abs(alone['guided']).max()
        np.testing.assert_allclose(together['guided'], alone['guided'], rtol=0,
                                   atol=1e-5 * largest)


def test_a_class_is_found_by_name_and_by_number(tmp_path):
    for number, wanted in enumerate(('goldfish', 'Carassius auratus', '0')):
        saliency.main(['--method', 'guided', '--class', wanted, '--size', '32', '--out',
                       str(tmp_path / str(number)), '--quiet'])
    first, second, third = (np.load(tmp_path / str(number) / 'astronaut.npz')['guided']
                            for number in range(3))
    assert first.any()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, third)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (('one', '3'), ('two', '3'), ('other', '4')):
        saliency.main(['--method', 'guided', '--smooth', '2', '--crops', '10', '--size', '40',
                       '--seed', seed, '--out', str(tmp_path / name), '--quiet'])
    one, two, other = ((tmp_path / name / 'astronaut_guided.png').read_bytes()
                       for name in ('one', 'two', 'other'))
    assert one == two and one != other


@pytest.mark.parametrize('arguments, words', [
    (['nowhere.jpg'], ['there is no picture or folder nowhere.jpg']),
    (['{empty}'], ['there is no picture in the folder']),
    (['{photos}/c.jpg'], ['c.jpg cannot be read as a picture']),
    (['--class', 'goldfsh'], ["no class 'goldfsh'", 'did you mean', 'goldfish']),
    (['--class', '202'], ['numbered 0 to 201']),
    (['--layer', 'conv42', '--unit', '0'], ['conv42', 'did you mean', 'conv4_2']),
    (['--layer', 'conv1_1', '--unit', '16'], ['conv1_1 has the channels 0 to 15', 'no 16']),
    (['--layer', 'conv1_1', '--unit', '0,80,0'], ['80x80 units', '80,0']),
    (['--layer', 'conv1_1', '--unit', 'x'], ["'x' is no unit"]),
    (['--layer', 'fc8', '--unit', '1,2,3'], ['fc8 has no rows and columns']),
    (['--layer', 'conv1_1', '--unit', '{dead},0,0', '{black}'], ['is zero in it']),
    (['--layer', 'conv1_1'], ['--layer and --unit go together']),
    (['--layer', 'conv1_1', '--unit', '0', '--crops', '10'], ['not for a unit']),
    (['--crops', '5'], ['--crops']),
    (['--method', 'lrp'], ['gradient', 'guided', 'deconvnet']),
    (['--white', '0'], ['above 0 and up to 100']),
    (['--size', '15'], ['from 16 up']),
    (['--model', 'vgg16'], ['--weights FILE']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, error_of, monkeypatch, arguments,
                                                  words, folder_of_photos, dead_on_black):
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('ARCHIVE_WEIGHTS', raising=False)
    places = {'empty': tmp_path / 'empty', 'photos': folder_of_photos,
              'black': dead_on_black[0], 'dead': dead_on_black[1]}
    arguments = [argument.format(**places) for argument in arguments]
    status, errors = error_of(saliency.main, [*arguments, '--quiet'])
    assert status == 2
    for word in words:
        assert word in errors


def test_a_unit_that_is_zero_is_told_with_one_that_is_not(tmp_path):
    photo = np.zeros((64, 64, 3), 'uint8')
    photo[40:, 40:] = 255
    Image.fromarray(photo).save(tmp_path / 'corner.png')
    arguments = ['--layer', 'conv1_1', '--quiet', '--size', '64', str(tmp_path / 'corner.png')]
    others = []
    for channel in range(16):
        try:
            saliency.main([*arguments, '--unit', f'{channel},2,2', '--out',
                           str(tmp_path / f'run-{channel}')])
        except ArchiveError as problem:
            others += str(problem).split('the strongest of its channel is --unit ')[1:]
    assert others
    saliency.main([*arguments, '--unit', others[0], '--out', str(tmp_path / 'other')])
    (seen,) = json.loads((tmp_path / 'other' / 'run.json').read_text())['seen']
    assert seen['activation'] > 0


def test_a_fixed_input_takes_the_square_and_a_margin_for_crops():
    net = models.build('vgg16', width=1 / 64)
    assert saliency.picture_size(net, 'vgg16', None, 1) == 224
    assert saliency.picture_size(net, 'vgg16', None, 10) == 256
    with pytest.raises(photos.ArchiveError, match='fixes the size at 224'):
        saliency.picture_size(net, 'vgg16', 100, 1)
    assert photos.fit(np.zeros((300, 500, 3), 'uint8'), net, 224).shape == (224, 224, 3)
