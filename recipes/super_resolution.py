"""Enlarge photos four or eight times, by a network that a loss on features trained.

    python recipes/super_resolution.py apply small.jpg
    python recipes/super_resolution.py train PHOTOS --factor 8
    python recipes/super_resolution.py evaluate PHOTOS --against enlarge_4_pixels

Johnson, Alahi & Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", section 4.2: trained on the difference of pixels a network blurs what it cannot
know; trained on the difference of features it draws fine detail, with a lower PSNR. Both losses
have the archive's two small terms besides: pixels beyond 0..255, and what repeats on a grid of 4
pixels.
"""

import time

from models import feedforward
from models.errors import ArchiveError

import numpy as np
import threadpoolctl

from recipes.common import command_line, figures, images, photos, runs
from recipes.feedforward import enlarging, generators, objective, options as shared
from recipes.feedforward.applying import Painter

RECIPE = 'super_resolution'
# What is compared: pixels, or the layer in the place of Johnson's relu2_2.
LOSSES = {'features': 'conv2_2', 'pixels': objective.PICTURE}
COLUMNS = ('enlarged by', 'PSNR', 'SSIM', 'fine detail', 'seconds')
LARGEST = 512  # pixels of the shorter side of a photo that is evaluated
SAMPLE_SIZE = 256


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    options.command(options)


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    command = commands.add_parser('train', help='train a network that enlarges')
    command.set_defaults(command=train)
    shared.add_photos(command, nargs='+', help='to train on, folders with all in them')
    add = command.add_argument
    add('--factor', type=int, choices=(2, 4, 8), default=4, help='how many times larger')
    add('--loss', choices=LOSSES, default='features', help='on what photos and pictures are '
                                                            'compared (default: features)')
    shared.add_training(command, [name for name, description in feedforward.DIALECTS.items()
                                  if description.family == 'enlarging'], 'enlarging',
                        width=0.5, batch=4, sizes=[128], steps=4000, rate=1e-3)
    command = commands.add_parser('apply', help='enlarge pictures')
    command.set_defaults(command=apply, size=None, keep_colours=False, seed=1)
    command.add_argument('photos', nargs='+', metavar='PHOTO|FOLDER|PATTERN|-',
                         help="what to enlarge; '-' is the standard input")
    shared.add_spreading(command)
    shared.add_applying(command, generators.named(enlarging=True), noise=False)
    command = commands.add_parser('evaluate', help='make photos small, enlarge them, and compare')
    command.set_defaults(command=evaluate)
    add = command.add_argument
    add('photos', nargs='*', default=[images.bundled_photo()], metavar='PHOTO|FOLDER',
        help="(default: NASA's portrait of an astronaut)")
    add('--against', nargs='+', default=[], metavar='NAME|FILE',
        help='further networks of the same factor')
    shared.add_applying(command, generators.named(enlarging=True), noise=False)
    return parser.parse_args(arguments)


def train(options):
    """Train a network that enlarges."""
    description = shared.description_of(options, factor=options.factor)
    settings = objective.Settings(style_layers=(), content_layer=LOSSES[options.loss])
    loss = objective.LossNetwork(settings, None, options.loss_weights)
    source = shared.read_photos(options)
    shared.run_training(RECIPE, options, description, loss, source, sample)


def apply(options):
    """Enlarge pictures."""
    shared.paint_photos(RECIPE, options, enlarging=True)


def evaluate(options):
    """Make photos small, enlarge them, and compare with what they were."""
    shared.generator_of(options)
    paths = {name: generators.find(name) for name in [options.generator, *options.against]}
    factors = {shared.require(path, photo=True, enlarging=True).factor for path in paths.values()}
    if len(factors) > 1:
        raise ArchiveError(f'--against has networks of different factors: '
                           f'{", ".join(map(str, sorted(factors)))}; take those of one')
    factor = factors.pop()
    ways = {'bicubic interpolation': lambda rgb: enlarging.bicubic(rgb, factor),
            **{name: Painter(path, options.memory).paint for name, path in paths.items()}}
    found, run = photos.find(options.photos), runs.Run(RECIPE, options.out, options.force)
    rows = {name: [] for name in ways}
    with run.recorded(), threadpoolctl.threadpool_limits(options.threads):
        for number, path in enumerate(found, start=1):
            photo = cut_to(factor, images.read(path), path)
            small = enlarging.lowered(photo, factor)
            enlarged = {}
            for name, enlarge in ways.items():
                if number == 1:
                    enlarge(small)  # a network's first call compiles it
                began = time.perf_counter()
                enlarged[name] = enlarge(small)
                seconds = time.perf_counter() - began
                rows[name].append([*enlarging.measured(enlarged[name], photo), seconds])
            save_figure(run, f'figure_{number:02d}.png', small, enlarged, photo)
        table = [(name, *table_row(values)) for name, values in rows.items()]
        run.save_record(networks={name: str(path) for name, path in paths.items()}, factor=factor,
                        photos=list(map(str, found)), results=rows)
        run.save_table('evaluation.csv', COLUMNS, table)
    if not options.quiet:
        command_line.print_table([COLUMNS, *table])
        print(run.folder)


def table_row(values):
    """Give the means over photos of what was measured, and the median of the seconds."""
    means, medians = np.mean(values, axis=0), np.median(values, axis=0)
    return [f'{value:.3f}' for value in (*means[:-1], medians[-1])]


def save_figure(run, name, small, enlarged, photo):
    """Save the small photo with its pixels, it enlarged in each way, and the photo side by side."""
    factor = len(photo) // len(small)
    shown = [small.repeat(factor, axis=0).repeat(factor, axis=1), *enlarged.values(), photo]
    with run.writing(name) as file:
        figures.save_grid(file, shown, ['small', *enlarged, 'photo'], columns=len(shown),
                          width=3 * len(shown), interpolation='nearest')


def cut_to(factor, rgb, path):
    """Cut a photo to multiples of a factor; one larger than LARGEST is made smaller before.

    Args:
        factor: pixels.
        rgb: uint8 (rows, columns, 3).
        path: of it, for the message.

    Raises:
        ArchiveError: it is too small.
    """
    if min(rgb.shape[:2]) > LARGEST:
        rgb = images.resize(rgb, LARGEST)
    rows, columns = (length // factor * factor for length in rgb.shape[:2])
    if min(rows, columns) < 8 * factor:
        raise ArchiveError(f'{path}, of {rgb.shape[1]}x{rgb.shape[0]} pixels, is too small to be '
                           f'made {factor} times smaller; take one of {8 * factor} and more')
    return rgb[:rows, :columns]


def sample(trainer):
    """Enlarge the bundled photo, made small before, beside bicubic interpolation: RGB uint8."""
    photo = images.square(images.read(images.bundled_photo()), SAMPLE_SIZE)
    factor, mean_pixel = trainer.description.factor, trainer.loss.mean_pixel
    small = enlarging.lowered(photo, factor)
    painted = images.deprocess(trainer.paint(images.prepare(small, mean_pixel)), mean_pixel)
    return np.concatenate([enlarging.bicubic(small, factor), painted, photo], axis=1)


if __name__ == '__main__':
    command_line.run(main)
