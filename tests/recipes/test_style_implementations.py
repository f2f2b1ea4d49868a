"""Two reference codes' losses at the noise start, through the recipe, against PyTorch."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer
from recipes.style import journal
from recipes.style.loss import StyleLoss

GOLDEN = Path(__file__).parent.parent / 'golden' / 'style_implementations.py'


@pytest.fixture(scope='module')
def made():
    """Return the module that made the golden arrays."""
    spec = importlib.util.spec_from_file_location('style_implementations', GOLDEN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def arguments(made, tmp_path_factory):
    """Return the recipe's arguments for the golden network and pictures."""
    folder = tmp_path_factory.mktemp('golden')
    arrays = {'width': 1 / 8}
    for name, kernel, bias in made.kernels():
        if kernel is not None:
            arrays.update({f'{name}.W': kernel, f'{name}.b': bias})
    np.savez(folder / 'weights.npz', **arrays)
    for name, rgb in zip(('photo', 'painting'), made.pictures()):
        Image.fromarray(rgb).save(folder / f'{name}.png')
    # The painting's shorter side is 40 pixels; the photo's, 48, is --size.
    return ['--model', 'vgg19', '--weights', folder / 'weights.npz', '--content',
            folder / 'photo.png', '--style', folder / 'painting.png', '--size', '48',
            '--style-scale', str(40 / 48), '--rounds', '1', '--evals', '1', '--quiet']


@pytest.mark.parametrize('name', ['recipes', 'neural_style'])
def test_the_loss_at_the_noise_start_is_the_reference_codes(made, arguments, tmp_path, name,
                                                            monkeypatch):
    gradients = []
    original = StyleLoss.__call__

    def kept(loss, picture):
        terms, gradient = original(loss, picture)
        gradients.append(gradient)
        return terms, gradient

    monkeypatch.setattr(StyleLoss, '__call__', kept)
    styletransfer.main([*map(str, arguments), '--impl', name, '--out', str(tmp_path / 'run')])
    golden = np.load(made.OUT)
    state = journal.State.load(tmp_path / 'run' / 'state_00.npz')
    np.testing.assert_array_equal(state.x, made.starts()[name])
    expected = golden[f'{name} terms']
    found = state.history[0][:len(expected)]  # neural_style reports no total variation
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    error = np.linalg.norm(gradients[0] - golden[f'{name} gradient'])
    assert error < 1e-5 * np.linalg.norm(golden[f'{name} gradient'])


def test_neural_style_reports_the_loss_without_the_total_variation(arguments, tmp_path):
    styletransfer.main([*map(str, arguments), '--impl', 'neural_style', '--tv-weight', '1', '--out',
                        str(tmp_path / 'run')])
    lines = (tmp_path / 'run' / 'losses.csv').read_text().splitlines()
    assert lines[0].endswith('total variation, not in the total"')
    values = np.array(lines[-1].split(','), float)
    assert values[-1] > 0
    np.testing.assert_allclose(values[1], values[2:-1].sum(), rtol=1e-12)
