"""The kinds of problem that a user can mend, told in one line."""

import logging
import re

LONGEST = 4000  # characters of a message; the longest of ours names 9 addresses in 1500
KEPT_END = 800  # of these at the end, where the advice is
# What moves a terminal's cursor, changes the order of letters, or cannot be encoded.
CONTROLS = re.compile('[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069'
                      '\ufeff\ud800-\udfff]')


class ArchiveError(Exception):
    """Input that cannot be used; the message says in one line what is wrong and what to do.

    Parts of a message may come out of files and from servers: it is made printable here. The
    recipes print it without a traceback and exit with status 2.
    """

    def __init__(self, *messages):
        super().__init__(*(one_line(message) for message in messages))


class Incomplete(ArchiveError):
    """Some of what was asked for could not be done, all else is; recipes exit with status 1."""


class CannotRun(ArchiveError, ImportError):
    """This machine's Theano, Lasagne or compiler cannot run the archive; raised on import."""


def one_line(text, longest=LONGEST):
    """Return text of any origin so that it may be printed: one line, not too long, no controls.

    Args:
        text: what `str` makes text of; what is too long loses its middle.
        longest: characters at most.
    """
    text = str(text)
    if len(text) > longest:
        end = min(KEPT_END, longest // 2)
        text = f'{text[:longest - end - 5]} ... {text[-end:]}'
    text = ' '.join(re.split('[\n\r\t]+', text)).strip() if CONTROLS.search(text) else text
    return CONTROLS.sub(lambda found: ascii(found.group())[1:-1], text)


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
