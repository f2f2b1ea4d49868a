"""The project's own files agree with each other."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from setuptools import build_meta

ROOT = Path(__file__).parent.parent



def test_environment_yml_installs_what_setup_py_names():
    setup = (ROOT / 'setup.py').read_text()
    conda = (ROOT / 'environment.yml').read_text()
    (pythons,) = re.findall("python_requires='([^']+)'", setup)
    assert f'- python{pythons}\n' in conda
    assert re.search(r'- pip:\n +- -e \.\[test\]\n\Z', conda)


def test_every_module_and_file_is_built(tmp_path):
    code = f'import sys; sys.argv[1:] = ["-q", "build", "-b", {str(tmp_path)!r}]; ' \
           'exec(open("setup.py").read())'
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    if 'setuptools' in run.stderr and 'ModuleNotFoundError' in run.stderr:
        pytest.skip('setuptools is not installed here')
    built = {path.relative_to(tmp_path / 'lib') for path in tmp_path.rglob('*') if path.is_file()}
    for name in ('models', 'modifiedbackprop', 'recipes'):
        for path in (ROOT / name).rglob('*.py'):
            if not {'assets', 'installing'} & {*path.parts}:
                assert path.relative_to(ROOT) in built
    for name in ('models/embedded/vgg19_quarter.npz', 'models/embedded/generators/mosaic.npz',
                 'models/weights/imagenet_classes.txt',
                 'models/runtime/c/winograd.c', 'recipes/assets/windy_night.jpg',
                 'recipes/assets/feature_atlas.html', 'recipes/assets/feature_atlas.css',
                 'recipes/assets/feature_atlas.js', 'recipes/assets/watch.html',
                 'recipes/assets/compare.html', 'recipes/assets/published_figures.json'):
        assert Path(name) in built


def test_the_code_is_clean():
    run = subprocess.run([sys.executable, '-m', 'ruff', 'check', '--quiet', str(ROOT)],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_readme_names_files_that_exist():
    readme = (ROOT / 'README.md').read_text()
    named = re.findall(r'\]\((?!http)([^)#]+)', readme) + re.findall(r'python ([\w/]+\.py)', readme)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


@pytest.fixture
def backend(monkeypatch):
    """Return the build backend, as pip imports it."""
    if not hasattr(build_meta, 'build_editable'):
        pytest.skip('this setuptools is older than what pip builds with')
    pytest.importorskip('setuptools')
    monkeypatch.syspath_prepend(str(ROOT / 'models' / 'runtime' / 'installing'))
    module = importlib.import_module('backend')
    yield module
    del sys.modules['backend']


def test_pip_asks_the_archives_own_backend():
    project = (ROOT / 'pyproject.toml').read_text()
    assert 'build-backend = "backend"\nbackend-path = ["models/runtime/installing"]' in project
    assert "'theano-pymc==1.1.2'," in (ROOT / 'setup.py').read_text()


@pytest.mark.parametrize('version, stops', [((3, 9), False), ((3, 12), False), ((3, 13), True),
                                            ((3, 14), True)])
def test_a_python_that_cannot_run_theano_is_told_before_anything_is_built(
        backend, monkeypatch, version, stops):
    monkeypatch.setattr(backend.sys, 'version_info', version)
    monkeypatch.setattr(backend.build_meta, 'get_requires_for_build_editable', lambda *_: ['x'])
    if not stops:
        assert backend.get_requires_for_build_editable() == ['x']
        return
    with pytest.raises(SystemExit, match=r'^error: Python 3\.1\d .* uv venv --python 3.12'):
        backend.get_requires_for_build_editable()


def prepared(backend, monkeypatch, tmp_path, version, required):
    """Read what METADATA says of a Theano that is built already."""
    wheel = tmp_path / 'Theano_PyMC-1.1.2-py3-none-any.whl'
    wheel.touch()
    monkeypatch.setattr(backend, 'WHEELS', tmp_path)
    monkeypatch.setattr(backend.sys, 'version_info', version)

    def prepare(folder):
        (Path(folder) / 'a.dist-info').mkdir()
        (Path(folder) / 'a.dist-info' / 'METADATA').write_text(f'Name: a\n{required}\n')
        return 'a.dist-info'

    monkeypatch.setattr(backend.build_meta, 'prepare_metadata_for_build_editable', prepare)
    assert backend.prepare_metadata_for_build_editable(str(tmp_path)) == 'a.dist-info'
    return (tmp_path / 'a.dist-info' / 'METADATA').read_text().splitlines()[1], wheel.as_uri()


def test_python_3_12_gets_a_theano_that_is_built_here(backend, monkeypatch, tmp_path):
    line, wheel = prepared(backend, monkeypatch, tmp_path, (3, 12),
                           'Requires-Dist: theano-pymc==1.1.2')
    assert line == f'Requires-Dist: theano-pymc @ {wheel}'


def test_an_older_python_gets_it_from_the_index(backend, monkeypatch, tmp_path):
    line = 'Requires-Dist: theano-pymc==1.1.2'
    assert prepared(backend, monkeypatch, tmp_path, (3, 11), line)[0] == line


def test_another_theano_in_setup_py_is_seen(backend, monkeypatch, tmp_path):
    with pytest.raises(RuntimeError, match='does not require'):
        prepared(backend, monkeypatch, tmp_path, (3, 12), 'Requires-Dist: theano-pymc==1.1.3')


def test_names_that_python_3_12_took_are_given_back_where_theano_is_built():
    code = 'import configparser; configparser.SafeConfigParser().readfp'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env={
        'PYTHONPATH': str(ROOT / 'models' / 'runtime' / 'installing' / 'python312')})
    assert run.returncode == 0, run.stderr
