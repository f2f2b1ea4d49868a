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

from models.weights import files
from recipes.common import command_line, figures, images, lbfgs, losses, runs

Settings = namedtuple('Settings', 'content_weight style_weight tv_weight scaled factr pgtol')

IMPLEMENTATIONS = {
    # Weights for conv4_2 of a full VGG-19 at 600x600. L-BFGS goes on to the last evaluation.
    'archive': Settings(content_weight=5e-3, style_weight=2e5, tv_weight=1e-9, scaled=True,
                        factr=0.0, pgtol=0.0),
    # As in the notebook; the tolerances are scipy's defaults.
    'recipes': Settings(content_weight=1e-3, style_weight=2e5, tv_weight=1e-8, scaled=False,
                        factr=1e7, pgtol=1e-5),
}

# The content loss is a sum over channels and positions and the total variation one over pixels.
# Scaled, both are as large as they would be in the notebook's network and size, while the style
# loss, a mean over channels and positions, needs no scaling.
REFERENCE_ACTIVATIONS = 512 * 75 * 75  # conv4_2 of the full VGG-19 at 600x600
REFERENCE_PIXELS = 600 * 600


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    photo, painting = read_pictures(options)
    content_layers, style_layers = options.content_layers, options.style_layers
    deepest = models.deepest_of(options.model, [*content_layers, *style_layers])
    net, _, mean_pixel = models.load(options.model, options.weights, options.pool, deepest)
    start = starting_point(options, photo, mean_pixel)

    run = runs.Run('styletransfer', options.out, options.force)
    parameters = describe(options, photo, painting, start)
    run.save_record(parameters=parameters, content=str(options.content), style=str(options.style))

    photo_features, painting_grams = compute_targets(
        net, images.prepare(photo, mean_pixel), images.prepare(painting, mean_pixel),
        list(content_layers), list(style_layers))
    names, function = compile_loss(net, photo_features, painting_grams, options, start.shape)
    objective = lbfgs.Objective(function, start.shape)

    status, pictures = 'failed', []
    try:
        for x in paint(objective, start, options):
            pictures.append(images.deprocess(x.reshape(start.shape), mean_pixel))
            run.save_picture(f'round_{len(pictures) - 1:02d}.png', pictures[-1],
                             {**parameters, 'round': len(pictures) - 1})
        status = 'finished'
    except KeyboardInterrupt:
        status = 'interrupted'
        raise
    finally:
        if objective.best_x is not None:
            save_results(run, objective, pictures, mean_pixel, parameters, names)
        run.save_record(status=status)
    if not options.quiet:
        print(run.folder / 'result.png')


def parse(arguments):
    """Return the options; weights that are not given are those of the implementation."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('--content', metavar='PHOTO', default=images.bundled_photo(), help='the photo')
    add('--style', metavar='PAINTING', default=images.PAINTING, help='the painting')
    add('--out', metavar='FOLDER', help='folder of the run (default: a new runs/styletransfer-NNN)')
    add('--force', action='store_true', help='write into a folder that exists')
    add('--size', type=command_line.positive_integer, default=256,
        help='pixels of the shorter side, of photo and painting')
    add('--crop', action='store_true', help='cut both to a square, as the notebook does')
    add('--model', default='vgg19_quarter', help=f'one of {", ".join(models.NETWORKS)}')
    add('--weights', metavar='FILE', help='weights of the model, .npz')
    add('--pool', default='average_exc_pad', help='max, average_exc_pad or average_inc_pad')
    add('--init', metavar='noise|content|FILE', default='noise', help='where to start')
    add('--seed', type=command_line.seed, default=1, help='of the noise')
    add('--rounds', type=command_line.positive_integer, default=8, help='restarts of L-BFGS')
    add('--evals', type=command_line.positive_integer, default=40,
        help='evaluations of loss and gradient in each round')
    add('--content-weight', type=command_line.weight, help='default: 0.005; recipes: 0.001')
    add('--style-weight', type=command_line.weight, help='default: 2e5; recipes: 2e5')
    add('--tv-weight', type=command_line.weight, help='default: 1e-9; recipes: 1e-8')
    add('--content-layers', type=command_line.layer_weights, metavar='LAYERS', default='conv4_2',
        help='layers like conv4_2, or conv3_2=0.5,conv4_2: factors of --content-weight')
    add('--style-layers', type=command_line.layer_weights, metavar='LAYERS',
        default='conv1_1,conv2_1,conv3_1,conv4_1,conv5_1',
        help='the same for the style, factors of --style-weight')
    add('--impl', choices=IMPLEMENTATIONS, default='archive',
        help='archive: weights that look alike at every size and width; recipes: constants and '
             'L-BFGS tolerances of the notebook, untouched')
    add('--quiet', action='store_true', help='print errors only')
    options = parser.parse_args(arguments)
    settings = IMPLEMENTATIONS[options.impl]
    for name in ('content_weight', 'style_weight', 'tv_weight'):
        if getattr(options, name) is None:
            setattr(options, name, getattr(settings, name))
    if options.size < images.SMALLEST:
        parser.error(f'argument --size: {options.size} is below {images.SMALLEST} pixels')
    return options


def read_pictures(options):
    """Return photo and painting as RGB uint8 arrays of the size asked for."""
    pictures = [images.read(path) for path in (options.content, options.style)]
    if options.crop:
        pictures = [images.crop_square(picture) for picture in pictures]
    return [images.resize(picture, options.size) for picture in pictures]


def starting_point(options, photo, mean_pixel):
    """Return the picture to start from, float32 (1, 3, rows, columns), BGR minus mean."""
    rows, columns = photo.shape[:2]
    if options.init == 'noise':
        random = np.random.RandomState(options.seed)
        return random.uniform(-128, 128, (1, 3, rows, columns)).astype('float32')
    if options.init == 'content':
        return images.prepare(photo, mean_pixel)
    return images.prepare(images.resize_to(images.read(options.init), rows, columns), mean_pixel)


def describe(options, photo, painting, start):
    """Return every parameter that decides the pixels, for run.json and inside the pictures."""
    names = ('impl model pool size crop seed rounds evals content_weight style_weight tv_weight '
             'content_layers style_layers')
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


def compile_loss(net, photo_features, painting_grams, options, shape):
    """Compile loss and gradient of the picture into one function.

    Args:
        options: with content_weight, style_weight, tv_weight, content_layers, style_layers, impl.
        shape: of the picture.

    Returns:
        (names, function): of the terms of the loss; float32 picture -> (terms, gradient).
    """
    scaled = IMPLEMENTATIONS[options.impl].scaled
    image = T.tensor4('image')
    names = list(dict.fromkeys([*photo_features, *painting_grams]))
    features = dict(zip(names, lasagne.layers.get_output([net[name] for name in names], image)))

    terms = {}
    for layer, factor in options.content_layers.items():
        elements = photo_features[layer].get_value(borrow=True).size
        scale = REFERENCE_ACTIVATIONS / elements if scaled else 1
        terms[f'content {layer}'] = (options.content_weight * factor * scale
                                     * losses.content_loss(photo_features, features, layer))
    for layer, factor in options.style_layers.items():
        gram = losses.gram_per_position(features[layer])
        terms[f'style {layer}'] = (options.style_weight * factor
                                   * losses.gram_distance(painting_grams[layer], gram))
    scale = REFERENCE_PIXELS / (shape[2] * shape[3]) if scaled else 1
    terms['total variation'] = (options.tv_weight * scale * losses.total_variation_loss(image))

    terms = {name: term.astype('float32') for name, term in terms.items()}
    gradient = T.grad(sum(terms.values()), image)
    return list(terms), theano.function([image], [T.stack(list(terms.values())), gradient])


def paint(objective, start, options):
    """Yield the start and what each round of L-BFGS makes of it, flat arrays; show progress."""
    settings = IMPLEMENTATIONS[options.impl]
    yield start
    with tqdm(total=options.rounds * options.evals, disable=options.quiet, unit='eval') as bar:

        def show(loss):
            bar.set_postfix_str(f'loss {loss:.4g}', refresh=False)
            bar.update()

        objective.on_evaluation = show
        bar.set_description(f'round 1/{options.rounds}')
        rounds = lbfgs.minimise(objective, start, options.rounds, options.evals, settings.factr,
                                settings.pgtol)
        for number, (x, early) in enumerate(rounds, start=1):
            if early:
                bar.write(f'round {number} {early}', file=sys.stderr)
            bar.set_description(f'round {min(number + 1, options.rounds)}/{options.rounds}')
            yield x


def save_results(run, objective, pictures, mean_pixel, parameters, names):
    """Save the best picture, the progress of the rounds and the losses of each evaluation."""
    best = images.deprocess(objective.best_x.reshape(objective.shape), mean_pixel)
    run.save_picture('result.png', best, parameters)
    shown = np.unique(np.linspace(0, len(pictures) - 1, 9).round().astype(int))
    figures.save_grid(run.folder / 'figure.png', [pictures[number] for number in shown],
                      [f'round {number}' if number else 'start' for number in shown])
    history = np.array(objective.history)
    run.save_table('losses.csv', ['evaluation', 'total', *names],
                   [[number, repr(terms.sum()), *map(repr, terms)]
                    for number, terms in enumerate(history, start=1)])
    last = history[np.argmin(history.sum(axis=1))]
    run.save_record(evaluations=len(history), loss=objective.best_loss,
                    losses=dict(zip(names, last.tolist())))


if __name__ == '__main__':
    command_line.run(main)
