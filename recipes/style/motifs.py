"""Channels of a layer grouped into motifs: those that fire at the same things in a picture."""

from collections import Counter, namedtuple

import numpy as np
from scipy.ndimage import gaussian_filter, label
from scipy.spatial.distance import pdist
from skimage.transform import resize

from recipes.common import clustering

GRID = 48            # positions along the longer side of a heat map, at most
BLUR = 0.03          # of the shorter side: what fires within it fires at the same thing
WHITE = 99.5         # percentile of a channel's activations at which it fires fully
SILENT = 1e-6        # of the layer's largest activation: a channel below never fires
FIRES = 0.5          # of its largest: there a channel or motif fires, and has its colour and size
SECOND = 1 / 3       # of where a motif fires: a second colour of so much is in its title

# What a motif's title is made of. colours: names, the one that it fires on most first, one or two;
# two: whether the second is one of SECOND; size: pixels across; places: as `places` names them.
Look = namedtuple('Look', 'colours two size places')


def silent(activation):
    """Find which channels never fire, boolean (channels,).

    Args:
        activation: (channels, rows, columns), from 0 up.
    """
    return activation.max(axis=(1, 2)) <= SILENT * max(activation.max(), 1e-12)


def normalised(activation):
    """Scale activations (channels, rows, columns) to 0..1, each channel by its own white."""
    white = np.percentile(activation, WHITE, axis=(1, 2))
    white = np.where(white > 0, white, activation.max(axis=(1, 2)))
    white = np.where(white > 0, white, 1)
    return np.clip(activation / white[:, None, None], 0, 1)


def smoothed(maps):
    """Blur maps (channels, rows, columns) by what is seen as one thing."""
    return gaussian_filter(maps, (0, *[BLUR * min(maps.shape[1:])] * 2))


def group(activation, count=None):
    """Find the motif of each channel, int (channels,): 0 up, strongest first, -1 where silent.

    Average linkage by the correlation of blurred maps.

    Args:
        activation: (channels, rows, columns), from 0 up.
        count: of motifs at most; None takes the root of the number of channels that fire.
    """
    alive = np.flatnonzero(~silent(activation))
    motifs = np.full(len(activation), -1)
    if len(alive) == 0:
        return motifs
    maps = smoothed(normalised(activation[alive].astype('float64')))
    found = np.ones(len(alive), int)
    if len(alive) > 1:
        with np.errstate(invalid='ignore'):  # a channel that fires everywhere alike has none
            distances = pdist(maps.reshape(len(alive), -1), 'correlation')
        distances = np.clip(np.nan_to_num(distances, nan=1.0), 0, 2)
        found = clustering.groups(distances, count or round(len(alive) ** 0.5))
    strength = {number: activation[alive[found == number]].sum() for number in np.unique(found)}
    order = sorted(strength, key=lambda number: (-strength[number], number))
    motifs[alive] = [order.index(number) for number in found]
    return motifs


def means(activation, motifs):
    """Map how much each motif's channels fire in the mean, float64 (motifs, rows, columns), 0..1.

    Args:
        activation: (channels, rows, columns).
        motifs: of each channel, as `group` gives them.
    """
    maps = normalised(activation.astype('float64'))
    if motifs.max() < 0:  # no channel fires
        return maps[:0]
    return np.array([maps[motifs == number].mean(axis=0) for number in range(motifs.max() + 1)])


def heats(activation, motifs):
    """Map where each motif fires, float64 (motifs, rows, columns), 0..1: the `heats_of` its mean.

    Args:
        activation: (channels, rows, columns).
        motifs: of each channel, as `group` gives them.
    """
    return heats_of(means(activation, motifs))


def heats_of(maps):
    """Map where maps (n, rows, columns) of 0..1 are densely high, float64 of that shape, 0..1.

    They are blurred; the median over the picture is 0, as every channel fires a little nearly
    everywhere, and the largest is 1.
    """
    if not len(maps):
        return maps
    found = smoothed(maps)
    found = np.maximum(found - np.median(found, axis=(1, 2), keepdims=True), 0)
    return found / np.maximum(found.max(axis=(1, 2), keepdims=True), 1e-12)


def fired_on(maps):
    """Keep of maps (n, rows, columns) of 0..1 what is where their heat is FIRES or above.

    A channel of light paint fires a little on each stroke of a sky, which together are more than
    the moon where it fires most.
    """
    found = np.where(heats_of(maps) >= FIRES, maps, 0)
    alike = found.sum(axis=(1, 2), keepdims=True) <= 0  # fires everywhere alike
    return np.where(alike, maps, found)


def places(map_):
    """Name the two ninths of the picture in which a map (rows, columns) has most: 'upper left'."""
    rows, columns = ((3 * np.arange(length) + 1) // length for length in map_.shape)
    sums = np.zeros((3, 3))
    np.add.at(sums, np.ix_(np.minimum(rows, 2), np.minimum(columns, 2)), map_)
    names = ('upper left', 'upper middle', 'upper right', 'middle left', 'middle', 'middle right',
             'lower left', 'lower middle', 'lower right')
    return [names[index] for index in np.argsort(-sums.ravel(), kind='stable')[:2]]


def titles(looks):
    """Write the titles of a layer's motifs, no two alike, from a `Look` of each.

    Each has colour, size and place. Where that is not enough to tell motifs apart they have their
    second colour as well, then their second place, and at last their number.
    """
    def title(look, colours, places):
        return (f'{" and ".join(look.colours[:colours])}, {look.size} px, '
                f'{" and ".join(look.places[:places])}')

    def where_alike(found, longer):
        count = Counter(found)
        return [more if count[own] > 1 else own for own, more in zip(found, longer)]

    found = [title(look, 1 + look.two, 1) for look in looks]
    found = where_alike(found, [title(look, 2, 1) for look in looks])
    found = where_alike(found, [title(look, 2, 2) for look in looks])
    return where_alike(found, [f'{own}, motif {number}' for number, own in enumerate(found)])


def on_grid(maps, shape):
    """Resize maps (n, rows, columns) of 0..1 to uint8, no finer than a grid of GRID.

    Args:
        maps: of a layer.
        shape: (rows, columns) of the picture, whose aspect the grid has.
    """
    factor = min(1.0, GRID / max(shape[:2]))
    size = [max(1, round(length * factor)) for length in shape[:2]]
    size = [min(length, own) if own > 1 else length for length, own in zip(size, maps.shape[1:])]
    found = resize(maps, (len(maps), *size), order=1, anti_aliasing=True) if \
        len(maps) and tuple(size) != maps.shape[1:] else maps
    return np.rint(np.clip(found, 0, 1) * 255).astype('uint8')


def extent(map_, pixels):
    """Measure how large the places are at which a channel fires, in pixels across.

    Args:
        map_: (rows, columns) of 0..1.
        pixels: of the picture for each position.
    """
    parts, count = label(map_ >= FIRES)
    if count == 0:
        return 0.0
    areas = np.bincount(parts.ravel())[1:]
    return float(np.sqrt((areas ** 2).sum() / areas.sum()) * pixels)
