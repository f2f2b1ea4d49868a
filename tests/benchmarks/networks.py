"""Networks against PyTorch and captum, side by side, on the machine at hand.

    pip install -e '.[bench]'        (without a GPU, the CPU build of torch 2.13.0 first)
    python tests/benchmarks/networks.py [--repeats 15] [--tasks forward training guided ...]

The archive, and PyTorch contiguous and channels last, are three processes, timed interleaved.
Medians of the time for a photo, and the ratio to PyTorch's better layout. forward: class scores.
training: a step of gradient descent on all parameters. gradient, guided, deconvnet, occlusion:
maps of a class, on the other side by captum; occlusion has a square of a fifth of the photo, in
steps of a quarter of it, 16 at once. The networks are the embedded one, a VGG-16 with random
weights at 224 pixels, and for training a network like the embedded one.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import models

import interleaved_timing
import lasagne
import numpy as np
import theano
import theano.tensor as T

from recipes import occlusion
from recipes.common import images, projections

PYTORCH = Path(__file__).with_name('pytorch_network.py')
SIZES = {'vgg19_quarter': 96, 'vgg16': 224}
BATCHES = {'training': (32,), 'occlusion': (1,)}  # others: 1 and 16
TASKS = ('forward', 'training', *projections.METHODS, 'occlusion')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--tasks', nargs='+', choices=TASKS, default=TASKS)
    parser.add_argument('--networks', nargs='+', choices=SIZES, default=list(SIZES))
    parser.add_argument('--batches', nargs='+', type=int)
    parser.add_argument('--repeats', type=int, default=15)
    parser.add_argument('--worker', nargs=2, metavar=('TASK', 'PROBLEM'), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(*options.worker)
    interleaved_timing.unset_openblas_limits()
    with tempfile.TemporaryDirectory() as folder:
        for network in options.networks:
            for task in options.tasks:
                if (network, task) == ('vgg16', 'training'):
                    continue  # its dense layers' 124 million parameters are another benchmark
                for batch in options.batches or BATCHES.get(task, (1, 16)):
                    problem = Path(folder) / 'problem.npz'
                    save_problem(problem, network, batch)
                    compare(problem, network, batch, task, options.repeats)


def load(network):
    """Load the network and its mean; weights that do not come with the archive are random."""
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
    photo = images.prepare(images.resize(photo, SIZES[network]), mean_pixel)
    noise = np.random.RandomState(0).uniform(-10, 10, (batch, *photo.shape[1:])).astype('float32')
    np.savez(path, network=network, layers=list(net)[1:], photos=photo + noise,
             classes=np.arange(batch), **arrays)


def compare(problem, network, batch, task, repeats):
    """Time one task on one batch, interleaved, and print the table."""
    rows, seconds, ratio = interleaved_timing.time_against_pytorch(__file__, PYTORCH, task, problem,
                                                                   repeats)
    print(f'\n{task}, {network}, {SIZES[network]} pixels, batch {batch}, medians of {repeats}')
    for name, value in seconds.items():
        print(f'  {name:22s} {1000 * value / batch:8.2f} ms a photo   '
              f'norm of the result {rows[name][-1][1]:.6g}')
    print(f"  ratio archive / PyTorch's better layout: {ratio:.2f}", flush=True)


def compile_task(task, net, photos, classes):
    """Make a function that computes once, and gives what is to be compared."""
    layer = models.scores(net)
    if task in projections.METHODS:
        project = projections.compile_projection(net, [layer.name], task)
        scores = np.zeros((len(photos), layer.output_shape[1]), 'float32')
        return lambda: project(photos, projections.class_target(scores, classes))
    if task == 'occlusion':
        look = projections.compile_activations(net)
        return lambda: occlude(look, photos, classes)
    image = net['input'].input_var
    if task == 'forward':
        function = theano.function([image], lasagne.layers.get_output(layer, image))
        return lambda: function(photos)
    wanted = T.ivector('wanted')
    probabilities = lasagne.layers.get_output(net['prob'], image)
    loss = lasagne.objectives.categorical_crossentropy(probabilities, wanted).mean()
    updates = lasagne.updates.sgd(loss, lasagne.layers.get_all_params(net['prob']), 1e-4)
    step = theano.function([image, wanted], loss, updates=updates)
    return lambda: step(photos, classes.astype('int32'))


def occlude(look, photos, classes):
    """Measure how much each pixel of some photos matters for a class of each."""
    side = photos.shape[2] // 5
    squares = occlusion.squares_of(photos.shape[2:], side, side // 4)
    found = []
    for photo, wanted in zip(photos, classes):
        (before,), (after,) = look(photo[None]), occlusion.responses(look, photo, squares)
        found.append(occlusion.importance(before[0, wanted], after[:, :, wanted], squares,
                                          photo.shape[1:]))
    return np.array(found)


def work(task, problem):
    """Be the archive's process: compute once for each line on standard input."""
    arrays = np.load(problem)
    net, _ = load(str(arrays['network']))
    compute = compile_task(task, net, arrays['photos'], arrays['classes'])
    for _ in sys.stdin:
        began = time.perf_counter()
        found = compute()
        seconds = time.perf_counter() - began
        print(seconds, float(np.sqrt((found.astype('float64') ** 2).sum())), flush=True)


if __name__ == '__main__':
    main()
