"""Notebooks and scripts of 2015 run in a process of their own after `import models`.

The scripts beside this file know nothing of the archive. Each is run with that one line before its
first import (but behind one from __future__, which Python wants first); what it saves is compared
with the archive's own recipes and networks.
"""

import pickle
from pathlib import Path

import models

import lasagne
import numpy as np
import pytest
from lasagne.layers import get_output

import modifiedbackprop
from modifiedbackprop import GuidedBackprop, ZeilerBackprop
from recipes import deepdream, saliency, styletransfer
from recipes.common import images, lbfgs
from recipes.common.networks import load_to
from recipes.common.objective import Objective
from recipes.style.loss import Looker, Painting, StyleLoss

SCRIPTS = Path(__file__).parent


@pytest.fixture
def run_script(python, tmp_path, monkeypatch):
    """Return a function that runs a script of 2015 in tmp_path and gives the arrays it saved."""
    monkeypatch.chdir(tmp_path)

    def run(name, network=None):
        if network is not None:
            with open('network.pkl', 'wb') as file:
                pickle.dump(network, file, protocol=2)  # Python 2's newest
        lines = (SCRIPTS / name).read_text().splitlines()
        first = next(number for number, line in enumerate(lines)
                     if line.startswith(('import ', 'from ', 'try:')) and '__future__' not in line)
        (tmp_path / 'script.py').write_text('\n'.join([*lines[:first], 'import models',
                                                       *lines[first:]]))
        process = python('script.py', timeout=1200)  # a cold cache, a busy machine
        assert process.returncode == 0, process.stderr
        with np.load('results.npz') as results:
            return dict(results)

    return run


def embedded_as_pickle():
    """Return the embedded network as the Recipes' pickles had theirs."""
    net, classes, mean_pixel = models.load('vgg19_quarter')
    return {'param values': lasagne.layers.get_all_param_values(net['prob']),
            'synset words': classes, 'mean value': mean_pixel}


def assert_near(found, expected, tolerance=1e-5):
    """Compare to a fraction of the largest element: float32 sums in another order leave 1e-6."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_the_saliency_notebook_has_the_recipes_maps(run_script, tmp_path):
    (tmp_path / 'photo.png').write_bytes(images.bundled_photo().read_bytes())
    results = run_script('saliency_2015.py', embedded_as_pickle())
    net, _, _ = models.load('vgg19_quarter')
    assert results['rectifiers'] == 16 and results['image'].shape == (1, 3, 64, 64)
    found, max_class = saliency.compile_saliency_function(net)(results['image'])
    assert max_class == results['max_class']
    assert_near(results['gradient'], found)
    for name, rule in (('guided', GuidedBackprop), ('deconvnet', ZeilerBackprop)):
        with modifiedbackprop.applied(net, rule):
            found, _ = saliency.compile_saliency_function(net)(results['image'])
        assert_near(results[name], found)
        assert np.abs(found - results['gradient']).max() > 0.1 * np.abs(found).max()


def test_the_style_notebook_has_the_recipes_losses_and_picture(run_script, tmp_path):
    for name, path in (('photo.png', images.bundled_photo()), ('art.png', images.PAINTING)):
        images.Image.fromarray(images.read(path)).save(tmp_path / name)
    results = run_script('style_2015.py', embedded_as_pickle())
    options = styletransfer.parse(['--impl', 'recipes', '--style-layers',
                                   'conv1_1,conv2_1,conv3_1,conv4_1'])
    net, _ = load_to([*options.content_layers, *options.style_layers], options.model,
                     pool=options.pool)
    loss, start = StyleLoss(net, options.content_layers, options.style_layers), results['start']
    targets = Looker(loss).targets(results['photo'], [Painting(results['art'])])
    loss.aim_at(targets)
    loss.weigh(styletransfer.weigh(options, net, loss, targets, start))
    objective = Objective(loss, start.shape)
    assert objective.eval_loss(start.ravel()) == pytest.approx(float(results['start_loss']),
                                                               rel=1e-5)
    assert_near(results['start_gradient'], objective.eval_grad(start.ravel()))
    rounds = lbfgs.minimise(objective, start, 2, 8, options.factr, options.pgtol)
    losses = [objective.eval_loss(x) for x, _ in rounds]
    # Steps of L-BFGS multiply the roundings of float32: 1e-4 was measured after two rounds.
    np.testing.assert_allclose(losses, [results['loss_0'], results['loss_1']], rtol=5e-3)
    assert losses[1] < losses[0] < 0.1 * results['start_loss']


def test_the_model_zoos_googlenet_is_the_archives(run_script, tmp_path):
    net = models.build('googlenet')
    image = np.random.RandomState(0).uniform(-110, 130, (1, 3, 64, 61)).astype('float32')
    np.save(tmp_path / 'image.npy', image)
    values = lasagne.layers.get_all_param_values(net['prob'])
    results = run_script('googlenet_2015.py', {'param values': values})
    layer = 'inception_4c/output'
    prob, scores, seen = (output.eval({net['input'].input_var: image}) for output in get_output(
        [net['prob'], models.scores(net), net[layer]]))
    assert_near(results['prob'], prob)
    assert_near(results['scores'], scores)
    assert_near(results['seen'], seen)
    objective, gradient = deepdream.compile_dream(net, layer, 'layer')(image)
    assert objective == pytest.approx(float(results['objective']), rel=1e-5)
    assert_near(results['gradient'], gradient)


def test_halves_that_are_sliced_and_flipped_are_the_archives_groups(run_script, tmp_path):
    net = models.build('caffenet', deepest='pool5')
    image = np.random.RandomState(0).uniform(-110, 130, (2, 3, 67, 67)).astype('float32')
    np.save(tmp_path / 'image.npy', image)
    blobs = {name: (layer.W.get_value(), layer.b.get_value() + 1)
             for name, layer in net.items() if name.startswith('conv')}
    for name in blobs:
        net[name].b.set_value(blobs[name][1])
    features = run_script('caffe_reference_2015.py', blobs)['features']
    expected = get_output(net['pool5']).eval({net['input'].input_var: image})
    assert features.shape == (2, 256, 1, 1)
    assert_near(features, expected)


def test_a_training_script_learns_and_saves_its_parameters(run_script):
    results = run_script('training_2015.py')
    assert results['losses'][-1] < 0.5 * results['losses'][0]
    np.testing.assert_array_equal(results['before'], results['after'])
    accuracy, same, loss = results['before']
    assert accuracy == same > 0.9 and loss < 0.5
    # Three convolutions and two dense layers with biases, two convolutions without, and three
    # normalisations of four arrays each.
    assert results['params'] == 2 * 5 + 2 + 3 * 4


def test_the_pickles_of_python_2_need_their_encoding():
    """Bytes of an array beyond ASCII: what the README tells a user to change is needed."""
    array = np.float32([1.5, -2.25])
    old = (b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS\'b\'\ntR(I1\n(I2\nt'
           b'cnumpy\ndtype\n(S\'f4\'\nI0\nI1\ntR(I3\nS\'<\'\nNNNI-1\nI-1\nI0\ntbI00\nS\'' +
           repr(array.tobytes())[2:-1].encode() + b'\'\ntb.')
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(old)
    np.testing.assert_array_equal(pickle.loads(old, encoding='latin-1'), array)

