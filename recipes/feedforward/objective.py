"""The loss that generators are trained with, as Theano expressions on batches.

Johnson et al. 2016, equations 2 to 5; Ulyanov et al. 2016, equations 2 to 4. The same losses as in
the optimisation of one picture.
"""

from typing import NamedTuple

from models.networks import layer_names

import lasagne
import numpy as np
import theano
import theano.tensor as T

from recipes.common import images, losses, networks

CONTENT, STYLE = 'content', 'style'
VARIATION, RANGE, GRID = 'variation', 'range', 'grid'
PICTURE = 'input'  # the name of every network's first layer


class Settings(NamedTuple):
    """What a loss is.

    Attributes:
        model: the loss network.
        pool: its pooling.
        style_layers, content_layer: of it; the content layer PICTURE is the picture itself.
        style_weight: of each style layer.
        content_weight: of the content layer.
        variation_weight: of the squared steps between neighbours, a sum over pixels divided by
            their number where losses are relative.
        range_weight: of how far pixels lie outside 0..255, relative likewise.
        grid_weight: of what repeats on a grid of 4 pixels, relative likewise.
        per: 'energy' (each loss is a share of the painting's or the photo's own) or 'mean' (Gram
            matrices over all elements, means of squares).
    """

    model: str = 'vgg19_small'
    pool: str = 'average_exc_pad'
    style_layers: tuple = ('conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1')
    content_layer: str = 'conv3_1'
    style_weight: float = 6.0  # at 50, the optimisation's from the photo, the photo was forgotten
    content_weight: float = 1.0
    variation_weight: float = 0.0
    range_weight: float = 4e-3
    grid_weight: float = 1e-2
    per: str = 'energy'


# The archive's has the layers and the shares of recipes/style/defaults.py's for the embedded
# network, with less style, and the grid. The authors': jcjohnson/fast-neural-style,
# train.lua, whose content is relu3_3 (index 16) and whose variation is in the gradient alone;
# DmitryUlyanov/texture_nets, branch texture_nets_v1, README (style 1e3, content 0.6 of relu4_2).
SETTINGS = {
    'archive': Settings(),
    'johnson': Settings('vgg16', 'max', ('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3'), 'conv3_3',
                        5.0, 1.0, 1e-6, 0.0, 0.0, 'mean'),
    'ulyanov': Settings('vgg19', 'max', ('conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1'),
                        'conv4_2', 1e3, 0.6, 0.0, 0.0, 0.0, 'mean'),
}


class LossNetwork:
    """The fixed network, a painting's Gram matrices, and the terms of the loss.

    Args:
        settings: a `Settings`.
        painting: RGB uint8 (rows, columns, 3), or None where no layer is of style.
        weights: file of the network's weights, or None for its own.
        content: whether there is a photo to keep the content of; textures have none.

    Attributes:
        names: of the terms, in order: content, then style by layer, then the others.
        factors: by which each term's value is multiplied, in the same order.
        mean_pixel: (3,), BGR.
    """

    def __init__(self, settings, painting, weights=None, content=True):
        self.settings = settings
        layers = [*settings.style_layers, *([settings.content_layer] if content else [])]
        seen = [layer for layer in layers if layer != PICTURE] or layer_names(settings.model)[:1]
        self.net, self.mean_pixel = networks.load_to(seen, settings.model, weights,
                                                     settings.pool)
        self.content = content
        self.targets = self._grams_of(painting) if settings.style_layers else {}
        named = [(CONTENT, settings.content_weight)] * content
        named += [(f'{STYLE} {layer}', settings.style_weight) for layer in settings.style_layers]
        named += [(VARIATION, settings.variation_weight)] * (settings.variation_weight > 0)
        named += [(RANGE, settings.range_weight)] * (settings.range_weight > 0)
        named += [(GRID, settings.grid_weight)] * (settings.grid_weight > 0)
        self.names = [name for name, _ in named]
        self.factors = np.array([factor for _, factor in named], 'float32')

    def terms(self, picture, photo=None, around=0):
        """Give the terms of a batch of pictures, unweighted: a vector of means over the batch.

        Args:
            picture: what a generator gives, (batch, 3, rows, columns), BGR minus mean.
            photo: whose content the picture shall have, the same shape; None without content.
            around: pixels of the picture's margin that the network sees and that are not counted
                as pixels of it.
        """
        settings = self.settings
        wanted = {*settings.style_layers, *([settings.content_layer] * self.content)}
        names = [name for name in self.net if name in wanted]
        seen = dict(zip(names, lasagne.layers.get_output([self.net[name] for name in names],
                                                         picture)))
        terms = []
        if self.content:
            kept = lasagne.layers.get_output(self.net[settings.content_layer], photo)
            terms.append(self._content(seen[settings.content_layer], kept))
        terms += [self._style(layer, seen[layer]) for layer in settings.style_layers]
        inside = picture[:, :, around:-around, around:-around] if around else picture
        size = inside.size.astype('float32') / 3 if settings.per == 'energy' else 1
        if settings.variation_weight:
            terms.append(losses.squared_variation_loss(inside) / size)
        if settings.range_weight:
            low = -self.mean_pixel
            terms.append(losses.range_loss(inside, low, low + 255) / size)
        if settings.grid_weight:
            terms.append(losses.grid_loss(inside) / size)
        return T.stack(terms)

    def total(self, terms):
        """Give the loss of the terms."""
        return (terms * self.factors).sum()

    def _content(self, seen, kept):
        if self.settings.per == 'mean':  # the mean of the squares, twice half their sum
            return 2 * losses.content_loss([kept], [seen], 0) / seen.size.astype(seen.dtype)
        energy = T.sqrt((kept ** 2).sum(axis=(1, 2, 3), keepdims=True))
        return 2 * losses.content_loss([kept / energy], [seen / energy], 0) / _batch(seen)

    def _style(self, layer, seen):
        target = self.targets[layer]
        loss = losses.style_loss([[target[:, None]]], [seen], 0) / _batch(seen)
        channels = target.shape[1]
        if self.settings.per == 'mean':  # Gram matrices over all elements: 1 / (C H W)
            return 4 * loss / float(channels) ** 2
        return loss * (4 * channels ** 2) / float((target ** 2).sum())

    def _grams_of(self, painting):
        layers = self.settings.style_layers
        x = T.tensor4()
        outputs = lasagne.layers.get_output([self.net[layer] for layer in layers], x)
        grams = theano.function([x], [_per_position(output) for output in outputs])
        return dict(zip(layers, grams(images.prepare(painting, self.mean_pixel))))


def _batch(x):
    return x.shape[0].astype(x.dtype)


def _per_position(x):
    return losses.gram_matrix(x) / (x.shape[2] * x.shape[3]).astype(x.dtype)
