"""Messages are one printable line, whatever they are made of."""

import logging

from models import errors

import pytest


@pytest.mark.parametrize('text, told', [
    ('as it is, naïve 猫', 'as it is, naïve 猫'),
    ('two\nlines\r\nand\ta tab\n', 'two lines and a tab'),
    ('\x1b]0;title\x07\x1b[2J', r'\x1b]0;title\x07\x1b[2J'),
    ('\x9b31m', r'\x9b31m'),
    ('right \u202e to left \u2066', r'right \u202e to left \u2066'),
    ('half \ud800', r'half \ud800'),
    ('line\u2028line', 'line line'),
    (b'bytes\n', r"b'bytes\n'"),
    (None, 'None'),
])
def test_what_moves_a_cursor_is_shown_and_not_done(text, told):
    assert errors.one_line(text) == told
    assert str(errors.ArchiveError(text)) == told and told.isprintable()


def test_a_long_message_loses_its_middle():
    told = str(errors.Incomplete('begin' + 'x' * 10 ** 6 + 'advice'))
    assert len(told) == errors.LONGEST and told.startswith('begin') and told.endswith('advice')
    assert len(errors.one_line('x' * 100, 20)) == 20


def test_a_cause_and_the_kind_are_kept():
    with pytest.raises(ImportError, match='no compiler') as problem:
        raise errors.CannotRun('no\ncompiler') from ValueError('x')
    assert isinstance(problem.value.__cause__, ValueError)


def test_warnings_are_printable(caplog):
    logging.getLogger('archive').warning('%s holds %s', 'file', 'a\n\x1b[2J')
    assert caplog.messages == [r'file holds a \x1b[2J']
