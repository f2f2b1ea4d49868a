"""Train the network that ships with the archive, from photos and two teachers.

    python models/embedded/train.py lower PHOTOS --teacher vgg19_normalised.npz
    python models/embedded/train.py upper PHOTOS --lower runs/train_lower-001/weights.npz

`lower` makes conv1_1 to conv3_1, half as wide as VGG-19's, from random weights: through a learned
1x1 projection each layer predicts the same layer of Gatys' normalised VGG-19, on photos, on photos
with noise of several frequencies and strengths, and on noise, so that it also agrees with it where
the optimisation of a picture goes. `upper` makes the rest, for labels. README.md beside this file
has settings and figures.
"""


import models
from models.errors import ArchiveError
from models.weights import files
from models.weights.normalisation import normalise

import lasagne
import numpy as np
import theano
import theano.tensor as T
from PIL import Image
from tqdm import tqdm

from recipes.common import command_line, photos, runs, training

MODEL, EARLIER = 'vgg19_small', 'vgg19_quarter'
DISTILLED = ('conv1_1', 'conv1_2', 'conv2_1', 'conv2_2', 'conv3_1')
MEAN_PIXEL = np.array(files.VGG_MEAN_PIXEL, 'float32')
# Of the pictures of a step: (pixels of the sides, pictures, how often). All are 65,536 pixels, or
# about as many; 64 is the size of most photos, 96 what a picture of 256 pixels looks like.
SIZES = ((64, 16, 0.5), (96, 7, 0.3), (48, 28, 0.2))
AVERAGE = 0.75       # of the steps are with mean pooling, as style takes it; the others with max
NOISE = (2.0, 63.0)  # grey levels, the least and the largest deviation of what is added
LIVELINESS = 0.02    # weight of the squared distance of a channel's mean activation from 1
SAVE_EVERY = 100     # steps
BATCH = 64           # photos, of the upper part
EARLY = 0.6          # of the upper part's steps are at 48 pixels
SMOOTHING = 0.05     # of labels
TESTED = 2000        # photos at most, from time to time
LARGER = 0.25        # of the pictures come from larger photos, where there are some
# A step compares every second row and column of the finest layers, at random offsets: they have
# the most positions, and neighbours say nearly the same.
EVERY = {'conv1_1': 2, 'conv1_2': 2, 'conv2_1': 2, 'conv2_2': 2, 'conv3_1': 1}
LOWER_COLUMNS = ('step', 'size', 'average', *DISTILLED)  # of steps.csv
UPPER_COLUMNS = ('step', 'loss', 'error', 'test_top_1', 'test_top_5')


def main(arguments=None):
    """Run with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    check(options)
    {'lower': train_lower, 'upper': train_upper}[options.part](options)


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add_options(parser)
    add = parser.add_argument
    add('--replays', type=command_line.positive_integer, default=2,
        help='upper: steps on each batch')
    add('--steps', type=command_line.positive_integer, default=3000, help='of Adam')
    add('--resume', metavar='CHECKPOINT', help='go on from checkpoint.npz of an earlier run')
    parser.add_run_options()
    return parser.parse_args(arguments)


def add_options(parser):
    """Add what a training needs to know, with the archive's layers or with PyTorch's."""
    add = parser.add_argument
    add('part', choices=('lower', 'upper'), help='conv1_1 to conv3_1, or what is above')
    add('photos', metavar='PHOTOS', help='a folder with a folder of photos for each class')
    add('--larger-photos', metavar='FOLDER', help='photos of more pixels, without labels')
    add('--teacher', metavar='FILE', help='lower: weights of the normalised VGG-19, to conv3_1')
    add('--lower', metavar='FILE', help='upper: weights.npz of the lower part')
    add('--start', metavar='FILE', help='weights to begin with (default: random ones)')
    add('--test', metavar='FOLDER', help='upper: labelled photos to measure errors on')
    add('--radius', type=command_line.weight, default=0.5,
        help='upper: Euclidean, by which pictures of 64 pixels change, white being 1')
    add('--rate', type=command_line.factor, default=2e-3, help='of learning, at the beginning')
    add('--seed', type=command_line.seed, default=1, help='of weights, photos and noise')


def check(options):
    """Stop where the part to be trained lacks what it learns from or stands on.

    Raises:
        ArchiveError: with the option to give.
    """
    if options.part == 'lower' and options.teacher is None:
        raise ArchiveError('the lower part learns from the normalised VGG-19; name its weights '
                           'with --teacher FILE')
    if options.part == 'upper' and options.lower is None:
        raise ArchiveError('the upper part stands on the lower one; name its weights.npz with '
                           '--lower FILE')


# ---------------------------------------------------------------- the lower part


def train_lower(options):
    """Train conv1_1 to conv3_1 to predict the teacher's layers."""
    pictures, larger = read_photos(options)
    student = models.build(MODEL, deepest='conv3_1', seed=options.seed)
    teacher, _, _ = models.load('vgg19_normalized', options.teacher, deepest='conv3_1')
    random = np.random.RandomState([options.seed, 2])
    examples = [noisy(crops(pictures, larger, 64, 32, random), random) for _ in range(8)]
    if options.start:
        student, _, _ = models.load(MODEL, options.start, deepest='conv3_1')
    else:
        normalise(student, examples)
    distillation = Distillation(student, teacher, examples)
    settings = {'part': 'lower', 'steps': options.steps, 'rate': options.rate,
                'seed': options.seed, 'photos': len(pictures), 'larger': len(larger)}
    step, history, resumed = training.load_checkpoint(
        options.resume, distillation.variables, settings, options.steps, len(LOWER_COLUMNS))
    run = runs.Run('train_lower', options.out, options.force)
    run.save_record(parameters=settings, resumed_from=resumed, teacher=teacher.origin.sha256)
    with run.recorded(), tqdm(total=options.steps, initial=step, unit='step',
                              disable=options.quiet) as bar:
        while step < options.steps:
            random = np.random.RandomState([options.seed, step])
            size, count, _ = SIZES[random.choice(len(SIZES), p=[share for *_, share in SIZES])]
            batch = noisy(crops(pictures, larger, size, count, random), random)
            average = int(random.uniform() < AVERAGE)
            errors = distillation.step(batch, average, random.randint(0, 2, 2),
                                       training.cosine(step, options.steps, options.rate, 50))
            if not np.isfinite(errors).all():
                raise ArchiveError(f'the loss is no number at step {step}; take a smaller --rate')
            step += 1
            history.append([step, size, average, *errors])
            bar.update()
            bar.set_postfix_str(' '.join(f'{error:.3f}' for error in errors), refresh=False)
            if step % SAVE_EVERY == 0 or step == options.steps:
                save_lower(run, distillation, settings, step, history)
    if not options.quiet:
        print(run.folder / 'weights.npz')


def save_lower(run, distillation, settings, step, history):
    """Save the weights, a checkpoint and the table of steps."""
    run.save_arrays('weights.npz', {**distillation.weights(), 'mean_pixel': MEAN_PIXEL})
    run.save_arrays('checkpoint.npz', training.checkpoint_arrays(
        distillation.variables, settings, step, history))
    run.save_table('steps.csv', LOWER_COLUMNS, history)


class Distillation:
    """A student that learns to predict a teacher's layers through 1x1 projections.

    Args:
        student, teacher: ordered dicts of layers, both to conv3_1.
        examples: batches that errors are relative to the variances of, and that the projections
            are fitted to at the start, by least squares.

    Attributes:
        variables: all that goes on from step to step.
    """

    def __init__(self, student, teacher, examples):
        self.student, self.teacher, self.examples = student, teacher, examples
        self.parameters = lasagne.layers.get_all_params(student['conv3_1'], trainable=True)
        self.projections = [theano.shared(projection, f'projection {name}') for name, projection
                            in zip(DISTILLED, least_squares(student, teacher, examples))]
        self.adam = training.Adam([*self.parameters, *self.projections])
        self.functions = {}  # with mean pooling and with max, each compiled at its first step
        self.variables = [*self.parameters, *self.projections, *self.adam.state]

    def compile_step(self, average):
        """Compile (batch, offsets) -> relative errors of the layers, which takes a step of Adam."""
        variances = variances_of(self.teacher, self.examples, average)
        batch, offsets = T.tensor4('batch'), T.lvector('offsets')
        own = outputs_of(self.student, batch, average)
        wanted = outputs_of(self.teacher, batch, average)
        errors, dullness = [], 0
        for name, x, y, projection in zip(DISTILLED, own, wanted, self.projections):
            if EVERY[name] > 1:
                x, y = (z[:, :, offsets[0]::EVERY[name], offsets[1]::EVERY[name]] for z in (x, y))
            predicted = T.nnet.conv2d(x, projection, filter_flip=False)
            errors.append(((predicted - y) ** 2).mean() / variances[name])
            dullness += ((x.mean(axis=(0, 2, 3)) - 1) ** 2).mean()
        loss = sum(errors) + LIVELINESS * dullness
        updates = self.adam.updates(T.grad(loss, self.adam.parameters))
        return theano.function([batch, offsets], T.stack(errors), updates=updates)

    def step(self, batch, average, offsets, rate):
        """Take a step; give the relative errors of the layers."""
        self.adam.rate.set_value(np.float32(rate))
        if average not in self.functions:
            self.functions[average] = self.compile_step(average)
        return self.functions[average](batch, offsets)

    def weights(self):
        """Collect '<layer>.W' and '<layer>.b'."""
        return {parameter.name: parameter.get_value() for parameter in self.parameters}


def outputs_of(net, batch, average):
    """Build the expressions of the distilled layers with mean or max pooling."""
    outputs, x = [], batch
    for name, layer in net.items():
        if name.startswith('pool'):
            layer.mode = 'average_exc_pad' if average else 'max'
        if name != 'input':
            x = layer.get_output_for(x)
        if name in DISTILLED:
            outputs.append(x)
    return outputs


def variances_of(net, batches, average):
    """Measure the variance of each distilled layer with mean or max pooling: name to a number."""
    batch = T.tensor4('batch')
    moments = theano.function([batch], [f(x) for x in outputs_of(net, batch, average)
                                        for f in (T.mean, lambda x: T.mean(x ** 2))])
    first, second = np.mean([moments(batch) for batch in batches], axis=0).reshape(-1, 2).T
    return dict(zip(DISTILLED, (second - first ** 2).astype('float32')))


def least_squares(student, teacher, batches):
    """Fit the 1x1 projections that predict the teacher's layers best: (out, in, 1, 1) each."""
    batch = T.tensor4('batch')
    products = []
    for x, y in zip(outputs_of(student, batch, True), outputs_of(teacher, batch, True)):
        x, y = (z.dimshuffle(1, 0, 2, 3).flatten(2) for z in (x, y))
        products += [T.dot(x, x.T), T.dot(x, y.T)]
    sums = theano.function([batch], products)
    totals = [sum(parts).astype('float64') for parts in zip(*map(sums, batches))]
    fitted = [np.linalg.solve(own + 1e-4 * np.trace(own) / len(own) * np.eye(len(own)), both)
              for own, both in zip(totals[::2], totals[1::2])]
    return [solution.T[:, :, None, None].astype('float32') for solution in fitted]


def noisy(batch, random):
    """Add noise to some of a batch's pictures, and blend noise into others.

    A quarter stay as they are; a half have Gaussian noise added, drawn at the pictures' size, half
    or a quarter of it and enlarged; a quarter are blended with such noise at any proportion.

    Args:
        batch: (count, 3, rows, columns), BGR minus mean; it is changed.
        random: numpy RandomState.
    """
    for index in range(len(batch)):
        kind = random.randint(4)
        if kind == 0:
            continue
        noise = noise_of(batch.shape[2], 2 ** random.randint(3), random)
        if kind == 3:
            share = random.uniform()
            batch[index] = share * batch[index] + (1 - share) * NOISE[1] * noise
        else:
            batch[index] += np.exp(random.uniform(*np.log(NOISE))) * noise
    return batch


def noise_of(size, coarseness, random):
    """Draw white noise (3, size, size) of deviation 1, or coarser."""
    small = -(-size // coarseness)
    noise = random.normal(0, 1, (3, small, small)).astype('float32')
    if coarseness == 1:
        return noise
    noise = np.stack([np.asarray(Image.fromarray(channel).resize((size, size), Image.BICUBIC))
                      for channel in noise])
    return noise / noise.std()


def crops(pictures, larger, size, count, random):
    """Cut so many random squares out of the photos: (count, 3, size, size), BGR minus mean."""
    chosen = []
    for _ in range(count):
        source = larger if larger and random.uniform() < LARGER else pictures
        rgb = source[random.randint(len(source))]
        # A larger photo is seen at any scale between its own and that of the small ones.
        smallest = min(1.0, (size / min(rgb.shape[:2])) ** 2) if source is larger else 0.45
        chosen.append(training.random_crop(rgb, size, random, smallest))
    return photos.stack(chosen, MEAN_PIXEL)


def read_photos(options):
    """Read the photos of a command line: (pictures, larger pictures)."""
    pictures, _, problems = training.read_labelled(options.photos, 128, options.quiet)
    larger = []
    if options.larger_photos:
        larger, _, more = training.read_labelled(options.larger_photos, 256, options.quiet)
        problems += more
    for problem in problems:
        tqdm.write(problem)
    return pictures, larger


# ---------------------------------------------------------------- the upper part


def train_upper(options):
    """Train what is above conv3_1 to tell classes apart, also under small adversarial changes.

    Shafahi et al. 2019, "Adversarial Training for Free!": each batch is taken several times, and
    the gradient that a step has anyway moves the pictures against the network.
    """
    with np.load(files.EMBEDDED[EARLIER]) as earlier:
        wnids, classes = earlier['wnids'].tolist(), earlier['classes'].tolist()
    pictures, names, problems = training.read_labelled(options.photos, 64, options.quiet)
    labels = labels_of(names, wnids, options.photos)
    test = read_test(options, wnids)
    lower, _, _ = models.load(MODEL, options.lower, deepest='conv3_1')
    classifier = Classifier(begin(lower, pictures, len(classes), options.seed))
    settings = {'part': 'upper', 'steps': options.steps, 'rate': options.rate,
                'seed': options.seed, 'photos': len(pictures), 'radius': options.radius,
                'replays': options.replays, 'lower': lower.origin.sha256}
    step, history, resumed = training.load_checkpoint(
        options.resume, classifier.variables, settings, options.steps, len(UPPER_COLUMNS))
    run = runs.Run('train_upper', options.out, options.force)
    run.save_record(parameters=settings, resumed_from=resumed, problems=problems,
                    errors_before=classifier.errors(*test))
    with run.recorded(), tqdm(total=options.steps, initial=step, unit='step',
                              disable=options.quiet) as bar:
        while step < options.steps:
            random = np.random.RandomState([options.seed, step])
            size = 48 if step < EARLY * options.steps else 64
            chosen = random.randint(0, len(pictures), BATCH)
            batch = photos.stack([training.random_crop(pictures[index], size, random)
                                       for index in chosen], MEAN_PIXEL)
            row = classifier.replay(batch, labels[chosen], options.replays,
                                    options.radius * size / 64 * 255,
                                    training.cosine(step, options.steps, options.rate, 100))
            if not np.isfinite(row).all():
                raise ArchiveError(f'the loss is no number at step {step}; take a smaller --rate')
            step += options.replays
            bar.update(options.replays)
            last = step >= options.steps
            tested = classifier.errors(*test) if step % 500 < options.replays or last else None
            history.append([step, *row, *(tested or (np.nan, np.nan))])
            bar.set_postfix_str(f'loss {row[0]:.3f}', refresh=False)
            if tested and not options.quiet:
                tqdm.write(f'step {step}: top-1 error {tested[0]:.1f} %, top-5 {tested[1]:.1f} %')
            if step % SAVE_EVERY < options.replays or last:
                save_upper(run, classifier, settings, step, history, classes, wnids)
    if not options.quiet:
        print(run.folder / 'weights.npz')


def labels_of(names, wnids, folder):
    """Number the classes that photos lie in the folders of, int32 (photos,).

    Raises:
        ArchiveError: a folder is not named by one of the classes' WordNet ids.
    """
    unknown = sorted({*names} - {*wnids})
    if unknown:
        raise ArchiveError(f'{folder} has a folder {unknown[0]}, which is none of the '
                           f'{len(wnids)} classes; name folders by their WordNet ids, such as '
                           f'{wnids[0]}')
    return np.array([wnids.index(name) for name in names], 'int32')


def read_test(options, wnids):
    """Read the labelled photos to measure errors on: (pictures, labels), or (None, None)."""
    if options.test is None:
        return None, None
    pictures, names, _ = training.read_labelled(options.test, 64, options.quiet)
    order = np.random.RandomState(0).permutation(len(pictures))[:TESTED]
    return ([pictures[index] for index in order],
            labels_of([names[index] for index in order], wnids, options.test))


def save_upper(run, classifier, settings, step, history, classes, wnids):
    """Save the weights as they ship, a checkpoint and the table of steps."""
    run.save_arrays('weights.npz', {**as_shipped(classifier.weights()), 'mean_pixel': MEAN_PIXEL,
                                    'classes': np.array(classes), 'wnids': np.array(wnids)})
    run.save_arrays('checkpoint.npz', training.checkpoint_arrays(
        classifier.variables, settings, step, history))
    run.save_table('steps.csv', UPPER_COLUMNS, history)


def as_shipped(weights):
    """Halve the precision of kernels, which nothing here depends on, to halve the file."""
    return {name: value.astype('float16') if name.startswith('conv') and name.endswith('.W')
            else value for name, value in weights.items()}


def begin(lower, pictures, classes, seed):
    """Build the network: the lower part as trained, the upper one from the earlier network.

    conv3_2 sees the new conv3_1 through the map, fitted by least squares on photos, that predicts
    the earlier network's conv3_1.

    Args:
        lower: ordered dict of the lower part's layers.
        pictures: RGB uint8 arrays.
        classes: how many there are.
        seed: of the choice of photos.
    """
    net = models.build(MODEL, classes=classes, seed=seed)
    old, _, old_mean = models.load(EARLIER)
    for name in DISTILLED:
        for own, given in zip(net[name].get_params(), lower[name].get_params()):
            own.set_value(given.get_value())
    mapping, constant = fit_map(net, old, old_mean, pictures, seed)
    for name, layer in net.items():
        if name in DISTILLED or not layer.get_params():
            continue
        W, b = (parameter.get_value() for parameter in old[name].get_params())
        if name == 'conv3_2':
            b = b + W.sum(axis=(2, 3)).dot(constant)
            W = np.einsum('oirc,in->onrc', W, mapping)
        for own, value in zip(layer.get_params(), (W, b)):
            own.set_value(value.astype('float32'))
    return net


def fit_map(net, old, old_mean, pictures, seed, count=512):
    """Fit old conv3_1 = mapping . new conv3_1 + constant on photos: (old, new), (old,)."""
    random = np.random.RandomState([seed, 4])
    batch = T.tensor4('batch')
    shift = (MEAN_PIXEL - old_mean).reshape(1, 3, 1, 1).astype('float32')
    outputs = [lasagne.layers.get_output(net['conv3_1'], batch),
               lasagne.layers.get_output(old['conv3_1'], batch + shift)]
    compute = theano.function([batch], [x.dimshuffle(1, 0, 2, 3).flatten(2) for x in outputs])
    parts = [compute(photos.stack([training.random_crop(pictures[index], 64, random)
                                        for index in random.randint(0, len(pictures), 64)],
                                       MEAN_PIXEL)) for _ in range(count // 64)]
    new, wanted = (np.concatenate(columns, axis=1).astype('float64') for columns in zip(*parts))
    new = np.vstack([new, np.ones(new.shape[1])])
    own = new @ new.T
    solution = np.linalg.solve(own + 1e-4 * np.trace(own) / len(own) * np.eye(len(own)),
                               new @ wanted.T).T
    return solution[:, :-1], solution[:, -1]


class Classifier:
    """A network whose layers above conv3_1 learn labels.

    Args:
        net: ordered dict of layers.

    Attributes:
        variables: all that goes on from step to step.
    """

    def __init__(self, net):
        self.net = net
        every = lasagne.layers.get_all_params(net['prob'], trainable=True)
        self.parameters = [parameter for parameter in every
                           if parameter.name.split('.')[0] not in DISTILLED]
        batch, labels = T.tensor4('batch'), T.ivector('labels')
        scores = lasagne.layers.get_output(models.scores(net), batch)
        logs = scores - T.log(T.exp(scores - scores.max(axis=1, keepdims=True)).sum(
            axis=1, keepdims=True)) - scores.max(axis=1, keepdims=True)
        loss = -((1 - SMOOTHING) * logs[T.arange(labels.shape[0]), labels]
                 + SMOOTHING * logs.mean(axis=1)).mean()
        gradients = T.grad(loss, [*self.parameters, batch])
        self.adam = training.Adam(self.parameters)
        wrong = T.neq(T.argmax(scores, axis=1), labels).mean()
        self.step = theano.function([batch, labels], [loss, wrong, gradients[-1]],
                                    updates=self.adam.updates(gradients[:-1]))
        self.scores = theano.function([batch], scores)
        self.variables = [*self.parameters, *self.adam.state]

    def replay(self, batch, labels, replays, radius, rate):
        """Take as many steps on a batch, which moves against the network within a radius.

        Args:
            batch: (count, 3, rows, columns), BGR minus mean.
            labels: (count,).
            replays: how many steps.
            radius: Euclidean, of a picture's change, in grey levels.
            rate: of learning.

        Returns:
            (loss, share of errors) of the last step.
        """
        self.adam.rate.set_value(np.float32(rate))
        change = np.zeros_like(batch)
        for _ in range(replays):
            loss, wrong, gradient = self.step(batch + change, labels)
            if radius:
                change += radius * gradient / (lengths(gradient) + 1e-12)
                change *= np.minimum(1, radius / (lengths(change) + 1e-12))
        return float(loss), float(wrong)

    def errors(self, pictures, labels):
        """Measure the top-1 and top-5 error in percent, or None without pictures."""
        if pictures is None:
            return None
        scores = np.concatenate([
            self.scores(photos.stack(pictures[start:start + BATCH], MEAN_PIXEL))
            for start in range(0, len(pictures), BATCH)])
        ranks = (scores > scores[np.arange(len(labels)), labels][:, None]).sum(axis=1)
        return 100 * float((ranks > 0).mean()), 100 * float((ranks > 4).mean())

    def weights(self):
        """Collect '<layer>.W' and '<layer>.b'; fc8's rows are classes."""
        arrays = {parameter.name: parameter.get_value() for parameter
                  in lasagne.layers.get_all_params(self.net['prob'])}
        arrays['fc8.W'] = np.ascontiguousarray(arrays['fc8.W'].T)
        return arrays


def lengths(x):
    """Give the Euclidean length of each of a batch's elements: (batch, 1, 1, 1)."""
    return np.sqrt((x ** 2).sum(axis=(1, 2, 3), keepdims=True))


if __name__ == '__main__':
    command_line.run(main)
