"""A test picture of circles and triangles, and a detector of them that knows no network.

The detector looks at dark connected parts of a light picture. A part fills of the smallest circle
around it: a disc all, a square 0.64, an equilateral triangle 0.41 (3 sqrt(3) / 4 pi).
"""

from collections import namedtuple

import numpy as np
from PIL import Image, ImageDraw
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import find_contours, label, regionprops

GROUND, PAINT = (236, 226, 200), (30, 40, 110)
ENLARGED = 4     # the picture is drawn so much larger, for smooth edges
ROUND = 0.7      # of the circle around it: half-way between drawn triangles, 0.5, and circles, 0.9
SMALLEST = 0.4   # of a motif's own area: smaller parts are no shapes
LARGEST = 2.5    # of it: larger parts are several that have grown together

# A dark part of a picture: its area in pixels, and how much of the circle around it it fills.
Shape = namedtuple('Shape', 'area filled place')


def draw(size=192, radius=8, spacing=22, seed=0):
    """Draw circles and triangles of the same colour and area, in turns on a board.

    Args:
        size: of the square picture, in pixels.
        radius: of the circles.
        spacing: of the places.
        seed: of the triangles' directions, and of small shifts.

    Returns:
        (picture, circles): RGB uint8 (size, size, 3), and where the circles are, float64
        (size, size) of 0..1.
    """
    random = np.random.RandomState(seed)
    large = size * ENLARGED
    picture, circles = Image.new('RGB', (large, large), GROUND), Image.new('L', (large, large))
    cells = size // spacing
    # Of the area of a circle: 3 sqrt(3) / 4 r^2 = pi R^2.
    corner = radius * np.sqrt(np.pi / (0.75 * np.sqrt(3)))
    for number in range(cells * cells):
        row, column = divmod(number, cells)
        centre = (np.array([column, row]) + 0.5) * size / cells
        centre = (centre + random.uniform(-0.1, 0.1, 2) * radius) * ENLARGED
        angles = random.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
        if (row + column) % 2:
            points = centre + corner * ENLARGED * np.stack([np.cos(angles), np.sin(angles)], 1)
            ImageDraw.Draw(picture).polygon([tuple(point) for point in points], fill=PAINT)
        else:
            box = [*(centre - radius * ENLARGED), *(centre + radius * ENLARGED)]
            ImageDraw.Draw(picture).ellipse(box, fill=PAINT)
            ImageDraw.Draw(circles).ellipse(box, fill=255)
    small = [np.array(image.resize((size, size), Image.LANCZOS)) for image in (picture, circles)]
    return small[0], small[1] / 255.0


def find(rgb, radius):
    """Find the `Shape`s in a picture, those that are neither too small nor grown together.

    Args:
        rgb: dark shapes on light ground, uint8 (rows, columns, 3).
        radius: of the circles that may be in it.
    """
    grey = gaussian(rgb.mean(axis=2) / 255, 1)
    dark = grey < threshold_otsu(grey)
    found, whole = [], np.pi * radius ** 2
    for part in regionprops(label(dark)):
        top, left, bottom, right = part.bbox
        inside = top > 0 and left > 0 and bottom < dark.shape[0] and right < dark.shape[1]
        if inside and SMALLEST * whole <= part.area <= LARGEST * whole:
            found.append(Shape(float(part.area), filled(part.image_filled), part.centroid))
    return found


def filled(part):
    """Measure how much of the smallest circle around it a part fills, 0..1.

    Args:
        part: boolean (rows, columns).
    """
    points = np.concatenate(find_contours(np.pad(part, 1).astype(float), 0.5))
    centre, radius = points.mean(axis=0), np.inf
    # The smallest enclosing circle: go towards the farthest point by ever smaller steps.
    for step in range(1, 400):
        away = np.linalg.norm(points - centre, axis=1)
        radius = min(radius, away.max())
        centre = centre + (points[away.argmax()] - centre) / (step + 1)
    return float(min(1.0, part.sum() / (np.pi * radius ** 2)))


def rounds_and_others(rgb, radius):
    """Count the shapes of a picture that are round, and those that are not."""
    found = find(rgb, radius)
    round_ = sum(shape.filled > ROUND for shape in found)
    return round_, len(found) - round_
