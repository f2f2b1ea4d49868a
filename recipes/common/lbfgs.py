"""L-BFGS as the Recipes use it: rounds of scipy's L-BFGS-B over a compiled loss."""

import numpy as np
from scipy.optimize import fmin_l_bfgs_b
from threadpoolctl import threadpool_limits

from models.errors import ArchiveError

# A line search may try a step that is far too long; a loss this many times the first is past that.
EXPLODED = 1e6
CORRECTIONS = 10  # scipy's default: of so many steps L-BFGS remembers the curvature


class Objective:
    """A loss and its gradient for L-BFGS or Adam, computed together and remembered.

    Args:
        function: float32 array of `shape` -> (terms, gradient): the terms of the loss, which
            add up to what is minimised, and a gradient of `shape`.
        shape: of the picture, (1, 3, rows, columns).
        history: of the evaluations that were done before, if any.

    Attributes:
        history: one float64 array of terms for each evaluation.
        best_x, best_loss: of the evaluation with the lowest loss so far; float64, flat.
        on_evaluation: function (loss, x), called after each evaluation.
    """

    def __init__(self, function, shape, history=()):
        self.function = function
        self.shape = shape
        self.history = list(history)
        self.best_x, self.best_loss = None, np.inf
        self.on_evaluation = lambda loss, x: None
        self._x = None

    def eval_loss(self, x0):
        """Return the loss at x0, a flat array, as a float."""
        self._evaluate(x0)
        return self._loss

    def eval_grad(self, x0):
        """Return the gradient at x0, a flat float64 array."""
        self._evaluate(x0)
        return self._gradient

    def eval_terms(self, x0):
        """Return the terms of the loss at x0, a float64 array."""
        self._evaluate(x0)
        return self._terms

    def recall(self, x0):
        """Compute loss and gradient at x0 once more, where an interrupted run had done so.

        It is no new evaluation: history and best stay as they are.
        """
        self._x, self._terms, self._loss, self._gradient = self._compute(x0)

    def _compute(self, x0):
        # A copy: scipy writes the next numbers into the same buffer.
        terms, gradient = self.function(x0.reshape(self.shape).astype('float32'))
        terms = np.asarray(terms, 'float64')
        return (np.array(x0, 'float64').ravel(), terms, float(terms.sum()),
                np.asarray(gradient, 'float64').ravel())

    def _evaluate(self, x0):
        # By value: scipy calls for loss and gradient in turn with the same numbers.
        if self._x is not None and np.array_equal(np.ravel(x0), self._x):
            return
        x, terms, loss, gradient = self._compute(x0)
        self.history.append(terms)
        self._stop_if_useless(loss)
        self._x, self._terms, self._loss, self._gradient = x, terms, loss, gradient
        if loss < self.best_loss:
            self.best_x, self.best_loss = self._x, loss
        self.on_evaluation(loss, x)

    def _stop_if_useless(self, loss):
        first = self.history[0].sum()
        if np.isfinite(loss) and loss <= EXPLODED * max(first, 1):
            return
        raise ArchiveError(f'the loss became {loss:g} at evaluation {len(self.history)}: divide '
                           'all weights by the same factor, say 100, or start from --init content')


class Lbfgs:
    """L-BFGS with its settings; rounds start afresh, so that there is no state to go on from.

    Args:
        factr, pgtol, corrections, bounds: as of `minimise`.
    """

    state = {}

    def __init__(self, factr, pgtol, corrections, bounds):
        self.settings = factr, pgtol, corrections, bounds

    def minimise(self, objective, x, rounds, evaluations):
        """Minimise in rounds; see the function of this name."""
        return minimise(objective, x, rounds, evaluations, *self.settings)


def minimise(objective, x, rounds, evaluations, factr=0.0, pgtol=0.0, corrections=CORRECTIONS,
             bounds=None):
    """Minimise in rounds, each a fresh L-BFGS that starts where the last one ended.

    Args:
        objective: an `Objective`.
        x: where to start, any shape; it is not written to.
        rounds: how many.
        evaluations: scipy's `maxfun`, for each round; scipy looks at it between iterations only,
            so a round may take a few more.
        factr, pgtol: scipy's tolerances; 0 goes on to the last evaluation.
        corrections: steps whose curvature is remembered, scipy's `m`.
        bounds: (lowest, highest), flat arrays, or None.

    Yields:
        (x, report) after each round: flat float64; None, or why scipy ended the round early.
    """
    x = np.array(x, 'float64').ravel()
    pairs = None if bounds is None else pairs_of(*bounds)
    for _ in range(rounds):
        before = len(objective.history)
        # The OpenBLAS inside scipy serves L-BFGS's vectors. Its idle second thread waits by
        # spinning, which takes a core from Theano's OpenBLAS: 120 evaluations took 33 s, with one
        # thread 28 s. It also makes the sums the same for any number of threads.
        with threadpool_limits({'libopenblas': 1}):
            x, _, report = fmin_l_bfgs_b(
                objective.eval_loss, x, fprime=objective.eval_grad, bounds=pairs, m=corrections,
                factr=factr, pgtol=pgtol, maxfun=evaluations, maxiter=evaluations)
        used = len(objective.history) - before
        early = report['warnflag'] != 1
        yield x, (f'ended after {used} of {evaluations} evaluations: {report["task"]}' if early
                  else None)


def pairs_of(lowest, highest):
    """Return bounds as scipy takes them, a list of (lowest, highest); equal pairs are one tuple.

    A picture has three different pairs; 12 million tuples, of 2048x2048 pixels, take 1.4 GB.
    """
    known = {}
    return [known.setdefault(pair, pair) for pair in zip(map(float, lowest), map(float, highest))]
