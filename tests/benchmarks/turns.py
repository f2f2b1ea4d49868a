"""Let worker processes take turns, so that a noisy machine is noisy for all of them."""

import os
import subprocess
from statistics import median

FOR_SPEED = ('OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE')  # they hold OpenBLAS back
WARM_UP = 2


def unset_what_holds_back():
    """Take variables out of the environment that slow OpenBLAS down."""
    for name in FOR_SPEED:
        os.environ.pop(name, None)


def take_turns(commands, repeats):
    """Start each worker once, then let each compute once a turn.

    Args:
        commands: name -> command. A worker computes once for each line on its standard input, and
            prints one line of numbers, the first of them the seconds.
        repeats: turns that are kept, after two to warm up.

    Returns:
        Dict from name to rows of numbers, one a turn.

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
    """Return the median of the first number of each row, by name."""
    return {name: median(row[0] for row in found) for name, found in rows.items()}
