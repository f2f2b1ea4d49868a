"""Statistics of a style against slow numpy."""

import numpy as np
import pytest
import theano
import theano.tensor as T

from recipes.common import losses


def slow(features, kind, weights):
    """Return statistics of (channels, rows, columns) with a weight for each position."""
    positions = [(r, c) for r in range(features.shape[1]) for c in range(features.shape[2])]
    mass = sum(weights[place] for place in positions)
    mean = sum(weights[r, c] * features[:, r, c] for r, c in positions) / mass
    if kind == 'mean':
        return [mean]
    if kind == 'mean_variance':
        squares = sum(weights[r, c] * (features[:, r, c] - mean) ** 2 for r, c in positions) / mass
        return [mean, np.sqrt(squares + losses.SMALLEST_VARIANCE)]
    centre = mean if kind == 'covariance' else 0 * mean
    return [sum(weights[r, c] * np.outer(features[:, r, c] - centre, features[:, r, c] - centre)
                for r, c in positions) / mass]


@pytest.mark.parametrize('kind', losses.KINDS)
@pytest.mark.parametrize('guided', [False, True])
def test_statistics_and_distance_agree_with_loops(kind, guided):
    random = np.random.RandomState(2)
    own, other = random.uniform(0, 2, (2, 2, 5, 4, 6))  # batches of two
    guides = random.uniform(0.1, 1, (2, 4, 6)) if guided else np.ones((1, 4, 6))
    masses = (guides ** 2).sum(axis=(1, 2))
    x, y, guide, mass = T.dtensor4(), T.dtensor4(), T.dtensor3(), T.dvector()

    def of(features):
        sums = losses.position_sums(features, kind, guide if guided else None)
        return losses.statistics(sums, kind, mass)

    loss = losses.style_loss({'l': of(y)}, {'l': of(x)}, 'l', mass / mass.sum())
    compute = theano.function([x, y, guide, mass], [*of(x), loss], on_unused_input='ignore',
                              mode='FAST_COMPILE')
    *found, distance = compute(own, other, guides, masses)
    total = 0
    for picture in range(2):
        expected, targets = ([slow(features[picture], kind, guide ** 2) for guide in guides]
                             for features in (own, other))
        for index, part in enumerate(found):
            np.testing.assert_allclose(part[picture], [parts[index] for parts in expected],
                                       rtol=1e-10)
        for region, share in enumerate(masses / masses.sum()):
            for a, b in zip(expected[region], targets[region]):
                total += share * ((a - b) ** 2).sum() / (4 * 25 if a.ndim == 2 else 5)
    np.testing.assert_allclose(distance, total, rtol=1e-10)


def test_one_value_everywhere_has_a_finite_slope():
    """The root of no variance would have none."""
    x, mass = T.dtensor4(), T.dvector()
    sums = losses.position_sums(x, 'mean_variance')
    _, deviation = losses.statistics(sums, 'mean_variance', mass)
    slope = theano.function([x, mass], T.grad(deviation.sum(), x), on_unused_input='ignore',
                            mode='FAST_COMPILE')
    assert np.isfinite(slope(np.full((1, 2, 3, 3), 0.7), np.array([9.0]))).all()
