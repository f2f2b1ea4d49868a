"""theano.scan and what rests on it: gradients through it, jacobians, Hessians, its loop in C."""

import importlib
import sys

import models  # noqa: F401
from models.runtime import imports

import numpy as np
import pytest
import theano
import theano.tensor as T


@pytest.fixture(autouse=True)
def _only_the_loop_in_c():
    """Compile a scan's loop and nothing else: these small graphs would take a minute."""
    loop = importlib.import_module('theano.scan.scan_perform_ext')
    assert sys.modules[loop.perform.__module__].__file__.endswith('.so')
    mode = theano.compile.mode.Mode(linker='vm', optimizer='fast_compile')
    with theano.config.change_flags(mode=mode, cxx=''):
        yield


def test_a_scan_and_its_gradient():
    """A recurrence h' = tanh(h + x W), whose last state is differentiated step by step."""
    random = np.random.RandomState(0)
    x, W = random.normal(size=(5, 3)), random.normal(size=(3, 3))
    sequence, weights = T.dmatrix(), theano.shared(W)
    states, updates = theano.scan(lambda v, h: T.tanh(h + T.dot(v, weights)), sequence,
                                  T.zeros((3,), 'float64'))
    function = theano.function([sequence], [states, *T.grad(states[-1].sum(), [sequence, weights])])
    assert not updates
    found, by_sequence, by_weights = function(x)

    expected = np.zeros((6, 3))
    for step in range(5):
        expected[step + 1] = np.tanh(expected[step] + x[step] @ W)
    np.testing.assert_allclose(found, expected[1:], rtol=1e-12)
    above, x_gradient, W_gradient = np.ones(3), np.zeros((5, 3)), np.zeros((3, 3))
    for step in reversed(range(5)):
        above = above * (1 - expected[step + 1] ** 2)
        x_gradient[step] = above @ W.T
        W_gradient += np.outer(x[step], above)
    np.testing.assert_allclose(by_sequence, x_gradient, rtol=1e-10)
    np.testing.assert_allclose(by_weights, W_gradient, rtol=1e-10)


def test_an_error_in_its_loop_is_told():
    x, y = T.dmatrix(), T.dvector()
    rows, _ = theano.scan(lambda v: v + y, x)
    function = theano.function([x, y], rows)
    with pytest.raises(ValueError, match='shapes|mis-?match'):
        function(np.ones((2, 3)), [1, 1])
    np.testing.assert_array_equal(function(np.ones((2, 3)), [1, 2, 3]), [[2, 3, 4]] * 2)


def test_jacobian_and_hessian():
    x = T.dvector()
    y = T.stack([x[0] * x[1], x[1] ** 2, x[0]])
    function = theano.function([x], [theano.gradient.jacobian(y, x),
                                     theano.gradient.hessian((x ** 3).sum(), x)])
    jacobian, hessian = function([3, 5])
    np.testing.assert_array_equal(jacobian, [[5, 3], [0, 10], [1, 0]])
    np.testing.assert_array_equal(hessian, [[18, 0], [0, 30]])


def test_only_the_code_of_this_theano_is_changed():
    with pytest.raises(RuntimeError, match='not that of Theano-PyMC 1.1.2'):
        imports.portable('int main() {}')


def test_the_gpu_package_is_imported_without_pkg_resources(python):
    code = ('import models, sys\nassert "theano.gpuarray" not in sys.modules\n'
            'sys.modules["pkg_resources"] = None\n'
            'import theano.gpuarray\n'
            'print(theano.gpuarray.linalg.__name__, sys.modules["pkg_resources"])')
    assert python('-c', code).stdout == 'theano.gpuarray.linalg None\n'
