"""Networks that the archive does not have, known by what their files hold.

So that whoever converts one is told what it is, what is missing here, and what to do instead.
Sources: pytorch/vision, torchvision/models; keras-team/keras, keras/src/applications;
forresti/SqueezeNet; KaimingHe/deep-residual-networks; huggingface/pytorch-image-models.
"""

from __future__ import annotations  # Python 3.9 does not know `X | None`

import re

import numpy as np

NORMALISING = re.compile(r'(running|moving)_(mean|var)|(^|[./_])(bn|batch_?norm)|gamma', re.I)
VGG_CONVOLUTIONS = {8: 11, 10: 13, 13: 16, 16: 19}  # and three dense layers
BY_NAME = (  # the first that a name in the file matches
    (r'(^|[./])layer[1-4]\.\d+\.(conv|bn)[12]\b|res\d[a-z]\d*_branch|conv\d_block\d+_\d_conv|'
     r'res_?unit', 'a ResNet', 'residual connections'),
    (r'dense_?block', 'a DenseNet', 'dense connections'),
    (r'(attn|attention|qkv|encoder_layer|query)', 'a transformer', 'attention'),
    (r'Mixed_[567][a-z]|mixed_?[567]|Conv2d_1a_3x3', 'an Inception network after the first',
     'factorised convolutions'),
    (r'inception\d[a-e][./]branch', "torchvision's GoogLeNet", 'batch normalisation'),
    (r'depthwise|_dw\b|conv_dw|expanded_conv', 'a MobileNet or EfficientNet',
     'depthwise convolutions'),
    (r'(^|[./])(up|down|dec|enc|encoder|decoder)_?\d*[./]', 'an encoder or decoder of pictures',
     'such a network'),
)


def recognised(contents):
    """Tell what network, that the archive does not have, a file holds, or return None.

    Args:
        contents: `formats.Contents`.
    """
    names = [*contents.modules(), *contents.others]
    normalised = any(NORMALISING.search(name) for name in names)
    kernels = [array for key, array in contents.arrays.items()
               if key.endswith('.W') and array.ndim == 4]
    if not kernels:
        return None
    for network in (_squeezenet, _alexnet, _vgg):
        told = network(contents, names, kernels, normalised)
        if told:
            return told
    for pattern, what, missing in BY_NAME:
        if any(re.search(pattern, name) for name in names):
            return (f'it is {what}: nothing here has {missing}; take one of the networks that '
                    '`python -m models.weights list` names')
    if normalised:
        return ('it has batch normalisation, which no network here has: fold it into the '
                'convolutions before it (W * gamma / deviation, beta + (b - mean) * gamma / '
                'deviation) and save these')
    return None


def _squeezenet(contents, names, kernels, normalised):
    if not any('squeeze' in name for name in names) or not any('expand' in name for name in names):
        return None
    if _size(kernels[0]) == 7:
        return ('it is SqueezeNet 1.0, whose first convolution has 96 filters of 7x7 and which '
                'pools later; here is SqueezeNet 1.1, with 64 of 3x3: python -m models.weights '
                'fetch squeezenet')
    return None


def _alexnet(contents, names, kernels, normalised):
    if _size(kernels[0]) == 11 and 64 in kernels[0].shape:
        return ("it is the AlexNet of 'One weird trick' (torchvision's), with 64 filters first and "
                'without groups and response normalisation; here is that of 2012, with 96: python '
                '-m models.weights fetch alexnet')
    return None


def _vgg(contents, names, kernels, normalised):
    depth = VGG_CONVOLUTIONS.get(len([kernel for kernel in kernels if _size(kernel) == 3]))
    if depth is None or len(kernels) > depth + 2 or _size(kernels[0]) != 3:
        return None
    if normalised:
        return (f'it is a VGG-{depth} with batch normalisation (vgg{depth}_bn), which no network '
                'here has: take the one without (python -m models.weights fetch '
                f'{"vgg19_torchvision" if depth == 19 else "vgg16_torchvision"}), or fold it into '
                'the convolutions (W * gamma / deviation, beta + (b - mean) * gamma / deviation) '
                'and save these')
    if depth in (11, 13):
        return (f'it is a VGG-{depth}; here are VGG-16 and VGG-19: python -m models.weights fetch '
                'vgg16')
    return None


def _size(kernel):
    """Find the rows of a kernel, whichever axes it has: those two that are equal and smallest."""
    lengths = sorted(kernel.shape)
    equal = [a for a, b in zip(lengths, lengths[1:]) if a == b]
    return int(np.min(equal)) if equal else 0
