"""Degrading a painting: what reaches the loss, what is told, and what the article saw."""

import csv
import json

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer
from recipes.common import images, palettes
from recipes.style import work

# Few layers, since every set of them is compiled.
SHALLOW = ['--content-layers', 'conv2_2', '--style-layers', 'conv1_1,conv2_1']
SMALL = ['--size', '32', '--rounds', '1', '--evals', '2', '--quiet', *SHALLOW]


def colours_in(rgb):
    return len(np.unique(rgb.reshape(-1, 3), axis=0))


def paint(out, *arguments):
    styletransfer.main([*SMALL, *map(str, arguments), '--out', str(out)])
    return json.loads((out / 'run.json').read_text())


def scene(*arguments):
    return work.read_scene(styletransfer.parse([*SMALL, *map(str, arguments)]))


@pytest.mark.parametrize('arguments, most', [
    (['--style-palette', '5'], 5), (['--style-bits', '1'], 8),
    (['--style-palette', '12', '--style-bits', '1'], 8)])
def test_the_network_sees_so_many_colours_at_every_size(arguments, most):
    one = scene(*arguments, '--size', '64', '--phases', '2')
    for phase in range(2):
        painting = one.degraded(0, phase)
        assert 1 < colours_in(painting) <= most and one.painting_regions(0, phase) is None
    if '--style-bits' in arguments:
        assert set(np.unique(painting)) <= {0, 255}


def test_black_parts_of_a_mask_do_not_count(tmp_path):
    """The painting's left half is red, its right half blue; without the blue it is all red."""
    halves = np.zeros((64, 64, 3), 'uint8')
    halves[:, :32], halves[:, 32:] = (200, 40, 30), (30, 60, 220)
    mask = np.zeros((64, 64), 'uint8')
    mask[:, :32] = 255
    for name, pixels in (('halves', halves), ('mask', mask)):
        Image.fromarray(pixels).save(tmp_path / f'{name}.png')
    redness = {}
    for name, more in (('whole', []), ('masked', ['--style-mask', tmp_path / 'mask.png'])):
        out = tmp_path / f'run-{name}'
        paint(out, '--style', tmp_path / 'halves.png', '--content-weight', '0', '--evals', '40',
              *more)
        result = images.read(out / 'result.png').astype(float)
        redness[name] = (result[..., 0] - result[..., 2]).mean()
    assert redness['whole'] < 40 and redness['masked'] > 100  # of 170 where all is red
    assert (tmp_path / 'run-masked' / 'style.png').exists()


def test_masks_and_a_style_mask_together(tmp_path):
    """What is left out is left out of each region, and no region may lose everything."""
    halves = np.zeros((64, 64, 3), 'uint8')
    halves[:, 32:] = 0, 255, 0
    Image.fromarray(halves).save(tmp_path / 'halves.png')
    Image.fromarray(np.where(np.arange(64) < 48, 255, 0).astype('uint8')[None].repeat(64, 0)).save(
        tmp_path / 'most.png')
    Image.fromarray(np.where(np.arange(64) < 30, 255, 0).astype('uint8')[None].repeat(64, 0)).save(
        tmp_path / 'left.png')
    both = ['--style', tmp_path / 'halves.png', '--masks', tmp_path / 'halves.png',
            tmp_path / 'halves.png', '--style-mask']
    regions = scene(*both, tmp_path / 'most.png').painting_regions(0, 0)
    assert regions.shape[0] == 2
    shares = regions.mean(axis=(1, 2))
    np.testing.assert_allclose(shares, [0.5, 0.25], atol=0.03)
    with pytest.raises(ArchiveError, match='painting is left in the region #00ff00'):
        scene(*both, tmp_path / 'left.png')


def test_a_degraded_run_shows_and_measures_it(tmp_path):
    record = paint(tmp_path / 'run', '--style-palette', '6')
    assert record['parameters']['style_palette'] == 6
    assert {'style_01.png', 'style.png', 'colours.csv'} <= set(record['files'])
    with open(tmp_path / 'run' / 'colours.csv') as file:
        row, = csv.DictReader(file)
    result = images.read(tmp_path / 'run' / 'result.png')
    assert row['colours'] == row['palette'] == '6' and float(row['near_palette']) == 1
    assert float(row['result_entropy']) == pytest.approx(palettes.entropy(result))
    plain = paint(tmp_path / 'plain')['files']
    assert not {'style_01.png', 'style.png', 'colours.csv'} & set(plain)


@pytest.mark.parametrize('arguments, words', [
    (['--style-palette', '1'], 'from 2 to 256 (colours)'),
    (['--style-bits', '9'], 'from 1 to 8 (bits)'),
    (['--style-mask', 'a.png', 'b.png'], '2 masks for 1 paintings'),
    (['--style-mask', 'a.png'], 'there is no picture a.png'),
    (['--style-mask', '{black}'], 'leaves nothing of the painting'),
    (['--features', 'a.json'], 'there is no selection a.json'),
])
def test_wrong_requests_are_one_line(tmp_path, monkeypatch, error_of, arguments, words):
    monkeypatch.chdir(tmp_path)
    Image.new('RGB', (20, 20)).save('black.png')
    arguments = [argument.format(black='black.png') for argument in arguments]
    status, errors = error_of(styletransfer.main, [*SMALL, *arguments])
    assert status == 2 and words in errors
    assert not (tmp_path / 'runs').exists()


@pytest.mark.slow
def test_peaks_of_a_reduced_palette_survive_and_those_of_all_colours_smear(tmp_path):
    plain = tmp_path / 'plain.png'
    Image.new('RGB', (128, 128), (236, 226, 200)).save(plain)
    layers = ','.join(['conv1_1', 'conv1_2', 'conv2_1', 'conv2_2',
                       *(f'conv3_{number}' for number in range(1, 5))])
    found = {}
    for count, more in (('all', []), ('three', ['--style-palette', '3'])):
        arguments = ['--content', str(plain), '--content-weight', '0', '--style-layers', layers,
                     '--style-scale', '3', '--rounds', '3', '--evals', '150', *more]
        paint(tmp_path / count, '--size', '128', *arguments)
        one = scene('--size', '128', *arguments)
        result = images.read(tmp_path / count / 'result.png')
        kept, there = palettes.peaks_kept(one.degraded(0, 0), result)
        found[count] = kept / there, palettes.entropy(result)
    assert found['three'][0] == 1 and found['all'][0] < 0.5
    assert found['three'][1] < found['all'][1] - 1  # bits: measured 7.2 and 8.6
