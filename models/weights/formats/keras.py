"""Keras' HDF5 files: `.h5` as Keras 1 and 2 wrote them, and `.weights.h5` of today.

The older layout has a group for each layer, in the order of the attribute `layer_names`, whose
attribute `weight_names` names its arrays, kernel before bias; a file of a whole model has all that
in the group `model_weights`. Today's has `layers/<kind>_<number>/vars/0` and `1`, and the layer's
own name in the attribute `name` of `vars`. Source: keras-team/keras,
keras/src/legacy/saving/legacy_h5_format.py and keras/src/saving/saving_lib.py.
"""

import re

from models.errors import ArchiveError
from models.weights.formats import hdf5
from models.weights.formats.contents import Contents


def read(path, budget):
    """Return the contents of one of Keras' files.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: a data set claims more than it holds, or takes its numbers from elsewhere.
        ArchiveError: it is broken, or an HDF5 file of something else.
    """
    contents = Contents('keras')
    with hdf5.File(path, budget) as file:
        root = file.root
        if isinstance(root.get('model_weights'), hdf5.Group):
            root = root['model_weights']
        layers = _legacy(root) if 'layer_names' in root.attrs else _of_today(root)
        for name, datasets in layers:
            for ending, dataset in zip('Wb', datasets):
                if not isinstance(dataset, hdf5.Dataset):
                    raise ArchiveError(f'{path}: {name} holds no numbers')
                contents.arrays[f'{name}.{ending}'] = dataset.read()
    if not contents.arrays:
        raise ArchiveError(f'{path} is an HDF5 file without weights of Keras')
    return contents


def _legacy(root):
    for name in _names(root.attrs, 'layer_names'):
        group = _member(root, name)
        datasets = [_member(group, weight) for weight in _names(group.attrs, 'weight_names')]
        if datasets:
            yield name, datasets


def _member(group, name):
    """Return what has a name within a group; the name may have those of groups in it."""
    for part in name.strip('/').split('/'):
        if part not in group:
            raise ValueError(f'it names {name}, which is not there')
        group = group[part]
    return group


def _names(attributes, key):
    """Return a list of names; HDF5 limits an attribute to 64 kB, and Keras then parts it."""
    if key in attributes:
        return attributes[key]
    parts = []
    while f'{key}{len(parts)}' in attributes:
        parts.append(attributes[f'{key}{len(parts)}'])
    return [name for part in parts for name in part]


def _of_today(root):
    found, left = [], [('', root)]
    while left:
        own, group = left.pop()
        for name, member in group.items():
            if isinstance(member, hdf5.Group):
                left.append((name, member))
                if name == 'vars' and '0' in member:
                    found.append((_number(own), member.attrs.get('name', own),
                                  [member[key] for key in ('0', '1') if key in member]))
    return [(name, datasets) for _, name, datasets in sorted(found, key=lambda part: part[0])]


def _number(name):
    """Return (kind, number) of 'conv2d' or 'conv2d_7', to put layers into their order."""
    kind, number = re.fullmatch(r'(.*?)(?:_(\d+))?', name).groups()
    return kind, int(number or 0)
