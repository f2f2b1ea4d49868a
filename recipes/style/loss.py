"""The loss of style transfer: a list of terms, compiled into one function with its gradient.

`style_transfer` puts the whole together. Each term is a function of sums over the picture's
positions, which is why the loss can also be computed in tiles, as exactly (`tiled_loss.py`).
"""

from collections import namedtuple
from functools import partial

import lasagne
import numpy as np
import theano
import theano.tensor as T

from recipes.common import losses
from recipes.common.objective import Objective
from recipes.style import tiles

RANGE, VARIATION = 'range', 'total variation'

# A term of the loss. sums: expressions that add up over tiles of the picture; loss: function from a
# list of them, of the whole picture, to the expression of a scalar; counted: whether it is in the
# loss that is reported, and not only in the gradient.
Term = namedtuple('Term', 'name sums loss counted', defaults=(True,))

# What terms are written with, as expressions, of a whole picture or of a tile's core. features:
# layer to activations; pixels: (1, 3, rows, columns); photo: content layer to the photo's
# activations; guides: style layer to (regions, rows, columns), empty without regions.
View = namedtuple('View', 'features pixels photo guides')

# image: (1, 3, rows, columns), BGR minus mean; regions: (regions, rows, columns) of 0 to 1, how
# much each pixel counts in each, or None; share: in the style, beside other paintings.
Painting = namedtuple('Painting', 'image regions share', defaults=(None, 1.0))


class Targets(namedtuple('Targets', 'photo style guides masses')):
    """What a picture should match, as arrays.

    photo: content layer to activations of the photo, (1, channels, rows, columns); style: style
    layer to the paintings' statistics, a list, float64; guides: style layer to (regions, rows,
    columns) of the photo, empty without regions; masses: style layer to (regions,), what the
    squares of the guides add up to, or the number of positions.
    """

    def energies(self):
        """Give each layer's loss of a picture with no activations at all, by name of the term.

        Divided by it, a loss does not depend on how strong a network's activations are, or how
        lively the photo and the painting.
        """
        energies = {}
        for layer, photo in self.photo.items():
            energies[f'content {layer}'] = 0.5 * float((photo.astype('float64') ** 2).sum())
        for layer, parts in self.style.items():
            energy, masses = 0.0, self.masses[layer]
            for part in parts:
                channels = part.shape[2]
                squares = (part.astype('float64') ** 2).sum(axis=tuple(range(2, part.ndim)))[0]
                energy += float((squares * masses).sum() / masses.sum()) / (
                    4 * channels ** 2 if part.ndim == 4 else channels)
            energies[f'style {layer}'] = energy
        return {name: energy or 1.0 for name, energy in energies.items()}


class StyleLoss:
    """The loss of a whole picture and its gradient; call it with the picture.

    Args:
        net: ordered dict of layers.
        content_layers, style_layers: names; either may be empty.
        kind: of the style's statistics, one of `losses.KINDS`.
        variation: one of `losses.VARIATIONS`.
        counted: whether the total variation is in the loss that is reported.
        guided: whether the style has regions.
        channels: style layer to an array of the channels that are in its loss; a layer that is not
            named has all.
        limits: (lowest, highest), each (3,): what a picture's pixels should lie between, as the
            network takes them, in the term 'range'; None leaves that term out.

    Attributes:
        layers: of the loss, each once.
        names: of the terms.
        counted: boolean (terms,).
        weights: name to a shared variable, 1 at first; see `weigh`.
    """

    def __init__(self, net, content_layers, style_layers, kind='gram', variation='recipes',
                 counted=True, guided=False, channels=None, limits=None):
        self.net, self.kind, self.guided = net, kind, guided
        self.content_layers, self.style_layers = list(content_layers), list(style_layers)
        self.layers = list(dict.fromkeys([*self.content_layers, *self.style_layers]))
        self.channels = dict(channels or {})
        self.variation, self.variation_counts = losses.VARIATIONS[variation], counted
        self.limits = None if limits is None else [
            np.asarray(limit, theano.config.floatX) for limit in limits]
        # The targets are shared variables, so that the compiled function takes the picture only.
        matrices = [name in ('gram', 'covariance') for name in kind.split('_')]
        self.photo = {layer: shared(4, f'photo {layer}') for layer in self.content_layers}
        self.style = {layer: [shared(4 if matrix else 3, f'style {layer}') for matrix in matrices]
                      for layer in self.style_layers}
        self.masses = {layer: shared(1, f'masses {layer}') for layer in self.style_layers}
        self.guides = {layer: shared(3, f'guides {layer}') for layer in self.style_layers if guided}
        self.picture = T.tensor4('picture')
        terms = self.terms(View(self.features(self.picture), self.picture, self.photo,
                                self.guides))
        self.names = [term.name for term in terms]
        self.counted = np.array([term.counted for term in terms])
        self.weights = {name: shared(0, f'weight of {name}') for name in self.names}
        self.weigh(dict.fromkeys(self.names, 1.0))
        self._terms, self.function = terms, None

    def terms(self, view):
        """List the terms of the loss for a `View`."""
        terms = [Term(f'content {layer}',
                      [losses.content_loss(view.photo, view.features, layer)], only)
                 for layer in self.content_layers]
        terms += [Term(f'style {layer}',
                       losses.position_sums(self.chosen(view.features, layer), self.kind,
                                            view.guides.get(layer)),
                       partial(self._style_loss, layer))
                  for layer in self.style_layers]
        if self.limits is not None:
            terms.append(Term(RANGE, [losses.range_loss(view.pixels, *self.limits)], only))
        terms.append(Term(VARIATION, [self.variation(view.pixels)], only,
                          self.variation_counts))
        return terms

    def _style_loss(self, layer, sums):
        masses = self.masses[layer]
        found = losses.statistics(sums, self.kind, masses)
        return losses.style_loss(self.style, {layer: found}, layer, masses / masses.sum())

    def compile(self):
        """Compile picture -> (weighted terms, gradient of their sum), if the first call has not."""
        values = losses.weighted([term.loss(term.sums) for term in self._terms],
                                 [self.weights[term.name] for term in self._terms])
        self.function = theano.function(
            [self.picture], [values, T.grad(values.sum(), self.picture)], on_unused_input='ignore')

    def __call__(self, picture):
        """Compute (weighted terms, gradient) of a picture (1, 3, rows, columns), in floatX."""
        if self.function is None:
            self.compile()
        return self.function(picture)

    def features(self, image, cores=None):
        """Express the activations in each layer of the loss, name to expression.

        Args:
            image: (1, 3, rows, columns).
            cores: integers (layers, 4), for each layer the first and last row and column to look
                at, the last ones excluded; None takes all.
        """
        outputs = lasagne.layers.get_output([self.net[layer] for layer in self.layers], image)
        if cores is not None:
            outputs = [cut(output, cores[index]) for index, output in enumerate(outputs)]
        return dict(zip(self.layers, outputs))

    def chosen(self, features, layer):
        """Take those channels of a layer that are in its style loss."""
        channels = self.channels.get(layer)
        if channels is None:
            return features[layer]
        # Theano takes, and puts back, along the first axis only in compiled code.
        return features[layer].dimshuffle(1, 0, 2, 3)[channels].dimshuffle(1, 0, 2, 3)

    def weigh(self, weights):
        """Set the weights of the terms, a dict by name."""
        with np.errstate(over='ignore'):  # beyond float32 it is infinite, and so is the loss
            for name, weight in weights.items():
                self.weights[name].set_value(np.asarray(weight, theano.config.floatX))

    def aim_at(self, targets):
        """Set what the picture should match, `Targets`."""
        pairs = [*zip(self.photo.values(), targets.photo.values()),
                 *zip(self.guides.values(), targets.guides.values()),
                 *zip(self.masses.values(), targets.masses.values()),
                 *((variable, array) for layer in self.style
                   for variable, array in zip(self.style[layer], targets.style[layer]))]
        for variable, array in pairs:
            variable.set_value(np.asarray(array, theano.config.floatX))


class Looker:
    """Looks at photo and paintings for what a picture should match, tile by tile.

    Args:
        loss: `StyleLoss`.
    """

    def __init__(self, loss):
        self.loss = loss
        image, cores = T.tensor4('image'), T.lmatrix('cores')
        guides = {layer: T.tensor3(f'guides {layer}') for layer in loss.guides}
        features = loss.features(image, cores)
        sums = [part for layer in loss.style_layers
                for part in losses.position_sums(loss.chosen(features, layer), loss.kind,
                                                 guides.get(layer))]
        self.look = theano.function([image, cores, *guides.values()],
                                    [features[layer] for layer in loss.content_layers] + sums,
                                    on_unused_input='ignore')
        self.statistics = compile_statistics(loss.kind)

    def targets(self, photo, paintings, regions=None, core=None, painting_core=None):
        """Compute what the picture should match.

        Args:
            photo: (1, 3, rows, columns), BGR minus mean.
            paintings: list of `Painting`; the target is the mean of their statistics by their
                shares, which has the same gradient as the sum of their losses.
            regions: of the photo, (regions, rows, columns), or None.
            core, painting_core: (rows, columns) of tiles to look in; None for the whole.

        Returns:
            `Targets`.
        """
        guides, masses = self._guides_and_masses(regions, photo.shape)
        features, _ = self(photo, guides, core)
        blended, shares = {}, {}
        for painting in paintings:
            own_guides, own_masses = self._guides_and_masses(painting.regions,
                                                             painting.image.shape)
            _, sums = self(painting.image, own_guides, painting_core)
            for layer, parts in sums.items():
                share = painting.share * (own_masses[layer] > 0)  # a region may be in some only
                shares[layer] = shares.get(layer, 0) + share
                found = self.statistics(*parts, np.maximum(own_masses[layer], 1e-9))
                weighted = [part * along_regions(share, part) for part in found]
                blended[layer] = ([a + b for a, b in zip(blended[layer], weighted)]
                                  if layer in blended else weighted)
        style = {layer: [part / along_regions(shares[layer], part) for part in parts]
                 for layer, parts in blended.items()}
        return Targets(features, style, guides, masses)

    def __call__(self, image, guides, core=None):
        """Look at a picture.

        Returns:
            (features, sums): content layer to activations of the whole picture; style layer to a
            list of float64 sums over positions.
        """
        loss = self.loss
        tiling = tiles.Tiling(loss.net, loss.layers, image.shape, core)
        features, sums = {}, {}
        for tile in tiling.tiles:
            units = dict(zip(loss.layers, tiling.units(tile)))
            found = self.look(tiles.window(image, tile.window), tiling.cores(tile)[:-1],
                              *(tiles.window(guides[layer], units[layer])
                                for layer in loss.guides))
            for layer in loss.content_layers:
                tiling.place(features, layer, found.pop(0), units[layer])
            for layer in loss.style_layers:
                parts = [np.asarray(found.pop(0), 'float64') for _ in losses.SUMS[loss.kind]]
                sums[layer] = ([a + b for a, b in zip(sums[layer], parts)] if layer in sums
                               else parts)
        return features, sums

    def _guides_and_masses(self, regions, shape):
        """Find the guides of the style layers for a picture, and what their squares add up to."""
        net, layers = self.loss.net, self.loss.style_layers
        if regions is None:
            counts = {layer: lasagne.layers.get_output_shape(net[layer], shape)[2:]
                      for layer in layers}
            return {}, {layer: np.array([float(rows * columns)])
                        for layer, (rows, columns) in counts.items()}
        guides = {layer: guides_at(net[layer], regions, shape) for layer in layers}
        return guides, {layer: (guide.astype('float64') ** 2).sum(axis=(1, 2))
                        for layer, guide in guides.items()}


def style_transfer(net, photo, paintings, content_layers, style_layers, tv_weight=0.0,
                   kind='gram', relative=False, regions=None, on_evaluation=None):
    """Put style transfer together: what is minimised over a picture of the photo's shape.

    Args:
        net: ordered dict of layers, with weights.
        photo: (1, 3, rows, columns), as `images.prepare` gives it.
        paintings: one such array of any size, or a list of `Painting`.
        content_layers, style_layers: name of a layer to the weight of its term.
        tv_weight: of the total variation.
        kind: of the style's statistics, one of `losses.KINDS`.
        relative: whether losses are shares of the photo's and the paintings' own, so that one
            weight fits all pictures and networks; otherwise they are the formulas' values.
        regions: of the photo, (regions, rows, columns) of 0 to 1, where the paintings have as many;
            None where every pixel counts in each.
        on_evaluation: of the `Objective`.

    Raises:
        ValueError: photo and paintings have other numbers of regions.

    Returns:
        `Objective`, whose `eval_loss` and `eval_grad` scipy's `fmin_l_bfgs_b` takes.
    """
    if isinstance(paintings, np.ndarray):
        paintings = [Painting(paintings)]
    (_, regions, _), *paintings = in_regions([Painting(photo, regions), *paintings])
    loss = StyleLoss(net, content_layers, style_layers, kind, guided=regions is not None)
    targets = Looker(loss).targets(photo, paintings, regions)
    weights = {**{f'content {layer}': weight for layer, weight in content_layers.items()},
               **{f'style {layer}': weight for layer, weight in style_layers.items()},
               VARIATION: tv_weight}
    loss.aim_at(targets)
    if relative:
        own_terms, _ = loss(photo)
        own = {VARIATION: float(own_terms[loss.names.index(VARIATION)]) or 1.0,
               **targets.energies()}
        weights = {name: weight / own[name] for name, weight in weights.items()}
    loss.weigh(weights)
    return Objective(loss, photo.shape, on_evaluation)


def in_regions(pictures):
    """Give every picture regions where one has any; in what it lacks each of its pixels counts.

    Args:
        pictures: list of `Painting`.

    Raises:
        ValueError: they have other numbers of regions.
    """
    counts = {len(picture.regions) for picture in pictures if picture.regions is not None}
    if len(counts) > 1:
        raise ValueError(f'photo and paintings have {sorted(counts)} regions; give each as many')
    return [picture if picture.regions is not None or not counts else
            picture._replace(regions=np.ones((*counts, *picture.image.shape[2:])))
            for picture in pictures]


def only(sums):
    """Give the loss of a term that is a sum over positions itself."""
    (loss,) = sums
    return loss


def shared(ndim, name):
    """Make a shared variable of so many axes, to be set."""
    return theano.shared(np.zeros((1,) * ndim, theano.config.floatX), name)


def cut(x, core):
    """Cut rows and columns out of (batch, channels, rows, columns) or (regions, rows, columns)."""
    return x[..., core[0]:core[1], core[2]:core[3]]


def along_regions(values, part):
    """Shape (regions,) so that it multiplies statistics (1, regions, ...)."""
    return np.reshape(values, (1, -1, *[1] * (part.ndim - 2)))


def compile_statistics(kind):
    """Compile (*sums, masses) -> statistics, in float64."""
    sums = [T.TensorType('float64', [False] * (4 if name == 'products' else 3))()
            for name in losses.SUMS[kind]]
    masses = T.dvector('masses')
    return theano.function([*sums, masses], losses.statistics(sums, kind, masses))


def guides_at(layer, regions, shape):
    """Compute the guides of a layer for a picture: of each unit's cell the share in each region.

    Args:
        layer: of the network.
        regions: (regions, rows, columns) of 0 to 1, for each pixel.
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
