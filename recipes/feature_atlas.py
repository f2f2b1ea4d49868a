"""Show every feature of a style picture on one page, to tick what of it a style transfer keeps.

    python recipes/feature_atlas.py painting.jpg

The article, at its end: the loss is not what we want; one would visualise every feature of the
style picture, mark the wanted ones, and put only those into the loss. This makes atlas.html, a page
that needs no network and no server: of each channel of the style layers the strongest patches and
what in them excites it (guided backprop), channels that fire at the same things together in motifs.
Its selection.json goes into `styletransfer.py --features selection.json`.
Without arguments it takes the bundled painting and the embedded network.
"""

import base64
from collections import namedtuple
from pathlib import Path

import models  # noqa: F401  prepares Theano before Lasagne imports it
from models.errors import one_line

import lasagne
import numpy as np
from tqdm import tqdm

from recipes.common import (
    command_line,
    extents,
    figures,
    images,
    maps,
    palettes,
    projections,
    receptive_fields,
    runs,
)
from recipes.common.networks import load_to
from recipes.style import masks, motifs, selections
from recipes.style.defaults import settings_of

SIZE = 256         # of styletransfer.py's paintings
TILE = 64          # pixels of a patch on the page
NARROWEST = 16     # pixels of the picture in a patch, however little a unit sees of them
SHOWN = 640        # pixels of the picture's longer side on the page
FAINT = 0.1        # of a channel's largest activation: weaker patches are not shown
PIXELS_AT_ONCE = 16 * 224 * 224  # in one batch of projections
QUALITY = 85       # of the JPEGs in the page
PAGE = images.ASSETS / 'feature_atlas.html'

# A patch of a channel: which, its rank from 0, its (row, column) in the map, and the rows and
# columns of the picture (first, end, first, end) that are enough to compute its projection.
Patch = namedtuple('Patch', 'channel rank place window')


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    original = images.read(options.picture)
    rgb = images.resize(original, options.size)
    net, mean_pixel = load_to(options.layers, options.model, options.weights, options.pool)
    extents.require_positions(net, options.layers, (1, 3, *rgb.shape[:2]), 'the picture')
    run = runs.Run('feature_atlas', options.out, options.force)
    parameters = {**command_line.described(options, 'layers size patches motifs', net),
                  'picture_pixels': runs.pixel_hash(original)}
    run.save_record(parameters=parameters, picture=str(options.picture))
    atlas = {'format': selections.FORMAT, 'version': selections.VERSION, 'model': options.model,
             'picture': describe_picture(options, original), 'layers': [], 'motifs': [],
             'channels': []}
    with run.recorded():
        image = images.prepare(rgb, mean_pixel)
        activations = projections.compile_activations(net, options.layers)(image)
        try:
            for layer, activation in zip(options.layers, activations):
                projections.no_empty_map(activation, layer)
                add_layer(atlas, net, layer, activation[0], image, rgb, options)
        finally:
            if atlas['channels']:
                save_page(run, atlas)
    if not options.quiet:
        print(run.folder / 'atlas.html')


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('picture', nargs='?', metavar='STYLE_PICTURE', default=images.PAINTING,
        help="the painting (default: one by the project's own code)")
    parser.add_run_options()
    parser.add_network_options(pool='average_exc_pad')
    add('--layers', type=command_line.layer_weights, metavar='LAYER,...',
        help='to show (default: the style layers of styletransfer.py)')
    add('--size', type=command_line.pixels, default=SIZE,
        help='pixels of the shorter side; give what styletransfer.py is to take, times its '
             '--style-scale')
    add('--patches', type=command_line.positive_integer, default=3, help='of each channel')
    add('--motifs', type=command_line.positive_integer, metavar='N',
        help='in each layer, at most (default: the root of its number of channels)')
    options = parser.parse_args(arguments)
    options.layers = list(options.layers or command_line.layer_weights(
        settings_of('archive', options.model).style_layers))
    return options


def describe_picture(options, original):
    """Describe the picture for the page: a dict."""
    factor = min(1.0, SHOWN / max(original.shape[:2]))
    rows, columns = (max(1, round(length * factor)) for length in original.shape[:2])
    return {'name': one_line(Path(options.picture).name),
            'pixels': runs.pixel_hash(original), 'size': options.size,
            'rows': rows, 'columns': columns,
            'image': figures.data_uri(images.resize_to(original, rows, columns), QUALITY)}


def add_layer(atlas, net, layer, activation, image, rgb, options):
    """Add a layer with its motifs and channels to the atlas.

    Args:
        atlas: what the page knows, a dict.
        net: ordered dict of layers.
        layer: name.
        activation: (channels, rows, columns) of the picture.
        image: the picture as the network takes it.
        rgb: the picture, RGB.
        options: of the command line.
    """
    activation = np.maximum(activation, 0)
    fields = receptive_fields.receptive_field(net[layer])
    numbers = motifs.group(activation, options.motifs)
    chosen = [patch for channel in np.flatnonzero(numbers >= 0)
              for patch in strongest_patches(fields, activation, int(channel), rgb.shape, options)]
    project = projections.compile_projection(net, [layer], 'guided')
    gradients = project_patches(net[layer], project, image, chosen, activation, fields, options)
    strips = draw_strips(fields, rgb, chosen, gradients, options.patches)
    lab = palettes.to_lab(rgb)

    atlas['layers'].append({'name': layer, 'channels': len(activation),
                            'silent': np.flatnonzero(numbers < 0).tolist(),
                            'field': [field.size for field in fields]})
    channels = describe_channels(layer, activation, numbers, fields, strips, lab)
    atlas['channels'] += channels
    sizes = {channel['channel']: channel['extent'] for channel in channels}
    atlas['motifs'] += describe_motifs(layer, activation, numbers, sizes, lab)


def describe_channels(layer, activation, numbers, fields, strips, lab):
    """Describe the channels of a layer that fire, for the page: a list of dicts.

    Args:
        layer: name.
        activation: (channels, rows, columns), from 0 up.
        numbers: of each channel's motif, as `motifs.group` gives them.
        fields: (Field, Field) of the layer.
        strips: channel to its patches, RGB.
        lab: the picture, L*a*b* (rows, columns, 3).
    """
    shown = motifs.normalised(activation)
    grids, fired_on = motifs.on_grid(shown, lab.shape), motifs.fired_on(shown)
    sums, found = activation.sum(axis=(1, 2)), []
    for channel in map(int, np.flatnonzero(numbers >= 0)):
        colour, code, _ = colours_where(fired_on[channel], lab)[0]
        found.append({
            'layer': layer, 'channel': channel, 'motif': int(numbers[channel]),
            'strength': round(float(sums[channel] / sums.max()), 4),
            'largest': float(f'{activation[channel].max():.3g}'),
            'extent': round(motifs.extent(shown[channel], fields[0].stride), 1),
            'colour': colour, 'hex': code,
            'strip': figures.data_uri(strips[channel], QUALITY), **describe_heat(grids[channel])})
    return found


def describe_motifs(layer, activation, numbers, sizes, lab):
    """Describe the motifs of a layer for the page: a list of dicts.

    Args:
        layer: name.
        activation: (channels, rows, columns), from 0 up.
        numbers: of each channel's motif, as `motifs.group` gives them.
        sizes: channel to the size of what it fires on, in pixels across.
        lab: the picture, L*a*b* (rows, columns, 3).
    """
    means, sums = motifs.means(activation, numbers), activation.sum(axis=(1, 2))
    members = [np.flatnonzero(numbers == number).tolist() for number in range(len(means))]
    looks = [motif_look(map_, lab, np.average([sizes[channel] for channel in own],
                                              weights=sums[own]))
             for map_, own in zip(motifs.fired_on(means), members)]
    heats = motifs.on_grid(motifs.heats_of(means), lab.shape)
    return [{'layer': layer, 'motif': number, 'title': title, 'channels': own,
             **describe_heat(heat)}
            for number, (title, heat, own) in enumerate(zip(motifs.titles(looks), heats, members))]


def colours_where(map_, lab):
    """Name the colours of the picture where a channel or motif fires, as `palettes.looks_of` does.

    Args:
        map_: what `motifs.fired_on` keeps of it, (rows, columns).
        lab: the picture, L*a*b* (rows, columns, 3).
    """
    return palettes.looks_of(lab, masks.fitted(map_.astype('float32'), *lab.shape[:2]))


def motif_look(map_, lab, size):
    """Describe a motif by what it fires on, a `motifs.Look`.

    Args:
        map_: what `motifs.fired_on` keeps of it, (rows, columns).
        lab: the picture, L*a*b* (rows, columns, 3).
        size: of what it fires on, in pixels across.
    """
    (first, _, _), *more = colours_where(map_, lab)
    second = more[0] if more else None
    return motifs.Look((first, second[0]) if second else (first,),
                       bool(second) and second[2] >= motifs.SECOND, round(size),
                       motifs.places(map_))


def describe_heat(heat):
    """Encode a heat map, uint8 (rows, columns), as it stands in the page."""
    return {'rows': heat.shape[0], 'columns': heat.shape[1],
            'heat': base64.b64encode(heat.tobytes()).decode()}


def strongest_patches(fields, activation, channel, shape, options):
    """Find a channel's strongest patches, a list of `Patch`, no two of which see the same.

    Args:
        fields: (Field, Field) of the layer.
        activation: (channels, rows, columns).
        channel: index.
        shape: of the picture, (rows, columns, ...).
    """
    left = activation[channel].copy()
    found, largest = [], left.max()
    reach = [max(1, field.size // (2 * field.stride)) for field in fields]
    while len(found) < options.patches:
        row, column = (int(index) for index in np.unravel_index(left.argmax(), left.shape))
        if left[row, column] <= FAINT * largest:
            break
        place = row, column
        window = [edge for field, index, length in zip(fields, place, shape)
                  for edge in along(field, index, length)]
        found.append(Patch(channel, len(found), place, tuple(window)))
        left[max(0, row - reach[0]):row + reach[0] + 1,
             max(0, column - reach[1]):column + reach[1] + 1] = 0
    return found


def along(field, index, length):
    """Find (first, end) of the pixels that give the projection of a unit, along one axis.

    They begin at a multiple of the layer's stride, so that poolings pool what they do in the whole
    picture, hold all that the unit sees, and are as many wherever the picture has them.
    """
    stride, first = field.stride, max(0, field.start + index * field.stride)
    count = -(-(field.size + stride) // stride) * stride
    last_start = max(0, -(-(length - count) // stride) * stride)
    start = min(first // stride * stride, last_start)
    return start, min(start + count, length)


def project_patches(layer, project, image, patches, activation, fields, options):
    """Compute the guided projection of each patch's unit to its window of the picture.

    Args:
        layer: of the network.
        project: (images, seeds) -> gradients.
        image: (1, 3, rows, columns).
        patches: list of `Patch`.
        activation: (channels, rows, columns).
        fields: (Field, Field) of the layer.

    Returns:
        Dict from (channel, rank) to gradients (3, rows, columns) of the window.
    """
    shapes = {}
    for patch in patches:
        first, end, begin, stop = patch.window
        shapes.setdefault((end - first, stop - begin), []).append(patch)
    found = {}
    with tqdm(total=len(patches), desc=layer.name, unit='patch', disable=options.quiet) as bar:
        for (rows, columns), alike in shapes.items():
            size = max(1, PIXELS_AT_ONCE // (rows * columns))
            for start in range(0, len(alike), size):
                some = alike[start:start + size]
                cuts = [image[0, :, p.window[0]:p.window[1], p.window[2]:p.window[3]]
                        for p in some]
                units = [(p.place[0] - p.window[0] // fields[0].stride,
                          p.place[1] - p.window[2] // fields[1].stride) for p in some]
                shape = lasagne.layers.get_output_shape(layer, (len(some), 3, rows, columns))
                seeds = np.zeros(shape, activation.dtype)
                for number, (patch, unit) in enumerate(zip(some, units)):
                    seeds[(number, patch.channel, *unit)] = 1
                for patch, gradient in zip(some, project(np.array(cuts), seeds)):
                    found[patch.channel, patch.rank] = gradient
                bar.update(len(some))
    return found


def draw_strips(fields, rgb, patches, gradients, columns):
    """Draw each channel's patches in a row, and below each what in it excites the channel.

    Returns:
        Dict from channel to RGB.
    """
    wide = [field._replace(size=max(field.size, NARROWEST),
                           start=field.start - max(0, NARROWEST - field.size) // 2)
            for field in fields]
    strips = {}
    for patch in patches:
        gradient = np.zeros((3, *rgb.shape[:2]), 'float32')
        first, end, begin, stop = patch.window
        gradient[:, first:end, begin:stop] = gradients[patch.channel, patch.rank]
        seen = receptive_fields.patch_of(wide, patch.place, rgb)
        drawn = receptive_fields.gradient_patch_of(wide, patch.place, gradient)
        strip = strips.setdefault(patch.channel,
                                  np.full((2 * TILE, columns * TILE, 3), 255, 'uint8'))
        at = slice(patch.rank * TILE, (patch.rank + 1) * TILE)
        strip[:TILE, at] = images.resize_to(seen, TILE, TILE)
        strip[TILE:, at] = images.resize_to(maps.signed(drawn), TILE, TILE)
    return strips


def save_page(run, atlas):
    """Save atlas.html: the page with its style, its script and everything that it shows."""
    figures.fill_data_page(run, 'atlas.html', PAGE, atlas=atlas)


if __name__ == '__main__':
    command_line.run(main)
