"""Project what excites a channel back to the pixels, with a deconvnet.

    python recipes/deconvnet.py PHOTOS --layer conv3_4

Zeiler & Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1 and
figure 2: for the strongest channels of a layer, the photos that excite each most, cut to what the
unit sees, beside the projections of that unit. All other activations of the layer are set to zero;
on the way down a pooling is undone by its switches, a rectifier lets only positive signals
through, and filters are transposed. `deconvnet` does these steps one by one;
`compile_projection(..., 'deconvnet')` has them as a gradient, which is the same but for response
normalisations (AlexNet's kin, GoogLeNet): the steps leave them out, the gradient goes through them.
Without arguments it takes the bundled photo and the embedded network.
"""

import sys
from collections import defaultdict, namedtuple

import models
from models import graphs
from models.errors import ArchiveError

import lasagne
import numpy as np
import theano.tensor as T
from lasagne.layers import (
    BatchNormLayer,
    BiasLayer,
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    DimshuffleLayer,
    DropoutLayer,
    ElemwiseSumLayer,
    FlattenLayer,
    GlobalPoolLayer,
    InputLayer,
    LocalResponseNormalization2DLayer,
    NonlinearityLayer,
    Pool2DLayer,
    ReshapeLayer,
    ScaleLayer,
)
from lasagne.nonlinearities import rectify
from tqdm import tqdm

import modifiedbackprop
from recipes.common import (
    clustering,
    command_line,
    extents,
    figures,
    functions,
    images,
    maps,
    names,
    networks,
    photos,
    projections,
    quantities,
    receptive_fields,
    runs,
)

# A photo as a unit sees it, RGB uint8 (rows, columns, 3), and its projection there, float32
# (3, rows, columns), BGR; or of the whole photo where more than a unit is kept. The window of the
# photo where the projection is, [first row, end, first column, end], and both in it as drawn. The
# activation of the unit, the first of several.
Shown = namedtuple('Shown', 'patch projection window drawn_projection drawn_patch activation')

EMBEDDED_SIZE = 128
TILE = 96     # pixels of a patch on a sheet, at least
STEPS = 12    # of a deconvnet's on its sheet, at most
DEAD = 1e-3   # of the layer's mean activation; the paper gives no number
KEPT = {'unit': 'what excites each channel most', 'channel': 'all that excites each channel',
        'together': 'what excites these units together'}


def compile_deconvnet(net, name=None):
    """Compile the deconvnet of a layer, step by step.

    Args:
        net: dict of layers, or a last layer.
        name: of the layer whose activations are projected; None takes the class scores.

    Returns:
        `functions.Function`: (images (batch, channels, rows, columns), target of the layer's
        shape) -> what of the target reaches the pixels, of the images' shape.

    Raises:
        ArchiveError: a layer on the way down has no transpose here, such as average pooling.
    """
    layer, inputs = _inputs(net, name)
    *_, (_, signal) = steps_down(net, layer, *inputs)
    return functions.compiled(inputs, signal, on_unused_input='ignore')


def compile_steps(net, name=None):
    """Compile a deconvnet that shows each of its steps.

    Args:
        net, name: as of `compile_deconvnet`.

    Returns:
        (names, function): of the layers on the way down, the picture's last; (images, target) ->
        the signal that reaches each of them, (batch, channels, rows, columns).

    Raises:
        ArchiveError: as `compile_deconvnet`.
    """
    layer, inputs = _inputs(net, name)
    layers, signals = zip(*steps_down(net, layer, *inputs))
    return ([graphs.name_of(net, one) for one in layers],
            functions.compiled(inputs, list(signals), on_unused_input='ignore'))


def _inputs(net, name):
    """Find the layer of a name, and the variables for the pictures and for a signal of its shape,
    as `functions.compiled` takes them."""
    (layer,) = projections.layers_of(net, None if name is None else [name])
    source = graphs.input_layer(net, [layer])
    activation = lasagne.layers.get_output(layer, source.input_var, deterministic=True)
    target = activation.type(f'target of {graphs.name_of(net, layer)}')
    return layer, {source.input_var: source, target: layer}


def steps_down(net, layer, image, target):
    """Go with a layer's signal down to the picture, as expressions.

    Zeiler & Fergus 2014, section 2.1: unpooling, rectification, transposed filtering.

    Args:
        net: dict of layers, or a last layer, for names in messages.
        layer: where the signal starts.
        image: pictures (batch, channels, rows, columns), whose switches are used.
        target: of the layer's shape.

    Returns:
        List of (layer, the signal that reaches it), from the given layer to the input.

    Raises:
        ArchiveError: a layer has no transpose here.
    """
    layers = lasagne.layers.get_all_layers(layer)
    outputs = dict(zip(layers, lasagne.layers.get_output(layers, image, deterministic=True)))
    signals, steps = defaultdict(list, {layer: [target]}), []
    for above in reversed(layers):
        signal = sum(signals[above])
        steps.append((above, signal))
        if isinstance(above, InputLayer):
            return steps
        if modifiedbackprop.is_rectifier(getattr(above, 'nonlinearity', None)):
            signal = rectify(signal)
        incomings = getattr(above, 'input_layers', None) or [above.input_layer]
        below = [outputs[incoming] for incoming in incomings]
        for incoming, part in zip(incomings, step_down(net, above, signal, below)):
            signals[incoming].append(part)


def step_down(net, layer, signal, below):
    """Transpose a layer: its signal as signals of the layers below it, a list.

    Args:
        net: dict of layers, or a last layer, for names in messages.
        layer: a Lasagne layer.
        signal: expression of the layer's output shape.
        below: outputs of the layers below, for their shapes and for the switches.

    Raises:
        ArchiveError: the layer has no transpose here.
    """
    if isinstance(layer, Conv2DLayer):
        return [transposed_filters(layer, signal, below[0])]
    if isinstance(layer, Pool2DLayer) and layer.mode == 'max':
        return [unpool(layer, signal, below[0])]
    if isinstance(layer, ConcatLayer) and layer.axis == 1:
        ends = np.cumsum([0] + [shape[1] for shape in layer.input_shapes])
        return [signal[:, start:end] for start, end in zip(ends, ends[1:])]
    if isinstance(layer, ElemwiseSumLayer) and layer.cropping is None:
        return [signal * coefficient for coefficient in layer.coeffs]
    if isinstance(layer, DenseLayer) and getattr(layer, 'num_leading_axes', 1) == 1:
        return [T.dot(signal, layer.W.T).reshape(below[0].shape)]
    if isinstance(layer, GlobalPoolLayer) and layer.pool_function is T.mean:
        rows, columns = below[0].shape[2:]
        return [T.zeros_like(below[0]) + signal[:, :, None, None] / (rows * columns)]
    if isinstance(layer, (BatchNormLayer, ScaleLayer)):
        return [signal * slope_of(layer, below[0])]
    if isinstance(layer, (FlattenLayer, ReshapeLayer)):
        return [signal.reshape(below[0].shape)]
    if isinstance(layer, DimshuffleLayer) and 'x' not in layer.pattern and \
            len(layer.pattern) == below[0].ndim:
        return [signal.dimshuffle(*np.argsort(layer.pattern))]
    if isinstance(layer, (BiasLayer, DropoutLayer)):
        return [signal]  # a bias has no part in it, and dropout is off
    if isinstance(layer, NonlinearityLayer) and modifiedbackprop.is_rectifier(layer.nonlinearity):
        return [signal]
    if isinstance(layer, LocalResponseNormalization2DLayer):
        return [signal]  # of its normalisation the paper says nothing on the way down
    raise ArchiveError(f'a deconvnet has no way down through {graphs.name_of(net, layer)}, a '
                       f'{type(layer).__name__}; start below it, and use --pool max')


def slope_of(layer, below):
    """Find what a layer multiplies each channel by, such as a batch normalisation with fixed means.

    Args:
        layer: one that is linear in its input, up to what it adds.
        below: its input, for the shape.
    """
    ones, zeros = (layer.get_output_for(T.fill(below, value), deterministic=True)
                   for value in (1, 0))
    return ones - zeros


def transposed_filters(layer, signal, below):
    """Put the signal of a convolution through its filters transposed (flipped both ways)."""
    transpose = T.nnet.abstract_conv.AbstractConv2d_gradInputs(
        subsample=layer.stride, border_mode='half' if layer.pad == 'same' else layer.pad,
        filter_flip=layer.flip_filters, num_groups=layer.num_groups)
    return transpose(layer.W, signal, below.shape[2:])


def unpool(layer, signal, below):
    """Put the signal of a max pooling where each window had its maximum.

    The switch of a window is the first of its maxima, row by row. Where windows overlap, signals
    at one place add up.
    """
    (stride_rows, stride_columns), (pad_rows, pad_columns) = layer.stride, layer.pad
    rows, columns = signal.shape[2:]
    offsets = [(row, column) for row in range(layer.pool_size[0])
               for column in range(layer.pool_size[1])]

    def window(row, column):
        return (slice(None), slice(None), slice(row, row + rows * stride_rows, stride_rows),
                slice(column, column + columns * stride_columns, stride_columns))

    # Room for windows that stick out: nothing is larger than -inf, so no switch lies there.
    room = (below.shape[0], below.shape[1],
            T.maximum(below.shape[2] + 2 * pad_rows,
                      (rows - 1) * stride_rows + layer.pool_size[0] + stride_rows),
            T.maximum(below.shape[3] + 2 * pad_columns,
                      (columns - 1) * stride_columns + layer.pool_size[1] + stride_columns))
    inside = (slice(None), slice(None), slice(pad_rows, pad_rows + below.shape[2]),
              slice(pad_columns, pad_columns + below.shape[3]))
    framed = T.set_subtensor(T.alloc(np.array(-np.inf, below.dtype), *room)[inside], below)
    switches = T.argmax(T.stack([framed[window(*offset)] for offset in offsets]), axis=0)
    unpooled = T.zeros(room, signal.dtype)
    for number, offset in enumerate(offsets):
        unpooled = T.inc_subtensor(unpooled[window(*offset)],
                                   T.switch(T.eq(switches, number), signal, 0))
    return unpooled[inside]


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    net, mean_pixel = networks.load_to([options.layer], options.model, options.weights,
                                       options.pool)
    for channel, _ in options.units:
        projections.known_channel(net, options.layer, channel)
    options.size = photos.size_for(net, options.model, options.size, EMBEDDED_SIZE)
    extents.require_positions(net, [options.layer], (1, 3, options.size, options.size), 'photos')
    pictures = photos.Photos(photos.find(options.photos), net, options.size, options.batch)
    parameters = command_line.described(
        options, 'layer units channels top keep size explicit', net)
    run = runs.Run('deconvnet', options.out, options.force)
    run.save_record(parameters=parameters, photos=[str(path) for path in pictures.paths])
    if len(pictures.paths) == 1 and options.top > 1 and not options.quiet:
        print(f'one photo: the {options.top} that excite a channel most want a folder of many '
              '(PHOTOS); where channels look in one photo is what layer_features.py --method '
              'deconvnet shows', file=sys.stderr)

    with run.recorded():
        look = projections.compile_activations(net, [options.layer])
        if options.explicit:
            layers, go_down = compile_steps(net, options.layer)

            def project(images_, target):
                return go_down(images_, target)[-1]
        else:
            project = projections.compile_projection(net, [options.layer], 'deconvnet')
        batches = tqdm(pictures.batches(), disable=options.quiet, unit='batch')
        survey = Survey(look, batches, mean_pixel, options.layer, options.units)
        run.save_record(problems=pictures.problems)
        filters = FirstFilters(net)
        save_diagnosis(run, survey, filters, parameters)
        units = options.units or [(channel, None) for channel in survey.liveliest(options.channels)]
        if not units:
            raise ArchiveError(f'no channel of {options.layer} is above zero in these photos, so '
                               'there is nothing to project; take another layer or other photos')
        groups = [units] if options.keep == 'together' else [[unit] for unit in units]
        sheets = []
        for group in tqdm(groups, disable=options.quiet, unit='projection'):
            shown = {}
            for path in survey.best(group[0], options.top):
                rgb = pictures.read(path)
                shown[pictures.names[path]] = show(
                    rgb, images.prepare(rgb, mean_pixel), group, look, project,
                    net[options.layer], options.keep)
            sheets.append(save_sheet(run, group, shown, options.layer, parameters))
        if options.explicit:
            (best,) = survey.best(groups[0][0], 1)
            image = images.prepare(pictures.read(best), mean_pixel)
            (activations,) = look(image)
            save_steps(run, layers, go_down(image, target_of(groups[0], activations, options.layer,
                                                           options.keep)))
        with run.writing('figure.png') as path:
            titles, pairs = zip(*(sheets[index] for index in survey.order(groups)))
            columns = min(4, len(pairs))
            # At its 100 pixels an inch no sheet is shown smaller than it is.
            figures.save_grid(path, pairs, titles, columns, interpolation='nearest',
                              width=max(12, columns * max(pair.shape[1] for pair in pairs) / 96),
                              heading=heading_of(options.model, options.layer, options.keep,
                                                 len(survey.paths)),
                              caption=caption_of(net[options.layer], len(groups),
                                                 bool(options.units)))
    if not options.quiet:
        print(survey.sentence())
        print(filters.sentence())
        print(run.folder / 'figure.png')
    pictures.finish()


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    parser.add_photo_options(EMBEDDED_SIZE)
    parser.add_run_options()
    parser.add_network_options()
    add('--layer', help='convolution or pooling to look into '
                        f'({command_line.own_layer("deconvnet")})')
    add('--unit', type=command_line.unit, action='append', dest='units', default=[],
        metavar='CHANNEL[,ROW,COLUMN]',
        help="a channel's strongest unit, or one unit; may be given several times (default: the "
             'channels with the largest sums)')
    add('--channels', type=command_line.positive_integer, default=16,
        help='how many, where no unit is named: those with the largest sums of activations, drawn '
             'so that channels that fire together stand together')
    add('--top', type=command_line.positive_integer, default=9,
        help='photos of each channel, those that excite it most; one photo has one')
    add('--keep', choices=('unit', 'channel', 'together'), default='unit',
        help='project one unit at a time, its whole channel, or all units at once (then the photos '
             'are those of the first unit)')
    add('--explicit', action='store_true',
        help='unpool, rectify and transpose step by step, rather than as a gradient, and draw each '
             'step in steps.png; response normalisations are left out')
    add('--batch', type=command_line.positive_integer, default=16, help='pictures at once')
    options = parser.parse_args(arguments)
    if options.keep == 'together' and not options.units:
        parser.error('--keep together needs units; name them with --unit')
    options.layer = options.layer or models.facts_of(options.model).deconvnet
    return options


class Survey:
    """What each channel of a layer does on all photos.

    Attributes:
        paths: of the photos that could be read.
        sums, peaks, positions: sum and largest activation of each channel, (channels,), over so
            many positions.
        together: (channels, channels), products of activations summed over positions.

    Args:
        look: photos -> [activations (batch, channels, rows, columns)].
        batches: of photos, lists of (path, RGB).
        mean_pixel: (3,), BGR.
        layer: its name, for messages.
        units: (channel, place or None) that are to be ranked besides the channels.
    """

    def __init__(self, look, batches, mean_pixel, layer, units=()):
        self.layer = layer
        self.paths, ranks, peaks = [], [], []
        self.sums = self.together = self.active = self.positions = 0
        for batch in batches:
            (activations,) = look(photos.stack([rgb for _, rgb in batch], mean_pixel))
            self.paths += [path for path, _ in batch]
            for channel, place in units:  # stop before anything long where one is wrong
                projections.unit_indices(activations, layer, channel, place)
            projections.no_empty_map(activations, layer)
            peaks.append(activations.max(axis=(2, 3)))
            ranks.append(np.array([[activation[channel].max() if place is None
                                    else activation[(channel, *place)]
                                    for channel, place in units]
                                   for activation in activations]))
            flat = activations.transpose(1, 0, 2, 3).reshape(activations.shape[1], -1)
            self.sums = self.sums + flat.sum(axis=1, dtype='float64')
            self.active = self.active + (flat > 0).sum(axis=1)
            self.together = self.together + flat @ flat.T
            self.positions += flat.shape[1]
        self.all_peaks = np.concatenate(peaks)
        self.peaks = self.all_peaks.max(axis=0)
        self.ranks = dict(zip(units, np.concatenate(ranks).T))

    def liveliest(self, count):
        """List the channels with the largest sums, at most so many and none that never fires."""
        order = np.argsort(-self.sums, kind='stable')[:count]
        return [int(channel) for channel in order if self.peaks[channel] > 0]

    def best(self, unit, count):
        """List the photos that excite a unit most, strongest first.

        Raises:
            ArchiveError: none does.
        """
        values = self.ranks.get(unit, self.all_peaks[:, unit[0]])
        order = np.argsort(-values, kind='stable')[:count]
        if not values[order[0]] > 0:
            raise ArchiveError(f'unit {text_of(unit)} of {self.layer} is zero in every photo, so '
                               'there is nothing to project; take another unit or other photos')
        return [self.paths[index] for index in order if values[index] > 0]

    def order(self, groups):
        """Order groups of units so that channels that fire at the same places are together.

        Args:
            groups: lists of units; the first one of each counts.
        """
        if len(groups) < 3:
            return range(len(groups))
        channels = [group[0][0] for group in groups]
        products = self.together[np.ix_(channels, channels)].astype('float64')
        return clustering.order(clustering.cosine_distances(products))

    def dead(self):
        """Find which channels never get above a thousandth of the layer's mean, (channels,)."""
        return self.peaks <= DEAD * self.sums.mean() / self.positions

    def sentence(self):
        """Say what the survey found."""
        dead = np.flatnonzero(self.dead())
        which = f': {", ".join(map(str, dead))}' if len(dead) else ''
        return (f'{self.layer}: {len(dead)} of {len(self.sums)} channels are dead on these '
                f'{len(self.paths)} photos{which}')


class FirstFilters:
    """The filters of a network's first convolution and what is wrong with them.

    Zeiler & Fergus 2014: too large a stride gives aliased channels (section 4.1), and a few filters
    dominate unless their size is limited in training (section 3.1).

    Attributes:
        kernels: (filters, 3, rows, columns), BGR, as they lie on the picture.
        rms: of each filter.
        above: share of each filter's power at frequencies that its stride cannot carry.
    """

    def __init__(self, net):
        layer = next(layer for layer in net.values() if isinstance(layer, Conv2DLayer))
        self.name, self.stride = layer.name, max(layer.stride)
        kernels = layer.W.get_value()
        self.kernels = kernels[:, :, ::-1, ::-1] if layer.flip_filters else kernels
        self.rms = np.sqrt((self.kernels ** 2).mean(axis=(1, 2, 3)))
        power = np.abs(np.fft.fft2(self.kernels, s=(64, 64))) ** 2
        frequency = np.abs(np.fft.fftfreq(64))  # cycles a pixel
        beyond = np.maximum.outer(frequency, frequency) > 0.5 / self.stride
        total = power.sum(axis=(1, 2, 3))
        self.above = (power * beyond).sum(axis=(1, 2, 3)) / np.where(total > 0, total, 1)

    def aliased(self):
        """Find which filters have most of their power beyond what their stride can carry."""
        return self.above > 0.5

    def sentence(self):
        """Say what is wrong with the filters."""
        aliased = np.flatnonzero(self.aliased())
        which = f': {", ".join(map(str, aliased))}' if len(aliased) else ''
        return (f'{self.name}: {len(aliased)} of {len(self.rms)} filters are aliased by its '
                f'stride of {self.stride}{which}; the largest filter is '
                f'{self.rms.max() / np.median(self.rms):.1f} times the median one')


def show(rgb, image, group, look, project, layer, keep='unit'):
    """Project a group of units of one photo.

    Args:
        rgb: the photo.
        image: as the network takes it, (1, 3, rows, columns).
        group: list of units, (channel, place or None for the strongest).
        look: images -> [activations].
        project: (images, target) -> projections.
        layer: Lasagne's, of the units.
        keep: 'unit' and 'together' keep these units, 'channel' the whole channel of the first.

    Returns:
        `Shown`.
    """
    (activations,) = look(image)
    unit, *_ = projections.unit_indices(activations, layer.name, *group[0])
    target = target_of(group, activations, layer.name, keep)
    projection = project(image, target)[0]
    window = maps.window_of(projection)
    drawn = tuple(figures.tile(part, max(TILE, *part.shape[:2])) for part in (
        maps.signed(projection[(slice(None), *window)], 100), rgb[window]))
    if keep == 'unit':
        fields = receptive_fields.receptive_field(layer)
        rgb = receptive_fields.patch_of(fields, unit[1:], rgb)
        projection = receptive_fields.gradient_patch_of(fields, unit[1:], projection)
    return Shown(rgb, projection, [edge for part in window for edge in (part.start, part.stop)],
                 *drawn, float(activations[(0, *unit)]))


def target_of(group, activations, layer, keep='unit'):
    """Make what a group of units sends down: their activations, zero elsewhere.

    Args:
        group: list of units, (channel, place or None for the strongest).
        activations: (batch, channels, rows, columns).
        layer: name, for errors.
        keep: as of `show`.
    """
    if keep == 'channel':
        target = np.zeros_like(activations)
        target[:, group[0][0]] = activations[:, group[0][0]]
        return target
    return sum(projections.unit_target(activations, layer, *unit, at_value=True)
               for unit in dict.fromkeys(group))


def heading_of(model, layer, keep, count):
    """Say what the figure shows of a layer, in so many photos."""
    photo = 'photo' if count == 1 else 'photos'
    return (f'{model}, {layer}: {KEPT[keep]}, projected down by a deconvnet (left), and where that '
            f'is in the {photo} (right)')


def caption_of(layer, count, are_named):
    """Say how to read the figure: colours, order, and what of it is the network's.

    Args:
        layer: Lasagne's.
        count: of projected groups of units.
        are_named: whether the units were named, and not found.
    """
    parts = [maps.GREY_IS_ZERO]
    if not are_named:
        parts.append(f'These are the {count} channels with the largest sums of activations.')
    if count > 2:  # as `Survey.order`
        parts.append('Channels that fire together stand together.')
    return ' '.join([*parts, stepped_over(layer) or '']).strip()


def stepped_over(layer):
    """Say which strides on the way down leave a chequered pattern, or None.

    Where a filter's side is no multiple of its stride, or pooling windows overlap, some pixels are
    reached by more of them than others.
    """
    found = []
    for one in lasagne.layers.get_all_layers(layer):
        if isinstance(one, (Conv2DLayer, Pool2DLayer)):
            size = one.filter_size if isinstance(one, Conv2DLayer) else one.pool_size
            if any(step > 1 and side % step for side, step in zip(size, one.stride)):
                found.append(f'{one.name} ({size[0]}x{size[1]} every {one.stride[0]} pixels)')
    if not found:
        return None
    return ('The chequered pattern is of the network: at the strides of ' + ', '.join(found)
            + ' some pixels are reached by more windows than others.')


def text_of(unit):
    """Write a unit as the command line has it: '7' or '7,3,5'."""
    channel, place = unit
    return ','.join(map(str, (channel, *(place or ()))))


def save_sheet(run, group, shown, layer, parameters):
    """Save a group's photos and projections as one picture, and as arrays.

    Args:
        shown: name of the photo -> `Shown`.

    Returns:
        (title, picture): what it is and how much it is excited; the projections beside the
        patches, RGB uint8.
    """
    name = ' '.join(text_of(unit) for unit in group)
    columns = int(np.ceil(np.sqrt(len(shown))))
    side = max(one.drawn_patch.shape[0] for one in shown.values())
    pair = figures.mosaic([figures.mosaic([figures.tile(picture, side) for picture in pictures],
                                          columns)
                           for pictures in zip(*((one.drawn_projection, one.drawn_patch)
                                                 for one in shown.values()))], 2, gap=6)
    file = names.file_name(f'{layer}_{name}'.replace(' ', '_'))
    run.save_picture(f'{file}.png', figures.at_least(pair), parameters)
    run.save_arrays(f'{file}.npz', {
        f'{kind} {photo}': np.asarray(getattr(one, kind)) for photo, one in shown.items()
        for kind in ('patch', 'projection', 'window')})
    return title_of(group, [one.activation for one in shown.values()]), pair


def title_of(group, activations):
    """Name a group of units, with its activations where it is one.

    Args:
        group: list of units, (channel, place or None).
        activations: of it in the photos, the largest first.
    """
    if len(group) > 1:
        return f'channels {", ".join(text_of(unit) for unit in group)}'
    first, last = (quantities.short(activations[index]) for index in (0, -1))
    channel, place = group[0]
    unit = f'channel {channel}' + (' at row {}, column {}'.format(*place) if place else '')
    return (f'{unit}: activation {first}' if len(activations) == 1 else
            f'{unit}: activations {first} to {last}')


def save_steps(run, layers, signals):
    """Save what of a signal reaches each layer on the way down, as steps.png.

    Each panel has the largest absolute value over the channels, where the signal is in the picture;
    the last one is the picture's.

    Args:
        run: its folder.
        layers: names.
        signals: of one photo, (1, channels, rows, columns) each.
    """
    steps = list(zip(layers, signals))
    if len(steps) > STEPS:  # the first, the last, and some between, evenly
        steps = [steps[round(index)] for index in np.linspace(0, len(steps) - 1, STEPS)]
    projection = steps[-1][1][0]
    window = maps.window_of(projection)
    drawn = []
    for _, (signal,) in steps[:-1]:
        part = maps.same_part(window, signal.shape[1:], projection.shape[1:])
        drawn.append(np.repeat(maps.grey(signal)[part][:, :, None], 3, axis=2))
    drawn.append(maps.signed(projection, 100)[window])
    side = max(3 * TILE, *(length for picture in drawn for length in picture.shape[:2]))
    titles = [f'{name}, of {signal.shape[2]}x{signal.shape[3]} positions' for name, signal in steps]
    with run.writing('steps.png') as path:
        figures.save_grid(path, [figures.tile(picture, side) for picture in drawn], titles, 4,
                          width=12, interpolation='nearest',
                          caption='The signal of one photo on its way down: what reaches each '
                                  'layer, the largest absolute value over its channels; at last '
                                  'the picture. Each panel shows the same part.')


def save_diagnosis(run, survey, filters, parameters):
    """Save the first layer's filters and what is wrong with them and with the layer's channels."""
    run.save_table('channels.csv', ['channel', 'mean', 'peak', 'share_active', 'dead'],
                   zip(range(len(survey.sums)), survey.sums / survey.positions, survey.peaks,
                       survey.active / survey.positions, survey.dead().astype(int)))
    run.save_table('filters.csv', ['filter', 'rms', 'share_above_nyquist', 'aliased'],
                   zip(range(len(filters.rms)), filters.rms, filters.above,
                       filters.aliased().astype(int)))
    drawn = [figures.at_least(maps.signed(kernel, 100), TILE) for kernel in filters.kernels]
    run.save_picture('filters.png', figures.mosaic(drawn, int(np.ceil(np.sqrt(len(drawn))))),
                     parameters)


if __name__ == '__main__':
    command_line.run(main)
