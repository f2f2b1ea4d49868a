"""The same numbers, saved in the ways that people save them, give the arrays of the plain file."""

import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import models
from models.errors import ArchiveError
from models.weights import conversion, files, layouts

import h5py
import lasagne
import numpy as np
import pytest
import safetensors.numpy
import scipy.io

DENSE = ('fc6', 'fc7', 'fc8')


def random_arrays(network='vgg16', width=1 / 16, classes=7, deepest=None):
    """Return '<layer>.W' and '.b' -> float32, in the archive's form."""
    arrays = OrderedDict()
    random = np.random.RandomState(0)

    def array(key, shape):
        arrays[key] = random.normal(size=shape).astype('float32')
        return arrays[key]

    models.build(network, deepest=deepest, width=width, classes=classes, array=array)
    for key in arrays:
        if key.startswith(DENSE) and key.endswith('.W'):
            arrays[key] = arrays[key].reshape(len(arrays[key]), -1)
    return arrays


@pytest.fixture(scope='module')
def plain():
    return random_arrays()


@pytest.fixture
def comes_out(tmp_path, plain):
    """Return a function that converts a file and compares each array with the plain ones."""

    def compare(path, network='vgg16', layout=None, wanted=plain, beginning=None):
        conversion.convert(path, network, tmp_path / 'out.npz', layout, beginning=beginning)
        with np.load(tmp_path / 'out.npz') as file:
            for key, array in wanted.items():
                np.testing.assert_array_equal(file[key].reshape(array.shape), array, key)
            assert [key for key in file.files if key.endswith('.W')] == [
                key for key in wanted if key.endswith('.W')]
            return {key: file[key] for key in file.files}

    return compare


def refusal(path, network='vgg16', layout=None):
    with pytest.raises(ArchiveError) as problem:
        conversion.convert(path, network, path.parent / 'never.npz', layout)
    told = str(problem.value)
    assert '\n' not in told and not (path.parent / 'never.npz').exists()
    return told


def saved(path, arrays):
    np.savez(path, **arrays)
    return path


# Names

def numbered(arrays, classifier=(1, 4, 6), depths=(2, 2, 3, 3, 3)):
    """Return the arrays under the names that PyTorch has for a VGG; dense layers as J. Johnson's,
    which prove that the kernels are Oxford's."""
    names, position = {}, 0
    for block, depth in enumerate(depths, 1):
        for index in range(1, depth + 1):
            names[f'conv{block}_{index}'] = f'features.{position}'
            position += 2
        position += 1
    names.update(zip(DENSE, (f'classifier.{number}' for number in classifier)))
    return {f'{names[key[:-2]]}.{"weight" if key[-1] == "W" else "bias"}': array
            for key, array in arrays.items()}


RENAMINGS = {
    'plain': lambda name: name,
    'parallel': lambda name: f'module.{name}',
    'parallel inside': lambda name: name.replace('.', '.module.', 1),
    'parallel twice': lambda name: 'module.' + name.replace('.', '.module.', 1),
    'one prefix': lambda name: f'backbone.{name}',
    'one deep prefix': lambda name: f'a.b_c.vgg.{name}',
    'compiled': lambda name: f'_orig_mod.{name}',
    'compiled inside': lambda name: f'net.{name}'.replace('features.', 'features._orig_mod.'),
    'one half in a wrapper': lambda name: name.replace('features.', 'features.any.thing.'),
}


@pytest.mark.parametrize('renaming', RENAMINGS)
@pytest.mark.parametrize('more', [False, True])
def test_any_beginning_and_any_wrapper_fall_away(tmp_path, plain, comes_out, renaming, more):
    arrays = {RENAMINGS[renaming](name): array for name, array in numbered(plain).items()}
    if more:  # another part of the same model
        arrays.update({'head.0.weight': np.ones((5, 5), 'f4'), 'decoder.1.weight': np.ones(3, 'f4'),
                       'step': np.array(7)})
    comes_out(saved(tmp_path / 'w.npz', arrays))
    safetensors.numpy.save_file({key: np.ascontiguousarray(array)
                                 for key, array in arrays.items()}, tmp_path / 'w.safetensors')
    comes_out(tmp_path / 'w.safetensors')


OWN = {
    'points': '{}.{}', 'beginning': 'style.net.{}.{}', 'chainer': '{}/{}', 'wrapped': 'a/b/{}/{}',
    'underscores before': 'vgg_{}.{}',
}


@pytest.mark.parametrize('spelling', OWN)
def test_the_papers_names_are_found_however_spelt(tmp_path, plain, comes_out, spelling):
    arrays = {OWN[spelling].format(key[:-2], key[-1]): array for key, array in plain.items()}
    comes_out(saved(tmp_path / 'w.npz', arrays))


@pytest.mark.parametrize('separator', './_')
def test_slashes_in_layers_names_may_be_anything(tmp_path, comes_out, separator):
    arrays = random_arrays('squeezenet', 1 / 8)
    comes_out(saved(tmp_path / 'w.npz', {
        'model.' + key.replace('/', separator): array for key, array in arrays.items()}),
        'squeezenet', wanted=arrays)


def test_a_network_cut_into_slices_is_found_by_last_parts(tmp_path, plain, comes_out):
    convolutions = {key: array for key, array in plain.items() if key.startswith('conv')}
    arrays = {}
    for key, array in numbered(convolutions).items():
        _, number, ending = key.split('.')
        arrays[f'slice{1 + int(number) // 9}.{number}.{ending}'] = array
    comes_out(saved(tmp_path / 'w.npz', arrays), layout='oxford_pytorch', wanted=convolutions)
    arrays = {f'vgg_16/{key.split("_")[0]}/{key[:-2]}/{key[-1]}': array
              for key, array in convolutions.items()}
    comes_out(saved(tmp_path / 'w.npz', arrays), wanted=convolutions)


def test_the_reduced_vgg16_of_detectors_is_taken_as_far_as_it_is_one(tmp_path, plain, comes_out,
                                                                     caplog):
    """vgg16_reducedfc.pth: `0.weight` to `28.weight`, and two convolutions of its own."""
    convolutions = {key: array for key, array in plain.items() if key.startswith('conv')}
    arrays = {key.replace('features.', ''): array for key, array in numbered(convolutions).items()}
    arrays.update({'31.weight': np.ones((64, 32, 3, 3), 'f4'), '31.bias': np.ones(64, 'f4'),
                   '33.weight': np.ones((64, 64, 1, 1), 'f4'), '33.bias': np.ones(64, 'f4')})
    saved(tmp_path / 'w.npz', arrays)
    assert '--from oxford_pytorch' in refusal(tmp_path / 'w.npz')
    comes_out(tmp_path / 'w.npz', layout='oxford_pytorch', wanted=convolutions)
    assert '31, 33' in caplog.text


def test_of_several_networks_in_a_file_one_is_named(tmp_path, plain, comes_out):
    other = {key: array + 1 for key, array in plain.items()}
    arrays = {**{f'teacher.{name}': array for name, array in numbered(plain).items()},
              **{f'student.{name}': array for name, array in numbered(other).items()}}
    saved(tmp_path / 'w.npz', arrays)
    told = refusal(tmp_path / 'w.npz')
    assert '--beginning teacher.' in told and '--beginning student.' in told
    comes_out(tmp_path / 'w.npz', beginning='teacher.')
    comes_out(tmp_path / 'w.npz', beginning='student.', wanted=other)
    with pytest.raises(ArchiveError, match='begins with'):
        conversion.convert(tmp_path / 'w.npz', 'vgg16', tmp_path / 'o.npz', beginning='pupil.')
    same = {name.replace('student.', 'teacher2.'): arrays[name.replace('student.', 'teacher.')]
            for name in arrays}
    comes_out(saved(tmp_path / 'w.npz', same))  # twice the same numbers
    of_checkpoint = {name.replace('teacher', 'state_dict').replace('student', 'state_dict_ema'):
                     array for name, array in arrays.items()}
    comes_out(saved(tmp_path / 'w.npz', of_checkpoint))


def test_the_network_that_fits_is_taken_beside_one_that_does_not(tmp_path, plain, comes_out):
    larger = random_arrays('vgg19', 1 / 16)
    arrays = {f'{beginning}.{name}': array for beginning, names in (
        ('large', numbered(larger, depths=(2, 2, 4, 4, 4))), ('small', numbered(plain)))
        for name, array in names.items()}
    comes_out(saved(tmp_path / 'w.npz', arrays), beginning='small.')
    comes_out(tmp_path / 'w.npz', 'vgg19', wanted=larger, layout='oxford_pytorch')


# Containers

@pytest.fixture
def torch(monkeypatch):
    """Return a function (path, tree of dicts and float32 arrays) that writes a `.pth`."""
    package, utilities = types.ModuleType('torch'), types.ModuleType('torch._utils')
    package._utils = utilities

    class FloatStorage:
        pass

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError('only its name is written')

    for module, thing in ((package, FloatStorage), (utilities, _rebuild_tensor_v2)):
        thing.__module__, thing.__qualname__ = module.__name__, thing.__name__
        setattr(module, thing.__name__, thing)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    class Tensor:
        def __init__(self, array, key):
            self.array, self.key = np.ascontiguousarray(array, 'float32'), key

        def __reduce__(self):
            strides = [stride // 4 for stride in self.array.strides]
            return _rebuild_tensor_v2, (self, 0, self.array.shape, tuple(strides), False,
                                        OrderedDict())

    class Storage:
        def __init__(self, tensor):
            self.tensor = tensor

    class Pickler(pickle.Pickler):
        def persistent_id(self, value):
            if isinstance(value, Storage):
                return 'storage', FloatStorage, value.tensor.key, 'cpu', value.tensor.array.size
            return None

        def reducer_override(self, value):
            if isinstance(value, Tensor):
                function, (_, *rest) = value.__reduce__()
                return function, (Storage(value), *rest)
            return NotImplemented

    def write(path, tree):
        tensors = []

        def put(value):
            if isinstance(value, np.ndarray):
                tensors.append(Tensor(value, str(len(tensors))))
                return tensors[-1]
            return (type(value)((key, put(part)) for key, part in value.items())
                    if isinstance(value, dict) else value)

        buffer = io.BytesIO()
        Pickler(buffer, 2).dump(put(tree))
        with zipfile.ZipFile(path, 'w') as archive:
            archive.writestr('archive/data.pkl', buffer.getvalue())
            for tensor in tensors:
                archive.writestr(f'archive/data/{tensor.key}', tensor.array.tobytes())
        return path

    return write


@pytest.mark.parametrize('keys', ['', 'net', 'state_dict', 'checkpoint net weights', 'a b c d e'])
def test_a_network_under_any_key_at_any_depth(tmp_path, plain, comes_out, torch, keys):
    tree = OrderedDict(numbered(plain))
    for key in keys.split():
        tree = {'epoch': 7, key: tree, 'lr': [0.1], 'optimizer': {
            'state': {0: {'exp_avg': np.ones((4, 3, 3, 3), 'f4')}}, 'param_groups': [{'lr': 1}]}}
    comes_out(torch(tmp_path / 'w.pth', tree))
    with open(tmp_path / 'w.pkl', 'wb') as file:
        pickle.dump(tree, file, 2)
    comes_out(tmp_path / 'w.pkl')


@pytest.mark.parametrize('spelling', ['W b', 'weights biases', 'list', 'tuple', 'objects'])
@pytest.mark.parametrize('container', ['npy', 'pkl', 'npz'])
def test_dicts_from_layers_to_arrays(tmp_path, plain, comes_out, spelling, container):
    def pair(W, b):
        objects = np.empty(2, object)
        objects[:] = W, b
        return {'list': [W, b], 'tuple': (W, b), 'objects': objects}.get(spelling) or dict(
            zip(spelling.split(), (W, b))) if spelling != 'objects' else objects

    tree = {key[:-2]: pair(plain[key], plain[key[:-2] + '.b']) for key in plain if key[-1] == 'W'}
    path = tmp_path / f'w.{container}'
    if container == 'npy':
        np.save(path, tree)
    elif container == 'npz':
        np.savez(path, weights=tree)
    else:
        path.write_bytes(pickle.dumps(tree))
    comes_out(path)


def for_tensorflow(arrays):
    """Return the arrays as TensorFlow has them: rows, columns, in, out, and dense layers' inputs
    by rows, columns and channels."""
    turned = {}
    for key, array in arrays.items():
        if array.ndim == 4:
            array = array.transpose(2, 3, 1, 0)
        elif key == 'fc6.W':
            array = array.reshape(len(array), -1, 7, 7).transpose(2, 3, 1, 0).reshape(
                -1, len(array))
        elif array.ndim == 2:
            array = array.T
        turned[key] = np.ascontiguousarray(array)
    return turned


def test_the_npy_of_tensorflows_vggs(tmp_path, plain, comes_out):
    turned = for_tensorflow(plain)
    tree = {key[:-2]: [turned[key], turned[key[:-2] + '.b']] for key in plain if key[-1] == 'W'}
    np.save(tmp_path / 'vgg16.npy', tree)
    comes_out(tmp_path / 'vgg16.npy')
    # As Python 2 wrote it: names are bytes, and an array is a str in the pickle.
    with open(tmp_path / 'old.npy', 'wb') as file:
        value = np.array({key.encode(): pair for key, pair in tree.items()})
        np.lib.format.write_array_header_1_0(file, {'descr': '|O', 'fortran_order': False,
                                                    'shape': ()})
        pickle.dump(value, file, 2)
    comes_out(tmp_path / 'old.npy')


def test_the_npz_of_tensorflows_vgg16_is_rgb(tmp_path, plain, comes_out):
    turned = for_tensorflow(plain)
    turned['conv1_1.W'] = turned['conv1_1.W'][:, :, ::-1]
    arrays = {key.replace('.', '_'): array for key, array in turned.items()}
    comes_out(saved(tmp_path / 'vgg16_weights.npz', arrays))
    assert '--from tensorflow_rgb' in refusal(saved(tmp_path / 'w.npz', turned))


def test_a_npy_of_one_array_or_of_more_than_arrays_is_refused(tmp_path):
    np.save(tmp_path / 'one.npy', np.ones((4, 3, 3, 3), 'f4'))
    assert 'one array alone' in refusal(tmp_path / 'one.npy')
    np.save(tmp_path / 'code.npy', {'conv1_1': [print, print]})
    assert 'print' in refusal(tmp_path / 'code.npy')
    np.save(tmp_path / 'none.npy', {'a': 1})
    assert 'no layers with weights' in refusal(tmp_path / 'none.npy')
    itself = {}
    itself['again'] = [itself]
    np.save(tmp_path / 'itself.npy', itself)
    assert 'was refused' in refusal(tmp_path / 'itself.npy')


def test_lists_of_lasagnes_parameters(tmp_path, plain, comes_out, caplog):
    net = models.build('vgg16', width=1 / 16, classes=7)
    values = [np.ascontiguousarray(array.T) if array.ndim == 2 else array
              for array in plain.values()]
    lasagne.layers.set_all_param_values(net['prob'], values)
    values = lasagne.layers.get_all_param_values(net['prob'])
    np.savez(tmp_path / 'w.npz', *values)
    comes_out(tmp_path / 'w.npz')
    assert 'only counts' in caplog.text and 'turn them' in caplog.text
    comes_out(saved(tmp_path / 'w.npz', {f'param{index:03}': value
                                         for index, value in enumerate(values)}))
    np.save(tmp_path / 'w.npy', np.array(values, dtype=object))
    comes_out(tmp_path / 'w.npy', layout='recipes')
    pairs = [list(pair) for pair in zip(values[::2], values[1::2])]
    (tmp_path / 'w.pkl').write_bytes(pickle.dumps({'epoch': 3, 'net': {'params': pairs}}))
    comes_out(tmp_path / 'w.pkl', layout='recipes')
    np.savez(tmp_path / 'gap.npz', *values[:4], arr_9=values[4], arr_10=values[5])
    assert 'no weights under names' in refusal(tmp_path / 'gap.npz')


def test_the_hdf5_files_of_keras_in_2015(tmp_path, plain, comes_out):
    with h5py.File(tmp_path / 'vgg16_weights.h5', 'w') as file:
        index = 0
        for key in [key for key in plain if key[-1] == 'W']:
            file.create_group(f'layer_{index}').attrs['nb_params'] = 0  # padding, pooling, dropout
            group = file.create_group(f'layer_{index + 1}')
            group.attrs['nb_params'] = 2
            W = plain[key]
            group['param_0'] = W[:, :, ::-1, ::-1] if W.ndim == 4 else W.T
            group['param_1'] = plain[key[:-2] + '.b']
            index += 2
        file.attrs['nb_layers'] = index
    comes_out(tmp_path / 'vgg16_weights.h5')


KERAS = layouts.keras_names('vgg16', ['conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1',
                                      'conv3_2', 'conv3_3', 'conv4_1', 'conv4_2', 'conv4_3',
                                      'conv5_1', 'conv5_2', 'conv5_3', *DENSE], [])


@pytest.mark.parametrize('weights, names', [
    (lambda name: (f'{name}/kernel:0', f'{name}/bias:0'), 'outer'),
    (lambda name: (f'vgg16/{name}/kernel:0', f'vgg16/{name}/bias:0'), 'outer'),
    (lambda name: (f'{name}_W_1:0', f'{name}_b_1:0'), 'outer'),
    (lambda name: (f'{name}/{name}_W:0', f'{name}/{name}_b:0'), 'inner'),
])
def test_a_vgg_within_a_keras_model(tmp_path, plain, comes_out, weights, names):
    turned = for_tensorflow(plain)
    with h5py.File(tmp_path / 'w.h5', 'w') as file:
        root = file.create_group('model_weights')
        root.attrs['layer_names'] = [b'input', b'vgg16', b'flatten', b'my_dense']
        for name in ('input', 'flatten', 'vgg16', 'my_dense'):
            root.create_group(name).attrs['weight_names'] = np.array([], 'S1')
        root['my_dense'].attrs['weight_names'] = [b'my_dense/kernel:0', b'my_dense/bias:0']
        root['my_dense']['my_dense/kernel:0'] = np.ones((7, 2), 'f4')
        root['my_dense']['my_dense/bias:0'] = np.ones(2, 'f4')
        told = []
        for layer, name in KERAS.items():
            for weight, array in zip(weights(name), (turned[f'{layer}.W'], turned[f'{layer}.b'])):
                root['vgg16'][weight] = array
                told.append(weight.encode())
        root['vgg16'].attrs['weight_names'] = told
    comes_out(tmp_path / 'w.h5')


def test_a_vgg_within_a_keras_model_of_today(tmp_path, plain, comes_out):
    turned = for_tensorflow(plain)
    with h5py.File(tmp_path / 'w.weights.h5', 'w') as file:
        counts = {}
        for layer, name in [*KERAS.items(), ('mine', 'my_dense')]:
            kind = 'conv2d' if layer.startswith('conv') else 'dense'
            number = counts[kind] = counts.get(kind, -1) + 1
            own = f'{kind}_{number}' if number else kind
            outer = 'layers/functional/' if layer != 'mine' else ''
            group = file.create_group(f'{outer}layers/{own}/vars')
            group.attrs['name'] = name
            group['0'] = turned.get(f'{layer}.W', np.ones((7, 2), 'f4'))
            group['1'] = turned.get(f'{layer}.b', np.ones(2, 'f4'))
    comes_out(tmp_path / 'w.weights.h5')


def test_hdf5_files_of_h5py_alone(tmp_path, plain, comes_out):
    with h5py.File(tmp_path / 'w.h5', 'w') as file:
        for key, array in plain.items():
            file[f'net/{key.replace(".", "/")}'] = array
    comes_out(tmp_path / 'w.h5')


def for_matlab(plain):
    """Return layer -> (kernel, bias) as MatConvNet has them, RGB."""
    found = {}
    for layer in [key[:-2] for key in plain if key[-1] == 'W']:
        W = plain[f'{layer}.W']
        W = W.reshape(len(W), -1, 7, 7) if layer == 'fc6' else W
        W = W.reshape(W.shape + (1,) * (4 - W.ndim)).transpose(2, 3, 1, 0)
        found[layer] = W[:, :, ::-1] if layer == 'conv1_1' else W, plain[f'{layer}.b']
    return found


@pytest.mark.parametrize('wrapped', [False, True])
@pytest.mark.parametrize('parameters', ['{}f {}b', '{}_filter {}_bias', 'p_{} q_{}'])
def test_graphs_of_matconvnet(tmp_path, plain, comes_out, wrapped, parameters):
    arrays = for_matlab(plain)
    params = np.empty((1, 2 * len(arrays)), [('name', 'O'), ('value', 'O'), ('weightDecay', 'O')])
    layers = np.empty((1, 2 * len(arrays)), [('name', 'O'), ('type', 'O'), ('params', 'O')])
    for index, (layer, pair) in enumerate(arrays.items()):
        names = [name.format(layer) for name in parameters.split()]
        for part, (name, array) in enumerate(zip(names, pair)):
            params[0, -1 - 2 * index - part] = name, array, 1.0  # in another order
        cell = np.empty((1, 2), object)
        cell[0, :] = names
        layers[0, 2 * index] = layer, 'dagnn.Conv', cell
        layers[0, 2 * index + 1] = f'relu_{layer}', 'dagnn.ReLU', np.empty((1, 0), object)
    mean = np.reshape([123.68, 116.779, 103.939], (1, 1, 3))
    net = {'params': params, 'layers': layers,
           'meta': {'normalization': {'averageImage': mean}}}
    scipy.io.savemat(tmp_path / 'w.mat', {'net': net} if wrapped else net)
    found = comes_out(tmp_path / 'w.mat')
    np.testing.assert_allclose(found['mean_pixel'], files.VGG_MEAN_PIXEL, rtol=1e-6)


@pytest.mark.parametrize('first', [
    ((3, b'data'), (4, 1), (4, 3), (4, 224), (4, 224)), ((5, 0),), ((6, b''), (7, 1)), (),
    ((8, b'\x08\x01\x08\x03'),), ((3, b'data'), (4, bytes([1, 3, 9, 9]))),
])
def test_caffemodels_that_do_not_begin_with_a_name(tmp_path, plain, comes_out, message, first,
                                                   write_caffemodel):
    write_caffemodel(tmp_path / 'named.caffemodel', plain)
    name = message((1, b'VGG'))
    whole = (tmp_path / 'named.caffemodel').read_bytes()
    assert whole.startswith(name)
    (tmp_path / 'w.caffemodel').write_bytes(message(*first) + whole[len(name):])
    comes_out(tmp_path / 'w.caffemodel')


def test_a_foreign_file_can_be_had_as_the_small_network(tmp_path, comes_out, torch,
                                                        write_caffemodel):
    arrays = random_arrays('vgg19_quarter', 1, 202)
    names = numbered(arrays, depths=(2, 2, 4, 4, 4))
    names = {key.replace('classifier.6', 'classifier'): array for key, array in names.items()}
    torch(tmp_path / 'w.pth', {'net': names})
    assert '--from oxford_pytorch or --from torchvision' in refusal(tmp_path / 'w.pth',
                                                                    'vgg19_quarter')
    comes_out(tmp_path / 'w.pth', 'vgg19_quarter', 'oxford_pytorch', arrays)
    write_caffemodel(tmp_path / 'w.caffemodel', arrays)
    comes_out(tmp_path / 'w.caffemodel', 'vgg19_quarter', wanted=arrays)
    values = [array.T if array.ndim == 2 else array for array in arrays.values()]
    np.savez(tmp_path / 'w.npz', *values)
    comes_out(tmp_path / 'w.npz', 'vgg19_quarter', wanted=arrays)
    assert models.load('vgg19_quarter', tmp_path / 'out.npz')[0]['fc8'].num_units == 202


def test_another_width_and_other_classes_are_told(tmp_path, plain, comes_out, caplog):
    comes_out(saved(tmp_path / 'w.npz', plain))
    assert '4 filters in the first layer instead of 64 and 7 classes instead of 1000' in caplog.text
    caplog.clear()
    cut = random_arrays('vgg19', 1 / 4, deepest='conv2_2')
    comes_out(saved(tmp_path / 'w.npz', cut), 'vgg19', wanted=cut)
    assert 'the shapes of vgg19_quarter' in caplog.text
    caplog.clear()
    whole = random_arrays('vgg16', 1, 1000, deepest='conv1_2')
    comes_out(saved(tmp_path / 'w.npz', whole), wanted=whole)
    assert 'instead of' not in caplog.text
