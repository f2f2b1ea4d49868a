"""Class models: they are classified as their class, regularisers, going on, wrong requests."""

import csv
import json

import models

import numpy as np
import pytest
from PIL import Image

from recipes import class_model
from recipes.common import images, projections


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Return the folder of a run with the default classes, at fewer steps."""
    out = tmp_path_factory.mktemp('runs') / 'default'
    class_model.main(['--iterations', '60', '--out', str(out), '--quiet'])
    return out


def test_the_saved_pictures_are_classified_as_their_class(finished):
    net, classes, mean_pixel = models.load('vgg19_quarter')
    look = projections.compile_activations(net, ['prob'])
    for name in class_model.CLASSES:
        path = finished / f'{name.replace(" ", "_")}.png'
        (probabilities,) = look(images.prepare(images.read(path), mean_pixel))
        index = next(index for index, entry in enumerate(classes) if entry.startswith(name))
        assert probabilities[0, index] > 0.99, name


@pytest.mark.slow
def test_squeezenets_pictures_are_classified_as_their_class(shared_data, tmp_path):
    weights = shared_data / 'weights' / 'squeezenet1_1_torchvision_fp16.npz'
    class_model.main(['--model', 'squeezenet', '--weights', str(weights), '--deepvis', '3',
                      '--jitter', '16', '--blur', '0.5', '--rate', '4', '--iterations', '120',
                      '--out', str(tmp_path / 'run'), '--quiet'])
    net, classes, mean_pixel = models.load('squeezenet', weights)
    look = projections.compile_activations(net, ['prob'])
    for name in class_model.CLASSES:
        path = tmp_path / 'run' / f'{name.replace(" ", "_")}.png'
        (probabilities,) = look(images.prepare(images.read(path), mean_pixel))
        index = next(index for index, entry in enumerate(classes) if entry.startswith(name))
        assert probabilities[0, index] > 0.99, name


def test_scores_rise_and_the_gif_shows_it(finished):
    with open(finished / 'scores.csv') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 61
    for name in class_model.CLASSES:
        assert float(rows[-1][f'score {name}']) > float(rows[0][f'score {name}']) + 10
    gif = Image.open(finished / 'optimisation.gif')
    assert gif.n_frames == 7 and gif.size[0] > 5 * 64
    assert json.loads((finished / 'run.json').read_text())['status'] == 'finished'


def test_classes_of_one_name_have_pictures_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(class_model.class_names, 'class_name', lambda classes, index: 'crane')
    class_model.main(['--class', '3', '5', '3', '--iterations', '1', '--size', '32', '--out',
                      str(tmp_path / 'run'), '--quiet'])
    assert sorted(path.stem for path in (tmp_path / 'run').glob('crane*.png')) == [
        'crane_3', 'crane_5']


@pytest.mark.parametrize('steps', [0, 2])
def test_a_stop_keeps_the_images_and_is_recorded(tmp_path, monkeypatch, steps):
    original = class_model.compile_class_score

    def interrupting(net):
        function, calls = original(net), []

        def compute(*arguments):
            calls.append(1)
            if len(calls) > steps:
                raise KeyboardInterrupt
            return function(*arguments)
        return compute

    monkeypatch.setattr(class_model, 'compile_class_score', interrupting)
    with pytest.raises(KeyboardInterrupt):
        class_model.main(['--class', '3', '--size', '32', '--out', str(tmp_path / 'run'),
                          '--quiet'])
    with np.load(tmp_path / 'run' / 'images.npz') as arrays:
        assert arrays['images'].any() == (steps > 0)
    assert json.loads((tmp_path / 'run' / 'run.json').read_text())['status'] == 'interrupted'


def test_the_last_image_is_regularised(tmp_path):
    class_model.main(['--class', '3', '--deepvis', '1', '--iterations', '3', '--size', '32',
                      '--out', str(tmp_path / 'run'), '--quiet'])
    with np.load(tmp_path / 'run' / 'images.npz') as arrays:
        empty = ~arrays['images'].any(axis=1)
    assert abs(empty.mean() - 0.5) < 0.02


def test_a_run_can_go_on(finished, tmp_path):
    class_model.main(['--iterations', '1', '--init', str(finished / 'images.npz'), '--out',
                      str(tmp_path / 'run'), '--quiet'])
    with open(tmp_path / 'run' / 'scores.csv') as file:
        first = next(csv.DictReader(file))
    with open(finished / 'scores.csv') as file:
        last = list(csv.DictReader(file))[-1]
    for name in class_model.CLASSES:
        assert float(first[f'score {name}']) == pytest.approx(float(last[f'score {name}']),
                                                              rel=1e-5)


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name, seed in (('one', '3'), ('two', '3'), ('other', '4')):
        class_model.main(['--class', '0', '--init', 'noise', '--deepvis', '3', '--jitter', '2',
                          '--iterations', '5', '--size', '32', '--seed', seed, '--out',
                          str(tmp_path / name), '--quiet'])
    one, two, other = ((tmp_path / name / 'goldfish.png').read_bytes()
                       for name in ('one', 'two', 'other'))
    assert one == two and one != other


def only(**values):
    return class_model.Regularisers(**{'l2': 0, **values})


def test_each_regulariser_does_what_it_says():
    random = np.random.RandomState(0)
    x, gradient = random.normal(size=(2, 2, 3, 12, 12))
    decayed = class_model.regularise(x, gradient, 0, only(decay=0.25))
    np.testing.assert_allclose(decayed, 0.75 * x)
    blurred = class_model.regularise(x, gradient, 4, only(blur=1.0))
    assert blurred.std() < 0.5 * x.std()
    np.testing.assert_array_equal(
        class_model.regularise(x, gradient, 5, only(blur=1.0)), x)  # every fourth step
    kept = class_model.regularise(x, gradient, 1, only(norm_percentile=50))
    norms = np.sqrt((x ** 2).sum(axis=1))
    for index in range(2):
        gone = ~kept[index].any(axis=0)
        assert abs(gone.mean() - 0.5) < 0.02
        assert norms[index][gone].max() <= norms[index][~gone].min()
    kept = class_model.regularise(x, gradient, 1, only(contribution_percentile=90))
    contributions = np.abs((gradient * x).sum(axis=1))
    gone = ~kept.any(axis=1)
    assert abs(gone.mean() - 0.9) < 0.02
    assert contributions[0][gone[0]].max() <= contributions[0][~gone[0]].min()


def test_the_norm_holds_the_image_back():
    """With a large lambda the image stays small; without, it grows."""
    def function(x, wanted):
        return x.sum(axis=(1, 2, 3)), np.ones(len(x)), np.ones_like(x)

    def size_with(l2):
        *_, (x, _, _) = class_model.climb(
            function, np.zeros((1, 3, 16, 16), 'float32'), np.zeros(1, 'int32'), 50,
            regularisers=only(l2=l2), clip=lambda x: images.within_pixels(x, np.full(3, 128)))
        return np.abs(x).mean()

    assert size_with(0) == pytest.approx(100)  # 50 steps of 2 grey levels
    assert size_with(0.01) == pytest.approx(50, abs=2)  # where 1 = 2 * lambda * x


def test_a_row_of_the_table_sets_the_regularisers_and_options_win():
    options = class_model.parse(['--deepvis', '3'])
    assert (options.decay, options.blur, options.iterations, options.l2) == (1e-4, 1.0, 1000, 0)
    options = class_model.parse(['--deepvis', '3', '--iterations', '7', '--l2', '1'])
    assert (options.iterations, options.l2, options.blur) == (7, 1, 1.0)


@pytest.mark.parametrize('arguments, words', [
    (['--class', 'goldfsh'], ["no class 'goldfsh'", "'goldfish'"]),
    (['--class', '202'], ['0 to 201']),
    (['--init', 'nowhere.npz'], ['nowhere.npz is no images.npz']),
    (['--init', '{earlier}', '--class', '5'], ['holds the classes ', 'give --class ', '--size ']),
    (['--deepvis', '5'], ['--deepvis']),
    (['--decay', '1'], ['--decay', 'below 1']),
    (['--norm-percentile', '100'], ['below 100']),
    (['--jitter', '-1'], ['--jitter']),
    (['--rate', '0'], ['above 0']),
    (['--out', '{existing}'], ['exists already']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, error_of, finished, arguments, words):
    places = {'earlier': finished / 'images.npz', 'existing': tmp_path}
    arguments = [argument.format(**places) for argument in arguments]
    status, errors = error_of(class_model.main, arguments)
    assert status == 2
    for word in words:
        assert word in errors
