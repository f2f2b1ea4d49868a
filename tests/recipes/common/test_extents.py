"""A layer with no position of a picture left is told by name before a run is begun."""

import models
from models.errors import ArchiveError

import pytest

from recipes import deconvnet, feature_atlas, layer_features, reconstruct, saliency
from recipes.common import extents


def test_a_position_is_left_from_the_strides_product_on():
    net = models.build('vgg19', width=0.02, deepest='pool5')
    extents.require_positions(net, ['conv1_1', 'pool5'], (1, 3, 32, 40), 'it')
    extents.require_positions(net, ['pool4'], (1, 3, 16, 16), 'it')
    with pytest.raises(ArchiveError, match='nothing is left at pool5 of it at 40x31 pixels'):
        extents.require_positions(net, ['conv1_1', 'pool5'], (1, 3, 31, 40), 'it')


def test_a_mean_over_no_positions_is_none():
    net = models.build('alexnet', width=0.05, deepest='pool5')  # its input is not padded
    with pytest.raises(ArchiveError, match='nothing is left at conv3'):
        extents.require_positions(net, ['conv3'], (1, 3, 9, 9), 'it')


@pytest.mark.parametrize('recipe, arguments', [
    (saliency, ['--layer', 'pool5', '--unit', '3', '--size', '16']),
    (deconvnet, ['--layer', 'pool5', '--size', '16']),
    (layer_features, ['--layers', 'conv1_1,pool5', '--size', '16']),
    (feature_atlas, ['--layers', 'conv1_1,pool5', '--size', '16']),
    (reconstruct, ['--layers', 'pool5', '--size', '16']),
    (reconstruct, ['--style', '--layers', 'conv1_1,pool5', '--size', '16'])])
def test_each_recipe_says_so_before_it_begins(tmp_path, monkeypatch, error_of, narrow_vgg19, recipe,
                                              arguments):
    monkeypatch.chdir(tmp_path)
    status, errors = error_of(recipe.main, [*arguments, '--model', 'vgg19', '--weights',
                                            narrow_vgg19])
    assert status == 2 and 'nothing is left at pool5' in errors
    assert not (tmp_path / 'runs').exists()
