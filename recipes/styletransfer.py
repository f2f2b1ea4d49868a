"""Paint a photo in the style of a painting.

    python recipes/styletransfer.py photo.jpg painting.jpg

Gatys, Ecker & Bethge 2015, "A Neural Algorithm of Artistic Style": find the picture whose
activations in a deep layer are the photo's, and whose Gram matrices in several layers are the
painting's. After Lasagne/Recipes, examples/styletransfer/Art Style Transfer.ipynb.
Without arguments it takes the bundled photo, the bundled painting and the embedded network.

The formulas stand in `common/losses.py`, and what puts them together in `style/loss.py`, whose
`style_transfer` is all of this in one call from Python. Everything that is not the paper - options,
memory, masks, going on with a run - is in the other rooms of `recipes/style`.
"""

from pathlib import Path

from models.errors import Incomplete
from models.runtime.xla import devices

import numpy as np

from recipes.common import command_line, lbfgs
from recipes.common.adam import Adam
from recipes.common.objective import Objective
from recipes.style import colour_report, grid, memory, progress, resuming, watch_page
from recipes.style.defaults import white_noise
from recipes.style.journal import Journal
from recipes.style.loss import Looker, Painting, StyleLoss
from recipes.style.options import last_round, parse
from recipes.style.tiled_loss import TiledStyleLoss
from recipes.style.weighing import balanced, term_weights, warn_of_misfit
from recipes.style.work import prepare


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    if options.grid:
        path, problems = grid.paint_grid(options, prepare, paint)
    else:
        path, _, problems = paint(*resuming.resumed(options)) if options.resume else paint(options)
    if not options.quiet:
        print(path)
    if problems:
        raise Incomplete(f'all is done but {"; ".join(problems)}')


def paint(options, state=None, elsewhere=False):
    """Paint one picture, from the beginning or from the state of a round.

    Args:
        options: of the command line.
        state: `journal.State`, or None.
        elsewhere: whether a run that goes on does so in a new folder.

    Returns:
        (path, picture, problems): of the result; what could not be made beside it, one line each.
    """
    work, remembered = prepare(options), resuming.remembered(options)
    options, scene, plan = work.options, work.scene, work.plan
    loss = make_loss(work)
    if state is not None:
        resuming.check_state(state, options, scene.shapes(), len(loss.names))
    run = resuming.open_run(options, work.parameters, state, elsewhere)
    for note in scene.notes:
        progress.tell(options.quiet, note)
    run.save_record(parameters=work.parameters, options=remembered, notes=scene.notes,
                    plan=plan._asdict(), options_version=resuming.VERSION,
                    content=str(options.content), style=[str(path) for path in options.style])
    with run.recorded():
        progress.tell(options.quiet, memory.in_words(plan))
        looker = Looker(loss)
        loss.compile()
        run.save_record(seconds_before_the_first_round=run.seconds())
        # A run that was killed after its last round has its result and figures yet to be saved.
        first = 0 if state is None else min(state.number // options.rounds, options.phases - 1)
        journal = open_journal(run, work, loss, state, first)
        before = None if state is None else state.x
        try:
            for phase in range(first, options.phases):
                begun = state if state is not None and state.phase == phase else None
                before = paint_phase(work, loss, looker, phase, journal, before, begun)
        except BaseException:
            journal.show(ended='stopped')
            raise
        problems = journal.save_figures()
        journal.show(ended='finished')
        if scene.degrades:
            colour_report.save(run, scene, journal.best[..., :3], options.seed)
        run.save_record(problems=problems)
    return run.folder / 'result.png', journal.best, problems


def make_loss(work):
    """Make the loss: content and style terms, total variation, and the range of the pixels."""
    options, scene, plan = work.options, work.scene, work.plan
    channels = scene.selection and scene.selection.channels_kept(options.style_layers)
    limits = work.canvas.limits() if options.range_weight else None
    arguments = dict(net=work.net, content_layers=options.content_layers,
                     style_layers=options.style_layers, kind=options.style_statistics,
                     variation=options.variation, counted=options.counted, guided=scene.guided,
                     channels=channels, limits=limits)
    return StyleLoss(**arguments) if plan.core is None else TiledStyleLoss(plan.core, **arguments)


def open_journal(run, work, loss, state, first):
    """Open what keeps the rounds, where a run that goes on had left it."""
    options, last = work.options, last_round(work.options)
    watch = None
    if options.watch:
        styles = ' and '.join(Path(style).name for style in options.style)
        watch = watch_page.Watch(run, f'{Path(options.content).name} as {styles}', loss.names, last)
        page = (run.folder / 'watch.html').resolve().as_uri()
        progress.tell(options.quiet, f'open {page} in a browser to follow the run')
    number, earlier = (-1, []) if state is None else (state.number, state.history)
    if state is not None and state.phase == first:
        earlier = earlier[:state.began]
    return Journal(run, work.parameters, loss.names, loss.counted, options.save_every,
                   options.seed, last, number, earlier, watch)


def paint_phase(work, loss, looker, phase, journal, before=None, state=None):
    """Paint the rounds of a phase that are left, and keep each; give the last picture's array.

    Args:
        work: `Work`.
        loss: `StyleLoss`.
        looker: `Looker` of the same.
        phase: its index.
        journal: `Journal`.
        before: the array of the phase before, float64 (1, 3, rows, columns), or None.
        state: of this phase to go on from, or None.
    """
    options, scene, canvas, plan = work.options, work.scene, work.canvas, work.plan
    shape = scene.shapes()[phase]

    # What the photo and the paintings give: activations and Gram matrices to match.
    photo, regions = scene.photo_to_match(phase)
    paintings = [Painting(canvas.array_of(scene.degraded(index, phase)),
                          scene.painting_regions(index, phase), share)
                 for index, share in enumerate(options.style_blend)]
    targets = looker.targets(canvas.array_of(photo), paintings, regions, plan.core,
                             plan.painting_core)
    loss.aim_at(targets)

    # Where to start, and how much each term weighs.
    bounds = canvas.bounds(shape) if options.bounds else None
    if state is None:
        first = scene.start(phase)
        start = canvas.starting_point(shape, before, first, options.noise, options.seed, bounds)
        weights = weigh(options, work.net, loss, targets, start)
        if phase == 0 and not options.normalise_gradients:
            warn_of_misfit(targets, weights)
    else:
        start, weights = state.x, dict(zip(loss.names, state.weights))
    loss.weigh(weights)

    # The loss and its gradient, as scipy takes them.
    left = last_round(options, phase) - max(0, journal.number)
    bar = progress.Bar(options.quiet, left, options.evals, journal.number + 1,
                       last_round(options))

    def picture_of(x):
        return scene.in_its_colours(phase, canvas.picture_of(x, shape))

    def after_evaluation(objective, x):
        if journal.wants_frame(objective.history):
            journal.keep_frame(objective.history, picture_of(x))
        bar.evaluated(journal.total(objective.history[-1]))
        if journal.number >= 0:  # there is a picture to show
            journal.show(objective.history)

    goes_on = {} if state is None else {'history': state.history[state.began:],
                                        'best_x': state.best_x, 'best_loss': state.best_loss}
    objective = Objective(loss, shape, after_evaluation, **goes_on)
    optimiser = (Adam(options.rate, bounds, {} if state is None else state.optimiser)
                 if options.optimiser == 'adam'
                 else lbfgs.Lbfgs(options.factr, options.pgtol, plan.corrections, bounds))

    # The rounds.
    x = start
    try:
        with bar:
            began = devices.seconds_of_work()
            objective.eval_loss(start) if state is None else objective.recall(start)
            tell_time(work, phase, journal, devices.seconds_of_work() - began)
            if journal.number < 0:
                journal.keep(phase, objective, x, picture_of(x), weights, optimiser.state)
            for x, early in optimiser.minimise(objective, start, left, options.evals):
                journal.keep(phase, objective, x, picture_of(x), weights, optimiser.state)
                bar.next_round(early)
    finally:
        if objective.best_x is not None:
            journal.keep_best(objective.history, scene.with_alpha(picture_of(objective.best_x)))
        journal.end_phase(objective.history)
    return x.reshape(shape)


def weigh(options, net, loss, targets, start):
    """Weigh the terms of the loss by the options, name to float."""
    shares = 'energy' in (options.content_per, options.style_per)
    weights = term_weights(net, start.shape, targets.energies() if shares else {},
                           options.content_layers, options.content_weight, options.content_per,
                           options.style_layers, options.style_weight, options.style_per,
                           options.tv_weight, options.range_weight, options.style_statistics)
    if not options.normalise_gradients:
        return weights
    noise = None if options.init == 'noise' else white_noise(options.noise, start.shape,
                                                             options.seed)
    return balanced(loss, weights, start, noise)


def tell_time(work, phase, journal, seconds):
    """Tell, once, how long this phase and those that follow will take.

    Args:
        seconds: of one evaluation in this phase.
    """
    if journal.ends is not None:
        return
    options = work.options
    ends = [max(0, journal.number), *(last_round(options, later)
                                      for later in range(phase, options.phases))]
    total = progress.seconds_left(seconds, options.evals, np.diff(ends),
                                  work.scene.shapes()[phase:])
    journal.predict(total)
    journal.run.save_record(seconds_predicted=round(total, 1),
                            seconds_an_evaluation=round(seconds, 3))
    progress.tell(options.quiet, f'takes about {watch_page.words(total)}: {seconds:.2g} s an '
                                 'evaluation')


if __name__ == '__main__':
    command_line.run(main)
