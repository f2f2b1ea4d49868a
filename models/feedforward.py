"""Generators: networks that paint at once what an optimisation paints slowly.

Johnson, Alahi & Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution": a residual network, and one that enlarges. Ulyanov, Lebedev, Vedaldi & Lempitsky
2016, "Texture Networks": a pyramid of noise. What is in circulation differs in padding, upsampling,
normalisation and in what colours are; each such dialect is one `Description`, and there is one way
to build it.

Every generator takes and gives BGR minus mean, as the archive's networks do; where it was trained
with other colours, its first and last layers convert them.
"""

from functools import partial
from typing import NamedTuple

from models.errors import ArchiveError
from models.graphs import Network
from models.layers import (
    ChannelsLayer,
    CroppedSumLayer,
    InstanceNormLayer,
    PadLayer,
    Rule,
    SameRule,
    TransposedConvolutionLayer,
)
from models.weights.files import VGG_MEAN_PIXEL

import numpy as np
import theano
import theano.tensor as T
from lasagne import nonlinearities
from lasagne.layers import (
    BatchNormLayer,
    ConcatLayer,
    Conv2DLayer,
    InputLayer,
    NonlinearityLayer,
    Pool2DLayer,
)

FILTERS, BLOCKS = 32, 5     # jcjohnson/fast-neural-style, train.lua:20
TANH = 150                  # the same, models.lua:137
SMALLEST_FILTERS = 2
NOISE_CHANNELS = 3          # DmitryUlyanov/texture_nets, branch texture_nets_v1
LEAK = 0.01                 # of its rectifiers
JOINED = 8                  # channels of a branch of its pyramid


class Description(NamedTuple):
    """What a generator is, besides its weights.

    Attributes:
        family: 'residual' or 'enlarging' (both Johnson), or 'pyramid' (Ulyanov).
        width: factor on the number of filters.
        block: of a residual network: 'residual', or 'plain', the same without the sums.
        blocks: how many there are, of all but a pyramid.
        margin: pixels that the photo is mirrored around its edges by, once, in front.
        padding: of convolutions inside: 'valid' (blocks shrink), 'zero', 'reflect', 'replicate',
            'circular' or 'tensorflow', its SAME.
        outer: padding of the first and the last convolution and of those with a stride; None for
            the same as inside.
        upsampling: 'transposed' convolution of stride 2, or to the 'nearest' and a convolution.
        normalisation: 'instance' or 'batch'.
        epsilon: of it.
        normalise_last: whether it also follows the last convolution.
        biases: whether convolutions that it follows have biases.
        squash: 'tanh' or None, of the last layer; times TANH.
        takes, gives: the colours that it was trained with: 'bgr_minus_mean', 'rgb_255' (0..255),
            'rgb_1' (0..1), or, as it gives, 'rgb_middle' (minus 127.5).
        scales: of a pyramid: how many.
        photo: of a pyramid: whether it takes a photo, or makes a texture of noise alone.
        noise: of a pyramid: channels of noise at each scale.
        point: of a pyramid: whether blocks end in a 1x1 convolution.
        leak: of a pyramid: slope of the rectifiers below 0.
        factor: of an enlarging network: how many times larger it makes a picture.
        enlarged_sum: of an enlarging network: whether the picture, enlarged to the nearest, is
            added to its output.
        surround: pixels that a photo is mirrored around its edges by before it is painted, and that
            are cut off again. The networks themselves have nothing of it.
    """

    family: str = 'residual'
    width: float = 1.0
    block: str = 'residual'
    blocks: int = BLOCKS
    margin: int = 0
    padding: str = 'reflect'
    outer: str = None
    upsampling: str = 'nearest'
    normalisation: str = 'instance'
    epsilon: float = 1e-5
    normalise_last: bool = False
    biases: bool = True
    squash: str = 'tanh'
    takes: str = 'bgr_minus_mean'
    gives: str = 'bgr_minus_mean'
    scales: int = 6
    photo: bool = True
    noise: int = 0
    point: bool = True
    leak: float = 0.0
    factor: int = 1
    enlarged_sum: bool = False
    surround: int = 0


# The archive's own: mirrored at each layer, because zeros make borders, and upsampled to the
# nearest, because a transposed convolution makes checkerboards (jcjohnson/fast-neural-style#37).
# Some 16 pixels at the edges still come out darker, by 30 levels in "Starry Night": 32 are cut off.
ARCHIVE = Description(width=0.5, surround=32)
# jcjohnson/fast-neural-style: models.lua:47-48,70,79,137, train.lua:20,169-174. Zeros stay around
# the outer layers there, whatever its option says.
JOHNSON = Description(margin=40, padding='valid', outer='zero', upsampling='transposed')
# pytorch/examples@77f55b9, fast_neural_style/neural_style/transformer_net.py
PYTORCH = Description(squash=None, takes='rgb_255', gives='rgb_255')
# lengstrom/fast-style-transfer, src/transform.py
TENSORFLOW = Description(padding='tensorflow', upsampling='transposed', epsilon=1e-3,
                         normalise_last=True, biases=False, takes='rgb_255', gives='rgb_middle')
# DmitryUlyanov/texture_nets, branch texture_nets_v1, as released
TEXTURE = Description(family='pyramid', padding='circular', normalisation='batch', squash=None,
                      photo=False, noise=NOISE_CHANNELS, leak=LEAK)
STYLISATION = TEXTURE._replace(photo=True, scales=5, point=False, takes='rgb_1')

# Johnson et al., supplement: batch normalisation, for an instance's own would take away what is
# light and what is dark. The archive's adds the picture, which saves most of the training.
JOHNSON_ENLARGING = Description(family='enlarging', blocks=4, normalisation='batch', padding='zero',
                                upsampling='transposed', factor=4)
ENLARGING = JOHNSON_ENLARGING._replace(width=0.5, padding='reflect', upsampling='nearest',
                                       enlarged_sum=True)

DIALECTS = {
    'archive': ARCHIVE,
    'enlarging': ENLARGING,
    'johnson_enlarging': JOHNSON_ENLARGING,
    'johnson': JOHNSON._replace(width=0.5),  # its models with instance normalisation
    'johnson_eccv16': JOHNSON._replace(normalisation='batch'),
    'pytorch': PYTORCH,
    'tensorflow': TENSORFLOW,
    'texture': TEXTURE,
    'texture_paper': TEXTURE._replace(scales=5),
    'texture_instance': TEXTURE._replace(normalisation='instance'),
    'stylisation': STYLISATION,
    'stylisation_paper': TEXTURE._replace(photo=True, takes='rgb_1'),
    # the branch master: no noise, replicated edges, rectifiers without a leak
    'stylisation_instance': TEXTURE._replace(photo=True, takes='rgb_1', normalisation='instance',
                                             padding='replicate', noise=0, leak=0.0),
}

WORDS = {
    'family': ('residual', 'pyramid', 'enlarging'), 'block': ('residual', 'plain'),
    'padding': ('valid', 'zero', 'reflect', 'replicate', 'circular', 'tensorflow'),
    'outer': (None, 'zero', 'reflect', 'replicate', 'circular', 'tensorflow'),
    'upsampling': ('transposed', 'nearest'), 'normalisation': ('instance', 'batch'),
    'squash': ('tanh', None), 'takes': ('bgr_minus_mean', 'rgb_255', 'rgb_1'),
    'gives': ('bgr_minus_mean', 'rgb_255', 'rgb_middle'),
}
# (least, most) of each number; more is a slip, or a file that wants all memory.
NUMBERS = {'width': (0.01, 16), 'blocks': (0, 64), 'margin': (0, 256), 'epsilon': (0, 1),
           'scales': (1, 8), 'noise': (0, 64), 'leak': (0, 1), 'surround': (0, 256),
           'factor': (1, 8)}


def fits(description):
    """Tell whether entries fit one another: what enlarges, and by a power of 2, takes a photo."""
    if description.family == 'enlarging':
        return description.photo and description.factor in (2, 4, 8)
    return description.factor == 1


def allows(name, value):
    """Tell whether an entry of a description can have this value."""
    if name in WORDS:
        return value in WORDS[name]
    if name in NUMBERS:
        least, most = NUMBERS[name]
        kinds = (int,) if isinstance(Description._field_defaults[name], int) else (int, float)
        return type(value) in kinds and least <= value <= most
    return type(value) is bool


# (factor, added to each channel) of what the archive has, to what a generator was trained with.
MEAN_RGB = VGG_MEAN_PIXEL[::-1]
TAKES = {'rgb_255': (1.0, MEAN_RGB), 'rgb_1': (1 / 255, tuple(x / 255 for x in MEAN_RGB))}
GIVES = {'rgb_255': tuple(-x for x in VGG_MEAN_PIXEL),
         'rgb_middle': tuple(127.5 - x for x in VGG_MEAN_PIXEL)}


def build(description, array=None, seed=0):
    """Build a generator, with random weights unless `array` gives them.

    Args:
        description: a `Description`.
        array: function (key, shape) -> array that gives '<layer>.W', '.b', and '.scale' and
            '.shift' of normalisations.
        seed: of the random weights.

    Returns:
        `Network` of Lasagne layers. 'input' takes a photo (batch, 3, rows, columns), BGR minus
        mean; 'noise1', 'noise2' ..., coarse to fine, take noise (batch, channels, rows, columns)
        of 0..1, where there is any. The last layer, 'output', gives BGR minus mean.
    """
    array = array or partial(draw, np.random.RandomState(seed))
    layers = _Layers(description, array)
    {'residual': _residual, 'pyramid': _pyramid,
     'enlarging': _enlarging}[description.family](layers, description)
    return layers.net


def draw(random, key, shape):
    """Draw weights as Torch does: uniform, up to 1 / root of the inputs; scales from 0 to 1."""
    if key.endswith('.scale'):
        drawn = random.uniform(0, 1, shape)
    elif key.endswith('.shift') or len(shape) == 1:
        drawn = np.zeros(shape)
    else:
        drawn = random.uniform(-1, 1, shape) / np.sqrt(np.prod(shape[1:]))
    return drawn.astype(theano.config.floatX)


def parameter_count(net):
    """Count the numbers that training changes."""
    return sum(parameter.get_value(borrow=True).size for parameter in parameters(net))


def parameters(net):
    """List the shared variables that training changes, in order; named '<layer>.<part>'."""
    return [parameter for layer in net.values() for parameter in layer.get_params(trainable=True)]


def multiple(description):
    """Give what rows and columns must be a multiple of, for the output to be as large."""
    return {'residual': 4, 'enlarging': 1}.get(description.family, 2 ** (description.scales - 1))


def output_size(description, length):
    """Give how many rows the output has for a photo of so many.

    The two convolutions of stride 2 round up: 4 ceil(ceil(rows / 2) / 2). Enlarging networks
    multiply. Pyramids keep the size of a multiple of their coarsest scale, and take nothing else.

    Raises:
        ArchiveError: it is no such multiple.
    """
    if description.family == 'residual':
        half = (length + 1) // 2
        return 4 * ((half + 1) // 2)
    if description.family == 'enlarging':
        return description.factor * length
    if length % multiple(description):
        raise ArchiveError(f'this generator takes sizes that are multiples of '
                           f'{multiple(description)}, not {length}')
    return length


class _Layers:
    """The layers of a generator while it is built."""

    def __init__(self, description, array):
        self.description, self.array = description, array
        self.net, self.last = Network(), None

    def add(self, layer):
        """Put a layer behind those that are there; it is the last one from now on."""
        self.net[layer.name] = self.last = layer
        return layer

    def shared(self, name, *shape):
        """Make a shared variable of the weights of this name."""
        return theano.shared(np.asarray(self.array(name, shape)), name=name)

    def convolution(self, name, filters, size, stride=1, enlarged=1, outer=False, normalised=True,
                    rectified=True):
        """Add a padding, a convolution, and a normalisation with its rectifier, if wanted."""
        bias = not normalised or self.description.biases
        channels = self.last.output_shape[1]
        pad = self._padded(name, size, stride, enlarged, outer)
        W = self.shared(f'{name}.W', filters, channels, size, size)
        self.add(Conv2DLayer(self.last, filters, size, stride, pad, flip_filters=False,
                             nonlinearity=None, W=W, name=name,
                             b=self.shared(f'{name}.b', filters) if bias else None))
        if normalised:
            self.normalisation(f'{name}_norm', rectified)

    def transposed(self, name, filters):
        """Add a transposed convolution of stride 2, a normalisation and its rectifier."""
        channels = self.last.output_shape[1]
        crop = (0, 1) if self.description.padding == 'tensorflow' else (1, 0)
        self.add(TransposedConvolutionLayer(
            self.last, filters, 3, self.shared(f'{name}.W', channels, filters, 3, 3),
            self.shared(f'{name}.b', filters) if self.description.biases else None, 2, crop,
            name=name))
        self.normalisation(f'{name}_norm')

    def normalisation(self, name, rectified=True):
        """Add a normalisation, and a rectifier, if wanted."""
        description, channels = self.description, self.last.output_shape[1]
        scale, shift = (self.shared(f'{name}.{part}', channels) for part in ('scale', 'shift'))
        activation = (None if not rectified else
                      nonlinearities.LeakyRectify(description.leak) if description.leak else
                      nonlinearities.rectify)
        if description.normalisation == 'instance':
            self.add(InstanceNormLayer(self.last, scale, shift, description.epsilon, activation,
                                       name=name))
            return
        self.add(BatchNormLayer(self.last, gamma=scale, beta=shift, epsilon=description.epsilon,
                                name=name))
        if rectified:
            self.add(NonlinearityLayer(self.last, activation, name=f'{name}_relu'))

    def _padded(self, name, size, stride, enlarged, outer):
        """Add the padding that the convolution does not do itself; give the one that it does."""
        mode = (outer and self.description.outer) or self.description.padding
        around = size // 2
        if enlarged > 1 or mode not in ('valid', 'zero') and around:
            if mode == 'tensorflow':
                rule = SameRule(size, stride)
            else:
                rule = Rule(around, around, 'zero' if mode == 'valid' else mode, enlarged)
            self.add(PadLayer(self.last, rule, name=f'{name}_pad'))
            return 0
        return around if mode == 'zero' else 0


def _residual(layers, description):
    """c9s1-32, d64, d128, blocks of R128, u64, u32, c9s1-3 (Johnson et al., supplement)."""
    first, second, third = (max(SMALLEST_FILTERS, round(FILTERS * factor * description.width))
                            for factor in (1, 2, 4))
    layers.add(InputLayer((None, 3, None, None), name='input'))
    _convert(layers, description)
    if description.margin:
        layers.add(PadLayer(layers.last, Rule(description.margin, description.margin),
                            name='margin'))
    layers.convolution('down1', first, 9, outer=True)
    layers.convolution('down2', second, 3, stride=2, outer=True)
    layers.convolution('down3', third, 3, stride=2, outer=True)
    _blocks(layers, description, third)
    _up(layers, description, [second, first])
    layers.convolution('paint', 3, 9, outer=True, normalised=description.normalise_last,
                       rectified=False)
    _finish(layers, description)


def _enlarging(layers, description):
    """c9s1-64, blocks of R64, u64 for each factor of 2, c9s1-3 (Johnson et al., supplement)."""
    filters = max(SMALLEST_FILTERS, round(2 * FILTERS * description.width))
    picture = layers.add(InputLayer((None, 3, None, None), name='input'))
    _convert(layers, description)
    layers.convolution('first', filters, 9, outer=True)
    _blocks(layers, description, filters)
    _up(layers, description, [filters] * (description.factor.bit_length() - 1))
    layers.convolution('paint', 3, 9, outer=True, normalised=description.normalise_last,
                       rectified=False)
    _finish(layers, description, picture if description.enlarged_sum else None)


def _blocks(layers, description, filters):
    for number in range(1, description.blocks + 1):
        before = layers.last
        layers.convolution(f'block{number}_1', filters, 3)
        layers.convolution(f'block{number}_2', filters, 3, rectified=description.block == 'plain')
        if description.block == 'residual':
            cut = 2 if description.padding == 'valid' else 0
            layers.add(CroppedSumLayer(before, layers.last, cut, name=f'block{number}'))


def _up(layers, description, filters):
    for number, count in enumerate(filters, start=1):
        if description.upsampling == 'transposed':
            layers.transposed(f'up{number}', count)
        else:
            layers.convolution(f'up{number}', count, 3, enlarged=2)


def _pyramid(layers, description):
    """Noise, or a photo and noise, at each scale, joined from the coarsest to the finest."""
    joined = max(SMALLEST_FILTERS, round(JOINED * description.width))
    photo = None
    if description.photo:
        layers.add(InputLayer((None, 3, None, None), name='input'))
        _convert(layers, description)
        photo = layers.last
    below = None
    for scale in range(1, description.scales + 1):
        # In the order of Torch's modules: what comes from below, then the branch.
        if below is not None:
            layers.add(PadLayer(below, Rule(0, 0, enlarged=2), name=f'below{scale}'))
            layers.normalisation(f'below{scale}_join', rectified=False)
            below = layers.last
        _seen(layers, description, photo, scale)
        _block(layers, f'branch{scale}', joined, description.point)
        if below is not None:
            layers.normalisation(f'branch{scale}_join', rectified=False)
            layers.add(ConcatLayer([below, layers.last], name=f'join{scale}'))
            _block(layers, f'merged{scale}', joined * scale, description.point)
        below = layers.last
    layers.convolution('paint', 3, 1, normalised=False)
    _finish(layers, description)


def _seen(layers, description, photo, scale):
    """Add what a branch of the pyramid sees: noise, and the photo as small as the scale wants."""
    seen = []
    factor = 2 ** (description.scales - scale)
    if photo is not None:
        seen.append(photo if factor == 1 else layers.add(Pool2DLayer(
            photo, factor, mode='average_exc_pad', name=f'photo{scale}')))
    if description.noise:
        seen.append(layers.add(InputLayer((None, description.noise, None, None),
                                          name=f'noise{scale}')))
    layers.last = seen[0]
    if len(seen) > 1:
        layers.add(ConcatLayer(seen, name=f'seen{scale}'))


def _block(layers, name, filters, point):
    layers.convolution(f'{name}_1', filters, 3)
    layers.convolution(f'{name}_2', filters, 3)
    if point:
        layers.convolution(f'{name}_3', filters, 1)


def _convert(layers, description):
    """Add the layer from the archive's colours to the generator's, where they differ."""
    if description.takes in TAKES:
        factor, offset = TAKES[description.takes]
        layers.add(ChannelsLayer(layers.last, factor, offset, name='colours'))


def _finish(layers, description, enlarged=None):
    """Add what follows the last convolution, and the layer to the archive's colours.

    Args:
        enlarged: the layer of a picture that is added to the output, enlarged, or None.
    """
    if description.squash:
        layers.add(NonlinearityLayer(layers.last, scaled_tanh, name='squash'))
    if enlarged:
        change, rule = layers.last, Rule(0, 0, enlarged=description.factor)
        layers.add(PadLayer(enlarged, rule, name='enlarged'))
        layers.add(CroppedSumLayer(layers.last, change, name='sum'))
    if description.gives in GIVES:
        layers.add(ChannelsLayer(layers.last, 1.0, GIVES[description.gives], name='output'))
    else:
        layers.add(NonlinearityLayer(layers.last, nonlinearities.identity, name='output'))


def scaled_tanh(x):
    """Compute TANH times the hyperbolic tangent of x, a Theano variable of any shape."""
    return T.tanh(x) * np.asarray(TANH, x.dtype)


def noise_for(description, rows, columns, batch, random):
    """Draw the noise of a pyramid: list of float32 (batch, channels, rows, columns), coarse first.

    Args:
        description: its `Description`.
        rows, columns: of the output, multiples of the coarsest scale's.
        batch: pictures.
        random: numpy RandomState.
    """
    if description.family != 'pyramid' or not description.noise:
        return []
    factors = [2 ** (description.scales - scale) for scale in range(1, description.scales + 1)]
    return [random.uniform(0, 1, (batch, description.noise, rows // factor, columns // factor))
            .astype('float32') for factor in factors]


def inputs_of(net):
    """List the input layers in the order of a compiled function's arguments: photo, then noise."""
    return [layer for layer in net.values() if isinstance(layer, InputLayer)]
