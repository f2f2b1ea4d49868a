"""The computed receptive field is the one that the gradient shows."""

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import ConcatLayer, Conv2DLayer, DenseLayer, InputLayer, Pool2DLayer

import models
from recipes.common.receptive_fields import pixels_of, receptive_field


def awkward_network():
    """Return layers with unequal sizes, strides and paddings, and a concatenation."""
    net = {'input': InputLayer((None, 1, 40, 44))}
    net['conv1'] = Conv2DLayer(net['input'], 2, (5, 3), stride=(2, 1), pad=(2, 0))
    net['pool'] = Pool2DLayer(net['conv1'], 3, stride=2, pad=(1, 1), mode='average_inc_pad')
    net['conv2'] = Conv2DLayer(net['pool'], 2, 3, pad='same')
    net['narrow'] = Conv2DLayer(net['pool'], 2, 1)
    net['both'] = ConcatLayer([net['conv2'], net['narrow']])
    return net


@pytest.mark.parametrize('name', ['conv1', 'pool', 'conv2', 'both'])
@pytest.mark.parametrize('place', [(0, 0), (3, 4), (8, 9)])
def test_the_gradient_reaches_exactly_the_field(name, place):
    net = awkward_network()
    for layer in net.values():
        if hasattr(layer, 'W'):
            layer.W.set_value(np.ones_like(layer.W.get_value()))
            layer.nonlinearity = lasagne.nonlinearities.identity
    image = net['input'].input_var
    output = lasagne.layers.get_output(net[name], image)
    gradient = theano.function([image], T.grad(output[0, :, place[0], place[1]].sum(), image))
    reached = gradient(np.zeros((1, 1, 40, 44), 'float32'))[0, 0] != 0
    expected = np.zeros_like(reached)
    rows, columns = (slice(*pixels_of(field, index, length)) for field, index, length
                     in zip(receptive_field(net[name]), place, reached.shape))
    expected[rows, columns] = True
    np.testing.assert_array_equal(reached, expected)


def test_vgg_fields_are_the_known_ones():
    net = models.build('vgg19', deepest='pool5', width=1 / 16)
    sizes = {name: receptive_field(net[name])[0] for name in ('conv1_1', 'conv2_1', 'conv4_2',
                                                              'conv5_1', 'pool5')}
    assert {name: field.size for name, field in sizes.items()} == {
        'conv1_1': 3, 'conv2_1': 10, 'conv4_2': 84, 'conv5_1': 156, 'pool5': 268}
    assert sizes['conv5_1'].stride == 16


def test_a_dense_layer_sees_everything():
    assert receptive_field(DenseLayer(InputLayer((None, 1, 8, 8)), 3)) is None
    assert receptive_field(models.build('vgg19_quarter', width=1 / 4)['prob']) is None
