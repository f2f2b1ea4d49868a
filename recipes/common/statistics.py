"""What is kept of a style: statistics of activations, made of sums over positions.

Sums over positions can be gathered in tiles of the picture; the statistics and their distance are
functions of the sums. Where there are regions, each position p counts as much as the square of the
region's guide there (Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer",
equations 5 and 6): T(p) F(p) stands in the place of F(p).

- gram: the mean product of each pair of channels (Gatys et al. 2015, equation 3).
- mean: the mean of each channel, the article's own experiment.
- mean_variance: mean and standard deviation of each channel (Li et al. 2017, "Demystifying Neural
  Style Transfer", equation 11).
- covariance: the Gram matrix of the centred channels.
"""

import theano.tensor as T

from recipes.common import losses

KINDS = ('gram', 'mean', 'mean_variance', 'covariance')
SMALLEST_VARIANCE = 1e-4  # under the square root, whose slope at zero has no end

# Which sums a kind is made of, by name: of the activations, of their squares, of their products.
SUMS = {'gram': ('products',), 'mean': ('values',), 'mean_variance': ('values', 'squares'),
        'covariance': ('values', 'products')}


def sums(features, kind, guides=None):
    """Return the sums over positions that a kind of statistics is made of.

    Args:
        features: (1, channels, rows, columns).
        kind: one of KINDS.
        guides: (regions, rows, columns), or None for one region that is everywhere.

    Returns:
        List of (regions, channels), or (regions, channels, channels) for products.
    """
    guided = values = features
    if guides is not None:
        guides = guides.dimshuffle(0, 'x', 1, 2)
        guided = T.addbroadcast(features, 0) * guides
        values = guided * guides
    make = {'values': lambda: values.sum(axis=(2, 3)), 'squares': lambda: (guided ** 2).sum((2, 3)),
            'products': lambda: losses.gram_matrix(guided)}
    return [make[name]() for name in SUMS[kind]]


def from_sums(parts, kind, masses):
    """Return the statistics.

    Args:
        parts: as `sums` gives them, of the whole picture.
        kind: one of KINDS.
        masses: (regions,), what the squares of the guides add up to; without guides the number of
            positions.

    Returns:
        List of (regions, channels) or (regions, channels, channels).
    """
    parts = dict(zip(SUMS[kind], parts))
    mean = {name: part / masses.dimshuffle(0, 'x', *['x'] * (part.ndim - 2))
            for name, part in parts.items()}
    if kind == 'gram':
        return [mean['products']]
    if kind == 'mean':
        return [mean['values']]
    if kind == 'covariance':
        means = mean['values']
        return [mean['products'] - means.dimshuffle(0, 1, 'x') * means.dimshuffle(0, 'x', 1)]
    variance = T.maximum(mean['squares'] - mean['values'] ** 2, 0)
    return [mean['values'], T.sqrt(variance + SMALLEST_VARIANCE)]


def distance(targets, own, kind, masses):
    """Return how far statistics are from their targets, a scalar.

    Gram matrices and covariances: the squared distance over 4N^2; means and deviations: over N,
    with N channels. Regions count by their share of the picture.

    Args:
        targets, own: as `from_sums` gives them.
        kind: one of KINDS.
        masses: (regions,), of the picture.
    """
    total = 0
    shares = masses / masses.sum()
    for target, found in zip(targets, own):
        squares = ((found - target) ** 2).sum(axis=tuple(range(1, found.ndim)))
        channels = found.shape[1].astype(found.dtype)
        divisor = 4 * channels ** 2 if found.ndim == 3 else channels
        total = total + (shares * squares).sum() / divisor
    return total
