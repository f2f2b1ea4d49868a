"""Guided backprop is guided backprop, to the last digit."""

import importlib.util
from pathlib import Path

from models.errors import ArchiveError

import lasagne
import numpy as np
import pytest
import theano
import theano.tensor as T
from lasagne.layers import (
    Conv2DLayer,
    DenseLayer,
    InputLayer,
    MaxPool2DLayer,
    NonlinearityLayer,
    get_output,
)
from theano.compile import builders

import modifiedbackprop
from modifiedbackprop import GuidedBackprop, ModifiedBackprop, ZeilerBackprop

GOLDEN = Path(__file__).parent.parent / 'golden'


def gradient_of(net, unit):
    """Compile the images' gradient of one unit's score, under the rule that is applied now."""
    image = net['input'].input_var
    scores = get_output(list(net.values())[-1], image)
    return theano.function([image], [scores, T.grad(scores[:, unit].sum(), image)])


def integer_network():
    """Return the network whose three gradients are small integers, worked out by hand."""
    row = np.array([1] * 5 + [-1] * 3, 'float32')
    net = {'input': InputLayer((None, 1, 4, 4))}
    net['conv'] = Conv2DLayer(net['input'], 2, 3, W=np.ones((2, 1, 3, 3), 'float32'),
                              b=np.array([-50, -75], 'float32'))
    net['dense'] = DenseLayer(net['conv'], 4, W=np.repeat(row[:, None], 4, axis=1))
    return net


INTEGERS = {
    None: ([[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]],
           [[1, 2, 2, 1], [1, 2, 2, 1], [1, 2, 2, 1], [0, 0, 0, 0]]),
    GuidedBackprop: ([[0, 1, 1, 1], [1, 3, 3, 2], [1, 3, 3, 2], [1, 2, 2, 1]],
                     [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]),
    ZeilerBackprop: ([[2, 3, 3, 1], [3, 5, 5, 2], [3, 5, 5, 2], [1, 2, 2, 1]],) * 2,
}


@pytest.mark.parametrize('rule', INTEGERS)
def test_integers_tell_the_three_rules_apart(rule):
    net = integer_network()
    if rule is None:
        function = gradient_of(net, 0)
    else:
        with modifiedbackprop.applied(net, rule):
            function = gradient_of(net, 0)
    image = np.arange(16, dtype='float32').reshape(1, 1, 4, 4)
    for step, output, expected in zip((0, 1), (54, 67), INTEGERS[rule]):
        scores, gradient = function(image + step)
        np.testing.assert_array_equal(scores, [[output] * 4])
        np.testing.assert_array_equal(gradient[0, 0], expected)


INPUTS = np.repeat(np.array([-2, 0, 3], 'float32'), 3)
INCOMING = np.tile(np.array([-5, 0, 7], 'float32'), 3)
TABLE = {  # input -2, 0, 3, each with the incoming gradient -5, 0, 7
    GuidedBackprop: [0, 0, 0, 0, 0, 0, 0, 0, 7],
    ZeilerBackprop: [0, 0, 7, 0, 0, 7, 0, 0, 7],
}
LEAKY_TABLE = {
    GuidedBackprop: [0, 0, 0, 0, 0, 0, 0, 0, 7],
    ZeilerBackprop: [-.5, 0, 7, -.5, 0, 7, -.5, 0, 7],
}


@pytest.mark.parametrize('nonlinearity, slope, table', [
    (lasagne.nonlinearities.rectify, 0, TABLE),
    (lasagne.nonlinearities.LeakyRectify(0.1), 0.1, LEAKY_TABLE)], ids=['plain', 'leaky'])
@pytest.mark.parametrize('rule', [GuidedBackprop, ZeilerBackprop])
def test_each_case_of_a_rectifier(rule, nonlinearity, slope, table):
    x, incoming = T.vector(), T.vector()
    y = rule(nonlinearity)(x)
    function = theano.function([x, incoming],
                               [y, T.grad(None, x, known_grads={y: incoming})])
    output, gradient = function(INPUTS, INCOMING)
    np.testing.assert_allclose(output, np.where(INPUTS > 0, INPUTS, slope * INPUTS), rtol=1e-6)
    np.testing.assert_allclose(gradient, table[rule], rtol=1e-6)


@pytest.fixture(scope='module')
def deep():
    """Return the module that made the golden arrays, and the arrays."""
    spec = importlib.util.spec_from_file_location('deep_network', GOLDEN / 'deep_network.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, np.load(module.OUT)


def deep_network(module):
    _, kernels, biases, dense = module.arrays()
    net = {'input': InputLayer((None, 3, 20, 20))}
    for number, (W, b) in enumerate(zip(kernels, biases), start=1):
        last = list(net.values())[-1]
        net[f'conv{number}'] = Conv2DLayer(last, len(W), 3, pad=1, W=W, b=b, flip_filters=False)
        if number in module.POOL_AFTER:
            net[f'pool{number}'] = MaxPool2DLayer(net[f'conv{number}'], 2)
    net['scores'] = DenseLayer(list(net.values())[-1], module.CLASSES, W=dense,
                               b=np.zeros(module.CLASSES), nonlinearity=None)
    return net


@pytest.mark.parametrize('rule', [None, GuidedBackprop, ZeilerBackprop])
def test_a_deep_network_agrees_with_pytorch(deep, rule):
    module, golden = deep
    with theano.config.change_flags(floatX='float64'):
        net = deep_network(module)
        if rule is None:
            functions = [gradient_of(net, unit) for unit in module.UNITS]
        else:
            with modifiedbackprop.applied(net, rule):
                functions = [gradient_of(net, unit) for unit in module.UNITS]
    for unit, function in zip(module.UNITS, functions):
        scores, gradient = function(module.arrays()[0])
        expected = golden[f'{rule.__name__ if rule else "gradient"} {unit}']
        np.testing.assert_allclose(scores, golden['scores'], rtol=1e-9)
        np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-9 * abs(expected).max())


def test_one_instance_serves_a_whole_network_with_one_op_a_type():
    net = integer_network()
    with modifiedbackprop.applied(net, GuidedBackprop):
        rule = net['conv'].nonlinearity
        assert net['dense'].nonlinearity is rule
        get_output(net.values())
        get_output(net.values())
    assert sorted(tensor_type.ndim for tensor_type in rule.ops) == [2, 4]


def test_a_network_is_unchanged_after_use_even_after_an_error():
    net = integer_network()
    net['linear'] = NonlinearityLayer(net['dense'], lasagne.nonlinearities.tanh)
    before = {name: getattr(layer, 'nonlinearity', None) for name, layer in net.items()}
    with pytest.raises(ZeroDivisionError), modifiedbackprop.applied(net, ZeilerBackprop):
        assert isinstance(net['conv'].nonlinearity, ZeilerBackprop)
        assert net['linear'].nonlinearity is before['linear']
        raise ZeroDivisionError
    assert {name: getattr(layer, 'nonlinearity', None) for name, layer in net.items()} == before


def test_layers_outside_the_dict_are_reached_and_the_inner_rule_holds():
    net = integer_network()
    with modifiedbackprop.applied(net['dense'], GuidedBackprop):
        guided = net['conv'].nonlinearity
        with modifiedbackprop.applied([net['dense']], ZeilerBackprop):
            assert isinstance(net['conv'].nonlinearity, ZeilerBackprop)
            assert net['conv'].nonlinearity.nonlinearity is lasagne.nonlinearities.rectify
            get_output(net['dense'])
        assert net['conv'].nonlinearity is guided


def test_a_network_without_rectifiers_is_an_error():
    net = {'input': InputLayer((None, 3))}
    net['linear'] = DenseLayer(net['input'], 2, nonlinearity=None)
    with pytest.raises(ArchiveError, match='no|none'), modifiedbackprop.applied(
            net, GuidedBackprop):
        pass


def test_a_rectifier_in_disguise_is_an_error():
    net = integer_network()
    net['disguised'] = NonlinearityLayer(net['dense'], lambda x: T.maximum(x, 0), name='disguised')
    with pytest.raises(ArchiveError, match='disguised, a rectifier'), modifiedbackprop.applied(
            net, GuidedBackprop):
        pass
    assert net['conv'].nonlinearity is lasagne.nonlinearities.rectify


def test_an_override_that_theano_ignores_is_an_error(monkeypatch):
    original = builders.OpFromGraph.__init__

    def ignoring(self, *arguments, grad_overrides=None, **options):
        original(self, *arguments, **options)

    monkeypatch.setattr(builders.OpFromGraph, '__init__', ignoring)
    with pytest.raises(RuntimeError, match='ignores the gradient of GuidedBackprop'):
        GuidedBackprop(lasagne.nonlinearities.rectify)(T.vector())


def test_a_subclass_without_grad_says_so():
    with pytest.raises(NotImplementedError, match='must define grad'):
        ModifiedBackprop(lasagne.nonlinearities.rectify)(T.vector())


def test_the_op_is_inlined_so_that_theano_optimises_through_it():
    x = T.vector()
    y = GuidedBackprop(lasagne.nonlinearities.rectify)(x)
    function = theano.function([x], T.grad((y ** 2).sum(), x))
    ops = [type(node.op).__name__ for node in function.maker.fgraph.toposort()]
    assert set(ops) == {'Elemwise'}
