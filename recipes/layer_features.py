"""Tour a network layer by layer: what its strongest channels see in a photo.

    python recipes/layer_features.py photo.jpg --channels 8

The article, "deeper": in each layer the channels are sorted by the sum of their activations. Of the
strongest, one picture shows what the single largest element sees, cut to its receptive field, and
one what the whole map sees: gradients of that element and of the map's sum, by guided backprop
(Springenberg et al. 2015). One page a layer, and index.html to browse; with several photos, a small
database of activations.
Without arguments it takes the bundled photo and the embedded network.
"""

from collections import namedtuple
from urllib.parse import quote

import models
import numpy as np
from lasagne.layers import Conv2DLayer
from tqdm import tqdm

from recipes.common import (command_line, extents, figures, images, maps, names, photos,
                            projections, receptive_fields, runs)

EMBEDDED_SIZE = 128
STYLE = """body { font-family: sans-serif; margin: 2em; } nav a { margin-right: 0.6em; }
img { max-width: 100%; } figure { margin: 0 0 2em; } figcaption { color: #555; }"""

# What a channel sees: its number, the sum and the largest of its activations, the (row, column) of
# the largest, and the gradients (3, rows, columns) of the largest and of the sum.
Feature = namedtuple('Feature', 'channel sum largest place element whole')


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    net, layers, mean_pixel = load_network(options.model, options.weights, options.pool,
                                           options.layers)
    options.size = photos.size_for(net, options.model, options.size, EMBEDDED_SIZE)
    extents.require_positions(net, layers, (1, 3, options.size, options.size), 'photos')
    pictures = photos.Photos(photos.find(options.photos), net, options.size, batch=1)
    parameters = describe(options, layers)
    run = runs.Run('layer_features', options.out, options.force)
    run.save_record(parameters=parameters, photos=[str(path) for path in pictures.paths])

    pages = []
    bar = tqdm(total=len(pictures.paths) * len(layers), unit='layer', disable=options.quiet)
    with run.recorded(), bar:
        look = projections.compile_activations(net, layers)
        project = projections.compile_projection(net, layers, options.method)
        try:
            for ((path, rgb),) in pictures.batches():
                image = images.prepare(rgb, mean_pixel)
                activations = look(image)
                for index, layer in enumerate(layers):
                    features = tour(index, layer, activations, project, image, options.channels,
                                    options.batch)
                    pages.append(save_page(run, pictures.names[path], net[layer], rgb, features))
                    bar.update()
        finally:
            save_index(run, pages, options.model, options.method)
            run.save_record(problems=pictures.problems)
    if not options.quiet:
        print(run.folder / 'index.html')
    pictures.finish()


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    parser.add_photo_options(EMBEDDED_SIZE)
    parser.add_run_options()
    parser.add_network_options()
    add('--layers', type=layer_names, metavar='LAYER,...',
        help='layers to visit (default: every convolution)')
    add('--channels', type=command_line.positive_integer, default=8, help='of each layer')
    add('--method', choices=projections.METHODS, default='guided')
    add('--batch', type=command_line.positive_integer, default=16, help='gradients at once')
    return parser.parse_args(arguments)


def layer_names(text):
    """The names in 'conv1_1,conv2_1', each once, for argparse."""
    return list(dict.fromkeys(name.strip() for name in text.split(',')))


def describe(options, layers):
    """Every parameter that decides the pixels, for run.json."""
    return {**command_line.described(options, 'channels method size'), 'layers': layers}


def load_network(model, weights=None, pool='max', layers=None):
    """Load a network, cut off after the deepest layer to visit.

    Args:
        model, weights, pool: as for `models.load`.
        layers: names of the layers to visit; None takes every convolution.

    Returns:
        (net, layers, mean_pixel).

    Raises:
        ArchiveError: the network lacks a layer, or one has no rows and columns.
    """
    if layers is None:
        narrow = models.build(model, width=1 / 64)  # for the names of its layers only
        layers = [name for name, layer in narrow.items() if isinstance(layer, Conv2DLayer)]
    net, _, mean_pixel = models.load(model, weights, pool, models.deepest_of(model, layers))
    projections.require_maps(net, layers, model)
    return net, layers, mean_pixel


def tour(index, layer, activations, project, image, channels=8, batch=16):
    """Find the features of a layer's strongest channels, those with the largest sums.

    Args:
        index: of the layer among all that `project` takes seeds for.
        layer: its name.
        activations: of all these layers, each (1, channels, rows, columns).
        project: (images, one seed a layer) -> gradients.
        image: (1, 3, rows, columns), BGR minus mean.
        channels: how many.
        batch: gradients at once.

    Returns:
        List of Feature; fewer than asked for where the others are zero everywhere.
    """
    activation = activations[index]
    projections.no_empty_map(activation, layer)
    sums = activation[0].sum(axis=(1, 2))
    order = np.argsort(-sums, kind='stable')[:channels]
    channels = [int(channel) for channel in order if sums[channel] > 0]
    places = [projections.unit_indices(activation, layer, channel)[0][1:] for channel in channels]
    seeds = np.zeros((2 * len(channels), *activation.shape[1:]), activation.dtype)
    for number, (channel, place) in enumerate(zip(channels, places)):
        seeds[(2 * number, channel, *place)] = 1
        seeds[2 * number + 1, channel] = 1
    gradients = []
    for chunk in np.split(seeds, range(batch, len(seeds), batch)):
        others = [np.zeros((len(chunk), *other.shape[1:]), other.dtype) for other in activations]
        others[index] = chunk
        gradients += list(project(np.repeat(image, len(chunk), axis=0), *others))
    return [Feature(channel, float(sums[channel]), float(activation[(0, channel, *place)]), place,
                    gradients[2 * number], gradients[2 * number + 1])
            for number, (channel, place) in enumerate(zip(channels, places))]


def save_page(run, photo, layer, rgb, features):
    """Save the sheet and the arrays of one layer on one photo.

    Returns:
        (photo, layer's name, path of the sheet in the run's folder, features' captions).
    """
    name = f'{photo}/{names.file_name(layer.name)}'
    fields = receptive_fields.receptive_field(layer)
    pictures, titles, captions = [], [], []
    for feature in features:
        patch = receptive_fields.patch_of(fields, feature.place, rgb)
        element = receptive_fields.gradient_patch_of(fields, feature.place, feature.element)
        pictures += [patch, maps.signed(element), maps.signed(feature.whole)]
        titles += [f'channel {feature.channel}',
                   f'largest {feature.largest:.3g} at {feature.place[0]},{feature.place[1]}',
                   f'all, sum {feature.sum:.4g}']
        captions.append(f'{feature.channel} (sum {feature.sum:.4g}, largest {feature.largest:.3g} '
                        f'at row {feature.place[0]}, column {feature.place[1]})')
    if features:
        with run.writing(f'{name}.png') as path:
            figures.save_grid(path, pictures, titles, columns=6, width=12)
        run.save_arrays(f'{name}.npz', {
            field: np.array([getattr(feature, field) for feature in features])
            for field in Feature._fields})
    seen = ' x '.join(str(field.size) for field in fields)
    if any(field.size > length for field, length in zip(fields, rgb.shape)):
        seen += ', cropped to the photo'
    return photo, layer.name, name if features else None, seen, captions


def save_index(run, pages, model, method):
    """Save index.html: every layer, and every photo in it."""
    layers = list(dict.fromkeys(page[1] for page in pages))
    links = ' '.join(f'<a href="#{names.in_page(layer)}">{names.in_page(layer)}</a>'
                     for layer in layers)
    model = names.in_page(model)
    parts = ['<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
             f'<title>Layers of {model}</title><style>{STYLE}</style></head>',
             f'<body><h1>Layers of {model}</h1>',
             '<p>For each layer the channels with the largest sums of activations. From the left: '
             'what the unit with the largest activation sees of the photo; which pixels excite '
             f'it, and which excite the whole map ({method}).</p>',
             f'<nav>{links}</nav>']
    for layer in layers:
        parts.append(f'<h2 id="{names.in_page(layer)}">{names.in_page(layer)}</h2>')
        for photo, _, sheet, seen, captions in (page for page in pages if page[1] == layer):
            picture = ('<p>Every channel is zero on this photo.</p>' if sheet is None else
                       f'<img loading="lazy" src="{quote(sheet)}.png" '
                       f'alt="{names.in_page(layer)} on {names.in_page(photo)}">')
            parts.append(f'<figure>{picture}<figcaption>{names.in_page(photo)}; receptive field '
                         f'{seen}. Channels: {"; ".join(captions)}</figcaption></figure>')
    with run.writing('index.html') as path:
        path.write_text('\n'.join([*parts, '</body></html>\n']), encoding='utf-8')


if __name__ == '__main__':
    command_line.run(main)
