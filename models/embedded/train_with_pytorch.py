"""Train the network that ships with the archive on a GPU, with PyTorch: how vgg19_small was made.

    pip install -e '.[bench]'        (torch 2 with CUDA)
    python models/embedded/train_with_pytorch.py lower PHOTOS --larger-photos MORE --minutes 5 \\
        --teacher vgg19_normalised.npz --start models/embedded/vgg19_small.npz --out lower
    python models/embedded/train_with_pytorch.py upper PHOTOS --test VALIDATION --minutes 4.3 \\
        --start models/embedded/vgg19_small.npz --lower lower/weights.npz --out upper

The objectives are those of train.py, which needs no PyTorch: `lower` predicts the teacher's layers,
`upper` learns labels against adversarial changes. A GPU allows hundreds of times as many pictures,
and `lower` also learns on pictures that it is painting itself at the moment, where its own faults
would lead an optimisation. Minutes decide how long it trains, so it is not repeatable to the byte.
README.md beside this file has the figures.
"""

import math
import time
from pathlib import Path

from models.embedded import train
from models.errors import ArchiveError
from models.weights import npz

import numpy as np
import torch
from torch.nn import functional

from recipes.common import command_line, images, training

CONVOLUTIONS = tuple(f'conv{block}_{index}' for block, count in enumerate((2, 2, 4, 4, 4), 1)
                     for index in range(1, count + 1))
LOWER, UPPER = CONVOLUTIONS[:5], CONVOLUTIONS[5:]
POOLED = ('conv1_2', 'conv2_2', 'conv3_4', 'conv4_4')
SIZES = ((64, 96, 0.6), (96, 42, 0.4))  # pixels of the sides, pictures of a step, how often
PAINTED = (96, 32)       # pixels of the sides, pictures that are being painted
LIFE = (60, 160)         # steps that each is painted for
STYLES = (5.0, 500.0)    # weight of their style in their content's
BATCH = 256              # photos of the upper part
WARM_UP = 200            # steps
SAVE_EVERY = 200         # steps
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
MEAN = torch.tensor(train.MEAN_PIXEL, device=DEVICE).view(1, 3, 1, 1)


def main(arguments=None):
    """Run with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    torch.manual_seed(options.seed)
    np.random.seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    options.out.mkdir(parents=True)
    {'lower': train_lower, 'upper': train_upper}[options.part](options)


def parse(arguments):
    """Read the command line: that of train.py, but for how long it takes and how it begins.

    Raises:
        ArchiveError: an option that the part needs is missing.
    """
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    train.add_options(parser)
    parser.set_defaults(radius=0.25, rate=1e-3)
    parser.add_argument('--minutes', type=command_line.factor, required=True, help='of training')
    parser.add_argument('--out', type=Path, required=True,
                        help='a new folder: weights.npz and steps.csv')
    options = parser.parse_args(arguments)
    train.check(options)
    needed = ('start', 'larger_photos') if options.part == 'lower' else ('start', 'test')
    for name in needed:
        if getattr(options, name) is None:
            raise ArchiveError(f'the {options.part} part needs --{name.replace("_", "-")} here')
    return options


# ---------------------------------------------------------------- pictures, on the device


def on_device(pictures, size):
    """Put pictures into one array: uint8 BGR (count, 3, size, size)."""
    squares = [images.resize_to(np.ascontiguousarray(images.crop_square(rgb)), size, size)
               for rgb in pictures]
    return torch.tensor(np.stack(squares)[..., ::-1].transpose(0, 3, 1, 2).copy(), device=DEVICE)


def crops(pictures, size, count, smallest):
    """Cut random squares, mirrored or not, out of pictures chosen at random.

    Args:
        pictures: uint8 (photos, 3, side, side).
        size: pixels of the result's sides.
        count: of squares.
        smallest: share of a picture's area that is cut out at least.

    Returns:
        (count, 3, size, size), 0 to 255; (count,) which picture each is of.
    """
    chosen = torch.randint(len(pictures), (count,), device=DEVICE)
    share = (smallest + (1 - smallest) * torch.rand(count, device=DEVICE)).sqrt()
    x, y = ((1 - share) * (2 * torch.rand(count, device=DEVICE) - 1) for _ in range(2))
    mirror = torch.where(torch.rand(count, device=DEVICE) < 0.5, -1.0, 1.0)
    zero = torch.zeros_like(share)
    places = torch.stack([torch.stack([share * mirror, zero, x], 1),
                          torch.stack([zero, share, y], 1)], 1)
    grid = functional.affine_grid(places, (count, 3, size, size), align_corners=False)
    cut = functional.grid_sample(pictures[chosen].float(), grid, mode='bicubic',
                                 padding_mode='reflection', align_corners=False)
    return cut.clamp(0, 255), chosen


def noisy(batch):
    """Add noise to a half of the pictures, and blend it into a quarter, as `train.noisy` does."""
    def each():
        return torch.rand(len(batch), 1, 1, 1, device=DEVICE)

    noise, coarseness = 0, torch.randint(3, (len(batch), 1, 1, 1), device=DEVICE)
    for power in range(3):
        small = -(-batch.shape[2] // 2 ** power)
        drawn = functional.interpolate(torch.randn(len(batch), 3, small, small, device=DEVICE),
                                       batch.shape[2:], mode='bicubic', align_corners=False)
        drawn = drawn / drawn.std(dim=(1, 2, 3), keepdim=True)
        noise = noise + torch.where(coarseness == power, drawn, 0.0)
    least, largest = map(math.log, train.NOISE)
    added = batch + torch.exp(least + (largest - least) * each()) * noise
    share, kind = each(), torch.randint(4, (len(batch), 1, 1, 1), device=DEVICE)
    blended = share * batch + (1 - share) * train.NOISE[1] * noise
    return torch.where(kind == 0, batch, torch.where(kind == 3, blended, added))


# ---------------------------------------------------------------- networks


def read_weights(path):
    """Read '<layer>.W' and '<layer>.b' as float32, on the device."""
    return {name: torch.tensor(value.astype('float32'), device=DEVICE)
            for name, value in npz.read_all(path).items() if name.startswith(('conv', 'fc8'))}


def outputs(weights, x, average=False, layers=LOWER):
    """Compute the activations of consecutive layers, with mean or max pooling between blocks."""
    found = []
    for name in layers:
        x = functional.conv2d(x, weights[f'{name}.W'], weights[f'{name}.b'], padding=1).relu()
        found.append(x)
        if name in POOLED:
            x = functional.avg_pool2d(x, 2) if average else functional.max_pool2d(x, 2)
    return found


def gram(x):
    """Compute Gram matrices per position: (batch, channels, channels)."""
    x = x.flatten(2)
    return x @ x.transpose(1, 2) / x.shape[2]


def least_squares(own, wanted):
    """Solve wanted = map . own for the map (wanted, own), from (channels, positions) of both."""
    products, trace = own @ own.T, (own ** 2).sum()
    ridge = 1e-4 * trace / len(own) * torch.eye(len(own), device=DEVICE, dtype=own.dtype)
    return torch.linalg.solve(products + ridge, own @ wanted.T).T


class Training:
    """Adam for some minutes, a cosine of rates, and the running average of the weights.

    Args:
        parameters: name to tensor.
        options: the command line's.
        decay: weight decay of what has 'W' in its name.
        longest: Euclidean, of all gradients together; longer ones are shortened.
    """

    def __init__(self, parameters, options, decay=0.0, longest=math.inf):
        self.names = list(parameters)
        self.values = [value.requires_grad_() for value in parameters.values()]
        self.average = [value.detach().clone() for value in self.values]
        self.adam = torch.optim.AdamW([
            {'params': [value], 'weight_decay': decay if '.W' in name else 0.0}
            for name, value in parameters.items()], foreach=True)
        self.options, self.longest = options, longest
        self.began, self.step, self.rows = time.time(), 0, []

    def share(self):
        """Tell how much of the time is over, 0 to 1."""
        return min(1, (time.time() - self.began) / (60 * self.options.minutes))

    def learn(self, loss):
        """Take a step down the loss."""
        rate = self.options.rate * min(1, (self.step + 1) / WARM_UP)
        for group in self.adam.param_groups:
            group['lr'] = rate * 0.5 * (1 + math.cos(math.pi * self.share()))
        self.adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.values, self.longest)
        self.adam.step()
        self.step += 1
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [value.detach() for value in self.values],
                                 1 - min(0.998, self.step / (9 + self.step)))

    def averaged(self):
        """Give the averaged weights, name to tensor."""
        return dict(zip(self.names, self.average))

    def save(self, arrays, columns, row):
        """Write weights.npz and steps.csv."""
        self.rows.append([self.step, time.time() - self.began, *map(float, row)])
        if not np.isfinite(self.rows[-1]).all():
            raise ArchiveError('the loss is no number; take a smaller --rate')
        print(' '.join(f'{value:.4g}' for value in self.rows[-1]), flush=True)
        arrays = {name: value.detach().cpu().numpy() for name, value in arrays.items()}
        if 'fc8.W' in arrays:  # all of the network
            arrays = train.as_shipped(arrays)
        np.savez(self.options.out / 'weights.npz', mean_pixel=train.MEAN_PIXEL, **arrays)
        np.savetxt(self.options.out / 'steps.csv', self.rows, '%.5g', ',', comments='',
                   header=','.join(['step', 'seconds', *columns]))


# ---------------------------------------------------------------- the lower part


class Paintings:
    """Pictures that the student paints, a step at a time: photos that take the styles of others.

    Args:
        student: name to tensor; it goes on learning meanwhile.
        photos, paintings: uint8 (count, 3, 256, 256).
    """

    def __init__(self, student, photos, paintings):
        self.student, self.photos, self.paintings = student, photos, paintings
        size, count = PAINTED
        blank = torch.zeros(count, 3, size, size, device=DEVICE)
        self.x, self.content, self.style, self.first, self.second = (
            blank.clone() for _ in range(5))
        self.age, self.weight = (torch.zeros(count, device=DEVICE) for _ in range(2))
        self.life = torch.randint(*LIFE, (count,), device=DEVICE)
        self.renew(torch.arange(count, device=DEVICE))

    def renew(self, which):
        """Begin pictures anew, from a photo or from noise."""
        size, count = PAINTED[0], len(which)
        styles = self.paintings if np.random.uniform() < 0.7 else self.photos
        self.content[which], self.style[which] = (
            crops(pictures, size, count, (size / 256) ** 2)[0] - MEAN
            for pictures in (self.photos, styles))
        noise = 40 * torch.randn(count, 3, size, size, device=DEVICE)
        from_noise = torch.rand(count, 1, 1, 1, device=DEVICE) < 0.25
        self.x[which] = torch.where(from_noise, noise, self.content[which])
        self.first[which] = self.second[which] = 0
        self.age[which] = 0
        self.life[which] = torch.randint(*LIFE, (count,), device=DEVICE)
        least, largest = map(math.log, STYLES)
        self.weight[which] = torch.exp(least + (largest - least)
                                       * torch.rand(count, device=DEVICE))

    def paint(self):
        """Take a step of Adam on the pictures, and give them."""
        with torch.no_grad():
            grams = [gram(y) for y in outputs(self.student, self.style, True)]
            content = outputs(self.student, self.content, True)[-1]
        x = self.x.clone().requires_grad_()
        found = outputs(self.student, x, True)
        loss = self.weight * sum(((gram(y) - g) ** 2).sum((1, 2)) / (g ** 2).sum((1, 2))
                                 for y, g in zip(found, grams))
        loss = loss + ((found[-1] - content) ** 2).sum((1, 2, 3)) / (content ** 2).sum((1, 2, 3))
        gradient, = torch.autograd.grad(loss.sum(), x)
        with torch.no_grad():
            gradient = gradient / (gradient.abs().mean((1, 2, 3), keepdim=True) + 1e-20)
            self.age += 1
            age = self.age.view(-1, 1, 1, 1)
            self.first.lerp_(gradient, 0.1)
            self.second.lerp_(gradient ** 2, 0.01)
            levels = 8 / (1 + age / 30)  # of grey, a step
            self.x -= levels * (self.first / (1 - 0.9 ** age)) / (
                (self.second / (1 - 0.99 ** age)).sqrt() + 1e-8)
            self.x = torch.maximum(torch.minimum(self.x, 265 - MEAN), -10 - MEAN)
            pictures, old = self.x.clone(), (self.age > self.life).nonzero().view(-1)
            if len(old):
                self.renew(old)
        return pictures


def train_lower(options):
    """Train conv1_1 to conv3_1 to predict the teacher's layers."""
    small = on_device(training.read_labelled(options.photos, 64)[0], 64)
    pictures, names, _ = training.read_labelled(options.larger_photos, 256)
    large = on_device(pictures, 256)
    is_painting = torch.tensor([name == 'paintings' for name in names], device=DEVICE)
    half = functional.interpolate(large.float(), (128, 128), mode='area').byte()
    teacher, start = read_weights(options.teacher), read_weights(options.start)
    student = {name: value for name, value in start.items() if name.split('.')[0] in LOWER}

    def batch(size, count):
        parts = (small, 0.45, count - count // 4), (large, (size / 256) ** 2, count // 8), \
            (half, (size / 128) ** 2, count // 4 - count // 8)
        return torch.cat([crops(of, size, few, least)[0] for of, least, few in parts]) - MEAN

    examples = [noisy(batch(64, 64)) for _ in range(8)]
    with torch.no_grad():
        variances = {average: np.mean([[float(y.var()) for y in outputs(teacher, x, average)]
                                       for x in examples], axis=0) for average in (True, False)}
        own, wanted = ([torch.cat(parts) for parts in zip(*(outputs(net, x, True)
                                                            for x in examples))]
                       for net in (student, teacher))
        flat = [[y.transpose(0, 1).flatten(1).double() for y in side] for side in (own, wanted)]
        projections = {f'projection {name}': least_squares(x, y).float()[:, :, None, None]
                       for name, x, y in zip(LOWER, *flat)}
    learning = Training({**student, **projections}, options)
    paintings = Paintings(student, large[~is_painting], large[is_painting])

    def errors(x, average):
        found = outputs(student, x, average)
        with torch.no_grad():
            aims = outputs(teacher, x, average)
        parts = [((functional.conv2d(y, projection) - aim) ** 2).mean() / variance for
                 y, projection, aim, variance in zip(found, projections.values(), aims,
                                                     variances[average])]
        return parts, sum(((y.mean((0, 2, 3)) - 1) ** 2).mean() for y in found)

    while learning.share() < 1:
        size, count, _ = SIZES[np.random.choice(len(SIZES), p=[share for *_, share in SIZES])]
        average = np.random.uniform() < train.AVERAGE
        parts, dullness = errors(noisy(batch(size, count)), average)
        painted, _ = errors(paintings.paint(), average)
        learning.learn(sum(parts) + train.LIVELINESS * dullness + 0.5 * sum(painted))
        if learning.step % SAVE_EVERY == 0 or learning.share() == 1:
            arrays = {name: value for name, value in learning.averaged().items()
                      if name in student}
            learning.save(arrays, ['size', 'average', *LOWER, *(f'painted {n}' for n in LOWER)],
                          [size, average, *parts, *painted])


# ---------------------------------------------------------------- the upper part


def train_upper(options):
    """Train what is above conv3_1 to tell classes apart, also under small adversarial changes."""
    start = npz.read_all(options.start)
    classes, wnids = start['classes'], start['wnids'].tolist()
    pictures, names, _ = training.read_labelled(options.photos, 64)
    small, labels = on_device(pictures, 64), train.labels_of(names, wnids, options.photos)
    labels = torch.tensor(labels, device=DEVICE).long()
    pictures, names, _ = training.read_labelled(options.test, 64)
    test, answers = on_device(pictures, 64), train.labels_of(names, wnids, options.test)
    answers = torch.tensor(answers, device=DEVICE).long()
    lower = {name: value.half().float() for name, value in read_weights(options.lower).items()
             if name.split('.')[0] in LOWER}  # as it ships
    upper = begin(lower, read_weights(options.start), crops(small, 64, 512, 0.45)[0] - MEAN)
    learning = Training(upper, options, decay=1e-2, longest=5.0)
    while learning.share() < 1:
        size = 48 if learning.share() < 0.4 else 64
        batch, chosen = crops(small, size, BATCH, 0.4)
        replay(learning, lower, upper, recoloured(batch) - MEAN, labels[chosen],
               options.radius * size / 64 * 255)
        if learning.step % (5 * SAVE_EVERY) == 0 or learning.share() == 1:
            weights = learning.averaged()
            learning.save({**lower, **weights}, ['top_1', 'top_5'],
                          accuracy(lower, weights, test, answers))
    np.savez_compressed(options.out / 'weights.npz', classes=classes, wnids=np.array(wnids),
                        **npz.read_all(options.out / 'weights.npz'))


def begin(lower, earlier, batch):
    """Take an earlier network's upper part; conv3_2 sees the new conv3_1 through a fitted map."""
    with torch.no_grad():
        own, wanted = (outputs(net, batch)[-1].transpose(0, 1).flatten(1).double()
                       for net in (lower, earlier))
        fitted = least_squares(torch.cat([own, torch.ones_like(own[:1])]), wanted).float()
    upper = {name: value for name, value in earlier.items() if name.split('.')[0] not in LOWER}
    kernels = upper['conv3_2.W']
    upper['conv3_2.b'] = upper['conv3_2.b'] + kernels.sum((2, 3)) @ fitted[:, -1]
    upper['conv3_2.W'] = torch.einsum('oirc,in->onrc', kernels, fitted[:, :-1]).contiguous()
    return upper


def recoloured(batch):
    """Change each picture's brightness, contrast and colour by some percent."""
    def drawn(channels):
        return torch.randn(len(batch), channels, 1, 1, device=DEVICE).clamp(-2, 2)

    middle = batch.mean((1, 2, 3), keepdim=True)
    changed = (batch - middle) * (1 + 0.2 * drawn(1)) * (1 + 0.06 * drawn(3)) + middle
    return (changed + 12 * drawn(1)).clamp(0, 255)


def scores(lower, upper, x):
    """Compute the classes' scores (batch, classes)."""
    x = outputs(upper, outputs(lower, x)[-1], layers=UPPER)[-1]
    return functional.linear(x.mean((2, 3)), upper['fc8.W'], upper['fc8.b'])


def replay(learning, lower, upper, batch, labels, radius, replays=2):
    """Take steps on a batch, which moves against the network, as `train.Classifier.replay`."""
    change = torch.zeros_like(batch)
    for _ in range(replays):
        x = (batch + change).requires_grad_()
        learning.learn(functional.cross_entropy(scores(lower, upper, x), labels,
                                                label_smoothing=train.SMOOTHING))
        with torch.no_grad():
            change += radius * x.grad / (lengths(x.grad) + 1e-12)
            change *= (radius / (lengths(change) + 1e-12)).clamp(max=1)


def lengths(x):
    """Give the Euclidean length of each of a batch's elements: (batch, 1, 1, 1)."""
    return x.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def accuracy(lower, upper, test, answers):
    """Measure how many photos' classes come first, and among the first five, in percent."""
    with torch.no_grad():
        best = torch.cat([scores(lower, upper, x.float() - MEAN).topk(5).indices
                          for x in test.split(500)])
    right = best == answers[:, None]
    return [100 * right[:, 0].float().mean(), 100 * right.any(1).float().mean()]


if __name__ == '__main__':
    command_line.run(main)
