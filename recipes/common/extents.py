"""How much of a picture is left in the layers of a network."""

from models import graphs
from models.errors import ArchiveError

import lasagne


def require_positions(net, layers, shape, what):
    """Stop where poolings and strides leave no position of a picture in a layer.

    Args:
        net: ordered dict of layers.
        layers: names.
        shape: of the picture, (1, 3, rows, columns).
        what: the picture in words, such as 'the photo'.

    Raises:
        ArchiveError: names the first such layer.
    """
    for name in layers:
        below = lasagne.layers.get_all_layers(net[name])
        shapes = lasagne.layers.get_output_shape(below, {graphs.input_layer(net): shape})
        if min(length for found in shapes for length in found[2:]) < 1:
            raise ArchiveError(f'nothing is left at {name} of {what} at {shape[3]}x{shape[2]} '
                               'pixels; take a larger --size, or layers that are less deep')
