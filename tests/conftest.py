"""What the tests share. Nothing here or in any test needs the network."""

import os
import subprocess
import sys
from pathlib import Path

import models  # noqa: F401 - prepares Theano, before any test module imports it

import pytest

ROOT = Path(__file__).parent.parent

# Folders and modules that are half of the tests' time, as measured on an empty compile cache: in
# the whole suite they are marked `long`, and CI runs them behind it.
LONG = ('notebooks', 'era', 'claims', 'models/test_zoo', 'models/test_training',
        'models/test_embedded', 'models/runtime/test_module_cache', 'hostile/test_weight_files',
        'recipes/test_zoo', 'recipes/test_on_xla', 'recipes/test_defaults',
        'recipes/test_style_resume', 'recipes/test_changed_runs', 'recipes/test_own_network',
        'recipes/test_interruptions', 'recipes/test_train_all_cnn', 'recipes/test_compare',
        'recipes/test_style_implementations', 'recipes/test_feature_atlas_page',
        'recipes/feedforward/test_enlarging', 'recipes/feedforward/test_training',
        'recipes/measures/test_wrong_pairs')


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marks
def pytest_collection_modifyitems(config, items):
    """Mark the tests in `LONG`, unless somebody names files or folders: then all in them run."""
    if [Path(name).resolve() for name in config.args] != [ROOT / 'tests']:
        return
    for item in items:
        place = item.path.relative_to(ROOT / 'tests').with_suffix('')
        if str(place) in LONG or place.parts[0] in LONG:
            item.add_marker('long')


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
