"""Make occlusion.npz: how much each pixel matters, by captum's Occlusion.

    python tests/golden/occlusion.py

Needs torch and captum, which the archive does not: made with PyTorch 2.14.1 and captum 0.9.0, in
float64 (its averages are float32), on the networks and pictures of maps.py. Squares of 9 pixels
every 4 on 32 pixels and on 20: the last ones stick out. The square is zero; of each of five
pictures its most likely class is watched, and a channel of its own.
"""

import importlib.util
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
OUT = HERE / 'occlusion.npz'
SPEC = importlib.util.spec_from_file_location('maps', HERE / 'maps.py')
maps = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(maps)

SQUARE, STRIDE = 9, 4
LAYERS = {'vgg16': 'conv2_2', 'all_cnn_c': 'conv2_1'}  # network: whose channels are summed


def main():
    import torch
    from captum.attr import Occlusion

    results = {}
    for network, layer in LAYERS.items():
        modules = maps.build(network, torch)
        last = maps.NETWORKS[network][-1]

        def run(x, wanted, modules=modules):
            for name, module in modules.items():
                x = module(x)
                if name == wanted:
                    return x

        def probabilities(x, run=run, last=last):
            return torch.softmax(run(x, last), 1)

        def sums(x, run=run, layer=layer):
            return run(x, f'rectified {layer}').sum(dim=(2, 3))

        pictures = torch.tensor(maps.pictures(network))
        with torch.no_grad():
            classes = probabilities(pictures).argmax(dim=1).tolist()
        for kind, forward, targets in (('probability', probabilities, classes),
                                       ('sum', sums, maps.CHANNELS)):
            with torch.no_grad():
                found = [Occlusion(forward).attribute(
                    picture[None], (3, SQUARE, SQUARE), (3, STRIDE, STRIDE), baselines=0,
                    target=target)[0, 0] for picture, target in zip(pictures, targets)]
            results[f'{network} {kind}'] = torch.stack(found).numpy()
    np.savez_compressed(OUT, **results)


if __name__ == '__main__':
    main()
