"""How much memory a style transfer takes, and tiles that make it fit."""

from collections import namedtuple
from math import ceil

from models.errors import ArchiveError
from models.runtime.xla import devices

import lasagne

from recipes.common import receptive_fields
from recipes.style import tiles

# Measured on Linux x86-64 with Python 3.11, as the growth of the resident set: VGG-19 and the
# embedded network at 256x256 to 2048x2048, whole and in tiles. Predictions were from 9 %
# too low to 19 % too high.
PROCESS = 220e6         # Python, Theano, scipy and matplotlib, before any picture
JAX = 190e6             # where functions run through it: its own, and what XLA's compiler leaves
LOOK, PUSH = 0.6, 1.35  # of a pass, in bytes of the activations: forward, and to the gradient
FLOAT, DOUBLE = 4, 8
LBFGS_PICTURES = 7      # float64, besides L-BFGS's 2m + 5: x, gradient, best, integers
BOUNDS_PICTURES = 15    # float64, with bounds: scipy's lists of them
ADAM_PICTURES = 9       # float64
GUIDED = 1.1            # of a style layer's activations, more for each region
MOST_TILES = 128        # along one side
RESERVE = 0.12          # of --memory, left free: a prediction was as much as 9 % too low
FEWEST_CORRECTIONS = 3  # fewer, and L-BFGS is little better than the steepest descent

# core: of the photo's tiles, (rows, columns) in pixels, or None for one tile; painting_core: of
# the paintings'; corrections: L-BFGS's m, None for Adam; bytes: in all, predicted.
Plan = namedtuple('Plan', 'core painting_core corrections bytes')


def activations_per_pixel(net, layers):
    """Count the activations that the network has for a pixel, down to the deepest layer."""
    return _per_pixel(lasagne.layers.get_all_layers([net[name] for name in layers]))


def _per_pixel(layers):
    total = 0
    for layer in layers:
        rows, columns = receptive_fields.receptive_field(layer)
        total += layer.output_shape[1] / (rows.stride * columns.stride)
    return total


class Needs:
    """What a style transfer needs, in bytes.

    Args:
        net: ordered dict of layers.
        content_layers, style_layers: names.
        shape: of the largest picture, (1, 3, rows, columns).
        painting_shapes: of the paintings.
        adam: whether Adam is the optimiser.
        evals: of a round; L-BFGS touches no more corrections.
        bounds: whether it has any.
        regions: whose statistics are taken apart; 0 without masks.
    """

    def __init__(self, net, content_layers, style_layers, shape, painting_shapes, adam=False,
                 evals=float('inf'), bounds=False, regions=0):
        self.evals, self.bounds = evals, bounds
        self.net, self.shape, self.painting_shapes, self.adam = net, shape, painting_shapes, adam
        self.layers = list(dict.fromkeys([*content_layers, *style_layers]))
        guided = GUIDED * regions * _per_pixel([net[name] for name in style_layers])
        self.per_pixel = FLOAT * (activations_per_pixel(net, self.layers) + guided)
        parameters = [parameter.get_value(borrow=True) for parameter in
                      lasagne.layers.get_all_params([net[name] for name in self.layers])]
        # Of each 3x3 kernel Winograd's convolution keeps a copy and 36 numbers.
        kept = 5 * sum(array.size for array in parameters if array.shape[2:] == (3, 3))
        self.weights = FLOAT * (kept + sum(array.size for array in parameters))
        self.photo = FLOAT * sum(_size(lasagne.layers.get_output_shape(net[layer], shape))
                                 for layer in content_layers)
        widest = max(net[layer].output_shape[1] for layer in self.layers)
        # Of Winograd's convolution: patches and products of 256 tiles of 6x6.
        self.work = FLOAT * 36 * widest * 2 * 256
        self.halos = tiles.halos(net, self.layers)

    def fixed(self, corrections):
        """Estimate what is there whatever the tiles: process, weights, photo's features, optimiser.
        """
        pictures = (ADAM_PICTURES if self.adam
                    else 2 * min(corrections, self.evals) + 5 + LBFGS_PICTURES
                    + BOUNDS_PICTURES * self.bounds)
        process = PROCESS + JAX * (devices.current().name != 'cpu')
        return (process + self.work + self.weights + self.photo
                + pictures * DOUBLE * _size(self.shape))

    def of_window(self, core, shape, cost):
        """Estimate what the largest window takes in a pass of this cost."""
        pixels = 1
        for length, size, (_, before, after) in zip(shape[2:], core or shape[2:], self.halos):
            pixels *= length if core is None else min(length, before + size + after)
        return cost * self.per_pixel * pixels

    def in_all(self, plan):
        """Estimate what a run takes by a plan."""
        windows = [self.of_window(plan.core, self.shape, PUSH)]
        windows += [self.of_window(plan.painting_core, shape, LOOK)
                    for shape in self.painting_shapes]
        return self.fixed(plan.corrections) + max(windows)

    def largest_core(self, room, shape, cost):
        """Find the core of the fewest tiles whose windows fit into so many bytes.

        Returns:
            None where the whole picture fits; False where no tile does.
        """
        if self.of_window(None, shape, cost) <= room:
            return None
        best = False
        if room <= 0:
            return best
        cores = [_cores(length, stride) for length, (stride, _, _) in zip(shape[2:], self.halos)]
        for rows in cores[0]:
            for columns in cores[1]:
                if self.of_window((rows, columns), shape, cost) <= room:
                    work = self._pixels_passed((rows, columns), shape)
                    if best is False or work < best[0]:
                        best = work, (rows, columns)
        return best and best[1]

    def _pixels_passed(self, core, shape):
        """Estimate how many pixels pass through the network, halos included."""
        total = 1
        for length, size, (_, before, after) in zip(shape[2:], core, self.halos):
            total *= length + (ceil(length / size) - 1) * (before + after)
        return total


def plan(needs, limit, corrections):
    """Find tiles, and corrections of L-BFGS, that keep a run below a limit.

    Args:
        needs: `Needs`.
        limit: bytes.
        corrections: L-BFGS's m, as wished; lowered where it must be. None for Adam.

    Raises:
        ArchiveError: nothing fits.
    """
    wished = corrections
    while True:
        room = (1 - RESERVE) * limit - needs.fixed(corrections)
        core = needs.largest_core(room, needs.shape, PUSH)
        painting_cores = [needs.largest_core(room, shape, LOOK) for shape in needs.painting_shapes]
        if core is not False and False not in painting_cores:
            small = [size for size in painting_cores if size is not None]
            painting_core = None if not small else tuple(min(sizes) for sizes in zip(*small))
            result = Plan(core, painting_core, corrections, 0)
            return result._replace(bytes=needs.in_all(result))
        if corrections is None or corrections <= FEWEST_CORRECTIONS:
            break
        corrections -= 1
    smallest = tuple(stride for stride, _, _ in needs.halos)
    fewest = None if wished is None else min(wished, FEWEST_CORRECTIONS)
    least = needs.in_all(Plan(smallest, smallest, fewest, 0))
    rows, columns = needs.shape[2:]
    hint = '' if wished is None else ' or --optimiser adam,'
    raise ArchiveError(f'a picture of {columns}x{rows} pixels is too large for '
                       f'{gigabytes(limit)} of memory; in the smallest tiles it needs '
                       f'{gigabytes(least / (1 - RESERVE))}: take a smaller --size,{hint} or a '
                       'larger --memory')


def gigabytes(count):
    """Put bytes into words, rounded up."""
    return f'{ceil(count / 1e7) / 100:.2f} GB'


def _cores(length, stride):
    """List core lengths that cut a length into 1, 2, 3, ... tiles."""
    most = min(MOST_TILES, ceil(length / stride))
    return sorted({ceil(length / count / stride) * stride for count in range(1, most + 1)},
                  reverse=True)


def _size(shape):
    result = 1
    for length in shape:
        result *= length or 1
    return result


def in_words(plan):
    """Say how much memory a plan takes, and in which tiles."""
    tiles_ = f', in tiles of {plan.core[1]}x{plan.core[0]} pixels' if plan.core else ''
    return f'takes {gigabytes(plan.bytes)} of memory{tiles_}'
