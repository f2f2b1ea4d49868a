"""MatConvNet's `.mat` files of networks that are a chain ("SimpleNN").

`layers` is a row of structs; those of convolutions (dense layers are convolutions as large as
their input) have `name` and `weights` {kernel, bias}, before 2015 `filters` and `biases`. The mean
is `meta.normalization.averageImage`, before `normalization.averageImage`, RGB, one pixel or an
image; class names are `meta.classes.description`. Source: vlfeat/matconvnet,
utils/import-caffe.py.
"""

import numpy as np

from models.errors import ArchiveError
from models.weights.formats import matlab
from models.weights.formats.contents import MEAN_IMAGE_NOTE, Contents, class_names


def read(path, budget):
    """Return the contents of a `.mat` file of MatConvNet.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: it claims or unpacks to more than it may.
        ArchiveError: it holds something else.
        ValueError and others: it is broken.
    """
    file = matlab.read(path, budget)
    if not isinstance(file.get('layers'), list):
        raise ArchiveError(f'{path} is no chain of layers of MatConvNet; it holds '
                           f'{", ".join(list(file)[:8]) or "nothing"}')
    contents = Contents('matconvnet')
    for layer in file['layers']:
        layer = _fields(layer)
        arrays = _weights(layer)
        if arrays:
            name = _only(layer.get('name'))
            for ending, array in zip('Wb', arrays):
                contents.arrays[f'{name if isinstance(name, str) else ""}.{ending}'] = array
    meta = _fields(file.get('meta'))
    normalization = _fields(meta.get('normalization', file.get('normalization')))
    image = normalization.get('averageImage')
    if isinstance(image, np.ndarray) and image.size >= 3 and image.shape[-1] == 3:
        contents.mean_pixel = np.asarray(image, 'float64').reshape(-1, 3).mean(axis=0)[::-1]
        if image.size > 3:
            contents.notes.append(MEAN_IMAGE_NOTE)
    words = _fields(meta.get('classes', file.get('classes'))).get('description')
    if isinstance(words, list):
        contents.classes = class_names([_only(word) for word in words], path)
    return contents


def _weights(layer):
    """Return [kernel, bias] of a layer, or nothing."""
    arrays = (layer['weights'] if isinstance(layer.get('weights'), list) else
              [layer[name] for name in ('filters', 'biases') if name in layer])
    return [array for array in arrays if isinstance(array, np.ndarray) and array.size]


def _fields(value):
    """Return the dict of a struct, by itself or in cells; an empty one of anything else."""
    value = _only(value)
    return value if isinstance(value, dict) else {}


def _only(value):
    """Return the first element of what MATLAB keeps in lists of one; nothing of an empty one."""
    while isinstance(value, list):
        value = value[0] if value else None
    return value
