"""A page in the folder of a run that shows how it goes, and refreshes itself while it does."""

import time
from math import ceil, floor, log10

from recipes.common import figures, images
from recipes.common.names import in_page

PAGE = images.ASSETS / 'watch.html'
EVERY = 2.0    # seconds at least between two versions of the page
DECADES = 6    # powers of ten below the largest loss that are drawn, at most
LEFT, TOP, WIDTH, HEIGHT, BELOW = 44, 8, 600, 260, 34  # of the drawing: margins, and what is inside
COLOURS = ('#1d1f24', '#2b6be4', '#cf3b32', '#14795b', '#e58a2b', '#8a4fc0', '#3fb2b8', '#93969d',
           '#a3701f', '#c2418c', '#5b6b1f', '#7fa8f0')


class Watch:
    """Keeps watch.html of a run.

    Args:
        run: `runs.Run`.
        title: of the page.
        names: of the terms of the loss.
        last: number of the last round.
    """

    def __init__(self, run, title, names, last):
        self.run, self.title, self.names, self.last = run, title, list(names), last
        self.written = 0.0

    def show(self, history, rounds, predicted=None, ended=None, at_once=False):
        """Write the page, unless it was written a moment ago.

        Args:
            history: total and terms of each evaluation so far.
            rounds: numbers of the rounds whose pictures are there.
            predicted: seconds that are left, or None where nobody knows yet.
            ended: 'finished' or 'stopped' once the run has ended; the page then stays as it is.
            at_once: write it in any case.
        """
        if not (ended or at_once) and time.monotonic() - self.written < EVERY:
            return
        self.written = time.monotonic()
        if ended:
            status = f'{ended} after {words(self.run.seconds())}'
        elif predicted is None:
            status = 'begins'
        else:
            status = (f'round {min(len(rounds), self.last)} of {self.last}, '
                      f'about {words(predicted)} left')
        shown = [picture(f'round_{number:02d}.png', f'round {number}' if number else 'start')
                 for number in reversed(rounds)]
        best = ended and 'result.png' in self.run.record['files']
        latest = picture('result.png', 'result.png, the best of all evaluations') if best else \
            ''.join(shown[:1])
        figures.fill_page(self.run, 'watch.html', PAGE, {
            'seconds': '0' if ended else f'{EVERY:g}',  # until it is loaded again
            'name': in_page(self.title), 'status': in_page(status),
            'latest': latest, 'heading': 'Rounds, the newest first' if rounds else '',
            'pictures': ''.join(shown), 'curves': curves(history, self.names)})


def picture(file, words_):
    """Show a picture of the run, and below it what it is."""
    return f'<figure><img src="{file}" alt="{words_}"><figcaption>{words_}</figcaption></figure>'


def words(seconds):
    """Put a time into words."""
    if seconds < 90:
        return f'{seconds:.0f} seconds'
    return f'{seconds / 60:.0f} minutes' if seconds < 5400 else f'{seconds / 3600:.1f} hours'


def curves(history, names):
    """Draw the loss and its terms over the evaluations as an SVG drawing with a legend, on a
    scale of powers of ten.

    Args:
        history: total and terms of each evaluation.
        names: of the terms.
    """
    if len(history) < 2:
        return '<p>The losses are drawn from the second evaluation on.</p>'
    step = max(1, len(history) // WIDTH)
    rows = history[::step]
    positive = [value for row in rows for value in row if value > 0] or [1.0]
    top = log10(max(positive))
    bottom = max(floor(log10(min(positive))), top - DECADES)
    scale = Scale(len(rows), top, max(top - bottom, 1e-9))
    drawn, legend = scale.grid(len(history)), []
    for index, name in enumerate(['total', *names]):
        values = [row[index] for row in rows]
        if max(values) <= 0:
            continue
        points = ' '.join(f'{scale.along(place):.1f},{scale.down(value):.1f}'
                          for place, value in enumerate(values))
        colour = COLOURS[index % len(COLOURS)]
        width = 2.5 if name == 'total' else 1.5
        drawn.append(f'<polyline points="{points}" stroke="{colour}" stroke-width="{width}"/>')
        legend.append(f'<li><i style="background:{colour}"></i>{in_page(name)} '
                      f'<b>{values[-1]:.3g}</b></li>')
    size = f'0 0 {LEFT + WIDTH + 10} {TOP + HEIGHT + BELOW}'
    return (f'<svg viewBox="{size}" role="img" aria-label="losses">{"".join(drawn)}</svg>'
            f'<ul>{"".join(legend)}</ul>')


class Scale:
    """Where an evaluation and a loss are drawn.

    Args:
        count: of the evaluations that are drawn.
        top: power of ten at the upper edge.
        decades: powers of ten from there to the lower edge.
    """

    def __init__(self, count, top, decades):
        self.count, self.top, self.decades = count, top, decades

    def along(self, place):
        """Compute how far from the left an evaluation is drawn, by its place from 0."""
        return LEFT + WIDTH * place / (self.count - 1)

    def down(self, value):
        """Compute how far from the top a loss is drawn; what is below the edge, there."""
        below = self.top - log10(value) if value > 0 else self.decades
        return TOP + HEIGHT * min(1.0, below / self.decades)

    def grid(self, evaluations):
        """Draw lines at the powers of ten, and words at both axes, a list of SVG elements."""
        found = []
        for power in range(ceil(self.top - self.decades), floor(self.top) + 1):
            down = self.down(10.0 ** power)
            found.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{down:.1f}" y2="{down:.1f}"/>'
                         f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">1e{power}'
                         '</text>')
        below = TOP + HEIGHT + 16
        for share, anchor in ((0.0, 'start'), (0.5, 'middle'), (1.0, 'end')):
            found.append(f'<text x="{LEFT + share * WIDTH:.0f}" y="{below}" text-anchor="{anchor}">'
                         f'{round(1 + share * (evaluations - 1))}</text>')
        found.append(f'<text x="{LEFT + WIDTH / 2}" y="{below + 14}" text-anchor="middle">'
                     'evaluations</text>')
        return found
