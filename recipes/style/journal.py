"""The rounds of a run: a picture, the exact state and the losses of each, so that it can go on.

The state of a round is an .npz file with everything that the next round depends on. It takes its
name when it is whole, after the round's picture has; so a process may be killed at any moment.
"""

import re
import time
from pathlib import Path

from models.errors import ArchiveError
from models.weights import npz

import numpy as np

from recipes.common import animations, figures, images, runs
from recipes.common.adam import MOMENTS

PICTURE, STATE, FRAME = 'round_{:02d}.png', 'state_{:02d}.npz', 'frames/frame_{:05d}.png'
NUMBERS = ('number', 'phase', 'best_loss', 'began', 'seed')  # of a state; the others are arrays
PLACES = 9      # in the figure, as in the notebook's
LARGEST = 1024  # pixels of the longer side of a picture in it, which is drawn at 300
NAMES = re.compile(r'(?:(round|state)_|frames/(frame)_)(\d+)\.(?:png|npz)')


class State:
    """What a round ended with.

    Attributes:
        number: of the round; 0 is the start.
        phase: index of the phase that the round was in.
        x: the picture, exact, float64 (1, 3, rows, columns).
        best_x, best_loss: of the best evaluation of the phase; None and infinity before the first.
        history: (evaluations, terms) of the whole run; began: where the phase began in it.
        weights: (terms,) of the phase.
        optimiser: dict of what the optimiser remembers; empty for L-BFGS, which starts afresh.
        seed: of the run.
    """

    FIELDS = ('number', 'phase', 'x', 'best_loss', 'history', 'began', 'weights', 'seed')

    def __init__(self, number, phase, x, best_x, best_loss, history, began, weights, optimiser,
                 seed):
        self.number, self.phase, self.x, self.seed = number, phase, x, seed
        self.best_x, self.best_loss = best_x, best_loss
        self.history, self.began, self.weights = history, began, weights
        self.optimiser = optimiser

    def save(self, run):
        """Save it in the folder of a run."""
        arrays = {name: np.asarray(getattr(self, name), dtype_of(name)) for name in self.FIELDS}
        if self.best_x is not None and not np.array_equal(self.best_x.ravel(), self.x.ravel()):
            arrays['best_x'] = self.best_x.reshape(self.x.shape)  # most often the best is x
        arrays.update({f'optimiser {name}': np.asarray(value)
                       for name, value in self.optimiser.items()})
        run.save_state(STATE.format(self.number), arrays)

    @classmethod
    def load(cls, path):
        """Read the state in a file.

        Raises:
            ArchiveError: it is none, or broken.
        """
        try:
            arrays = npz.read_all(path)
            fields = {name: _field(name, arrays[name]) for name in cls.FIELDS}
            best_x = arrays.get('best_x', fields['x'])
            optimiser = {name.partition(' ')[2]: value if value.ndim else value.item()
                         for name, value in arrays.items() if name.startswith('optimiser ')}
            state = cls(best_x=best_x if np.isfinite(fields['best_loss']) else None,
                        optimiser=optimiser, **fields)
            state.check(Path(path).name)
        except Exception as problem:  # whatever numpy or zipfile meets in a broken file
            raise ArchiveError(f'{path} is no state of a run, or it is broken; go on from another '
                               'round with --from') from problem
        return state

    def check(self, name):
        """Stop where its parts do not fit together, or into a file of this name.

        Raises:
            ValueError: says what does not.
        """
        moments = {part: value for part, value in self.optimiser.items() if part != 'steps'}
        right = {
            'number': self.number >= 0 and STATE.format(self.number) == name,
            'phase': self.phase >= 0,
            'x': self.x.ndim == 4 and self.x.shape[:2] == (1, 3) and np.isfinite(self.x).all(),
            'best_x': self.best_x is None or (self.best_x.shape == self.x.shape
                                              and np.isfinite(self.best_x).all()),
            'history': self.history.ndim == 2 and np.isfinite(self.history).all(),
            'began': 0 <= self.began <= len(self.history),
            'weights': self.weights.shape == self.history.shape[1:]
            and np.isfinite(self.weights).all(),
            'optimiser': not self.optimiser or (
                set(moments) == set(MOMENTS) and type(self.optimiser.get('steps')) is int
                and self.optimiser['steps'] > 0
                and all(value.dtype == 'float64' and value.shape == (self.x.size,)
                        and np.isfinite(value).all() for value in moments.values()))}
        wrong = [part for part, is_right in right.items() if not is_right]
        if wrong:
            raise ValueError(f'{" and ".join(wrong)} cannot be')


def _field(name, array):
    """Give a field as it was saved; a number where it is one.

    Raises:
        ValueError: it is of another type.
    """
    if array.dtype != dtype_of(name) or (array.ndim == 0) != (name in NUMBERS):
        raise ValueError(f'{name} is {array.dtype} {array.shape}')
    return array if array.ndim else array.item()


def dtype_of(name):
    """Tell the type of a field in its file."""
    return 'int64' if name in ('number', 'phase', 'began', 'seed') else 'float64'


def numbers(folder):
    """List the rounds whose state is in a folder, sorted."""
    found = [NAMES.fullmatch(path.name) for path in Path(folder).glob('state_*.npz')]
    return sorted(int(match.group(3)) for match in found if match)


def find(folder, wanted=None):
    """Find the state of a run's last round, or of the one that is wanted.

    Returns:
        State, or None where the run was stopped before it had any.

    Raises:
        ArchiveError: there is no such round.
    """
    there = numbers(folder)
    if wanted is not None and wanted not in there:
        told = f'it has 0 to {there[-1]}' if there else 'it has none'
        raise ArchiveError(f'{folder} has no round {wanted} to go on from; {told}')
    if not there:
        return None
    return State.load(Path(folder) / STATE.format(there[-1] if wanted is None else wanted))


def is_newer(state):
    """Make a function from a file's name to whether it is newer than a state: True or False for
    rounds, their states and frames, None for what is of the whole run."""

    def newer(name):
        match = NAMES.fullmatch(name)
        if match is None:
            return None
        limit = -1 if state is None else len(state.history) if match.group(2) else state.number
        return int(match.group(3)) > limit

    return newer


def reopen(recipe, folder, state, out=None, force=False, elsewhere=False):
    """Open the run that goes on from a state.

    Args:
        recipe: its name.
        folder: of the run.
        state: where it goes on, or None for the beginning.
        out, force: as of `runs.Run`.
        elsewhere: whether it goes on in a new folder, with copies of what is older.

    Raises:
        ArchiveError: the new folder is the run's own, or holds it.
    """
    newer = is_newer(state)
    earlier = runs.read_record(folder)
    if elsewhere:
        own = Path(folder).resolve()
        if out is not None and Path(out).resolve() in (own, *own.parents):
            raise ArchiveError(f'--out {out} would write over the run that goes on; take a new '
                               'folder')
        run = runs.Run(recipe, out, force)
        run.save_record(**{name: value for name, value in earlier.items()
                           if name in ('options', 'parameters', 'plan')})
        run.copy_from(folder, lambda name: newer(name) is False)
    else:
        # The result of before stays until there is a new one.
        run = runs.Run.reopened(recipe, folder, lambda name: not newer(name))
    number = -1 if state is None else state.number
    run.save_record(rounds=[entry for entry in earlier.get('rounds', [])
                            if entry['round'] <= number],
                    resumed=[*earlier.get('resumed', []), number])
    return run


class Journal:
    """What a run keeps: of each round picture, losses and state, frames between, and the best.

    Args:
        run: its folder.
        parameters: that decide the pixels.
        names: of the terms of the loss.
        counted: boolean (terms,), which are in the loss that is reported; None for all.
        every: evaluations from frame to frame, or None.
        seed: of the run.
        last: number of the last round.
        number: of the last round that was kept; 0 is the start, -1 before it.
        earlier: terms of the evaluations of the phases before.
        watch: `watch_page.Watch`, or None.

    Attributes:
        best: the best picture of the last phase that had any, RGB, or None.
    """

    def __init__(self, run, parameters, names, counted=None, every=None, seed=0, last=0, number=-1,
                 earlier=(), watch=None):
        self.run, self.parameters, self.names, self.seed = run, parameters, list(names), seed
        self.counted = np.ones(len(self.names), bool) if counted is None else counted
        self.every, self.number, self.earlier = every, number, list(earlier)
        self.watch, self.ends, self.best = watch, None, None
        # Of more rounds than the figure has places some are left out.
        self.shown = np.unique(np.linspace(0, last, PLACES).round().astype(int))
        self.pictures = {shown: figure_sized(images.read(run.folder / PICTURE.format(shown)))
                         for shown in self.shown if shown <= number}

    def end_phase(self, history):
        """Take the terms of the evaluations of a phase that has ended."""
        self.earlier += list(history)

    def keep(self, phase, objective, x, picture, weights, optimiser):
        """Keep a round: its picture, its losses in run.json, and its state.

        Args:
            phase: its index.
            objective: `objective.Objective` of the phase.
            x: the picture, flat.
            picture: the same, RGB.
            weights: of the terms in the phase, name to float.
            optimiser: dict of what the optimiser remembers.
        """
        self.number += 1
        terms = objective.eval_terms(x)
        history = [*self.earlier, *objective.history]
        self.run.save_picture(PICTURE.format(self.number), picture,
                              {**self.parameters, 'round': self.number})
        if self.number in self.shown:
            self.pictures[self.number] = figure_sized(picture)
        entry = {'round': self.number, 'phase': phase + 1, 'evaluations': len(history),
                 'total': self.total(terms), 'losses': dict(zip(self.names, terms.tolist()))}
        self.run.record['rounds'] = [*self.run.record.get('rounds', []), entry]
        State(self.number, phase, np.reshape(x, objective.shape), objective.best_x,
              objective.best_loss, history, len(self.earlier),
              [weights[name] for name in self.names], optimiser, self.seed).save(self.run)
        self.run.save_record()
        self.show(objective.history, at_once=True)

    def predict(self, seconds):
        """Take how long the run will take from now on."""
        self.ends = time.monotonic() + seconds

    def show(self, history=(), ended=None, at_once=False):
        """Show on the page how the run goes, where there is one.

        Args:
            history: terms of the evaluations of this phase.
            ended: how, once it has.
            at_once: also where the page was written a moment ago.
        """
        if self.watch is None:
            return
        left = None if self.ends is None else max(0.0, self.ends - time.monotonic())
        totals = [[self.total(terms), *map(float, terms)] for terms in [*self.earlier, *history]]
        self.watch.show(totals, list(range(self.number + 1)), left, ended, at_once)

    def wants_frame(self, history):
        """Tell whether it is time for a frame, after these evaluations of the phase."""
        return bool(self.every) and (len(self.earlier) + len(history)) % self.every == 0

    def keep_frame(self, history, picture):
        """Keep a frame of the process, RGB."""
        count = len(self.earlier) + len(history)
        self.run.save_picture(FRAME.format(count), picture, {**self.parameters,
                                                             'evaluation': count})

    def keep_best(self, history, picture):
        """Keep the best picture of a phase, and the terms of the loss of each evaluation.

        Args:
            history: terms of the evaluations of the phase.
            picture: RGB, or RGBA.
        """
        self.best = picture
        self.run.save_picture('result.png', picture, self.parameters)
        names = [name if counted else f'{name}, not in the total'
                 for name, counted in zip(self.names, self.counted)]
        whole = [*self.earlier, *history]
        self.run.save_table('losses.csv', ['evaluation', 'total', *names],
                            [[number, repr(self.total(terms)), *map(repr, terms)]
                             for number, terms in enumerate(whole, start=1)])
        best = history[np.nanargmin(np.sum(history, axis=1))]
        self.run.save_record(evaluations=len(whole), loss=self.total(best),
                             losses=dict(zip(self.names, best.tolist())))

    def total(self, terms):
        """Compute the loss that is reported: without what acts in the gradient only."""
        return float(np.asarray(terms)[self.counted].sum())

    def save_figures(self):
        """Save the rounds in a grid, 3x3 like the notebook's, and the process, if it was kept.

        Returns:
            What of the process could not be saved, one line each; the run has all else.
        """
        numbers = sorted(self.pictures)
        with self.run.writing('figure.png') as path:
            figures.save_grid(path, [self.pictures[number] for number in numbers],
                              [f'round {number}' if number else 'start' for number in numbers])
        problems = []
        if self.every:
            names = sorted(name for name in self.run.record['files'] if name.startswith('frames/'))
            frames = animations.Files([self.run.folder / name for name in [*names, 'result.png']])
            for save, name in ((animations.save_gif, 'process.gif'),
                               (animations.save_mp4, 'process.mp4')):
                try:
                    save(self.run, name, frames)
                except ArchiveError as problem:
                    problems.append(str(problem))
        return problems


def figure_sized(picture):
    """Reduce a picture to what the figure can show, so that few bytes wait for it."""
    rows, columns = picture.shape[:2]
    factor = LARGEST / max(rows, columns)
    if factor >= 1:
        return picture
    return images.resize_to(picture, *(max(1, round(length * factor))
                                       for length in (rows, columns)))
