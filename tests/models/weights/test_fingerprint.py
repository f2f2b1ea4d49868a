"""The first kernels of Oxford's VGG-19 are known however they are turned, and no others are."""

from models.weights import fingerprint

import numpy as np
import pytest

EXCHANGED = ', red and blue exchanged'


def leaning():
    """Return kernels that lean as Oxford's do and are random otherwise."""
    step = np.array([-1, 0, 1]) / np.sqrt(18)
    patterns = np.array([np.broadcast_to(step, (3, 3, 3)),
                         np.broadcast_to(step[:, None], (3, 3, 3)),
                         np.broadcast_to(step[:, None, None], (3, 3, 3))]).reshape(3, 27)
    wanted = np.array(fingerprint.LEANINGS) / 10
    rest = np.random.RandomState(0).normal(size=(64, 27))
    rest -= rest @ patterns.T @ patterns
    left = 1 - (wanted ** 2).sum(axis=1)
    rest *= np.sqrt(np.maximum(left, 0.01) / (rest ** 2).sum(axis=1))[:, None]
    return (wanted @ patterns + rest).reshape(64, 3, 3, 3)


@pytest.mark.parametrize('turn', fingerprint.TURNS)
@pytest.mark.parametrize('exchanged', [False, True])
def test_each_turn_is_told(turn, exchanged):
    kernel = fingerprint.TURNS[turn](leaning())  # each turn undoes itself
    kernel = kernel[:, ::-1] if exchanged else kernel
    told, scale = fingerprint.compare(7 * fingerprint.NORMALISED_LENGTH * kernel)
    assert told == turn + (EXCHANGED if exchanged else '')
    assert abs(scale - 7) < 0.2


def test_no_two_turns_are_near():
    known = np.array(fingerprint.LEANINGS).ravel()
    for exchanged in (False, True):
        for told, turn in fingerprint.TURNS.items():
            kernel = turn(leaning())[:, ::-1] if exchanged else turn(leaning())
            found = fingerprint.leanings(kernel).ravel()
            cosine = found @ known / np.linalg.norm(found) / np.linalg.norm(known)
            assert (cosine > 0.99) if (told, exchanged) == ('as they are', False) else cosine < 0.6


def test_other_kernels_are_no_oxfords():
    random = np.random.RandomState(0)
    for _ in range(50):
        assert fingerprint.compare(random.normal(size=(64, 3, 3, 3))) is None
    assert fingerprint.compare(leaning()[::-1]) is None  # in another order
    assert fingerprint.compare(np.full((64, 3, 3, 3), np.inf)) is None
    assert fingerprint.compare(leaning()[:32]) is None


def test_real_kernels_have_these_leanings(shared_data):
    with np.load(shared_data / 'weights' / 'vgg19_normalised_to_conv3_1.npz') as file:
        kernel = file['conv1_1.W']
    np.testing.assert_array_equal(np.round(10 * fingerprint.leanings(kernel)),
                                  fingerprint.LEANINGS)
    told, scale = fingerprint.compare(kernel)
    assert told == 'as they are' and abs(scale - 1) < 0.01


def test_the_archive_holds_no_kernels_of_others():
    """Numbers of these kernels, or of all three patterns to more digits, would be weights."""
    assert np.shape(fingerprint.LEANINGS) == (64, 3)
    assert all(type(number) is int and abs(number) <= 10
               for kernel in fingerprint.LEANINGS for number in kernel)
