"""Average linkage by hand: distances, an order, groups."""

import numpy as np

from recipes.common import clustering

# Four points on a line, at 0, 1, 10 and 12: pairs 01 02 03 12 13 23.
DISTANCES = np.array([1.0, 10, 12, 9, 11, 2])


def test_groups_join_the_nearest_first():
    one, other, third, fourth = clustering.groups(DISTANCES, 2)
    assert one == other != third == fourth
    assert clustering.groups(DISTANCES, 1).tolist() == [1, 1, 1, 1]


def test_groups_are_at_the_mean_distance_of_their_members():
    """Points at 0, 2, about 4.5 and 8: which of two joins is nearer depends on the mean."""
    # 0 and 2 join at 2; 4.5 is then at 3.5 from them in the mean, and at 3.5 from 8.
    for shift, wanted in ((-0.2, [0, 0, 0, 1]), (0.2, [0, 0, 1, 1])):
        points = np.array([0, 2, 4.5 + shift, 8])
        distances = np.abs(points[:, None] - points)[np.triu_indices(4, 1)]
        found = clustering.groups(distances, 2)
        assert ((found == found[0]) == (np.array(wanted) == 0)).all()


def test_the_order_puts_near_ones_side_by_side():
    points = np.array([10, 0, 12, 1.0])
    distances = np.abs(points[:, None] - points)[np.triu_indices(4, 1)]
    assert points[clustering.order(distances)].tolist() in ([0, 1, 10, 12], [12, 10, 1, 0])


def test_cosine_distances_are_0_for_the_same_direction_and_2_for_the_opposite():
    vectors = np.array([[1, 0], [3, 0], [0, 2], [-1, 0]], 'float64')
    np.testing.assert_allclose(clustering.cosine_distances(vectors @ vectors.T),
                               [0, 1, 2, 1, 2, 1], atol=1e-15)
