"""How a command of the archive ends: by a signal, or with nobody left to read what it says.

Ctrl-C (SIGINT), SIGTERM and SIGHUP end a command alike: what was done until then is kept, and the
exit status is 128 and the signal's number: 130, 143, 129. A signal that the parent process has
ignored, as `nohup` and shells in the background do, stays ignored. A program of somebody else that
imports the archive keeps its own handlers and streams.
"""

import contextlib
import errno
import os
import signal
import sys
import threading
from pathlib import Path

from models import waiting

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
OWN = (signal.default_int_handler, signal.SIG_DFL)  # Python's, where nobody has set another
ROOT = Path(__file__).resolve().parent.parent


def guard_imports():
    """Have a signal during a command's imports end it without a traceback, and open the standard
    streams that are closed, so that no file of the run takes their numbers.

    `import models` does this first; it changes nothing in other programs.
    """
    if not _is_a_command():
        return
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # the lowest free number is the one that is missing
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w'))
    _handle(_end_at_once)


class Interruption:
    """What has interrupted a command; Ctrl-C where nothing else did."""

    number = signal.SIGINT

    @property
    def status(self):
        """The exit status."""
        return 128 + self.number


@contextlib.contextmanager
def interruptible():
    """Have signals raise KeyboardInterrupt inside, and give the `Interruption`.

    A command ignores them afterwards: it is done, and Python, while it ends, has no handlers.
    """
    interruption = Interruption()

    def interrupt(number, frame):
        interruption.number = number
        raise KeyboardInterrupt

    before = _handle(interrupt)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_IGN if _is_a_command() else handler)


@contextlib.contextmanager
def lasting_streams():
    """Let what is printed inside be lost, and nothing else, where nobody reads it any more.

    Yields:
        The `Stream` of the standard output.
    """
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = streams = tuple(map(Stream, before))
    try:
        yield streams[0]
    finally:
        for stream in streams:
            stream.flush()  # now: at Python's end it would be an error
        sys.stdout, sys.stderr = before


class Stream:
    """A standard stream that goes on where its reader has gone, or its disk is full.

    Attributes:
        problem: the OSError that something was lost by, other than a reader's going; or None.
    """

    def __init__(self, stream):
        self.stream, self.problem = stream, None

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text):
        """Write a text, if that is possible."""
        waiting.heard()
        self._try(lambda: self.stream.write(text))
        return len(text)

    def flush(self):
        """Write what is buffered, if that is possible."""
        self._try(self.stream.flush)

    def _try(self, action):
        try:
            action()
        except OSError as problem:
            if problem.errno != errno.EPIPE:
                self.problem = problem
            # What is buffered, and what other code writes, goes nowhere from now on.
            with contextlib.suppress(OSError), open(os.devnull, 'wb') as nowhere:
                os.dup2(nowhere.fileno(), self.stream.fileno())


def _is_a_command():
    """Tell whether this process is a recipe or `python -m models...`, no program of others."""
    if sys.argv[:1] == ['-m']:  # Python is still looking for the module
        return True
    main = getattr(sys.modules.get('__main__'), '__file__', None)
    return main is not None and any(ROOT / name in Path(main).resolve().parents
                                    for name in ('models', 'recipes'))


def _end_at_once(number, frame):
    """End a command that has nothing to save yet; Python's own handler in other programs."""
    if _is_a_command():
        os._exit(128 + number)
    signal.signal(number, OWN[0] if number == signal.SIGINT else OWN[1])
    signal.raise_signal(number)


def _handle(handler):
    """Set the handler of each signal that is not ignored; return those of before."""
    if threading.current_thread() is not threading.main_thread():
        return {}  # only the main thread may, and only it is interrupted
    return {number: signal.signal(number, handler) for number in SIGNALS
            if signal.getsignal(number) not in (signal.SIG_IGN, None)}
