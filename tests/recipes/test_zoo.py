"""Every recipe that looks into a network runs on those of Caffe's zoo, narrow and at random."""

import json

import models

import numpy as np
import pytest

from recipes import class_model, deconvnet, deepdream, layer_features, saliency
from recipes.common import images, photos, projections

WIDTHS = {'googlenet': 1 / 8, 'caffenet': 1 / 16, 'zeiler_fergus': 1 / 16, 'vgg_cnn_s': 1 / 32}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Return weight files by network, with 12 classes and random weights."""
    folder, found = tmp_path_factory.mktemp('weights'), {}
    for name, width in WIDTHS.items():
        arrays, random = {}, np.random.RandomState(1)

        def array(key, shape, arrays=arrays, random=random):
            deviation = 0 if key.endswith('.b') else np.sqrt(2 / np.prod(shape[1:]))
            arrays[key] = (deviation * random.normal(size=shape)).astype('float32')
            return arrays[key]

        models.build(name, width=width, array=array, classes=12)
        found[name] = folder / f'{name}.npz'
        np.savez(found[name], **arrays, width=width, mean_pixel=(104, 117, 123),
                 classes=[f'thing {number}' for number in range(12)])
    return found


@pytest.fixture
def run(weights, tmp_path):
    """Return a function that runs a recipe on a network and gives the folder of the run."""

    def run_recipe(recipe, name, *arguments):
        folder = tmp_path / f'{recipe.__name__}-{name}'
        recipe.main(['--model', name, '--weights', str(weights[name]), '--quiet', '--out',
                     str(folder), *arguments])
        assert json.loads((folder / 'run.json').read_text())['status'] == 'finished'
        return folder

    return run_recipe


@pytest.mark.parametrize('name, arguments, size', [
    ('googlenet', ['--size', '64', '--method', 'guided'], 64), ('caffenet', [], 227),
    ('zeiler_fergus', ['--method', 'guided'], 224),
    ('vgg_cnn_s', ['--crops', '10', '--method', 'guided'], 256)])
def test_saliency(run, name, arguments, size):
    folder = run(saliency, name, *arguments)
    with np.load(folder / 'astronaut.npz') as arrays:
        maps = {method: arrays[method] for method in projections.METHODS if method in arrays}
        assert str(arrays['name']).startswith('thing ')
    assert len(maps) == (1 if 'guided' in arguments else 3)
    assert all(found.shape == (3, size, size) and found.any() for found in maps.values())


@pytest.mark.parametrize('name, layer, arguments, field', [
    ('googlenet', 'inception_3b/output', ['--size', '96'], 91), ('caffenet', 'conv3', [], 99),
    ('zeiler_fergus', 'pool2', [], 43)])
def test_deconvnet_step_by_step_and_as_a_gradient(run, name, layer, arguments, field):
    both = []
    for explicit in ([], ['--explicit']):
        folder = run(deconvnet, name, '--layer', layer, '--channels', '2', '--force', *arguments,
                     *explicit)
        sheets = sorted(folder.glob(f'{layer.replace("/", "-")}_*.npz'))
        assert len(sheets) == 2
        with np.load(sheets[0]) as sheet:
            both.append(sheet['projection astronaut'])
    gradient, explicit = both
    assert gradient.shape == explicit.shape == (3, field, field)
    # Normalisation is a division by 1 to 3, so without it most is larger and the rest the same.
    assert np.corrcoef(gradient.ravel(), explicit.ravel())[0, 1] > 0.7
    assert not np.allclose(gradient, explicit, rtol=0, atol=1e-3 * np.abs(gradient).max())


@pytest.mark.parametrize('name, arguments, visited', [
    ('googlenet', ['--size', '64', '--layers', 'conv2/3x3,inception_3a/5x5,inception_4a/output'],
     ['conv2/3x3', 'inception_3a/5x5', 'inception_4a/output']),
    ('caffenet', [], ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'])])
def test_layer_features_visit_every_convolution(run, name, arguments, visited):
    folder = run(layer_features, name, '--channels', '1', *arguments)
    page = (folder / 'index.html').read_text().split('id="tour">')[1].split('</script>')[0]
    assert [layer['name'] for layer in json.loads(page)['layers']] == visited
    for layer in visited:
        assert (folder / 'astronaut' / f'{layer.replace("/", "-")}.npz').exists()


@pytest.mark.parametrize('name, target, dreamt', [
    ('googlenet', [], 'inception_4c/output'),
    ('googlenet', ['--class', 'thing 3'], None), ('caffenet', ['--layer', 'conv5'], 'conv5')])
def test_deepdream(run, name, target, dreamt):
    folder = run(deepdream, name, *target, '--size', '128', '--octaves', '2', '--iterations', '3',
                 '--jitter', '0')
    rows = np.genfromtxt(folder / 'objective.csv', delimiter=',', names=True)
    for octave in (0, 1):
        climbed = rows['objective'][rows['octave'] == octave]
        assert len(climbed) == 3 and climbed[-1] > climbed[0]
    assert json.loads((folder / 'run.json').read_text())['parameters']['layer'] == dreamt
    assert images.read(folder / 'result.png').shape[0] == 128


def test_a_class_is_drawn_at_any_size_by_googlenet(run):
    folder = run(class_model, 'googlenet', '--class', '3', 'thing 4', '--size', '48',
                 '--iterations', '5', '--rate', '0.2', '--init', 'noise')
    rows = np.genfromtxt(folder / 'scores.csv', delimiter=',', names=True)
    for name in ('score_thing_3', 'score_thing_4'):
        assert rows[name][-1] > rows[name][0]


def test_alexnets_dense_layers_cannot_dream_of_classes(weights, error_of, tmp_path):
    status, errors = error_of(deepdream.main, [
        '--model', 'caffenet', '--weights', weights['caffenet'], '--class', '3', '--out',
        tmp_path / 'run'])
    assert status == 2 and 'dense layers of caffenet fix the size' in errors


def test_pictures_have_the_size_of_the_network():
    for deepest in ('conv3', 'prob'):
        net = models.build('caffenet', width=1 / 64, deepest=deepest)
        assert photos.size_for(net, 'caffenet', None, 96) == 227
    assert saliency.picture_size(net, 'caffenet', None, 10) == 259
    parts, _ = saliency.cut(np.zeros((1, 3, 259, 259), 'float32'), 10)
    assert parts.shape == (10, 3, 227, 227)
