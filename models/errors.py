"""The kinds of problem that a user can mend, told in one line."""

import errno
import logging
import os
import re
import unicodedata

LONGEST = 2000  # characters of a message; the longest of ours names 9 addresses in 1500
BREAKS = '\n\r\t'


class ArchiveError(Exception):
    """Input that cannot be used; the message says in one line what is wrong and what to do.

    The recipes print it without a traceback and exit with status 2. Parts of it come out of files
    and from servers, so it is made one line of bounded length that no terminal takes for commands.
    """

    def __init__(self, message):
        super().__init__(one_line(message))


class Incomplete(ArchiveError):
    """Some of what was asked for could not be done, all else is; recipes exit with status 1."""


class CannotRun(ArchiveError, ImportError):
    """This machine's Theano, Lasagne or compiler cannot run the archive; raised on import."""


class Notice(UserWarning):
    """Something in the input that was left out or changed, told in one line; the work goes on."""


def one_line(text, longest=LONGEST):
    """Make a text that can be shown anywhere: one line, printable, of bounded length.

    Line breaks become a space, and control characters, marks that reverse the direction of text and
    lone surrogates (bytes of file names that are no UTF-8) their escapes, such as \\x1b. What is
    too long loses its middle: it begins with what is wrong and ends with what to do.
    """
    text = str(text).strip(BREAKS)
    if len(text) > 2 * longest:  # what is cut away is not looked at
        text = f'{text[:longest]}{text[-longest:]}'
    if not text.isprintable():
        text = ''.join(char if char.isprintable() else _escaped(char)
                       for char in re.sub(f'[{BREAKS}]+', ' ', text))
    if len(text) <= longest:
        return text
    half = (longest - 5) // 2
    return f'{text[:half]} ... {text[half + 5 - longest:]}'


def _escaped(char):
    if char.isspace() or unicodedata.category(char) == 'Zs':
        return ' '
    return char.encode('unicode_escape').decode('ascii')


class _OneLine(logging.Filter):
    """Makes what is logged printable; names of layers come out of files."""

    def filter(self, record):
        record.msg, record.args = one_line(record.getMessage()), ()
        return True


def keep_log_printable():
    """Let the archive's log have one printable line for each warning."""
    log = logging.getLogger('archive')
    if not any(isinstance(known, _OneLine) for known in log.filters):
        log.addFilter(_OneLine())


def is_full_disk(problem):
    """Tell whether an exception is about a full disk, also where a compiler has met it."""
    return (getattr(problem, 'errno', None) in (errno.ENOSPC, errno.EDQUOT)
            or os.strerror(errno.ENOSPC) in str(problem))


def reason_of(problem):
    """Say why the system refused something.

    Args:
        problem: an OSError.
    """
    if is_full_disk(problem):
        return 'the disk is full; make room'
    return problem.strerror or str(problem)
