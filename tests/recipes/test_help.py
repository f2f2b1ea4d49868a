"""Every option of a recipe that looks into a network says what it does, and its default."""

import pytest

from recipes import (
    class_model,
    deconvnet,
    deepdream,
    feature_atlas,
    layer_features,
    occlusion,
    reconstruct,
    saliency,
)
from recipes.common import command_line

RECIPES = (class_model, deconvnet, deepdream, feature_atlas, layer_features, occlusion,
           reconstruct, saliency)


@pytest.mark.parametrize('recipe', RECIPES, ids=lambda recipe: recipe.__name__.split('.')[-1])
def test_options_tell_their_defaults(recipe, monkeypatch):
    parsers, parse_args = [], command_line.ArgumentParser.parse_args
    monkeypatch.setattr(command_line.ArgumentParser, 'parse_args',
                        lambda self, *arguments: parsers.append(self) or parse_args(
                            self, *arguments))
    recipe.parse([])
    formatter = parsers[0]._get_formatter()
    for action in parsers[0]._actions:
        assert action.help, action.dest
        if action.nargs != 0:  # a switch is off where it is not given
            told = formatter._expand_help(action)
            assert 'default' in told and 'default: None' not in told, action.dest


def test_defaults_of_class_models_follow_the_table():
    assert class_model.default_of('iterations') == (
        '(default: 200; 500 with --deepvis 1; 750 with --deepvis 2; 1000 with --deepvis 3; '
        '1000 with --deepvis 4)')
    assert class_model.default_of('jitter') == '(default: 0)'
