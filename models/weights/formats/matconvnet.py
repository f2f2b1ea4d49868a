"""MatConvNet's `.mat` files of networks: of chains ("SimpleNN") and graphs ("DagNN").

A chain's `layers` is a row of structs; those of convolutions (dense layers are convolutions as
large as their input) have `name` and `weights` {kernel, bias}, before 2015 `filters` and `biases`.
The mean is `meta.normalization.averageImage`, before `normalization.averageImage`, RGB, one pixel
or an image; class names are `meta.classes.description`. A graph has the arrays in `params`, structs
with `name` and `value`, and its `layers` name theirs, kernel before bias. Either may be within a
struct, as `save FILE net` writes it. Source: vlfeat/matconvnet, utils/import-caffe.py and
matlab/+dagnn/@DagNN/saveobj.m.
"""

from models.errors import ArchiveError
from models.weights.formats import matlab
from models.weights.formats.contents import MEAN_IMAGE_NOTE, Contents

import numpy as np


def read(path, budget):
    """Read the contents of a `.mat` file of MatConvNet.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: it claims or unpacks to more than it may.
        ArchiveError: it holds something else.
        ValueError and others: it is broken.
    """
    file = _network_in(matlab.read(path, budget))
    if not isinstance(file.get('layers'), list):
        raise ArchiveError(f'{path} is no network of MatConvNet; it holds '
                           f'{", ".join(list(file)[:8]) or "nothing"}')
    contents = Contents('matconvnet')
    named = _params(file.get('params'))
    for layer in file['layers']:
        layer = _fields(layer)
        arrays = _weights(layer, named)
        if arrays:
            name = _text(layer.get('name'))
            contents.others += [f'{name}, array {index}' for index in range(2, len(arrays))]
            for ending, array in zip('Wb', arrays):
                contents.arrays[f'{name}.{ending}'] = array
    meta = _fields(file.get('meta'))
    normalization = _fields(meta.get('normalization', file.get('normalization')))
    image = normalization.get('averageImage')
    if isinstance(image, np.ndarray) and image.size >= 3 and image.shape[-1] == 3:
        contents.mean_pixel = np.asarray(image, 'float64').reshape(-1, 3).mean(axis=0)[::-1]
        if image.size > 3:
            contents.notes.append(MEAN_IMAGE_NOTE)
    words = _fields(meta.get('classes', file.get('classes'))).get('description')
    if isinstance(words, list):
        contents.classes = [_text(word) for word in words]
    return contents


def _network_in(variables):
    """Find the variables of a file, or the fields of the one struct in it that has layers."""
    if 'layers' in variables:
        return variables
    return next((fields for fields in map(_fields, variables.values()) if 'layers' in fields),
                variables)


def _params(structs):
    """Collect the arrays: dict from names to arrays of a graph's parameters."""
    structs = map(_fields, structs if isinstance(structs, list) else [])
    return {_text(struct['name']): struct['value'] for struct in structs
            if 'name' in struct and 'value' in struct}


def _weights(layer, named):
    """Find [kernel, bias] of a layer, or nothing.

    Args:
        layer: dict of a struct's fields.
        named: a graph's parameters by name.
    """
    if isinstance(layer.get('weights'), list):
        arrays = layer['weights']
    elif named and isinstance(layer.get('params'), list):
        arrays = [named.get(_text(name)) for name in layer['params']]
    else:
        arrays = [layer[name] for name in ('filters', 'biases') if name in layer]
    return [array for array in arrays if isinstance(array, np.ndarray) and array.size]


def _fields(value):
    """Read the dict of a struct, by itself or in cells; an empty one of anything else."""
    value = _only(value)
    return value if isinstance(value, dict) else {}


def _text(value):
    """Read text, by itself or in cells; none of anything else."""
    value = _only(value)
    return value if isinstance(value, str) else ''


def _only(value):
    """Take the first element of what MATLAB keeps in lists of one; nothing of an empty one."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value
