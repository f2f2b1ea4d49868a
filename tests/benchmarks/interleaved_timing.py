"""Interleaved timing: workers compute one after another, so that noise of the machine meets all."""

import os
import subprocess
import sys
from statistics import median

OPENBLAS_LIMITS = ('OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE')  # with them it is slower
WARM_UP = 2  # rounds


def unset_openblas_limits():
    """Remove the environment variables that slow OpenBLAS down, also for the workers."""
    for name in OPENBLAS_LIMITS:
        os.environ.pop(name, None)


def time_interleaved(commands, repeats):
    """Start each worker once, then let each compute once a round, in order.

    Args:
        commands: name -> command. A worker computes once for each line on its standard input, and
            prints one line of numbers, the first of them the seconds.
        repeats: rounds that are kept, after two to warm up.

    Returns:
        Dict from name to rows of numbers, one a round.

    Raises:
        SystemExit: a worker has stopped.
    """
    workers = {name: subprocess.Popen([str(part) for part in command], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
               for name, command in commands.items()}
    rows = {name: [] for name in workers}
    for _ in range(repeats + WARM_UP):
        for name, worker in workers.items():
            worker.stdin.write('\n')
            worker.stdin.flush()
            line = worker.stdout.readline()
            if not line:
                raise SystemExit(f'{name} stopped; its error is above')
            rows[name].append([float(part) for part in line.split()])
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return {name: found[WARM_UP:] for name, found in rows.items()}


def median_seconds(rows):
    """Compute the median of the seconds, the first number of each row: name -> float."""
    return {name: median(row[0] for row in found) for name, found in rows.items()}


def time_against_pytorch(archive, pytorch, task, problem, repeats):
    """Time a task of the archive and of PyTorch in both memory layouts, interleaved.

    Args:
        archive, pytorch: scripts; the first takes --worker TASK PROBLEM, the other also a layout.
        task, problem: what is computed, and the file of its arrays.
        repeats: rounds.

    Returns:
        (rows, seconds, ratio): as of `time_interleaved`; medians by name; the archive's by that of
        PyTorch's better layout.
    """
    theirs = [sys.executable, pytorch, task, problem]
    rows = time_interleaved({'archive': [sys.executable, archive, '--worker', task, problem],
                             'PyTorch contiguous': [*theirs, 'contiguous'],
                             'PyTorch channels last': [*theirs, 'channels_last']}, repeats)
    seconds = median_seconds(rows)
    best = min(value for name, value in seconds.items() if name != 'archive')
    return rows, seconds, seconds['archive'] / best
