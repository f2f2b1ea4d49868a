"""What a command without options gives: the default network, its losses, and its picture."""

import json

from models.weights import files

import pytest

from recipes import styletransfer
from recipes.common import command_line, images

DEFAULT = next(iter(files.EMBEDDED))


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """The folder of the default command, smaller and shorter."""
    out = tmp_path_factory.mktemp('runs') / 'default'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command_line, 'DEFAULT', DEFAULT)
        styletransfer.main(['--size', '96', '--evals', '20', '--rounds', '2', '--quiet',
                            '--out', str(out)])
    return out


def test_it_takes_the_network_that_learned_the_real_layers(run):
    options = json.loads((run / 'run.json').read_text())['options']
    assert options['model'] == DEFAULT == 'vgg19_small'
    assert options['init'] == 'content'


def test_style_comes_near_and_content_stays(run):
    """Losses are shares of the pictures' own, so they say it themselves."""
    record = json.loads((run / 'run.json').read_text())
    first, last = record['rounds'][0]['losses'], record['rounds'][-1]['losses']
    style = [name for name in last if name.startswith('style')]
    assert len(style) == 5
    # Measured: from 145 to 0.43 in all after 40 evaluations; 250 is a picture without activations.
    assert sum(last[name] for name in style) < 0.01 * sum(first[name] for name in style)
    # Measured: 0.91; a picture without activations has 1.
    assert first['content conv3_1'] < 1e-3 and last['content conv3_1'] < 1


def ends(folder):
    """The share of pixels with a channel at 0 or 255."""
    rgb = images.read(folder / 'result.png')
    return ((rgb == 0) | (rgb == 255)).any(axis=2).mean()


def test_the_range_term_keeps_pixels_off_the_ends(run, tmp_path):
    styletransfer.main(['--model', DEFAULT, '--size', '96', '--evals', '20', '--rounds', '2',
                        '--quiet', '--range-weight', '0', '--out', str(tmp_path / 'run')])
    assert 'range' not in json.loads((tmp_path / 'run' / 'run.json').read_text())['losses']
    assert ends(run) < 0.7 * ends(tmp_path / 'run')  # measured: 7.1 % and 18.8 %


def test_a_selection_brings_its_network(tmp_path):
    """--features without --model takes the network that the selection was made with."""
    selection = {'format': 'style features', 'version': 1, 'model': 'alexnet',
                 'picture': {'name': 'p.png', 'pixels': '00ff'}, 'threshold': 0.5,
                 'layers': {'conv1': {'channels': 96, 'dropped': [1]}}, 'motifs': []}
    path = tmp_path / 'selection.json'
    path.write_text(json.dumps(selection))
    options = styletransfer.parse(['--features', str(path)])
    assert options.model == 'alexnet'
