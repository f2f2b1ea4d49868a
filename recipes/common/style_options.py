"""The command line of style transfer, and what of it a run goes on with."""

from argparse import BooleanOptionalAction, Namespace
from pathlib import Path

from models.errors import ArchiveError
from recipes.common import (colours, command_line, images, lbfgs, memory, rounds, runs, selections,
                            statistics)
from recipes.common.implementations import (ARCHIVE_OF_OTHERS, EARLIER, EMBEDDED,
                                            IMPLEMENTATIONS, NORMALISED, settings_of)

# Of the options in run.json; they had no number before the first. A new one is needed where an
# option's meaning changes, not where one is added: what is missing has its default.
VERSION = 1

# Options that are not of the run itself, and may differ where it goes on; so may --rounds.
OF_THE_MOMENT = ('resume', 'round', 'out', 'force', 'quiet')

# Files that a run that goes on may be given anew, where they have moved; what is in them is
# compared with what was.
PATHS = ('content', 'style', 'weights', 'init', 'masks', 'style_mask', 'features')
CHANGEABLE = (*OF_THE_MOMENT, 'rounds', 'watch', *PATHS)

# Options that --grid varies, and how to read their values.
GRID = {'content-layers': command_line.layer_weights, 'style-layers': command_line.layer_weights,
        'content-weight': command_line.weight, 'style-weight': command_line.weight,
        'tv-weight': command_line.weight, 'range-weight': command_line.weight,
        'style-scale': command_line.factor,
        'style-statistics': str, 'colours': str, 'pool': str, 'seed': command_line.seed}
CHOICES = {'style-statistics': statistics.KINDS, 'colours': colours.WAYS,
           'pool': command_line.POOLINGS}


def parse(arguments):
    """Return the options; weights that are not given are those of the implementation."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    names = given(parser, arguments)
    if options.resume:
        runs.read_record(options.resume)  # first of all it must be there
        other = [name for name in names if name not in CHANGEABLE]
        if other:
            parser.error(f'--resume goes on with the options of the run; --{dashed(other[0])} '
                         'cannot be changed')
        options.moved = [name for name in names if name in PATHS]
        return options
    if options.round is not None:
        parser.error('--from names a round of a run; name the run with --resume')
    fill_in(options)
    check(parser, options, names)
    return options


def make_parser():
    """Return the parser of the command line."""
    parser = command_line.ArgumentParser(description='Paint a photo in the style of a painting.')
    add = parser.add_argument
    add('--content', metavar='PHOTO', help='the photo (default: a portrait by NASA)')
    add('--style', metavar='PAINTING', nargs='+',
        help="the painting (default: one by the project's own code), or several")
    parser.add_run_options()
    parser.add_network_options(pool=None, chosen_later=True)
    add('--impl', choices=IMPLEMENTATIONS, default='archive',
        help='archive: weights that look alike at every size and width; recipes: constants and '
             'L-BFGS tolerances of the notebook, untouched; paper: of the paper; authors: of its '
             "authors' PyTorch notebook; neural_style: of jcjohnson's neural-style")
    add('--size', type=command_line.pixels, default=256,
        help='pixels of the shorter side, of photo and painting')
    add('--crop', action='store_true', help='cut both to a square, as the notebook does')
    add('--keep-transparency', action='store_true',
        help="put the photo's alpha channel back on result.png; it is painted over white")
    add('--init', metavar='noise|content|FILE', help='where to start; ' + defaults('init'))
    add('--seed', type=command_line.seed, default=1, help='of the noise')
    add_loss_options(parser)
    add_style_options(parser)
    add_optimiser_options(parser)
    add_process_options(parser)
    return parser


def given(parser, arguments):
    """Return the names of the options that the arguments give, also those given their default."""
    absent = []  # a list, because --grid copies it and appends
    names = vars(parser.parse_args([]))
    found = parser.parse_args(arguments, Namespace(**dict.fromkeys(names, absent)))
    return [name for name, value in vars(found).items() if value is not absent]


def add_loss_options(parser):
    """Add the terms of the loss."""
    add = parser.add_argument
    add('--content-weight', type=command_line.weight, help=defaults('content_weight'))
    add('--style-weight', type=command_line.weight, help=defaults('style_weight'))
    add('--tv-weight', type=command_line.weight, help=defaults('tv_weight'))
    add('--range-weight', type=command_line.weight,
        help='of what lies outside 0 to 255, softer than --bounds; ' + defaults('range_weight'))
    add('--content-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --content-weight; ' + defaults('content_layers'))
    add('--style-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --style-weight; ' + defaults('style_layers'))
    add('--style-statistics', choices=statistics.KINDS, default='gram',
        help="what of a layer is the style: Gram matrix, the channels' means, means and "
             'deviations, or covariances')
    add('--normalise-gradients', action=BooleanOptionalAction,
        help='divide each weight by the sum of the absolute gradient of its term at the start, or '
             'at noise where the start is as the term wants it (default weights: content 20, style '
             '100, total variation 10, times the factors of the layers; default for archive with '
             'networks that are no VGG)')


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
    add('--style-palette', type=command_line.palette_size, metavar='N',
        help='reduce the painting to N colours, by k-means in L*a*b*, before its style is taken')
    add('--style-bits', type=command_line.bits, metavar='N',
        help='leave N bits to each of red, green and blue of the painting, or of its palette')
    add('--style-mask', nargs='+', metavar='MASK',
        help='of each painting a picture that is white where the style is taken from and black '
             'where it is not; what is black is painted over too')
    add('--features', metavar='SELECTION',
        help='keep of the style what was ticked on the page of feature_atlas.py: its '
             'selection.json')


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
    add('--watch', action='store_true',
        help='keep a page watch.html in the folder of the run: pictures of the rounds, losses and '
             'the time left; it refreshes itself')
    add('--resume', metavar='RUN',
        help='go on with the run in this folder from its last round, with its options; pictures '
             'that have moved since can be named anew (--content, --style ...)')
    add('--from', dest='round', type=command_line.whole_number, metavar='ROUND',
        help='go on from an earlier round, in a new folder')
    add('--grid', nargs='+', action='append', metavar=('OPTION', 'VALUE'),
        help='paint with each of several values of an option, such as `--grid style-scale 0.5 1`, '
             'and lay the results out on a sheet; twice: rows and columns. Options: '
             + ', '.join(GRID))


def dashed(name):
    """Return an attribute's name as its option is written."""
    return {'round': 'from'}.get(name, name.replace('_', '-'))


def defaults(name):
    """Return the help text that says what an option's default depends on."""
    told = {}
    for words, settings in (('vgg19_small', EMBEDDED), ('vgg19_quarter', EARLIER),
                            ('networks that are no VGG', ARCHIVE_OF_OTHERS._replace(**NORMALISED)),
                            *IMPLEMENTATIONS.items()):
        value = getattr(settings, name)
        text = ("the network's own, which `python -m models layers NAME` marks" if value is None
                else value if isinstance(value, str) else f'{value:g}')
        told.setdefault(text, []).append(words)
    return 'default: ' + '; '.join(f'{value} ({", ".join(words)})' if len(told) > 1 else value
                                   for value, words in told.items())


def fill_in(options):
    """Give options that are not given the values of the implementation."""
    if options.model is None:
        options.model = (selections.read(options.features).model if options.features
                         else command_line.DEFAULT)
    settings = settings_of(options.impl, options.model)._asdict()
    if options.normalise_gradients is None:
        options.normalise_gradients = settings['normalise_gradients']
    if options.normalise_gradients:
        settings.update(NORMALISED)
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


def check(parser, options, names):
    """Stop where options do not fit together; names are of those that were given."""
    if 'rate' in names and options.optimiser != 'adam':
        parser.error("argument --rate: it is Adam's; add --optimiser adam")
    if 'corrections' in names and options.optimiser == 'adam':
        parser.error("argument --corrections: they are L-BFGS's; leave --optimiser adam away")
    if len(options.style_blend) != len(options.style):
        parser.error(f'argument --style-blend: {len(options.style_blend)} shares for '
                     f'{len(options.style)} paintings; give one for each')
    if options.masks and len(options.masks) != 1 + len(options.style):
        parser.error(f'argument --masks: {len(options.masks)} masks; give one of the photo and '
                     f'one of each painting, {1 + len(options.style)} in all')
    if options.style_mask and len(options.style_mask) != len(options.style):
        parser.error(f'argument --style-mask: {len(options.style_mask)} masks for '
                     f'{len(options.style)} paintings; give one for each')
    smallest = options.size / 2 ** min(options.phases - 1, 64)
    if smallest < images.SMALLEST:
        parser.error(f'argument --phases: the first of {options.phases} would have '
                     f'{smallest:.0f} pixels, less than {images.SMALLEST}; take fewer, or a '
                     'larger --size')
    options.grid = [axis_of(parser, *axis) for axis in options.grid or []]
    if len(options.grid) > 2:
        parser.error('argument --grid: rows and columns are two options at most')
    if len({name for name, _ in options.grid}) < len(options.grid):
        parser.error(f'argument --grid: {options.grid[0][0]} is given twice; give all of its '
                     'values at once')


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


def remembered(options):
    """Return the options that a run goes on with, for run.json; paths from anywhere."""
    kept = {name: value for name, value in vars(options).items()
            if name not in (*OF_THE_MOMENT, 'grid')}
    for name in ('content', 'weights', 'init', 'features'):
        if kept[name] not in (None, 'noise', 'content'):
            kept[name] = str(Path(kept[name]).resolve())
    for name in ('style', 'masks', 'style_mask'):
        kept[name] = kept[name] and [str(Path(path).resolve()) for path in kept[name]]
    return kept


def resumed(options):
    """Return (options, state, whether in a new folder) to go on with a run.

    Raises:
        ArchiveError: there is no such run or round, nothing is left to do, or what it has kept
            cannot be used.
    """
    record = runs.read_record(options.resume)
    if record['recipe'] != 'styletransfer' or not {'options', 'plan'} <= set(record):
        raise ArchiveError(f'{options.resume} is no run of this recipe that can go on')
    known = restored(options.resume, record)
    rounds_before = known.rounds
    for name in (*OF_THE_MOMENT, *options.moved):
        setattr(known, name, getattr(options, name))
    require_files(known)
    known.watch |= options.watch or 'watch.html' in record['files']
    if options.rounds is not None:
        known.rounds = options.rounds
    state = rounds.find(options.resume, options.round)
    left = known.rounds * known.phases - (0 if state is None else state.number)
    if left < 0 or (left == 0 and record.get('status') == 'finished'):
        raise ArchiveError(f'{options.resume} has all of its {state.number} rounds; give more '
                           '--rounds, or an earlier round with --from')
    if known.rounds != rounds_before and known.phases > 1:
        raise ArchiveError('a run in phases has a number of rounds for each; leave --rounds away')
    last = state is None or state.number == rounds.numbers(options.resume)[-1]
    return known, state, not last or options.out is not None


def restored(folder, record):
    """Return the options in a run's run.json, read and checked as the command line is.

    What is missing there, as of a run of before there was such an option, has its default.

    Raises:
        ArchiveError: they are of a later version, or something cannot be.
    """
    def refuse(message):
        raise ArchiveError(f'{folder} cannot go on, its run.json was changed: {message}')

    version = record.get('options_version', 0)
    if type(version) is not int or not 0 <= version <= VERSION:
        raise ArchiveError(f'{folder} cannot go on: its options have version {version!r}, and '
                           f'0 to {VERSION} are known; take the archive that made it')
    parser = make_parser()
    parser.error = refuse
    kept = record['options']
    try:
        arguments = [argument for action in parser._actions if action.dest in kept
                     and action.dest not in (*OF_THE_MOMENT, 'grid')
                     for argument in as_written(action, kept[action.dest])]
    except ValueError as problem:
        refuse(problem)
    options = parser.parse_args(arguments)
    fill_in(options)
    check(parser, options, [])
    return options


def as_written(action, value):
    """Return an option's value of run.json as it is written on a command line, a list.

    Args:
        action: argparse's, of the option.
        value: None where the option was not given.

    Raises:
        ValueError: it is of another kind.
    """
    option = action.option_strings[0]
    if value is None or (value is False and action.nargs == 0):
        return []
    if value is True and action.nargs == 0:
        return [option]
    if action.nargs == '+' and isinstance(value, list) and all(map(_is_one, value)):
        return [option, *map(_words, value)] if value else []
    if action.nargs is None:
        if action.type is command_line.layer_weights and isinstance(value, dict):
            value = ','.join(f'{layer}={_words(factor)}' for layer, factor in value.items())
        elif action.type is command_line.memory and type(value) is int:
            value = f'{value}B'
        if _is_one(value):
            return [f'{option}={_words(value)}']
    raise ValueError(f'{option} cannot be {value!r:.80}')


def _is_one(value):
    """Tell whether a value is one text that a file can be named by, or one number."""
    return type(value) in (int, float) or (isinstance(value, str) and '\0' not in value)


def _words(value):
    return value if isinstance(value, str) else repr(value)


def resumed_plan(folder):
    """Return the plan of a run's memory, as it was.

    Raises:
        ArchiveError: it cannot be.
    """
    kept = runs.read_record(folder).get('plan', {})
    plan = memory.Plan(**{name: kept.get(name) for name in memory.Plan._fields})
    cores = [core for core in (plan.core, plan.painting_core) if core is not None]
    if (any(not isinstance(core, list) or len(core) != 2 or not all(map(_is_count, core))
            for core in cores) or not _is_count(plan.corrections or 1)
            or type(plan.bytes) not in (int, float) or not 0 < plan.bytes < 2 ** 63):
        raise ArchiveError(f'{folder} cannot go on: the plan in its run.json was changed')
    return plan


def _is_count(value):
    return type(value) is int and 0 < value < 2 ** 31


def require_files(options):
    """Stop where a file of a run that goes on is no longer where it was.

    Raises:
        ArchiveError: says how to tell where it is.
    """
    for name in PATHS:
        value = getattr(options, name)
        for path in value if isinstance(value, list) else [value]:
            if path not in (None, 'noise', 'content') and not Path(path).exists():
                raise ArchiveError(f'{options.resume} cannot go on without {path}; where has it '
                                   f'moved? Name it with --{dashed(name)}')


def check_state(state, options, shapes):
    """Stop where a state is not one that a run with these options has kept.

    Args:
        state: `rounds.State`.
        options: of the run.
        shapes: of the picture in each phase.

    Raises:
        ArchiveError: says what differs.
    """
    pixels = 2 if options.range_weight else 1  # the range and the total variation
    terms = len(options.content_layers) + len(options.style_layers) + pixels
    phase = max(0, state.number - 1) // options.rounds if options.phases > 1 else 0
    wanted = {'phase': (state.phase, phase), 'seed': (state.seed, options.seed),
              'number of terms': (len(state.weights), terms),
              'shape': (state.x.shape, shapes[min(phase, len(shapes) - 1)]),
              'optimiser': (bool(state.optimiser),
                            options.optimiser == 'adam' and state.number > 0)}
    other = [name for name, (found, right) in wanted.items() if found != right]
    if other:
        raise ArchiveError(f'{options.resume} cannot go on: {rounds.STATE.format(state.number)} is '
                           f'of another run, by its {" and ".join(other)}')
