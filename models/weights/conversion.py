"""From any weight file to the archive's: right axes, right colours, checked, with provenance."""

import functools
import logging
from collections import OrderedDict
from pathlib import Path

import numpy as np
from lasagne.layers import DenseLayer

from models import networks
from models.errors import ArchiveError
from models.weights import bounds, files, fingerprint, formats, sources, torchvision
from models.weights.layouts import LAYOUTS

VERSION = 1  # of this conversion; goes up when the same file would give other numbers
OXFORDS = ('vgg19', 'vgg19_normalized', 'vgg19_torchvision')  # told apart by their first kernels
NORMALISED_WITHIN = 3  # a factor; the scale of vgg19 is tens of times that of vgg19_normalized

log = logging.getLogger('archive')


@bounds.guards
def convert(path, network, target, layout=None, url=None):
    """Convert a weight file and write it in the archive's format.

    Args:
        path: of a file of any kind that `formats.read` knows.
        network: whose weights they are.
        target: path of the .npz.
        layout: a key of layouts.LAYOUTS; None finds it by the file's hash, its names and shapes,
            and for VGG-19 by its first kernels.
        url: where the file came from, if that is known.

    Returns:
        The provenance, as it stands in the file.

    Raises:
        ArchiveError: the file cannot be read, is of another network, or leaves open what it means.
    """
    path = Path(path)
    networks.known_name(network, list(networks.NETWORKS), 'network')
    contents = formats.read(path, _float32_bytes(network))
    digests = sources.digests_of(path)
    source = sources.of_file(digests)
    if source and source.network != network:
        raise ArchiveError(f'{path} is {source.file}, of {source.network}; convert it --as '
                           f'{source.network}')
    chosen = layout or _find_layout(path, contents, network, source and source.layout)
    networks.known_name(chosen, list(LAYOUTS), 'layout')
    arrays, extra = _Translation(path, contents, network, chosen).arrays()
    if extra:
        _require_no_larger(path, contents, network, chosen)
    _require_original(path, network, chosen, arrays)
    if extra:
        log.warning('%s: left out what is no layer of %s: %s', path, network, ', '.join(extra))
    for note in contents.notes:
        log.warning('%s: %s', path, note)
    provenance = {'network': network, 'file': path.name, 'bytes': path.stat().st_size, **digests,
                  'source': source.name if source else None, 'url': url,
                  'licence': source.licence if source else None, 'layout': chosen,
                  'converter': VERSION,
                  'arrays': {key: files.array_sha256(array) for key, array in arrays.items()}}
    arrays.update(_descriptions(path, contents, network, chosen, arrays))
    files.write(target, arrays, provenance)
    return provenance


@functools.lru_cache(maxsize=64)  # to find what a file fits, each is needed a dozen times
def skeleton(network, width=1, classes=None):
    """Return a network without weights: (net, '<layer>.W' or '.b' -> shape), in order."""
    shapes = OrderedDict()

    def array(key, shape):
        shapes[key] = tuple(shape)
        return np.broadcast_to(np.float32(0), shape)

    return networks.build(network, array=array, width=width, classes=classes), shapes


def _float32_bytes(network):
    return sum(4 * bounds.product(shape) for shape in skeleton(network)[1].values())


def width_of(network, arrays):
    """Return {'width': factor} where the first layer of some weights has another number of filters
    than the network, else nothing, as it stands in a weight file."""
    key, kernel = next(iter(arrays.items()))
    width = kernel.shape[0] / skeleton(network)[1][key][0]
    return {} if width == 1 else {'width': np.float64(width)}


class _NothingInCommon(ArchiveError):
    """A layout has nothing to do with a file."""


class _Translation:
    """A file's arrays, one after another in the archive's form.

    Args:
        path: of the file, for messages.
        contents: of the file.
        network: whose weights they should be.
        layout: a key of layouts.LAYOUTS.

    Raises:
        ArchiveError: the layout does not know the network, or the file has none of its layers.
    """

    def __init__(self, path, contents, network, layout):
        self.path, self.contents, self.network = path, contents, network
        self.layout = LAYOUTS[layout]
        net, shapes = skeleton(network)
        layers = [key[:-2] for key in shapes if key.endswith('.W')]
        self.modules = self.layout.modules(network, layers, contents.modules())
        if self.modules is None or contents.kind not in self.layout.kinds:
            raise _NothingInCommon(f'{path}: the layout {layout} is not one of {network} in such a '
                                   'file')
        self.here = [layer for layer in layers if self._has(layer)]
        if not self.here:
            raise _NothingInCommon(f'{path} has no layer of {network}; it holds '
                                   f'{_listed(contents.modules())}')
        missing = layers[:layers.index(self.here[-1])]
        missing = [layer for layer in missing if layer not in self.here]
        if missing:
            raise ArchiveError(f'{path} lacks {_listed(missing)} of {network}, and has '
                               f'{self.here[-1]}, which stands on it')
        self.net, self.shapes = net, shapes
        self._fit_width_and_classes(layers)

    def first_kernel(self):
        """Return the first kernel in the archive's form, colours as in the file, or None."""
        layer = self.here[0]
        array = self._joined(layer, 'W')
        return (self._kernel(array) if array.ndim <= 4 and not self._is_dense(layer)
                else None)

    def fits(self):
        """Tell whether the first kernel has the shape that the network needs."""
        kernel = self.first_kernel()
        return kernel is None or kernel.shape == self.shapes[self.here[0] + '.W']

    def arrays(self):
        """Return (arrays by the archive's keys, float32; modules that belong to no layer).

        Raises:
            ArchiveError: an array is missing, of another shape, or not made of finite numbers.
        """
        found = OrderedDict()
        for layer in self.here:
            kernel = self._joined(layer, 'W')
            kernel = self._dense(layer, kernel) if self._is_dense(layer) else self._kernel(kernel)
            if not found:
                kernel = self._for_bgr_to_255(kernel)
            found[f'{layer}.W'] = self._checked(f'{layer}.W', kernel)
            found[f'{layer}.b'] = self._checked(f'{layer}.b', self._joined(layer, 'b').ravel())
        used = {module for layer in self.here for module in _tuple(self.modules[layer])}
        used.add(self.layout.first)
        return found, [module for module in self.contents.modules() if module not in used]

    def _has(self, layer):
        return all(f'{module}.W' in self.contents.arrays
                   for module in _tuple(self.modules.get(layer, '')))

    def _joined(self, layer, ending):
        keys = [f'{module}.{ending}' for module in _tuple(self.modules[layer])]
        for key in keys:
            if key not in self.contents.arrays:
                raise ArchiveError(f'{self.path} has no {key} for {layer} of {self.network}')
        parts = [self.contents.arrays[key] for key in keys]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _is_dense(self, layer):
        return isinstance(self.net[layer], DenseLayer)

    def _kernel(self, array):
        """Return a convolution's array as (out, in, rows, columns), correlating."""
        array = array.reshape(array.shape + (1,) * (4 - array.ndim))  # MATLAB drops ones at the end
        axes = self.layout.kernel.split()
        array = array.transpose([axes.index(axis) for axis in ('out', 'in', 'rows', 'columns')])
        return array[:, :, ::-1, ::-1] if self.layout.flipped else array

    def _dense(self, layer, array):
        """Return a dense layer's array as (out, in) or (out, channels, rows, columns)."""
        if self.layout.dense == 'kernel' or array.ndim == 4 and array.shape[:2] != (1, 1):
            return self._kernel(array)
        if array.ndim == 4:  # Caffe, before 2015
            array = array[0, 0]
        if array.ndim == 2 and self.layout.dense == 'in out':
            array = array.T
        shape = self.shapes[f'{layer}.W']
        if self.layout.inputs == 'rows columns in' and len(shape) == 4 and array.ndim == 2:
            out, channels, rows, columns = shape
            if array.size == np.prod(shape):
                array = array.reshape(out, rows, columns, channels).transpose(0, 3, 1, 2)
        return array

    def _for_bgr_to_255(self, kernel):
        if self.layout.deviating:
            return torchvision.for_bgr_to_255(kernel)
        return kernel[:, ::-1] if self.layout.colours == 'RGB' else kernel

    def _checked(self, key, array):
        shape = self.shapes[key]
        if array.size != int(np.prod(shape)) or array.shape[:1] != shape[:1]:
            raise ArchiveError(f'{self.path} has the weights of another network than '
                               f'{self.network}: {key} is {tuple(array.shape)} and must be {shape}')
        array = np.ascontiguousarray(array.reshape(shape), 'float32')
        if not np.isfinite(array).all():
            raise ArchiveError(f'{self.path}: {key} holds numbers that are not finite')
        return array

    def _fit_width_and_classes(self, layers):
        """Build the network with as many filters and classes as the file has."""
        first, last = self.here[0], layers[-1]
        kernel = self.first_kernel()
        full = self.shapes[f'{first}.b'][0]
        width = 1 if kernel is None else kernel.shape[0] / full
        classes = None
        if self.here[-1] == last and self._gives_classes():
            classes = self._joined(last, 'b').size
        if (width, classes) not in ((1, None), (1, self.shapes[f'{last}.b'][0])):
            self.net, self.shapes = skeleton(self.network, width, classes)

    def _gives_classes(self):
        return list(self.net)[-1] == 'prob'


def _find_layout(path, contents, network, stated):
    """Return the key of the layout that a file has.

    Args:
        path: of the file, for messages.
        contents: of the file.
        network: whose weights it has.
        stated: the key that the table of sources has for a file of this hash, or None.

    Raises:
        ArchiveError: none fits, or several do.
    """
    fitting, problem = [], None
    for key, layout in LAYOUTS.items():
        if contents.kind not in layout.kinds:
            continue
        try:
            translation = _Translation(path, contents, network, key)
        except _NothingInCommon:
            continue
        except ArchiveError as found:
            problem = found
            continue
        if translation.fits():
            fitting.append(key)
            kernel = translation.first_kernel()
            if network in OXFORDS[:2] and _is_oxfords(_in_bgr(layout, kernel)):
                return key  # nothing is surer
    if stated in fitting:
        return stated
    sure = [key for key in fitting if not LAYOUTS[key].only_if_proved]
    if not sure:
        others = _networks_that_fit(path, contents)
        hint = f'; it fits {" and ".join(others)}' if others else ''
        told = problem or f'{path} does not fit {network}: it holds {_listed(contents.modules())}'
        raise ArchiveError(f'{told}{hint}')
    if not LAYOUTS[sure[0]].is_proved_by(contents):
        retrained = f'{network}_torchvision'
        hint = (f'; or, if they are the weights that torchvision trained, --as {retrained}'
                if retrained in networks.NETWORKS and contents.kind != 'list' else '')
        raise ArchiveError(f'the names in {path} leave open what its numbers mean; say what it is: '
                           f'--from {" or --from ".join(fitting)}{hint}')
    return sure[0]


def _networks_that_fit(path, contents):
    """Return the networks to which all modules of a file belong."""
    found = []
    for network in networks.NETWORKS:
        for key, layout in LAYOUTS.items():
            if contents.kind in layout.kinds and network not in found:
                try:
                    _, extra = _Translation(path, contents, network, key).arrays()
                except ArchiveError:
                    continue
                if not extra:
                    found.append(network)
    return found


def _require_no_larger(path, contents, network, layout):
    """Look for a network that has more of a file's layers: VGG-19 has all names of VGG-16.

    Raises:
        ArchiveError: there is one.
    """
    used = len(_Translation(path, contents, network, layout).here)
    for other in networks.NETWORKS:
        try:
            larger = len(_Translation(path, contents, other, layout).here) > used
        except ArchiveError:
            continue
        if larger:
            raise ArchiveError(f'{path} has the weights of another network than {network}: it has '
                               f'more of the layers of {other}; convert it --as {other}')


def _in_bgr(layout, kernel):
    return kernel[:, ::-1] if layout.colours == 'RGB' else kernel


def _is_oxfords(kernel):
    found = kernel is not None and fingerprint.compare(kernel)
    return bool(found) and found[0] == 'as they are'


def _require_original(path, network, layout, arrays):
    """Compare the first kernels of a VGG-19 with those that are known.

    Raises:
        ArchiveError: they are Oxford's and turned, or of another scale, or of the other training.
    """
    if network not in OXFORDS:
        return
    kernel = next(iter(arrays.values()))
    if LAYOUTS[layout].deviating:
        kernel = kernel * (255 * torchvision.DEVIATION[::-1])[:, None, None]
    found = fingerprint.compare(kernel)
    if found is None:
        if network != 'vgg19_torchvision' and kernel.shape[0] == 64:
            log.warning("%s: its first kernels are not those of Oxford's VGG-19, nor turned ones; "
                        'nothing here can tell whether axes and colours are right', path)
        return
    how, scale = found
    normalised = 1 / NORMALISED_WITHIN < scale < NORMALISED_WITHIN
    if network == 'vgg19_torchvision':
        raise ArchiveError(f"{path} holds Oxford's weights, not those that torchvision trained; "
                           f'convert it --as {"vgg19_normalized" if normalised else "vgg19"}')
    if how != 'as they are':
        raise ArchiveError(f"{path}: read as {layout}, its kernels are VGG-19's {how}; it has "
                           'another layout: leave --from away, or name another')
    if normalised != (network == 'vgg19_normalized'):
        told = ('normalised; convert it --as vgg19_normalized' if normalised else
                'not normalised; convert it --as vgg19, then normalise it: '
                'python -m models.weights normalise vgg19 --photos FOLDER')
        raise ArchiveError(f'{path} holds a VGG-19 that is {told}')


def _descriptions(path, contents, network, layout, arrays):
    """Return what else stands in a file: the mean, the class names, the width."""
    mean_pixel = contents.mean_pixel
    if LAYOUTS[layout].first:
        mean_pixel = _mean_of_first(path, contents, LAYOUTS[layout].first)
    if mean_pixel is None:
        mean_pixel = LAYOUTS[layout].mean_pixel(network)
    described = {'mean_pixel': np.asarray(mean_pixel, 'float32')}
    full = skeleton(network)[1]
    described.update(width_of(network, arrays))
    count = len(next(reversed(arrays.values())))
    complete = next(reversed(arrays)) == next(reversed(full))
    if complete and list(networks.NETWORKS[network]())[-1][0] == 'prob':
        words = contents.classes
        if words is None and count != 1000:
            words = [f'class {index}' for index in range(count)]
        if words is not None:
            if len(words) != count:
                raise ArchiveError(f'{path} names {len(words)} classes and has {count} outputs')
            described['classes'] = np.array(words)
    return described


def _mean_of_first(path, contents, module):
    """Return the mean of a 1x1 convolution that makes BGR 0..255 minus mean of RGB 0..1.

    Raises:
        ArchiveError: it does something else.
    """
    expected = 255 * np.eye(3)[::-1]
    kernel = contents.arrays.get(f'{module}.W')
    bias = contents.arrays.get(f'{module}.b')
    if (kernel is None or bias is None or kernel.size != 9 or bias.size != 3
            or np.abs(kernel.reshape(3, 3) - expected).max() > 1e-3):
        raise ArchiveError(f'{path}: its first convolution does not make BGR, 0..255, of RGB, '
                           '0..1; nothing is known of such a file')
    return -bias


def _tuple(value):
    return value if isinstance(value, tuple) else (value,)


def _listed(names, most=8):
    more = f' and {len(names) - most} more' if len(names) > most else ''
    return (', '.join(names[:most]) + more) or 'nothing'
