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

from recipes import styletransfer
from recipes.common import (colours, command_line, extents, figures, images, lbfgs, objective,
                            projections, runs, statistics, straight_lines, tiles)
from recipes.common.scenes import Painting

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
    net, mean_pixel = load_network(options.model, options.weights, options.pool, names)
    extents.require_positions(net, names, (1, 3, *picture.shape[:2]), 'the picture')
    run = runs.Run('reconstruct', options.out, options.force)
    parameters = describe(options, picture)
    run.save_record(parameters=parameters, picture=str(options.picture))
    results = []
    with run.recorded():
        try:
            for text, layers in sets:
                with tqdm(total=options.evals, desc=text, disable=options.quiet,
                          unit='eval') as bar:

                    def show(loss, bar=bar):
                        bar.set_postfix_str(f'loss {loss:.3g}', refresh=False)
                        bar.update()

                    random = np.random.RandomState(options.seed)
                    found = reconstruct(
                        net, mean_pixel, picture, layers, random,
                        options.style_statistics if options.style else None, options.noise,
                        options.tv_weight, options.evals, options.frames, show)
                results.append(Result(text, *found, distance_of(found[0][-1], options.lines)))
                run.save_picture(f'{len(results):02d}.png', results[-1].frames[-1],
                                 {**parameters, 'layers': text})
        finally:
            if results:
                save(run, picture, results)
    if not options.quiet:
        print(sentences(picture, results, distance_of(picture, options.lines)))
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
    add('--style-statistics', choices=statistics.KINDS, default='gram',
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
        parser.error('--lines draws its own picture; leave PICTURE away')
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
    """Sets of layers that go deeper and deeper, as they are written on the command line.

    Gatys et al. 2015, figure 1: for a style each set has one more layer than the one before; for
    a content each is one layer, and one more set has a little of the first layer with the last.

    Args:
        facts: `models.facts.Facts` of the network.
        style: whether they are for statistics.
    """
    if style:
        return [','.join(facts.style[:count]) for count in range(1, len(facts.style) + 1)]
    return [*facts.deeper, f'{facts.style[0]}={FIRST},{facts.deeper[-1]}']


def describe(options, picture):
    """Every parameter that decides the pixels, for run.json and inside the pictures."""
    names = 'layers style style_statistics lines size seed evals noise tv_weight'
    return {**command_line.described(options, names), 'picture_pixels': runs.pixel_hash(picture)}


def load_network(model, weights, pool, layers):
    """Load a network, cut off after the deepest of the layers, and the mean of its pictures.

    Raises:
        ArchiveError: a layer has no positions, so that nothing comes back from it.
    """
    net, _, mean_pixel = models.load(model, weights, pool, models.deepest_of(model, layers))
    projections.require_maps(net, layers, model)
    return net, mean_pixel


def reconstruct(net, mean_pixel, picture, layers, random, kind=None, noise=NOISE,
                tv_weight=TV_WEIGHT, evals=200, frames=5, show=None):
    """Find a picture with the same activations as another in some layers, or the same statistics.

    Args:
        net: ordered dict of layers.
        mean_pixel: (3,), BGR.
        picture: RGB uint8 array.
        layers: name to factor.
        random: generator of the noise to start from.
        kind: of statistics, one of `statistics.KINDS`; None matches the activations themselves.
        noise: its largest grey level.
        tv_weight: of the total variation, as a share of the picture's own.
        evals: evaluations of loss and gradient.
        frames: how many of the pictures on the way are kept.
        show: function that is called with the loss after each evaluation, or None.

    Returns:
        (frames, counts, losses, saturation), as of `Result`.
    """
    wanted = images.prepare(images.extend(picture, MARGIN), mean_pixel)
    aim = compile_objective(net, wanted, layers, kind, tv_weight)
    found, counts = [], frame_counts(evals, frames)

    def keep(loss, x):
        if show is not None:
            show(loss / SCALE)
        if len(aim.history) in counts:
            found.append(picture_of(x, wanted.shape, mean_pixel))

    aim.on_evaluation = keep
    start = random.uniform(-noise, noise, wanted.shape).astype('float32')
    list(lbfgs.minimise(aim, start, 1, evals))
    found[len(counts) - 1:] = [picture_of(aim.best_x, wanted.shape, mean_pixel)]
    return (found, counts[:len(found) - 1] + [len(aim.history)],
            [float(values.sum() / SCALE) for values in aim.history],
            colours.saturation(found[-1]))


def compile_objective(net, wanted, layers, kind, tv_weight):
    """Compile what is minimised, an `lbfgs.Objective`.

    Args:
        net, layers, kind, tv_weight: as of `reconstruct`.
        wanted: the picture to match, (1, 3, rows, columns), BGR minus mean.
    """
    content, style = (list(layers), []) if kind is None else ([], list(layers))
    terms = objective.Terms(net, content, style, kind or 'gram')
    looker, tiling = tiles.Looker(terms), tiles.Tiling(net, terms.layers, wanted.shape)
    targets = styletransfer.compute_targets(looker, tiling, wanted, None,
                                            [Painting(wanted, None, 1.0)])
    _, _, (variation,) = looker(wanted, tiling)
    weights = weights_of(terms, targets, layers, tv_weight / (variation or 1))
    loss = styletransfer.compile_loss(terms)
    return styletransfer.objective_of(loss, targets.weighted(weights), wanted.shape)


def distance_of(picture, lines):
    """How far edges are from straight lines, in pixels, where the picture is drawn of lines."""
    return straight_lines.distance(picture) if lines else None


def weights_of(terms, targets, layers, tv_weight):
    """The weights of the terms: factors of losses that are shares of the picture's own.

    The total variation counts for little, and is what keeps out noise that the layers do not see.
    """
    energies = targets.energies()
    weights = [layers[name.split()[1]] / energies[name] for name in terms.names[:-1]]
    return SCALE * np.array([*weights, tv_weight])


def frame_counts(evals, frames):
    """After how many evaluations a frame is kept: a geometric row, the last one at the end."""
    return sorted({round(count) for count in np.geomspace(1, evals, frames)})


def picture_of(x, shape, mean_pixel):
    """The RGB picture of a flat array, without its margin."""
    return images.trim(images.deprocess(x.reshape(shape), mean_pixel), MARGIN)


def save(run, picture, results):
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


def sentences(picture, results, own_distance=None):
    """Say what was measured.

    Args:
        picture: RGB.
        results: list of `Result`.
        own_distance: of the picture's own edges from their lines, or None.
    """
    lines = [f'{"the picture itself":40s} saturation {colours.saturation(picture):.3f}'
             + in_words(own_distance)]
    for result in results:
        lines.append(f'{result.layers:40s} saturation {result.saturation:.3f}'
                     + in_words(result.distance) + f', loss {result.losses[-1]:.2g}')
    return '\n'.join(lines)


def in_words(distance):
    """Say how far edges are from their lines; nothing where that was not measured."""
    return '' if distance is None else f', edges {distance:.2f} pixels from their lines'


if __name__ == '__main__':
    command_line.run(main)
