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

import models
import lasagne
import numpy as np
import theano
import theano.tensor as T
from PIL import Image
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from models.errors import ArchiveError, one_line
from recipes.common import (classes as class_names, command_line, extents, figures, images,
                            names as safe_names, photos, runs)

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


def compile_class_score(net):
    """Compile scores and how each picture's class score changes with its pixels.

    Args:
        net: ordered dict of layers that ends in a softmax.

    Returns:
        Function: (images (batch, 3, rows, columns), classes (batch,) int32) -> (score of each
        picture's class, its probability, gradient of the score, of the images' shape).
    """
    image, wanted = net['input'].input_var, T.ivector('wanted')
    scores, probabilities = lasagne.layers.get_output(
        [models.scores(net), net['prob']], image, deterministic=True)
    everyone = T.arange(wanted.shape[0])
    score = scores[everyone, wanted]
    return theano.function([image, wanted], [score, probabilities[everyone, wanted],
                                             T.grad(score.sum(), image)])


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    net, classes, mean_pixel = models.load(options.model, options.weights, options.pool)
    options.size = photos.size_for(net, options, EMBEDDED_SIZE)
    scores = class_names.scores_of(net, options.model, 'take a network that does')
    extents.require_positions(net, [scores.name], (1, 3, options.size, options.size), 'pictures')
    count = scores.output_shape[1]
    options.wanted = options.wanted or default_classes(classes, count)
    wanted, names = wanted_classes(options, classes, count)
    x = start = starting_images(options, wanted)
    run = runs.Run('class_model', options.out, options.force)
    parameters = describe(options)
    run.save_record(parameters=parameters, classes=dict(zip(names, wanted.tolist())))

    history, frames = [], []
    with run.recorded():
        function = compile_class_score(net)
        try:
            for x, scores, probabilities in climb(function, start, wanted, mean_pixel, options):
                if len(history) % options.frame_every == 0:
                    frames.append([images.deprocess(one, mean_pixel) for one in x])
                history.append([*scores, *probabilities])
        finally:
            run.save_arrays('images.npz', {'images': x, 'classes': wanted})
            pictures = [images.deprocess(one, mean_pixel) for one in x]
            save(run, names, pictures, frames or [pictures], history, parameters)
    if not options.quiet:
        for name, score, probability in zip(names, scores, probabilities):
            print(f'{one_line(name)}: score {score:.1f}, probability {probability:.4f}')
        print(run.folder / 'figure.png')


def parse(arguments):
    """Return the options; what is not given comes from the paper or a row of DEEPVIS."""
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
             'most of their figures')
    add('--l2', type=command_line.weight, metavar='LAMBDA',
        help=f"of the squared norm (default: {SIMONYAN['l2']:g}; 0 with --deepvis)")
    add('--decay', type=command_line.weight, help='share of the image that each step takes away')
    add('--blur', type=command_line.weight,
        help=f'radius in pixels of a Gaussian, every {BLUR_EVERY} steps')
    add('--norm-percentile', type=command_line.weight,
        help='set so many percent of the pixels to zero, those of smallest norm')
    add('--contribution-percentile', type=command_line.weight,
        help='set so many percent of the pixels to zero, those that matter least to the score')
    add('--jitter', type=int, help='shift the image by up to so many pixels before each step')
    add('--iterations', type=command_line.positive_integer, help='steps')
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


def describe(options):
    """Return every parameter that decides the pixels, for run.json and inside the pictures."""
    return {**command_line.described(options, f'wanted size seed rate {" ".join(SIMONYAN)}'),
            'init': options.init if options.init in ('zero', 'noise') else 'file'}


def wanted_classes(options, classes, count):
    """Return (indices as int32, names that differ), each class once."""
    wanted = list(dict.fromkeys(class_names.find_class(classes, text, count, options.model,
                                                       options.weights)
                                for text in options.wanted))
    names = [class_names.class_name(classes, index) for index in wanted]
    names = [name if names.count(name) == 1 else f'{name} {index}'
             for name, index in zip(names, wanted)]
    return np.array(wanted, 'int32'), names


def default_classes(classes, count):
    """Return the classes to draw where none are named: of CLASSES those that the network has, or
    the numbers of its first ones.
    """
    names = class_names.named(classes or [])
    return ([name for name in CLASSES if len(names.get(name, [])) == 1]
            or [str(number) for number in range(min(count, DEFAULT_COUNT))])


def starting_images(options, wanted):
    """Return where to start, float32 (classes, 3, size, size), BGR minus mean.

    Raises:
        ArchiveError: the file does not hold images of these classes and this size.
    """
    shape = (len(wanted), 3, options.size, options.size)
    if options.init == 'zero':
        return np.zeros(shape, 'float32')
    if options.init == 'noise':
        random = np.random.RandomState(options.seed)
        return (START * random.normal(size=shape)).astype('float32')
    try:
        with np.load(options.init, allow_pickle=False) as arrays:
            x, classes = arrays['images'], arrays['classes']
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as problem:
        raise ArchiveError(f'{options.init} is no images.npz of an earlier run; give one, or '
                           '--init zero or noise') from problem
    if x.shape != shape or not np.array_equal(classes, wanted):
        raise ArchiveError(f'{options.init} holds the classes {" ".join(map(str, classes))} at '
                           f'{x.shape[-1]} pixels; give --class {" ".join(map(str, classes))} '
                           f'--size {x.shape[-1]}')
    return x.astype('float32')


def climb(function, x, wanted, mean_pixel, options):
    """Climb the classes' scores; show progress.

    Yields:
        (images, scores, probabilities) before each step and after the last: float32 (classes, 3,
        rows, columns), (classes,), (classes,).
    """
    random = np.random.RandomState(options.seed)
    for iteration in tqdm(range(options.iterations), disable=options.quiet, unit='step'):
        shift = random.randint(-options.jitter, options.jitter + 1, 2)
        shifted = np.roll(x, shift, (2, 3))
        score, probability, gradient = function(shifted, wanted)
        gradient = np.roll(gradient, -shift, (2, 3))
        yield x, score, probability
        gradient = gradient - 2 * options.l2 * x
        size = np.sqrt((gradient ** 2).mean(axis=(1, 2, 3), keepdims=True))
        step = options.rate * gradient / np.maximum(size, 1e-12)
        regularised = regularise(x + step, gradient, iteration, options)
        x = images.within_pixels(regularised, mean_pixel).astype('float32')
    score, probability, _ = function(x, wanted)
    yield x, score, probability


def regularise(x, gradient, iteration, options):
    """Return images after one round of the regularisers, in the toolbox's order.

    deep-visualization-toolbox, optimize/gradient_optimizer.py.

    Args:
        x, gradient: (classes, 3, rows, columns).
        iteration: its number, from 0.
        options: with decay, blur, norm_percentile, contribution_percentile.
    """
    x = x * (1 - options.decay)
    if options.blur and iteration % BLUR_EVERY == 0:
        x = gaussian_filter(x, (0, 0, options.blur, options.blur))
    if options.norm_percentile:
        x = without_smallest(x, np.sqrt((x ** 2).sum(axis=1)), options.norm_percentile)
    if options.contribution_percentile:
        contribution = np.abs((gradient * x).sum(axis=1))
        x = without_smallest(x, contribution, options.contribution_percentile)
    return x


def without_smallest(x, size, percentile):
    """Return images with that share of their pixels zero, those of smallest size.

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
    columns = min(5, len(names))
    sheets = [Image.fromarray(figures.mosaic(frame, columns)) for frame in frames]
    with run.writing('optimisation.gif') as path:
        sheets[0].save(path, format='GIF', save_all=True, append_images=sheets[1:], duration=80,
                       loop=0)
    run.save_table('scores.csv', ['step', *(f'score {name}' for name in names),
                                  *(f'probability {name}' for name in names)],
                   [[number, *row] for number, row in enumerate(history)])


if __name__ == '__main__':
    command_line.run(main)
