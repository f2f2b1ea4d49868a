"""The measures find what they are for, and nothing in a picture without it."""

import numpy as np
import pytest

from recipes.feedforward import measures


@pytest.fixture
def noise():
    """Return smooth noise, RGB uint8, that goes round."""
    random = np.random.RandomState(0)
    spectrum = np.fft.rfft2(random.normal(size=(96, 96, 3)), axes=(0, 1))
    rows, columns = np.fft.fftfreq(96)[:, None], np.fft.rfftfreq(96)
    weights = (0.05 + np.hypot(rows, columns))[..., None] ** -2.0
    smooth = np.fft.irfft2(spectrum * weights, axes=(0, 1))
    return np.clip(128 + 40 * smooth / smooth.std(), 0, 255).astype('uint8')


def test_a_border_is_found(noise):
    difference, ratio = measures.border(noise)
    assert difference < 60 and 0.5 < ratio < 2
    framed = noise.copy()
    framed[:16] = framed[-16:] = framed[:, :16] = framed[:, -16:] = 20
    difference, ratio = measures.border(framed)
    assert difference > 80 and ratio < 0.1


@pytest.mark.parametrize('period', [2, 4])
def test_a_checkerboard_is_found(noise, period):
    assert measures.checkerboard(noise) < 1.5
    wave = 12 * np.cos(2 * np.pi * np.arange(96) / period)
    boarded = np.clip(noise + wave[:, None, None], 0, 255).astype('uint8')
    assert measures.checkerboard(boarded) > 3


def test_dots_are_counted(noise):
    assert measures.dots(noise) < 0.002
    dotted = np.full((32, 32, 3), 100, 'uint8')
    dotted[5, 7] = dotted[20, 20] = 255
    assert measures.dots(dotted) == pytest.approx(2 / 1024)


def test_a_seam_is_found(noise):
    assert measures.seam(noise) < 1.2
    assert measures.seam(noise[:50]) > 2


def test_diversity_is_none_among_copies(noise):
    assert measures.diversity([noise, noise]) == 0
    assert measures.diversity([noise, np.roll(noise, 48, axis=(0, 1))]) > 0.6
