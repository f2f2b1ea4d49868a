"""SqueezeNet 1.1, Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy", figure 2 and table 1.

Version 1.1 of the authors (forresti/SqueezeNet): 2.4 times less computation than the paper's, the
same accuracy. Layer names are those of their Caffe model. Pooling keeps partial windows, as Caffe
does.
"""

from functools import partial

from models.blocks import (
    concatenation,
    convolution,
    mean_over_positions,
    pooling,
    probabilities,
    scaled,
)
from models.facts import Facts

FIRES = {2: (16, 64), 3: (16, 64), 4: (32, 128), 5: (32, 128),     # filters of squeeze, of each
         6: (48, 192), 7: (48, 192), 8: (64, 256), 9: (64, 256)}   # expand
POOL_AFTER = (3, 5)  # these fire modules


def squeezenet(pool='max', width=1, classes=1000):
    """List the layers of SqueezeNet 1.1, as a list of (name, how to build it, what is below)."""
    pool_partial_windows = partial(pooling, size=3, mode=pool, ignore_border=False)
    layers = [('conv1', partial(convolution, filters=scaled(64, width), stride=2, pad=0)),
              ('pool1', pool_partial_windows)]
    for number, (squeeze, expand) in FIRES.items():
        layers += fire(f'fire{number}', scaled(squeeze, width), scaled(expand, width))
        if number in POOL_AFTER:
            layers.append((f'pool{number}', pool_partial_windows))
    return layers + [('conv10', partial(convolution, filters=classes, size=1)),
                     ('pool10', mean_over_positions),
                     ('prob', probabilities)]


def fire(name, squeeze, expand):
    """List the four layers of a fire module: 1x1 filters, then 1x1 beside 3x3 filters."""
    narrow, ones, threes = f'{name}/squeeze1x1', f'{name}/expand1x1', f'{name}/expand3x3'
    return [(narrow, partial(convolution, filters=squeeze, size=1)),
            (ones, partial(convolution, filters=expand, size=1)),
            (threes, partial(convolution, filters=expand), narrow),
            (f'{name}/concat', concatenation, ones, threes)]


# Units of the style layers see 3, 15, 23, 47 and 111 pixels (VGG-19's 3 to 156), of the content 63
# (84; the next layer has a stride of 16), of the deconvnet's 47 (48), to dream of 111 (116).
FACTS = {'squeezenet': Facts(
    squeezenet, 'SqueezeNet 1.1, Iandola et al. 2016', 224,
    style=('conv1', 'fire2/concat', 'fire3/concat', 'fire4/concat', 'fire6/concat'),
    content='fire5/concat', deeper=('conv1', 'fire2/concat', 'fire3/concat', 'fire5/concat'),
    deconvnet='fire4/concat', dream='fire6/concat')}
