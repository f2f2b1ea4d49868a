"""L-BFGS over a compiled loss: remembered values, rounds, tolerances, losses that explode."""

import numpy as np
import pytest

from models.errors import ArchiveError
from recipes.common.lbfgs import Objective, minimise


def valley(x):
    """Return the two terms of a badly scaled bowl and their gradient."""
    scale = np.linspace(1, 30, x.size).reshape(x.shape).astype('float32')
    terms = (scale * (x - 3) ** 2).sum(), 0.5 * (x ** 2).sum()
    return terms, 2 * scale * (x - 3) + x


def test_loss_and_gradient_are_computed_once_and_together():
    objective = Objective(valley, (2, 3))
    x = np.arange(6.)
    loss, gradient = objective.eval_loss(x), objective.eval_grad(x)
    terms, expected = valley(x.reshape(2, 3))
    np.testing.assert_allclose(loss, sum(terms), rtol=1e-6)
    np.testing.assert_allclose(gradient, expected.ravel(), rtol=1e-6)
    assert gradient.dtype == 'float64' and len(objective.history) == 1


def test_a_buffer_that_is_written_again_is_evaluated_again():
    objective = Objective(valley, (4,))
    x = np.ones(4)
    before = objective.eval_loss(x)
    x[:] = 2  # scipy hands over the same array with other numbers
    assert objective.eval_loss(x) != before
    assert len(objective.history) == 2


def test_rounds_go_on_where_the_last_one_ended():
    objective = Objective(valley, (6,))
    start = np.full(6, 50.)
    rounds = list(minimise(objective, start, rounds=3, evaluations=6))
    losses = [objective.eval_loss(x) for x, _ in rounds]
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]
    assert 18 <= len(objective.history) <= 24
    assert (start == 50).all()
    np.testing.assert_array_equal(objective.best_x, rounds[-1][0])


def test_scipys_tolerances_end_a_round_early_and_it_is_reported():
    (x, early), = minimise(Objective(valley, (6,)), np.zeros(6), 1, 500, factr=1e7, pgtol=1e-5)
    assert 'of 500 evaluations' in early and 'CONVERGENCE' in early
    scale = np.linspace(1, 30, 6)
    np.testing.assert_allclose(x, 6 * scale / (2 * scale + 1), rtol=1e-3)


def test_a_full_round_is_not_reported():
    (_, early), = minimise(Objective(valley, (6,)), np.full(6, 50.), 1, 4)
    assert early is None


@pytest.mark.parametrize('bad', [np.nan, np.inf, 1e12])
def test_a_useless_loss_stops_with_the_remedy_and_keeps_the_best(bad):
    calls = []

    def function(x):
        calls.append(x)
        terms, gradient = valley(x)
        return (terms if len(calls) < 4 else (bad, 0.)), gradient

    objective = Objective(function, (6,))
    with pytest.raises(ArchiveError, match='evaluation 4: divide all weights'):
        list(minimise(objective, np.zeros(6), 1, 40))
    assert np.isfinite(objective.best_loss) and objective.best_x is not None
