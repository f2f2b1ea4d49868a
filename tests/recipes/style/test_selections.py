"""Selections: what is read, and every file that is none."""

import base64
import copy
import json

import models
from models.errors import ArchiveError

import numpy as np
import pytest

from recipes.style import selections

GOOD = {'format': 'style features', 'version': 1, 'model': 'vgg19_quarter',
        'picture': {'name': 'a.png', 'pixels': '00ff'}, 'threshold': 0.5,
        'layers': {'conv1_1': {'channels': 16, 'dropped': [5, 3, 3]},
                   'conv2_1': {'channels': 32, 'dropped': list(range(32))},
                   'conv3_1': {'channels': 64, 'dropped': []}},
        'motifs': [{'layer': 'conv1_1', 'motif': 0, 'channels': [3, 5], 'rows': 2, 'columns': 4,
                    'heat': base64.b64encode(bytes([0, 0, 0, 0, 0, 0, 255, 255])).decode()}]}


def saved(tmp_path, edit=lambda found: None):
    found = copy.deepcopy(GOOD)
    edit(found)
    path = tmp_path / 'selection.json'
    path.write_text(json.dumps(found))
    return path


def test_what_is_kept(tmp_path):
    selection = selections.read(saved(tmp_path))
    assert selection.dropped['conv1_1'] == [3, 5]
    layers = {'conv1_1': 1.0, 'conv2_1': 1.0, 'conv3_1': 0.5, 'conv4_1': 1.0}
    left = selection.layers_kept(layers)
    assert left == {'conv1_1': 1.0, 'conv3_1': 0.5, 'conv4_1': 1.0}
    channels = selection.channels_kept(left)
    assert list(channels) == ['conv1_1'] and sorted({*range(16)} - {*channels['conv1_1']}) == [3, 5]
    kept = selection.kept(np.zeros((40, 80, 3), 'uint8'))
    assert kept.shape == (40, 80) and set(np.unique(kept)) == {0, 1}
    assert kept[:20, :30].all() and not kept[32:, 60:].any()
    with pytest.raises(ArchiveError, match='drops every channel of conv2_1'):
        selection.layers_kept({'conv2_1': 1.0})
    whole = selections.read(saved(tmp_path, lambda found: found.update(motifs=[])))
    assert whole.kept(None) is None


@pytest.mark.parametrize('edit, words', [
    (lambda found: found.update(format='x'), 'no selection; take a selection.json'),
    (lambda found: found.update(version=2), 'version 2'),
    (lambda found: found.pop('motifs'), "'motifs' is missing"),
    (lambda found: found.update(threshold='much'), "threshold 'much'"),
    (lambda found: found.update(threshold=0), 'threshold 0'),
    (lambda found: found.update(layers={}), 'no layers'),
    (lambda found: found.update(layers=[]), 'no selection as the page exports it'),
    (lambda found: found['layers']['conv1_1']['dropped'].append(16), 'channels 0 to 15; there is'),
    (lambda found: found['layers']['conv1_1']['dropped'].append('x'), "there is no 'x'"),
    (lambda found: found['layers']['conv1_1'].update(channels=0), 'conv1_1 has 0 channels'),
    (lambda found: found['motifs'][0].update(rows=3), 'has 8 positions, not 3x4'),
    (lambda found: found['motifs'][0].update(rows=-1), 'has -1x4 positions'),
    (lambda found: found['motifs'][0].update(heat='?'), 'motif 0 of conv1_1 is no base64'),
    (lambda found: found.update(model=7), 'model, name and pixels are texts'),
])
def test_what_cannot_be_is_told(tmp_path, edit, words):
    with pytest.raises(ArchiveError, match='selection.json') as problem:
        selections.read(saved(tmp_path, edit))
    assert words in str(problem.value) and '\n' not in str(problem.value)


@pytest.mark.parametrize('text', ['[1', '[]', '7', 'null', ''])
def test_files_that_are_no_selection(tmp_path, text):
    path = tmp_path / 'other.json'
    path.write_text(text)
    with pytest.raises(ArchiveError, match='other.json is no selection'):
        selections.read(path)
    path.write_bytes(b'\xff\xfe')
    with pytest.raises(ArchiveError, match='cannot be read'):
        selections.read(path)
    with pytest.raises(ArchiveError, match='there is no selection'):
        selections.read(tmp_path / 'none.json')


def test_another_network_or_other_layers(tmp_path):
    selection = selections.read(saved(tmp_path))
    net = models.build('vgg19_quarter', deepest='conv3_1')
    selection.check(net, 'vgg19_quarter', ['conv1_1', 'conv1_2'])
    with pytest.raises(ArchiveError, match='made with vgg19_quarter, and this is vgg19'):
        selection.check(net, 'vgg19', ['conv1_1'])
    with pytest.raises(ArchiveError, match='none of the style layers conv1_2'):
        selection.check(net, 'vgg19_quarter', ['conv1_2'])
    other = selection._replace(channels={'conv1_1': 64})
    with pytest.raises(ArchiveError, match='64 channels in conv1_1, and this network 16'):
        other.check(net, 'vgg19_quarter', ['conv1_1'])
