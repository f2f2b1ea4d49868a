"""What all of Lasagne 0.2.dev1 rests on and 0.1 lacks: parameters that are expressions, checks of
shapes and of options, sizes that are numpy integers.
"""

import difflib
import inspect
import numbers
import warnings

import lasagne
import numpy as np
import theano
import theano.tensor as T
from lasagne.layers import Layer, MergeLayer, helper
from lasagne.layers.input import InputLayer
from theano import Variable
from theano.compile import SharedVariable

int_types = (numbers.Integral, np.integer)


def apply():
    """Put everything below in its place in Lasagne."""
    for function in (as_tuple, collect_shared_vars, compute_norms, create_param, inspect_kwargs,
                     unique, unroll_scan):
        setattr(lasagne.utils, function.__name__, function)
    lasagne.utils.int_types = int_types
    for module in (lasagne.layers.conv, lasagne.layers.pool, lasagne.layers.recurrent):
        for name in ('as_tuple', 'unroll_scan'):
            if hasattr(module, name):
                setattr(module, name, getattr(lasagne.utils, name))
    Layer.get_params = get_params
    Layer.output_shape = property(lambda self: _known_shape(self, self.input_shape))
    MergeLayer.output_shape = property(lambda self: _known_shape(self, self.input_shapes))
    for kind in (Layer, MergeLayer):
        kind.__init__ = _with_options(kind.__init__)
    InputLayer.__init__ = _with_broadcast_axes(InputLayer.__init__)
    for name in ('get_all_params', 'get_output'):
        function = globals()[name]
        setattr(helper, name, function)
        setattr(lasagne.layers, name, function)


def as_tuple(x, N, t=None):
    """Make a tuple of the N elements of x, or N times x; each of type t, a type or several.

    Raises:
        TypeError: an element of another type.
        ValueError: another number of elements.
    """
    try:
        elements = tuple(x)
    except TypeError:
        elements = (x,) * N
    if t is not None and not all(isinstance(element, t) for element in elements):
        kinds = 'int' if t == int_types else ' or '.join(
            kind.__name__ for kind in (t if isinstance(t, tuple) else (t,)))
        raise TypeError(f'expected a single value or an iterable of {kinds}, got {x} instead')
    if len(elements) != N:
        raise ValueError(f'expected a single value or an iterable with length {N}, got {x} instead')
    return elements


def unique(l):
    """List the elements of an iterable, each once, in their order."""
    return list(dict.fromkeys(l))


def inspect_kwargs(func):
    """List the names of a callable's arguments that have a default value, in order."""
    return [argument.name for argument in inspect.signature(func).parameters.values()
            if argument.default is not argument.empty]


def collect_shared_vars(expressions):
    """Find the shared variables that an expression, or several, depend on, each once.

    They stand in the order in which a reader of the expressions meets them, from left to right.
    """
    waiting = [expressions] if isinstance(expressions, Variable) else list(expressions)
    waiting.reverse()
    seen, found = set(), []
    while waiting:
        variable = waiting.pop()
        if variable in seen:
            continue
        seen.add(variable)
        if isinstance(variable, SharedVariable):
            found.append(variable)
        elif variable.owner is not None:
            waiting.extend(reversed(variable.owner.inputs))
    return found


def compute_norms(array, norm_axes=None):
    """Compute the norms of the weights that enter each unit.

    Args:
        array: a numpy array or a Theano expression. Of a vector, such as biases, the magnitudes.
        norm_axes: the axes to sum over; by default the first of a matrix, all but the first of
            three to five.

    Raises:
        RuntimeError: neither array nor expression.
        ValueError: another number of axes, without norm_axes.
    """
    if not isinstance(array, (Variable, np.ndarray)):
        raise RuntimeError(f'Unsupported type {type(array)}. Only theano variables and numpy '
                           'arrays are supported')
    if norm_axes is None:
        usual = {1: (), 2: (0,), **{ndim: tuple(range(1, ndim)) for ndim in (3, 4, 5)}}
        if array.ndim not in usual:
            raise ValueError(f'Unsupported tensor dimensionality {array.ndim}. Must specify '
                             '`norm_axes`')
        norm_axes = usual[array.ndim]
    if not norm_axes:
        return abs(array)
    functions = T if isinstance(array, Variable) else np
    return functions.sqrt(functions.sum(array ** 2, axis=tuple(norm_axes)))


def create_param(spec, shape, name=None):
    """Make the variable for a layer's parameter.

    Args:
        spec: a number or an array, which become a shared variable; a shared variable or an
            expression; or a function of the shape that returns one of these.
        shape: what the parameter must have; of an expression only its length can be checked.
        name: for a variable that has none.

    Raises:
        ValueError: another shape, or a size that is not positive.
        TypeError: something else.
    """
    shape = tuple(shape)
    if any(size <= 0 for size in shape):
        raise ValueError('Cannot create param with a non-positive shape dimension. Tried to '
                         f'create param with shape={shape!r}, name={name!r}')
    prefix, source = f'cannot initialize parameter {name}: the ', 'provided {}'
    made = callable(spec)
    if made:
        spec, source = spec(shape), '{} returned by the provided callable'
    if isinstance(spec, (numbers.Number, np.generic)) and np.asarray(spec).dtype.kind in 'biufc':
        spec = np.asarray(spec)
    if isinstance(spec, np.ndarray):
        if spec.shape != shape:
            raise ValueError(f'{prefix}{source.format("numpy array")} has shape {spec.shape}, '
                             f'should be {shape}')
        # The shape stays, so axes of length 1 may broadcast.
        spec = theano.shared(spec, broadcastable=tuple(size == 1 for size in shape))
    if not isinstance(spec, Variable):
        what, kinds = ('value', 'a numpy array or a Theano expression') if made else (
            'spec', 'a numpy array, a Theano expression, or a callable')
        raise TypeError(f'{prefix}{source.format(what)} is not {kinds}')
    if spec.ndim != len(shape):
        raise ValueError(f'{prefix}{source.format("Theano variable")} has {spec.ndim} dimensions, '
                         f'should be {len(shape)}')
    spec.name = spec.name or name
    return spec


def get_params(self, unwrap_shared=True, **tags):
    """List the parameters of a layer that have all tags that are true and none that are not.

    Args:
        unwrap_shared: the shared variables of an expression instead of the expression itself.
    """
    wanted = {tag for tag, value in tags.items() if value}
    unwanted = set(tags) - wanted
    chosen = [parameter for parameter, has in self.params.items()
              if wanted <= has and not unwanted & has]
    return collect_shared_vars(chosen) if unwrap_shared else chosen


def get_all_params(layer, unwrap_shared=True, **tags):
    """List the parameters of a layer, or several, and of all below; see `get_params`."""
    return unique(parameter for each in helper.get_all_layers(layer)
                  for parameter in each.get_params(unwrap_shared=unwrap_shared, **tags))


def _known_shape(layer, input_shape):
    shape = layer.get_output_shape_for(input_shape)
    if any(isinstance(size, Variable) for size in shape):
        raise ValueError(f'{type(layer).__name__} returned a symbolic output shape from its '
                         f'get_output_shape_for() method: {shape!r}. This is not allowed; shapes '
                         'must be tuples of integers for fixed-size dimensions and Nones for '
                         'variable dimensions.')
    return shape


def _with_options(original):
    """Make an __init__ that lets a layer name the options that its output takes."""
    def __init__(self, *arguments, **options):
        original(self, *arguments, **options)
        self.get_output_kwargs = []

    __init__.__wrapped__ = original
    return __init__


def _with_broadcast_axes(original):
    """Make InputLayer's __init__, whose variable may broadcast along axes of size 1."""
    def __init__(self, shape, input_var=None, name=None, **options):
        shape = tuple(shape)
        if any(size is not None and size <= 0 for size in shape):
            raise ValueError('Cannot create InputLayer with a non-positive shape dimension. '
                             f'shape={shape!r}, self.name={name!r}')
        if input_var is None:
            kind = T.TensorType(theano.config.floatX, [size == 1 for size in shape])
            input_var = kind('input' if name is None else f'{name}.input')
        original(self, shape, input_var, name, **options)

    __init__.__wrapped__ = original
    return __init__


_get_output = helper.get_output  # 0.1's


def get_output(layer_or_layers, inputs=None, **kwargs):
    """Build the expressions of one layer's output or of several; see Lasagne's own.

    An option that no layer takes is warned of, with the one that was perhaps meant.

    Raises:
        TypeError: a dictionary of inputs whose keys are no layers.
    """
    given = inputs if isinstance(inputs, dict) else {}
    for key in given:
        if key is not None and not isinstance(key, Layer):
            raise TypeError(f'The inputs dictionary keys must be lasagne layers not {type(key)}.')
    outputs = _get_output(layer_or_layers, inputs, **kwargs)
    accepted = {'deterministic'}
    if set(kwargs) <= accepted:
        return outputs
    for layer in helper.get_all_layers(layer_or_layers, given.keys()):
        if layer not in given and not isinstance(layer, InputLayer):
            accepted.update(inspect_kwargs(layer.get_output_for),
                            getattr(layer, 'get_output_kwargs', ()))
    unused = [name + ''.join(f' (perhaps you meant {close})' for close in
                             difflib.get_close_matches(name, accepted, 1))
              for name in kwargs if name not in accepted]
    if unused:
        warnings.warn('get_output() was called with unused kwargs:\n\t' + '\n\t'.join(unused),
                      stacklevel=2)
    return outputs


def unroll_scan(fn, sequences, outputs_info, non_sequences, n_steps, go_backwards=False):
    """Write a loop's steps out: what `theano.scan` computes, as one graph without a loop.

    Args:
        fn: (an element of each sequence, the states before, non_sequences) to the states after.
        sequences: (steps, ...) each.
        outputs_info: what the states are before the first step.

    Returns:
        For each state its values (steps, ...), in the order in which they were computed.
    """
    sequences = sequences if isinstance(sequences, (list, tuple)) else [sequences]
    states, steps = list(outputs_info), []
    for index in reversed(range(n_steps)) if go_backwards else range(n_steps):
        states = fn(*[sequence[index] for sequence in sequences], *states, *non_sequences)
        states = list(states) if isinstance(states, (list, tuple)) else [states]
        steps.append(states)
    return [T.stack(values) for values in zip(*steps)]
