"""Modules are compiled ahead, on all cores, and are the ones that Theano would have compiled."""

import errno
import gc

from models.runtime import compiling

import pytest

CODE = '''
import models, numpy as np, theano, theano.tensor as T
from theano.link.c.cmodule import GCC_compiler
from models.runtime import compiling
compiled, moved = [], []
compile_str, move = GCC_compiler.compile_str, compiling.moved
def record(module_name, src_code, location, *arguments, **options):
    compiled.append((module_name, location.startswith(theano.config.compiledir)))
    return compile_str(module_name, src_code, location, *arguments, **options)
def record_move(*arguments):
    moved.append(arguments[1])
    return move(*arguments)
GCC_compiler.compile_str, compiling.moved = staticmethod(record), record_move
x = T.tensor4()
function = theano.function([x], [T.exp(x) * 2 + 1, x.sum(axis=(2, 3)), T.nnet.relu(x).max()])
found = function(np.arange(-4, 4, dtype='float32').reshape(1, 2, 2, 2))
assert found[1].tolist() == [[-10, 6]] and found[2] == 3
by_theano = {name for name, inside in compiled if inside}
ahead = {name for name, inside in compiled if not inside}
assert len(compiled) == len(ahead) + len(by_theano)
print(len(ahead), sorted(moved) == sorted(ahead), len(ahead & by_theano))
'''


def test_what_the_cache_lacks_is_compiled_ahead_once(python, tmp_path):
    flags = f'base_compiledir={tmp_path / "cache"}'
    run = python('-c', CODE, THEANO_FLAGS=flags)
    assert run.returncode == 0, run.stderr
    ahead, all_moved, twice = run.stdout.splitlines()[-1].split()
    assert int(ahead) > 2 and all_moved == 'True' and twice == '0'
    (header,) = (tmp_path / 'cache').glob('*/archive-headers-*.h')
    assert header.with_name(header.name + '.gch').stat().st_size > 1e6
    again = python('-c', CODE, THEANO_FLAGS=flags)
    assert again.stdout.split() == ['0', 'True', '0'], again.stderr


def test_where_compiling_ahead_fails_theano_compiles(python, tmp_path):
    nonsense = "compiling.arguments_of = lambda linker: ['-nonsense']\nx = T.tensor4()"
    broken = CODE.replace('x = T.tensor4()', nonsense)
    run = python('-c', broken, THEANO_FLAGS=f'base_compiledir={tmp_path / "cache"}')
    assert run.returncode == 0, run.stderr
    ahead, all_moved, twice = run.stdout.splitlines()[-1].split()
    assert int(ahead) > 2 and all_moved == 'False' and twice == ahead


def test_modules_of_the_same_code_for_other_flags_are_compiled_for_each(python, tmp_path):
    """The flags of the second product change while the first is compiled."""
    code = CODE.split('x = T.tensor4()')[0] + '''
flags, Dot22 = [], T.blas.Dot22
original = Dot22.c_compile_args
Dot22.c_compile_args = lambda self, **options: original(self, **options) + flags
def record_move(*arguments):
    flags[:] = ['-DSECOND']
    return move(*arguments)
compiling.moved = record_move
x, y = T.matrices('xy')
function = theano.function([x, y], [T.dot(x, y), T.dot(y, T.exp(x))])
first, second = function(*np.eye(2, dtype='float32')[None].repeat(2, axis=0))
assert (first == np.eye(2)).all() and abs(second - [[np.e, 1], [1, np.e]]).max() < 1e-6
'''
    run = python('-c', code, THEANO_FLAGS=f'base_compiledir={tmp_path / "cache"}')
    assert run.returncode == 0, run.stderr


def test_a_full_disk_is_one_line_whatever_theano_adds_to_it():
    with pytest.raises(compiling.CannotCompile) as caught, compiling.room():
        raise OSError(errno.ENOSPC, 'No space left on device')
    caught.value.args = ('while compiling the node', *caught.value.args)  # as Theano does
    assert 'the disk is full; make room' in str(caught.value) and '\n' not in str(caught.value)


def test_the_collector_rests_while_a_graph_is_worked_on():
    seen = []

    def fail():
        seen.append(gc.isenabled())
        raise ValueError

    with pytest.raises(ValueError):
        compiling.told(fail, 'failing')()
    assert seen == [False] and gc.isenabled()
