"""Show which pixels of a photo a network looks at.

    python recipes/saliency.py photo.jpg

Simonyan, Vedaldi & Zisserman 2014, "Deep Inside Convolutional Networks": the gradient of a class's
score with respect to the picture. By guided backprop (Springenberg et al. 2015) and the deconvnet
(Zeiler & Fergus 2014) too: they differ only in how a signal passes a rectifier on its way back.
After Lasagne/Recipes, examples/Saliency Maps and Guided Backpropagation.ipynb.
Without arguments it takes the bundled photo and the embedded network.
"""

from collections import namedtuple

import models
from models import graphs
from models.errors import ArchiveError, one_line

import lasagne
import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from recipes.common import (
    class_names,
    command_line,
    extents,
    figures,
    functions,
    maps,
    networks,
    photos,
    projections,
    quantities,
    runs,
)

EMBEDDED_SIZE = 80             # of 60 photos it names 19 rightly, at 96 pixels 16
CROP = 7 / 8                   # of the picture's sides: 224 of 256, as networks of 2014 were tested
TITLES = {'gradient': 'gradient', 'guided': 'guided backprop', 'deconvnet': 'deconvnet'}

# What is looked for: a unit, (channel, place or None), of a layer; or a class of the network's
# scores, by its index, and None for each photo's own.
Target = namedtuple('Target', 'layer unit wanted')

# How a map is averaged: over crops, 1 or 10; over so many copies with noise, relative to a photo's
# range, from that seed.
Averaging = namedtuple('Averaging', 'crops smooth noise seed', defaults=(1, 1, 0.15, 1))


def compile_saliency_function(net):
    """Compile the article's function: each picture's gradient of its largest score.

    The recipe runs it where neither a class nor a unit is asked for and nothing is averaged; else
    it goes back from a seed (`recipes.common.projections`), which is the same for this case.

    Args:
        net: dict of layers, or a last layer, that ends in a softmax or in scores; the score is
            taken before the softmax. Inside `modifiedbackprop.applied` the gradient follows that
            rule.

    Returns:
        `functions.Function`: images of the input's axes, such as (batch, 3, rows, columns), BGR
        minus mean -> (saliency of the images' shape, max_class (batch,)).
    """
    layer = models.scores(net)
    source = graphs.input_layer(net, [layer])
    image = source.input_var
    scores = lasagne.layers.get_output(layer, image, deterministic=True)
    max_score = T.max(scores, axis=1)
    max_class = T.argmax(scores, axis=1)
    saliency = theano.grad(max_score.sum(), wrt=image)
    return functions.compiled({image: source}, [saliency, max_class])


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    net, classes, mean_pixel, layer = networks.load_to_output(
        options.layer, options.model, options.weights, options.pool, 'look for a unit of a layer, '
        f'such as --layer {models.facts_of(options.model).deconvnet} --unit 0')
    options.size = picture_size(net, options.model, options.size, options.crops)
    side = round(options.size * (CROP if options.crops > 1 else 1))  # of what it looks at
    extents.require_positions(net, [layer], (1, 3, side, side), 'photos')
    pictures = photos.Photos(photos.find(options.photos), net, options.size,
                             max(1, options.batch // options.crops))
    if options.unit:
        projections.known_channel(net, layer, options.unit[0])
    wanted = None if options.wanted is None else class_names.find_class(
        classes, options.wanted, models.scores(net).output_shape[1], options.model,
        options.weights)
    target = Target(options.layer, options.unit, wanted)
    averaging = Averaging(options.crops, options.smooth, options.noise, options.seed)
    parameters = command_line.described(
        options, 'methods wanted layer unit size crops smooth noise seed white batch', net)
    run = runs.Run('saliency', options.out, options.force)
    run.save_record(parameters=parameters, photos=[str(path) for path in pictures.paths])

    found = []
    with run.recorded(), tqdm(total=len(pictures.paths), disable=options.quiet,
                              unit='photo') as bar:
        for path, rgb, gradients, seen in compute_maps(net, pictures, mean_pixel, options.methods,
                                                       target, averaging, classes):
            save(run, pictures.names[path], rgb, gradients, seen, parameters, options.white,
                 options.overlay, options.mask)
            found.append({'photo': pictures.names[path], **seen})
            run.save_record(seen=found)
            bar.update()
            if not options.quiet:
                tqdm.write(one_line(f'{path.name}: {sentence_of(seen)}'))
        run.save_record(problems=pictures.problems)
    if found and not options.quiet:
        print(run.folder)
    pictures.finish()


def compute_maps(net, pictures, mean_pixel, methods, target, averaging, classes=None):
    """Compute the maps of photos, batch by batch.

    Args:
        net: ordered dict of layers.
        pictures: `photos.Photos`; its problems get what has no map.
        mean_pixel: (3,), BGR.
        methods: of `projections.METHODS`.
        target: `Target`.
        averaging: `Averaging`.
        classes: their names, or None.

    Yields:
        (path, RGB photo, {method: gradient (3, rows, columns)}, what was seen, a dict) of each
        photo.
    """
    names = None if target.layer is None else [target.layer]
    look = projections.compile_activations(net, names)
    project = {method: compile_way_back(net, method, target, averaging) for method in methods}
    random = np.random.RandomState(averaging.seed)
    for batch in pictures.batches():
        x = photos.stack([rgb for _, rgb in batch], mean_pixel)
        parts, places = cut(x, averaging.crops)
        (activations,) = look(parts)
        try:
            seed, seen = choose(activations, target, classes, len(batch))
        except ArchiveError as problem:  # photos of another shape may have the unit
            pictures.problems += [f'{path}: {problem}' for path, _ in batch]
            continue
        saliency = {method: average(project[method], parts, places, seed, x.shape, averaging,
                                    random) for method in methods}
        for index, (path, rgb) in enumerate(batch):
            if seen[index].get('activation') == 0:
                pictures.problems.append(f'{path}: {title_of(seen[index])} is zero in it, so '
                                         'nothing leads back; '
                                         f'{other_unit(activations, target.unit[0])}')
                continue
            yield (path, rgb, {method: value[index] for method, value in saliency.items()},
                   seen[index])


def compile_way_back(net, method, target, averaging):
    """Compile one method's function: (images, seed) -> gradients of the images' shape.

    For the article's case it is `compile_saliency_function`, which needs no seed.
    """
    if target == Target(None, None, None) and averaging.crops == averaging.smooth == 1:
        with projections.applied(net, method):
            articles = compile_saliency_function(net)
        return lambda images, seed: articles(images)[0]
    names = None if target.layer is None else [target.layer]
    return projections.compile_projection(net, names, method)


def other_unit(activations, channel):
    """Say which unit of a channel to take instead, for one photo."""
    if len(activations) > 1 or activations.ndim < 4 or not activations[0, channel].any():
        return 'take another channel'
    row, column = np.unravel_index(activations[0, channel].argmax(), activations.shape[2:])
    return f'the strongest of its channel is --unit {channel},{row},{column}'


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    parser.add_photo_options(EMBEDDED_SIZE)
    parser.add_run_options()
    parser.add_network_options()
    add('--method', choices=(*projections.METHODS, 'all'), default='all',
        help='way back to the pixels; one alone has the figure of the notebook, with what raises '
             'and what lowers the score')
    add('--class', dest='wanted', metavar='NAME|NUMBER',
        help='class to look for (default: what the network sees in each photo)')
    add('--layer', help='look for a unit of this layer instead (default: look for a class)')
    add('--unit', type=command_line.unit, metavar='CHANNEL[,ROW,COLUMN]',
        help="the unit of --layer, or a channel's strongest (default: look for a class)")
    add('--crops', type=int, choices=(1, 10), default=1,
        help='average over the four corners, the middle and their mirror images, as the paper')
    add('--smooth', type=command_line.positive_integer, default=1, metavar='N',
        help='SmoothGrad: average over N noisy copies')
    add('--noise', type=command_line.factor, default=0.15,
        help="SmoothGrad: deviation of the noise, relative to each photo's range")
    add('--seed', type=command_line.seed, default=1, help='of the noise')
    add('--overlay', action='store_true', help='save the map on the photo too')
    add('--mask', action='store_true', help='save the object cut out by the map too')
    add('--white', type=command_line.percentage, default=maps.PERCENTILE, metavar='PERCENTILE',
        help="of a map's pixels that is drawn white; the notebook's is 100")
    add('--batch', type=command_line.positive_integer, default=16, help='pictures at once')
    options = parser.parse_args(arguments)
    options.methods = list(TITLES) if options.method == 'all' else [options.method]
    if (options.layer is None) != (options.unit is None):
        parser.error('--layer and --unit go together')
    if options.layer and (options.wanted or options.crops > 1):
        parser.error('--class and --crops look for a class, not for a unit of --layer')
    return options


def picture_size(net, model, wanted, crops):
    """Choose the shorter side of the pictures; crops of a network's fixed size need a margin."""
    fixed = graphs.input_layer(net).shape[2]
    if fixed is not None and crops > 1 and wanted is None:
        return round(fixed / CROP)
    return photos.size_for(net, model, wanted, EMBEDDED_SIZE)


def cut(x, crops):
    """Cut out what to look at.

    Args:
        x: pictures (batch, 3, rows, columns).
        crops: 1, the whole picture, or 10: corners and middle, and these mirrored.

    Returns:
        (parts, places): (crops * batch, 3, rows, columns), crop by crop; one (rows slice, columns
        slice, mirrored) for each crop.
    """
    rows, columns = x.shape[2:]
    if crops == 1:
        places = [(slice(0, rows), slice(0, columns), False)]
    else:
        side_rows, side_columns = round(CROP * rows), round(CROP * columns)
        bottom, right = rows - side_rows, columns - side_columns
        corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
        places = [(slice(top, top + side_rows), slice(left, left + side_columns), mirrored)
                  for mirrored in (False, True) for top, left in corners]
    parts = [mirror(x[:, :, rows, columns], mirrored) for rows, columns, mirrored in places]
    return np.ascontiguousarray(np.concatenate(parts)), places


def put_back(parts, places, shape):
    """Average maps of crops, each un-flipped and at its place: the inverse of `cut`.

    Args:
        parts: (crops * batch, 3, rows, columns).
        places: as `cut` gives them.
        shape: of the pictures, (batch, 3, rows, columns).

    Returns:
        Array of that shape; each pixel is the mean over the crops that contain it.
    """
    total, count = np.zeros(shape, parts.dtype), np.zeros(shape[2:], parts.dtype)
    for part, (rows, columns, mirrored) in zip(np.split(parts, len(places)), places):
        total[:, :, rows, columns] += mirror(part, mirrored)
        count[rows, columns] += 1
    return total / count


def mirror(x, mirrored):
    """Mirror pictures (..., columns) from right to left, or leave them as they are."""
    return x[..., ::-1] if mirrored else x


def choose(activations, target, classes, pictures):
    """Choose what to go back from, and name it.

    Args:
        activations: of the layer in all parts: (crops * pictures, classes), or of a unit's layer.
        target: `Target`.
        classes: their names, or None.
        pictures: how many there are.

    Returns:
        (seed, seen): an array of the activations' shape; for each picture a dict for the table.
    """
    if target.layer is not None:
        channel, place = target.unit
        seed = projections.unit_target(activations, target.layer, channel, place)
        units = projections.unit_indices(activations, target.layer, channel, place)
        return seed, [{'layer': target.layer, 'unit': ' '.join(map(str, unit)),
                       'activation': float(activations[(index, *unit)])}
                      for index, unit in enumerate(units)]
    scores = activations.reshape(-1, pictures, activations.shape[1]).mean(axis=0)
    found = (scores.argmax(axis=1) if target.wanted is None
             else np.full(pictures, target.wanted))
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    seed = projections.class_target(activations, np.tile(found, len(activations) // pictures))
    return seed, [{'class': int(index), 'name': class_names.class_name(classes, index),
                   'score': float(scores[number, index]),
                   'probability': float(shares[number, index]),
                   'guesses': class_names.guesses(classes, shares[number])}
                  for number, index in enumerate(found)]


def average(project, parts, places, seed, shape, averaging, random):
    """Compute the map of each picture, averaged over noisy copies (SmoothGrad) and crops.

    Smilkov et al. 2017, "SmoothGrad", equation 1; the noise is relative to each picture's range.

    Args:
        project: (images, seed) -> gradients.
        parts, places: as `cut` gives them.
        seed: as `choose` gives it.
        shape: of the pictures, (batch, 3, rows, columns).
        averaging: `Averaging`.
        random: generator of the noise.

    Returns:
        Array of that shape.
    """
    if averaging.smooth == 1:
        return put_back(project(parts, seed), places, shape)
    low, high = parts.min(axis=(1, 2, 3)), parts.max(axis=(1, 2, 3))
    deviation = (averaging.noise * (high - low)).reshape(-1, 1, 1, 1)
    total = 0
    for _ in range(averaging.smooth):
        noise = (deviation * random.normal(size=parts.shape)).astype(parts.dtype)
        total = total + project(parts + noise, seed)
    return put_back(total / averaging.smooth, places, shape)


def title_of(seen):
    """Say what the map belongs to, and where the network does not know what it sees."""
    if 'layer' in seen:
        return f"{seen['layer']}, unit {seen['unit']} ({quantities.short(seen['activation'])})"
    guessed = seen['guesses']
    if class_names.unsure(guessed) and seen['class'] == guessed[0].index:
        return class_names.in_words(guessed)
    title = f"{seen['name']} ({quantities.probability(seen['probability'])})"
    return f'{title}\n{class_names.in_words(guessed)}' if class_names.unsure(guessed) else title


def sentence_of(seen):
    """Say what the map belongs to and what the network sees."""
    if 'layer' in seen:
        return title_of(seen)
    if seen['class'] == seen['guesses'][0].index:
        return class_names.in_words(seen['guesses'])
    return (f"{seen['name']} {quantities.probability(seen['probability'])}; it sees "
            f"{class_names.in_words(seen['guesses'])}")


def save(run, name, rgb, gradients, seen, parameters, white, overlay, mask):
    """Save the arrays, the pictures and the figure of one photo.

    Several methods stand beside the photo in one row; a single one has the notebook's four panels.

    Args:
        run: its folder.
        name: of the photo.
        rgb: the photo.
        gradients: {method: (3, rows, columns)}.
        seen: what is looked for, a dict.
        parameters: that decide the pixels.
        white: percentile of a map's pixels that is drawn white.
        overlay, mask: whether the map is saved on the photo too, and the object cut out by it.
    """
    told = {key: value for key, value in seen.items() if key != 'guesses'}  # run.json has these
    run.save_arrays(f'{name}.npz', {'photo': rgb, **gradients, **told})
    pictures, titles = [rgb], [title_of(seen)]
    for method, gradient in gradients.items():
        magnitude, positive, negative = maps.panels(gradient, white)
        drawn = {'': magnitude}
        if overlay:
            drawn['_overlay'] = maps.overlay(rgb, gradient, white)
        if mask:
            drawn['_mask'] = maps.masked(rgb, maps.object_mask(rgb, gradient))
        for kind, picture in drawn.items():
            run.save_picture(f'{name}_{method}{kind}.png', figures.at_least(picture), parameters)
        pictures.append(magnitude)
        titles.append(TITLES[method])
        if len(gradients) == 1:
            pictures += [positive, negative]
            titles += ['raises the score', 'lowers the score']
    with run.writing(f'{name}_figure.png') as path:
        figures.save_grid(path, pictures, titles, columns=len(pictures), width=4 * len(pictures),
                          interpolation='nearest')


if __name__ == '__main__':
    command_line.run(main)
