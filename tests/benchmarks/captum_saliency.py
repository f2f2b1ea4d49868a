"""Maps of a class by captum, as a process of its own for the benchmark.

    python captum_saliency.py PROBLEM.npz gradient|guided|deconvnet contiguous|channels_last

It imports nothing of the archive.
"""

import sys
import time
import warnings

import numpy as np
import torch
from captum.attr import Deconvolution, GuidedBackprop, Saliency

FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def build(problem):
    """Return the problem's network, without softmax, as PyTorch modules."""
    modules, flat = [], False
    names = [name for name in problem['layers'].tolist() if name != 'prob']
    for name in names:
        if name.startswith('pool'):
            modules.append(torch.nn.MaxPool2d(2))
            continue
        if name == 'mean':
            modules += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
            flat = True
            continue
        W, b = (torch.tensor(problem[f'{name}.{part}'].astype('float32')) for part in 'Wb')
        if W.ndim == 4:
            module = torch.nn.Conv2d(W.shape[1], W.shape[0], 3, padding=1)
        else:
            if not flat:
                modules.append(torch.nn.Flatten())
                flat = True
            module = torch.nn.Linear(W.shape[1], W.shape[0])
        module.weight.data, module.bias.data = W, b
        modules.append(module)
        if name != names[-1]:
            modules.append(torch.nn.ReLU())
    return torch.nn.Sequential(*modules).eval()


def main(path, method, layout):
    warnings.simplefilter('ignore')
    problem = np.load(path)
    network = build(problem).to(memory_format=FORMATS[layout])
    photos = torch.tensor(problem['photos']).contiguous(memory_format=FORMATS[layout])
    classes = torch.tensor(problem['classes'])
    attribution = {'gradient': Saliency, 'guided': GuidedBackprop,
                   'deconvnet': Deconvolution}[method](network)
    further = {'abs': False} if method == 'gradient' else {}
    for _ in sys.stdin:
        began = time.perf_counter()
        maps = attribution.attribute(photos.clone().requires_grad_(), target=classes, **further)
        maps = maps.detach().contiguous().numpy()
        seconds = time.perf_counter() - began
        print(seconds, float(np.sqrt((maps.astype('float64') ** 2).sum())), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
