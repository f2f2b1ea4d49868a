"""Maps of a class against captum, side by side, on the machine at hand.

    pip install -e '.[bench]'        (without a GPU, the CPU build of torch 2.13.0 first)
    python tests/benchmarks/saliency.py [--batches 1 16] [--repeats 15]

Gradient, guided backprop and deconvnet of one class of each photo, by the archive and by captum on
PyTorch, contiguous and channels last: three processes take turns. Medians of the time for a photo,
and the ratio to captum's better layout. The networks are the embedded one at 96 pixels and a VGG-16
with random weights at 224.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import models
import turns
from recipes.common import images, projections

CAPTUM = Path(__file__).with_name('captum_saliency.py')
NETWORKS = {'vgg19_quarter': 96, 'vgg16': 224}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--batches', type=int, nargs='+', default=[1, 16])
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--networks', nargs='+', choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument('--worker', nargs=2, metavar=('PROBLEM', 'METHOD'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*options.worker)
    turns.unset_what_holds_back()
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            for batch in options.batches:
                problem = Path(folder) / f'{network}-{batch}.npz'
                save_problem(problem, network, batch)
                for method in projections.METHODS:
                    compare(problem, network, batch, method, options.repeats)
                problem.unlink()


def load(network):
    """Return the network and its mean; weights that do not come with the archive are random."""
    if network == 'vgg19_quarter':
        net, _, mean_pixel = models.load(network)
        return net, mean_pixel
    return models.build(network), np.zeros(3)


def save_problem(path, network, batch):
    """Write what both sides compute: parameters by layer in order, photos and their classes."""
    net, mean_pixel = load(network)
    arrays = {}
    for name, layer in net.items():
        if hasattr(layer, 'W'):
            W = layer.W.get_value()
            arrays[f'{name}.W'], arrays[f'{name}.b'] = W if W.ndim == 4 else W.T, (
                layer.b.get_value())
    photo = images.crop_square(images.read(images.bundled_photo()))
    photo = images.prepare(images.resize(photo, NETWORKS[network]), mean_pixel)
    noise = np.random.RandomState(0).uniform(-10, 10, (batch, *photo.shape[1:])).astype('float32')
    np.savez(path, network=network, layers=list(net)[1:], photos=photo + noise,
             classes=np.arange(batch), **arrays)


def compare(problem, network, batch, method, repeats):
    """Time one method on one batch, in turns, and print the table."""
    commands = {'archive': [sys.executable, __file__, '--worker', problem, method],
                'captum contiguous': [sys.executable, CAPTUM, problem, method, 'contiguous'],
                'captum channels last': [sys.executable, CAPTUM, problem, method,
                                         'channels_last']}
    rows = turns.take_turns(commands, repeats)
    seconds = turns.median_seconds(rows)
    best = min(value for name, value in seconds.items() if name != 'archive')
    print(f'\n{network}, {NETWORKS[network]} pixels, batch {batch}, {method}, medians of {repeats}')
    for name, value in seconds.items():
        print(f'  {name:22s} {1000 * value / batch:8.2f} ms a photo   '
              f'norm of the maps {rows[name][-1][1]:.6g}')
    print(f"  ratio archive / captum's better layout: {seconds['archive'] / best:.2f}", flush=True)


def work(problem, method):
    """Be the archive's process: compute once for each line on standard input."""
    arrays = np.load(problem)
    net, _ = load(str(arrays['network']))
    layer = models.scores(net)
    project = projections.compile_projection(net, [layer.name], method)
    photos, classes = arrays['photos'], arrays['classes']
    scores = np.zeros((len(photos), layer.output_shape[1]), 'float32')
    for _ in sys.stdin:
        began = time.perf_counter()
        maps = project(photos, projections.class_seed(scores, classes))
        seconds = time.perf_counter() - began
        print(seconds, float(np.sqrt((maps.astype('float64') ** 2).sum())), flush=True)


if __name__ == '__main__':
    main()
