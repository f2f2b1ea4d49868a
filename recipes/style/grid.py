"""Painting with every value of one or two options, laid out on a sheet."""

import copy
import itertools
import time

from models.errors import ArchiveError

from recipes.common import figures, images, runs
from recipes.style.options import GRID
from recipes.style.progress import tell
from recipes.style.resuming import remembered
from recipes.style.watch_page import words


def paint_grid(options, prepare, paint):
    """Paint each cell of --grid; every one is checked before the first is painted.

    Args:
        options: of the command line; `grid` has (option, values) of rows and columns.
        prepare: function from the options of a cell, which checks them.
        paint: function from the options of a cell to (path, picture, problems).

    Returns:
        (path, problems): of the sheet; what could not be made, one line each.
    """
    axes, options.grid = options.grid, []
    cells = [list(zip([name for name, _ in axes], values))
             for values in itertools.product(*(values for _, values in axes))]
    for cell in cells:
        try:
            prepare(options_of(cell, options))
        except ArchiveError as problem:
            raise ArchiveError(f'{in_words(cell)}: {problem}') from problem
    run = runs.Run('styletransfer', options.out, options.force)
    names = [f'cell_{number:02d}' for number in range(len(cells))]
    run.save_record(grid=axes, parameters=remembered(options), cells=names)
    pictures, problems, began = [], [], time.monotonic()
    with run.recorded():
        for number, (name, cell) in enumerate(zip(names, cells), start=1):
            one = options_of(cell, options)
            one.out = run.folder / name
            seconds = (time.monotonic() - began) / max(1, number - 1) * (len(cells) - number + 1)
            left = f', about {words(seconds)} left' if number > 1 else ''
            tell(options.quiet, f'{number} of {len(cells)}: {in_words(cell)}{left}')
            _, picture, left_out = paint(one)
            pictures.append(images.over_white(picture[..., :3], picture[..., 3])
                            if picture.shape[2] == 4 else picture)
            problems += [f'{name}: {problem}' for problem in left_out]
        with run.writing('grid.png') as path:
            columns = len(axes[-1][1])
            figures.save_grid(path, pictures, [in_words(cell, '\n') for cell in cells], columns,
                              width=3 * columns)
    return run.folder / 'grid.png', problems


def options_of(cell, options):
    """List the options that a cell of the grid is painted with."""
    one = copy.deepcopy(options)
    for option, value in cell:
        setattr(one, option.replace('-', '_'), GRID[option](value))
    return one


def in_words(cell, between=', '):
    """Say what a cell of the grid is painted with."""
    return between.join(f'{name} {value}' for name, value in cell)
