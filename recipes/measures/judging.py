"""Measuring a pair of pictures and judging it by limits, and comparing the records of two runs."""

import csv
from collections import namedtuple
from pathlib import Path

from models.errors import ArchiveError

import numpy as np

from recipes.common import colours
from recipes.measures import pictures

# A measure with its value and `manifest.Limit`; passes is None where the limit says nothing.
Judged = namedtuple('Judged', 'measure value limit passes')

NAMES = {'ssim': 'SSIM', 'content': 'content correlation', 'colour': 'colour distance',
         'gram': 'Gram distance', 'rank': 'map, rank correlation',
         'overlap': 'brightest 5 %, overlap'}
CLOSE = 1e-4  # relative: losses that differ by less are the same but for rounding


def judge(ours, theirs, limits, network):
    """Measure a pair of pictures by all that limits name.

    Args:
        ours, theirs: RGB uint8 arrays of one shape.
        limits: list of `manifest.Limit`.
        network: `pictures.InNetwork`.

    Returns:
        List of Judged.
    """
    measures = {'ssim': pictures.ssim, 'colour': pictures.colour_distance,
                'content': network.content, 'gram': network.gram,
                'rank': _of_maps(pictures.rank_correlation), 'overlap': _of_maps(pictures.overlap)}
    found = []
    for limit in limits:
        value = measures[limit.measure](ours, theirs)
        found.append(Judged(limit.measure, value, limit, within(value, limit)))
    return found


def within(value, limit):
    """Tell whether a value is within a limit; None where the limit has neither end."""
    if limit.at_least is None and limit.at_most is None:
        return None
    return bool((limit.at_least is None or value >= limit.at_least)
                and (limit.at_most is None or value <= limit.at_most))


def verdict(judged):
    """Tell whether all that have a limit pass; None where none has."""
    known = [one.passes for one in judged if one.passes is not None]
    return all(known) if known else None


def _of_maps(measure):
    """Convert a measure of maps to one of pictures of maps: their brightness."""
    return lambda a, b: measure(colours.luminance(a), colours.luminance(b))


def differences(first, second):
    """List what two records of parameters say differently.

    Args:
        first, second: dicts, also nested.

    Returns:
        List of (name, first's value, second's value); '(nothing)' stands for what is not there.
    """
    found = []
    for name in sorted({*first, *second}):
        values = [one.get(name, '(nothing)') for one in (first, second)]
        if all(isinstance(value, dict) for value in values):
            found += [(f'{name}: {inner}', *both) for inner, *both in differences(*values)]
        elif values[0] != values[1]:
            found.append((name, *values))
    return found


def read_losses(folder):
    """Read the terms of the loss at each evaluation: name to float64 (evaluations,), or None.

    Raises:
        ArchiveError: the file is broken.
    """
    path = Path(folder) / 'losses.csv'
    if not path.exists():
        return None
    try:
        with open(path, newline='', encoding='utf-8') as file:
            header, *rows = csv.reader(file)
        columns = np.array(rows, 'float64').reshape(len(rows), len(header)).T
    except (OSError, ValueError) as problem:
        raise ArchiveError(f'{path} is no table of losses, or it is broken; run it again, or go on '
                           'with it (--resume)') from problem
    return dict(zip(header[1:], columns[1:]))


def compare_losses(first, second):
    """Find where two runs' losses part, and how far apart they end, term by term.

    Args:
        first, second: as of `read_losses`.

    Returns:
        List of (term, first's last value, second's last, relative difference there, number of the
        first evaluation that differs by more than rounding or None); of a term that one run lacks
        the other's values are None.
    """
    found = []
    for term in dict.fromkeys([*first, *second]):
        a, b = first.get(term), second.get(term)
        if a is None or b is None or not len(a) or not len(b):
            found.append((term, *(None if x is None or not len(x) else float(x[-1])
                                  for x in (a, b)), None, 1))
            continue
        count = min(len(a), len(b))
        apart = np.flatnonzero(_relative(a[:count], b[:count]) > CLOSE)
        parts = int(apart[0]) + 1 if len(apart) else None if len(a) == len(b) else count + 1
        found.append((term, float(a[-1]), float(b[-1]), float(_relative(a[-1], b[-1])), parts))
    return found


def _relative(a, b):
    return abs(a - b) / np.maximum(np.maximum(abs(a), abs(b)), 1e-300)


def round_of(evaluation, rounds):
    """Find the number of the round that an evaluation belongs to, or None.

    Args:
        evaluation: its number, from 1.
        rounds: of run.json: dicts with round, and evaluations up to its end.
    """
    return next((entry['round'] for entry in rounds
                 if evaluation <= entry.get('evaluations', 0)), None)
