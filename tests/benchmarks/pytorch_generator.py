"""A generator and a step of its training in PyTorch, as a process of its own for the benchmark.

    python pytorch_generator.py apply|training PROBLEM.npz contiguous|channels_last

It imports nothing of the archive.
"""

import sys
import time

import numpy as np
import torch
from torch.nn import functional

BLOCKS, TANH, EPSILON = 5, 150, 1e-5
PERIOD, WINDOW = 4, 60  # of what follows the grid
POOL_BEFORE = ('conv2_1', 'conv3_1')


class Problem:
    """The arrays of a problem: weights of the generator and of the loss, photos, targets."""

    def __init__(self, arrays, memory_format):
        def place(key):
            tensor = torch.tensor(arrays[key])
            return (tensor.contiguous(memory_format=memory_format) if tensor.ndim == 4 else tensor)

        self.weights, self.loss, self.grams = (
            {key.split(' ')[1]: place(key) for key in arrays.files if key.startswith(f'{kind} ')}
            for kind in ('generator', 'loss', 'gram'))
        self.photos, self.mean_pixel = place('photos'), torch.tensor(arrays['mean_pixel']).float()
        self.arrays = arrays
        self.content_layer = str(arrays['content_layer'])

    def convolve(self, name, x, stride=1, enlarged=1, normalised=True, rectified=True):
        W, b = self.weights[f'{name}.W'], self.weights[f'{name}.b']
        around = W.shape[2] // 2
        if enlarged > 1:
            x = functional.interpolate(x, scale_factor=enlarged, mode='nearest')
        x = functional.conv2d(functional.pad(x, [around] * 4, mode='reflect'), W, b, stride)
        if normalised:
            x = functional.instance_norm(x, weight=self.weights[f'{name}_norm.scale'],
                                         bias=self.weights[f'{name}_norm.shift'], eps=EPSILON)
        return functional.relu(x) if normalised and rectified else x

    def paint(self, x):
        """Compute the generator."""
        x = self.convolve('down1', x)
        x = self.convolve('down2', x, stride=2)
        x = self.convolve('down3', x, stride=2)
        for number in range(1, BLOCKS + 1):
            inside = self.convolve(f'block{number}_1', x)
            x = x + self.convolve(f'block{number}_2', inside, rectified=False)
        x = self.convolve('up1', x, enlarged=2)
        x = self.convolve('up2', x, enlarged=2)
        return TANH * torch.tanh(self.convolve('paint', x, normalised=False))

    def look(self, x):
        """Compute the loss network's layers."""
        seen = {}
        for name in self.grams:
            if name in POOL_BEFORE:
                x = functional.avg_pool2d(x, 2)
            x = seen[name] = functional.relu(functional.conv2d(
                x, self.loss[f'{name}.W'], self.loss[f'{name}.b'], padding=1))
        return seen

    def total_loss(self, picture, photo):
        """Compute the loss of a batch, as the recipe does."""
        count, weight = len(photo), self.arrays
        seen = self.look(picture)
        with torch.no_grad():
            kept = self.look(photo)[self.content_layer]
            energy = (kept ** 2).sum(dim=(1, 2, 3), keepdim=True)
        content = ((seen[self.content_layer] - kept) ** 2 / energy).sum() / count
        style = 0
        for name, target in self.grams.items():
            flat = seen[name].flatten(2)
            gram = flat @ flat.transpose(1, 2) / flat.shape[2]
            style = style + ((gram - target) ** 2).sum() / (target ** 2).sum() / count
        pixels = picture.numel() / 3
        level = picture[:, :, :-1, :-1] + self.mean_pixel[:, None, None]
        outside = functional.relu(-level) + functional.relu(level - 255)
        return (float(weight['content_weight']) * content + float(weight['style_weight']) * style
                + float(weight['range_weight']) * 0.5 * (outside ** 2).sum() / pixels
                + float(weight['grid_weight']) * grid_loss(picture) / pixels)


def grid_loss(x):
    squares = functional.avg_pool2d(x, PERIOD, 1)
    fine = x[:, :, 1:squares.shape[2] + 1, 1:squares.shape[3] + 1] - squares
    down, right = (length // WINDOW for length in fine.shape[2:])
    cells = WINDOW // PERIOD
    places = fine[:, :, :down * WINDOW, :right * WINDOW].reshape(
        *x.shape[:2], down, cells, PERIOD, right, cells, PERIOD)
    means = places.mean(dim=(3, 6))
    return cells ** 2 * ((means - means.mean(dim=(3, 5), keepdim=True)) ** 2).sum()


def main(task, path, layout):
    torch.manual_seed(0)
    arrays = np.load(path)
    problem = Problem(arrays, getattr(torch, f'{layout}_format' if layout == 'contiguous'
                                      else layout))
    if task == 'training':
        for tensor in problem.weights.values():
            tensor.requires_grad_()
        adam = torch.optim.Adam(problem.weights.values(), float(arrays['rate']))

    def compute():
        if task == 'apply':
            with torch.no_grad():
                return problem.paint(problem.photos).double().norm()
        adam.zero_grad()
        loss = problem.total_loss(problem.paint(problem.photos), problem.photos)
        loss.backward()
        adam.step()
        return loss.detach()

    for _ in sys.stdin:
        began = time.perf_counter()
        found = float(compute())
        print(time.perf_counter() - began, found, flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
