"""Train the All-Convolutional network or one of its siblings on labelled pictures.

    python recipes/train_all_cnn.py PHOTOS --model all_cnn_c

Springenberg et al. 2015, "Striving for Simplicity": stochastic gradient descent with momentum 0.9
and weight decay 1e-3, a learning rate that falls to a tenth at 200, 250 and 300 of 350 epochs,
dropout of 20 % of the input and 50 % after each layer of stride 2. PHOTOS is a folder with a folder
of pictures for each class (in `train` and `test`, or all to train on), or an .npz file: `images`
uint8 (count, rows, columns, 3), `labels`, and if you have them `names` and `split`
('train' or not). Other than in the paper, pictures have their mean subtracted and are not whitened.
"""

import io
import zipfile
from collections import namedtuple
from pathlib import Path

import models
from models import all_cnn
from models.errors import ArchiveError, Incomplete, one_line
from models.weights import files

import lasagne
import numpy as np
import theano
import theano.tensor as T
from theano.sandbox.rng_mrg import MRG_RandomStream
from tqdm import tqdm

from recipes.common import command_line, images, photos, runs
from recipes.common.training import checkpoint_arrays, load_checkpoint

SCALE = 64  # inputs are divided by it in training; in the weight file the first kernel is instead
MOMENTUM, WEIGHT_DECAY = 0.9, 1e-3
INPUT_DROPOUT, DROPOUT = 0.2, 0.5
DROPS = (200 / 350, 250 / 350, 300 / 350)  # of the epochs, where the rate falls to a tenth
SHIFT = 5                                  # pixels, by which --augment shifts pictures at most
HISTORY = ('epoch', 'rate', 'train_loss', 'train_error', 'test_error')  # a row of epochs.csv

# Pictures: RGB uint8 (count, size, size, 3); labels: (count,); names: of the classes; problems:
# what could not be read, one line each.
Data = namedtuple('Data', 'train_pictures train_labels test_pictures test_labels names problems')


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    data = read_data(Path(options.data), options.size)
    mean_pixel = data.train_pictures.mean(axis=(0, 1, 2))[::-1].astype('float32')
    net = models.build(options.model, width=options.width, seed=options.seed,
                       classes=len(data.names))
    training = Training(net, mean_pixel)
    parameters = describe(options, data)
    done, history, resumed = load_checkpoint(
        options.resume, training.variables, parameters, options.epochs, len(HISTORY))
    run = runs.Run('train_all_cnn', options.out, options.force)
    run.save_record(parameters=parameters, data=str(options.data), problems=data.problems,
                    resumed_from=resumed,
                    published_error=all_cnn.PUBLISHED_ERRORS[options.model])
    with run.recorded():
        for epoch in range(done, options.epochs):
            result = training.epoch(epoch, data, options)
            history.append([result[name] for name in HISTORY])
            save(run, training, mean_pixel, parameters, history)
            if not options.quiet:
                tqdm.write(sentence(result))
    if not options.quiet:
        print(run.folder / 'weights.npz')
    if data.problems:
        raise Incomplete(f'{len(data.problems)} pictures were left out: '
                         f'{photos.told(data.problems)}')


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('data', metavar='PHOTOS', help='a folder with a folder for each class, or an .npz file')
    parser.add_run_options()
    add('--model', choices=all_cnn.PUBLISHED_ERRORS, default='all_cnn_c')
    add('--size', type=command_line.pixels, default=32, help='pixels of the sides')
    add('--width', type=command_line.factor, default=1.0, help='factor on the number of filters')
    add('--epochs', type=command_line.positive_integer, default=350, help='passes over the photos')
    add('--batch', type=command_line.positive_integer, default=64, help='photos a step')
    add('--rate', type=command_line.factor, default=0.01,
        help='of learning; the paper took the best of 0.25, 0.1, 0.05 and 0.01')
    add('--augment', action='store_true',
        help=f'mirror the photos at random and shift them by up to {SHIFT} pixels')
    add('--seed', type=command_line.seed, default=1, help='of weights, order and dropout')
    add('--resume', metavar='CHECKPOINT', help='go on from checkpoint.npz of an earlier run')
    return parser.parse_args(arguments)


def describe(options, data):
    """List every parameter that decides the weights, for run.json."""
    names = 'model size width epochs batch rate augment seed'
    return {**{name: getattr(options, name) for name in names.split()}, 'classes': data.names,
            'train': len(data.train_labels), 'test': len(data.test_labels),
            'pixels': runs.pixel_hash(data.train_pictures)}


class Training:
    """A network in training.

    Args:
        net: ordered dict of layers, a chain.
        mean_pixel: (3,), BGR.

    Attributes:
        variables: all that goes on from epoch to epoch: parameters, then their velocities.
    """

    def __init__(self, net, mean_pixel):
        self.net, self.mean_pixel = net, mean_pixel
        self.parameters = lasagne.layers.get_all_params(net['prob'], trainable=True)
        self.velocities = [theano.shared(np.zeros_like(parameter.get_value()),
                                         f'velocity {parameter.name}')
                           for parameter in self.parameters]
        self.variables = [*self.parameters, *self.velocities]
        self.random = MRG_RandomStream()
        self.step, self.predict = self.compile_functions()

    def compile_functions(self):
        """Compile (images, labels, rate) -> (loss, number of errors), which takes a step, and
        images -> classes."""
        image, label, rate = T.tensor4('image'), T.ivector('label'), T.scalar('rate')
        scores = T.log(self.output_in_training(image / SCALE))
        loss = -scores[T.arange(label.shape[0]), label].mean()
        decay = sum((parameter ** 2).sum() for parameter in self.parameters
                    if parameter.ndim > 1)
        gradients = T.grad(loss + 0.5 * WEIGHT_DECAY * decay, self.parameters)
        updates = []
        for parameter, velocity, gradient in zip(self.parameters, self.velocities, gradients):
            faster = MOMENTUM * velocity - rate * gradient
            updates += [(velocity, faster), (parameter, parameter + faster)]
        wrong = T.neq(T.argmax(scores, axis=1), label).sum()
        probabilities = lasagne.layers.get_output(self.net['prob'], image / SCALE)
        return (theano.function([image, label, rate], [loss, wrong], updates=updates),
                theano.function([image], T.argmax(probabilities, axis=1)))

    def output_in_training(self, image):
        """Build the class probabilities with dropout, as an expression."""
        output = self.dropped(image, INPUT_DROPOUT)
        for layer in list(self.net.values())[1:]:
            output = layer.get_output_for(output)
            if 2 in np.ravel(getattr(layer, 'stride', 1)):
                output = self.dropped(output, DROPOUT)
        return output

    def dropped(self, x, share):
        """Build an expression with that share of its elements zero and the others larger."""
        keep = self.random.binomial(x.shape, p=1 - share, dtype=theano.config.floatX)
        return x * keep / (1 - share)

    def epoch(self, number, data, options):
        """Pass over the photos once, in an order that seed and epoch decide.

        Returns:
            Dict of HISTORY: epoch (from 1), rate, train_loss, train_error and test_error (percent;
            nan without test photos).
        """
        random = np.random.RandomState([options.seed, number])
        self.random.seed(int(random.randint(1, 2 ** 31 - 1)))
        rate = options.rate * 0.1 ** sum(number >= drop * options.epochs for drop in DROPS)
        order = random.permutation(len(data.train_labels))
        losses = errors = 0
        batches = range(0, len(order), options.batch)
        for start in tqdm(batches, f'epoch {number + 1}/{options.epochs}', leave=False,
                          disable=options.quiet, unit='batch'):
            chosen = order[start:start + options.batch]
            pictures = data.train_pictures[chosen]
            if options.augment:
                pictures = augmented(pictures, random)
            loss, wrong = self.step(photos.stack(pictures, self.mean_pixel),
                                    data.train_labels[chosen], np.float32(rate))
            if not np.isfinite(loss):
                raise ArchiveError(f'the loss became {loss} in epoch {number + 1}; take a smaller '
                                   f'--rate than {options.rate:g}')
            losses, errors = losses + loss * len(chosen), errors + wrong
        return {'epoch': number + 1, 'rate': rate, 'train_loss': float(losses / len(order)),
                'train_error': float(100 * errors / len(order)),
                'test_error': self.test_error(data, options.batch)}

    def test_error(self, data, batch):
        """Measure the share of test photos that are taken for another class, in percent."""
        if not len(data.test_labels):
            return np.nan
        found = [self.predict(photos.stack(data.test_pictures[start:start + batch],
                                           self.mean_pixel))
                 for start in range(0, len(data.test_labels), batch)]
        return float(100 * (np.concatenate(found) != data.test_labels).mean())

    def weights(self):
        """Collect '<layer>.W' and '<layer>.b' for the archive's input, whose scale is 0..255."""
        arrays = {parameter.name: parameter.get_value() for parameter in self.parameters}
        arrays['conv1_1.W'] = arrays['conv1_1.W'] / SCALE
        return arrays


def augmented(pictures, random):
    """Augment pictures (count, rows, columns, 3): some mirrored, each shifted; edges mirror in."""
    padded = np.pad(pictures, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)), mode='reflect')
    rows, columns = pictures.shape[1:3]
    result = np.empty_like(pictures)
    for index, (top, left, mirrored) in enumerate(
            zip(*random.randint(0, 2 * SHIFT + 1, (2, len(pictures))),
                random.randint(0, 2, len(pictures)))):
        part = padded[index, top:top + rows, left:left + columns]
        result[index] = part[:, ::-1] if mirrored else part
    return result


def save(run, training, mean_pixel, parameters, history):
    """Save weights for the archive, a checkpoint and the table of epochs.

    Args:
        run: a `runs.Run`.
        training: a `Training`.
        mean_pixel: (3,), BGR.
        parameters: that decide the weights.
        history: a row of HISTORY for each epoch that is done.
    """
    run.save_arrays('weights.npz', {**training.weights(), 'mean_pixel': mean_pixel,
                                    'classes': np.array(parameters['classes']),
                                    'width': parameters['width']})
    run.save_arrays('checkpoint.npz', checkpoint_arrays(
        training.variables, parameters, len(history), history))
    run.save_table('epochs.csv', HISTORY, map(table_row, history))


def table_row(row):
    """Give a row of HISTORY as it stands in the table: whole epochs, and no nan for no photos."""
    epoch, *measured, test_error = row
    return [int(epoch), *measured, '' if np.isnan(test_error) else test_error]


def sentence(row):
    """Put an epoch's results into words."""
    test = '' if np.isnan(row['test_error']) else f", test error {row['test_error']:.1f} %"
    return (f"epoch {row['epoch']}: loss {row['train_loss']:.3f}, train error "
            f"{row['train_error']:.1f} %{test}")


def read_data(path, size):
    """Read the labelled pictures of a folder or an .npz file, as squares of that size.

    Raises:
        ArchiveError: it is neither, or has less than two classes.
    """
    data = read_folder(path, size) if path.is_dir() else read_npz(path, size)
    if len(data.names) < 2 or not len(data.train_labels):
        raise ArchiveError(f'{path} has {len(data.names)} classes and {len(data.train_labels)} '
                           'pictures to train on; at least two classes are needed')
    return data


def read_folder(path, size):
    """Read the pictures in path/train/<class> and path/test/<class>, or in path/<class>."""
    # A folder `train` without folders in it is that of a class, such as others beside it.
    places = [path / 'train', path / 'test'] if folders_in(path / 'train') else [path]
    names = sorted({folder.name for place in places for folder in folders_in(place)})
    parts, problems = [], []
    for place in (places[0], places[1] if len(places) > 1 else None):
        pictures, labels = [], []
        for label, name in enumerate(names):
            if place is None or not (place / name).is_dir():
                continue
            for file in photos.find([place / name]):
                try:
                    pictures.append(images.square(images.read(file), size))
                    labels.append(label)
                except ArchiveError as problem:
                    problems.append(str(problem))
        parts += [as_array(pictures, size), np.array(labels, 'int32')]
    return Data(*parts, list(map(one_line, names)), problems)


def folders_in(path):
    """List the folders in a folder, without hidden ones; none where it is no folder."""
    return [] if not path.is_dir() else [folder for folder in path.iterdir()
                                         if folder.is_dir() and not folder.name.startswith('.')]


def read_npz(path, size):
    """Read the pictures of an .npz file with `images`, or `jpeg_bytes` and `offsets`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        labels = arrays['labels'].astype('int32')
        pictures, problems = (list(arrays['images']), []) if 'images' in arrays else \
            decoded(arrays['jpeg_bytes'], arrays['offsets'].tolist(), path)
        names = files.class_names(path, arrays.get('names', list(range(int(labels.max()) + 1))))
        split = np.asarray(arrays.get('split', np.full(len(labels), 'train')))
        there = np.array([picture is not None for picture in pictures], bool)
        for picture in (picture for picture in pictures if picture is not None):
            if picture.dtype != 'uint8' or picture.ndim != 3 or picture.shape[2] != 3:
                raise ValueError(f'a picture is {picture.dtype} {picture.shape}, not uint8 (rows, '
                                 'columns, 3)')
        if split.shape != labels.shape:
            raise ValueError(f'{len(labels)} labels and a split of {split.shape}')
        if len(pictures) != len(labels) or not 0 <= labels.min() <= labels.max() < len(names):
            raise ValueError(f'{len(pictures)} pictures, {len(labels)} labels from {labels.min()} '
                             f'to {labels.max()}, {len(names)} names')
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no folder or file {path}') from problem
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as problem:
        raise ArchiveError(f'{path} is no .npz file of labelled pictures ({problem}); it must '
                           'hold images (count, rows, columns, 3) and labels') from problem
    labels, training = labels[there], (split == 'train')[there]
    pictures = as_array([images.square(picture, size) for picture in pictures
                         if picture is not None], size)
    return Data(pictures[training], labels[training], pictures[~training], labels[~training],
                names, problems)


def decoded(encoded, ends, path):
    """Decode files: (pictures, None for what cannot be read; what is wrong, a line each).

    Args:
        encoded: files of pictures, one behind the other, uint8.
        ends: where each begins, and where the last one ends.
        path: of the file that they are in.
    """
    pictures, problems = [], []
    for number, (start, end) in enumerate(zip(ends, ends[1:])):
        try:
            file = io.BytesIO(encoded[start:end].tobytes())
            pictures.append(images.over_white(*images.decode(file, f'picture {number} of {path}')))
        except ArchiveError as problem:
            pictures.append(None)
            problems.append(str(problem))
    return pictures, problems


def as_array(pictures, size):
    """Stack a list of square pictures as one array (count, size, size, 3)."""
    return np.array(pictures, 'uint8').reshape(-1, size, size, 3)


if __name__ == '__main__':
    command_line.run(main)
