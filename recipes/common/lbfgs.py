"""L-BFGS as the Recipes use it: rounds of `scipy.optimize.fmin_l_bfgs_b` over a compiled loss."""

import numpy as np
from scipy.optimize import fmin_l_bfgs_b
from threadpoolctl import threadpool_limits

from models.errors import ArchiveError

# A line search may try a step that is far too long; a loss this many times the first is past that.
EXPLODED = 1e6


class Objective:
    """A loss and its gradient for fmin_l_bfgs_b, computed together and remembered.

    Args:
        function: float32 array of `shape` -> (terms, gradient): the terms of the loss, which
            add up to it, and a gradient of `shape`.
        shape: of the picture, (1, 3, rows, columns).

    Attributes:
        history: one float64 array of terms for each evaluation.
        best_x, best_loss: of the evaluation with the lowest loss so far; float64, flat.
    """

    def __init__(self, function, shape):
        self.function = function
        self.shape = shape
        self.history = []
        self.best_x, self.best_loss = None, np.inf
        self.on_evaluation = lambda loss: None
        self._x = None

    def eval_loss(self, x0):
        """Return the loss at x0, a flat array, as a float."""
        self._evaluate(x0)
        return self._loss

    def eval_grad(self, x0):
        """Return the gradient at x0, a flat float64 array."""
        self._evaluate(x0)
        return self._gradient

    def _evaluate(self, x0):
        # By value and on a copy: scipy calls for loss and gradient in turn with the same numbers,
        # and writes the next ones into the same buffer.
        if self._x is not None and np.array_equal(x0, self._x):
            return
        terms, gradient = self.function(x0.reshape(self.shape).astype('float32'))
        terms = np.asarray(terms, 'float64')
        loss = float(terms.sum())
        self.history.append(terms)
        self._stop_if_useless(loss)
        self._x = np.array(x0)
        self._loss, self._gradient = loss, np.asarray(gradient, 'float64').ravel()
        if loss < self.best_loss:
            self.best_x, self.best_loss = self._x, loss
        self.on_evaluation(loss)

    def _stop_if_useless(self, loss):
        first = self.history[0].sum()
        if np.isfinite(loss) and loss <= EXPLODED * max(first, 1):
            return
        raise ArchiveError(f'the loss became {loss:g} at evaluation {len(self.history)}: divide '
                           'all weights by the same factor, say 100, or start from --init content')


def minimise(objective, x, rounds, evaluations, factr=0.0, pgtol=0.0):
    """Minimise in rounds, each a fresh fmin_l_bfgs_b that starts where the last one ended.

    Args:
        objective: an `Objective`.
        x: where to start, any shape; it is not written to.
        rounds: how many.
        evaluations: scipy's `maxfun`, for each round; scipy looks at it between iterations only,
            so a round may take a few more.
        factr, pgtol: scipy's tolerances; 0 goes on to the last evaluation.

    Yields:
        (x, report) after each round: flat float64; None, or why scipy ended the round early.
    """
    x = np.array(x, 'float64').ravel()
    for _ in range(rounds):
        before = len(objective.history)
        # The OpenBLAS inside scipy serves L-BFGS's vectors. Its idle second thread waits by
        # spinning, which takes a core from Theano's OpenBLAS: 120 evaluations took 33 s, with one
        # thread 28 s. It also makes the sums the same for any number of threads.
        with threadpool_limits({'libopenblas': 1}):
            x, _, information = fmin_l_bfgs_b(objective.eval_loss, x, fprime=objective.eval_grad,
                                              maxfun=evaluations, maxiter=evaluations + 1,
                                              factr=factr, pgtol=pgtol)
        used = len(objective.history) - before
        task = information['task']
        task = task.decode() if isinstance(task, bytes) else task
        early = information['warnflag'] != 1
        yield x, f'ended after {used} of {evaluations} evaluations: {task}' if early else None
