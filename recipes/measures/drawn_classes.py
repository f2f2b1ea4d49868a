"""Drawn patterns of four classes, to train small networks on where there are no labelled photos."""

import numpy as np

NAMES = ('rows', 'columns', 'checks', 'dots')
SIZE = 32
NOISE = 20.0       # grey levels, the deviation
PERIODS = (5, 8)   # pixels


def draw(count, seed=0):
    """Draw patterns of random colours, periods and places, with noise over them.

    Args:
        count: of pictures, a class in turn.
        seed: of everything.

    Returns:
        (images, labels): RGB uint8 (count, 32, 32, 3), int32 (count,).
    """
    random = np.random.RandomState(seed)
    labels = np.arange(count) % len(NAMES)
    pictures = np.stack([_picture(NAMES[label], random) for label in labels])
    noisy = pictures + random.normal(0, NOISE, pictures.shape)
    return noisy.clip(0, 255).astype('uint8'), labels.astype('int32')


def save(path, training=600, test=300, seed=0):
    """Save pictures to train and to test on as an .npz file that train_all_cnn.py takes."""
    pictures, labels = draw(training + test, seed)
    np.savez(path, images=pictures, labels=labels, names=list(NAMES),
             split=np.where(np.arange(training + test) < training, 'train', 'held_out'))


def _picture(name, random):
    """Draw one picture, float64 (32, 32, 3): a pattern between two colours."""
    period, down, right = (random.uniform(*span) for span in (PERIODS, (0, SIZE), (0, SIZE)))
    rows, columns = (np.mgrid[:SIZE, :SIZE] + np.reshape((down, right), (2, 1, 1))) \
        * (2 * np.pi / period)
    wave = {'rows': lambda: np.sin(rows), 'columns': lambda: np.sin(columns),
            'checks': lambda: np.sign(np.sin(rows) * np.sin(columns)),
            'dots': lambda: np.sin(rows) + np.sin(columns) - 1}[name]()
    share = np.clip(0.5 + wave, 0, 1)[:, :, None]
    first, second = random.uniform(0, 256, (2, 3))
    return share * first + (1 - share) * second
