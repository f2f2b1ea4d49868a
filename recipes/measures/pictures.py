"""How alike two pictures are: structure, colours, layers of a network, maps.

Pictures are RGB uint8 (rows, columns, 3) of one shape, maps float (rows, columns) of one shape.
"""

import models
from models.errors import ArchiveError

import lasagne
import numpy as np
import theano
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from recipes.common import colours, images, losses, networks, palettes

BRIGHTEST = 0.05      # of a map's pixels, whose overlap is measured
WINDOW = 11           # pixels of the sides of SSIM's windows
QUANTILES = 1024      # of a distribution of colours along one direction
SMALLEST_SPREAD = 5.0  # in L*a*b*: a picture of less has next to one colour
# Directions in L*a*b* along which distributions are compared: edges, faces and corners of a cube.
DIRECTIONS = np.array([(x, y, z) for x in (1, 0, -1) for y in (1, 0, -1) for z in (1, 0, -1)
                       if (x, y, z) > (0, 0, 0)], float)
DIRECTIONS /= np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)


def ssim(a, b):
    """Compute the structural similarity of two pictures' luminances, -1..1 (Wang et al. 2004).

    Gaussian windows of deviation 1.5, as in the paper.

    Raises:
        ArchiveError: a picture is smaller than a window.
    """
    if min(a.shape[:2]) < WINDOW:
        raise ArchiveError(f'what two pictures share is {a.shape[1]}x{a.shape[0]} pixels; at least '
                           f'{WINDOW}x{WINDOW} are needed to compare them')
    return float(structural_similarity(colours.luminance(a), colours.luminance(b), data_range=255,
                                       gaussian_weights=True, use_sample_covariance=False))


def colour_distance(a, b):
    """Compute the earth mover's distance of two pictures' colours, over the second one's spread.

    Sliced: the mean over 13 directions of the distance along each, of which L*, a* and b* are
    three (Rabin et al. 2011). Divided by the mean distance of the second picture's colours from
    their mean, it is as severe with a greyish picture as with a gaudy one.

    Returns:
        A share, from 0 up; 1 is as far as the colours of the picture itself are spread.
    """
    return earth_movers(a, b) / spread(b)


def earth_movers(a, b):
    """Compute the sliced earth mover's distance of two distributions of colours in L*a*b*.

    2.3 is just noticeable. In two pictures of one colour each the mean over directions is smaller
    than the distance of the colours, by some 0.5.

    Args:
        a, b: RGB uint8 (rows, columns, 3); of any two sizes.

    Returns:
        Distance in L*a*b*, from 0 up.
    """
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    first, second = (np.quantile(palettes.to_lab(rgb).reshape(-1, 3) @ DIRECTIONS.T, shares,
                                 axis=0) for rgb in (a, b))
    return float(abs(first - second).mean())


def spread(rgb):
    """Compute the mean distance of a picture's colours from their mean, in L*a*b*; at least 5.

    Args:
        rgb: uint8 (rows, columns, 3).
    """
    lab = palettes.to_lab(rgb).reshape(-1, 3)
    return max(SMALLEST_SPREAD, float(np.linalg.norm(lab - lab.mean(axis=0), axis=1).mean()))


def rank_correlation(a, b):
    """Spearman's correlation of two maps: Pearson's of ranks, equal values sharing one; -1..1.

    0 where one of them is the same everywhere.

    Args:
        a, b: arrays of as many numbers, such as maps (rows, columns).
    """
    a, b = (rankdata(x.ravel()) for x in (a, b))
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a ** 2).sum() * (b ** 2).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0


def overlap(a, b, share=BRIGHTEST):
    """Measure how much of the brightest pixels of two maps is the same, 0..1: common over all.

    Two maps that have nothing to do with each other share about share / (2 - share), 0.026.
    """
    first, second = (_brightest(x, share) for x in (a, b))
    return float((first & second).sum() / (first | second).sum())


def _brightest(x, share):
    """Find which pixels are the brightest, boolean; of equals those that come first."""
    chosen = np.zeros(x.size, bool)
    chosen[np.argsort(-x.ravel(), kind='stable')[:max(1, round(share * x.size))]] = True
    return chosen


class InNetwork:
    """How alike two pictures are in the layers of a network.

    Args:
        net: ordered dict of layers.
        layers: names of those whose Gram matrices are compared.
        content: name of the one whose activations are compared place by place.
        mean_pixel: (3,), BGR.
    """

    def __init__(self, net, layers, content, mean_pixel):
        self.mean_pixel = mean_pixel
        image = net['input'].input_var
        *outputs, activations = lasagne.layers.get_output(
            [net[layer] for layer in (*layers, content)], image, deterministic=True)
        grams = [losses.gram_matrix(output) / (output.shape[2] * output.shape[3]).astype('float32')
                 for output in outputs]
        self._look = theano.function([image], [*grams, activations])

    @classmethod
    def of(cls, model, weights=None):
        """Load a network by name: the first four of its layers for a style, and of these the third
        for the places.

        Args:
            model, weights: as of `models.load`.
        """
        layers = models.facts_of(model).style[:4]
        net, mean_pixel = networks.load_to(layers, model, weights, 'average_exc_pad')
        return cls(net, layers, layers[2], mean_pixel)

    def gram(self, a, b):
        """Compute the largest over layers of |G_a - G_b| / |G_b|, Frobenius norms; 0 for the same.

        Noise over a painted picture shows in one layer only, so a mean would hide it.

        Args:
            a, b: RGB uint8 (rows, columns, 3); of any two sizes.
        """
        (*first, _), (*second, _) = self.look(a), self.look(b)
        return float(max(np.linalg.norm(x - y) / max(np.linalg.norm(y), 1e-12)
                         for x, y in zip(first, second)))

    def content(self, a, b):
        """Correlate activations place by place, each channel without its mean; -1..1.

        1 for the same, about 0 for pictures of different things in any style.

        Args:
            a, b: RGB uint8 (rows, columns, 3), of one shape.
        """
        first, second = (x - x.mean(axis=(1, 2), keepdims=True)
                         for x in (self.look(a)[-1], self.look(b)[-1]))
        scale = np.sqrt((first ** 2).sum() * (second ** 2).sum())
        return float((first * second).sum() / scale) if scale > 0 else 0.0

    def look(self, rgb):
        """Compute a picture's Gram matrices and activations.

        Returns:
            List: Gram matrices (channels, channels), each over its layer's positions, and last the
            activations (channels, rows, columns).
        """
        return [found[0] for found in self._look(images.prepare(rgb, self.mean_pixel))]
