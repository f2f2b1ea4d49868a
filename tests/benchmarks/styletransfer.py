"""Style transfer against PyTorch, side by side, on the machine at hand.

    pip install -e '.[bench]'        (without a GPU, the CPU build of torch 2.13.0 first)
    python tests/benchmarks/styletransfer.py [--sizes 256 512] [--repeats 9] [--skip-jobs]

1. Loss and gradient, VGG-19 to conv5_1 with random weights, and the embedded network, with the
   notebook's objective: three processes (the archive; PyTorch contiguous and channels last),
   timed interleaved. Medians, the ratio to PyTorch's better layout,
   peak memory.
2. A whole style transfer from process start to PNG against PyPI's neural-style 0.5.7: the same
   pictures, size, random weights of VGG-19 and number of evaluations. It needs torchvision, which
   PyPI has for its own build of PyTorch: --neural-style names the python of another environment.
3. The archive's default job, with an empty compile cache and with a warm one.
"""

import argparse
import json
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

import models

import interleaved_timing
import numpy as np
from PIL import Image

from recipes import styletransfer
from recipes.common import images
from recipes.common.networks import load_to
from recipes.style.loss import Looker, Painting, StyleLoss

ROOT = Path(__file__).parent.parent.parent
TORCH = Path(__file__).with_name('pytorch_style.py')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--models', nargs='+', default=['vgg19', 'vgg19_quarter'])
    parser.add_argument('--sizes', type=int, nargs='+', default=[256, 512])
    parser.add_argument('--repeats', type=int, default=9)
    parser.add_argument('--skip-jobs', action='store_true')
    parser.add_argument('--neural-style', metavar='PYTHON', default=sys.executable)
    parser.add_argument('--worker', nargs=2, metavar=('MODEL', 'PROBLEM'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return evaluations(*options.worker)
    interleaved_timing.unset_openblas_limits()
    with tempfile.TemporaryDirectory() as folder:
        for model in options.models:
            for size in options.sizes:
                compare_evaluations(Path(folder), model, size, options.repeats)
        if not options.skip_jobs:
            if subprocess.run([options.neural_style, '-c', 'import neural_style'],
                              stderr=subprocess.DEVNULL).returncode:
                print('\nno neural-style here; --neural-style PYTHON names a python that has it')
            else:
                compare_with_neural_style(Path(folder), options.neural_style)
            time_default_job(Path(folder))


def options_of(arguments):
    """Parse the recipe's options of its command line."""
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
    """List layers and the factors of their losses, as the other side reads them."""
    weights = styletransfer.weigh(options, net, None, None, np.empty(shape, 'float32'))
    content, style = list(options.content_layers), list(options.style_layers)
    return {'content_layers': content, 'style_layers': style,
            'content_weights': [weights[f'content {name}'] for name in content],
            'style_weights': [weights[f'style {name}'] for name in style],
            'tv_weight': weights['total variation']}


def compare_evaluations(folder, model, size, repeats, device='cpu'):
    """Time loss and gradient at one size, interleaved, and print the table."""
    problem = folder / f'{model}-{size}.npz'
    random = np.random.RandomState(0)
    net = (models.build(model, 'average_exc_pad', 'conv5_1') if model == 'vgg19'
           else models.load(model, None, 'average_exc_pad', 'conv5_1')[0])
    start, photo, painting = (random.uniform(-128, 128, (1, 3, size, size)).astype('float32')
                              for _ in range(3))
    save_problem(problem, options_of(['--impl', 'recipes']), net, start, photo, painting,
                 np.zeros(3))
    del net
    commands = {
        'archive': [sys.executable, __file__, '--worker', model, problem],
        'PyTorch contiguous': [sys.executable, TORCH, 'evaluations', problem, 'contiguous',
                               device],
        'PyTorch channels last': [sys.executable, TORCH, 'evaluations', problem, 'channels_last',
                                  device],
    }
    results = interleaved_timing.time_interleaved(commands, repeats)
    seconds = interleaved_timing.median_seconds(results)
    best = min(value for name, value in seconds.items() if name != 'archive')
    print(f'\nloss and gradient, {model} to conv5_1, {size}x{size}, medians of {repeats}')
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
    net, _ = load_to(layers, model, problem, options.pool)
    loss, start = StyleLoss(net, options.content_layers, options.style_layers), arrays['start']
    targets = Looker(loss).targets(arrays['photo'], [Painting(arrays['painting'])])
    loss.aim_at(targets)
    loss.weigh(styletransfer.weigh(options, net, loss, targets, start))
    for _ in sys.stdin:
        began = time.perf_counter()
        terms, _ = loss(start)
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(seconds, float(terms.sum()), peak, flush=True)


def compare_with_neural_style(folder, python):
    """Time a whole style transfer at 256x256 by both, interleaved, three times; print the ratio."""
    net = models.build('vgg19', 'max', 'pool5')
    parameters = {name: value.get_value() for name, layer in net.items() if hasattr(layer, 'W')
                  for name, value in ((f'{name}.W', layer.W), (f'{name}.b', layer.b))}
    np.savez(folder / 'vgg19.npz', **parameters)
    subprocess.run([python, TORCH, 'state_dict', folder / 'vgg19.npz', folder / 'vgg19.pth'],
                   check=True)
    for name, path in (('photo', images.bundled_photo()), ('painting', images.PAINTING)):
        square = images.resize_to(images.crop_square(images.read(path)), 256, 256)
        Image.fromarray(square).save(folder / f'{name}.png')
    ours = [sys.executable, ROOT / 'recipes' / 'styletransfer.py', '--quiet', '--force', '--out',
            folder / 'run', '--model', 'vgg19', '--weights', folder / 'vgg19.npz', '--pool', 'max',
            '--impl', 'recipes', '--rounds', 1, '--evals', 200, '--content', folder / 'photo.png',
            '--style', folder / 'painting.png']
    timed(ours)  # warm, and how many evaluations there are
    count = json.loads((folder / 'run' / 'run.json').read_text())['evaluations']
    theirs = [python, '-m', 'neural_style.neural_style', '-gpu', 'c', '-model_file',
              folder / 'vgg19.pth', '-disable_check', '-image_size', 256, '-num_iterations', count,
              '-print_iter', 0, '-save_iter', 0, '-content_image', folder / 'photo.png',
              '-style_image', folder / 'painting.png', '-output_image', folder / 'theirs.png']
    seconds = {'archive': [], 'neural-style 0.5.7': []}
    for _ in range(3):
        seconds['archive'].append(timed(ours))
        seconds['neural-style 0.5.7'].append(timed(theirs))
    assert (folder / 'theirs.png').exists()
    print(f'\nstyle transfer from process start to PNG, VGG-19, 256x256, {count} evaluations')
    for name, values in seconds.items():
        print(f'  {name:28s} {median(values):6.1f} s')
    print(f'  ratio: {median(seconds["archive"]) / median(seconds["neural-style 0.5.7"]):.2f}',
          flush=True)


def time_default_job(folder):
    """Time the recipe as it is, with an empty compile cache and with a warm one."""
    cache = folder / 'cache'
    flags = ','.join(filter(None, [os.environ.get('THEANO_FLAGS'), f'base_compiledir={cache}']))
    command = [sys.executable, ROOT / 'recipes' / 'styletransfer.py', '--quiet', '--force', '--out',
               folder / 'run']
    print('\nthe default job from process start to PNG')
    for name in ('empty compile cache', 'warm'):
        seconds = timed(command, THEANO_FLAGS=flags)
        before = json.loads((folder / 'run' / 'run.json').read_text())
        print(f'  {name:28s} {seconds:6.1f} s, of which '
              f"{before['seconds_before_the_first_round']:.1f} s before the first round")
    shutil.rmtree(cache)


def timed(command, **environment):
    """Measure how long a command takes, in seconds."""
    began = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True,
                   env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == '__main__':
    main()
