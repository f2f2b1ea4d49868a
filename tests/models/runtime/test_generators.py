"""The generators' ops in C, and thin convolutions, against the same without them."""

from models import layers
from models.runtime import generators
from models.runtime.convolution import Patches

import numpy as np
import pytest
import theano
import theano.tensor as T

DIRECT = theano.compile.get_default_mode().excluding('archive')


def both(inputs, outputs):
    """Compile with and without the archive's ops."""
    return [theano.function(inputs, outputs, mode=mode) for mode in (None, DIRECT)]


def ops(function):
    return {type(node.op) for node in function.maker.fgraph.toposort()}


@pytest.mark.parametrize('rectified', [True, False])
def test_normalisation_is_numpys(rectified):
    x, above = T.tensor4s('xa')
    scale, shift = T.vectors('sb')
    y = layers.Normalise(1e-5, rectified)(x, scale, shift)[0]
    gradients = T.grad(None, [x, scale, shift], known_grads={y: above})
    ours, numpys = both([x, scale, shift, above], [y, *gradients])
    assert {generators.Normalise, generators.NormaliseBack} <= ops(ours)
    assert not {generators.Normalise, generators.NormaliseBack} & ops(numpys)
    random = np.random.RandomState(0)
    for shape in ((2, 3, 7, 5), (1, 1, 1, 1), (1, 4, 33, 40)):
        arrays = [random.normal(50, 30, shape), random.normal(1, 1, shape[1]),
                  random.normal(0, 1, shape[1]), random.normal(0, 1, shape)]
        arrays = [array.astype('float32') for array in arrays]
        for found, wanted in zip(ours(*arrays), numpys(*arrays)):
            # The gradients are differences of large sums.
            np.testing.assert_allclose(found, wanted, atol=2e-5 * max(1, np.abs(wanted).max()))


def test_places_are_numpys():
    x, above = T.tensor4s('xa')
    rule = layers.Rule(3, 2, 'zero', 2)
    y = layers.Take()(x, layers.Places(rule)(x.shape[2]), layers.Places(rule)(x.shape[3]))
    ours, numpys = both([x, above], [y, T.grad(None, x, known_grads={y: above})])
    assert {generators.Take, generators.Put} <= ops(ours)
    assert not {generators.Take, generators.Put} & ops(numpys)
    random = np.random.RandomState(0)
    arrays = random.normal(size=(2, 3, 4, 6)), random.normal(size=(2, 3, 13, 17))
    arrays = [np.asfortranarray(array.astype('float32')) for array in arrays]
    for found, wanted in zip(ours(*arrays), numpys(*arrays)):
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_places_outside_are_an_error():
    x, rows = T.tensor4(), T.lvector()
    take = theano.function([x, rows], layers.Take()(x, rows, rows))
    with pytest.raises(IndexError, match='outside'):
        take(np.zeros((1, 1, 2, 2), 'float32'), np.array([0, 2]))


@pytest.mark.parametrize('flip, pad', [(False, 0), (True, 4)])
def test_thin_convolutions_are_theanos(flip, pad):
    x, above = T.tensor4s('xa')
    random = np.random.RandomState(0)
    shape = (3, 6, 9, 9)
    kernels, bias = (theano.shared(random.normal(size=size).astype('float32'))
                     for size in (shape, 3))
    y = T.nnet.conv2d(x, kernels, filter_flip=flip, border_mode=pad, filter_shape=shape)
    y = T.maximum(y + bias.dimshuffle('x', 0, 'x', 'x'), 0)
    gradients = T.grad(None, [x, kernels, bias], known_grads={y: above})
    ours, theanos = both([x, above], [y, *gradients])
    assert Patches in ops(ours) and Patches not in ops(theanos)
    for batch, rows, columns in ((1, 9, 12), (3, 20, 17)):
        arrays = [random.normal(size=(batch, channels, *size)).astype('float32')
                  for channels, size in ((6, (rows, columns)),
                                         (3, (rows - 8 + 2 * pad, columns - 8 + 2 * pad)))]
        for found, wanted in zip(ours(*arrays), theanos(*arrays)):
            np.testing.assert_allclose(found, wanted, atol=3e-6 * np.abs(wanted).max())
