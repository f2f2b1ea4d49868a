"""L-BFGS over a compiled loss: remembered values, rounds, tolerances, losses that explode."""

from models.errors import ArchiveError

import numpy as np
import pytest
from scipy.optimize import fmin_l_bfgs_b

from recipes.common.adam import Adam
from recipes.common.lbfgs import minimise, pairs_of
from recipes.common.objective import Objective


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


def test_more_rounds_than_one_are_scipys_restarted():
    start = np.random.RandomState(0).uniform(-50, 50, 40)
    *_, (x, _) = minimise(Objective(valley, (40,)), start, 3, 7)
    theirs, expected = Objective(valley, (40,)), start
    for _ in range(3):
        expected, *_ = fmin_l_bfgs_b(theirs.eval_loss, expected, fprime=theirs.eval_grad,
                                     maxfun=7, factr=0.0, pgtol=0.0)
    np.testing.assert_array_equal(x, expected)


def test_bounds_hold():
    bounds = np.full(6, -1.0), np.linspace(1.5, 3.5, 6)
    objective = Objective(valley, (6,))
    (x, _), = minimise(objective, np.full(6, 4.0), 1, 30, bounds=bounds)
    scale = np.linspace(1, 30, 6)
    np.testing.assert_allclose(x, np.minimum(6 * scale / (2 * scale + 1), bounds[1]), rtol=1e-6)
    assert (x == bounds[1]).any() and (x < bounds[1]).any()


def test_equal_bounds_are_one_tuple():
    pairs = pairs_of(np.array([0., 0, 1]), np.array([2., 2, 3]))
    assert pairs == [(0, 2), (0, 2), (1, 3)] and pairs[0] is pairs[1]
    assert all(type(bound) is float for pair in pairs for bound in pair)


def test_what_is_recalled_is_no_new_evaluation():
    objective = Objective(valley, (4,))
    objective.eval_loss(np.ones(4))
    again = Objective(valley, (4,), history=objective.history)
    again.recall(np.ones(4))
    assert again.eval_loss(np.ones(4)) == objective.eval_loss(np.ones(4))
    assert len(again.history) == 1 and again.best_x is None


def test_adam_takes_the_papers_steps_and_goes_on_from_its_state():
    objective = Objective(valley, (5,))
    start = np.linspace(-20, 20, 5)
    # Algorithm 1 of the paper, written out.
    x, first, second = start.copy(), np.zeros(5), np.zeros(5)
    for step in range(1, 7):
        gradient = np.asarray(valley(x.astype('float32'))[1], 'float64')
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient ** 2
        x = x - 2 * (first / (1 - 0.9 ** step)) / (np.sqrt(second / (1 - 0.999 ** step)) + 1e-8)
    whole = list(Adam(2.0).minimise(objective, start, 2, 3))
    np.testing.assert_allclose(whole[-1][0], x, rtol=1e-9)
    half = Adam(2.0)
    (middle, _), = half.minimise(Objective(valley, (5,)), start, 1, 3)
    rest = Adam(2.0)
    rest.state = {name: np.copy(value) for name, value in half.state.items()}
    (end, _), = rest.minimise(Objective(valley, (5,)), middle, 1, 3)
    np.testing.assert_array_equal(end, whole[-1][0])


def test_adam_keeps_to_bounds():
    bounds = np.full(5, -3.0), np.full(5, 2.5)
    for x, _ in Adam(2.0, bounds).minimise(Objective(valley, (5,)), np.zeros(5), 2, 20):
        assert (x >= -3).all() and (x <= 2.5).all() and (x == 2.5).any()
