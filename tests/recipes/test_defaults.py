"""Every recipe, told nothing but the network, on every network that it lists.

It works, or ends in one line that says what to do. The networks are narrow and at random, the
pictures tiny.
"""

import json

import models
from models import all_cnn
from models.weights import files

import numpy as np
import pytest

from recipes import (
    class_model,
    deconvnet,
    deepdream,
    feature_atlas,
    layer_features,
    occlusion,
    reconstruct,
    saliency,
    styletransfer,
    train_all_cnn,
)
from recipes.common import command_line
from recipes.common.networks import load_to
from recipes.style.defaults import IMPLEMENTATIONS

WIDTHS = {**dict.fromkeys(models.NETWORKS, 1 / 32), **dict.fromkeys(all_cnn.FACTS, 1 / 24),
          'vgg19_quarter': 1 / 8, 'googlenet': 1 / 16, 'squeezenet': 1 / 16}
CLASSES = [f'thing {number}' for number in range(12)]

SMALL = ['--size', '64']
SHORT = {  # what makes a run short, and changes no default that a network decides
    saliency: SMALL, occlusion: [*SMALL, '--stride', '32'],
    class_model: [*SMALL, '--iterations', '2'],
    deconvnet: [*SMALL, '--channels', '1'],
    deepdream: [*SMALL, '--octaves', '2', '--iterations', '1', '--jitter', '4'],
    layer_features: [*SMALL, '--channels', '1'], feature_atlas: [*SMALL, '--patches', '1'],
    reconstruct: [*SMALL, '--evals', '2', '--frames', '2'],
    styletransfer: [*SMALL, '--rounds', '1', '--evals', '2']}
# They take the whole network, whose dense layers fix the size.
SEEING = (saliency, class_model, occlusion)

# All pairs compile for half an hour. These have each way in which networks differ: strides without
# padding, normalisations, groups, no pooling, concatenations, no fourth convolution in a block.
# Reconstructions compile five losses of the kind that style transfer has, so all of them are slow.
QUICK = {
    saliency: ('all_cnn_c', 'vgg19_normalized'), class_model: ('strided_cnn_c', 'vgg19_normalized'),
    occlusion: ('vgg19_normalized',),
    deconvnet: ('vgg16', 'squeezenet', 'all_cnn_c'), deepdream: ('squeezenet', 'base_cnn_c'),
    layer_features: ('zeiler_fergus', 'strided_cnn_c'), feature_atlas: ('squeezenet',),
    reconstruct: (), styletransfer: ('squeezenet', 'caffenet')}
PAIRS = [pytest.param(recipe, name, id=f'{recipe.__name__.split(".")[-1]}-{name}',
                      marks=[] if name in QUICK[recipe] else [pytest.mark.slow])
         for recipe in SHORT for name in models.NETWORKS]


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Return a function that gives the weight file of a network, narrow and at random."""
    folder = tmp_path_factory.mktemp('weights')

    def file_of(name):
        path, arrays, random = folder / f'{name}.npz', {}, np.random.RandomState(1)

        def array(key, shape):
            deviation = 0 if key.endswith('.b') else np.sqrt(2 / np.prod(shape[1:]))
            arrays[key] = (deviation * random.normal(size=shape)).astype('float32')
            return arrays[key]

        if not path.exists():
            models.build(name, width=WIDTHS[name], array=array, classes=len(CLASSES))
            np.savez(path, **arrays, width=WIDTHS[name], mean_pixel=(104, 117, 123),
                     classes=CLASSES)
        return path

    return file_of


def arguments_of(recipe, name, path, out):
    """Return a short run's arguments, which name no layer and no class."""
    short = list(SHORT[recipe])
    if recipe in SEEING and models.build(name, width=1 / 64)['input'].shape[2] is not None:
        short = short[len(SMALL):]
    return ['--model', name, '--weights', str(path), '--quiet', '--out', str(out), *short]


def layers_told(parameters):
    """Return the names of the layers in a run's parameters."""
    told = [parameters.get(name) for name in ('layer', 'layers', 'content_layers', 'style_layers')]
    names = [names if isinstance(names, str) else ','.join(names) for names in told if names]
    return {part.partition('=')[0] for name in names for part in name.split(',')}


@pytest.mark.parametrize('recipe, name', PAIRS)
def test_defaults_run(recipe, name, weights, tmp_path, error_of):
    arguments = arguments_of(recipe, name, weights(name), tmp_path / 'run')
    if name == 'vgg19_normalized' and recipe in (saliency, class_model):
        status, told = error_of(recipe.main, arguments)
        assert status == 2 and 'tells no classes apart' in told
        assert 'python -m models layers vgg19_normalized' in told
        assert recipe is class_model or '--layer conv3_4 --unit 0' in told
        assert not (tmp_path / 'run').exists()
        return
    recipe.main(arguments)
    record = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert record['status'] == 'finished' and record['files']
    known = {layer for layer, *_ in models.NETWORKS[name]()}
    assert layers_told(record['parameters']) <= known
    assert recipe in SEEING or layers_told(record['parameters'])


@pytest.mark.slow
@pytest.mark.parametrize('name', ['squeezenet', 'googlenet', 'all_cnn_c', 'alexnet', 'vgg16'])
def test_textures_run(name, weights, tmp_path):
    reconstruct.main([*arguments_of(reconstruct, name, weights(name), tmp_path / 'run'), '--style'])
    record = json.loads((tmp_path / 'run' / 'run.json').read_text())
    assert record['status'] == 'finished' and len(record['parameters']['layers']) == 5


@pytest.mark.parametrize('name', models.NETWORKS)
def test_defaults_are_layers_that_serve(name, weights):
    """Without compiling: what each recipe would load, down to the way of a deconvnet."""
    path, facts = str(weights(name)), models.facts_of(name)
    common = ['--model', name, '--weights', path]
    for style in IMPLEMENTATIONS:
        options = styletransfer.parse([*common, '--impl', style])
        net, _ = load_to([*options.content_layers, *options.style_layers], name, path,
                         options.pool)
        assert {*options.style_layers, *options.content_layers} <= set(net)
        if style != 'archive' or name not in files.EMBEDDED:
            assert list(options.style_layers) == list(facts.style)
            assert list(options.content_layers) == [facts.content]
    atlas = feature_atlas.parse(common)
    assert atlas.layers == list(styletransfer.parse(common).style_layers)
    load_to(atlas.layers, name, path, atlas.pool)
    for style in ([], ['--style']):
        sets = reconstruct.parse([*common, *style]).layers
        layers = [layer for text in sets for layer in command_line.layer_weights(text)]
        assert models.deepest_of(name, layers) and len(sets) == 5
    net, layers, _ = layer_features.load_network(name, path)
    assert layers and set(layers) <= set(net)
    options = deepdream.parse(common)
    assert options.layer in deepdream.load_network(name, path, layer=options.layer)[0]
    options = deconvnet.parse(common)
    net, _, _ = models.load(name, path, deepest=options.layer)
    image, output = net['input'].input_var, deconvnet.lasagne.layers.get_output(net[options.layer])
    *_, (_, signal) = deconvnet.steps_down(net, net[options.layer], image, output)
    assert signal.ndim == 4


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[] if name == 'base_cnn_c' else [pytest.mark.slow])
    for name in all_cnn.PUBLISHED_ERRORS])
def test_the_all_cnns_train(name, tmp_path):
    random = np.random.RandomState(0)
    np.savez(tmp_path / 'photos.npz', images=random.randint(0, 256, (4, 32, 32, 3), 'uint8'),
             labels=np.array([0, 1, 0, 1]))
    train_all_cnn.main([str(tmp_path / 'photos.npz'), '--model', name, '--width', '0.05',
                        '--epochs', '1', '--quiet', '--out', str(tmp_path / 'run')])
    assert models.load(name, tmp_path / 'run' / 'weights.npz')[0]['prob'].output_shape == (None, 2)


def test_weights_of_normalised_gradients_where_nothing_else_is_known():
    assert styletransfer.parse(['--model', 'squeezenet']).normalise_gradients
    for arguments in (['--model', 'squeezenet', '--impl', 'recipes'], ['--model', 'vgg19'], [],
                      ['--model', 'squeezenet', '--no-normalise-gradients']):
        assert not styletransfer.parse(arguments).normalise_gradients
    options = styletransfer.parse(['--model', 'squeezenet'])
    assert (options.content_weight, options.style_weight, options.init) == (20, 100, 'content')
    paper = styletransfer.parse(['--model', 'squeezenet', '--impl', 'paper'])
    assert set(paper.style_layers.values()) == {0.2}


def test_classes_to_draw_are_those_that_the_network_has():
    known = ['goldfish, Carassius auratus', 'tench', 'ladybug, ladybeetle']
    assert class_model.default_classes(known, 3) == ['goldfish', 'ladybug']
    assert class_model.default_classes(['cat', 'dog'], 2) == ['0', '1']
    assert class_model.default_classes(None, 10) == ['0', '1', '2', '3', '4']
    _, classes, _ = models.load('vgg19_quarter', deepest='conv1_1')
    assert class_model.default_classes(classes, 202) == list(class_model.CLASSES)


@pytest.mark.parametrize('recipe, arguments', [
    (styletransfer, ['--style-layers', 'fc8']), (feature_atlas, ['--layers', 'fc8']),
    (deconvnet, ['--layer', 'fc8']), (deepdream, ['--layer', 'fc8']),
    (layer_features, ['--layers', 'fc8']), (reconstruct, ['--layers', 'fc8'])])
def test_a_layer_without_rows_is_told_which_has_them(recipe, arguments, error_of):
    status, told = error_of(recipe.main, arguments)
    assert status == 2 and 'fc8 has no rows and columns; take a convolution' in told
    assert 'conv4_2' in told and 'python -m models layers vgg19_quarter lists all' in told


@pytest.mark.parametrize('recipe', [saliency, class_model, deepdream])
def test_a_class_that_is_not_there_is_told_how_to_list_them(recipe, error_of):
    status, told = error_of(recipe.main, ['--class', 'dog'])
    assert status == 2 and 'python -m models classes vgg19_quarter dog lists' in told
