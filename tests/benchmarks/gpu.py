"""The recipes on a GPU: where they run, what is transferred, how exact and how fast they are.

    pip install -e '.[cuda12,bench]'        (torch 2 with CUDA)
    python tests/benchmarks/gpu.py [--device gpu:1] [--sizes 256 512 1024]
                                   [--skip-recipes] [--skip-pytorch] [--skip-jobs]

1. For each recipe's compiled function: the ops that run on the device and on the host, what a call
   sends and fetches, XLA's compile time, and the largest difference from Theano's C.
2. Gatys' loss and gradient, VGG-19 to conv5_1 with random weights, against PyTorch on the same
   card, both in full float32 and with all transfers, timed interleaved. Aim: 1.3 or less.
3. The default job from process start to PNG, twice; whether both have the same bytes.

`--device xla-cpu` shows without a GPU what would be measured.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import models  # noqa: F401
from models.runtime.xla import devices

import compiled
import interleaved_timing
import numpy as np
import styletransfer

FIELDS = ('programs', 'compiling', 'sent', 'sent_bytes', 'fetched', 'fetched_bytes')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--device', default='gpu')
    parser.add_argument('--sizes', type=int, nargs='+', default=[256, 512, 1024])
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--skip-recipes', action='store_true')
    parser.add_argument('--skip-pytorch', action='store_true')
    parser.add_argument('--skip-jobs', action='store_true')
    options = parser.parse_args()
    try:
        devices.use(options.device)
    except devices.CannotRun as problem:
        sys.exit(f'error: {problem}')
    print(', '.join(f'{name} {value}' for name, value in devices.description().items()))
    if not options.skip_recipes:
        show_recipes(options.device)
    os.environ[devices.VARIABLE] = options.device  # of the processes below
    devices.use('cpu')
    interleaved_timing.unset_openblas_limits()
    with tempfile.TemporaryDirectory() as folder:
        if not options.skip_pytorch:
            theirs = 'cuda' if options.device.startswith('gpu') else 'cpu'
            for size in options.sizes:
                styletransfer.compare_evaluations(Path(folder), 'vgg19', size, options.repeats,
                                                  theirs)
        if not options.skip_jobs:
            time_jobs(Path(folder))


def show_recipes(device):
    """Print a line for each recipe's function."""
    print(f'{"recipe":24s} ops on device/host  sent        fetched     compiled in  off by')
    for name in compiled.COMPILED:
        devices.use('cpu')
        function, arguments = compiled.compile_for(name)
        expected = listed(function(*arguments))
        devices.use(device)
        function, arguments = compiled.compile_for(name)
        is_there = hasattr(function.fn, 'compiled')
        ops = len(function.maker.fgraph.apply_nodes)
        first, found = counted(function, arguments)
        second, _ = counted(function, arguments)
        error = max(float(abs(one - right).max() / max(abs(right).max(), 1e-30))
                    for one, right in zip(found, expected))
        print(f"{name:24s} {ops if is_there else 0:6d} / {0 if is_there else ops:<8d} "
              f"{second['sent']} = {second['sent_bytes']:<7d} {second['fetched']} = "
              f"{second['fetched_bytes']:<7d} {first['compiling']:6.1f} s     {error:.0e}",
              flush=True)


def counted(function, arguments):
    """Call a function; return (what was counted meanwhile, its outputs)."""
    from models.runtime.xla import linker

    before = dict(vars(linker.counts))
    found = listed(function(*arguments))
    return {name: getattr(linker.counts, name) - before[name] for name in FIELDS}, found


def listed(found):
    return [np.asarray(one) for one in (found if isinstance(found, list) else [found])]


def time_jobs(folder):
    """Time the default job twice, and compare the bytes."""
    pictures = []
    for number in 1, 2:
        out = folder / f'run{number}'
        seconds = styletransfer.timed([sys.executable, styletransfer.ROOT / 'recipes' /
                                       'styletransfer.py', '--quiet', '--out', out])
        pictures.append((out / 'result.png').read_bytes())
        print(f'the default job from process start to PNG: {seconds:.1f} s', flush=True)
    print('the same bytes' if pictures[0] == pictures[1] else 'OTHER BYTES the second time')


if __name__ == '__main__':
    main()
