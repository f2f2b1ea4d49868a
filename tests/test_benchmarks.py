"""Interleaved timing of the benchmarks: rounds, what is kept, medians, a worker that stops."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent / 'benchmarks'))
import interleaved_timing  # noqa: E402

# Writes its name and, for each line that it gets, the number of the call.
WORKER = '''
import os
import sys
for number, _ in enumerate(sys.stdin):
    open(sys.argv[2], 'a').write(sys.argv[1])
    if number == int(sys.argv[3]):
        sys.exit(1)
    print(number, 7, flush=True)
'''


def commands(log, stops=99):
    return {name: [sys.executable, '-c', WORKER, name, log, stops] for name in 'ab'}


def test_workers_compute_interleaved_and_the_first_rounds_are_dropped(tmp_path):
    rows = interleaved_timing.time_interleaved(commands(tmp_path / 'log'), repeats=3)
    assert (tmp_path / 'log').read_text() == 'ab' * 5  # two to warm up
    assert rows == {name: [[2, 7], [3, 7], [4, 7]] for name in 'ab'}
    assert interleaved_timing.median_seconds(rows) == {'a': 3, 'b': 3}


def test_a_worker_that_stops_is_named(tmp_path):
    with pytest.raises(SystemExit, match='a stopped'):
        interleaved_timing.time_interleaved(commands(tmp_path / 'log', stops=1), repeats=3)


def test_what_slows_openblas_is_unset(monkeypatch):
    monkeypatch.setenv('OPENBLAS_CORETYPE', 'Haswell')
    interleaved_timing.unset_openblas_limits()
    assert 'OPENBLAS_CORETYPE' not in os.environ
