"""Weight files: what is read, and what a wrong or broken file is told."""

import hashlib
import logging
import os

import models
from models.errors import ArchiveError
from models.weights import files

import numpy as np
import pytest


def arrays_to(deepest, **extra):
    """Return the arrays of a random VGG-19 under the file format's names."""
    net = models.build('vgg19', deepest=deepest)
    arrays = {}
    for name, layer in net.items():
        if hasattr(layer, 'W'):
            arrays[f'{name}.W'], arrays[f'{name}.b'] = layer.W.get_value(), layer.b.get_value()
    return {**arrays, **extra}


@pytest.fixture
def narrow(monkeypatch):
    """Let 'vgg19' be a sixteenth as wide, so that its files are small."""
    wide = models.NETWORKS['vgg19']
    monkeypatch.setitem(models.NETWORKS, 'vgg19',
                        lambda pool='max', width=1, classes=1000: wide(pool, width / 16, classes))


def save(path, arrays):
    np.savez(path, **arrays)
    return path


def test_a_file_gives_its_arrays_classes_and_mean(tmp_path, narrow):
    arrays = arrays_to('conv3_1', mean_pixel=np.array([1, 2, 3], 'float64'),
                       classes=np.array(['cat', 'dog']))
    net, classes, mean_pixel = models.load('vgg19', save(tmp_path / 'w.npz', arrays),
                                           deepest='conv2_2')
    np.testing.assert_array_equal(net['conv2_2'].W.get_value(), arrays['conv2_2.W'])
    assert classes == ['cat', 'dog']
    assert mean_pixel.tolist() == [1, 2, 3] and mean_pixel.dtype == 'float32'


def test_without_classes_and_mean_there_are_none_and_oxfords(tmp_path, narrow):
    path = save(tmp_path / 'w.npz', arrays_to('conv1_1'))
    _, classes, mean_pixel = models.load('vgg19', path, deepest='conv1_1')
    assert classes is None
    np.testing.assert_allclose(mean_pixel, [103.939, 116.779, 123.68])


def test_a_flattened_kernel_is_taken_for_what_it_is(tmp_path, narrow):
    arrays = arrays_to('conv1_1')
    flat = {**arrays, 'conv1_1.W': arrays['conv1_1.W'].reshape(4, 27)}
    net, _, _ = models.load('vgg19', save(tmp_path / 'w.npz', flat), deepest='conv1_1')
    np.testing.assert_array_equal(net['conv1_1'].W.get_value(), arrays['conv1_1.W'])


def test_half_precision_becomes_the_networks_type(tmp_path, narrow):
    arrays = {key: value.astype('float16') for key, value in arrays_to('conv1_1').items()}
    net, _, _ = models.load('vgg19', save(tmp_path / 'w.npz', arrays), deepest='conv1_1')
    assert net['conv1_1'].W.get_value().dtype == 'float32'


def test_a_network_tells_where_its_weights_are_from(tmp_path, narrow):
    path = save(tmp_path / 'w.npz', arrays_to('conv1_1'))
    net, _, _ = models.load('vgg19', path, deepest='conv1_1')
    assert net.origin == (path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert models.build('vgg19', deepest='conv1_1').origin is None


def test_the_hash_is_of_the_file_that_was_read_where_another_takes_its_name(tmp_path, narrow,
                                                                            monkeypatch):
    arrays = arrays_to('conv1_1')
    path = save(tmp_path / 'w.npz', arrays)
    read = path.read_bytes()
    other = save(tmp_path / 'other.npz', {key: value + 1 for key, value in arrays.items()})

    def replaced(file):
        if other.exists():
            os.replace(other, path)
        return width(file)

    width = files.WeightFile.width
    monkeypatch.setattr(files.WeightFile, 'width', replaced)  # after the file was opened
    net, _, _ = models.load('vgg19', path, deepest='conv1_1')
    np.testing.assert_array_equal(net['conv1_1'].b.get_value(), arrays['conv1_1.b'])
    assert path.read_bytes() != read
    assert net.origin.sha256 == hashlib.sha256(read).hexdigest()


def test_extra_keys_are_named_and_ignored(tmp_path, narrow, caplog):
    path = save(tmp_path / 'w.npz', arrays_to('conv2_1', **{'pre.W': np.ones(3)}))
    with caplog.at_level(logging.WARNING):
        models.load('vgg19', path, deepest='conv1_2')
    assert len(caplog.messages) == 1 and 'pre.W' in caplog.text and 'conv2_1' not in caplog.text


def test_the_environment_names_a_folder_of_weights(tmp_path, narrow, monkeypatch):
    save(tmp_path / 'vgg19.npz', arrays_to('conv1_1'))
    monkeypatch.setenv('ARCHIVE_WEIGHTS', str(tmp_path))
    assert models.load('vgg19', deepest='conv1_1')[1] is None


def truncated(path):
    whole = save(path, arrays_to('conv2_1'))
    whole.write_bytes(whole.read_bytes()[:-2000])
    return whole


def corrupted(path):
    content = bytearray(save(path, arrays_to('conv1_1')).read_bytes())
    content[200:220] = b'x' * 20
    path.write_bytes(content)
    return path


@pytest.mark.parametrize('make, words', [
    (lambda path: path, ['there is no weight file']),
    (lambda path: path.parent, ['is a folder']),
    (lambda path: path.write_text('no weights') and path, ['no whole .npz file']),
    (lambda path: path.with_suffix('.pth').write_text('no') and path.with_suffix('.pth'),
     ['is not a weight file', 'convert it']),
    (truncated, ['no whole .npz file', 'convert it anew']),
    (corrupted, ['broken']),
    (lambda path: save(path, {'conv1_1.W': np.ones((2, 3, 3, 3))}), ['another network']),
    (lambda path: save(path, {'conv1_1.W': np.ones((4, 3, 3, 3))}), ['no conv1_1.b', 'conv1_1']),
    (lambda path: save(path, {}), ['conv1_1.W', 'none']),
    (lambda path: save(path, {'conv1_1.W': np.array([{}], dtype=object)}), ['broken']),
    (lambda path: save(path, {'conv1_1.W': np.full((4, 3, 3, 3), 'a')}), ['finite real numbers']),
    (lambda path: save(path, {'conv1_1.W': np.full((4, 3, 3, 3), np.nan)}), ['finite real']),
    (lambda path: save(path, {'conv1_1.W': np.ones((4, 3, 3, 3), complex)}), ['finite real']),
    (lambda path: save(path, {'conv1_1.W': np.full((4, 3, 3, 3), 1e300)}),
     ['conv1_1.W', 'float32 cannot']),
    (lambda path: save(path, arrays_to('conv1_1', mean_pixel=np.full(3, 1e300))),
     ['within 0 to 255']),
    (lambda path: save(path, arrays_to('conv1_1', width=np.ones((2, 2)))), ['one number']),
    (lambda path: save(path, arrays_to('conv1_1', classes=np.array([['a', 'b'], ['c', 'd']]))),
     ['broken at classes', 'list of names']),
    (lambda path: save(path, arrays_to('conv1_1', classes=np.array('a'))), ['broken at classes']),
    (lambda path: save(path, arrays_to('conv1_1', classes=np.array([0.5, 1.5]))),
     ['broken at classes']),
    (lambda path: save(path, arrays_to('conv1_1', classes=np.full(2, 2 ** 31, '<u4').view('<U1'))),
     ['broken at classes']),
    (lambda path: save(path, arrays_to('conv1_1', mean_pixel=np.ones((3, 8, 8)))),
     ['three numbers']),
])
def test_useless_files_are_told_apart(tmp_path, narrow, make, words):
    with pytest.raises(ArchiveError) as problem:
        models.load('vgg19', make(tmp_path / 'w.npz'), deepest='conv1_1')
    for word in words:
        assert word in str(problem.value)


def test_weights_that_are_not_here_are_told_how_to_name_them(monkeypatch):
    monkeypatch.delenv('ARCHIVE_WEIGHTS', raising=False)
    with pytest.raises(ArchiveError, match='--weights FILE.*ARCHIVE_WEIGHTS.*vgg19_small'):
        files.find('vgg19')


def test_names_of_classes_are_text_that_can_be_shown():
    hostile = ['cat', 'a\0b', 'half \ud800', 'two\nlines\r\n', '\x1b[31mred', '\u202etxet',
               ' spaces  within ', '', '\0', 'x' * 5000, 'gr\xfcn \u6f22']
    names = files.class_names('w.npz', np.array(hostile))
    assert names == ['cat', r'a\x00b', r'half \ud800', 'two lines', r'\x1b[31mred', r'\u202etxet',
                     'spaces within', '?', '?', f'{"x" * 497} ... {"x" * 498}', 'gr\xfcn \u6f22']
    for name in names:
        name.encode('utf-8')
        assert name.isprintable()
    assert files.class_names('w.npz', np.array([b'caf\xc3\xa9', b'caf\xe9'])) == ['caf\xe9'] * 2
    assert files.class_names('w.npz', np.arange(3)) == ['0', '1', '2']
    assert files.class_names('w.npz', hostile) == names  # a list, out of a pickle


def test_what_is_loaded_is_finite_in_the_networks_type(tmp_path, narrow):
    """float64 numbers that float32 has as infinity are found out after the cast, not before."""
    arrays = arrays_to('conv1_1')
    arrays['conv1_1.b'] = np.full(4, -1e39)
    with pytest.raises(ArchiveError, match='broken at conv1_1.b'):
        models.load('vgg19', save(tmp_path / 'w.npz', arrays), deepest='conv1_1')
    arrays['conv1_1.b'] = np.full(4, -3e38)
    net, _, _ = models.load('vgg19', save(tmp_path / 'w.npz', arrays), deepest='conv1_1')
    assert np.isfinite(net['conv1_1'].b.get_value()).all()
