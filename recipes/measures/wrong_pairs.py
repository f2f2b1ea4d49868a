"""Deliberately wrong pairs: what a comparison must not take for the same.

    python -m recipes.measures.wrong_pairs

prints, for true and for wrong pairs of several kinds, each measure and the verdict.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import models  # noqa: F401 - prepares Theano
from recipes import styletransfer
from recipes.common import images
from recipes.measures import alignment, grids, judging, manifest, pictures

NOISE = 25.0    # grey levels, the deviation
SHIFT = 1 / 8   # of the sides
PAINT = ['--model', 'vgg19_quarter', '--impl', 'recipes', '--size', '160', '--rounds', '2',
         '--evals', '60', '--style-layers', 'conv1_1,conv2_1,conv3_1', '--content-layers',
         'conv3_1', '--content-weight', '0.3', '--quiet']


def wrong(rgb, seed=0):
    """What is made of a picture by mistakes that keep its size.

    Args:
        rgb: uint8 (rows, columns, 3).
        seed: of the noise.

    Returns:
        Dict of a mistake's name to an RGB uint8 array.
    """
    random = np.random.RandomState(seed)
    rows, columns = (int(length * SHIFT) for length in rgb.shape[:2])
    noisy = rgb + random.normal(0, NOISE, rgb.shape)
    return {'mirrored': np.ascontiguousarray(rgb[:, ::-1]),
            'upside down': np.ascontiguousarray(rgb[::-1]),
            'recoloured': np.ascontiguousarray(rgb[:, :, [1, 2, 0]]),
            'red and blue swapped': np.ascontiguousarray(rgb[:, :, ::-1]),
            'shifted': np.roll(rgb, (rows, columns), (0, 1)),
            'noise': noisy.clip(0, 255).astype('uint8')}


def figure_of(panels, columns, side=224, gap=12, quality=75):
    """A figure as notebooks of 2015 draw it: panels sampled, framed, in a grid, as a JPEG.

    Args:
        panels: RGB uint8 arrays, square.
        columns: panels in a row.
        side: of a panel in pixels, with its frame.
        gap: of white paper around each.
        quality: of the JPEG.

    Returns:
        Bytes.
    """
    rows = -(-len(panels) // columns)
    sheet = np.full((rows * (side + gap) + gap, columns * (side + gap) + gap, 3), 255, 'uint8')
    for number, panel in enumerate(panels):
        top, left = (gap + place * (side + gap) for place in divmod(number, columns))
        drawn = alignment.sampled(panel, side, side)
        drawn[[0, -1]] = drawn[:, [0, -1]] = 0
        sheet[top:top + side, left:left + side] = drawn
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, 'JPEG', quality=quality)
    return file.getvalue()


def photo_pairs(folder):
    """Pairs of photos and figures of them.

    Args:
        folder: where the figure goes.

    Returns:
        Dict of a name to (our picture, path of the figure, number of the panel, whether it is true).
    """
    names = ('astronaut.png', 'chelsea.png', 'coffee.png', 'rocket.jpg')
    data = images.bundled_photo().parent
    own = [images.resize(images.crop_square(images.read(data / name)), 300) for name in names]
    path = Path(folder) / 'photos.jpg'
    path.write_bytes(figure_of(own, 2))
    found = {}
    for number, (name, rgb) in enumerate(zip(names, own)):
        found[f'{name}, itself'] = rgb, path, number, True
        found[f'{name}, other photo'] = own[number - 1], path, number, False
        for mistake, changed in wrong(rgb).items():
            found[f'{name}, {mistake}'] = changed, path, number, False
    return found


def painted_pairs(folder):
    """Pairs of style transfers, as of `photo_pairs`; a true one differs in the noise it began with.
    """
    folder = Path(folder)
    data, gallery = images.bundled_photo().parent, images.ASSETS / 'gallery'
    photo, other_photo = data / 'astronaut.png', data / 'chelsea.png'
    painting, other_painting = images.PAINTING, gallery / 'circles_and_triangles.png'
    made = {}
    for name, content, style, seed in (
            ('first', photo, painting, 1), ('itself', photo, painting, 2),
            ('other photo', other_photo, painting, 2), ('other painting', photo, other_painting, 2),
            ('both swapped', other_photo, other_painting, 2)):
        out = folder / name.replace(' ', '_')
        styletransfer.main([*PAINT, '--crop', '--content', str(content), '--style', str(style),
                            '--seed', str(seed), '--out', str(out)])
        made[name] = images.read(out / 'result.png')
    path = folder / 'painted.jpg'
    path.write_bytes(figure_of([made.pop('first')], 1, side=150))
    # The photo and the painting themselves are neither.
    for name, source in (('the photo', photo), ('the painting', painting)):
        made[name] = images.resize(images.crop_square(images.read(source)), 160)
    own = made['itself']
    pairs = {f'transfer, {name}': (rgb, path, 0, name == 'itself') for name, rgb in made.items()}
    return {**pairs, **{f'transfer, {mistake}': (rgb, path, 0, False)
                        for mistake, rgb in wrong(own).items()}}


def same_pairs(folder):
    """Pairs of a picture and the same saved as a JPEG, as of `photo_pairs`."""
    rgb = images.read(images.ASSETS / 'gallery' / 'styletransfer.png')
    path = Path(folder) / 'same.jpg'
    Image.fromarray(rgb).save(path, quality=90)
    pairs = {'picture, itself': (rgb, path, None, True)}
    other = images.resize(images.crop_square(images.read(images.PAINTING)), min(rgb.shape[:2]))
    pairs['picture, other picture'] = (other, path, None, False)
    return {**pairs, **{f'picture, {mistake}': (changed, path, None, False)
                        for mistake, changed in wrong(rgb).items()}}


def judge(pair, limits, network, columns):
    """Measure a pair as the recipe does: a list of `judging.Judged`.

    Args:
        pair: (ours, path of the figure, number of the panel or None, whether it is true).
        limits: of its kind.
        network: `pictures.InNetwork`.
        columns: of the figure's panels, with as many rows.
    """
    ours, path, number, _ = pair
    rgb = images.read(path)
    panel = rgb if number is None else grids.cut(rgb, columns, columns)[number]
    aligned = alignment.align(ours, panel, number is not None, 'sampled', alignment.jpeg_of(path))
    return judging.judge(aligned.ours, aligned.theirs, limits, network)


def main():
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    _, kinds = manifest.read()
    network = pictures.InNetwork.of('vgg19_small')
    with tempfile.TemporaryDirectory() as folder:
        for kind, pairs, columns in (('photo', photo_pairs(folder), 2),
                                     ('same', same_pairs(folder), 1),
                                     ('painted', painted_pairs(folder), 1)):
            for name, pair in pairs.items():
                judged = judge(pair, kinds[kind], network, columns)
                values = ' | '.join(f'{row.value:.3f}' + ('*' if row.passes is False else '')
                                    for row in judged)
                print(f'| {kind} | {name} | {"true" if pair[-1] else "wrong"} | {values} | '
                      f'{"alike" if judging.verdict(judged) else "not alike"} |', flush=True)


if __name__ == '__main__':
    main()
