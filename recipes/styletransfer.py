"""Paint a photo in the style of a painting.

    python recipes/styletransfer.py --content photo.jpg --style painting.jpg

Gatys, Ecker & Bethge 2015, "A Neural Algorithm of Artistic Style": from white noise, find the
picture whose activations in a deep layer are the photo's, and whose Gram matrices in several
layers are the painting's. After Lasagne/Recipes, examples/styletransfer/Art Style Transfer.ipynb.
Without arguments it takes the bundled photo, the bundled painting and the embedded network.
"""

import sys
from collections import namedtuple

import models
import lasagne
import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from models.errors import ArchiveError
from models.weights import files
from recipes.common import command_line, figures, images, lbfgs, losses, runs

Settings = namedtuple('Settings', 'content_layers content_weight style_layers style_weight '
                                  'tv_weight adapted margin factr pgtol')

# Of the notebook; the tolerances of L-BFGS are scipy's defaults.
NOTEBOOK = Settings(content_layers='conv4_2', content_weight=1e-3,
                    style_layers='conv1_1,conv2_1,conv3_1,conv4_1,conv5_1', style_weight=2e5,
                    tv_weight=1e-8, adapted=False, margin=0, factr=1e7, pgtol=1e-5)

# The archive adapts the notebook's weights to the network's width and the picture's size, paints
# a margin that is cut off, and lets L-BFGS go on to the last evaluation.
ARCHIVE = NOTEBOOK._replace(adapted=True, margin=8, factr=0.0, pgtol=0.0)

# Tuned by eye on the embedded network: by conv4_2 alone it does not tell what is in a photo, and at
# equal weights conv4_1 and conv5_1 are two thirds of the loss at the end: ripples, not strokes.
EMBEDDED = ARCHIVE._replace(content_layers='conv3_2=0.2,conv4_2', content_weight=2e-2,
                            style_layers='conv1_1,conv2_1,conv3_1,conv4_1=0.2,conv5_1=0.1',
                            tv_weight=3e-8)

# The content loss is a sum over channels and positions and the total variation one over pixels.
# Adapted, a content layer weighs as much as conv4_2 in the notebook, however many channels and
# positions it has, and the total variation as much as there. The style loss, a mean over channels
# and positions, needs no factor.
REFERENCE_ACTIVATIONS = 512 * 75 * 75  # conv4_2 of the full VGG-19 at 600x600
REFERENCE_PIXELS = 600 * 600


def settings_of(implementation, model):
    """Return the constants that hold where the command line says nothing."""
    if implementation == 'recipes':
        return NOTEBOOK
    return EMBEDDED if model == 'vgg19_quarter' else ARCHIVE


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    photo, painting = read_pictures(options)
    net, mean_pixel = load_network(options)
    start = starting_point(options, photo, mean_pixel)
    run = runs.Run('styletransfer', options.out, options.force)
    parameters = describe(options, photo, painting, start)
    run.save_record(parameters=parameters, content=str(options.content), style=str(options.style))

    pictures, names, objective = [], [], None

    def picture_of(x):
        canvas = images.deprocess(x.reshape(start.shape), mean_pixel)
        return images.trim(canvas, options.margin)

    with run.recorded():
        try:
            targets = compute_targets(net, images.prepare(photo, mean_pixel),
                                      images.prepare(painting, mean_pixel),
                                      list(options.content_layers), list(options.style_layers))
            names, function = compile_loss(net, *targets, options, start.shape)
            objective = lbfgs.Objective(function, start.shape)
            run.save_record(seconds_before_the_first_round=run.seconds())
            for x in paint(objective, start, options):
                pictures.append(picture_of(x))
                number = len(pictures) - 1
                run.save_picture(f'round_{number:02d}.png', pictures[-1],
                                 {**parameters, 'round': number})
        finally:
            if objective is not None and objective.best_x is not None:
                run.save_picture('result.png', picture_of(objective.best_x), parameters)
                save_losses(run, objective, names)
    save_figure(run, pictures)
    if not options.quiet:
        print(run.folder / 'result.png')


def parse(arguments):
    """Return the options; weights that are not given are those of the implementation."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('--content', metavar='PHOTO', help='the photo (default: a portrait by NASA)')
    add('--style', metavar='PAINTING', help="the painting (default: one by the project's own code)")
    parser.add_run_options()
    parser.add_network_options(pool='average_exc_pad')
    add('--size', type=command_line.pixels, default=256,
        help='pixels of the shorter side, of photo and painting')
    add('--crop', action='store_true', help='cut both to a square, as the notebook does')
    add('--init', metavar='noise|content|FILE', default='noise', help='where to start')
    add('--seed', type=command_line.seed, default=1, help='of the noise')
    add('--rounds', type=command_line.positive_integer, default=8, help='restarts of L-BFGS')
    add('--evals', type=command_line.positive_integer, default=40,
        help='evaluations of loss and gradient in each round')
    add('--content-weight', type=command_line.weight, help=defaults('content_weight'))
    add('--style-weight', type=command_line.weight, help=defaults('style_weight'))
    add('--tv-weight', type=command_line.weight, help=defaults('tv_weight'))
    add('--content-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --content-weight; ' + defaults('content_layers'))
    add('--style-layers', type=command_line.layer_weights, metavar='LAYERS',
        help='with factors of --style-weight; ' + defaults('style_layers'))
    add('--impl', choices=('archive', 'recipes'), default='archive',
        help='archive: weights that look alike at every size and width; recipes: constants and '
             'L-BFGS tolerances of the notebook, untouched')
    options = parser.parse_args(arguments)
    settings = settings_of(options.impl, options.model)._asdict()
    for name in ('content_layers', 'style_layers'):
        settings[name] = command_line.layer_weights(settings[name])
    settings.update(content=images.bundled_photo(), style=images.PAINTING)
    for name, value in settings.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def defaults(name):
    """Return the help text that says what an option's default depends on."""
    values = [getattr(settings, name) for settings in (EMBEDDED, ARCHIVE, NOTEBOOK)]
    values = [value if isinstance(value, str) else f'{value:g}' for value in values]
    return 'default: {} with vgg19_quarter, else {}; {} by --impl recipes'.format(*values)


def read_pictures(options):
    """Return photo and painting as RGB uint8 arrays of the size asked for.

    The photo has a mirrored margin, which is painted too and cut off at the end: at the border
    convolutions see zeros beyond it, and a strip of 4 to 8 pixels turns out too bright.
    """
    photo, painting = images.read(options.content), images.read(options.style)
    if options.crop:
        photo, painting = images.crop_square(photo), images.crop_square(painting)
    photo = images.resize(photo, options.size)
    return images.extend(photo, options.margin), images.resize(painting, options.size)


def load_network(options):
    """Return (net, mean_pixel) with the network cut off after the deepest layer in use.

    Raises:
        ArchiveError: a layer has no positions, so that there is nothing to paint from.
    """
    layers = [*options.content_layers, *options.style_layers]
    deepest = models.deepest_of(options.model, layers)
    net, _, mean_pixel = models.load(options.model, options.weights, options.pool, deepest)
    for name in layers:
        if len(net[name].output_shape) != 4:
            raise ArchiveError(f'{name} has no rows and columns; take convolutions or poolings')
    return net, mean_pixel


def starting_point(options, photo, mean_pixel):
    """Return the picture to start from, float32 (1, 3, rows, columns), BGR minus mean."""
    if options.init == 'content':
        return images.prepare(photo, mean_pixel)
    rows, columns = photo.shape[:2]
    if options.init == 'noise':
        random = np.random.RandomState(options.seed)
        return random.uniform(-128, 128, (1, 3, rows, columns)).astype('float32')
    margin = options.margin
    picture = images.resize_to(images.read(options.init), rows - 2 * margin, columns - 2 * margin)
    return images.prepare(images.extend(picture, margin), mean_pixel)


def describe(options, photo, painting, start):
    """Return every parameter that decides the pixels, for run.json and inside the pictures."""
    names = ('impl model pool size crop margin seed rounds evals content_weight style_weight '
             'tv_weight content_layers style_layers')
    return {**{name: getattr(options, name) for name in names.split()},
            'init': options.init if options.init in ('noise', 'content') else 'file',
            'weights_sha256': files.sha256(files.find(options.model, options.weights)),
            'photo_pixels': runs.pixel_hash(photo), 'painting_pixels': runs.pixel_hash(painting),
            'start_pixels': runs.pixel_hash(start)}


def compute_targets(net, photo, painting, content_layers, style_layers):
    """Return what the picture should match.

    Returns:
        (photo_features, painting_grams): dicts from layer to shared variables of shape
        (1, channels, rows, columns), and (1, channels, channels) per position.
    """
    image = T.tensor4('image')
    layers = [net[name] for name in content_layers + style_layers]
    outputs = lasagne.layers.get_output(layers, image)
    grams = [losses.gram_per_position(output) for output in outputs[len(content_layers):]]
    compute = theano.function([image], outputs[:len(content_layers)] + grams)
    features = dict(zip(content_layers, compute(photo)))
    grams = dict(zip(style_layers, compute(painting)[len(content_layers):]))
    return ({name: theano.shared(value) for name, value in features.items()},
            {name: theano.shared(value) for name, value in grams.items()})


def weights_of(options, net, shape):
    """Return the factor of each term of the loss, name to float, for a picture of this shape."""
    weights = {}
    for layer, factor in options.content_layers.items():
        elements = np.prod(lasagne.layers.get_output_shape(net[layer], shape))
        scale = REFERENCE_ACTIVATIONS / elements if options.adapted else 1
        weights[f'content {layer}'] = float(options.content_weight * factor * scale)
    for layer, factor in options.style_layers.items():
        weights[f'style {layer}'] = options.style_weight * factor
    scale = REFERENCE_PIXELS / (shape[2] * shape[3]) if options.adapted else 1
    weights['total variation'] = options.tv_weight * scale
    return weights


def compile_loss(net, photo_features, painting_grams, options, shape):
    """Compile loss and gradient of the picture into one function.

    Args:
        options: with weights, layers and `adapted`.
        shape: of the picture.

    Returns:
        (names, function): of the terms of the loss; float32 picture -> (terms, gradient).
    """
    image = T.tensor4('image')
    names = list(dict.fromkeys([*photo_features, *painting_grams]))
    features = dict(zip(names, lasagne.layers.get_output([net[name] for name in names], image)))

    weights = weights_of(options, net, shape)
    terms = {}
    for layer in options.content_layers:
        name = f'content {layer}'
        terms[name] = weights[name] * losses.content_loss(photo_features, features, layer)
    for layer in options.style_layers:
        name, gram = f'style {layer}', losses.gram_per_position(features[layer])
        terms[name] = weights[name] * losses.gram_distance(painting_grams[layer], gram)
    name = 'total variation'
    terms[name] = weights[name] * losses.total_variation_loss(image)

    terms = {name: term.astype('float32') for name, term in terms.items()}
    gradient = T.grad(sum(terms.values()), image)
    return list(terms), theano.function([image], [T.stack(list(terms.values())), gradient])


def paint(objective, start, options):
    """Yield the start and what each round of L-BFGS makes of it, flat arrays; show progress."""
    yield start
    with tqdm(total=options.rounds * options.evals, disable=options.quiet, unit='eval') as bar:

        def show(loss):
            bar.set_postfix_str(f'loss {loss:.4g}', refresh=False)
            bar.update()

        objective.on_evaluation = show
        bar.set_description(f'round 1/{options.rounds}')
        rounds = lbfgs.minimise(objective, start, options.rounds, options.evals, options.factr,
                                options.pgtol)
        for number, (x, early) in enumerate(rounds, start=1):
            if early:
                bar.write(f'round {number} {early}', file=sys.stderr)
            bar.set_description(f'round {min(number + 1, options.rounds)}/{options.rounds}')
            bar.total = bar.n + (options.rounds - number) * options.evals  # a round may overrun
            yield x


def save_figure(run, pictures):
    """Save the rounds in a grid, 3x3 like the notebook's; of more than 9 some are left out."""
    shown = np.unique(np.linspace(0, len(pictures) - 1, 9).round().astype(int))
    figures.save_grid(run.folder / 'figure.png', [pictures[number] for number in shown],
                      [f'round {number}' if number else 'start' for number in shown])


def save_losses(run, objective, names):
    """Save the weighted terms of the loss, of each evaluation and of the best."""
    history = np.array(objective.history)
    run.save_table('losses.csv', ['evaluation', 'total', *names],
                   [[number, repr(terms.sum()), *map(repr, terms)]
                    for number, terms in enumerate(history, start=1)])
    best = history[np.nanargmin(history.sum(axis=1))]
    run.save_record(evaluations=len(history), loss=objective.best_loss,
                    losses=dict(zip(names, best.tolist())))


if __name__ == '__main__':
    command_line.run(main)
