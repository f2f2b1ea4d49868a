"""The articles' claims, each a function that measures it and says whether it holds.

Each takes what it needs as named values, so that a test can give it a method that is broken, and
returns a Finding. Limits are ours: the articles give none.
"""

import csv
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from recipes import reconstruct, styletransfer, train_all_cnn
from recipes.common import (
    colours,
    images,
    palettes,
    projections,
    receptive_fields,
    runs,
    straight_lines,
)
from recipes.measures import drawn_classes, layers as layer_measures, ways_back

HOLDS, FAILS, UNKNOWN = 'holds', 'does not hold', 'cannot be told from this network'

# Of learning: the largest of 0.01 and 0.003 at which the network learns; the paper too takes the
# best of several for each.
RATES = {'base_cnn_c': 0.01, 'all_cnn_c': 0.003}

# What was found: the numbers in words; HOLDS, FAILS or UNKNOWN.
Finding = namedtuple('Finding', 'figure verdict')


def found(figure, holds):
    """Make the Finding of a claim that was measured."""
    return Finding(figure, HOLDS if holds else FAILS)


def negative_values(ways, net, pictures_in, layer, guided='guided', plain='gradient'):
    """Negative values of a guided map come from the first kernels' only; gradients have their own.

    The share of negative values in both maps is measured twice: with the first kernels as they
    are, and with their negative numbers set to zero.

    Args:
        ways: `ways_back.WaysBack`.
        net: ordered dict of layers.
        pictures_in: (batch, 3, rows, columns), BGR minus mean.
        layer: of the scores.
        guided, plain: methods.
    """
    first = ways_back.with_weights(net)[0]
    own = [ways_back.negative(ways.of_class(method, pictures_in, layer)[0])
           for method in (guided, plain)]
    with ways_back.changed(net, [first], lambda kernels: np.maximum(kernels, 0)):
        positive = [ways_back.negative(ways.of_class(method, pictures_in, layer)[0])
                    for method in (guided, plain)]
    if None in own or None in positive:
        return Finding('a map is zero everywhere', UNKNOWN)
    figure = (f'negative: guided {own[0]:.1%}, without negative first kernels {positive[0]:.1%}; '
              f'gradient {own[1]:.1%}, {positive[1]:.1%}')
    return found(figure, own[0] > 0.05 and positive[0] == 0 and min(own[1], positive[1]) > 0.2)


def cleaner_maps(ways, pictures_in, layer, guided='guided', others=('gradient', 'deconvnet')):
    """Guided maps are cleaner: their neighbouring pixels are more alike than other maps'."""
    clean = {method: np.mean([ways_back.neighbours(one) for one in
                              ways.of_class(method, pictures_in, layer)[0]])
             for method in (guided, *others)}
    figure = 'neighbours correlate: ' + ', '.join(f'{method} {value:.2f}'
                                                  for method, value in clean.items())
    return found(figure, all(clean[guided] > clean[other] + 0.02 for other in others))


def no_switches(strided, pooled, strided_layer, pooled_layer, small, pictures_in,
                method='deconvnet'):
    """Without pooling a deconvnet has no switches: its map is the same for every photo.

    Args:
        strided: `ways_back.WaysBack` of a network with strides in the place of pooling.
        pooled: the same of one with pooling.
        strided_layer, pooled_layer: of their scores.
        small, pictures_in: the pictures as the two take them.
        method: that is said to have no switches.
    """
    def across(ways, inputs, layer):
        shown = ways.of_class(method, inputs, layer, np.zeros(len(inputs), int))[0]
        return ways_back.alike(shown[1:], shown[:-1])

    values = across(strided, small, strided_layer), across(pooled, pictures_in, pooled_layer)
    return found(f'maps of different photos correlate: without pooling {values[0]:.3f}, with '
                 f'pooling {values[1]:.3f}', values[0] > 0.999 and values[1] < 0.9)


def simple_detectors(ways, net, pictures_in, names):
    """Units of early layers detect colours and gradients; those of deep ones do not.

    Of each channel's strongest unit the gradient is measured within what it sees: which share,
    beyond chance, is an even colour or a ramp.

    Args:
        names: of layers, shallow to deep.
    """
    values = []
    image = pictures_in[:1]
    for name in names:
        activation = ways.activations(image)[name]
        peaks = activation[0].reshape(activation.shape[1], -1).max(axis=1)
        channels = np.flatnonzero(peaks > 0)[:32]
        if not len(channels):
            return Finding(f'no channel of {name} is above zero', UNKNOWN)
        seeds = np.concatenate([projections.unit_target(activation, name, channel)
                                for channel in channels])
        batch = np.repeat(image, len(channels), axis=0)
        gradients = np.concatenate([ways.back('gradient', batch[part:part + 8], name,
                                              seeds[part:part + 8])
                                    for part in range(0, len(channels), 8)])
        fields = receptive_fields.receptive_field(net[name])
        patches = [receptive_fields.gradient_patch_of(
            fields, projections.unit_indices(activation, name, channel)[0][1:], gradient)
            for channel, gradient in zip(channels, gradients)]
        values.append(float(np.median([layer_measures.simplicity(patch) for patch in patches])))
    figure = 'even colour or ramp: ' + ', '.join(f'{name} {value:.2f}'
                                                 for name, value in zip(names, values))
    return found(figure, values[0] > 0.5 and values[-1] < 0.5 * values[0])


def fading_maps(ways, pictures_in, names, whole=True):
    """The map of a channel's sum fades with depth, where its largest element sees ever more.

    By guided backprop, of the four channels with the largest sums: the mean brightness of the
    sum's map as it is drawn, white at its 99.5 % quantile, and the share of the photo that is not
    zero in the element's map.

    Args:
        names: of a shallow and a deep layer.
        whole: whether the map of the sum is that of the sum.
    """
    bright, seen = [], []
    for name in names:
        activation = ways.activations(pictures_in)[name]
        sums, elements = [], []
        for channel in np.argsort(-activation.sum(axis=(0, 2, 3)))[:4]:
            everywhere = np.zeros_like(activation)
            everywhere[:, channel] = 1
            elements.append(ways.back('guided', pictures_in, name, projections.unit_target(
                activation, name, channel)))
            sums.append(ways.back('guided', pictures_in, name, everywhere) if whole
                        else elements[-1])
        bright.append(np.mean([ways_back.brightness(one) for one in np.concatenate(sums)]))
        seen.append(np.mean([one.any(axis=0).mean() for one in np.concatenate(elements)]))
    figure = (f'{names[0]}, {names[1]}: brightness of the sum {bright[0]:.2f}, {bright[1]:.2f}; '
              f'an element sees {seen[0]:.1%}, {seen[1]:.1%} of the photo')
    return found(figure, bright[1] < 0.6 * bright[0] and seen[0] < 0.1 and seen[1] > 0.5)


def colour_and_lines(model, weights, deep, first, size=96, evaluations=120):
    """A deep layer alone loses colour and bends lines; a little of the first brings both back.

    Args:
        model, weights: as of `models.load`.
        deep, first: names of layers.
        size: of the drawn picture, in pixels.
        evaluations: of the loss.
    """
    rows, shown = reconstructed(['--lines', '--layers', deep, f'{first}=0.1,{deep}', '--size',
                                 str(size), '--evals', str(evaluations)], model, weights)
    picture = straight_lines.draw(size)
    (far, lost, bent), (near, back, straight) = (
        (colours_off(rgb, picture), float(row['saturation']), float(row['edges_from_lines']))
        for rgb, row in zip(shown, rows))
    figure = (f'{deep} alone: colours {far:.1f} off, saturation {lost:.3f} of '
              f'{colours.saturation(picture):.3f}, edges {bent:.2f} pixels off; with {first}: '
              f'{near:.1f}, {back:.3f}, {straight:.2f}')
    return found(figure, far > 1.3 * near and bent > 1.5 * straight)


def colours_off(rgb, picture, blur=2.0):
    """Measure the mean distance in a*b* of a picture's colours from another's.

    Both are blurred by so many pixels: fine colourful noise is no colour.

    Args:
        rgb, picture: uint8 (rows, columns, 3), of one shape.
        blur: deviation of the Gaussian, in pixels.
    """
    first, second = (palettes.to_lab(gaussian_filter(x, (blur, blur, 0)))[:, :, 1:]
                     for x in (rgb, picture))
    return float(np.linalg.norm(first - second, axis=2).mean())


def reconstructed(arguments, model, weights):
    """Run reconstruct.py: (rows of measurements.csv, pictures of the sets of layers)."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'run'
        reconstruct.main([*arguments, *of_network(model, weights), '--quiet', '--out', str(out)])
        with open(out / 'measurements.csv', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        return rows, [images.read(out / f'{number:02d}.png') for number in
                      range(1, len(rows) + 1)]


def of_network(model, weights):
    """List the options that name a network on a recipe's command line."""
    return ['--model', model, *(['--weights', str(weights)] if weights else [])]


def lost_positions(look, painting, other, block=64, style=None, content=None):
    """Style alone loses positions: blocks in another order change the content, not the style.

    Both losses are told as shares of the loss of another painting.

    Args:
        look: `pictures.InNetwork`.
        painting, other: RGB uint8 of one shape, multiples of the block.
        block: pixels of the sides.
        style, content: functions of two pictures; None takes the distance of Gram matrices and
            one minus the correlation of activations.
    """
    style = style or look.gram
    content = content or (lambda a, b: 1 - look.content(a, b))
    moved = layer_measures.permuted(painting, block)
    shares = [measure(moved, painting) / measure(other, painting) for measure in (style, content)]
    return found(f'blocks of {block} pixels in another order: style loss {shares[0]:.2f}, content '
                 f'loss {shares[1]:.2f} of that to another painting',
                 shares[0] < 0.3 and shares[1] > 0.7)


def means_will_do(look, model, weights, layers, painting_path, size=96, evaluations=80,
                  statistics=('mean', 'covariance')):
    """Means in the place of covariances change little in a texture.

    Of the way from noise to the painting's Gram matrices, how much a texture by each goes.

    Args:
        look: `pictures.InNetwork`.
        layers: names, of the texture.
        painting_path: of the picture.
    """
    painting = images.resize(images.read(painting_path), size)
    noise = np.random.RandomState(1).randint(112, 144, painting.shape).astype('uint8')
    whole, ways = look.gram(noise, painting), []
    for kind in statistics:
        (texture,) = reconstructed([str(painting_path), '--style', '--style-statistics', kind,
                                    '--layers', ','.join(layers), '--size', str(size), '--evals',
                                    str(evaluations)], model, weights)[1]
        ways.append(1 - look.gram(texture, painting) / whole)
    figure = 'of the way from noise to the painting: ' + ', '.join(
        f'{kind} {way:.0%}' for kind, way in zip(statistics, ways))
    return found(figure, ways[0] > 0.8 * ways[1])


def neighbours_alike(ways, pictures_in, groups, side=6):
    """Neighbouring layers are more alike than the first ones of successive groups.

    Linear CKA of activations averaged to the same places in all layers.

    Args:
        groups: lists of names of layers, each a group at one resolution.
        side: of the grid of places.
    """
    if len(groups) < 2:
        return Finding('it has less than two groups of convolutions between poolings', UNKNOWN)
    there = {name: layer_measures.at_places(activation, side)
             for name, activation in ways.activations(pictures_in).items()}

    def mean(pairs):
        return float(np.mean([layer_measures.linear_cka(there[a], there[b]) for a, b in pairs]))

    inside = mean([pair for group in groups for pair in zip(group, group[1:])])
    across = mean(list(zip([group[0] for group in groups], [group[0] for group in groups][1:])))
    return found(f'CKA of neighbours {inside:.2f}, of the first of successive groups {across:.2f}',
                 inside > across + 0.05)


def painted_rounds(model, weights, size=96, rounds=6, evaluations=15):
    """Paint the bundled photo: (loss after each round, pictures of the rounds, float64).

    Args:
        model, weights: as of `models.load`.
        size, rounds, evaluations: of styletransfer.py.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / 'run'
        styletransfer.main([*of_network(model, weights), '--size', str(size), '--phases', '1',
                            '--rounds', str(rounds), '--evals', str(evaluations), '--quiet',
                            '--out', str(out)])
        losses = [entry['total'] for entry in runs.read_record(out)['rounds']][1:]
        return losses, [images.read(out / f'round_{number:02d}.png').astype('float64')
                        for number in range(1, rounds + 1)]


def ever_less_change(losses, shown):
    """More iterations lower the loss, while the picture changes less and less.

    Args:
        losses, shown: as of `painted_rounds`.
    """
    changes = [float(abs(a - b).mean()) for a, b in zip(shown[1:], shown)]
    half = len(changes) // 2
    early, late = np.mean(changes[:half]), np.mean(changes[-half:])
    figure = (f'loss {losses[0]:.3g} to {losses[-1]:.3g} from round 1 to {len(losses)}; change of '
              f'a pixel from round to round {", ".join(f"{change:.1f}" for change in changes)} '
              'grey levels')
    return found(figure, losses[-1] < losses[0] and late < 0.7 * early)


def palette_keeps_peaks(model, weights, layers, count=3, size=96, evaluations=40, reduced=True):
    """Of a painting with few colours the peaks of the distribution survive, of all colours not.

    Args:
        layers: names, of the style.
        count: of colours.
        reduced: whether the painting is.
    """
    def paint(palette):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / 'run'
            styletransfer.main([*of_network(model, weights), '--size', str(size), '--rounds', '4',
                                '--evals', str(evaluations), '--style-layers', ','.join(layers),
                                '--content-weight', '0', '--style-scale', '3', '--init', 'noise',
                                *(['--style-palette', str(palette)] if palette else []),
                                '--quiet', '--out', str(out)])
            result = images.read(out / 'result.png')
        painting = images.resize(images.read(images.PAINTING), 3 * size)
        if palette:
            painting = palettes.with_palette(painting, palettes.palette_of(painting, palette, 1))
        return palettes.peaks_kept(painting, result)

    few, all_ = paint(count if reduced else None), paint(None)
    shares = [kept / max(1, there) for kept, there in (few, all_)]
    return found(f'peaks that survive: {count} colours {few[0]} of {few[1]}, all colours '
                 f'{all_[0]} of {all_[1]}', shares[0] >= 0.6 and shares[0] > shares[1] + 0.3)


def map_raises_score(ways, pictures_in, layer, levels=2.0, sign=1,
                     methods=('gradient', 'guided', 'deconvnet')):
    """Adding a saliency map to the photo raises the score of its class.

    Args:
        levels: grey levels, the mean change of a pixel.
        sign: 1 adds, -1 subtracts.
        methods: of which the first is what is claimed, and the others are told.
    """
    shares = []
    for method in methods:
        shown, classes = ways.of_class(method, pictures_in, layer)
        step = shown * (levels / np.maximum(abs(shown).mean(axis=(1, 2, 3), keepdims=True), 1e-12))
        changed = (pictures_in + sign * step).astype(pictures_in.dtype)
        before, after = (ways.activations(x)[layer][np.arange(len(classes)), classes]
                         for x in (pictures_in, changed))
        shares.append((int((after > before).sum()), float((after - before).mean())))
    figure = 'photos whose score rises, and by how much: ' + ', '.join(
        f'{method} {count} of {len(pictures_in)} ({rise:+.2f})'
        for method, (count, rise) in zip(methods, shares))
    return found(figure, shares[0][0] == len(pictures_in))


def strides_will_do(data, width=0.2, epochs=10, rates=RATES):
    """Convolutions of stride 2 replace pooling at equal accuracy, in a short training.

    Args:
        data: labelled pictures as train_all_cnn.py takes them; None draws some.
        width: factor on the number of filters.
        rates: of learning, by network: the one with pooling, the one with strides.
    """
    errors = []
    with tempfile.TemporaryDirectory() as folder:
        path = data or Path(folder) / 'drawn.npz'
        if data is None:
            drawn_classes.save(path)
        for model, rate in rates.items():
            out = Path(folder) / model
            train_all_cnn.main([str(path), '--model', model, '--width', str(width), '--epochs',
                                str(epochs), '--rate', str(rate), '--batch', '8', '--quiet',
                                '--out', str(out)])
            with open(out / 'epochs.csv', encoding='utf-8') as file:
                errors.append(float(list(csv.DictReader(file))[-1]['test_error']))
        with np.load(path) as arrays:
            chance = 100 * (1 - 1 / len(set(arrays['labels'].tolist())))
    figure = (f'test error after {epochs} epochs at {width:g} of the width: pooling '
              f'{errors[0]:.1f} %, strides {errors[1]:.1f} %, chance {chance:.0f} %')
    if min(errors) > 0.8 * chance:
        return Finding(f'{figure}: nothing was learned', UNKNOWN)
    return found(figure, errors[1] < errors[0] + 5)


def upper_layers_matter_not(ways, net, pictures_in, layer, names, method, plain='gradient'):
    """A method's maps hardly change where upper layers have random weights, the gradient's do.

    Random weights are normal, with each layer's own deviation; the class stays the same.

    Args:
        layer: of the scores.
        names: of the layers whose weights become random.
        method: of which it is claimed.
        plain: what is to change.
    """
    random = np.random.RandomState(0)
    before, classes = zip(*(ways.of_class(one, pictures_in, layer) for one in (method, plain)))
    with ways_back.changed(net, names, lambda kernels: random.normal(0, kernels.std(),
                                                                     kernels.shape)):
        after = [ways.of_class(one, pictures_in, layer, classes[0])[0] for one in (method, plain)]
    if not all(np.any(shown) for shown in after):
        return Finding('with random upper layers a map is zero everywhere', UNKNOWN)
    kept, changed = (ways_back.alike(a, b) for a, b in zip(before, after))
    return found(f'rank correlation with {names[0]} to {names[-1]} random: {method} {kept:.2f}, '
                 f'{plain} {changed:.2f}', kept > 0.8 and changed < 0.5)


def photos_for(net, mean_pixel, size):
    """Read the bundled photos, square: (batch, 3, size, size), BGR minus mean."""
    folder = images.bundled_photo().parent
    names = ('astronaut.png', 'chelsea.png', 'coffee.png', 'rocket.jpg', 'motorcycle_left.png')
    return np.concatenate([images.prepare(images.square(images.read(folder / name), size),
                                          mean_pixel) for name in names])
