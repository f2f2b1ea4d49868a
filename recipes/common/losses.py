"""The losses of style transfer as Theano expressions: equations 1 to 7 of Gatys et al. 2015.

P, A and X map layer names to activations (batch, channels, rows, columns) of photos, paintings
(artworks) and the pictures that are made. Each loss is a scalar, summed over the batch. Style
transfer, in one piece and in tiles, with and without regions, `reconstruct.py` and the training of
generators compute their pixels and gradients by these functions.

Source: Gatys, Ecker & Bethge 2015, "A Neural Algorithm of Artistic Style"; Lasagne/Recipes,
examples/styletransfer/Art Style Transfer.ipynb. Equations 2 and 6 are derivatives, which `T.grad`
takes.
"""

import theano.tensor as T

# What of a layer is the style, and which sums over positions each is made of. Sums can be gathered
# from tiles of a picture.
# - gram: the mean product of each pair of channels (Gatys et al. 2015, equation 3).
# - mean: the mean of each channel, the article's own experiment.
# - mean_variance: mean and standard deviation of each channel (Li et al. 2017, "Demystifying Neural
#   Style Transfer", equation 11).
# - covariance: the Gram matrix of the centred channels.
SUMS = {'gram': ('products',), 'mean': ('values',), 'mean_variance': ('values', 'squares'),
        'covariance': ('values', 'products')}
KINDS = tuple(SUMS)
SMALLEST_VARIANCE = 1e-4  # under the square root, whose slope at zero has no end


def content_loss(P, X, layer):
    """Half the squared distance between the activations of photo and picture (equation 1)."""
    return 0.5 * ((X[layer] - P[layer]) ** 2).sum()


def gram_matrix(x):
    """Sum the products of each pair of channels over positions, undivided (equation 3).

    Args:
        x: (batch, channels, rows, columns).

    Returns:
        (batch, channels, channels).
    """
    x = x.flatten(3)
    return T.batched_dot(x, x.dimshuffle(0, 2, 1))


def style_loss(A, X, layer, shares=None):
    """Compute the squared distance between the styles of painting and picture (equations 4 and 5).

    A Gram matrix is divided by its own picture's number of positions M, so that the two may differ
    in size: sum((G/M - A/M')^2) / 4N^2 for N channels, the paper's E where M = M'. Means and
    deviations, which are N numbers and not N^2, are divided by N.

    Args:
        A, X: layer to activations, whose Gram matrices are compared, or to a list of statistics as
            `statistics` gives them, computed before.
        layer: its name.
        shares: (regions,), how much each region counts; None for all alike.
    """
    wanted, found = (_statistics_of(y[layer]) for y in (A, X))
    total = 0
    for a, g in zip(wanted, found):
        squares = ((g - a) ** 2).sum(axis=tuple(range(2, g.ndim)))  # (batch, regions)
        channels = g.shape[2].astype(g.dtype)
        divisor = 4 * channels ** 2 if g.ndim == 4 else channels
        weighted = squares if shares is None else squares * shares.dimshuffle('x', 0)
        total = total + weighted.sum() / divisor
    return total


def _statistics_of(y):
    """Statistics as they are; of activations the Gram matrix, divided by their positions."""
    if isinstance(y, (list, tuple)):
        return y
    positions = (y.shape[2] * y.shape[3]).astype(y.dtype)
    return statistics(position_sums(y, 'gram'), 'gram', positions.dimshuffle('x'))


def position_sums(x, kind='gram', guides=None):
    """Sum over positions what a kind of statistics is made of.

    Where there are regions, a position p counts by the square of the region's guide there: T(p)
    F(p) stands in the place of F(p) (Gatys et al. 2017, "Controlling Perceptual Factors in Neural
    Style Transfer", equations 5 and 6).

    Args:
        x: activations, (batch, channels, rows, columns).
        kind: one of KINDS.
        guides: (regions, rows, columns), or None for one region that is everywhere.

    Returns:
        List of (batch, regions, channels), or (batch, regions, channels, channels) for products.
    """
    if guides is None:
        guided = values = x.dimshuffle(0, 'x', 1, 2, 3)
    else:
        guides = guides.dimshuffle('x', 0, 'x', 1, 2)
        guided = x.dimshuffle(0, 'x', 1, 2, 3) * guides
        values = guided * guides

    def products():
        if guides is None:
            return gram_matrix(x).dimshuffle(0, 'x', 1, 2)
        gram = gram_matrix(guided.reshape((-1, *(guided.shape[axis] for axis in (2, 3, 4))), 4))
        return gram.reshape((guided.shape[0], guided.shape[1], gram.shape[1], gram.shape[2]), 4)

    make = {'values': lambda: values.sum(axis=(3, 4)),
            'squares': lambda: (guided ** 2).sum(axis=(3, 4)), 'products': products}
    return [make[name]() for name in SUMS[kind]]


def statistics(sums, kind, masses):
    """Make the statistics of pictures from their sums over positions.

    Args:
        sums: as `position_sums` gives them, of whole pictures.
        kind: one of KINDS.
        masses: (regions,), what the squares of the guides add up to; without guides (1,), the
            number of positions.

    Returns:
        List of (batch, regions, channels), or (batch, regions, channels, channels) for gram and
        covariance.
    """
    mean = {name: part / masses.dimshuffle('x', 0, *['x'] * (part.ndim - 2))
            for name, part in zip(SUMS[kind], sums)}
    if kind == 'gram':
        return [mean['products']]
    if kind == 'mean':
        return [mean['values']]
    if kind == 'covariance':
        means = mean['values']
        return [mean['products'] - means.dimshuffle(0, 1, 2, 'x') * means.dimshuffle(0, 1, 'x', 2)]
    variance = T.maximum(mean['squares'] - mean['values'] ** 2, 0)
    return [mean['values'], T.sqrt(variance + SMALLEST_VARIANCE)]


def total_variation_loss(x):
    """Compute the summed 2.5th power of the steps between neighbouring pixels (Lasagne/Recipes).

    Args:
        x: expression (batch, 3, rows, columns), grey levels.

    Returns:
        Scalar expression, from 0 up.
    """
    down, right = _steps(x)
    return ((down ** 2 + right ** 2) ** 1.25).sum()


def squared_variation_loss(x):
    """Half the summed squares of the steps between neighbouring pixels.

    jcjohnson/neural-style, neural_style.lua, adds its gradient to the losses' and leaves it out
    of the loss that it reports.

    Args:
        x: expression (batch, 3, rows, columns), grey levels.

    Returns:
        Scalar expression, from 0 up.
    """
    down, right = _steps(x)
    return 0.5 * (down ** 2 + right ** 2).sum()


def range_loss(x, lowest, highest):
    """Half the summed squares of how far pixels lie outside a range.

    The last row and column are left out, as in the total variation, so that tiles which share
    them add up; a margin that is cut off has them.

    Args:
        x: (batch, 3, rows, columns), BGR minus mean.
        lowest, highest: (3,), in the same units.
    """
    x = x[:, :, :-1, :-1]
    outside = (T.maximum(0, lowest.reshape((1, 3, 1, 1)) - x)
               + T.maximum(0, x - highest.reshape((1, 3, 1, 1))))
    return 0.5 * (outside ** 2).sum()


def _steps(x):
    return x[:, :, :-1, :-1] - x[:, :, 1:, :-1], x[:, :, :-1, :-1] - x[:, :, :-1, 1:]


def grid_loss(x, period=4, window=60):
    """Sum the squares of what repeats on a fixed grid: checkerboards and stripes.

    Two upsamplings by 2 tell a generator where a pixel lies in squares of 4x4, and where a photo
    is flat that is all it can paint a pattern by. What is finer than a square is folded: in each
    window the pixels at the same place of their square are averaged. Of a pattern that does not
    follow the grid these means are alike. Not in the papers.

    Args:
        x: (batch, channels, rows, columns). Only whole windows are looked at: of fewer than 63
            pixels there is none, and the loss is 0.
        period: of the grid, pixels.
        window: pixels, a multiple of the period.

    Returns:
        Scalar expression, from 0 up: as if each pixel of a window had the mean of its place.
    """
    rows, columns = (x.shape[axis] - period + 1 for axis in (2, 3))
    lines = sum(x[:, :, shift:rows + shift] for shift in range(period))
    squares = sum(lines[:, :, :, shift:columns + shift] for shift in range(period)) / period ** 2
    fine = x[:, :, 1:rows + 1, 1:columns + 1] - squares
    down, right, cells = rows // window, columns // window, window // period
    places = fine[:, :, :down * window, :right * window].reshape(
        (x.shape[0], x.shape[1], down, cells, period, right, cells, period), 8)
    means = places.mean(axis=(3, 6))  # (batch, channels, windows, period, windows, period)
    return cells ** 2 * ((means - means.mean(axis=(3, 5), keepdims=True)) ** 2).sum()


VARIATIONS = {'recipes': total_variation_loss, 'squares': squared_variation_loss}


def weighted(losses, weights):
    """Weigh the losses: a vector whose sum is the total loss (equation 7).

    Args:
        losses: scalars.
        weights: one a loss, scalars; alpha and beta times the layers' factors.
    """
    return T.stack([(weight * loss.astype(weight.dtype)) for weight, loss in zip(weights, losses)])
