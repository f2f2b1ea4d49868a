"""Small generators, a small loss, and photos, which the tests of generators share."""

from models import feedforward

import numpy as np
import pytest
from PIL import Image

from recipes.feedforward import generators, objective, training

DESCRIPTION = feedforward.ARCHIVE._replace(width=0.1, blocks=1)
ENLARGING = feedforward.ENLARGING._replace(width=0.1, blocks=1)
SETTINGS = objective.SETTINGS['archive']._replace(
    model='vgg19_quarter', style_layers=('conv1_1', 'conv2_1'), content_layer='conv2_1',
    variation_weight=0.1)


class Saved:
    """What stands for a run: saves arrays into a folder."""

    def __init__(self, folder):
        self.folder = folder

    def save_arrays(self, name, arrays):
        np.savez(self.folder / name, **arrays)


@pytest.fixture(scope='package')
def painting():
    return np.random.RandomState(5).randint(0, 256, (40, 48, 3)).astype('uint8')


@pytest.fixture(scope='package')
def loss(painting):
    return objective.LossNetwork(SETTINGS, painting)


@pytest.fixture(scope='package')
def trainer(loss):
    return training.Trainer(DESCRIPTION, loss, 3)


@pytest.fixture(scope='package')
def generator(tmp_path_factory):
    """Return the path of a generator with random weights."""
    return save_generator(tmp_path_factory, DESCRIPTION, feedforward.build(DESCRIPTION))


def save_generator(tmp_path_factory, description, net):
    """Save a generator in a folder of its own: the path."""
    folder = tmp_path_factory.mktemp('generator')
    generators.save(Saved(folder), 'small.npz', description, net, {})
    return folder / 'small.npz'


@pytest.fixture(scope='package')
def enlarger(tmp_path_factory):
    """Return the path of a generator that enlarges, and whose last layer adds nothing."""
    net = feedforward.build(ENLARGING)
    for parameter in net['paint'].get_params():
        parameter.set_value(0 * parameter.get_value())
    return save_generator(tmp_path_factory, ENLARGING, net)


@pytest.fixture
def folder(tmp_path):
    """Return a folder of two photos and one that is broken."""
    place = tmp_path / 'photos'
    place.mkdir()
    random = np.random.RandomState(0)
    for name, size in (('a', (40, 52, 3)), ('c', (33, 30, 3))):
        Image.fromarray(random.randint(0, 256, size).astype('uint8')).save(place / f'{name}.png')
    (place / 'b.png').write_bytes((place / 'a.png').read_bytes()[:900])
    return place
