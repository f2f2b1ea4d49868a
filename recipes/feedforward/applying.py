"""Painting with a trained generator: pictures of any size, within the memory that there is."""

import tempfile
import threading

from models import feedforward
from models.errors import ArchiveError
from models.weights import files

import numpy as np
import threadpoolctl
from skimage.exposure import match_histograms

from recipes.common import colours, images, machine
from recipes.feedforward import generators
from recipes.feedforward.strips import Strips

# Measured on Linux x86-64, as the growth of the resident set at 512x512 to 2048x2048; see
# recipes/feedforward/README.md.
PROCESS = 180e6   # Python, Theano and the networks, before any picture
WHOLE = 3.2       # times what strips take, for a generator as a whole
PICTURES = 40     # bytes a pixel: the photo, what networks take, the result
ONE_AT_A_TIME = threading.Lock()  # a compiled function has one memory


class Painter:
    """A trained generator, ready to paint.

    Args:
        path: of its .npz.
        memory: bytes that painting may take, or None for half of the machine's.

    Attributes:
        description: its `Description`.
    """

    def __init__(self, path, memory=None):
        self.net, self.description = generators.load(path)
        self.memory = memory or machine.memory() / 2
        self.mean_pixel = np.array(files.VGG_MEAN_PIXEL, 'float32')
        self.strips = Strips(self.net, generators.has_own_statistics(self.description))
        self._whole = None

    def needs(self, rows, columns):
        """Predict what painting a picture takes: (bytes, whether in strips).

        Raises:
            ArchiveError: it does not fit into the memory, even in strips.
        """
        multiple = feedforward.multiple(self.description)
        around = 2 * self.description.surround * self.description.photo
        sizes = self._sizes(*(-(-(length + around) // multiple) * multiple
                              for length in (rows, columns)))
        besides = PROCESS + PICTURES * rows * columns * self.description.factor ** 2
        in_strips = self.strips.peak(*sizes)
        whole = besides + WHOLE * (in_strips - 4 * self.strips.strip)
        if whole <= self.memory:
            return whole, False
        if besides + in_strips > self.memory:
            raise ArchiveError(
                f'a picture of {columns}x{rows} pixels takes {(besides + in_strips) / 1e9:.1f} GB '
                f'with this generator, even in strips, and {self.memory / 1e9:.1f} GB may be taken;'
                ' take a smaller picture or more --memory')
        return besides + in_strips, True

    def paint(self, rgb, seed=1):
        """Paint a photo, or enlarge it.

        Args:
            rgb: uint8 (rows, columns, 3).
            seed: of the noise, for generators that take some.

        Returns:
            RGB uint8, of the same shape; or the generator's factor times as large, with the colours
            of the photo, as Johnson et al., section 4.2, match their histograms.
        """
        description = self.description
        _, in_strips = self.needs(*rgb.shape[:2])
        surrounded = images.extend(rgb, description.surround)
        x = generators.padded_to(images.prepare(surrounded, self.mean_pixel),
                                 feedforward.multiple(description))
        painted = images.deprocess(self._painted([x, *self._noise(*x.shape[2:], seed)], in_strips),
                                   self.mean_pixel)
        rows, columns = (description.factor * length for length in rgb.shape[:2])
        edge = description.factor * description.surround
        painted = painted[edge:edge + rows, edge:edge + columns]
        if description.factor == 1:
            return painted
        matched = match_histograms(painted, rgb, channel_axis=2)
        return np.clip(np.rint(matched), 0, 255).astype('uint8')

    def texture(self, rows, columns, seed=1):
        """Make a texture of noise: RGB uint8 (rows, columns, 3).

        Raises:
            ArchiveError: rows or columns are no multiples of what the generator needs.
        """
        for length in (rows, columns):
            feedforward.output_size(self.description, length)
        _, in_strips = self.needs(rows, columns)
        return images.deprocess(self._painted(self._noise(rows, columns, seed), in_strips),
                                self.mean_pixel)

    def _painted(self, inputs, in_strips):
        with ONE_AT_A_TIME:
            if in_strips:
                return self.strips.paint(*inputs)
            if self._whole is None:
                self._whole = generators.compile_generator(self.net, self.description)
            return self._whole(*inputs)

    def _noise(self, rows, columns, seed):
        return feedforward.noise_for(self.description, rows, columns, 1,
                                     np.random.RandomState(seed))

    def _sizes(self, rows, columns):
        factors = [2 ** (self.description.scales - scale)
                   for scale in range(1, self.description.scales + 1)]
        noise = [(rows // factor, columns // factor) for factor in factors]
        return [(rows, columns)] * self.description.photo + noise * bool(self.description.noise)


class Task:
    """What is done to each picture, wherever: travels to workers as it is.

    Args:
        generator: the bytes of its .npz.
        size: pixels of the shorter side, or None for the picture's own.
        keep_colours: whether the photo's colours stay.
        memory: bytes, or None.
        threads: of a worker, or None for all; the last bits of a picture depend on them.
        seed: of the noise.
    """

    def __init__(self, generator, size=None, keep_colours=False, memory=None, threads=None,
                 seed=1):
        self.generator, self.size, self.keep_colours = generator, size, keep_colours
        self.memory, self.threads, self.seed = memory, threads, seed

    def __call__(self, content, name):
        """Paint one picture.

        Args:
            content: bytes of its file.
            name: what to call it in messages.

        Returns:
            (RGB uint8 array, None), or (None, what is wrong with it).
        """
        try:
            with threadpoolctl.threadpool_limits(self.threads):
                return self._painted(content, name), None
        except ArchiveError as problem:
            return None, str(problem)

    def _painted(self, content, name):
        rgb = images.decoded(content, name)
        if self.size is not None:
            rgb = images.resize(rgb, self.size)
        painted = painter_of(self.generator, self.memory).paint(rgb, self.seed)
        return colours.with_colours_of(rgb, painted) if self.keep_colours else painted


_PAINTERS = {}  # of this process: (bytes of a generator, memory) -> Painter; compiling takes long


def painter_of(generator, memory):
    """Give the `Painter` of a generator's bytes; each process makes it once."""
    key = generator, memory
    if key not in _PAINTERS:
        with tempfile.NamedTemporaryFile(suffix='.npz') as file:
            file.write(generator)
            file.flush()
            _PAINTERS[key] = Painter(file.name, memory)
    return _PAINTERS[key]
