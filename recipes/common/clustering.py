"""Things that behave alike put together: average linkage of their distances."""

import numpy as np
from scipy.cluster import hierarchy


def cosine_distances(products):
    """Compute one minus the cosine of each pair, condensed as scipy has it: (n * (n - 1) / 2,).

    Distances are float64, 0 to 2.

    Args:
        products: (n, n), inner products of each pair; those with themselves are above 0.
    """
    lengths = np.sqrt(np.diag(products))
    distances = np.clip(1 - products / np.outer(lengths, lengths), 0, None)
    return distances[np.triu_indices(len(products), 1)]


def order(distances):
    """Find an order in which near ones stand side by side, a list of indices.

    Args:
        distances: of each pair, condensed, of two things at least.
    """
    tree = hierarchy.linkage(distances, 'average', optimal_ordering=True)
    return [int(index) for index in hierarchy.leaves_list(tree)]


def groups(distances, count):
    """Put near ones into groups: the group of each, int from 1 up, (n,).

    Args:
        distances: of each pair, condensed, of two things at least.
        count: of groups at most.
    """
    return hierarchy.fcluster(hierarchy.linkage(distances, 'average'), count, 'maxclust')
