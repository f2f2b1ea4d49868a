"""The tour of the layers: strongest channels, largest element and whole map, pages, errors."""

import json
import re
import urllib.parse

import models

import numpy as np
import pytest
from PIL import Image

from recipes import layer_features
from recipes.common import functions, images, projections, quantities

LAYERS = ['conv1_2', 'pool2', 'conv4_1']


@pytest.fixture(scope='module')
def finished(tmp_path_factory, folder_of_photos):
    """Return the folder of a run on three photos and a broken one."""
    out = tmp_path_factory.mktemp('runs') / 'short'
    with pytest.raises(layer_features.photos.Incomplete, match='1 of 4'):
        layer_features.main([str(folder_of_photos), '--layers', ','.join(LAYERS), '--channels',
                             '3', '--size', '40', '--batch', '4', '--out', str(out), '--quiet'])
    return out


@pytest.mark.parametrize('layer', LAYERS)
def test_features_are_the_strongest_channels_and_their_guided_gradients(finished, layer,
                                                                        folder_of_photos):
    net, _, mean_pixel = models.load('vgg19_quarter', deepest='conv4_1')
    image = images.prepare(images.resize(images.read(folder_of_photos / 'b.jpg'), 40), mean_pixel)
    (activations,) = projections.compile_activations(net, [layer])(image)
    project = projections.compile_projection(net, [layer], 'guided')
    with np.load(finished / 'b' / f'{layer}.npz') as features:
        order = np.argsort(-activations[0].sum(axis=(1, 2)), kind='stable')[:3]
        np.testing.assert_array_equal(features['channel'], order)
        for index, channel in enumerate(order):
            seed = projections.unit_target(activations, layer, channel)
            whole = np.zeros_like(activations)
            whole[:, channel] = 1
            for field, wanted in (('element', seed), ('whole', whole)):
                expected = project(image, wanted)[0]
                np.testing.assert_allclose(features[field][index], expected, rtol=0,
                                           atol=1e-5 * np.abs(expected).max())
            assert features['largest'][index] == pytest.approx(activations[0, channel].max())
            assert features['sum'][index] == pytest.approx(activations[0, channel].sum(), rel=1e-5)


def tour_of(folder):
    """Read what the page of a run knows."""
    text = (folder / 'index.html').read_text(encoding='utf-8')
    return json.loads(re.search('<script type="application/json" id="tour">(.*?)</script>', text,
                                re.S)[1])


def test_the_page_shows_every_layer_of_every_photo(finished):
    tour = tour_of(finished)
    assert [layer['name'] for layer in tour['layers']] == LAYERS
    assert [layer['sees'] for layer in tour['layers']] == ['5 x 5 pixels', '16 x 16 pixels',
                                                           '68 x 68 pixels']
    for layer in tour['layers']:
        assert [photo['name'] for photo in layer['photos']] == ['a', 'b', 'd']
        for photo in layer['photos']:
            assert (finished / photo['image']).exists() and len(photo['features']) == 3
            assert (finished / photo['name'] / f'{layer["name"]}.png').exists()
            for feature in photo['features']:
                assert (finished / feature['strip']).exists()
    assert min(Image.open(finished / 'a' / 'photo.png').size) >= 512
    record = json.loads((finished / 'run.json').read_text())
    assert record['status'] == 'finished' and len(record['problems']) == 1


def test_a_box_is_the_patch_and_small_pixels_stay_square(finished, folder_of_photos):
    rgb = images.resize(images.read(folder_of_photos / 'b.jpg'), 40)
    (layer,) = [layer for layer in tour_of(finished)['layers'] if layer['name'] == 'conv1_2']
    photo = layer['photos'][1]
    with np.load(finished / 'b' / 'conv1_2.npz') as arrays:
        places = arrays['place']
    for feature, (row, column) in zip(photo['features'], places):
        assert (feature['row'], feature['column']) == (row, column)
        first, begin = max(row - 2, 0), max(column - 2, 0)  # 5 x 5, cut to the photo
        assert feature['top'] == pytest.approx(100 * first / 40, abs=0.01)
        assert feature['left'] == pytest.approx(100 * begin / 60, abs=0.01)
        patch = rgb[first:row + 3, begin:column + 3]
        strip = np.array(Image.open(finished / feature['strip']))[:, :layer_features.TILE]
        assert strip.shape == (192, 192, 3)
        if patch.shape == (5, 5, 3):
            at = np.arange(192) * 5 // 192
            np.testing.assert_array_equal(strip, patch[np.ix_(at, at)])


def test_a_sheet_tells_network_layer_method_and_what_its_numbers_are(tmp_path, monkeypatch):
    sheets = []
    monkeypatch.setattr(layer_features.figures, 'save_grid',
                        lambda path, pictures, titles, **options: (
                            sheets.append((titles, options)), path.write_text('')))
    layer_features.main(['--layers', 'conv1_1', '--channels', '2', '--size', '32', '--method',
                         'deconvnet', '--out', str(tmp_path / 'run'), '--quiet'])
    ((titles, options),) = sheets
    assert options['heading'] == ('vgg19_quarter, conv1_1: what the channels with the largest sums '
                                  'see (by a deconvnet)')
    with np.load(tmp_path / 'run' / 'astronaut' / 'conv1_1.npz') as arrays:
        numbers = [(quantities.short(largest), quantities.short(total))
                   for largest, total in zip(arrays['largest'], arrays['sum'])]
    assert titles[1:3] == [f'largest activation {numbers[0][0]}', f'sum of its map {numbers[0][1]}']
    assert titles[4:] == [f'largest activation {numbers[1][0]}', f'sum of its map {numbers[1][1]}']
    for words in ('The largest sum is first', 'Grey is zero', 'need not be those of the photo'):
        assert words in options['caption']


def test_one_compilation_serves_all_layers(monkeypatch, tmp_path):
    compiled = []
    original = functions.theano.function
    monkeypatch.setattr(functions.theano, 'function',
                        lambda *arguments, **options: compiled.append(1) or original(
                            *arguments, **options))
    layer_features.main(['--layers', 'conv1_1,conv1_2,conv2_1', '--channels', '1', '--size', '32',
                         '--out', str(tmp_path / 'run'), '--quiet'])
    assert len(compiled) == 2  # the activations, and the way back


def test_awkward_names_and_layers_named_twice(tmp_path, folder_of_photos):
    photo = tmp_path / 'a#1 50%25.png'
    photo.write_bytes((folder_of_photos / 'a.png').read_bytes())
    layer_features.main([str(photo), str(photo), '--layers', 'conv1_1, conv1_1', '--channels', '1',
                         '--size', '32', '--out', str(tmp_path / 'run'), '--quiet'])
    (layer,) = tour_of(tmp_path / 'run')['layers']
    (shown,) = layer['photos']
    for picture in (shown['image'], shown['features'][0]['strip']):
        assert (tmp_path / 'run' / urllib.parse.unquote(picture)).exists()
        assert '#' not in picture


@pytest.mark.parametrize('arguments, words', [
    (['--layers', 'conv1_1,conv9'], ['conv9', 'no layer']),
    (['--layers', 'conv1_1,fc8'], ['fc8 has no rows and columns']),
    (['--layers', 'conv1_1,'], ["there is no layer ''"]),
    (['--channels', '0'], ['--channels']),
    (['{empty}'], ['no picture in the folder']),
    (['--method', 'x'], ['guided']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, error_of, monkeypatch, arguments,
                                                  words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'empty').mkdir()
    arguments = [argument.format(empty='empty') for argument in arguments]
    status, errors = error_of(layer_features.main, arguments)
    assert status == 2
    for word in words:
        assert word in errors
    assert not (tmp_path / 'runs').exists()
