"""Keeps compiled modules on disk, each in a folder that is named by what it was made from.

Theano finds a module by a pickled key: each process reads the keys of all modules before the first
function (3 s for 1100 modules), and walks through all folders again for each module that it
compiles. Here the folder's name is the hash of code, versions and the compiler's arguments, so
nothing is read but what is used, and no lock is needed: a folder gets its name when it is whole.
"""

import contextlib
import os
import shutil
import tempfile
import time

from models.runtime.compiling import room

import theano
from theano.link.c import basic
from theano.link.c.cmodule import dlimport, get_module_hash

LIFETIME = 31 * 24 * 3600  # seconds after its last use until a module is deleted, as in Theano
DAY = 24 * 3600            # seconds between two looks for what is old


def apply():
    """Have Theano take its compiled modules from here."""
    caches = {}

    def get_module_cache(init_args=None):
        folder = theano.config.compiledir
        if folder not in caches:
            caches[folder] = ModuleCache(folder)
        return caches[folder]

    basic.get_module_cache = get_module_cache


class ModuleCache:
    """The compiled modules in a folder, of this and of earlier processes.

    Args:
        folder: Theano's compiledir.

    Attributes:
        modules: key of Theano's to module, for what this process has used.
        by_name: name of a module's folder to module, likewise.
    """

    def __init__(self, folder):
        self.folder, self.modules, self.by_name = folder, {}, {}
        clear_old(folder)

    def __contains__(self, name):
        """Tell whether there is a module whose folder has this name."""
        return name in self.by_name or self.compiled_file(name) is not None

    def refresh(self, **options):
        """Do nothing: no state of the disk is kept."""

    def module_from_key(self, key, lnk):
        """Find a linker's module, or compile it.

        Args:
            key: of Theano's linker, (versions, signature); without versions a module is compiled in
                each process.
            lnk: the linker.
        """
        module = self.modules.get(key)
        if module is None:
            name = get_module_hash(lnk.get_src_code(), key)
            module = self.by_name.get(name) or (self.load(name) if key[0] else None)
            if module is None:
                module = self.compile(lnk, name if key[0] else None)
            self.modules[key] = self.by_name[name] = module
        return module

    def compiled_file(self, name):
        """Find the compiled file in a module's folder: its path, or None where there is none."""
        place = os.path.join(self.folder, name)
        files = os.listdir(place) if os.path.isdir(place) else ()
        return next((os.path.join(place, file) for file in files if file.endswith('.so')), None)

    def load(self, name):
        """Import a module that is there; one that cannot be imported is deleted, and None."""
        path = self.compiled_file(name)
        if path is None:
            return None
        try:
            return dlimport(path)
        except ImportError:  # of another system's C library, or damaged
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)
            return None

    def compile(self, linker, name):
        """Compile a module; with a name its folder is kept for other processes."""
        with room():
            location = tempfile.mkdtemp(prefix='tmp', dir=self.folder)
        try:
            module = linker.compile_cmodule(location)
        except BaseException:
            shutil.rmtree(location, ignore_errors=True)
            raise
        if name is not None:
            with contextlib.suppress(OSError):  # another process was faster
                os.rename(location, os.path.join(self.folder, name))
        # What is loaded stays in memory when its file is gone.
        shutil.rmtree(location, ignore_errors=True)
        return module


def clear_old(folder):
    """Delete modules that nobody has used for `LIFETIME`, once a `DAY`."""
    mark, now = os.path.join(folder, 'archive-cleared'), time.time()
    with contextlib.suppress(OSError):
        if now - os.stat(mark).st_mtime < DAY:
            return
    with contextlib.suppress(OSError):  # a full disk, or two processes at once
        open(mark, 'w').close()
        for place in list(os.scandir(folder)):
            if place.is_dir() and place.name.startswith(('m', 'tmp')) and \
                    now - last_use(place) > LIFETIME:
                shutil.rmtree(place.path, ignore_errors=True)


def last_use(place):
    """Tell when a folder was made or a file in it read, in seconds since 1970."""
    # A look into a folder counts as reading it, so of the folder itself only the change counts.
    return max([place.stat().st_mtime, *(file.stat().st_atime for file in os.scandir(place.path))])
