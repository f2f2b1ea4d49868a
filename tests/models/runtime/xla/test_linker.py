"""What goes between host and device, and what a program does that is not as Theano's."""

import pickle

from models.errors import ArchiveError

import numpy as np
import pytest
import theano
import theano.tensor as T

from .conftest import IN_C


@pytest.fixture
def linker(xla):
    from models.runtime.xla import linker
    return linker


@pytest.fixture
def counted(linker):
    """Return a function that calls another and gives what was transferred, (kept, sent, fetched).
    """

    def count(function, *arguments):
        before = linker.Counts(**vars(linker.counts))
        function(*arguments)
        return tuple(getattr(linker.counts, name) - getattr(before, name)
                     for name in ('kept', 'sent', 'fetched'))

    return count


def random(*shape):
    return np.random.RandomState(sum(shape)).uniform(-1, 1, shape).astype('float32')


def test_weights_are_sent_once_and_updates_stay(counted):
    W, x = theano.shared(random(30, 20)), T.matrix('x')
    step = theano.function([x], T.dot(x, W).sum(), updates=[(W, W * 2)])
    look = theano.function([x], T.dot(x, W).sum())
    before = W.get_value()
    assert counted(look, random(2, 30)) == (1, 1, 1)
    assert counted(step, random(2, 30)) == (0, 1, 1)
    assert counted(step, random(2, 30)) == (0, 1, 1)
    assert counted(W.get_value) == (0, 0, 1)
    np.testing.assert_array_equal(W.get_value(), before * 4)
    W.set_value(before)
    assert counted(look, random(2, 30)) == (1, 1, 1)
    np.testing.assert_allclose(look(np.ones((1, 30), 'float32')), before.sum(), rtol=1e-5)


def test_functions_in_c_share_variables_with_the_device(xla):
    W, x = theano.shared(random(3, 2)), T.scalar('x')
    before = W.get_value()
    on_device = theano.function([x], W.sum(), updates=[(W, W * x)])
    in_c = theano.function([x], W.sum(), updates=[(W, W + x)], mode=IN_C)
    on_device(2)
    in_c(1)
    on_device(3)
    in_c(1)
    np.testing.assert_allclose(W.get_value(), (before * 2 + 1) * 3 + 1, rtol=1e-6)


def test_writing_behind_theanos_back_is_an_error(xla):
    W = theano.shared(random(3, 2))
    theano.function([], W * 2)()
    with pytest.raises(ValueError, match='read-only'):
        W.get_value(borrow=True)[:] = 0


def test_variables_can_be_pickled_after_a_call(xla):
    W = theano.shared(random(3, 2))
    theano.function([], W * 2)()
    again = pickle.loads(pickle.dumps(W))
    np.testing.assert_array_equal(again.get_value(), W.get_value())
    np.testing.assert_array_equal(theano.function([], again * 2)(), W.get_value() * 2)


def test_arguments_may_be_written_over(xla):
    x, W = T.vector('x'), theano.shared(np.zeros(4, 'float32'))
    step = theano.function([x], [], updates=[(W, W + x)])
    argument = np.ones(4, 'float32')
    step(argument)
    argument[:] = 100
    np.testing.assert_array_equal(W.get_value(), np.ones(4))


def test_shapes_may_change_from_call_to_call(linker):
    x = T.tensor4('x')
    y = x.reshape((x.shape[0], -1, x.shape[3] // 2))[:, 1:, ::-1]
    f = theano.function([x], T.grad((y ** 2).sum(), x))
    before = linker.counts.programs
    for shape in (2, 3, 4, 6), (1, 3, 8, 4), (2, 3, 4, 6):
        assert f(random(*shape)).shape == shape
    assert linker.counts.programs == before + 2


def test_arguments_may_decide_shapes(assert_same):
    x, cores = T.tensor4('x'), T.lmatrix('cores')
    part = x[..., cores[0, 0]:cores[0, 1], cores[1, 0]:cores[1, 1]]
    for first in 0, 2:
        assert_same([x, cores], [part.sum(), T.grad((part ** 2).sum(), x)], random(1, 2, 8, 9),
                    np.array([[first, 5], [1, 6]]))


def test_floats_may_not_decide_shapes(xla):
    x = T.vector('x')
    with pytest.raises(ArchiveError, match='a shape depends on the values of x'):
        theano.function([x], T.zeros((x.sum().astype('int64'),)))


def test_an_op_without_a_rule_is_named_with_its_expression(xla):
    x = T.matrix('x')
    with pytest.raises(ArchiveError, match=r'no rule in JAX for Sort.*, in .*exp\(x\)'):
        theano.function([x], T.sort(T.exp(x)))


def test_integers_alone_stay_on_the_host(xla):
    n = T.lscalar('n')
    assert type(theano.function([n], n * 2).fn).__name__ != 'Program'


def test_too_little_memory_is_told(xla):
    n, x = T.lscalar('n'), T.vector('x')
    f = theano.function([n, x], T.alloc(x[0], n, n) + 1)
    assert f(2, [1]).shape == (2, 2)
    with pytest.raises(ArchiveError, match='has not enough memory .* --memory') as problem:
        f(10 ** 7, [1])  # 400 terabytes
    assert '\n' not in str(problem.value)


def test_a_function_can_be_copied_with_another_variable(xla):
    x, W, V = T.vector('x'), theano.shared(random(4)), theano.shared(random(4) * 2)
    f = theano.function([x], (x * W).sum())
    np.testing.assert_allclose(f.copy(swap={W: V})(np.ones(4, 'float32')),
                               2 * f(np.ones(4, 'float32')), rtol=1e-6)
