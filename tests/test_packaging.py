"""The project's own files agree with each other."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
ROOT = Path(__file__).parent.parent



def test_environment_yml_has_the_pins_of_setup_py():
    setup = (ROOT / 'setup.py').read_text()
    pinned = set(re.findall(r"'([a-z0-9-]+[<>=]=[0-9][^']*)'", setup))
    conda = set(re.findall(r'^ +- ([a-z0-9-]+[<>=]=.*)$', (ROOT / 'environment.yml').read_text(),
                           re.MULTILINE))
    extras = {pin for pin in pinned if re.match('notebook|nbclient|torch|captum|distributed', pin)}
    assert len(pinned) > 10
    assert conda - {'python>=3.9,<3.12'} == pinned - extras
    assert "python_requires='>=3.9,<3.12'" in setup


def test_every_module_and_file_is_built(tmp_path):
    code = f'import sys; sys.argv[1:] = ["-q", "build", "-b", {str(tmp_path)!r}]; ' \
           'exec(open("setup.py").read())'
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True)
    if 'setuptools' in run.stderr and 'ModuleNotFoundError' in run.stderr:
        pytest.skip('setuptools is not installed here')
    built = {path.relative_to(tmp_path / 'lib') for path in tmp_path.rglob('*') if path.is_file()}
    for name in ('models', 'modifiedbackprop', 'recipes'):
        for path in (ROOT / name).rglob('*.py'):
            if path.parent.name != 'assets':
                assert path.relative_to(ROOT) in built
    for name in ('models/embedded/vgg19_quarter.npz', 'models/embedded/generators/mosaic.npz',
                 'models/weights/imagenet_classes.txt',
                 'models/runtime/c/winograd.c', 'recipes/assets/windy_night.jpg',
                 'recipes/assets/feature_atlas.html', 'recipes/assets/feature_atlas.css',
                 'recipes/assets/feature_atlas.js', 'recipes/assets/watch.html'):
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
