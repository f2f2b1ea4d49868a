"""Finds the compiler and the BLAS, tells Theano about them, and imports it.

Theano reads its flags once, when it is imported, so everything here happens before that. What the
user says in THEANO_FLAGS or `.theanorc` wins.
"""

import ctypes
import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings

from models.errors import CannotRun, is_full_disk, reason_of
from models.runtime.settings import (
    FLAGS,
    check_after_import,
    check_before_import,
    refusal,
    settings_of_the_user,
    user_flags,
    written,
)

import scipy_openblas32

INSTALL_COMPILER = ('install one, for example `apt-get install g++ python3-dev`, '
                    '`dnf install gcc-c++ python3-devel`, `xcode-select --install` or '
                    '`conda install -c conda-forge cxx-compiler`')

# Every BLAS routine that Theano's C code calls. The wheel's library prefixes its symbols with
# "scipy_" so as not to collide with the OpenBLAS inside numpy; the preprocessor renames the calls.
BLAS_ROUTINES = [precision + name for precision in 'sd'
                 for name in ('gemm_', 'gemv_', 'ger_', 'dot_', 'axpy_', 'scal_', 'copy_',
                              'syrk_')]
BLAS_ROUTINES += ['openblas_get_num_threads', 'openblas_set_num_threads']


PLAIN = re.compile(r'[^\s,\'"\\]+')  # a path that Theano and the linker leave as it is


def check_versions():
    """Stop where Python, Theano or Lasagne is not the one that the archive is written for.

    Raises:
        CannotRun: names what was found and what is needed.
    """
    if not (3, 9) <= sys.version_info[:2] <= (3, 12):
        raise CannotRun(f'Python {sys.version_info[0]}.{sys.version_info[1]} cannot run '
                        'Theano-PyMC 1.1.2; make the environment with Python 3.9 to 3.12')
    numpy = installed_version('numpy') or 'none'
    if not numpy.startswith('1.'):
        raise CannotRun(f"Theano's code is for the C interface of numpy 1, found {numpy}; run "
                        "`pip install 'numpy>=1.22.4,<2'`")
    for name, wanted in (('Theano-PyMC', '1.1.2'), ('Lasagne', '0.1')):
        found = installed_version(name) or 'none'
        if found != wanted:
            raise CannotRun(f'the archive needs {name} {wanted}, found {found}; run '
                            f'`pip install {name.lower()}=={wanted}` in its own environment')


def installed_version(name):
    """Read the version of a package, or None where it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_environment():
    """Stop where the user's settings of Python or OpenMP make Theano fail.

    Of a list of threads, '4,2', the first number stays: nothing here has teams within teams.

    Raises:
        CannotRun: says which one, and what to do.
    """
    if sys.flags.optimize > 1:
        raise CannotRun('Theano needs the documentation in its code, which -OO or PYTHONOPTIMIZE '
                        'takes out; run it without, or with -O')
    threads = os.environ.get('OMP_NUM_THREADS', '')
    if threads and not all(re.fullmatch(r'\s*0*[1-9]\d{0,8}\s*', part)
                           for part in threads.split(',')):
        raise CannotRun(f'OMP_NUM_THREADS is {threads[:40]!r}; it must be a whole number from 1 '
                        'up: set it to the number of threads, or unset it')
    if threads:
        os.environ['OMP_NUM_THREADS'] = threads.split(',')[0].strip()


def silence_old_warnings():
    """Have warnings in Theano's and Lasagne's own code, about names and files, never be errors.

    Their versions are fixed, and the names work in the numpy that goes with them; `-W error` is
    about the user's code.
    """
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning, ResourceWarning):
        warnings.filterwarnings('ignore', category=category,
                                module=r'(.*/)?(theano|lasagne|numpy[./]distutils)([./]|$)')


def import_theano():
    """Import Theano with the archive's flags, or give them to a Theano imported before.

    Raises:
        CannotRun: without a compiler that works or a compile directory that can be written.
    """
    # Idle OpenMP threads would wait by spinning: beside another busy process one map of the
    # embedded network took 125 ms, with sleeping threads 8. Read when GCC's OpenMP is loaded.
    os.environ.setdefault('OMP_WAIT_POLICY', 'passive')
    # So would OpenBLAS's own, for 2^26 cycles after each product, against the OpenMP threads of the
    # op that comes next: a loss and gradient of VGG-19 at 256 pixels took 267 ms instead of 183.
    os.environ.setdefault('OPENBLAS_THREAD_TIMEOUT', '4')
    settings = settings_of_the_user()
    flags = {name: value for name, value in default_flags().items()
             if name.lower() not in settings}
    if 'theano' in sys.modules:
        import theano
        if not theano.config.cxx:
            raise CannotRun('Theano was imported before the archive, without a C++ compiler '
                            "(cxx=''); write `import models` first and remove cxx from "
                            'THEANO_FLAGS')
        for name, value in flags.items():
            setattr(theano.config, name, value)
    else:
        for name in [name for name in sys.modules if name.startswith('theano.')]:
            del sys.modules[name]  # left by an `import theano` that failed without the flags
        check_before_import(settings)
        check_compiler_is_there(settings)
        _import_with_flags(flags, settings)
    import theano

    check_after_import(settings, list(theano.config._config_var_dict))
    check_compiler_works(settings)


def default_flags():
    """List the Theano flags that the archive sets, name to value."""
    # Elementwise work goes to all cores from 50 000 elements on; by Theano's 200 000 a loss and
    # gradient of VGG-19 at 256 pixels took a tenth longer.
    return {'floatX': 'float32', 'openmp': True, 'openmp_elemwise_minsize': 50000,
            'blas__ldflags': ' '.join(openblas_link_arguments())}


def openblas_link_arguments():
    """List the compiler arguments that link the OpenBLAS of the wheel scipy-openblas32."""
    folder = _plainly_named(scipy_openblas32.get_lib_dir())
    return ([f'-L{folder}', f'-l{scipy_openblas32.get_library()}', f'-Wl,-rpath,{folder}']
            + [f'-D{name}=scipy_{name}' for name in BLAS_ROUTINES])


def _plainly_named(folder):
    """Give the folder, or a link to it where its path has characters that get lost on the way.

    Theano splits at spaces and takes quotes away; the linker splits at commas.

    Raises:
        CannotRun: the user's own cache folder cannot hold the link, or has such characters too.
    """
    if PLAIN.fullmatch(folder):
        return folder
    cache = os.path.expanduser('~/.cache/lasagne-archive')
    link = os.path.join(cache, hashlib.sha256(os.fsencode(folder)).hexdigest()[:16])
    try:
        os.makedirs(cache, exist_ok=True)
        if not os.path.islink(link):
            os.symlink(folder, link)
        if os.readlink(link) == folder and PLAIN.fullmatch(link):
            return link
    except OSError:
        pass  # said below
    raise CannotRun('Theano cannot link a library whose path has spaces, commas or quotes: '
                    f'{folder}; make the virtual environment in a folder without')


def check_compiler_is_there(settings):
    """Stop where neither Theano's default compiler nor the user's own is on the PATH.

    Raises:
        CannotRun: Theano would go on in pure Python, hundreds of times slower.
    """
    if 'cxx' in settings:
        return
    compiler = 'clang++' if sys.platform == 'darwin' else 'g++'
    if not shutil.which(compiler):
        raise CannotRun(f'no C++ compiler: {compiler} is not on the PATH; {INSTALL_COMPILER}')


def _import_with_flags(flags, settings):
    """Import Theano with these flags before the user's, of which the later one wins."""
    before = os.environ.get(FLAGS)
    os.environ[FLAGS] = written({**flags, **user_flags()})
    try:
        import theano
        folder = theano.config.compiledir
        if not os.access(folder, os.W_OK):
            raise ValueError(f"compiledir '{folder}' cannot be written")
    except (ValueError, OSError) as problem:
        line = ' '.join(str(problem).split()).rstrip('.')
        if 'compiledir' in line or is_full_disk(problem):
            raise CannotRun(f'Theano cannot keep its compiled code: {line}; choose a folder with '
                            'THEANO_FLAGS=base_compiledir=FOLDER') from problem
        line = refusal(problem, settings)
        if line is None:
            raise
        raise CannotRun(line) from problem
    finally:
        # Theano has read them; a child process starts from the user's own.
        os.environ.pop(FLAGS)
        if before is not None:
            os.environ[FLAGS] = before


def check_compiler_works(settings):
    """Build one small extension with the compiler and the BLAS, once a compile directory.

    Args:
        settings: the user's; a failure that goes away without one of them is that one's.

    Raises:
        CannotRun: with the compiler's own first complaint.
    """
    import theano

    if not theano.config.cxx:
        source = settings['cxx'].source if 'cxx' in settings else 'theano.config'
        raise CannotRun(f"Theano has no C++ compiler: {source} says cxx=''; "
                        f'remove that, or {INSTALL_COMPILER}')
    link, own = theano.config.blas__ldflags.split(), theano.config.gcc__cxxflags.split()
    digest = hashlib.sha256(' '.join([theano.config.cxx, *own, *link]).encode()).hexdigest()[:16]
    marker = os.path.join(theano.config.compiledir, f'compiler-works-{digest}')
    if os.path.exists(marker):
        return
    try:
        complaint = complaint_of_compiler(own, link)
        if complaint is None:
            open(marker, 'w').close()
            return
    except OSError as problem:
        place = f'{problem.filename}: ' if problem.filename else ''
        raise CannotRun(f'cannot try the C++ compiler: {place}{reason_of(problem)}') from problem
    if is_full_disk(complaint):
        raise CannotRun(f'the C++ compiler cannot write its files ({complaint}): the disk is full; '
                        'make room')
    for option, remaining in (('blas__ldflags', (own, [])), ('gcc__cxxflags', ([], link))):
        if option in settings and complaint_of_compiler(*remaining) is None:
            raise CannotRun(f'{settings[option]}: the compiler cannot build with it '
                            f'({complaint}); remove it, the archive brings its own')
    if 'cxx' in settings:
        raise CannotRun(f'{settings["cxx"]}: this compiler does not work ({complaint}); '
                        'correct or remove it')
    raise CannotRun(f'the C++ compiler {theano.config.cxx} does not work ({complaint}); '
                    f'{INSTALL_COMPILER}')


def complaint_of_compiler(arguments, link):
    """Build and load a small extension; return what went wrong, in one line, or None.

    Args:
        arguments: for the compiler.
        link: for the linker; where there are any, they must bring a BLAS.
    """
    import theano

    code = '#include <Python.h>\n#include <cmath>\n#include <omp.h>\n'
    if link:
        code += 'extern "C" void sgemm_();\nvoid *product() { return (void *)sgemm_; }\n'
    code += 'int trial() { return omp_get_max_threads(); }\n'
    with tempfile.TemporaryDirectory() as folder:
        source, library = (os.path.join(folder, name) for name in ('trial.cpp', 'trial.so'))
        with open(source, 'w') as file:
            file.write(code)
        command = [theano.config.cxx, '-shared', '-fPIC', '-fopenmp',
                   '-I' + sysconfig.get_paths()['include'], *arguments, source, '-o', library,
                   *link]
        try:
            run = subprocess.run(command, capture_output=True, text=True, errors='replace')
            if run.returncode == 0:
                ctypes.CDLL(library, os.RTLD_NOW)
                return None
        except OSError as problem:
            return ' '.join(str(problem).replace(library, 'trial.so').split())
    lines = run.stderr.splitlines() or [f'exit {run.returncode}']
    return next((line for line in lines if 'error' in line.lower() or 'cannot find' in line),
                lines[0]).strip()


def keep_freed_memory():
    """Have the C library keep freed memory instead of handing each large block back.

    Theano frees an activation as soon as it is used, and the next call asks for it again: zeroed
    page by page by the kernel. Kept, a style transfer's loss and gradient (256x385, embedded
    network, 2 cores) take 0.21 s instead of 0.28 s. Only glibc has these two switches.
    """
    trim_threshold, mmap_max = -1, -4  # their numbers in malloc.h
    libc = ctypes.CDLL(None)
    if hasattr(libc, 'gnu_get_libc_version'):
        libc.mallopt(mmap_max, 0)
        libc.mallopt(trim_threshold, 2 ** 31 - 1)


def blas_threads():
    """Tell how many threads the linked OpenBLAS uses, or None with another BLAS."""
    import theano

    if 'scipy_openblas' not in theano.config.blas__ldflags:
        return None
    path = os.path.join(scipy_openblas32.get_lib_dir(),
                        scipy_openblas32.get_library(fullname=True))
    return ctypes.CDLL(path).scipy_openblas_get_num_threads()
