"""What each recipe compiles, at small size: for tests of other devices, and for `gpu.py`."""

import models

import numpy as np

from recipes import class_model, deconvnet, deepdream, saliency, train_all_cnn
from recipes.common import projections
from recipes.style.loss import Looker, Painting, StyleLoss

SIZE = 32
AIMS = dict(content_layers=['conv2_2'], style_layers=['conv1_1', 'conv2_1'])


def picture(rows=SIZE, columns=SIZE, batch=1):
    return np.random.RandomState(rows + columns).uniform(
        -100, 100, (batch, 3, rows, columns)).astype('float32')


def stack():
    return models.load('vgg19_quarter', deepest='conv3_1')[0]


def whole():
    return models.load('vgg19_quarter')[0]


def style_loss(made=StyleLoss, **options):
    loss = made(net=stack(), **AIMS, **options)
    loss.aim_at(Looker(loss).targets(picture(), [Painting(picture(40, 24))]))
    loss.compile()
    return loss


def projected(method):
    net = stack()
    seed = np.zeros((1, *net['conv3_1'].output_shape[1:2], SIZE // 4, SIZE // 4), 'float32')
    seed[0, 3, 2:6, 2:6] = 1
    return projections.compile_projection(net, ['conv3_1'], method), [picture(), seed]


def stepped_down():
    seed = projected('deconvnet')[1][1]
    return deconvnet.compile_deconvnet(stack(), 'conv3_1'), [picture(), seed]


def trained():
    training = train_all_cnn.Training(models.build('all_cnn_c', width=0.1), np.zeros(3))
    training.random.seed(7)
    return training.step, [picture(batch=4), np.arange(4, dtype='int32'), np.float32(0.01)]


# Recipe to a function that gives (compiled function, its arguments).
COMPILED = {
    'saliency': lambda: (saliency.compile_saliency_function(whole()), [picture(64, 64)]),
    'gradient': lambda: projected('gradient'),
    'guided backprop': lambda: projected('guided'),
    'deconvnet as a gradient': lambda: projected('deconvnet'),
    'deconvnet': stepped_down,
    'class model': lambda: (class_model.compile_class_score(whole()),
                            [picture(64, 64), np.array([7], 'int32')]),
    'dream': lambda: (deepdream.compile_dream(stack(), 'conv3_1', 'layer'), [picture()]),
    'guided dream': lambda: (deepdream.compile_dream(stack(), 'conv2_2', 'guide'),
                             [picture(), abs(picture(1, 16, batch=10)).reshape(15, 32)]),
    'activations': lambda: (projections.compile_activations(stack(), ['conv1_2', 'conv3_1']),
                            [picture()]),
    'style transfer': lambda: (style_loss().function, [picture()]),
    'covariances': lambda: (style_loss(kind='covariance').function, [picture()]),
    'training': trained,
}


def compile_for(name):
    """Compile what a recipe compiles: (Theano's own function, its arguments)."""
    function, arguments = COMPILED[name]()
    return getattr(function, 'function', function), arguments  # of `functions.Function`
