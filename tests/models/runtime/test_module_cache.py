"""Compiled modules are found by what they are made from, in this process and in later ones."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from models.runtime import module_cache

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
CODE = '''
import models, numpy as np, subprocess, theano, theano.tensor as T
from theano.link.c.cmodule import GCC_compiler
compiled, programs, Popen = [], [], subprocess.Popen.__init__
def compile_str(*arguments, original=GCC_compiler.compile_str, **options):
    compiled.append(arguments)
    return original(*arguments, **options)
def start(self, *arguments, **options):
    programs.append(arguments)
    return Popen(self, *arguments, **options)
GCC_compiler.compile_str, subprocess.Popen.__init__ = staticmethod(compile_str), start
x = T.matrix()
found = theano.function([x], [T.exp(x) * 2, x.sum(axis=0)])(np.eye(2, dtype='float32'))
assert abs(found[0] - [[2 * np.e, 2], [2, 2 * np.e]]).max() < 1e-5 and found[1].tolist() == [1, 1]
print(len(compiled), len(programs))
'''


@pytest.fixture(scope='module')
def begun(tmp_path_factory):
    """Return a compile directory with what Theano compiles for itself, and with no module."""
    place = tmp_path_factory.mktemp('begun')
    code = CODE.replace('[T.exp(x) * 2, x.sum(axis=0)]', '[T.tanh(x)] * 2').split('assert')[0]
    subprocess.run([sys.executable, '-c', code], check=True,
                   env={**os.environ, **at(place)})
    for folder in folders(place):
        shutil.rmtree(folder)
    return place


@pytest.fixture
def counts(python, tmp_path, begun):
    """Return a function that runs code in a process: (modules compiled, programs started)."""
    shutil.copytree(begun, tmp_path, copy_function=os.link, dirs_exist_ok=True)

    def run(code=CODE, **environment):
        run = python('-c', code, **at(tmp_path), **environment)
        assert run.returncode == 0, run.stderr
        return tuple(map(int, run.stdout.split()))

    return run


def at(place):
    """The environment in which Theano compiles there."""
    return {'PYTHONPATH': str(ROOT), 'THEANO_FLAGS': f'base_compiledir={place}'}


def folders(place):
    return [path for path in place.glob('*/m*') if len(path.name) == 65]


def test_a_second_process_reads_what_it_uses_and_starts_no_program(counts, tmp_path):
    compiled, programs = counts(PYTHONHASHSEED='1')
    assert compiled == len(folders(tmp_path)) > 1 and programs >= compiled
    assert counts(PYTHONHASHSEED='2') == (0, 0)
    assert not [*tmp_path.glob('*/*/key.pkl')] and not [*tmp_path.glob('*/tmp*')]


def test_a_damaged_module_is_compiled_again(counts, tmp_path):
    compiled, _ = counts()
    for folder in folders(tmp_path):
        (library,) = folder.glob('*.so')
        library.write_bytes(library.read_bytes()[:100])
    assert counts()[0] == compiled
    assert counts() == (0, 0)


def test_processes_that_compile_the_same_at_once_do_not_disturb_one_another(counts, tmp_path):
    environment = {**os.environ, **at(tmp_path)}
    children = [subprocess.Popen([sys.executable, '-c', CODE], env=environment,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
                for _ in range(2)]
    for child in children:
        errors = child.communicate()[1]
        assert child.returncode == 0, errors.decode()
    assert not [*tmp_path.glob('*/tmp*')] and counts() == (0, 0)


def test_a_module_without_a_version_is_compiled_in_each_process(counts, tmp_path):
    code = CODE.replace('x = T.matrix()', 'x = T.matrix()\n'
                        'T.elemwise.CAReduce.c_code_cache_version_apply = lambda *arguments: ()')
    compiled, _ = counts(code)
    kept = len(folders(tmp_path))
    assert compiled == kept + 1 and not [*tmp_path.glob('*/tmp*')]
    assert counts(code)[0] == 1


def test_constants_are_folded_without_a_module(counts):
    """A graph with a constant expression needs no module that the graph with its value lacks."""
    code = CODE.split('found =')[0] + '''
square = np.arange(6, dtype='float32').reshape(2, 3)
literal = theano.function([x], x + square[:2, :2].T)
before = len(compiled)
folded = theano.function([x], x + T.constant(square)[:2, :2].dimshuffle(1, 0))
assert (folded(square[:, 1:]) == literal(square[:, 1:])).all() and before > 0
print(len(compiled) - before, 0)
'''
    assert counts(code) == (0, 0)


def test_only_what_nobody_uses_is_deleted_once_a_day(tmp_path):
    def make(name, age):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'm.so').write_text('')
        for path in (tmp_path / name / 'm.so', tmp_path / name):
            os.utime(path, (time.time() - age,) * 2)

    make('m0', module_cache.LIFETIME + 100)
    make('m1', module_cache.LIFETIME - 100)
    make('tmp0', module_cache.LIFETIME + 100)
    (tmp_path / 'tmp1').mkdir()  # another process has just made it
    make('cutils_ext', module_cache.LIFETIME + 100)
    module_cache.clear_old(tmp_path)
    left = {'m1', 'tmp1', 'cutils_ext', 'archive-cleared'}
    assert {path.name for path in tmp_path.iterdir()} == left
    make('m2', module_cache.LIFETIME + 100)
    module_cache.clear_old(tmp_path)
    assert (tmp_path / 'm2').exists()
    os.utime(tmp_path / 'archive-cleared', (time.time() - module_cache.DAY - 1,) * 2)
    module_cache.clear_old(tmp_path)
    assert not (tmp_path / 'm2').exists()
