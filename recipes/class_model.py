"""Show what a network thinks a class looks like.

    python recipes/class_model.py --class goldfish "sports car"

Simonyan, Vedaldi & Zisserman 2014, "Deep Inside Convolutional Networks", section 2: from the zero
image, find the one that maximises the class's score minus lambda times its squared norm. With the
regularisers of Yosinski et al. 2015, "Understanding Neural Networks Through Deep Visualization",
the images get smoother and say more. The score is taken before the softmax.
Ours are the size of the steps (the same for every step and class) and the clipping to what a
picture can hold, of which the first paper says nothing; the toolbox of the second has learning
rates, and starts from noise (--init noise).
Without arguments it takes five classes of the embedded network.
"""

import zipfile
from collections import namedtuple

import models
from models import graphs
from models.errors import ArchiveError, one_line

import lasagne
import numpy as np
import theano.tensor as T
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from recipes.common import (
    animations,
    ascent,
    class_names,
    command_line,
    extents,
    figures,
    functions,
    images,
    names as safe_names,
    networks,
    photos,
    quantities,
    runs,
)

EMBEDDED_SIZE = 64
CLASSES = ('goldfish', 'monarch', 'ladybug', 'king penguin', 'lesser panda')  # of ImageNet too
DEFAULT_COUNT = 5  # classes of a network that has none of these: its first ones

# Table 1 of Yosinski et al., as deep-visualization-toolbox has it in
# doc/running-optimize-image.md. Percentiles zero that share of the pixels.
DEEPVIS = {
    1: {'blur': 0.5, 'norm_percentile': 50, 'iterations': 500},
    2: {'decay': 0.3, 'norm_percentile': 20, 'iterations': 750},
    3: {'decay': 1e-4, 'blur': 1.0, 'iterations': 1000},
    4: {'blur': 0.5, 'contribution_percentile': 90, 'iterations': 1000},
}
SIMONYAN = {'l2': 1e-7, 'decay': 0, 'blur': 0, 'norm_percentile': 0, 'contribution_percentile': 0,
            'jitter': 0, 'iterations': 200}  # the paper does not give lambda
BLUR_EVERY = 4  # iterations
START = 10      # deviation of the noise to start from, in grey levels; the toolbox's

# What holds images back: lambda of the squared norm; the share of the image that each step takes
# away; radius of the Gaussian in pixels; percent of the pixels set to zero, of the smallest norm
# and of the least contribution.
Regularisers = namedtuple(
    'Regularisers', 'l2 decay blur norm_percentile contribution_percentile',
    defaults=[SIMONYAN[name] for name in ('l2', 'decay', 'blur', 'norm_percentile',
                                          'contribution_percentile')])


def compile_class_score(net):
    """Compile scores and how each picture's class score changes with its pixels.

    Args:
        net: dict of layers, or a last layer, that ends in a softmax or in scores.

    Returns:
        `functions.Function`: (images of the input's axes, such as (batch, 3, rows, columns),
        classes (batch,)) -> (score of each picture's class, its probability by a softmax, gradient
        of the score, of the images' shape).
    """
    layer, wanted = models.scores(net), T.ivector('classes')
    source = graphs.input_layer(net, [layer])
    image = source.input_var
    scores = lasagne.layers.get_output(layer, image, deterministic=True)
    probabilities = T.nnet.softmax(scores)
    everyone = T.arange(wanted.shape[0])
    score = scores[everyone, wanted]
    return functions.compiled({image: source, wanted: ('batch',)},
                              [score, probabilities[everyone, wanted], T.grad(score.sum(), image)])


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    net, classes, mean_pixel, output = networks.load_to_output(
        None, options.model, options.weights, options.pool, 'take a network that does')
    options.size = photos.size_for(net, options.model, options.size, EMBEDDED_SIZE)
    extents.require_positions(net, [output], (1, 3, options.size, options.size), 'pictures')
    count = models.scores(net).output_shape[1]
    options.wanted = options.wanted or default_classes(classes, count)
    wanted = wanted_classes(options.wanted, classes, count, options.model, options.weights)
    names = names_of(wanted, classes)
    x = start = starting_images(options.init, wanted, options.size, options.seed)
    regularisers = Regularisers(*(getattr(options, name) for name in Regularisers._fields))
    run = runs.Run('class_model', options.out, options.force)
    parameters = describe(options, net)
    run.save_record(parameters=parameters, classes=dict(zip(names, wanted.tolist())))

    history, frames = [], []
    with run.recorded():
        function = compile_class_score(net)
        steps = climb(function, start, wanted, options.iterations, options.rate, regularisers,
                      options.jitter, np.random.RandomState(options.seed),
                      lambda image: images.within_pixels(image, mean_pixel))
        try:
            for x, scores, probabilities in tqdm(steps, total=options.iterations + 1,
                                                 disable=options.quiet, unit='step'):
                if len(history) % options.frame_every == 0:
                    frames.append([images.deprocess(one, mean_pixel) for one in x])
                history.append([*scores, *probabilities])
        finally:
            run.save_arrays('images.npz', {'images': x, 'classes': wanted})
            pictures = [images.deprocess(one, mean_pixel) for one in x]
            save(run, names, pictures, frames or [pictures], history, parameters)
    if not options.quiet:
        for name, score, probability in zip(names, scores, probabilities):
            print(f'{one_line(name)}: score {score:.1f}, probability '
                  f'{quantities.probability(probability)}')
        print(run.folder / 'figure.png')


def parse(arguments):
    """Read the command line; what is not given comes from the paper or a row of DEEPVIS."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('--class', dest='wanted', nargs='+', metavar='NAME|NUMBER',
        help='classes to draw, all at once (default: those that the network has of '
             f'{", ".join(CLASSES)}, or else its first {DEFAULT_COUNT})')
    parser.add_size_option(EMBEDDED_SIZE)
    parser.add_run_options()
    parser.add_network_options()
    add('--init', metavar='zero|noise|FILE', default='zero',
        help='where to start: the mean colour, noise around it, or images.npz of an earlier run '
             'with the same classes, to go on from there')
    add('--seed', type=command_line.seed, default=1, help='of noise and jitter')
    add('--deepvis', type=int, choices=DEEPVIS, metavar='1|2|3|4',
        help='take the regularisers of this row of the table of Yosinski et al.; 3 is the one of '
             'most of their figures (default: those of Simonyan et al.)')
    add('--l2', type=command_line.weight, metavar='LAMBDA',
        help=f"of the squared norm (default: {SIMONYAN['l2']:g}; 0 with --deepvis)")
    add('--decay', type=command_line.weight,
        help=f'share of the image that each step takes away {default_of("decay")}')
    add('--blur', type=command_line.weight,
        help=f'radius in pixels of a Gaussian, every {BLUR_EVERY} steps {default_of("blur")}')
    add('--norm-percentile', type=command_line.weight,
        help='set so many percent of the pixels to zero, those of smallest norm '
             f'{default_of("norm_percentile")}')
    add('--contribution-percentile', type=command_line.weight,
        help='set so many percent of the pixels to zero, those that matter least to the score '
             f'{default_of("contribution_percentile")}')
    add('--jitter', type=int, help='shift the image by up to so many pixels before each step '
                                   f'{default_of("jitter")}')
    add('--iterations', type=command_line.positive_integer,
        help=f'steps {default_of("iterations")}')
    add('--rate', type=command_line.factor, default=2.0,
        help='root mean square of a step, in grey levels')
    add('--frame-every', type=command_line.positive_integer, default=10,
        help='steps between the frames of the GIF')
    options = parser.parse_args(arguments)
    chosen = SIMONYAN if options.deepvis is None else {
        **SIMONYAN, 'l2': 0, **DEEPVIS[options.deepvis]}
    for name, value in chosen.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    for name in ('decay', 'norm_percentile', 'contribution_percentile'):
        largest = 1 if name == 'decay' else 100
        if not getattr(options, name) < largest:
            parser.error(f'argument --{name.replace("_", "-")}: must be below {largest}')
    if options.jitter < 0:
        parser.error('argument --jitter: must be a number of pixels from 0 up')
    return options


def default_of(name):
    """Say, for a help text, what the default of a value of SIMONYAN is, and where rows differ."""
    others = [f'{values[name]:g} with --deepvis {row}' for row, values in DEEPVIS.items()
              if values.get(name, SIMONYAN[name]) != SIMONYAN[name]]
    return f'(default: {"; ".join([format(SIMONYAN[name], "g"), *others])})'


def describe(options, net):
    """List every parameter that decides the pixels, for run.json and inside the pictures."""
    return {**command_line.described(options, f'wanted size seed rate {" ".join(SIMONYAN)}', net),
            'init': options.init if options.init in ('zero', 'noise') else 'file'}


def wanted_classes(texts, classes, count, model='NETWORK', weights=None):
    """List the indices of classes that are named or numbered, int32, each once.

    Args:
        texts: names or numbers, as a user writes them.
        classes: names of the network's, or None.
        count: how many it tells apart.
        model, weights: its name and weight file, for errors.
    """
    found = [class_names.find_class(classes, text, count, model, weights) for text in texts]
    return np.array(list(dict.fromkeys(found)), 'int32')


def names_of(wanted, classes):
    """Name classes, by index, differently: those of one name have their number too."""
    names = [class_names.class_name(classes, index) for index in wanted]
    return [name if names.count(name) == 1 else f'{name} {index}'
            for name, index in zip(names, wanted)]


def default_classes(classes, count):
    """Choose the classes to draw where none are named: of CLASSES those that the network has, or
    the numbers of its first ones.
    """
    names = class_names.named(classes or [])
    return ([name for name in CLASSES if len(names.get(name, [])) == 1]
            or [str(number) for number in range(min(count, DEFAULT_COUNT))])


def starting_images(init, wanted, size, seed):
    """Make the images to start from, float32 (classes, 3, size, size), BGR minus mean.

    Args:
        init: 'zero', 'noise', or a file images.npz of an earlier run.
        wanted: indices of classes.
        size: pixels of each side.
        seed: of the noise.

    Raises:
        ArchiveError: the file does not hold images of these classes and this size.
    """
    shape = (len(wanted), 3, size, size)
    if init == 'zero':
        return np.zeros(shape, 'float32')
    if init == 'noise':
        random = np.random.RandomState(seed)
        return (START * random.normal(size=shape)).astype('float32')
    try:
        with np.load(init, allow_pickle=False) as arrays:
            x, classes = arrays['images'], arrays['classes']
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise ArchiveError(f'{init} is no images.npz of an earlier run; give one, or '
                           '--init zero or noise') from problem
    if x.shape != shape or not np.array_equal(classes, wanted):
        raise ArchiveError(f'{init} holds the classes {" ".join(map(str, classes))} at '
                           f'{x.shape[-1]} pixels; give --class {" ".join(map(str, classes))} '
                           f'--size {x.shape[-1]}')
    return x.astype('float32')


def climb(function, x, wanted, iterations=SIMONYAN['iterations'], rate=2.0,
          regularisers=Regularisers(), jitter=0, random=None, clip=None):
    """Climb the classes' scores.

    Args:
        function: as `compile_class_score` gives it.
        x: images to start from, float32 (classes, channels, rows, columns).
        wanted: class of each image, int32 (classes,).
        iterations: steps.
        rate: root mean square of a step, in the images' units.
        regularisers: `Regularisers`.
        jitter: pixels that images are shifted by before each step, at most.
        random: generator of the shifts; None takes one of seed 1.
        clip: function that keeps images within what a picture can hold; None leaves them.

    Yields:
        (images, scores, probabilities) before each step and after the last: float32 (classes,
        channels, rows, columns), (classes,), (classes,).
    """
    random = np.random.RandomState(1) if random is None else random
    for iteration in range(iterations):
        score, probability, gradient = ascent.jittered(
            lambda shifted: function(shifted, wanted), x, jitter, random)
        yield x, score, probability
        gradient = gradient - 2 * regularisers.l2 * x
        size = np.sqrt((gradient ** 2).mean(axis=(1, 2, 3), keepdims=True))
        step = rate * gradient / np.maximum(size, 1e-12)
        x = regularise(x + step, gradient, iteration, regularisers)
        x = (x if clip is None else clip(x)).astype('float32')
    score, probability, _ = function(x, wanted)
    yield x, score, probability


def regularise(x, gradient, iteration, regularisers):
    """Apply one round of the regularisers to images, in the toolbox's order.

    deep-visualization-toolbox, optimize/gradient_optimizer.py.

    Args:
        x, gradient: (classes, channels, rows, columns).
        iteration: its number, from 0.
        regularisers: `Regularisers`; the gradient has its lambda already.
    """
    x = x * (1 - regularisers.decay)
    if regularisers.blur and iteration % BLUR_EVERY == 0:
        x = gaussian_filter(x, (0, 0, regularisers.blur, regularisers.blur))
    if regularisers.norm_percentile:
        x = without_smallest(x, np.sqrt((x ** 2).sum(axis=1)), regularisers.norm_percentile)
    if regularisers.contribution_percentile:
        contribution = np.abs((gradient * x).sum(axis=1))
        x = without_smallest(x, contribution, regularisers.contribution_percentile)
    return x


def without_smallest(x, size, percentile):
    """Set that share of the images' pixels to zero, those of smallest size.

    Args:
        x: (classes, 3, rows, columns).
        size: (classes, rows, columns).
        percentile: 0 to 100.
    """
    limits = np.percentile(size, percentile, axis=(1, 2))[:, None, None]
    return x * (size >= limits)[:, None]


def save(run, names, pictures, frames, history, parameters):
    """Save a picture of each class, the figure, the GIF and the scores at each step."""
    files = safe_names.unique({name: name.replace(' ', '_') for name in names},
                              ('figure',), 'class')
    for name, picture in zip(names, pictures):
        run.save_picture(f'{files[name]}.png', picture, parameters)
    with run.writing('figure.png') as path:
        figures.save_grid(path, pictures, names, columns=min(5, len(names)))
    sheets = [figures.mosaic(frame, min(5, len(names))) for frame in frames]
    animations.save_gif(run, 'optimisation.gif', sheets, longest=None)
    run.save_table('scores.csv', ['step', *(f'score {name}' for name in names),
                                  *(f'probability {name}' for name in names)],
                   [[number, *row] for number, row in enumerate(history)])


if __name__ == '__main__':
    command_line.run(main)
