"""How much each term of the loss weighs."""

import logging

import lasagne
import numpy as np

from recipes.style import loss

# The content loss is a sum over channels and positions and the total variation one over pixels.
# Adapted, a content layer weighs as much as conv4_2 in the notebook, however many channels and
# positions it has, and the total variation as much as there. The style loss, a mean over channels
# and positions, needs no factor.
REFERENCE_ACTIVATIONS = 512 * 75 * 75  # conv4_2 of the full VGG-19 at 600x600
REFERENCE_PIXELS = 600 * 600
FAINT = 1e-3  # of a term's gradient at noise: less, at the start, is none
TOO_FAR = 1e6  # times that style terms differ; measured: 3e2 on the embedded network

log = logging.getLogger('archive')


def term_weights(net, shape, energies, content_layers, content_weight, content_per, style_layers,
                 style_weight, style_per, tv_weight, range_weight=0.0, kind='gram'):
    """Weigh each term of the loss, name to float, for a picture of this shape.

    Args:
        net: ordered dict of layers.
        shape: of the picture, (1, 3, rows, columns).
        energies: as `loss.Targets.energies` gives them, where losses are shares of the pictures'
            own; otherwise it may be empty.
        content_layers, style_layers: name to factor.
        content_weight, style_weight, tv_weight, range_weight: of the kinds of terms.
        content_per, style_per: what losses are relative to; see `Settings`.
        kind: of the style's statistics.
    """
    weights = {}
    for layer, factor in content_layers.items():
        elements = np.prod(lasagne.layers.get_output_shape(net[layer], shape))
        scale = {'sum': 1, 'mean': 2 / elements, 'reference': REFERENCE_ACTIVATIONS / elements,
                 'energy': 1 / energies.get(f'content {layer}', 1)}
        weights[f'content {layer}'] = float(content_weight * factor * scale[content_per])
    for layer, factor in style_layers.items():
        scale = 1.0
        if style_per == 'mean' and kind in ('gram', 'covariance'):
            scale = 4 / net[layer].output_shape[1] ** 2
        elif style_per == 'energy':
            scale = 1 / energies[f'style {layer}']
        weights[f'style {layer}'] = style_weight * factor * scale
    scale = {'reference': REFERENCE_PIXELS, 'energy': 1}.get(content_per)
    scale = scale / (shape[2] * shape[3]) if scale else 1
    if range_weight:
        weights[loss.RANGE] = range_weight * scale
    weights[loss.VARIATION] = tv_weight * scale
    return weights


def balanced(style_loss, weights, start, noise=None):
    """Divide each weight by the sum of the absolute gradient of its term at the start.

    Args:
        style_loss: `loss.StyleLoss`, aimed; its weights are changed.
        weights: name to float.
        start: (1, 3, rows, columns).
        noise: of the same shape, where a term is taken whose gradient at the start is none: a
            photo has no content loss, and so no gradient of it. None takes the start anyway.
    """
    norms = gradient_norms(style_loss, start)
    if noise is not None:
        at_noise = gradient_norms(style_loss, noise)
        norms = {name: at_noise[name] if norms[name] < FAINT * at_noise[name] else norms[name]
                 for name in norms}
    return {name: weight / (norms[name] if norms[name] > 0 else 1)
            for name, weight in weights.items()}


def gradient_norms(style_loss, picture):
    """Sum the absolute gradient of each term by itself, name to float.

    Args:
        style_loss: `loss.StyleLoss`, aimed; its weights are changed.
        picture: (1, 3, rows, columns), BGR minus mean.
    """
    norms = {}
    for name in style_loss.names:
        style_loss.weigh({other: float(other == name) for other in style_loss.names})
        _, gradient = style_loss(picture.astype('float32'))
        norms[name] = np.abs(gradient).sum(dtype='float64')
    return norms


def warn_of_misfit(targets, weights):
    """Warn where weights are those of other networks, so that one style layer outweighs others.

    Args:
        targets: `loss.Targets`.
        weights: of the terms, name to float.
    """
    # What a layer's term is for a picture without any style, whatever the run starts from.
    sizes = {layer: float(weights[f'style {layer}'] * sum(
        np.square(part, dtype='float64').mean() for part in parts))
        for layer, parts in targets.style.items() if weights[f'style {layer}'] > 0}
    if len(sizes) < 2:
        return
    most, least = max(sizes, key=sizes.get), min(sizes, key=sizes.get)
    if sizes[most] > TOO_FAR * sizes[least]:
        log.warning('the weights do not fit this network: the style terms are about %.0e in %s and '
                    '%.0e in %s, so that only the first is painted, and noise stays; give '
                    '--normalise-gradients, by which every term pulls by its weight', sizes[most],
                    most, sizes[least], least)
