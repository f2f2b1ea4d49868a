"""A page in the folder of a run that shows how it goes, and refreshes itself while it does."""

import html
import time
from math import log10

from recipes.common import figures, images

PAGE = images.ASSETS / 'watch.html'
EVERY = 2.0   # seconds at least between two versions of the page
WIDTH, HEIGHT, DECADES = 600, 240, 6  # of the drawing; powers of ten below the largest, at most
COLOURS = ('#1d1f24', '#2b6be4', '#cf3b32', '#14795b', '#e58a2b', '#8a4fc0', '#3fb2b8', '#93969d')


class Watch:
    """Keeps watch.html of a run.

    Args:
        run: `runs.Run`.
        names: of the terms of the loss.
        last: number of the last round.
        evals: evaluations in each round.
    """

    def __init__(self, run, names, last, evals):
        self.run, self.names, self.last, self.evals = run, list(names), last, evals
        self.written, self.left = 0.0, None

    def show(self, history, rounds, predicted=None, ended=False, at_once=False):
        """Write the page, unless it was written a moment ago.

        Args:
            history: terms of each evaluation so far.
            rounds: numbers of the rounds whose pictures are there.
            predicted: seconds that are left, or None where nobody knows yet.
            ended: whether the run has ended; the page then stays as it is.
            at_once: write it in any case.
        """
        if not (ended or at_once) and time.monotonic() - self.written < EVERY:
            return
        self.written = time.monotonic()
        status = 'finished' if ended else (
            f'round {min(len(rounds), self.last)} of {self.last}, '
            f'about {words(predicted)} left' if predicted is not None else 'begins')
        pictures = ''.join(
            f'<figure><img src="round_{number:02d}.png" alt=""><figcaption>'
            f'{f"round {number}" if number else "start"}</figcaption></figure>'
            for number in reversed(rounds))
        figures.fill_page(self.run, 'watch.html', PAGE, {
            'refresh': '' if ended else f'<meta http-equiv="refresh" content="{EVERY:.0f}">',
            'status': html.escape(status), 'pictures': pictures,
            'evaluations': str(len(history)),
            'curves': curves(history, self.names)})


def words(seconds):
    """Return a time in words."""
    if seconds < 90:
        return f'{seconds:.0f} seconds'
    return f'{seconds / 60:.0f} minutes' if seconds < 5400 else f'{seconds / 3600:.1f} hours'


def curves(history, names):
    """Return the loss and its terms over the evaluations as an SVG drawing, on a scale of powers
    of ten.

    Args:
        history: terms of each evaluation.
        names: of the terms.
    """
    if len(history) < 2:
        return '<p>No evaluations yet.</p>'
    step = max(1, len(history) // WIDTH)
    rows = [[float(sum(terms)), *map(float, terms)] for terms in history[::step]]
    largest = max(max(row) for row in rows)
    lines, legend = [], []
    for index, name in enumerate(['total', *names]):
        values = [row[index] for row in rows]
        if max(values) <= 0:
            continue
        points = ' '.join(f'{WIDTH * place / (len(values) - 1):.1f},{_height(value, largest):.1f}'
                          for place, value in enumerate(values))
        colour = COLOURS[index % len(COLOURS)]
        lines.append(f'<polyline points="{points}" stroke="{colour}"/>')
        legend.append(f'<li><i style="background:{colour}"></i>{html.escape(name)} '
                      f'<b>{values[-1]:.3g}</b></li>')
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="losses">'
            f'{"".join(lines)}</svg><ul>{"".join(legend)}</ul>')


def _height(value, largest):
    """Return how far from the top a value is drawn."""
    below = DECADES if value <= 0 else min(DECADES, log10(largest / value))
    return 4 + (HEIGHT - 8) * below / DECADES
