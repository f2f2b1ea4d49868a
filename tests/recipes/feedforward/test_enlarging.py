"""Enlarging: photos made small, networks of both kinds, and what is measured of them."""

import json

from models import feedforward
from models.errors import ArchiveError, Incomplete

import lasagne
import numpy as np
import pytest

from recipes import perceptual_losses, super_resolution, texture_networks
from recipes.common import images, photos
from recipes.feedforward import (
    applying,
    enlarging,
    generators,
    objective,
    options,
    training,
)

SMALL = feedforward.ENLARGING._replace(width=0.1, blocks=1)
LAYERS = {'features': 'conv2_1', 'pixels': 'input'}


@pytest.fixture(scope='module')
def photo():
    return images.square(images.read(images.bundled_photo()), 64)


@pytest.mark.parametrize('dialect', ['enlarging', 'johnson_enlarging'])
@pytest.mark.parametrize('factor', [2, 4, 8])
def test_networks_enlarge_by_their_factor(dialect, factor):
    description = feedforward.DIALECTS[dialect]._replace(factor=factor, width=0.1)
    net = feedforward.build(description)
    found = lasagne.layers.get_output_shape(net['output'], {net['input']: (1, 3, 13, 20)})
    wanted = [feedforward.output_size(description, length) for length in (13, 20)]
    assert list(found) == [1, 3, *wanted] and wanted == [13 * factor, 20 * factor]


def test_johnsons_network_has_the_parameters_of_its_table():
    # 9x9 convolutions to and from 64 maps, four blocks of two 3x3, two 3x3 upwards, each with
    # biases and, but for the last, a normalisation's scale and shift.
    convolutions = 3 * 64 * 81 + 10 * 64 * 64 * 9 + 64 * 3 * 81 + 11 * 64 + 3
    net = feedforward.build(feedforward.DIALECTS['johnson_enlarging'])
    assert feedforward.parameter_count(net) == convolutions + 11 * 2 * 64


def test_a_photo_is_blurred_before_it_gets_smaller(photo):
    small = enlarging.lowered(photo, 4)
    assert small.shape == (16, 16, 3)
    np.testing.assert_allclose(small.mean(axis=(0, 1)), photo.mean(axis=(0, 1)), atol=2)
    board = np.where(np.indices((32, 32)).sum(axis=0) % 2, 255, 0).astype('uint8')
    grey = enlarging.lowered(np.repeat(board[:, :, None], 3, axis=2), 2)
    assert np.abs(grey[2:-2, 2:-2] - 127.5).max() < 3


def test_measures_are_of_what_was_lost(photo):
    same = enlarging.measured(photo, photo)
    assert same[0] == np.inf and same[1] == pytest.approx(1) and same[2] == pytest.approx(1)
    off = np.clip(photo.astype(int) + 5, 0, 255).astype('uint8')
    assert enlarging.measured(off, photo)[0] == pytest.approx(20 * np.log10(255 / 5), abs=0.5)
    psnr, ssim, fine = enlarging.measured(enlarging.bicubic(enlarging.lowered(photo, 4), 4), photo)
    assert 15 < psnr < 30 and 0.4 < ssim < 0.9 and fine < 0.2


def test_a_network_that_adds_nothing_repeats_pixels(enlarger, photo):
    small = enlarging.lowered(photo, 4)
    painter = applying.Painter(enlarger, 1e10)
    np.testing.assert_array_equal(painter.paint(small),
                                  small.repeat(4, axis=0).repeat(4, axis=1))
    x = images.prepare(small, painter.mean_pixel)
    whole = painter.strips.paint(x)
    painter.strips.strip = 4000
    np.testing.assert_allclose(painter.strips.paint(x), whole, atol=1e-4)
    least = applying.Painter(enlarger, 1e10).needs(100, 100)[0]
    assert least > applying.PROCESS + applying.PICTURES * 16 * 100 ** 2


@pytest.mark.parametrize('kind', LAYERS)
def test_training_brings_the_enlarged_nearer_to_the_photo(kind, photo):
    settings = objective.Settings('vgg19_quarter', style_layers=(), content_layer=LAYERS[kind])
    loss = objective.LossNetwork(settings, None)
    trainer = training.Trainer(SMALL, loss, 1)
    batch = photos.stack([photo, photo[::-1]], loss.mean_pixel)
    small, wanted = trainer.inputs(batch, 64, 64, 2, None)
    assert small.shape == (2, 3, 16, 16) and wanted is batch
    terms = [trainer.step([small, wanted], 3e-3) for _ in range(25)]
    assert loss.names == ['content', 'range', 'grid']
    assert np.mean(terms[-3:], axis=0)[0] < 0.8 * terms[0][0]
    if kind == 'pixels':  # the share of the photos' own squares
        found = trainer.measure(small, wanted)[0]
        painted, exact = trainer.paint(small).astype('float64'), batch.astype('float64')
        shares = ((painted - exact) ** 2).sum((1, 2, 3)) / (exact ** 2).sum((1, 2, 3))
        assert found == pytest.approx(shares.mean(), rel=1e-4)


def test_the_commands(enlarger, folder, tmp_path, capsys):
    super_resolution.main(['apply', str(folder / 'a.png'), '--generator', str(enlarger), '--out',
                           str(tmp_path / 'apply'), '--quiet'])
    assert images.read(tmp_path / 'apply' / 'a.png').shape == (160, 208, 3)
    super_resolution.main(['evaluate', str(folder / 'a.png'), '--generator', str(enlarger),
                           '--out', str(tmp_path / 'evaluate')])
    record = json.loads((tmp_path / 'evaluate' / 'run.json').read_text())
    assert record['factor'] == 4
    assert set(record['results']) == {'bicubic interpolation', str(enlarger)}
    assert (tmp_path / 'evaluate' / 'figure_01.png').exists()
    assert 'PSNR' in capsys.readouterr().out
    with pytest.raises(Incomplete, match='1 photos were left out.*b.png'):
        super_resolution.main(['train', str(folder), '--held-out', '1', '--steps', '2', '--width',
                               '0.1', '--sizes', '32', '--batch', '1', '--loss', 'pixels',
                               '--quiet', '--out', str(tmp_path / 'train')])
    _, description = generators.load(tmp_path / 'train' / 'generator.npz')
    assert description == feedforward.ENLARGING._replace(width=0.1)


def test_what_cannot_be_is_told(enlarger, generator, folder, tmp_path):
    out, photo = ['--out', str(tmp_path / 'out')], str(folder / 'a.png')
    for recipe, arguments, told in (
            (super_resolution, ['apply', photo, '--generator', generator], 'paints photos; see '
             'recipes/perceptual_losses.py'),
            (perceptual_losses, ['apply', photo, '--generator', enlarger], 'enlarges photos; see '
             'recipes/super_resolution.py'),
            (perceptual_losses, ['evaluate', photo, '--generator', enlarger], 'enlarges photos'),
            (perceptual_losses, ['evaluate', photo, '--generator', 'mosaic', '--against',
                                 'enlarge_4'], 'enlarges photos'),
            (texture_networks, ['apply', photo, '--generator', enlarger], 'enlarges photos'),
            (super_resolution, ['apply', photo, '--generator', 'stones'], 'makes textures'),
            (super_resolution, ['train', str(folder), '--held-out', '1', '--sizes', '30'],
             'multiples of 4'),
            (super_resolution, ['evaluate', str(folder / 'a.png'), '--generator',
                                _eight_times(enlarger, tmp_path)], 'too small')):
        with pytest.raises(ArchiveError, match=told):
            recipe.main([*map(str, arguments), *out, '--quiet'])
    with pytest.raises(ArchiveError, match='different factors: 4, 8'):
        super_resolution.main(['evaluate', photo, '--generator', str(enlarger), '--against',
                               str(tmp_path / 'eight.npz'), *out])


def _eight_times(enlarger, folder):
    with np.load(enlarger) as arrays:
        made = dict(arrays)
    description = {**json.loads(str(made['description'])), 'factor': 8}
    net = feedforward.build(feedforward.Description(**description))
    np.savez(folder / 'eight.npz', description=json.dumps(description), provenance='{}',
             **generators.arrays_of(net))
    return folder / 'eight.npz'


@pytest.mark.parametrize('entries', [{'factor': 4}, {'family': 'enlarging'}, {'factor': 4.0},
                                     {'family': 'enlarging', 'factor': 3},
                                     {'family': 'enlarging', 'factor': 4, 'photo': False}])
def test_entries_that_do_not_fit_one_another_are_refused(entries):
    description = {**feedforward.ARCHIVE._asdict(), **entries}
    with pytest.raises(ArchiveError, match='of a dialect that is not known'):
        generators.checked('some.npz', description)


def test_a_loss_of_before_the_grid_is_known(generator, tmp_path):
    settings = {'loss': objective.Settings()._asdict(), 'painting': 'a.jpg', 'style': '',
                'style_size': 1, 'description': feedforward.ARCHIVE._asdict()}
    del settings['loss']['grid_weight']
    with np.load(generator) as arrays:
        made = {**arrays, 'provenance': json.dumps({'settings': settings})}
    np.savez(tmp_path / 'earlier.npz', **made)
    assert options.settings_of(tmp_path / 'earlier.npz')['loss']['grid_weight'] == 0


def test_files_of_before_load(generator, tmp_path):
    with np.load(generator) as arrays:
        made = dict(arrays)
    description = json.loads(str(made['description']))
    del description['factor'], description['enlarged_sum']
    np.savez(tmp_path / 'earlier.npz', **{**made, 'description': json.dumps(description)})
    assert generators.load(tmp_path / 'earlier.npz')[1] == generators.load(generator)[1]
