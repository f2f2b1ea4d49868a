"""Loss and gradient of a picture of any size, exactly, a tile at a time.

Activations are local, and the loss is a function of sums over positions. A first pass gathers the
sums; the second passes what each tile's sums are worth back to the pixels. A tile is the core,
whose positions no other tile has, and a halo, which is all that the core's positions see. Where
the halo ends inside the picture the network pads it with zeros that are not there, but what those
spoil lies outside the core and is left out.
"""

from collections import namedtuple
from math import ceil

import lasagne
import numpy as np
import theano
import theano.tensor as T

from models.errors import ArchiveError
from recipes.common import losses, objective, receptive_fields, statistics

# Rows and columns of the picture, (first, end, first, end): what the network is given, and that
# part whose positions enter the sums.
Tile = namedtuple('Tile', 'window core')


class Tiling:
    """A picture's tiles.

    Args:
        net: ordered dict of layers.
        layers: those in the loss.
        shape: of the picture, (1, 3, rows, columns).
        core: (rows, columns) in pixels, or None for one tile.

    Attributes:
        core: multiples of the stride of the deepest layer, or None.
        tiles: list of Tile, row by row.

    Raises:
        ArchiveError: a layer sees the whole picture.
    """

    def __init__(self, net, layers, shape, core=None):
        self.net, self.layers, self.shape = net, list(layers), tuple(shape)
        self.core = None if core is None else tuple(core)
        lengths = self.shape[2:]
        if core is None:
            self.tiles = [Tile((0, lengths[0], 0, lengths[1]), (0, lengths[0], 0, lengths[1]))]
            return
        axes = [_along(length, size, *halo) for length, size, halo
                in zip(lengths, core, halos(net, layers))]
        self.tiles = [Tile(rows[0] + columns[0], rows[1] + columns[1])
                      for rows in axes[0] for columns in axes[1]]
        self.fields = [receptive_fields.receptive_field(net[layer]) for layer in self.layers]
        self.counts = [lasagne.layers.get_output_shape(net[layer], self.shape)[2:]
                       for layer in self.layers]

    def units(self, tile):
        """Return the core's positions in each layer, in the picture: integers (layers, 4)."""
        if self.core is None:
            shapes = [lasagne.layers.get_output_shape(self.net[layer], self.shape)
                      for layer in self.layers]
            return np.array([(0, shape[2], 0, shape[3]) for shape in shapes]).reshape(-1, 4)
        places = []
        for fields, counts in zip(self.fields, self.counts):
            place = []
            for axis, (field, count) in enumerate(zip(fields, counts)):
                first, end = tile.core[2 * axis:2 * axis + 2]
                whole = end == self.shape[2 + axis]
                place += [min(first // field.stride, count),
                          count if whole else min(end // field.stride, count)]
            places.append(place)
        return np.array(places, int).reshape(-1, 4)

    def cores(self, tile):
        """Return the core's positions in the window, for each layer and the pixels.

        The pixels have one row and column more, where there is one: the total variation takes the
        steps from the core's pixels to their neighbours.

        Returns:
            Integers (layers + 1, 4).
        """
        top, _, left, _ = tile.window
        places = self.units(tile)
        for index, place in enumerate(places):
            strides = (1, 1) if self.core is None else [f.stride for f in self.fields[index]]
            place -= np.repeat([top // strides[0], left // strides[1]], 2)
        first, end, begin, stop = tile.core
        pixels = [first - top, min(end + 1, self.shape[2]) - top,
                  begin - left, min(stop + 1, self.shape[3]) - left]
        return np.array([*places.tolist(), pixels])


def halos(net, layers):
    """Return for rows and columns (stride, halo before, halo after) of tiles, in pixels.

    The stride is the deepest layer's. The halo is what positions see beyond their own cell, half
    the receptive field, rounded up to the stride.

    Raises:
        ArchiveError: a layer sees the whole picture.
    """
    fields = {layer: receptive_fields.receptive_field(net[layer]) for layer in layers}
    for layer, field in fields.items():
        if field is None:
            raise ArchiveError(f'{layer} sees the whole picture, which cannot be cut into tiles')
    result = []
    for axis in range(2):
        along = [pair[axis] for pair in fields.values()]
        stride = max((field.stride for field in along), default=1)
        before = max([0, *(-field.start for field in along)])
        after = max([1, *(field.start + field.size - field.stride for field in along)])
        result.append((stride, ceil(before / stride) * stride, ceil(after / stride) * stride))
    return result


def _along(length, core, stride, before, after):
    """Return [(window, core)] along one axis, each (first, end)."""
    if core % stride or core <= 0:
        raise ValueError(f'a core of {core} pixels is no multiple of the stride {stride}')
    starts = list(range(0, length, core))
    if len(starts) > 1 and length - starts[-1] < stride:
        starts.pop()  # too narrow to have a position in the deepest layer; the one before takes it
    ends = [*starts[1:], length]
    return [((max(0, first - before), min(length, end + after)), (first, end))
            for first, end in zip(starts, ends)]


class Looker:
    """What targets are made of, looked at tile by tile.

    Args:
        terms: `objective.Terms`.
    """

    def __init__(self, terms):
        self.terms = terms
        self.look = terms.compile_look()

    def __call__(self, image, tiling, guides=None):
        """Return (features, sums, pixels) of a picture.

        Args:
            image: (1, 3, rows, columns).
            tiling: of the picture.
            guides: layer to (regions, rows, columns), where the style has regions.

        Returns:
            features: layer to activations of the whole picture; sums: layer to a list of float64
            arrays; pixels: the losses of the pixels, a list of floats.
        """
        features = {}

        def place(layer, part, units):
            self._place(features, layer, part, units, tiling)

        sums, pixels = self.gather(image, tiling, guides, place)
        return features, sums, pixels

    def gather(self, image, tiling, guides, take):
        """Return (sums, pixels) of a picture, and hand out the rest.

        Args:
            image, tiling, guides: as of a call.
            take: function (layer, activations of a tile's core, its positions in the picture),
                called for each content layer.
        """
        sums, pixels = {}, [0.0] * len(self.terms.pixel_losses)
        for tile in tiling.tiles:
            units = dict(zip(self.terms.layers, tiling.units(tile)))
            found = self.look(window(image, tile.window), tiling.cores(tile),
                              *(window(guides[layer], units[layer])
                                for layer in self.terms.guides))
            for layer in self.terms.content_layers:
                take(layer, found.pop(0), units[layer])
            for layer in self.terms.style_layers:
                parts = [np.asarray(found.pop(0), 'float64')
                         for _ in statistics.SUMS[self.terms.kind]]
                sums[layer] = ([a + b for a, b in zip(sums[layer], parts)] if layer in sums
                               else parts)
            pixels = [total + float(part) for total, part in zip(pixels, found)]
        return sums, pixels

    def _place(self, features, layer, part, units, tiling):
        if len(tiling.tiles) == 1:
            features[layer] = part
            return
        if layer not in features:
            shape = lasagne.layers.get_output_shape(self.terms.net[layer], tiling.shape)
            features[layer] = np.empty(shape, part.dtype)
        window(features[layer], units)[:] = part


def window(x, place):
    """Return the rows and columns (first, end, first, end) of the last two axes, as a view."""
    first, end, begin, stop = place
    return x[..., first:end, begin:stop]


class TiledLoss:
    """Loss and gradient in tiles, called like the function that `compile_loss` gives.

    Args:
        terms: `objective.Terms`.
        looker: `Looker` of the same terms.

    Attributes:
        tiling: of the picture; to be set.
    """

    def __init__(self, terms, looker):
        self.terms, self.looker, self.tiling = terms, looker, None
        self.combine, self.push = self._compile_combine(), self._compile_push()

    def _compile_combine(self):
        """Compile (content, *sums, pixels, *aims) in float64 to the weighted terms and to what
        each sum is worth: the loss's derivative with respect to it."""
        terms, aims = self.terms, self.terms.variables('float64')
        content, pixels = T.dvector('content'), T.dvector('pixels')
        sums = terms.sum_variables('float64')
        parts = [part for parts in sums.values() for part in parts]
        each = [content[index] for index in range(len(terms.content_layers))]
        own = [pixels[index] for index in range(len(terms.pixel_losses))]
        loss = terms.of_sums(each, sums, own, aims)
        worth = T.grad(loss.sum(), parts) if parts else []
        return theano.function([content, *parts, pixels, *aims.flat()], [loss, *worth],
                               on_unused_input='ignore')

    def _compile_push(self):
        """Compile (image, cores, *photo, *guides, *worth of the sums, weights) to the gradient."""
        terms = self.terms
        image, cores = T.tensor4('image'), T.lmatrix('cores')
        features = terms.features(image, cores)
        value = 0
        for index, layer in enumerate(terms.content_layers):
            distance = losses.content_loss(terms.photo, features, layer)
            value = value + terms.aims.weights[index] * distance
        worth = []
        for parts in terms.style_sums(features).values():
            for part in parts:
                worth.append(part.type())
                value = value + (worth[-1] * part).sum()
        pixels = objective.cut(image, cores[len(terms.layers)])
        losses_of_pixels = terms.of_pixels(pixels)
        first = len(terms.names) - len(losses_of_pixels)
        for index, loss in enumerate(losses_of_pixels, start=first):
            value = value + terms.aims.weights[index] * loss
        return theano.function(
            [image, cores, *terms.photo.values(), *terms.guides.values(), *worth,
             terms.aims.weights],
            T.grad(value, image), on_unused_input='ignore')

    def __call__(self, image, *arrays):
        """Return (terms, gradient) of a picture (1, 3, rows, columns)."""
        terms = self.terms
        arrays = list(arrays)
        photo = {layer: arrays.pop(0) for layer in terms.content_layers}
        guides = {layer: arrays.pop(0) for layer in terms.guides}
        weights = arrays[-1]

        content = dict.fromkeys(terms.content_layers, 0.0)

        def compare(layer, part, units):
            difference = part.astype('float64') - window(photo[layer], units)
            content[layer] += 0.5 * np.vdot(difference, difference)

        sums, pixels = self.looker.gather(image, self.tiling, guides, compare)
        loss, *worth = self.combine(np.array(list(content.values())),
                                    *(part for parts in sums.values() for part in parts), pixels,
                                    *(np.asarray(array, 'float64') for array in arrays))
        worth = [part.astype(image.dtype) for part in worth]
        gradient = np.zeros_like(image)
        for tile in self.tiling.tiles:
            units = dict(zip(terms.layers, self.tiling.units(tile)))
            part = self.push(window(image, tile.window), self.tiling.cores(tile),
                             *(window(photo[layer], units[layer]) for layer in photo),
                             *(window(guides[layer], units[layer]) for layer in guides),
                             *worth, weights)
            window(gradient, tile.window)[:] += part
        return loss, gradient
