"""Every rule against what Theano's own C computes."""

from models import layers

import numpy as np
import pytest
import theano
import theano.tensor as T
from theano.sandbox.rng_mrg import MRG_RandomStream
from theano.tensor.signal.pool import pool_2d

from .conftest import IN_C

rules = pytest.importorskip('models.runtime.xla.rules', reason='JAX is not installed')


def random(*shape, dtype='float32'):
    return np.random.RandomState(sum(shape)).uniform(-1, 1, shape).astype(dtype)


def weighted_sum(y):
    """A loss whose gradient is another number at each place."""
    return (y * T.arange(y.size).reshape(y.shape, ndim=y.ndim).astype(y.dtype) / 100).sum()


CONVOLUTIONS = [dict(border_mode=border, filter_flip=flip)
                for border in ('valid', 'half', 'full', (2, 1), ((0, 2), (1, 3)))
                for flip in (True, False)]
CONVOLUTIONS += [dict(border_mode=(1, 2), subsample=(2, 3)),
                 dict(border_mode='half', subsample=(2, 1), num_groups=2),
                 dict(border_mode='valid', filter_dilation=(2, 3)),
                 dict(border_mode='full', subsample=(3, 2), filter_flip=False, num_groups=4)]


@pytest.mark.parametrize('rows, columns', [(13, 14), (8, 9)])
def test_convolutions_and_their_gradients(assert_same, rows, columns):
    x, outputs = T.tensor4('x'), []
    for options in CONVOLUTIONS:
        kernels = theano.shared(random(8, 4 // options.get('num_groups', 1), 3, 2))
        y = T.nnet.conv2d(x, kernels, **options)
        outputs += [y, *T.grad(weighted_sum(y), [x, kernels])]
    assert_same([x], outputs, random(2, 4, rows, columns))


@pytest.mark.parametrize('flip', [True, False])
def test_the_gradient_of_steps_of_1_is_no_transpose_to_xla(xla, flip):
    above, kernels = T.tensor4('above'), theano.shared(random(8, 4, 3, 3))
    x = T.zeros((1, 4, 9, 8))
    back = theano.function([above], T.Lop(T.nnet.conv2d(x, kernels, border_mode='half',
                                                        filter_flip=flip), x, above))
    back(random(1, 8, 9, 8))
    (program,) = back.fn.compiled.values()
    assert ' convolution(' in program.as_text()
    assert 'revers' not in program.as_text()


def test_a_gradient_of_another_size_is_refused(xla):
    above, kernels = T.tensor4('above'), theano.shared(random(8, 4, 3, 3))
    x = T.zeros((1, 4, 11, 8))
    back = theano.function([above], T.Lop(T.nnet.conv2d(x, kernels, border_mode='half'), x, above))
    with pytest.raises(TypeError):
        back(random(1, 8, 9, 8))


def test_convolutions_in_float64_are_exact(assert_same):
    x, kernels = T.dtensor4('x'), T.dtensor4('kernels')
    y = T.nnet.conv2d(x, kernels, border_mode='half')
    assert_same([x, kernels], [y, *T.grad((y ** 2).sum(), [x, kernels])],
                random(2, 3, 9, 8, dtype='float64'), random(5, 3, 3, 3, dtype='float64'),
                tolerance=1e-13)


def test_convolutions_in_three_dimensions(assert_same):
    x, kernels = T.tensor5('x'), T.tensor5('kernels')
    y = T.nnet.conv3d(x, kernels, border_mode=(1, 0, 1))
    assert_same([x, kernels], [y, *T.grad(weighted_sum(y), [x, kernels])],
                random(1, 2, 5, 6, 7), random(3, 2, 3, 2, 3))


POOLINGS = [dict(ws=(2, 2), ignore_border=True), dict(ws=(3, 3), stride=(2, 2), ignore_border=True),
            dict(ws=(3, 2), stride=(2, 1), ignore_border=True, pad=(1, 1)),
            dict(ws=(3, 3), stride=(2, 2), ignore_border=False),
            dict(ws=(2, 3), stride=(3, 4), ignore_border=False),
            dict(ws=(2, 2), ignore_border=False)]


@pytest.mark.parametrize('rows, columns', [(8, 9), (11, 7)])
def test_poolings_and_their_gradients(assert_same, rows, columns):
    x, outputs = T.tensor4('x'), []
    for options in POOLINGS:
        for mode in 'max', 'average_exc_pad', 'average_inc_pad', 'sum':
            y = pool_2d(x, mode=mode, **options)
            outputs.append(y)
            if not (mode == 'sum' and options.get('pad')):  # Theano has no gradient of it
                outputs.append(T.grad(weighted_sum(y), x))
    # Many windows have equal maxima, and many are all zero.
    ties = np.round(random(2, 3, rows, columns) * 2).clip(0)
    assert_same([x], outputs, ties.astype('float32'))


def test_a_nan_goes_through(assert_same):
    x = T.tensor4('x')
    picture = random(1, 1, 4, 4)
    picture[0, 0, 1, 1] = np.nan
    outputs = [T.switch(T.le(x, 0), 0, x), x.sum(axis=(2, 3)), x.max(), T.maximum(x, 0), abs(x),
               pool_2d(x, (2, 2), ignore_border=True, mode='average_exc_pad')]
    assert_same([x], outputs, picture)


def fused(*terms):
    """A sum, which Theano compiles as one module; weights tell the terms apart."""
    return sum(term * (1 + index / 10) for index, term in enumerate(terms))


def test_elements(assert_same):
    x, y, n, m = T.matrix('x'), T.matrix('y'), T.imatrix('n'), T.bmatrix('m')
    positive = abs(x) + 0.1
    outputs = [
        fused(x + y + 1, x - y, x * y, x / positive, x // positive, x % positive, -x, x ** 2,
              positive ** 2.5, T.maximum(x, y), T.minimum(x, y), T.clip(x, -.5, .5)),
        fused(T.exp(x), T.log(positive), T.log1p(positive), T.expm1(x), T.sqrt(positive),
              T.sin(x), T.tanh(x), T.arctan(x), T.sgn(x), T.inv(positive), T.floor(x * 3),
              T.ceil(x * 3), T.erf(x), T.round(x * 4, mode='half_to_even'),
              T.round(x * 4, mode='half_away_from_zero')),
        fused(T.nnet.sigmoid(x), T.nnet.softplus(y), T.nnet.elu(x), T.nnet.relu(x, 0.1),
              T.switch(x > y, x, 0), T.second(x, y)),
        fused(n // 3, n % 3, n * n, -n), n / 2, n * x, m + x, m * n, T.sqrt(n), T.minimum(x, n),
        fused(T.eq(n, 2), T.neq(n, 2), x < y, x >= y, T.isnan(x), T.isinf(x)),
        T.and_(n > 1, x > 0), T.cast(x * 5, 'int32'), T.cast(n, 'float64') / 3]
    assert_same([x, y, n, m], outputs, random(4, 5), random(4, 5)[::-1].copy(),
                np.arange(20, dtype='int32').reshape(4, 5), np.ones((4, 5), 'int8'))


def test_reductions_shapes_and_products(assert_same):
    x, y, v = T.matrix('x'), T.matrix('y'), T.vector('v')
    outputs = [x.sum(), x.sum(axis=0), x.mean(axis=1, keepdims=True), x.prod(axis=1), x.max(axis=0),
               x.min(), x.var(), x.std(axis=0), x.norm(2), (x > 0).all(axis=0), (x > 0).any(),
               T.argmax(x, axis=1), T.argmax(x), T.argmin(x, axis=0), *T.max_and_argmax(x, axis=0),
               x.dimshuffle(1, 'x', 0), x.T, x.flatten(), x.reshape((3, -1, 2)), x.shape[0] * x,
               T.concatenate([x, y], axis=1), T.stack([x, y]), T.zeros((x.shape[1], 2)),
               T.ones_like(x), T.alloc(v[0], 2, 3), T.eye(3), T.arange(x.shape[1]) * v[0],
               T.repeat(x, 2, axis=1), T.tile(x, (2, 1)), T.batched_dot(x, y),
               T.batched_dot(x.dimshuffle('x', 0, 1), y.dimshuffle('x', 1, 0)),
               T.dot(x, y.T), T.dot(x, v), T.dot(v, v), T.outer(v, v),
               T.tensordot(x, y, axes=[[0, 1], [0, 1]])]
    assert_same([x, y, v], outputs, random(5, 6), random(5, 6)[::-1].copy(), random(6))


def test_parts_and_their_gradients(assert_same):
    x, k, rows = T.matrix('x'), T.lscalar('k'), T.ivector('rows')
    parts = [x[1:4, ::2], x[::-1], x[-2], x[k], x[k:, 1], x[rows], x[rows, rows], x[:, -3:-1],
             x[k + 1:k + 3, ::-2], x[T.arange(2), :2]]
    outputs = [*parts, *(T.grad((part ** 2).sum(), x) for part in parts),
               T.set_subtensor(x[1, 2:4], 7), T.inc_subtensor(x[::2], 1), T.inc_subtensor(x[rows],
                                                                                         1),
               T.set_subtensor(x[k], 0), T.inc_subtensor(x[rows, rows], x[rows, 0])]
    assert_same([x, k, rows], outputs, random(5, 6), 2, np.array([3, 0, -1, 3], 'int32'))


def test_classes(assert_same):
    x, bias, labels = T.matrix('x'), T.vector('b'), T.ivector('labels')
    soft = T.nnet.softmax(x + bias)
    losses = [T.nnet.categorical_crossentropy(soft, labels).mean(), T.log(soft).sum(),
              T.nnet.categorical_crossentropy(abs(x) + 0.1, labels).sum(),
              soft[T.arange(labels.shape[0]), labels].sum(), T.nnet.logsoftmax(x).var(),
              (soft ** 2).sum(), T.nnet.binary_crossentropy(T.nnet.sigmoid(x), soft).sum()]
    assert_same([x, bias, labels], [soft, *losses, *(T.grad(loss, x) for loss in losses)],
                random(5, 6) * 3, random(6), np.array([3, 0, 2, 2, 5], 'int32'))


def test_random_numbers_are_those_of_the_cpu(xla):
    def drawn(mode):
        stream = MRG_RandomStream(3)
        f = theano.function([], [stream.uniform((7, 5)), stream.binomial((1000,), p=.3),
                                 stream.normal((4, 3)), stream.uniform((9,), dtype='float64')],
                            mode=mode)
        return f() + f()

    for found, right in zip(drawn(None), drawn(IN_C)):
        np.testing.assert_allclose(found, right, atol=2e-6)


def test_an_override_of_the_gradient_holds(assert_same):
    x = T.matrix('x')
    op = theano.OpFromGraph([x], [x ** 2])
    op.grad = lambda inputs, above: [above[0] * 10 + inputs[0]]
    y = op(x)
    assert_same([x], [y, T.grad(weighted_sum(y), x)], random(3, 4))


def test_lengths_that_do_not_match_are_an_error_also_where_one_is_1(xla):
    x, y = T.matrix('x'), T.matrix('y')
    with pytest.raises(ValueError, match='dimensions do not match'):
        theano.function([x, y], x * y)(random(3, 4), random(1, 4))


def test_indices_out_of_bounds_do_not_pass(xla):
    x, rows = T.matrix('x'), T.ivector('rows')
    bad = np.array([0, 7], 'int32')
    soft = T.nnet.softmax(x)
    outputs = [x[rows], T.inc_subtensor(x[rows], 1), T.set_subtensor(x[rows], 1),
               T.nnet.categorical_crossentropy(soft, rows).sum(), T.log(soft)[T.arange(2),
                                                                              rows].sum()]
    f = theano.function([x, rows], outputs)
    assert all(np.isnan(output).any() for output in f(random(2, 4), bad))
    assert not any(np.isnan(output).any() for output in f(random(2, 4), bad // 7))
    with pytest.raises(IndexError, match='out of bounds'):
        theano.function([x], x[5])(random(2, 4))


def test_a_failed_assertion_does_not_pass(xla):
    x = T.vector('x')
    checked = T.opt.Assert('x must be positive')(x, T.all(x > 0))
    f = theano.function([x], checked * 2)
    assert f(np.ones(4, 'float32')).all() and np.isnan(f(np.arange(4, dtype='float32'))).all()


def test_every_rule_is_for_an_op_that_there_is():
    assert all(isinstance(kind, type) for kind in [*rules.RULES, *rules.SHAPING, *rules.SCALARS])


@pytest.mark.parametrize('rule', [layers.Rule(4, 4), layers.Rule(2, 1, 'zero', 2),
                                  layers.Rule(3, 3, 'circular'), layers.SameRule(3, 2)])
def test_padding_and_instance_normalisation_of_the_generators(assert_same, rule):
    x, scale, shift = T.tensor4('x'), T.vector('scale'), T.vector('shift')
    padded = layers.Take()(x, *(layers.Places(rule)(x.shape[axis]) for axis in (2, 3)))
    y = layers.Normalise(1e-5, True)(padded, scale, shift)[0]
    loss = (y ** 2 * T.arange(y.shape[3])).sum()
    assert_same([x, scale, shift], [y, *T.grad(loss, [x, scale, shift])], random(2, 3, 9, 7),
                *random(2, 3))
