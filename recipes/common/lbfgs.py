"""L-BFGS as the Recipes use it: rounds of scipy's L-BFGS-B over a compiled loss."""

import numpy as np
from scipy.optimize import fmin_l_bfgs_b
from threadpoolctl import threadpool_limits

CORRECTIONS = 10  # scipy's default: of so many steps L-BFGS remembers the curvature


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
        objective: an `objective.Objective`.
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
    """List bounds as scipy takes them, pairs of (lowest, highest); equal pairs are one tuple.

    A picture has three different pairs; 12 million tuples, of 2048x2048 pixels, take 1.4 GB.
    """
    known = {}
    return [known.setdefault(pair, pair) for pair in zip(map(float, lowest), map(float, highest))]
