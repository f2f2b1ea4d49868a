"""The losses of style transfer as Theano expressions, by the formulas of the Lasagne Recipes.

P, A and X map layer names to activations (batch, channels, rows, columns) of the photo, the
painting (artwork) and the generated picture. Source: Gatys, Ecker & Bethge 2015, equations 1 to 5;
Lasagne/Recipes, examples/styletransfer/Art Style Transfer.ipynb.
"""

import numpy as np
import theano.tensor as T


def gram_matrix(x):
    """Return the products of each pair of channels, summed over positions and undivided.

    Args:
        x: (batch, channels, rows, columns).

    Returns:
        (batch, channels, channels).
    """
    x = x.flatten(3)
    return T.batched_dot(x, x.dimshuffle(0, 2, 1))


def content_loss(P, X, layer):
    """Return half the squared distance between the activations of photo and picture, a scalar."""
    return 0.5 * ((X[layer] - P[layer]) ** 2).sum()


def style_loss(A, X, layer):
    """Return the squared distance between the Gram matrices of painting and picture, a scalar.

    Each Gram matrix is divided by its own picture's number of positions M, so that the two may
    differ in size: sum((G/M - A/M')^2) / 4N^2, the Recipes' where M = M'.
    """
    a, g = (gram_matrix(x) / (x.shape[2] * x.shape[3]).astype(x.dtype)
            for x in (A[layer], X[layer]))
    return ((g - a) ** 2).sum() / (4 * g.shape[1] ** 2).astype(g.dtype)


def total_variation_loss(x):
    """Return the summed 2.5th power of the steps between neighbouring pixels, a scalar."""
    down, right = _steps(x)
    return ((down ** 2 + right ** 2) ** 1.25).sum()


def squared_variation_loss(x):
    """Return half the summed squares of the steps between neighbouring pixels, a scalar.

    jcjohnson/neural-style, neural_style.lua, adds its gradient to the losses' and leaves it out
    of the loss that it reports.
    """
    down, right = _steps(x)
    return 0.5 * (down ** 2 + right ** 2).sum()


def range_loss(x, lowest, highest):
    """Half the summed squares of how far pixels lie outside a range, a scalar.

    The last row and column are left out, as in the total variation, so that tiles which share
    them add up; a margin that is cut off has them.

    Args:
        x: (1, 3, rows, columns), BGR minus mean.
        lowest, highest: (3,), in the same units.
    """
    x = x[:, :, :-1, :-1]
    outside = (T.maximum(0, np.reshape(lowest, (1, 3, 1, 1)) - x)
               + T.maximum(0, x - np.reshape(highest, (1, 3, 1, 1))))
    return 0.5 * (outside ** 2).sum()


def _steps(x):
    return x[:, :, :-1, :-1] - x[:, :, 1:, :-1], x[:, :, :-1, :-1] - x[:, :, :-1, 1:]


VARIATIONS = {'recipes': total_variation_loss, 'squares': squared_variation_loss}
