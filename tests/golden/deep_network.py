"""Makes deep_network.npz: three ways back through a deep random network, by PyTorch in float64.

    python tests/golden/deep_network.py        (needs PyTorch; the tests do not)

Five convolutions with rectifiers, two max poolings and a dense layer. The biases are so low that
whole pooling windows are zero, which tells one switch a window from several.
"""

from pathlib import Path

import numpy as np

CHANNELS = (3, 6, 8, 10, 12, 12)  # image, then the convolutions
POOL_AFTER = (2, 4)               # these convolutions, counted from 1
CLASSES, UNITS = 7, (0, 3)        # the two units whose gradients are kept
OUT = Path(__file__).with_suffix('.npz')


def arrays():
    """Return (images, kernels, biases, dense), float64, the same everywhere."""
    random = np.random.RandomState(0)
    images = random.normal(0, 1, (2, 3, 20, 20))
    shapes = [(out, into, 3, 3) for into, out in zip(CHANNELS, CHANNELS[1:])]
    kernels = [random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape) for shape in shapes]
    biases = [random.uniform(-0.6, 0, shape[0]) for shape in shapes]
    dense = random.normal(0, 0.2, (CHANNELS[-1] * 5 * 5, CLASSES))
    return images, kernels, biases, dense


def main():
    import torch
    from torch.nn import functional

    class Rectifier(torch.autograd.Function):
        @staticmethod
        def forward(context, x, rule):
            context.save_for_backward(x)
            context.rule = rule
            return x.clamp(min=0)

        @staticmethod
        def backward(context, gradient):
            x, = context.saved_tensors
            if context.rule != 'ZeilerBackprop':
                gradient = gradient * (x > 0)
            if context.rule != 'gradient':
                gradient = gradient * (gradient > 0)
            return gradient, None

    images, kernels, biases, dense = arrays()
    results = {}
    for rule in ('gradient', 'GuidedBackprop', 'ZeilerBackprop'):
        x = image = torch.tensor(images, requires_grad=True)
        empty_windows = []
        for number, (kernel, bias) in enumerate(zip(kernels, biases), start=1):
            x = functional.conv2d(x, torch.tensor(kernel), torch.tensor(bias), padding=1)
            x = Rectifier.apply(x, rule)
            if number in POOL_AFTER:
                x = functional.max_pool2d(x, 2)
                empty_windows.append((x == 0).double().mean().item())
        scores = x.flatten(1) @ torch.tensor(dense)
        for unit in UNITS:
            gradient, = torch.autograd.grad(scores[:, unit].sum(), image, retain_graph=True)
            results[f'{rule} {unit}'] = gradient.numpy()
    print('share of all-zero pooling windows:', empty_windows)
    np.savez_compressed(OUT, scores=scores.detach().numpy(), **results)


if __name__ == '__main__':
    main()
