"""Makes style_implementations.npz: the losses of two reference codes, by PyTorch in float64.

    python tests/golden/style_implementations.py        (needs PyTorch; the tests do not)

A VGG-19 an eighth as wide, to conv5_1, with random weights that `kernels` draws; photo and painting
differ in size. At the noise start: the Lasagne Recipes' loss with average pooling, and
jcjohnson/neural-style's, with max pooling, white at 256, means of squares, Gram matrices divided
by all of their elements, and a total variation whose gradient neural_style.lua writes out and
whose value it does not report: here the gradient is written out too, which checks the integral.
"""

from pathlib import Path

import numpy as np

CONTENT, STYLE = 'conv4_2', ('conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1')
BLOCKS = ((8, 2), (16, 2), (32, 4), (64, 4), (64, 1))
MEAN_PIXEL = (103.939, 116.779, 123.68)
OUT = Path(__file__).with_suffix('.npz')


def kernels():
    """Yield (layer, kernel, bias), float32; None, None after each block stands for its pooling."""
    random = np.random.RandomState(5)
    into = 3
    for block, (filters, depth) in enumerate(BLOCKS, start=1):
        for index in range(1, depth + 1):
            kernel = random.normal(0, np.sqrt(2 / (into * 9)), (filters, into, 3, 3))
            bias = random.normal(0, 0.1, filters)
            yield f'conv{block}_{index}', kernel.astype('float32'), bias.astype('float32')
            into = filters
        yield f'pool{block}', None, None


def pictures():
    """Return (photo, painting), smooth RGB uint8 arrays of different sizes."""
    random = np.random.RandomState(7)
    return [np.kron(random.randint(0, 256, shape), np.ones((8, 8, 1))).astype('uint8')
            for shape in ((6, 8, 3), (7, 5, 3))]


def starts():
    """Return the noise that seed 1 gives the two codes' recipes, float32 (1, 3, 48, 64)."""
    shape = 1, 3, 48, 64
    return {'recipes': np.random.RandomState(1).uniform(-128, 128, shape).astype('float32'),
            'neural_style': np.random.RandomState(1).normal(0, 0.001, shape).astype('float32')}


def main():
    import torch
    from torch.nn import functional

    layers = [(name, *(None if array is None else torch.tensor(array.astype('float64'))
                       for array in arrays)) for name, *arrays in kernels()]

    def features(x, pool):
        result = {}
        for name, kernel, bias in layers:
            x = pool(x, 2) if kernel is None else functional.conv2d(x, kernel, bias, padding=1)
            x = x if kernel is None else x.clamp(min=0)
            result[name] = x
        return result

    def prepare(rgb, levels):
        bgr = rgb[:, :, ::-1].transpose(2, 0, 1)[None] / 255.0 * levels
        return torch.tensor(bgr - np.reshape(MEAN_PIXEL, (1, 3, 1, 1)))

    def gram(x):
        x = x.flatten(2)[0]
        return x @ x.T

    def recipes(image, photo, painting):
        terms = [1e-3 * 0.5 * ((image[CONTENT] - photo[CONTENT]) ** 2).sum()]
        for name in STYLE:
            channels, positions = image[name].shape[1], image[name][0, 0].numel()
            distance = gram(image[name]) / positions - gram(painting[name]) / \
                painting[name][0, 0].numel()
            terms.append(2e5 * (distance ** 2).sum() / (4 * channels ** 2))
        return terms

    def neural_style(image, photo, painting):
        mean = torch.nn.MSELoss()
        terms = [5 * mean(image[CONTENT], photo[CONTENT])]
        terms += [100 * mean(gram(image[name]) / image[name].numel(),
                             gram(painting[name]) / painting[name].numel()) for name in STYLE]
        return terms

    arrays = {}
    for name, loss, pool, levels in (('recipes', recipes, functional.avg_pool2d, 255),
                                     ('neural_style', neural_style, functional.max_pool2d, 256)):
        photo, painting = (features(prepare(rgb, levels), pool) for rgb in pictures())
        x = torch.tensor(starts()[name].astype('float64'), requires_grad=True)
        terms = loss(features(x, pool), photo, painting)
        down = x[:, :, :-1, :-1] - x[:, :, 1:, :-1]
        right = x[:, :, :-1, :-1] - x[:, :, :-1, 1:]
        if name == 'recipes':
            terms.append(1e-8 * ((down ** 2 + right ** 2) ** 1.25).sum())
        sum(terms).backward()
        gradient = x.grad.numpy()
        if name == 'neural_style':
            down, right = down.detach().numpy(), right.detach().numpy()
            variation = np.zeros_like(gradient)
            variation[:, :, :-1, :-1] += down + right
            variation[:, :, 1:, :-1] -= down
            variation[:, :, :-1, 1:] -= right
            gradient = gradient + 1e-3 * variation
        arrays.update({f'{name} terms': [term.item() for term in terms],
                       f'{name} gradient': gradient})
    np.savez_compressed(OUT, **arrays)


if __name__ == '__main__':
    main()
