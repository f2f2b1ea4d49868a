"""The kinds of problem that a user can mend, told in one line."""


class ArchiveError(Exception):
    """Input that cannot be used; the message says in one line what is wrong and what to do.

    The recipes print it without a traceback and exit with status 2.
    """


class Incomplete(ArchiveError):
    """Some of what was asked for could not be done, all else is; recipes exit with status 1."""


class CannotRun(ArchiveError, ImportError):
    """This machine's Theano, Lasagne or compiler cannot run the archive; raised on import."""
