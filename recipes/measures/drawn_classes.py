"""Drawn pictures of six classes, to train small networks on where there are no labelled photos."""

import numpy as np
from PIL import Image, ImageDraw

NAMES = ('disc', 'ring', 'square', 'triangle', 'cross', 'stripes')
SIZE = 32
NOISE = 25.0  # grey levels, the deviation


def draw(count, seed=0):
    """Draw pictures of random colours, places and sizes, with noise over them.

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


def save(path, training=900, test=300, seed=0):
    """Save pictures to train and to test on as an .npz file that train_all_cnn.py takes."""
    pictures, labels = draw(training + test, seed)
    np.savez(path, images=pictures, labels=labels, names=list(NAMES),
             split=np.where(np.arange(training + test) < training, 'train', 'held_out'))


def _picture(name, random):
    """One picture, float64 (32, 32, 3)."""
    ground, paint = (tuple(random.randint(0, 256, 3).tolist()) for _ in range(2))
    image = Image.new('RGB', (SIZE, SIZE), ground)
    pen, radius = ImageDraw.Draw(image), random.uniform(6, 11)
    x, y = random.uniform(radius, SIZE - radius, 2)
    box = [x - radius, y - radius, x + radius, y + radius]
    if name == 'disc':
        pen.ellipse(box, fill=paint)
    elif name == 'ring':
        pen.ellipse(box, outline=paint, width=3)
    elif name == 'square':
        pen.rectangle(box, fill=paint)
    elif name == 'triangle':
        pen.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)],
                    fill=paint)
    elif name == 'cross':
        pen.line([box[0], y, box[2], y], fill=paint, width=4)
        pen.line([x, box[1], x, box[3]], fill=paint, width=4)
    else:
        for place in np.arange(box[0], box[2], 4):
            pen.line([place, box[1], place, box[3]], fill=paint, width=2)
    return np.array(image, 'float64')
