"""Files that are recognised and cannot be used: what they are, what is missing, what to do."""

import argparse
import io
import pickle
import struct
import zipfile

from models.errors import ArchiveError
from models.weights import conversion

import numpy as np
import pytest


def refusal(path, network, layout=None):
    with pytest.raises(ArchiveError) as problem:
        conversion.convert(path, network, path.parent / 'never.npz', layout)
    told = str(problem.value)
    assert '\n' not in told and not (path.parent / 'never.npz').exists()
    assert str(path) in told and len(told) < 900
    return told


def saved(path, shapes):
    """Write arrays of ones, '<module>' -> shape of the kernel or '<name>.<ending>' -> shape."""
    arrays = {}
    for name, shape in shapes.items():
        if name.rpartition('.')[2] in ('running_mean', 'moving_mean', 'gamma'):
            arrays[name] = np.ones(shape, 'f4')
        else:
            arrays[f'{name}.weight'] = np.ones(shape, 'f4')
            arrays[f'{name}.bias'] = np.ones(shape[0], 'f4')
    np.savez(path, **arrays)
    return path


def vgg(depths, normalised, prefix='features.', width=16):
    """Return the shapes of torchvision's vgg11 to vgg19_bn, narrower."""
    shapes, position, channels = {}, 0, 3
    for block, depth in enumerate(depths):
        for _ in range(depth):
            filters = 64 // width * min(8, 2 ** block)
            shapes[f'{prefix}{position}'] = (filters, channels, 3, 3)
            if normalised:
                shapes[f'{prefix}{position + 1}'] = (filters,)
                shapes[f'{prefix}{position + 1}.running_mean'] = (filters,)
            position, channels = position + (3 if normalised else 2), filters
        position += 1
    return shapes


def squeezenet_1_0(names):
    shapes = {names('conv1'): (96, 3, 7, 7)}
    channels = 96
    for number, (squeeze, expand) in zip(range(2, 10), ((16, 64), (16, 64), (32, 128), (32, 128),
                                                        (48, 192), (48, 192), (64, 256),
                                                        (64, 256))):
        shapes[names(f'fire{number}/squeeze1x1')] = (squeeze, channels, 1, 1)
        shapes[names(f'fire{number}/expand1x1')] = (expand, squeeze, 1, 1)
        shapes[names(f'fire{number}/expand3x3')] = (expand, squeeze, 3, 3)
        channels = 2 * expand
    return {**shapes, names('conv10'): (1000, 512, 1, 1)}


TORCHVISIONS_1_0 = {'conv1': 'features.0', 'conv10': 'classifier.1', **{
    f'fire{number}/{ours}': f'features.{place}.{theirs}'
    for number, place in zip(range(2, 10), (3, 4, 5, 7, 8, 9, 10, 12))
    for ours, theirs in (('squeeze1x1', 'squeeze'), ('expand1x1', 'expand1x1'),
                         ('expand3x3', 'expand3x3'))}}

NETWORKS = {
    'vgg16_bn': (vgg((2, 2, 3, 3, 3), True), 'vgg16_torchvision',
                 ['VGG-16 with batch normalisation', 'vgg16_bn', 'fetch vgg16_torchvision']),
    'vgg19_bn in a wrapper': (vgg((2, 2, 4, 4, 4), True, 'model.features.'), 'vgg19',
                              ['VGG-19 with batch normalisation', 'fetch vgg19_torchvision']),
    'vgg11_bn': (vgg((1, 1, 2, 2, 2), True), 'vgg16', ['VGG-11 with batch normalisation']),
    'vgg13': (vgg((2, 2, 2, 2, 2), False), 'vgg16', ['VGG-13', 'fetch vgg16']),
    'squeezenet 1.0': (squeezenet_1_0(str), 'squeezenet',
                       ['conv1.W is (96, 3, 7, 7)', 'must be (64, 3, 3, 3)', 'SqueezeNet 1.0',
                        'fetch squeezenet']),
    "torchvision's squeezenet 1.0": (squeezenet_1_0(TORCHVISIONS_1_0.get), 'squeezenet',
                                     ['SqueezeNet 1.0', 'fetch squeezenet']),
    "torchvision's alexnet": ({'features.0': (64, 3, 11, 11), 'features.3': (192, 64, 5, 5),
                               'features.6': (384, 192, 3, 3), 'classifier.1': (40, 96)},
                              'alexnet', ['One weird trick', 'fetch alexnet']),
    'resnet': ({'conv1': (64, 3, 7, 7), 'layer1.0.conv1': (64, 64, 3, 3),
                'layer1.0.bn1.running_mean': (64,), 'fc': (10, 64)}, 'vgg19', ['a ResNet']),
    "Caffe's resnet": ({'conv1': (64, 3, 7, 7), 'res2a_branch2a': (64, 64, 1, 1)}, 'googlenet',
                       ['a ResNet']),
    'inception': ({'Conv2d_1a_3x3.conv': (32, 3, 3, 3), 'Mixed_5b.branch1x1.conv': (64, 32, 1, 1)},
                  'googlenet', ['an Inception network']),
    'normalised': ({'a.0': (8, 3, 5, 5), 'a.1.running_mean': (8,), 'b.0': (8, 8, 5, 5)}, 'vgg19',
                   ['batch normalisation', 'fold it']),
}


@pytest.mark.parametrize('kind', NETWORKS)
def test_networks_that_are_not_here(tmp_path, kind):
    shapes, network, words = NETWORKS[kind]
    told = refusal(saved(tmp_path / 'w.npz', shapes), network)
    for word in words:
        assert word in told, told


def test_a_layout_that_is_asked_for_changes_nothing_of_that(tmp_path):
    told = refusal(saved(tmp_path / 'w.npz', vgg((2, 2, 3, 3, 3), True)), 'vgg16',
                   'oxford_pytorch')
    assert 'VGG-16 with batch normalisation' in told


def test_a_shape_is_told_where_the_names_are_right(tmp_path):
    shapes = vgg((2, 2, 3, 3, 3), False)
    shapes['features.7'] = (8, 8, 5, 5)
    told = refusal(saved(tmp_path / 'w.npz', shapes), 'vgg16', 'oxford_pytorch')
    assert 'conv2_2.W is (8, 8, 5, 5) and must be (128, 128, 3, 3)' in told
    assert '(8, 8, 3, 3) at the width of this file' in told


def test_kernels_of_five_axes_are_told(tmp_path):
    shapes = vgg((2, 2, 3, 3, 3), False)
    shapes['features.2'] = (4, 4, 3, 3, 3)
    told = refusal(saved(tmp_path / 'w.npz', shapes), 'vgg16', 'oxford_pytorch')
    assert 'conv1_2.W is (4, 4, 3, 3, 3)' in told


def with_options(options):
    """Return a checkpoint of PyTorch that holds options beside no parameters."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('archive/data.pkl', pickle.dumps({'args': options, 'state_dict': {}}, 2))
    return buffer.getvalue()


class Mine:
    """Not on the list."""


TORCH7 = (struct.pack('<iii', 4, 1, 3) + b'V 1' + struct.pack('<i', 13) + b'nn.Sequential'
          + struct.pack('<ii', 3, 2) + bytes(50))
FILES = {
    'options': (with_options(argparse.Namespace(lr=0.1)),
                ['argparse.Namespace', 'checkpoint of PyTorch', 'options of a command line',
                 "torch.save(checkpoint['state_dict'], FILE)"]),
    'an object': (with_options(Mine()), ['Mine', 'checkpoint of PyTorch', 'torch.save']),
    'Torch7': (TORCH7, ['Torch7', 'nn.Sequential', 'models.weights list']),
    'a table of Torch7': (struct.pack('<iiii', 3, 1, 2, 2) + TORCH7, ['Torch7']),
    'Torch7 in text': (b'4\n1\n3\nV 1\n13\nnn.Sequential\n3\n2\n', ['Torch7', 'nn.Sequential']),
    'ONNX': (b'\x08\x07\x12\x07pytorch\x1a\x051.9.0:' + bytes(20), ['ONNX', 'np.savez']),
    'TFLite': (b'\x1c\0\0\0TFL3' + bytes(20), ['TensorFlow Lite']),
    'MXNet': (struct.pack('<QQQ', 0x112, 0, 4) + bytes(20), ['MXNet']),
    'Darknet': (struct.pack('<iiiq', 0, 2, 5, 32013312) + bytes(99), ['Darknet']),
    'a model of Keras': (None, ['zip file', "'model.weights.h5'"]),
}


@pytest.mark.parametrize('kind', FILES)
def test_files_that_cannot_be_read(tmp_path, kind):
    content, words = FILES[kind]
    if content is None:
        with zipfile.ZipFile(tmp_path / 'file', 'w') as archive:
            archive.writestr('config.json', '{}')
            archive.writestr('model.weights.h5', b'x')
    else:
        (tmp_path / 'file').write_bytes(content)
    told = refusal(tmp_path / 'file', 'vgg16')
    for word in words:
        assert word in told, told


@pytest.mark.parametrize('name, word', [
    ('vgg_16.ckpt', 'a checkpoint of TensorFlow'), ('model.ckpt-7.index', 'checkpoint'),
    ('x.data-00000-of-00001', 'checkpoint'), ('inception.pb', 'a graph of TensorFlow'),
    ('deploy.prototxt', 'without its weights'),
])
def test_files_that_their_names_tell(tmp_path, name, word):
    (tmp_path / name).write_bytes(b'name: "VGG"' + bytes(100))
    told = refusal(tmp_path / name, 'vgg16')
    assert word in told and 'it' in told, told
