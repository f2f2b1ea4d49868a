"""Makes squeezenet_top1.npz: what SqueezeNet 1.1 sees in photos, by PyTorch in float64.

    python tests/golden/squeezenet_top1.py WEIGHTS.npz PHOTOS        (needs PyTorch and Pillow)

WEIGHTS.npz has torchvision's parameter names. Of each photo (its shorter side is 256) the middle
224x224 pixels are taken.
"""

import sys
from pathlib import Path

import numpy as np

OUT = Path(__file__).with_suffix('.npz')
POOL_BEFORE = (3, 6, 9)  # torchvision's numbers of the fire modules


def prepared(path):
    """Return a photo as torchvision's network takes it, float64 (1, 3, 224, 224)."""
    from PIL import Image

    rgb = np.array(Image.open(path).convert('RGB'), 'float64')
    top, left = ((length - 224) // 2 for length in rgb.shape[:2])
    rgb = rgb[top:top + 224, left:left + 224] / 255
    rgb = (rgb - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    return rgb.transpose(2, 0, 1)[None]


def main(weights, photos):
    import torch
    from torch.nn.functional import conv2d, max_pool2d

    file = np.load(weights)
    parameters = {key: torch.tensor(file[key].astype('float64')) for key in file.files}

    def convolve(x, name, **options):
        return conv2d(x, parameters[f'{name}.weight'], parameters[f'{name}.bias'],
                      **options).relu()

    names, scores = [], []
    for path in sorted(Path(photos).glob('*.jpg')):
        x = convolve(torch.tensor(prepared(path)), 'features.0', stride=2)
        for number in (3, 4, 6, 7, 9, 10, 11, 12):
            if number in POOL_BEFORE:
                x = max_pool2d(x, 3, 2, ceil_mode=True)
            squeezed = convolve(x, f'features.{number}.squeeze')
            x = torch.cat([convolve(squeezed, f'features.{number}.expand1x1'),
                           convolve(squeezed, f'features.{number}.expand3x3', padding=1)], 1)
        names.append(path.name)
        scores.append(convolve(x, 'classifier.1').mean((2, 3))[0].numpy())
    best = -np.sort(-np.array(scores), axis=1)[:, :2]
    np.savez_compressed(OUT, photos=names, top1=np.argmax(scores, axis=1).astype('int16'),
                        best_scores=best)


if __name__ == '__main__':
    main(*sys.argv[1:])
