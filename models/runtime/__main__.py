"""Tell what this machine gives Theano's functions, and what to do about what is missing.

    python -m models.runtime
"""

import os
import platform
import subprocess

from models.runtime import start
from models.runtime.xla import devices

import theano

from recipes.common import command_line


def main(arguments=None):
    """Run the command line; None takes the process's own arguments."""
    parser = command_line.ArgumentParser(prog='python -m models.runtime',
                                         description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    command_line.print_table([*of_host(), *of_devices()])


def of_host():
    """List what functions in C run with, rows of (what, value); without it the import has ended."""
    packages = ', '.join(f'{name} {start.installed_version(name)}'
                         for name in ('numpy', 'scipy', 'Theano-PyMC', 'Lasagne'))
    compiler = subprocess.run([*theano.config.cxx.split(), '--version'], capture_output=True,
                              text=True).stdout.splitlines()
    threads = start.blas_threads()
    blas = (f"your own: {theano.config.blas__ldflags or 'none, products are slow'}"
            if threads is None else
            f'OpenBLAS {start.installed_version("scipy-openblas32")}, threads: {threads}')
    return [('python', platform.python_version()), ('packages', packages),
            ('compiler', f'{theano.config.cxx}: {(compiler or ["of no version"])[0]}'),
            ('compiled code', theano.config.compiledir), ('BLAS', blas),
            ('cores', f'{len(os.sched_getaffinity(0))}')]


def of_devices():
    """List the device in use, JAX, and what JAX finds, rows of (what, value)."""
    rows = [('device', f'{devices.current().name} ({devices.VARIABLE}, or --device of a recipe)'),
            ('driver', devices.driver() or "no NVIDIA driver, so no GPU can be used")]
    jax = start.installed_version('jax')
    if jax is None:
        return [*rows, ('JAX', f'not installed; for an NVIDIA GPU: {devices.INSTALL}')]
    plugin = start.installed_version(devices.PLUGIN)
    rows.append(('JAX', f'{jax}, CUDA 12: {plugin or f"not installed ({devices.INSTALL})"}'))
    for name in ('gpu', 'xla-cpu'):  # in this order: for the CPU alone JAX starts without a GPU
        rows.append((name, found(name)))
    return rows


def found(name):
    """Say what JAX finds by the name of a device."""
    try:
        device = devices.find(name)
    except devices.CannotRun as problem:
        return str(problem)
    return f'{device.device_kind}'


if __name__ == '__main__':
    command_line.run(main)
