# A small network trained as scripts of 2015 did, with most of what they imported.

from __future__ import print_function

import time

import numpy as np
import theano
import theano.tensor as T
from theano.compat.python2x import OrderedDict
from theano.sandbox.rng_mrg import MRG_RandomStreams as RandomStreams
from theano.tensor.signal import downsample

import lasagne
from lasagne.layers import (
    BatchNormLayer, ConcatLayer, Conv2DLayer, DenseLayer, DropoutLayer, ElemwiseSumLayer,
    InputLayer, MaxPool2DLayer, NonlinearityLayer, batch_norm, dropout)
from lasagne.nonlinearities import elu, leaky_rectify, rectify, softmax
from lasagne.regularization import l2, regularize_network_params


class PoolAndSubsample(lasagne.layers.Layer):
    """A layer of one's own, as in the documentation."""

    def get_output_shape_for(self, input_shape):
        return input_shape[:2] + (input_shape[2] // 2, input_shape[3] // 2)

    def get_output_for(self, input, **kwargs):
        return T.nnet.relu(downsample.max_pool_2d(input, (2, 2), ignore_border=True))


class Halve(theano.gof.Op):
    """An op of one's own, as in the documentation."""

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return theano.gof.Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * np.asarray(0.5, inputs[0].dtype)

    def grad(self, inputs, output_gradients):
        return [0.5 * output_gradients[0]]


def residual_block(below, filters):
    conv = batch_norm(Conv2DLayer(below, filters, 3, pad=1, b=None, flip_filters=False))
    conv = batch_norm(Conv2DLayer(conv, filters, 3, pad='same', nonlinearity=None))
    return NonlinearityLayer(ElemwiseSumLayer([conv, below]), nonlinearity=rectify)


def build_cnn(input_var):
    network = InputLayer(shape=(None, 3, 8, 8), input_var=input_var)
    network = Conv2DLayer(network, num_filters=8, filter_size=(3, 3), pad=1, nonlinearity=elu,
                          W=lasagne.init.HeNormal(gain='relu'))
    network = residual_block(network, 8)
    network = PoolAndSubsample(network)
    network = ConcatLayer([Conv2DLayer(network, 4, 1, nonlinearity=leaky_rectify),
                           Conv2DLayer(network, 4, 3, pad=1)])
    network = MaxPool2DLayer(BatchNormLayer(network), pool_size=(2, 2))
    network = DenseLayer(dropout(network, p=.2), num_units=16, W=lasagne.init.GlorotUniform())
    network = DropoutLayer(network, p=.1)
    return DenseLayer(network, num_units=2, nonlinearity=softmax)


def iterate_minibatches(inputs, targets, batchsize):
    indices = np.arange(len(inputs))
    np.random.shuffle(indices)
    for start_idx in range(0, len(inputs) - batchsize + 1, batchsize):
        excerpt = indices[start_idx:start_idx + batchsize]
        yield inputs[excerpt], targets[excerpt]


np.random.seed(1)
lasagne.random.set_rng(np.random.RandomState(1))
y_train = np.random.randint(0, 2, 64).astype('int32')
X_train = np.random.normal(0, 0.5, (64, 3, 8, 8)).astype(theano.config.floatX)
X_train[y_train == 1, :, 2:6, 2:6] += 1  # a bright square in the middle, or none

input_var = T.tensor4('inputs')
target_var = T.ivector('targets')
srng = RandomStreams(seed=234)
noisy_var = input_var + 0.1 * srng.normal(input_var.shape)
network = build_cnn(input_var)

prediction = lasagne.layers.get_output(network, noisy_var)
loss = lasagne.objectives.categorical_crossentropy(prediction, target_var).mean()
loss += 1e-4 * regularize_network_params(network, l2) + 0 * Halve()(loss)
params = lasagne.layers.get_all_params(network, trainable=True)
learning_rate = theano.shared(lasagne.utils.floatX(0.02))
grads = lasagne.updates.total_norm_constraint(T.grad(loss, params), 10)
updates = lasagne.updates.nesterov_momentum(grads, params, learning_rate, momentum=0.9)
updates = OrderedDict(updates.items())

test_prediction = lasagne.layers.get_output(network, deterministic=True)
test_loss = T.nnet.categorical_crossentropy(test_prediction, target_var).mean()
test_acc = T.mean(T.eq(T.argmax(test_prediction, axis=1), target_var), dtype=theano.config.floatX)
same_acc = lasagne.objectives.categorical_accuracy(test_prediction, target_var).mean()

train_fn = theano.function([input_var, target_var], loss, updates=updates)
val_fn = theano.function([input_var, target_var], [test_acc, same_acc, test_loss])

train_losses = []
for epoch in range(12):
    train_err, batches, start = 0, 0, time.time()
    for batch in iterate_minibatches(X_train, y_train, 16):
        inputs, targets = batch
        train_err += train_fn(inputs, targets)
        batches += 1
    train_losses.append(train_err / batches)
    print('Epoch {} took {:.3f}s'.format(epoch + 1, time.time() - start))
    learning_rate.set_value(lasagne.utils.floatX(learning_rate.get_value() * 0.95))

np.savez('model.npz', *lasagne.layers.get_all_param_values(network))
with np.load('model.npz') as f:
    param_values = [f['arr_%d' % i] for i in range(len(f.files))]
before = val_fn(X_train, y_train)
lasagne.layers.set_all_param_values(network, [0 * value for value in param_values])
lasagne.layers.set_all_param_values(network, param_values)
after = val_fn(X_train, y_train)
np.savez('results.npz', losses=train_losses, before=before, after=after,
         params=len(param_values), count=lasagne.layers.count_params(network))
