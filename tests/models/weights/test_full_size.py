"""A whole VGG-19: how long it takes to load and how much memory, and every container of it."""

import pickle

import models
from models.weights import conversion, files, layouts

import numpy as np
import pytest

MEASURE = """
import sys, time
import models
path = sys.argv[1]

def kilobytes(what):
    for line in open('/proc/self/status'):
        if line.startswith(what):
            return int(line.split()[1])

with open(path, 'rb', 0) as file:  # warm
    while file.read(1 << 20):
        pass
before, start = kilobytes('VmRSS'), time.perf_counter()
net, _, _ = models.load('vgg19', path, deepest='pool5')
seconds = time.perf_counter() - start
print(seconds, (kilobytes('VmHWM') - before) * 1024, net['conv5_4'].W.get_value().std())
"""


def drawn(deepest=None):
    """Return arrays of a VGG-19 by the archive's keys, float32, quickly drawn."""
    random = np.random.default_rng(0)
    net, shapes = conversion.skeleton('vgg19')
    names = list(net)
    if deepest:
        names = names[:names.index(deepest) + 1]
    return {key: random.standard_normal(shape, 'float32') for key, shape in shapes.items()
            if key[:-2] in names}


def test_the_convolutions_load_fast_and_in_little_memory(python, tmp_path):
    """80 MB in less than 2 seconds and 120 MB: measured 0.1 s and 84 MB."""
    path = tmp_path / 'vgg19.npz'
    files.write(path, drawn('pool5'), {})
    size = path.stat().st_size
    run = python('-c', MEASURE, path)
    assert run.returncode == 0, run.stderr
    seconds, growth, deviation = map(float, run.stdout.split())
    assert size > 80e6 and abs(deviation - 1) < 0.01
    assert seconds < 2 and growth < 1.5 * size, (seconds, growth / size)


def write_npz(path, arrays):
    files.write(path, arrays, {})


def write_recipes(path, arrays):
    values = [array.T if array.ndim == 2 or key == 'fc6.W' else array
              for key, array in _dense_flat(arrays)]
    with open(path, 'wb') as file:
        pickle.dump({'param values': values, 'synset words': [f'c{i}' for i in range(1000)],
                     'mean value': np.array(files.VGG_MEAN_PIXEL)}, file, 2)


def write_safetensors(path, arrays):
    from safetensors.numpy import save_file

    save_file(_as_johnson(arrays), path)


def write_pth(path, arrays, **options):
    torch = pytest.importorskip('torch')
    torch.save({key: torch.from_numpy(array) for key, array in _as_johnson(arrays).items()}, path,
               **options)


def write_legacy_pth(path, arrays):
    write_pth(path, arrays, _use_new_zipfile_serialization=False)


def write_keras(path, arrays):
    import h5py

    with h5py.File(path, 'w') as file:
        names = layouts.keras_names('vgg19', [key[:-2] for key in arrays if key[-1] == 'W'], [])
        file.attrs['layer_names'] = [name.encode() for name in names.values()]
        for layer, name in names.items():
            group = file.create_group(name)
            group.attrs['weight_names'] = [b'kernel:0', b'bias:0']
            group['kernel:0'] = _in_keras(layer, arrays[f'{layer}.W'])
            group['bias:0'] = arrays[f'{layer}.b']


def write_keras_of_today(path, arrays):
    import h5py

    with h5py.File(path, 'w') as file:
        names = layouts.keras_names('vgg19', [key[:-2] for key in arrays if key[-1] == 'W'], [])
        for index, (layer, name) in enumerate(names.items()):
            group = file.create_group(f'layers/conv2d_{index}/vars')
            group.attrs['name'] = name
            group['0'] = _in_keras(layer, arrays[f'{layer}.W'])
            group['1'] = arrays[f'{layer}.b']


def write_caffe(path, arrays, write):
    write(path, dict(_dense_flat(arrays)))


def write_mat(path, arrays):
    import scipy.io

    rows = []
    for layer in [key[:-2] for key in arrays if key.endswith('.W')]:
        W = arrays[f'{layer}.W']
        W = W.reshape(W.shape + (1,) * (4 - W.ndim))
        W = W[:, ::-1] if layer == 'conv1_1' else W
        pair = np.empty((1, 2), object)
        pair[0, 0], pair[0, 1] = W.transpose(2, 3, 1, 0), arrays[f'{layer}.b'].reshape(1, -1)
        rows.append({'name': layer, 'type': 'conv', 'weights': pair})
    cell = np.empty((1, len(rows)), object)
    cell[0, :] = rows
    scipy.io.savemat(path, {'layers': cell})


def _dense_flat(arrays):
    """Yield (key, array) with dense layers as (out, in)."""
    for key, array in arrays.items():
        yield key, array.reshape(len(array), -1) if key == 'fc6.W' else array


def _as_johnson(arrays):
    there = ['classifier.1', 'classifier.4', 'classifier.6']
    names = layouts.LAYOUTS['oxford_pytorch'].modules(
        'vgg19', [key[:-2] for key in arrays if key[-1] == 'W'], there)
    return {f'{names[key[:-2]]}.{"weight" if key[-1] == "W" else "bias"}': array
            for key, array in _dense_flat(arrays)}


def _in_keras(layer, W):
    if layer == 'fc6':
        return W.transpose(0, 2, 3, 1).reshape(len(W), -1).T
    return W.T if W.ndim == 2 else W.transpose(2, 3, 1, 0)


@pytest.fixture(scope='module')
def whole():
    return drawn()


@pytest.mark.slow
@pytest.mark.parametrize('write, name', [
    (write_npz, 'w.npz'), (write_recipes, 'w.pkl'), (write_safetensors, 'w.safetensors'),
    (write_pth, 'w.pth'), (write_legacy_pth, 'w.pth'), (write_keras, 'w.h5'),
    (write_keras_of_today, 'w.weights.h5'), (write_caffe, 'w.caffemodel'),
    (write_mat, 'w.mat')])
def test_every_container_in_full_size(tmp_path, whole, write_caffemodel, write, name):
    """575 MB each; number by number what was written."""
    write(tmp_path / name, whole, *[write_caffemodel] * (write is write_caffe))
    conversion.convert(tmp_path / name, 'vgg19', tmp_path / 'vgg19.npz')
    (tmp_path / name).unlink(missing_ok=True)
    net, classes, _ = models.load('vgg19', tmp_path / 'vgg19.npz')
    assert len(classes) == 1000
    for key, array in whole.items():
        layer, _, part = key.rpartition('.')
        found = getattr(net[layer], part).get_value(borrow=True)
        expected = array.reshape(len(array), -1).T if layer.startswith('fc') else array
        assert np.array_equal(found, expected if part == 'W' else array), key
    (tmp_path / 'vgg19.npz').unlink()
