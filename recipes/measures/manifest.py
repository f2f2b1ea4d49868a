"""The manifest of the published figures: what each shows, what makes it again, how it is judged.

It is recipes/assets/published_figures.json, made to be read. Of each figure it has:

- paper, number, shows: where it stands and what is on it;
- file: its place in a folder of figures. A file that is named so, or like the figure, will do in
  any folder. `shipped` figures come with the archive;
- recipe, arguments: the call that makes it again; {names} stand for inputs and weights;
- inputs: by name a file beside the figures, or the number of the figure's own panel;
- needs: model, and the file of its weights where the figures' neighbour folder `weights` has it;
- grid, framed, scaling: panels down and across, whether they have a frame, how they were scaled;
- panels: of each the place `at` which it stands, a title, what of the run it is (`ours`), its kind.

Of each kind of panel it has the measures with their thresholds and the reasons for them.
"""

import json
from collections import namedtuple
from pathlib import Path

import models
from models.errors import ArchiveError
from models.weights import files

from recipes.common import images

MANIFEST = images.ASSETS / 'published_figures.json'

Figure = namedtuple('Figure', 'name paper number shows file shipped recipe arguments inputs needs '
                              'grid framed scaling panels note')

# A limit of a measure: at_least or at_most, of which one is None; both are where it has no verdict.
Limit = namedtuple('Limit', 'measure at_least at_most because')


def read(path=MANIFEST):
    """Read what the manifest has.

    Returns:
        (figures, kinds): name to `Figure`; name of a kind to a list of `Limit`.

    Raises:
        ArchiveError: it is no manifest, or an entry lacks something.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
        kinds = {kind: [Limit(measure, limit.get('at_least'), limit.get('at_most'),
                              limit['because']) for measure, limit in limits.items()]
                 for kind, limits in content['kinds'].items()}
        figures = {name: Figure(**{'name': name, 'shipped': False, 'inputs': {}, 'needs': {},
                                   'framed': False, 'scaling': 'smooth', 'note': '', **entry})
                   for name, entry in content['figures'].items()}
        unknown = [panel['kind'] for figure in figures.values() for panel in figure.panels
                   if panel['kind'] not in kinds]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ArchiveError(f'{path} is no manifest of figures: {problem}') from problem
    if unknown:
        raise ArchiveError(f'{path} has panels of the kind {unknown[0]!r}, and no such kind')
    return figures, kinds


def known_figure(name, figures):
    """Find the `Figure` of this name.

    Raises:
        ArchiveError: there is none; names the nearest.
    """
    return figures[models.known_name(name, list(figures), 'figure in the manifest',
                                     'python recipes/compare.py --list')]


def find(figure, folder):
    """Find the path of a figure's file.

    Args:
        figure: `Figure`.
        folder: of figures, or None; or the file itself.

    Raises:
        ArchiveError: it is not there.
    """
    if figure.shipped:
        return images.ASSETS / figure.file
    path = None if folder is None else _find_in(Path(folder), figure)
    if path is None:
        place = 'there is no folder of figures' if folder is None else f'{folder} has no such file'
        raise ArchiveError(f'the figure {figure.name} ({figure.paper}, {figure.number}) is not '
                           f'here, {place}; save it as {figure.name}.png or .jpg and name its '
                           'folder with --figures')
    return path


def _find_in(folder, figure):
    if folder.is_file():
        return folder
    wanted = Path(figure.file)
    for path in (folder / wanted, folder / wanted.name):
        if path.is_file():
            return path
    return next((path for path in sorted(folder.glob(f'{figure.name}.*'))
                 if images.named_like_a_picture(path)), None)


def is_there(figure, folder):
    """Tell whether the file of a published figure is in a folder of figures."""
    return not figure.shipped and _find_in(Path(folder), figure) is not None


def find_input(figure, name, folder):
    """Find the path of a file that a figure was made from.

    Raises:
        ArchiveError: it is not there.
    """
    wanted = Path(figure.inputs[name])
    folder = Path(folder or '.')
    folder = folder.parent if folder.is_file() else folder
    for path in (folder / wanted, folder / wanted.name):
        if path.is_file():
            return path
    raise ArchiveError(f'{figure.name} is made from {wanted.name}, which is not in {folder}; put '
                       'it beside the figures')


def find_weights(figure, folder, weights=None):
    """Find the weight file that a figure is made again with, or None for the archive's own.

    Where there is no file in the place where the archive keeps weights, the folder `weights`
    beside the one of the figures may have what the manifest names.

    Raises:
        ArchiveError: there are none; says which command gets some.
    """
    model = figure.needs.get('model')
    if weights is not None or model is None or model in files.EMBEDDED:
        return weights
    beside = None if folder is None else _beside(Path(folder), figure.needs.get('weights'))
    if beside is not None:
        return beside
    try:
        files.find(model)
    except ArchiveError as problem:
        raise ArchiveError(f'{figure.name} cannot be made again: {problem}') from problem
    return None


def _beside(folder, name):
    folder = folder.resolve()
    places = [] if name is None else [folder / 'weights', *(up / 'weights' for up in
                                                            list(folder.parents)[:2])]
    return next((place / name for place in places if (place / name).is_file()), None)
