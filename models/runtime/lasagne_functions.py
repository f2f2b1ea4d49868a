"""The functions of Lasagne 0.2.dev1 that Recipes-era code uses, for Lasagne 0.1.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

import functools
import warnings
from collections import OrderedDict

import numpy as np
import theano
import theano.tensor as T
from lasagne.updates import get_or_compute_grads as _get_or_compute_grads
from lasagne.utils import as_theano_expression, floatX


def elu(x):
    """Compute x where it is positive, else exp(x) - 1 (Clevert et al. 2015)."""
    return T.switch(T.le(x, 0), T.expm1(T.minimum(x, 0)), x)  # else the gradient is inf * 0


def softplus(x):
    """Compute log(1 + exp(x))."""
    return T.nnet.softplus(x)


class ScaledTanH:
    """The nonlinearity scale_out * tanh(scale_in * x)."""

    def __init__(self, scale_in=1, scale_out=1):
        self.scale_in, self.scale_out = scale_in, scale_out

    def __call__(self, x):
        """Compute the scaled hyperbolic tangent of x, a Theano variable of any shape."""
        return T.tanh(x * self.scale_in) * self.scale_out


class SELU:
    """The nonlinearity scale * (x where it is positive, else scale_neg * (exp(x) - 1))."""

    def __init__(self, scale=1, scale_neg=1):
        self.scale, self.scale_neg = scale, scale_neg

    def __call__(self, x):
        """Compute the scaled exponential linear unit of x, a Theano variable of any shape."""
        negative = self.scale_neg * T.expm1(T.minimum(x, 0))
        return self.scale * T.switch(T.le(x, 0), negative, x)


# Klambauer et al. 2017: mean 0 and variance 1 stay.
selu = SELU(scale=1.0507009873554805, scale_neg=1.6732632423543772)


def align_targets(predictions, targets):
    """Align predictions and targets: a vector of targets as a column where predictions are one.

    Else a network with one output unit, (batch, 1), and targets (batch,) would be broadcast
    against each other to (batch, batch).
    """
    if getattr(predictions, 'broadcastable', None) == (False, True) and (
            getattr(targets, 'ndim', None) == 1):
        targets = as_theano_expression(targets).dimshuffle(0, 'x')
    return predictions, targets


def binary_crossentropy(predictions, targets):
    """Compute -t log(p) - (1 - t) log(1 - p) of each prediction."""
    return T.nnet.binary_crossentropy(*align_targets(predictions, targets))


def squared_error(a, b):
    """Compute the squared difference of each element."""
    predictions, targets = align_targets(a, b)
    return T.sqr(predictions - targets)


def huber_loss(predictions, targets, delta=1):
    """Compute half the square of each difference up to delta, and beyond what goes on linearly."""
    predictions, targets = align_targets(predictions, targets)
    distance = abs(targets - predictions)
    return T.switch(T.le(distance, delta), 0.5 * T.sqr(distance), delta * (distance - delta / 2.))


def binary_hinge_loss(predictions, targets, delta=1, log_odds=None, binary=True):
    """Compute max(0, delta - margin) of each prediction.

    Args:
        log_odds: whether the predictions are log-odds, and not probabilities 0 to 1; where it is
            not given they are taken for log-odds, with a warning, as its documentation says.
        binary: targets are 0 and 1, and not -1 and 1.
    """
    if log_odds is None:
        warnings.warn('give binary_hinge_loss log_odds=True or False: without it predictions are '
                      'taken for log-odds', FutureWarning, stacklevel=2)
    elif not log_odds:
        predictions = T.log(predictions / (1 - predictions))
    predictions, targets = align_targets(predictions, 2 * targets - 1 if binary else targets)
    return T.maximum(0, delta - predictions * targets)


def multiclass_hinge_loss(predictions, targets, delta=1):
    """Compute how much the nearest other class comes up to the right one, of each row.

    Args:
        predictions: (batch, classes).
        targets: (batch,) indices, or (batch, classes) with a one in each row.

    Raises:
        TypeError: targets with another number of axes.
    """
    _check_ranks(predictions, targets)
    if targets.ndim == predictions.ndim - 1:
        targets = T.extra_ops.to_one_hot(targets, predictions.shape[1])
    right = (predictions * targets).sum(axis=1)
    others = T.switch(T.neq(targets, 0), -np.inf, predictions)
    return T.maximum(0, others.max(axis=1) - right + delta)


def binary_accuracy(predictions, targets, threshold=0.5):
    """Compute 1 where prediction and target lie on the same side of the threshold, else 0."""
    predictions, targets = align_targets(predictions, targets)
    return T.eq(T.ge(predictions, threshold), targets)


def _check_ranks(predictions, targets):
    if targets.ndim not in (predictions.ndim, predictions.ndim - 1):
        raise TypeError('rank mismatch between targets and predictions')


def categorical_accuracy(predictions, targets, top_k=1):
    """Tell of each row whether the right class is among the top_k.

    Args:
        predictions: (..., classes).
        targets: (...) indices, or (..., classes) with a one in each row.

    Raises:
        TypeError: targets with another number of axes.
    """
    _check_ranks(predictions, targets)
    if targets.ndim == predictions.ndim:
        targets = T.argmax(targets, axis=-1)
    if top_k == 1:
        return T.eq(T.argmax(predictions, axis=-1), targets)
    best = T.argsort(predictions, axis=-1)[..., -top_k:]
    return T.any(T.eq(best, T.shape_padright(targets)), axis=-1)


def get_or_compute_grads(loss_or_grads, params):
    """Compute the gradients of a loss, or take those that are given; see Lasagne's own.

    Raises:
        ValueError: a parameter that is an expression, which cannot be updated, or another number
            of gradients.
    """
    if not all(isinstance(parameter, theano.compile.SharedVariable) for parameter in params):
        raise ValueError('params must contain shared variables only. If it contains arbitrary '
                         'parameter expressions, then lasagne.utils.collect_shared_vars() may '
                         'help you.')
    return _get_or_compute_grads(loss_or_grads, params)


def with_plain_rates(update):
    """Make an update function whose rates may be numpy's: 1 - np.float32(0.9) is a float64."""
    @functools.wraps(update)
    def mended(*arguments, **rates):
        return update(*map(_plain, arguments),
                      **{name: _plain(rate) for name, rate in rates.items()})

    return mended


def _plain(rate):
    return float(rate) if isinstance(rate, np.floating) else rate


def adamax(loss_or_grads, params, learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Build the updates of AdaMax (Kingma & Ba 2015, algorithm 2), an OrderedDict."""
    gradients = get_or_compute_grads(loss_or_grads, params)
    updates, step = _next_step()
    rate = learning_rate / (1 - beta1 ** step)
    for parameter, gradient in zip(params, gradients):
        mean, largest = _zeros_like(parameter), _zeros_like(parameter)
        updates[mean] = beta1 * mean + (1 - beta1) * gradient
        updates[largest] = T.maximum(beta2 * largest, abs(gradient))
        updates[parameter] = parameter - rate * updates[mean] / (updates[largest] + epsilon)
    return updates


def amsgrad(loss_or_grads, params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Build the updates of AMSGrad (Reddi et al. 2018), an OrderedDict."""
    gradients = get_or_compute_grads(loss_or_grads, params)
    updates, step = _next_step()
    rate = learning_rate * T.sqrt(1 - beta2 ** step) / (1 - beta1 ** step)
    for parameter, gradient in zip(params, gradients):
        mean, square, largest = (_zeros_like(parameter) for _ in range(3))
        updates[mean] = beta1 * mean + (1 - beta1) * gradient
        updates[square] = beta2 * square + (1 - beta2) * gradient ** 2
        updates[largest] = T.maximum(largest, updates[square])
        updates[parameter] = parameter - rate * updates[mean] / (T.sqrt(updates[largest])
                                                                 + epsilon)
    return updates


def _next_step():
    """Build updates that count steps, and the number of the step that they belong to."""
    before = theano.shared(floatX(0))
    step = before + 1
    return OrderedDict([(before, step)]), step


def _zeros_like(parameter):
    """Make a shared variable of zeros of a parameter's shape and type."""
    return theano.shared(np.zeros_like(parameter.get_value(borrow=True)),
                         broadcastable=parameter.broadcastable)
