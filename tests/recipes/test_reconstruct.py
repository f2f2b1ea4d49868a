"""Reconstructions from layers: what comes back, what is measured, wrong requests."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from recipes import reconstruct
from recipes.common import colours, images, straight_lines


def table_of(folder):
    with open(folder / 'measurements.csv') as file:
        return list(csv.DictReader(file))


def test_a_shallow_layer_gives_the_picture_back(tmp_path, capsys):
    out = tmp_path / 'run'
    reconstruct.main(['--lines', '--size', '48', '--layers', 'conv1_1', 'conv4_2', '--evals', '60',
                      '--frames', '4', '--out', str(out)])
    wanted = straight_lines.draw(48).astype(float)
    found = [images.read(out / f'{number:02d}.png').astype(float) for number in (1, 2)]
    errors = [abs(rgb - wanted).mean() for rgb in found]
    assert errors[0] < 12 < errors[1]
    shallow, deep = table_of(out)
    assert float(shallow['edges_from_lines']) < 0.5 < float(deep['edges_from_lines'])
    strip = Image.open(out / '01_strip.png')
    assert strip.size == (5 * 48 + 4 * 2, 48)  # four frames and the picture itself
    output = capsys.readouterr().out
    assert 'the picture itself' in output and 'pixels from their lines' in output
    assert json.loads((out / 'run.json').read_text())['status'] == 'finished'


@pytest.mark.parametrize('statistics', ['gram', 'mean'])
def test_a_texture_has_the_statistics_and_not_the_places(tmp_path, statistics):
    out = tmp_path / 'run'
    reconstruct.main(['--style', '--style-statistics', statistics, '--size', '48', '--layers',
                      'conv1_1,conv2_1', '--evals', '60', '--quiet', '--out', str(out)])
    painting = images.resize(images.read(images.PAINTING), 48)
    texture = images.read(out / '01.png')
    losses = np.loadtxt(out / '01_losses.csv', delimiter=',', skiprows=1)[:, 1]
    assert losses[-1] < 0.02 * losses[0]
    correlation = np.corrcoef(colours.luminance(painting).ravel(),
                              colours.luminance(texture).ravel())[0, 1]
    assert abs(correlation) < 0.4
    if statistics == 'gram':
        assert abs(painting.mean((0, 1)) - texture.mean((0, 1))).max() < 30


@pytest.mark.parametrize('arguments, words', [
    (['photo.jpg', '--lines'], 'omit PICTURE'),
    (['nowhere.jpg'], 'there is no picture nowhere.jpg'),
    (['--style-statistics', 'mean'], 'add --style'),
    (['--layers', 'conv1_1,,conv2_1'], 'empty place'),
    (['--layers', 'conv9_1'], 'did you mean'),
    (['--layers', 'fc8'], 'has no rows and columns'),
    (['--frames', '0'], "'0' is not a whole number"),
])
def test_wrong_requests_are_one_line(tmp_path, monkeypatch, error_of, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, errors = error_of(reconstruct.main, arguments)
    assert status == 2 and words in errors
    assert not (tmp_path / 'runs').exists()


def test_straight_edges_are_straight_and_shifted_ones_are_as_far_as_they_are_shifted():
    drawn = straight_lines.draw(128)
    assert straight_lines.distance(drawn) < 0.25  # edges are smooth, and corners near
    shifted = np.roll(drawn, 2, axis=0)
    # Edges lie at all angles: a shift down by 2 moves steep ones less than flat ones.
    assert 1 < straight_lines.distance(shifted) < 2
    rows, columns = np.mgrid[:128, :128]
    waves = np.rint(rows + 2 * np.sin(columns / 5)).clip(0, 127).astype(int)
    assert 0.8 < straight_lines.distance(drawn[waves, columns]) < 2
