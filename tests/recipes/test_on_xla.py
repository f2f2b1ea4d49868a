"""What each recipe compiles, on JAX's CPU beside Theano's C; and lowered for CUDA, with no GPU."""

import json

import numpy as np
import pytest

import models
from models.runtime.xla import devices
from recipes import class_model, deconvnet, deepdream, saliency, styletransfer, train_all_cnn
from recipes.common import projections
from recipes.style.loss import Looker, Painting, StyleLoss
from recipes.style.tiled_loss import TiledStyleLoss

pytest.importorskip('jax')
SIZE = 32
AIMS = dict(content_layers=['conv2_2'], style_layers=['conv1_1', 'conv2_1'])


def picture(rows=SIZE, columns=SIZE, batch=1):
    return np.random.RandomState(rows + columns).uniform(
        -100, 100, (batch, 3, rows, columns)).astype('float32')


@pytest.fixture(autouse=True)
def the_cpu_afterwards():
    yield
    devices.use('cpu')


def stack():
    return models.load('vgg19_quarter', deepest='conv3_1')[0]


def whole():
    return models.load('vgg19_quarter')[0]


def style_loss(made=StyleLoss, **options):
    loss = made(net=stack(), **AIMS, **options)
    loss.aim_at(Looker(loss).targets(picture(), [Painting(picture(40, 24))]))
    return loss


def projected(method):
    net = stack()
    seed = np.zeros((1, *net['conv3_1'].output_shape[1:2], SIZE // 4, SIZE // 4), 'float32')
    seed[0, 3, 2:6, 2:6] = 1
    return projections.compile_projection(net, ['conv3_1'], method), [picture(), seed]


def stepped_down():
    seed = projected('deconvnet')[1][1]
    return deconvnet.compile_deconvnet(stack(), 'conv3_1'), [picture(), seed]


def trained():
    training = train_all_cnn.Training(models.build('all_cnn_c', width=0.1), np.zeros(3))
    training.random.seed(7)
    return training.step, [picture(batch=4), np.arange(4, dtype='int32'), np.float32(0.01)]


# Recipe to a function that gives (compiled function, its arguments).
COMPILED = {
    'saliency': lambda: (saliency.compile_saliency_function(whole()), [picture(64, 64)]),
    'gradient': lambda: projected('gradient'),
    'guided backprop': lambda: projected('guided'),
    'deconvnet as a gradient': lambda: projected('deconvnet'),
    'deconvnet': stepped_down,
    'class model': lambda: (class_model.compile_class_score(whole()),
                            [picture(64, 64), np.array([7], 'int32')]),
    'dream': lambda: (deepdream.compile_dream(stack(), 'conv3_1', 'layer'), [picture()]),
    'guided dream': lambda: (deepdream.compile_dream(stack(), 'conv2_2', 'guide'),
                             [picture(), abs(picture(1, 16, batch=10)).reshape(15, 32)]),
    'activations': lambda: (projections.compile_activations(stack(), ['conv1_2', 'conv3_1']),
                            [picture()]),
    'style transfer': lambda: (style_loss().function, [picture()]),
    'covariances': lambda: (style_loss(kind='covariance').function, [picture()]),
    'training': trained,
}


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
    function, arguments = COMPILED[name]()
    expected = outputs_of(function(*arguments))
    devices.use('xla-cpu')
    function, arguments = COMPILED[name]()
    assert type(function.fn).__name__ == 'Program'
    for found, right in zip(outputs_of(function(*arguments)), expected):
        assert abs(found - right).max() <= 1e-4 * abs(right).max()
    if devices.version('absl-py') or devices.version('jax') > '0.4.30':  # export of 0.4.30 needs it
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
    losses = {}
    for name, device in (('c', 'cpu'), ('xla', 'xla-cpu'), ('again', 'xla-cpu')):
        styletransfer.main(['--size', '32', '--rounds', '2', '--evals', '20', '--quiet', '--device',
                            device, '--out', str(tmp_path / name)])
        record = json.loads((tmp_path / name / 'run.json').read_text())
        assert record['device']['name'] == device
        losses[name] = record['loss']
    assert record['device']['jax'] == devices.version('jax')
    np.testing.assert_allclose(losses['xla'], losses['c'], rtol=1e-3)
    pictures = [(tmp_path / name / 'result.png').read_bytes() for name in ('xla', 'again')]
    assert pictures[0] == pictures[1]
