"""VGG_CNN_S, Chatfield et al. 2014, "Return of the Devil in the Details", table 1 (CNN-S).

The slow one of three networks between AlexNet and the VGGs; the Lasagne Recipes' first example of
a pretrained network. Filters and constants are those of the authors' Caffe model, where pooling
keeps partial windows. Its normalisation has alpha 5e-4 and k 2.
"""

from functools import partial

from models.blocks import classifier, convolution, pooling, response_normalisation, scaled
from models.facts import Facts


def vgg_cnn_s(pool='max', width=1, classes=1000):
    """List the layers of VGG_CNN_S, as a list of (name, how to build it)."""
    thirds = partial(pooling, size=3, stride=3, mode=pool, ignore_border=False)
    halves = partial(pooling, mode=pool, ignore_border=False)
    many = partial(convolution, filters=scaled(512, width))
    return [('conv1', partial(convolution, filters=scaled(96, width), size=7, stride=2, pad=0)),
            ('norm1', partial(response_normalisation, alpha=5e-4, k=2)),
            ('pool1', thirds),
            ('conv2', partial(convolution, filters=scaled(256, width), size=5, pad=0)),
            ('pool2', halves),
            ('conv3', many), ('conv4', many), ('conv5', many),
            ('pool5', thirds)] + classifier(scaled(4096, width), classes)


# All five convolutions are the style, since there are no more. Units of conv4 see 89 pixels
# (conv4_2 of VGG-19: 84), of conv5 113 (conv4_4: 116), of conv3 65 (conv3_4: 48).
FACTS = {'vgg_cnn_s': Facts(
    vgg_cnn_s, 'CNN-S by Oxford, Chatfield et al. 2014', 224,
    style=('conv1', 'conv2', 'conv3', 'conv4', 'conv5'), content='conv4',
    deeper=('conv1', 'conv2', 'conv3', 'conv4'), deconvnet='conv3', dream='conv5')}
