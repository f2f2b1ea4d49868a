"""Train a network that makes a texture of noise at once, or paints like a painting.

    python recipes/texture_networks.py train --style texture.jpg
    python recipes/texture_networks.py train PHOTOS --style painting.jpg
    python recipes/texture_networks.py apply
    python recipes/texture_networks.py evaluate

Ulyanov, Lebedev, Vedaldi & Lempitsky 2016, "Texture Networks: Feed-forward Synthesis of Textures
and Stylized Images": a pyramid that joins noise at several scales, trained on Gram matrices alone.
Convolutions go round the edges, so a texture can be laid side by side with itself.
"""

from models.errors import ArchiveError
from models.feedforward import DIALECTS

import numpy as np

from recipes.common import command_line, images, runs
from recipes.feedforward import evaluation, generators, measures, options as shared, pictures
from recipes.feedforward.applying import Painter

RECIPE = 'texture_networks'
SAMPLE_SIZE = 256  # pixels of what is made now and then in training
TOLD = {  # what `evaluate` measures
    'seconds': 'seconds a texture', 'seam': 'steps across the edges, by those inside',
    'diversity': 'difference of two textures, by that of their pixels',
    'colour': "grey levels from the texture's mean colour, at most",
    'checkerboard': 'spectrum at periods 2 and 4, by its neighbours, at most'}
PYRAMIDS = [name for name, description in DIALECTS.items() if description.family == 'pyramid']


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    options.command(options)


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    commands = parser.add_subparsers(metavar='COMMAND', required=True)
    command = commands.add_parser('train', help='train a generator of textures; with photos, of '
                                                'paintings')
    command.set_defaults(command=train)
    shared.add_photos(command, nargs='*', help='for a dialect that takes photos')
    add = command.add_argument
    add('--content-weight', type=command_line.weight, help='(default: that of --impl)')
    shared.add_style(command)
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
    command = commands.add_parser('evaluate', help='measure the textures of a generator')
    command.set_defaults(command=evaluate)
    add = command.add_argument
    add('--style', metavar='TEXTURE', help='that the generator was trained on (default: the one '
                                           'that it names, of the bundled ones)')
    add('--size', type=command_line.pixels, default=256, help='rows and columns of the textures')
    add('--count', type=command_line.positive_integer, default=4, help='of textures to make')
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
    shared.train_style(RECIPE, options, description, source, sample)


def apply(options):
    """Make textures, or paint pictures."""
    path = shared.generator_of(options)
    description = shared.require(path, photo=None)
    if description.photo != bool(options.photos):
        raise ArchiveError(f'{path} takes photos; name some' if description.photo else
                           f'{path} makes textures and takes no photos')
    if description.photo and options.size and len(options.size) > 1:
        raise ArchiveError('--size of pictures is one number, of their shorter side')
    if description.photo:
        options.size = options.size and options.size[0]
        found = pictures.wanted(options.photos)
        run = runs.Run(RECIPE, options.out, options.force)
        pictures.paint_all(run, path, found, options)
    else:
        size = pictures.texture_size(options.size, description)
        painter = Painter(path, options.memory)
        painter.needs(*size)
        run = runs.Run(RECIPE, options.out, options.force)
        pictures.make_textures(run, painter, size, options)
    if not options.quiet:
        print(run.folder)


def evaluate(options):
    """Measure the textures of a generator, and how fast they are made."""
    path = shared.generator_of(options)
    if options.count < 2:
        raise ArchiveError('--count must be 2 or more: textures are compared with one another')
    size = pictures.texture_size([options.size], shared.require(path, photo=False))
    painter = Painter(path, options.memory)
    painter.needs(*size)
    made = [painter.texture(options.size, options.size, options.seed + index)
            for index in range(options.count)]
    texture = shared.painting_of(path, options.style)
    colours = [np.abs(rgb.mean(axis=(0, 1)) - texture.mean(axis=(0, 1))).max() for rgb in made]
    found = {
        'seconds': evaluation.seconds_of(painter.texture, options.size, options.size),
        'seam': float(np.mean([measures.seam(rgb) for rgb in made])),
        'diversity': measures.diversity(made),
        'colour': float(np.max(colours)), 'checkerboard': max(map(measures.checkerboard, made))}
    run = runs.Run(RECIPE, options.out, options.force)
    with run.recorded():
        run.save_record(generator=str(path), size=options.size, results=found)
        for index, rgb in enumerate(made):
            run.save_picture(f'texture_{options.seed + index}.png', rgb, {'size': options.size})
    if not options.quiet:
        command_line.print_table([(told, f'{found[name]:.3f}') for name, told in TOLD.items()])
        print(run.folder)


def sample(trainer):
    """Make two textures, or paint the bundled photo: RGB uint8."""
    random = np.random.RandomState(0)
    photo = images.square(images.read(images.bundled_photo()), SAMPLE_SIZE)
    batch = images.prepare(photo, trainer.loss.mean_pixel)
    painted = [images.deprocess(trainer.paint(*trainer.inputs(batch, SAMPLE_SIZE, SAMPLE_SIZE, 1,
                                                              random)), trainer.loss.mean_pixel)
               for _ in range(2)]
    return np.concatenate(painted, axis=1)


if __name__ == '__main__':
    command_line.run(main)
