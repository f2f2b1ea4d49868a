"""Files of every kind give the features that the framework which wrote them computed."""

import logging
import pickle
from pathlib import Path

import models
from models.errors import ArchiveError
from models.weights import conversion, files, fingerprint, formats, layouts, sources

import lasagne
import numpy as np
import pytest
import theano

from recipes.common import images

GOLDEN = Path(__file__).parents[2] / 'golden'
FILES = GOLDEN / 'weight_files'
LAYERS = {'narrow': ('conv1_1', 'conv3_1', 'conv5_4'), 'tiny': ('conv5_4', 'fc6', 'fc8')}
WIDTHS = {'narrow': 1 / 16, 'tiny': 1 / 64}
# What the names of a file leave open.
TOLD = {'narrow.pth': 'oxford_pytorch', 'narrow_legacy.pth': 'oxford_pytorch',
        'tiny_recipes_list.pkl': 'recipes'}
ALL = sorted(path.name for path in FILES.iterdir())


@pytest.fixture(scope='module')
def golden():
    with np.load(GOLDEN / 'weight_files.npz') as file:
        return {key: file[key] for key in file.files}


@pytest.fixture(scope='module')
def features():
    """Return a function of (kind, converted file, RGB photo) that gives its layers' features."""
    compiled = {}

    def compute(kind, path, rgb, network='vgg19'):
        deepest = LAYERS[kind][-1]
        loaded, _, mean_pixel = models.load(network, path, deepest=deepest)
        if kind not in compiled:
            net = models.build('vgg19', width=WIDTHS[kind], deepest=deepest, classes=5)
            outputs = lasagne.layers.get_output([net[name] for name in LAYERS[kind]])
            compiled[kind] = net, theano.function([net['input'].input_var], outputs)
        net, run = compiled[kind]
        lasagne.layers.set_all_param_values(
            net[deepest], lasagne.layers.get_all_param_values(loaded[deepest]))
        return dict(zip(LAYERS[kind], run(images.prepare(rgb, mean_pixel))))

    return compute


def network_of(name):
    return 'vgg19_torchvision' if 'torchvision' in name else 'vgg19'


def difference(found, name, golden):
    """Return the largest difference from the framework's features, relative to the largest."""
    kind = name.partition('.')[0].partition('_')[0]
    differences = []
    for layer in LAYERS[kind]:
        expected = golden[f'{name}:{layer}']
        cut = found[layer][:, :, :16, :16] if found[layer].ndim == 4 else found[layer]
        assert cut.shape == expected.shape
        differences.append(np.abs(cut - expected).max() / np.abs(expected).max())
    return np.max(differences)  # not a number where one is none, and then less than nothing


@pytest.mark.parametrize('name', ALL)
def test_each_container_gives_its_frameworks_features(tmp_path, golden, features, name):
    kind = name.partition('.')[0].partition('_')[0]
    network = network_of(name)
    provenance = conversion.convert(FILES / name, network, tmp_path / 'w.npz', TOLD.get(name))
    assert provenance['layout'] in layouts.LAYOUTS
    found = features(kind, tmp_path / 'w.npz', golden[f'{kind}:photo'], network)
    assert difference(found, name, golden) < 1e-5


def test_the_pickles_parameters_go_straight_into_a_lasagne_network(golden, features, tmp_path):
    """What a notebook did: set_all_param_values with the list of the pickle."""
    contents = formats.read(FILES / 'tiny_recipes.pkl')
    net = models.build('vgg19', width=1 / 64, classes=5)
    lasagne.layers.set_all_param_values(net['fc8'], list(contents.arrays.values()))
    image = images.prepare(golden['tiny:photo'], contents.mean_pixel)
    scores = theano.function([net['input'].input_var],
                             lasagne.layers.get_output(net['fc8']))(image)
    expected = golden['tiny_recipes.pkl:fc8']
    assert np.abs(scores - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize('name, wrong', [
    ('narrow.caffemodel', {'flipped': True}), ('narrow.caffemodel', {'colours': 'RGB'}),
    ('narrow.caffemodel', {'kernel': 'out in columns rows'}),
    ('tiny_legacy.h5', {'inputs': 'in rows columns'}), ('narrow_legacy.h5', {'flipped': True}),
    ('narrow.mat', {'colours': 'BGR'}), ('narrow.mat', {'kernel': 'columns rows in out'}),
    ('narrow_torchvision.safetensors', {'colours': 'BGR', 'deviating': False}),
])
def test_a_wrong_word_in_the_table_shows_in_the_features(tmp_path, golden, features, monkeypatch,
                                                         name, wrong):
    kind = name.partition('.')[0].partition('_')[0]
    right = conversion.convert(FILES / name, network_of(name), tmp_path / 'w.npz')['layout']
    values = {**vars(layouts.LAYOUTS[right]), **wrong}
    monkeypatch.setitem(layouts.LAYOUTS, right, layouts.Layout(**values))
    conversion.convert(FILES / name, network_of(name), tmp_path / 'w.npz', right)
    found = features(kind, tmp_path / 'w.npz', golden[f'{kind}:photo'], network_of(name))
    assert difference(found, name, golden) > 0.02


def test_a_file_that_convolves_is_turned(tmp_path, golden, features):
    """Keras' files for Theano, and lists of Lasagne's Conv2DLayer as neural-doodle has them."""
    import bz2

    import h5py

    contents = formats.read(FILES / 'narrow.npz')
    with h5py.File(tmp_path / 'theano.h5', 'w') as file:
        names = layouts.keras_names('vgg19', contents.modules(), [])
        file.attrs['layer_names'] = [name.encode() for name in names.values()]
        for layer, name in names.items():
            group = file.create_group(name)
            group.attrs['weight_names'] = [f'{name}_W'.encode(), f'{name}_b'.encode()]
            group[f'{name}_W'] = contents.arrays[f'{layer}.W'][:, :, ::-1, ::-1]
            group[f'{name}_b'] = contents.arrays[f'{layer}.b']
    turned = [array[:, :, ::-1, ::-1] if array.ndim == 4 else array
              for array in contents.arrays.values()]
    with bz2.open(tmp_path / 'doodle.pkl.bz2', 'wb') as file:
        pickle.dump(turned, file, 2)
    for name, layout, expected in (('theano.h5', None, 'keras_theano'),
                                   ('doodle.pkl.bz2', 'neural_doodle', 'neural_doodle')):
        provenance = conversion.convert(tmp_path / name, 'vgg19', tmp_path / 'w.npz', layout)
        assert provenance['layout'] == expected
        found = features('narrow', tmp_path / 'w.npz', golden['narrow:photo'])
        assert difference(found, 'narrow.npz', golden) < 1e-5


def parameters_of(net):
    return lasagne.layers.get_all_param_values(next(reversed(net.values())))


@pytest.mark.parametrize('network', [name for name in layouts.MEAN_PIXELS
                                     if name in models.NETWORKS])
def test_each_networks_layers_have_their_names_and_their_order(tmp_path, write_caffemodel, network):
    """In Caffe's files, and in lists of Lasagne's parameters, the order of which is Lasagne's."""
    net = models.build(network, width=1 / 16, seed=1)
    values = parameters_of(net)
    arrays, parts = {}, []
    for name, layer in net.items():
        if hasattr(layer, 'W'):
            W, b = layer.W.get_value(), layer.b.get_value()
            arrays[f'{name}.W'], arrays[f'{name}.b'] = W.T if W.ndim == 2 else W, b
            halves = 2 if network == 'caffenet' and name in layouts.IN_TWO_GROUPS else 1
            for half in zip(np.split(W[:, :, ::-1, ::-1] if W.ndim == 4 else W, halves),
                            np.split(b, halves)):
                parts += half
    write_caffemodel(tmp_path / 'w.caffemodel', {key: np.ascontiguousarray(array, 'float32')
                                                 for key, array in arrays.items()})
    layout = 'recipes_caffenet' if network == 'caffenet' else 'recipes'
    with open(tmp_path / 'w.pkl', 'wb') as file:
        pickle.dump(parts if network == 'caffenet' else values, file, 2)
    for name, wanted in (('w.caffemodel', None), ('w.pkl', layout)):
        conversion.convert(tmp_path / name, network, tmp_path / 'w.npz', wanted)
        loaded, _, mean_pixel = models.load(network, tmp_path / 'w.npz')
        np.testing.assert_allclose(mean_pixel, layouts.MEAN_PIXELS[network], rtol=1e-6)
        for found, expected in zip(parameters_of(loaded), values):
            np.testing.assert_array_equal(found, expected)


def test_words_mean_and_width_come_along(tmp_path):
    conversion.convert(FILES / 'tiny_recipes_mean_image.pkl', 'vgg19', tmp_path / 'w.npz')
    net, classes, mean_pixel = models.load('vgg19', tmp_path / 'w.npz')
    assert classes == [f'thing {index}' for index in range(5)]
    np.testing.assert_allclose(mean_pixel, files.VGG_MEAN_PIXEL, rtol=1e-6)
    assert net['conv1_1'].num_filters == 1 and net['fc6'].num_units == 64
    conversion.convert(FILES / 'tiny_beta.mat', 'vgg19', tmp_path / 'w.npz')
    assert models.load('vgg19', tmp_path / 'w.npz')[1] == classes
    np.testing.assert_allclose(models.load('vgg19', tmp_path / 'w.npz')[2], files.VGG_MEAN_PIXEL,
                               rtol=1e-6)
    conversion.convert(FILES / 'tiny.pth', 'vgg19', tmp_path / 'w.npz')
    assert models.load('vgg19', tmp_path / 'w.npz')[1][4] == 'class 4'


def test_a_mean_image_is_told_about(tmp_path, caplog):
    conversion.convert(FILES / 'tiny_recipes_mean_image.pkl', 'vgg19', tmp_path / 'w.npz')
    assert 'mean of this file is an image' in caplog.text


def test_provenance_says_where_numbers_come_from_and_bytes_follow_it(tmp_path):
    for name in ('a.npz', 'b.npz'):
        conversion.convert(FILES / 'tiny.mat', 'vgg19', tmp_path / name, url='http://one/two.mat')
    assert (tmp_path / 'a.npz').read_bytes() == (tmp_path / 'b.npz').read_bytes()
    with files.WeightFile(tmp_path / 'a.npz', 'vgg19') as file:
        provenance = file.provenance()
        assert file.verify_arrays() == 38
    assert provenance['sha256'] == files.sha256(FILES / 'tiny.mat')
    assert provenance['url'] == 'http://one/two.mat' and provenance['layout'] == 'matconvnet'
    with np.load(tmp_path / 'a.npz', allow_pickle=False) as file:
        assert all(file[key].dtype != object for key in file.files)


def test_extra_arrays_are_named_and_left_out(tmp_path, caplog):
    arrays = dict(np.load(FILES / 'narrow.npz'))
    arrays['loss1/classifier.W'] = np.ones((2, 2), 'float32')
    np.savez(tmp_path / 'more.npz', **arrays)
    with caplog.at_level(logging.WARNING):
        conversion.convert(tmp_path / 'more.npz', 'vgg19', tmp_path / 'w.npz')
    assert 'loss1/classifier' in caplog.text and 'conv1_1' not in caplog.text


def test_real_normalised_layers_of_a_pth_are_recognised(tmp_path, shared_data):
    """The container as it circulates, and the numbers that were taken out of it by PyTorch."""
    weights = shared_data / 'weights'
    conversion.convert(weights / 'vgg_normalised_conv3_1.pth', 'vgg19_normalized',
                       tmp_path / 'w.npz')
    net, _, mean_pixel = models.load('vgg19_normalized', tmp_path / 'w.npz', deepest='conv3_1')
    np.testing.assert_allclose(mean_pixel, files.VGG_MEAN_PIXEL, rtol=1e-6)
    with np.load(weights / 'vgg19_normalised_to_conv3_1.npz') as expected:
        for layer in ('conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1'):
            for part in 'Wb':
                np.testing.assert_array_equal(getattr(net[layer], part).get_value(),
                                              expected[f'{layer}.{part}'])


@pytest.fixture
def real(shared_data):
    """Return the real normalised layers, as of an unnormalised network and as they are."""
    with np.load(shared_data / 'weights' / 'vgg19_normalised_to_conv3_1.npz') as file:
        normalised = {key: file[key] for key in file.files if not key.startswith('pre')}
    plain = {**normalised, 'conv1_1.W': normalised['conv1_1.W'] * 40}
    return plain, normalised


def test_a_known_hash_settles_what_the_names_leave_open(tmp_path, monkeypatch):
    digest = sources.digests_of(FILES / 'narrow.pth')['sha256']
    monkeypatch.setattr(sources, 'SOURCES', (sources.Source(
        'johnson', 'vgg19', 'vgg19.pth', (), f'sha256:{digest[:8]}', 1, 'oxford_pytorch', 'CC0'),))
    provenance = conversion.convert(FILES / 'narrow.pth', 'vgg19', tmp_path / 'w.npz')
    assert provenance['source'] == 'johnson' and provenance['licence'] == 'CC0'
    assert '--as vgg19' in refusal(FILES / 'narrow.pth', 'vgg16', None, tmp_path / 'v.npz')


def in_pytorch(arrays, change=lambda kernel: kernel):
    """Return a list of arrays under torchvision's names."""
    names = dict(zip(('conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1'), (0, 2, 5, 7, 10)))
    return {f'features.{names[key[:-2]]}.{"weight" if key[-1] == "W" else "bias"}':
            change(array) if array.ndim == 4 else array for key, array in arrays.items()}


def test_a_vgg19_is_known_by_its_first_kernels(tmp_path, real):
    plain, normalised = real
    np.savez(tmp_path / 'n.npz', **in_pytorch(plain))
    provenance = conversion.convert(tmp_path / 'n.npz', 'vgg19', tmp_path / 'w.npz')
    assert provenance['layout'] == 'oxford_pytorch'  # though the names are torchvision's, too
    turned = [array[:, :, ::-1, ::-1] if array.ndim == 4 else array for array in plain.values()]
    for values, layout in ((list(plain.values()), 'recipes'), (turned, 'neural_doodle')):
        with open(tmp_path / 'l.pkl', 'wb') as file:
            pickle.dump(values, file, 2)
        assert conversion.convert(tmp_path / 'l.pkl', 'vgg19',
                                  tmp_path / 'w.npz')['layout'] == layout


def test_matconvnets_rows_and_columns_are_told_apart(tmp_path, real, monkeypatch):
    """The first kernels are believed more than the table of sources."""
    import scipy.io

    def save(axes):
        rows = []
        for layer in ('conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1'):
            W, b = real[0][f'{layer}.W'], real[0][f'{layer}.b']
            W = W[:, ::-1] if layer == 'conv1_1' else W
            pair = np.empty((1, 2), object)
            pair[0, 0], pair[0, 1] = W.transpose(axes), b
            rows.append({'name': layer, 'type': 'conv', 'weights': pair})
        cell = np.empty((1, len(rows)), object)
        cell[0, :] = rows
        scipy.io.savemat(tmp_path / 'm.mat', {'layers': cell})

    for axes, layout in (((2, 3, 1, 0), 'matconvnet'), ((3, 2, 1, 0), 'matconvnet_transposed')):
        save(axes)
        digest = sources.digests_of(tmp_path / 'm.mat')['md5']
        monkeypatch.setattr(sources, 'SOURCES', (sources.Source(
            'matconvnet', 'vgg19', 'm.mat', (), f'md5:{digest}', 1, 'matconvnet', 'CC0'),))
        provenance = conversion.convert(tmp_path / 'm.mat', 'vgg19', tmp_path / 'w.npz')
        assert provenance['layout'] == layout and provenance['source'] == 'matconvnet'


def refusal(path, network, layout=None, target=None):
    with pytest.raises(ArchiveError) as problem:
        conversion.convert(path, network, target or path.parent / 'w.npz', layout)
    assert '\n' not in str(problem.value)
    assert not (path.parent / 'w.npz').exists()
    return str(problem.value)


@pytest.mark.parametrize('change, words', [
    (lambda kernel: kernel[:, :, ::-1, ::-1], ['turned by 180 degrees', 'oxford_pytorch']),
    (lambda kernel: kernel.transpose(0, 1, 3, 2), ['rows and columns exchanged']),
    (lambda kernel: kernel[:, ::-1] if kernel.shape[1] == 3 else kernel,
     ['red and blue exchanged']),
])
def test_kernels_that_are_turned_are_refused(tmp_path, real, change, words):
    np.savez(tmp_path / 'n.npz', **in_pytorch(real[0], change))
    told = refusal(tmp_path / 'n.npz', 'vgg19', 'oxford_pytorch')
    assert all(word in told for word in words), told


def test_weights_under_a_wrong_name_are_refused(tmp_path, real):
    plain, normalised = real
    np.savez(tmp_path / 'plain.npz', **plain)
    np.savez(tmp_path / 'normalised.npz', **normalised)
    np.savez(tmp_path / 'numbered.npz', **in_pytorch(plain))
    assert 'python -m models.weights normalise' in refusal(tmp_path / 'plain.npz',
                                                           'vgg19_normalized')
    assert '--as vgg19_normalized' in refusal(tmp_path / 'normalised.npz', 'vgg19')
    assert "Oxford's weights" in refusal(tmp_path / 'numbered.npz', 'vgg19_torchvision')


def test_foreign_kernels_in_full_width_are_told_about(tmp_path, caplog):
    net = models.build('vgg19', deepest='conv1_2')
    arrays = {f'{name}.{part}': getattr(net[name], part).get_value()
              for name in ('conv1_1', 'conv1_2') for part in 'Wb'}
    np.savez(tmp_path / 'n.npz', **arrays)
    conversion.convert(tmp_path / 'n.npz', 'vgg19', tmp_path / 'w.npz')
    assert "not those of Oxford's VGG-19" in caplog.text
    assert fingerprint.compare(np.zeros((64, 3, 3, 3))) is None


def without(path, *left_out):
    arrays = dict(np.load(FILES / 'narrow.npz'))
    np.savez(path, **{key: array for key, array in arrays.items()
                      if not key.startswith(left_out)})
    return path


@pytest.mark.parametrize('make, network, layout, words', [
    (lambda path: path.with_name('none'), 'vgg19', None, ['there is no weight file']),
    (lambda path: path.parent, 'vgg19', None, ['is a folder']),
    (lambda path: path.write_bytes(b'') and path or path, 'vgg19', None, ['is empty']),
    (lambda path: path.write_text('<html>404</html>') and path, 'vgg19', None, ['a web page']),
    (lambda path: path.write_text('version https://git-lfs.github.com/spec/v1') and path, 'vgg19',
     None, ['git lfs pull']),
    (lambda path: path.write_bytes(b'MATLAB 7.3 MAT-file' + b' ' * 200) and path, 'vgg19', None,
     ['-v7']),
    (lambda path: path.write_bytes(b'\x1f\x8b' + b'x' * 20) and path, 'vgg19', None, ['gzip']),
    (lambda path: path.write_text('just text') and path, 'vgg19', None, ['.caffemodel', '.mat']),
    (lambda path: FILES / 'narrow.pth', 'vgg19', None,
     ['leave open', '--from oxford_pytorch', '--as vgg19_torchvision']),
    (lambda path: FILES / 'tiny.pth', 'vgg16', None, ['vgg16', 'it fits vgg19']),
    (lambda path: FILES / 'tiny_recipes_list.pkl', 'vgg19', None,
     ['leave open', '--from recipes', '--from neural_doodle']),
    (lambda path: FILES / 'narrow.pth', 'vgg91', None, ['did you mean', 'vgg19']),
    (lambda path: FILES / 'narrow.pth', 'vgg19', 'oxford', ['no layout', 'oxford_pytorch']),
    (lambda path: FILES / 'narrow.pth', 'vgg19', 'keras', ['layout keras']),
    (lambda path: FILES / 'narrow.caffemodel', 'squeezenet', None, ['squeezenet', 'conv1_1']),
    (lambda path: FILES / 'tiny.caffemodel', 'vgg16', None,
     ['another network than vgg16', '--as vgg19']),
    (lambda path: without(path, 'conv2_1'), 'vgg19', None, ['lacks conv2_1', 'conv5_4']),
    (lambda path: without(path, 'conv'), 'vgg19', None, ['no weights']),
])
def test_what_cannot_be_converted_is_told_why(tmp_path, make, network, layout, words):
    path = make(tmp_path / 'file.npz')
    told = refusal(path, network, layout, tmp_path / 'w.npz')
    assert not (tmp_path / 'w.npz').exists()
    for word in words:
        assert word in told, told


@pytest.mark.parametrize('name', ['tiny.caffemodel', 'tiny.mat', 'tiny_legacy.h5', 'tiny.pth',
                                  'tiny.weights.h5', 'tiny_torchvision.safetensors', 'tiny.npz',
                                  'tiny_legacy.pth', 'tiny_recipes.pkl', 'tiny_v0.caffemodel',
                                  'tiny_recipes_list.pkl'])
@pytest.mark.parametrize('cut', [0.001, 0.3, 0.7, 0.999])
def test_truncated_files_are_errors(tmp_path, name, cut):
    whole = (FILES / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:int(cut * len(whole))])
    refusal(tmp_path / name, network_of(name), TOLD.get(name))


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    conversion.convert(FILES / 'tiny.pth', 'vgg19', tmp_path / 'w.npz')
    before = (tmp_path / 'w.npz').read_bytes()

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('models.weights.files.os.fsync', full)
    with pytest.raises(ArchiveError, match='disk is full'):
        conversion.convert(FILES / 'tiny_v1.caffemodel', 'vgg19', tmp_path / 'w.npz')
    assert (tmp_path / 'w.npz').read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ['w.npz']


def test_damage_to_a_converted_file_is_found(tmp_path):
    conversion.convert(FILES / 'tiny.pth', 'vgg19', tmp_path / 'w.npz')
    arrays = dict(np.load(tmp_path / 'w.npz'))
    arrays['conv3_2.W'][0, 0, 0, 0] += 1e-3
    np.savez(tmp_path / 'w.npz', **arrays)
    with files.WeightFile(tmp_path / 'w.npz', 'vgg19') as file, \
            pytest.raises(ArchiveError, match='damaged at conv3_2.W'):
        file.verify_arrays()


def test_an_npz_that_unpacks_to_much_more_is_refused(tmp_path):
    np.savez_compressed(tmp_path / 'bomb.npz', **{'conv1_1.W': np.zeros((4, 3, 2000, 2000))})
    for read in (lambda path: models.load('vgg19', path), formats.read):
        with pytest.raises(ArchiveError, match='refused: conv1_1.W.npy unpacks'):
            read(tmp_path / 'bomb.npz')
    np.savez(tmp_path / 'small.npz', **{'conv1_1.W': np.zeros((4, 3, 3, 3), 'float32')})
    content = (tmp_path / 'small.npz').read_bytes()
    (tmp_path / 'lie.npz').write_bytes(content.replace(b'(4, 3, 3, 3)', b'(4, 3, 9, 9)'))
    with pytest.raises(ArchiveError, match='refused|broken'):
        formats.read(tmp_path / 'lie.npz')


def test_the_samples_are_small():
    assert len(ALL) == 27 and sum(path.stat().st_size for path in FILES.iterdir()) < 7e6
