"""Keras' HDF5 files: `.h5` as Keras 1 and 2 wrote them, and `.weights.h5` of today.

The older layout has a group for each layer, in the order of the attribute `layer_names`, whose
attribute `weight_names` names its arrays, kernel before bias; a file of a whole model has all that
in the group `model_weights`. Today's has `layers/<kind>_<number>/vars/0` and `1`, and the layer's
own name in the attribute `name` of `vars`. Source: keras-team/keras,
keras/src/legacy/saving/legacy_h5_format.py and keras/src/saving/saving_lib.py.
"""

import re

import h5py
import numpy as np

from models.errors import ArchiveError
from models.weights.formats.contents import Contents
from models.weights.formats.pickles import text


def read(path):
    """Return the contents of one of Keras' files.

    Raises:
        ArchiveError: it is broken, or an HDF5 file of something else.
    """
    try:
        with h5py.File(path, 'r') as file:
            root = file['model_weights'] if 'model_weights' in file else file
            layers = _legacy(root) if 'layer_names' in root.attrs else _of_today(root)
            contents = Contents('keras')
            for name, datasets in layers:
                for ending, dataset in zip('Wb', datasets):
                    contents.arrays[f'{name}.{ending}'] = _numbers(path, dataset)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as problem:
        raise ArchiveError(f'{path} is a broken HDF5 file, or none of Keras\': '
                           f'{problem}') from problem
    if not contents.arrays:
        raise ArchiveError(f'{path} is an HDF5 file without weights of Keras')
    return contents


def _legacy(root):
    for name in _names(root.attrs, 'layer_names'):
        group = root[name]
        datasets = [group[weight] for weight in _names(group.attrs, 'weight_names')]
        if datasets:
            yield name, datasets


def _names(attributes, key):
    """Return a list of names; HDF5 limits an attribute to 64 kB, and Keras then parts it."""
    if key in attributes:
        return [text(name) for name in attributes[key]]
    parts = []
    while f'{key}{len(parts)}' in attributes:
        parts.append(attributes[f'{key}{len(parts)}'])
    return [text(name) for part in parts for name in part]


def _of_today(root):
    found = []

    def visit(path, item):
        if path.endswith('/vars') and isinstance(item, h5py.Group) and '0' in item:
            own = path.split('/')[-2]
            found.append((_number(own), text(item.attrs.get('name', own)),
                          [item[key] for key in ('0', '1') if key in item]))

    root.visititems(visit)
    return [(name, datasets) for _, name, datasets in sorted(found, key=lambda part: part[0])]


def _number(name):
    """Return (kind, number) of 'conv2d' or 'conv2d_7', to put layers into their order."""
    kind, number = re.fullmatch(r'(.*?)(?:_(\d+))?', name).groups()
    return kind, int(number or 0)


def _numbers(path, dataset):
    """Return a dataset's array, if it is plain numbers within this file."""
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in 'fiu':
        raise ArchiveError(f'{path}: {dataset.name} holds no numbers')
    if dataset.external or dataset.is_virtual or dataset.file.filename != str(path):
        raise ArchiveError(f'{path} was refused: {dataset.name} takes its numbers from other files')
    if dataset.nbytes > 64 * max(dataset.id.get_storage_size(), 1024):
        raise ArchiveError(f'{path} was refused: {dataset.name} claims {dataset.shape} and holds '
                           f'{dataset.id.get_storage_size()} bytes')
    return np.asarray(dataset)
