"""The tour of the layers: strongest channels, largest element and whole map, pages, errors."""

import html.parser
import json
import urllib.parse

import numpy as np
import pytest

import models
from recipes import layer_features
from recipes.common import images, projections

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
            seed = projections.unit_seed(activations, layer, channel)
            whole = np.zeros_like(activations)
            whole[:, channel] = 1
            for field, wanted in (('element', seed), ('whole', whole)):
                expected = project(image, wanted)[0]
                np.testing.assert_allclose(features[field][index], expected, rtol=0,
                                           atol=1e-5 * np.abs(expected).max())
            assert features['largest'][index] == pytest.approx(activations[0, channel].max())
            assert features['sum'][index] == pytest.approx(activations[0, channel].sum(), rel=1e-5)


class Links(html.parser.HTMLParser):
    """Gathers what a page links to and shows."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.ids, self.pictures, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == 'a':
            self.anchors.append(attributes['href'].lstrip('#'))
        if tag == 'img':
            self.pictures.append(attributes['src'])
        if 'id' in attributes:
            self.ids.append(attributes['id'])


def test_the_page_shows_every_layer_of_every_photo(finished):
    text = (finished / 'index.html').read_text()
    page = Links(text)
    assert page.anchors == page.ids == LAYERS
    assert len(page.pictures) == 9
    for picture in page.pictures:
        assert (finished / picture).exists()
    assert 'receptive field 5 x 5. Channels' in text.split('id="conv1_2"')[1].split('<h2')[0]
    assert 'cropped to the photo' in text.split('id="conv4_1"')[1]
    assert 'cropped to the photo' not in text.split('id="conv4_1"')[0]
    record = json.loads((finished / 'run.json').read_text())
    assert record['status'] == 'finished' and len(record['problems']) == 1


def test_one_compilation_serves_all_layers(monkeypatch, tmp_path):
    compiled = []
    original = projections.theano.function
    monkeypatch.setattr(projections.theano, 'function',
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
    (picture,) = Links((tmp_path / 'run' / 'index.html').read_text()).pictures
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
