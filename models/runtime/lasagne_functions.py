"""The functions of Lasagne 0.2.dev1 that Recipes-era code uses, for Lasagne 0.1.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as T
from lasagne.updates import get_or_compute_grads
from lasagne.utils import floatX


def elu(x):
    """Return x where it is positive, else exp(x) - 1 (Clevert et al. 2015)."""
    return T.switch(T.le(x, 0), T.expm1(T.minimum(x, 0)), x)  # else the gradient is inf * 0


def softplus(x):
    """Return log(1 + exp(x))."""
    return T.nnet.softplus(x)


class ScaledTanh:
    """The nonlinearity scale_out * tanh(scale_in * x)."""

    def __init__(self, scale_in=1, scale_out=1):
        self.scale_in, self.scale_out = scale_in, scale_out

    def __call__(self, x):
        """Return the scaled hyperbolic tangent of x, a Theano variable of any shape."""
        return T.tanh(x * self.scale_in) * self.scale_out


def binary_hinge_loss(predictions, targets, binary=True, delta=1):
    """Return max(0, delta - margin) of each prediction; targets are 0 and 1, or -1 and 1."""
    if binary:
        targets = 2 * targets - 1
    return T.maximum(0, delta - predictions * targets)


def multiclass_hinge_loss(predictions, targets, delta=1):
    """Return how much the nearest other class comes up to the right one, of each row.

    Args:
        predictions: (batch, classes).
        targets: (batch,) indices, or (batch, classes) with a one in each row.
    """
    if targets.ndim == predictions.ndim - 1:
        targets = T.extra_ops.to_one_hot(targets, predictions.shape[1])
    right = (predictions * targets).sum(axis=1)
    others = T.switch(T.neq(targets, 0), -np.inf, predictions)
    return T.maximum(0, others.max(axis=1) - right + delta)


def binary_accuracy(predictions, targets, threshold=0.5):
    """Return 1 where prediction and target lie on the same side of the threshold, else 0."""
    return T.eq(T.ge(predictions, threshold), targets)


def categorical_accuracy(predictions, targets, top_k=1):
    """Return of each row whether the right class is among the top_k.

    Args:
        predictions: (..., classes).
        targets: (...) indices, or (..., classes) with a one in each row.
    """
    if targets.ndim == predictions.ndim:
        targets = T.argmax(targets, axis=-1)
    if top_k == 1:
        return T.eq(T.argmax(predictions, axis=-1), targets)
    best = T.argsort(predictions, axis=-1)[..., -top_k:]
    return T.any(T.eq(best, T.shape_padright(targets)), axis=-1)


def adamax(loss_or_grads, params, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Return the updates of AdaMax (Kingma & Ba 2015, algorithm 2), an OrderedDict."""
    gradients = get_or_compute_grads(loss_or_grads, params)
    step_before = theano.shared(floatX(0))
    step = step_before + 1
    rate = learning_rate / (1 - beta1 ** step)
    updates = OrderedDict()
    for parameter, gradient in zip(params, gradients):
        zeros = np.zeros_like(parameter.get_value(borrow=True))
        mean, largest = (theano.shared(zeros, broadcastable=parameter.broadcastable)
                         for _ in range(2))
        updates[mean] = beta1 * mean + (1 - beta1) * gradient
        updates[largest] = T.maximum(beta2 * largest, abs(gradient))
        updates[parameter] = parameter - rate * updates[mean] / (updates[largest] + epsilon)
    updates[step_before] = step
    return updates


def collect_shared_vars(expressions):
    """Return the shared variables that an expression, or several, depend on, each once."""
    expressions = [expressions] if isinstance(expressions, theano.graph.basic.Variable) else (
        expressions)
    return [variable for variable in dict.fromkeys(theano.graph.basic.graph_inputs(expressions))
            if isinstance(variable, theano.compile.SharedVariable)]
