"""The convolutions of Lasagne 0.2.dev1, for Lasagne 0.1.

Names, arguments and defaults are those of Lasagne's documentation for 0.2.dev1.
"""

from models.runtime.lasagne_base import as_tuple, int_types

import theano.tensor as T
from lasagne import init, nonlinearities
from lasagne.layers import Layer
from lasagne.layers.conv import conv_output_length


def conv_input_length(output_length, filter_size, stride, pad=0):
    """Compute the shortest input of a convolution with this output, along one axis, or None.

    Raises:
        ValueError: a pad that is no integer, nor 'valid', 'full' or 'same'.
    """
    if output_length is None:
        return None
    pad = {'valid': 0, 'full': filter_size - 1, 'same': filter_size // 2}.get(pad, pad)
    if not isinstance(pad, int_types):
        raise ValueError(f'Invalid pad: {pad}')
    return (output_length - 1) * stride - 2 * pad + filter_size


def conv1d_mc0(input, filters, image_shape=None, filter_shape=None, border_mode='valid',
               subsample=(1,), filter_flip=True, num_groups=1):
    """Convolve along one axis (batch, channels, positions), as conv2d in images of one row."""
    pads = {'valid': 0, 'full': 'full', 'half': 'half'}.get(border_mode, border_mode)
    if not isinstance(pads, str):
        pads = (0, *as_tuple(pads, 1, int_types))
    conved = T.nnet.conv2d(
        input.dimshuffle(0, 1, 'x', 2), filters.dimshuffle(0, 1, 'x', 2),
        image_shape and (*image_shape[:2], 1, image_shape[2]),
        filter_shape and (*filter_shape[:2], 1, filter_shape[2]), subsample=(1, subsample[0]),
        border_mode=pads, filter_flip=filter_flip, num_groups=num_groups)
    return conved[:, :, 0]


class BaseConvLayer(Layer):
    """A convolution over the last n axes, (batch, channels, ...).

    Args:
        pad: 0, an integer, one for each axis, 'same' (odd filters only), 'full' or 'valid'; real
            padding of the convolution, where 0.1 crops or copies.
        untie_biases: a bias of its own for each place.
        flip_filters: True convolves, False correlates as Caffe, PyTorch and cuDNN do.
        num_groups: channels fall into so many groups that do not see each other.
        n: how many axes; by default all but two.

    Raises:
        ValueError: another number of axes, or channels that the groups do not divide.
        NotImplementedError: 'same' with a filter of even size.
    """

    padding = 'pad'  # the name of the attribute that has it
    can_group = True

    def __init__(self, incoming, num_filters, filter_size, stride=1, pad=0, untie_biases=False,
                 W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=True, num_groups=1, n=None,
                 **options):
        super().__init__(incoming, **options)
        self.nonlinearity = nonlinearities.identity if nonlinearity is None else nonlinearity
        axes = len(self.input_shape) - 2
        self.n = axes if n is None else n
        if self.n != axes:
            raise ValueError(f'Tried to create a {n}D convolution layer with input shape '
                             f'{self.input_shape!r}. Expected {n + 2} input dimensions '
                             f'(batchsize, channels, {n} spatial dimensions).')
        self.num_filters, self.num_groups = num_filters, num_groups
        self.filter_size = as_tuple(filter_size, self.n, int_types)
        self.stride = as_tuple(stride, self.n, int_types)
        self.untie_biases, self.flip_filters = untie_biases, flip_filters
        if num_groups <= 0 or num_filters % num_groups or self.input_shape[1] % num_groups:
            raise ValueError(f'{self.input_shape[1]} input channels and {num_filters} filters '
                             f'cannot be parted into {num_groups} groups')
        if num_groups > 1 and not self.can_group:
            raise NotImplementedError(f'{type(self).__name__} has no groups')
        if pad == 'same' and not all(size % 2 for size in self.filter_size):
            raise NotImplementedError('`same` padding requires odd filter size.')
        setattr(self, self.padding, (0,) * self.n if pad == 'valid' else
                pad if pad in ('same', 'full') else as_tuple(pad, self.n, int_types))
        self.W = self.add_param(W, self.get_W_shape(), name='W')
        self.b = None
        if b is not None:
            shape = self.output_shape[2:] if untie_biases else ()
            self.b = self.add_param(b, (num_filters, *shape), name='b', regularizable=False)

    def get_W_shape(self):
        """Give (filters, input channels of a group, ...)."""
        return (self.num_filters, self.input_shape[1] // self.num_groups) + self.filter_size

    def _pads(self):
        """Give the padding for each axis, and its name where it has one for all axes."""
        pad = getattr(self, self.padding)
        return pad if isinstance(pad, tuple) else (pad,) * self.n

    def _border_mode(self):
        """Give the padding as Theano calls it."""
        pad = getattr(self, self.padding)
        return 'half' if pad == 'same' else pad

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        return (input_shape[0], self.num_filters) + tuple(
            conv_output_length(*along) for along in zip(input_shape[2:], self.filter_size,
                                                        self.stride, self._pads()))

    def convolve(self, input, **options):
        """Build the expression before bias and nonlinearity."""
        groups = {'num_groups': self.num_groups} if self.num_groups > 1 else {}
        return self.convolution(input, self.W, self.input_shape, self.get_W_shape(),
                                subsample=self.stride, border_mode=self._border_mode(),
                                filter_flip=self.flip_filters, **groups)

    def convolution(self, *arguments, **options):
        """Refuse: subclasses say which function of Theano's, or define `convolve`."""
        raise NotImplementedError('BaseConvLayer does not implement the convolve() method. You '
                                  'will want to use a subclass such as Conv2DLayer.')

    def get_output_for(self, input, **options):
        """Build the expression of the output for this input."""
        conved = self.convolve(input, **options)
        if self.b is not None:
            places = range(1, self.n + 1) if self.untie_biases else ('x',) * self.n
            conved = conved + self.b.dimshuffle('x', 0, *places)
        return self.nonlinearity(conved)


class Conv1DLayer(BaseConvLayer):
    """Convolution over the last axis, (batch, channels, positions)."""

    def __init__(self, incoming, num_filters, filter_size, stride=1, pad=0, untie_biases=False,
                 W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=True, convolution=conv1d_mc0,
                 **options):
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, n=1, **options)
        self.convolution = convolution


class Conv2DLayer(BaseConvLayer):
    """Convolution over the last two axes, (batch, channels, rows, columns)."""

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=True,
                 convolution=T.nnet.conv2d, **options):
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, n=2, **options)
        self.convolution = convolution


class Conv3DLayer(BaseConvLayer):
    """Convolution over the last three axes, (batch, channels, depth, rows, columns)."""

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=True, convolution=None,
                 **options):
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, n=3, **options)
        self.convolution = T.nnet.conv3d if convolution is None else convolution


class Conv2DDNNLayer(BaseConvLayer):
    """Conv2DLayer with cuDNN's default: it correlates (flip_filters=False). Runs anywhere."""

    convolution = staticmethod(T.nnet.conv2d)

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, num_groups=1,
                 **options):
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, num_groups, n=2, **options)


class Conv3DDNNLayer(BaseConvLayer):
    """Conv3DLayer with cuDNN's default: it correlates (flip_filters=False). Runs anywhere."""

    convolution = staticmethod(T.nnet.conv3d)

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, num_groups=1,
                 **options):
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, num_groups, n=3, **options)


class _TransposedConvLayer(BaseConvLayer):
    """The transpose of a convolution (upsampling for a stride above 1), `crop` in pad's place.

    W has the shape (input channels, filters, ...), as in 0.2. Of the sizes that the convolution
    takes to the input's, the output has the smallest, or `output_size`: integers or a vector.
    """

    padding, can_group = 'crop', False

    def get_W_shape(self):
        """Give (input channels, filters, ...)."""
        return (self.input_shape[1], self.num_filters) + self.filter_size

    def _set_output_size(self, output_size):
        known = not isinstance(output_size, (T.Variable, type(None)))
        self.output_size = as_tuple(output_size, self.axes, int_types) if known else output_size

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        if isinstance(self.output_size, T.Variable):
            size = (None,) * self.n
        elif self.output_size is not None:
            size = self.output_size
        else:
            size = tuple(conv_input_length(*along) for along in zip(
                input_shape[2:], self.filter_size, self.stride, self._pads()))
        return (input_shape[0], self.num_filters) + size

    def convolve(self, input, **options):
        """Build the expression before bias and nonlinearity."""
        transpose = self.op(
            imshp=self.output_shape, kshp=self.get_W_shape(), subsample=self.stride,
            border_mode=self._border_mode(), filter_flip=not self.flip_filters)
        size = (self.output_size if isinstance(self.output_size, T.Variable)
                else self.get_output_shape_for(input.shape)[2:])
        return transpose(self.W, input, size)


class TransposedConv2DLayer(_TransposedConvLayer):
    """The transpose of a convolution over two axes."""

    axes, op = 2, T.nnet.abstract_conv.AbstractConv2d_gradInputs

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), crop=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, output_size=None,
                 **options):
        self._set_output_size(output_size)
        super().__init__(incoming, num_filters, filter_size, stride, crop, untie_biases, W, b,
                         nonlinearity, flip_filters, n=2, **options)


class TransposedConv3DLayer(_TransposedConvLayer):
    """The transpose of a convolution over three axes."""

    axes, op = 3, T.nnet.abstract_conv.AbstractConv3d_gradInputs

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1, 1), crop=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, output_size=None,
                 **options):
        self._set_output_size(output_size)
        super().__init__(incoming, num_filters, filter_size, stride, crop, untie_biases, W, b,
                         nonlinearity, flip_filters, n=3, **options)


class DilatedConv2DLayer(BaseConvLayer):
    """A correlation whose kernel's elements lie `dilation` pixels apart; no stride, no padding.

    W has the shape (input channels, filters, rows, columns), as in 0.2.
    """

    can_group = False

    def __init__(self, incoming, num_filters, filter_size, dilation=(1, 1), pad=0,
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=False, **options):
        self.dilation = as_tuple(dilation, 2, int_types)
        super().__init__(incoming, num_filters, filter_size, 1, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, n=2, **options)
        if self.pad != (0, 0):
            raise NotImplementedError(f'DilatedConv2DLayer cannot pad by {pad!r}; put a PadLayer '
                                      'below it')

    def get_W_shape(self):
        """Give (input channels, filters, rows, columns)."""
        return (self.input_shape[1], self.num_filters) + self.filter_size

    def get_output_shape_for(self, input_shape):
        """Compute the shape of the output; None where it is not known yet."""
        return (input_shape[0], self.num_filters) + tuple(
            conv_output_length(size, (filter_size - 1) * dilation + 1, 1, 0)
            for size, filter_size, dilation in zip(input_shape[2:], self.filter_size,
                                                   self.dilation))

    def convolve(self, input, **options):
        """Build the expression before bias and nonlinearity."""
        return T.nnet.conv2d(input, self.W.dimshuffle(1, 0, 2, 3), filter_flip=self.flip_filters,
                             filter_dilation=self.dilation)


class LocallyConnected2DLayer(Conv2DLayer):
    """A convolution with a kernel of its own for each place; no stride, and 'same' padding.

    W has the shape (filters, input channels, filter rows, filter columns, rows, columns), with
    `channelwise`, where each filter sees its own channel, without the second.

    Raises:
        NotImplementedError: another stride or padding, or groups.
        ValueError: an unknown size, or channelwise with another number of filters than channels.
    """

    can_group = False

    def __init__(self, incoming, num_filters, filter_size, stride=(1, 1), pad='same',
                 untie_biases=False, W=init.GlorotUniform(), b=init.Constant(0.),
                 nonlinearity=nonlinearities.rectify, flip_filters=True, channelwise=False,
                 **options):
        self.channelwise = channelwise
        super().__init__(incoming, num_filters, filter_size, stride, pad, untie_biases, W, b,
                         nonlinearity, flip_filters, **options)
        if self.stride != (1, 1) or self.pad != 'same':
            raise NotImplementedError("LocallyConnected2DLayer requires stride=1 and pad='same', "
                                      f'but got {stride!r} and {pad!r}.')

    def get_W_shape(self):
        """Compute the shape of the kernels of all places."""
        channels, *size = self.input_shape[1:]
        if None in (channels, *size):
            raise ValueError('A LocallyConnected2DLayer requires a fixed input shape (except for '
                             f'the batch size). Got {self.input_shape!r}.')
        if self.channelwise and self.num_filters != channels:
            raise ValueError('num_filters and the number of input channels should match when '
                             f'channelwise is true, but got num_filters={self.num_filters} and '
                             f'{channels} input channels')
        seen = () if self.channelwise else (channels,)
        return (self.num_filters, *seen, *self.filter_size, *self.output_shape[2:])

    def convolve(self, input, **options):
        """Build the expression before bias and nonlinearity: a sum over the kernel's elements."""
        rows, columns = self.input_shape[2:]
        height, width = self.filter_size
        margin = T.zeros((*(input.shape[axis] for axis in (0, 1)), rows + height - 1,
                          columns + width - 1), input.dtype)
        top, left = height // 2, width // 2
        padded = T.set_subtensor(margin[:, :, top:top + rows, left:left + columns], input)
        total = 0
        for i in range(height):
            for j in range(width):
                seen = padded[:, :, i:i + rows, j:j + columns]
                place = (-1 - i, -1 - j) if self.flip_filters else (i, j)
                if self.channelwise:
                    total = total + seen * self.W[:, place[0], place[1]]
                else:
                    total = total + (seen[:, None] * self.W[:, :, place[0], place[1]]).sum(axis=2)
        return total
