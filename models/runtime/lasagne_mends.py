"""What keeps Lasagne 0.1 from running, and the parts of 0.2 that it lacks. One function a mend.

Lasagne 0.2 was never released; the Recipes and nearly all code of 2015 and 2016 need 0.2.dev1.
"""

from models.runtime import theano_mends
from models.runtime.imports import without_pkg_resources
from models.runtime.theano_mends import put_module


def apply():
    """Import Lasagne and apply every mend below."""
    with without_pkg_resources():
        import lasagne  # noqa: F401
    mend_rectifiers()
    mend_types_of_values()
    mend_iterables()
    mend_normalisation_type()
    add_layers()
    add_functions()


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


def mend_normalisation_type():
    """Let LocalResponseNormalization2DLayer compute in the type of its input.

    0.1 puts it between zero channels in floatX, which Theano refuses where the input is float64
    and floatX is not, and Theano rounds its three constants to floatX.
    """
    import numpy as np
    import theano.tensor as T
    from lasagne.layers import LocalResponseNormalization2DLayer

    def get_output_for(self, input, **options):
        k, alpha, beta = (np.asarray(number, input.dtype)
                          for number in (self.k, self.alpha, self.beta))
        beyond = T.zeros_like(input[:, :1]).repeat(self.n // 2, axis=1)
        squares = T.concatenate([beyond, T.sqr(input), beyond], axis=1)
        channels = input.shape[1]
        around = sum(squares[:, index:index + channels] for index in range(self.n))
        return input / (k + alpha * around) ** beta

    LocalResponseNormalization2DLayer.get_output_for = get_output_for


def mend_types_of_values():
    """Let set_all_param_values take values of another type than the parameters'.

    A list that was pickled where floatX was float64, Theano's default, does not fit otherwise.
    """
    import lasagne
    import numpy as np

    original = lasagne.layers.helper.set_all_param_values

    def set_all_param_values(layer, values, **tags):
        values = [np.asarray(value) for value in values]
        parameters = lasagne.layers.get_all_params(layer, **tags)
        if len(parameters) == len(values):  # else told by the original
            values = [value.astype(parameter.dtype, copy=False)
                      for parameter, value in zip(parameters, values)]
        return original(layer, values, **tags)

    lasagne.layers.helper.set_all_param_values = set_all_param_values
    lasagne.layers.set_all_param_values = set_all_param_values


def add_layers():
    """Put the layers of `lasagne_layers` under their 0.2 names, `lasagne.layers.dnn` included.

    0.1's own module dnn raises ImportError without a CUDA device, and every network of the
    Recipes imports its convolution from there.
    """
    from lasagne import layers

    from models.runtime import lasagne_layers as ours

    # 0.2 has these modules that 0.1 does not have; the first has what 0.1 keeps in dense too
    special = put_module('lasagne.layers.special', NonlinearityLayer=layers.NonlinearityLayer)
    places = {
        layers.conv: [ours.Conv2DLayer, ours.TransposedConv2DLayer, ours.DilatedConv2DLayer],
        layers.pool: [ours.Pool1DLayer, ours.Upscale1DLayer, ours.Upscale2DLayer],
        layers.merge: [ours.ConcatLayer, ours.ElemwiseMergeLayer, ours.ElemwiseSumLayer],
        layers.normalization: [ours.BatchNormLayer, ours.batch_norm],
        special: [ours.BiasLayer, ours.ScaleLayer, ours.standardize, ours.ExpressionLayer,
                  ours.InverseLayer, ours.ParametricRectifierLayer, ours.prelu,
                  ours.RandomizedRectifierLayer, ours.rrelu],
    }
    for module, members in places.items():
        for member in members:
            setattr(module, member.__name__, member)
            setattr(layers, member.__name__, member)
    for module in (layers, layers.conv):
        module.Deconv2DLayer = ours.TransposedConv2DLayer
    for module in (layers, layers.merge):
        module.concat = ours.ConcatLayer

    put_module('lasagne.layers.dnn', Conv2DDNNLayer=ours.Conv2DDNNLayer,
               Pool2DDNNLayer=ours.Pool2DDNNLayer, MaxPool2DDNNLayer=ours.MaxPool2DDNNLayer,
               BatchNormDNNLayer=ours.BatchNormLayer, batch_norm_dnn=ours.batch_norm)
    put_module('lasagne.layers.corrmm', Conv2DMMLayer=ours.Conv2DDNNLayer)


def add_functions():
    """Put the functions of `lasagne_functions` under their 0.2 names."""
    import lasagne

    from models.runtime import lasagne_functions as ours

    for function in (ours.elu, ours.softplus, ours.ScaledTanh):
        setattr(lasagne.nonlinearities, function.__name__, function)
    lasagne.nonlinearities.ScaledTanH = ours.ScaledTanh  # its first name
    for function in (ours.binary_hinge_loss, ours.multiclass_hinge_loss, ours.binary_accuracy,
                     ours.categorical_accuracy):
        setattr(lasagne.objectives, function.__name__, function)
    lasagne.updates.adamax = ours.adamax
    lasagne.utils.collect_shared_vars = ours.collect_shared_vars
