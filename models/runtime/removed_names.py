"""Names that numpy and Python have dropped since, and that Theano asks for while it is imported."""

import sys
import types

import numpy


def apply():
    """Give the names back; before Theano is imported."""
    restore_numpy_types()
    if sys.version_info >= (3, 12):
        restore_distutils()


def restore_numpy_types():
    """Give numpy Python's own types again, which numpy 1.24 took out.

    Theano writes out np.complex (scalar/basic.py:2123, 3888, 3928, 3930, tensor/basic.py:369) and
    np.int (tensor/random/basic.py:356), and asks numpy for a type by its name, bool, int and float
    among them (scalar/basic.py:2412). Code of 2015 has the other names as well.
    """
    for kind in (bool, int, float, complex, object, str):
        setattr(numpy, kind.__name__, kind)


def restore_distutils():
    """Give back distutils, which Python 3.12 has no more, and numpy's, which went with it.

    setuptools brings its own distutils and registers it when it is imported. Of numpy's, Theano
    imports the package (tensor/blas.py:134, link/c/cmodule.py:23) and asks for numpy's headers
    (cmodule.py:1635). What it asks a BLAS by, `start` answers beforehand.
    """
    import setuptools  # noqa: F401

    package, functions = (types.ModuleType(name) for name in ('numpy.distutils',
                                                              'numpy.distutils.misc_util'))
    functions.get_numpy_include_dirs = lambda: [numpy.get_include()]
    package.__path__, package.misc_util = [], functions
    numpy.distutils = package
    sys.modules.update({module.__name__: module for module in (package, functions)})
