"""The archive's Gram matrices against Theano's general products and numpy's."""

from models.runtime.gram import Gram, GramBack

import numpy as np
import pytest
import theano
import theano.tensor as T

from recipes.common import losses

DIRECT = theano.compile.get_default_mode().excluding('archive')


def nodes_of(function):
    return [node for node in function.maker.fgraph.toposort()
            if isinstance(node.op, (Gram, GramBack))]


@pytest.fixture(scope='module')
def functions():
    """Return (ours, Theano's) functions: (x, weights) -> (Gram matrices, gradient of their sum by
    the weights plus another term)."""
    x = T.tensor4('x')
    weights = T.tensor3('weights')
    gram = losses.gram_matrix(x)
    outputs = [gram, T.grad((gram * weights).sum() + (x ** 3).sum(), x)]
    return [theano.function([x, weights], outputs, mode=mode) for mode in (None, DIRECT)]


def test_both_are_taken_and_added_in_place(functions):
    ours, direct = (nodes_of(function) for function in functions)
    assert {type(node.op) for node in ours} == {Gram, GramBack} and not direct
    (back,) = (node.op for node in ours if isinstance(node.op, GramBack))
    assert back.added and back.inplace


@pytest.mark.parametrize('shape', [(1, 5, 7, 9), (3, 16, 8, 8), (1, 1, 3, 3), (2, 33, 65, 70),
                                   (1, 8, 1, 1)])
def test_they_are_the_same(functions, shape):
    random = np.random.RandomState(0)
    x = random.normal(size=shape).astype('float32')
    weights = random.normal(size=(shape[0], shape[1], shape[1])).astype('float32')
    kept = x.copy()
    for found, expected in zip(*(function(x, weights) for function in functions)):
        # Sums over up to 4550 positions in another order: 1.1e-6 of the largest was seen.
        np.testing.assert_allclose(found, expected, rtol=0, atol=4e-6 * np.abs(expected).max())
    np.testing.assert_array_equal(x, kept)
    flat = x.reshape(*shape[:2], -1).astype('float64')
    gram, _ = functions[0](x, weights)
    np.testing.assert_allclose(gram, flat @ flat.transpose(0, 2, 1), rtol=0,
                               atol=2e-6 * np.abs(gram).max())
    np.testing.assert_array_equal(gram, gram.transpose(0, 2, 1))


def test_a_gradient_that_stands_alone():
    x, weights = T.tensor4('x'), T.tensor3('weights')
    gradient = T.grad((losses.gram_matrix(x) * weights).sum(), x)
    ours, direct = (theano.function([x, weights], gradient, mode=mode) for mode in (None, DIRECT))
    (node,) = nodes_of(ours)
    assert not node.op.added
    random = np.random.RandomState(0)
    inputs = [random.normal(size=shape).astype('float32') for shape in ((2, 6, 5, 4), (2, 6, 6))]
    np.testing.assert_allclose(ours(*inputs), direct(*inputs), atol=1e-4)


def test_the_gram_matrices_of_regions_add_to_other_gradients_too(caplog):
    """The gradient of x goes by a Gram matrix of each region, and by x itself."""
    x, guides = T.tensor4('x'), T.tensor3('guides')
    (sums,) = losses.position_sums(x, 'gram', guides)
    gradient = T.grad((sums ** 2).sum() + (x ** 3).sum(), x)
    ours, direct = (theano.function([x, guides], gradient, mode=mode) for mode in (None, DIRECT))
    assert nodes_of(ours) and not caplog.records  # no rewrite has failed
    random = np.random.RandomState(0)
    inputs = [random.normal(size=shape).astype('float32') for shape in ((1, 6, 5, 4), (2, 5, 4))]
    expected = direct(*inputs)
    np.testing.assert_allclose(ours(*inputs), expected, atol=1e-5 * np.abs(expected).max())


def test_other_products_are_left_alone():
    x, y, z = T.tensor3s('xyz')
    product = T.batched_dot(x, y.dimshuffle(0, 2, 1))
    function = theano.function([x, y, z], [product, T.grad((product * z).sum(), x)])
    assert not nodes_of(function)
