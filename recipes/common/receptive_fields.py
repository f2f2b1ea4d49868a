"""What part of the picture a unit sees."""

from collections import namedtuple

import numpy as np
from lasagne.layers import (
    BatchNormLayer,
    BiasLayer,
    Conv2DLayer,
    DropoutLayer,
    InputLayer,
    LocalResponseNormalization2DLayer,
    MergeLayer,
    NonlinearityLayer,
    ParametricRectifierLayer,
    Pool2DLayer,
    ScaleLayer,
    get_all_layers,
)

# Along one axis: unit i sees the pixels from start + i * stride on, `size` of them; a start below
# zero, or an end beyond the picture, lies in the padding.
Field = namedtuple('Field', 'size stride start')

# What sees no neighbours; a batch normalisation's means are those of training.
AT_ONE_PLACE = (NonlinearityLayer, LocalResponseNormalization2DLayer, BatchNormLayer, BiasLayer,
                DropoutLayer, ParametricRectifierLayer, ScaleLayer)


def receptive_field(layer):
    """Compute what one unit of a layer sees of the input, along rows and along columns.

    Args:
        layer: a Lasagne layer above convolutions, poolings, merges, nonlinearities and
            normalisations across channels.

    Returns:
        (Field, Field) in pixels; None for a layer that sees the whole picture, such as a dense one.
    """
    found = {}  # each layer once: nine modules of four ways each have 4^9 ways down
    for one in get_all_layers(layer):
        if isinstance(one, InputLayer):
            found[one] = Field(1, 1, 0), Field(1, 1, 0)
            continue
        incomings = one.input_layers if isinstance(one, MergeLayer) else [one.input_layer]
        below = [found[incoming] for incoming in incomings]
        found[one] = None if None in below else _field_above(one, below)
    return found[layer]


def _field_above(layer, below):
    """Compute the (Field, Field) of a layer from those of the layers below it, or None."""
    if isinstance(layer, MergeLayer):
        return tuple(_union(fields) for fields in zip(*below))
    if isinstance(layer, AT_ONE_PLACE):
        return below[0]
    if isinstance(layer, Conv2DLayer):
        sizes, pads = layer.filter_size, _pads(layer)
    elif isinstance(layer, Pool2DLayer):
        sizes, pads = layer.pool_size, layer.pad
    else:
        return None
    return tuple(Field(field.size + (size - 1) * field.stride, field.stride * stride,
                       field.start - pad * field.stride)
                 for field, size, stride, pad in zip(below[0], sizes, layer.stride, pads))


def _pads(layer):
    if layer.pad == 'same':
        return tuple(size // 2 for size in layer.filter_size)
    if layer.pad == 'full':
        return tuple(size - 1 for size in layer.filter_size)
    return layer.pad


def _union(fields):
    start = min(field.start for field in fields)
    end = max(field.start + field.size for field in fields)
    return Field(end - start, fields[0].stride, start)


def pixels_of(field, index, length):
    """Compute (first, end) of the pixels that unit `index` sees, in a picture of this length."""
    first = field.start + index * field.stride
    return max(first, 0), min(first + field.size, length)


def patch_of(fields, place, picture, fill=128):
    """Cut out the part of a picture that a unit sees.

    Where the field lies partly in the padding, that part has the value `fill`; where it is larger
    than the picture, it is cropped to the picture.

    Args:
        fields: (Field, Field) of the layer, or None where a unit sees everything.
        place: (row, column) of the unit.
        picture: array (rows, columns, ...).
    """
    if fields is None:
        return picture
    for axis, (field, index) in enumerate(zip(fields, place)):
        length = picture.shape[axis]
        first, end = pixels_of(field, index, length)
        inside = np.take(picture, range(first, end), axis=axis)
        if field.size < length:
            before = first - (field.start + index * field.stride)
            widths = [(0, 0)] * picture.ndim
            widths[axis] = (before, field.size - before - (end - first))
            inside = np.pad(inside, widths, constant_values=fill)
        picture = inside
    return picture


def gradient_patch_of(fields, place, gradient):
    """Cut out of a gradient (channels, rows, columns) what `patch_of` shows of a picture.
    """
    patch = patch_of(fields, place, gradient.transpose(1, 2, 0), fill=0)
    return patch.transpose(2, 0, 1)
