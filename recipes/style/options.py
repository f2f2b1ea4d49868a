"""The command line of style transfer."""

from argparse import BooleanOptionalAction, Namespace

from recipes.common import colours, command_line, images, losses, machine, runs
from recipes.style import progress, selections
from recipes.style.defaults import (
    ARCHIVE_OF_OTHERS,
    EARLIER,
    EMBEDDED,
    IMPLEMENTATIONS,
    NORMALISED,
    settings_of,
)

# Options that are not of the run itself, and may differ where it goes on; so may --rounds.
OF_THE_MOMENT = ('resume', 'round', 'out', 'force', 'quiet')

# Files that a run that goes on may be given anew, where they have moved; what is in them is
# compared with what was.
PATHS = ('content', 'style', 'weights', 'init', 'masks', 'style_mask', 'features')
CHANGEABLE = (*OF_THE_MOMENT, 'rounds', 'watch', *PATHS)

# Smallest first phase, in pixels, where --phases is not given: smaller ones show no objects.
COARSEST = 96

# What may be given by its place, and the option that says the same.
POSITIONAL = {'photo': 'content', 'paintings': 'style'}

# Options that --grid varies, and how to read their values.
GRID = {'content-layers': command_line.layer_weights, 'style-layers': command_line.layer_weights,
        'content-weight': command_line.weight, 'style-weight': command_line.weight,
        'tv-weight': command_line.weight, 'range-weight': command_line.weight,
        'style-scale': command_line.factor,
        'style-statistics': str, 'colours': str, 'pool': str, 'seed': command_line.seed}
CHOICES = {'style-statistics': losses.KINDS, 'colours': colours.WAYS,
           'pool': command_line.POOLINGS}


def parse(arguments):
    """Parse the options; weights that are not given are those of the implementation."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    names = given(parser, arguments)
    take_positional(parser, options, names)
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
    if starts_from_an_unwanted_photo(options, names):
        progress.tell(options.quiet, 'the content counts nothing, but the start is the photo, of '
                      'which much stays visible; --init noise gives a texture of the painting')
    return options


def starts_from_an_unwanted_photo(options, names):
    """Tell whether the start is the photo by default, and --content-weight 0 asks for none of it.

    Args:
        options: filled in and checked.
        names: of those that were given.
    """
    weights = [options.content_weight] + [GRID[name](value) for name, values in options.grid
                                          for value in values if name == 'content-weight']
    return options.init == 'content' and 'init' not in names and 0 in weights


def make_parser():
    """Make the parser of the command line."""
    parser = command_line.ArgumentParser(usage='%(prog)s [PHOTO [PAINTING ...]] [option ...]',
                                         description='Paint a photo in the style of a painting.')
    add = parser.add_argument_group('what to paint').add_argument
    add('photo', nargs='?', metavar='PHOTO', help='the photo (default: a portrait by NASA)')
    add('paintings', nargs='*', metavar='PAINTING',
        help="the painting (default: one by the project's own code), or several")
    add('--content', metavar='PHOTO', help='the same as PHOTO')
    add('--style', metavar='PAINTING', nargs='+', help='the same as PAINTING ...')
    add('--size', type=command_line.pixels, default=256,
        help='pixels of the shorter side, of photo and painting (default: 256)')
    add('--crop', action='store_true', help='cut both to a square, as the notebook does')
    add('--keep-transparency', action='store_true',
        help="put the photo's alpha channel back on result.png; it is painted over white")
    add('--init', metavar='noise|content|FILE', help='where to start; ' + defaults('init'))
    add('--seed', type=command_line.seed, default=1, help='of the noise (default: 1)')
    parser.add_run_options()
    parser.add_network_options(pool=None, chosen_later=True)
    add_look_options(parser.add_argument_group('how it looks'))
    add_painting_options(parser.add_argument_group('what is taken of the painting'))
    add_optimiser_options(parser.add_argument_group('optimisation, size and memory'))
    add_process_options(parser.add_argument_group('the process, going on, and many runs at once'))
    return parser


def take_positional(parser, options, names):
    """Take PHOTO and PAINTING for --content and --style.

    Args:
        names: of the options that were given; changed in the same way.
    """
    for positional, option in POSITIONAL.items():
        value = vars(options).pop(positional)
        if positional not in names:
            continue
        if option in names:
            parser.error(f'argument --{option}: it is given twice, with and without its name')
        setattr(options, option, value)
        names[names.index(positional)] = option


def given(parser, arguments):
    """Name the options that the arguments give, also those given their default."""
    absent = []  # a list, because --grid copies it and appends
    names = vars(parser.parse_args([]))
    found = parser.parse_args(arguments, Namespace(**dict.fromkeys(names, absent)))
    # argparse sets places on the command line, which are empty, to their default.
    return [name for name, value in vars(found).items()
            if value is not absent and (value or name not in POSITIONAL)]


def add_look_options(group):
    """Add the terms of the loss."""
    add = group.add_argument
    add('--content-weight', type=command_line.weight, help=defaults('content_weight'))
    add('--style-weight', type=command_line.weight, help=defaults('style_weight'))
    add('--tv-weight', type=command_line.weight,
        help='of the total variation, which smooths; ' + defaults('tv_weight'))
    add('--range-weight', type=command_line.weight,
        help='of what lies outside 0 to 255, softer than --bounds; ' + defaults('range_weight'))
    add('--content-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --content-weight; ' + defaults('content_layers'))
    add('--style-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --style-weight; ' + defaults('style_layers'))
    add('--colours', choices=colours.WAYS, default='painting',
        help="whose colours the picture has: luminance paints the photo's luminance only, matched "
             "gives the painting the photo's mean and covariance of colours first (default: "
             'painting)')
    add('--style-statistics', choices=losses.KINDS, default='gram',
        help="what of a layer is the style: Gram matrix, the channels' means, means and "
             'deviations, or covariances (default: gram)')
    add('--normalise-gradients', action=BooleanOptionalAction,
        help='divide each weight by the sum of the absolute gradient of its term at the start, or '
             'at noise where the start is as the term wants it (default weights: content 20, style '
             '100, total variation 10, times the factors of the layers, one phase; default for '
             'archive with networks that are no VGG)')
    add('--impl', choices=IMPLEMENTATIONS, default='archive',
        help='archive: weights that look alike at every size and width; recipes: constants and '
             'L-BFGS tolerances of the notebook, untouched; paper: of the paper; authors: of its '
             "authors' PyTorch notebook; neural_style: of jcjohnson's neural-style (default: "
             'archive)')


def add_painting_options(group):
    """Add what is done with the paintings."""
    add = group.add_argument
    add('--style-scale', type=command_line.factor, default=1.0,
        help="size of the painting in the photo's: above 1 its strokes are larger (default: 1)")
    add('--style-blend', type=command_line.factor, nargs='+', metavar='SHARE',
        help='how much each of several paintings counts (default: all the same)')
    add('--masks', nargs='+', metavar='MASK',
        help='a mask of the photo, then one of each painting: pictures of a few colours, and what '
             'has the same colour belongs together')
    add('--style-mask', nargs='+', metavar='MASK',
        help='of each painting a picture that is white where the style is taken from and black '
             'where it is not; what is black is painted over too')
    add('--features', metavar='SELECTION',
        help='keep of the style what was ticked on the page of feature_atlas.py: its '
             'selection.json')
    add('--style-palette', type=command_line.palette_size, metavar='N',
        help='reduce the painting to N colours, by k-means in L*a*b*, before its style is taken')
    add('--style-bits', type=command_line.bits, metavar='N',
        help='leave N bits to each of red, green and blue of the painting, or of its palette')


def add_optimiser_options(group):
    """Add how the loss is minimised."""
    add = group.add_argument
    add('--rounds', type=command_line.positive_integer,
        help='restarts of L-BFGS, in each phase, and more in fewer phases than the default; with '
             '--resume, of the last phase; ' + defaults('rounds'))
    add('--last-rounds', type=command_line.positive_integer,
        help='rounds of the last phase (default: as --rounds; with --resume, --rounds is of it)')
    add('--evals', type=command_line.positive_integer,
        help='evaluations of loss and gradient in each round; ' + defaults('evals'))
    add('--phases', type=command_line.positive_integer,
        help='from coarse to fine: paint so many times, each twice as large as before; where it is '
             f'not given, no phase is below {COARSEST} pixels; ' + defaults('phases'))
    add('--optimiser', choices=('lbfgs', 'adam'), default='lbfgs',
        help='Adam takes less memory, and more evaluations (default: lbfgs)')
    add('--rate', type=command_line.factor, default=10.0,
        help='of Adam, grey levels a step (default: 10)')
    add('--corrections', type=command_line.positive_integer,
        help='steps whose curvature L-BFGS remembers, each as large as four float32 pictures; '
             + defaults('corrections'))
    add('--bounds', action='store_true', help='keep pixels within 0 to 255 all the time')
    add('--memory', type=command_line.memory, metavar='4G',
        help="paint in tiles, if need be, to stay below it (default: half of the machine's)")


def add_process_options(group):
    """Add what is kept of the process, going on with a run, and many runs at once."""
    add = group.add_argument
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
    """Write an attribute's name as its option."""
    return {'round': 'from'}.get(name, name.replace('_', '-'))


def defaults(name):
    """Write the help text that says what an option's default depends on."""
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
    rounds_in_all = settings['rounds'] * settings['phases']
    if options.normalise_gradients is None:
        options.normalise_gradients = settings['normalise_gradients']
    if options.normalise_gradients:
        settings.update(NORMALISED)
    for name in ('content_layers', 'style_layers'):
        settings[name] = command_line.layer_weights(settings[name])
    settings.update(content=images.bundled_photo(), style=[images.PAINTING])
    if options.phases is None:
        options.phases = settings['phases']
        while options.phases > 1 and options.size / 2 ** (options.phases - 1) < COARSEST:
            options.phases -= 1
    # As many evaluations in all where there are fewer phases.
    settings['rounds'] = max(settings['rounds'], -(-rounds_in_all // options.phases))
    for name, value in settings.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    if options.memory is None:
        options.memory = machine.memory() // 2
    if options.style_blend is None:
        options.style_blend = [1.0] * len(options.style)


def last_round(options, phase=None):
    """Tell the number of a phase's last round; of the run's where there is no phase."""
    if phase is not None and phase < options.phases - 1:
        return options.rounds * (phase + 1)
    return options.rounds * (options.phases - 1) + (options.last_rounds or options.rounds)


def check(parser, options, names):
    """Stop where options do not fit together; names are of those that were given."""
    if 'rate' in names and options.optimiser != 'adam':
        parser.error("argument --rate: it is Adam's; add --optimiser adam")
    if 'corrections' in names and options.optimiser == 'adam':
        parser.error("argument --corrections: they are L-BFGS's; omit --optimiser adam")
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
    """Check (option, its values as written) of --grid."""
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
