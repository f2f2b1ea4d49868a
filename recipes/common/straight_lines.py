"""A drawn picture of straight edges, and how far they are from straight in another."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import map_coordinates

from recipes.common import images

BACKGROUND = (236, 232, 220)
# Each a colour, and the corners of a polygon, x and y in sides of the picture from its top left.
SHAPES = (((208, 32, 40), ((0.08, 0.10), (0.45, 0.06), (0.48, 0.26), (0.11, 0.30))),
          ((28, 84, 190), ((0.56, 0.08), (0.93, 0.18), (0.90, 0.44), (0.53, 0.34))),
          ((30, 150, 70), ((0.07, 0.40), (0.30, 0.37), (0.34, 0.92), (0.11, 0.94))),
          ((240, 170, 20), ((0.46, 0.48), (0.94, 0.60), (0.90, 0.72), (0.43, 0.60))),
          ((120, 40, 150), ((0.42, 0.75), (0.92, 0.82), (0.62, 0.95))))
SCALE = 4     # drawn so much larger, then reduced
ENDS = 0.15   # of an edge that are left out, where corners are round
REACH = 1 / 24  # of the sides: how far from the line its edge is looked for; farther are others
STEP = 0.25   # pixels between samples
NEAR = 2.0    # pixels around the steepest place whose mean place, by steepness, is the edge's


def draw(size):
    """Draw the picture: RGB uint8 (size, size, 3), coloured shapes with straight edges."""
    side = size * SCALE
    image = Image.new('RGB', (side, side), BACKGROUND)
    for colour, corners in SHAPES:
        ImageDraw.Draw(image).polygon([(x * side, y * side) for x, y in corners], fill=colour)
    return images.resize_to(np.array(image), size, size)


def edges(size):
    """List the edges' ends in pixels, (edges, 2, 2): of each start and end the (row, column)."""
    found = []
    for _, corners in SHAPES:
        corners = np.array(corners)[:, ::-1] * size - 0.5  # pixel centres are whole numbers
        found += [(corners[index - 1], corners[index]) for index in range(len(corners))]
    return np.array(found)


def distance(rgb):
    """Measure the root mean square distance, in pixels, of edges from their straight lines.

    Across each line, every pixel along it, the place of the steepest change of colour is looked
    for up to a small share of the sides away.

    Args:
        rgb: uint8 (size, size, 3), made to look like `draw(size)`.
    """
    size, squares = len(rgb), []
    offsets = np.arange(-REACH * size, REACH * size + STEP / 2, STEP)
    for start, end in edges(size):
        along = end - start
        length = np.hypot(*along)
        across = np.array([-along[1], along[0]]) / length
        for share in np.linspace(ENDS, 1 - ENDS, max(2, int(length * (1 - 2 * ENDS)))):
            places = (start + share * along)[:, None] + across[:, None] * offsets
            profile = np.array([map_coordinates(channel.astype(float), places, order=1,
                                                mode='nearest')
                                for channel in np.moveaxis(rgb, 2, 0)])
            steepness = (np.diff(profile, axis=1) ** 2).sum(axis=0)
            middles = offsets[:-1] + STEP / 2
            near = abs(middles - middles[steepness.argmax()]) <= NEAR
            weights = steepness[near] + 1e-9
            squares.append(np.average(middles[near], weights=weights) ** 2)
    return float(np.sqrt(np.mean(squares)))
