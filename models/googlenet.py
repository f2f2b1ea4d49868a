"""GoogLeNet, Szegedy et al. 2015, "Going Deeper with Convolutions", table 1 and figure 3.

As Berkeley trained it for Caffe (BVLC GoogLeNet, models/bvlc_googlenet/deploy.prototxt), which is
the network of Google's DeepDream: with response normalisations, without the two auxiliary
classifiers, which only help in training. Layer names are Caffe's. Pooling keeps partial windows,
as Caffe does. The last one takes the mean of 7x7 positions; here it takes that of all positions,
which is the same at the paper's 224 pixels and lets a picture have any size.
"""

from functools import partial

from models.blocks import (
    concatenation,
    convolution,
    dense,
    mean_over_positions,
    pooling,
    probabilities,
    response_normalisation,
    scaled,
)
from models.facts import Facts

# Filters of each module: 1x1; 3x3 and before it; 5x5 and before it; behind the pooling.
INCEPTIONS = {'3a': (64, 96, 128, 16, 32, 32), '3b': (128, 128, 192, 32, 96, 64),
              '4a': (192, 96, 208, 16, 48, 64), '4b': (160, 112, 224, 24, 64, 64),
              '4c': (128, 128, 256, 24, 64, 64), '4d': (112, 144, 288, 32, 64, 64),
              '4e': (256, 160, 320, 32, 128, 128), '5a': (256, 160, 320, 32, 128, 128),
              '5b': (384, 192, 384, 48, 128, 128)}
POOL_AFTER = {'3b': 'pool3/3x3_s2', '4e': 'pool4/3x3_s2'}  # these modules


def googlenet(pool='max', width=1, classes=1000):
    """List the layers of GoogLeNet, as a list of (name, how to build it, what is below).

    `pool` is the kind of every pooling but the last, those inside the modules included.
    """
    halving = partial(pooling, size=3, mode=pool, ignore_border=False)
    layers = [('conv1/7x7_s2', partial(convolution, filters=scaled(64, width), size=7, stride=2)),
              ('pool1/3x3_s2', halving),
              ('pool1/norm1', response_normalisation),
              ('conv2/3x3_reduce', partial(convolution, filters=scaled(64, width), size=1)),
              ('conv2/3x3', partial(convolution, filters=scaled(192, width))),
              ('conv2/norm2', response_normalisation),
              ('pool2/3x3_s2', halving)]
    for module, filters in INCEPTIONS.items():
        below = layers[-1][0]
        layers += inception(f'inception_{module}', below, pool,
                            *(scaled(count, width) for count in filters))
        if module in POOL_AFTER:
            layers.append((POOL_AFTER[module], halving))
    return layers + [('pool5/7x7_s1', mean_over_positions),
                     ('loss3/classifier', partial(dense, units=classes, nonlinearity=None)),
                     ('prob', probabilities)]


def inception(name, below, pool, ones, before_threes, threes, before_fives, fives, behind_pool):
    """List the eight layers of an inception module: four ways side by side, concatenated."""
    ends = [f'{name}/{end}' for end in ('1x1', '3x3', '5x5', 'pool_proj')]
    return [(f'{name}/1x1', partial(convolution, filters=ones, size=1), below),
            (f'{name}/3x3_reduce', partial(convolution, filters=before_threes, size=1), below),
            (f'{name}/3x3', partial(convolution, filters=threes)),
            (f'{name}/5x5_reduce', partial(convolution, filters=before_fives, size=1), below),
            (f'{name}/5x5', partial(convolution, filters=fives, size=5)),
            (f'{name}/pool', partial(pooling, size=3, stride=1, pad=1, mode=pool), below),
            (f'{name}/pool_proj', partial(convolution, filters=behind_pool, size=1)),
            (f'{name}/output', concatenation, *ends)]


# Units of the style layers see 7, 19, 59, 91 and 171 pixels (VGG-19's 3 to 156), those of the
# content 91 (VGG-19's 84), of the deconvnet's 59 (48). inception_4c/output is dream.ipynb's.
FACTS = {'googlenet': Facts(
    googlenet, 'GoogLeNet by Berkeley, Szegedy et al. 2015', 224,
    style=('conv1/7x7_s2', 'conv2/3x3', 'inception_3a/output', 'inception_3b/output',
           'inception_4a/output'),
    content='inception_3b/output',
    deeper=('conv1/7x7_s2', 'conv2/3x3', 'inception_3a/output', 'inception_3b/output'),
    deconvnet='inception_3a/output', dream='inception_4c/output')}
