"""What is told on the terminal while a picture is painted."""

import sys

from tqdm import tqdm


def tell(quiet, sentence):
    """Tell something between the lines of progress, unless quiet."""
    if not quiet:
        tqdm.write(sentence, file=sys.stderr)


def seconds_left(seconds, evals, rounds, shapes):
    """Predict how long a run takes from now on.

    Args:
        seconds: of an evaluation in this phase.
        evals: of each round.
        rounds: that are left in this phase and in each that follows.
        shapes: of the picture in these phases; time grows with the pixels.
    """
    pixels = [shape[2] * shape[3] / (shapes[0][2] * shapes[0][3]) for shape in shapes]
    return seconds * evals * sum(count * share for count, share in zip(rounds, pixels))


class Bar:
    """A bar over the evaluations of a phase, with the number of the round and the loss.

    Args:
        quiet: whether nothing is shown.
        left: rounds of this phase that are to be painted.
        evals: of each.
        number, last: of the round that begins, and of the run's last round.
    """

    def __init__(self, quiet, left, evals, number, last):
        self.quiet, self.left, self.evals, self.number, self.last = quiet, left, evals, number, last
        self.bar = tqdm(total=left * evals, disable=quiet, unit='eval')
        self._describe()

    def evaluated(self, loss):
        """Show that one more evaluation is done."""
        self.bar.set_postfix_str(f'loss {loss:.4g}', refresh=False)
        self.bar.update()

    def next_round(self, early=None):
        """Show that a round is done; early: why it was shorter, or None."""
        if early:
            tell(self.quiet, f'round {self.number} {early}')
        self.left, self.number = self.left - 1, self.number + 1
        self._describe()
        self.bar.total = self.bar.n + self.left * self.evals  # a round may overrun

    def _describe(self):
        self.bar.set_description(f'round {min(self.number, self.last)}/{self.last}')

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.bar.close()


