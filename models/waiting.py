"""What a recipe says while it works at something that shows no progress of its own.

    with waiting.doing('reading the weights of vgg19'):
        ...

A recipe that has written nothing on stderr for two seconds says what it is doing, for how long, and
how much of it is done where that is known. `import models` begins this in the archive's own
recipes, without --quiet; in other programs `doing` does nothing. It is one thread that looks at the
clock: whatever takes long, known to be slow or not, is told.
"""

import atexit
import contextlib
import sys
import threading
import time
from pathlib import Path

RECIPES = Path(__file__).resolve().parent.parent / 'recipes'
PATIENCE = 2.2  # seconds of silence before something is said: most errors come before
TICK = 0.25     # seconds between two looks at the clock
BAR = 12        # letters; with all that is told a line stays below 80, or it would break


class Teller:
    """Says what is being done whenever nothing else was written for a while.

    Args:
        words: what is done at first.
        patience: seconds of silence before something is said.
    """

    def __init__(self, words, patience=PATIENCE):
        self.patience = patience
        self.activities = [Activity(words)]
        self.heard, self.shown = time.monotonic(), ''
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, name='waiting', daemon=True)
        self.thread.start()

    def stop(self):
        """Say nothing any more, and clear what was said."""
        self.ended.set()
        if self.thread is not threading.current_thread():
            self.thread.join()

    def _watch(self):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it, or stderr is closed
            while not self.ended.wait(TICK):
                activity = self.activities[-1]
                if time.monotonic() - self.heard >= self.patience:
                    self._show(activity.told())
                    self.heard = time.monotonic()
            self._show('')

    def _show(self, words):
        """Write words in the place of those of before, on a line that others may write on too."""
        before, self.shown = self.shown, words
        if words or before:
            gone = ' ' * (len(before) - len(words))
            sys.stderr.write(f'\r{words}{gone}' + ('' if words else '\r'))
            sys.stderr.flush()

    def hear(self):
        """Take note that something else is written just now, and make room for it."""
        self.heard = time.monotonic()
        if self.shown and threading.current_thread() is not self.thread:
            self._show('')


class Activity:
    """One thing that is being done: its words, how many of how many units are, and a remark."""

    def __init__(self, words, total=None, unit='', remark=''):
        self.words, self.total, self.unit, self.done = words, total, unit, 0
        self.remark = f'; {remark}' if remark else ''
        self.began = time.time()

    def step(self, *_):
        """Count one more unit as done."""
        self.done += 1

    def told(self):
        """Say what is done, with a bar and a count where there is something to count, and the time.
        """
        seconds = f'{time.time() - self.began:.0f} s'
        if not self.total:
            return f'{self.words} ... {seconds}{self.remark}'
        full = BAR * min(self.done, self.total) // self.total
        return (f'{self.words} |{"#" * full}{" " * (BAR - full)}| {self.done} of {self.total} '
                f'{self.unit}, {seconds}{self.remark}')


_teller = None


def begin(words):
    """Begin to say what is done, in a recipe without --quiet; later calls change the words.

    What is done is this, unless something else is told with `doing`.
    """
    global _teller
    if _teller is not None:
        _teller.activities[0] = Activity(words)
    elif _is_a_recipe() and '--quiet' not in sys.argv:
        _teller = Teller(words)
        atexit.register(end)


def end():
    """Say nothing any more."""
    global _teller
    if _teller is not None:
        _teller.stop()
        _teller = None


def heard():
    """Take note that something else is written just now; what was said goes away before."""
    if _teller is not None:
        _teller.hear()


@contextlib.contextmanager
def doing(words, total=None, unit='', remark=''):
    """Have it said, if it takes long, what is done inside.

    Args:
        words: of what it is, such as 'reading the weights'.
        total: how many units there are to do, or None.
        unit: what they are called, in the plural.
        remark: what else is worth knowing while one waits, at the end.

    Yields:
        The `Activity`, whose `step` tells that one more unit is done.
    """
    activity = Activity(words, total, unit, remark)
    teller = _teller
    if teller is None or threading.current_thread() is not threading.main_thread():
        yield activity
        return
    teller.activities.append(activity)
    try:
        yield activity
    finally:
        teller.activities.remove(activity)


def _is_a_recipe():
    """Tell whether this process is one of the archive's recipes, run as a script."""
    main = getattr(sys.modules.get('__main__'), '__file__', None)
    return main is not None and RECIPES in Path(main).resolve().parents
