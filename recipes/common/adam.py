"""Adam over a compiled loss, in rounds that hand their moments on."""

import numpy as np

FIRST, SECOND, TINY = 0.9, 0.999, 1e-8  # Kingma & Ba 2015, algorithm 1
MOMENTS = ('moment', 'square')  # names of the two in the state


class Adam:
    """Adam with its moments, so that a run can be stopped between rounds and go on.

    Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", algorithm 1.

    Args:
        rate: the largest change of a number in a step, in grey levels.
        bounds: (lowest, highest), flat arrays, which hold after each step; or None.
        state: of an earlier `Adam`, to go on from.

    Attributes:
        state: dict of the two moments, flat float64 arrays, and the number of steps; empty before
            the first step.
    """

    def __init__(self, rate, bounds=None, state=()):
        self.rate, self.bounds = rate, bounds
        self.state = dict(state)

    def minimise(self, objective, x, rounds, evaluations):
        """Minimise in rounds.

        Args:
            objective: as of `objective.Objective`.
            x: where to start, any shape; it is not written to.
            rounds: how many.
            evaluations: steps in each round.

        Yields:
            (x, None) after each round: flat float64.
        """
        x = np.array(x, 'float64').ravel()
        for _ in range(rounds):
            for _ in range(evaluations):
                x = self._step(x, objective.eval_grad(x))
            yield x, None

    def _step(self, x, gradient):
        if not self.state:
            self.state = {'moment': np.zeros_like(x), 'square': np.zeros_like(x), 'steps': 0}
        state = self.state
        state['steps'] += 1
        state['moment'] += (1 - FIRST) * (gradient - state['moment'])
        state['square'] += (1 - SECOND) * (gradient ** 2 - state['square'])
        moment = state['moment'] / (1 - FIRST ** state['steps'])
        square = state['square'] / (1 - SECOND ** state['steps'])
        x = x - self.rate * moment / (np.sqrt(square) + TINY)
        return x if self.bounds is None else np.clip(x, *self.bounds)
