"""What keeps Lasagne 0.1 from running, and the parts of 0.2 that it lacks. One function a mend.

Lasagne 0.2 was never released; the Recipes and nearly all code of 2015 and 2016 need 0.2.dev1.
"""

import importlib.metadata
import sys
import types

from models.runtime import theano_mends


def apply():
    """Import Lasagne and apply every mend below."""
    import_without_pkg_resources()
    mend_rectifiers()
    mend_iterables()
    add_layers()


def import_without_pkg_resources():
    """Import Lasagne, which asks pkg_resources for its own version and for nothing else.

    setuptools 82 no longer has pkg_resources, and those from 67 on warn of its use.
    """
    stand_in = types.ModuleType('pkg_resources')
    stand_in.get_distribution = importlib.metadata.distribution
    real = sys.modules.get('pkg_resources')
    sys.modules['pkg_resources'] = stand_in
    try:
        import lasagne  # noqa: F401
    finally:
        del sys.modules['pkg_resources']
        if real is not None:
            sys.modules['pkg_resources'] = real


def mend_rectifiers():
    """Give Lasagne's rectifiers the gradient 0 at 0; see theano_mends.rectify.

    The function stands in the default arguments of every layer, so its code is exchanged and not
    its name.
    """
    from lasagne import nonlinearities

    def rectify(x):
        return rectifier(x)  # noqa: F821 - a global of lasagne.nonlinearities, set below

    nonlinearities.rectifier = theano_mends.rectify
    nonlinearities.rectify.__code__ = rectify.__code__
    nonlinearities.LeakyRectify.__call__ = (
        lambda self, x: theano_mends.rectify(x, self.leakiness))


def mend_iterables():
    """Let the helpers take any iterable of layers, such as `net.values()` or a generator.

    0.1 goes through its argument twice, so of a generator nothing is left the second time.
    """
    import lasagne

    for name in ('get_output', 'get_output_shape', 'get_all_layers', 'get_all_params',
                 'get_all_param_values', 'set_all_param_values', 'count_params'):
        mended = _taking_any_iterable(getattr(lasagne.layers.helper, name))
        setattr(lasagne.layers.helper, name, mended)
        setattr(lasagne.layers, name, mended)


def _taking_any_iterable(function):
    def mended(layer_or_layers, *arguments, **options):
        if hasattr(layer_or_layers, '__iter__'):
            layer_or_layers = list(layer_or_layers)
        return function(layer_or_layers, *arguments, **options)

    mended.__name__, mended.__doc__ = function.__name__, function.__doc__
    return mended


def add_layers():
    """Put the layers of `lasagne_layers` under their 0.2 names, `lasagne.layers.dnn` included.

    0.1's own module dnn raises ImportError without a CUDA device, and every network of the
    Recipes imports its convolution from there.
    """
    import lasagne

    from models.runtime import lasagne_layers as ours

    lasagne.layers.conv.Conv2DLayer = lasagne.layers.Conv2DLayer = ours.Conv2DLayer
    for layer in (ours.BatchNormLayer, ours.Upscale2DLayer, ours.TransposedConv2DLayer):
        setattr(lasagne.layers, layer.__name__, layer)
    lasagne.layers.Deconv2DLayer = ours.TransposedConv2DLayer
    lasagne.layers.batch_norm = ours.batch_norm

    dnn = types.ModuleType('lasagne.layers.dnn')
    dnn.Conv2DDNNLayer = ours.Conv2DDNNLayer
    dnn.Pool2DDNNLayer = ours.Pool2DDNNLayer
    dnn.MaxPool2DDNNLayer = ours.MaxPool2DDNNLayer
    sys.modules[dnn.__name__] = lasagne.layers.dnn = dnn
