"""A generator against the optimisation, on the same loss."""

import numpy as np
import pytest

from recipes.feedforward import evaluation


@pytest.fixture(scope='module')
def optimisation(loss):
    return evaluation.Optimisation(loss)


def test_the_optimisation_lowers_the_loss_that_is_measured(optimisation):
    photo = np.random.RandomState(0).uniform(-100, 100, (1, 3, 32, 32)).astype('float32')
    losses, seconds = optimisation.losses(photo, 12)
    assert len(losses) == len(seconds) == 12
    # Measured for a photo itself, where the optimisation starts.
    assert losses[0] == pytest.approx(float(optimisation.measure(photo, photo)), rel=1e-4)
    assert losses[-1] < 0.7 * losses[0]
    assert (np.diff(losses) <= 0).all() and (np.diff(seconds) > 0).all()


def test_a_generator_that_changes_nothing_is_as_good_as_one_evaluation(optimisation):
    photo = np.random.RandomState(1).uniform(-100, 100, (1, 3, 32, 32)).astype('float32')
    found = evaluation.compared(lambda x: x, optimisation, [photo], [2, 5])
    assert found['reached'] == 1
    assert found['losses'][5] < found['losses'][2] < found['loss']
    assert found['times_faster'][5] > found['times_faster'][2] > 1
