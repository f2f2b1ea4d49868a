"""Train a network that makes a texture of noise at once, or paints like a painting.

    python recipes/texture_networks.py train --style texture.jpg
    python recipes/texture_networks.py train PHOTOS --style painting.jpg
    python recipes/texture_networks.py apply
    python recipes/texture_networks.py evaluate

Ulyanov, Lebedev, Vedaldi & Lempitsky 2016, "Texture Networks: Feed-forward Synthesis of Textures
and Stylized Images": a pyramid that joins noise at several scales, trained on Gram matrices alone.
Convolutions go round the edges, so a texture can be laid side by side with itself.
"""

import models  # noqa: F401 - prepares Theano
import numpy as np

from models.errors import ArchiveError
from models.feedforward import DIALECTS
from recipes.common import command_line, images, runs
from recipes.feedforward import generators, pictures
from recipes.feedforward import options as shared

RECIPE = 'texture_networks'
SAMPLE_SIZE = 256  # pixels of what is made now and then in training
PYRAMIDS = [name for name, description in DIALECTS.items() if description.family == 'pyramid']


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    options.command(options)


def parse(arguments):
    """Return the options."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    command = commands.add_parser('train', help='train a generator of textures; with photos, of '
                                                'paintings')
    command.set_defaults(command=train)
    add = command.add_argument
    add('photos', nargs='*', metavar='PHOTO|FOLDER', help='for a dialect that takes photos')
    add('--most', type=command_line.positive_integer, default=2000, help='photos in memory')
    add('--held-out', type=command_line.whole_number, default=8,
        help='photos that are not trained on, to measure the loss on')
    add('--content-weight', type=command_line.weight, help='(default: that of --impl)')
    shared.add_training(command, PYRAMIDS, 'texture_instance', width=1.0, batch=4, sizes=[128],
                        steps=2000, rate=5e-3)
    command = commands.add_parser('apply', help='make textures, or paint pictures')
    command.set_defaults(command=apply)
    add = command.add_argument
    add('photos', nargs='*', metavar='PHOTO|FOLDER|PATTERN|-',
        help='for a generator that takes photos')
    add('--size', type=command_line.pixels, nargs='+', default=None, metavar='PIXELS',
        help='of a texture, or its rows and columns (default: 256); or of the shorter side of '
             "pictures (default: the picture's own)")
    add('--count', type=command_line.positive_integer, default=1, help='textures to make')
    add('--keep-colours', action='store_true', help="with the photo's own colours")
    shared.add_spreading(command)
    shared.add_applying(command, generators.named(photo=False))
    return parser.parse_args(arguments)


def train(options):
    """Train a generator."""
    description = shared.description_of(options)
    if description.photo and not options.photos:
        raise ArchiveError(f'{options.dialect} takes photos; name some to train on')
    if options.photos and not description.photo:
        raise ArchiveError(f'{options.dialect} makes textures and takes no photos; name another '
                           '--dialect, or no photos')
    source = shared.read_photos(options) if description.photo else None
    shared.run_training(RECIPE, options, description, source, sample)


def apply(options):
    """Make textures, or paint pictures."""
    path = shared.generator_of(options)
    _, description = generators.load(path)
    if description.photo != bool(options.photos):
        raise ArchiveError(f'{path} takes photos; name some' if description.photo else
                           f'{path} makes textures and takes no photos')
    if description.photo and options.size and len(options.size) > 1:
        raise ArchiveError('--size of pictures is one number, of their shorter side')
    run = runs.Run(RECIPE, options.out, options.force)
    if description.photo:
        options.size = options.size and options.size[0]
        pictures.paint_all(run, path, options.photos, options)
    else:
        pictures.make_textures(run, path, options)
    if not options.quiet:
        print(run.folder)


def sample(trainer):
    """Make two textures, or paint the bundled photo: RGB uint8."""
    random = np.random.RandomState(0)
    photo = images.resize_to(images.crop_square(images.read(images.bundled_photo())),
                             SAMPLE_SIZE, SAMPLE_SIZE)
    batch = images.prepare(photo, trainer.loss.mean_pixel)
    painted = [images.deprocess(trainer.paint(*trainer.inputs(batch, SAMPLE_SIZE, SAMPLE_SIZE, 1,
                                                              random)), trainer.loss.mean_pixel)
               for _ in range(2)]
    return np.concatenate(painted, axis=1)


if __name__ == '__main__':
    command_line.run(main)
