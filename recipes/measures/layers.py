"""What layers of a network know: how alike two are, and how simple a unit's wish is."""

import numpy as np

RAMPS = 3  # patterns of a colour that count as simple: even, and a ramp down and right


def linear_cka(first, second):
    """Measure how alike two layers see the same places: linear centred kernel alignment, 0..1.

    Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", equation 6.

    Args:
        first, second: (examples, channels) of the same examples, pictures times places.
    """
    first, second = (x - x.mean(axis=0) for x in (first.astype('float64'),
                                                  second.astype('float64')))
    together = np.linalg.norm(second.T @ first) ** 2
    own = np.linalg.norm(first.T @ first) * np.linalg.norm(second.T @ second)
    return float(together / own) if own > 0 else 0.0


def at_places(activations, side):
    """Activations averaged to so many places down and across: (examples, channels).

    Args:
        activations: (batch, channels, rows, columns).
        side: of the grid of places.
    """
    batch, channels, rows, columns = activations.shape
    down, right = (np.array_split(np.arange(length), side) for length in (rows, columns))
    means = np.stack([[activations[:, :, i[0]:i[-1] + 1, j[0]:j[-1] + 1].mean(axis=(2, 3))
                       for j in right] for i in down])
    return means.reshape(side * side * batch, channels)


def simplicity(patch):
    """Measure how much of what a unit wants is an even colour or a ramp of colours, beyond chance.

    Of the patch's energy the share in the span of three patterns for each colour, constant and
    linear down and across; 0 is what random numbers have, 1 is all.

    Args:
        patch: (colours, rows, columns), a gradient.
    """
    rows, columns = patch.shape[1:]
    down, right = np.mgrid[:rows, :columns].reshape(2, -1)
    simple, _ = np.linalg.qr(np.stack([np.ones(rows * columns), down, right], axis=1))
    flat = patch.reshape(len(patch), -1).astype('float64')
    energy = (flat ** 2).sum()
    if energy == 0:
        return 0.0
    share, chance = ((flat @ simple) ** 2).sum() / energy, RAMPS / (rows * columns)
    return float((share - chance) / (1 - chance))


def permuted(rgb, block, seed=0):
    """Reorder the square blocks of a picture.

    Args:
        rgb: uint8 (rows, columns, 3), both multiples of the block.
        block: pixels of its sides.
        seed: of the order.
    """
    rows, columns = (length // block for length in rgb.shape[:2])
    blocks = rgb[:rows * block, :columns * block].reshape(rows, block, columns, block, 3)
    blocks = blocks.swapaxes(1, 2).reshape(rows * columns, block, block, 3)
    blocks = blocks[np.random.RandomState(seed).permutation(len(blocks))]
    return np.ascontiguousarray(blocks.reshape(rows, columns, block, block, 3).swapaxes(1, 2)
                                .reshape(rows * block, columns * block, 3))
