"""Runs trial.py over many files and finds what breaks the guarantee."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TRIAL = Path(__file__).with_name('trial.py')
ROOT = TRIAL.parents[2]
SECONDS, MEGABYTES = 20, 1000  # of the guarantee, beside twice the file's size


@dataclass
class Trial:
    """What became of one file.

    Attributes:
        name: of the file.
        outcome: 'read', 'refused', 'memory', 'unprintable', 'traceback', or 'died'.
        message: that it was refused with.
        seconds: that it took.
        others: what else happened: calls, warnings, files that were written.
    """

    name: str
    outcome: str
    message: str = ''
    seconds: float = 0.0
    others: tuple = ()

    def is_within_the_guarantee(self):
        """Tell whether it was read or refused, and nothing else happened."""
        return (self.outcome in ('read', 'refused') and self.seconds < SECONDS
                and not self.others)


def run(files, command='convert', seconds=SECONDS):
    """Try files, many in a process.

    Args:
        files: (name, content) of each.
        command: 'convert', 'load', or 'unpickle', which breaks the guarantee.
        seconds: of computing that each may take.

    Returns:
        A list of Trial.
    """
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        names = {}
        for index, (name, content) in enumerate(files):
            path = folder / (f'{index}.npz' if command == 'load' else str(index))
            path.write_bytes(content)
            names[str(path)] = name
        os.mkfifo(folder / 'fifo')
        trials, left = [], list(names)
        while left:
            found = _run_some(left, command, seconds, folder)
            trials += [Trial(names[path], *told) for path, told in zip(left, found)]
            left = left[len(found):]
        expected = {Path(path).name for path in names} | {'fifo'}
        for path in folder.iterdir():
            if path.name not in expected:
                trials.append(Trial(path.name, 'written'))
        return trials


def _run_some(paths, command, seconds, folder):
    """Try files in one process: the outcomes until it ended."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONHASHSEED': '0'}
    process = subprocess.run(
        [sys.executable, str(TRIAL), str(MEGABYTES), str(seconds)], cwd=folder, env=environment,
        text=True, capture_output=True, input=''.join(f'{command} {path}\n' for path in paths))
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    if not lines:
        raise RuntimeError(process.stderr)
    found = [(line['outcome'], line['message'], line['seconds'],
              (*line['events'], *line['warnings'])) for line in lines[1::2]]
    if len(lines) % 2:  # it began with one that it did not come back from
        found.append(('died', f'status {process.returncode}: {process.stderr[-300:]}'))
    return found
