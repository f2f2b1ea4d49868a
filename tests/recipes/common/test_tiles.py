"""Loss and gradient in tiles against those of the whole picture, at awkward sizes."""



import numpy as np
import pytest
import theano

import models
from lasagne.layers import get_output_shape
from recipes import styletransfer
from recipes.common import objective, tiles

CONTENT, STYLE = ['conv2_2', 'conv4_2'], ['conv1_1', 'conv2_1', 'conv3_1', 'conv5_1']
# rows, columns, rows and columns of the cores: no multiples of the stride 16, a last tile narrower
# than a stride, one that is wide and low, one tile only, tiles in one direction only.
SIZES = [(70, 101, 32, 48), (129, 67, 64, 16), (33, 260, 16, 64), (64, 64, 64, 64),
         (97, 150, 112, 32)]


class Problem:
    """A loss on a narrow VGG-19, whole and in tiles, compiled once."""

    def __init__(self, dtype, kind='gram', guided=False):
        self.guided, self.dtype = guided, dtype
        with theano.config.change_flags(floatX=dtype):
            self.net = models.build('vgg19', 'average_exc_pad', 'conv5_1', width=0.13, seed=3)
            self.terms = objective.Terms(self.net, CONTENT, STYLE, kind, guided=guided)
            self.whole = styletransfer.compile_loss(self.terms)
            self.looker = tiles.Looker(self.terms)
            self.tiled = tiles.TiledLoss(self.terms, self.looker)

    def arguments(self, rows, columns):
        """Return random (picture, *arrays) for a picture of this size."""
        random = np.random.RandomState(rows)
        image, photo, painting = (random.uniform(-128, 128, (1, 3, rows, columns))
                                  .astype(self.dtype) for _ in range(3))
        with theano.config.change_flags(floatX=self.dtype):
            regions = None
            if self.guided:
                regions = (random.uniform(size=(2, rows, columns)) > 0.4).astype('float64')
            targets = styletransfer.compute_targets(
                self.looker, self.tiling(photo.shape, None), photo, regions,
                [styletransfer.Painting(painting, regions, 1.0)])
            weights = np.array([1e-3, 2e-3, 1, 2, 3, 4, 1e-4])
            return [image, *targets._replace(aims=targets.aims._replace(weights=weights)).arrays()]

    def tiling(self, shape, core):
        return tiles.Tiling(self.net, self.terms.layers, shape, core)

    def both(self, rows, columns, *core):
        """Return ((terms, gradient) of the whole picture, the same in tiles)."""
        arguments = self.arguments(rows, columns)
        self.tiled.tiling = self.tiling((1, 3, rows, columns), core)
        with theano.config.change_flags(floatX=self.dtype):
            return self.whole(*arguments), self.tiled(*arguments)


@pytest.fixture(scope='module')
def exact():
    return Problem('float64')


@pytest.mark.parametrize('size', SIZES)
def test_tiles_give_the_whole_pictures_loss_and_gradient(exact, size):
    (terms, gradient), (tiled_terms, tiled_gradient) = exact.both(*size)
    np.testing.assert_allclose(tiled_terms, terms, rtol=1e-11)
    # Measured: 4e-15 of the largest element.
    assert abs(tiled_gradient - gradient).max() < 1e-9 * abs(gradient).max()


@pytest.mark.parametrize('size', SIZES)
def test_every_position_is_in_one_core(exact, size):
    tiling = exact.tiling((1, 3, *size[:2]), size[2:])
    for index, layer in enumerate(exact.terms.layers):
        shape = get_output_shape(exact.net[layer], tiling.shape)[2:]
        seen = np.zeros(shape, int)
        for tile in tiling.tiles:
            tiles.window(seen, tiling.units(tile)[index])[:] += 1
        assert (seen == 1).all()
