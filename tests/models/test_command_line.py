"""`python -m models`: networks, layers, classes."""

import models
from models import __main__ as command_line
from models.weights import conversion

import numpy as np
import pytest

from recipes.common import command_line as recipes_command_line
from recipes.style.defaults import settings_of


@pytest.fixture
def output(capsys):
    """Return a function that runs the command line and gives its lines, split into columns."""

    def run(*arguments):
        command_line.main([str(argument) for argument in arguments])
        return capsys.readouterr().out.splitlines()

    return run


def rows_of(lines):
    """Return the cells of a table as dicts, by the places of the words of its first line."""
    header = lines[0]
    titles = [title for title in header.split('  ') if title.strip()]
    places = [header.index(title.strip()) for title in titles] + [None]
    return [{title.strip(): line[start:end].strip()
             for title, start, end in zip(titles, places, places[1:])}
            for line in lines[1:lines.index('') if '' in lines else None]]


def test_every_network_is_listed_with_what_it_is(output):
    lines = output()
    rows = {row['network']: row for row in rows_of(lines)}
    assert list(rows) == list(models.NETWORKS)
    assert rows['vgg19_quarter'] == {
        'network': 'vgg19_quarter', 'weights': 'here', 'pixels': '64', 'classes': '202',
        'what it is': 'the embedded network of before: a VGG-19 a quarter as wide'}
    assert rows['alexnet']['pixels'] == '227' and rows['alexnet']['classes'] == '1000'
    assert rows['squeezenet']['weights'] == '' and rows['vgg19_normalized']['classes'] == '0'
    assert 'python -m models layers NAME' in '\n'.join(lines)


@pytest.mark.parametrize('name', models.NETWORKS)
def test_every_layer_is_listed_in_order(output, name):
    rows = {row['layer']: row for row in rows_of(output('layers', name))}
    facts = models.facts_of(name)
    assert list(rows) == [layer for layer, *_ in models.NETWORKS[name]()]
    assert 'dream' in rows[facts.dream]['default of']
    style = settings_of('archive', name).style_layers
    for layer in recipes_command_line.layer_weights(style):
        assert 'style' in rows[layer]['default of'] and 'style' in rows[layer]['usable for']
    if 'prob' in rows:
        assert rows['prob']['usable for'] == 'saliency' and rows['prob']['sees'] == 'all'


def test_a_layer_is_told_with_its_kind_channels_stride_and_field(output):
    rows = {row['layer']: row for row in rows_of(output('layers', 'alexnet'))}
    told = {layer: tuple(rows[layer][title] for title in ('kind', 'channels', 'stride', 'sees'))
            for layer in ('conv2', 'norm2', 'pool5', 'fc6')}
    assert told == {'conv2': ('convolution 5x5 in 2 groups', '256', '8', '51'),
                    'norm2': ('normalisation', '256', '8', '51'),
                    'pool5': ('pooling 3x3', '256', '32', '195'),
                    'fc6': ('dense', '4096', '', 'all')}
    embedded = {row['layer']: row for row in rows_of(output('layers', 'vgg19_quarter'))}
    assert embedded['conv4_2']['default of'].startswith('content')


def test_layers_of_a_file_are_those_that_it_has(output, tmp_path):
    arrays = {}

    def array(key, shape):
        arrays[key] = np.zeros(shape, 'float32')
        return arrays[key]

    models.build('squeezenet', deepest='fire2/concat', width=1 / 8, array=array)
    np.savez(tmp_path / 'cut.npz', **arrays, width=1 / 8)
    rows = {row['layer']: row for row in rows_of(output('layers', 'squeezenet', '--weights',
                                                        tmp_path / 'cut.npz'))}
    assert rows['fire2/concat']['channels'] == '16'
    assert rows['fire2/concat']['usable for'].startswith('style')
    assert rows['fire3/squeeze1x1']['usable for'] == rows['prob']['usable for'] == 'not in the file'


def test_classes_are_listed_by_number_kind_and_names(output):
    rows = rows_of(output('classes', 'squeezenet', 'king', 'penguin'))
    assert rows == [{'class': '145', 'WordNet': 'n02056570', 'kind': 'birds',
                     'names': 'king penguin, Aptenodytes patagonica'}]
    assert len(rows_of(output('classes', 'vgg19'))) == 1000
    embedded = rows_of(output('classes', 'vgg19_quarter', 'dogs'))
    _, classes, _ = models.load('vgg19_quarter', deepest='conv1_1')
    assert embedded and all(classes[int(row['class'])] == row['names'] for row in embedded)


@pytest.fixture
def own_classes(tmp_path):
    """Return a weight file of All-CNN-C with two classes of somebody's own."""
    arrays = {key: np.zeros(shape, 'float32')
              for key, shape in conversion.skeleton('all_cnn_c', 1 / 24, 2)[1].items()}
    np.savez(tmp_path / 'own.npz', **arrays, width=1 / 24, classes=['my cat', 'my dog'])
    np.savez(tmp_path / 'nameless.npz', **arrays, width=1 / 24)
    return tmp_path


def test_classes_of_a_file_are_its_own(output, own_classes):
    rows = rows_of(output('classes', 'all_cnn_c', '--weights', own_classes / 'own.npz'))
    assert [row['names'] for row in rows] == ['my cat', 'my dog']
    rows = rows_of(output('classes', 'all_cnn_c', 'dog', '--weights', own_classes / 'own.npz'))
    assert [(row['class'], row['kind']) for row in rows] == [('1', 'other')]


@pytest.mark.parametrize('arguments, words', [
    (['layers', 'vgg91'], ['vgg91', 'did you mean vgg19', 'python -m models lists all']),
    (['classes', 'vgg91'], ['vgg91', 'did you mean vgg19']),
    (['layers'], ['NAME']), (['lyers'], ['layers', 'classes']),
    (['classes', 'vgg19_normalized'], ['vgg19_normalized tells no classes apart',
                                       'python -m models']),
    (['classes', 'squeezenet', 'qqq'], ["'qqq'", 'python -m models classes squeezenet lists all']),
    (['classes', 'squeezenet', 'goldfsh'], ["did you mean 'goldfish'"]),
    (['classes', 'all_cnn_c'], ['weights of all_cnn_c are not in']),
    (['classes', 'all_cnn_c', '--weights', 'nameless.npz'], ['do not name its classes']),
    (['layers', 'squeezenet', '--weights', 'nowhere.npz'], ['there is no weight file nowhere.npz']),
])
def test_wrong_requests_are_one_line(capsys, own_classes, monkeypatch, arguments, words):
    monkeypatch.chdir(own_classes)
    with pytest.raises(SystemExit) as exit_:
        recipes_command_line.run(lambda: command_line.main(arguments))
    told = capsys.readouterr().err
    assert exit_.value.code == 2 and told.count('\n') == 1 and 'Traceback' not in told
    assert all(word in told for word in words), told


def test_it_runs_as_a_module(python):
    run = python('-m', 'models', 'classes', 'vgg19_quarter', 'goldfish')
    assert run.returncode == 0 and 'goldfish, Carassius auratus' in run.stdout, run.stderr
    run = python('-m', 'models', 'layers', 'nonsense')
    assert run.returncode == 2 and run.stderr.startswith('python -m models: error: ')
    assert run.stderr.count('\n') == 1
