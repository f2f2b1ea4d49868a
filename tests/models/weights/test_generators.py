"""Generators of Torch7 and of raw floats, written here as their programs write them."""

import json
import struct

from models import feedforward
from models.errors import ArchiveError
from models.feedforward import DIALECTS
from models.weights import generators
from models.weights.__main__ import main

import numpy as np
import pytest

from recipes.feedforward import generators as own


class Torch7:
    """Writes objects as torch7's File.lua does, in binary form."""

    def __init__(self):
        self.parts, self.count = [], 0

    def write(self, value):
        if value is None:
            self.parts.append(struct.pack('<i', 0))
        elif isinstance(value, bool):
            self.parts.append(struct.pack('<ii', 5, value))
        elif isinstance(value, (int, float)):
            self.parts.append(struct.pack('<id', 1, value))
        elif isinstance(value, str):
            self.parts.append(struct.pack('<i', 2))
            self.text(value)
        elif isinstance(value, dict):
            self.parts.append(struct.pack('<iii', 3, self.number(), len(value)))
            for key, part in value.items():
                self.write(key)
                self.write(part)
        elif isinstance(value, np.ndarray):
            self.tensor(value.astype('<f4'))
        else:
            name, table = value
            self.parts.append(struct.pack('<ii', 4, self.number()))
            self.text('V 1')
            self.text(name)
            self.write(table)
        return self

    def number(self):
        self.count += 1
        return self.count

    def text(self, text):
        self.parts.append(struct.pack('<i', len(text)) + text.encode())

    def tensor(self, array):
        self.parts.append(struct.pack('<ii', 4, self.number()))
        self.text('V 1')
        self.text('torch.FloatTensor')
        strides = [stride // 4 for stride in array.strides]
        self.parts.append(struct.pack(f'<i{2 * array.ndim}qq', array.ndim, *array.shape, *strides,
                                      1))
        self.parts.append(struct.pack('<ii', 4, self.number()))
        self.text('V 1')
        self.text('torch.FloatStorage')
        self.parts.append(struct.pack('<q', array.size) + array.tobytes())

    def bytes(self):
        return b''.join(self.parts)


def listed(*modules):
    """Give a list as a table of Lua's."""
    return {number: module for number, module in enumerate(modules, start=1)}


def sequential(*modules, kind='nn.Sequential'):
    return kind, {'modules': listed(*modules)}


def convolution(arrays, name, kind='nn.SpatialConvolution', size=3, **fields):
    kernels = arrays[f'{name}.W']
    filters = kernels.shape[1] if 'Full' in kind else kernels.shape[0]
    return kind, {'weight': kernels, 'bias': arrays[f'{name}.b'], 'nOutputPlane': filters,
                  'kW': size, 'kH': size, **fields}


def normalisation(arrays, name, kind='nn.InstanceNormalization', **fields):
    return kind, {'weight': arrays[f'{name}.scale'], 'bias': arrays[f'{name}.shift'], 'eps': 1e-5,
                  **fields}


def random_arrays(description):
    random, arrays = np.random.RandomState(0), {}

    def array(key, shape):
        arrays[key] = random.normal(0, 0.5, shape).astype('float32')
        return arrays[key]

    feedforward.build(description, array)
    return arrays


def johnson(arrays, blocks):
    """Give fast-neural-style's network as its checkpoints have it."""
    relu = 'nn.ReLU', {}
    modules = [('nn.SpatialReflectionPadding', dict.fromkeys(('pad_l', 'pad_r', 'pad_t', 'pad_b'),
                                                             40))]
    for name in ('down1', 'down2', 'down3'):
        modules += [convolution(arrays, name), normalisation(arrays, f'{name}_norm'), relu]
    for number in range(1, blocks + 1):
        names = [f'block{number}_{index}' for index in (1, 2)]
        first, second = ([convolution(arrays, name), normalisation(arrays, f'{name}_norm')]
                         for name in names)
        modules.append(sequential(
            sequential(sequential(*first, relu, *second), ('nn.ShaveImage', {'size': 2}),
                       kind='nn.ConcatTable'), ('nn.CAddTable', {})))
    for name in ('up1', 'up2'):
        modules += [convolution(arrays, name, 'nn.SpatialFullConvolution', adjW=1),
                    normalisation(arrays, f'{name}_norm'), relu]
    modules += [convolution(arrays, 'paint', size=9), ('nn.Tanh', {}),
                ('nn.MulConstant', {'constant_scalar': 150})]
    return {'opt': {'arch': 'c9s1-32'}, 'model': sequential(*modules)}


def pyramid(arrays, scales, stored=None):
    """Give texture_nets' pyramid; merges have so many weights stored, or all."""
    act = 'nn.LeakyReLU', {'negval': 0.01}

    def block(name):
        return [part for index in (1, 2) for part in
                (('nn.SpatialCircularPadding', {}), convolution(arrays, f'{name}_{index}'),
                 normalisation(arrays, f'{name}_{index}_norm', 'nn.SpatialBatchNormalization'),
                 act)]

    def merge(name):
        kind, table = normalisation(arrays, name, 'nn.SpatialBatchNormalization')
        return kind, {**table, **{key: table[key][:stored] for key in ('weight', 'bias')}}

    below = None
    for scale in range(1, scales + 1):
        branch = [('nn.SpatialAveragePooling', {}), ('nn.NoiseFill', {}),
                  *block(f'branch{scale}')]
        if below is None:
            below = sequential(*branch, ('nn.SpatialUpSamplingNearest', {}))
            continue
        below[1]['modules'][len(below[1]['modules']) + 1] = merge(f'below{scale}_join')
        joined = sequential(below, sequential(*branch, merge(f'branch{scale}_join')),
                            kind='nn.Concat')
        last = ([convolution(arrays, 'paint', size=1)] if scale == scales
                else [('nn.SpatialUpSamplingNearest', {})])
        below = sequential(joined, *block(f'merged{scale}'), *last)
    return below


def converted(root, tmp_path, **options):
    (tmp_path / 'net.t7').write_bytes(Torch7().write(root).bytes())
    generators.convert(tmp_path / 'net.t7', tmp_path / 'net.npz', **options)
    net, description = own.load(tmp_path / 'net.npz')
    return own.arrays_of(net), description


def test_fast_neural_styles_network_is_read(tmp_path):
    description = DIALECTS['johnson']._replace(width=0.125, blocks=2)
    arrays = random_arrays(description)
    found, told = converted(johnson(arrays, 2), tmp_path)
    assert told == description
    assert found.keys() == arrays.keys()
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_texture_nets_pyramid_is_read(tmp_path):
    description = DIALECTS['stylisation']._replace(scales=3)
    arrays = random_arrays(description)
    found, told = converted(pyramid(arrays, 3), tmp_path)
    assert told == description
    for key, array in arrays.items():
        np.testing.assert_array_equal(found[key], array, err_msg=key)


def test_merges_read_on_behind_their_eight_weights(tmp_path):
    arrays = random_arrays(DIALECTS['stylisation']._replace(scales=3))
    found, _ = converted(pyramid(arrays, 3, stored=8), tmp_path)
    scale, shift = (found[f'below3_join.{part}'] for part in ('scale', 'shift'))
    # In the order of getParameters: 8 weights, 8 biases, then the first kernels of the branch.
    stored = [arrays[f'below3_join.{part}'][:8] for part in ('scale', 'shift')]
    np.testing.assert_array_equal(scale, np.concatenate(stored))
    np.testing.assert_array_equal(shift, np.concatenate(
        [stored[1], arrays['branch3_1.W'].ravel()[:8]]))
    np.testing.assert_array_equal(found['branch3_join.scale'], arrays['branch3_join.scale'])


def test_raw_floats_with_a_manifest_are_read(tmp_path):
    description = DIALECTS['tensorflow']._replace(width=0.125)
    arrays = random_arrays(description)
    manifest, number = {}, 0
    for key in [key for key in arrays if key.endswith('.W')]:
        name = key[:-2]
        for array in (arrays[key].transpose(2, 3, 1, 0), arrays[f'{name}_norm.shift'],
                      arrays[f'{name}_norm.scale']):
            variable = f'Variable_{number}' if number else 'Variable'
            manifest[variable] = {'filename': variable, 'shape': list(array.shape)}
            (tmp_path / variable).write_bytes(np.ascontiguousarray(array).tobytes())
            number += 1
    (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
    generators.convert(tmp_path, tmp_path / 'net.npz')
    net, told = own.load(tmp_path / 'net.npz')
    assert told == description
    for key, array in own.arrays_of(net).items():
        np.testing.assert_array_equal(array, arrays[key], err_msg=key)
    (tmp_path / 'Variable').write_bytes(b'1234')
    with pytest.raises(ArchiveError, match='has 4 bytes'):
        generators.convert(tmp_path, tmp_path / 'other.npz')
    manifest['Variable']['filename'] = '../secret'
    (tmp_path / 'manifest.json').write_text(json.dumps(manifest))
    with pytest.raises(ArchiveError, match='refused'):
        generators.convert(tmp_path, tmp_path / 'other.npz')


def test_the_command_line_converts(tmp_path, capsys):
    arrays = random_arrays(DIALECTS['johnson']._replace(width=0.125, blocks=1))
    (tmp_path / 'net.t7').write_bytes(Torch7().write(johnson(arrays, 1)).bytes())
    out = tmp_path / 'candy.npz'
    main(['convert', str(tmp_path / 'net.t7'), '--as', 'generator', '--out', str(out)])
    assert 'torch7' in capsys.readouterr().out
    assert own.load(out)[1].blocks == 1
    with pytest.raises(ArchiveError, match='no dialect'):
        main(['convert', str(tmp_path / 'net.t7'), '--as', 'generator', '--from', 'jonson',
              '--out', str(tmp_path / 'b.npz')])


def test_an_unknown_dialect_is_refused_with_what_was_recognised(tmp_path):
    arrays = random_arrays(DIALECTS['johnson']._replace(width=0.125, blocks=1))
    whole = johnson(arrays, 1)
    modules = whole['model'][1]['modules']
    del modules[len(modules) - 2]  # the last convolution
    with pytest.raises(ArchiveError, match='no dialect that is known: recognised .* modules'):
        converted(whole, tmp_path)
    with pytest.raises(ArchiveError, match='no dialect that is known'):
        converted(sequential(('nn.ReLU', {})), tmp_path)


def test_functions_and_broken_files_are_refused(tmp_path):
    path = tmp_path / 'bad.t7'
    whole = Torch7().write(johnson(random_arrays(
        DIALECTS['johnson']._replace(width=0.125, blocks=1)), 1)).bytes()
    function = Torch7()
    function.parts.append(struct.pack('<iii', 4, 1, 3) + b'V 1')
    function.text('nn.Sequential')
    function.parts.append(struct.pack('<iii', 8, 2, 4) + b'code')
    bomb = struct.pack('<ii', 4, 1) + struct.pack('<i', 3) + b'V 1' + struct.pack(
        '<i', 18) + b'torch.FloatStorage' + struct.pack('<q', 2 ** 40)
    deep = b''.join(struct.pack('<iiiid', 3, number, 1, 1, 1.0) for number in range(1, 400))
    for content, told in ((whole[:len(whole) // 2], 'broken'), (function.bytes(), 'function'),
                          (bomb, 'broken'), (deep, 'nested')):
        path.write_bytes(content)
        with pytest.raises(ArchiveError, match=told):
            generators.convert(path, tmp_path / 'net.npz')
        assert not (tmp_path / 'net.npz').exists()
