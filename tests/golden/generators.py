"""Write generators.npz and generator_legacy.pth: what PyTorch computes.

    python tests/golden/generators.py

needs PyTorch (2.13 wrote the files). The network is that of pytorch/examples@77f55b9,
fast_neural_style/neural_style/transformer_net.py, with a sixteenth of its filters, written anew
from its description: reflection padding at each layer, upsampling to the nearest, instance
normalisation, no squashing at the end.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).parent
FILTERS = (2, 4, 8)


class Padded(nn.Module):
    """Mirror, and enlarge before if asked for, then convolve."""

    def __init__(self, inputs, outputs, size, stride=1, enlarged=1):
        super().__init__()
        self.size, self.enlarged = size, enlarged
        self.conv2d = nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x):
        if self.enlarged > 1:
            x = F.interpolate(x, mode='nearest', scale_factor=self.enlarged)
        return self.conv2d(F.pad(x, [self.size // 2] * 4, mode='reflect'))


class Residual(nn.Module):
    """Two convolutions and the sum."""

    def __init__(self, filters):
        super().__init__()
        self.conv1, self.conv2 = Padded(filters, filters, 3), Padded(filters, filters, 3)
        self.in1, self.in2 = (nn.InstanceNorm2d(filters, affine=True) for _ in range(2))

    def forward(self, x):
        return self.in2(self.conv2(torch.relu(self.in1(self.conv1(x))))) + x


class Network(nn.Module):
    """The whole network, RGB 0..255."""

    def __init__(self, first, second, third):
        super().__init__()
        self.conv1 = Padded(3, first, 9)
        self.conv2 = Padded(first, second, 3, stride=2)
        self.conv3 = Padded(second, third, 3, stride=2)
        for number, filters in enumerate((first, second, third, second, first), start=1):
            setattr(self, f'in{number}', nn.InstanceNorm2d(filters, affine=True))
        for number in range(1, 6):
            setattr(self, f'res{number}', Residual(third))
        self.deconv1 = Padded(third, second, 3, enlarged=2)
        self.deconv2 = Padded(second, first, 3, enlarged=2)
        self.deconv3 = Padded(first, 3, 9)

    def forward(self, x):
        for number in (1, 2, 3):
            x = torch.relu(getattr(self, f'in{number}')(getattr(self, f'conv{number}')(x)))
        for number in range(1, 6):
            x = getattr(self, f'res{number}')(x)
        x = torch.relu(self.in4(self.deconv1(x)))
        x = torch.relu(self.in5(self.deconv2(x)))
        return self.deconv3(x)


def layers(random):
    """Give the arrays of single layers: inputs, outputs and gradients of a fixed sum."""
    x = torch.tensor(random.normal(0, 2, (2, 3, 5, 7)), requires_grad=True)
    scale, shift = (torch.tensor(random.normal(1, 1, 3), requires_grad=True) for _ in range(2))
    kernels = torch.tensor(random.normal(0, 1, (3, 2, 3, 3)), requires_grad=True)
    made = {
        'instance_norm': F.instance_norm(x, weight=scale, bias=shift, eps=1e-5),
        'reflect': F.pad(x, [4] * 4, mode='reflect'),
        'circular': F.pad(x, [4] * 4, mode='circular'),
        'replicate': F.pad(x, [4] * 4, mode='replicate'),
        'nearest': F.interpolate(x, mode='nearest', scale_factor=2),
        'transposed': F.conv_transpose2d(x, kernels, stride=2, padding=1, output_padding=1),
        'transposed_wide': F.conv_transpose2d(x, kernels, stride=3, padding=0, output_padding=2),
    }
    arrays = {'x': x, 'scale': scale, 'shift': shift, 'kernels': kernels}
    for name, output in made.items():
        weights = torch.tensor(random.normal(0, 1, output.shape))
        (gradient,) = torch.autograd.grad((output * weights).sum(), x, retain_graph=True)
        arrays.update({name: output, f'{name}_weights': weights, f'{name}_gradient': gradient})
    return {name: array.detach().numpy().astype('float64') for name, array in arrays.items()}


def main():
    """Write both files."""
    torch.manual_seed(0)
    network = Network(*FILTERS)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if '.in' in f'.{name}':  # away from 1 and 0, so that each matters
                parameter.copy_(torch.rand_like(parameter) + 0.5)
    state = network.state_dict()
    state['in1.running_mean'] = torch.zeros(FILTERS[0])  # as the published files still have them
    state['in1.running_var'] = torch.ones(FILTERS[0])
    torch.save(state, HERE / 'generator_legacy.pth',
               _use_new_zipfile_serialization=False)
    random = np.random.RandomState(0)
    photo = random.uniform(0, 255, (1, 3, 22, 31)).astype('float32')
    painted = network(torch.tensor(photo)).detach().numpy()
    np.savez_compressed(HERE / 'generators.npz', photo=photo, painted=painted, **layers(random))


if __name__ == '__main__':
    main()
