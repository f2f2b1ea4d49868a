"""Habits that all recipes' command lines share: one-line errors, exit statuses, value types."""

import argparse
import os
import sys
import warnings

import models
from models import process, waiting
from models.blocks import POOLINGS
from models.errors import ArchiveError, Incomplete, Notice, one_line, reason_of
from models.runtime.xla import devices
from models.weights import files

from tqdm import tqdm

from recipes.common import images, palettes

DEFAULT = next(iter(files.EMBEDDED))  # network


MOST = 2 ** 31 - 1  # of what is counted; larger numbers are slips, and overflow elsewhere


STATUSES = ('exit status: 0 done; 1 all is done but some of several photos, or a film; 2 something '
            'must be mended first, told in one line; 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by '
            'SIGHUP, with what was done until then kept')


class DefaultsFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds each option's default to its help, where it has one."""

    def _get_help_string(self, action):
        told = action.default in (None, False) or '(default' in action.help
        return action.help if told else super()._get_help_string(action)


class ArgumentParser(argparse.ArgumentParser):
    """argparse's parser, whose errors are one line and exit with status 2."""

    def __init__(self, **options):
        super().__init__(formatter_class=DefaultsFormatter, allow_abbrev=False,
                         **{'epilog': STATUSES, **options})

    def error(self, message):
        self.exit(2, f'{self.prog}: error: {one_line(message)}\n')

    def add_run_options(self):
        """Add what every recipe takes: where its results go, and how much it says."""
        recipe = os.path.splitext(self.prog)[0]
        self.add_argument('--out', metavar='FOLDER',
                          help=f'folder of the run (default: a new runs/{recipe}-NNN)')
        self.add_argument('--force', action='store_true',
                          help='write into a folder that exists; an earlier run in it is removed')
        self.add_argument('--quiet', action='store_true', help='no progress and no results shown')
        self.add_argument('--device', action=UseDevice, type=device,
                          help=f'{devices.WANTED} (default: {devices.VARIABLE}, or cpu)')

    def add_network_options(self, pool='max', chosen_later=False):
        """Add the network, its weights and its pooling.

        Args:
            pool: the default kind of pooling.
            chosen_later: whether the default network depends on other options; None stands for it.
        """
        default = f'; default: {DEFAULT}, or the network of --features' if chosen_later else ''
        self.add_argument('--model', default=None if chosen_later else DEFAULT,
                          help=f'one of {", ".join(models.NETWORKS)}{default}')
        self.add_argument('--weights', metavar='FILE',
                          help='weights of the model, .npz (default: those embedded or fetched)')
        self.add_argument('--pool', choices=POOLINGS, default=pool, help='kind of pooling')

    def add_photo_options(self, embedded):
        """Add photos and their size; `embedded` is the size for the embedded network."""
        self.add_argument('photos', nargs='*', metavar='PHOTO|FOLDER',
                          default=[images.bundled_photo()],
                          help="photos, or folders of them (default: NASA's portrait of an "
                               'astronaut)')
        self.add_size_option(embedded)

    def add_size_option(self, embedded):
        """Add the pictures' size; `embedded` is the one for the embedded network."""
        self.add_argument('--size', type=pixels,
                          help=f'pixels of the shorter side (default: what the network fixes, or '
                               f'was trained at; {embedded} for {DEFAULT})')


class UseDevice(argparse.Action):
    """Has functions compiled for a device from now on. It is of the process and no option of a run:
    nothing of it is kept among the options, and a run may go on on another one."""

    def __init__(self, option_strings, dest, **options):
        super().__init__(option_strings, argparse.SUPPRESS, default=argparse.SUPPRESS,
                         metavar='DEVICE', **options)

    def __call__(self, parser, namespace, value, option=None):
        devices.use(value)


def own_layer(use):
    """Say, for a help text, which layer is a recipe's default.

    Args:
        use: a field of `models.facts.Facts`.
    """
    return (f"default: the network's own, {getattr(models.facts_of(DEFAULT), use)} of "
            f'{DEFAULT}; `python -m models layers NAME` marks it')


def print_table(rows):
    """Print rows of texts in columns as wide as need be; the last one is ragged."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def run(main):
    """Run a recipe's main function; exit with a status where something is amiss.

    2 after what a user can mend: an ArchiveError, too little memory, or a file that cannot be read
    or written. 1: some of several photos, or the film, were left out, or what was printed could
    not be written, and all else is done. 130 after Ctrl-C, 143 after SIGTERM and 129 after SIGHUP,
    with what was done until then kept.
    """
    program = os.path.basename(sys.argv[0])
    waiting.begin('working')
    for stream in (sys.stdout, sys.stderr):  # a name of a file need not be text; it is shown so
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')
    with process.lasting_streams() as output:
        status, words = _outcome(main)
        waiting.begin('ending')  # until Python's own end
        output.flush()
        if not status and output.problem:
            status, words = 1, f'what it printed is lost: {reason_of(output.problem)}'
        if words:
            print(f'{program}: {one_line(words)}', file=sys.stderr)
    if status:
        sys.exit(status)


def _outcome(main):
    """Run a main function: (exit status, what to tell or None)."""
    with process.interruptible() as interruption:
        try:
            with warnings.catch_warnings():
                warnings.showwarning = Notices(os.path.basename(sys.argv[0]),
                                               warnings.showwarning)
                main()
        except Incomplete as problem:
            return 1, str(problem)
        except ArchiveError as problem:
            return 2, f'error: {problem}'
        except OSError as problem:
            place = f'{problem.filename}: ' if problem.filename else ''
            return 2, f'error: {place}{reason_of(problem)}'
        except MemoryError:
            return 2, 'error: not enough memory; take a smaller --size'
        except KeyboardInterrupt:
            return interruption.status, None
    return 0, None


class Notices:
    """Tells each `Notice` once, in a line, and other warnings as Python does.

    Args:
        program: name that begins the line.
        show: the function for other warnings.
    """

    def __init__(self, program, show):
        self.program, self.show, self.told = program, show, set()

    def __call__(self, message, category, *place, **options):
        if not issubclass(category, Notice):
            self.show(message, category, *place, **options)
        elif str(message) not in self.told:
            self.told.add(str(message))
            tqdm.write(f'{self.program}: {one_line(message)}', file=sys.stderr)


def described(options, names, net):
    """List options by name, and the hash of the weights, for run.json and inside pictures.

    Args:
        options: of a command line with a network.
        names: separated by spaces; model and pool are there anyway.
        net: the network that was loaded, as `models.load` gives it.
    """
    return {**{name: getattr(options, name) for name in ('model', 'pool', *names.split())},
            'weights_sha256': net.origin.sha256}


def device(text):
    """Take the name of a device as it is, for argparse; whether it is there is told later."""
    if not devices.is_name(text):
        raise argparse.ArgumentTypeError(f'{text!r} is no device; it must be {devices.WANTED}')
    return text


def positive_integer(text):
    """Read an integer from 1 up, for argparse."""
    return _number(text, int, lambda value: 1 <= value <= MOST,
                   f'a whole number from 1 up (to {MOST})')


def whole_number(text):
    """Read an integer from 0 up, for argparse."""
    return _number(text, int, lambda value: 0 <= value <= MOST,
                   f'a whole number from 0 up (to {MOST})')


def memory(text):
    """Read bytes from '4G', '900M' or '900000000B', for argparse."""
    unit = {'G': 10 ** 9, 'M': 10 ** 6, 'B': 1}.get(text[-1:].upper())
    try:
        count = int(float(text[:-1]) * unit)
    except (TypeError, ValueError, OverflowError):
        count = 0
    if count <= 0:
        raise argparse.ArgumentTypeError(f'{text!r} is no memory; write it like 4G or 900M')
    return count


def seed(text):
    """Read an integer that numpy takes as a seed, for argparse."""
    return _number(text, int, lambda value: 0 <= value < 2 ** 32,
                   'a whole number from 0 to 4294967295')


def percentage(text):
    """Read a float above 0 and up to 100, for argparse."""
    return _number(text, float, lambda value: 0 < value <= 100, 'a number above 0 and up to 100')


def factor(text):
    """Read a float above 0, and small enough to multiply with, for argparse."""
    return _number(text, float, lambda value: 0 < value < 1e100, 'a number above 0')


def pixels(text):
    """Read a picture's shorter side in pixels, for argparse."""
    return _number(text, int, lambda value: images.SMALLEST <= value < 10 ** 15,
                   f'a whole number from {images.SMALLEST} up (pixels)')


def palette_size(text):
    """Read a number of colours, for argparse."""
    return _number(text, int, lambda value: 2 <= value <= palettes.MOST,
                   f'a whole number from 2 to {palettes.MOST} (colours)')


def bits(text):
    """Read a number of bits for each of red, green and blue, for argparse."""
    return _number(text, int, lambda value: 1 <= value <= 8, 'a whole number from 1 to 8 (bits)')


def unit(text):
    """Read (channel, place) from '7' or '7,3,5', channel, row and column, for argparse.

    The place is (row, column), or None for the channel's strongest.
    """
    parts = text.split(',')
    if len(parts) not in (1, 3) or not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f'{text!r} is no unit; write a channel like 7, or '
                                         'channel, row and column like 7,3,5')
    channel, *place = (int(part) for part in parts)
    return channel, tuple(place) or None


def weight(text):
    """Read a finite float from 0 up, for argparse."""
    return _number(text, float, lambda value: 0 <= value < float('inf'), 'a number from 0 up')


def layer_weights(text):
    """Read a dict of factors by layer from 'conv1_1,conv2_1=0.5', for argparse; default 1."""
    weights = {}
    for part in text.split(','):
        layer, equals, factor = part.strip().partition('=')
        if not layer:
            raise argparse.ArgumentTypeError(f'{text!r} has an empty place; write layers like '
                                             'conv1_1,conv2_1=0.5')
        if layer in weights:
            raise argparse.ArgumentTypeError(f'{text!r} names {layer} twice')
        weights[layer] = weight(factor) if equals else 1.0
    return weights


def _number(text, kind, accepted, wanted):
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not accepted(value):
        raise argparse.ArgumentTypeError(f'{text!r} is not {wanted}')
    return value
