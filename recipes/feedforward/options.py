"""Options that the commands of generators share."""

from pathlib import Path

from models import feedforward
from models.errors import ArchiveError, Incomplete
from models.weights import files

from recipes.common import command_line, images, photos, runs
from recipes.feedforward import generators, objective, pictures
from recipes.feedforward.training import Photos, Trainer, resumed, train

NEEDED = {'loss', 'description', 'painting', 'style', 'style_size'}  # to measure a generator
EARLIER_LOSS = {'grid_weight': 0.0}  # of generators whose settings lack it
TRAINING = 'width batch sizes steps rate every seed'.split()


def add_style(parser):
    """Add what a generator is trained to paint like, and by which losses."""
    add = parser.add_argument
    add('--style', metavar='PAINTING', default=images.PAINTING, help='what to paint like')
    add('--style-size', type=command_line.pixels, default=256,
        help="pixels of the painting's shorter side: the larger, the larger the strokes")
    add('--impl', choices=objective.SETTINGS, default='archive',
        help='constants of the loss: the archive\'s, on its own loss network, or of the '
             "papers' authors, on VGG-16 or VGG-19")
    add('--style-weight', type=command_line.weight, help='(default: that of --impl)')
    add('--tv-weight', type=command_line.weight, help='(default: that of --impl)')
    add('--grid-weight', type=command_line.weight,
        help='against checkerboards and stripes (default: that of --impl)')


def add_photos(parser, **options):
    """Add the photos to train on.

    Args:
        parser: of the command.
        options: of the argument, such as nargs.
    """
    add = parser.add_argument
    add('photos', metavar='PHOTO|FOLDER', **options)
    add('--most', type=command_line.positive_integer, default=2000, help='photos in memory')
    add('--held-out', type=command_line.whole_number, default=8,
        help='photos that are not trained on, to measure the loss on')


def add_training(parser, dialects, dialect, **defaults):
    """Add what a training takes.

    Args:
        parser: of the command.
        dialects: names that --dialect takes.
        dialect: its default.
        defaults: of width, batch, sizes, steps, rate.
    """
    add = parser.add_argument
    add('--dialect', choices=dialects, default=dialect, help='what the network is')
    add('--width', type=command_line.factor, default=defaults['width'],
        help='factor on its filters')
    add('--loss-weights', metavar='FILE', help='weights of the loss network, .npz')
    add('--sizes', type=command_line.pixels, nargs='+', default=defaults['sizes'],
        help='pixels of the squares that it is trained on, taken in turn at random')
    add('--batch', type=command_line.positive_integer, default=defaults['batch'],
        help='squares of the first size in a step; of a larger size less')
    add('--steps', type=command_line.positive_integer, default=defaults['steps'], help='of Adam')
    add('--rate', type=command_line.factor, default=defaults['rate'],
        help='of learning; it falls to 0 by a cosine')
    add('--every', type=command_line.positive_integer, default=200,
        help='steps from one sample, checkpoint and measurement to the next')
    add('--seed', type=command_line.seed, default=1, help='of weights, photos and noise')
    add('--start', metavar='GENERATOR', help='begin with the weights of a generator of the same '
                                             'description, which another style is near to')
    add('--resume', metavar='CHECKPOINT', help='go on from checkpoint.npz of an earlier run, with '
                                               'the options that it had')
    parser.add_run_options()


def loss_settings(options):
    """Give the `objective.Settings` of a command line."""
    chosen = objective.SETTINGS[options.impl]
    for name, field in (('style_weight', 'style_weight'), ('content_weight', 'content_weight'),
                        ('tv_weight', 'variation_weight'), ('grid_weight',) * 2):
        if getattr(options, name, None) is not None:
            chosen = chosen._replace(**{field: getattr(options, name)})
    return chosen


def description_of(options, **changes):
    """Give the `Description` of a command line.

    Raises:
        ArchiveError: no such network can be.
    """
    description = feedforward.DIALECTS[options.dialect]._replace(width=options.width, **changes)
    if not feedforward.allows('width', options.width):
        raise ArchiveError(f'--width {options.width:g} is too small or too large; take 0.1 to 2')
    multiple = max(feedforward.multiple(description), description.factor)
    wrong = [size for size in options.sizes if size % multiple]
    if wrong:
        raise ArchiveError(f'--sizes must be multiples of {multiple} for this network, and '
                           f'{wrong[0]} is not')
    return description


def train_style(recipe, options, description, source, sample):
    """Train a generator to paint like a painting, as a command line says.

    Args, raises: as of `run_training`.
    """
    painting = images.resize(images.read(options.style), options.style_size)
    loss = objective.LossNetwork(loss_settings(options), painting, options.loss_weights,
                                 description.photo)
    run_training(recipe, options, description, loss, source, sample,
                 style_size=options.style_size, style=runs.pixel_hash(painting),
                 painting=Path(options.style).name)


def run_training(recipe, options, description, loss, source, sample, **decisive):
    """Train a generator as a command line says, in a run's folder.

    Args:
        recipe: its name.
        options: of the command line.
        description: the `Description`.
        loss: an `objective.LossNetwork`.
        source: `Photos`, or None for a texture.
        sample: function (trainer) -> RGB uint8 picture.
        decisive: what else decides the result, what JSON can hold.

    Raises:
        Incomplete: photos were left out; the generator is trained.
    """
    start = options.start and beginning(generators.find(options.start), description)
    trainer = Trainer(description, loss, options.seed)
    if start:
        trainer.begin_with(start)
    decisive = {**{name: getattr(options, name) for name in TRAINING}, **decisive,
                'loss': loss.settings._asdict(), 'description': description._asdict(),
                'start': start and start.origin.sha256,
                'loss_weights': loss.net.origin.sha256,
                'photos': source and [runs.pixel_hash(rgb) for rgb in source.pictures[:1]]
                + [len(source.pictures), len(source.held)]}
    progress = resumed(options.resume, trainer, decisive)
    run = runs.Run(recipe, options.out, options.force)
    if hasattr(options, 'style'):
        run.save_record(style=str(options.style))
    run.save_record(parameters=decisive, problems=source.problems if source else [],
                    resumed_from=progress.sha256)
    with run.recorded():
        train(run, trainer, decisive, source, sample, progress, options.quiet)
    if not options.quiet:
        print(run.folder / 'generator.npz')
    if source and source.problems:
        raise Incomplete(f'{len(source.problems)} photos were left out: '
                         f'{photos.told(source.problems)}')


def loss_of(path, style=None, loss_weights=None):
    """Make the loss network that a generator was trained with.

    Args:
        path: of a generator that `train` made.
        style: of the painting, or None for the bundled one that it names.
        loss_weights: file of the loss network's weights, or None for its own.

    Raises:
        ArchiveError: it says not how it was trained, or its painting is not known or another one.
    """
    settings = settings_of(path)
    loss = objective.Settings(**{**settings['loss'],
                                 'style_layers': tuple(settings['loss']['style_layers'])})
    painting = painting_of(path, style)
    return objective.LossNetwork(loss, painting, loss_weights,
                                 settings['description']['photo'])


def painting_of(path, style=None):
    """Read the painting that a generator was trained on, as large as it was then: RGB uint8.

    Args, raises: as of `loss_of`.
    """
    settings = settings_of(path)
    named = images.ASSETS / settings['painting']
    if style is None and not named.exists():
        raise ArchiveError(f'{path} was trained on {settings["painting"]}, which is not bundled; '
                           'name it with --style')
    painting = images.resize(images.read(style or named), settings['style_size'])
    if runs.pixel_hash(painting) != settings['style']:
        raise ArchiveError(f'{path} was trained on another painting than {style or named}; name '
                           'that with --style')
    return painting


def settings_of(path):
    """Give the settings that a generator was trained with, a dict.

    Raises:
        ArchiveError: it says not how it was trained.
    """
    with files.WeightFile(path) as file:
        settings = (file.provenance() or {}).get('settings')
    if not (isinstance(settings, dict) and isinstance(settings.get('loss'), dict)
            and NEEDED <= set(settings)
            and set(settings['loss']) | set(EARLIER_LOSS) == set(objective.Settings._fields)):
        raise ArchiveError(f'{path} says not how it was trained; take one that `train` made')
    return {**settings, 'loss': {**EARLIER_LOSS, **settings['loss']},
            'painting': Path(str(settings['painting'])).name}


def paint_photos(recipe, options, enlarging=False):
    """Paint, or enlarge, the photos of a command line, in a run's folder.

    Args:
        recipe: its name.
        options: of the command line.
        enlarging: whether the recipe is for generators that enlarge.

    Raises:
        ArchiveError: the generator is of another kind; or as of `pictures.paint_all`.
    """
    path = generator_of(options)
    require(path, True, enlarging)
    found = pictures.wanted(options.photos)
    run = runs.Run(recipe, options.out, options.force)
    pictures.paint_all(run, path, found, options)
    if not options.quiet:
        print(run.folder)


def require(path, photo, enlarging=False):
    """Give the `Description` of a generator, if it is of the kind that a recipe is for.

    Args:
        path: of its file.
        photo: whether it takes a photo, or makes a texture; None for either.
        enlarging: whether it enlarges.

    Raises:
        ArchiveError: it is of another kind.
    """
    _, description = generators.load(path)
    enlarges = description.family == 'enlarging'
    if enlarges != enlarging or photo not in (None, description.photo):
        does, recipe = (('enlarges photos', 'super_resolution') if enlarges else
                        ('paints photos', 'perceptual_losses') if description.photo else
                        ('makes textures', 'texture_networks'))
        raise ArchiveError(f'{path} {does}; see recipes/{recipe}.py')
    return description


def beginning(path, description):
    """Load the generator whose weights a training begins with.

    Raises:
        ArchiveError: it is of another description, but for what surrounds a photo.
    """
    net, own = generators.load(path)
    own = own._replace(surround=description.surround)
    other = [name for name, value in description._asdict().items() if value != getattr(own, name)]
    if other:
        raise ArchiveError(f'{path} is a generator with another {", ".join(other)}; leave --start '
                           'away, or name one like this')
    return net


def read_photos(options):
    """Read the photos of a command line."""
    return Photos(options.photos, options.most, options.held_out, options.seed, options.quiet)


def add_applying(parser, embedded, noise=True):
    """Add what painting with a generator takes.

    Args:
        parser: of the command.
        embedded: names of the shipped generators, the default first.
        noise: whether some take noise.
    """
    add = parser.add_argument
    add('--generator', default=embedded[0] if embedded else None, metavar='NAME|FILE',
        help=f'one that comes with the archive ({", ".join(embedded)}), or an .npz file of yours')
    add('--memory', type=command_line.memory, metavar='4G',
        help="that painting may take; larger pictures are painted in strips (default: half of the "
             "machine's)")
    add('--threads', type=command_line.positive_integer,
        help='of one process (default: all); the last bits of a picture depend on them')
    if noise:
        add('--seed', type=command_line.seed, default=1, help='of the noise, where there is some')
    parser.add_run_options()


def add_spreading(parser):
    """Add where pictures are painted."""
    parser.add_argument('--processes', type=command_line.positive_integer, default=1,
                        help='to spread pictures over, of one thread each')
    parser.add_argument('--scheduler', metavar='tcp://HOST:8786',
                        help='of a Dask cluster to spread pictures over (pip install -e '
                             "'.[cluster]')")


def generator_of(options):
    """Give the path of the generator that a command line names.

    Raises:
        ArchiveError: there is none.
    """
    if options.generator is None:
        raise ArchiveError('name a generator with --generator FILE; `train` makes one')
    return generators.find(options.generator)
