"""What each recipe compiles, on JAX's CPU beside Theano's C; and lowered for CUDA, with no GPU."""

import json
import sys
from pathlib import Path

from models.runtime.start import installed_version
from models.runtime.xla import devices

import numpy as np
import pytest

from recipes import styletransfer
from recipes.style.tiled_loss import TiledStyleLoss

sys.path.append(str(Path(__file__).parent.parent / 'benchmarks'))
from compiled import COMPILED, compile_for, picture, style_loss  # noqa: E402

pytest.importorskip('jax')


@pytest.fixture(autouse=True)
def the_cpu_afterwards():
    yield
    devices.use('cpu')


def outputs_of(found):
    return [np.asarray(one) for one in (found if isinstance(found, list) else [found])]


def lowered_for_cuda(function, arguments):
    """The program of a compiled function for CUDA, as text."""
    import jax
    from jax import export

    for container, argument in zip(function.input_storage, arguments):
        container.storage[0] = argument
    fixed, values = function.fn.gather()
    assert jax.default_backend() == 'cpu'
    return export.export(function.fn.traced(fixed), platforms=['cuda'])(values).mlir_module()


@pytest.mark.parametrize('name', COMPILED)
def test_a_recipe_computes_the_same_and_can_be_lowered_for_cuda(name):
    function, arguments = compile_for(name)
    expected = outputs_of(function(*arguments))
    devices.use('xla-cpu')
    function, arguments = compile_for(name)
    assert type(function.fn).__name__ == 'Program'
    for found, right in zip(outputs_of(function(*arguments)), expected):
        assert abs(found - right).max() <= 1e-4 * abs(right).max()
    # JAX's export of 0.4.30 needs absl-py.
    if installed_version('absl-py') or installed_version('jax') > '0.4.30':
        assert 'stablehlo.' in lowered_for_cuda(function, arguments)


def test_tiles_compute_the_same():
    losses = []
    for device in 'cpu', 'xla-cpu':
        devices.use(device)
        losses.append(style_loss(TiledStyleLoss, core=(16, 16))(picture()))
    for found, right in zip(losses[1], losses[0]):
        assert abs(found - right).max() <= 1e-4 * abs(right).max()


def test_an_evaluation_sends_the_picture_and_fetches_terms_and_gradient():
    devices.use('xla-cpu')
    from models.runtime.xla import linker

    loss, image = style_loss(), picture()
    terms, gradient = loss(image)
    before = linker.Counts(**vars(linker.counts))
    for _ in range(3):
        terms, gradient = loss(image + 1)
    after = linker.counts
    assert (after.kept, after.programs) == (before.kept, before.programs)
    assert (after.sent - before.sent, after.fetched - before.fetched) == (3, 6)
    assert after.sent_bytes - before.sent_bytes == 3 * image.nbytes
    assert after.fetched_bytes - before.fetched_bytes == 3 * (gradient.nbytes
                                                              + 4 * len(loss.names))


def test_a_whole_style_transfer(tmp_path):
    """40 evaluations end at the same loss, and on one device with the same bytes.

    By Adam (0.01 % apart): L-BFGS's line searches amplify each last digit, and after 40 evaluations
    of a small picture its ends are 0.01 to 3 % apart.
    """
    losses = {}
    for name, device in (('c', 'cpu'), ('xla', 'xla-cpu'), ('again', 'xla-cpu')):
        styletransfer.main(['--size', '32', '--rounds', '2', '--evals', '20', '--optimiser', 'adam',
                            '--model', 'vgg19_quarter', '--content-layers', 'conv2_2',
                            '--style-layers', 'conv1_1,conv2_1', '--quiet', '--device', device,
                            '--out', str(tmp_path / name)])
        record = json.loads((tmp_path / name / 'run.json').read_text())
        assert record['device']['name'] == device
        losses[name] = record['loss']
    assert record['device']['jax'] == installed_version('jax')
    np.testing.assert_allclose(losses['xla'], losses['c'], rtol=1e-3)
    pictures = [(tmp_path / name / 'result.png').read_bytes() for name in ('xla', 'again')]
    assert pictures[0] == pictures[1]
