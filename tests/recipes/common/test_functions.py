"""Compiled functions take what people have, and tell in one line what they cannot take."""

from models.errors import ArchiveError

import numpy as np
import pytest
import theano.tensor as T
from lasagne.layers import Conv2DLayer, DenseLayer, GlobalPoolLayer, InputLayer
from lasagne.nonlinearities import softmax

from recipes import class_model, deconvnet, deepdream, occlusion, saliency
from recipes.common import functions, projections


def network():
    net = {'x': InputLayer((None, 3, None, None))}
    net['first'] = Conv2DLayer(net['x'], 4, 3)
    net['mean'] = GlobalPoolLayer(net['first'])
    net['last'] = DenseLayer(net['mean'], 9, nonlinearity=softmax)
    return net


@pytest.fixture(scope='module')
def compiled():
    """Return, by name, (function, its arguments of the types that are computed with)."""
    net, random = network(), np.random.RandomState(0)
    images = random.randint(0, 255, (1, 3, 12, 12)).astype('float32')
    target = random.randint(0, 255, (1, 4, 10, 10)).astype('float32')
    return {
        'activations': (projections.compile_activations(net, ['first']), [images]),
        'gradient': (projections.compile_projection(net, ['first']), [images, target]),
        'deconvnet': (deconvnet.compile_deconvnet(net, 'first'), [images, target]),
        'its steps': (deconvnet.compile_steps(net, 'first')[1], [images, target]),
        'dream': (deepdream.compile_dream(net, 'first', 'seed'),
                  [images, np.arange(4, dtype='float32')]),
        'saliency': (saliency.compile_saliency_function(net), [images]),
        'class score': (class_model.compile_class_score(net), [images, np.array([7], 'int32')]),
        'occlusion': (occlusion.compile_look(net, 'first'), [images])}


NAMES = ('activations', 'gradient', 'deconvnet', 'its steps', 'dream', 'saliency', 'class score',
         'occlusion')


@pytest.mark.parametrize('name', NAMES)
def test_any_real_array_gives_what_float32_gives(compiled, name):
    function, arguments = compiled[name]
    expected = function(*arguments)
    given = [[argument.astype(kind) for argument in arguments]
             for kind in ('float64', 'float16', 'int64', 'uint8')]
    given.append([argument.tolist() for argument in arguments])
    for others in given:
        for one, other in zip(expected, function(*others)):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize('name', NAMES)
def test_wrong_axes_are_named(compiled, name):
    function, (images, *others) = compiled[name]
    with pytest.raises(ArchiveError, match=r'^images: expected \(batch, channels, rows, columns\), '
                                           r'got shape \(3, 12, 12\); a batch of one is'):
        function(images[0], *others)
    with pytest.raises(ArchiveError, match=r'\(batch, channels, rows, columns\) with 3 in channels,'
                                           r' got shape \(1, 12, 12, 3\)'):
        function(images.transpose(0, 2, 3, 1), *others)
    with pytest.raises(ArchiveError, match=r'images: expected real numbers, got complex64'):
        function(images.astype('complex64'), *others)
    with pytest.raises(ArchiveError, match=f'expected {1 + len(others)} arrays .images'):
        function(images, *others, images)


def test_targets_and_classes_are_named(compiled):
    function, (images, target) = compiled['gradient']
    with pytest.raises(ArchiveError, match=r'^target of first: expected \(batch, channels, rows, '
                                           r'columns\), got shape \(4,\)'):
        function(images, np.ones(4))
    with pytest.raises(ArchiveError, match=r'^target of first: .* with 4 in channels'):
        function(images, target[:, :2])
    function, (images, _) = compiled['class score']
    with pytest.raises(ArchiveError, match=r'^classes: expected \(batch,\), got shape \(\)'):
        function(images, 7)
    for wrong in ([7.5], [float('nan')], [2 ** 40]):
        with pytest.raises(ArchiveError, match='classes: expected whole numbers of type int32'):
            function(images, wrong)


def test_a_network_made_for_one_picture_or_for_something_else_tells_its_axes():
    single = InputLayer((1, 1, None, None))
    function = functions.compiled({single.input_var: single}, single.input_var)
    with pytest.raises(ArchiveError, match=r'with 1 in batch, got shape \(2, 1, 5, 5\)'):
        function(np.ones((2, 1, 5, 5)))
    sound, vectors = InputLayer((None, 2, None)), InputLayer((None, 3))
    for layer, axes in ((sound, 'batch, channels, positions'), (vectors, 'batch, units')):
        with pytest.raises(ArchiveError, match=axes):
            functions.compiled({layer.input_var: layer}, layer.input_var)(np.ones(5))


def test_what_is_of_the_right_type_is_not_copied():
    x = T.matrix('x')
    wanted = functions.wanted_of(x, ('rows', 'columns'))
    array = np.ones((2, 3), x.dtype)
    assert functions.converted(array, wanted) is array
