"""What is wrong with the user's own Theano settings is told with file, option and value."""

import models  # noqa: F401
from models.errors import CannotRun
from models.runtime import settings

import pytest


def assert_one_line(run, *words):
    """Assert exit status 2 and one line on stderr that has these words."""
    assert run.returncode == 2 and run.stderr.count('\n') == 1, run.stderr
    assert all(word in run.stderr for word in words), run.stderr


@pytest.fixture
def theanorc(tmp_path, monkeypatch):
    """Return a function that writes a `.theanorc` and makes it the user's; gives its path."""
    monkeypatch.setenv('THEANO_FLAGS', '')

    def write(content):
        path = tmp_path / 'theanorc'
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.setenv('THEANORC', str(path))
        return path

    return write


def complaint(options=()):
    """The archive's error on the user's settings; options are those of Theano."""
    with pytest.raises(CannotRun) as problem:
        found = settings.settings_of_the_user()
        settings.check_before_import(found)
        settings.check_after_import(found, options)
    line = str(problem.value)
    assert '\n' not in line
    return line


@pytest.mark.parametrize('content, words', [
    ('floatX = float32\n[global]\n', ["line 1: 'floatX = float32'", '[global] above it']),
    ('[global]\nfloatX = float32\n\nfloatx = float64\n', ['line 4: [global] floatx', 'twice']),
    ('[global]\n[blas]\n[global]\n', ['line 3: the section [global]', 'twice']),
    ('[global]\nfloatX float32\n', ["line 2: 'floatX float32", 'name = value']),
    ('\ufeff[global]\n', ['byte order mark', 'UTF-8']),
    ('[global]\n# für die Arbeit\n'.encode('latin-1'), ['line 2', 'UTF-8']),
])
def test_a_file_that_cannot_be_read_is_told_with_its_line(theanorc, content, words):
    path = theanorc(content)
    line = complaint()
    assert line.startswith(str(path))
    for word in words:
        assert word in line


@pytest.mark.parametrize('option, value', [
    ('device', 'gpu'), ('device', 'gpu0'), ('device', 'cuda1'), ('init_gpu_device', 'cuda'),
    ('mode', 'ProfileMode'), ('mode', 'FAST_COMPILE'), ('mode', 'DebugMode'), ('linker', 'py'),
    ('linker', 'c'), ('optimizer', 'None'), ('optimizer', 'merge'), ('floatX', 'float16'),
    ('compute_test_value', 'raise'), ('check_stack_trace', 'raise')])
def test_what_the_archive_cannot_run_is_told(theanorc, monkeypatch, option, value):
    path = theanorc(f'[global]\n{option} = {value}\n')
    assert complaint().startswith(f"{path}: [global] {option.lower()} = '{value}': ")
    theanorc('')
    monkeypatch.setenv('THEANO_FLAGS', f'{option}={value}')
    assert complaint().startswith(f"THEANO_FLAGS: {option} = '{value}': ")


@pytest.mark.parametrize('flags', [
    'device=cpu,mode=FAST_RUN,linker=c|py,optimizer=fast_compile,floatX=float64',
    'mode=NanGuardMode,compute_test_value=warn,linker=cvm', ''])
def test_what_runs_is_let_through(theanorc, monkeypatch, flags):
    theanorc('[nvcc]\nfastmath = True  # this Theano has no such option\n')
    monkeypatch.setenv('THEANO_FLAGS', flags)
    found = settings.settings_of_the_user()
    settings.check_before_import(found)
    settings.check_after_import(found, ['mode', 'device'])
    assert len(found) == flags.count('=') + 1


def test_a_comment_behind_a_value_is_told(theanorc):
    path = theanorc('[blas]\nldflags = -lopenblas  ; fast\n')
    line = complaint(['blas__ldflags'])
    assert line.startswith(f"{path}: [blas] ldflags = '-lopenblas  ; fast': a comment")


def test_an_open_quotation_mark_is_told(theanorc, monkeypatch):
    theanorc('')
    monkeypatch.setenv('THEANO_FLAGS', "floatX=float32,cxx='g++")
    assert complaint().startswith('THEANO_FLAGS cannot be read (No closing quotation)')


def test_flags_go_there_and_back(monkeypatch):
    options = {'blas__ldflags': "-L'/a b' -Wl,-rpath,/c", 'cxx': '', 'floatX': 'float32'}
    monkeypatch.setenv('THEANO_FLAGS', settings.written(options))
    assert settings.user_flags() == options
    monkeypatch.setenv('THEANO_FLAGS', r'blas.ldflags=-Wl\,-x,lib.cnmem=1,device')
    assert settings.user_flags() == {'blas__ldflags': '-Wl,-x', 'lib__cnmem': '1'}


@pytest.mark.parametrize('content, words', [
    ('[global]\nfloatX = float23\n', ["floatx = 'float23'", 'correct or remove']),
    ('[global]\nopenmp = True  # all cores\n', ["openmp = 'True  # all cores'", 'comment']),
    ('[compile]\nwait = soon\n', ["[compile] wait = 'soon'", 'correct or remove']),
    ('[blas]\nldflags = -lno_such_library\n', ["ldflags = '-lno_such_library'", 'remove it']),
    ('[blas]\nldflags = -lm\n', ["ldflags = '-lm'", 'sgemm_', 'remove it']),
    ('[gcc]\ncxxflags = -no-such-flag\n', ["cxxflags = '-no-such-flag'", 'remove it']),
    ('[global]\ncxx = /no/such/compiler\n', ["cxx = '/no/such/compiler'", 'remove it']),
])
def test_a_value_that_does_not_work_is_told(python, theanorc, tmp_path, content, words):
    path = theanorc(content)
    run = python('-c', 'import models', THEANO_FLAGS=f'base_compiledir={tmp_path}')
    assert_one_line(run, str(path), *words)


def test_an_old_graphics_card_is_told(python):
    run = python('-c', 'import models', THEANO_FLAGS='mode=FAST_RUN,device=gpu,floatX=float32')
    assert_one_line(run, "THEANO_FLAGS: device = 'gpu'", 'remove it')
