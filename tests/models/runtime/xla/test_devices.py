"""A device that is asked for is used, or one line says why not, and what to do."""

import sys
import time

from models.errors import CannotRun
from models.runtime.xla import devices

import numpy as np
import pytest
import theano
import theano.tensor as T

DRIVER = "Unable to initialize backend 'cuda': INTERNAL: no supported devices found for CUDA"


def assert_one_line(run, *words):
    assert run.returncode == 2, run.stderr
    assert run.stderr.count('\n') == 1 and 'Traceback' not in run.stderr, run.stderr
    for word in words:
        assert word in run.stderr


@pytest.fixture
def stub(tmp_path, python):
    """Return a function that imports the archive beside a JAX that finds what is said."""

    def run(devices_found, plugin=True, name='gpu'):
        (tmp_path / 'jax.py').write_text(
            f"__version__ = '0.7.1'\ndef devices(platform):\n    {devices_found}\n")
        if plugin:
            information = tmp_path / 'jax_cuda12_plugin-0.7.1.dist-info'
            information.mkdir()
            (information / 'METADATA').write_text('Metadata-Version: 2.1\nVersion: 0.7.1\n'
                                                  'Name: jax-cuda12-plugin\n')
        code = f'import sys; sys.path.insert(0, {str(tmp_path)!r}); import models'
        return python('-c', code, ARCHIVE_DEVICE=name, JAX_PLATFORMS='')

    return run


@pytest.mark.parametrize('name', ['tpu', 'gpu:x', 'GPU', 'cuda0'])
def test_another_name_is_told(python, name):
    assert_one_line(python('-c', 'import models', ARCHIVE_DEVICE=name), repr(name), 'xla-cpu')


def test_no_jax_is_told(python):
    run = python('-c', "import sys; sys.modules['jax'] = None; import models", ARCHIVE_DEVICE='gpu')
    assert_one_line(run, 'device gpu needs JAX', "pip install -e '.[cuda12]'")


def test_a_jax_without_cuda_is_told(python):
    jax = pytest.importorskip('jax')
    if any(device.platform == 'gpu' for device in jax.devices()):
        pytest.skip('there is a GPU')
    run = python('-c', 'import models', ARCHIVE_DEVICE='gpu', JAX_PLATFORMS='')
    assert_one_line(run, 'without CUDA', "pip install -e '.[cuda12]'")


def test_a_driver_that_jax_refuses_is_told(stub):
    assert_one_line(stub(f'raise RuntimeError({DRIVER!r})'), 'cannot use the driver', 'nvidia-smi',
                    'no supported devices')


def test_a_gpu_that_is_not_there_is_told(stub):
    assert_one_line(stub('return [object()]', name='gpu:1'), 'finds 1 of this kind')


def test_a_jax_that_cannot_be_imported_is_told(stub):
    assert_one_line(stub('pass\nraise RuntimeError("jaxlib is too old")'), 'jaxlib is too old')


def test_a_setting_that_is_for_the_cpu_is_told(python):
    pytest.importorskip('jax')
    run = python('-c', 'import models', ARCHIVE_DEVICE='xla-cpu', THEANO_FLAGS='mode=NanGuardMode')
    assert_one_line(run, 'NanGuardMode', 'xla-cpu')


def test_the_environment_decides(python):
    pytest.importorskip('jax')
    code = ('import models, theano\nfrom models.runtime.xla import devices\n'
            'x = theano.tensor.vector()\nf = theano.function([x], x * 2)\n'
            "print(devices.description()['name'], type(f.fn).__name__)")
    assert python('-c', code, ARCHIVE_DEVICE='xla-cpu').stdout == 'xla-cpu Program\n'
    assert python('-c', code, ARCHIVE_DEVICE='').stdout == 'cpu CVM\n'


def test_what_xla_flags_says_goes_first(python):
    pytest.importorskip('jax')
    flags = python('-c', "import models, os; print(os.environ['XLA_FLAGS'])",
                   ARCHIVE_DEVICE='xla-cpu', XLA_FLAGS='--xla_gpu_enable_triton_gemm=true').stdout
    assert flags.split() == ['--xla_gpu_enable_triton_gemm=true',
                             '--xla_gpu_deterministic_ops=true']


def test_a_recipe_tells_too(python):
    recipe = str(devices.Path(__file__).parents[4] / 'recipes' / 'saliency.py')
    assert_one_line(python(recipe, '--quiet', '--device', 'gpu:99'),
                    'saliency.py: error: device gpu:99')
    assert_one_line(python(recipe, '--quiet', '--device', 'tpu'), "'tpu' is no device")


def test_the_report_names_what_is_there_and_what_is_missing(python):
    run = python('-m', 'models.runtime')
    assert run.returncode == 0, run.stderr
    for word in ('g++', 'OpenBLAS', 'cores', 'Theano-PyMC 1.1.2', 'JAX', 'cpu (ARCHIVE_DEVICE'):
        assert word in run.stdout
    without = python('-c', "import sys; sys.modules['jax'] = None\nsys.argv[1:] = []\n"
                     'import models.runtime.__main__ as report\n'
                     'report.start.installed_version = lambda package: None\nreport.main()')
    assert 'not installed' in without.stdout and 'cuda12' in without.stdout, without.stderr


@pytest.mark.skipif(sys.platform != 'linux', reason='there it stands')
def test_the_version_of_the_driver_is_read(tmp_path, monkeypatch):
    path = tmp_path / 'version'
    monkeypatch.setattr(devices, 'DRIVER', path)
    assert devices.driver() is None
    for line in ('NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.129.03  Thu Oct 19',
                 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.129.03  Release'):
        path.write_text(line + '\nGCC version: gcc 12.2.0\n')
        assert devices.driver() == '535.129.03'


def test_compiling_is_no_work(xla):
    f = theano.function([], T.tanh(theano.shared(np.ones((3, 4), 'float32'))).sum())
    clock, all_of_it = devices.seconds_of_work(), time.perf_counter()
    f()
    spent = time.perf_counter() - all_of_it, devices.seconds_of_work() - clock
    assert 0 < spent[1] < 0.8 * spent[0]


def test_memory_is_that_of_the_device(xla, monkeypatch):
    class Card:
        def memory_stats(self):
            return {'bytes_limit': 123}

    assert devices.memory() is None  # JAX's CPU has the machine's
    monkeypatch.setattr(devices, '_current', devices.Device('gpu', Card()))
    assert devices.memory() == 123


def test_an_unknown_device_leaves_the_one_in_use(xla):
    with pytest.raises(CannotRun):
        devices.use('gpu:99')
    assert devices.current().name == 'xla-cpu'
