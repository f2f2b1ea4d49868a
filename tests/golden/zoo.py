"""Makes zoo.npz: activations and maps of GoogLeNet and AlexNet's kin, by PyTorch in float64.

    python tests/golden/zoo.py        (needs PyTorch; the tests do not)

The networks are narrow and have random weights. Besides gradient, guided backprop and deconvnet of
a class there is `explicit`: the deconvnet that passes response normalisations unchanged. To stay
small, the file has every fourth row and column of a map, and sum and norm of the whole.
"""

import zlib
from collections import namedtuple
from pathlib import Path

import numpy as np

OUT = Path(__file__).with_suffix('.npz')
METHODS = ('gradient', 'guided', 'deconvnet', 'explicit')
CLASSES, PICKED = 10, (3, 7)  # the network's, and one for each of the two pictures

# Rows and columns of the pictures, the width for models.build, layers whose activations are kept
# besides the scores. With these rows every pooling but those of stride 1 has partial windows.
Network = namedtuple('Network', 'rows columns width kept')
NETWORKS = {
    'googlenet': Network(64, 61, 1 / 8, ('pool1/norm1', 'pool2/3x3_s2', 'inception_3a/output',
                                         'inception_4c/output', 'inception_5b/output')),
    'alexnet': Network(71, 71, 1 / 8, ('norm1', 'pool2', 'conv4', 'pool5')),
    'caffenet': Network(71, 71, 1 / 8, ('norm1', 'norm2', 'conv5')),
    'zeiler_fergus': Network(84, 84, 1 / 8, ('norm1', 'conv2', 'pool2', 'conv5')),
    'vgg_cnn_s': Network(118, 118, 1 / 16, ('norm1', 'pool1', 'pool2', 'pool5')),
}
INCEPTIONS = (  # 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj
    ('3a', 64, 96, 128, 16, 32, 32), ('3b', 128, 128, 192, 32, 96, 64),
    ('4a', 192, 96, 208, 16, 48, 64), ('4b', 160, 112, 224, 24, 64, 64),
    ('4c', 128, 128, 256, 24, 64, 64), ('4d', 112, 144, 288, 32, 64, 64),
    ('4e', 256, 160, 320, 32, 128, 128), ('5a', 256, 160, 320, 32, 128, 128),
    ('5b', 384, 192, 384, 48, 128, 128))


def array(network, key, shape):
    """Return a parameter in float64, the same everywhere."""
    random = np.random.RandomState(zlib.crc32(f'{network} {key}'.encode()))
    if key.endswith('.b'):
        return random.uniform(-12, 6, shape)
    return random.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape)


def pictures(network):
    """Return two pictures, float64 (2, 3, rows, columns)."""
    rows, columns, *_ = NETWORKS[network]
    random = np.random.RandomState(len(network))
    return random.uniform(-120, 120, (2, 3, rows, columns))


class Interpreter:
    """Computes layer after layer with PyTorch; `seen` has the activations by name."""

    def __init__(self, network, rectify, normalise):
        import torch

        self.network, self.torch = network, torch
        self.rectify, self.normalise = rectify, normalise
        self.image = torch.tensor(pictures(network), requires_grad=True)
        self.seen = {}
        self.empty = []  # share of all-zero windows at each pooling

    def parameter(self, key, shape):
        return self.torch.tensor(array(self.network, key, shape))

    def width(self, count):
        return round(count * NETWORKS[self.network].width)

    def conv(self, x, name, count, size, stride=1, pad=0, groups=1):
        filters = self.width(count)
        kernel = self.parameter(f'{name}.W', (filters, x.shape[1] // groups, size, size))
        x = self.torch.nn.functional.conv2d(x, kernel, self.parameter(f'{name}.b', (filters,)),
                                            stride, pad, groups=groups)
        return self.keep(name, self.rectify(x))

    def pool(self, x, name, size, stride, pad=0):
        assert stride == 1 or (x.shape[2] - size) % stride, f'{name} has no partial windows'
        x = self.torch.nn.functional.max_pool2d(x, size, stride, pad, ceil_mode=True)
        self.empty.append((x == 0).double().mean().item())
        return self.keep(name, x)

    def norm(self, x, name, alpha=1e-4, k=1.0):
        return self.keep(name, self.normalise(x, 5, alpha, 0.75, k))

    def dense(self, x, name, units):
        x = x.flatten(1)
        return self.keep(name, x @ self.parameter(f'{name}.W', (units, x.shape[1])).T
                         + self.parameter(f'{name}.b', (units,)))

    def keep(self, name, x):
        self.seen[name] = x
        return x

    def classify(self, x):
        for name in ('fc6', 'fc7'):
            x = self.rectify(self.dense(x, name, self.width(4096)))
        return self.dense(x, 'fc8', CLASSES)


def googlenet(net):
    x = net.conv(net.image, 'conv1/7x7_s2', 64, 7, 2, 3)
    x = net.norm(net.pool(x, 'pool1/3x3_s2', 3, 2), 'pool1/norm1')
    x = net.conv(net.conv(x, 'conv2/3x3_reduce', 64, 1), 'conv2/3x3', 192, 3, pad=1)
    x = net.pool(net.norm(x, 'conv2/norm2'), 'pool2/3x3_s2', 3, 2)
    for module, ones, before_threes, threes, before_fives, fives, projected in INCEPTIONS:
        name = f'inception_{module}'
        narrow_threes = net.conv(x, f'{name}/3x3_reduce', before_threes, 1)
        narrow_fives = net.conv(x, f'{name}/5x5_reduce', before_fives, 1)
        pooled = net.pool(x, f'{name}/pool', 3, 1, 1)
        x = net.keep(f'{name}/output', net.torch.cat([
            net.conv(x, f'{name}/1x1', ones, 1),
            net.conv(narrow_threes, f'{name}/3x3', threes, 3, pad=1),
            net.conv(narrow_fives, f'{name}/5x5', fives, 5, pad=2),
            net.conv(pooled, f'{name}/pool_proj', projected, 1)], 1))
        if module in ('3b', '4e'):
            x = net.pool(x, f'pool {module}', 3, 2)
    return net.dense(x.mean((2, 3)), 'loss3/classifier', CLASSES)


def alexnet(net):
    x = net.norm(net.conv(net.image, 'conv1', 96, 11, 4), 'norm1')
    x = net.conv(net.pool(x, 'pool1', 3, 2), 'conv2', 256, 5, pad=2, groups=2)
    x = net.pool(net.norm(x, 'norm2'), 'pool2', 3, 2)
    return net.classify(last_convolutions(net, x, 2))


def caffenet(net):
    x = net.pool(net.conv(net.image, 'conv1', 96, 11, 4), 'pool1', 3, 2)
    x = net.conv(net.norm(x, 'norm1'), 'conv2', 256, 5, pad=2, groups=2)
    x = net.norm(net.pool(x, 'pool2', 3, 2), 'norm2')
    return net.classify(last_convolutions(net, x, 2))


def zeiler_fergus(net):
    x = net.pool(net.conv(net.image, 'conv1', 96, 7, 2, 1), 'pool1', 3, 2)
    x = net.conv(net.norm(x, 'norm1'), 'conv2', 256, 5, 2)
    x = net.norm(net.pool(x, 'pool2', 3, 2), 'norm2')
    return net.classify(last_convolutions(net, x, 1))


def last_convolutions(net, x, groups):
    x = net.conv(x, 'conv3', 384, 3, pad=1)
    x = net.conv(x, 'conv4', 384, 3, pad=1, groups=groups)
    x = net.conv(x, 'conv5', 256, 3, pad=1, groups=groups)
    return net.pool(x, 'pool5', 3, 2)


def vgg_cnn_s(net):
    x = net.norm(net.conv(net.image, 'conv1', 96, 7, 2), 'norm1', alpha=5e-4, k=2.0)
    x = net.conv(net.pool(x, 'pool1', 3, 3), 'conv2', 256, 5)
    x = net.pool(x, 'pool2', 2, 2)
    for name in ('conv3', 'conv4', 'conv5'):
        x = net.conv(x, name, 512, 3, pad=1)
    return net.classify(net.pool(x, 'pool5', 3, 3))


def main():
    import torch
    from torch.nn.functional import local_response_norm

    class Rectifier(torch.autograd.Function):
        @staticmethod
        def forward(context, x, method):
            context.save_for_backward(x)
            context.method = method
            return x.clamp(min=0)

        @staticmethod
        def backward(context, gradient):
            x, = context.saved_tensors
            if context.method in ('gradient', 'guided'):
                gradient = gradient * (x > 0)
            if context.method != 'gradient':
                gradient = gradient * (gradient > 0)
            return gradient, None

    class NormalisedForwardOnly(torch.autograd.Function):
        @staticmethod
        def forward(context, x, *constants):
            return local_response_norm(x, *constants)

        @staticmethod
        def backward(context, gradient):
            return gradient, None, None, None, None

    results = {}
    for network in NETWORKS:
        for method in METHODS:
            normalise = NormalisedForwardOnly.apply if method == 'explicit' else local_response_norm
            net = Interpreter(network, lambda x, method=method: Rectifier.apply(x, method),
                              normalise)
            scores = globals()[network](net)
            gradient, = torch.autograd.grad(scores[range(2), PICKED].sum(), net.image)
            gradient = gradient.numpy()
            assert (gradient != 0).any(axis=(1, 2, 3)).all(), (network, method)
            results[f'{network} {method}'] = gradient[:, :, ::4, ::4]
            results[f'{network} {method} sum'] = gradient.sum(axis=(1, 2, 3))
            results[f'{network} {method} norm'] = np.sqrt((gradient ** 2).sum(axis=(1, 2, 3)))
        results[f'{network} scores'] = scores.detach().numpy()
        for layer in NETWORKS[network].kept:
            kept = net.seen[layer].detach().numpy()
            results[f'{network} {layer}'] = kept[:, ::2, ::2, ::2]
            results[f'{network} {layer} sum'] = kept.sum(axis=(1, 2, 3))
            results[f'{network} {layer} shape'] = kept.shape
        print(network, 'share of all-zero pooling windows:', np.round(net.empty, 3))
        print('   scores', np.round(results[f'{network} scores'][0, :4], 2))
    np.savez_compressed(OUT, **results)


if __name__ == '__main__':
    main()
