"""Loss and gradient in tiles against those of the whole picture, at awkward sizes."""

import models
from models.errors import ArchiveError

import numpy as np
import pytest
import theano
from lasagne.layers import get_output_shape

from recipes.common import receptive_fields
from recipes.style import tiles
from recipes.style.loss import Looker, Painting, StyleLoss
from recipes.style.tiled_loss import TiledStyleLoss

CONTENT, STYLE = ['conv2_2', 'conv4_2'], ['conv1_1', 'conv2_1', 'conv3_1', 'conv5_1']
# rows, columns, rows and columns of the cores: no multiples of the stride 16, a last tile narrower
# than a stride, one that is wide and low, one tile only, tiles in one direction only.
SIZES = [(70, 101, 32, 48), (129, 67, 64, 16), (33, 260, 16, 64), (64, 64, 64, 64),
         (97, 150, 112, 32)]


class Problem:
    """A loss on a narrow VGG-19, whole and in tiles, compiled once."""

    def __init__(self, dtype, kind='gram', guided=False, content=CONTENT, style=STYLE):
        self.guided, self.dtype = guided, dtype
        with theano.config.change_flags(floatX=dtype):
            self.net = models.build('vgg19', 'average_exc_pad', style[-1], width=0.13, seed=3)
            arguments = {'net': self.net, 'content_layers': content, 'style_layers': style,
                         'kind': kind, 'guided': guided, 'limits': ([-90] * 3, [80, 90, 100])}
            self.whole = StyleLoss(**arguments)
            self.tiled = TiledStyleLoss(None, **arguments)
            self.looker = Looker(self.whole)

    def both(self, rows, columns, *core):
        """Return ((terms, gradient) of a whole random picture, the same in tiles)."""
        random = np.random.RandomState(rows)
        image, photo, painting = (random.uniform(-128, 128, (1, 3, rows, columns))
                                  .astype(self.dtype) for _ in range(3))
        weights = dict(zip(self.whole.names, [1e-3, 2e-3, 1, 2, 3, 4, 1e-2, 1e-4]))
        regions = (random.uniform(size=(2, rows, columns)) > 0.4).astype('float64') \
            if self.guided else None
        found = []
        with theano.config.change_flags(floatX=self.dtype):
            targets = self.looker.targets(photo, [Painting(painting, regions)], regions)
            self.tiled.core = core
            for loss in (self.whole, self.tiled):
                loss.aim_at(targets)
                loss.weigh(weights)
                found.append(loss(image))
        return found

    def tiling(self, shape, core):
        return tiles.Tiling(self.net, self.whole.layers, shape, core)


@pytest.fixture(scope='module')
def exact():
    return Problem('float64')


@pytest.mark.parametrize('size', SIZES)
def test_tiles_give_the_whole_pictures_loss_and_gradient(exact, size):
    (terms, gradient), (tiled_terms, tiled_gradient) = exact.both(*size)
    np.testing.assert_allclose(tiled_terms, terms, rtol=1e-11)
    # Measured: up to EXACT of the largest element.
    assert abs(tiled_gradient - gradient).max() < 1e-9 * abs(gradient).max()


def test_regions_and_centred_statistics_are_exact_in_tiles_too():
    problem = Problem('float64', 'covariance', True, ['conv2_2'], ['conv1_1', 'conv2_1', 'conv3_1'])
    (terms, gradient), (tiled_terms, tiled_gradient) = problem.both(*SIZES[0])
    np.testing.assert_allclose(tiled_terms, terms, rtol=1e-10)
    assert abs(tiled_gradient - gradient).max() < 1e-9 * abs(gradient).max()


@pytest.fixture(scope='module')
def single():
    return Problem('float32')


@pytest.mark.parametrize('size', SIZES)
def test_tiles_in_float32_are_as_good_as_float32(exact, single, size):
    (_, wanted), _ = exact.both(*size)
    (_, gradient), (_, tiled) = single.both(*size)
    norm = np.linalg.norm(wanted)
    # Both add float32 numbers in another order, so each is as far from float64 as the other:
    # the relative L2 errors measured are FLOATS.
    assert np.linalg.norm(gradient - wanted) < 2e-6 * norm
    assert np.linalg.norm(tiled - wanted) < 2e-6 * norm
    assert np.linalg.norm(tiled - gradient) < 2e-6 * norm


@pytest.mark.parametrize('size', SIZES)
def test_every_position_is_in_one_core(exact, size):
    tiling = exact.tiling((1, 3, *size[:2]), size[2:])
    for index, layer in enumerate(exact.whole.layers):
        shape = get_output_shape(exact.net[layer], tiling.shape)[2:]
        seen = np.zeros(shape, int)
        for tile in tiling.tiles:
            tiles.window(seen, tiling.units(tile)[index])[:] += 1
        assert (seen == 1).all()


def test_halos_are_half_the_receptive_field_rounded_up_to_the_stride(exact):
    field, _ = receptive_fields.receptive_field(exact.net['conv5_1'])
    for stride, before, after in tiles.halos(exact.net, exact.whole.layers):
        assert stride == 16 and before == after
        assert field.size / 2 - stride < before < field.size / 2 + stride
        assert before % 16 == 0


def test_a_core_must_fit_the_stride(exact):
    with pytest.raises(ValueError, match='40 pixels is no multiple of the stride 16'):
        exact.tiling((1, 3, 64, 64), (40, 32))


def test_a_layer_that_sees_everything_cannot_be_tiled():
    net = models.build('vgg19_quarter', 'average_exc_pad')
    with pytest.raises(ArchiveError, match='fc8 sees the whole picture'):
        tiles.halos(net, ['conv1_1', 'fc8'])
