"""What the numbers in a weight file mean: one table of layouts.

| layout | files | kernel | sliding | dense | colours in | mean |
|---|---|---|---|---|---|---|
| archive | .npz of the archive, of Chainer, pickled dicts | out, in, rows, columns | correlation | out, in | BGR 0..255 | file |
| recipes | .pkl of the Lasagne Recipes, .npz of arr_0, arr_1 ... | out, in, rows, columns | correlation | in, out | BGR 0..255 | file |
| recipes_caffenet | .pkl of Recipes' caffe_reference.py | out, in, rows, columns; layers in two groups as two arrays | convolution | in, out | BGR 0..255 | network |
| neural_doodle | .pkl.bz2 of alexjc/neural-doodle | out, in, rows, columns | convolution | in, out | BGR 0..255 | network |
| caffe | .caffemodel | out, in, rows, columns | correlation | out, in | BGR 0..255 | network |
| keras | .h5 with TensorFlow's kernels, .weights.h5 | rows, columns, in, out | correlation | in, out; inputs by rows, columns, channels | BGR 0..255 | network |
| keras_theano | .h5 with Theano's kernels, those of 2015 too | out, in, rows, columns | convolution | in, out | BGR 0..255 | network |
| tensorflow | .npy of machrisaa/tensorflow-vgg and ethereon/caffe-tensorflow | rows, columns, in, out | correlation | in, out; inputs by rows, columns, channels | BGR 0..255 | network |
| tensorflow_rgb | vgg16_weights.npz by D. Frossard, tf.slim | rows, columns, in, out | correlation | in, out; inputs by rows, columns, channels | RGB 0..255 | network |
| matconvnet | .mat | rows, columns, in, out | correlation | convolution as large as its input | RGB 0..255 | file |
| matconvnet_transposed | .mat | columns, rows, in, out | correlation | the same | RGB 0..255 | file |
| oxford_pytorch | .pth by J. Johnson, and what others made of it | out, in, rows, columns | correlation | out, in | BGR 0..255 | network |
| gatys_pytorch | vgg_conv.pth by L. Gatys | out, in, rows, columns | correlation | none | BGR 0..255 | network |
| adain | vgg_normalised.pth by N. Inoue | out, in, rows, columns | correlation | none | BGR 0..255 behind a first 1x1 convolution | that convolution's |
| torchvision | .pth, .safetensors, .npz | out, in, rows, columns | correlation | out, in | RGB 0..1, minus mean, by deviation | torchvision's |
| timm | .safetensors of timm's vgg16 and vgg19 | out, in, rows, columns | correlation | convolution as large as its input | as torchvision | torchvision's |

"Network" as the mean is MEAN_PIXELS here. Where order of colours, scale or deviation differ, they go
into the first kernel, which is exact; the mean stays outside. Sources: Lasagne/Recipes
modelzoo/*.py; BVLC/caffe; keras-team/keras-applications vgg19.py and imagenet_utils.py;
vlfeat/matconvnet utils/import-caffe.py (which exchanges rows and columns of Caffe's memory to get
rows first; anishathalye/neural-style vgg.py says columns first: `fingerprint` tells which is right
of a VGG-19); jcjohnson/pytorch-vgg; leongatys/PytorchNeuralStyleTransfer;
machrisaa/tensorflow-vgg vgg19.py; cs.toronto.edu/~frossard/post/vgg16; baraldilorenzo's gist
vgg-16_keras.py, whose kernels were turned for Theano; naoto0804/pytorch-AdaIN net.py; pytorch/vision; huggingface/pytorch-image-models timm/models/vgg.py.
"""  # noqa: E501 - a table has long lines

from __future__ import annotations  # Python 3.9 does not know `X | None`

from collections.abc import Callable
from dataclasses import dataclass

from models.weights import torchvision
from models.weights.files import VGG_MEAN_PIXEL

MEAN_PIXELS = {  # BGR; where the file itself has none
    'vgg16': VGG_MEAN_PIXEL, 'vgg19': VGG_MEAN_PIXEL, 'vgg19_normalized': VGG_MEAN_PIXEL,
    'vgg19_quarter': (104, 117, 123),  # as the embedded one was trained
    'squeezenet': (104, 117, 123), 'googlenet': (104, 117, 123),
    'alexnet': (104.00699, 116.66877, 122.67892),  # of the mean image ilsvrc_2012_mean
    'caffenet': (104.00699, 116.66877, 122.67892),
    # Oxford's mean image of this network has about the mean pixel of the VGGs: not checked.
    'vgg_cnn_s': VGG_MEAN_PIXEL,
}
VGG_DEPTHS = {'vgg16': (2, 2, 3, 3, 3), 'vgg19': (2, 2, 4, 4, 4),
              'vgg19_normalized': (2, 2, 4, 4, 4), 'vgg16_torchvision': (2, 2, 3, 3, 3),
              'vgg19_torchvision': (2, 2, 4, 4, 4), 'vgg19_quarter': (2, 2, 4, 4, 4)}
IN_TWO_GROUPS = ('conv2', 'conv4', 'conv5')  # of CaffeNet
INCEPTION = ('1x1', '3x3_reduce', '3x3', '5x5_reduce', '5x5', 'pool_proj')


@dataclass(frozen=True)
class Layout:
    """How a kind of file stores a network.

    Attributes:
        kinds: of `formats.Contents` that it can be in.
        modules: function (network, its layers with weights, modules of the file) -> dict from
            layer to the module of the file, or to a tuple of modules whose outputs stand one after
            another; None where the layout does not know the network.
        kernel: axes of a convolution's array.
        flipped: the file convolves: kernels are turned by 180 degrees.
        dense: 'out in', 'in out', or 'kernel' where a dense layer is stored as a convolution.
        inputs: order of a dense layer's inputs behind a convolution.
        colours: 'BGR' or 'RGB'.
        deviating: the network takes torchvision's scale and deviation.
        first: module of a 1x1 convolution in front that makes BGR 0..255 minus mean of RGB 0..1.
        names_are_shared: files that mean something else have the same names, so that names alone
            do not prove the layout.
        proving: kinds that do all the same.
        only_if_proved: taken if asked for, or if the first kernel proves it; else never.
    """

    kinds: tuple
    modules: Callable[[str, list, list], dict | None]
    kernel: str = 'out in rows columns'
    flipped: bool = False
    dense: str = 'out in'
    inputs: str = 'in rows columns'
    colours: str = 'BGR'
    deviating: bool = False
    first: str | None = None
    names_are_shared: bool = False
    proving: tuple = ()
    only_if_proved: bool = False

    def mean_pixel(self, network):
        """Look up the mean to subtract where the file names none: three numbers, BGR, 0..255."""
        if self.deviating:
            return torchvision.mean_pixel()
        return MEAN_PIXELS.get(network, VGG_MEAN_PIXEL)

    def is_proved_by(self, kind, names):
        """Tell whether the kind of a file or the names in it can mean nothing else."""
        return kind in self.proving or kind in NUMBERED and JOHNSON_DENSE[1] in names


def own_names(network, layers, there):
    """Find the modules of files that use the archive's names, which are the papers'."""
    return {layer: layer for layer in layers}


def in_order(network, layers, there):
    """Find the modules of files that only count, in the order of Lasagne's parameters."""
    if network == 'googlenet':  # within a module, branch by branch as they are concatenated
        layers = sorted(layers, key=_place_in_googlenet)
    return {layer: str(index) for index, layer in enumerate(layers)}


def _place_in_googlenet(layer):
    """Make a key for sorting: stem, inception modules by name and branch, classifier."""
    module, _, branch = layer.rpartition('/')
    if branch in INCEPTION and module.startswith('inception_'):
        return 1, module, INCEPTION.index(branch)
    return (2 if layer.startswith('loss') else 0), '', 0


def caffenet_in_order(network, layers, there):
    """Find the modules of Recipes' CaffeNet, whose grouped convolutions are two layers each."""
    modules, index = {}, 0
    for layer in layers:
        count = 2 if layer in IN_TWO_GROUPS else 1
        modules[layer] = tuple(str(index + part) for part in range(count))
        index += count
    return modules


def keras_names(network, layers, there):
    """Find the modules of Keras' VGGs: block1_conv1 ... fc1, fc2, predictions."""
    dense = {'fc6': 'fc1', 'fc7': 'fc2', 'fc8': 'predictions'}
    return {layer: dense.get(layer) or 'block{}_conv{}'.format(*layer[4:].split('_'))
            for layer in layers}


def numbered(first, step, prefix='', dense=()):
    """Make the function of the modules of a VGG that PyTorch names by their positions.

    Args:
        first: position of conv1_1.
        step: positions from a convolution to the next; a pooling takes one more.
        prefix: of the modules' names.
        dense: of fc6, fc7 and fc8 the modules that they may be; the one that is there counts.
    """
    def modules(network, layers, there):
        choices_of = dict(zip(('fc6', 'fc7', 'fc8'), dense))
        if 'fc6' not in layers:  # a dense layer alone has other names
            choices_of = {'fc8': SINGLE_DENSE}
        names = {layer: next((name for name in choices if name in there), choices[0])
                 for layer, choices in choices_of.items()}
        position = first
        for block, depth in enumerate(VGG_DEPTHS[network], start=1):
            for index in range(1, depth + 1):
                names[f'conv{block}_{index}'] = f'{prefix}{position}'
                position += step
            position += 1
        return {layer: names[layer] for layer in layers if layer in names}
    return modules


def only(networks, modules):
    """Make a function of modules that knows these networks and no others."""
    return lambda network, layers, there: (
        modules(network, layers, there) if network in networks else None)


def all_but(networks, modules):
    """Make a function of modules that knows all networks but these."""
    return lambda network, layers, there: (
        None if network in networks else modules(network, layers, there))


def _torchvision(network, layers, there):
    if network in torchvision.LAYERS:
        return torchvision.LAYERS[network]
    return numbered(0, 2, 'features.', [[name] for name in TORCHVISION_DENSE])(
        network, layers, there)


NUMBERED = ('pytorch', 'safetensors', 'npz', 'named', 'npy', 'hdf5')
OXFORD = ('vgg16', 'vgg19', 'vgg19_normalized')
RETRAINED = ('vgg16_torchvision', 'vgg19_torchvision')
SMALL = ('vgg19_quarter',)
JOHNSON_DENSE = ('classifier.1', 'classifier.4', 'classifier.6')
TORCHVISION_DENSE = ('classifier.0', 'classifier.3', 'classifier.6')
TIMM_DENSE = ('pre_logits.fc1', 'pre_logits.fc2', 'head.fc')
SINGLE_DENSE = ('classifier.0', 'classifier.1', 'classifier', 'fc', 'fc8')
LISTS = ('recipes', 'list', 'npz_list')
TENSORFLOW = {'kernel': 'rows columns in out', 'dense': 'in out', 'inputs': 'rows columns in'}

LAYOUTS = {
    'archive': Layout(('npz', 'underscored', 'named', 'npy', 'hdf5'), own_names),
    'recipes': Layout(LISTS, all_but(['caffenet'], in_order), dense='in out',
                      names_are_shared=True, proving=('recipes', 'npz_list')),
    'recipes_caffenet': Layout(LISTS, only(['caffenet'], caffenet_in_order), dense='in out',
                               flipped=True),
    'neural_doodle': Layout(LISTS[1:], only(['vgg19'], in_order), dense='in out', flipped=True,
                            only_if_proved=True),
    'caffe': Layout(('caffe',), own_names),
    'keras': Layout(('keras',), only((*OXFORD[:2], *SMALL), keras_names), **TENSORFLOW),
    'keras_theano': Layout(('keras',), only((*OXFORD[:2], *SMALL), keras_names), flipped=True,
                           dense='in out'),
    'keras_2015': Layout(('keras_list',), in_order, flipped=True, dense='in out'),
    'tensorflow': Layout(('npy', 'named', 'npz', 'underscored', 'hdf5'), own_names, **TENSORFLOW,
                         names_are_shared=True, proving=('npy', 'named')),
    'tensorflow_rgb': Layout(('underscored', 'npz', 'npy', 'named', 'hdf5'), own_names,
                             **TENSORFLOW, colours='RGB', names_are_shared=True,
                             proving=('underscored',)),
    'matconvnet': Layout(('matconvnet',), own_names, kernel='rows columns in out', dense='kernel',
                         colours='RGB'),
    'matconvnet_transposed': Layout(('matconvnet',), own_names, kernel='columns rows in out',
                                    dense='kernel', colours='RGB', only_if_proved=True),
    'oxford_pytorch': Layout(NUMBERED, only((*OXFORD, *SMALL), numbered(
        0, 2, 'features.', list(zip(JOHNSON_DENSE, TORCHVISION_DENSE)))), names_are_shared=True),
    'gatys_pytorch': Layout(NUMBERED[:2], all_but(RETRAINED, own_names)),
    'adain': Layout(NUMBERED, only(['vgg19_normalized'], numbered(2, 3)), first='0'),
    'torchvision': Layout(NUMBERED, only([*RETRAINED, *SMALL, *torchvision.LAYERS], _torchvision),
                          colours='RGB', deviating=True),
    'timm': Layout(NUMBERED[:2], only(RETRAINED, numbered(
        0, 2, 'features.', [[name] for name in TIMM_DENSE])), colours='RGB', deviating=True),
}
