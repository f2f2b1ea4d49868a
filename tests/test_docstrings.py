"""Docstrings of functions say in the imperative what is done, not that something is returned."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [path for folder in ('models', 'modifiedbackprop', 'recipes')
           for path in sorted((ROOT / folder).rglob('*.py'))]
EMPTY = {'Return', 'Returns', 'Whether', 'What'}  # a verb says more: Compute, Read, Find, Tell


def first_words(text):
    """Give (name, first word of the docstring) of each function and method in a source."""
    for node in ast.walk(ast.parse(text)):
        docstring = ast.get_docstring(node) if isinstance(node, ast.FunctionDef) else None
        if docstring:
            yield node.name, docstring.split()[0]


def test_the_check_finds_an_empty_word():
    found = dict(first_words('def a():\n    "Return the mean."\ndef b():\n    "Compute."\n'))
    assert found == {'a': 'Return', 'b': 'Compute.'} and found['a'] in EMPTY


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_begin_with_what_is_done(path):
    found = [name for name, word in first_words(path.read_text(encoding='utf-8'))
             if word in EMPTY]
    assert not found, f'{path.name}: say what these do: {", ".join(found)}'
