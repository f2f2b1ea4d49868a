"""See what layers know of a picture: find another that has the same activations, or statistics.

    python recipes/reconstruct.py photo.jpg --layers conv1_2 conv4_2 conv1_1=0.1,conv4_2
    python recipes/reconstruct.py painting.jpg --style --layers conv1_1 conv1_1,conv2_1,conv3_1

Gatys, Ecker & Bethge 2015, "A Neural Algorithm of Artistic Style", figure 1: from white noise, by
content alone (activations), or by style alone (Gram matrices or other statistics), which makes a
texture. Each set of layers gives a row of frames. Deep layers forget colour and bend straight
lines; both are measured, the second on a drawn picture of coloured shapes (--lines).
"""

from collections import namedtuple

import models

import numpy as np
from tqdm import tqdm

from recipes.common import (
    colours,
    command_line,
    extents,
    figures,
    images,
    lbfgs,
    losses,
    runs,
    straight_lines,
)
from recipes.common.networks import load_to
from recipes.style.loss import style_transfer

MARGIN = 8      # pixels of mirrored margin, painted and cut off
FIRST = 0.1     # of the first style layer, which brings back the colours that the last one loses
TV_WEIGHT = 3e-3
NOISE = 16      # grey levels; from 128 what conv4_2 does not see would stay garish to the end
SCALE = 1e4     # of the loss, which without it is a share of the picture's own activations

# A set of layers, as written; its frames, RGB, and after how many evaluations each was; the losses,
# as shares; mean saturation; distance of edges from straight lines in pixels, or None.
Result = namedtuple('Result', 'layers frames counts losses saturation distance')


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    picture = (straight_lines.draw(options.size) if options.lines
               else images.resize(images.read(options.picture), options.size))
    sets = [(text, command_line.layer_weights(text)) for text in options.layers]
    names = [layer for _, layers in sets for layer in layers]
    net, mean_pixel = load_to(names, options.model, options.weights, options.pool)
    extents.require_positions(net, names, (1, 3, *picture.shape[:2]), 'the picture')
    run = runs.Run('reconstruct', options.out, options.force)
    parameters = describe(options, picture, net)
    run.save_record(parameters=parameters, picture=str(options.picture))
    results = []
    with run.recorded():
        try:
            for text, layers in sets:
                with tqdm(total=options.evals, desc=text, disable=options.quiet,
                          unit='eval') as bar:
                    results.append(reconstruct(
                        net, mean_pixel, picture, text, layers, options.style,
                        options.style_statistics, options.seed, options.evals, options.noise,
                        options.tv_weight, frame_counts(options.frames, options.evals),
                        options.lines, bar))
                run.save_picture(f'{len(results):02d}.png', results[-1].frames[-1],
                                 {**parameters, 'layers': text})
        finally:
            if results:
                save(run, options, picture, results)
    if not options.quiet:
        print(sentences(options, picture, results))
        print(run.folder / 'figure.png')


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('picture', nargs='?', help="whose activations to match (default: NASA's portrait of an "
                                   'astronaut; with --style the bundled painting)')
    add('--lines', action='store_true', help='take a drawn picture of straight edges')
    parser.add_run_options()
    parser.add_network_options(pool='average_exc_pad')
    add('--style', action='store_true', help='match statistics over the picture: a texture')
    add('--style-statistics', choices=losses.KINDS, default='gram',
        help='which, with --style; see styletransfer.py')
    add('--layers', nargs='+', metavar='LAYERS',
        help='sets of layers such as conv1_1=0.1,conv4_2, each a row (default: five of the '
             "network's own that go deeper and deeper; `python -m models layers NAME` marks them)")
    add('--size', type=command_line.pixels, default=128, help='pixels of the shorter side')
    add('--seed', type=command_line.seed, default=1, help='of the noise')
    add('--evals', type=command_line.positive_integer, default=200,
        help='evaluations of loss and gradient')
    add('--noise', type=command_line.factor, default=NOISE,
        help='largest grey level of the white noise to start from; what layers do not see of it '
             'stays')
    add('--tv-weight', type=command_line.weight, default=TV_WEIGHT,
        help="of the total variation, as a share of the picture's own")
    add('--frames', type=command_line.positive_integer, default=5, help='in each row')
    options = parser.parse_args(arguments)
    if options.lines and options.picture is not None:
        parser.error('--lines draws its own picture; omit PICTURE')
    if options.style_statistics != 'gram' and not options.style:
        parser.error('--style-statistics are of a style; add --style')
    if options.picture is None:
        options.picture = images.PAINTING if options.style else images.bundled_photo()
    options.layers = options.layers or default_layers(models.facts_of(options.model), options.style)
    for text in options.layers:
        try:
            command_line.layer_weights(text)
        except command_line.argparse.ArgumentTypeError as problem:
            parser.error(f'argument --layers: {problem}')
    return options


def default_layers(facts, style):
    """List sets of layers that go deeper and deeper, as they are written on the command line.

    Gatys et al. 2015, figure 1: for a style each set has one more layer than the one before; for
    a content each is one layer, and one more set has a little of the first layer with the last.

    Args:
        facts: `models.facts.Facts` of the network.
        style: whether they are for statistics.
    """
    if style:
        return [','.join(facts.style[:count]) for count in range(1, len(facts.style) + 1)]
    return [*facts.deeper, f'{facts.style[0]}={FIRST},{facts.deeper[-1]}']


def describe(options, picture, net):
    """List every parameter that decides the pixels, for run.json and inside the pictures."""
    names = 'layers style style_statistics lines size seed evals noise tv_weight'
    return {**command_line.described(options, names, net),
            'picture_pixels': runs.pixel_hash(picture)}


def reconstruct(net, mean_pixel, picture, text, layers, style, kind, seed, evals, noise, tv_weight,
                counts, lines, bar):
    """Find a picture that agrees with another in one set of layers, a `Result`.

    Args:
        net: ordered dict of layers.
        mean_pixel: (3,), BGR.
        picture: RGB uint8 array.
        text: the set as written.
        layers: name to factor.
        style: whether statistics are matched, and not activations.
        kind: of the statistics, one of `losses.KINDS`.
        seed, noise: of the start, and its largest grey level.
        evals: of loss and gradient.
        tv_weight: of the total variation, as a share of the picture's own.
        counts: after how many evaluations a frame is kept.
        lines: whether distances of edges from straight lines are measured.
        bar: tqdm's, over the evaluations.
    """
    wanted = images.prepare(images.extend(picture, MARGIN), mean_pixel)
    content, style = ({}, layers) if style else (layers, {})
    frames = []

    def keep(objective, x):
        bar.set_postfix_str(f'loss {objective.history[-1].sum() / SCALE:.3g}', refresh=False)
        bar.update()
        if len(objective.history) in counts:
            frames.append(picture_of(x, wanted.shape, mean_pixel))

    objective = style_transfer(
        net, wanted, wanted, scaled(content), scaled(style), SCALE * tv_weight, kind,
        relative=True, on_evaluation=keep)
    start = np.random.RandomState(seed).uniform(-noise, noise, wanted.shape).astype('float32')
    list(lbfgs.minimise(objective, start, 1, evals))
    frames[len(counts) - 1:] = [picture_of(objective.best_x, wanted.shape, mean_pixel)]
    return Result(text, frames, counts[:len(frames) - 1] + [len(objective.history)],
                  [float(values.sum() / SCALE) for values in objective.history],
                  colours.saturation(frames[-1]),
                  straight_lines.distance(frames[-1]) if lines else None)


def scaled(factors):
    """Weights of losses that are shares of the picture's own, by layer."""
    return {layer: SCALE * factor for layer, factor in factors.items()}


def frame_counts(frames, evals):
    """After how many evaluations a frame is kept: a geometric row, the last one at the end."""
    return sorted({round(count) for count in np.geomspace(1, evals, frames)})


def picture_of(x, shape, mean_pixel):
    """Convert a flat array to the RGB picture that it is, without its margin."""
    return images.trim(images.deprocess(x.reshape(shape), mean_pixel), MARGIN)


def save(run, options, picture, results):
    """Save the strips of frames, the figure, the table of measurements and the losses."""
    rows = []
    for number, result in enumerate(results, start=1):
        run.save_picture(f'{number:02d}_strip.png',
                         figures.mosaic([*result.frames, picture], len(result.frames) + 1),
                         {'layers': result.layers})
        run.save_table(f'{number:02d}_losses.csv', ['evaluation', 'loss'],
                       [[index, repr(loss)] for index, loss in enumerate(result.losses, start=1)])
        rows.append([result.layers, result.losses[-1], result.saturation, result.distance])
    run.save_table('measurements.csv', ['layers', 'loss', 'saturation', 'edges_from_lines'], rows)
    pictures = [picture, *(result.frames[-1] for result in results)]
    titles = ['picture', *(result.layers.replace(',', '\n') for result in results)]
    with run.writing('figure.png') as path:
        figures.save_grid(path, pictures, titles, columns=3)


def sentences(options, picture, results):
    """Put the measurements into words."""
    lines = [f'{"the picture itself":40s} saturation {colours.saturation(picture):.3f}'
             + (f', edges {straight_lines.distance(picture):.2f} pixels from their lines'
                if options.lines else '')]
    for result in results:
        lines.append(f'{result.layers:40s} saturation {result.saturation:.3f}'
                     + (f', edges {result.distance:.2f} pixels from their lines'
                        if options.lines else '') + f', loss {result.losses[-1]:.2g}')
    return '\n'.join(lines)


if __name__ == '__main__':
    command_line.run(main)
