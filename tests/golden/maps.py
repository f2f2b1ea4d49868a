"""Makes maps.npz: gradient, guided and deconvnet maps of four networks, by PyTorch in float64.

    python tests/golden/maps.py        (needs PyTorch; the tests do not)

VGG-16 and VGG-19 a sixteenth as wide and All-CNN-C an eighth, with random weights, and the embedded
network. The rules are hooks on torch.nn.ReLU. Each of the five pictures has a target of its own:
a class, or the strongest unit of a channel in one of two hidden layers. To stay small, the file has
every second row and column, and sum and norm of each whole map.
"""

import zlib
from pathlib import Path

import numpy as np

OUT = Path(__file__).with_suffix('.npz')
EMBEDDED = Path(__file__).parents[2] / 'models' / 'embedded' / 'vgg19_quarter.npz'
METHODS = ('gradient', 'guided', 'deconvnet')
VGG16 = ['conv1_1', 'conv1_2', 'pool', 'conv2_1', 'conv2_2', 'pool', 'conv3_1', 'conv3_2',
         'conv3_3', 'pool', 'conv4_1', 'conv4_2', 'conv4_3', 'pool', 'conv5_1', 'conv5_2',
         'conv5_3', 'pool', 'fc6', 'fc7', 'fc8']
VGG19 = [*VGG16[:9], 'conv3_4', *VGG16[9:13], 'conv4_4', *VGG16[13:17], 'conv5_4', *VGG16[17:]]
VGG_FILTERS = {'1': 4, '2': 8, '3': 16, '4': 32, '5': 32, 'fc6': 256, 'fc7': 256, 'fc8': 12}
STRIDED = ('conv1_3', 'conv2_3')
# name -> (layers, number of filters or units, size, build's width, hidden layers, score layer)
NETWORKS = {
    'vgg16': (VGG16, VGG_FILTERS, 32, 1 / 16, ('conv2_2', 'conv4_1'), 'fc8'),
    'vgg19': (VGG19, VGG_FILTERS, 32, 1 / 16, ('conv3_1', 'conv4_4'), 'fc8'),
    'vgg19_quarter': ([*VGG19[:-4], 'mean', 'fc8'], {'1': 16, '2': 32, '3': 64, '4': 128, '5': 128,
                      'fc8': 202}, 32, 1, ('conv2_2', 'conv5_1'), 'fc8'),
    'all_cnn_c': (['conv1_1', 'conv1_2', 'conv1_3', 'conv2_1', 'conv2_2', 'conv2_3', 'conv3_1',
                   'conv3_2', 'conv3_3', 'mean'], {'1': 12, '2': 24, '3': 24, 'conv3_3': 10}, 20,
                  1 / 8, ('conv2_1', 'conv3_2'), 'mean'),
}
CLASSES = (0, 3, 5, 8, 9)    # one a picture
CHANNELS = (1, 0, 7, 4, 6)


def array(network, key, shape):
    """Return a parameter in float64, the same everywhere."""
    if network == 'vgg19_quarter':
        with np.load(EMBEDDED) as file:
            return file[key].astype('float64').reshape(shape)
    random = np.random.RandomState(zlib.crc32(f'{network} {key}'.encode()))
    if key.endswith('.b'):  # so low that whole pooling windows are zero
        return random.uniform(-12, 6, shape)
    return random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)


def pictures(network):
    """Return five pictures, float64 (5, 3, rows, columns)."""
    size = NETWORKS[network][2]
    return np.random.RandomState(len(network)).uniform(-120, 120, (5, 3, size, size))


def build(network, torch):
    """Return an ordered dict of PyTorch modules by name."""
    names, filters, size, *_ = NETWORKS[network]
    modules, channels, all_cnn = {}, 3, network == 'all_cnn_c'
    for number, name in enumerate(names):
        if name == 'pool':
            size //= 2
            modules[f'pool {number}'] = torch.nn.MaxPool2d(2)
            continue
        if name == 'mean':
            size = 1
            modules['mean'] = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
            continue
        count = filters[name] if name in filters else filters[name[4]]
        if name.startswith('fc'):
            if name == 'fc6':
                modules['flat'] = torch.nn.Flatten()
            inputs = channels * size * size
            module, shape, size = torch.nn.Linear(inputs, count), (count, inputs), 1
        else:
            width = 1 if all_cnn and name in ('conv3_2', 'conv3_3') else 3
            stride = 2 if all_cnn and name in STRIDED else 1
            pad = 0 if width == 1 or (all_cnn and name == 'conv3_1') else 1
            module = torch.nn.Conv2d(channels, count, width, stride, pad)
            shape = (count, channels, width, width)
        module.weight.data = torch.tensor(array(network, f'{name}.W', shape))
        module.bias.data = torch.tensor(array(network, f'{name}.b', (count,)))
        modules[name] = module
        if name != ('conv3_3' if all_cnn else 'fc8'):
            modules[f'rectified {name}'] = torch.nn.ReLU()
        channels = count
    return modules


def main():
    import torch

    results, empty = {}, {}
    for network, (*_, hidden, score_layer) in NETWORKS.items():
        for method in METHODS:
            modules = build(network, torch)
            for module in modules.values():
                if isinstance(module, torch.nn.ReLU) and method == 'guided':
                    module.register_full_backward_hook(
                        lambda _, into, out: (into[0].clamp(min=0),))
                if isinstance(module, torch.nn.ReLU) and method == 'deconvnet':
                    module.register_full_backward_hook(
                        lambda _, into, out: (out[0].clamp(min=0),))
            x = image = torch.tensor(pictures(network), requires_grad=True)
            seen = {}
            for name, module in modules.items():
                x = module(x)
                if name.startswith('pool'):
                    empty.setdefault(network, []).append((x == 0).double().mean().item())
                seen[name.replace('rectified ', '')] = x
            for layer in (*hidden, score_layer):
                output = seen[layer]
                if output.ndim == 2:
                    picked = output[range(5), CLASSES]
                else:
                    maps = [output[index, channel].flatten()
                            for index, channel in enumerate(CHANNELS)]
                    picked = torch.stack([one[one.detach().numpy().argmax()] for one in maps])
                gradient, = torch.autograd.grad(picked.sum(), image, retain_graph=True)
                assert (gradient != 0).flatten(1).any(dim=1).sum() > 2, (network, method, layer)
                gradient = gradient.numpy()
                name = f'{network} {method} {layer}'
                results[name] = gradient[:, :, ::2, ::2]
                results[f'{name} sum'] = gradient.sum(axis=(1, 2, 3))
                results[f'{name} norm'] = np.sqrt((gradient ** 2).sum(axis=(1, 2, 3)))
    print('share of all-zero pooling windows:', empty)
    np.savez_compressed(OUT, **results)


if __name__ == '__main__':
    main()
