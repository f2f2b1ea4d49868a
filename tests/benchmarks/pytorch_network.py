"""A network in PyTorch, as a process of its own for the benchmarks.

    python pytorch_network.py TASK PROBLEM.npz contiguous|channels_last

TASK is forward, training, or, by captum, gradient, guided, deconvnet or occlusion: maps of a class.
It imports nothing of the archive. Each line on standard input has it compute once and print the
seconds and a number that the other side must find too.
"""

import sys
import time
import warnings

import numpy as np
import torch

FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}


def build(problem):
    """Build the problem's network, without softmax, as PyTorch modules."""
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


def compile_task(task, network, photos, classes):
    """Make a function that computes once, and gives what is to be compared."""
    if task == 'forward':
        def compute():
            with torch.inference_mode():
                return network(photos).numpy()
    elif task == 'training':
        optimiser = torch.optim.SGD(network.parameters(), lr=1e-4)

        def compute():
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(photos), classes)
            loss.backward()
            optimiser.step()
            return np.array(loss.item())
    elif task == 'occlusion':
        from captum.attr import Occlusion
        side = photos.shape[2] // 5

        def compute():
            with torch.inference_mode():
                maps = Occlusion(network).attribute(
                    photos, (3, side, side), (3, side // 4, side // 4), baselines=0,
                    target=classes, perturbations_per_eval=16)
            return maps[:, 0].numpy()
    else:
        from captum.attr import Deconvolution, GuidedBackprop, Saliency
        attribution = {'gradient': Saliency, 'guided': GuidedBackprop,
                       'deconvnet': Deconvolution}[task](network)
        further = {'abs': False} if task == 'gradient' else {}

        def compute():
            maps = attribution.attribute(photos.clone().requires_grad_(), target=classes, **further)
            return maps.detach().contiguous().numpy()
    return compute


def main(task, path, layout):
    warnings.simplefilter('ignore')
    problem = np.load(path)
    network = build(problem).to(memory_format=FORMATS[layout])
    photos = torch.tensor(problem['photos']).contiguous(memory_format=FORMATS[layout])
    compute = compile_task(task, network, photos, torch.tensor(problem['classes']))
    for _ in sys.stdin:
        began = time.perf_counter()
        found = compute()
        seconds = time.perf_counter() - began
        print(seconds, float(np.sqrt((found.astype('float64') ** 2).sum())), flush=True)


if __name__ == '__main__':
    main(*sys.argv[1:])
