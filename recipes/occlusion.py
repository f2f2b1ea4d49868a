"""Slide a grey square over a photo, and see what the network misses.

    python recipes/occlusion.py photo.jpg --class goldfish

Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 4.2 and
figure 7: where the square covers what a class is recognised by, its probability falls, and another
class becomes the most likely one; where it covers what excites a channel, the sum of the channel's
activations falls. Unlike a gradient this says what happens when something is really gone.
The paper tells neither the size of the square, nor its grey, nor its steps; ours are a fifth of the
photo, the mean colour (zero for the network), and a quarter of the square.
Without arguments it takes the bundled photo and the embedded network.
"""

from collections import namedtuple

import models
from models import graphs
from models.errors import ArchiveError, one_line

import lasagne
import numpy as np
import theano.tensor as T
from tqdm import tqdm

from recipes.common import (
    class_names,
    command_line,
    extents,
    figures,
    functions,
    images,
    maps,
    networks,
    photos,
    projections,
    quantities,
    runs,
)

EMBEDDED_SIZE = 80   # as of saliency.py
SQUARE, STEP = 5, 4  # the square's side is a fifth of the photo's, a step a quarter of the square's

# Where the square's upper left corner stands, along rows and along columns, and its side, in
# pixels. At the lower and right edge a square may stick out.
Squares = namedtuple('Squares', 'tops lefts side')


def squares_of(shape, side, stride):
    """List the places of a square that slides over a picture and covers all of it.

    Args:
        shape: (rows, columns) of the picture.
        side: pixels of the square's.
        stride: pixels from place to place.
    """
    tops, lefts = (np.arange(max(0, -(-(length - side) // stride)) + 1) * stride
                   for length in shape)
    return Squares(tops, lefts, side)


def occluded(image, squares, grey=0.0):
    """Copy a picture with the square at each place, one after another.

    Args:
        image: (channels, rows, columns).
        squares: `Squares`.
        grey: value of the square, or (channels,).

    Yields:
        (channels, rows, columns), row by row of places.
    """
    for top in squares.tops:
        for left in squares.lefts:
            copy = image.copy()
            copy[:, top:top + squares.side, left:left + squares.side] = np.reshape(grey, (-1, 1, 1))
            yield copy


def responses(look, image, squares, grey=0.0, batch=16, step=None):
    """Compute what a network says of a picture, with the square at each place.

    Args:
        look: images (batch, channels, rows, columns) -> list of arrays (batch, ...).
        image: (channels, rows, columns).
        squares: `Squares`.
        grey: value of the square, or (channels,).
        batch: pictures at once.
        step: function that is called with how many more places are done; or None.

    Returns:
        List of arrays (rows of places, columns of places, ...), one for each that `look` gives.
    """
    found, waiting = [], []

    def look_at_all():
        found.append(look(np.stack(waiting)))
        if step is not None:
            step(len(waiting))
        waiting.clear()

    for copy in occluded(image, squares, grey):
        waiting.append(copy)
        if len(waiting) == batch:
            look_at_all()
    if waiting:
        look_at_all()
    places = len(squares.tops), len(squares.lefts)
    return [np.concatenate(parts).reshape(*places, *parts[0].shape[1:]) for parts in zip(*found)]


def importance(before, after, squares, shape):
    """Compute how much each pixel matters: the mean fall over the squares that cover it.

    Args:
        before: what the network says of the whole picture, a number.
        after: the same with the square at each place, (rows of places, columns of places).
        squares: `Squares`.
        shape: (rows, columns) of the picture.

    Returns:
        float64 (rows, columns); positive where the number falls.
    """
    total, count = np.zeros(shape), np.zeros(shape)
    for row, top in enumerate(squares.tops):
        for column, left in enumerate(squares.lefts):
            covered = slice(top, top + squares.side), slice(left, left + squares.side)
            total[covered] += before - after[row, column]
            count[covered] += 1
    return total / np.maximum(count, 1)


def compile_look(net, layer, probabilities=True):
    """Compile what is watched: a layer's channels, and the probability of each class.

    Args:
        net: dict of layers, or a last layer.
        layer: name of one with rows and columns.
        probabilities: whether the network has classes.

    Returns:
        `functions.Function`: images -> [total activation of each channel (batch, channels), and
        probabilities (batch, classes)], the second only with classes.
    """
    layers = projections.layers_of(net, [layer]) + (projections.layers_of(net) if probabilities
                                                    else [])
    source = graphs.input_layer(net, layers)
    activations, *scores = lasagne.layers.get_output(layers, source.input_var, deterministic=True)
    return functions.compiled({source.input_var: source},
                              [activations.sum(axis=(2, 3)), *map(T.nnet.softmax, scores)])


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    has_classes = options.wanted is not None or networks.tells_classes(options.model)
    net, classes, mean_pixel, _ = networks.load_to_output(
        None if has_classes else options.layer, options.model, options.weights, options.pool,
        'leave out --class, and the channel alone is watched')
    projections.require_maps(net, [options.layer], options.model)
    if options.channel is not None:
        projections.known_channel(net, options.layer, options.channel)
    options.size = photos.size_for(net, options.model, options.size, EMBEDDED_SIZE)
    options.square = options.square or round(options.size / SQUARE)
    options.stride = options.stride or max(1, round(options.square / STEP))
    extents.require_positions(net, [options.layer], (1, 3, options.size, options.size), 'photos')
    if options.square >= options.size:
        raise ArchiveError(f'a square of {options.square} pixels covers the whole photo of '
                           f'{options.size}; take a smaller --square')
    wanted = None if options.wanted is None else class_names.find_class(
        classes, options.wanted, models.scores(net).output_shape[1], options.model,
        options.weights)
    pictures = photos.Photos(photos.find(options.photos), net, options.size, 1)
    parameters = command_line.described(
        options, 'wanted layer channel square stride size batch colours', net)
    run = runs.Run('occlusion', options.out, options.force)
    run.save_record(parameters=parameters, photos=[str(path) for path in pictures.paths])

    told = []
    with run.recorded():
        look = compile_look(net, options.layer, has_classes)
        project = projections.compile_projection(net, [options.layer], 'deconvnet')
        see = projections.compile_activations(net, [options.layer])
        for ((path, rgb),) in pictures.batches():
            image = images.prepare(rgb, mean_pixel)
            squares = squares_of(rgb.shape[:2], options.square, options.stride)
            with tqdm(total=len(squares.tops) * len(squares.lefts), desc=one_line(path.name, 40),
                      unit='square', disable=options.quiet) as bar:
                found = Occlusion(look, image, squares, options.batch, wanted, options.channel,
                                  bar.update)
            (activations,) = see(image)
            seed = np.zeros_like(activations)
            seed[:, found.channel] = activations[:, found.channel]
            projection = project(image, seed)[0]
            save(run, pictures.names[path], rgb, projection, found, classes, options.layer,
                 parameters, options.colours)
            told.append({'photo': pictures.names[path], **found.record(classes)})
            run.save_record(seen=told)
            if not options.quiet:
                tqdm.write(one_line(f'{path.name}: {found.sentence(classes, options.layer)}'))
        run.save_record(problems=pictures.problems)
    if not options.quiet:
        print(run.folder)
    pictures.finish()


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    parser.add_photo_options(EMBEDDED_SIZE)
    parser.add_run_options()
    parser.add_network_options()
    add('--class', dest='wanted', metavar='NAME|NUMBER',
        help='class whose probability is watched (default: what the network sees in each photo)')
    add('--layer', help='whose channel is watched (default: the deepest of the network\'s style '
                        'layers, conv5 of AlexNet as in the paper and '
                        f'{models.facts_of(command_line.DEFAULT).style[-1]} of '
                        f'{command_line.DEFAULT})')
    add('--channel', type=command_line.whole_number,
        help='of the layer (default: the one with the largest sum in each photo, as the paper)')
    add('--square', type=command_line.positive_integer, metavar='PIXELS',
        help="side of the square (default: a fifth of the photo's shorter side)")
    add('--stride', type=command_line.positive_integer, metavar='PIXELS',
        help='from place to place (default: a quarter of the square)')
    add('--batch', type=command_line.positive_integer, default=16, help='pictures at once')
    add('--colours', choices=figures.SCALES, default='paper',
        help='from blue to red as in the paper, or a perceptual scale that everybody can read')
    options = parser.parse_args(arguments)
    options.layer = options.layer or models.facts_of(options.model).style[-1]
    return options


class Occlusion:
    """What a network says of one photo, and of the photo with the square at each place.

    Args:
        look: as `compile_look` gives it.
        image: (1, 3, rows, columns), BGR minus mean.
        squares: `Squares`.
        batch: pictures at once.
        wanted: index of a class, or None for the most likely one.
        channel: of the layer, or None for the one with the largest sum.
        step: as of `responses`.

    Attributes:
        shape: (rows, columns) of the photo.
        channel, sum, sums: which is watched; its total activation; the same at each place.
        wanted, probability, probabilities: the same of a class; None without classes.
        shares: probability of each class in the whole photo, (classes,), or None.
        likeliest: index of the most likely class at each place, or None.
    """

    def __init__(self, look, image, squares, batch=16, wanted=None, channel=None, step=None):
        self.squares, self.shape = squares, image.shape[2:]
        sums, *shares = (array[0] for array in look(image))
        all_sums, *all_shares = responses(look, image[0], squares, 0, batch, step)
        self.channel = int(sums.argmax()) if channel is None else channel
        self.sum, self.sums = float(sums[self.channel]), all_sums[:, :, self.channel]
        self.wanted = self.probability = self.probabilities = self.likeliest = self.shares = None
        if shares:
            self.shares = shares[0]
            self.wanted = int(self.shares.argmax()) if wanted is None else wanted
            self.probability = float(self.shares[self.wanted])
            self.probabilities = all_shares[0][:, :, self.wanted]
            self.likeliest = all_shares[0].argmax(axis=2)

    def arrays(self):
        """Collect all by name, with how much each pixel matters for the class and the channel."""
        found = {'tops': self.squares.tops, 'lefts': self.squares.lefts,
                 'square': self.squares.side, 'channel': self.channel, 'sum': self.sum,
                 'sums': self.sums,
                 'sum_importance': importance(self.sum, self.sums, self.squares, self.shape)}
        if self.wanted is not None:
            found.update({
                'class': self.wanted, 'probability': self.probability,
                'probabilities': self.probabilities, 'likeliest': self.likeliest,
                'probability_importance': importance(self.probability, self.probabilities,
                                                     self.squares, self.shape)})
        return found

    def record(self, classes):
        """Collect what run.json says of it."""
        found = {'channel': self.channel, 'sum': self.sum, 'least_sum': float(self.sums.min())}
        if self.wanted is not None:
            found.update({'class': self.wanted,
                          'name': class_names.class_name(classes, self.wanted),
                          'probability': self.probability,
                          'least_probability': float(self.probabilities.min()),
                          'guesses': class_names.guesses(classes, self.shares)})
        return found

    def sentence(self, classes, layer):
        """Say what the square does."""
        words = (f'channel {self.channel} of {layer}: total activation '
                 f'{quantities.short(self.sum)}, at least {quantities.short(self.sums.min())} '
                 'behind the square')
        if self.wanted is None:
            return words
        others = [class_names.class_name(classes, index) for index in np.unique(self.likeliest)
                  if index != self.wanted]
        instead = f'; elsewhere it sees {", ".join(others[:3])}' if others else ''
        guessed = class_names.guesses(classes, self.shares)
        return (f'{class_names.in_words(guessed)}; probability of '
                f'{class_names.class_name(classes, self.wanted)} '
                f'{quantities.probability(self.probability)}, at least '
                f'{quantities.probability(self.probabilities.min())} behind the square{instead}; '
                f'{words}')

    def title(self, classes):
        """Say whose probability is drawn, and where the network does not know what it sees."""
        guessed = class_names.guesses(classes, self.shares)
        title = (f'probability of {class_names.class_name(classes, self.wanted)} '
                 f'({quantities.probability(self.probability)} of the whole photo)')
        return f'{title}\n{class_names.in_words(guessed)}' if class_names.unsure(guessed) else title


def save(run, name, rgb, projection, found, classes, layer, parameters, colours='paper'):
    """Save the arrays, the maps and the paper's figure of one photo.

    Args:
        run: its folder.
        name: of the photo.
        rgb: the photo.
        projection: deconvnet of the channel, (3, rows, columns).
        found: `Occlusion`.
        classes: their names, or None.
        layer: name.
        parameters: that decide the pixels.
        colours: one of `figures.SCALES`.
    """
    run.save_arrays(f'{name}.npz', {'photo': rgb, 'projection': projection, **found.arrays()})
    side = found.squares.side
    panels = [figures.Panel(with_square(rgb, side), f'photo; the square is {side} pixels'),
              figures.Panel(found.sums, f'{layer}, channel {found.channel}: total activation'),
              figures.Panel(maps.signed(projection, 100), 'the channel, projected down')]
    if found.wanted is not None:
        panels += [figures.Panel(found.probabilities, found.title(classes)),
                   figures.Panel(found.likeliest, 'most likely class', {
                       int(index): class_names.class_name(classes, index)
                       for index in np.unique(found.likeliest)})]
        run.save_picture(f'{name}_probability.png', figures.at_least(
            figures.coloured(found.probabilities, colours)), parameters)
    run.save_picture(f'{name}_activation.png',
                     figures.at_least(figures.coloured(found.sums, colours)), parameters)
    with run.writing(f'{name}_figure.png') as path:
        figures.save_panels(path, panels, colours)


def with_square(rgb, side):
    """Draw the grey square in a photo's middle, to show how large it is."""
    rgb, (top, left) = rgb.copy(), [(length - side) // 2 for length in rgb.shape[:2]]
    rgb[top:top + side, left:left + side] = 128
    return rgb


if __name__ == '__main__':
    command_line.run(main)
