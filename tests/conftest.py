"""What the tests share. Nothing here or in any test needs the network."""

import os
import subprocess
import sys
from pathlib import Path

import models  # noqa: F401 - prepares Theano, before any test module imports it

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope='session')
def shared_data():
    """Return the folder of real weights and photos that lies beside some checkouts, or skip."""
    folder = ROOT.parent / 'shared' / 'data'
    if not folder.is_dir():
        pytest.skip(f'there is no {folder} with real weights and photos')
    return folder


@pytest.fixture(autouse=True, scope='session')
def no_weights_of_the_user(tmp_path_factory):
    """Let tests find no weights that somebody fetched on this machine."""
    folder = str(tmp_path_factory.mktemp('cache'))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv('ARCHIVE_WEIGHTS', raising=False)
        patch.setattr('models.weights.files.platformdirs.user_cache_dir', lambda *_: folder)
        yield


@pytest.fixture(autouse=True, scope='session')
def the_smaller_network():
    """Let recipes take the smaller of the two embedded networks where a test names none.

    It is faster, and the tests' expectations were measured on it; tests/recipes/test_default.py
    runs recipes on the default one.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('recipes.common.command_line.DEFAULT', 'vgg19_quarter')
        yield


@pytest.fixture
def python():
    """Return a function that runs Python code or a file in a process of its own."""

    def run(*arguments, timeout=300, **environment):
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), **environment}
        return subprocess.run([sys.executable, *map(str, arguments)], env=environment,
                              capture_output=True, text=True, timeout=timeout)

    return run
