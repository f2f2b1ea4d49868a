"""Occlusion sensitivity agrees with captum's, covers every pixel, and draws the paper's figure."""

import importlib.util
import json
from pathlib import Path

import models

import numpy as np
import pytest
import theano
from PIL import Image

from recipes import occlusion
from recipes.common import figures, images

SPEC = importlib.util.spec_from_file_location(
    'occlusion_golden', Path(__file__).parents[1] / 'golden' / 'occlusion.py')
golden = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden)


@pytest.mark.parametrize('network', golden.LAYERS)
def test_the_maps_are_captums_in_float64(network):
    *_, size, width, _, _ = golden.maps.NETWORKS[network]
    classes = {'all_cnn_c': 10}.get(network, 12)

    def array(key, shape):
        return golden.maps.array(network, key, shape)

    with theano.config.change_flags(floatX='float64'):
        net = models.build(network, width=width, size=size, classes=classes, array=array)
        look = occlusion.compile_look(net, golden.LAYERS[network])
    squares = occlusion.squares_of((size, size), golden.SQUARE, golden.STRIDE)
    falls = []
    with np.load(golden.OUT) as expected:
        for number, picture in enumerate(golden.maps.pictures(network)):
            found = occlusion.Occlusion(look, picture[None], squares, batch=5,
                                        channel=golden.maps.CHANNELS[number]).arrays()
            for kind in ('probability', 'sum'):
                wanted = expected[f'{network} {kind}'][number]
                # captum keeps what it averages in float32, 6e-8. Scores of some hundreds, exact to
                # 1e-14 of themselves, make probabilities near 1 exact to 1e-12 only.
                largest = np.abs(wanted).max()
                np.testing.assert_allclose(found[f'{kind}_importance'], wanted, rtol=0,
                                           atol=max(2e-7 * largest, 1e-11))
                falls.append(largest)
    assert np.sum(np.array(falls) > 1e-3) >= 7  # of ten; some probabilities stay at 1


def test_each_place_is_looked_at_once_in_its_place_whatever_the_batch():
    """By a network that says how much of the picture is left, and how bright its corner is."""
    image = np.random.RandomState(0).uniform(1, 2, (3, 20, 26)).astype('float32')
    squares = occlusion.squares_of((20, 26), 8, 5)
    assert squares.tops.tolist() == [0, 5, 10, 15] and squares.lefts.tolist() == [0, 5, 10, 15, 20]
    seen = []

    def look(x):
        seen.append(len(x))
        return [x.sum(axis=(1, 2, 3)), x[:, :, 0, 0]]

    for batch in (1, 7, 100):
        seen.clear()
        steps = []
        left, corner = occlusion.responses(look, image, squares, -1.0, batch, steps.append)
        assert sum(seen) == sum(steps) == 20 and max(seen) <= batch
        assert left.shape == (4, 5) and corner.shape == (4, 5, 3)
        for row, top in enumerate(squares.tops):
            for column, place in enumerate(squares.lefts):
                copy = image.copy()
                copy[:, top:top + 8, place:place + 8] = -1
                assert left[row, column] == pytest.approx(copy.sum(), rel=1e-5)
                np.testing.assert_array_equal(corner[row, column], copy[:, 0, 0])


@pytest.mark.parametrize('length, side, stride', [(20, 8, 5), (21, 8, 5), (9, 8, 5), (8, 8, 3),
                                                  (40, 1, 1), (17, 5, 5)])
def test_squares_cover_every_pixel(length, side, stride):
    squares = occlusion.squares_of((length, length), side, stride)
    covered = occlusion.importance(1, np.zeros((len(squares.tops),) * 2), squares,
                                   (length, length))
    np.testing.assert_array_equal(covered, 1)


@pytest.fixture(scope='module')
def finished(tmp_path_factory, folder_of_photos):
    """Return the folder of a run on three photos and a broken one."""
    out = tmp_path_factory.mktemp('runs') / 'occlusion'
    with pytest.raises(occlusion.photos.Incomplete, match='1 of 4'):
        occlusion.main([str(folder_of_photos), '--size', '40', '--square', '16', '--stride', '8',
                        '--class', 'goldfish', '--out', str(out), '--quiet'])
    return out


def test_a_run_has_the_papers_maps(finished):
    with np.load(finished / 'a.npz') as arrays:
        assert arrays['probabilities'].shape == arrays['sums'].shape == (4, 7)
        assert arrays['likeliest'].shape == (4, 7) and int(arrays['class']) == 0
        assert arrays['probability_importance'].shape == arrays['photo'].shape[:2] == (40, 60)
        assert arrays['projection'].shape == (3, 40, 60) and arrays['projection'].any()
    for kind in ('probability', 'activation'):
        assert min(Image.open(finished / f'a_{kind}.png').size) >= 512
    assert min(Image.open(finished / 'a_figure.png').size) >= 400
    record = json.loads((finished / 'run.json').read_text())
    assert [seen['photo'] for seen in record['seen']] == ['a', 'b', 'd']
    assert record['seen'][0]['name'] == 'goldfish' and 'c.jpg' in record['problems'][0]
    assert record['parameters']['square'] == 16 and record['status'] == 'finished'


def test_the_strongest_channel_and_the_likeliest_class_are_watched(tmp_path, capsys):
    occlusion.main(['--size', '48', '--stride', '16', '--colours', 'perceptual', '--out',
                    str(tmp_path / 'run')])
    net, classes, mean_pixel = models.load('vgg19_quarter')
    image = images.prepare(images.resize(images.read(images.bundled_photo()), 48), mean_pixel)
    sums, shares = occlusion.compile_look(net, 'conv5_1')(image)
    (seen,) = json.loads((tmp_path / 'run' / 'run.json').read_text())['seen']
    assert (seen['channel'], seen['class']) == (sums.argmax(), shares.argmax())
    assert seen['probability'] == pytest.approx(shares.max()) and 'behind the square' in \
        capsys.readouterr().out


def test_small_probabilities_and_doubts_are_told():
    squares = occlusion.squares_of((8, 8), 4, 4)
    shares = np.array([0.07, 0.05, 0.002, *[0.04] * 3, *[0.0379] * 20])

    def look(images_):
        return [np.full((len(images_), 1), 2.5), np.tile(shares, (len(images_), 1))]

    names = [f'class {number}' for number in range(len(shares))]
    found = occlusion.Occlusion(look, np.zeros((1, 3, 8, 8), 'float32'), squares, wanted=2)
    guesses = 'not sure: class 0 0.07, class 1 0.05, class 3 0.04'
    assert found.title(names) == f'probability of class 2 (0.002 of the whole photo)\n{guesses}'
    assert found.sentence(names, 'conv1').startswith(
        f'{guesses}; probability of class 2 0.002, at least 0.002 behind the square; elsewhere it '
        'sees class 0; channel 0 of conv1: total activation 2.5, at least 2.5 behind the square')
    shares[0] = 0.5
    found = occlusion.Occlusion(look, np.zeros((1, 3, 8, 8), 'float32'), squares)
    assert found.title(names) == 'probability of class 0 (0.50 of the whole photo)'
    assert found.record(names)['guesses'][1][1:] == ('class 1', 0.05)


def test_a_map_is_drawn_from_its_least_to_its_largest_value():
    drawn = figures.coloured(np.array([[1.0, 2.0], [3.0, 5.0]]), 'paper')
    assert drawn[0, 0].argmax() == 2 and drawn[1, 1].argmax() == 0  # from blue to red
    assert not figures.coloured(np.ones((2, 2)), 'perceptual').std(axis=(0, 1)).any()
    large = figures.at_least(drawn, 5)
    assert large.shape == (6, 6, 3)
    np.testing.assert_array_equal(large[::3, ::3], drawn)


@pytest.mark.parametrize('arguments, words', [
    (['--class', 'goldfsh'], ["no class 'goldfsh'"]),
    (['--layer', 'fc8'], ['fc8 has no rows and columns']),
    (['--channel', '500'], ['0 to 127', 'no 500']),
    (['--square', '80'], ['covers the whole photo', '--square']),
    (['--stride', '0'], ['from 1 up']),
    (['--colours', 'hot'], ['paper', 'perceptual']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, monkeypatch, error_of, arguments,
                                                  words):
    monkeypatch.chdir(tmp_path)
    status, errors = error_of(occlusion.main, arguments)
    assert status == 2
    for word in words:
        assert word in errors
    assert not (tmp_path / 'runs').exists()
