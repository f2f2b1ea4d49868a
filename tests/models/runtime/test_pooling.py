"""The archive's pooling against Theano's own."""

from models.runtime.pooling import Pool, Unpool

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.tensor.signal.pool import pool_2d

DIRECT = theano.compile.get_default_mode().excluding('archive')


def taken(function):
    return sum(isinstance(node.op, (Pool, Unpool)) for node in function.maker.fgraph.toposort())


@pytest.fixture(scope='module', params=['max', 'average_exc_pad', 'average_inc_pad'])
def functions(request):
    """Return (ours, Theano's) functions: (x, gradient above) -> (y, gradient of x)."""
    x, above = T.tensor4s('xa')
    y = pool_2d(x, (2, 2), ignore_border=True, mode=request.param)
    outputs = [y, T.grad(None, x, known_grads={y: above})]
    compiled = [theano.function([x, above], outputs, mode=mode) for mode in (None, DIRECT)]
    assert [taken(function) for function in compiled] == [2, 0]
    return compiled


@pytest.mark.parametrize('rows, columns', [(8, 8), (7, 9), (2, 2), (3, 2), (40, 61), (1, 5)])
@pytest.mark.parametrize('contiguous', [True, False])
def test_it_is_theanos_pooling(functions, rows, columns, contiguous):
    random = np.random.RandomState(0)
    # Whole numbers from -1 to 2: most windows have several largest elements, many are all zero.
    x = np.maximum(random.randint(-1, 3, (2, 3, rows, columns)), 0).astype('float32')
    above = random.normal(size=(2, 3, rows // 2, columns // 2)).astype('float32')
    if not contiguous:
        x, above = (np.asfortranarray(array) for array in (x, above))
    for found, expected in zip(*(function(x, above) for function in functions)):
        np.testing.assert_array_equal(found, expected)


def test_a_window_without_a_largest_gives_nothing_back(functions):
    ours, direct = functions
    x = np.full((1, 1, 2, 2), np.nan, 'float32')
    above = np.ones((1, 1, 1, 1), 'float32')
    for found, expected in zip(ours(x, above), direct(x, above)):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('options', [
    {'ws': (3, 3)}, {'ws': (2, 2), 'stride': (1, 1)}, {'ws': (2, 2), 'pad': (1, 1)},
    {'ws': (2, 2), 'mode': 'sum'}, {'ws': (2, 2), 'ignore_border': False}])
def test_other_poolings_are_left_alone(options):
    x = T.tensor4()
    y = pool_2d(x, **{'ignore_border': True, **options})
    assert taken(theano.function([x], [y, T.grad(y.sum(), x)])) == 0


def test_float64_is_left_alone():
    x = T.dtensor4()
    y = pool_2d(x, (2, 2), ignore_border=True)
    assert taken(theano.function([x], [y, T.grad(y.sum(), x)])) == 0
