"""Layer by layer in strips is the same as the whole network, to a hundredth of a grey level."""

from models import feedforward
from models.errors import ArchiveError

import numpy as np
import pytest

from recipes.feedforward import applying, generators
from recipes.feedforward.strips import Strips

CASES = {
    'archive': {'blocks': 1, 'width': 0.1}, 'johnson': {'blocks': 1, 'width': 0.1},
    'johnson_eccv16': {'blocks': 1, 'width': 0.1}, 'tensorflow': {'blocks': 1, 'width': 0.1},
    'stylisation': {'scales': 2, 'width': 0.5},
}


@pytest.mark.parametrize('dialect', CASES)
def test_strips_are_the_whole(dialect):
    description = feedforward.DIALECTS[dialect]._replace(**CASES[dialect])
    net = feedforward.build(description)
    random = np.random.RandomState(0)
    rows, columns = (48, 40) if description.family == 'pyramid' else (53, 38)
    photo = random.uniform(-100, 150, (1, 3, rows, columns)).astype('float32')
    inputs = [photo, *feedforward.noise_for(description, rows, columns, 1, random)]
    whole = generators.compile_generator(net, description)(*inputs)
    strips = Strips(net, generators.has_own_statistics(description), strip=6000)
    found = strips.paint(*inputs)
    assert whole.std() > 0.01 and found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=0.01)


def test_strips_of_tiles_would_not_be(generator):
    net, description = generators.load(generator)
    photo = np.random.RandomState(0).uniform(-100, 100, (1, 3, 64, 32)).astype('float32')
    photo[:, :, 32:] *= 0.2  # the halves have statistics of their own
    strips = Strips(net, strip=6000)
    halves = np.concatenate([strips.paint(photo[:, :, :32]), strips.paint(photo[:, :, 32:])], 2)
    assert np.abs(halves - strips.paint(photo)).max() > 1


def test_pictures_that_do_not_fit_whole_are_painted_in_strips_or_refused(generator, monkeypatch):
    monkeypatch.setattr(applying, 'PROCESS', 0)
    painter = applying.Painter(generator, 10 ** 12)
    assert not painter.needs(1024, 1024)[1]
    whole, _ = painter.needs(4096, 4096)
    painter.memory = whole - 1
    strips, in_strips = painter.needs(4096, 4096)
    assert in_strips and strips < whole
    painter.memory = strips - 1
    with pytest.raises(ArchiveError, match='even in strips.*--memory'):
        painter.needs(4096, 4096)
