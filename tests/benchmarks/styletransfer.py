"""Style transfer against PyTorch, side by side, on the machine at hand.

    pip install -e '.[bench]'        (without a GPU, the CPU build of torch 2.13.0 first)
    python tests/benchmarks/styletransfer.py [--sizes 256 512] [--repeats 9] [--skip-job]

1. Loss and gradient, VGG-19 to conv5_1 with random weights and the notebook's objective: three
   processes (the archive; PyTorch contiguous and channels last) take turns, so that a noisy
   machine is noisy for all. Medians, the ratio to PyTorch's better layout, peak memory.
2. The whole default job from process start to PNG, cold (empty compile cache) and warm, against
   the same job in PyTorch with the same start, network, objective and evaluations.
"""

import argparse
import logging
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

import models
import turns
from recipes import styletransfer
from recipes.common import images, objective, tiles
from recipes.common.implementations import noise, weights_of
from recipes.common.scenes import Painting, Scene

ROOT = Path(__file__).parent.parent.parent
TORCH = Path(__file__).with_name('pytorch_style.py')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--sizes', type=int, nargs='+', default=[256, 512])
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--skip-job', action='store_true')
    parser.add_argument('--worker', nargs=2, metavar=('MODEL', 'PROBLEM'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return evaluations(*options.worker)
    turns.unset_what_holds_back()
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            compare_evaluations(Path(folder), size, options.repeats)
        if not options.skip_job:
            compare_jobs(Path(folder))


def options_of(arguments):
    """Return the recipe's options for its command line."""
    return styletransfer.parse([str(argument) for argument in arguments])


def save_problem(path, options, net, start, photo, painting, mean_pixel):
    """Write what both sides compute: kernels, pictures, start, layers and their final weights."""
    arrays = {}
    for name, layer in net.items():
        if hasattr(layer, 'W'):
            arrays[f'{name}.W'], arrays[f'{name}.b'] = layer.W.get_value(), layer.b.get_value()
    np.savez(path, photo=photo, painting=painting, start=start, mean_pixel=mean_pixel,
             rounds=options.rounds, evals=options.evals, **final_weights(options, net, start.shape),
             **arrays)


def final_weights(options, net, shape):
    """Return layers and the factors of their losses, as the other side reads them."""
    weights = weights_of(options, net, shape)
    content, style = list(options.content_layers), list(options.style_layers)
    return {'content_layers': content, 'style_layers': style,
            'content_weights': [weights[f'content {name}'] for name in content],
            'style_weights': [weights[f'style {name}'] for name in style],
            'tv_weight': weights['total variation']}


def compare_evaluations(folder, size, repeats):
    """Time loss and gradient at one size, in turns, and print the table."""
    problem = folder / f'{size}.npz'
    random = np.random.RandomState(0)
    net = models.build('vgg19', 'average_exc_pad', 'conv5_1')
    start, photo, painting = (random.uniform(-128, 128, (1, 3, size, size)).astype('float32')
                              for _ in range(3))
    save_problem(problem, options_of(['--impl', 'recipes']), net, start, photo, painting,
                 np.zeros(3))
    del net
    commands = {
        'archive': [sys.executable, __file__, '--worker', 'vgg19', problem],
        'PyTorch contiguous': [sys.executable, TORCH, 'evaluations', problem, 'contiguous'],
        'PyTorch channels last': [sys.executable, TORCH, 'evaluations', problem, 'channels_last'],
    }
    results = turns.take_turns(commands, repeats)
    seconds = turns.median_seconds(results)
    best = min(value for name, value in seconds.items() if name != 'archive')
    print(f'\nloss and gradient, VGG-19 to conv5_1, {size}x{size}, medians of {repeats}')
    for name, rows in results.items():
        print(f'  {name:22s} {seconds[name]:7.3f} s   peak {rows[-1][2]:6.0f} MB   '
              f'loss {rows[-1][1]:.6g}')
    print(f"  ratio archive / PyTorch's better layout: {seconds['archive'] / best:.2f}", flush=True)


def evaluations(model, problem):
    """Be the archive's process: evaluate once for each line on standard input."""
    logging.getLogger('archive').setLevel('ERROR')  # the problem file is no pure weight file
    arrays = np.load(problem)
    options = options_of(['--impl', 'recipes', '--model', model])
    layers = [*options.content_layers, *options.style_layers]
    net, _, _ = models.load(model, problem, options.pool, models.deepest_of(model, layers))
    terms = objective.Terms(net, options.content_layers, options.style_layers)
    start, photo = arrays['start'], arrays['photo']
    targets = styletransfer.compute_targets(
        tiles.Looker(terms), tiles.Tiling(net, terms.layers, photo.shape), photo, None,
        [Painting(arrays['painting'], None, 1.0)])
    weights = list(weights_of(options, net, start.shape).values())
    inputs = targets.weighted(weights).arrays()
    function = styletransfer.compile_loss(terms)
    for _ in sys.stdin:
        began = time.perf_counter()
        terms, _ = function(start, *inputs)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(seconds, float(terms.sum()), peak, flush=True)


def compare_jobs(folder):
    """Time the whole default job, cold and warm, and print the ratios."""
    options = options_of([])
    net, _, mean_pixel = models.load(options.model, None, options.pool, 'conv5_1')
    scene = Scene(options)
    problem, (shape,) = folder / 'job.npz', scene.shapes()

    def prepare(rgb):
        return images.prepare(rgb, mean_pixel)

    (photo, _), (painting,) = scene.target_at(0, prepare), scene.paintings_at(0, prepare)
    save_problem(problem, options, net, noise(options, shape).astype('float32'), photo,
                 painting.image, mean_pixel)
    cache = folder / 'cache'
    flags = ','.join(filter(None, [os.environ.get('THEANO_FLAGS'), f'base_compiledir={cache}']))
    ours = [sys.executable, ROOT / 'recipes' / 'styletransfer.py', '--quiet', '--force', '--out',
            folder / 'run']
    theirs = [sys.executable, TORCH, 'job', problem, folder / 'torch.png']
    print('\nthe default job from process start to PNG')
    seconds = {'archive, cold compile cache': [timed(ours, THEANO_FLAGS=flags)],
               'archive, warm': [], 'PyTorch': []}
    for _ in range(3):
        seconds['PyTorch'].append(timed(theirs))
        seconds['archive, warm'].append(timed(ours, THEANO_FLAGS=flags))
    shutil.rmtree(cache)
    for name, values in seconds.items():
        print(f'  {name:28s} {median(values):6.1f} s')
    ratio = median(seconds['archive, warm']) / median(seconds['PyTorch'])
    print(f'  ratio warm archive / PyTorch: {ratio:.2f}')


def timed(command, **environment):
    """Return how long a command takes, in seconds."""
    began = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True,
                   env={**os.environ, **environment})
    return time.perf_counter() - began


if __name__ == '__main__':
    main()
