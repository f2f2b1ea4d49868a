"""Lasagne's recurrent layers against loops in numpy."""

import models  # noqa: F401

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (
    CustomRecurrentLayer,
    DenseLayer,
    GRULayer,
    InputLayer,
    LSTMLayer,
    RecurrentLayer,
    get_output,
)

BATCH, STEPS, FEATURES, UNITS = 2, 4, 3, 5
RANDOM = np.random.RandomState(0)
X = RANDOM.normal(size=(BATCH, STEPS, FEATURES)).astype('float32')
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], 'float32')
START = RANDOM.normal(size=(BATCH, UNITS)).astype('float32')


@pytest.fixture(autouse=True)
def _without_compiling():
    """Run these small graphs in Python: their C modules would take a minute to compile."""
    mode = theano.compile.mode.Mode(linker='vm', optimizer='fast_compile')
    with theano.config.change_flags(mode=mode, cxx=''):
        yield


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent(x, state, W):
    return [np.maximum(x @ W['W_in_to_hid'] + state[0] @ W['W_hid_to_hid'] + W['b'], 0)]


def lstm(x, state, W):
    cell, hidden = state

    def summed(gate):
        return x @ W[f'W_in_to_{gate}'] + hidden @ W[f'W_hid_to_{gate}'] + W[f'b_{gate}']

    ingate = sigmoid(summed('ingate') + cell * W['W_cell_to_ingate'])
    forget = sigmoid(summed('forgetgate') + cell * W['W_cell_to_forgetgate'])
    cell = forget * cell + ingate * np.tanh(summed('cell'))
    return [cell, sigmoid(summed('outgate') + cell * W['W_cell_to_outgate']) * np.tanh(cell)]


def gru(x, state, W):
    (hidden,) = state
    from_x, from_hidden = ({gate: product(gate) for gate in ('resetgate', 'updategate',
                                                             'hidden_update')}
                           for product in (lambda gate: x @ W[f'W_in_to_{gate}'] + W[f'b_{gate}'],
                                           lambda gate: hidden @ W[f'W_hid_to_{gate}']))
    reset, update = (sigmoid(from_x[gate] + from_hidden[gate])
                     for gate in ('resetgate', 'updategate'))
    new = np.tanh(from_x['hidden_update'] + reset * from_hidden['hidden_update'])
    return [(1 - update) * hidden + update * new]


CELLS = {RecurrentLayer: (recurrent, 1), LSTMLayer: (lstm, 2), GRULayer: (gru, 1)}


def looped(layer, kind, start=None, mask=None, backwards=False):
    """Return (batch, steps, units): what the layer's parameters make of X, step by step."""
    cell, states = CELLS[kind]
    W = {name: value.get_value() for name, value in vars(layer).items()
         if isinstance(value, theano.compile.SharedVariable)}
    state = [np.zeros((BATCH, UNITS))] * states
    if start is not None:
        state[-1] = start
    outputs = {}
    for step in reversed(range(STEPS)) if backwards else range(STEPS):
        after = cell(X[:, step], state, W)
        if mask is not None:
            after = [np.where(mask[:, step, None] > 0, new, old)
                     for new, old in zip(after, state)]
        state, outputs[step] = after, after[-1]
    return np.stack([outputs[step] for step in range(STEPS)], axis=1)


@pytest.mark.parametrize('kind', CELLS)
def test_they_are_a_loop_over_steps(kind):
    net, mask, start = InputLayer((None, None, FEATURES)), InputLayer((None, None)), InputLayer(
        (None, UNITS))
    plain = kind(net, UNITS)
    parameters = {name: value for name, value in vars(plain).items()
                  if isinstance(value, theano.compile.SharedVariable)}
    for value in parameters.values():
        value.set_value(RANDOM.normal(0, 0.5, value.get_value().shape).astype('float32')
                        if value.name.split('.')[-1] not in ('hid_init', 'cell_init')
                        else value.get_value())

    def same(**options):
        """Return a layer with other options and the first one's parameters."""
        layer = kind(net, UNITS, **options)
        for name, value in parameters.items():
            if hasattr(getattr(layer, name), 'set_value'):
                getattr(layer, name).set_value(value.get_value())
        return layer

    layers = [plain, same(mask_input=mask), same(hid_init=start),
              same(backwards=True, only_return_final=True), same(precompute_input=False)]
    outputs = get_output(layers)
    gradient = T.grad(outputs[0].sum(), net.input_var)
    found = theano.function([net.input_var, mask.input_var, start.input_var],
                            [*outputs, gradient])(X, MASK, START)
    expected = [looped(plain, kind), looped(plain, kind, mask=MASK),
                looped(plain, kind, start=START), looped(plain, kind, backwards=True)[:, 0],
                looped(plain, kind)]
    for one, other in zip(found, expected):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    shapes = [lasagne.layers.get_output_shape(layer, {net: X.shape, mask: MASK.shape,
                                                      start: START.shape}) for layer in layers]
    assert shapes == [array.shape for array in expected]

    direction = RANDOM.normal(size=X.shape)
    before, after = (looped_sum(plain, kind, X + step * direction) for step in (-1e-3, 1e-3))
    np.testing.assert_allclose((found[-1] * direction).sum(), (after - before) / 2e-3, rtol=1e-3)


def looped_sum(layer, kind, x):
    global X
    kept, X = X, x
    try:
        return looped(layer, kind).sum()
    finally:
        X = kept


@pytest.mark.parametrize('kind', CELLS)
def test_unrolled_steps_are_the_scan(kind):
    """With one unit, whose arrays could broadcast, and sequences of images."""
    net = InputLayer((1, 3, 2, 1))
    layers = [kind(net, 1, unroll_scan=unroll, grad_clipping=5, only_return_final=final,
                   learn_init=True)
              for unroll in (False, True) for final in (False, True)]
    for layer in layers[1:]:
        lasagne.layers.set_all_param_values(layer, lasagne.layers.get_all_param_values(layers[0]))
    outputs = get_output(layers)
    gradients = [T.grad(output.sum(), net.input_var) for output in outputs]
    x = RANDOM.normal(size=(1, 3, 2, 1)).astype('float32')
    found = theano.function([net.input_var], outputs + gradients)(x)
    for scanned, unrolled in ((0, 2), (1, 3), (4, 6), (5, 7)):
        np.testing.assert_allclose(found[scanned], found[unrolled], rtol=1e-5)
    assert [array.shape for array in found[:2]] == [(1, 3, 1), (1, 1)]


def test_parameters_stand_in_the_old_order():
    net = InputLayer((None, None, 3))

    def names(layer, **tags):
        return [parameter.name for parameter in lasagne.layers.get_all_params(layer, **tags)]

    assert names(RecurrentLayer(net, 2, name='r')) == [
        'r.input_to_hidden.W', 'r.input_to_hidden.b', 'r.hidden_to_hidden.W', 'r.hid_init'][-1:] + [
        'r.input_to_hidden.W', 'r.input_to_hidden.b', 'r.hidden_to_hidden.W']
    gates = [f'{what}_{gate}' for gate in ('ingate', 'forgetgate', 'cell', 'outgate')
             for what in ('W_in_to', 'W_hid_to', 'b')]
    peepholes = [f'W_cell_to_{gate}' for gate in ('ingate', 'forgetgate', 'outgate')]
    assert names(LSTMLayer(net, 2)) == [*gates, *peepholes, 'cell_init', 'hid_init']
    assert names(LSTMLayer(net, 2, peepholes=False), trainable=True) == gates
    assert names(GRULayer(net, 2, learn_init=True), trainable=True) == [
        f'{what}_{gate}' for gate in ('updategate', 'resetgate', 'hidden_update')
        for what in ('W_in_to', 'W_hid_to', 'b')] + ['hid_init']


def test_any_two_networks_recur():
    net = InputLayer((None, 4, 3))
    below = DenseLayer(InputLayer((None, 3)), 2, nonlinearity=None)
    before = DenseLayer(InputLayer((None, 2)), 2, nonlinearity=None)
    assert CustomRecurrentLayer(net, below, before).output_shape == (None, 4, 2)
    assert CustomRecurrentLayer(net, below, before, only_return_final=True).output_shape == (None,
                                                                                             2)
    with pytest.raises(ValueError, match='exactly one InputLayer, but it has 2'):
        two = lasagne.layers.ConcatLayer([InputLayer((None, 3)), InputLayer((None, 3))])
        CustomRecurrentLayer(net, DenseLayer(two, 2), before)
    with pytest.raises(ValueError, match='must be the output shape of hidden_to_hidden'):
        CustomRecurrentLayer(net, below, DenseLayer(InputLayer((None, 2)), 3))
    with pytest.raises(ValueError, match='must be 8 or None'):
        CustomRecurrentLayer((2, 4, 3), DenseLayer(InputLayer((2, 3)), 2), before)


@pytest.mark.parametrize('kind', CELLS)
def test_an_unrolled_scan_needs_a_length(kind):
    with pytest.raises(ValueError, match='length cannot be specified as None'):
        kind((None, None, 3), 2, unroll_scan=True)
    with pytest.raises(ValueError, match='Gradient steps must be -1'):
        kind((None, 4, 3), 2, unroll_scan=True, gradient_steps=2)
