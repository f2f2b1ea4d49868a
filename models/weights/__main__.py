"""Fetch, convert, normalise and check the weights of the archive's networks.

    python -m models.weights list
    python -m models.weights fetch vgg19
    python -m models.weights convert vgg19.pkl --as vgg19
    python -m models.weights convert candy.t7 --as generator
    python -m models.weights normalise vgg19 --photos FOLDER
    python -m models.weights verify
    python -m models.weights where
"""

import shutil
import sys
import traceback
from pathlib import Path

import models
from models import all_cnn, feedforward, networks
from models.blocks import POOLINGS
from models.errors import ArchiveError, one_line
from models.weights import conversion, download, files, generators, layouts, normalisation, sources

from lasagne.layers import Conv2DLayer, InputLayer, Pool2DLayer
from tqdm import tqdm

from recipes.common import command_line, images, photos

NORMALISED = '{}_normalized'  # spelt as the Recipes did


def main(arguments=None):
    """Run the command line; None takes the process's own arguments."""
    options = parse(arguments)
    try:
        options.command(options)
    except ArchiveError:
        if options.debug:
            for line in traceback.format_exc().splitlines():
                print(one_line(line), file=sys.stderr)
        raise


def parse(arguments):
    """Read the options of a command line."""
    parser = command_line.ArgumentParser(prog='python -m models.weights',
                                         description=__doc__.splitlines()[0])
    parser.add_argument('--debug', action='store_true',
                        help='before the line of an error, how it came about')
    commands = parser.add_subparsers(metavar='COMMAND', required=True)

    command = _add(commands, list_networks, 'list', 'networks, sources, licences, what is here')
    command = _add(commands, fetch, 'fetch', 'download the weights of a network and convert them')
    command.add_argument('network')
    command.add_argument('--from', dest='source', metavar='SOURCE',
                         help='one of the sources that `list` names (default: one after another)')
    command.add_argument('--url', help='take the file from this address (http, https, file); its '
                                       'hash must be that of a source')
    command.add_argument('--convolutions-only', action='store_true',
                         help='a smaller file without dense layers, enough for style transfer')
    command.add_argument('--keep', action='store_true',
                         help='keep the downloaded file beside the converted one')
    command.add_argument('--force', action='store_true', help='though it is here already')
    command.add_argument('--quiet', action='store_true', help='no progress shown')

    command = _add(commands, convert, 'convert', 'convert a weight file that you have')
    command.add_argument('file')
    command.add_argument('--as', dest='network', required=True, metavar='NETWORK',
                         help=f'whose weights they are; {generators.NAME!r} for a trained '
                              'generator of Torch7, PyTorch or TensorFlow')
    command.add_argument('--from', dest='layout', metavar='LAYOUT',
                         help=f'what the file is, where its names leave that open: one of '
                              f'{", ".join(layouts.LAYOUTS)}; of a generator, its dialect')
    command.add_argument('--beginning', metavar='NAME',
                         help='of the names to take, where a file holds several networks')
    command.add_argument('--out', metavar='FILE.npz',
                         help='where to write (default: NETWORK.npz in the folder of weights)')
    command.add_argument('--force', action='store_true', help='overwrite a file that exists')

    command = _add(commands, normalise, 'normalise',
                   "rescale a VGG so that each channel's mean activation over photos is 1, as "
                   'Gatys et al. 2015 did')
    command.add_argument('network')
    command.add_argument('--photos', nargs='+', required=True, metavar='PHOTO|FOLDER')
    command.add_argument('--weights', metavar='FILE', help='weights of the network, .npz')
    command.add_argument('--pool', choices=POOLINGS, default='max',
                         help='kind of pooling while the means are measured; the network that '
                              'Gatys gave away was measured with max')
    command.add_argument('--size', type=command_line.pixels, default=256,
                         help="pixels of the photos' shorter side")
    command.add_argument('--floor', type=command_line.weight, default=0.0,
                         help="divide no channel by less than this fraction of its layer's mean")
    command.add_argument('--out', metavar='FILE.npz',
                         help=f'where to write (default: {NORMALISED.format("NETWORK")}.npz in the '
                              'folder of weights)')
    command.add_argument('--force', action='store_true', help='overwrite a file that exists')
    command.add_argument('--quiet', action='store_true', help='no progress shown')

    command = _add(commands, verify, 'verify', 'check the files that are here, number by number')
    command.add_argument('networks', nargs='*', metavar='NETWORK', help='(default: all)')

    command = _add(commands, where, 'where', 'print the folder of weights, or where a file is')
    command.add_argument('network', nargs='?')
    return parser.parse_args(arguments)


def list_networks(options):
    """Print a table of networks, their sources, and what is here."""
    rows = [('network', 'source', 'MB', 'licence', '')]
    for network in networks.NETWORKS:
        here = 'here' if _path(network).exists() else ''
        rows += [(network if index == 0 else '', source.name, str(source.megabytes),
                  source.licence, _state(source, here if index == 0 else ''))
                 for index, source in enumerate(sources.of_network(network))] or [
                     (network, _origin(network), '', 'MIT' if _is_own(network) else '', here)]
    command_line.print_table(rows)
    print(f'\nThe folder of weights is {files.folder()}.')


def fetch(options):
    """Download the weights of a network from the first source that gives them; convert them."""
    network = options.network
    networks.known_name(network, list(networks.NETWORKS), 'network')
    if _is_here(options):
        return
    wanted = _wanted_sources(options)
    downloads = files.folder() / 'downloads'
    downloads.mkdir(parents=True, exist_ok=True)
    with download.alone(downloads / network, options.quiet):
        if not _is_here(options):  # while this process waited for another one
            print(f'{network}: {_fetched(options, wanted, downloads)}')


def convert(options):
    """Convert a weight file."""
    if options.network == generators.NAME:
        convert_generator(options)
        return
    target = _new(options.out or _path(options.network), options.force)
    provenance = conversion.convert(options.file, options.network, target, options.layout,
                                    beginning=options.beginning)
    known = (f'known as {provenance["source"]}' if provenance['source'] else
             f'of unknown origin, SHA-256 {provenance["sha256"]}')
    print(f'{options.network}: {target} (from {options.file}, {known}, read as '
          f'{provenance["layout"]})')


def convert_generator(options):
    """Convert a generator of Torch7, PyTorch or TensorFlow."""
    if options.layout is not None:
        networks.known_name(options.layout, list(feedforward.DIALECTS), 'dialect of generators')
    if options.beginning is not None:
        raise ArchiveError('--beginning is not for generators; omit it')
    name = Path(options.file)
    name = name.parent if name.name == 'manifest.json' else name
    target = _new(options.out or f'{name.stem}.npz', options.force)
    provenance = generators.convert(options.file, target, options.layout)
    print(f'{generators.NAME}: {target} (from {options.file}, {provenance["kind"]}, '
          f'{provenance["parameters"]} parameters)')


def normalise(options):
    """Rescale a network by its mean activations on photos and write it."""
    target = _new(options.out or _path(NORMALISED.format(options.network)), options.force)
    found = photos.find(options.photos)
    net, mean_pixel = _load_convolutions(options)
    reader = photos.Photos(found, net, options.size)
    bar = tqdm(total=len(found), desc='photos', disable=options.quiet)

    def prepared():
        for batch in reader.batches():
            for _, rgb in batch:
                yield images.prepare(rgb, mean_pixel)
                bar.update()

    with bar:
        normalisation.normalise(net, prepared(), options.floor)
    arrays = {f'{name}.{part}': getattr(layer, part).get_value()
              for name, layer in net.items() if isinstance(layer, Conv2DLayer) for part in 'Wb'}
    provenance = {'network': NORMALISED.format(options.network), 'normalised_from': options.network,
                  'weights_sha256': net.origin.sha256, 'pool': options.pool,
                  'size': options.size, 'floor': options.floor,
                  'photos': len(found) - len(reader.problems), 'converter': conversion.VERSION,
                  'arrays': {key: files.array_sha256(array) for key, array in arrays.items()}}
    files.write(target, {**arrays, 'mean_pixel': mean_pixel,
                         **conversion.width_of(options.network, arrays)}, provenance)
    normalised = NORMALISED.format(options.network)
    print(f'{normalised}: {target}' + ('' if normalised in networks.NETWORKS else
                                       f' (it ends before the classes; use it with --model '
                                       f'{options.network} --weights {target})'))
    reader.finish()


def verify(options):
    """Check files number by number against the hashes in their provenance."""
    wanted = options.networks or [name for name in networks.NETWORKS if _path(name).exists()]
    problems = []
    for network in wanted:
        networks.known_name(network, list(networks.NETWORKS), 'network')
        try:
            print(one_line(f'{network}: {_verified(network)}'))
        except ArchiveError as problem:
            problems.append(str(problem))
    if problems:
        raise ArchiveError('; '.join(problems))


def where(options):
    """Print the folder of weights, or the path of a network's file."""
    print(files.find(networks.known_name(options.network, list(networks.NETWORKS), 'network'))
          if options.network else files.folder())


def _load_convolutions(options):
    """Load (net, mean_pixel) of a VGG as far as its last convolution or pooling.

    Raises:
        ArchiveError: it is no chain of convolutions with rectifiers and poolings.
    """
    name = networks.known_name(options.network, list(networks.NETWORKS), 'network')
    chain = [layer for layer, *_ in networks.NETWORKS[name]()
             if layer.startswith(('conv', 'pool'))]
    if name.startswith('vgg'):
        net, _, mean_pixel = models.load(name, options.weights, options.pool, deepest=chain[-1])
        if all(isinstance(layer, (InputLayer, Conv2DLayer, Pool2DLayer))
               for layer in net.values()):
            return net, mean_pixel
    raise ArchiveError(f'{name} is no chain of convolutions with rectifiers and poolings, which '
                       'alone can be normalised; take vgg19 or vgg16')


def _verified(network):
    path = files.find(network)
    with files.WeightFile(path, network) as file:
        count = file.verify_arrays()
        provenance = file.provenance()
        deepest = [name for name in conversion.skeleton(network)[0]
                   if f'{name}.W' in file.arrays.files]
    if deepest:
        models.load(network, path, deepest=deepest[-1])
    if not count:
        origin = ('it comes with the archive' if _is_own(network)
                  else 'it says nothing about its origin')
        return f'{path} can be loaded; {origin}'
    origin = (provenance.get('url') or provenance.get('file')
              or f'normalised {provenance.get("normalised_from")}')
    return f'{path} is as it was written, {count} arrays, from {origin}'


def _is_here(options):
    """Tell, and print, whether the weights that are wanted are here already."""
    target = _path(options.network)
    if options.force or not target.exists() or _lacks_classes(options, target):
        return False
    more = 'it comes with the archive' if _is_own(options.network) else '--force fetches it again'
    print(f'{options.network} is here: {target} ({more})')
    return True


def _fetched(options, wanted, downloads):
    """Download and convert from the first of some sources that gives it; return the path.

    Raises:
        ArchiveError: none gives it.
    """
    target, problems = _path(options.network), []
    for source in wanted:
        # In a folder of its own: two sources may have files of one name.
        place = downloads / source.hash.partition(':')[2][:8] / source.file
        try:
            url = download.fetch([options.url] if options.url else source.urls(), place,
                                 source.hash, options.quiet, source.most_bytes())
        except ArchiveError as problem:
            problems.append(str(problem))
            continue
        conversion.convert(place, options.network, target, url=url or source.urls()[0])
        if not options.keep:
            shutil.rmtree(place.parent)
        return target
    raise ArchiveError(f'no source gives {options.network}. Is there a network? Try again later, '
                       'or get one of these files elsewhere and convert it (python -m '
                       f'models.weights convert FILE --as {options.network}): '
                       f'{"; ".join(problems)}')


def _wanted_sources(options):
    """List the sources to try, in order.

    Raises:
        ArchiveError: there is none, or none of that name.
    """
    known = sources.of_network(options.network)
    if options.source:
        networks.known_name(options.source, [source.name for source in known] or ['none'],
                            f'source of {options.network}')
        known = [source for source in known if source.name == options.source]
    elif not options.url:
        known = [source for source in known
                 if source.convolutions_only == options.convolutions_only
                 or not any(other.convolutions_only == options.convolutions_only
                            for other in known)]
    if options.url:
        named = [source for source in known if source.hash
                 and (options.source or options.url.rpartition('/')[2] == source.file)]
        if not named:
            raise ArchiveError(f'nothing tells what {options.url} should hold; name the source '
                               'whose hash it must have (--from SOURCE), or download it yourself '
                               'and convert it')
        return named[:1]
    fetched = [source for source in known if source.can_be_fetched()]
    if not fetched:
        raise ArchiveError(f'there is nowhere to fetch {options.network} from'
                           f'{_by_hand(known)}{_how_else(options.network)}')
    return fetched


def _by_hand(known):
    told = [url for source in known if not source.is_gone for url in source.urls()]
    gone = [source.file for source in known if source.is_gone]
    return ((f'; no hash is known of {" or ".join(told)}: download it yourself and convert it'
             if told else '')
            + (f'; if you kept {" or ".join(gone)}, convert it' if gone else ''))


def _how_else(network):
    if network in files.EMBEDDED:
        return ': it comes with the archive'
    if network in all_cnn.PUBLISHED_ERRORS:
        return ': train it (recipes/train_all_cnn.py)'
    return f'; with a file of yours: python -m models.weights convert FILE --as {network}'


def _lacks_classes(options, path):
    """Tell whether a file is cut off and the whole network is wanted."""
    if options.convolutions_only:
        return False
    last = next(reversed(conversion.skeleton(options.network)[1]))
    if not any(not source.convolutions_only for source in sources.of_network(options.network)):
        return False
    with files.WeightFile(path, options.network) as file:
        return last not in file.arrays.files


def _new(path, force):
    """Choose a path to write to.

    Raises:
        ArchiveError: it exists and must not be overwritten, or is not named like an .npz file.
    """
    path = Path(path)
    if path.resolve() in [own.resolve() for own in files.EMBEDDED.values()]:
        raise ArchiveError(f'{path} comes with the archive and stays; write elsewhere with --out')
    if path.suffix != '.npz':
        raise ArchiveError(f'weights are written as .npz files; name {path} like one')
    if path.exists() and not force:
        raise ArchiveError(f'{path} exists already; write elsewhere with --out, or over it with '
                           '--force')
    return path


def _path(network):
    return files.EMBEDDED[network] if _is_own(network) else files.folder() / f'{network}.npz'


def _is_own(network):
    return network in files.EMBEDDED


def _origin(network):
    if _is_own(network):
        return 'comes with the archive'
    return 'train it' if network in all_cnn.PUBLISHED_ERRORS else 'none known'


def _state(source, here):
    state = ('gone; convert a kept file' if source.is_gone else
             'by hand; no hash known' if source.hash is None else '')
    return ', '.join(part for part in (here, state) if part)


def _add(commands, function, name, told):
    command = commands.add_parser(name, help=told, description=told)
    command.set_defaults(command=function)
    return command


if __name__ == '__main__':
    sys.argv[0] = 'python -m models.weights'  # what errors begin with
    command_line.run(main)
