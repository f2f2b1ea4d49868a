"""A compiled loss as optimisers take it: `eval_loss` and `eval_grad`, computed together."""

from models.errors import ArchiveError

import numpy as np

# A line search may try a step that is far too long; a loss this many times the first is past that.
EXPLODED = 1e6


class Objective:
    """A loss and its gradient for L-BFGS or Adam, computed together and remembered.

    Args:
        function: float32 array of `shape` -> (terms, gradient): the terms of the loss, which
            add up to what is minimised, and a gradient of `shape`.
        shape: of the picture, (1, 3, rows, columns).
        on_evaluation: function (objective, x), called after each evaluation; or None.
        history: of the evaluations that were done before, if any.
        best_x, best_loss: of those evaluations.

    Attributes:
        history: one float64 array of terms for each evaluation.
        best_x, best_loss: of the evaluation with the lowest loss so far; float64, flat.
    """

    def __init__(self, function, shape, on_evaluation=None, history=(), best_x=None,
                 best_loss=np.inf):
        self.function = function
        self.shape = shape
        self.on_evaluation = on_evaluation
        self.history = list(history)
        self.best_x, self.best_loss = None if best_x is None else np.ravel(best_x), best_loss
        self._x = None

    def eval_loss(self, x0):
        """Compute the loss at x0, a flat array: a float."""
        self._evaluate(x0)
        return self._loss

    def eval_grad(self, x0):
        """Compute the gradient at x0: a flat float64 array."""
        self._evaluate(x0)
        return self._gradient

    def eval_terms(self, x0):
        """Compute the terms of the loss at x0: a float64 array."""
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
        if self.on_evaluation is not None:
            self.on_evaluation(self, x)

    def _stop_if_useless(self, loss):
        first = self.history[0].sum()
        if np.isfinite(loss) and loss <= EXPLODED * max(first, 1):
            return
        raise ArchiveError(f'the loss became {loss:g} at evaluation {len(self.history)}: divide '
                           'all weights by the same factor, say 100, or start from --init content')
