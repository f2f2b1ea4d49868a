"""Paint "Windy Night", the bundled style picture, stroke by stroke.

An original landscape in a post-impressionist manner: a windmill, lamps, a river and a tree
under a moonlit sky full of eddies.  To paint it again:

    python recipes/assets/paint_windy_night.py [OUT]

OUT is `windy_night.jpg` beside this script unless given.
"""
import os
import sys
from typing import NamedTuple

import numpy as np
from PIL import Image

SCALE = 2  # strokes are drawn this much larger than the picture, then reduced
SAMPLE = 0.72  # pixels between the samples of a stroke; near 0.7 no pixel is skipped
MARGIN = 40  # pixels painted beyond each border, so that strokes run off the canvas
STEP = 3.0  # pixels between the points of a stroke's path

# Width and length of the strokes and spacing of their seeds, in pixels, large to small.
PASSES = ((13, 66, 11), (10, 60, 14), (7, 46, 14))
SMALL_PASSES = ((8, 36, 6), (5.5, 28, 8))
HALO_PASSES = ((7, 34, 5.5),)
LINE_PASSES = ((4.5, 44, 4),)

NIGHT = '0a0f2e 14206b 1a36a6 1f5fd0 2390cf 37bdbb 9fdcae f9e58a fbc23a f08a24'
GLOW = '37bdbb 2390cf f08a24 f5a623 fbc62c fde05a fff1b8 fff8dc'
HILLS = '0b1436 12266b 14488c 12727f 1f9a90 7cc07a'
FIELD = '123a4a 1f6a4e 7d8a24 d0801b eeb025 f9d65a'
TREE = '060b1c 0a1836 0c3440 11564c 2a8058 c98f24 f0c04a'
INK = '060a1e 0c1440 152a6a'

# All places are in heights of the picture: x from 0 to 1.25, y from 0 (top) to 1.
# x, y, radius of the disc, radius of the halo.
MOON = (0.37, 0.23, 0.052, 0.19)
STARS = ((0.70, 0.09, 0.010, 0.055), (0.09, 0.11, 0.009, 0.050), (0.60, 0.31, 0.008, 0.042))
LAMPS = ((0.105, 0.640, 0.013, 0.085), (0.255, 0.632, 0.010, 0.060), (0.375, 0.630, 0.008, 0.045))
# x, y, radius, strength and sense of turning.
EDDIES = ((0.37, 0.23, 0.12, 0.34), (0.80, 0.22, 0.10, -0.27), (0.06, 0.38, 0.08, -0.17),
          (1.13, 0.12, 0.09, 0.22), (0.585, 0.405, 0.055, 0.11))
# x, y and the two half axes of the masses of leaves, torn to the left by the wind.
LEAVES = ((1.10, 0.41, 0.14, 0.09), (0.98, 0.42, 0.13, 0.070), (1.17, 0.36, 0.08, 0.08),
          (0.86, 0.47, 0.09, 0.035), (1.02, 0.34, 0.10, 0.050), (0.83, 0.38, 0.06, 0.018))


class Layer(NamedTuple):
    """A part of the scene; the three fields are (height, width) arrays."""

    density: np.ndarray  # chance that a seed becomes a stroke, 0 to 1; strokes end where it is 0
    stream: np.ndarray  # strokes follow the contour lines of this field
    tone: np.ndarray  # place in the ramp, 0 to 1
    ramp: str  # hexadecimal colours, dark to light
    passes: tuple = PASSES


def sky_layer(x, y):
    """Plan the sky: a wind that curls up in eddies, and the afterglow of the sunset."""
    stream = y + 0.035 * np.sin(5 * x + 4 * y)
    tone = 0.24 + 0.75 * np.clip((y - 0.36) / 0.24, 0, 1) ** 1.6
    for centre_x, centre_y, radius, strength in EDDIES:
        square = ((x - centre_x) ** 2 + (y - centre_y) ** 2) / radius ** 2
        stream = stream + strength * np.exp(-square / 2)
        tone = tone + 0.14 * np.exp(-square / 2) + 0.2 * np.exp(-6 * square)
    tone = tone + 0.21 * np.sin(42 * stream + 0.8 * np.sin(5 * x - 7 * y))
    return Layer(np.ones_like(x), stream, tone, NIGHT)


def ground_layers(x, y):
    """Plan far hills, near hills and a wheat field with the shadow of the tree."""
    ripple = np.sin(4.2 * x + 0.2), np.sin(4.2 * x + 2.6), np.sin(4.2 * x + 1.2)
    far, near, field = (y - 0.575 - 0.045 * ripple[0], y - 0.640 - 0.035 * ripple[1],
                        y - 0.715 - 0.020 * ripple[2])
    layers = []
    for depth, light, phase in ((far, 0.36, 0.6), (near, 0.48, 7.8)):
        stream = depth * (1 + 0.9 * np.sin(6 * x + phase))
        tone = light + 0.34 * np.sin(110 * stream + 3 * x)
        layers.append(Layer(depth > 0, stream, tone, HILLS))
    rows = np.arctan2(y - 0.58, x - 0.60) + 0.05 * np.sin(9 * y + 5 * x)
    shadow = np.exp(-((x - 1.20) / 0.07) ** 2 - ((y - 0.945) / 0.02) ** 2)
    tone = 0.56 + 0.40 * np.sin(34 * rows) - 0.7 * shadow
    return layers + [Layer(field > 0, rows, tone, FIELD)]


def river_layers(x, y):
    """Plan the river, which widens towards the viewer and mirrors the lights, and its banks."""
    near = np.clip((y - 0.69) / 0.31, 0, None)
    middle = 0.53 - 0.09 * np.sin(3.6 * near) - 0.14 * near
    bank = np.abs(x - middle) - (0.015 + 0.30 * near ** 1.3) + (near == 0)
    stream = y + 0.012 * np.sin(16 * x + 9 * y) + 0.10 * bank * near
    tone = 0.26 + 0.20 * np.sin(95 * stream)
    for light_x, _, radius, _ in (MOON,) + LAMPS:
        column = np.exp(-((x - light_x) / (0.6 * radius + 0.012)) ** 2)
        tone = np.maximum(tone, column * (0.80 + 0.2 * np.sin(90 * y)))
    green = 0.45 + 0.3 * np.sin(70 * y + 90 * bank)
    grass = Layer(0.25 * (np.abs(bank - 0.006) < 0.014), bank, green, TREE, LINE_PASSES)
    return [Layer(bank < 0, stream, tone, NIGHT, PASSES[1:]), grass]


def windmill_layers(x, y):
    """Plan a windmill on the far hill: its tower, then the vanes and spars of its sails."""
    right, down = x - 0.70, y - 0.49
    tower = (np.abs(right) < 0.016 + 0.14 * down) & (down > -0.022) & (down < 0.10)
    layers = [Layer(tower, right, 0.4 - 20 * right, INK, SMALL_PASSES)]
    first, second = 0.88 * right + 0.47 * down, 0.88 * down - 0.47 * right
    for along, across in ((first, second), (second, -first)):
        side = across * np.sign(along)
        vane = (side > 0.004) & (side < 0.017) & (np.abs(np.abs(along) - 0.062) < 0.034)
        spar = (np.abs(across) < 0.003) & (np.abs(along) < 0.10)
        layers += [Layer(0.7 * vane, across, 0.55 + 0 * x, GLOW, LINE_PASSES),
                   Layer(spar, across, 0 * x, INK, LINE_PASSES)]
    return layers


def tree_layers(x, y):
    """Plan a windswept tree: its trunk and its crown of leaves combed to the left."""
    rise = np.clip((0.93 - y) / 0.5, 0, 1)
    across = x - 1.13 + 0.10 * np.sin(2.2 * rise) - 0.04 * rise
    trunk = np.abs(across) < 0.014 + 0.05 * (1 - rise) ** 5
    trunk &= (y < 0.95 - 0.4 * np.abs(across)) & (y > 0.40)
    bark = 0.42 - 26 * across - 0.2 * np.sin(40 * rise + 90 * across)
    stream = y - 0.9 * np.clip(1.18 - x, 0, 1) ** 2 + 0.012 * np.sin(26 * x + 14 * y)
    inside = np.full(x.shape, -9.0)
    for centre_x, centre_y, half_x, half_y in LEAVES:
        square = ((x - centre_x) / half_x) ** 2 + ((y - centre_y) / half_y) ** 2
        inside = np.maximum(inside, 1 - square - 0.35 * np.sin(170 * stream))
    tone = 0.36 + 0.30 * np.sin(85 * stream + 4 * np.sin(9 * x)) - 1.3 * (y - 0.40)
    return [Layer(trunk, across, bark, TREE, SMALL_PASSES),
            Layer(np.clip(3 * inside, 0, 1), stream, tone, TREE, SMALL_PASSES)]


def light_layers(x, y):
    """Plan lamp posts, then moon, stars and lamps in halos of concentric strokes."""
    layers = []
    for lamp_x, lamp_y, disc, _ in LAMPS:
        post = (np.abs(x - lamp_x) < 0.004) & (y > lamp_y) & (y < lamp_y + 14 * disc)
        layers.append(Layer(post, x, 0 * x, INK, LINE_PASSES))
    for centre_x, centre_y, disc, halo in (MOON,) + STARS + LAMPS:
        radius = np.hypot(x - centre_x, y - centre_y)
        fade = np.clip((halo - radius) / (halo - disc), 0, 1)
        tone = 0.14 + 0.60 * fade + 0.35 * (radius < disc)
        rings = 0.5 + 0.5 * np.cos(4 * np.pi * fade)
        density = np.where(radius < 1.5 * disc, 1, fade * (0.16 + 0.4 * rings))
        layers.append(Layer(density, radius, tone, GLOW, HALO_PASSES))
    return layers


def scene(rows, columns):
    """Plan the layers of the picture, back to front, on the pixel grid with its margin."""
    y, x = np.mgrid[-MARGIN:rows + MARGIN, -MARGIN:columns + MARGIN]
    x, y = 1.25 * x / columns, y / float(rows)
    layers = [sky_layer(x, y)] + windmill_layers(x, y) + ground_layers(x, y)
    return layers + river_layers(x, y) + light_layers(x, y) + tree_layers(x, y)


def colours_at(ramp, tone):
    """Look up the colours of a ramp nearest to (n,) tones in [0, 1]: (n, 3) RGB in [0, 1]."""
    table = np.array([list(bytes.fromhex(code)) for code in ramp.split()]) / 255.0
    return table[np.rint(np.clip(tone, 0, 1) * (len(table) - 1)).astype(int)]


def scatter(density, spacing, random):
    """Draw shuffled seeds of strokes, (n, 2) rows and columns in pixels."""
    grid = np.mgrid[0:density.shape[0]:spacing, 0:density.shape[1]:spacing].reshape(2, -1).T
    seeds = grid + random.uniform(0, spacing, grid.shape)
    seeds = np.minimum(seeds, np.array(density.shape) - 1)
    chance = density[tuple(seeds.astype(int).T)]
    return random.permutation(seeds[random.uniform(size=len(seeds)) < chance])


def trace(layer, seeds, length, random):
    """Follow the stream, up or down, from (n, 2) seeds; return n paths, (points, 2) each."""
    down, right = np.gradient(layer.stream)
    flow = np.stack([right, -down], -1) / (np.hypot(down, right) + 1e-12)[..., None]
    limit = np.array(layer.stream.shape) - 1
    step = random.choice([-STEP, STEP], len(seeds))[:, None]
    cell = tuple(seeds.astype(int).T)
    places, alive = [seeds], [np.ones(len(seeds), bool)]
    for count in range(int(length / STEP)):
        # Judging the direction half a step ahead keeps small circles from opening to spirals.
        middle = tuple(np.clip(places[-1] + step / 2 * flow[cell], 0, limit).astype(int).T)
        places.append(places[-1] + step * flow[middle])
        before, cell = cell, tuple(np.clip(places[-1], 0, limit).astype(int).T)
        # Where the flow turns back on itself a long stroke would fold into a knot.
        smooth = (count < 3) | ((flow[cell] * flow[before]).sum(-1) > 0)
        alive.append(alive[-1] & smooth & (layer.density[cell] > 0))
    return [path[kept] for path, kept in zip(np.stack(places, 1), np.stack(alive, 1))]


def bristle_streaks(along, across, random):
    """Draw (along, across) lightness of the bristles' traces, about -1 to 1."""
    lanes = max(3, int(across * SAMPLE / (2.0 * SCALE)))
    grid = random.uniform(-1, 1, (1, lanes)) + 0.5 * random.uniform(-1, 1, (4, lanes))
    grid = Image.fromarray(grid.astype('float32'))
    return np.asarray(grid.resize((across, along), Image.BICUBIC))


def draw_stroke(canvas, path, width, first, second, random):
    """Lay one stroke of a brush loaded with two colours, (3,) each, along a (points, 2) path.

    `canvas` is (height, width, 4): RGB and thickness of the paint, all about 0 to 1.
    """
    travelled = np.append(0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    along, across = int(travelled[-1] / SAMPLE) + 2, int(width / SAMPLE) + 2
    u, v = np.linspace(0, 1, along)[:, None], np.linspace(-1, 1, across)
    line = np.stack([np.interp(u[:, 0] * travelled[-1], travelled, p) for p in path.T], -1)
    tangent = np.gradient(line, axis=0)
    normal = np.stack([tangent[:, 1], -tangent[:, 0]], -1)
    normal *= 0.5 * width / (np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9)
    swell = 0.75 + 0.25 * np.sin(np.pi * u ** 0.7)
    row, column = np.rint(line.T[:, :, None] + normal.T[:, :, None] * swell * v).astype(int)
    streak = bristle_streaks(along, across, random)
    # The brush lands round and lifts ragged: the dry bristles leave the canvas first.
    rounding = min(0.5, 0.5 * width / travelled[-1]) * (1 - np.sqrt(1 - v ** 2))
    dry = 0.18 * np.clip(0.3 - streak[-1], 0, 1)
    keep = (u >= rounding) & (u <= 1 - rounding - dry) & (row >= 0) & (column >= 0)
    keep &= (row < canvas.shape[0]) & (column < canvas.shape[1])
    mix = np.clip(0.5 * streak + 0.1, 0, 0.6)[..., None]
    colour = (first * (1 - mix) + second * mix) * (1 + 0.18 * streak[..., None])
    body = 0.5 + 0.25 * streak + 0.4 * np.sqrt(1 - v ** 2) * (1 - 0.4 * u)
    canvas[row[keep], column[keep]] = np.dstack([colour, body])[keep]


def paint_layer(canvas, layer, zoom, random):
    """Cover a layer with strokes; `zoom` is 1 for a picture 512 rows high."""
    for width, length, spacing in layer.passes:
        seeds = scatter(layer.density, spacing * zoom, random)
        paths = trace(layer, seeds, length * zoom, random)
        tone = layer.tone[tuple(seeds.astype(int).T)] + random.normal(0, 0.06, len(seeds))
        tone += 0.25 * (random.uniform(size=len(seeds)) < 0.04)  # a few bold accents
        tint = random.uniform(0.93, 1.07, (len(seeds), 3))
        first = tint * colours_at(layer.ramp, tone)
        second = colours_at(layer.ramp, tone + random.normal(0.03, 0.08, len(seeds)))
        widths = width * zoom * SCALE * random.uniform(0.8, 1.15, len(seeds))
        for stroke in zip(paths, widths, first, second):
            if len(stroke[0]) > 2:
                draw_stroke(canvas, stroke[0] * SCALE, *stroke[1:], random)


def light_relief(canvas):
    """Light the paint from the upper left: (height, width, 3) RGB in [0, 1]."""
    down, right = np.gradient(canvas[..., 3])
    shade = np.clip(0.6 * (down + right), -0.2, 0.2)[..., None]
    return np.clip(canvas[..., :3] * (1 + shade) + 0.2 * np.clip(shade, 0, None), 0, 1)


def paint(rows=512, columns=640, seed=1889):
    """Paint the picture.

    `rows` and `columns` are in pixels, `seed` is any integer that RandomState takes; the same
    three give the same picture.  Returns an RGB uint8 array (rows, columns, 3), 0 to 255.
    """
    random = np.random.RandomState(seed)
    height, width = SCALE * (rows + 2 * MARGIN), SCALE * (columns + 2 * MARGIN)
    canvas = np.zeros((height, width, 4), 'float32') + np.float32((0.08, 0.15, 0.5, 0))
    for layer in scene(rows, columns):
        paint_layer(canvas, layer, rows / 512.0, random)
    edge = SCALE * MARGIN
    large = (255 * light_relief(canvas)[edge:-edge, edge:-edge]).astype('uint8')
    return np.asarray(Image.fromarray(large).resize((columns, rows), Image.LANCZOS))


def main(arguments):
    """Write the picture to the path in `arguments`, or beside this script."""
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'windy_night.jpg')
    target = arguments[0] if arguments else beside
    Image.fromarray(paint()).save(target, quality=92, subsampling=0, optimize=True)


if __name__ == '__main__':
    main(sys.argv[1:])
