"""List the archive's networks, a network's layers, or its classes.

    python -m models
    python -m models layers vgg19
    python -m models classes squeezenet snake
"""

import sys

from models import networks
from models.errors import ArchiveError
from models.weights import conversion, files

from lasagne import nonlinearities
from lasagne.layers import (
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    GlobalPoolLayer,
    LocalResponseNormalization2DLayer,
    NonlinearityLayer,
    Pool2DLayer,
)

from recipes.common import class_names, command_line, receptive_fields
from recipes.style.defaults import settings_of

IMAGENET = 1000  # classes
KINDS = {ConcatLayer: 'concatenation', DenseLayer: 'dense', GlobalPoolLayer: 'mean of positions',
         LocalResponseNormalization2DLayer: 'normalisation', NonlinearityLayer: 'softmax'}


def main(arguments=None):
    """Run the command line; None takes the process's own arguments."""
    options = parse(arguments)
    options.command(options)


def parse(arguments):
    """Read the options of a command line."""
    parser = command_line.ArgumentParser(prog='python -m models',
                                         description=__doc__.splitlines()[0])
    parser.set_defaults(command=list_networks)
    commands = parser.add_subparsers(metavar='COMMAND')
    for name, function, told in (
            ('layers', list_layers, 'layers of a network: what they see and what they serve for'),
            ('classes', list_classes, 'classes of a network: all, or those that a search finds')):
        command = commands.add_parser(name, help=told, description=told)
        command.set_defaults(command=function)
        command.add_argument('network', metavar='NAME', help='of a network')
        if function is list_classes:
            command.add_argument('search', nargs='*', metavar='SEARCH',
                                 help='words of a name, or a kind of thing: snake, dogs, food')
        command.add_argument('--weights', metavar='FILE', help='weights of the network, .npz')
    return parser.parse_args(arguments)


def list_networks(options):
    """Print the networks, what they are, and whether their weights are here."""
    rows = [('network', 'weights', 'pixels', 'classes', 'what it is')]
    for name, facts in networks.FACTS.items():
        rows.append((name, 'here' if is_here(name) else '', str(facts.size),
                     str(count_of_classes(conversion.skeleton(name)[0])), facts.about))
    command_line.print_table(rows)
    print('\npython -m models layers NAME     what layers a network has\n'
          'python -m models classes NAME    what classes it tells apart\n'
          'python -m models.weights list    where its weights come from, and their licences')


def list_layers(options):
    """Print a network's layers in their order."""
    name = options.network
    net, missing = skeleton_of(name, options.weights)
    defaults = defaults_of(name)
    rows = [('layer', 'kind', 'channels', 'stride', 'sees', 'usable for', 'default of')]
    for layer in list(net.values())[1:]:
        fields = receptive_fields.receptive_field(layer)
        stride, sees = ('', 'all') if fields is None else (str(fields[0].stride),
                                                           str(fields[0].size))
        uses = 'not in the file' if layer.name in missing else uses_of(layer)
        rows.append((layer.name, kind_of(layer), str(layer.output_shape[1]), stride, sees, uses,
                     ', '.join(defaults.get(layer.name, []))))
    command_line.print_table(rows)
    print('\nStride and what a unit sees are in pixels. The defaults of style transfer are those '
          'of --impl archive.')


def list_classes(options):
    """Print a network's classes, or those that a search finds.

    Raises:
        ArchiveError: it finds none, or the network or its weights know none.
    """
    classes = classes_of(options.network, options.weights)
    wanted = ' '.join(options.search)
    found = class_names.search(classes, wanted) if wanted else range(len(classes))
    if not found:
        hint = class_names.suggestion(classes, wanted, options.network, options.weights)
        raise ArchiveError(f'no class of {options.network} has {wanted!r} in its names; {hint}')
    wnids = {entry: wnid for wnid, entry in files.imagenet_classes()}
    kinds = class_names.kinds_of(classes)
    command_line.print_table([('class', 'WordNet', 'kind', 'names'), *(
        (str(index), wnids.get(classes[index], ''), kinds[index], classes[index])
        for index in found)])


def is_here(name):
    """Tell whether the weights of a network are here."""
    try:
        files.find(name)
    except ArchiveError:
        return False
    return True


def skeleton_of(name, weights=None):
    """Build a network without weights, and the names of the layers that a file has no weights of.

    Args:
        name: of the network.
        weights: a file, whose width and number of classes the network then has, or None.

    Raises:
        ArchiveError: unknown network, or no such file.
    """
    networks.known_network(name)
    if weights is None:
        return conversion.skeleton(name)[0], set()
    with files.WeightFile(files.find(name, weights), name) as file:
        classes = file.classes()
        net, shapes = conversion.skeleton(name, file.width(), classes and len(classes))
        missing = {key.rpartition('.')[0] for key in shapes
                   if file.keys.get(key, key) not in file.arrays.files}
    reached = [layer for layer in net if layer in missing][:1]
    names = list(net)
    return net, set(names[names.index(reached[0]):]) if reached else set()


def count_of_classes(net):
    """Count how many classes a network tells apart, 0 where it ends in no softmax."""
    last = next(reversed(net.values()))
    is_softmax = getattr(last, 'nonlinearity', None) is nonlinearities.softmax
    return last.output_shape[1] if is_softmax else 0


def classes_of(name, weights=None):
    """List the names of a network's classes, out of its weights where these are here.

    Raises:
        ArchiveError: it has no classes, or nothing tells their names.
    """
    count = count_of_classes(skeleton_of(name, weights)[0])
    if not count:
        raise ArchiveError(f'{name} tells no classes apart; `python -m models` lists networks that '
                           'do')
    imagenet = [entry for _, entry in files.imagenet_classes()] if count == IMAGENET else None
    if weights is None and imagenet and not is_here(name):
        return imagenet
    with files.WeightFile(files.find(name, weights), name) as file:
        classes = file.classes() or imagenet
    if classes is None:
        raise ArchiveError(f'the weights of {name} do not name its classes; recipes take their '
                           'numbers, from 0')
    return classes


def kind_of(layer):
    """Say what a layer does."""
    if isinstance(layer, Conv2DLayer):
        rows, columns = layer.filter_size
        groups = f' in {layer.num_groups} groups' if layer.num_groups > 1 else ''
        return f'convolution {rows}x{columns}{groups}'
    if isinstance(layer, Pool2DLayer):
        return 'pooling {}x{}'.format(*layer.pool_size)
    return KINDS[type(layer)]


def uses_of(layer):
    """Say what a layer can serve for: without rows and columns, for its units only."""
    return 'style, content, deconvnet, dream' if len(layer.output_shape) == 4 else 'saliency'


def defaults_of(name):
    """Map each layer to what recipes take it for where no layer is named, in words with factors."""
    facts, settings = networks.facts_of(name), settings_of('archive', name)
    found = {}
    for use, text in (('style', settings.style_layers), ('content', settings.content_layers)):
        for layer, factor in command_line.layer_weights(text).items():
            found.setdefault(layer, []).append(use if factor == 1 else f'{use} {factor:g}')
    for use in ('deconvnet', 'dream'):
        found.setdefault(getattr(facts, use), []).append(use)
    for layer in facts.deeper:
        found.setdefault(layer, []).append('reconstruct')
    return found


if __name__ == '__main__':
    sys.argv[0] = 'python -m models'  # what errors begin with
    command_line.run(main)
