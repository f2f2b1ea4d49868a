"""The archive's own readers of `.mat` and `.npz` against scipy's and numpy's."""

import io
import signal

from models.errors import ArchiveError
from models.weights import bounds, npz
from models.weights.formats import hdf5, matlab, recipes_pickles

import h5py
import numpy as np
import pytest
import scipy.io


def budget(path):
    return bounds.Budget(path, path.stat().st_size)


def require_equal(found, expected):
    """Compare a value of matlab.read with one of scipy.io.loadmat."""
    if expected.dtype.names:
        assert len(found) == expected.size
        for one, struct in zip(found, expected.ravel('F')):
            assert list(one) == list(expected.dtype.names)
            for name in one:
                require_equal(one[name], struct[name])
    elif expected.dtype == object:
        for one, cell in zip(found, expected.ravel('F')):
            require_equal(one, cell)
    elif expected.dtype.kind == 'U':
        assert found == (expected.item() if expected.size else '')
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('packed', [False, True])
def test_mat_files_are_read_as_scipy_reads_them(tmp_path, packed):
    random = np.random.RandomState(0)
    cells = np.empty((2, 3), object)
    for place in np.ndindex(2, 3):
        cells[place] = random.normal(size=place).astype('f4') if place[0] else 'naïve'
    struct = np.zeros((1, 2), [('name', object), ('weights', object)])
    struct[0, 0] = 'conv1_1', cells
    struct[0, 1] = '', np.ones((1, 2, 3, 4), 'f4')
    saved = {'layers': cells, 'meta': {'a': struct, 'b': 1.5, 'c': 'text'},
             'empty': np.ones((0, 3))}
    for kind in ('f4', 'f8', 'u1', 'i1', 'i2', 'u2', 'i4', 'u4', 'i8', 'u8'):
        saved[kind] = random.randint(0, 100, (2, 3, 2)).astype(kind)
    scipy.io.savemat(tmp_path / 'a.mat', saved, do_compression=packed)
    found = matlab.read(tmp_path / 'a.mat', budget(tmp_path / 'a.mat'))
    assert set(found) == set(saved)
    for name, value in scipy.io.loadmat(tmp_path / 'a.mat').items():
        if not name.startswith('__'):
            require_equal(found[name], value)


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz_files_are_read_as_numpy_reads_them(tmp_path, save):
    arrays = {f'{kind}{shape}': np.arange(np.prod(shape, dtype=int)).astype(kind).reshape(shape)
              for kind in ('<f4', '>f8', 'f2', 'u1', '<i8', '?', 'S5', '<U3')
              for shape in ((), (3,), (0, 2), (2, 3, 4))}
    arrays['by columns'] = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    arrays['large'] = np.arange(700_000.0)  # larger than what is read at once
    save(tmp_path / 'a.npz', **arrays)
    with npz.Arrays(tmp_path / 'a.npz', budget(tmp_path / 'a.npz')) as file:
        assert file.files == list(arrays)
        for key, array in arrays.items():
            assert file[key].dtype == array.dtype
            np.testing.assert_array_equal(file[key], array)


def test_hdf5_files_are_read_as_h5py_reads_them(tmp_path):
    random, arrays = np.random.RandomState(0), {}
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file.attrs['names'] = [b'a', b'b']
        group = file.create_group('group')
        group.attrs['text'], group.attrs['none'] = 'naïve', np.array([], 'S1')
        for kind in ('<f4', '>f4', '<f2', '>i8', 'u1'):
            for shape in ((), (0, 2), (2, 3, 4), (300_000,)):
                name = f'{kind} {shape}'
                arrays[name] = np.asarray(random.randint(0, 100, shape), kind)
                group.create_dataset(name, data=arrays[name])
        arrays['packed'] = random.normal(size=(300, 400))
        group.create_dataset('packed', data=arrays['packed'], chunks=(30, 40), compression='gzip')
    with hdf5.File(tmp_path / 'a.h5', budget(tmp_path / 'a.h5')) as file:
        assert file.root.attrs == {'names': ['a', 'b']}
        assert file.root['group'].attrs == {'text': 'naïve', 'none': []}
        assert set(file.root['group']) == set(arrays)
        for name, array in arrays.items():
            found = file.root['group'][name].read()
            assert found.dtype == array.dtype
            np.testing.assert_array_equal(found, array)


def test_a_reader_of_hdf5_that_dies_is_told(tmp_path):
    """As it would when the library crashed: the file is broken, and this process goes on."""
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file['a'] = np.ones(3)
    with hdf5.File(tmp_path / 'a.h5', budget(tmp_path / 'a.h5')) as file:
        file.process.send_signal(signal.SIGSEGV)
        file.process.wait()
        with pytest.raises(ArchiveError, match='ended with status -11'), bounds.guarded('a'):
            file.root['a'].read()


def test_a_bz2_may_have_several_streams(tmp_path):
    content = np.random.RandomState(0).bytes(3_000_000)
    packed = b''.join(recipes_pickles.bz2.compress(content[start:start + 900_000])
                      for start in range(0, len(content), 900_000))
    paid = bounds.Budget('file', len(packed))
    assert b''.join(recipes_pickles._unpacked(io.BytesIO(packed), paid)) == content
    with pytest.raises(EOFError):
        b''.join(recipes_pickles._unpacked(io.BytesIO(packed[:-9]), paid))


def test_a_budget_counts_the_sum():
    paid = bounds.Budget('file', 100 << 20, needed=500 << 20)
    assert paid.bytes == (500 << 20) + bounds.SPARE
    for _ in range(5):
        paid.take_bytes(100 << 20)
    with pytest.raises(bounds.Refused, match='file was refused: x unpacks to more than'):
        paid.take_bytes(100 << 20, 'x')
    assert bounds.Budget('file', 10, 10 ** 9).bytes < bounds.SPARE + 1000
    assert bounds.Budget('file', 10 ** 9, 10).bytes == 2 * 10 ** 9 + bounds.SPARE
    paid.take_parts(bounds.PARTS)
    with pytest.raises(bounds.Refused, match='parts'):
        paid.take_parts()


def test_the_door_keeps_the_cause_and_lets_ctrl_c_through():
    for problem, told in ((KeyError('x'), "file is broken: KeyError 'x'"),
                          (RecursionError('it goes too deep'), 'file is broken: it goes too deep'),
                          (MemoryError(), 'more memory than there is'),
                          (PermissionError(13, 'no right', 'file'), 'cannot read file: no right')):
        with pytest.raises(ArchiveError, match=told) as found, bounds.guarded('file'):
            raise problem
        assert found.value.__cause__ is problem
    with pytest.raises(KeyboardInterrupt), bounds.guarded('file'):
        raise KeyboardInterrupt
    with pytest.raises(ArchiveError, match='^as it was$'), bounds.guarded('file'):
        raise ArchiveError('as it was')
