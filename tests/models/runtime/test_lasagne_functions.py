"""The functions of Lasagne 0.2 that 0.1 lacks, against numpy."""

import models  # noqa: F401

import lasagne
import numpy as np
import theano
import theano.tensor as T

POINTS = np.array([-200, -1.5, 0, 0.5, 200], 'float32')


def test_nonlinearities_and_their_gradients():
    x = T.vector()
    functions = [lasagne.nonlinearities.elu, lasagne.nonlinearities.softplus,
                 lasagne.nonlinearities.ScaledTanH(scale_in=0.5, scale_out=3)]
    values = [function(x) for function in functions]
    gradients = [T.grad(value.sum(), x) for value in values]
    found = theano.function([x], values + gradients)(POINTS)
    x = POINTS.astype('float64')
    below = np.minimum(x, 0)
    expected = [np.where(x > 0, x, np.exp(below) - 1), np.logaddexp(0, x), 3 * np.tanh(x / 2),
                np.where(x > 0, 1, np.exp(below)), 1 / (1 + np.exp(-x)),
                1.5 * (1 - np.tanh(x / 2) ** 2)]
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_accuracies_and_hinge_losses():
    predictions, classes, margins, labels = T.matrix(), T.ivector(), T.vector(), T.vector()
    objectives = lasagne.objectives
    one_hot = T.extra_ops.to_one_hot(classes, 4)
    function = theano.function([predictions, classes, margins, labels], [
        objectives.categorical_accuracy(predictions, classes),
        objectives.categorical_accuracy(predictions, one_hot, top_k=2),
        objectives.multiclass_hinge_loss(predictions, classes),
        objectives.multiclass_hinge_loss(predictions, one_hot, delta=0.5),
        objectives.binary_accuracy(margins, labels),
        objectives.binary_hinge_loss(margins, labels)])
    scores = np.array([[1, 4, 2, 0], [3, 1, 2.5, 0], [0, 1, 2, 3]], 'float32')
    found = function(scores, np.int32([1, 2, 0]), np.float32([0.7, 0.2, -3]), np.float32([1, 1, 0]))
    expected = [[1, 0, 0], [1, 1, 0], [0, 1.5, 4], [0, 1, 3.5], [1, 0, 1], [0.3, 0.8, 0]]
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_adamax_is_the_papers():
    start, gradients = np.array([1., -2]), ([0.5, -1], [-0.1, 3], [0, 0.2])
    parameter = theano.shared(start.astype('float32'))
    gradient = T.vector()
    step = theano.function([gradient], updates=lasagne.updates.adamax([gradient], [parameter]))
    mean = largest = np.zeros(2)
    for number, g in enumerate(np.array(gradients), start=1):
        step(g.astype('float32'))
        mean = 0.9 * mean + 0.1 * g
        largest = np.maximum(0.999 * largest, np.abs(g))
        start = start - 0.002 / (1 - 0.9 ** number) * mean / largest
    np.testing.assert_allclose(parameter.get_value(), start, rtol=1e-6)


def test_shared_variables_are_collected():
    a, b = theano.shared(1.0), theano.shared(2.0)
    x = T.scalar()
    assert lasagne.utils.collect_shared_vars([a * x + b, T.exp(a)]) == [a, b]
    assert lasagne.utils.collect_shared_vars(x * b) == [b]
