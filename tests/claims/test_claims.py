"""Each claim holds as the recipe measures it, and fails where its method is broken."""

import csv
import json
from pathlib import Path

import models

import numpy as np
import pytest
from PIL import Image

from recipes import claims as recipe
from recipes.common import images, palettes
from recipes.measures import claims, drawn_classes, layers, ways_back
from recipes.measures.claims import FAILS, HOLDS, UNKNOWN

MODEL = 'vgg19_quarter'


@pytest.fixture(scope='module')
def subject():
    """Return the smaller embedded network with what the claims are measured on."""
    return recipe.Subject(MODEL)


def verdict(finding):
    assert finding.figure
    return finding.verdict


def test_negative_values_are_the_first_kernels(subject):
    given = subject.ways, subject.net, subject.photos, subject.scores
    assert verdict(claims.negative_values(*given)) == HOLDS
    assert verdict(claims.negative_values(*given, guided='gradient')) == FAILS
    assert verdict(claims.negative_values(*given, plain='guided')) == FAILS


def test_guided_maps_are_cleaner(subject):
    given = subject.ways, subject.photos, subject.scores
    assert verdict(claims.cleaner_maps(*given)) == HOLDS
    assert verdict(claims.cleaner_maps(*given, guided='gradient',
                                       others=('guided', 'deconvnet'))) == FAILS


def test_a_deconvnet_without_switches_gives_one_map_for_all(subject):
    small = subject.photos[:, :, :32, :32]
    given = subject.strided.layers[0], subject.scores, small, subject.photos
    assert verdict(claims.no_switches(subject.strided, subject.ways, *given)) == HOLDS
    net = subject.strided.net
    guided = ways_back.WaysBack(net, subject.strided.layers, ['guided', 'deconvnet'])
    broken = type('Broken', (), {'of_class': lambda self, method, *rest: guided.of_class(
        'guided', *rest)})()
    assert verdict(claims.no_switches(broken, subject.ways, *given)) == FAILS


def test_early_units_are_simple(subject):
    names = subject.facts.style[:3]
    given = subject.gradients, subject.net, subject.photos, names
    assert verdict(claims.simple_detectors(*given)) == HOLDS
    random = np.random.RandomState(0)
    with ways_back.changed(subject.net, ['conv1_1'], lambda kernels: random.normal(
            0, kernels.std(), kernels.shape)):
        assert verdict(claims.simple_detectors(*given)) == FAILS


def test_maps_of_sums_fade(subject):
    given = subject.guided, subject.photos[:2], subject.guided.layers
    assert verdict(claims.fading_maps(*given)) == HOLDS
    assert verdict(claims.fading_maps(*given, whole=False)) == FAILS


def test_a_deep_layer_loses_colours_and_bends_lines():
    assert verdict(claims.colour_and_lines(MODEL, None, 'conv4_2', 'conv1_1', 64, 60)) == HOLDS
    assert verdict(claims.colour_and_lines(MODEL, None, 'conv1_2', 'conv1_1', 64, 60)) == FAILS


def test_style_loses_positions(subject):
    painting, other = recipe.paintings()
    assert verdict(claims.lost_positions(subject.look, painting, other)) == HOLDS
    assert verdict(claims.lost_positions(subject.look, painting, other, style=lambda a, b: 1
                                         - subject.look.content(a, b))) == FAILS
    assert verdict(claims.lost_positions(subject.look, painting, other,
                                         content=subject.look.gram)) == FAILS


def test_means_do_nearly_what_covariances_do(subject, monkeypatch):
    given = subject.look, MODEL, None, subject.facts.style[:2], images.PAINTING, 64, 30
    assert verdict(claims.means_will_do(*given)) == HOLDS
    own = claims.reconstructed

    def of_another(arguments, *rest):
        """Take the means of another picture."""
        if 'mean' in arguments:
            arguments = [str(images.bundled_photo()), *arguments[1:]]
        return own(arguments, *rest)

    monkeypatch.setattr(claims, 'reconstructed', of_another)
    assert verdict(claims.means_will_do(*given)) == FAILS


def test_neighbouring_layers_are_alike(subject):
    given = subject.all_activations, subject.photos
    assert verdict(claims.neighbours_alike(*given, subject.groups)) == HOLDS
    across = [[group[index % len(group)] for group in subject.groups] for index in range(4)]
    assert verdict(claims.neighbours_alike(*given, across)) == FAILS


def test_pictures_change_less_and_less():
    losses, shown = claims.painted_rounds(MODEL, None, 48, 4, 8)
    assert verdict(claims.ever_less_change(losses, shown)) == HOLDS
    assert verdict(claims.ever_less_change(losses, shown[::-1])) == FAILS
    assert verdict(claims.ever_less_change(losses[::-1], shown)) == FAILS


def painted(arguments):
    """In the place of a style transfer: a few colours that stay, or all of them smeared."""
    painting = images.resize(images.read(images.PAINTING), 96)
    if '--style-palette' in arguments:
        result = palettes.with_palette(painting, palettes.palette_of(painting, 3, 1))
    else:
        result = np.random.RandomState(0).randint(0, 256, painting.shape).astype('uint8')
    out = Path(arguments[arguments.index('--out') + 1])
    out.mkdir()
    Image.fromarray(result).save(out / 'result.png')


def test_a_palette_keeps_peaks(monkeypatch):
    """Of pictures that were not painted; the slow test paints them."""
    monkeypatch.setattr(claims.styletransfer, 'main', painted)
    assert verdict(claims.palette_keeps_peaks(MODEL, None, ('conv1_1',))) == HOLDS
    assert verdict(claims.palette_keeps_peaks(MODEL, None, ('conv1_1',), reduced=False)) == FAILS


@pytest.mark.slow
def test_a_painted_palette_keeps_peaks():
    layers_ = 'conv1_1', 'conv2_1', 'conv3_1', 'conv3_4'
    assert verdict(claims.palette_keeps_peaks(MODEL, None, layers_, size=128,
                                              evaluations=80)) == HOLDS


def test_the_map_raises_the_score(subject):
    given = subject.ways, subject.photos, subject.scores
    assert verdict(claims.map_raises_score(*given)) == HOLDS
    assert verdict(claims.map_raises_score(*given, sign=-1)) == FAILS
    assert verdict(claims.map_raises_score(*given, methods=('deconvnet',))) == FAILS


@pytest.mark.parametrize('errors, wanted', [((20, 22), HOLDS), ((20, 40), FAILS),
                                             ((70, 71), UNKNOWN)])
def test_errors_of_strides_and_pooling_are_compared(monkeypatch, errors, wanted):
    """Of errors that are given; the slow test trains."""
    told = dict(zip(('base_cnn_c', 'all_cnn_c'), errors))

    def trained(arguments):
        assert np.load(arguments[0])['images'].shape[1:] == (32, 32, 3)
        out = Path(arguments[arguments.index('--out') + 1])
        out.mkdir()
        error = told[arguments[arguments.index('--model') + 1]]
        (out / 'epochs.csv').write_text(f'epoch,test_error\n1,75.0\n2,{error}\n')

    monkeypatch.setattr(claims.train_all_cnn, 'main', trained)
    assert verdict(claims.strides_will_do(None)) == wanted


@pytest.mark.slow
def test_strides_do_what_pooling_does(tmp_path):
    assert verdict(claims.strides_will_do(None)) == HOLDS
    random = np.random.RandomState(0)
    pictures, labels = drawn_classes.draw(300)
    np.savez(tmp_path / 'mixed.npz', images=pictures, labels=random.permutation(labels),
             split=np.where(np.arange(300) < 200, 'train', 'held_out'))
    assert verdict(claims.strides_will_do(tmp_path / 'mixed.npz', epochs=2)) == UNKNOWN


def test_random_upper_layers_change_the_gradient_only(subject):
    given = subject.ways, subject.net, subject.photos, subject.scores, subject.upper
    kernels = subject.net[subject.upper[0]].W.get_value()
    assert verdict(claims.upper_layers_matter_not(*given, 'guided')) == HOLDS
    assert verdict(claims.upper_layers_matter_not(*given, 'gradient')) == FAILS
    assert verdict(claims.upper_layers_matter_not(*given, 'guided', plain='guided')) == FAILS
    # The deconvnet changes less than the gradient and more than hardly: 0.68 and 0.40.
    assert verdict(claims.upper_layers_matter_not(*given, 'deconvnet')) == FAILS
    np.testing.assert_array_equal(subject.net[subject.upper[0]].W.get_value(), kernels)


def test_cka_and_simplicity_by_hand():
    x = np.random.RandomState(0).normal(size=(50, 3))
    rotation, _ = np.linalg.qr(np.random.RandomState(1).normal(size=(3, 3)))
    assert layers.linear_cka(x, 3 * x @ rotation + 1) == pytest.approx(1)
    assert layers.linear_cka(x, np.random.RandomState(2).normal(size=(50, 3))) < 0.2
    down, right = np.mgrid[:3, :3].astype(float)
    assert layers.simplicity(np.stack([down, right, 0 * down + 2])) == pytest.approx(1)
    assert layers.simplicity((down - 1)[None] * (right - 1)) == pytest.approx(-0.5)  # 0 of a third
    blocks = layers.permuted(np.arange(48, dtype='uint8').reshape(4, 4, 3), 2)
    assert sorted(blocks.ravel()) == list(range(48))


def test_the_table_is_saved_and_what_cannot_be_told_is_said(tmp_path):
    """A network without classes has no maps of them; the others are measured."""
    net = models.build('vgg19_normalized', width=0.05)
    path = tmp_path / 'weights.npz'
    np.savez(path, width=0.05, mean_pixel=(104, 117, 123), **{
        f'{name}.{part}': getattr(layer, part).get_value()
        for name, layer in net.items() if hasattr(layer, 'W') for part in 'Wb'})
    recipe.main(['--model', 'vgg19_normalized', '--weights', str(path), '--claim', 'score',
                 'positions', '--quiet', '--out', str(tmp_path / 'run')])
    with open(tmp_path / 'run' / 'claims.csv') as file:
        rows = {row['claim']: row for row in csv.DictReader(file)}
    assert rows['score']['verdict'] == UNKNOWN and 'class' in rows['score']['figure']
    assert rows['positions']['verdict'] in (HOLDS, FAILS)
    assert 'style alone loses positions' in (tmp_path / 'run' / 'claims.md').read_text()
    assert json.loads((tmp_path / 'run' / 'run.json').read_text())['status'] == 'finished'


def test_an_unknown_claim_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(models.errors.ArchiveError, match='did you mean palette'):
        recipe.main(['--claim', 'pallete'])
    assert not (tmp_path / 'runs').exists()
