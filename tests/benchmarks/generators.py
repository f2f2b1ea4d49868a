"""Generators against PyTorch: painting, and a step of their training.

    pip install -e '.[bench]'        (without a GPU, the CPU build of torch first)
    python tests/benchmarks/generators.py [--repeats 15] [--tasks apply training]

The archive, and PyTorch contiguous and channels last, are three processes, timed interleaved. The
network is the archive's, at half width. apply: a photo of 512 and of 1024 pixels. training: a step
of Adam on four squares of 128 pixels, on the loss that the recipe has by default. Each side prints
the norm of the picture, or the loss, which must agree.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from models import feedforward

import interleaved_timing
import numpy as np

from recipes.common import images
from recipes.feedforward import generators, objective
from recipes.feedforward.training import Trainer

PYTORCH = Path(__file__).with_name('pytorch_generator.py')
SIZES = {'apply': (512, 1024), 'training': (128,)}
BATCH, STYLE_SIZE, RATE = 4, 256, 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--tasks', nargs='+', choices=SIZES, default=list(SIZES))
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--worker', nargs=2, metavar=('TASK', 'PROBLEM'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*options.worker)
    interleaved_timing.unset_openblas_limits()
    with tempfile.TemporaryDirectory() as folder:
        for task in options.tasks:
            for size in SIZES[task]:
                problem = Path(folder) / 'problem.npz'
                save_problem(problem, task, size)
                compare(problem, task, size, options.repeats)


def make_loss():
    painting = images.resize(images.read(images.PAINTING), STYLE_SIZE)
    return objective.LossNetwork(objective.Settings(), painting)


def save_problem(path, task, size):
    """Write what both sides compute: weights of the generator and of the loss, photos."""
    loss = make_loss()
    net = feedforward.build(feedforward.ARCHIVE)
    arrays = {f'generator {name}': array for name, array in generators.arrays_of(net).items()}
    for name, layer in loss.net.items():
        if hasattr(layer, 'W'):
            arrays[f'loss {name}.W'] = layer.W.get_value()
            arrays[f'loss {name}.b'] = layer.b.get_value()
    arrays.update({f'gram {name}': gram for name, gram in loss.targets.items()})
    settings = {name: value for name, value in loss.settings._asdict().items()
                if name.endswith('weight') or name.endswith('layer') or name.endswith('layers')}
    photo = images.prepare(images.square(images.read(images.bundled_photo()), size),
                           loss.mean_pixel)
    count = BATCH if task == 'training' else 1
    noise = np.random.RandomState(0).uniform(-10, 10, (count, *photo.shape[1:]))
    np.savez(path, mean_pixel=loss.mean_pixel, photos=(photo + noise).astype('float32'), rate=RATE,
             **settings, **arrays)


def compare(problem, task, size, repeats):
    """Time one task at one size, interleaved, and print the table."""
    rows, seconds, ratio = interleaved_timing.time_against_pytorch(__file__, PYTORCH, task, problem,
                                                                   repeats)
    print(f'\n{task}, {size} pixels, medians of {repeats}')
    for name, value in seconds.items():
        print(f'  {name:22s} {value:7.3f} s   {rows[name][-1][1]:.6g}')
    print(f"  ratio archive / PyTorch's better layout: {ratio:.2f}", flush=True)


def work(task, problem):
    """Be the archive's process: compute once for each line on standard input."""
    arrays = np.load(problem)
    photos = arrays['photos']
    if task == 'apply':
        net = feedforward.build(feedforward.ARCHIVE)
        paint = generators.compile_generator(net, feedforward.ARCHIVE)

        def compute():
            return np.linalg.norm(paint(photos).astype('float64'))
    else:
        trainer = Trainer(feedforward.ARCHIVE, make_loss(), 0)

        def compute():
            return (trainer.step([photos], RATE) * trainer.loss.factors).sum()

    for _ in sys.stdin:
        began = time.perf_counter()
        found = compute()
        print(time.perf_counter() - began, float(found), flush=True)


if __name__ == '__main__':
    main()
