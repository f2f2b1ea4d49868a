"""Training: the loss against numpy, steps that lower it, and resuming to the same bytes."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from models.errors import ArchiveError

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T

from recipes import perceptual_losses
from recipes.common import images
from recipes.feedforward import objective, training

ROOT = Path(__file__).parents[3]
STEPS = 6


@pytest.fixture(scope='module')
def settings():
    return {'steps': STEPS, 'rate': 3e-3, 'seed': 4, 'batch': 2, 'sizes': [32], 'every': 2}


@pytest.fixture
def source(folder):
    return training.Photos([folder], 10, 1, 1, quiet=True)


class Run:
    """What stands for a `runs.Run`."""

    def __init__(self, folder):
        self.folder = folder
        (folder / 'samples').mkdir(parents=True)

    def save_arrays(self, name, arrays):
        np.savez(self.folder / name, **arrays)

    def save_picture(self, name, rgb, parameters):
        (self.folder / name).write_bytes(rgb.tobytes())

    def writing(self, name):
        return contextlib.nullcontext(self.folder / name)


def begin(trainer, start):
    for variable, value in zip(trainer.variables, start):
        variable.set_value(value)


def values(trainer):
    return [variable.get_value() for variable in trainer.variables]


def painted(trainer):
    return images.deprocess(trainer.paint(np.zeros((1, 3, 16, 16), 'float32')),
                            trainer.loss.mean_pixel)


def test_terms_are_those_of_the_papers(loss, painting):
    random = np.random.RandomState(0)
    picture, photo = (random.uniform(-150, 180, (2, 3, 20, 24)).astype('float32')
                      for _ in range(2))
    x, p = T.tensor4s('xp')
    found = theano.function([x, p], loss.terms(x, p))(picture, photo)
    layers = ('conv1_1', 'conv2_1')
    seen = theano.function([x], lasagne.layers.get_output([loss.net[name] for name in layers], x))

    def gram(maps):
        flat = maps.reshape(len(maps), maps.shape[1], -1).astype('float64')
        return flat @ flat.transpose(0, 2, 1) / flat.shape[2]

    of_picture, of_photo = seen(picture), seen(photo)
    of_painting = seen(images.prepare(painting, loss.mean_pixel))
    wanted = [np.mean([((a - b) ** 2).sum() / (b ** 2).sum()
                       for a, b in zip(of_picture[1], of_photo[1])])]
    for a, b in zip(of_picture, of_painting):
        target = gram(b)
        wanted.append((((gram(a) - target) ** 2).sum(axis=(1, 2)) / (target ** 2).sum()).mean())
    inner = picture[:, :, :-1, :-1]
    steps = (inner - picture[:, :, 1:, :-1]) ** 2 + (inner - picture[:, :, :-1, 1:]) ** 2
    pixels = 2 * 20 * 24
    wanted.append(0.5 * steps.sum() / pixels)
    level = inner + loss.mean_pixel[:, None, None]
    outside = np.maximum(0, -level) + np.maximum(0, level - 255)
    wanted.append(0.5 * (outside ** 2).sum() / pixels)
    assert loss.names == ['content', 'style conv1_1', 'style conv2_1', 'variation', 'range',
                          'grid']
    wanted.append(0)  # tests/recipes/common/test_losses.py; here is no room for a window
    np.testing.assert_allclose(found, wanted, rtol=2e-4)


def test_the_loss_of_the_authors_is_a_mean_over_all_elements(painting):
    settings = objective.SETTINGS['johnson']._replace(
        model='vgg19_quarter', style_layers=('conv1_1',), content_layer='conv1_1')
    loss = objective.LossNetwork(settings, painting)
    random = np.random.RandomState(0)
    picture, photo = (random.uniform(-100, 100, (1, 3, 16, 16)).astype('float32')
                      for _ in range(2))
    x, p = T.tensor4s('xp')
    found = theano.function([x, p], loss.terms(x, p))(picture, photo)
    seen = theano.function([x], lasagne.layers.get_output(loss.net['conv1_1'], x))
    grams = [a[0].reshape(a.shape[1], -1).astype('float64') for a in
             (seen(picture), seen(images.prepare(painting, loss.mean_pixel)))]
    grams = [a @ a.T / a.size for a in grams]
    np.testing.assert_allclose(found[0], ((seen(picture) - seen(photo)) ** 2).mean(), rtol=1e-4)
    np.testing.assert_allclose(found[1], ((grams[0] - grams[1]) ** 2).mean(), rtol=1e-4)


def test_training_lowers_the_loss_and_goes_on_to_the_same_bytes(trainer, settings, source,
                                                                tmp_path):
    start = values(trainer)
    history = training.train(Run(tmp_path / 'whole'), trainer, settings, source, painted,
                             quiet=True)
    whole = values(trainer)
    log = json.loads((tmp_path / 'whole' / 'log.json').read_text())
    assert log['val_loss_history_ts'] == [2, 4, 6]
    assert log['val_loss_history'][-1] < log['val_loss_history'][0]
    assert len(log['train_loss_history']) == STEPS
    assert set(log['style_loss_history']) == {'style-1', 'style-2'}

    begin(trainer, start)
    calls = []

    def killed(trainer):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return painted(trainer)

    with pytest.raises(KeyboardInterrupt):
        training.train(Run(tmp_path / 'broken'), trainer, settings, source, killed, quiet=True)
    begin(trainer, [np.zeros_like(value) for value in start])
    checkpoint = tmp_path / 'broken' / 'checkpoint.npz'
    again = training.train(Run(tmp_path / 'resumed'), trainer, settings, source, painted,
                           training.resumed(checkpoint, trainer, settings), quiet=True)
    assert np.array_equal(again, history, equal_nan=True)
    for value, wanted in zip(values(trainer), whole):
        np.testing.assert_array_equal(value, wanted)
    with pytest.raises(ArchiveError, match='other options .rate 0'):
        training.resumed(checkpoint, trainer, {**settings, 'rate': 1})
    begin(trainer, start)


def test_photos_that_are_broken_are_told_and_too_few_refused(folder):
    assert len(training.Photos([folder], 10, 1, 1, quiet=True).problems) == 1
    with pytest.raises(ArchiveError, match='held out'):
        training.Photos([folder], 10, 2, 1, quiet=True)


def test_options_that_cannot_be_are_told(folder):
    for arguments, told in ((['--sizes', '30'], 'multiples of 4'),
                            (['--width', '99'], 'too large'), (['--start', 'no'], 'no generator')):
        with pytest.raises(ArchiveError, match=told):
            perceptual_losses.main(['train', str(folder), '--quiet', '--held-out', '1',
                                    *arguments])


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(folder, tmp_path):
    command = [sys.executable, str(ROOT / 'recipes' / 'perceptual_losses.py'), 'train',
               *(str(folder / name) for name in ('a.png', 'c.png')), '--width', '0.1', '--sizes',
               '32', '--batch', '1', '--steps', '60', '--every', '5', '--held-out', '1', '--quiet']
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}

    def run(*more):
        return subprocess.Popen([*command, *more], env=environment)

    assert run('--out', str(tmp_path / 'whole')).wait(600) == 0
    killed = run('--out', str(tmp_path / 'killed'))
    checkpoint = tmp_path / 'killed' / 'checkpoint.npz'
    while not checkpoint.exists():
        time.sleep(0.05)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert run('--out', str(tmp_path / 'resumed'), '--resume', str(checkpoint)).wait(600) == 0
    bytes_of = [(tmp_path / name / 'generator.npz').read_bytes() for name in ('whole', 'resumed')]
    assert bytes_of[0] == bytes_of[1]
