"""Mutated and hostile pictures: each is read or told in one line, in bounded time and memory.

A decoder may crash or take all memory, so they run in processes of their own, under limits.
"""

import json
import signal
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / 'mutations.py'


def outcome_of(python, forms, count, seed, timeout):
    """Return what came of the mutants of some forms."""
    done = python(SCRIPT, forms, count, seed, timeout=timeout)
    last = done.stdout.splitlines()[-1:] or ['nothing']
    killed = signal.Signals(-done.returncode).name if done.returncode < 0 else 'an error'
    assert done.returncode == 0, f'{last[0]} ended in {killed}: {done.stderr[-2000:]}'
    assert not done.stderr, done.stderr[-2000:]  # decoders say nothing of their own
    return json.loads(last[0])


def check(result, count):
    assert result['read'] + result['refused'] >= count
    assert result['read'] > 0 and result['refused'] > 0  # neither too few mutations nor too many
    assert result['taken'] <= 10 ** 9 and result['slowest'] <= 20, result


def test_some_hundred_mutants_are_read_or_refused(python):
    """29 forms, or 28 where Pillow has no AVIF."""
    result = outcome_of(python, 'all', 15, seed=1, timeout=300)
    check(result, 28 * 15)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(2, 12))
def test_many_mutants_are_read_or_refused(python, seed):
    check(outcome_of(python, 'all', 1000, seed, timeout=3000), 28 * 1000)
