"""What the README says is there, is there; and its Python examples run as they are printed."""

import ast
import re
from pathlib import Path

import pytest
from PIL import Image

from recipes.common import images, lbfgs

ROOT = Path(__file__).parent.parent
README = (ROOT / 'README.md').read_text()
PAGES = [path for path in ROOT.rglob('*.md') if not {'.venv', 'venv', 'node_modules'}
         & set(path.relative_to(ROOT).parts)]
PLACE = re.compile(r'`([\w/]+\.py): ([\w., ]+)`')


def names_in(path):
    """Return the functions, classes and methods that a module defines, methods as Class.method."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f'{node.name}.{inner.name}' for inner in node.body
                      if isinstance(inner, ast.FunctionDef)}
    return names


@pytest.mark.parametrize('page', ['README.md', 'CONTRIBUTING.md', 'notebooks/README.md'])
def test_formulas_stand_where_it_is_said(page):
    places = PLACE.findall((ROOT / page).read_text())
    assert len(places) >= (8 if page == 'README.md' else 2)
    for path, names in places:
        assert {name.strip() for name in names.split(',')} <= names_in(ROOT / path), path


def test_files_that_contributors_are_sent_to_exist():
    table = (ROOT / 'CONTRIBUTING.md').read_text()
    named = re.findall(r'`((?:models|recipes|modifiedbackprop|tests)/[\w/.]+)', table)
    assert len(named) > 12
    for name in named:
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize('page', PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r'\]\(([^)#\s]+)', page.read_text()):
        if not target.startswith(('http', 'mailto')):
            assert (page.parent / target).exists(), target


def test_the_readme_is_short():
    assert len(README.split()) < 1300


EXAMPLES = [(page.parent.name, example) for page in PAGES
            for example in re.findall(r'```python\n(.*?)```', page.read_text(), re.S)]


@pytest.mark.parametrize('example', [example for _, example in EXAMPLES],
                         ids=[f'{page}-{number}' for number, (page, _) in enumerate(EXAMPLES)])
def test_the_examples_run_as_they_are_printed(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, path in (('photo', images.bundled_photo()), ('painting', images.PAINTING)):
        Image.fromarray(images.resize(images.read(path), 64)).save(f'{name}.jpg')
    minimise = lbfgs.minimise
    monkeypatch.setattr(lbfgs, 'minimise', lambda objective, x, rounds, evaluations: minimise(
        objective, x, min(rounds, 2), min(evaluations, 3)))  # the whole takes half a minute
    names = {}
    exec(compile(example, 'README.md', 'exec'), names)
    if 'style_transfer' in example:
        losses = [float(line) for line in capsys.readouterr().out.split()]
        assert losses[1] < losses[0]
        assert images.read('picture.png').shape == images.resize(images.read('photo.jpg'),
                                                                 256).shape
    if 'maps' in names:
        assert names['maps'].shape == names['digits'].shape and names['maps'].any()
