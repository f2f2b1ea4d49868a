"""How far float32 is from exact: Gatys' loss and gradient of VGG-19 with random weights.

    pip install -e '.[bench]'        (without a GPU, the CPU build of torch 2.13.0 first)
    python tests/benchmarks/exactness.py [--size 256]

PyTorch in float64 is what is exact. Against it: the archive's C with Winograd's method, with
Theano's direct convolution (ARCHIVE_CONVOLUTION=direct), and PyTorch in float32. For each, the
relative error of the loss and of the gradient (root mean squares), and of each layer's activations;
and how many rectifiers see the other side of 0. One of those changes the gradient in all of its
receptive field, so the last column has the gradient's error but for them: against float64 with that
method's own rectifiers.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import models

import lasagne
import numpy as np
import theano

from recipes.style.loss import Looker, Painting, StyleLoss

CONTENT, STYLE = 'conv4_2', ('conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1')
WEIGHTS = {f'content {CONTENT}': 1e-3, **{f'style {name}': 2e5 for name in STYLE},
           'total variation': 0.0}
POOLED = ('conv1_2', 'conv2_2', 'conv3_4', 'conv4_4')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--worker', metavar='FILE', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return evaluate(options.worker, options.size)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, settings in (('archive', {}), ('archive, direct',
                                                 {'ARCHIVE_CONVOLUTION': 'direct'})):
            path = Path(folder) / f'{name}.npz'
            subprocess.run([sys.executable, __file__, '--worker', path, '--size',
                            str(options.size)], check=True, env={**os.environ, **settings})
            with np.load(path) as arrays:
                found[name] = dict(arrays)
    report(found)


def evaluate(path, size):
    """Be a process with its own way of convolution: save inputs, loss, gradient, activations."""
    random = np.random.RandomState(0)
    x, photo, painting = (random.uniform(-128, 128, (1, 3, size, size)).astype('float32')
                          for _ in range(3))
    net = models.build('vgg19', 'average_exc_pad', 'conv5_1', seed=0)
    names = [name for name in net if name.startswith('conv')]
    loss = StyleLoss(net, [CONTENT], list(STYLE))
    loss.aim_at(Looker(loss).targets(photo, [Painting(painting)]))
    loss.weigh(WEIGHTS)
    terms, gradient = loss(x)
    activations = theano.function([net['input'].input_var], lasagne.layers.get_output(
        [net[name] for name in names]))(x)
    np.savez(path, x=x, photo=photo, painting=painting, gradient=gradient,
             loss=np.sum(terms, dtype='float64'), **dict(zip(names, activations)),
             **{parameter.name: parameter.get_value() for layer in net.values()
                for parameter in layer.get_params()})


def report(found):
    """Print a line for each way, and the errors of the layers."""
    import torch

    given = found['archive']
    exact = Reference(given, torch.float64)
    loss, gradient, activations = exact.evaluate()
    ways = {name: (float(arrays['loss']), arrays['gradient'],
                   {layer: arrays[layer] for layer in activations})
            for name, arrays in found.items()}
    ways['PyTorch'] = Reference(given, torch.float32).evaluate()
    print(f'{"":18s} loss     gradient  rectifiers that differ  gradient but for those')
    for name, (own_loss, own_gradient, own) in ways.items():
        masks = {layer: own[layer] > 0 for layer in own}
        other = sum(int((masks[layer] != (activations[layer] > 0)).sum()) for layer in own)
        _, with_own, _ = exact.evaluate(masks)
        print(f'{name:18s} {abs(own_loss / loss - 1):.1e}  {away(own_gradient, gradient):.1e}   '
              f'{other} of {sum(mask.size for mask in masks.values()):<18d}  '
              f'{away(own_gradient, with_own):.1e}')
    print(f'\n{"activations":11s}', *(f'{name:>16s}' for name in ways))
    for layer, wanted in activations.items():
        print(f'{layer:11s}', *(f'{away(own[layer], wanted):16.1e}' for *_, own in ways.values()))


def away(values, wanted):
    """Measure the root mean square of the difference, relative to that of what is wanted."""
    difference = values.astype('float64') - wanted
    return np.sqrt((difference ** 2).mean() / (wanted.astype('float64') ** 2).mean())


class Reference:
    """The same loss in PyTorch.

    Args:
        given: arrays as `evaluate` saves them.
        kind: torch.float32 or torch.float64.
    """

    def __init__(self, given, kind):
        import torch

        self.given, self.kind, self.torch = given, kind, torch
        self.layers = [name[:-2] for name in given if name.endswith('.W')]
        with torch.no_grad():
            self.content = self.activations('photo')[1][CONTENT]
            style = self.activations('painting')[1]
            self.grams = {name: self.gram(style[name]) for name in STYLE}

    def tensor(self, name):
        return self.torch.tensor(self.given[name]).to(self.kind)

    def gram(self, x):
        x = x[0].flatten(1)
        return x @ x.T

    def activations(self, name, masks=None):
        """Compute (input, layer to activations); masks, where given, are the rectifiers'."""
        functional = self.torch.nn.functional
        start = x = self.tensor(name).requires_grad_()
        found = {}
        for layer in self.layers:
            x = functional.conv2d(x, self.tensor(f'{layer}.W'), self.tensor(f'{layer}.b'),
                                  padding=1)
            x = x.relu() if masks is None else x * self.torch.tensor(masks[layer])
            found[layer] = x
            if layer in POOLED:
                x = functional.avg_pool2d(x, 2)
        return start, found

    def evaluate(self, masks=None):
        """Compute (loss, gradient, layer to activations), as numbers and arrays."""
        x, found = self.activations('x', masks)
        loss = WEIGHTS[f'content {CONTENT}'] * ((found[CONTENT] - self.content) ** 2).sum() / 2
        for name in STYLE:
            _, channels, rows, columns = found[name].shape
            loss = loss + WEIGHTS[f'style {name}'] * (
                (self.gram(found[name]) - self.grams[name]) ** 2).sum() / (
                    2 * channels * rows * columns) ** 2
        loss.backward()
        return float(loss.detach()), x.grad.numpy(), {
            name: value.detach().numpy() for name, value in found.items()}


if __name__ == '__main__':
    main()
