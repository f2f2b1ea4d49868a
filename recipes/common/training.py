"""What trainings share: photos in memory, random crops of them, Adam, and checkpoints."""

import json
from collections import namedtuple
from pathlib import Path

from models.errors import ArchiveError, one_line
from models.weights import npz

import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from recipes.common import images
from recipes.common.adam import FIRST, SECOND, TINY

KEY = 'variable {:03d}'  # of a variable's value in a checkpoint
REMEDY = 'give checkpoint.npz of an earlier run'

# Where a training stands: how many steps are done; its history, a list of rows of numbers; and the
# SHA-256 of the checkpoint that it went on from, or None.
Progress = namedtuple('Progress', 'step history sha256')


def read_labelled(folder, shorter=None, quiet=False):
    """Read all photos below a folder, and the name of the first folder on the way to each.

    Args:
        folder: holds a folder for each class; deeper folders are searched too.
        shorter: pixels to which a larger photo's shorter side is reduced, or None.
        quiet: whether to omit the bar.

    Returns:
        (pictures, names, problems): list of RGB uint8 arrays; list of the classes' names, one a
        picture; list of lines on files that could not be read.

    Raises:
        ArchiveError: there is no such folder, or no photo in it.
    """
    paths = sorted(filter(images.named_like_a_picture, Path(folder).rglob('*')))
    pictures, names, problems = [], [], []
    for path in tqdm(paths, 'reading photos', disable=quiet, unit='photo', leave=False):
        try:
            rgb = images.read(path)
        except ArchiveError as problem:
            problems.append(str(problem))
            continue
        if shorter is not None and min(rgb.shape[:2]) > shorter:
            rgb = images.resize(rgb, shorter)
        pictures.append(rgb)
        names.append(path.relative_to(folder).parts[0])
    if not pictures:
        raise ArchiveError(f'there is no photo in {folder} that can be read')
    return pictures, names, problems


def random_crop(rgb, size, random, smallest=0.45):
    """Cut a random square out of a picture, mirror it or not, and resize it.

    Args:
        rgb: uint8 (rows, columns, 3).
        size: pixels of the result's sides.
        random: numpy RandomState.
        smallest: share of the largest square's area that is cut out at least.

    Returns:
        uint8 (size, size, 3).
    """
    rows, columns = rgb.shape[:2]
    side = max(1, int(round(min(rows, columns) * np.sqrt(random.uniform(smallest, 1)))))
    top, left = random.randint(rows - side + 1), random.randint(columns - side + 1)
    part = rgb[top:top + side, left:left + side]
    if random.randint(2):
        part = part[:, ::-1]
    if side != size:
        part = images.resize_to(np.ascontiguousarray(part), size, size)
    return part


class Adam:
    """Kingma & Ba 2015, algorithm 1, as updates of compiled functions, with its state.

    Functions of one optimiser share its moments, such as steps with one pooling and with another.

    Args:
        parameters: shared variables.

    Attributes:
        rate: shared variable, the largest change of a number in a step.
        state: shared variables, in order, that go on beside the parameters.
    """

    def __init__(self, parameters):
        self.parameters = list(parameters)
        self.rate = theano.shared(np.float32(0), 'rate')
        self.count = theano.shared(np.float32(0), 'steps')
        self.moments, self.squares = (
            [theano.shared(np.zeros_like(parameter.get_value()), f'{kind} {parameter.name}',
                           broadcastable=parameter.broadcastable) for parameter in self.parameters]
            for kind in ('moment', 'square'))
        self.state = [self.count, *self.moments, *self.squares]

    def updates(self, gradients):
        """Give the updates of one step, a list for `theano.function`."""
        count = self.count + 1
        rate = self.rate * T.sqrt(1 - SECOND ** count) / (1 - FIRST ** count)
        updates = [(self.count, count)]
        for parameter, moment, square, gradient in zip(self.parameters, self.moments, self.squares,
                                                       gradients):
            first = FIRST * moment + (1 - FIRST) * gradient
            second = SECOND * square + (1 - SECOND) * gradient ** 2
            step = rate * first / (T.sqrt(second) + TINY)
            updates += [(moment, first), (square, second), (parameter, parameter - step)]
        return [(shared, value.astype(shared.dtype)) for shared, value in updates]


def cosine(step, steps, highest, warmup=0):
    """Give the learning rate of a step: a linear rise, then half a cosine down to 0.

    Loshchilov & Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts", equation 5,
    without restarts.
    """
    if step < warmup:
        return highest * (step + 1) / warmup
    return highest * 0.5 * (1 + np.cos(np.pi * (step - warmup) / max(1, steps - warmup)))


def checkpoint_arrays(variables, settings, step, history):
    """Put together what a checkpoint holds.

    Args:
        variables: shared variables, in order: parameters and the optimiser's state.
        settings: what decides the result, JSON.
        step: how many steps are done.
        history: list of rows of numbers; the first is the step, which rises.
    """
    arrays = {KEY.format(index): variable.get_value() for index, variable in enumerate(variables)}
    return {**arrays, 'settings': json.dumps(settings, sort_keys=True), 'step': step,
            'history': np.array(history, 'float64')}


def load_checkpoint(path, variables, settings, steps, columns):
    """Set variables to a checkpoint's values, so that going on gives the bytes of no break.

    Args:
        path: of the checkpoint; None begins anew and leaves the variables as they are.
        variables, settings: as of `checkpoint_arrays`.
        steps: of the whole training.
        columns: of the history, whose first is the step.

    Returns:
        `Progress`.

    Raises:
        ArchiveError: it is no checkpoint, or one of a run with other settings or of a run that is
            finished.
    """
    if path is None:
        return Progress(0, [], None)
    try:
        with npz.opened(path) as file:
            arrays, sha256 = file.read_all(), file.sha256()
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no checkpoint {path}') from problem
    except Exception as problem:  # whatever numpy or zipfile meets in a broken file
        raise ArchiveError(f'{path} is no checkpoint, or it is broken; {REMEDY}') from problem
    if 'parameters' in arrays and 'settings' not in arrays:  # of train_all_cnn.py
        raise ArchiveError(f'{path} is a checkpoint of an earlier version of the archive, which '
                           'this one cannot go on from; train anew without --resume (the '
                           'weights.npz beside it can be used as it is)')
    try:
        earlier = json.loads(str(arrays['settings']))
        step, history = int(arrays['step']), arrays['history']
        if not isinstance(earlier, dict) or not _is_history(history, step, columns):
            raise ValueError('its settings or its history cannot be')
    except Exception as problem:  # whatever an entry of another kind leads to
        raise ArchiveError(f'{path} is no checkpoint of this training, or it is broken; '
                           f'{REMEDY}') from problem
    _require_equal(path, earlier, json.loads(json.dumps(settings)))
    _set_values(path, variables, arrays)
    if step >= steps:
        raise ArchiveError(f'{path} is the checkpoint of a run that is finished; what it made lies '
                           'beside it')
    return Progress(step, history.tolist(), sha256)


def _is_history(rows, step, columns):
    """Tell whether rows can be the history of so many steps; what was not measured is nan."""
    if rows.dtype != 'float64' or rows.ndim != 2 or rows.shape[1] != columns or not len(rows):
        return False
    steps = rows[:, 0]
    return bool(steps[-1] == step and (np.diff(steps, prepend=0) > 0).all()
                and not np.isinf(rows).any())


def _require_equal(path, earlier, wanted):
    other = sorted(name for name in {*earlier, *wanted} if earlier.get(name) != wanted.get(name))
    if other:
        told = ', '.join(f'{name} {one_line(earlier.get(name), 60)}' for name in other)
        raise ArchiveError(f'{path} is the checkpoint of a run with other options ({told}); give '
                           'the same')


def _set_values(path, variables, arrays):
    for index, variable in enumerate(variables):
        value, before = arrays.get(KEY.format(index)), variable.get_value()
        if (value is None or value.shape != before.shape or value.dtype != before.dtype
                or not np.isfinite(value).all()):
            raise ArchiveError(f'{path} is no checkpoint of this network: {variable.name} is '
                               'missing, or not as the network has it')
        variable.set_value(value)
