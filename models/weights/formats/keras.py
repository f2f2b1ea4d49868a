"""Keras' HDF5 files: `.h5` as Keras 1 and 2 wrote them, and `.weights.h5` of today.

The oldest, of 2015, has `layer_<number>` with `param_0` and `param_1`, counts layers without
parameters too and says how many there are in the attribute `nb_layers`. The next has a group for
each layer, in the order of the attribute `layer_names`, whose attribute `weight_names` names its
arrays, kernel before bias; a network within the network is one layer there, with the arrays of
all its layers. A file of a whole model has all that in the group `model_weights`. Today's has
`layers/<kind>_<number>/vars/0` and `1`, and the layer's own name in the attribute `name` of `vars`;
a network within the network has `layers` of its own. Other HDF5 files, of h5py alone, have arrays
by name. Source: keras-team/keras, keras/models.py of 0.2, keras/engine/topology.py of 1 and 2,
keras/src/legacy/saving/legacy_h5_format.py and keras/src/saving/saving_lib.py.
"""

import re

import h5py
import numpy as np

from models.errors import ArchiveError
from models.weights.formats.contents import Contents, from_list, from_tree
from models.weights.formats.pickles import text


def read(path):
    """Return the contents of one of Keras' files.

    Raises:
        ArchiveError: it is broken, or an HDF5 file of something else.
    """
    try:
        with h5py.File(path, 'r') as file:
            contents = _contents(path, file)
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as problem:
        raise ArchiveError(f'{path} is a broken HDF5 file, or none of Keras\': '
                           f'{problem}') from problem
    if not contents.arrays:
        raise ArchiveError(f'{path} is an HDF5 file without weights of Keras')
    return contents


def _contents(path, file):
    root = file['model_weights'] if 'model_weights' in file else file
    if 'nb_layers' in root.attrs:
        return from_list([_numbers(path, dataset) for dataset in _of_2015(root)], 'keras_list')
    layers = list(_legacy(root)) if 'layer_names' in root.attrs else _of_today(root)
    if not layers:
        return from_tree('hdf5', _by_name(path, root))
    contents = Contents('keras')
    for name, datasets in layers:
        contents.others += [dataset.name for dataset in datasets[2:]]
        for ending, dataset in zip('Wb', datasets):
            contents.arrays[f'{name}.{ending}'] = _numbers(path, dataset)
    return contents


def _of_2015(root):
    """Yield the arrays of each layer that has a kernel and a bias, in the order of the network."""
    groups = [root[f'layer_{index}'] for index in range(int(root.attrs['nb_layers']))]
    for group in groups:
        if 'param_1' in group:
            yield group['param_0']
            yield group['param_1']


def _by_name(path, root):
    """Return dict from the paths of all arrays of numbers to them."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind in 'fiu':
            found[name] = _numbers(path, item)

    root.visititems(visit)
    return found


def _legacy(root):
    for name in _names(root.attrs, 'layer_names'):
        group, layers = root[name], {}
        weights = _names(group.attrs, 'weight_names')
        for weight in weights:
            layers.setdefault(_layer_of(weight), []).append(group[weight])
        if len(weights) <= 2 and weights:  # one layer, whatever it calls its arrays
            yield name, [group[weight] for weight in weights]
        else:
            yield from ((f'{name}/{layer}', datasets) for layer, datasets in layers.items())


def _layer_of(weight):
    """Return the layer's name of an array's: block1_conv1/kernel:0, or block1_conv1_W_1:0."""
    layer, _, last = weight.rpartition('/')
    return layer if layer and not re.search(r'_[Wb](_\d+)?(:0)?$', last) else re.sub(
        r'_[Wb](_\d+)?(:0)?$', '', last)


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
            *outer, own = [part for part in path.split('/')[:-1] if part != 'layers']
            name = '/'.join([*outer, text(item.attrs.get('name', own))])
            datasets = [item[key] for key in sorted(item) if key.isdigit()]
            found.append((outer, _number(own), name, datasets))

    root.visititems(visit)
    return [(name, datasets) for *_, name, datasets in sorted(found, key=lambda part: part[:2])]


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
