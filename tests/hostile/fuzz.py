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

BATCH = 200


def fuzz(kind, seconds, seed, keep, batch=BATCH):
    """Try changed files; return (how many by outcome, those that broke the guarantee)."""
    corpus = mutations.corpus('npz' if kind == 'load' else kind)
    random, counts, broken = np.random.RandomState(seed), Counter(), []
    start = time.monotonic()
    while time.monotonic() - start < seconds or not counts:
        files = {}
        for index in range(batch):
            name, content = corpus[random.randint(len(corpus))]
            files[f'{sum(counts.values()) + index} {name}'] = mutations.mutated(content, random)
        for trial in trials.run(list(files.items()), 'load' if kind == 'load' else 'convert'):
            counts[trial.outcome] += 1
            if not trial.is_within_the_guarantee():
                broken.append(trial)
                print(trial, flush=True)
                if keep and trial.name in files:
                    keep.mkdir(parents=True, exist_ok=True)
                    path = keep / f'{kind}-{seed}-{trial.name.partition(" ")[0]}'
                    path.write_bytes(files[trial.name])
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
