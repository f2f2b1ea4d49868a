"""Figures laid out like the papers', drawn with matplotlib and no window."""

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


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
        axis.set_title(title, fontsize=9)
    figure.savefig(path, format='png', dpi=100, metadata={'Software': None})
