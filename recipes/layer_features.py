"""Tour a network layer by layer: what its strongest channels see in a photo.

    python recipes/layer_features.py photo.jpg --channels 8

The article, "deeper": in each layer the channels are sorted by the sum of their activations. Of the
strongest, one picture shows what the single largest element sees, cut to its receptive field, and
one what the whole map sees: gradients of that element and of the map's sum, by guided backprop
(Springenberg et al. 2015). One sheet a layer, and index.html to browse; with several photos, a
small database of activations.
Without arguments it takes the bundled photo and the embedded network.
"""

from collections import namedtuple
from urllib.parse import quote

import models  # noqa: F401  prepares Theano before Lasagne imports it

import numpy as np
from tqdm import tqdm

from recipes.common import (
    command_line,
    extents,
    figures,
    images,
    maps,
    names,
    networks,
    photos,
    projections,
    quantities,
    receptive_fields,
    runs,
)

EMBEDDED_SIZE = 128
TILE = 192  # pixels of a patch, at least
WORDS = {'gradient': 'by the gradient', 'guided': 'by guided backprop',
         'deconvnet': 'by a deconvnet'}
PAGE = images.ASSETS / 'layer_features.html'
CAPTION = ('Of each channel: the part of the photo that its strongest unit sees; what excites this '
           'unit, whose activation is the largest; what excites the whole map, whose activations '
           f'add up to the sum. The largest sum is first. {maps.GREY_IS_ZERO}')

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
    parameters = describe(options, layers, net)
    run = runs.Run('layer_features', options.out, options.force)
    run.save_record(parameters=parameters, photos=[str(path) for path in pictures.paths])

    pages = {layer: [] for layer in layers}
    bar = tqdm(total=len(pictures.paths) * len(layers), unit='layer', disable=options.quiet)
    with run.recorded(), bar:
        look = projections.compile_activations(net, layers)
        project = projections.compile_projection(net, layers, options.method)
        try:
            for ((path, rgb),) in pictures.batches():
                image = images.prepare(rgb, mean_pixel)
                activations = look(image)
                name = pictures.names[path]
                run.save_picture(f'{name}/photo.png', figures.at_least(rgb), parameters)
                for index, layer in enumerate(layers):
                    features = tour(index, layer, activations, project, image, options.channels,
                                    options.batch)
                    pages[layer].append(save_layer(
                        run, name, net[layer], rgb, features, parameters,
                        heading_of(options.model, layer, options.method)))
                    bar.update()
        finally:
            save_page(run, options.model, options.method, [
                {'name': layer, 'sees': words_of(net[layer]), 'photos': pages[layer]}
                for layer in layers if pages[layer]])
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
    add('--channels', type=command_line.positive_integer, default=8,
        help='of each layer, those with the largest sums of activations in a photo, in this order')
    add('--method', choices=projections.METHODS, default='guided',
        help='way back to the pixels: the gradient, guided backprop or a deconvnet')
    add('--batch', type=command_line.positive_integer, default=16, help='gradients at once')
    return parser.parse_args(arguments)


def layer_names(text):
    """Read the names in 'conv1_1,conv2_1', each once, for argparse."""
    return list(dict.fromkeys(name.strip() for name in text.split(',')))


def describe(options, layers, net):
    """List every parameter that decides the pixels, for run.json."""
    return {**command_line.described(options, 'channels method size', net), 'layers': layers}


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
    layers = layers or networks.convolutions_of(model)
    net, mean_pixel = networks.load_to(layers, model, weights, pool)
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


def save_layer(run, photo, layer, rgb, features, parameters, heading):
    """Save the sheet, the strips and the arrays of one layer on one photo.

    A strip is what a channel's strongest unit sees, what excites it, and what excites the whole
    channel; the sheet has the photo with a numbered box for each, and all strips.

    Args:
        run: its folder.
        photo: its name.
        layer: Lasagne's.
        rgb: the photo.
        features: list of `Feature`.
        parameters: that decide the pixels.
        heading: of the sheet.

    Returns:
        What the page knows of the layer on this photo, a dict.
    """
    folder = f'{photo}/{names.file_name(layer.name)}'
    fields = receptive_fields.receptive_field(layer)
    told, boxes, panels, titles = [], [], [], []
    for number, feature in enumerate(features, start=1):
        box = box_of(fields, feature.place, rgb.shape)
        boxes.append((number, box))
        side = max(TILE, *rgb.shape[:2])
        tiles = [figures.tile(picture, side) for picture in (
            rgb[box], maps.signed(feature.element[(slice(None), *box)]),
            maps.signed(feature.whole))]
        strip = f'{folder}_{feature.channel}.png'
        run.save_picture(strip, figures.mosaic(tiles, 3, gap=6), parameters)
        panels += tiles
        largest, total = quantities.short(feature.largest), quantities.short(feature.sum)
        titles += [f'{number}: channel {feature.channel} sees', f'largest activation {largest}',
                   f'sum of its map {total}']
        row, column = feature.place
        told.append({'channel': feature.channel, 'largest': largest, 'sum': total, 'row': row,
                     'column': column, 'strip': quote(strip), **shares_of(box, rgb.shape)})
    if features:
        with run.writing(f'{folder}.png') as path:
            figures.save_grid(path, panels, titles, columns=6, width=16, interpolation='nearest',
                              lead=(rgb, f'{photo}, and the part that the strongest unit of each '
                                    'channel sees', boxes), heading=heading, caption=CAPTION)
        run.save_arrays(f'{folder}.npz', {
            field: np.array([getattr(feature, field) for feature in features])
            for field in Feature._fields})
    return {'name': photo, 'image': quote(f'{photo}/photo.png'), 'features': told}


def heading_of(model, layer, method):
    """Say what a sheet shows."""
    return f'{model}, {layer}: what the channels with the largest sums see ({WORDS[method]})'


def box_of(fields, place, shape):
    """Find the part of a photo that a unit sees, (slice, slice) of its rows and columns.

    Args:
        fields: (Field, Field) of the layer, or None where a unit sees everything.
        place: (row, column) of the unit.
        shape: (rows, columns, ...) of the photo.
    """
    if fields is None:
        return slice(0, shape[0]), slice(0, shape[1])
    return tuple(slice(*receptive_fields.pixels_of(field, index, length))
                 for field, index, length in zip(fields, place, shape))


def shares_of(box, shape):
    """Convert a box of a photo to per cent of its sides, as the page places it."""
    sides = {}
    for part, length, start, size in zip(box, shape, ('top', 'left'), ('height', 'width')):
        sides[start] = round(100 * part.start / length, 2)
        sides[size] = round(100 * (part.stop - part.start) / length, 2)
    return sides


def words_of(layer):
    """Say how much a unit of a layer sees."""
    fields = receptive_fields.receptive_field(layer)
    return 'all' if fields is None else ' x '.join(str(field.size) for field in fields) + ' pixels'


def save_page(run, model, method, layers):
    """Save index.html, which shows every layer and every photo in it."""
    tour = {'model': model, 'method': WORDS[method], 'layers': layers}
    figures.fill_data_page(run, 'index.html', PAGE, tour=tour)


if __name__ == '__main__':
    command_line.run(main)
