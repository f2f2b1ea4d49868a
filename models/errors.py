"""The kinds of problem that a user can mend, told in one line."""

import errno
import os


class ArchiveError(Exception):
    """Input that cannot be used; the message says in one line what is wrong and what to do.

    The recipes print it without a traceback and exit with status 2.
    """


class Incomplete(ArchiveError):
    """Some of what was asked for could not be done, all else is; recipes exit with status 1."""


class CannotRun(ArchiveError, ImportError):
    """This machine's Theano, Lasagne or compiler cannot run the archive; raised on import."""


def is_full_disk(problem):
    """Tell whether an exception is about a full disk, also where a compiler has met it."""
    return (getattr(problem, 'errno', None) in (errno.ENOSPC, errno.EDQUOT)
            or os.strerror(errno.ENOSPC) in str(problem))


def reason_of(problem):
    """In words why the system refused something.

    Args:
        problem: an OSError.
    """
    if is_full_disk(problem):
        return 'the disk is full; make room'
    return problem.strerror or str(problem)
