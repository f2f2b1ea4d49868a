"""Train a network that paints like a painting at once, and paint with it.

    python recipes/perceptual_losses.py train PHOTOS --style painting.jpg
    python recipes/perceptual_losses.py apply photo.jpg
    python recipes/perceptual_losses.py evaluate

Johnson, Alahi & Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution": instead of optimising each picture, train a residual network once, on the same
losses, with photos of any kind. Instance normalisation: Ulyanov et al. 2016.
"""

from models import feedforward
from models.errors import ArchiveError

import numpy as np

from recipes.common import command_line, images, photos, runs
from recipes.feedforward import evaluation, generators, options as shared

RECIPE = 'perceptual_losses'
COLUMNS = ('pixels', 'painted by', 'loss', 'seconds', 'the generator is faster')
SAMPLE_SIZE = 256  # pixels of the shorter side of what is painted now and then in training


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    options.command(options)


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    command = commands.add_parser('train', help='train a generator on photos and a painting')
    command.set_defaults(command=train)
    shared.add_photos(command, nargs='+', help='to train on, folders with all in them')
    add = command.add_argument
    add('--block', choices=('residual', 'plain'), default='residual',
        help='plain: the same network without the sums, as the article compares them')
    add('--content-weight', type=command_line.weight, help='(default: that of --impl)')
    shared.add_style(command)
    shared.add_training(command, [name for name, description in feedforward.DIALECTS.items()
                                  if description.family == 'residual'], 'archive',
                        width=0.5, batch=4, sizes=[128, 256], steps=4000, rate=2e-3)
    command = commands.add_parser('apply', help='paint pictures with a trained generator')
    command.set_defaults(command=apply)
    add = command.add_argument
    add('photos', nargs='*', default=[images.bundled_photo()], metavar='PHOTO|FOLDER|PATTERN|-',
        help="what to paint; '-' is the standard input (default: NASA's portrait of an astronaut)")
    add('--size', type=command_line.pixels,
        help="pixels of the shorter side (default: the picture's own)")
    add('--keep-colours', action='store_true', help="with the photo's own colours")
    shared.add_spreading(command)
    shared.add_applying(command, generators.named(photo=True))
    command = commands.add_parser('evaluate', help='compare a generator with the optimisation of '
                                                   'single pictures')
    command.set_defaults(command=evaluate)
    add = command.add_argument
    add('photos', nargs='*', default=[images.bundled_photo()], metavar='PHOTO|FOLDER',
        help="what to paint (default: NASA's portrait of an astronaut)")
    add('--style', metavar='PAINTING', help='that the generator was trained on (default: the one '
                                            'that it names, of the bundled ones)')
    add('--loss-weights', metavar='FILE', help='weights of the loss network, .npz')
    add('--sizes', type=command_line.pixels, nargs='+', default=[256],
        help='of the pictures, squares; Johnson et al. have 256, 512 and 1024')
    add('--evaluations', type=command_line.positive_integer, nargs='+', default=[50, 100, 300, 500],
        help='of the optimisation to compare with')
    add('--against', nargs='+', default=[], metavar='NAME|FILE',
        help='further generators of the same loss, such as one with plain blocks')
    shared.add_applying(command, generators.named(photo=True))
    return parser.parse_args(arguments)


def train(options):
    """Train a generator."""
    description = shared.description_of(options, block=options.block)
    source = shared.read_photos(options)
    shared.train_style(RECIPE, options, description, source, sample)


def apply(options):
    """Paint pictures with a trained generator."""
    shared.paint_photos(RECIPE, options)


def evaluate(options):
    """Compare a generator with the optimisation of single pictures, on the generator's loss."""
    path = shared.generator_of(options)
    paths = {name: generators.find(name)
             for name in dict.fromkeys([options.generator, *options.against])}
    for file in paths.values():
        if shared.require(file, photo=True).noise:
            raise ArchiveError(f'{file} also takes noise; `evaluate` compares those that take '
                               'photos alone')
    loss = shared.loss_of(path, options.style, options.loss_weights)
    optimisation = evaluation.Optimisation(loss)
    compiled = {name: generators.compile_generator(*generators.load(file))
                for name, file in paths.items()}
    squares = [images.crop_square(images.read(file)) for file in photos.find(options.photos)]
    counts, rows, results = sorted(set(options.evaluations)), [], {}
    run = runs.Run(RECIPE, options.out, options.force)
    with run.recorded():
        for size in options.sizes:
            batch = [images.prepare(images.resize_to(rgb, size, size), loss.mean_pixel)
                     for rgb in squares]
            found = evaluation.compared(compiled[options.generator], optimisation, batch, counts)
            others = {name: float(np.mean([optimisation.measure(paint(photo), photo)
                                           for photo in batch]))
                      for name, paint in compiled.items() if name != options.generator}
            results[size] = {**found, 'others': others}
            rows += table_of(size, found, others)
        run.save_record(generator=str(path), results=results, photos=len(squares))
        run.save_table('evaluation.csv', COLUMNS, rows)
    if not options.quiet:
        command_line.print_table([COLUMNS, *rows])
        print(run.folder)


def table_of(size, found, others):
    """Give the rows of a size: the generator, the optimisation, other generators."""
    reached = ('more' if found['reached'] is None else found['reached'])
    rows = [(f'{size}', 'generator', f"{found['loss']:.3f}", f"{found['seconds']:.3f}",
             f'as {reached} evaluations')]
    rows += [(f'{size}', f'{count} evaluations', f"{found['losses'][count]:.3f}",
              f"{found['optimisation_seconds'][count]:.2f}",
              f"{found['times_faster'][count]:.0f} times") for count in found['losses']]
    return rows + [(f'{size}', name, f'{value:.3f}', '', '') for name, value in others.items()]


def sample(trainer):
    """Paint the bundled photo: RGB uint8."""
    photo = images.resize(images.read(images.bundled_photo()), SAMPLE_SIZE)
    mean_pixel = trainer.loss.mean_pixel
    painted = trainer.paint(images.prepare(photo, mean_pixel))
    return np.concatenate([photo, images.deprocess(painted, mean_pixel)[:SAMPLE_SIZE]], axis=1)


if __name__ == '__main__':
    command_line.run(main)
