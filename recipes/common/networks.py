"""A network for layers that a recipe looks at."""

import models

from recipes.common import projections


def load_to(layers, model, weights=None, pool=None):
    """Load a network cut off after the deepest of some layers.

    Args:
        layers: names; each must have rows and columns.
        model, weights, pool: as of `models.load`.

    Returns:
        (net, mean_pixel): ordered dict of layers; (3,), BGR.

    Raises:
        ArchiveError: a layer is not there, or has no rows and columns.
    """
    net, _, mean_pixel = models.load(model, weights, pool, models.deepest_of(model, layers))
    projections.require_maps(net, layers, model)
    return net, mean_pixel
