"""Loss and gradient of a picture of any size, exactly, a tile at a time.

Activations are local, and every term of the loss is a function of sums over positions. A first pass
gathers the sums; the second passes what each tile's sums are worth back to the pixels.
"""

import numpy as np
import theano
import theano.tensor as T

from recipes.common import losses
from recipes.style import tiles
from recipes.style.loss import StyleLoss, View, cut


class TiledStyleLoss(StyleLoss):
    """`StyleLoss` in tiles.

    Args:
        core: (rows, columns) of the tiles' cores in pixels.
        **arguments: of `StyleLoss`.
    """

    def __init__(self, core, **arguments):
        self.core = core
        super().__init__(**arguments)

    def compile(self):
        """Compile the two passes, and what lies between them; the first call does it too."""
        image, cores, units = T.tensor4('image'), T.lmatrix('cores'), T.lmatrix('units')
        places = {layer: units[index] for index, layer in enumerate(self.layers)}
        view = View(self.features(image, cores), cut(image, cores[len(self.layers)]),
                    *({layer: cut(x, places[layer]) for layer, x in whole.items()}
                      for whole in (self.photo, self.guides)))
        terms = self.terms(view)
        sums = [part for term in terms for part in term.sums]
        self.gather = theano.function([image, cores, units], sums, on_unused_input='ignore')

        # Between the passes numbers are float64: of tiles few are added, but of large sums.
        totals = [[T.TensorType('float64', [False] * part.ndim)() for part in term.sums]
                  for term in terms]
        flat = [part for parts in totals for part in parts]
        values = losses.weighted([term.loss(parts) for term, parts in zip(terms, totals)],
                                 [self.weights[term.name].astype('float64') for term in terms])
        self.combine = theano.function(flat, [values, *T.grad(values.sum(), flat)])

        worth = [part.type() for part in sums]
        value = sum((one * part).sum() for one, part in zip(worth, sums))
        self.push = theano.function([image, cores, units, *worth], T.grad(value, image),
                                    on_unused_input='ignore')

        self.function = self._in_tiles

    def _in_tiles(self, picture):
        """Compute (weighted terms, gradient) of a picture (1, 3, rows, columns)."""
        tiling = tiles.Tiling(self.net, self.layers, picture.shape, self.core)
        passes = [(tile.window, tiling.cores(tile), tiling.units(tile)) for tile in tiling.tiles]
        found = [self.gather(tiles.window(picture, window), *places) for window, *places in passes]
        totals = [sum(np.asarray(part, 'float64') for part in parts) for parts in zip(*found)]
        values, *worth = self.combine(*totals)
        worth = [np.asarray(part, picture.dtype) for part in worth]
        gradient = np.zeros_like(picture)
        for window, *places in passes:
            tiles.window(gradient, window)[:] += self.push(tiles.window(picture, window), *places,
                                                           *worth)
        return values, gradient
