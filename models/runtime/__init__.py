"""Makes Theano-PyMC 1.1.2 and Lasagne 0.1 run on a machine of today.

What exists only because the two stopped is in this package: `removed_names` gives back names of
numpy and Python that Theano asks for, `start` finds compiler and BLAS and imports Theano,
`theano_mends` and `lasagne_mends` repair what broke since, `lasagne_layers` and `lasagne_functions`
have what of Lasagne 0.2 its last release lacks. `convolution`, `pooling`, `generators` and `gram`
are faster ops in the place of Theano's, in C, and `compiling` compiles on all cores. `xla` runs
compiled functions on a GPU. Nothing else in the archive knows of it.
"""

import sys

from models.errors import CannotRun
from models.runtime import removed_names, start


def prepare():
    """Start Theano and Lasagne and repair them; `import models` does this.

    Raises:
        CannotRun: without Python 3.9 to 3.12, numpy 1, a working C++ compiler, a writable compile
            directory, Theano-PyMC 1.1.2 or Lasagne 0.1, with settings that Theano cannot take, or
            without the device that ARCHIVE_DEVICE names.
            A script that does not catch it prints the one line and exits with status 2.
    """
    try:
        start.check_versions()
        start.check_environment()
        start.silence_old_warnings()
        removed_names.apply()
        start.import_theano()
        start.keep_freed_memory()
        from models.runtime import (
            compiling,
            convolution,
            generators,
            gram,
            imports,
            lasagne_mends,
            module_cache,
            pooling,
            theano_mends,
        )
        from models.runtime.xla import devices

        imports.apply()
        theano_mends.apply()
        for faster in (module_cache, compiling, convolution, pooling, generators, gram):
            faster.apply()
        lasagne_mends.apply()
        devices.apply()
    except CannotRun:
        _report_in_one_line()
        raise


def _report_in_one_line():
    """Have the interpreter print an uncaught CannotRun without its traceback and exit with 2."""
    previous = sys.excepthook

    def hook(kind, problem, traceback):
        if not issubclass(kind, CannotRun):
            return previous(kind, problem, traceback)
        print(f'error: {problem}', file=sys.stderr)
        raise SystemExit(2)

    sys.excepthook = hook
