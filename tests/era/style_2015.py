# Style transfer as a notebook of 2015 painted: loss and gradient compiled apart, L-BFGS in rounds.

import lasagne
import numpy as np
import pickle
import skimage.transform
import scipy.optimize
import theano
import theano.tensor as T
from lasagne.utils import floatX
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt

from lasagne.layers import InputLayer, Pool2DLayer as PoolLayer
from lasagne.layers.dnn import Conv2DDNNLayer as ConvLayer

IMAGE_W = 48


def build_model():
    net = {}
    net['input'] = InputLayer((1, 3, IMAGE_W, IMAGE_W))
    net['conv1_1'] = ConvLayer(net['input'], 16, 3, pad=1, flip_filters=False)
    net['conv1_2'] = ConvLayer(net['conv1_1'], 16, 3, pad=1, flip_filters=False)
    net['pool1'] = PoolLayer(net['conv1_2'], 2, mode='average_exc_pad')
    net['conv2_1'] = ConvLayer(net['pool1'], 32, 3, pad=1, flip_filters=False)
    net['conv2_2'] = ConvLayer(net['conv2_1'], 32, 3, pad=1, flip_filters=False)
    net['pool2'] = PoolLayer(net['conv2_2'], 2, mode='average_exc_pad')
    net['conv3_1'] = ConvLayer(net['pool2'], 64, 3, pad=1, flip_filters=False)
    net['conv3_2'] = ConvLayer(net['conv3_1'], 64, 3, pad=1, flip_filters=False)
    net['conv3_3'] = ConvLayer(net['conv3_2'], 64, 3, pad=1, flip_filters=False)
    net['conv3_4'] = ConvLayer(net['conv3_3'], 64, 3, pad=1, flip_filters=False)
    net['pool3'] = PoolLayer(net['conv3_4'], 2, mode='average_exc_pad')
    net['conv4_1'] = ConvLayer(net['pool3'], 128, 3, pad=1, flip_filters=False)
    net['conv4_2'] = ConvLayer(net['conv4_1'], 128, 3, pad=1, flip_filters=False)
    return net


net = build_model()
values = pickle.load(open('network.pkl', 'rb'), encoding='latin-1')['param values']
lasagne.layers.set_all_param_values(net['conv4_2'], values[:20])

MEAN_VALUES = np.array([104, 117, 123]).reshape((3, 1, 1))


def prep_image(im):
    if len(im.shape) == 2:
        im = np.repeat(im[:, :, np.newaxis], 3, axis=2)
    h, w, _ = im.shape
    if h < w:
        im = skimage.transform.resize(im, (IMAGE_W, w * IMAGE_W // h), preserve_range=True)
    else:
        im = skimage.transform.resize(im, (h * IMAGE_W // w, IMAGE_W), preserve_range=True)
    h, w, _ = im.shape
    im = im[h//2 - IMAGE_W//2:h//2 + IMAGE_W//2, w//2 - IMAGE_W//2:w//2 + IMAGE_W//2]
    im = np.swapaxes(np.swapaxes(im * 255, 1, 2), 0, 1)
    im = im[::-1, :, :]
    im = im - MEAN_VALUES
    return floatX(im[np.newaxis])


photo = prep_image(plt.imread('photo.png'))
art = prep_image(plt.imread('art.png'))


def gram_matrix(x):
    x = x.flatten(ndim=3)
    return T.tensordot(x, x, axes=([2], [2]))


def content_loss(P, X, layer):
    p = P[layer]
    x = X[layer]
    return 1. / 2 * ((x - p)**2).sum()


def style_loss(A, X, layer):
    a = A[layer]
    x = X[layer]
    A = gram_matrix(a)
    G = gram_matrix(x)
    N = a.shape[1]
    M = a.shape[2] * a.shape[3]
    return 1. / (4 * N**2 * M**2) * ((G - A)**2).sum()


def total_variation_loss(x):
    return (((x[:, :, :-1, :-1] - x[:, :, 1:, :-1])**2
             + (x[:, :, :-1, :-1] - x[:, :, :-1, 1:])**2)**1.25).sum()


layers = ['conv4_2', 'conv1_1', 'conv2_1', 'conv3_1', 'conv4_1']
layers = {k: net[k] for k in layers}

input_im_theano = T.tensor4()
outputs = lasagne.layers.get_output(layers.values(), input_im_theano)
photo_features = {k: theano.shared(output.eval({input_im_theano: photo}))
                  for k, output in zip(layers.keys(), outputs)}
art_features = {k: theano.shared(output.eval({input_im_theano: art}))
                for k, output in zip(layers.keys(), outputs)}

start = np.random.RandomState(5).uniform(-128, 128, (1, 3, IMAGE_W, IMAGE_W))
generated_image = theano.shared(floatX(start))
gen_features = lasagne.layers.get_output(layers.values(), generated_image)
gen_features = {k: v for k, v in zip(layers.keys(), gen_features)}

losses = []
losses.append(0.001 * content_loss(photo_features, gen_features, 'conv4_2'))
for layer in ('conv1_1', 'conv2_1', 'conv3_1', 'conv4_1'):
    losses.append(0.2e6 * style_loss(art_features, gen_features, layer))
losses.append(0.1e-7 * total_variation_loss(generated_image))

total_loss = sum(losses)
grad = T.grad(total_loss, generated_image)
f_loss = theano.function([], total_loss)
f_grad = theano.function([], grad)


def eval_loss(x0):
    x0 = floatX(x0.reshape((1, 3, IMAGE_W, IMAGE_W)))
    generated_image.set_value(x0)
    return f_loss().astype('float64')


def eval_grad(x0):
    x0 = floatX(x0.reshape((1, 3, IMAGE_W, IMAGE_W)))
    generated_image.set_value(x0)
    return np.array(f_grad()).flatten().astype('float64')


results = {'photo': photo, 'art': art, 'start': generated_image.get_value().astype('float64')}
x0 = results['start']
results['start_loss'], results['start_gradient'] = eval_loss(x0), eval_grad(x0)
for i in range(2):
    x0, loss, _ = scipy.optimize.fmin_l_bfgs_b(eval_loss, x0.flatten(), fprime=eval_grad, maxfun=8)
    results['loss_%d' % i] = loss
results['image'] = generated_image.get_value().astype('float64')
np.savez('results.npz', **results)
