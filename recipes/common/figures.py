"""Figures laid out like the papers', drawn with matplotlib and no window."""

import base64
import io
import json
import re
import textwrap
import warnings
from collections import namedtuple

from models import waiting
from models.errors import one_line

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator
from PIL import Image

from recipes.common import images, names, palettes

PROJECTED = 512  # pixels: what is smaller is not seen from the last row of a class
SCALES = {'paper': 'jet', 'perceptual': 'viridis'}  # Zeiler & Fergus draw from blue to red
MOST_NAMED = 10  # classes that a map tells apart by colours
LETTERS = 15     # of a title or a caption that fit in an inch, at SIZE
SIZE = 9         # points, of titles and captions
HEADING = 11     # points

# A picture (RGB uint8), or a map (rows, columns) drawn by its values, with a title; value -> name
# of a map of classes, or None.
Panel = namedtuple('Panel', 'picture title names', defaults=(None,))


def at_least(picture, pixels=PROJECTED):
    """Enlarge a picture by a whole number, so that its shorter side has so many pixels or more.

    Each pixel becomes a square: nothing is smoothed.

    Args:
        picture: uint8 (rows, columns, ...).
    """
    factor = max(1, -(-pixels // min(picture.shape[:2])))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def coloured(values, scale='paper'):
    """Draw values (rows, columns) by one of SCALES from the least to the largest, RGB uint8."""
    low, high = values.min(), values.max()
    levels = (values - low) / (high - low) if high > low else np.zeros(values.shape)
    return np.rint(colormaps[SCALES[scale]](levels)[:, :, :3] * 255).astype('uint8')


def save_panels(path, panels, scale='paper', width=4.0, heading=None):
    """Save pictures and maps side by side, each map with its scale.

    Args:
        path: of the PNG.
        panels: list of `Panel` of one subject; each is drawn in the shape of the first.
        scale: one of SCALES.
        width: of each, in inches.
        heading: above all, or None.
    """
    rows, columns = panels[0].picture.shape[:2]
    extent, aspect = (0, columns, rows, 0), rows / columns
    figure = Figure(figsize=(width * len(panels), width * (min(3, aspect) + 0.35)),
                    layout='constrained')
    FigureCanvasAgg(figure)
    _add_heading(figure, heading)
    titles = [_title(panel.title, width) for panel in panels]
    _make_room(figure, _lines_of(titles) - 1)
    tops, bottoms = figure.subplots(2, len(panels), squeeze=False,
                                    height_ratios=[min(3, aspect), 0.05])
    for axis, below, panel, title in zip(tops, bottoms, panels, titles):
        for one in (axis, below):
            one.axis('off')
        axis.set_anchor('N')  # or the layout gives a title too little room
        _set_title(axis, title)
        if panel.picture.ndim == 3:
            axis.imshow(panel.picture, interpolation='lanczos', extent=extent)
        elif panel.names is None:
            below.axis('on')
            drawn = axis.imshow(panel.picture, SCALES[scale], interpolation='nearest',
                                extent=extent)
            figure.colorbar(drawn, cax=below, orientation='horizontal', ticks=MaxNLocator(4))
        else:
            _draw_names(axis, below, panel, extent)
    _save(figure, path)


def _draw_names(axis, below, panel, extent):
    """Draw a map of classes, those at most places in colours of their own, and their names below.
    """
    values, counts = np.unique(panel.picture, return_counts=True)
    order = values[np.argsort(-counts, kind='stable')]
    shown, rest = order[:MOST_NAMED], order[MOST_NAMED:]
    places = np.full(panel.picture.shape, len(shown))
    for place, value in enumerate(shown):
        places[panel.picture == value] = place
    colours = [*colormaps['tab10'].colors[:len(shown)], (0.85, 0.85, 0.85)]
    axis.imshow(places, ListedColormap(colours), vmin=-0.5, vmax=len(shown) + 0.5,
                interpolation='nearest', extent=extent)
    named = [Patch(color=colours[place], label=names.in_title(panel.names[int(value)]))
             for place, value in enumerate(shown)]
    if len(rest):
        named.append(Patch(color=colours[-1], label=f'{len(rest)} others'))
    legend = below.legend(handles=named, loc='upper center', ncols=2, fontsize=8, frameon=False,
                          bbox_to_anchor=(0.5, 1.5))
    for text in legend.get_texts():
        text.set_parse_math(False)


def save_grid(path, pictures, titles, columns=3, width=9.0, interpolation='lanczos', caption=None,
              lead=None, heading=None):
    """Save pictures in a grid, row by row.

    Args:
        path: of the PNG.
        pictures: RGB uint8 arrays (rows, columns, 3).
        titles: one a picture.
        columns: pictures in a row.
        width: of the figure, in inches.
        interpolation: 'nearest' for pictures whose pixels are to be seen.
        caption: below the grid, or None.
        lead: (picture, title, boxes) that stands before all rows, two columns wide; boxes are
            (number, (slice, slice) of rows and columns) to draw on it. None for none.
        heading: above the grid, or None.
    """
    rows = -(-len(pictures) // columns)
    across = columns + (0 if lead is None else 2)
    # What is taller than three times its width is shown smaller, or the figure had no end.
    aspect = min(3, max(picture.shape[0] / picture.shape[1] for picture in pictures))
    figure = Figure(figsize=(width, rows * (width / across * aspect + 0.3)),
                    layout='constrained')
    FigureCanvasAgg(figure)
    _add_heading(figure, heading)
    titles = [_title(title, width / across) for title in titles]
    _make_room(figure, sum(_lines_of(titles[row * columns:(row + 1) * columns]) - 1
                           for row in range(rows)))
    if lead is None:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
    else:
        grid = figure.add_gridspec(rows, across)
        _draw_boxes(figure.add_subplot(grid[:, :2]), *lead, 2 * width / across)
        axes = [figure.add_subplot(grid[row, column])
                for row in range(rows) for column in range(2, across)]
    for axis in axes:
        axis.axis('off')
        axis.set_anchor('N')  # or the layout gives a title too little room
    for axis, picture, title in zip(axes, pictures, titles):
        axis.imshow(picture, interpolation=interpolation)
        _set_title(axis, title)
    if caption:
        text = _wrapped(one_line(caption), width)
        _make_room(figure, _lines_of([text]) + 0.5)
        figure.supxlabel(text, fontsize=SIZE, parse_math=False)
    _save(figure, path)


def _add_heading(figure, text):
    """Write a text, or None, above all that a figure has, which becomes as much higher."""
    if text:
        text = _wrapped(one_line(text), figure.get_figwidth() * SIZE / HEADING)
        _make_room(figure, (_lines_of([text]) + 0.5) * HEADING / SIZE)
        figure.suptitle(text, fontsize=HEADING, parse_math=False)


def _make_room(figure, lines):
    """Make a figure higher by so many lines of text at SIZE."""
    figure.set_figheight(figure.get_figheight() + 1.25 * lines * SIZE / 72)


def _lines_of(titles):
    """Count the lines of the longest of some titles."""
    return max(title.count('\n') + 1 for title in titles)


def _wrapped(text, width):
    """Break a text into lines of at most so many inches at SIZE; its own lines stay."""
    return '\n'.join('\n'.join(_even_lines(line, max(1, round(width * LETTERS))))
                     for line in text.split('\n'))


def _even_lines(text, longest):
    """Break a line into as few as can be, which are about as long as each other."""
    count = len(textwrap.wrap(text, longest))
    while longest > 1 and len(textwrap.wrap(text, longest - 1)) == count:
        longest -= 1
    return textwrap.wrap(text, longest)


def _draw_boxes(axis, picture, title, boxes, width):
    """Draw a picture, so many inches wide, with numbered boxes at parts of it."""
    axis.axis('off')
    axis.set_anchor('N')
    axis.imshow(picture, interpolation='lanczos')
    _set_title(axis, _title(title, width))
    for number, (rows, columns) in boxes:
        for colour, line in (('black', 3), ('gold', 1.5)):
            axis.add_patch(Rectangle((columns.start - 0.5, rows.start - 0.5),
                                     columns.stop - columns.start, rows.stop - rows.start,
                                     fill=False, edgecolor=colour, linewidth=line))
        axis.text(columns.start, rows.start, number, fontsize=9, color='white', va='top',
                  bbox={'facecolor': 'black', 'pad': 1, 'linewidth': 0})


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
        _set_title(top, _title(title, width))
        shares = palettes.distribution(picture)
        drawn = bottom.imshow(shares, origin='lower', extent=(-reach, reach, -reach, reach),
                              norm=LogNorm(1e-4, 0.3), cmap='magma_r')
        bottom.set(xlabel='b*, blue to yellow', ylabel='a*, green to red')
        bottom.set_title(f'its colours, spread over {palettes.entropy(picture):.2f} bits',
                         fontsize=9)
    figure.colorbar(drawn, ax=[*tops, *bottoms], label='share of the pixels')
    _save(figure, path)


def _title(text, width):
    """Make a title of a text that may come out of a file, in lines of at most so many inches."""
    return _wrapped(names.in_title(text), width)


def _set_title(axis, title):
    """Set a title; no dollar in it begins a formula."""
    axis.set_title(title, fontsize=SIZE, parse_math=False, usetex=False)


def _save(figure, path):
    with waiting.doing('drawing the figure'), warnings.catch_warnings():
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


def fill_data_page(run, name, template, **data):
    """Fill a page that draws itself from data: its style and its script stand in it too.

    Args:
        run: its folder.
        name: of the page in it.
        template: path of the page, with .css and .js beside it, and {{style}}, {{script}} and a
            place for the data.
        data: the name of that place, to what JSON can hold.
    """
    texts = {place: json.dumps(value, allow_nan=False) for place, value in data.items()}
    fill_page(run, name, template, {
        'style': template.with_suffix('.css').read_text(encoding='utf-8'),
        'script': template.with_suffix('.js').read_text(encoding='utf-8'),
        # Nothing in the data may end the element that it stands in.
        **{place: text.replace('<', '\\u003c') for place, text in texts.items()}})


def data_uri(rgb, quality):
    """Encode a picture as a JPEG that stands in a page.

    Args:
        rgb: uint8 (rows, columns, 3).
        quality: of the JPEG, up to 95.
    """
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(file, 'JPEG', quality=quality)
    return 'data:image/jpeg;base64,' + base64.b64encode(file.getvalue()).decode()


def tile(picture, side):
    """Enlarge a picture to a square of so many pixels, each pixel a block: nothing is smoothed.

    What is not square stands in the middle, on white.

    Args:
        picture: RGB uint8 (rows, columns, 3), no longer than the side.
        side: pixels.
    """
    rows, columns = (max(1, round(length * side / max(picture.shape[:2])))
                     for length in picture.shape[:2])
    across = [np.arange(count) * length // count
              for count, length in zip((rows, columns), picture.shape)]
    found = np.full((side, side, 3), 255, 'uint8')
    top, left = (side - rows) // 2, (side - columns) // 2
    found[top:top + rows, left:left + columns] = picture[np.ix_(*across)]
    return found


def mosaic(pictures, columns, gap=2):
    """Put pictures side by side, row by row, each enlarged to the largest, on white.

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
