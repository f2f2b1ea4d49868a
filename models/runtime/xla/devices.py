"""The device that Theano's functions are compiled for: ARCHIVE_DEVICE, or a recipe's --device.

`cpu` is Theano's own C; `gpu`, `gpu:1` and `xla-cpu` (JAX's CPU, for tests) go through JAX. What
is asked for and cannot be had is an error: nothing falls back.
"""

import os
import re
import time
from pathlib import Path
from typing import NamedTuple

from models.errors import CannotRun, one_line
from models.runtime.start import installed_version

import theano

VARIABLE = 'ARCHIVE_DEVICE'
NAMES = re.compile(r'cpu|xla-cpu|gpu(:\d+)?')
WANTED = 'cpu, gpu, gpu:NUMBER or xla-cpu'
INSTALL = "pip install -e '.[cuda12]'"
PLUGIN = 'jax-cuda12-plugin'
DRIVER = Path('/proc/driver/nvidia/version')
# XLA's options, where XLA_FLAGS does not name them. The same bytes from the same seed; and products
# by NVIDIA's library: as nothing is tuned then, Triton takes 1.3 ms for the Gram matrices in
# VGG-19's loss and gradient at 256 pixels on an H200, and that library 0.2.
OPTIONS = {'xla_gpu_deterministic_ops': 'true', 'xla_gpu_enable_triton_gemm': 'false'}


class Device(NamedTuple):
    """What functions are compiled for: its name here, and JAX's own object, None for Theano's C."""

    name: str = 'cpu'
    jax: object = None


_current = Device()


def apply():
    """Have functions compiled for the device that ARCHIVE_DEVICE names; `import models` does this.

    Raises:
        CannotRun: there is no such device, or no JAX.
    """
    use(of_environment())


def of_environment():
    """Find the device that ARCHIVE_DEVICE names, or the CPU.

    Raises:
        CannotRun: it names something else.
    """
    name = os.environ.get(VARIABLE) or 'cpu'
    if not is_name(name):
        raise CannotRun(f'{VARIABLE} is {name!r}; it must be {WANTED}')
    return name


def is_name(text):
    """Tell whether a text can be a device's name, whether there is such a device or not."""
    return NAMES.fullmatch(text) is not None


def current():
    """Tell the `Device` in use."""
    return _current


def use(name):
    """Have functions be compiled for a device from now on.

    Args:
        name: as `is_name` takes it.

    Raises:
        CannotRun: there is no such device, no JAX, or a setting of Theano's that is for the CPU.
    """
    global _current
    if name == _current.name:
        return
    if name == 'cpu':
        theano.compile.mode.instantiated_default_mode = None  # Theano makes its own again
        _current = Device()
        return
    device = find(name)
    refuse_modes_of_the_cpu(name)
    from models.runtime.xla import linker

    linker.prepare(device)
    theano.compile.mode.instantiated_default_mode = linker.mode()
    _current = Device(name, device)


def refuse_modes_of_the_cpu(name):
    """Stop where the user's Theano settings ask for a mode that would run on the CPU.

    Raises:
        CannotRun: with the mode.
    """
    mode = theano.config.mode
    if type(theano.compile.mode.predefined_modes.get(mode)) is not theano.compile.mode.Mode \
            and mode != 'Mode':
        raise CannotRun(f"the setting mode = {mode!r} of Theano's runs on the CPU only; remove it, "
                        f'or take the device cpu instead of {name}')


def find(name):
    """JAX's object of a device.

    Raises:
        CannotRun: says what is missing, and what to do.
    """
    platform, _, index = name.partition(':')
    platform = {'xla-cpu': 'cpu'}.get(platform, platform)
    jax = import_jax(name, platform)
    try:
        found = jax.devices(platform)
    except RuntimeError as problem:
        raise CannotRun(f'device {name}: {reason(jax, problem)}') from problem
    if int(index or 0) >= len(found):
        raise CannotRun(f'device {name}: JAX finds {len(found)} of this kind, numbered from 0')
    return found[int(index or 0)]


def import_jax(name, platform):
    """Import JAX with the settings that it reads at its start.

    Raises:
        CannotRun: it is not there, or does not go with the other packages.
    """
    # Otherwise JAX takes three quarters of the GPU's memory at once, from whoever else uses it.
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    flags = os.environ.get('XLA_FLAGS', '')
    os.environ['XLA_FLAGS'] = ' '.join([*flags.split(), *(
        f'--{option}={value}' for option, value in OPTIONS.items() if option not in flags)])
    if platform == 'cpu':
        os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # else it starts a GPU, too
    try:
        import jax
    except Exception as problem:  # it also raises RuntimeError, of versions that do not go together
        raise CannotRun(f'device {name} needs JAX, and that cannot be imported '
                        f"({one_line(problem)}): {install(platform)}") from problem
    return jax


def install(platform):
    """Write the command that brings JAX for a platform."""
    return INSTALL if platform == 'gpu' else "pip install -e '.[test]'"


def reason(jax, problem):
    """Say why JAX has no GPU, and what to do.

    Args:
        jax: the module.
        problem: what it raised.
    """
    told = one_line(problem)
    if os.environ.get('JAX_PLATFORMS'):
        return (f'JAX may use {os.environ["JAX_PLATFORMS"]} only, as JAX_PLATFORMS says; unset it '
                f'({told})')
    if installed_version(PLUGIN) is None:
        return f'JAX {jax.__version__} is here without CUDA: {INSTALL} ({told})'
    return ('JAX cannot use the driver; `nvidia-smi` must list the GPU, with driver 525 or newer '
            f'(found: {driver() or "none"}; {told})')


def driver():
    """Read the version of NVIDIA's driver, or None where there is none."""
    try:
        found = re.search(r'Kernel Module.*?\s(\d+(?:\.\d+)+)\s', DRIVER.read_text())
    except OSError:
        return None
    return found.group(1) if found else 'unknown'


def description():
    """Tell what run.json says of the device: its name, and of JAX's also its kind and versions."""
    if _current.jax is None:
        return {'name': 'cpu'}
    gpu = {'driver': driver()} if _current.jax.platform == 'gpu' else {}
    return {'name': _current.name, 'kind': _current.jax.device_kind,
            'jax': installed_version('jax'), **gpu}


def memory():
    """Tell the bytes that programs may take on the device, or None where it is the machine's.
    """
    stats = _current.jax.memory_stats() if _current.jax is not None else None
    return (stats or {}).get('bytes_limit')


def seconds_of_work():
    """Read a clock in seconds that stands still while XLA compiles; for estimates of time.

    XLA compiles when a function is first called with arrays of some shapes, for seconds.
    """
    if _current.jax is None:
        return time.perf_counter()
    from models.runtime.xla import linker

    return time.perf_counter() - linker.counts.compiling
