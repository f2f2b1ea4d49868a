"""Reads hostile weight files in a process of its own, and tells what each one cost.

    python tests/hostile/trial.py MEGABYTES SECONDS < paths

reads commands, one a line; `convert PATH` or `load PATH`. For each it prints a line of JSON before
and one after. A file that takes longer than SECONDS of this process's own time, or ten times as
long by the clock, ends the process; one that takes more than MEGABYTES, or twice its size, meets an
error of memory: both show in the lines.
"""

import json
import os
import pickle
import resource
import signal
import sys
import warnings

import models
from models.errors import LONGEST, ArchiveError
from models.weights import conversion
from models.weights.formats import hdf5

FORBIDDEN = ('os.system', 'os.exec', 'os.posix_spawn', 'os.spawn', 'os.fork', 'os.mkdir',
             'os.rename', 'os.remove', 'os.chmod', 'os.symlink', 'pty.spawn',
             'socket.connect', 'ctypes.dlopen', 'subprocess.Popen')
WRITING = ('os.mkdir', 'os.rename', 'os.remove', 'os.chmod')  # of weights that could be read
watched = []


def watch(event, arguments):
    """Note what no weight file should lead to."""
    if event in FORBIDDEN and watched is not None:
        if event == 'subprocess.Popen' and str(hdf5.READER) in arguments[1]:
            return
        watched.append(event)


def spent():
    """Return the seconds that this process and its children computed."""
    return sum(sum(resource.getrusage(who)[:2])
               for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def kilobytes(what):
    with open('/proc/self/status') as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what))


def attempt(command, path):
    """Try a file: 'read', 'refused', or the failure's name."""
    target = f'{path}.out.npz'
    try:
        if command == 'unpickle':  # to see that what is not guarded is found out
            with open(path, 'rb') as file:
                pickle.load(file)
        elif command == 'load':
            models.load('vgg19', path)
        else:
            conversion.convert(path, 'vgg19', target)
    except ArchiveError as problem:
        told = str(problem)
        if not told.isprintable() or len(told) > LONGEST:
            return 'unprintable', told
        if isinstance(problem.__cause__, MemoryError):
            return 'memory', told
        return 'refused', told
    except BaseException as problem:
        return 'traceback', f'{type(problem).__name__}: {problem}'[:300]
    if os.path.exists(target):
        os.remove(target)
    return 'read', ''


def main(megabytes, seconds):
    """Try each path of the standard input."""
    conversion.skeleton('vgg19')
    now = kilobytes('VmSize')
    sys.addaudithook(watch)
    told = []
    warnings.showwarning = lambda message, *_: told.append(str(message))
    for line in sys.stdin:
        command, path = line.rstrip('\n').split(' ', 1)
        print(json.dumps({'path': path}), flush=True)
        most = (now << 10) + max(megabytes << 20, 2 * os.path.getsize(path))
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
        del watched[:], told[:]
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, 10 * seconds)  # other processes may hold this one up
        start = spent()
        outcome, message = attempt(command, path)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        events = [event for event in watched if outcome != 'read' or event not in WRITING]
        print(json.dumps({'outcome': outcome, 'message': message, 'events': events,
                          'warnings': list(told), 'seconds': spent() - start,
                          'peak': kilobytes('VmHWM')}), flush=True)


if __name__ == '__main__':
    main(int(sys.argv[1]), float(sys.argv[2]))
