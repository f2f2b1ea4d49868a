"""The loss of style transfer: terms for layers, made of sums over positions of a picture.

Everything in the loss is a function of such sums, which is why it can be computed in tiles
(`recipes.common.tiles`) as exactly as from the whole picture.
"""

from collections import namedtuple
from functools import partial

import lasagne
import numpy as np
import theano
import theano.tensor as T

from recipes.common import losses, statistics

RANGE, VARIATION = 'range', 'total variation'


class Aims(namedtuple('Aims', 'masses targets weights')):
    """What turns sums into terms of the loss; as variables or as arrays.

    masses: style layer to (regions,), what the squares of the guides add up to, or the number of
    positions; targets: style layer to the statistics of the painting, a list; weights: (terms,).
    """

    def flat(self):
        """Return all of them in one list."""
        return [*self.masses.values(), *(part for parts in self.targets.values() for part in parts),
                self.weights]


class Targets(namedtuple('Targets', 'photo guides aims')):
    """What a picture should match, as arrays.

    photo: content layer to activations of the photo, (1, channels, rows, columns); guides: style
    layer to (regions, rows, columns), empty where the style has no regions; aims: `Aims`.
    """

    def weighted(self, weights):
        """Return the same with weights of the terms, (terms,)."""
        return self._replace(aims=self.aims._replace(weights=np.asarray(weights)))

    def arrays(self):
        """Return all of them in the order of `Terms.inputs`, in floatX."""
        arrays = [*self.photo.values(), *self.guides.values(), *self.aims.flat()]
        return [np.asarray(array, theano.config.floatX) for array in arrays]


    def energies(self):
        """Give each layer's loss of a picture with no activations at all, by name of the term.

        Divided by it, a loss does not depend on how strong a network's activations are, or how
        lively the photo and the painting.
        """
        energies = {}
        for layer, photo in self.photo.items():
            energies[f'content {layer}'] = 0.5 * float((photo.astype('float64') ** 2).sum())
        for layer, parts in self.aims.targets.items():
            energy = 0.0
            for part in parts:
                channels = part.shape[1]
                squares = (part.astype('float64') ** 2).reshape(len(part), -1).sum(axis=1)
                masses = self.aims.masses[layer]
                energy += float((squares * masses).sum() / masses.sum()) / (
                    4 * channels ** 2 if part.ndim == 3 else channels)
            energies[f'style {layer}'] = energy
        return {name: energy or 1.0 for name, energy in energies.items()}


class Terms:
    """The terms of the loss, as Theano expressions that are yet to be given a picture.

    Args:
        net: ordered dict of layers.
        content_layers, style_layers: names; either may be empty.
        kind: of the style's statistics, one of `statistics.KINDS`.
        variation: one of `losses.VARIATIONS`.
        guided: whether the style has regions.
        channels: style layer to an array of the channels that are in its loss; one that is not
            named has all.
        limits: (lowest, highest), each (3,): what a picture's pixels should lie between, as the
            network takes them, in the term 'range'; None leaves that term out.

    Attributes:
        names: of the terms, in order.
        inputs: the variables that the expressions depend on besides the picture, in the order in
            which `Targets.arrays` gives their values.
        aims: those of them that concern the whole picture, `Aims`.
    """

    def __init__(self, net, content_layers, style_layers, kind='gram', variation='recipes',
                 guided=False, channels=None, limits=None):
        self.net, self.kind, self.guided = net, kind, guided
        self.channels = dict(channels or {})
        self.content_layers, self.style_layers = list(content_layers), list(style_layers)
        self.pixel_losses = {VARIATION: losses.VARIATIONS[variation]}
        if limits is not None:
            lowest, highest = (np.asarray(limit, theano.config.floatX) for limit in limits)
            within = partial(losses.range_loss, lowest=lowest, highest=highest)
            self.pixel_losses = {RANGE: within, **self.pixel_losses}
        self.names = [*(f'content {layer}' for layer in self.content_layers),
                      *(f'style {layer}' for layer in self.style_layers), *self.pixel_losses]
        self.photo = {layer: T.tensor4(f'photo {layer}') for layer in self.content_layers}
        self.guides = {layer: T.tensor3(f'guides {layer}') for layer in self.style_layers if guided}
        self.aims = self.variables(theano.config.floatX)
        self.inputs = [*self.photo.values(), *self.guides.values(), *self.aims.flat()]

    def variables(self, dtype):
        """Return `Aims` of variables."""
        tensor = partial(tensor_of, dtype)
        ndims = [3 if name in ('gram', 'covariance') else 2 for name in self.kind.split('_')]
        return Aims({layer: tensor(1) for layer in self.style_layers},
                    {layer: [tensor(ndim) for ndim in ndims] for layer in self.style_layers},
                    tensor(1))

    def sum_variables(self, dtype):
        """Return variables for the sums over positions of each style layer, by layer."""
        return {layer: [tensor_of(dtype, 3 if name == 'products' else 2)
                        for name in statistics.SUMS[self.kind]] for layer in self.style_layers}

    def features(self, image, cores=None):
        """Return the activations in each layer of the loss, name to expression.

        Args:
            image: (1, 3, rows, columns).
            cores: integers (layers + 1, 4), for each layer of `self.layers` and for the pixels the
                first and last row and column to look at, the last ones excluded; None takes all.
        """
        outputs = lasagne.layers.get_output([self.net[layer] for layer in self.layers], image)
        if cores is not None:
            outputs = [cut(output, cores[index]) for index, output in enumerate(outputs)]
        return dict(zip(self.layers, outputs))

    @property
    def layers(self):
        """Return the layers of the loss, each once."""
        return list(dict.fromkeys([*self.content_layers, *self.style_layers]))

    def style_sums(self, features):
        """Return the sums over positions that the style's statistics are made of, by layer."""
        return {layer: statistics.sums(self.chosen(features, layer), self.kind,
                                       self.guides.get(layer))
                for layer in self.style_layers}

    def chosen(self, features, layer):
        """Return the activations of those channels of a layer that are in its style loss."""
        channels = self.channels.get(layer)
        if channels is None:
            return features[layer]
        # Theano takes, and puts back, along the first axis only in compiled code.
        return features[layer].dimshuffle(1, 0, 2, 3)[channels].dimshuffle(1, 0, 2, 3)

    def of_pixels(self, image):
        """Return the losses of the pixels themselves, a list of scalars."""
        return [loss(image) for loss in self.pixel_losses.values()]

    def of_sums(self, content, style, pixels, aims):
        """Return the weighted terms of the loss, a vector.

        Args:
            content: a list of scalars, the content losses.
            style: layer to sums, as of `style_sums`.
            pixels: a list of scalars, as of `of_pixels`.
            aims: as of `variables`.
        """
        distances = []
        for layer, parts in style.items():
            masses = aims.masses[layer]
            own = statistics.from_sums(parts, self.kind, masses)
            distances.append(statistics.distance(aims.targets[layer], own, self.kind, masses))
        terms = [*content, *distances, *pixels]
        return aims.weights * T.stack([term.astype(aims.weights.dtype) for term in terms])

    def of(self, image):
        """Return the weighted terms of the loss of a whole picture, a vector."""
        features = self.features(image)
        content = [losses.content_loss(self.photo, features, layer)
                   for layer in self.content_layers]
        return self.of_sums(content, self.style_sums(features), self.of_pixels(image), self.aims)

    def compile_look(self):
        """Compile what targets are made of, from a tile of a picture.

        Returns:
            Function (image, cores, *guides) -> [activations in each content layer, sums of each
            style layer, losses of the pixels].
        """
        image, cores = T.tensor4('image'), T.lmatrix('cores')
        features = self.features(image, cores)
        sums = [part for parts in self.style_sums(features).values() for part in parts]
        pixels = self.of_pixels(cut(image, cores[len(self.layers)]))
        outputs = [features[layer] for layer in self.content_layers] + sums + pixels
        return theano.function([image, cores, *self.guides.values()], outputs,
                               on_unused_input='ignore')


def tensor_of(dtype, ndim):
    """Return a variable."""
    return T.TensorType(dtype, [False] * ndim)()


def cut(x, core):
    """Return part of the rows and columns of (batch, channels, rows, columns)."""
    return x[:, :, core[0]:core[1], core[2]:core[3]]


def compile_statistics(terms):
    """Compile statistics from sums, in float64.

    Returns:
        Function from (sums, masses), both dicts by layer, to a dict of lists of statistics.
    """
    sums = terms.sum_variables('float64')
    masses = {layer: tensor_of('float64', 1) for layer in terms.style_layers}
    parts = [part for parts in sums.values() for part in parts]
    outputs = [statistics.from_sums(sums[layer], terms.kind, masses[layer]) for layer in sums]
    compute = theano.function([*parts, *masses.values()],
                              [part for parts in outputs for part in parts],
                              on_unused_input='ignore')

    def from_sums(sums, masses):
        found = compute(*(part for parts in sums.values() for part in parts),
                        *(np.maximum(mass, 1e-9) for mass in masses.values()))
        return {layer: [found.pop(0) for _ in parts] for layer, parts in zip(sums, outputs)}

    return from_sums


def guides_and_masses(terms, regions, shape):
    """Return the guides of the style layers, and what their squares add up to.

    Args:
        terms: `Terms`.
        regions: (regions, rows, columns) of ones and zeros for each pixel, or None.
        shape: of the picture, (1, 3, rows, columns).

    Returns:
        (guides, masses): style layer to (regions, rows, columns), empty without regions; style
        layer to float64 (regions,), without regions the number of positions.
    """
    if regions is None:
        counts = {layer: lasagne.layers.get_output_shape(terms.net[layer], shape)[2:]
                  for layer in terms.style_layers}
        return {}, {layer: np.array([float(rows * columns)])
                    for layer, (rows, columns) in counts.items()}
    guides = {layer: guides_at(terms.net[layer], regions, shape) for layer in terms.style_layers}
    return guides, {layer: (guide.astype('float64') ** 2).sum(axis=(1, 2))
                    for layer, guide in guides.items()}


def guides_at(layer, regions, shape):
    """Return the guides of a layer for a picture: of each unit's cell the share in each region.

    Args:
        layer: of the network.
        regions: (regions, rows, columns) of ones and zeros, for each pixel.
        shape: of the picture, (1, 3, rows, columns).

    Returns:
        floatX array (regions, rows, columns) of the layer's positions.
    """
    rows, columns = lasagne.layers.get_output_shape(layer, shape)[2:]
    guides = np.empty((len(regions), rows, columns), theano.config.floatX)
    # Sums from the top left corner on give the mean of any cell at once.
    table = np.pad(regions.astype('float64'), ((0, 0), (1, 0), (1, 0))).cumsum(1).cumsum(2)
    tops, lefts = (np.arange(count + 1) * length // count
                   for count, length in zip((rows, columns), shape[2:]))
    corners = table[:, tops][:, :, lefts]
    inside = corners[:, 1:, 1:] - corners[:, :-1, 1:] - corners[:, 1:, :-1] + corners[:, :-1, :-1]
    guides[:] = inside / np.outer(np.diff(tops), np.diff(lefts))
    return guides
