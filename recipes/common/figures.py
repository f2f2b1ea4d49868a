"""Figures laid out like the papers', drawn with matplotlib and no window."""

import re
import warnings

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from recipes.common import images, names, palettes


def save_grid(path, pictures, titles, columns=3, width=9.0):
    """Save pictures in a grid, row by row.

    Args:
        path: of the PNG.
        pictures: RGB uint8 arrays (rows, columns, 3).
        titles: one a picture.
        columns: pictures in a row.
        width: of the figure, in inches.
    """
    rows = -(-len(pictures) // columns)
    # What is taller than three times its width is shown smaller, or the figure had no end.
    aspect = min(3, max(picture.shape[0] / picture.shape[1] for picture in pictures))
    figure = Figure(figsize=(width, rows * (width / columns * aspect + 0.3)),
                    layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis('off')
    for axis, picture, title in zip(axes, pictures, titles):
        axis.imshow(picture, interpolation='lanczos')
        _set_title(axis, title)
    _save(figure, path)


def save_distributions(path, pictures, titles, width=3.2):
    """Save pictures with the distribution of their colours over a* and b* below each.

    Args:
        path: of the PNG.
        pictures: RGB uint8 arrays (rows, columns, 3).
        titles: one a picture.
        width: of each, in inches.
    """
    figure = Figure(figsize=(width * len(pictures), 1.75 * width), layout='constrained')
    FigureCanvasAgg(figure)
    tops, bottoms = figure.subplots(2, len(pictures), squeeze=False)
    reach = palettes.REACH
    for top, bottom, picture, title in zip(tops, bottoms, pictures, titles):
        top.axis('off')
        top.imshow(picture, interpolation='lanczos')
        _set_title(top, title)
        shares = palettes.distribution(picture)
        drawn = bottom.imshow(shares, origin='lower', extent=(-reach, reach, -reach, reach),
                              norm=LogNorm(1e-4, 0.3), cmap='magma_r')
        bottom.set(xlabel='b*, blue to yellow', ylabel='a*, green to red')
        bottom.set_title(f'its colours, spread over {palettes.entropy(picture):.2f} bits',
                         fontsize=9)
    figure.colorbar(drawn, ax=[*tops, *bottoms], label='share of the pixels')
    _save(figure, path)


def _set_title(axis, text):
    """Set a title that may come out of a file: no dollar in it begins a formula."""
    axis.set_title(names.in_title(text), fontsize=9, parse_math=False, usetex=False)


def _save(figure, path):
    with warnings.catch_warnings():
        # Letters that matplotlib's font lacks are drawn as boxes.
        warnings.filterwarnings('ignore', r'(?s)Glyph .* missing from', UserWarning)
        figure.savefig(path, format='png', dpi=100, metadata={'Software': None})


def fill_page(run, name, template, parts):
    """Save a page that needs nothing besides itself.

    Args:
        run: its folder.
        name: of the page in it.
        template: path of the page with {{places}} for its parts.
        parts: name of a place to its text.
    """
    page = re.sub(r'{{(\w+)}}', lambda match: parts[match.group(1)],
                  template.read_text(encoding='utf-8'))
    with run.writing(name) as path:
        path.write_text(page, encoding='utf-8', errors='replace')  # names of files may be anything


def mosaic(pictures, columns, gap=2):
    """Return pictures side by side, row by row, each enlarged to the largest, on white.

    Args:
        pictures: RGB uint8 arrays (rows, columns, 3), at least one.
        columns: pictures in a row.
        gap: white pixels between them.

    Returns:
        RGB uint8 array.
    """
    height = max(picture.shape[0] for picture in pictures)
    width = max(picture.shape[1] for picture in pictures)
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, 'uint8')
    for number, picture in enumerate(pictures):
        factor = min(height / picture.shape[0], width / picture.shape[1])
        size = [max(1, round(length * factor)) for length in picture.shape[:2]]
        top = number // columns * (height + gap)
        left = number % columns * (width + gap)
        sheet[top:top + size[0], left:left + size[1]] = images.resize_to(picture, *size)
    return sheet
