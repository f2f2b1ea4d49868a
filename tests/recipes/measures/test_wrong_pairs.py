"""No wrong pair passes: photos and pictures in figures of ours, and the published figures."""

import numpy as np
import pytest

from recipes.common import images
from recipes.measures import grids, judging, manifest, pictures, wrong_pairs


@pytest.fixture(scope='module')
def kinds():
    return manifest.read()[1]


@pytest.fixture(scope='module')
def look():
    """Return the network in which the limits were measured."""
    return pictures.InNetwork.of('vgg19_small')


def verdicts(cases, limits, look):
    """Names of the cases that are taken for alike, and of those that are."""
    alike = {name for name, case in cases.items()
             if judging.verdict(wrong_pairs.judge(case, limits, look))}
    return alike, {name for name, case in cases.items() if case.true}


def test_only_the_photo_itself_passes(tmp_path, kinds, look):
    """Of two photos; the first has a dark sky, and is nearly its own mirror image."""
    alike, true = verdicts(wrong_pairs.photo_pairs(tmp_path, photos=2), kinds['photo'], look)
    assert alike == true and len(true) == 2


def test_only_the_same_picture_passes(tmp_path, kinds, look):
    alike, true = verdicts(wrong_pairs.same_pairs(tmp_path), kinds['same'], look)
    assert alike == true and len(true) == 1


@pytest.mark.slow
def test_only_the_same_transfer_from_other_noise_passes(tmp_path, kinds, look):
    alike, true = verdicts(wrong_pairs.painted_pairs(tmp_path), kinds['repainted'], look)
    assert alike == true and len(true) == 2


def test_only_true_pairs_of_the_published_figure_pass(shared_data, kinds, look, tmp_path):
    """The round before the last stands for a run of ours, which takes minutes."""
    figure = manifest.read()[0]['recipes-style-grid']
    path = manifest.find(figure, shared_data / 'figures')
    panels = grids.cut(images.read(path), *figure.grid)
    case = wrong_pairs.Case(panels[7], path, figure.grid, 8)
    photo, painting = (images.resize(images.crop_square(images.read(manifest.find_input(
        figure, name, shared_data / 'figures'))), 600) for name in ('photo', 'painting'))
    cases = wrong_pairs.cases_of('grid', case, {'photo': photo, 'painting': painting,
                                                'start': panels[0], 'other': np.rot90(panels[7])})
    alike, true = verdicts(cases, kinds['painted'], look)
    # Between neighbouring rounds everything agrees so well that noise over it stays within limits
    # for another network; tests of photos and pictures, and the slow one, have it.
    assert alike - {'grid, noise'} == true


def test_measures_of_grids_and_their_absence():
    rgb = np.full((90, 130, 3), 255, 'uint8')
    rgb[10:40, 10:60] = rgb[10:40, 70:120] = rgb[50:80, 10:60] = rgb[50:80, 70:120] = 90
    rgb[2:6, 20:30] = 0  # a title
    assert grids.boxes(rgb, 2, 2) == [(10, 40, 10, 60), (10, 40, 70, 120), (50, 80, 10, 60),
                                      (50, 80, 70, 120)]
    with pytest.raises(manifest.ArchiveError, match='3x1 panels .* 2x2 were found'):
        grids.boxes(rgb, 3, 1)
