"""Training a generator: photos, steps of Adam, samples, a log, checkpoints."""

import json
from pathlib import Path

from models import feedforward
from models.errors import ArchiveError
from models.layers import PadLayer, Rule

import lasagne
import numpy as np
import theano
import theano.tensor as T
from tqdm import tqdm

from recipes.common import images, photos, training
from recipes.feedforward import enlarging, generators

WARMUP = 20         # steps in which the rate rises
VALIDATION = 8      # held-out photos that the loss is measured on from time to time
SEEN_AROUND = 16    # pixels; a texture goes round, so the loss network sees it go round
SHORTER = 384       # pixels to which a photo's shorter side is reduced in memory
BEGINNING = training.Progress(0, [], None)


class Photos:
    """Photos in memory, and random crops of them.

    Args:
        paths: folders, searched in depth, or files.
        most: how many are kept at most, chosen by the seed.
        held_out: how many of them are kept for validation.
        seed: of the choice.
        quiet: whether to omit the bar.

    Attributes:
        pictures, held: lists of RGB uint8 arrays.
        problems: what could not be read, a line each.

    Raises:
        ArchiveError: there is no photo to train on.
    """

    def __init__(self, paths, most, held_out, seed, quiet=False):
        found = [file for path in map(Path, paths) for file in
                 (sorted(filter(images.named_like_a_picture, path.rglob('*')))
                  if path.is_dir() else photos.find([path]))]
        order = np.random.RandomState(seed).permutation(len(found))[:most]
        kept, self.problems = [], []
        for path in tqdm([found[index] for index in order], 'reading photos', disable=quiet,
                         unit='photo', leave=False):
            try:
                rgb = images.read(path)
            except ArchiveError as problem:
                self.problems.append(str(problem))
                continue
            kept.append(images.resize(rgb, SHORTER) if min(rgb.shape[:2]) > SHORTER else rgb)
        if len(kept) <= held_out:
            raise ArchiveError(f'there are {len(kept)} photos that can be read in '
                               f'{", ".join(map(str, paths))}, and {held_out} are held out to '
                               'measure on; name more photos, or less with --held-out')
        self.held, self.pictures = kept[:held_out], kept[held_out:]

    def batch(self, size, count, random, mean_pixel):
        """Cut random squares out of photos: (count, 3, size, size), BGR minus mean."""
        chosen = []
        for _ in range(count):
            rgb = self.pictures[random.randint(len(self.pictures))]
            smallest = min(1.0, (size / min(rgb.shape[:2])) ** 2)
            chosen.append(training.random_crop(rgb, size, random, smallest))
        return photos.stack(chosen, mean_pixel)

    def validation(self, size, mean_pixel, most=VALIDATION):
        """Give the held-out photos' middle squares: (count, 3, size, size), BGR minus mean."""
        squares = [images.square(rgb, size) for rgb in self.held[:most]]
        return photos.stack(squares, mean_pixel) if squares else None


class Trainer:
    """A generator, its loss, and Adam.

    Args:
        description: a `Description`.
        loss: an `objective.LossNetwork`.
        seed: of the weights.

    Attributes:
        net: the generator's layers.
        variables: all that goes on from step to step.
    """

    def __init__(self, description, loss, seed):
        self.description, self.loss = description, loss
        self.net = feedforward.build(description, seed=seed)
        self.parameters = feedforward.parameters(self.net)
        self.adam = training.Adam(self.parameters)
        averages = [average for layer in self.net.values()
                    for average in layer.get_params(batch_norm_stat=True)]
        self.variables = [*self.parameters, *averages, *self.adam.state]
        self._step, self.measure = self._compile()
        self.paint = generators.compile_generator(self.net, description)

    def _compile(self):
        inputs = feedforward.inputs_of(self.net)
        variables = [T.tensor4(layer.name) for layer in inputs]
        wanted = [T.tensor4('wanted')] if self.description.factor > 1 else []
        named = dict(zip((layer.name for layer in inputs), variables))
        photo, arguments = wanted[0] if wanted else named.get('input'), [*variables, *wanted]
        expressions = []
        for measured in (False, True):
            given = dict(zip(inputs, variables))
            picture = (generators.output_of(self.net, self.description, given) if measured
                       else lasagne.layers.get_output(self.net['output'], given))
            around = 0 if self.description.photo else SEEN_AROUND
            if around:
                pad = PadLayer((None, 3, None, None), Rule(around, around, 'circular'))
                picture = pad.get_output_for(picture)
            expressions.append(self.loss.terms(picture, photo, around))
        terms, measured = expressions
        updates = self.adam.updates(T.grad(self.loss.total(terms), self.parameters))
        return (theano.function(arguments, terms, updates=updates),
                theano.function(arguments, measured))

    def begin_with(self, net):
        """Take the weights of another generator of the same description."""
        for parameter, earlier in zip(self.parameters, feedforward.parameters(net)):
            parameter.set_value(earlier.get_value())

    def step(self, arrays, rate):
        """Take a step on what `inputs` gives; give the terms of the loss, unweighted."""
        self.adam.rate.set_value(np.float32(rate))
        return self._step(*arrays)

    def inputs(self, batch, rows, columns, count, random):
        """Put together what the generator takes: photos, if it takes any, and noise.

        Of an enlarging network: small photos, and the photos as they are, which it shall give.
        """
        if self.description.factor > 1:
            mean_pixel = self.loss.mean_pixel
            small = [enlarging.lowered(images.deprocess(photo[None], mean_pixel),
                                       self.description.factor) for photo in batch]
            return [photos.stack(small, mean_pixel), batch]
        noise = feedforward.noise_for(self.description, rows, columns, count, random)
        return [*([batch] if self.description.photo else []), *noise]


def resumed(path, trainer, settings):
    """Set a trainer to a checkpoint, or leave it where `path` is None: `training.Progress`.

    Args, raises: as of `training.load_checkpoint`.
    """
    return training.load_checkpoint(path, trainer.variables, settings, settings['steps'],
                                    3 + len(trainer.loss.names))


def train(run, trainer, settings, source, sample, progress=BEGINNING, quiet=False):
    """Train, from the beginning or from a checkpoint.

    Args:
        run: a `runs.Run`; it gets generator.npz, checkpoint.npz, log.json and samples.
        trainer: a `Trainer`.
        settings: what decides the result: steps, rate, seed, batch, sizes, every, and more.
        source: `Photos`, or None for a texture.
        sample: function (trainer) -> RGB uint8 picture, to look at.
        progress: `training.Progress`, as `resumed` gives it.
        quiet: whether to show nothing.

    Returns:
        Rows of the log: step, weighted loss, validation loss (nan where not measured), terms.

    Raises:
        ArchiveError: the loss is no number.
    """
    step, history = progress.step, list(progress.history)
    with tqdm(total=settings['steps'], initial=step, unit='step', disable=quiet) as bar:
        while step < settings['steps']:
            terms = trainer.step(_examples(trainer, settings, source, step),
                                 training.cosine(step, settings['steps'], settings['rate'], WARMUP))
            loss = float((terms * trainer.loss.factors).sum())
            if not np.isfinite(loss):
                raise ArchiveError(f'the loss is no number at step {step + 1}; take a smaller '
                                   '--rate')
            step += 1
            due = step % settings['every'] == 0 or step == settings['steps']
            history.append([step, loss, _validated(trainer, settings, source) if due else np.nan,
                            *map(float, terms)])
            bar.update()
            bar.set_postfix_str(_told(trainer.loss.names, terms), refresh=False)
            if due:
                _save(run, trainer, settings, step, history)
                run.save_picture(f'samples/{step:06d}.png', sample(trainer), {'step': step})
    return history


def _examples(trainer, settings, source, step):
    """Put together the photos and the noise of a step; the seed and the step decide them."""
    random = np.random.RandomState([settings['seed'], step])
    size = settings['sizes'][random.randint(len(settings['sizes']))]
    # All steps cost about the same: larger crops come in smaller batches.
    count = max(1, int(settings['batch'] * (settings['sizes'][0] / size) ** 2))
    batch = source and source.batch(size, count, random, trainer.loss.mean_pixel)
    return trainer.inputs(batch, size, size, count, random)


def _validated(trainer, settings, source):
    """Measure the loss on held-out photos, or on other noise for a texture."""
    size = settings['sizes'][0]
    batch = source and source.validation(size, trainer.loss.mean_pixel)
    if source and batch is None:
        return np.nan
    count = len(batch) if source else settings['batch']
    arrays = trainer.inputs(batch, size, size, count, np.random.RandomState(settings['seed']))
    rows = [trainer.measure(*(array[index:index + 1] for array in arrays))
            for index in range(count)]
    return float((np.mean(rows, axis=0) * trainer.loss.factors).sum())


def _told(names, terms):
    """Give the terms in a few words, those of one kind, such as the style's layers, together."""
    kinds = [name.partition(' ')[0] for name in names]
    return ' '.join(f'{kind} {sum(term for one, term in zip(kinds, terms) if one == kind):.3g}'
                    for kind in dict.fromkeys(kinds))


def _save(run, trainer, settings, step, history):
    """Save the generator, a checkpoint and the log."""
    generators.save(run, 'generator.npz', trainer.description, trainer.net,
                    {'settings': settings, 'step': step})
    run.save_arrays('checkpoint.npz', training.checkpoint_arrays(
        trainer.variables, settings, step, history))
    with run.writing('log.json') as path:
        path.write_text(json.dumps(log_of(trainer.loss, settings, history)) + '\n')


def log_of(loss, settings, history):
    """Give the log in the form of jcjohnson/fast-neural-style, train.lua.

    Validation losses are means over held-out photos, at the steps of `val_loss_history_ts`.
    """
    rows = np.array([[float(f'{value:.5g}') for value in row] for row in history])
    measured = ~np.isnan(rows[:, 2])
    log = {'opt': settings, 'train_loss_history': rows[:, 1].tolist(),
           'val_loss_history': rows[measured, 2].tolist(),
           'val_loss_history_ts': rows[measured, 0].astype(int).tolist()}
    for kind in ('content', 'style'):
        chosen = [index for index, name in enumerate(loss.names) if name.startswith(kind)]
        log[f'{kind}_loss_history'] = {
            f'{kind}-{number}': (rows[:, 3 + index] * loss.factors[index]).tolist()
            for number, index in enumerate(chosen, start=1)}
    return log
