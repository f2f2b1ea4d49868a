"""Networks for what a recipe looks at: cut off or whole, their layers, and what a run records."""

import hashlib

import models
from models.errors import ArchiveError
from models.weights import files

import pytest

from recipes import deconvnet, deepdream, layer_features, saliency
from recipes.common import networks, runs

MODEL = 'vgg19_quarter'


def test_a_network_is_cut_off_after_the_deepest_of_its_layers():
    net, mean_pixel = networks.load_to(['conv2_1', 'conv1_2'], MODEL)
    assert list(net)[-1] == 'conv2_1' and mean_pixel.shape == (3,)


def test_an_output_is_a_layer_of_any_kind_or_the_scores():
    net, _, _, output = networks.load_to_output('fc8', MODEL)
    assert output == list(net)[-1] == 'fc8'
    net, classes, _, output = networks.load_to_output(None, MODEL)
    assert output == 'fc8' == models.scores(net).name and len(classes) == 202


def test_convolutions_are_those_of_the_loaded_network():
    net, _, _ = models.load(MODEL)
    assert networks.convolutions_of(MODEL) == networks.convolutions(net)
    assert len(networks.convolutions(net)) == 16


def test_which_networks_tell_classes():
    assert networks.tells_classes('googlenet') and not networks.tells_classes('vgg19_normalized')


@pytest.fixture
def normalised(tmp_path):
    """Return a weight file of a narrow vgg19_normalized, which has no classes."""
    net = models.build('vgg19_normalized', width=0.02)
    arrays = {parameter.name: parameter.get_value() for layer in net.values()
              for parameter in layer.get_params()}
    files.write(tmp_path / 'w.npz', {**arrays, 'width': 0.02}, {})
    return tmp_path / 'w.npz'


@pytest.mark.parametrize('load, words', [
    (lambda path: networks.load_to(['conv1_1', 'fc8'], MODEL, instead=', or --class'),
     ['fc8 has no rows and columns', 'conv4_2, or --class', 'lists all']),
    (lambda path: networks.load_to(['conv9'], MODEL), ["no layer 'conv9'"]),
    (lambda path: networks.load_to_output('conv9', MODEL), ["no layer 'conv9'"]),
    (lambda path: networks.load_to_output(None, 'vgg19_normalized', path, instead='take a cat'),
     ['vgg19_normalized ends at pool5', 'no classes apart; take a cat']),
    (lambda path: deepdream.load_network('vgg19_normalized', path),
     ['no classes apart; dream of a layer, such as --layer conv4_4']),
    (lambda path: deepdream.load_network('vgg19_small', layer='fc8'),
     ['fc8 has no rows and columns', ', or --class']),
    (lambda path: layer_features.load_network(MODEL, layers=['prob']),
     ['prob has no rows and columns']),
])
def test_wrong_layers_are_told(normalised, load, words):
    with pytest.raises(ArchiveError) as problem:
        load(normalised)
    for word in words:
        assert word in str(problem.value)


@pytest.mark.parametrize('recipe, arguments', [
    (saliency, ['--layer', 'conv1_1', '--unit', '0', '--method', 'gradient', '--size', '32']),
    (deconvnet, ['--layer', 'conv1_1', '--unit', '0', '--top', '1', '--size', '32']),
])
def test_the_weight_file_is_searched_and_opened_once(tmp_path, monkeypatch, recipe, arguments):
    """What a run records of it is of what was loaded."""
    searched, opened = [], []
    find, open_ = files.find, files.WeightFile.__init__

    def counted(*names):
        searched.append(names)
        return find(*names)

    def counted_file(file, *arguments):
        opened.append(file)
        open_(file, *arguments)

    monkeypatch.setattr(files, 'find', counted)
    monkeypatch.setattr(files.WeightFile, '__init__', counted_file)
    monkeypatch.setattr(files, 'sha256', None)  # a second reading
    recipe.main([*arguments, '--model', MODEL, '--out', str(tmp_path / 'run'), '--quiet'])
    assert len(searched) == len(opened) == 1
    recorded = runs.read_record(tmp_path / 'run')['parameters']['weights_sha256']
    assert recorded == hashlib.sha256(files.EMBEDDED[MODEL].read_bytes()).hexdigest()
