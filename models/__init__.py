"""The archive's networks. Importing this package prepares Theano and Lasagne.

    net, classes, mean_pixel = models.load('vgg19_small')
    net['conv4_2'], models.scores(net)

`python -m models` lists the networks, their layers and their classes.
"""

from models import process, waiting

process.guard_imports()  # Theano's takes seconds, in which somebody may press Ctrl-C
waiting.begin('preparing Theano, whose own parts are compiled the first time')

from models import errors, runtime  # noqa: E402

errors.keep_log_printable()
runtime.prepare()
waiting.begin('starting')

from models.graphs import scores  # noqa: E402 - Theano is ready now
from models.networks import (  # noqa: E402
    NETWORKS,
    build,
    deepest_of,
    facts_of,
    known_layer,
    known_name,
    listing,
    load,
)

__all__ = ['NETWORKS', 'build', 'deepest_of', 'facts_of', 'known_layer', 'known_name', 'listing',
           'load', 'scores']
