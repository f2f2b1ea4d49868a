"""The computed receptive field is the one that the gradient shows."""

import models

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import ConcatLayer, Conv2DLayer, DenseLayer, InputLayer, Pool2DLayer

from recipes.common import receptive_fields
from recipes.common.receptive_fields import (
    Field,
    gradient_patch_of,
    patch_of,
    pixels_of,
    receptive_field,
)


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


def test_a_patch_is_what_a_unit_sees():
    picture = np.arange(8 * 10 * 3).reshape(8, 10, 3)
    fields = (Field(5, 2, -1), Field(3, 1, 0))
    np.testing.assert_array_equal(patch_of(fields, (1, 4), picture), picture[1:6, 4:7])
    corner = patch_of(fields, (0, 0), picture, fill=-1)
    assert corner.shape == (5, 3, 3) and (corner[0] == -1).all()
    np.testing.assert_array_equal(corner[1:], picture[:4, :3])
    large = patch_of((Field(20, 2, -3), Field(3, 1, 0)), (0, 9), picture, fill=-1)
    assert large.shape == (8, 3, 3) and (large[:, 1:] == -1).all()
    assert patch_of(None, (0, 0), picture) is picture
    gradient = picture.transpose(2, 0, 1)
    np.testing.assert_array_equal(gradient_patch_of(fields, (1, 4), gradient),
                                  gradient[:, 1:6, 4:7])


def test_a_field_is_computed_once_a_layer(monkeypatch):
    """GoogLeNet has 4^9 ways from its last layer to the picture."""
    asked = []
    above = receptive_fields._field_above
    monkeypatch.setattr(receptive_fields, '_field_above',
                        lambda layer, below: asked.append(layer) or above(layer, below))
    net = models.build('googlenet', width=1 / 64)
    assert receptive_field(net['inception_5b/output'])[0].size == 715
    assert len(asked) == len(set(asked)) < len(net)


@pytest.mark.parametrize('name, sizes', [('squeezenet', {'conv1': 3, 'pool1': 7, 'fire3/concat': 23,
                                                         'fire9/concat': 207}),
                                         ('all_cnn_c', {'conv1_3': 7, 'conv2_3': 19})])
def test_fields_of_the_other_networks(name, sizes):
    net = models.build(name, width=1 / 16)
    assert {layer: receptive_field(net[layer])[0].size for layer in sizes} == sizes
