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
import logging
import sys
import time
from collections import namedtuple
from pathlib import Path

import models
import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from models.errors import ArchiveError, Incomplete
from recipes.common import (colours, command_line, extents, figures, images, lbfgs, memory,
                            objective, palettes, projections, rounds, runs, style_options, tiles,
                            watching)
from recipes.common.adam import Adam
from recipes.common.implementations import noise, weights_of
from recipes.common.scenes import Scene
from recipes.common.style_options import parse

FAINT = 1e-3  # of a term's gradient at noise: less, at the start, is none
SOFT_LIMITS = (6, 249)  # grey levels, beyond which the range term pulls back
TOO_FAR = 1e6  # times that style terms differ; measured: 3e2 on the embedded network
PALETTE = 12  # colours that a painting's distribution is measured by where it keeps all of them

log = logging.getLogger('archive')

# What a picture is painted with, checked: options, with the style layers that a selection keeps;
# scene; network; plan of the memory; parameters that decide the pixels.
Work = namedtuple('Work', 'options scene net mean_pixel plan parameters')


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    if options.grid:
        sheet, problems = paint_grid(options)
    elif options.resume:
        sheet, problems = paint(*style_options.resumed(options))
    else:
        sheet, problems = paint(options)
    if not options.quiet:
        print(sheet)
    if problems:
        raise Incomplete(f'all is done but {"; ".join(problems)}')


def prepare(options):
    """Read and check everything that a picture is painted with, before anything is begun.

    Raises:
        ArchiveError: something cannot be used, does not fit, or leaves nothing to paint from.
    """
    scene = Scene(options)
    net, mean_pixel = load_network(options)
    if scene.selection is not None:
        scene.selection.check(net, options.model, options.style_layers)
        options = copy.copy(options)
        options.style_layers = scene.selection.layers_kept(options.style_layers)
    check_positions(options, net, scene)
    plan = make_plan(options, net, scene)
    return Work(options, scene, net, mean_pixel, plan, describe(options, scene, plan))


def check_positions(options, net, scene):
    """Stop where a layer has no position of the photo or of a painting left, in any phase."""
    layers = [*options.content_layers, *options.style_layers]
    for phase, shape in enumerate(scene.shapes()):
        extents.require_positions(net, layers, shape, 'the photo')
        for rgb in scene.paintings:
            size = images.fitted(rgb.shape, scene.painting_size(phase))
            extents.require_positions(net, options.style_layers, (1, 3, *size), 'the painting')


def paint(options, state=None, elsewhere=False):
    """Paint one picture, from the beginning or from the state of a round.

    Args:
        options: of the command line.
        state: `rounds.State`, or None.
        elsewhere: whether a run that goes on does so in a new folder.

    Returns:
        (path, problems): the result's path; what could not be made beside it, one line each.
    """
    work, remembered = prepare(options), style_options.remembered(options)
    options, scene, plan, parameters = work.options, work.scene, work.plan, work.parameters
    if state is not None:
        style_options.check_state(state, options, scene.shapes())
    run = open_run(options, parameters, state, elsewhere)
    if scene.selection is not None and len(scene.paintings) > 1:
        tell(options, f'{options.features}: channels leave the style of all paintings, places that '
                      f'of {scene.selection.picture} only')
    for note in scene.notes:
        tell(options, note)
    run.save_record(parameters=parameters, options=remembered, notes=scene.notes,
                    plan=plan._asdict(), options_version=style_options.VERSION,
                    content=str(options.content),
                    style=[str(path) for path in options.style])
    with run.recorded():
        tell(options, f'takes {memory.gigabytes(plan.bytes)} of memory' + (
            f', in tiles of {plan.core[1]}x{plan.core[0]} pixels' if plan.core else ''))
        easel = Easel(options, scene, work.net, work.mean_pixel, plan)
        run.save_record(seconds_before_the_first_round=run.seconds())
        number = -1 if state is None else state.number
        # A run that was killed after its last round has its result and figures yet to be saved.
        first = min(max(0, number) // options.rounds, options.phases - 1)
        earlier = [] if state is None else state.history
        if state is not None and state.phase == first:
            earlier = earlier[:state.began]
        journal = rounds.Journal(run, parameters, easel.terms.names, options.counted,
                                 options.save_every, number, earlier, scene.with_alpha)
        if options.watch:
            styles = ' and '.join(Path(style).name for style in options.style)
            journal.watch = watching.Watch(run, f'{Path(options.content).name} as {styles}',
                                           easel.terms.names, options.rounds * options.phases)
            tell(options, f'open {(run.folder / "watch.html").resolve().as_uri()} in a browser to '
                          'look on')
        try:
            for phase in range(first, options.phases):
                try:
                    paint_phase(easel, phase, journal, state if phase == first else None)
                finally:
                    journal.keep_best()
        except BaseException:
            journal.show(ended='stopped')
            raise
        problems = journal.save_figures()
        journal.show(ended='finished')
        if scene.degrades:
            save_style_figure(run, options, scene)
        run.save_record(problems=problems)
    return run.folder / 'result.png', problems


def save_style_figure(run, options, scene):
    """Save what is taken of each painting as style_01.png and so on, style.png with the
    distributions of its colours and the result's, and colours.csv with their measures.
    """
    result, _ = images.read_with_alpha(run.folder / 'result.png')
    pictures, titles, rows = [], [], []
    for index, rgb in enumerate(scene.paintings):
        name = f'painting {index + 1}' if len(scene.paintings) > 1 else 'painting'
        degraded = scene.degraded(index, options.phases - 1)
        pictures += [images.resize_to(rgb, *degraded.shape[:2]), degraded]
        titles += [name, f'{name}, as its style is taken']
        run.save_picture(f'style_{index + 1:02d}.png', degraded, run.record['parameters'])
        palette = palettes.palette_of(rgb, PALETTE, options.seed) \
            if scene.palettes[index] is None else scene.palettes[index]
        kept, there = palettes.peaks_kept(degraded, result)
        rows.append([name, len(np.unique(degraded.reshape(-1, 3), axis=0)), len(palette),
                     palettes.share_near(degraded, palette), palettes.share_near(result, palette),
                     palettes.entropy(degraded), palettes.entropy(result), there, kept])
    run.save_table('colours.csv', ['painting', 'colours', 'palette', 'near_palette',
                                   'result_near_palette', 'entropy', 'result_entropy', 'peaks',
                                   'peaks_in_result'], rows)
    with run.writing('style.png') as path:
        figures.save_distributions(path, [*pictures, result], [*titles, 'result'])


def tell(options, words):
    """Tell something between the lines of progress, unless quiet."""
    if not options.quiet:
        tqdm.write(words, file=sys.stderr)


def load_network(options):
    """Return (net, mean_pixel) with the network cut off after the deepest layer in use.

    Raises:
        ArchiveError: a layer has no positions, so that there is nothing to paint from.
    """
    layers = [*options.content_layers, *options.style_layers]
    deepest = models.deepest_of(options.model, layers)
    net, _, mean_pixel = models.load(options.model, options.weights, options.pool, deepest)
    projections.require_maps(net, layers, options.model)
    return net, mean_pixel


def make_plan(options, net, scene):
    """Return which tiles, and how much of L-BFGS's memory, keep the run below --memory."""
    if options.resume:
        return style_options.resumed_plan(options.resume)
    size = scene.painting_size(options.phases - 1)
    painting_shapes = [(1, 3, *images.fitted(rgb.shape, size)) for rgb in scene.paintings]
    adam = options.optimiser == 'adam'
    needs = memory.Needs(net, options.content_layers, options.style_layers, scene.shapes()[-1],
                         painting_shapes, adam, options.evals, options.bounds,
                         scene.count_of_regions)
    return memory.plan(needs, options.memory, None if adam else options.corrections)


def describe(options, scene, plan):
    """Return every parameter that decides the pixels, for run.json and inside the pictures."""
    names = ('impl size crop margin seed phases evals content_weight style_weight tv_weight '
             'content_layers style_layers style_statistics style_scale style_blend '
             'style_palette style_bits colours '
             'optimiser bounds normalise_gradients')
    init = options.init
    return {**command_line.described(options, names),
            'init': init if init in ('noise', 'content') else runs.pixel_hash(scene.first),
            'range_weight': options.range_weight or None,
            'rounds': options.rounds if options.phases > 1 else None,
            'rate': options.rate if options.optimiser == 'adam' else None,
            'corrections': plan.corrections, 'tiles': plan.core,
            'painting_tiles': plan.painting_core,
            'photo_pixels': runs.pixel_hash(scene.photo),
            'painting_pixels': [runs.pixel_hash(rgb) for rgb in scene.paintings],
            'alpha_pixels': None if scene.alpha is None else runs.pixel_hash(scene.alpha),
            'mask_pixels': [runs.pixel_hash(rgb) for rgb in scene.pictures_of_masks()],
            'dropped': scene.selection and scene.selection.dropped,
            'kept_pixels': [None if kept is None else runs.pixel_hash(kept)
                            for kept in scene.kept]}


def open_run(options, parameters, state, elsewhere):
    """Return the folder of a new run, or of one that goes on.

    Raises:
        ArchiveError: its pictures or weights are not what they were.
    """
    if not options.resume:
        return runs.Run('styletransfer', options.out, options.force)
    earlier = runs.read_record(options.resume).get('parameters', {})
    for name, value in json.loads(json.dumps(parameters)).items():
        if name not in earlier:
            raise ArchiveError(f'{options.resume} cannot go on: its run.json does not say what '
                               f'{name.replace("_", " ")} was')
        if earlier[name] != value:
            raise ArchiveError(f'{options.resume} cannot go on: {name.replace("_", " ")} was '
                               f'{earlier[name]} and is {value} now')
    return rounds.reopen('styletransfer', options.resume, state, options.out, options.force,
                         elsewhere)


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


class Easel:
    """What all phases paint with: the network and the compiled loss.

    Args:
        options, scene, net, mean_pixel, plan: as in `paint`.

    Attributes:
        terms: `objective.Terms`.
        loss: function (picture, *Targets.arrays()) -> (terms, gradient).
        x: the last picture of the phase, float64 (1, 3, rows, columns).
        told: whether it was told how long the run takes.
    """

    def __init__(self, options, scene, net, mean_pixel, plan):
        self.options, self.scene, self.net, self.plan = options, scene, net, plan
        self.mean_pixel, self.told = mean_pixel, False
        self.terms = objective.Terms(net, options.content_layers, options.style_layers,
                                     options.style_statistics, options.variation,
                                     scene.guided, scene.selection
                                     and scene.selection.channels_kept(options.style_layers),
                                     self.limits())
        self.looker = tiles.Looker(self.terms)
        self.loss = (compile_loss(self.terms) if plan.core is None
                     else tiles.TiledLoss(self.terms, self.looker))

    def look(self, phase, shape):
        """Return the targets of a phase."""
        tiling = tiles.Tiling(self.net, self.terms.layers, shape, self.plan.core)
        if self.plan.core is not None:
            self.loss.tiling = tiling
        return compute_targets(self.looker, tiling, *self.scene.target_at(phase, self.prepare),
                               self.scene.paintings_at(phase, self.prepare),
                               self.plan.painting_core)

    def limits(self):
        """Return what pixels should lie between, (lowest, highest), or None where it is open."""
        if not self.options.range_weight:
            return None
        scale = self.options.levels / 255
        return tuple(limit * scale - self.mean_pixel for limit in SOFT_LIMITS)

    def prepare(self, rgb):
        """Return a picture as the network takes it."""
        return images.prepare(rgb, self.mean_pixel, self.options.levels)

    def starting_point(self, shape, before):
        """Return the picture to start from, float64 (1, 3, rows, columns), BGR minus mean.

        Args:
            shape: of it.
            before: the picture of the phase before, or None.
        """
        margin = self.options.margin
        rows, columns = shape[2] - 2 * margin, shape[3] - 2 * margin
        if before is not None:
            start = images.enlarge(before, rows, columns, margin)
        elif self.options.init == 'noise':
            start = noise(self.options, shape)
        else:
            start = self.prepare(images.extend(self.scene.start(rows, columns), margin))
        if self.options.bounds:
            start = np.clip(start, *(bound.reshape(shape) for bound in self.bounds(shape)))
        return start.astype('float64')

    def weights(self, targets, start):
        """Return the weights of the terms, (terms,)."""
        weights = np.array(list(weights_of(self.options, self.net, start.shape,
                                            targets).values()))
        if not self.options.normalise_gradients:
            return weights
        norms = self.gradient_norms(targets, start)
        if self.options.init != 'noise':  # the photo has no content loss, and so no gradient of it
            at_noise = self.gradient_norms(targets, noise(self.options, start.shape))
            norms = np.where(norms < FAINT * at_noise, at_noise, norms)
        return weights / np.where(norms > 0, norms, 1)

    def gradient_norms(self, targets, picture):
        """Return the sum of the absolute gradient of each term by itself, (terms,)."""
        gradients = (self.loss(picture.astype('float32'), *targets.weighted(one).arrays())[1]
                     for one in np.eye(len(self.terms.names)))
        return np.array([np.abs(gradient).sum(dtype='float64') for gradient in gradients])

    def bounds(self, shape):
        """Return (black, white) of each number of a picture, flat float64 arrays."""
        return tuple(np.broadcast_to(self.prepare(np.full((1, 1, 3), level, 'uint8')), shape)
                     .ravel().astype('float64') for level in (0, 255))

    def optimiser(self, shape):
        """Return the optimiser of a phase."""
        options = self.options
        bounds = self.bounds(shape) if options.bounds else None
        if options.optimiser == 'adam':
            return Adam(options.rate, bounds)
        return lbfgs.Lbfgs(options.factr, options.pgtol, self.plan.corrections, bounds)

    def picture_of(self, x, shape, photo):
        """Return what is painted, an RGB picture, without its margin.

        Args:
            x: flat array.
            shape: of the picture with its margin.
            photo: RGB, whose colours it may have.
        """
        canvas = images.deprocess(np.reshape(x, shape), self.mean_pixel, self.options.levels)
        picture = images.trim(canvas, self.options.margin)
        return colours.with_colours_of(photo, picture) if self.options.colours == 'luminance' \
            else picture


def paint_phase(easel, phase, journal, state):
    """Paint the rounds of a phase that are left, and keep each.

    Args:
        easel: `Easel`.
        phase: its index.
        journal: `rounds.Journal`.
        state: `rounds.State` to go on from, of this phase or the end of the one before, or None.
    """
    options, shape = easel.options, easel.scene.shapes()[phase]
    photo = easel.scene.photo_at(phase)
    goes_on = state is not None and state.phase == phase
    before = state.x if state is not None else easel.x if phase else None
    targets = easel.look(phase, shape)
    start = state.x if goes_on else easel.starting_point(shape, before)
    weights = state.weights if goes_on else easel.weights(targets, start)
    if phase == 0 and not goes_on:
        warn_of_misfit(easel, targets, weights)
    aim = objective_of(easel.loss, targets.weighted(weights), shape)
    optimiser = easel.optimiser(shape)
    journal.begin_phase(phase, aim, lambda x: easel.picture_of(x, shape, photo), options.seed)
    began = time.perf_counter()
    if goes_on:
        aim.history = list(state.history[state.began:])
        aim.best_x, aim.best_loss = state.best_x.ravel(), state.best_loss
        optimiser.state = dict(state.optimiser)
        aim.recall(start)
    else:
        aim.on_evaluation = lambda loss, x: journal.keep_frame(x)
        aim.eval_loss(start)
    tell_time(easel, phase, journal, time.perf_counter() - began)
    if journal.number < 0:
        journal.keep(start, weights, optimiser.state)
    done = journal.number - phase * options.rounds
    for x in minimise(easel.options, optimiser, start, journal, options.rounds - done):
        journal.keep(x, weights, optimiser.state)
        easel.x = x.reshape(shape)


def warn_of_misfit(easel, targets, weights):
    """Warn where the weights are those of other networks, so that one style layer outweighs others.

    Args:
        easel: `Easel`.
        targets: `objective.Targets`.
        weights: of the terms, (terms,).
    """
    layers = easel.options.style_layers
    factors = dict(zip(easel.terms.names, weights))
    # What a layer's term is for a picture without any style, whatever the run starts from.
    sizes = {layer: float(factors[f'style {layer}'] * sum(
        np.square(part, dtype='float64').mean() for part in targets.aims.targets[layer]))
        for layer in layers if factors[f'style {layer}'] > 0}
    if easel.options.normalise_gradients or len(sizes) < 2:
        return
    most, least = max(sizes, key=sizes.get), min(sizes, key=sizes.get)
    if sizes[most] > TOO_FAR * sizes[least]:
        log.warning('the weights do not fit this network: the style terms are about %.0e in %s and '
                    '%.0e in %s, so that only the first is painted, and noise stays; give '
                    '--normalise-gradients, by which every term pulls by its weight', sizes[most],
                    most, sizes[least], least)


def minimise(options, optimiser, start, journal, left):
    """Yield the picture after each of the rounds that are left, flat; show progress."""
    aim = journal.objective
    with tqdm(total=left * options.evals, disable=options.quiet, unit='eval') as bar:

        def show(loss, x):
            bar.set_postfix_str(f'loss {journal.total(aim.history[-1]):.4g}', refresh=False)
            bar.update()
            journal.keep_frame(x)
            journal.show()

        def describe_round():
            last = options.rounds * options.phases
            bar.set_description(f'round {min(journal.number + 1, last)}/{last}')

        aim.on_evaluation = show
        describe_round()
        for x, early in optimiser.minimise(aim, start, left, options.evals):
            yield x
            left -= 1
            if early:
                tell(options, f'round {journal.number} {early}')
            describe_round()
            bar.total = bar.n + left * options.evals  # a round may overrun


def tell_time(easel, phase, journal, seconds):
    """Tell, once, how long this phase and those that follow will take."""
    if easel.told:
        return
    easel.told = True
    options, shapes = easel.options, easel.scene.shapes()
    pixels = [shape[2] * shape[3] / (shapes[phase][2] * shapes[phase][3])
              for shape in shapes[phase + 1:]]
    left = options.rounds * (phase + 1) - max(0, journal.number) + options.rounds * sum(pixels)
    total = seconds * options.evals * left
    journal.predict(total)
    journal.run.save_record(seconds_predicted=round(total, 1),
                            seconds_an_evaluation=round(seconds, 3))
    tell(options, f'takes about {watching.words(total)}: {seconds:.2g} s an evaluation')


def objective_of(loss, targets, shape):
    """Return the `lbfgs.Objective` of a picture with these targets."""
    arrays = targets.arrays()
    return lbfgs.Objective(lambda image: loss(image, *arrays), shape)


def paint_grid(options):
    """Paint with every value of one or two options, and lay the results out on a sheet.

    Every cell is checked before the first is painted.

    Returns:
        (path, problems): of the sheet; what could not be made, one line each.
    """
    axes, options.grid = options.grid, []
    cells = [list(zip([name for name, _ in axes], values))
             for values in itertools.product(*(values for _, values in axes))]
    for cell in cells:
        try:
            prepare(options_of(cell, options))
        except ArchiveError as problem:
            raise ArchiveError(f'{in_words(cell)}: {problem}') from problem
    run = runs.Run('styletransfer', options.out, options.force)
    names = [f'cell_{number:02d}' for number in range(len(cells))]
    run.save_record(grid=axes, parameters=style_options.remembered(options), cells=names)
    pictures, problems = [], []
    with run.recorded():
        for name, cell in zip(names, cells):
            one = options_of(cell, options)
            one.out = run.folder / name
            tell(options, in_words(cell))
            result, left_out = paint(one)
            pictures.append(images.read(result))
            problems += [f'{name}: {problem}' for problem in left_out]
        with run.writing('grid.png') as path:
            columns = len(axes[-1][1])
            figures.save_grid(path, pictures, [in_words(cell, '\n') for cell in cells], columns,
                              width=3 * columns)
    return run.folder / 'grid.png', problems


def options_of(cell, options):
    """Return the options that a cell of the grid is painted with."""
    one = copy.deepcopy(options)
    for option, value in cell:
        setattr(one, option.replace('-', '_'), style_options.GRID[option](value))
    return one


def in_words(cell, between=', '):
    """Return in words what a cell of the grid is painted with."""
    return between.join(f'{name} {value}' for name, value in cell)


if __name__ == '__main__':
    command_line.run(main)
