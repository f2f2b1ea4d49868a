"""What the climbs towards a class or a dream share."""

import numpy as np


def jittered(function, x, jitter, random):
    """Evaluate a function on pictures that are shifted, and shift its gradient back.

    What one place of the picture gains then depends less on where the strides of the network fall.
    Pixels that leave at one side come in at the other.

    Args:
        function: pictures -> (..., gradient of the pictures' shape).
        x: (batch, channels, rows, columns).
        jitter: pixels of the largest shift, along rows and along columns; 0 for none.
        random: generator of the shifts.

    Returns:
        What the function gives, a list, with the gradient where the pictures are.
    """
    shift = random.randint(-jitter, jitter + 1, 2)
    *values, gradient = function(np.roll(x, shift, (2, 3)))
    return [*values, np.roll(gradient, -shift, (2, 3))]
