"""Networks that are not the archive's: seen into from Python, and every message with its keys."""

import re
from pathlib import Path

import models
from models import graphs
from models.errors import ArchiveError

import lasagne
import numpy as np
import pytest
import theano
from lasagne import nonlinearities
from lasagne.layers import (
    BatchNormLayer,
    Conv2DLayer,
    DenseLayer,
    ElemwiseSumLayer,
    FlattenLayer,
    GlobalPoolLayer,
    InputLayer,
    MaxPool2DLayer,
    NonlinearityLayer,
    batch_norm,
    dropout,
)

import modifiedbackprop
from modifiedbackprop import GuidedBackprop
from recipes import class_model, deconvnet, saliency
from recipes.common import projections, receptive_fields

README = Path(__file__).parents[2] / 'README.md'


def plain(seed=0, ends='softmax'):
    """A network with batch normalisation, a residual sum, dropout and global pooling, in floatX.

    Args:
        seed: of weights and statistics.
        ends: 'softmax' of the dense layer, 'layer' for a softmax of its own, or 'logits'.
    """
    lasagne.random.set_rng(np.random.RandomState(seed))
    net = {'pixels': InputLayer((None, 2, 12, 12))}
    net['first'] = batch_norm(Conv2DLayer(net['pixels'], 4, 3, pad='same'))
    net['pooled'] = MaxPool2DLayer(net['first'], 2)
    net['branch'] = batch_norm(Conv2DLayer(net['pooled'], 4, 3, pad='same'))
    net['sum'] = ElemwiseSumLayer([net['pooled'], net['branch']])
    net['last'] = Conv2DLayer(net['sum'], 6, 3, pad='valid')
    net['mean'] = dropout(FlattenLayer(GlobalPoolLayer(net['last'])))
    net['out'] = DenseLayer(net['mean'], 5, nonlinearity={
        'softmax': nonlinearities.softmax, 'layer': None, 'logits': None}[ends])
    if ends == 'layer':
        net['probabilities'] = NonlinearityLayer(net['out'], nonlinearities.softmax)
    random = np.random.RandomState(seed)
    for layer in lasagne.layers.get_all_layers(net['out']):
        if isinstance(layer, BatchNormLayer):
            for parameter in (layer.mean, layer.beta, layer.gamma, layer.inv_std):
                value = random.uniform(0.5, 2, parameter.get_value().shape)
                parameter.set_value(value.astype(theano.config.floatX))
    return net


@pytest.fixture(scope='module')
def pictures():
    return np.random.RandomState(1).normal(size=(3, 2, 12, 12)).astype('float32')


def test_scores_are_those_before_the_softmax(pictures):
    net = plain()
    (found,) = projections.compile_activations(net)(pictures)
    assert found.shape == (3, 5) and net['out'].nonlinearity is nonlinearities.softmax
    (mean,) = projections.compile_activations(net, ['mean'])(pictures)
    expected = mean @ net['out'].W.get_value() + net['out'].b.get_value()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    for ends in ('layer', 'logits'):  # what is before, or the last layer itself
        net = plain(ends=ends)
        assert models.scores(net) is models.scores(graphs.last_layer(net)) is net['out']


def test_a_dict_a_last_layer_and_the_articles_function_give_the_same_maps(pictures):
    net = plain()
    (scores,) = projections.compile_activations(net)(pictures)
    seed = projections.class_target(scores, scores.argmax(axis=1))
    maps = projections.compile_projection(net, method='guided')(pictures, seed)
    assert maps.shape == pictures.shape and np.abs(maps).max() > 0
    np.testing.assert_array_equal(
        projections.compile_projection(net['out'], method='guided')(pictures, seed), maps)
    with projections.applied(net['out'], 'guided'):
        article = saliency.compile_saliency_function(net['out'])
    found, classes = article(pictures)
    np.testing.assert_array_equal(classes, scores.argmax(axis=1))
    np.testing.assert_allclose(found, maps, rtol=0, atol=1e-6 * np.abs(maps).max())


def test_gradients_are_differences_of_scores():
    with theano.config.change_flags(floatX='float64'):
        net = plain()
    pictures = np.random.RandomState(1).normal(size=(1, 2, 12, 12))
    look = projections.compile_activations(net)
    seed = np.eye(5)[2:3]
    gradient = projections.compile_projection(net)(pictures, seed)
    for place in ((0, 0, 3, 4), (0, 1, 7, 2), (0, 1, 11, 11)):
        step = np.zeros_like(pictures)
        step[place] = 1e-6
        (after,), (before,) = look(pictures + step), look(pictures - step)
        difference = (after - before)[0, 2] / 2e-6
        assert gradient[place] == pytest.approx(difference, rel=1e-4, abs=1e-8)


def test_the_explicit_deconvnet_goes_through_normalisations_sums_and_poolings():
    with theano.config.change_flags(floatX='float64'):
        net = plain()
    pictures = np.random.RandomState(1).normal(size=(2, 2, 12, 12))
    seed = np.eye(5)[[1, 3]]
    expected = projections.compile_projection(net, method='deconvnet')(pictures, seed)
    names, go_down = deconvnet.compile_steps(net)
    assert names[-1] == 'pixels' and {'last', 'sum', 'first'} < set(names)
    found = go_down(pictures, seed)[-1]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())
    assert np.abs(expected).max() > 0


def test_class_models_climb_any_networks_scores():
    net = plain(ends='layer')
    function = class_model.compile_class_score(net)
    start = np.zeros((2, 2, 12, 12), 'float32')
    steps = list(class_model.climb(function, start, np.array([1, 4], 'int32'), iterations=20,
                                   rate=0.1, clip=lambda x: x.clip(-1, 1)))
    assert len(steps) == 21 and np.abs(steps[-1][0]).max() <= 1
    assert (steps[-1][1] > steps[0][1]).all() and (steps[-1][2] > steps[0][2]).all()


def elus():
    net = {'x': InputLayer((None, 3))}
    net['soft'] = DenseLayer(net['x'], 4, nonlinearity=nonlinearities.elu)
    net['hard'] = DenseLayer(net['soft'], 4)
    net['out'] = DenseLayer(net['hard'], 2, nonlinearity=None)
    return net


def test_units_behind_normalisations_and_dropout_see_what_their_convolutions_see():
    net = plain()
    for name, size, stride in (('first', 3, 1), ('pooled', 4, 2), ('sum', 8, 2), ('last', 12, 2)):
        for field in receptive_fields.receptive_field(net[name]):
            assert (field.size, field.stride) == (size, stride)
    assert receptive_fields.receptive_field(dropout(net['last'])) == \
        receptive_fields.receptive_field(net['last'])
    assert receptive_fields.receptive_field(net['mean']) is None


def test_a_nonlinearity_that_is_no_rectifier_may_be_left():
    net, x = elus(), np.random.RandomState(0).normal(size=(4, 3)).astype('float32')
    with pytest.raises(ArchiveError, match=r'elu, the nonlinearity of layer soft, a rectifier.*'
                                           r'leave=\(elu,\)'):
        projections.compile_projection(net, method='guided')
    project = projections.compile_projection(net, method='guided', leave=(nonlinearities.elu,))
    seed = np.tile(np.array([[1, 0]], 'float32'), (4, 1))
    first, second, out = (net[name].W.get_value() for name in ('soft', 'hard', 'out'))
    below = x @ first  # the biases are zero
    middle = np.where(below > 0, below, np.expm1(below))
    signal = seed @ out.T
    signal = np.where((middle @ second > 0) & (signal > 0), signal, 0) @ second.T
    expected = signal * np.where(below > 0, 1, np.exp(below)) @ first.T
    np.testing.assert_allclose(project(x, seed), expected, rtol=1e-4, atol=1e-6)


def test_selu_may_be_left_by_its_class():
    net = elus()
    net['soft'].nonlinearity = nonlinearities.selu
    with modifiedbackprop.applied(net, GuidedBackprop, leave=nonlinearities.SELU):
        lasagne.layers.get_output(net['out'])
        assert isinstance(net['hard'].nonlinearity, GuidedBackprop)
    assert net['soft'].nonlinearity is nonlinearities.selu


def two_inputs():
    net = {'left': InputLayer((None, 3)), 'right': InputLayer((None, 3))}
    net['sum'] = ElemwiseSumLayer([net['left'], net['right']])
    return net


@pytest.mark.parametrize('call, words', [
    (lambda: projections.compile_activations(plain(), ['pooling']), "no layer 'pooling'.*pooled"),
    (lambda: projections.compile_activations(plain(), ['zzz']), 'there are first, pooled'),
    (lambda: projections.compile_activations({7: InputLayer((None, 3))}, ['7']), 'no layer'),
    (lambda: projections.compile_activations({'a': plain()['last']}), 'ends at a, not in class'),
    (lambda: projections.compile_projection(plain(), method='lrp'), "no method 'lrp'.*guided"),
    (lambda: projections.compile_projection(plain(), ['pooled', 'out'], 'guide'), 'mean guided'),
    (lambda: projections.compile_activations(two_inputs(), ['sum']), 'it has left and right'),
    (lambda: projections.known_channel(plain(), 'last', 6), 'last has the channels 0 to 5'),
    (lambda: deconvnet.compile_deconvnet({'x': (x := InputLayer((None, 1, 8, 8))), 'soft pooling':
                                          (p := lasagne.layers.Pool2DLayer(
                                              x, 2, mode='average_inc_pad')),
                                          'top': Conv2DLayer(p, 2, 3)}, 'top'),
     'no way down through soft pooling, a Pool2DLayer'),
])
def test_messages_name_the_keys(call, words):
    with pytest.raises(ArchiveError, match=words) as problem:
        call()
    assert 'None' not in str(problem.value)


@pytest.mark.parametrize('rule', ['guided', GuidedBackprop(nonlinearities.rectify), None, dict])
def test_what_is_no_rule_is_told_what_is(rule):
    with pytest.raises(ArchiveError, match='is no rule; give the class GuidedBackprop'), \
            modifiedbackprop.applied(plain(), rule):
        pass


def test_an_expression_that_is_built_too_late_is_detected():
    net = plain()
    with pytest.raises(ArchiveError, match='nothing of the network was built inside'), \
            modifiedbackprop.applied(net, GuidedBackprop):
        pass  # the expression would come behind
    early = lasagne.layers.get_output(net['out'])
    with pytest.raises(ArchiveError, match='get_output inside'), \
            modifiedbackprop.applied(net, GuidedBackprop):
        theano.grad(early.sum(), net['pixels'].input_var)
    with modifiedbackprop.applied(net, GuidedBackprop):  # its gradient may come later
        inside = lasagne.layers.get_output(net['out'])
    assert theano.grad(inside.sum(), net['pixels'].input_var).ndim == 4


def test_a_rectifier_that_no_rule_reaches_is_told():
    net = elus()
    net['soft'].nonlinearity = nonlinearities.rectify
    net['learned'] = lasagne.layers.ParametricRectifierLayer(net['out'])
    with pytest.raises(ArchiveError, match='learned is a ParametricRectifierLayer'):
        projections.compile_projection(net, ['learned'], 'guided')


def test_below_the_first_rectifier_there_is_only_the_gradient():
    net = plain()
    net['linear'] = net['first'].input_layer
    with pytest.raises(ArchiveError, match='none below what is looked at'):
        projections.compile_projection(net, ['linear'], 'guided')


def test_layers_of_a_last_layer_are_called_by_their_names_or_kinds():
    top = DenseLayer(InputLayer((None, 3), name='x'), 2)
    assert list(graphs.named_layers(top)) == ['x', 'DenseLayer 1']
    hidden = plain()['first'].input_layer
    assert graphs.name_of(plain(), hidden).startswith('(BatchNormLayer')


def test_the_readmes_example_runs_as_it_is_printed(tmp_path, monkeypatch):
    text = README.read_text(encoding='utf-8')
    (example,) = [code for code in re.findall(r'```python\n(.*?)```', text, re.S)
                  if 'InputLayer' in code]
    names = {}
    exec(compile(example, 'README.md', 'exec'), names)
    assert names['maps'].shape == names['digits'].shape == (16, 1, 28, 28)
    assert names['maps'].any() and names['scores'].shape == (16, 10)
    assert models.scores(names['net']).output_shape == (None, 10)
