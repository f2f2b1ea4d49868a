"""A generator against the optimisation of one picture, on the same loss."""

import time

import numpy as np
import theano
import theano.tensor as T

from recipes.common import lbfgs
from recipes.common.objective import Objective

REPEATS = 5  # of a timing


class Optimisation:
    """The loss of a picture for one photo, and its gradient, for L-BFGS.

    Args:
        loss: an `objective.LossNetwork`.

    Attributes:
        measure: function (picture, photo) -> the weighted loss; both (1, 3, rows, columns).
    """

    def __init__(self, loss):
        picture, photo = T.tensor4('picture'), T.tensor4('photo')
        total = loss.total(loss.terms(picture, photo))
        self.measure = theano.function([picture, photo], total)
        self._both = theano.function([picture, photo], [total.dimshuffle('x'),
                                                        T.grad(total, picture)])

    def losses(self, photo, evaluations):
        """Optimise from the photo.

        Args:
            photo: (1, 3, rows, columns), BGR minus mean.
            evaluations: of loss and gradient, at most.

        Returns:
            (losses, seconds): the lowest loss after each evaluation, and the time until then.
        """
        seconds, begun = [], time.perf_counter()
        objective = Objective(lambda picture: self._both(picture, photo), photo.shape,
                              lambda *_: seconds.append(time.perf_counter() - begun))
        list(lbfgs.minimise(objective, photo, 1, evaluations))
        losses = np.minimum.accumulate([terms.sum() for terms in objective.history])
        return losses[:evaluations], np.array(seconds[:evaluations])  # a round may overrun


def seconds_of(function, *arguments):
    """Give the median time of some calls, after one that does not count."""
    function(*arguments)
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        function(*arguments)
        taken.append(time.perf_counter() - begun)
    return float(np.median(taken))


def compared(paint, optimisation, photos, evaluations):
    """Compare a generator with the optimisation on photos of one size.

    Args:
        paint: function photo -> picture, both (1, 3, rows, columns).
        optimisation: an `Optimisation`.
        photos: list of them.
        evaluations: numbers of them to compare with, ascending.

    Returns:
        Dict: seconds and loss of the generator (means over photos); for each number of evaluations
        the loss, the seconds and how many times faster the generator is; reached: after how many
        evaluations the optimisation's mean loss is as low as the generator's, or None.
    """
    own = [float(optimisation.measure(paint(photo), photo)) for photo in photos]
    seconds = seconds_of(paint, photos[0])
    runs = [optimisation.losses(photo, evaluations[-1]) for photo in photos]
    losses = np.mean([_filled(losses, evaluations[-1]) for losses, _ in runs], axis=0)
    times = np.mean([_filled(taken, evaluations[-1]) for _, taken in runs], axis=0)
    lower = np.flatnonzero(losses <= np.mean(own))
    return {'loss': float(np.mean(own)), 'seconds': seconds,
            'losses': {count: float(losses[count - 1]) for count in evaluations},
            'optimisation_seconds': {count: float(times[count - 1]) for count in evaluations},
            'times_faster': {count: float(times[count - 1] / seconds) for count in evaluations},
            'reached': int(lower[0]) + 1 if len(lower) else None}


def _filled(values, count):
    """Give so many values; where the optimisation ended earlier the last one holds."""
    return np.append(values, np.full(count - len(values), values[-1]))
