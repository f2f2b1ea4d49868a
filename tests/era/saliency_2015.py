# Saliency maps as a notebook of 2015 computed them: an OpFromGraph with an assigned gradient.

try:
    import cPickle as pickle
except ImportError:  # Python 3
    import pickle
    with open('network.pkl', 'rb') as f:
        model = pickle.load(f, encoding='latin-1')
else:
    with open('network.pkl', 'rb') as f:
        model = pickle.load(f)

weights = model['param values']
classes = model['synset words']
mean_pixel = model['mean value']
del model

import lasagne
from lasagne.layers import InputLayer, DenseLayer, DropoutLayer, GlobalPoolLayer, NonlinearityLayer
from lasagne.layers.dnn import Conv2DDNNLayer as ConvLayer
from lasagne.layers import Pool2DLayer as PoolLayer
from lasagne.nonlinearities import softmax

net = {}
net['input'] = InputLayer((None, 3, None, None))
below = net['input']
for block, (depth, filters) in enumerate([(2, 16), (2, 32), (4, 64), (4, 128), (4, 128)], 1):
    for i in range(1, depth + 1):
        below = net['conv%d_%d' % (block, i)] = ConvLayer(below, filters, 3, pad=1)
    if block < 5:
        below = net['pool%d' % block] = PoolLayer(below, 2)
net['mean'] = GlobalPoolLayer(below)
net['mean_dropout'] = DropoutLayer(net['mean'], p=0.5)
net['fc8'] = DenseLayer(net['mean_dropout'], num_units=202, nonlinearity=None)
net['prob'] = NonlinearityLayer(net['fc8'], softmax)
lasagne.layers.set_all_param_values(net['prob'], weights)

import numpy as np
import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
import skimage.transform


def prepare_image(filename):
    img = plt.imread(filename)  # PNG: 0 to 1
    h, w, _ = img.shape
    if h < w:
        img = skimage.transform.resize(img, (72, w * 72 // h), preserve_range=True)
    else:
        img = skimage.transform.resize(img, (h * 72 // w, 72), preserve_range=True)
    h, w, _ = img.shape
    img = 255 * img[h//2 - 32:h//2 + 32, w//2 - 32:w//2 + 32]
    img_original = img.astype('uint8')
    img = img.transpose(2, 0, 1)[::-1]
    img = img - mean_pixel[:, np.newaxis, np.newaxis]
    return img_original, lasagne.utils.floatX(img[np.newaxis])


import theano
import theano.tensor as T


def compile_saliency_function(net):
    inp = net['input'].input_var
    outp = lasagne.layers.get_output(net['fc8'], deterministic=True)
    max_outp = T.max(outp, axis=1)
    saliency = theano.grad(max_outp.sum(), wrt=inp)
    max_class = T.argmax(outp, axis=1)
    return theano.function([inp], [saliency, max_class])


class ModifiedBackprop(object):
    def __init__(self, nonlinearity):
        self.nonlinearity = nonlinearity
        self.ops = {}

    def __call__(self, x):
        if theano.sandbox.cuda.cuda_enabled:
            to_gpu = theano.sandbox.cuda.as_cuda_ndarray_variable
        else:
            def to_gpu(variable):
                return variable
        x = to_gpu(x)
        tensor_type = x.type
        if tensor_type not in self.ops:
            inp = tensor_type()
            op = theano.OpFromGraph([inp], [to_gpu(self.nonlinearity(inp))])
            op.grad = self.grad
            self.ops[tensor_type] = op
        return self.ops[tensor_type](x)


class GuidedBackprop(ModifiedBackprop):
    def grad(self, inputs, out_grads):
        (inp,) = inputs
        (grd,) = out_grads
        dtype = inp.dtype
        return (grd * (inp > 0).astype(dtype) * (grd > 0).astype(dtype),)


class ZeilerBackprop(ModifiedBackprop):
    def grad(self, inputs, out_grads):
        (grd,) = out_grads
        return (self.nonlinearity(grd),)


img_original, img = prepare_image('photo.png')
results = {'image': img}
results['gradient'], max_class = compile_saliency_function(net)(img)

relu = lasagne.nonlinearities.rectify
relu_layers = [layer for layer in lasagne.layers.get_all_layers(net['prob'])
               if getattr(layer, 'nonlinearity', None) is relu]
for name, rule in (('guided', GuidedBackprop), ('deconvnet', ZeilerBackprop)):
    modded_relu = rule(relu)  # important: only instantiate this once
    for layer in relu_layers:
        layer.nonlinearity = modded_relu
    results[name], max_class = compile_saliency_function(net)(img)

saliency = results['guided'][0][::-1].transpose(1, 2, 0)
plt.figure(figsize=(10, 5), facecolor='w')
plt.suptitle('Class: ' + classes[max_class[0]])
plt.subplot(1, 2, 1)
plt.imshow(img_original)
plt.subplot(1, 2, 2)
plt.imshow(np.abs(saliency).max(axis=-1), cmap='gray')
plt.savefig('saliency.png')
np.savez('results.npz', max_class=max_class, rectifiers=len(relu_layers), **results)
