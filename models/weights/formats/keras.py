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

from models.errors import ArchiveError
from models.weights.formats import hdf5
from models.weights.formats.contents import Contents, from_list, from_tree


def read(path, budget):
    """Read the contents of one of Keras' files.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: a data set claims more than it holds, or takes its numbers from elsewhere.
        ArchiveError: it is broken, or an HDF5 file of something else.
    """
    with hdf5.File(path, budget) as file:
        contents = _contents(file.root, budget)
    if not contents.arrays:
        raise ArchiveError(f'{path} is an HDF5 file without weights of Keras')
    return contents


def _contents(root, budget):
    if isinstance(root.get('model_weights'), hdf5.Group):
        root = root['model_weights']
    if 'nb_layers' in root.attrs:
        return from_list([_numbers(dataset) for dataset in _of_2015(root)], 'keras_list')
    layers = list(_legacy(root)) if 'layer_names' in root.attrs else _of_today(root)
    if not layers:
        return from_tree('hdf5', _by_name(root), budget)
    contents = Contents('keras')
    for name, datasets in layers:
        contents.others += [dataset.name for dataset in datasets[2:]]
        for ending, dataset in zip('Wb', datasets):
            contents.arrays[f'{name}.{ending}'] = _numbers(dataset)
    return contents


def _of_2015(root):
    """Yield the arrays of each layer that has a kernel and a bias, in the order of the network."""
    for index in range(root.attrs['nb_layers']):
        group = _member(root, f'layer_{index}')
        if 'param_1' in group:
            yield group['param_0']
            yield group['param_1']


def _by_name(root):
    """Find the arrays below: dict from the paths of all arrays of numbers to them."""
    found, left = {}, [('', root)]
    while left:
        place, group = left.pop()
        for name, member in group.items():
            if isinstance(member, hdf5.Group):
                left.append((f'{place}{name}/', member))
            elif member.dtype is not None:
                found[place + name] = member.read()
    return dict(sorted(found.items()))


def _numbers(dataset):
    """Read the array of what should be a data set."""
    if not isinstance(dataset, hdf5.Dataset):
        raise ValueError('a group stands where an array should')
    return dataset.read()


def _legacy(root):
    for name in _names(root.attrs, 'layer_names'):
        group, layers = _member(root, name), {}
        weights = _names(group.attrs, 'weight_names')
        datasets = [_member(group, weight) for weight in weights]
        for weight, dataset in zip(weights, datasets):
            layers.setdefault(_layer_of(weight), []).append(dataset)
        if len(weights) <= 2 and weights:  # one layer, whatever it calls its arrays
            yield name, datasets
        else:
            yield from ((f'{name}/{layer}', parts) for layer, parts in layers.items())


def _layer_of(weight):
    """Cut an array's name to the layer's: block1_conv1/kernel:0, or block1_conv1_W_1:0."""
    layer, _, last = weight.rpartition('/')
    return layer if layer and not re.search(r'_[Wb](_\d+)?(:0)?$', last) else re.sub(
        r'_[Wb](_\d+)?(:0)?$', '', last)


def _member(group, name):
    """Find what has a name within a group; the name may have those of groups in it."""
    for part in name.strip('/').split('/'):
        if part not in group:
            raise ValueError(f'it names {name}, which is not there')
        group = group[part]
    return group


def _names(attributes, key):
    """Read a list of names; HDF5 limits an attribute to 64 kB, and Keras then parts it."""
    if key in attributes:
        return attributes[key]
    parts = []
    while f'{key}{len(parts)}' in attributes:
        parts.append(attributes[f'{key}{len(parts)}'])
    return [name for part in parts for name in part]


def _of_today(root):
    found, left = [], [((), root)]
    while left:
        place, group = left.pop()
        for name, member in group.items():
            if not isinstance(member, hdf5.Group):
                continue
            left.append((place if name == 'layers' else (*place, name), member))
            if name == 'vars' and place and '0' in member:
                *outer, own = place
                datasets = [member[key] for key in sorted(member) if key.isdigit()]
                found.append((outer, _number(own),
                              '/'.join([*outer, member.attrs.get('name', own)]), datasets))
    return [(name, datasets) for *_, name, datasets in sorted(found, key=lambda part: part[:2])]


def _number(name):
    """Split 'conv2d' or 'conv2d_7' into (kind, number), to put layers into their order."""
    kind, number = re.fullmatch(r'(.*?)(?:_(\d+))?', name).groups()
    return kind, int(number or 0)
