"""Files that try more than to hold weights: refused by name, and nothing happens."""

import bz2
import io
import os
import pickle
import struct
import time
import zipfile
import zlib

from models.errors import ArchiveError
from models.weights import bounds, formats
from models.weights.formats import contents, pickles, pytorch

import numpy as np
import pytest

TOUCH = "import os; os.mkdir('canary')"


def text(module, name, *arguments):
    """Return a pickle of protocol 0 that calls module.name with strings."""
    strings = b''.join(b'V%s\n' % argument.encode('raw_unicode_escape') for argument in arguments)
    return b'c%s\n%s\n(%stR.' % (module.encode(), name.encode(), strings)


def of_today(module, name, *arguments):
    """Return a pickle of protocol 4 that calls module.name with strings."""
    def string(value):
        value = value.encode()
        return b'X' + struct.pack('<I', len(value)) + value

    return (b'\x80\x04' + string(module) + string(name) + b'\x93('
            + b''.join(map(string, arguments)) + b'tR.')


class Calls:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def chain():
    """Return a pickle in which one call makes what the next one calls."""
    import functools
    import operator

    inner = Calls(operator.attrgetter('system'), Calls(__import__, 'os'))
    return pickle.dumps(Calls(functools.partial, inner, 'mkdir canary'), 2)


def array(shape=(2,), kind=b'f4', data=b'12345678', call=b'numpy\nndarray'):
    """Return a Python 2 pickle of an array that says these things of itself."""
    data = data if isinstance(data, bytes) else data
    return (b'cnumpy.core.multiarray\n_reconstruct\n(c' + call + b'\n(I0\ntS\'b\'\ntR(I1\n'
            + pickle.dumps(shape, 0)[:-1] + b'cnumpy\ndtype\n(S\'' + kind + b'\'\nI0\nI1\ntR'
            + b'(I3\nS\'<\'\nNNNI-1\nI-1\nI0\ntbI00\n' + b'S' + repr(data)[1:].encode()
            + b'\ntb.')


PICKLES = {
    'os.system': (pickle.dumps(Calls(os.system, 'mkdir canary'), 2), 'posix.system'),
    'os.system, protocol 0': (text('os', 'system', 'mkdir canary'), 'os.system'),
    'os.system, protocol 4': (of_today('os', 'system', 'mkdir canary'), 'os.system'),
    'eval': (pickle.dumps(Calls(eval, "__import__('os').mkdir('canary')"), 2), '__builtin__.eval'),
    'exec': (of_today('builtins', 'exec', TOUCH), 'builtins.exec'),
    'import': (of_today('builtins', '__import__', 'antigravity'), 'builtins.__import__'),
    'getattr': (of_today('builtins', 'getattr', 'a', 'upper'), 'builtins.getattr'),
    'subprocess': (text('subprocess', 'Popen', 'mkdir canary'), 'subprocess.Popen'),
    'pty': (text('pty', 'spawn', 'mkdir'), 'pty.spawn'),
    'a chain of calls': (chain(), 'functools.partial'),
    'numpy runs strings': (text('numpy.testing._private.utils', 'runstring', TOUCH), 'runstring'),
    'numpy loads': (text('numpy', 'load', 'x.npy'), 'numpy.load'),
    'pickle loads': (text('pickle', 'loads', 'x'), 'pickle.loads'),
    'torch loads': (text('torch.storage', '_load_from_bytes', 'x'),
                    'torch.storage._load_from_bytes'),
    'a dotted name': (of_today('collections', 'OrderedDict.__init__.__globals__'),
                      'OrderedDict.__init__'),
    'a reconstructor': (text('copy_reg', '_reconstructor', 'x'), 'copy_reg._reconstructor'),
    'a model of torchvision': (text('torchvision.models.vgg', 'VGG'), 'model.state_dict()'),
    'arrays of Theano': (text('theano.sandbox.cuda.type', 'CudaNdarray_unpickler', 'x'),
                         'get_all_param_values'),
    'an old instance': (b"(S'mkdir canary'\nios\nsystem\n.", 'builds objects'),
    'an object': (b"(cos\nsystem\nS'mkdir canary'\no.", 'os.system'),
    'an object of an allowed class': (b'(ccollections\nOrderedDict\no.', 'builds objects'),
    'a new object': (b'\x80\x02ccollections\nOrderedDict\n)\x81.', 'builds objects'),
    'a registered extension': (b'\x80\x02\x82\x01.', 'builds objects'),
    'a persistent id': (b'\x80\x02U\x03x.yQ.', 'persistent id'),
    'a persistent id in text': (b'(Pmkdir canary\nl.', 'loads from outside'),
    'a call of a string': (b"(S'os.system'\n(S'x'\ntR.", 'a call of bytes'),
    'a call of ndarray': (b'cnumpy\nndarray\n(I9\ntR.', 'a call of numpy.ndarray'),
    'a changed function': (b'cnumpy\nndarray\n(dS\'a\'\nI1\nsb.', 'a changed'),
    'a changed dict': (b'((d(dS\'a\'\nI1\nsb.', 'a changed dict'),
    'an array larger than its bytes': (array((10 ** 9, 10 ** 9)), '(1000000000, 1000000000)'),
    'an array whose size overflows': (array((2 ** 32, 2 ** 32)), '4294967296'),
    'an array of negative size': (array((-2, -1)), '(-2, -1)'),
    'an array of 40 axes': (array((1,) * 40), 'shape'),
    'an array of objects': (array(kind=b'O8'), "'O8'"),
    'a structured type': (array(kind=b'i4,O8'), 'i4,O8'),
    'a type of millions of bytes': (array(kind=b'S99999999'), 'S99999999'),
    'text packed and packed': (text('_codecs', 'encode', 'x', 'zlib'), 'encoded as zlib'),
    'the same text a million times': (
        b'\x80\x02' + b'c_codecs\nencode\nq\x00X' + struct.pack('<I', 5000) + b'a' * 5000
        + b'q\x01X\x06\x00\x00\x00latin1q\x020(' + b'h\x00h\x01h\x02\x86R' * 10000 + b'l.',
        'unpacks to more'),
    'a text longer than the file': (b'\x80\x04\x8e' + struct.pack('<Q', 2 ** 62) + b'x.',
                                    '4611686018427387904 bytes'),
    'a frame longer than the file': (b'\x80\x04\x95' + struct.pack('<Q', 2 ** 40) + b'N.',
                                     '1099511627776 bytes'),
    'a number of a million digits': (b'(I' + b'9' * 10 ** 6 + b'\nl.', '1000000 digits'),
}


def in_zip(data, name='archive', compression=zipfile.ZIP_STORED, **more):
    """Return a zip as PyTorch writes it, with this data.pkl."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        archive.writestr(f'{name}/data.pkl', data)
        for path, content in more.items():
            archive.writestr(f'{name}/{path}', content)
    return buffer.getvalue()


def tensor(count=4, offset=0, shape=(4,), strides=(1,), kind=b'torch\nFloatStorage',
           first=b"V" + b'storage\n'):
    """Return PyTorch's pickle of {'a.weight': tensor}."""
    return (b"\x80\x02}X\x08\x00\x00\x00a.weightctorch._utils\n_rebuild_tensor_v2\n((" + first
            + b'c' + kind + b'\nV0\nVcpu\n' + b'I%d\ntQ' % count + b'I%d\n' % offset
            + pickle.dumps(shape, 0)[:-1] + pickle.dumps(strides, 0)[:-1]
            + b'I00\nNtRs.')


def legacy(parameters, machine=None, keys=None):
    """Return a file of PyTorch's older layout."""
    machine = machine or pickle.dumps({'little_endian': True}, 2)
    return (pytorch.LEGACY_START + pickle.dumps(1001, 2) + machine + parameters
            + (keys or pickle.dumps(['0'], 2)) + struct.pack('<Q', 4) + b'\0' * 16)


def overlapping():
    """Return a zip in which 50 names stand for one and the same data."""
    whole = bytearray(in_zip(tensor(), data0=b'\0' * 16))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('archive/data.pkl', tensor())
        archive.writestr('archive/data/0', bytes(10 ** 5))
        first = archive.infolist()[1]
        for index in range(1, 50):
            again = zipfile.ZipInfo(f'archive/data/{index}')
            for field in ('header_offset', 'file_size', 'compress_size', 'CRC', 'compress_type'):
                setattr(again, field, getattr(first, field))
            archive.filelist.append(again)
    assert len(whole) < len(buffer.getvalue())
    return buffer.getvalue()


STORE = {'data/0': b'\0' * 16}
PTHS = {
    'os.system in the zip': (in_zip(pickle.dumps(Calls(os.system, 'mkdir canary'), 2)), 'system'),
    'eval beside tensors': (in_zip(tensor()[:-2] + text('builtins', 'eval', TOUCH)[:-1] + b's.'),
                            'builtins.eval'),
    'os.system as a storage': (in_zip(tensor(kind=b'os\nsystem'), **STORE), 'os.system'),
    'an allowed function as a storage': (
        in_zip(tensor(kind=b'torch._utils\n_rebuild_parameter'), **STORE), 'unknown kind'),
    'a call of a storage': (in_zip(b'ctorch\nFloatStorage\n(I9\ntR.'), 'a call of a storage'),
    'a module as persistent id': (in_zip(tensor(first=b'Vmodule\n'), **STORE), "'module'"),
    'a tensor larger than its storage': (in_zip(tensor(shape=(10 ** 6, 10 ** 6)), **STORE),
                                         '(1000000, 1000000)'),
    'a tensor repeated by stride 0': (in_zip(tensor(shape=(10 ** 9,), strides=(0,)), **STORE),
                                      '(1000000000,)'),
    'a tensor beside its storage': (in_zip(tensor(offset=2), **STORE), 'smaller'),
    'a negative stride': (in_zip(tensor(strides=(-1,)), **STORE), '(-1,)'),
    'a storage of 2^60 elements': (in_zip(tensor(count=2 ** 60), **STORE), 'has 16 bytes'),
    'a storage that is not there': (in_zip(tensor()), 'archive/data/0 is missing'),
    'a compressed bomb': (in_zip(tensor(), compression=zipfile.ZIP_DEFLATED,
                                 **{'data/0': bytes(10 ** 6)}), 'claims more'),
    'compressed': (in_zip(tensor(), compression=zipfile.ZIP_DEFLATED, **{'data/0': os.urandom(99)}),
                   'is compressed'),
    'names over one another': (overlapping(), 'claims more'),
    'an archive in the archive': (in_zip(in_zip(tensor(), **STORE)), 'from outside'),
    'two archives in one': (in_zip(tensor(), **{'more/data.pkl': b'N.'}), 'more than once'),
    'a TorchScript program': (in_zip(b'N.', **{'code/__torch__.py': b'', 'constants.pkl': b''}),
                              'TorchScript'),
    'the other byte order': (in_zip(tensor(), byteorder=b'big', **STORE), 'byte order'),
    'a list': (in_zip(b']N.'), 'no parameters by name|broken'),
    'legacy: os.system among parameters': (legacy(text('os', 'system', 'mkdir canary')),
                                           'os.system'),
    'legacy: os.system as machine': (legacy(tensor(), text('os', 'system', 'mkdir canary')),
                                     'os.system'),
    'legacy: os.system among keys': (
        legacy(tensor(), keys=text('os', 'system', 'mkdir canary')), 'os.system'),
    'legacy: a storage of another size': (legacy(tensor(count=5)), 'has 16 bytes'),
    'legacy: a storage nobody asked for': (legacy(tensor(), keys=pickle.dumps(['x'], 2)),
                                           'no parameter has'),
    'legacy: 2^62 elements': (legacy(tensor(count=2 ** 62)), 'has 16 bytes'),
}


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Return a function that reads bytes as a file, and gives the one line that refuses them."""
    monkeypatch.chdir(tmp_path)

    def read(content, name='file'):
        (tmp_path / name).write_bytes(content)
        start = time.monotonic()
        with pytest.raises(ArchiveError) as problem:
            formats.read(tmp_path / name)
        assert time.monotonic() - start < 5
        assert [path.name for path in tmp_path.iterdir()] == [name]  # no canary
        assert '\n' not in str(problem.value) and str(tmp_path / name) in str(problem.value)
        assert len(str(problem.value)) < 600
        return str(problem.value)

    return read


@pytest.mark.parametrize('attack', PICKLES)
def test_hostile_pickles_are_refused_by_name(refused, attack):
    content, word = PICKLES[attack]
    told = refused(content)
    assert word in told, told


@pytest.mark.parametrize('attack', PTHS)
def test_hostile_pth_files_are_refused_by_name(refused, attack):
    content, words = PTHS[attack]
    told = refused(content)
    assert any(word in told for word in words.split('|')), told


@pytest.mark.parametrize('attack', [name for name in PICKLES if 'file' not in name])
def test_hostile_pickles_are_refused_in_a_pth(refused, attack):
    content, word = PICKLES[attack]
    told = refused(in_zip(content))
    assert word in told or 'persistent id' in told, told


def test_the_attacks_would_work_without_the_list(tmp_path, monkeypatch):
    """Else the tests above would prove nothing: Python's own unpickler obeys."""
    monkeypatch.chdir(tmp_path)
    for attack in ('os.system', 'os.system, protocol 0', 'eval', 'exec', 'an old instance',
                   'os.system, protocol 4'):
        pickle.loads(PICKLES[attack][0])
        assert (tmp_path / 'canary').is_dir(), attack
        (tmp_path / 'canary').rmdir()


def test_a_memo_index_of_two_billion_takes_no_memory(refused, python, tmp_path):
    """Python's fast unpickler would take 32 GB for it."""
    content = b'\x80\x02]r' + struct.pack('<I', 2 ** 31 - 1) + b'.'
    (tmp_path / 'memo.pkl').write_bytes(content)
    run = python('-c', 'import models, resource, sys\n'
                       'from models.weights import formats\n'
                       'resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))\n'
                       'print(formats.read(sys.argv[1]).arrays)\n', tmp_path / 'memo.pkl')
    assert run.returncode == 0 and 'OrderedDict()' in run.stdout, run.stderr


def test_a_packed_file_that_unpacks_for_ever_is_refused(refused):
    assert 'unpacks to more' in refused(bz2.compress(bytes(1 << 26)))
    assert 'unpacks to more' in refused(bz2.compress(bytes(1 << 20)) * 64)
    assert 'os.system' in refused(bz2.compress(text('os', 'system', 'mkdir canary')))


def test_a_mat_file_that_unpacks_for_ever_is_refused(refused):
    packed = zlib.compress(bytes(1 << 26), 9)
    head = b'MATLAB 5.0 MAT-file'.ljust(124) + b'\x00\x01IM'
    told = refused(head + struct.pack('<II', 15, len(packed)) + packed)
    assert 'refused' in told and 'unpack' in told


def test_hdf5_files_that_point_elsewhere_or_claim_much_are_refused(refused, tmp_path):
    import h5py

    def content(fill):
        buffer = io.BytesIO()
        with h5py.File(buffer, 'w') as file:
            file.attrs['layer_names'] = [b'block1_conv1']
            group = file.create_group('block1_conv1')
            group.attrs['weight_names'] = [b'kernel']
            fill(group)
        return buffer.getvalue()

    told = refused(content(lambda group: group.create_dataset(
        'kernel', (10 ** 5, 10 ** 5), 'f4', chunks=(1000, 1000))))
    assert 'claims (100000, 100000)' in told
    told = refused(content(lambda group: group.create_dataset(
        'kernel', (4,), 'f4', external=[('/etc/passwd', 0, 16)])))
    assert 'other files' in told
    told = refused(content(lambda group: group.__setitem__(
        'kernel', h5py.SoftLink('/block1_conv1'))))
    assert 'other files or places' in told


@pytest.mark.parametrize('blob, word', [
    (lambda message: message((7, message((1, 10 ** 9), (1, 10 ** 9))), (5, bytes(16))),
     '1000000000'),
    (lambda message: message((7, message((1, 2 ** 63), (1, 2))), (5, bytes(16))), 'blob of shape'),
    (lambda message: message((7, message((1, 2 ** 64 - 1))), (5, bytes(4))), 'blob of shape'),
    (lambda message: message((5, bytes(15))), 'ends within a number'),
    (lambda message: message(*[(1, 1)] * 5, (7, message(*[(1, 1)] * 40)), (5, bytes(4))),
     'more than 32 dimensions'),
    (lambda message: b'\x2a\xff\xff\xff\xff\x0f1234', 'beyond'),
    (lambda message: b'\x2a' + b'\xff' * 11, 'more than 64 bits'),
    (lambda message: b'\x2b1234', 'wire type 3'),
])
def test_lying_caffemodels_are_errors(refused, message, blob, word):
    layer = message((1, b'conv1_1'), (7, blob(message)))
    told = refused(message((1, b'VGG'), (100, layer)))
    assert word in told, told


def test_lying_safetensors_are_errors(refused):
    for header in (b'{"a.weight":{"dtype":"F32","shape":[99999,99999],"data_offsets":[0,16]}}',
                   b'{"a.weight":{"dtype":"F32","shape":[4],"data_offsets":[0,99999]}}',
                   b'{"a.weight":{"dtype":"XX","shape":[4],"data_offsets":[0,16]}}'):
        told = refused(struct.pack('<Q', len(header)) + header + bytes(16))
        assert 'broken' in told or 'XX' in told, told


def test_what_honest_files_need_is_on_the_list(tmp_path):
    """Arrays and numbers as each protocol of Python 3 and each order of bytes writes them."""
    values = [np.arange(6, dtype='>f4').reshape(2, 3), np.asfortranarray(np.eye(3, 2)),
              np.float32(7).reshape(()), np.array([], 'float32')]
    for protocol in range(6):
        (tmp_path / 'p.pkl').write_bytes(pickle.dumps(values, protocol))
        found = formats.read(tmp_path / 'p.pkl').arrays.values()
        for array_, value in zip(found, values):
            np.testing.assert_array_equal(array_, value)
    (tmp_path / 'p.pkl').write_bytes(pickle.dumps(values, 2))
    with open(tmp_path / 'p.pkl', 'rb') as file:
        assert pickles.load(file, 'x', 10 ** 6)[0].array.dtype == '>f4'


@pytest.mark.parametrize('tree, words', [
    ({'x' * 10 ** 6: {str(index): np.ones(2) for index in range(100)}}, 'a name unpacks to'),
    ({'x': [[np.ones(1)] * 1000] * 300}, 'more than 200000 parts'),
    ({str(index): {'x': 1} for index in range(100001)}, 'more than 200000 parts')])
def test_what_stands_in_dicts_and_lists_is_counted(tree, words):
    """A name is as long as all keys above it, so that a small file could have many long ones."""
    with pytest.raises(ArchiveError, match=f'w.pkl was refused: .*{words}'):
        contents.from_tree('named', tree, bounds.Budget('w.pkl', 1000))


@pytest.mark.parametrize('save', [np.save, lambda path, array: np.savez(path, array)])
def test_arrays_of_objects_have_two_axes_at_most(tmp_path, save):
    """As lists, each of 32 axes would make a list of every object."""
    file = tmp_path / ('w.npy' if save is np.save else 'w.npz')
    save(file, np.array([{'a': 1}], object).reshape((1,) * 32))
    with pytest.raises(ArchiveError, match='was refused.* objects'):
        formats.read(file)


def test_npy_headers_are_those_of_numpy(tmp_path):
    """numpy's own reader evaluates them, and makes room for what they claim."""
    np.save(tmp_path / 'w.npy', np.ones((2, 3), 'f4'))
    whole = (tmp_path / 'w.npy').read_bytes()
    for old, new, words in ((b'(2, 3)', b'(9, 9)', 'claims'), (b"'<f4'", b"'m8' ", 'no array of'),
                            (b'(2, 3)', b'(2,[])', 'no array of')):
        (tmp_path / 'w.npy').write_bytes(whole.replace(old, new))
        with pytest.raises(ArchiveError, match=words):
            formats.read(tmp_path / 'w.npy')
