"""How the notebooks show pictures, numbers and curves: small enough to be stored with them."""

import io

from IPython.display import Image, Markdown
from matplotlib.figure import Figure
from PIL import Image as Picture

from recipes.common import figures

QUALITY = 78  # of JPEG: the gallery holds all of them, and stays below 3 MB


def grid(pictures, titles, columns=4, width=9.0, about='', interpolation='lanczos'):
    """Show pictures in a grid.

    Args:
        pictures: RGB uint8 arrays.
        titles: one a picture.
        columns: pictures in a row.
        width: inches, of 100 pixels.
        about: what the figure shows, for readers who do not see it and for the gallery.
        interpolation: 'nearest' for pictures whose pixels are to be seen.
    """
    file = io.BytesIO()
    figures.save_grid(file, pictures, titles, columns, width, interpolation)
    return jpeg(file, about)


def drawn(figure, about=''):
    """Show a matplotlib figure."""
    file = io.BytesIO()
    figure.savefig(file, format='png', dpi=100)
    return jpeg(file, about)


def curves(values, xlabel, ylabel, about='', **settings):
    """Show curves.

    Args:
        values: label to (x, y).
        settings: of matplotlib's axis, such as yscale='log'.
    """
    figure = Figure(figsize=(7, 3.2), layout='constrained')
    axis = figure.subplots()
    for label, (x, y) in values.items():
        axis.plot(x, y, marker='o' if len(x) < 20 else None, label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel, **settings)
    axis.legend(fontsize=8, frameon=False)
    axis.spines[['top', 'right']].set_visible(False)
    return drawn(figure, about)


def table(head, rows):
    """Show a table; numbers have three digits."""
    lines = [head, ['---'] * len(head),
             *([f'{cell:.3g}' if isinstance(cell, float) else str(cell) for cell in row]
               for row in rows)]
    return Markdown('\n'.join('| ' + ' | '.join(line) + ' |' for line in lines))


def jpeg(file, about=''):
    """Show a PNG in a file that was written to memory, as JPEG."""
    jpeg = io.BytesIO()
    Picture.open(file).convert('RGB').save(jpeg, 'JPEG', quality=QUALITY)
    return Image(jpeg.getvalue(), format='jpeg', alt=about)
