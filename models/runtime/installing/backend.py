"""Builds the archive with setuptools, and on Python 3.12 Theano-PyMC with it.

pip asks these hooks (PEP 517 and 660) for `pip install -e .`. Theano-PyMC 1.1.2 is a source
distribution whose setup.py calls names that Python 3.12 took out of `configparser`; pip builds
dependencies by themselves, so the archive hands it a wheel: built here with these names given back
(`python312/sitecustomize.py`), kept in build/, and named in what pip is told to install.
"""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import build_meta

ROOT = Path(__file__).resolve().parents[3]
THEANO = 'theano-pymc==1.1.2'
WHEELS = ROOT / 'build' / 'theano'

get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
build_sdist = build_meta.build_sdist


def get_requires_for_build_editable(config_settings=None):
    """Requirements of the build; the first hook that pip asks, so that an end comes early."""
    check_python()
    return build_meta.get_requires_for_build_editable(config_settings)


def get_requires_for_build_wheel(config_settings=None):
    """The same for a wheel."""
    check_python()
    return build_meta.get_requires_for_build_wheel(config_settings)


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    """Write what pip resolves: the archive's metadata, with a Theano that can be installed."""
    return with_theano(build_meta.prepare_metadata_for_build_editable, metadata_directory)


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    """The same for a wheel."""
    return with_theano(build_meta.prepare_metadata_for_build_wheel, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """Build from setup.py: what stays installed names Theano by its version, and no file."""
    return build_meta.build_editable(wheel_directory, config_settings)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The same for a wheel."""
    return build_meta.build_wheel(wheel_directory, config_settings)


def check_python():
    """Stop in one line where Theano cannot run; pip shows it among its own."""
    if sys.version_info >= (3, 13):
        sys.exit(f'error: Python {sys.version_info[0]}.{sys.version_info[1]} cannot run '
                 'Theano-PyMC 1.1.2 (it has numpy 2 only); take 3.9 to 3.12, for example: '
                 'uv venv --python 3.12 --seed .venv && . .venv/bin/activate')


def with_theano(prepare, metadata_directory):
    """Write metadata by a hook of setuptools, and name Theano's wheel in it on Python 3.12.

    Returns:
        Name of the folder of the metadata.
    """
    name = prepare(metadata_directory)
    if sys.version_info >= (3, 12):
        path = Path(metadata_directory, name, 'METADATA')
        text = path.read_text()
        line = f'Requires-Dist: {THEANO}\n'
        if line not in text:
            raise RuntimeError(f'setup.py does not require {THEANO}')
        wheel = f'theano-pymc @ {theano_wheel().as_uri()}'
        path.write_text(text.replace(line, f'Requires-Dist: {wheel}\n'))
    return name


def theano_wheel():
    """Find the path of Theano's wheel, which is built where it is not there yet (3 seconds)."""
    if not list(WHEELS.glob('*.whl')):
        # pip hides what it has installed for this build behind a sitecustomize of its own; by
        # sys.path the command below has it, setuptools and pip, behind ours.
        path = [str(Path(__file__).parent / 'python312'), *filter(None, sys.path)]
        command = [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps',
                   '--no-build-isolation', '--wheel-dir', str(WHEELS), THEANO]
        run = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             env={**os.environ, 'PYTHONPATH': os.pathsep.join(path)})
        if run.returncode:
            sys.exit(f'{run.stdout}\nerror: Theano-PyMC could not be fetched or built (above)')
    return next(WHEELS.glob('*.whl'))
