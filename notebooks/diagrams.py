"""Drawings for the notebook about deconvnets: strides, transposes, switches, integers."""

import numpy as np
from matplotlib.figure import Figure

INK, FIRST, SECOND = '#333333', '#c0392b', '#2471a3'


def strides(size=7, kernel=3):
    """Draw a convolution along one axis with stride 1 and with stride 2, and their transposes.

    Upper row: three pixels make a unit. Lower row: the same lines from the units back.
    """
    figure = Figure(figsize=(9, 4.6), layout='constrained')
    axes = figure.subplots(2, 2)
    for column, stride in enumerate((1, 2)):
        units = (size - kernel) // stride + 1
        middles = [unit * stride + (kernel - 1) / 2 for unit in range(units)]
        for axis, forward in zip(axes[:, column], (True, False)):
            for unit, middle in enumerate(middles):
                colour = FIRST if unit == units // 2 else '#bbbbbb'
                for tap in range(kernel):
                    ends = (unit * stride + tap, 0), (middle, 1)
                    (x0, y0), (x1, y1) = ends if forward else ends[::-1]
                    axis.annotate('', (x1, y1), (x0, y0), zorder=2 if colour == FIRST else 1,
                                  arrowprops={'arrowstyle': '->', 'color': colour,
                                              'shrinkA': 9, 'shrinkB': 9})
            _nodes(axis, range(size), 0, 'x')
            _nodes(axis, middles, 1, 'y')
            axis.set_title(f'stride {stride}: {size} pixels to {units} units' if forward else
                           f'its transpose: {units} units to {size} pixels', fontsize=10)
            axis.set(xlim=(-0.6, size - 0.4), ylim=(-0.35, 1.35))
            axis.axis('off')
    return figure


def matrices(size=7, kernel=('a', 'b', 'c'), stride=2):
    """Draw a convolution as a matrix, and its transpose, with the kernel's letters."""
    units = (size - len(kernel)) // stride + 1
    matrix = np.full((units, size), '0', object)
    for unit in range(units):
        matrix[unit, unit * stride:unit * stride + len(kernel)] = kernel
    figure = Figure(figsize=(9, 3.2), layout='constrained')
    axes = figure.subplots(1, 2, width_ratios=(size, units))
    for axis, letters, title in zip(axes, (matrix, matrix.T), (
            f'$C$: a convolution with stride {stride}', '$C^T$: its transpose')):
        _cells(axis, letters, np.where(letters == '0', 0.0, 1.0))
        axis.set_title(title, fontsize=10)
    return figure


def switches(below, pooled, signal, unpooled):
    """Draw a pooling of 2x2 windows, its switches, and a signal that goes back through them.

    Args:
        below: (rows, columns), what is pooled.
        pooled: its maxima.
        signal: of the pooled shape, what comes from above.
        unpooled: of the shape below, where the signal goes.
    """
    titles = ('below', 'pooled: maxima', 'signal from above', 'unpooled at the switches')
    figure = Figure(figsize=(9, 2.9), layout='constrained')
    where = unpooled != 0
    for axis, values, title, marked in zip(
            figure.subplots(1, 4), (below, pooled, signal, unpooled), titles,
            (where, np.ones(pooled.shape, bool), np.ones(signal.shape, bool), where)):
        _cells(axis, values.astype(int), marked.astype(float))
        axis.set_title(title, fontsize=10)
    return figure


def integers(maps, titles, columns=4, width=9.0):
    """Draw small arrays with their numbers.

    Args:
        maps: arrays (rows, columns) of whole numbers.
        titles: one an array.
        columns: arrays in a row.
        width: of the figure, in inches.
    """
    rows = -(-len(maps) // columns)
    figure = Figure(figsize=(width, rows * (width / columns + 0.25)), layout='constrained')
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.axis('off')
    for axis, values, title in zip(axes, maps, titles):
        largest = max(1, np.abs(values).max())
        _cells(axis, np.rint(values).astype(int), values / largest)
        axis.set_title(title, fontsize=10)
    return figure


def _nodes(axis, places, height, letter):
    for number, place in enumerate(places):
        axis.plot(place, height, 'o', color='white', markeredgecolor=INK, markersize=18, zorder=3)
        axis.text(place, height, f'${letter}_{number}$', ha='center', va='center', fontsize=9,
                  zorder=4)


def _cells(axis, values, strength):
    axis.imshow(strength, 'Reds', vmin=0, vmax=2.2)
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, str(value), ha='center', va='center', fontsize=10, color=INK)
    for count, line in zip(values.shape, (axis.axhline, axis.axvline)):
        for edge in range(1, count):
            line(edge - 0.5, color=INK, linewidth=0.5)
    axis.set(xticks=[], yticks=[])
    axis.axis('on')
