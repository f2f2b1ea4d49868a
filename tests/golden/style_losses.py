"""Makes style_losses.npz: the Recipes' loss at the noise start, by PyTorch in float64.

    python tests/golden/style_losses.py        (needs PyTorch; the tests do not)

VGG-19 of full width to conv5_1 with random weights and average pooling; photo and painting differ
in size. Formulas and constants are those of the Lasagne Recipes' notebook.
"""

from pathlib import Path

import numpy as np

CONTENT, STYLE = 'conv4_2', ('conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1')
BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 1))
MEAN_PIXEL = (103.939, 116.779, 123.68)
OUT = Path(__file__).with_suffix('.npz')


def pictures():
    """Return (photo, painting), RGB uint8 arrays of different sizes."""
    random = np.random.RandomState(7)
    return [random.randint(0, 256, shape).astype('uint8') for shape in ((48, 64, 3), (56, 40, 3))]


def start():
    """Return the noise that seed 1 gives, float32 (1, 3, 48, 64)."""
    return np.random.RandomState(1).uniform(-128, 128, (1, 3, 48, 64)).astype('float32')


def main():
    import torch
    from torch.nn import functional

    random = np.random.RandomState(0)
    layers, into = [], 3
    for block, (filters, depth) in enumerate(BLOCKS, start=1):
        for index in range(1, depth + 1):
            kernel = random.normal(0, np.sqrt(2 / (into * 9)), (filters, into, 3, 3))
            layers.append((f'conv{block}_{index}',
                           torch.tensor(kernel.astype('float32').astype('float64'))))
            into = filters
        layers.append((f'pool{block}', None))

    def features(x):
        result = {}
        for name, kernel in layers:
            if kernel is None:
                x = functional.avg_pool2d(x, 2)
            else:
                x = functional.conv2d(x, kernel, padding=1).clamp(min=0)
            result[name] = x
        return result

    def prepare(rgb):
        bgr = rgb[:, :, ::-1].transpose(2, 0, 1)[None].astype('float64')
        return torch.tensor(bgr - np.reshape(MEAN_PIXEL, (1, 3, 1, 1)))

    def gram(x):
        x = x.flatten(2)[0]
        return x @ x.T / x.shape[1]

    photo, painting = [features(prepare(picture)) for picture in pictures()]
    image = torch.tensor(start().astype('float64'), requires_grad=True)
    seen = features(image)
    terms = [1e-3 * 0.5 * ((seen[CONTENT] - photo[CONTENT]) ** 2).sum()]
    for name in STYLE:
        channels = seen[name].shape[1]
        terms.append(2e5 * ((gram(seen[name]) - gram(painting[name])) ** 2).sum()
                     / (4 * channels ** 2))
    down = image[:, :, :-1, :-1] - image[:, :, 1:, :-1]
    right = image[:, :, :-1, :-1] - image[:, :, :-1, 1:]
    terms.append(1e-8 * ((down ** 2 + right ** 2) ** 1.25).sum())
    sum(terms).backward()
    np.savez_compressed(OUT, terms=[term.item() for term in terms],
                        gradient=image.grad.numpy().astype('float32'))


if __name__ == '__main__':
    main()
