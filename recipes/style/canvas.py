"""Between pictures and what L-BFGS paints: arrays with a margin, BGR minus mean."""

from collections import namedtuple

import numpy as np

from recipes.common import images
from recipes.style.defaults import white_noise

SOFT_LIMITS = (6, 249)  # grey levels, beyond which the range term pulls back


class Canvas(namedtuple('Canvas', 'mean_pixel levels margin')):
    """mean_pixel: (3,), BGR; levels: what white is, 255 or 256; margin: pixels, cut off at last."""

    def array_of(self, rgb):
        """Convert a picture to what the network takes, float32 (1, 3, rows, columns)."""
        return images.prepare(rgb, self.mean_pixel, self.levels)

    def picture_of(self, x, shape):
        """Convert a flat array that is painted at this shape to RGB, without its margin.

        Args:
            x: float64, flat or of the shape, BGR minus mean.
            shape: (1, 3, rows, columns), the margin included.

        Returns:
            uint8 (rows - 2 * margin, columns - 2 * margin, 3).
        """
        return images.trim(images.deprocess(np.reshape(x, shape), self.mean_pixel, self.levels),
                           self.margin)

    def limits(self):
        """Tell what pixels should lie between by the range term, (lowest, highest), each (3,)."""
        return tuple(limit * self.levels / 255 - self.mean_pixel for limit in SOFT_LIMITS)

    def bounds(self, shape):
        """Give (black, white) of each number of a picture, flat float64 arrays."""
        return tuple(np.broadcast_to(self.array_of(np.full((1, 1, 3), level, 'uint8')), shape)
                     .ravel().astype('float64') for level in (0, 255))

    def starting_point(self, shape, before=None, first=None, noise='uniform', seed=0, bounds=None):
        """Make the picture to start from, float64 (1, 3, rows, columns).

        Args:
            shape: of it, with the margin.
            before: the picture of a coarser phase, which is enlarged; or None.
            first: an RGB picture of this shape without the margin; or None.
            noise, seed: of `defaults.white_noise`, where there is neither.
            bounds: that it keeps, as `bounds` gives them; or None.
        """
        rows, columns = shape[2] - 2 * self.margin, shape[3] - 2 * self.margin
        if before is not None:
            start = images.enlarge(before, rows, columns, self.margin)
        elif first is not None:
            start = self.array_of(images.extend(first, self.margin))
        else:
            start = white_noise(noise, shape, seed)
        if bounds is not None:
            start = np.clip(start, *(bound.reshape(shape) for bound in bounds))
        return start.astype('float64')
