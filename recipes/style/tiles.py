"""The tiles that a picture is looked at in.

A tile is the core, whose positions no other tile has, and a halo, which is all that the core's
positions see. Where the halo ends inside the picture the network pads it with zeros that are not
there, but what those spoil lies outside the core and is left out.
"""

from collections import namedtuple
from math import ceil

from models.errors import ArchiveError

import lasagne
import numpy as np

from recipes.common import receptive_fields

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
        """Compute the core's positions in each layer, in the picture: integers (layers, 4)."""
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
        """Compute the core's positions in the window, for each layer and the pixels.

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

    def place(self, features, layer, part, units):
        """Put a tile's activations of a layer where they belong in the whole picture's.

        Args:
            features: layer to activations of the whole picture; it is added to.
            layer: its name.
            part: activations of a tile's core.
            units: the core's positions in the picture, (first, end, first, end).
        """
        if len(self.tiles) == 1:
            features[layer] = part
            return
        if layer not in features:
            shape = lasagne.layers.get_output_shape(self.net[layer], self.shape)
            features[layer] = np.empty(shape, part.dtype)
        window(features[layer], units)[:] = part


def halos(net, layers):
    """Compute (stride, halo before, halo after) of tiles for rows and columns, in pixels.

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
    """List [(window, core)] along one axis, each (first, end)."""
    if core % stride or core <= 0:
        raise ValueError(f'a core of {core} pixels is no multiple of the stride {stride}')
    starts = list(range(0, length, core))
    if len(starts) > 1 and length - starts[-1] < stride:
        starts.pop()  # too narrow to have a position in the deepest layer; the one before takes it
    ends = [*starts[1:], length]
    return [((max(0, first - before), min(length, end + after)), (first, end))
            for first, end in zip(starts, ends)]


def window(x, place):
    """Cut out the rows and columns (first, end, first, end) of the last two axes, as a view."""
    first, end, begin, stop = place
    return x[..., first:end, begin:stop]
