"""The style transfer objective in PyTorch, as a process of its own for the benchmark.

    python pytorch_style.py evaluations PROBLEM.npz contiguous|channels_last [cpu|cuda]
    python pytorch_style.py state_dict PROBLEM.npz OUT.pth

It imports nothing of the archive, so that its memory is PyTorch's alone.
"""

import resource
import sys
import time

import numpy as np
import torch
from torch.nn import functional

POOL_BEFORE = ('conv2_1', 'conv3_1', 'conv4_1', 'conv5_1')


class Objective:
    """Loss and gradient of a problem: kernels, pictures, layers with weights; see the archive."""

    def __init__(self, problem, memory_format, device='cpu'):
        self.memory_format, self.device = memory_format, device
        names = [key[:-2] for key in problem.files if key.endswith('.W')]
        self.layers = [(name, self.place(problem[name + '.W']),
                        torch.tensor(problem[name + '.b'].astype('float32'), device=device))
                       for name in names]
        self.content = dict(zip(problem['content_layers'].tolist(), problem['content_weights']))
        self.style = dict(zip(problem['style_layers'].tolist(), problem['style_weights']))
        self.tv_weight = float(problem['tv_weight'])
        with torch.no_grad():
            photo, painting = (self.features(self.place(problem[key]))
                               for key in ('photo', 'painting'))
            self.photo = {name: photo[name] for name in self.content}
            self.grams = {name: gram(painting[name]) for name in self.style}

    def place(self, array):
        tensor = torch.tensor(array.astype('float32'), device=self.device)
        return tensor.contiguous(memory_format=self.memory_format)

    def features(self, x):
        found = {}
        for name, kernel, bias in self.layers:
            if name in POOL_BEFORE:
                x = functional.avg_pool2d(x, 2)
            x = functional.relu(functional.conv2d(x, kernel, bias, padding=1))
            if name in self.content or name in self.style:
                found[name] = x
        return found

    def evaluate(self, x):
        """Evaluate (loss, gradient) at a float32 array (1, 3, rows, columns)."""
        image = self.place(x).requires_grad_()
        seen = self.features(image)
        loss = 0
        for name, weight in self.content.items():
            loss = loss + float(weight) * 0.5 * ((seen[name] - self.photo[name]) ** 2).sum()
        for name, weight in self.style.items():
            distance = ((gram(seen[name]) - self.grams[name]) ** 2).sum()
            loss = loss + float(weight) * distance / (4 * seen[name].shape[1] ** 2)
        down = image[:, :, :-1, :-1] - image[:, :, 1:, :-1]
        right = image[:, :, :-1, :-1] - image[:, :, :-1, 1:]
        loss = loss + self.tv_weight * ((down ** 2 + right ** 2) ** 1.25).sum()
        loss.backward()
        return loss.item(), image.grad.contiguous().cpu().numpy()


def gram(x):
    x = x.flatten(2)[0]
    return x @ x.T / x.shape[1]


def evaluations(problem, layout, device='cpu'):
    """Evaluate once for each line on standard input; print seconds, loss and peak memory."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # as ours
    formats = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
    objective = Objective(problem, formats[layout], device)
    for _ in sys.stdin:
        began = time.perf_counter()
        loss, _ = objective.evaluate(problem['start'])
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(seconds, loss, peak, flush=True)


def state_dict(problem, out):
    """Write a problem's kernels as torchvision's VGG-19 names them."""
    positions = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    names = [key[:-2] for key in problem.files if key.endswith('.W')]
    torch.save({f'features.{position}.{theirs}': torch.tensor(problem[f'{name}.{ours}'])
                for position, name in zip(positions, names)
                for ours, theirs in (('W', 'weight'), ('b', 'bias'))}, out)


if __name__ == '__main__':
    task, path, *arguments = sys.argv[1:]
    {'evaluations': evaluations, 'state_dict': state_dict}[task](np.load(path), *arguments)
