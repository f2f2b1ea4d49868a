"""What trainings share: photos in memory, random crops of them, Adam, and checkpoints."""

import json
from pathlib import Path

from models.errors import ArchiveError
from models.weights import npz

import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from recipes.common import images
from recipes.common.adam import FIRST, SECOND, TINY


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
        history: list of rows of numbers.
    """
    arrays = {f'variable {index:03d}': variable.get_value()
              for index, variable in enumerate(variables)}
    return {**arrays, 'settings': json.dumps(settings, sort_keys=True), 'step': step,
            'history': np.array(history, 'float64')}


def take_up(path, variables, settings):
    """Set variables to a checkpoint's values, so that going on gives the bytes of no break.

    Args:
        path: of the checkpoint.
        variables, settings: as of `checkpoint_arrays`.

    Returns:
        (step, history).

    Raises:
        ArchiveError: it is no checkpoint, or one of a run with other settings.
    """
    try:
        arrays = npz.read_all(path)
        earlier = json.loads(str(arrays['settings']))
        values = [arrays[f'variable {index:03d}'] for index in range(len(variables))]
        step, history = int(arrays['step']), arrays['history'].tolist()
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no checkpoint {path}') from problem
    except Exception as problem:  # whatever a broken file leads to
        raise ArchiveError(f'{path} is no checkpoint of this training, or it is broken') \
            from problem
    wanted = json.loads(json.dumps(settings))
    other = sorted(name for name in {*earlier, *wanted} if earlier.get(name) != wanted.get(name))
    if other:
        raise ArchiveError(f'{path} is of a run with another {", ".join(other)}; '
                           'give the options that it had')
    for variable, value in zip(variables, values):
        if variable.get_value().shape != value.shape:
            raise ArchiveError(f'{path} is of another network: {variable.name} has shape '
                               f'{value.shape} there')
        variable.set_value(value.astype(variable.dtype))
    return step, history
