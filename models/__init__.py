"""The archive's networks. Importing this package prepares Theano and Lasagne.

    net, classes, mean_pixel = models.load('vgg19_quarter')
    net['conv4_2'], models.scores(net)
"""

from models import errors, runtime

errors.keep_log_printable()
runtime.prepare()

from models.networks import (  # noqa: E402 - Theano is ready now
    NETWORKS, build, deepest_of, known_name, load, scores)

__all__ = ['NETWORKS', 'build', 'deepest_of', 'known_name', 'load', 'scores']
