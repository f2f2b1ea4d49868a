"""Figures have room for their headings, titles and captions, however long these are."""

import numpy as np
import pytest
from PIL import Image

from recipes.common import figures

GREY = np.full((30, 40, 3), 128, 'uint8')
LONG = ' '.join(['letters'] * 20)


def dark(path):
    """Find where a figure has letters: dark places on white, (rows, columns)."""
    return np.asarray(Image.open(path).convert('L')) < 100


@pytest.mark.parametrize('heading', [None, LONG])
@pytest.mark.parametrize('shape', [(30, 40, 3), (40, 30, 3), (10, 40, 3)])
@pytest.mark.parametrize('title', ['short', 'one\ntwo\nthree\nfour', LONG[:90]])
def test_nothing_written_is_cut_off(tmp_path, shape, title, heading):
    picture = np.full(shape, 128, 'uint8')
    drawn = tmp_path / 'grid.png', tmp_path / 'panels.png'
    figures.save_grid(drawn[0], [picture] * 4, ['a', title, 'b', title], columns=4, width=16,
                      heading=heading, caption=heading)
    figures.save_panels(drawn[1], [figures.Panel(picture, 'a'),
                                   figures.Panel(picture[:, :, 0], title)], heading=heading)
    for path in drawn:
        letters = dark(path)
        for edge in (letters[0], letters[-1], letters[:, 0], letters[:, -1]):
            assert not edge.any(), path


def test_heading_and_caption_make_a_figure_higher_and_no_picture_smaller(tmp_path):
    pictures, titles = [GREY] * 2, ['a', 'b']
    figures.save_grid(tmp_path / 'a.png', pictures, titles, 2)
    figures.save_grid(tmp_path / 'b.png', pictures, titles, 2, heading='x, y', caption=LONG * 3)
    sizes, grey = [], []
    for name in 'ab':
        array = np.asarray(Image.open(tmp_path / f'{name}.png').convert('L'))
        sizes.append(array.shape)
        grey.append((array == 128).sum())
    assert sizes[1][0] > sizes[0][0] + 40 and sizes[1][1] == sizes[0][1]
    assert grey[1] == pytest.approx(grey[0], rel=0.02)


def test_lines_are_as_long_as_each_other():
    words = 'not sure: sandal 0.05, wooden spoon 0.04, pill bottle 0.04'
    first, second = figures._wrapped(words, 3).split('\n')
    assert abs(len(first) - len(second)) < 12 and f'{first} {second}' == words
    assert figures._wrapped('one\ntwo', 3) == 'one\ntwo'
    assert figures._wrapped(words, 4) == words
