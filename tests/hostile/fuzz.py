"""Changes whole weight files at random, for as long as you like, and says which break a reader.

    python tests/hostile/fuzz.py pickle --seconds 600 --seed 1

A kind is one of pickle, bz2, pth, npz, mat, hdf5, caffemodel, safetensors, or load (.npz by
models.load). Files that break the guarantee are kept in --keep, and the exit status is 1.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import attacks
import mutations
import numpy as np
import trials

BATCH = 500      # files a process; it takes seconds to start
BATCH_HDF5 = 60  # each of which takes a process


def fuzz(kind, seconds, seed, keep=None):
    """Try changed files; return (how many by outcome, those that broke the guarantee)."""
    random, counts, broken = np.random.RandomState(seed), Counter(), []
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        files = mutations.changed('npz' if kind == 'load' else kind,
                                  BATCH_HDF5 if kind == 'hdf5' else BATCH, random)
        for trial in trials.run(files, 'load' if kind == 'load' else 'convert'):
            counts[trial.outcome] += 1
            if not trial.is_within_the_guarantee():
                broken.append(trial)
                print(trial, flush=True)
                if keep:
                    keep.mkdir(parents=True, exist_ok=True)
                    path = keep / f'{kind}-{seed}-{len(broken)}'
                    path.write_bytes(dict(files).get(trial.name, b''))
    return counts, broken


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('kind', choices=[*attacks.KINDS, 'load'])
    parser.add_argument('--seconds', type=float, default=600)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--keep', type=Path, metavar='FOLDER')
    options = parser.parse_args()
    counts, broken = fuzz(options.kind, options.seconds, options.seed, options.keep)
    print(f'{options.kind}: {sum(counts.values())} files, {dict(counts)}, {len(broken)} broke '
          'the guarantee')
    sys.exit(bool(broken))


if __name__ == '__main__':
    main()
