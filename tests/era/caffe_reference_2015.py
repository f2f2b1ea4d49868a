# CaffeNet's convolutions before there were groups in Lasagne, with kernels flipped for Conv2DLayer.

import pickle

import numpy as np

import lasagne
from lasagne.layers import InputLayer, Conv2DLayer
from lasagne.layers import MaxPool2DLayer, LocalResponseNormalization2DLayer
from lasagne.layers import SliceLayer, concat


def build_model():
    net = {}
    net['data'] = InputLayer(shape=(None, 3, 67, 67))
    net['conv1'] = Conv2DLayer(net['data'], num_filters=96, filter_size=(11, 11), stride=4,
                               nonlinearity=lasagne.nonlinearities.rectify)
    net['pool1'] = MaxPool2DLayer(net['conv1'], pool_size=(3, 3), stride=2)
    net['norm1'] = LocalResponseNormalization2DLayer(net['pool1'], n=5, alpha=0.0001 / 5.0,
                                                     beta=0.75, k=1)
    halves('conv2', net, net['norm1'], 256, 5, 2)
    net['pool2'] = MaxPool2DLayer(net['conv2'], pool_size=(3, 3), stride=2)
    net['norm2'] = LocalResponseNormalization2DLayer(net['pool2'], n=5, alpha=0.0001 / 5.0,
                                                     beta=0.75, k=1)
    net['conv3'] = Conv2DLayer(net['norm2'], num_filters=384, filter_size=(3, 3), pad=1)
    halves('conv4', net, net['conv3'], 384, 3, 1)
    halves('conv5', net, net['conv4'], 256, 3, 1)
    net['pool5'] = MaxPool2DLayer(net['conv5'], pool_size=(3, 3), stride=2)
    return net


def halves(name, net, below, num_filters, filter_size, pad):
    half = below.output_shape[1] // 2
    net[name + '_data1'] = SliceLayer(below, indices=slice(0, half), axis=1)
    net[name + '_data2'] = SliceLayer(below, indices=slice(half, 2 * half), axis=1)
    for part in '12':
        net[name + '_part' + part] = Conv2DLayer(net[name + '_data' + part], num_filters // 2,
                                                 filter_size, pad=pad)
    net[name] = concat((net[name + '_part1'], net[name + '_part2']), axis=1)


net = build_model()
blobs = pickle.load(open('network.pkl', 'rb'), encoding='latin-1')
for name, layer in net.items():
    try:
        if name in ('conv2', 'conv4', 'conv5'):
            W = blobs[name][0][:, :, ::-1, ::-1]
            half = len(W) // 2
            net[name + '_part1'].W.set_value(W[:half])
            net[name + '_part1'].b.set_value(blobs[name][1][:half])
            net[name + '_part2'].W.set_value(W[half:])
            net[name + '_part2'].b.set_value(blobs[name][1][half:])
        else:
            layer.W.set_value(blobs[name][0][:, :, ::-1, ::-1])
            layer.b.set_value(blobs[name][1])
    except (AttributeError, KeyError):
        continue

image = np.load('image.npy')
features = np.array(lasagne.layers.get_output(net['pool5'], lasagne.utils.floatX(image),
                                              deterministic=True).eval())
np.savez('results.npz', features=features)
