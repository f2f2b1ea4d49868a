"""What happens when Theano starts: BLAS, compiler, flags, and the errors that tell what to do."""

import os
import stat

import models  # noqa: F401
from models.errors import CannotRun
from models.runtime import start

import numpy as np
import pytest
import scipy_openblas32
import theano


def assert_one_line(run, *words):
    """Assert exit status 2 and one line on stderr that has these words, and no traceback."""
    assert run.returncode == 2, run.stderr
    assert run.stderr.count('\n') == 1 and 'Traceback' not in run.stderr, run.stderr
    for word in words:
        assert word in run.stderr


def script(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path


def test_import_is_silent(python):
    run = python('-c', 'import models')
    assert (run.returncode, run.stdout, run.stderr) == (0, '', '')


@pytest.mark.parametrize('flags, linked', [('', True), (',blas__ldflags=', False)])
def test_products_go_through_the_linked_openblas(python, tmp_path, flags, linked):
    code = ('import models, theano, theano.tensor as T\n'
            'x = T.matrix()\n'
            'print(theano.function([x], T.dot(x, x))([[3.]]))')
    run = python('-c', code, THEANO_FLAGS=f'base_compiledir={tmp_path}{flags}')
    assert run.stdout == '[[9.]]\n', run.stderr
    compiled = [path.read_bytes() for path in tmp_path.rglob('*.so')]
    assert any(b'scipy_sgemm_' in code for code in compiled) == linked


def test_openblas_uses_all_cores(python):
    code = 'import models; from models.runtime import start; print(start.blas_threads())'
    cores = len(os.sched_getaffinity(0))
    environment = {name: '' for name in ('OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS')}
    assert int(python('-c', code, **environment).stdout) == cores
    assert int(python('-c', code, OPENBLAS_NUM_THREADS='1').stdout) == 1


@pytest.mark.parametrize('name', ['my programs', 'a,b', "it's", 'a "b"', 'a\\b'])
def test_an_odd_library_folder_is_linked_through_a_plain_one(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.symlink_to(scipy_openblas32.get_lib_dir())
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.setattr(scipy_openblas32, 'get_lib_dir', lambda: str(folder))
    library = start.openblas_link_arguments()[0][2:]
    assert not set(library) & set(' ,\'"\\')
    assert os.path.samefile(library, folder)
    monkeypatch.setenv('HOME', str(tmp_path / 'a home'))
    with pytest.raises(CannotRun, match='spaces, commas or quotes'):
        start.openblas_link_arguments()


def test_networks_are_float32_by_default():
    assert theano.config.floatX == 'float32'


@pytest.mark.parametrize('environment', [
    {'THEANO_FLAGS': 'floatX=float64,blas__ldflags='},
    {'THEANORC': '{rc}'},
])
def test_the_users_flags_win(python, tmp_path, environment):
    rc = tmp_path / 'theanorc'
    rc.write_text('[global]\nfloatX = float64\n[blas]\nldflags =\n')
    environment = {name: value.format(rc=rc) for name, value in environment.items()}
    run = python('-c', 'import models, theano, os; '
                       'print(theano.config.floatX, theano.config.blas__ldflags == "", '
                       'os.environ.get("THEANO_FLAGS"))', **environment)
    flags_after = {**os.environ, **environment}.get('THEANO_FLAGS')
    assert run.stdout == f'float64 True {flags_after}\n', run.stderr


THEANO_ALONE = pytest.mark.skipif(
    tuple(map(int, np.__version__.split('.')[:2])) >= (1, 24),
    reason='with this numpy Theano cannot be imported before the archive has given names back')


@THEANO_ALONE
def test_theano_imported_first_gets_the_flags_too(python):
    run = python('-c', 'import theano, models; '
                       'print(theano.config.floatX, theano.config.openmp)',
                 THEANO_FLAGS='blas__ldflags=')
    assert run.stdout == 'float32 True\n', run.stderr


@THEANO_ALONE
def test_theano_imported_first_without_a_compiler_is_an_error(python):
    run = python('-c', 'import theano, models', THEANO_FLAGS='blas__ldflags=-lm,cxx=')
    assert_one_line(run, 'import models', 'cxx')


def test_an_import_of_theano_that_failed_before_does_no_harm(python):
    code = ('try:\n    import theano\nexcept (AttributeError, ImportError):\n    print("failed")\n'
            'import models, theano\nprint(theano.config.floatX)')
    run = python('-c', code, THEANO_FLAGS='')
    assert run.stdout == 'failed\nfloat32\n', run.stderr


def test_no_compiler_is_an_error_that_says_how_to_get_one(python, tmp_path):
    assert_one_line(python('-c', 'import models', PATH=str(tmp_path)), 'g++', 'apt-get install')


def test_switching_the_compiler_off_is_an_error(python):
    assert_one_line(python('-c', 'import models', THEANO_FLAGS='cxx='), "cxx=''")


def test_a_compiler_that_does_not_work_is_an_error_with_its_complaint(python, tmp_path):
    script(tmp_path / 'g++', '#!/bin/sh\ncase "$*" in\n'
           '*trial*) echo "trial.cpp:1: fatal error: Python.h: No such file" >&2; exit 1;;\n'
           '*) exec /usr/bin/env -u NOTHING ' + str(_gxx()) + ' "$@";;\nesac\n')
    run = python('-c', 'import models', PATH=f'{tmp_path}:{os.environ["PATH"]}',
                 THEANO_FLAGS=f'base_compiledir={tmp_path}/cache')
    assert_one_line(run, 'Python.h', 'python3-dev')


def _gxx():
    import shutil
    return shutil.which('g++')


def test_a_compiler_on_a_full_disk_is_not_called_broken(python, tmp_path):
    broken = script(tmp_path / 'g++', '#!/bin/sh\ncase "$*" in\n'
                    '*trial*) echo "error: /tmp/a.s: No space left on device" >&2; exit 1;;\n'
                    'esac\nexec /usr/bin/g++ "$@"\n')
    run = python('-c', 'import models', THEANO_FLAGS=f'cxx={broken},base_compiledir={tmp_path}')
    assert_one_line(run, 'the disk is full; make room')
    assert 'install' not in run.stderr


@pytest.mark.parametrize('threads, words', [
    ('abc', "OMP_NUM_THREADS is 'abc'"), ('0', 'whole number from 1 up'), ('-2', 'unset it'),
    ('2,', 'OMP_NUM_THREADS'), ('1.5', 'OMP_NUM_THREADS')])
def test_an_impossible_number_of_threads_is_an_error(monkeypatch, threads, words):
    monkeypatch.setenv('OMP_NUM_THREADS', threads)
    with pytest.raises(CannotRun, match=words):
        start.check_environment()


@pytest.mark.parametrize('threads, kept', [('', ''), ('2', '2'), (' 3 ', '3'), ('4,2', '4')])
def test_a_possible_number_of_threads_is_taken(monkeypatch, threads, kept):
    monkeypatch.setenv('OMP_NUM_THREADS', threads)
    start.check_environment()
    assert os.environ['OMP_NUM_THREADS'] == kept


def test_threads_that_cannot_be_are_one_line(python):
    assert_one_line(python('-c', 'import models', OMP_NUM_THREADS='abc'), 'OMP_NUM_THREADS')


def test_python_without_documentation_is_an_error(python):
    assert_one_line(python('-OO', '-c', 'import models'), '-OO', 'run it without')


def test_warnings_that_are_errors_do_not_stop_theano(python):
    code = ('import models, theano, theano.tensor as T, numpy as np\n'
            "x = T.tensor4()\nnet, _, _ = models.load('vgg19_quarter', deepest='conv1_1')\n"
            'import lasagne\n'
            "y = lasagne.layers.get_output(net['conv1_1'], x)\n"
            "print(theano.function([x], y.sum() * 0)(np.zeros((1, 3, 8, 8), 'float32')))\n")
    run = python('-W', 'error', '-c', code)
    assert (run.returncode, run.stdout, run.stderr) == (0, '0.0\n', '')


def test_an_unwritable_compile_directory_is_an_error(python):
    run = python('-c', 'import models', THEANO_FLAGS='base_compiledir=/dev/null/theano')
    assert_one_line(run, 'base_compiledir=FOLDER')


def test_another_lasagne_is_an_error(python, tmp_path):
    information = tmp_path / 'Lasagne-0.2.dev1.dist-info'
    information.mkdir()
    (information / 'METADATA').write_text('Metadata-Version: 2.1\nName: Lasagne\n'
                                          'Version: 0.2.dev1\n')
    run = python('-c', f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import models')
    assert_one_line(run, 'Lasagne 0.1', '0.2.dev1', 'pip install')


def test_an_importing_program_can_catch_the_error(python, tmp_path):
    code = ('try:\n    import models\n'
            'except ImportError as problem:\n    print("caught", type(problem).__name__)')
    run = python('-c', code, PATH=str(tmp_path))
    assert run.stdout == 'caught CannotRun\n', run.stderr


def test_freed_memory_is_kept(python):
    code = ('import models, numpy, resource\n'
            'def faults():\n'
            '    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n'
            '    numpy.ones(8_000_000)\n'  # 64 MB are 15,625 pages of 4 kB
            '    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n'
            'print(faults(), faults())')
    first, second = map(int, python('-c', code).stdout.split())
    assert second < max(first, 1000) / 10


@pytest.mark.parametrize('name, ours', [('OMP_WAIT_POLICY', 'passive'),
                                        ('OPENBLAS_THREAD_TIMEOUT', '4')])
def test_idle_threads_sleep_unless_the_user_says_otherwise(python, name, ours):
    code = f'import os, models; print(os.environ[{name!r}])'
    assert python('-c', f'import os; os.environ.pop({name!r}, None); {code}').stdout.strip() == ours
    assert python('-c', code, **{name: '5'}).stdout.strip() == '5'


def test_another_numpy_is_an_error(monkeypatch):
    monkeypatch.setattr(start, 'installed_version', lambda name: '2.2.6')
    with pytest.raises(CannotRun, match="found 2.2.6; run `pip install 'numpy>=1.22.4,<2'`"):
        start.check_versions()


def test_names_that_numpy_has_dropped_are_there_again():
    assert (np.bool, np.int, np.complex, np.object) == (bool, int, complex, object)
