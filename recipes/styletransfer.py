"""Paint a photo in the style of a painting.

    python recipes/styletransfer.py --content photo.jpg --style painting.jpg

Gatys, Ecker & Bethge 2015, "A Neural Algorithm of Artistic Style": from white noise, find the
picture whose activations in a deep layer are the photo's, and whose Gram matrices in several
layers are the painting's. After Lasagne/Recipes, examples/styletransfer/Art Style Transfer.ipynb.
Without arguments it takes the bundled photo, the bundled painting and the embedded network.
"""

import copy
import itertools
import json
import sys
import time
from argparse import Namespace
from collections import namedtuple
from pathlib import Path

import models
import lasagne
import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from models.errors import ArchiveError
from models.weights import files
from recipes.common import (animations, colours, command_line, figures, images, lbfgs, masks,
                            memory, objective, rounds, runs, statistics, tiles)
from recipes.common.adam import Adam

# What --impl decides where the command line says nothing. content_per: whether the content loss is
# a sum, a mean, or a sum that weighs as at the notebook's size; style_per: whether a layer's style
# loss is the paper's E or the mean squared difference of Gram matrices, 4/N^2 of it; noise: the
# white noise to start from; levels: what white is before the mean is subtracted; counted: whether
# the total variation is in the loss that is reported.
Settings = namedtuple('Settings', 'content_layers content_weight content_per style_layers '
                                  'style_weight style_per tv_weight variation counted pool init '
                                  'noise levels rounds evals margin factr pgtol')

# Of the notebook; the tolerances of L-BFGS are scipy's defaults.
NOTEBOOK = Settings(content_layers='conv4_2', content_weight=1e-3, content_per='sum',
                    style_layers='conv1_1,conv2_1,conv3_1,conv4_1,conv5_1', style_weight=2e5,
                    style_per='paper', tv_weight=1e-8, variation='recipes', counted=True,
                    pool='average_exc_pad', init='noise', noise='uniform', levels=255, rounds=8,
                    evals=40, margin=0, factr=1e7, pgtol=1e-5)

# The archive adapts the notebook's weights to the network's width and the picture's size, paints
# a margin that is cut off, and lets L-BFGS go on to the last evaluation.
ARCHIVE = NOTEBOOK._replace(content_per='reference', margin=8, factr=0.0, pgtol=0.0)

# Tuned by eye on the embedded network: by conv4_2 alone it does not tell what is in a photo, and at
# equal weights conv4_1 and conv5_1 are two thirds of the loss at the end: ripples, not strokes.
EMBEDDED = ARCHIVE._replace(content_layers='conv3_2=0.2,conv4_2', content_weight=2e-2,
                            style_layers='conv1_1,conv2_1,conv3_1,conv4_1=0.2,conv5_1=0.1',
                            tv_weight=3e-8)

# Gatys et al. 2015, equations 1 to 7: alpha / beta = 1e-3, and each style layer weighs a fifth.
# There is no total variation; L-BFGS's habits are not told, so they are the archive's.
PAPER = NOTEBOOK._replace(
    style_layers='conv1_1=0.2,conv2_1=0.2,conv3_1=0.2,conv4_1=0.2,conv5_1=0.2', style_weight=1.0,
    tv_weight=0.0, factr=0.0, pgtol=0.0)

# leongatys/PytorchNeuralStyleTransfer, NeuralStyleTransfer.ipynb: means of squares, style weights
# 1e3 / N^2 for layers of N channels, 500 evaluations from the photo, max pooling.
AUTHORS = PAPER._replace(
    content_weight=1.0, content_per='mean', style_weight=1e3, style_per='mean', pool='max',
    style_layers=NOTEBOOK.style_layers, init='content', noise='normal', rounds=5, evals=100)

# jcjohnson/neural-style, neural_style.lua: means of squares, Gram matrices over all elements (here
# 1/N^2 more in the weight), white is 256, total variation in the gradient only.
NEURAL_STYLE = AUTHORS._replace(
    content_weight=5.0, style_weight=100.0, tv_weight=1e-3, variation='squares', counted=False,
    init='noise', noise='faint', levels=256, rounds=10, evals=100)

IMPLEMENTATIONS = {'archive': ARCHIVE, 'recipes': NOTEBOOK, 'paper': PAPER, 'authors': AUTHORS,
                   'neural_style': NEURAL_STYLE}

# The content loss is a sum over channels and positions and the total variation one over pixels.
# Adapted, a content layer weighs as much as conv4_2 in the notebook, however many channels and
# positions it has, and the total variation as much as there. The style loss, a mean over channels
# and positions, needs no factor.
REFERENCE_ACTIVATIONS = 512 * 75 * 75  # conv4_2 of the full VGG-19 at 600x600
REFERENCE_PIXELS = 600 * 600

# Photo and paintings, RGB uint8; their masks, or None; the colours that are the regions, or None.
Pictures = namedtuple('Pictures', 'photo paintings photo_mask painting_masks regions')

# (1, 3, rows, columns), BGR minus mean; (regions, rows, columns) or None; share in the style.
Painting = namedtuple('Painting', 'image regions share')

# Options that may differ where a run goes on.
RESUMABLE = ('resume', 'round', 'rounds', 'out', 'force', 'quiet')


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    if options.grid:
        folder = paint_grid(options)
    elif options.resume:
        folder = paint(*resumed(options))
    else:
        folder = paint(options)
    if not options.quiet:
        print(folder / ('grid.png' if options.grid else 'result.png'))


def paint(options, state=None, elsewhere=False):
    """Paint one picture, from the beginning or from the state of a round.

    Returns:
        The folder of the run.
    """
    pictures = read_pictures(options)
    net, mean_pixel = load_network(options)
    shapes = [phase_shape(options, pictures.photo, phase) for phase in range(options.phases)]
    plan = make_plan(options, net, pictures, shapes[-1])
    parameters = describe(options, pictures, plan)
    if options.resume:
        check_same(options.resume, parameters)
        run = rounds.reopen('styletransfer', options.resume, state, options.out, options.force,
                            elsewhere)
    else:
        run = runs.Run('styletransfer', options.out, options.force)
    run.save_record(parameters=parameters, options=remembered(options), plan=plan._asdict(),
                    content=str(options.content), style=[str(path) for path in options.style])
    easel = Easel(run, options, parameters, net, mean_pixel, pictures, plan, state)
    with run.recorded():
        easel.announce(memory.gigabytes(plan.bytes) + ' of memory'
                       + (f', in tiles of {plan.core[1]}x{plan.core[0]} pixels' if plan.core
                          else ''))
        try:
            easel.compile()
            easel.paint(shapes)
        finally:
            easel.save_best()
        easel.save_figures()
    return run.folder


def parse(arguments):
    """Return the options; weights that are not given are those of the implementation."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('--content', metavar='PHOTO', help='the photo (default: a portrait by NASA)')
    add('--style', metavar='PAINTING', nargs='+',
        help="the painting (default: one by the project's own code), or several")
    parser.add_run_options()
    parser.add_network_options(pool=None)
    add('--impl', choices=IMPLEMENTATIONS, default='archive',
        help='archive: weights that look alike at every size and width; recipes: constants and '
             'L-BFGS tolerances of the notebook, untouched; paper: of the paper; authors: of its '
             "authors' PyTorch notebook; neural_style: of jcjohnson's neural-style")
    add('--size', type=command_line.pixels, default=256,
        help='pixels of the shorter side, of photo and painting')
    add('--crop', action='store_true', help='cut both to a square, as the notebook does')
    add('--init', metavar='noise|content|FILE', help='where to start; ' + defaults('init'))
    add('--seed', type=command_line.seed, default=1, help='of the noise')
    add_loss_options(parser)
    add_style_options(parser)
    add_optimiser_options(parser)
    add_process_options(parser)
    options = parser.parse_args(arguments)
    if options.resume:
        other = [name for name, value in vars(options).items()
                 if name not in RESUMABLE and value != parser.get_default(name)]
        if other:
            parser.error(f'--resume goes on with the options of the run; --{dashed(other[0])} '
                         'cannot be changed')
        return options
    if options.round is not None:
        parser.error('--from names a round of a run; name the run with --resume')
    fill_in(options)
    check(parser, options)
    return options


def add_loss_options(parser):
    """Add the terms of the loss."""
    add = parser.add_argument
    add('--content-weight', type=command_line.weight, help=defaults('content_weight'))
    add('--style-weight', type=command_line.weight, help=defaults('style_weight'))
    add('--tv-weight', type=command_line.weight, help=defaults('tv_weight'))
    add('--content-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --content-weight; ' + defaults('content_layers'))
    add('--style-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --style-weight; ' + defaults('style_layers'))
    add('--style-statistics', choices=statistics.KINDS, default='gram',
        help="what of a layer is the style: Gram matrix, the channels' means, means and "
             'deviations, or covariances')
    add('--normalise-gradients', action='store_true',
        help='divide each weight by the sum of the absolute gradient of its term at the start')


def add_style_options(parser):
    """Add what is done with the paintings."""
    add = parser.add_argument
    add('--style-blend', type=command_line.factor, nargs='+', metavar='SHARE',
        help='how much each of several paintings counts (default: all the same)')
    add('--style-scale', type=command_line.factor, default=1.0,
        help="size of the painting in the photo's: above 1 its strokes are larger")
    add('--colours', choices=colours.WAYS, default='painting',
        help="whose colours the picture has: luminance paints the photo's luminance only, matched "
             "gives the painting the photo's mean and covariance of colours first")
    add('--masks', nargs='+', metavar='MASK',
        help='a mask of the photo, then one of each painting: pictures of a few colours, and what '
             'has the same colour belongs together')


def add_optimiser_options(parser):
    """Add how the loss is minimised."""
    add = parser.add_argument
    add('--rounds', type=command_line.positive_integer,
        help='restarts of L-BFGS, in each phase; ' + defaults('rounds'))
    add('--evals', type=command_line.positive_integer,
        help='evaluations of loss and gradient in each round; ' + defaults('evals'))
    add('--phases', type=command_line.positive_integer, default=1,
        help='from coarse to fine: paint so many times, each twice as large as before')
    add('--optimiser', choices=('lbfgs', 'adam'), default='lbfgs')
    add('--rate', type=command_line.factor, default=10.0, help='of Adam, grey levels a step')
    add('--corrections', type=command_line.positive_integer, default=lbfgs.CORRECTIONS,
        help='steps whose curvature L-BFGS remembers, each as large as four float32 pictures')
    add('--bounds', action='store_true', help='keep pixels within 0 to 255 all the time')
    add('--memory', type=command_line.memory, metavar='4G',
        help="paint in tiles, if need be, to stay below it (default: half of the machine's)")


def add_process_options(parser):
    """Add what is kept of the process, going on with a run, and many runs at once."""
    add = parser.add_argument
    add('--save-every', type=command_line.positive_integer, metavar='N',
        help='save a frame every N evaluations, and the process as GIF, and as MP4 where ffmpeg is')
    add('--resume', metavar='RUN', help='go on with the run in this folder from its last round')
    add('--from', dest='round', type=command_line.whole_number, metavar='ROUND',
        help='go on from an earlier round, in a new folder')
    add('--grid', nargs='+', action='append', metavar=('OPTION', 'VALUE'),
        help='paint with each of several values of an option, such as `--grid style-scale 0.5 1`, '
             'and lay the results out on a sheet; twice: rows and columns. Options: '
             + ', '.join(GRID))


# Options that --grid varies, and how to read their values.
GRID = {'content-layers': command_line.layer_weights, 'style-layers': command_line.layer_weights,
        'content-weight': command_line.weight, 'style-weight': command_line.weight,
        'tv-weight': command_line.weight, 'style-scale': command_line.factor,
        'style-statistics': str, 'colours': str, 'pool': str, 'seed': command_line.seed}
CHOICES = {'style-statistics': statistics.KINDS, 'colours': colours.WAYS,
           'pool': command_line.POOLINGS}


def dashed(name):
    """Return an attribute's name as its option is written."""
    return {'round': 'from'}.get(name, name.replace('_', '-'))


def settings_of(implementation, model):
    """Return the constants that hold where the command line says nothing."""
    if implementation == 'archive' and model == 'vgg19_quarter':
        return EMBEDDED
    return IMPLEMENTATIONS[implementation]


def defaults(name):
    """Return the help text that says what an option's default depends on."""
    told = {}
    for words, settings in (('vgg19_quarter', EMBEDDED), *IMPLEMENTATIONS.items()):
        value = getattr(settings, name)
        told.setdefault(value if isinstance(value, str) else f'{value:g}', []).append(words)
    return 'default: ' + '; '.join(f'{value} ({", ".join(words)})' if len(told) > 1 else value
                                   for value, words in told.items())


def fill_in(options):
    """Give options that are not given the values of the implementation."""
    settings = settings_of(options.impl, options.model)._asdict()
    for name in ('content_layers', 'style_layers'):
        settings[name] = command_line.layer_weights(settings[name])
    settings.update(content=images.bundled_photo(), style=[images.PAINTING])
    for name, value in settings.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    if options.memory is None:
        options.memory = memory.of_machine() // 2
    if options.style_blend is None:
        options.style_blend = [1.0] * len(options.style)


def check(parser, options):
    """Stop where options do not fit together."""
    if len(options.style_blend) != len(options.style):
        parser.error(f'argument --style-blend: {len(options.style_blend)} shares for '
                     f'{len(options.style)} paintings; give one for each')
    if options.masks and len(options.masks) != 1 + len(options.style):
        parser.error(f'argument --masks: {len(options.masks)} masks; give one of the photo and '
                     f'one of each painting, {1 + len(options.style)} in all')
    smallest = options.size / 2 ** (options.phases - 1)
    if smallest < images.SMALLEST:
        parser.error(f'argument --phases: the first of {options.phases} would have '
                     f'{smallest:.0f} pixels, less than {images.SMALLEST}; take fewer, or a '
                     'larger --size')
    options.grid = [axis_of(parser, *axis) for axis in options.grid or []]
    if len(options.grid) > 2:
        parser.error('argument --grid: rows and columns are two options at most')


def axis_of(parser, name, *values):
    """Return (option, its values as written) of --grid."""
    if name not in GRID or not values:
        parser.error(f'argument --grid: {name!r} with {len(values)} values; name one of '
                     f'{", ".join(GRID)}, and values')
    for value in values:
        try:
            GRID[name](value)
        except command_line.argparse.ArgumentTypeError as problem:
            parser.error(f'argument --grid: {name}: {problem}')
        if value not in CHOICES.get(name, [value]):
            parser.error(f'argument --grid: {name}: {value!r} is none of '
                         f'{", ".join(CHOICES[name])}')
    return name, list(values)


def read_pictures(options):
    """Return the pictures of their files, with the colours asked for, whole or cropped."""
    def read(path, reader=images.read):
        rgb = reader(path)
        return images.crop_square(rgb) if options.crop else rgb

    photo, paintings = read(options.content), [read(path) for path in options.style]
    if options.init not in ('noise', 'content'):
        images.read(options.init)  # it must be good before anything is begun
    if options.colours == 'matched':
        paintings = [colours.matched(painting, photo) for painting in paintings]
    elif options.colours == 'luminance':
        paintings = [colours.luminance_matched(painting, photo) for painting in paintings]
    if not options.masks:
        return Pictures(photo, paintings, None, [None] * len(paintings), None)
    photo_mask, *painting_masks = [read(path, masks.read) for path in options.masks]
    masks.check(photo_mask, painting_masks)
    return Pictures(photo, paintings, photo_mask, painting_masks, masks.colours_of(photo_mask))


def load_network(options):
    """Return (net, mean_pixel) with the network cut off after the deepest layer in use.

    Raises:
        ArchiveError: a layer has no positions, so that there is nothing to paint from.
    """
    layers = [*options.content_layers, *options.style_layers]
    deepest = models.deepest_of(options.model, layers)
    net, _, mean_pixel = models.load(options.model, options.weights, options.pool, deepest)
    for name in layers:
        if len(net[name].output_shape) != 4:
            raise ArchiveError(f'{name} has no rows and columns; take convolutions or poolings')
    return net, mean_pixel


def phase_size(options, phase):
    """Return the shorter side of the photo in a phase, in pixels."""
    return max(images.SMALLEST, round(options.size / 2 ** (options.phases - 1 - phase)))


def phase_shape(options, photo, phase):
    """Return the shape of the picture that a phase paints, its margin included."""
    rows, columns = images.fitted(photo.shape, phase_size(options, phase))
    return 1, 3, rows + 2 * options.margin, columns + 2 * options.margin


def make_plan(options, net, pictures, shape):
    """Return which tiles, and how much of L-BFGS's memory, keep the run below --memory."""
    if options.resume:
        return memory.Plan(**runs.read_record(options.resume)['plan'])
    size = max(images.SMALLEST, round(options.size * options.style_scale))
    painting_shapes = [(1, 3, *images.fitted(painting.shape, size))
                       for painting in pictures.paintings]
    needs = memory.Needs(net, options.content_layers, options.style_layers, shape, painting_shapes,
                         adam=options.optimiser == 'adam')
    corrections = None if options.optimiser == 'adam' else options.corrections
    return memory.plan(needs, options.memory, corrections)


def describe(options, pictures, plan):
    """Return every parameter that decides the pixels, for run.json and inside the pictures."""
    names = ('impl model pool size crop margin seed phases evals content_weight style_weight '
             'tv_weight content_layers style_layers style_statistics style_scale style_blend '
             'colours optimiser bounds normalise_gradients')
    init = options.init
    return {**{name: getattr(options, name) for name in names.split()},
            'init': init if init in ('noise', 'content') else runs.pixel_hash(images.read(init)),
            'rate': options.rate if options.optimiser == 'adam' else None,
            'corrections': plan.corrections, 'tiles': plan.core,
            'painting_tiles': plan.painting_core,
            'weights_sha256': files.sha256(files.find(options.model, options.weights)),
            'photo_pixels': runs.pixel_hash(pictures.photo),
            'painting_pixels': [runs.pixel_hash(rgb) for rgb in pictures.paintings],
            'mask_pixels': [runs.pixel_hash(rgb) for rgb in
                            (pictures.photo_mask, *pictures.painting_masks) if rgb is not None]}


def remembered(options):
    """Return the options that a run goes on with, for run.json; paths from anywhere."""
    kept = {name: value for name, value in vars(options).items()
            if name not in ('resume', 'round', 'out', 'force', 'quiet', 'grid')}
    for name in ('content', 'weights', 'init'):
        if kept[name] not in (None, 'noise', 'content'):
            kept[name] = str(Path(kept[name]).resolve())
    for name in ('style', 'masks'):
        kept[name] = kept[name] and [str(Path(path).resolve()) for path in kept[name]]
    return kept


def resumed(options):
    """Return (options, state, whether in a new folder) to go on with a run.

    Raises:
        ArchiveError: there is no such run or round, or nothing is left to do.
    """
    record = runs.read_record(options.resume)
    if record['recipe'] != 'styletransfer' or not {'options', 'plan'} <= set(record):
        raise ArchiveError(f'{options.resume} is no run of this recipe that can go on')
    known = Namespace(**record['options'])
    known.grid = []
    for name in ('resume', 'round', 'out', 'force', 'quiet'):
        setattr(known, name, getattr(options, name))
    if options.rounds is not None:
        known.rounds = options.rounds
    state = rounds.find(options.resume, options.round)
    if state is not None and state.number >= known.rounds * known.phases:
        raise ArchiveError(f'{options.resume} has all of its {state.number} rounds; give more '
                           '--rounds, or an earlier round with --from')
    if known.rounds != record['options']['rounds'] and known.phases > 1:
        raise ArchiveError('a run in phases has a number of rounds for each; leave --rounds away')
    last = state is None or state.number == rounds.numbers(options.resume)[-1]
    return known, state, not last or options.out is not None


def check_same(folder, parameters):
    """Check that the pictures and weights of a run are what they were.

    Raises:
        ArchiveError: one is another now.
    """
    earlier = runs.read_record(folder)['parameters']
    for name, value in json.loads(json.dumps(parameters)).items():
        if earlier.get(name) != value:
            raise ArchiveError(f'{folder} cannot go on: {name.replace("_", " ")} was '
                               f'{earlier.get(name)} and is {value} now')


def compile_loss(terms):
    """Compile loss and gradient of the picture into one function.

    Args:
        terms: `objective.Terms`.

    Returns:
        Function (picture, *Targets.arrays()) -> (terms, gradient), in floatX.
    """
    image = T.tensor4('image')
    loss = terms.of(image)
    gradient = T.grad(loss.sum(), image)
    return theano.function([image, *terms.inputs], [loss, gradient], on_unused_input='ignore')


def compute_targets(looker, tiling, photo, regions, paintings, painting_core=None):
    """Return what the picture should match.

    Args:
        looker: `tiles.Looker`.
        tiling: of the photo.
        photo: (1, 3, rows, columns), BGR minus mean.
        regions: of the photo, (regions, rows, columns), or None.
        paintings: list of `Painting`; the target is the mean of their statistics by their shares,
            which has the same gradient as the sum of their losses.
        painting_core: of the paintings' tiles, or None.

    Returns:
        `objective.Targets`, with weights of 1.
    """
    terms = looker.terms
    guides, masses = objective.guides_and_masses(terms, regions, photo.shape)
    photo_features, _, _ = looker(photo, tiling, guides)
    from_sums = objective.compile_statistics(terms)
    blended, shares = {}, {}
    for painting in paintings:
        own_guides, own_masses = objective.guides_and_masses(terms, painting.regions,
                                                             painting.image.shape)
        own_tiling = tiles.Tiling(terms.net, terms.layers, painting.image.shape, painting_core)
        _, sums, _ = looker(painting.image, own_tiling, own_guides)
        for layer, parts in from_sums(sums, own_masses).items():
            share = painting.share * (own_masses[layer] > 0)  # a region may be in some only
            shares[layer] = shares.get(layer, 0) + share
            weighted = [part * share.reshape(-1, *[1] * (part.ndim - 1)) for part in parts]
            blended[layer] = ([a + b for a, b in zip(blended[layer], weighted)]
                              if layer in blended else weighted)
    targets = {layer: [part / shares[layer].reshape(-1, *[1] * (part.ndim - 1)) for part in parts]
               for layer, parts in blended.items()}
    return objective.Targets(photo_features, guides,
                             objective.Aims(masses, targets, np.ones(len(terms.names))))


def weights_of(options, net, shape):
    """Return the factor of each term of the loss, name to float, for a picture of this shape."""
    weights = {}
    for layer, factor in options.content_layers.items():
        elements = np.prod(lasagne.layers.get_output_shape(net[layer], shape))
        scale = {'sum': 1, 'mean': 2 / elements, 'reference': REFERENCE_ACTIVATIONS / elements}
        weights[f'content {layer}'] = float(options.content_weight * factor
                                            * scale[options.content_per])
    matrices = options.style_statistics in ('gram', 'covariance')
    for layer, factor in options.style_layers.items():
        scale = 1.0
        if options.style_per == 'mean' and matrices:
            scale = 4 / net[layer].output_shape[1] ** 2
        weights[f'style {layer}'] = options.style_weight * factor * scale
    scale = REFERENCE_PIXELS / (shape[2] * shape[3]) if options.content_per == 'reference' else 1
    weights[objective.VARIATION] = options.tv_weight * scale
    return weights


class Easel:
    """A picture being painted, phase by phase and round by round.

    Args:
        run: its folder.
        options, parameters, net, mean_pixel, pictures, plan: as in `paint`.
        state: of the round to go on from, or None.

    Attributes:
        number: of the last round that was kept; 0 is the start.
        history: terms of all evaluations before this phase.
    """

    def __init__(self, run, options, parameters, net, mean_pixel, pictures, plan, state):
        self.run, self.options, self.parameters = run, options, parameters
        self.net, self.mean_pixel, self.pictures, self.plan = net, mean_pixel, pictures, plan
        self.state = state
        self.number = -1 if state is None else state.number
        self.history = [] if state is None else list(state.history)
        self.last_x = None if state is None else state.x
        self.objective = None

    def announce(self, words):
        """Tell something between the lines of progress, unless quiet."""
        if not self.options.quiet:
            tqdm.write(words, file=sys.stderr)

    def compile(self):
        """Compile what looks at the targets, and loss and gradient, whole or in tiles."""
        options = self.options
        self.terms = objective.Terms(self.net, options.content_layers, options.style_layers,
                                     options.style_statistics, options.variation,
                                     self.pictures.regions is not None)
        self.looker = tiles.Looker(self.terms)
        self.loss = (compile_loss(self.terms) if self.plan.core is None
                     else tiles.TiledLoss(self.terms, self.looker))
        self.run.save_record(seconds_before_the_first_round=self.run.seconds())

    def paint(self, shapes):
        """Paint the phases that are left, in the shapes that `phase_shape` gives."""
        done = max(0, self.number)
        for phase in range(done // self.options.rounds, len(shapes)):
            self.paint_phase(phase, shapes)

    def paint_phase(self, phase, shapes):
        """Paint the rounds of a phase that are left, and keep each."""
        options, shape, state = self.options, shapes[phase], self.state
        goes_on = state is not None and state.phase == phase
        if self.objective is not None:
            self.history += self.objective.history  # of the phase before
        targets = self.look(phase, shape)
        start = state.x if goes_on else self.starting_point(phase, shape)
        weights = state.weights if goes_on else self.weights(targets, start)
        self.objective = objective_of(self.loss, targets, weights, shape)
        self.phase, self.phase_weights, self.optimiser = phase, weights, self.new_optimiser(shape)
        if goes_on:
            self.take_up(state)
        done = max(0, self.number - phase * options.rounds)
        began = time.perf_counter()
        if goes_on:
            self.objective.recall(start)
        else:
            self.objective.eval_loss(start)
        self.predict(time.perf_counter() - began, done, shapes)
        if self.number < 0:
            self.keep(start)
        self.minimise(start, done)
        self.state = None

    def minimise(self, start, done):
        """Minimise for the rounds of the phase that are left, and show progress."""
        options, rounds_left = self.options, self.options.rounds - done
        with tqdm(total=rounds_left * options.evals, disable=options.quiet, unit='eval') as bar:

            def show(loss, x):
                bar.set_postfix_str(f'loss {loss:.4g}', refresh=False)
                bar.update()
                self.save_frame(x)

            self.objective.on_evaluation = show
            for x, early in self.optimiser.minimise(self.objective, start, rounds_left,
                                                    options.evals):
                self.keep(x)
                done += 1
                if early:
                    bar.write(f'round {self.number} {early}', file=sys.stderr)
                bar.set_description(f'round {self.number}/{options.rounds * options.phases}')
                bar.total = bar.n + (options.rounds - done) * options.evals  # one may overrun
        self.last_x = x.reshape(self.objective.shape)

    def look(self, phase, shape):
        """Return the targets of a phase, and keep the photo whose colours the result may have."""
        options, pictures = self.options, self.pictures
        rows, columns = shape[2] - 2 * options.margin, shape[3] - 2 * options.margin
        photo = images.resize_to(pictures.photo, rows, columns)
        self.phase_photo = photo
        if options.colours == 'luminance':
            photo = colours.as_grey(colours.luminance(photo))
        photo_mask = pictures.photo_mask
        if photo_mask is not None:
            photo_mask = images.extend(masks.resize_to(photo_mask, rows, columns), options.margin)
        size = max(images.SMALLEST, round(phase_size(options, phase) * options.style_scale))
        paintings = [self.prepared(rgb, images.fitted(rgb.shape, size), mask, share)
                     for rgb, mask, share in zip(pictures.paintings, pictures.painting_masks,
                                                 options.style_blend)]
        tiling = tiles.Tiling(self.net, self.terms.layers, shape, self.plan.core)
        if self.plan.core is not None:
            self.loss.tiling = tiling
        return compute_targets(self.looker, tiling,
                               self.prepare(images.extend(photo, options.margin)),
                               self.regions(photo_mask), paintings, self.plan.painting_core)

    def prepared(self, rgb, size, mask, share):
        """Return a painting at that size."""
        mask = None if mask is None else masks.resize_to(mask, *size)
        return Painting(self.prepare(images.resize_to(rgb, *size)), self.regions(mask), share)

    def prepare(self, rgb):
        """Return a picture as the network takes it."""
        return images.prepare(rgb, self.mean_pixel, self.options.levels)

    def regions(self, mask):
        """Return a mask's regions, or None."""
        return None if mask is None else masks.regions(mask, self.pictures.regions)

    def starting_point(self, phase, shape):
        """Return the picture to start from, float64 (1, 3, rows, columns), BGR minus mean."""
        margin = self.options.margin
        rows, columns = shape[2] - 2 * margin, shape[3] - 2 * margin
        if phase:
            return images.enlarge(self.last_x, rows, columns, margin)
        init = self.options.init
        if init == 'noise':
            return noise(self.options, shape)
        rgb = images.read(self.options.content if init == 'content' else init)
        if self.options.crop:
            rgb = images.crop_square(rgb)
        if self.options.colours == 'luminance':
            rgb = colours.as_grey(colours.luminance(rgb))
        rgb = images.resize_to(rgb, rows, columns)
        return self.prepare(images.extend(rgb, margin)).astype('float64')

    def weights(self, targets, start):
        """Return the weights of the terms, (terms,)."""
        weights = np.array(list(weights_of(self.options, self.net, start.shape).values()))
        if not self.options.normalise_gradients:
            return weights
        norms = []
        for one in np.eye(len(weights)):
            arrays = targets._replace(aims=targets.aims._replace(weights=one)).arrays()
            _, gradient = self.loss(start.astype('float32'), *arrays)
            norms.append(np.abs(gradient).sum(dtype='float64'))
        return weights / [norm or 1 for norm in norms]

    def new_optimiser(self, shape):
        """Return the optimiser of a phase."""
        options, bounds = self.options, None
        if options.bounds:
            black = np.broadcast_to(self.prepare(np.zeros((1, 1, 3), 'uint8')), shape)
            white = np.broadcast_to(self.prepare(np.full((1, 1, 3), 255, 'uint8')), shape)
            bounds = black.ravel().astype('float64'), white.ravel().astype('float64')
        if options.optimiser == 'adam':
            return Adam(options.rate, bounds)
        return lbfgs.Lbfgs(options.factr, options.pgtol, self.plan.corrections, bounds)

    def take_up(self, state):
        """Set objective and optimiser to what they were after a round."""
        self.objective.history = self.history[state.began:]
        self.history = self.history[:state.began]
        self.objective.best_x, self.objective.best_loss = state.best_x.ravel(), state.best_loss
        self.optimiser.state = dict(state.optimiser)

    def predict(self, seconds, done, shapes):
        """Tell how long the rest of the first phase, and all that follow, will take."""
        if self.phase and self.state is None:
            return
        pixels = [shape[2] * shape[3] / (shapes[self.phase][2] * shapes[self.phase][3])
                  for shape in shapes[self.phase + 1:]]
        options = self.options
        evaluations = options.evals * (options.rounds - done + options.rounds * sum(pixels))
        self.run.save_record(seconds_predicted=round(seconds * evaluations, 1))
        self.announce(f'about {duration(seconds * evaluations)}: {seconds:.2g} s for loss and '
                      'gradient')

    def keep(self, x):
        """Keep a round: its picture, its losses in run.json, and its state."""
        aim = self.objective
        self.number += 1
        terms = aim.eval_terms(x)
        self.run.save_picture(rounds.PICTURE.format(self.number), self.picture_of(x),
                              {**self.parameters, 'round': self.number})
        entry = {'round': self.number, 'phase': self.phase + 1, 'total': self.total(terms),
                 'evaluations': len(self.history) + len(aim.history),
                 'losses': dict(zip(self.terms.names, terms.tolist()))}
        state = rounds.State(self.number, self.phase, np.reshape(x, aim.shape), aim.best_x,
                             aim.best_loss, [*self.history, *aim.history], len(self.history),
                             self.phase_weights, self.optimiser.state, self.options.seed)
        self.run.record['rounds'] = [*self.run.record.get('rounds', []), entry]
        state.save(self.run)
        self.run.save_record()

    def total(self, terms):
        """Return the loss that is reported: without what acts in the gradient only."""
        return float(terms.sum() if self.options.counted else terms[:-1].sum())

    def save_frame(self, x):
        """Save a frame of the process, where it is time for one."""
        every, count = self.options.save_every, len(self.history) + len(self.objective.history)
        if every and count % every == 0:
            self.run.save_picture(rounds.FRAME.format(count), self.picture_of(x),
                                  {**self.parameters, 'evaluation': count})

    def picture_of(self, x):
        """Return what is painted, an RGB picture, without its margin."""
        canvas = images.deprocess(np.reshape(x, self.objective.shape), self.mean_pixel,
                                  self.options.levels)
        picture = images.trim(canvas, self.options.margin)
        if self.options.colours == 'luminance':
            return colours.with_colours_of(self.phase_photo, picture)
        return picture

    def save_best(self):
        """Save the best picture of the last phase, and the terms of the loss of each evaluation."""
        aim = self.objective
        if aim is None or aim.best_x is None:
            return
        self.run.save_picture('result.png', self.picture_of(aim.best_x), self.parameters)
        history = [*self.history, *aim.history]
        names = list(self.terms.names)
        if not self.options.counted:
            names[-1] += ', not in the total'
        self.run.save_table('losses.csv', ['evaluation', 'total', *names],
                            [[number, repr(self.total(terms)), *map(repr, terms)]
                             for number, terms in enumerate(history, start=1)])
        best = aim.history[np.nanargmin(np.sum(aim.history, axis=1))]
        self.run.save_record(evaluations=len(history), loss=self.total(best),
                             losses=dict(zip(self.terms.names, best.tolist())))

    def save_figures(self):
        """Save the rounds in a grid, 3x3 like the notebook's, and the process, if it was kept.

        Of more than 9 rounds some are left out.
        """
        shown = np.unique(np.linspace(0, self.number, 9).round().astype(int))
        pictures = [images.read(self.run.folder / rounds.PICTURE.format(number))
                    for number in shown]
        with self.run.writing('figure.png') as path:
            figures.save_grid(path, pictures,
                              [f'round {number}' if number else 'start' for number in shown])
        if self.options.save_every:
            names = sorted(name for name in self.run.record['files'] if name.startswith('frames/'))
            frames = [images.read(self.run.folder / name) for name in names]
            frames.append(images.read(self.run.folder / 'result.png'))
            animations.save_gif(self.run, 'process.gif', frames)
            animations.save_mp4(self.run, 'process.mp4', frames)


def objective_of(loss, targets, weights, shape):
    """Return the `lbfgs.Objective` of a picture with these targets and weights of the terms."""
    arrays = targets._replace(aims=targets.aims._replace(weights=weights)).arrays()
    return lbfgs.Objective(lambda image: loss(image, *arrays), shape)


def noise(options, shape):
    """Return white noise to start from, as the implementation draws it, float64."""
    random = np.random.RandomState(options.seed)
    if options.noise == 'uniform':
        start = random.uniform(-128, 128, shape)
    else:
        start = random.normal(0, 0.001 if options.noise == 'faint' else 64, shape)
    return start.astype('float32').astype('float64')


def duration(seconds):
    """Return a time in words."""
    if seconds < 90:
        return f'{seconds:.0f} seconds'
    return f'{seconds / 60:.0f} minutes' if seconds < 5400 else f'{seconds / 3600:.1f} hours'


def paint_grid(options):
    """Paint with every value of one or two options, and lay the results out on a sheet.

    Returns:
        The folder with the runs and the sheet.
    """
    axes, options.grid = options.grid, []
    cells = [list(zip([name for name, _ in axes], values))
             for values in itertools.product(*(values for _, values in axes))]
    run = runs.Run('styletransfer', options.out, options.force)
    run.save_record(grid=axes, parameters=remembered(options))
    pictures = []
    with run.recorded():
        for number, cell in enumerate(cells):
            one = copy.deepcopy(options)
            for name, value in cell:
                setattr(one, name.replace('-', '_'), GRID[name](value))
            one.out = run.folder / f'cell_{number:02d}'
            if not options.quiet:
                tqdm.write(title_of(cell), file=sys.stderr)
            pictures.append(images.read(paint(one) / 'result.png'))
        with run.writing('grid.png') as path:
            columns = len(axes[-1][1])
            figures.save_grid(path, pictures, [title_of(cell) for cell in cells], columns,
                              width=3 * columns)
    return run.folder


def title_of(cell):
    """Return in words what a cell of the grid was painted with."""
    return '\n'.join(f'{name} {value}' for name, value in cell)


if __name__ == '__main__':
    command_line.run(main)
