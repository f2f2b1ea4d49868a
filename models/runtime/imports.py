"""Modules of Theano and Lasagne that a Python of today imports only with help."""

import contextlib
import importlib.metadata
import re
import sys
import types
from importlib.machinery import PathFinder

from theano.link.c.cmodule import GCC_compiler

# What scan's C code, written by Cython 0.29.21, may not use on Python 3.11 and 3.12: how a frame, a
# thread's state, an integer and a dict look inside. Its own switches turn each into a call of
# Python's public functions, for all Pythons alike.
CYTHON_SWITCHES = ('CYTHON_USE_PYLONG_INTERNALS', 'CYTHON_FAST_PYCALL', 'CYTHON_FAST_THREAD_STATE',
                   'CYTHON_USE_EXC_INFO_STACK', 'CYTHON_USE_DICT_VERSIONS')


def apply():
    """Have the modules below run with their help whenever they are imported."""
    sys.meta_path.insert(0, Helped({'theano.gpuarray.linalg': without_pkg_resources,
                                    'theano.scan.scan_perform_ext': portable_scan}))


class Helped:
    """A finder of modules that run inside a context.

    Args:
        contexts: name of a module to a function that returns its context.
    """

    def __init__(self, contexts):
        self.contexts = contexts

    def find_spec(self, name, path=None, target=None):
        """Say where to find a module and how to run it, or None for all other modules."""
        if name not in self.contexts:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None:
            run = spec.loader.exec_module

            def exec_module(module):
                with self.contexts[name]():
                    run(module)

            spec.loader.exec_module = exec_module
        return spec


@contextlib.contextmanager
def without_pkg_resources():
    """Put a stand-in in the place of pkg_resources.

    setuptools 82 no longer has it, and those from 67 on warn of its use. Lasagne asks it for its
    own version; theano.gpuarray, which each scan imports, for the name of an error.
    """
    stand_in = types.ModuleType('pkg_resources')
    stand_in.get_distribution = importlib.metadata.distribution
    stand_in.DistributionNotFound = importlib.metadata.PackageNotFoundError
    before = {name: module for name, module in sys.modules.items() if name == stand_in.__name__}
    sys.modules[stand_in.__name__] = stand_in
    try:
        yield
    finally:
        del sys.modules[stand_in.__name__]
        sys.modules.update(before)


@contextlib.contextmanager
def portable_scan():
    """Let the loop of a scan be compiled by Python 3.11 and 3.12 too, and so run in C."""
    original = GCC_compiler.compile_str

    def compile_str(module_name, src_code, *arguments, **options):
        return original(module_name, portable(src_code), *arguments, **options)

    GCC_compiler.compile_str = staticmethod(compile_str)
    try:
        yield
    finally:
        GCC_compiler.compile_str = staticmethod(original)


def portable(code):
    """Rewrite Cython's C code without what Python 3.11 and 3.12 hide; tracebacks lose line numbers.

    Raises:
        RuntimeError: the code is not that of Theano-PyMC 1.1.2.
    """
    code, named = re.subn(
        r'(?<!_)PyCode_New\(a[^)]*, fn, name, fline, lnos\)',
        'PyCode_NewEmpty(PyUnicode_AsUTF8(fn), PyUnicode_AsUTF8(name), fline)', code)
    code, numbered = re.subn(r'\(frame\)->f_lineno = \(lineno\)', '', code)
    # Where it raises an exception with a traceback, in the way that it has for PyPy.
    code, raised = re.subn(r'(if \(tb\) {\s*#if )CYTHON_COMPILING_IN_PYPY', r'\g<1>1', code)
    # An integer's sign is not in its size any more; PyPy asks whether it is less than zero.
    sign = r'#if CYTHON_COMPILING_IN_CPYTHON(?=\s*if \(unlikely\(Py_SIZE\(x\) < 0\))'
    code, signs = re.subn(sign, '#if 0', code)
    if (named, numbered, raised, signs) != (3, 1, 1, 3):
        raise RuntimeError("scan's code is not that of Theano-PyMC 1.1.2")
    return ''.join(f'#define {switch} 0\n' for switch in CYTHON_SWITCHES) + code
