"""Deliberately wrong pairs: what a comparison must not take for the same.

    python -m recipes.measures.wrong_pairs --run RUN --figures FIGURES

prints, for true and for wrong pairs of several kinds, each measure and the verdict; `!` marks what
is beyond its limit. Without --run, a run of the call of recipes-style-grid, its pairs are left out.
"""

import argparse
import io
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
from PIL import Image

from recipes import styletransfer
from recipes.common import images
from recipes.measures import alignment, grids, judging, manifest, pictures

NOISE = 25.0    # grey levels, the deviation
SHIFT = 1 / 8   # of the sides
PAINT = ['--model', 'vgg19_quarter', '--impl', 'recipes', '--size', '160', '--rounds', '2',
         '--evals', '60', '--style-layers', 'conv1_1,conv2_1,conv3_1', '--content-layers',
         'conv3_1', '--content-weight', '0.3', '--quiet']

# A picture and the figure that it is compared with: our RGB picture; path of the figure's file, its
# (rows, columns) of panels or None, which of them, whether it is framed and how it was scaled;
# whether the two belong together.
Case = namedtuple('Case', 'ours path grid panel framed scaling true',
                  defaults=(True, 'sampled', True))


def wrong(rgb, seed=0):
    """Make of a picture what mistakes that keep its size make of it.

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
    """Draw a figure as notebooks of 2015 do: panels sampled, framed, in a grid, as a JPEG.

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


def photo_pairs(folder, photos=4):
    """Pairs of photos and figures of them.

    Args:
        folder: where the figure goes.
        photos: how many of them are taken for ours.

    Returns:
        Dict of a name to `Case`.
    """
    names = ('rocket.jpg', 'astronaut.png', 'chelsea.png', 'coffee.png')
    data = images.bundled_photo().parent
    own = [images.square(images.read(data / name), 300) for name in names]
    path = Path(folder) / 'photos.jpg'
    path.write_bytes(figure_of(own, 2))
    found = {}
    for number, (name, rgb) in enumerate(zip(names[:photos], own)):
        case = Case(rgb, path, (2, 2), number)
        found.update(cases_of(name, case, {'other photo': own[number - 1]}))
    return found


def painted_pairs(folder):
    """Pairs of style transfers, as of `photo_pairs`; true ones differ in the noise they began with.
    """
    folder = Path(folder)
    data, gallery = images.bundled_photo().parent, images.ASSETS / 'gallery'
    photo, other_photo = data / 'astronaut.png', data / 'chelsea.png'
    painting, other_painting = images.PAINTING, gallery / 'circles_and_triangles.png'
    made = {}
    for name, content, style, seed in (
            ('first', photo, painting, 1), ('second', photo, painting, 2),
            ('third', photo, painting, 3), ('other photo', other_photo, painting, 2),
            ('other painting', photo, other_painting, 2),
            ('both swapped', other_photo, other_painting, 2)):
        out = folder / name.replace(' ', '_')
        styletransfer.main([*PAINT, '--crop', '--content', str(content), '--style', str(style),
                            '--seed', str(seed), '--out', str(out)])
        made[name] = images.read(out / 'result.png')
    path = folder / 'painted.jpg'
    path.write_bytes(figure_of([made.pop('first')], 1, side=150))
    for name, source in (('the photo', photo), ('the painting', painting)):
        made[name] = images.square(images.read(source), 160)
    case = Case(made.pop('second'), path, (1, 1), 0)
    again = case._replace(ours=made.pop('third'))
    return {**cases_of('transfer', case, made), 'transfer, itself once more': again}


def same_pairs(folder):
    """Pairs of a picture and the same saved as a JPEG, as of `photo_pairs`."""
    rgb = images.read(images.ASSETS / 'gallery' / 'styletransfer.png')
    path = Path(folder) / 'same.jpg'
    Image.fromarray(rgb).save(path, quality=90)
    other = images.square(images.read(images.PAINTING), min(rgb.shape[:2]))
    return cases_of('picture', Case(rgb, path, None, 0, framed=False), {'other picture': other})


def published_pairs(name, run, figures):
    """Pairs of the last panel of a published figure and a run, as of `photo_pairs`.

    Args:
        name: of the figure in the manifest.
        run: folder of the recipe's run.
        figures: folder of the figures and of what they are made from.
    """
    figure = manifest.read()[0][name]
    panel = figure.panels[-1]
    ours = images.read(Path(run) / panel['ours']['file'])
    case = Case(ours, manifest.find(figure, figures), figure.grid, panel['at'], figure.framed,
                figure.scaling)
    others = {f'the {source}': images.square(images.read(
        manifest.find_input(figure, source, figures)), len(ours)) for source in figure.inputs}
    others['another photo and painting'] = images.square(images.read(
        images.ASSETS / 'gallery' / 'styletransfer.png'), len(ours))
    return cases_of(name, case, others)


def cases_of(name, case, others):
    """Make a true case, what is wrong with it by mistakes, and other pictures in its place.

    Args:
        name: begins the names of all.
        case: the true one.
        others: name to RGB uint8 arrays of its size.
    """
    return {f'{name}, itself': case,
            **{f'{name}, {mistake}': case._replace(ours=rgb, true=False)
               for mistake, rgb in {**others, **wrong(case.ours)}.items()}}


def judge(case, limits, network):
    """Measure a `Case` as the recipe does: a list of `judging.Judged`.

    Args:
        limits: of its kind.
        network: `pictures.InNetwork`.
    """
    theirs = images.read(case.path)
    if case.grid is not None:
        theirs = grids.cut(theirs, *case.grid)[case.panel]
    pair = alignment.align(case.ours, theirs, case.framed, case.scaling,
                           alignment.jpeg_of(case.path))
    return judging.judge(pair.ours, pair.theirs, limits, network)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--run', help='of the manifest\'s call for recipes-style-grid')
    parser.add_argument('--figures', help='folder of the published figures')
    options = parser.parse_args()
    _, kinds = manifest.read()
    network = pictures.InNetwork.of('vgg19_small')
    with tempfile.TemporaryDirectory() as folder:
        sets = [('photo', photo_pairs(folder)), ('same', same_pairs(folder)),
                ('repainted', painted_pairs(folder))]
        if options.run:
            sets += [('painted', published_pairs(name, options.run, options.figures))
                     for name in ('recipes-style-grid', 'recipes-style-final')]
        for kind, cases in sets:
            for name, case in cases.items():
                judged = judge(case, kinds[kind], network)
                values = ' | '.join(f'{row.value:.3f}' + (' !' if row.passes is False else '')
                                    for row in judged)
                print(f'| {kind} | {name} | {"true" if case.true else "wrong"} | {values} | '
                      f'{"alike" if judging.verdict(judged) else "not alike"} |', flush=True)


if __name__ == '__main__':
    main()
