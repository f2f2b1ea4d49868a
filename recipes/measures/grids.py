"""Cutting a figure into its panels: what stands between white gutters, without ticks and titles."""

from models.errors import ArchiveError

import numpy as np

from recipes.common import images

PAPER = 240    # grey levels: what is lighter in all colours is paper, also after JPEG
FILLED = 0.25  # of a line of pixels that is no paper where it crosses panels; titles fill less
ALIKE = 0.6    # of the longest run: shorter ones are titles, ticks and legends
JOINED = 2     # pixels: shorter gaps are no gutters but white lines of a panel


def cut(figure, rows, columns):
    """Cut a figure into panels, row by row.

    Args:
        figure: RGB uint8 (rows, columns, 3), dark panels on white paper; 1x1 may fill it all.
        rows, columns: of panels.

    Returns:
        List of RGB uint8 arrays.

    Raises:
        ArchiveError: it has not so many panels.
    """
    return [figure[top:bottom, left:right]
            for top, bottom, left, right in boxes(figure, rows, columns)]


def boxes(figure, rows, columns):
    """Find where the panels of a figure are: list of (top, bottom, left, right), ends excluded.

    Args, Raises: as of `cut`.
    """
    ink = (figure < PAPER).any(axis=2)
    heights = _runs(ink.mean(axis=1))
    lines = np.concatenate([ink[top:bottom] for top, bottom in heights]) if heights else ink
    widths = _runs(lines.mean(axis=0))
    if (len(heights), len(widths)) != (rows, columns):
        raise ArchiveError(f'the figure should have {rows}x{columns} panels between white gutters, '
                           f'and {len(heights)}x{len(widths)} were found; take the whole figure, '
                           'not cut and not on a dark page')
    found = [(top, bottom, left, right) for top, bottom in heights for left, right in widths]
    if min(min(bottom - top, right - left) for top, bottom, left, right in found) < images.SMALLEST:
        raise ArchiveError(f'a panel of the figure has less than {images.SMALLEST} pixels; take a '
                           'larger copy of it')
    return found


def _runs(filled):
    """Runs of lines that cross panels, a list of (first, end).

    Args:
        filled: (lines,), share of each that is no paper.
    """
    inside = np.pad((filled >= FILLED).astype(int), 1)
    firsts, ends = (np.flatnonzero(np.diff(inside) == step) for step in (1, -1))
    runs = []
    for first, end in zip(firsts.tolist(), ends.tolist()):
        if runs and first - runs[-1][1] <= JOINED:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((first, end))
    longest = max((end - first for first, end in runs), default=0)
    return [(first, end) for first, end in runs if end - first >= ALIKE * longest]
