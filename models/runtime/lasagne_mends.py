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
    from models.runtime import lasagne_base

    lasagne_base.apply()
    mend_rectifiers()
    mend_types_of_values()
    mend_iterables()
    mend_normalisation_type()
    mend_shapes()
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
    """Put the layers of 0.2 under their names, `lasagne.layers.dnn` included.

    0.1's own module dnn raises ImportError without a CUDA device, and every network of the
    Recipes imports its convolution from there.
    """
    from models.runtime import (
        lasagne_convolutions as convolutions,
        lasagne_layers as ours,
        lasagne_pooling as pooling,
        lasagne_recurrent as recurrent,
    )

    from lasagne import layers, theano_extensions

    # 0.2 has these modules that 0.1 does not have; the first has what 0.1 keeps in dense too.
    special = put_module('lasagne.layers.special', NonlinearityLayer=layers.NonlinearityLayer)
    local = put_module('lasagne.layers.local')
    places = {
        layers.dense: [ours.DenseLayer],
        layers.noise: [ours.DropoutLayer, ours.dropout_channels, ours.dropout_locations],
        layers.conv: [convolutions.BaseConvLayer, convolutions.Conv1DLayer,
                      convolutions.Conv2DLayer, convolutions.Conv3DLayer,
                      convolutions.TransposedConv2DLayer, convolutions.TransposedConv3DLayer,
                      convolutions.DilatedConv2DLayer],
        local: [convolutions.LocallyConnected2DLayer],
        layers.pool: [pooling.Pool1DLayer, pooling.MaxPool1DLayer, pooling.Pool3DLayer,
                      pooling.MaxPool3DLayer, pooling.Upscale1DLayer, pooling.Upscale2DLayer,
                      pooling.Upscale3DLayer, pooling.SpatialPyramidPoolingLayer],
        layers.merge: [ours.autocrop, ours.autocrop_array_shapes, ours.ConcatLayer,
                       ours.ElemwiseMergeLayer, ours.ElemwiseSumLayer],
        layers.normalization: [ours.BatchNormLayer, ours.batch_norm, ours.StandardizationLayer,
                               ours.instance_norm, ours.layer_norm],
        layers.recurrent: [recurrent.CustomRecurrentLayer, recurrent.RecurrentLayer,
                           recurrent.LSTMLayer, recurrent.GRULayer],
        special: [ours.BiasLayer, ours.ScaleLayer, ours.standardize, ours.ExpressionLayer,
                  ours.InverseLayer, ours.TransformerLayer, ours.ParametricRectifierLayer,
                  ours.prelu, ours.RandomizedRectifierLayer, ours.rrelu],
    }
    for module, members in places.items():
        for member in members:
            setattr(module, member.__name__, member)
            setattr(layers, member.__name__, member)
    for name, module, member in (
            ('Deconv2DLayer', layers.conv, convolutions.TransposedConv2DLayer),
            ('Deconv3DLayer', layers.conv, convolutions.TransposedConv3DLayer),
            ('concat', layers.merge, ours.ConcatLayer),
            ('dropout', layers.noise, ours.DropoutLayer),
            ('spatial_dropout', layers.noise, ours.dropout_channels)):
        setattr(module, name, member)
        setattr(layers, name, member)
    layers.recurrent.DenseLayer = ours.DenseLayer
    layers.conv.conv_input_length = convolutions.conv_input_length
    theano_extensions.conv.conv1d_mc0 = convolutions.conv1d_mc0
    layers.pool.pool_2d, layers.pool.pool_3d = pooling.pool_2d, pooling.pool_3d

    put_module('lasagne.layers.dnn', Conv2DDNNLayer=convolutions.Conv2DDNNLayer,
               Conv3DDNNLayer=convolutions.Conv3DDNNLayer,
               Pool2DDNNLayer=pooling.Pool2DDNNLayer,
               MaxPool2DDNNLayer=pooling.MaxPool2DDNNLayer,
               Pool3DDNNLayer=pooling.Pool3DDNNLayer,
               MaxPool3DDNNLayer=pooling.MaxPool3DDNNLayer,
               SpatialPyramidPoolingDNNLayer=pooling.SpatialPyramidPoolingDNNLayer,
               BatchNormDNNLayer=ours.BatchNormLayer, batch_norm_dnn=ours.batch_norm)
    put_module('lasagne.layers.corrmm', Conv2DMMLayer=convolutions.Conv2DDNNLayer)


def mend_shapes():
    """Let layers of 0.1 take unknown sizes and numpy's integers, as those of 0.2 do."""
    from models.runtime import lasagne_layers as ours
    from models.runtime.lasagne_pooling import with_four_axes

    from lasagne import layers

    layers.FlattenLayer.get_output_shape_for = ours.flattened_shape
    layers.PadLayer.get_output_shape_for = ours.padded_shape
    layers.SliceLayer.get_output_shape_for = ours.sliced_shape
    for kind in (layers.ReshapeLayer, layers.DimshuffleLayer, layers.PadLayer):
        kind.__init__ = ours.with_plain_integers(kind.__init__)
    layers.Pool2DLayer.__init__ = with_four_axes(layers.Pool2DLayer.__init__)


def add_functions():
    """Put the functions of `lasagne_functions` under their 0.2 names."""
    from models.runtime import lasagne_functions as ours

    import lasagne

    places = {
        lasagne.nonlinearities: [ours.elu, ours.softplus, ours.ScaledTanH, ours.SELU],
        lasagne.objectives: [
            ours.align_targets, ours.binary_crossentropy, ours.squared_error, ours.huber_loss,
            ours.binary_hinge_loss, ours.multiclass_hinge_loss, ours.binary_accuracy,
            ours.categorical_accuracy],
        lasagne.updates: [ours.get_or_compute_grads, ours.adamax, ours.amsgrad],
    }
    for module, members in places.items():
        for member in members:
            setattr(module, member.__name__, member)
    lasagne.nonlinearities.ScaledTanh = ours.ScaledTanH  # its other name
    lasagne.nonlinearities.selu = ours.selu
    for name in ('sgd', 'momentum', 'nesterov_momentum', 'adagrad', 'rmsprop', 'adadelta', 'adam',
                 'adamax', 'amsgrad'):
        setattr(lasagne.updates, name, ours.with_plain_rates(getattr(lasagne.updates, name)))
