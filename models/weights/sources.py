"""Where trained weights can be had: addresses, hashes, licences.

Hashes are those that the file's own publishers state, or that several users of it state:
Keras' from keras-applications; Oxford's caffemodels from opencv_extra's and apache/mxnet's lists
(SHA-1) and jcjohnson/neural-style issue 49 (MD5 of VGG-19); BVLC's from their readme.md;
MatConvNet's from its page "Pretrained models"; torchvision's and J. Johnson's names hold the first
eight digits of the SHA-256; vgg_normalised.pth's as users of pytorch-AdaIN's release pin it; the
Recipes' as users noted them before the bucket closed. A source without a hash is never fetched,
only named. None of the addresses could be tried when this table was made.
"""

from __future__ import annotations  # Python 3.9 does not know `X | None`

import hashlib
from dataclasses import dataclass

OXFORD_LICENCE = 'CC BY 4.0 (Oxford)'
BVLC_LICENCE = 'unrestricted (BVLC)'
TORCHVISION_LICENCE = 'BSD 3-clause (torchvision)'
RECIPES = 'https://s3.amazonaws.com/lasagne/recipes/pretrained/imagenet/'
KERAS = 'https://storage.googleapis.com/tensorflow/keras-applications/{}/'
KERAS_BEFORE = 'https://github.com/fchollet/deep-learning-models/releases/download/v0.1/'
OXFORD = 'https://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/'
MXNET = 'https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/caffe/models/'
JOHNSON = ('https://web.eecs.umich.edu/~justincj/models/',
           'https://s3-us-west-2.amazonaws.com/jcjohns-models/')
TORCHVISION = ('https://download.pytorch.org/models/', 'https://s3.amazonaws.com/pytorch/models/')
MATCONVNET = ('https://www.vlfeat.org/matconvnet/models/',)
BVLC = ('http://dl.caffe.berkeleyvision.org/',)


@dataclass(frozen=True)
class Source:
    """One file that holds the weights of a network.

    Attributes:
        name: short, one of a kind for each network.
        network: whose weights.
        file: its name.
        folders: addresses that the name is appended to, in the order of trying.
        hash: '<algorithm>:<hexadecimal digits>', of SHA-256 perhaps only the first; None if it is
            not known.
        megabytes: about, for display and to stop what is far larger.
        layout: a key of layouts.LAYOUTS.
        licence: in a word.
        convolutions_only: it has no dense layers.
        is_gone: the addresses are known to be closed; the hash tells a file that somebody kept.
    """

    name: str
    network: str
    file: str
    folders: tuple
    hash: str | None
    megabytes: int
    layout: str
    licence: str
    convolutions_only: bool = False
    is_gone: bool = False

    def urls(self):
        """List the addresses in the order of trying."""
        return [folder + self.file for folder in self.folders]

    def most_bytes(self):
        """Compute the bytes that the file has at most: its megabytes are rounded, or of hearsay."""
        return 2 * 10 ** 6 * self.megabytes + 10 ** 7

    def can_be_fetched(self):
        """Tell whether there is somewhere to fetch it from, and a hash to check it by."""
        return self.hash is not None and not self.is_gone


def _keras(network, file, md5, megabytes, **options):
    return Source('keras-convolutions' if options else 'keras', network, file,
                  (KERAS.format(network), KERAS_BEFORE), f'md5:{md5}', megabytes, 'keras',
                  OXFORD_LICENCE, **options)


SOURCES = (
    _keras('vgg16', 'vgg16_weights_tf_dim_ordering_tf_kernels.h5',
           '64373286793e3c8b2b4e3219cbf3544b', 553),
    _keras('vgg16', 'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5',
           '6d6bbae143d832006294945121d1f1fc', 59, convolutions_only=True),
    Source('oxford', 'vgg16', 'VGG_ILSVRC_16_layers.caffemodel', (OXFORD, MXNET + 'vgg/'),
           'sha1:9363e1f6d65f7dba68c4f27a1e62105cdf6c4e24', 553, 'caffe', OXFORD_LICENCE),
    Source('johnson', 'vgg16', 'vgg16-00b39a1b.pth', JOHNSON, 'sha256:00b39a1b', 553,
           'oxford_pytorch', OXFORD_LICENCE),
    Source('matconvnet', 'vgg16', 'imagenet-vgg-verydeep-16.mat', MATCONVNET,
           'md5:f72d927587ca4c97fbd165ec9cb9997f', 513, 'matconvnet', OXFORD_LICENCE),
    Source('recipes', 'vgg16', 'vgg16.pkl', (RECIPES,), 'md5:57858ec9bb7435e99c78a0520e6c5d3e',
           553, 'recipes', OXFORD_LICENCE, is_gone=True),

    _keras('vgg19', 'vgg19_weights_tf_dim_ordering_tf_kernels.h5',
           'cbe5617147190e668d6c5d5026f83318', 575),
    _keras('vgg19', 'vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5',
           '253f8cb515780f3b799900260a226db6', 80, convolutions_only=True),
    Source('oxford', 'vgg19', 'VGG_ILSVRC_19_layers.caffemodel', (OXFORD, MXNET + 'vgg/'),
           'md5:b5c644beabd7cf06bdd9065cfd674c97', 575, 'caffe', OXFORD_LICENCE),
    Source('johnson', 'vgg19', 'vgg19-d01eb7cb.pth', JOHNSON, 'sha256:d01eb7cb', 575,
           'oxford_pytorch', OXFORD_LICENCE),
    Source('matconvnet', 'vgg19', 'imagenet-vgg-verydeep-19.mat', MATCONVNET,
           'md5:106118b7cf60435e6d8e04f6a6dc3657', 534, 'matconvnet', OXFORD_LICENCE),
    Source('matconvnet-beta16', 'vgg19', 'imagenet-vgg-verydeep-19.mat',
           (MATCONVNET[0] + 'beta16/',), 'md5:8ee3263992981a1d26e73b3ca028a123', 534,
           'matconvnet', OXFORD_LICENCE),
    Source('recipes', 'vgg19', 'vgg19.pkl', (RECIPES,), None, 575, 'recipes', OXFORD_LICENCE,
           is_gone=True),

    Source('adain', 'vgg19_normalized', 'vgg_normalised.pth',
           ('https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0/',),
           'sha256:804ca2835ecf7539f0cd2a7ac3c18ce81e6f8468969ae7117ac0c148d286bb4a', 80, 'adain',
           OXFORD_LICENCE, convolutions_only=True),
    Source('bethge', 'vgg19_normalized', 'vgg_normalised.caffemodel',
           ('https://bethgelab.org/media/uploads/deeptextures/',
            'https://github.com/paulu/deepfeatinterp/raw/master/models/VGG_CNN_19/',
            'https://huggingface.co/fdan/neural_style_transfer_vgg/resolve/main/'),
           None, 80, 'caffe', OXFORD_LICENCE, convolutions_only=True),
    Source('recipes', 'vgg19_normalized', 'vgg19_normalized.pkl', (RECIPES,),
           'md5:cb8ee699c50a64f8fef2a82bfbb307c5', 80, 'recipes', OXFORD_LICENCE,
           convolutions_only=True, is_gone=True),

    Source('torchvision', 'vgg16_torchvision', 'vgg16-397923af.pth', TORCHVISION,
           'sha256:397923af', 553, 'torchvision', TORCHVISION_LICENCE),
    Source('torchvision', 'vgg19_torchvision', 'vgg19-dcbb9e9d.pth', TORCHVISION,
           'sha256:dcbb9e9d', 575, 'torchvision', TORCHVISION_LICENCE),

    Source('torchvision', 'squeezenet', 'squeezenet1_1-b8a52dc0.pth', TORCHVISION[:1],
           'sha256:b8a52dc0', 5, 'torchvision', TORCHVISION_LICENCE),
    Source('torchvision-before', 'squeezenet', 'squeezenet1_1-f364aa15.pth', TORCHVISION,
           'sha256:f364aa15', 5, 'torchvision', TORCHVISION_LICENCE),
    Source('deepscale', 'squeezenet', 'squeezenet_v1.1.caffemodel',
           ('https://raw.githubusercontent.com/DeepScale/SqueezeNet/'
            'b5c3f1a23713c8b3fd7b801d229f6b04c64374a5/SqueezeNet_v1.1/',),
           'sha1:3397f026368a45ae236403ccc81cfcbe8ebe1bd0', 5, 'caffe', 'BSD 2-clause (DeepScale)'),

    Source('bvlc', 'googlenet', 'bvlc_googlenet.caffemodel', (*BVLC, MXNET + 'bvlc_googlenet/'),
           'sha1:405fc5acd08a3bb12de8ee5e23a96bec22f08204', 54, 'caffe', BVLC_LICENCE),
    Source('recipes', 'googlenet', 'blvc_googlenet.pkl', (RECIPES,), None, 28, 'recipes',
           BVLC_LICENCE, is_gone=True),
    Source('bvlc', 'alexnet', 'bvlc_alexnet.caffemodel', (*BVLC, MXNET + 'bvlc_alexnet/'),
           'sha1:9116a64c0fbe4459d18f4bb6b56d647b63920377', 244, 'caffe', BVLC_LICENCE),
    Source('matconvnet', 'alexnet', 'imagenet-caffe-alex.mat', MATCONVNET,
           'md5:b5152a54bf61100a8ed61827c76e7d08', 227, 'matconvnet', BVLC_LICENCE),
    Source('bvlc', 'caffenet', 'bvlc_reference_caffenet.caffemodel', BVLC,
           'sha1:4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46', 244, 'caffe', BVLC_LICENCE),
    Source('matconvnet', 'caffenet', 'imagenet-caffe-ref.mat', MATCONVNET,
           'md5:675dd47906d34f4d9a70fc44210d3804', 227, 'matconvnet', BVLC_LICENCE),
    Source('matconvnet', 'vgg_cnn_s', 'imagenet-vgg-s.mat', MATCONVNET,
           'md5:dbe23da22e82078debda75842b16d5fa', 382, 'matconvnet', 'non-commercial (Oxford)'),
    Source('oxford', 'vgg_cnn_s', 'VGG_CNN_S.caffemodel',
           ('https://www.robots.ox.ac.uk/~vgg/software/deep_eval/releases/bvlc/',), None, 393,
           'caffe', 'non-commercial (Oxford)'),
    Source('recipes', 'vgg_cnn_s', 'vgg_cnn_s.pkl', (RECIPES,), None, 412, 'recipes',
           'non-commercial (Oxford)', is_gone=True),
)


def of_network(network):
    """List the sources of a network, the preferred first."""
    return [source for source in SOURCES if source.network == network]


def of_file(digests):
    """Find the source whose hash a file has, or None.

    Args:
        digests: algorithm -> hexadecimal digits, as `digests_of` gives them.
    """
    return next((source for source in SOURCES if is_right(source.hash, digests)), None)


def digests_of(path):
    """Compute a file's MD5, SHA-1 and SHA-256, in hexadecimal, by the algorithm's name."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in ('md5', 'sha1', 'sha256')}
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            for digest in hashes.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def is_right(wanted, digests):
    """Tell whether a file's digests agree with a hash, '<algorithm>:<the first digits>'."""
    if wanted is None:
        return False
    algorithm, _, digits = wanted.partition(':')
    return digests[algorithm].startswith(digits)
