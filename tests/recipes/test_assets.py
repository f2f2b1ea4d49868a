"""The bundled painting is the one that its script paints."""

import importlib.util

import numpy as np
import pytest

from recipes.common import images


def module_of(name):
    """Return the module of a script of the assets."""
    spec = importlib.util.spec_from_file_location(name, images.ASSETS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_script_paints_the_bundled_painting():
    module = module_of('paint_windy_night')
    difference = abs(module.paint().astype(int) - images.read(images.PAINTING))
    # JPEG of quality 92 changes a level by 3.7 on average (measured); other strokes do by far more.
    assert np.mean(difference) < 5


@pytest.mark.parametrize('name', ['mosaic', 'stones'])
def test_the_script_draws_the_bundled_tiles(name):
    drawn = getattr(module_of('paint_tiles'), name)()
    difference = abs(drawn.astype(int) - images.read(images.ASSETS / f'{name}.jpg'))
    assert np.mean(difference) < 5
