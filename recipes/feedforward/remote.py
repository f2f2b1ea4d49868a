"""What a worker of a cluster imports first: nothing of the archive but this.

The task itself, and with it Theano, is unpickled where the task runs, not where the worker talks to
the scheduler: that takes longer than the scheduler waits for a sign of life.
"""

import pickle

_TASKS = {}  # of this process, by their pickles


def run(pickled, content, name):
    """Do a pickled task for one picture; see `recipes.feedforward.applying.Task`."""
    if pickled not in _TASKS:
        _TASKS[pickled] = pickle.loads(pickled)
    return _TASKS[pickled](content, name)
