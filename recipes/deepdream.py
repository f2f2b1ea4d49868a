"""Let a network dream: change a photo so that it sees more of what it sees already.

    python recipes/deepdream.py photo.jpg --layer conv4_4

Mordvintsev, Olah & Tyka 2015, "Inceptionism"; google/deepdream, dream.ipynb: gradient ascent on
half the squared activations of a layer, from a small version of the photo (an octave) to the full
one. The picture is shifted at random before each step, and each step has the same size. A channel,
a class, a random class at each step, or what a second picture shows can be maximised instead.
At the end it says which classes the dream excites: why there are so many dogs.
Without arguments it takes the bundled photo and the embedded network.
"""

import models
from models import graphs
from models.errors import ArchiveError, one_line

import lasagne
import numpy as np
import theano.tensor as T
from scipy.ndimage import zoom
from tqdm import tqdm

from recipes.common import (
    ascent,
    class_names,
    command_line,
    extents,
    figures,
    functions,
    images,
    networks,
    photos,
    projections,
    quantities,
    runs,
)

SIZE = 256
SMALLEST_OCTAVE = 32  # pixels; below, little is left of the picture in a deep layer
KINDS_SHOWN = 6


def compile_dream(net, layer, objective):
    """Compile what a dream maximises.

    Args:
        net: dict of layers, or a last layer.
        layer: name; None takes the class scores.
        objective: 'layer' (half the squared activations; its gradient at the layer is the
            activations, as in dream.ipynb), 'guide' (activations times those of a second picture
            that suit each position best), or 'seed' (activations times a seed of one value a
            channel or class).

    Returns:
        `functions.Function`: (image (1, 3, rows, columns), what the objective needs) ->
        (objective, gradient of the image's shape). 'guide' needs (positions, channels), 'seed'
        (channels,), 'layer' nothing.
    """
    (found,) = projections.layers_of(net, None if layer is None else [layer])
    source = graphs.input_layer(net, [found])
    image = source.input_var
    activation = lasagne.layers.get_output(found, image, deterministic=True)
    if objective == 'layer':
        needs, value = {}, 0.5 * (activation ** 2).sum()
    elif objective == 'seed':
        seed = T.vector('seed', activation.dtype)
        needs, value = {seed: ('channels',)}, T.tensordot(activation, seed, [[1], [0]]).sum()
    else:
        guide = T.matrix('guide', activation.dtype)
        positions = activation.dimshuffle(0, 2, 3, 1).reshape((-1, activation.shape[1]))
        best = T.argmax(T.dot(positions, guide.T), axis=1)
        needs, value = {guide: ('positions', 'channels')}, (positions * guide[best]).sum()
    return functions.compiled({image: source, **needs}, [value, T.grad(value, image)])


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    photo = images.resize(images.read(options.photo), options.size)
    guide = None if options.guide is None else images.read(options.guide)
    net, classes, mean_pixel = load_network(options.model, options.weights, options.pool,
                                            options.layer)
    x = images.prepare(photo, mean_pixel)
    layer = options.layer or models.scores(net).name
    smallest = round(options.size / options.octave_scale ** (options.octaves - 1))
    extents.require_positions(net, [layer], (1, 3, smallest, smallest), 'the smallest octave')
    if options.wanted is not None:
        count = models.scores(net).output_shape[1]
        index = None if options.wanted == 'random' else class_names.find_class(
            classes, options.wanted, count, options.model, options.weights)
        ascend = class_objective(net, index)
    else:
        ascend = layer_objective(net, layer, options.channel, guide if guide is None else
                                 images.prepare(images.resize(guide, options.size), mean_pixel))
    run = runs.Run('deepdream', options.out, options.force)
    parameters = describe(options, photo, net)
    run.save_record(parameters=parameters, photo=str(options.photo))

    values, shape, frame = [], x.shape, None
    bar = tqdm(total=options.frames * options.octaves * options.iterations, unit='step',
               disable=options.quiet)
    random = np.random.RandomState(options.seed)
    with run.recorded(), bar:
        try:
            for number in range(options.frames):
                start = enlarged(x, options.zoom) if number else x
                steps = dream(ascend, start, random, options.octaves, options.octave_scale,
                              options.iterations, options.step, options.jitter,
                              lambda image: images.within_pixels(image, mean_pixel))
                for x, *value in steps:
                    values.append([number, *value])
                    bar.set_postfix_str(f'{x.shape[3]}x{x.shape[2]} pixels', refresh=False)
                    bar.update()
                frame = x
                if options.frames > 1:
                    run.save_picture(f'frame_{number:04d}.png', images.deprocess(x, mean_pixel),
                                     {**parameters, 'frame': number})
        finally:
            if x.shape != shape:  # of an interrupted octave; a frame before it is sharper
                x = fitted(x, shape) if frame is None else frame
            result = images.deprocess(x, mean_pixel)
            run.save_picture('result.png', result, parameters)
            run.save_arrays('result.npz', {'image': x, 'mean_pixel': mean_pixel})
            run.save_table('objective.csv', ['frame', 'octave', 'step', 'objective'], values)
        with run.writing('figure.png') as path:
            title = title_of(options.layer, options.channel, options.wanted, options.guide)
            figures.save_grid(path, [photo, result], ['photo', title], columns=2)
        answer = Excited(options.model, net.origin.path, options.pool, options.size, photo, result)
        answer.save(run)
    if not options.quiet:
        print('\n'.join(map(one_line, answer.sentences().split('\n'))))
        print(run.folder / 'result.png')


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('photo', nargs='?', default=images.bundled_photo(),
        help="where to start (default: NASA's portrait of an astronaut)")
    parser.add_run_options()
    parser.add_network_options()
    add('--layer', help=f'whose activations to maximise ({command_line.own_layer("dream")})')
    add('--channel', type=int, help='maximise one channel of the layer only (default: all)')
    add('--class', dest='wanted', metavar='NAME|NUMBER',
        help='maximise the score of a class; "random" takes another one at each step, as the '
             'article does (default: the layer is maximised)')
    add('--guide', metavar='PICTURE',
        help='maximise what this picture shows in the layer (default: what the photo shows)')
    add('--size', type=command_line.pixels, default=SIZE, help='pixels of the shorter side')
    add('--octaves', type=command_line.positive_integer, default=4, help='sizes to dream at')
    add('--octave-scale', type=command_line.factor, default=1.4, help='between two octaves')
    add('--iterations', type=command_line.positive_integer, default=10, help='steps an octave')
    add('--step', type=command_line.factor, default=1.5, help='mean change of a step, grey levels')
    add('--jitter', type=int, default=32, help='shift by up to so many pixels before each step')
    add('--seed', type=command_line.seed, default=1, help='of jitter and random classes')
    add('--frames', type=command_line.positive_integer, default=1,
        help='dream on so many times, zooming in before each')
    add('--zoom', type=command_line.weight, default=0.05,
        help='share of the picture that falls away from frame to frame')
    options = parser.parse_args(arguments)
    if sum(choice is not None for choice in (options.channel, options.wanted, options.guide)) > 1:
        parser.error('--channel, --class and --guide are three ways to dream; choose one')
    if options.wanted is not None and options.layer is not None:
        parser.error('--class maximises the scores, not --layer; choose one')
    if options.wanted is None and options.layer is None:
        options.layer = models.facts_of(options.model).dream
    if not 1 < options.octave_scale <= 10:
        parser.error('argument --octave-scale: must be above 1 and up to 10')
    if options.zoom >= 0.5:
        parser.error('argument --zoom: must be below 0.5')
    if options.jitter < 0:
        parser.error('argument --jitter: must be a number of pixels from 0 up')
    smallest = options.size / options.octave_scale ** (options.octaves - 1)
    if smallest < SMALLEST_OCTAVE:
        parser.error(f'the smallest octave would have {smallest:.0f} pixels, less than '
                     f'{SMALLEST_OCTAVE}; take fewer --octaves or a larger --size')
    return options


def describe(options, photo, net):
    """List every parameter that decides the pixels, for run.json and inside the pictures."""
    names = 'layer channel wanted size octaves octave_scale iterations step jitter seed frames zoom'
    return {**command_line.described(options, names, net),
            'guide': options.guide and runs.pixel_hash(images.read(options.guide)),
            'photo_pixels': runs.pixel_hash(photo)}


def load_network(model, weights=None, pool='max', layer=None):
    """Load a network, cut off after a layer, or whole where None is given and a class is dreamt of.

    Returns:
        (net, classes, mean_pixel), as `models.load`.

    Raises:
        ArchiveError: the layer has no rows and columns, or there are no classes; or a dense layer
            fixes the size of the pictures, so that there are no octaves.
    """
    dream = f'--layer {models.facts_of(model).dream}'
    net, classes, mean_pixel, _ = networks.load_to_output(layer, model, weights, pool,
                                                          f'dream of a layer, such as {dream}')
    if graphs.input_layer(net).shape[2] is not None:
        raise ArchiveError(f'the dense layers of {model} fix the size of its input, so it '
                           'cannot dream in octaves of what lies behind them; take a layer before, '
                           f'such as {dream}')
    if layer is not None:
        projections.require_maps(net, [layer], model, ', or --class')
    return net, classes, mean_pixel


def layer_objective(net, layer, channel=None, guide=None):
    """Compile the function to ascend for a layer: (image, random generator) -> (value, gradient).

    Args:
        net: dict of layers, or a last layer.
        layer: name.
        channel: the only one to maximise, or None.
        guide: a second picture as the network takes it, (1, 3, rows, columns), or None.
    """
    if channel is not None:
        projections.known_channel(net, layer, channel)
        (found,) = projections.layers_of(net, [layer])
        seed = one_of(found.output_shape[1], channel)
        ascend = compile_dream(net, layer, 'seed')
        return lambda image, random: ascend(image, seed)
    if guide is None:
        ascend = compile_dream(net, layer, 'layer')
        return lambda image, random: ascend(image)
    (seen,) = projections.compile_activations(net, [layer])(guide)
    features = np.ascontiguousarray(seen[0].reshape(seen.shape[1], -1).T)
    ascend = compile_dream(net, layer, 'guide')
    return lambda image, random: ascend(image, features)


def class_objective(net, index=None):
    """Compile the function to ascend for one class, or another random one at each step (None)."""
    count = models.scores(net).output_shape[1]
    ascend = compile_dream(net, None, 'seed')
    if index is None:
        return lambda image, random: ascend(image, one_of(count, random.randint(count)))
    return lambda image, random: ascend(image, one_of(count, index))


def one_of(count, index):
    """Make a float32 array of zeros with a one: (count,)."""
    return np.eye(1, count, index, dtype='float32')[0]


def dream(ascend, x, random, octaves=4, octave_scale=1.4, iterations=10, step=1.5, jitter=32,
          clip=None):
    """Dream once, from the smallest octave to the full size.

    google/deepdream, dream.ipynb: what an octave has added is enlarged and goes on in the next.

    Args:
        ascend: (image, random generator) -> (value, gradient).
        x: float32 (1, 3, rows, columns), BGR minus mean.
        random: generator.
        octaves: sizes to dream at.
        octave_scale: between the sides of two octaves.
        iterations: steps an octave.
        step: mean change of a step, in the image's units.
        jitter: pixels that the image is shifted by before each step, at most.
        clip: function that keeps an image within what a picture can hold; None leaves it.

    Yields:
        (image, octave, iteration, value before the step) after each step; the image has the
        octave's size.
    """
    bases = [x]
    for _ in range(octaves - 1):
        bases.append(scaled(bases[-1], 1 / octave_scale))
    detail = np.zeros_like(bases[-1])
    for octave, base in enumerate(reversed(bases)):
        x = base + fitted(detail, base.shape)
        for iteration in range(iterations):
            value, gradient = ascent.jittered(lambda shifted: ascend(shifted, random), x, jitter,
                                              random)
            mean = np.abs(gradient).mean()
            if mean > 0:  # else nothing in the picture excites what is looked for; go on
                x = x + step / mean * gradient
                x = x if clip is None else clip(x)
            yield x, octave, iteration, float(value)
        detail = x - base


def scaled(x, factor):
    """Resize images (1, 3, rows, columns) by a factor of their sides, interpolated linearly."""
    return fitted(x, (1, 3, *(max(1, round(length * factor)) for length in x.shape[2:])))


def fitted(x, shape):
    """Resize images (1, 3, rows, columns) to a shape's rows and columns."""
    factors = [wanted / length for wanted, length in zip(shape, x.shape)]
    return zoom(x, factors, order=1, mode='nearest')


def enlarged(x, share):
    """Enlarge the middle of an image, without that share of its sides, at the full size.

    Args:
        x: (1, 3, rows, columns).
        share: of the sides, 0 to 0.5, that falls away.

    Returns:
        Array of the same shape.
    """
    rows, columns = x.shape[2:]
    top, left = (round(length * share / 2) for length in (rows, columns))
    return fitted(x[:, :, top:rows - top, left:columns - left], x.shape)


def title_of(layer, channel=None, wanted=None, guide=None):
    """Say what was dreamt of."""
    if wanted is not None:
        return f'class {wanted}'
    words = '' if channel is None else f', channel {channel}'
    return layer + words + (' guided' if guide else '')


class Excited:
    """Which classes photo and dream excite; None where the weights know no classes.

    Attributes:
        scores, shares: of photo and dream, (2, classes).
    """

    def __init__(self, model, weights, pool, size, photo, result):
        self.shares = None
        try:
            net, self.classes, mean_pixel = models.load(model, weights, pool)
            scores = models.scores(net)
        except ArchiveError:  # the same file gave the layers below: what lacks is a classifier
            return
        size = graphs.input_layer(net).shape[2] or size
        look = projections.compile_activations(net, [scores.name, 'prob'])
        seen = [look(images.prepare(photos.fit(rgb, net, size), mean_pixel))
                for rgb in (photo, result)]
        self.scores = np.concatenate([scores for scores, _ in seen])
        self.shares = np.concatenate([shares for _, shares in seen])

    def kinds(self):
        """List (kind, share of the network's classes, probability in photo, in dream), sorted."""
        kinds = np.array(class_names.kinds_of(self.classes))
        rows = [(kind, (kinds == kind).mean(), *self.shares[:, kinds == kind].sum(axis=1))
                for kind in np.unique(kinds)]
        return sorted(rows, key=lambda row: -row[3])

    def save(self, run):
        """Save every class's score and probability, in photo and dream."""
        if self.shares is None:
            return
        count = self.shares.shape[1]
        run.save_table('classes.csv', ['class', 'name', 'score_photo', 'score_dream',
                                       'probability_photo', 'probability_dream'],
                       zip(range(count),
                           [class_names.class_name(self.classes, index) for index in range(count)],
                           *self.scores, *self.shares))

    def sentences(self):
        """Say what the dream is full of, and why."""
        if self.shares is None:
            return 'these weights know no classes, so what the dream excites has no names'
        best = np.argsort(-self.shares[1], kind='stable')[:5]
        lines = ['the dream excites ' + ', '.join(
            f'{class_names.class_name(self.classes, index)} '
            f'{quantities.probability(self.shares[1, index])}'
            for index in best)]
        if self.classes is not None:
            lines += [f'  {kind:22s} {before:4.0%} in the photo, {after:4.0%} in the dream; '
                      f'{round(share * len(self.classes))} of the {len(self.classes)} classes that '
                      'the network was taught'
                      for kind, share, before, after in self.kinds()[:KINDS_SHOWN]]
        return '\n'.join(lines)


if __name__ == '__main__':
    command_line.run(main)
