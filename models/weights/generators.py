"""Trained generators of others, as the archive's: Torch7, PyTorch, and TensorFlow's raw floats.

What the network is stands in the file: the modules of a `.t7`, the names of a `.pth`, the shapes of
a manifest. What is recognised is held against one `models.feedforward.Description`; an array too
many or too few, or of another shape, is refused, with what was recognised.
"""

import json
import re
from pathlib import Path

from models import feedforward
from models.errors import ArchiveError
from models.weights import bounds, files, formats
from models.weights.formats import foreign, torch7

import numpy as np

NAME = 'generator'  # what `convert --as` calls them
LARGEST = 64 << 20  # bytes in float32; Johnson's network has 7 MB
VERSION = 1         # of this conversion
PADS = {'Circular': 'circular', 'Replication': 'replicate', 'Reflection': 'reflect'}
# The modules of texture_nets' merges have 8 weights, whatever the number of their channels.
STORED_MERGE = 8


@bounds.guards
def convert(path, target, dialect=None):
    """Convert a generator and write it as one of the archive.

    Args:
        path: a `.t7`, a `.pth`, or the folder or `manifest.json` of raw floats.
        target: path of the .npz.
        dialect: a key of `feedforward.DIALECTS` that the file is of, where it leaves that open.

    Returns:
        The provenance, as it stands in the file.

    Raises:
        ArchiveError: nothing here reads it, or it is of no known dialect; says what was
            recognised.
    """
    path = Path(path)
    if path.is_dir():
        path = path / 'manifest.json'
    kind, description, arrays = _read(path, dialect)
    net = feedforward.build(description, _taking(path, kind, description, arrays))
    given = {name: np.asarray(array, 'float32') for name, array in arrays.items()}
    for name, array in given.items():
        if not np.isfinite(array).all():
            raise ArchiveError(f'{path}: {name} holds numbers that are not finite')
    provenance = {'network': NAME, 'file': path.name, 'sha256': files.sha256(path), 'kind': kind,
                  'parameters': feedforward.parameter_count(net), 'converter': VERSION,
                  'arrays': {key: files.array_sha256(array) for key, array in given.items()}}
    files.write(target, {**given, 'description': np.array(json.dumps(description._asdict()))},
                provenance)
    return provenance


def _read(path, dialect):
    """Read (kind, description, arrays by the archive's names)."""
    size = bounds.require_file(path)
    with open(path, 'rb') as file:
        start = file.read(512)
    if path.name == 'manifest.json':
        return 'raw floats', *_from_manifest(path, dialect)
    if foreign.TORCH7.match(start):
        root = torch7.read(path, bounds.Budget(path, size, LARGEST))
        return 'torch7', *_from_torch7(path, root, dialect)
    return 'pytorch', *_from_pytorch(path, formats.read(path, LARGEST), dialect)


def _taking(path, kind, description, arrays):
    """Give the function that hands each array to the network, once it has the right shape."""
    left = set(arrays)

    def array(key, shape):
        if key not in arrays:
            raise ArchiveError(f'{path} was recognised as {_told(kind, description)}, and has no '
                               f'{key}')
        if tuple(arrays[key].shape) != tuple(shape):
            raise ArchiveError(f'{path} was recognised as {_told(kind, description)}, and its '
                               f'{key} is {tuple(arrays[key].shape)} and must be {tuple(shape)}')
        left.discard(key)
        return np.array(arrays[key], 'float32')

    return array


def _told(kind, description):
    return (f'a {description.family} generator of {kind}, {description.width:g} as wide as the '
            f"paper's, with {description.normalisation} normalisation")


def _refuse(path, recognised, missing):
    raise ArchiveError(f'{path} is of no dialect that is known: recognised '
                       f'{recognised or "nothing"}; not {missing}')


# ---------------------------------------------------------------- PyTorch


def _from_pytorch(path, contents, dialect):
    """Read the names of pytorch/examples, fast_neural_style/neural_style/transformer_net.py."""
    arrays, left = {}, dict(contents.arrays)
    names = _pytorch_names()
    for theirs, (ours, is_norm) in names.items():
        for part, mine in (('W', 'scale' if is_norm else 'W'), ('b', 'shift' if is_norm else 'b')):
            key = f'{theirs}.{part}'
            if key not in left:
                recognised = [name for name in names if f'{name}.W' in contents.arrays]
                _refuse(path, ', '.join(recognised[:5]), key)
            arrays[f'{ours}.{mine}'] = left.pop(key)
    others = [name for name in contents.others if not name.endswith(
        ('running_mean', 'running_var', 'num_batches_tracked'))]
    if left or others:
        _refuse(path, 'the network of pytorch/examples', ', '.join([*left, *others][:5]))
    if dialect not in (None, 'pytorch'):
        raise ArchiveError(f"{path} has the names of pytorch/examples' network; it is no {dialect}")
    return feedforward.DIALECTS['pytorch']._replace(
        width=arrays['down1.W'].shape[0] / feedforward.FILTERS), arrays


def _pytorch_names():
    """Give the module names there -> (the archive's, whether it is a normalisation)."""
    names = {}
    for number in (1, 2, 3):
        names[f'conv{number}.conv2d'] = f'down{number}', False
        names[f'in{number}'] = f'down{number}_norm', True
    for block in range(1, feedforward.BLOCKS + 1):
        for number in (1, 2):
            names[f'res{block}.conv{number}.conv2d'] = f'block{block}_{number}', False
            names[f'res{block}.in{number}'] = f'block{block}_{number}_norm', True
    for number in (1, 2):
        names[f'deconv{number}.conv2d'] = f'up{number}', False
        names[f'in{number + 3}'] = f'up{number}_norm', True
    names['deconv3.conv2d'] = 'paint', False
    return names


# ---------------------------------------------------------------- TensorFlow's raw floats


def _from_manifest(path, dialect):
    """Read lengstrom/fast-style-transfer as it was given away for browsers.

    A manifest has each variable's file and shape; the files have float32 numbers. Variables are
    counted: of each layer the kernels (rows, columns, in, out; of transposed ones out, in), then
    shift, then scale.
    """
    if path.stat().st_size > 1 << 20:
        raise bounds.Refused(f'{path} was refused: a manifest has no {path.stat().st_size} bytes')
    entries = json.loads(path.read_text())
    numbered = sorted((int((re.fullmatch(r'Variable(?:_(\d{1,4}))?', name) or _NO)[1] or 0), name)
                      for name in entries if re.fullmatch(r'Variable(?:_(\d{1,4}))?', name))
    description = feedforward.DIALECTS['tensorflow']
    layers = [name for name in feedforward.build(description) if name.endswith('_norm')]
    if dialect not in (None, 'tensorflow') or len(numbered) != 3 * len(layers):
        _refuse(path, f'{len(numbered)} counted variables',
                f"the {3 * len(layers)} of lengstrom/fast-style-transfer's network")
    budget, arrays = bounds.Budget(path, LARGEST, LARGEST), {}
    found = [_raw(path, entries[name], budget) for _, name in numbered]
    for layer, kernels, shift, scale in zip(layers, found[::3], found[1::3], found[2::3]):
        if kernels.ndim != 4:
            _refuse(path, f'{len(numbered)} variables', f'kernels in {kernels.shape}')
        arrays[f'{layer[:-len("_norm")]}.W'] = kernels.transpose(3, 2, 0, 1)
        arrays[f'{layer}.scale'], arrays[f'{layer}.shift'] = scale.ravel(), shift.ravel()
    width = arrays['down1.W'].shape[0] / feedforward.FILTERS
    return description._replace(width=width), arrays


_NO = {1: None}


def _raw(path, entry, budget):
    """Read one array of raw floats beside its manifest."""
    name, shape = entry['filename'], tuple(entry['shape'])
    if (Path(name).name != name or not all(type(length) is int and 0 < length < 1 << 20
                                           for length in shape)):
        raise bounds.Refused(f'{path} was refused: it names {name!r} of shape {shape}')
    file = path.with_name(name)
    size = bounds.require_file(file)
    budget.take_bytes(size, name)
    if size != 4 * bounds.product(shape):
        raise ArchiveError(f'{file} has {size} bytes, and {shape} of float32 are '
                           f'{4 * bounds.product(shape)}')
    return np.frombuffer(file.read_bytes(), '<f4').reshape(shape)


# ---------------------------------------------------------------- Torch7


def _from_torch7(path, root, dialect):
    """Read jcjohnson/fast-neural-style's or DmitryUlyanov/texture_nets' network."""
    modules = _leaves(root.get('model', root) if isinstance(root, dict) else None, [])
    kinds = [module.kind.rpartition('.')[2] for module in modules]
    weighted = [module for module, kind in zip(modules, kinds) if _size(module)]
    if not weighted:
        _refuse(path, f'modules {", ".join(dict.fromkeys(kinds))}'[:200], 'any with weights')
    description = (_of_dialect(dialect, weighted) if dialect else
                   _recognised(path, modules, kinds, weighted))
    slots, arrays = _slots(description), {}
    if len(slots) != len(weighted):
        _refuse(path, f'{len(weighted)} modules with weights, {_told("torch7", description)}',
                f'the {len(slots)} that it must have')
    flat = np.concatenate([np.ravel(part).astype('float32') for module in weighted
                           for part in _parts(module)])
    offset = 0
    for (name, shapes), module in zip(slots, weighted):
        for (part, shape), own in zip(shapes.items(), _parts(module)):
            count = bounds.product(shape)
            # A merge's normalisation was trained reading on behind its 8 weights, in the numbers
            # that follow in the order of getParameters: those are its further ones.
            reads_on = (name.endswith('_join') and own.size == STORED_MERGE < count
                        and offset + count <= flat.size)
            if own.size != count and not reads_on:
                _refuse(path, _told('torch7', description),
                        f'{module.kind} with {own.size} numbers for {name}.{part}, {shape}')
            arrays[f'{name}.{part}'] = flat[offset:offset + count].reshape(shape)
            offset += own.size
        if f'{name}.scale' in arrays and description.normalisation == 'batch':
            _averages(arrays, name, module, description, shapes['scale'][0])
    return description, arrays


def _leaves(module, found, depth=0):
    """List the modules of a network that hold no others, in Torch's order."""
    if isinstance(module, torch7.Module):
        inner = module.get('modules')
        if not isinstance(inner, dict):
            return found + [module]
        for number in sorted(key for key in inner if isinstance(key, int)):
            found = _leaves(inner[number], found, depth + 1)
    return found


def _size(module):
    weight = module.get('weight')
    return weight.size if isinstance(weight, np.ndarray) else 0


def _parts(module):
    """List a module's weight and bias, as getParameters does."""
    return [part for part in (module.get('weight'), module.get('bias'))
            if isinstance(part, np.ndarray) and part.size]


def _filters(module):
    """Give the number of filters of a convolution, however its kernels lie."""
    return int(module.get('nOutputPlane', 0)) or module['bias'].size


def _of_dialect(dialect, weighted):
    description = feedforward.DIALECTS[dialect]
    first = feedforward.JOINED if description.family == 'pyramid' else feedforward.FILTERS
    return description._replace(width=_filters(weighted[0]) / first)


def _recognised(path, modules, kinds, weighted):
    """Tell what network the modules are."""
    epsilon = next((float(module['eps']) for module in modules if 'eps' in module), 1e-5)
    batch = any('BatchNormalization' in kind for kind in kinds)
    common = {'normalisation': 'batch' if batch else 'instance', 'epsilon': epsilon}
    if 'SpatialFullConvolution' in kinds or 'Tanh' in kinds:
        margin = next((int(module['pad_l']) for module, kind in zip(modules, kinds)
                       if 'ReflectionPadding' in kind), 0)
        sums = kinds.count('CAddTable')
        if not margin or not sums or 'SpatialFullConvolution' not in kinds:
            _refuse(path, f'{sums} residual blocks and a margin of {margin}',
                    "the rest of fast-neural-style's network in a form that is known")
        return feedforward.JOHNSON._replace(
            width=_filters(weighted[0]) / feedforward.FILTERS, margin=margin, blocks=sums, **common)
    scales = kinds.count('SpatialUpSamplingNearest') + 1
    padding = next((name for kind in kinds for word, name in PADS.items() if word in kind), 'zero')
    inputs = weighted[0]['weight'].size // (_filters(weighted[0]) * 9)
    leak = next((float(module.get('negval', 0)) for module, kind in zip(modules, kinds)
                 if kind == 'LeakyReLU'), 0.0)
    photo = inputs > feedforward.NOISE_CHANNELS or not batch
    noise = inputs - 3 * photo
    point = any(int(module.get('kW', 0)) == 1 for module in weighted[:-1])
    if scales < 2 or noise not in (0, feedforward.NOISE_CHANNELS):
        _refuse(path, f'{scales} scales and {inputs} channels of input',
                "texture_nets' or fast-neural-style's network")
    return feedforward.TEXTURE._replace(
        width=_filters(weighted[0]) / feedforward.JOINED, scales=scales, padding=padding,
        photo=photo, noise=noise, leak=leak, point=point,
        takes='rgb_1' if photo else 'bgr_minus_mean', **common)


def _slots(description):
    """List the layers with weights in order: (name, {part: shape})."""
    slots = {}

    def array(key, shape):
        name, _, part = key.rpartition('.')
        slots.setdefault(name, {})[part] = shape
        return np.zeros(shape, 'float32')

    feedforward.build(description, array)
    return [(name, {part: shapes[part] for part in ('W', 'b', 'scale', 'shift') if part in shapes})
            for name, shapes in slots.items()]


def _averages(arrays, name, module, description, channels):
    """Add a batch normalisation's averages, where the file has them and they are used."""
    mean, variance = module.get('running_mean'), module.get('running_var')
    if description.family == 'pyramid' or mean is None:
        mean, variance = np.zeros(channels), np.ones(channels)
    elif variance is None:  # older Torch has one over the deviation
        variance = np.asarray(module['running_std']) ** -2.0 - description.epsilon
    if np.size(mean) != channels or np.size(variance) != channels:
        raise ArchiveError(f'the averages of {name} are {np.size(mean)}, its channels {channels}')
    arrays[f'{name}.mean'] = np.ravel(mean)
    arrays[f'{name}.inv_std'] = 1 / np.sqrt(np.ravel(variance) + description.epsilon)
