"""`python -m models.weights`: list, fetch, convert, normalise, verify, where."""

import json
import subprocess
import sys
from pathlib import Path

import models
from models.errors import ArchiveError
from models.weights import __main__ as command_line, files, layouts, normalisation, sources

import lasagne
import numpy as np
import pytest
import theano
from PIL import Image

from recipes.common import images
from recipes.common.command_line import run

FILES = Path(__file__).parents[2] / 'golden' / 'weight_files'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of weights of this test, which does not exist yet."""
    monkeypatch.setenv('ARCHIVE_WEIGHTS', str(tmp_path / 'weights'))
    return tmp_path / 'weights'


@pytest.fixture
def small_sources(monkeypatch):
    """Let vgg19 come from small files beside the tests."""
    def source(name, file, layout, wrong=False, **options):
        digest = '0' * 32 if wrong else sources.digests_of(FILES / file)['md5']
        return sources.Source(name, 'vgg19', file, (f'{FILES.as_uri()}/',), f'md5:{digest}', 1,
                              layout, 'CC0', **options)

    monkeypatch.setattr(sources, 'SOURCES', (
        source('changed', 'tiny.mat', 'matconvnet', wrong=True),
        source('keras', 'tiny_legacy.h5', 'keras'),
        source('keras-convolutions', 'narrow_legacy.h5', 'keras', convolutions_only=True),
        source('kept', 'tiny_recipes.pkl', 'recipes', is_gone=True)))


def output(capsys, *arguments):
    command_line.main([str(argument) for argument in arguments])
    return capsys.readouterr().out


def error(capsys, *arguments):
    """Return the one line that a command ends with, and its status."""
    with pytest.raises(SystemExit) as exit_:
        run(lambda: command_line.main([str(argument) for argument in arguments]))
    told = capsys.readouterr().err
    assert told.count('\n') == 1 and 'Traceback' not in told, told
    return told, exit_.value.code


def test_fetch_converts_verifies_and_is_found(capsys, folder, small_sources):
    told = output(capsys, 'fetch', 'vgg19', '--quiet')
    assert str(folder / 'vgg19.npz') in told
    assert not [path for path in folder.rglob('*') if path.suffix in ('.h5', '.mat', '.part')]
    assert [path.name for path in (folder / 'downloads').iterdir() if path.is_file()] == [
        'vgg19.lock']
    net, classes, _ = models.load('vgg19')
    assert net['fc6'].num_units == 64 and len(classes) == 5
    with files.WeightFile(folder / 'vgg19.npz', 'vgg19') as file:
        assert file.provenance()['source'] == 'keras'  # the first source has another hash
        assert file.provenance()['url'] == (FILES / 'tiny_legacy.h5').as_uri()
    assert 'is here' in output(capsys, 'fetch', 'vgg19')
    told = output(capsys, 'verify')
    assert '38 arrays' in told and 'tiny_legacy.h5' in told and 'vgg19_quarter' in told
    assert output(capsys, 'where', 'vgg19').strip() == str(folder / 'vgg19.npz')
    assert output(capsys, 'where').strip() == str(folder)
    assert 'here' in next(line for line in output(capsys, 'list').splitlines()
                          if line.startswith('vgg19 '))


FETCH = """
import sys
import models
from models.weights import __main__, sources
digest = sources.digests_of(sys.argv[1] + '/tiny_legacy.h5')['md5']
sources.SOURCES = (sources.Source('keras', 'vgg19', 'tiny_legacy.h5',
                                  ('file://' + sys.argv[1] + '/',), 'md5:' + digest, 1, 'keras',
                                  'CC0'),)
__main__.main(['fetch', 'vgg19'])
"""


def test_two_processes_fetch_and_convert_once(folder):
    both = [subprocess.Popen([sys.executable, '-c', FETCH, str(FILES)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert sorted('is here' in out for out, _ in outputs) == [False, True], outputs
    assert [path.name for path in folder.iterdir() if path.is_file()] == ['vgg19.npz']
    assert models.load('vgg19')[1][0] == 'class 0'


def test_a_cut_off_file_is_replaced_when_all_of_it_is_wanted(capsys, folder, small_sources):
    output(capsys, 'fetch', 'vgg19', '--convolutions-only', '--keep', '--quiet')
    assert list((folder / 'downloads').glob('*/narrow_legacy.h5'))
    assert models.load('vgg19', deepest='conv5_4')[0]['conv5_4'].num_filters == 32
    assert 'is here' in output(capsys, 'fetch', 'vgg19', '--convolutions-only')
    output(capsys, 'fetch', 'vgg19', '--quiet')
    assert 'fc8' in models.load('vgg19')[0]


def test_an_address_of_ones_own_must_give_a_known_file(capsys, folder, small_sources, tmp_path):
    address = (FILES / 'tiny_recipes.pkl').as_uri()
    output(capsys, 'fetch', 'vgg19', '--url', address, '--quiet')
    with files.WeightFile(folder / 'vgg19.npz', 'vgg19') as file:
        assert file.provenance()['source'] == 'kept' and file.provenance()['url'] == address
    told, status = error(capsys, 'fetch', 'vgg19', '--url', 'http://x/other.h5', '--force')
    assert status == 2 and '--from SOURCE' in told
    told, status = error(capsys, 'fetch', 'vgg19', '--from', 'keras', '--force', '--quiet', '--url',
                         (FILES / 'tiny.mat').as_uri())
    assert status == 2 and sources.digests_of(FILES / 'tiny.mat')['md5'] in told
    assert 'fc8' in models.load('vgg19')[0]  # what was there is there


def test_every_source_that_fails_is_named(capsys, folder, small_sources, monkeypatch):
    monkeypatch.setattr(sources, 'SOURCES', sources.SOURCES[:1])
    told, status = error(capsys, 'fetch', 'vgg19', '--quiet')
    assert status == 2 and '0' * 32 in told and 'Try again later' in told
    assert told.count('convert FILE --as vgg19') == 1
    assert not (folder / 'vgg19.npz').exists()


def test_the_embedded_weights_are_never_written_over(capsys, folder):
    own = files.EMBEDDED['vgg19_quarter']
    before = own.read_bytes()
    for more in ([], ['--force'], ['--force', '--out', own]):
        told, status = error(capsys, 'convert', own, '--as', 'vgg19_quarter', *more)
        assert status == 2 and 'comes with the archive' in told
    assert 'it comes with the archive' in output(capsys, 'fetch', 'vgg19_quarter')
    assert own.read_bytes() == before


def test_convert_says_what_it_took_the_file_for(capsys, folder, tmp_path):
    told = output(capsys, 'convert', FILES / 'tiny.pth', '--as', 'vgg19')
    assert 'read as oxford_pytorch' in told and sources.digests_of(FILES / 'tiny.pth')[
        'sha256'] in told
    told, status = error(capsys, 'convert', FILES / 'tiny.mat', '--as', 'vgg19')
    assert status == 2 and 'exists already' in told and '--force' in told
    told, status = error(capsys, 'convert', FILES / 'tiny.mat', '--as', 'vgg19', '--out',
                         tmp_path / 'm.pkl')
    assert status == 2 and 'written as .npz' in told and not (tmp_path / 'm.pkl').exists()
    output(capsys, 'convert', FILES / 'tiny.mat', '--as', 'vgg19', '--out', tmp_path / 'm.npz')
    output(capsys, 'convert', FILES / 'narrow.pth', '--as', 'vgg19', '--force', '--from',
           'oxford_pytorch')
    assert models.load('vgg19', deepest='conv1_1')[0]['conv1_1'].num_filters == 4


def test_weights_that_are_not_here_name_the_command(folder):
    with pytest.raises(ArchiveError, match='python -m models.weights fetch vgg19, 575 MB'):
        models.load('vgg19')
    with pytest.raises(ArchiveError, match='models.weights convert FILE --as all_cnn_c'):
        models.load('all_cnn_c')
    with pytest.raises(ArchiveError, match='models.weights convert .*tiny.pth --as vgg19'):
        models.load('vgg19', FILES / 'tiny.pth')


@pytest.fixture
def three_photos(tmp_path):
    place = tmp_path / 'photos'
    place.mkdir()
    random = np.random.RandomState(0)
    for name, shape in (('a.png', (40, 60)), ('b.png', (40, 60)), ('c.png', (50, 50))):
        small = Image.fromarray(random.randint(0, 255, (5, 5, 3), 'uint8'))
        small.resize(shape[::-1], Image.BICUBIC).save(place / name)
    return place


def test_normalise_writes_a_network_whose_means_are_one(capsys, folder, three_photos, tmp_path):
    output(capsys, 'convert', FILES / 'narrow.caffemodel', '--as', 'vgg19')
    (three_photos / 'broken.jpg').write_bytes(b'no photo')
    told, status = error(capsys, 'normalise', 'vgg19', '--photos', three_photos, '--size', 48,
                         '--quiet')
    assert status == 1 and 'broken.jpg' in told  # all others were used
    net, _, mean_pixel = models.load('vgg19_normalized')
    photos_ = [images.prepare(images.resize(images.read(three_photos / name), 48), mean_pixel)
               for name in ('a.png', 'b.png', 'c.png')]
    for mean in normalisation.activation_means(net, photos_).values():
        np.testing.assert_allclose(mean[mean > 0], 1, atol=1e-3)
    before, _, _ = models.load('vgg19', deepest='pool5')
    outputs = [theano.function([each['input'].input_var],
                               lasagne.layers.get_output(each['pool5']))(photos_[0])
               for each in (before, net)]
    means = [output.mean(axis=(0, 2, 3)) for output in outputs]
    fires = means[1] > 0
    scale = means[0] / np.where(fires, means[1], 1)
    assert fires.sum() > 10
    np.testing.assert_allclose((outputs[1] * scale[None, :, None, None])[:, fires],
                               outputs[0][:, fires], rtol=1e-3, atol=1e-2)
    with files.WeightFile(folder / 'vgg19_normalized.npz', 'vgg19_normalized') as file:
        provenance = file.provenance()
    assert provenance['pool'] == 'max' and provenance['photos'] == 3
    assert provenance['weights_sha256'] == files.sha256(folder / 'vgg19.npz')
    assert '32 arrays' in output(capsys, 'verify', 'vgg19_normalized')


def test_what_verify_finds_is_told(capsys, folder):
    output(capsys, 'convert', FILES / 'tiny.pth', '--as', 'vgg19')
    arrays = dict(np.load(folder / 'vgg19.npz'))
    provenance = json.loads(str(arrays['provenance']))
    arrays['fc7.W'][3, 4] += 1
    np.savez(folder / 'vgg19.npz', **arrays)
    told, status = error(capsys, 'verify')
    assert status == 2 and 'damaged at fc7.W' in told
    arrays['provenance'] = np.array(json.dumps({**provenance, 'arrays': {}}))
    np.savez(folder / 'vgg19.npz', **arrays)
    assert 'says nothing' in output(capsys, 'verify', 'vgg19')
    whole = (folder / 'vgg19.npz').read_bytes()
    (folder / 'vgg19.npz').write_bytes(whole[:-5000])
    assert error(capsys, 'verify', 'vgg19')[1] == 2


@pytest.mark.parametrize('arguments, words', [
    ([], ['COMMAND']),
    (['fetch', 'vgg91'], ['did you mean', 'vgg19']),
    (['fetch', 'vgg19', '--from', 'kerras'], ['no source of vgg19', 'did you mean keras']),
    (['fetch', 'all_cnn_c'], ['train it']),
    (['fetch', 'vgg19_quarter', '--force'], ['comes with the archive']),
    (['fetch', 'vgg19', '--from', 'recipes'], ['nowhere to fetch', 'vgg19.pkl', 'convert it']),
    (['fetch', 'vgg19_normalized', '--from', 'bethge'],
     ['no hash is known', 'bethgelab.org', 'convert it']),
    (['convert', 'x'], ['--as']),
    (['convert', 'nothing.pkl', '--as', 'vgg19'], ['no weight file nothing.pkl']),
    (['normalise', 'vgg19', '--photos', '.'], ['no picture']),
    (['normalise', 'squeezenet', '--photos', '{photo}'], ['no chain']),
    (['normalise', 'vgg19', '--photos', '{photo}'], ['fetch vgg19']),
    (['normalise', 'vgg19', '--photos', '{photo}', '--floor', '-1'], ['from 0 up']),
    (['verify', 'vgg19'], ['fetch vgg19']),
    (['where', 'vgg19'], ['fetch vgg19']),
])
def test_wrong_requests_are_one_line_and_status_2(capsys, folder, tmp_path, monkeypatch, arguments,
                                                  words):
    monkeypatch.chdir(tmp_path)
    places = {'photo': images.bundled_photo()}
    told, status = error(capsys, *[argument.format(**places) for argument in arguments])
    assert status == 2
    for word in words:
        assert word in told, told
    assert not folder.exists()


def test_it_runs_as_a_module(python, tmp_path):
    result = python('-m', 'models.weights', 'list', ARCHIVE_WEIGHTS=str(tmp_path))
    assert result.returncode == 0 and 'keras-applications' not in result.stdout, result.stderr
    assert 'vgg19_torchvision' in result.stdout and str(tmp_path) in result.stdout
    result = python('-m', 'models.weights', 'where', 'vgg19', ARCHIVE_WEIGHTS=str(tmp_path))
    assert result.returncode == 2 and result.stdout == ''
    assert result.stderr.startswith('python -m models.weights: error: the weights of vgg19')


def test_without_a_folder_of_ones_own_the_platforms_cache_is_taken(monkeypatch):
    monkeypatch.setattr('models.weights.files.platformdirs.user_cache_dir',
                        lambda name: f'/c/{name}')
    assert files.folder() == Path('/c/lasagne-archive/weights')


def test_the_table_of_sources_is_sound():
    seen = set()
    for source in sources.SOURCES:
        assert source.layout in layouts.LAYOUTS
        assert (source.network, source.name) not in seen
        seen.add((source.network, source.name))
        assert all(url.startswith('http') and url.endswith('/' + source.file)
                   for url in source.urls())
        if source.hash:
            algorithm, _, digits = source.hash.partition(':')
            length = {'md5': [32], 'sha1': [40], 'sha256': [8, 64]}[algorithm]
            assert len(digits) in length and not set(digits) - set('0123456789abcdef')
            if algorithm == 'sha256' and len(digits) == 8:
                assert f'-{digits}.pth' in source.file
    for network in ('vgg16', 'vgg19', 'vgg19_normalized', 'vgg16_torchvision', 'vgg19_torchvision',
                    'squeezenet', 'googlenet', 'caffenet', 'vgg_cnn_s'):
        assert any(source.can_be_fetched() for source in sources.of_network(network))


def test_known_files_are_known_by_their_hash(monkeypatch, small_sources):
    digests = sources.digests_of(FILES / 'tiny_recipes.pkl')
    assert sources.of_file(digests).name == 'kept'
    assert sources.of_file({**digests, 'md5': 'f' * 32}) is None
