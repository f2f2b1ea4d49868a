"""The user's own Theano settings, in THEANO_FLAGS and `.theanorc`, and what is wrong with them.

Most such files were written for a Theano of 2015, on Python 2. What this Theano or the archive
cannot take is told in one line, with the file, the option and its value.
"""

import configparser
import os
import re
import shlex
import traceback
from typing import NamedTuple

from models.errors import CannotRun

FLAGS = 'THEANO_FLAGS'
NO_GPU = ('Theano cannot use a GPU any more; remove it, and set ARCHIVE_DEVICE=gpu, which goes '
          'through JAX')
IN_PYTHON = ('it runs parts of a network in Python, where convolution and pooling do not work; '
             'remove it')
# Option in lower case: {beginning of a value that Theano takes and the archive cannot run: why}.
UNUSABLE = {
    'device': {'gpu': NO_GPU, 'cuda': NO_GPU, 'opencl': NO_GPU},
    'init_gpu_device': {'gpu': NO_GPU, 'cuda': NO_GPU, 'opencl': NO_GPU},
    'mode': {'FAST_COMPILE': IN_PYTHON, 'Debug': IN_PYTHON, 'DEBUG': IN_PYTHON, 'JAX': NO_GPU,
             'ProfileMode': 'Theano has no such mode any more; write profile = True'},
    'linker': {'py': IN_PYTHON, 'c': "it wants all in C, and Theano's graphs have parts that are "
                                     'not; remove it'},
    'optimizer': {'None': 'without its optimizer Theano has no convolution; remove it',
                  'merge': 'without its optimizer Theano has no convolution; remove it'},
    'floatx': {'float16': 'Theano has no convolution of that type; write float32 or float64'},
    'compute_test_value': dict.fromkeys(
        ('raise', 'pdb'), "the archive's networks have no test values; set it in your own code, "
                          'after `import models`'),
    'check_stack_trace': {'raise': "Theano's own graphs do not pass this check; remove it"},
}
WHOLE_VALUES = {'linker'}  # their values begin alike: `c` and `c|py`, `py`


class Setting(NamedTuple):
    """One option as the user wrote it: where, how it is written there, and its value."""

    source: str
    written: str
    value: str

    def __str__(self):
        return f'{self.source}: {self.written} = {self.value!r}'


def settings_of_the_user():
    """Read what THEANO_FLAGS and the files say: {option in lower case: Setting}.

    Raises:
        CannotRun: a file, or THEANO_FLAGS, that Theano cannot read.
    """
    found = {}
    for name in os.environ.get('THEANORC', '~/.theanorc').split(os.pathsep):
        found.update(settings_of_file(os.path.expanduser(name)))
    found.update({key.lower(): Setting(FLAGS, key, value)
                  for key, value in user_flags().items()})
    return found


def user_flags():
    """Read THEANO_FLAGS as Theano does: {option: value}. A section's dot is this Theano's `__`.

    Raises:
        CannotRun: a quotation mark that nothing closes.
    """
    splitter = shlex.shlex(os.environ.get(FLAGS, ''), posix=True)
    splitter.whitespace, splitter.whitespace_split = ',', True
    try:
        pairs = [pair.strip().partition('=') for pair in splitter]
    except ValueError as problem:
        raise CannotRun(f'{FLAGS} cannot be read ({problem}): {os.environ[FLAGS]!r}') from problem
    return {option.replace('.', '__'): value for option, equals, value in pairs if equals}


def written(options):
    """Write {option: value} as THEANO_FLAGS, in quotation marks, so with any characters."""
    return ','.join("{}='{}'".format(option, str(value).replace("'", """'"'"'"""))
                    for option, value in options.items())


def settings_of_file(path):
    """Read one `.theanorc`: {option in lower case: Setting}; none where there is no such file.

    Raises:
        CannotRun: with the file, the line, and what to change.
    """
    try:
        with open(path, 'rb') as file:
            content = file.read()
    except OSError:
        return {}  # Theano leaves it out too
    if content.startswith(b'\xef\xbb\xbf'):
        raise CannotRun(f'{path} begins with a byte order mark, which Theano cannot read; save it '
                        'as UTF-8 without one')
    try:
        text = content.decode()
    except UnicodeDecodeError as problem:
        line = content.count(b'\n', 0, problem.start) + 1
        raise CannotRun(f'{path}, line {line}: this is not UTF-8; save the file as UTF-8, or '
                        'remove accents and umlauts') from problem
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error as problem:
        raise CannotRun(f'{path}, {_complaint(problem)}') from problem
    return {('' if section == 'global' else section.lower() + '__') + option:
            Setting(path, f'[{section}] {option}', value)
            for section in parser.sections() for option, value in parser[section].items()}


def _complaint(problem):
    """Tell what a parser of `.theanorc` did not like: the line, and what to do."""
    if isinstance(problem, configparser.MissingSectionHeaderError):
        return (f'line {problem.lineno}: {problem.line.strip()!r} stands before any section; put '
                'a line [global] above it')
    if isinstance(problem, configparser.DuplicateOptionError):
        return (f'line {problem.lineno}: [{problem.section}] {problem.option} is there twice; '
                'keep one of them')
    if isinstance(problem, configparser.DuplicateSectionError):
        return (f'line {problem.lineno}: the section [{problem.section}] is there twice; put its '
                'options together')
    if isinstance(problem, configparser.ParsingError):
        number, line = problem.errors[0]
        return f'line {number}: {line} is no option; write `name = value`, or begin it with #'
    return ' '.join(str(problem).split())


def check_before_import(settings):
    """Stop where the user asks for a GPU: such a Theano fails while it is imported.

    Raises:
        CannotRun: with the setting.
    """
    for option in ('device', 'init_gpu_device', 'mode'):
        _check_usable(option, settings)


def check_after_import(settings, options):
    """Stop at values that Theano has taken and that the archive cannot run.

    Args:
        settings: the user's.
        options: the names of all options of this Theano; others are of no effect.

    Raises:
        CannotRun: with the setting and what to do.
    """
    for option in UNUSABLE:
        _check_usable(option, settings)
    for option in options:
        setting = settings.get(option.lower())
        if setting and setting.source != FLAGS and _comment_of(setting):
            raise CannotRun(f'{setting}{_comment_of(setting)}')


def _check_usable(option, settings):
    setting = settings.get(option)
    for beginning, why in UNUSABLE[option].items() if setting else ():
        if setting.value == beginning or (option not in WHOLE_VALUES
                                          and setting.value.startswith(beginning)):
            raise CannotRun(f'{setting}: {why}')


def refusal(problem, settings):
    """Tell which setting made the import of Theano fail.

    Args:
        problem: what it raised.
        settings: the user's.

    Returns:
        A line, or None where no setting of the user's is to blame.
    """
    for frame, _ in traceback.walk_tb(problem.__traceback__):
        if frame.f_code.co_name == 'add' and 'configparam' in frame.f_locals:
            setting = settings.get(frame.f_locals['name'].lower())
            reason = ' '.join(str(problem).split()).rstrip('.')
            if setting:
                return (f'{setting}{_comment_of(setting)}' if _comment_of(setting) else
                        f'{setting}: Theano does not take this value ({reason}); correct or '
                        'remove it')
    return None


def _comment_of(setting):
    """Tell that a comment behind a value counts as the value, or '' where there is none."""
    if not re.search(r'\s[#;]', setting.value):
        return ''
    return (': a comment behind a value is taken for a part of it; put it on a line of its own')
