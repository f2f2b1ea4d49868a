"""Draw mosaic.jpg, a painting made of tiles, and stones.jpg, a texture.

    python recipes/assets/paint_tiles.py [FOLDER]

Both are cells around scattered points: tiles of the mosaic have flat colours that follow waves, and
dark joints; stones are hewn and lit from the upper left.
"""

import os
import sys

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

SAMPLES = 2  # rows and columns of samples for a pixel
GLAZES = np.array([(0.10, 0.20, 0.45), (0.16, 0.45, 0.62), (0.75, 0.84, 0.78), (0.93, 0.72, 0.25),
                   (0.80, 0.30, 0.16), (0.42, 0.10, 0.14)])  # red, green and blue of the tiles
STONES = np.array([(0.42, 0.37, 0.33), (0.62, 0.56, 0.48), (0.30, 0.30, 0.32), (0.74, 0.69, 0.62),
                   (0.50, 0.40, 0.32)])


def cells(rows, columns, spacing, jitter, random):
    """Find the nearest of scattered points for each pixel.

    Returns:
        (index, nearest, second, points): which point, (rows, columns); the distances to it and to
        the next one; the points, (count, 2).
    """
    grid = np.stack(np.mgrid[-2 * spacing:rows + 2 * spacing:spacing,
                             -2 * spacing:columns + 2 * spacing:spacing], -1).reshape(-1, 2)
    points = grid + random.uniform(-jitter, jitter, grid.shape) * spacing
    pixels = np.stack(np.mgrid[:rows, :columns], -1).reshape(-1, 2)
    distances, found = cKDTree(points).query(pixels, k=2)
    return (found[:, 0].reshape(rows, columns), distances[:, 0].reshape(rows, columns),
            distances[:, 1].reshape(rows, columns), points)


def mosaic(rows=384, columns=384, spacing=13, seed=7):
    """Draw the mosaic: RGB uint8 (rows, columns, 3)."""
    random = np.random.RandomState(seed)
    index, nearest, second, points = cells(rows * SAMPLES, columns * SAMPLES, spacing * SAMPLES,
                                           0.28, random)
    row, column = points.T / (SAMPLES * spacing)
    wave = np.sin(0.42 * row + 1.3 * np.sin(0.23 * column))
    wave += 0.7 * np.sin(0.31 * column - 0.2 * row)
    tone = (wave + 1.7) / 3.4 * (len(GLAZES) - 1) + random.normal(0, 0.35, len(points))
    lightness = random.uniform(0.82, 1.12, (len(points), 1))
    colours = GLAZES[np.clip(np.rint(tone), 0, len(GLAZES) - 1).astype(int)] * lightness
    joint = np.clip((second - nearest) / (1.6 * SAMPLES) - 0.6, 0, 1)[..., None]
    bevel = 0.10 * np.clip(1 - (second - nearest) / (4 * SAMPLES), 0, 1)[..., None]
    return reduced(joint * (colours[index] - bevel) + (1 - joint) * (0.17, 0.15, 0.14))


def stones(rows=256, columns=256, spacing=22, seed=3):
    """Draw stones: RGB uint8 (rows, columns, 3)."""
    random = np.random.RandomState(seed)
    size = rows * SAMPLES, columns * SAMPLES
    index, nearest, second, points = cells(*size, spacing * SAMPLES, 0.38, random)
    height = np.clip((second - nearest) / (0.55 * spacing * SAMPLES), 0, 1)
    height = gaussian_filter(np.sqrt(height * (2 - height)), 1.2 * SAMPLES)
    down, right = np.gradient(height)
    shade = np.clip(-3.2 * SAMPLES * (down + right), -0.45, 0.5)[..., None]
    kind = random.randint(len(STONES), size=len(points))
    colours = STONES[kind] * random.uniform(0.85, 1.15, (len(points), 1))
    grain = gaussian_filter(random.normal(0, 1, size), SAMPLES)[..., None] * 0.06 * SAMPLES
    stone = np.clip(height * 2.2 - 0.35, 0, 1)[..., None]
    sand = np.array((0.20, 0.17, 0.13))
    return reduced(stone * (colours[index] * (1 + shade) + grain) + (1 - stone) * sand)


def reduced(samples):
    """Give samples of 0..1 as a picture."""
    large = Image.fromarray((255 * np.clip(samples, 0, 1)).astype('uint8'))
    return np.asarray(large.resize((large.width // SAMPLES, large.height // SAMPLES),
                                   Image.LANCZOS))


def main(arguments):
    """Write both pictures into the folder in `arguments`, or beside this script."""
    folder = arguments[0] if arguments else os.path.dirname(os.path.abspath(__file__))
    for name, draw in (('mosaic', mosaic), ('stones', stones)):
        Image.fromarray(draw()).save(os.path.join(folder, f'{name}.jpg'), quality=92,
                                     subsampling=0, optimize=True)


if __name__ == '__main__':
    main(sys.argv[1:])
