"""Compiles the C modules of a function on all cores, with their common headers read once.

Theano compiles one module after another, and most of the compiler's time goes into the headers of
Python, numpy and C++. Here the first module that the cache lacks starts the compilation of all.
What takes long, Theano's own work on the graph and the compiler's, is told (`models.waiting`).
"""

import contextlib
import functools
import gc
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from models import waiting
from models.errors import ArchiveError, is_full_disk

import theano
from theano.compile.function.types import FunctionMaker
from theano.graph.fg import FunctionGraph
from theano.graph.op import COp
from theano.link.c import basic, cmodule
from theano.link.c.basic import CLinker
from theano.link.c.cmodule import GCC_compiler, dlimport, get_module_hash, std_include_dirs
from theano.link.vm import VMLinker

log = logging.getLogger('archive')

# What every module of Theano's begins with.
HEADERS = ('Python.h', 'iostream', 'theano_mod_helper.h', 'math.h', 'numpy/arrayobject.h',
           'numpy/arrayscalars.h', 'vector', 'algorithm')

LEAST_ROOM = 1 << 16  # bytes on a disk that is not full
KEPT = 'once, kept for later runs'


def apply():
    """Have Theano's linker compile ahead."""
    make_all, compile_cmodule = VMLinker.make_all, CLinker.compile_cmodule

    def make_all_ahead(self, *arguments, **options):
        previous, CLinker.ahead = CLinker.ahead, Ahead(self.fgraph)
        try:
            return make_all(self, *arguments, **options)
        finally:
            CLinker.ahead.close()
            CLinker.ahead = previous

    def compile_or_take(self, location=None):
        folder = self.ahead.take(self) if self.ahead and location else None
        with room():
            return (compile_cmodule(self, location) if folder is None
                    else moved(folder, hash_of_code(self), location))

    CLinker.ahead = None
    VMLinker.make_all, CLinker.compile_cmodule = make_all_ahead, compile_or_take
    tell_of_full_disks()
    keep_flags_of_the_processor()
    FunctionMaker.__init__ = told(FunctionMaker.__init__, 'simplifying a function of the network')
    FunctionMaker.create = told(FunctionMaker.create, 'putting a function of the network together')


def keep_flags_of_the_processor():
    """Ask the compiler once for each processor which flags fit it, not in each process (0.3 s)."""
    detect = GCC_compiler.compile_args

    def compile_args(march_flags=True):
        own = march_flags and GCC_compiler.march_flags is None and processor()
        if not own:
            return detect(march_flags)
        parts = theano.config.cxx, theano.config.gcc__cxxflags, cmodule.gcc_version_str, own
        digest = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
        path = os.path.join(theano.config.compiledir, f'archive-processor-{digest}')
        with contextlib.suppress(OSError), open(path) as file:
            GCC_compiler.march_flags = file.read().split()
            return detect(march_flags)
        arguments = detect(march_flags)
        with contextlib.suppress(OSError):  # on a full disk the next process asks again
            with open(f'{path}.{os.getpid()}', 'w') as file:
                file.write(' '.join(GCC_compiler.march_flags))
            os.replace(file.name, path)
        return arguments

    GCC_compiler.compile_args = staticmethod(compile_args)


def processor():
    """Describe the processor so that another one reads differently, or None where Linux is not."""
    names = ('vendor_id', 'cpu family', 'model', 'stepping', 'flags', 'CPU', 'Features')
    with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
        return sorted({line for line in file if line.startswith(names)})
    return None


def told(method, words):
    """Have it said, where a method takes long, what it does; it does it without the collector."""
    @functools.wraps(method)
    def telling(*arguments, **options):
        with waiting.doing(words), no_collection():
            return method(*arguments, **options)

    return telling


@contextlib.contextmanager
def no_collection():
    """Keep Python from looking for unused cycles among the objects of a graph, again and again.

    The style loss's makes millions; on an AMD Milan that took 0.9 of the 5.8 seconds from the start
    to the second evaluation.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class CannotCompile(ArchiveError):
    """A disk is full; one line, whatever Theano adds to its arguments."""

    def __init__(self):
        super().__init__('no room to compile')

    def __str__(self):
        return (f'no room to compile in {theano.config.compiledir} or {tempfile.gettempdir()}: '
                'the disk is full; make room, or choose another folder with '
                'THEANO_FLAGS=base_compiledir=FOLDER and TMPDIR')


@contextlib.contextmanager
def room():
    """Raise `CannotCompile` for whatever goes wrong inside because a disk is full."""
    try:
        yield
    except Exception as problem:
        if lacks_room(problem):
            raise CannotCompile from problem
        raise


def lacks_room(problem):
    """Tell whether a full disk is the reason of an exception.

    The linker may take no notice of one, and what it has written cannot be imported.
    """
    folders = theano.config.compiledir, tempfile.gettempdir()
    return (isinstance(problem, CannotCompile) or is_full_disk(problem)
            or min(shutil.disk_usage(folder).free for folder in folders) < LEAST_ROOM)


def tell_of_full_disks():
    """Have Theano end with `CannotCompile` where a disk is full, and say nothing before.

    It prints the graph, and a traceback for each constant that it cannot fold: 300 lines.
    """
    compile_str = GCC_compiler.compile_str

    def compile_or_tell(*arguments, **options):
        with room():
            return compile_str(*arguments, **options)

    def is_about_else(record):
        problem = sys.exc_info()[1]
        return problem is None or not lacks_room(problem)

    GCC_compiler.compile_str = staticmethod(compile_or_tell)
    for name in ('theano.graph.opt', 'theano.link.c.cmodule'):
        logging.getLogger(name).addFilter(is_about_else)
    cmodule.print = print_or_log


def print_or_log(*words, file=None, **options):
    """Print into a file, such as the code of a module; what is for the screen goes to the log."""
    if file in (None, sys.stderr):
        log.debug(' '.join(map(str, words)))
    else:
        print(*words, file=file, **options)


class Ahead:
    """The modules that one function's nodes need and the compile cache lacks.

    Args:
        fgraph: the optimised graph of the function.
    """

    def __init__(self, fgraph):
        self.fgraph, self.folder, self.jobs = fgraph, None, {}
        self.telling = contextlib.ExitStack()

    def take(self, linker):
        """Find the folder where a linker's module is compiled, or None where it is not."""
        if self.folder is None:
            self.start()
        job = self.jobs.pop(identity(linker), None)
        if job is None:
            return None
        folder, failed = job.result()
        return None if failed else folder  # Theano then compiles it itself, and tells the error

    def start(self):
        """Begin to compile every module that is missing, once each."""
        self.folder = tempfile.mkdtemp()
        self.pool = ThreadPoolExecutor(os.cpu_count())
        known, header = basic.get_module_cache(), None
        activity = self.telling.enter_context(waiting.doing('compiling', unit='modules',
                                                            remark=KEPT))
        for node in self.fgraph.toposort():
            linker = linker_of(node)
            name = linker and identity(linker)
            if linker is None or name in known or name in self.jobs:
                continue
            header = header or self.pool.submit(headers_of, linker)
            self.jobs[name] = self.pool.submit(self.compile, linker, name, header)
            self.jobs[name].add_done_callback(activity.step)
        activity.total = len(self.jobs)

    def compile(self, linker, name, header):
        """Compile one module into a folder of its own; return (folder, whether it failed)."""
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        try:
            GCC_compiler.compile_str(
                hash_of_code(linker), linker.get_src_code(), folder, linker.header_dirs(),
                linker.lib_dirs(), linker.libraries(),
                [*header.result(), *arguments_of(linker)], py_module=False)
        except Exception as problem:  # whatever it is, Theano meets it again
            log.debug('compiling ahead: %s', problem)
            return folder, True
        return folder, False

    def close(self):
        """Wait for what was begun, and clear away what nobody took."""
        self.telling.close()
        if self.folder is not None:
            self.pool.shutdown(cancel_futures=True)
            shutil.rmtree(self.folder, ignore_errors=True)


def linker_of(node):
    """Find the linker of one node in C, or None where it runs in Python."""
    if not isinstance(node.op, COp):
        return None
    try:
        node.op.prepare_node(node, None, None, 'c')
        linker = CLinker().accept(FunctionGraph(node.inputs, node.outputs), no_recycling=[])
        linker.get_dynamic_module()
    except Exception as problem:  # whatever it is, Theano meets it again, or goes on in Python
        log.debug('compiling ahead: %s', problem)
        return None
    return linker


def identity(linker):
    """Make the key of a module in the cache, of its code, versions and the compiler's arguments."""
    return get_module_hash(linker.get_src_code(), linker.cmodule_key())


def hash_of_code(linker):
    """Hash a linker's code: the name of its module in Python."""
    module = linker.get_dynamic_module()
    module.code()
    return module.code_hash


def arguments_of(linker):
    """List a linker's arguments for the compiler, without notes for a debugger (-g), which are a
    fifth of the time. All have OpenMP: the compiler refuses headers that differ from it there."""
    return [*linker.compile_args(), '-fopenmp', '-g0']


def headers_of(linker):
    """List the compiler's arguments that take the common headers precompiled, or none.

    The compiler itself sees whether they fit the arguments of a module, and else reads them anew.
    """
    arguments = [*arguments_of(linker), '-fvisibility=hidden']
    folders = [f'-I{folder}' for folder in [*linker.header_dirs(), *std_include_dirs()] if folder]
    digest = hashlib.sha256(' '.join([theano.config.cxx, *arguments]).encode()).hexdigest()[:16]
    path = os.path.join(theano.config.compiledir, f'archive-headers-{digest}.h')
    if not os.path.exists(f'{path}.gch'):
        with open(path, 'w') as file:
            file.writelines(f'#include <{name}>\n' for name in HEADERS)
        command = [theano.config.cxx, *arguments, *folders, '-x', 'c++-header', path, '-o',
                   f'{path}.{os.getpid()}']
        if subprocess.run(command, capture_output=True).returncode:
            return []
        os.replace(f'{path}.{os.getpid()}', f'{path}.gch')
    return ['-include', path]


def moved(folder, name, location):
    """Put a compiled module where the cache wants it, and import it."""
    for file in os.listdir(folder):
        shutil.move(os.path.join(folder, file), os.path.join(location, file))
    open(os.path.join(location, '__init__.py'), 'w').close()
    libraries = [file for file in os.listdir(location) if file.startswith(name)]
    return dlimport(os.path.join(location, libraries[0]))
