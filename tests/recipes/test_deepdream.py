"""DeepDream: objectives, octaves, jitter, frames, what it excites, and wrong requests."""

import csv
import json

import models

import numpy as np
import pytest
from PIL import Image

from recipes import deepdream
from recipes.common import images, projections

SMALL = ['--size', '64', '--octaves', '2', '--quiet']
LAYER = ['--layer', 'conv3_2']


def values_of(folder):
    """Return {octave: objectives} of the first frame."""
    found = {}
    with open(folder / 'objective.csv') as file:
        for row in csv.DictReader(file):
            if row['frame'] == '0':
                found.setdefault(row['octave'], []).append(float(row['objective']))
    return found


@pytest.mark.parametrize('target', [LAYER, [*LAYER, '--channel', '5'],
                                    ['--class', 'goldfish'],
                                    [*LAYER, '--guide', str(images.PAINTING)]],
                         ids=['layer', 'channel', 'class', 'guide'])
def test_without_jitter_each_octave_ends_above_its_start(tmp_path, target):
    deepdream.main([*SMALL, '--jitter', '0', '--iterations', '6', *target, '--out',
                    str(tmp_path / 'run')])
    values = values_of(tmp_path / 'run')
    assert list(values) == ['0', '1']
    for objectives in values.values():
        assert len(objectives) == 6 and objectives[-1] > objectives[0]


@pytest.fixture(scope='module')
def shallow():
    """Return (net, image) of two layers, for the objectives."""
    net, _, mean_pixel = models.load('vgg19_quarter', deepest='conv2_1')
    photo = images.resize(images.read(images.bundled_photo()), 32)
    return net, images.prepare(photo, mean_pixel)


def test_the_objectives_gradients_are_those_of_their_seeds(shallow):
    """Against the projection of the activations themselves, of one channel, and of the guide's
    best matches, worked out by numpy."""
    net, image = shallow
    (activations,) = projections.compile_activations(net, ['conv2_1'])(image)
    project = projections.compile_projection(net, ['conv2_1'])
    guide = np.random.RandomState(0).uniform(size=(7, 32)).astype('float32')
    positions = activations[0].reshape(32, -1)
    best = guide[(guide @ positions).argmax(axis=0)].T.reshape(activations.shape)
    one = np.zeros_like(activations)
    one[:, 4] = 1
    for objective, needs, seed, value in (
            ('layer', [], activations, 0.5 * (activations ** 2).sum()),
            ('seed', [deepdream.one_of(32, 4)], one, activations[:, 4].sum()),
            ('guide', [guide], best, (best * activations).sum())):
        found, gradient = deepdream.compile_dream(net, 'conv2_1', objective)(image, *needs)
        expected = project(image, seed)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
        assert found == pytest.approx(value, rel=1e-5)


def within(image):
    return images.within_pixels(image, np.full(3, 128))


def test_a_step_has_its_mean_size_and_jitter_is_undone():
    """By a gradient that is the picture: each step adds 1.5 grey levels in the mean."""
    x = np.random.RandomState(0).uniform(-20, 20, (1, 3, 40, 50)).astype('float32')
    steps = list(deepdream.dream(lambda image, random: (0, image), x, np.random.RandomState(1),
                                 octaves=1, iterations=3, jitter=9, clip=within))
    assert [(octave, step) for _, octave, step, _ in steps] == [(0, 0), (0, 1), (0, 2)]
    first = steps[0][0] - x
    assert np.abs(first).mean() == pytest.approx(1.5, rel=1e-4)
    np.testing.assert_allclose(first, 1.5 / np.abs(x).mean() * x, rtol=1e-3, atol=1e-4)


def test_octaves_grow_to_the_photo_and_details_go_on():
    x = np.zeros((1, 3, 98, 196), 'float32')
    sizes, seen = [], []

    def ascend(image, random):
        seen.append(image.copy())
        return 0, np.ones_like(image)

    for image, octave, _, _ in deepdream.dream(ascend, x, np.random.RandomState(0), octaves=3,
                                               iterations=1, jitter=0, clip=within):
        sizes.append((octave, image.shape[2:]))
    assert sizes == [(0, (50, 100)), (1, (70, 140)), (2, (98, 196))]
    assert np.allclose(seen[1], 1.5) and np.allclose(seen[2], 3)  # what was added before


def test_a_random_class_is_another_one_at_each_step(tmp_path):
    out = tmp_path / 'run'
    deepdream.main([*SMALL, '--class', 'random', '--iterations', '4', '--seed', '3', '--out',
                    str(out)])
    objectives = sum(values_of(out).values(), [])
    assert len({round(value, 6) for value in objectives}) == 8
    record = json.loads((out / 'run.json').read_text())
    assert record['parameters']['wanted'] == 'random' and record['status'] == 'finished'


def test_frames_zoom_in_and_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ('one', 'two'):
        deepdream.main([*SMALL, *LAYER, '--iterations', '1', '--frames', '3', '--out',
                        str(tmp_path / name)])
    for frame in range(3):
        one, two = ((tmp_path / name / f'frame_{frame:04d}.png').read_bytes()
                    for name in ('one', 'two'))
        assert one == two
    frames = [np.array(Image.open(tmp_path / 'one' / f'frame_{frame:04d}.png'))
              for frame in range(3)]
    assert not np.array_equal(frames[0], frames[1]) and frames[2].shape == (64, 64, 3)
    ramp = np.broadcast_to(np.arange(100, dtype='float32'), (1, 3, 100, 100))
    zoomed = deepdream.enlarged(ramp, 0.1)
    assert zoomed.shape == ramp.shape
    assert zoomed[0, 0, 0, 0] == 5 and zoomed[0, 0, 0, -1] == 94


def test_a_stop_keeps_the_dream_at_its_full_size(tmp_path, monkeypatch):
    original = deepdream.dream

    def interrupted(*arguments, **options):
        for number, step in enumerate(original(*arguments, **options)):
            if number == 2:
                raise KeyboardInterrupt
            yield step

    monkeypatch.setattr(deepdream, 'dream', interrupted)
    with pytest.raises(KeyboardInterrupt):
        deepdream.main([*SMALL, *LAYER, '--out', str(tmp_path / 'run')])
    assert Image.open(tmp_path / 'run' / 'result.png').size == (64, 64)
    record = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert record['status'] == 'interrupted'


def test_a_stop_in_a_later_frame_keeps_the_last_whole_one(tmp_path, monkeypatch):
    original, begun = deepdream.dream, []

    def interrupted(*arguments, **options):
        begun.append(None)
        for number, step in enumerate(original(*arguments, **options)):
            if len(begun) == 2 and number == 1:
                raise KeyboardInterrupt
            yield step

    monkeypatch.setattr(deepdream, 'dream', interrupted)
    with pytest.raises(KeyboardInterrupt):
        deepdream.main([*SMALL, *LAYER, '--frames', '3', '--out', str(tmp_path / 'run')])
    found = [np.array(Image.open(tmp_path / 'run' / name)) for name in (
        'result.png', 'frame_0000.png')]
    np.testing.assert_array_equal(*found)


def test_the_dream_of_a_class_excites_it(tmp_path, capsys):
    out = tmp_path / 'run'
    deepdream.main(['--size', '64', '--octaves', '1', '--iterations', '15', '--class', 'goldfish',
                    '--out', str(out)])
    told = capsys.readouterr().out
    assert told.startswith('the dream excites goldfish')
    assert 'fish' in told.splitlines()[1] and 'of the 202 classes' in told
    with open(out / 'classes.csv') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 202
    for when in ('photo', 'dream'):
        total = sum(float(row[f'probability_{when}']) for row in rows)
        assert total == pytest.approx(1, abs=1e-4)
    assert float(rows[0]['score_dream']) > float(rows[0]['score_photo'])


@pytest.mark.parametrize('arguments, words', [
    (['nowhere.jpg'], ['no picture nowhere.jpg']),
    (['--layer', 'conv42'], ['conv42', 'conv4_2']),
    (['--layer', 'fc8'], ['fc8 has no rows and columns']),
    (['--channel', '500'], ['0 to 127', 'no 500']),
    (['--class', 'wyvern'], ["no class 'wyvern'"]),
    (['--channel', '1', '--class', '2'], ['choose one']),
    (['--guide', 'nowhere.jpg'], ['no picture nowhere.jpg']),
    (['--octaves', '9'], ['smallest octave', 'fewer --octaves']),
    (['--octave-scale', '1'], ['above 1']),
    (['--octave-scale', '11'], ['up to 10']),
    (['--octave-scale', '1e300'], ['1e300', 'is not a number']),
    (['--class', ''], ["no class ''"]),
    (['--class', '1', '--layer', 'conv3_1'], ['choose one']),
    (['--zoom', '0.5'], ['below 0.5']),
    (['--jitter', '-1'], ['--jitter']),
    (['--step', '0'], ['above 0']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, error_of, monkeypatch, arguments,
                                                  words):
    monkeypatch.chdir(tmp_path)
    status, errors = error_of(deepdream.main, arguments)
    assert status == 2
    for word in words:
        assert word in errors
    assert not (tmp_path / 'runs').exists()


def test_a_network_of_fixed_size_dreams_of_its_convolutions_only(tmp_path, monkeypatch, error_of):
    monkeypatch.setattr(deepdream.models, 'load', lambda *arguments: (
        models.build('vgg16', width=1 / 64), None, np.zeros(3)))
    status, errors = error_of(deepdream.main, ['--model', 'vgg16', '--class', '0'])
    assert status == 2 and 'dense layers of vgg16' in errors
