"""From any weight file to the archive's: right axes, right colours, checked, with provenance."""

import logging
import os
import re
from collections import OrderedDict
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from models import networks
from models.errors import ArchiveError
from models.weights import (
    architectures,
    bounds,
    files,
    fingerprint,
    formats,
    naming,
    sources,
    torchvision,
)
from models.weights.layouts import LAYOUTS

import numpy as np
from lasagne.layers import DenseLayer

VERSION = 1  # of this conversion; goes up when the same file would give other numbers
# Of the names of the network that a checkpoint is for, before any.
USUAL_BEGINNINGS = ('state_dict.', 'model_state_dict.', 'model.', '')
OXFORDS = ('vgg19', 'vgg19_normalized', 'vgg19_torchvision')  # told apart by their first kernels
MOST_ARRAYS = 10000  # of a checkpoint with a network and more in it
NORMALISED_WITHIN = 3  # a factor; the scale of vgg19 is tens of times that of vgg19_normalized

log = logging.getLogger('archive')


@bounds.guards
def convert(path, network, target, layout=None, url=None, beginning=None):
    """Convert a weight file and write it in the archive's format.

    Args:
        path: of a file of any kind that `formats.read` knows.
        network: whose weights they are.
        target: path of the .npz.
        layout: a key of layouts.LAYOUTS; None finds it by the file's hash, its names and shapes,
            and for VGG-19 by its first kernels.
        url: where the file came from, if that is known.
        beginning: of the names to take, where a file holds several networks.

    Returns:
        The provenance, as it stands in the file.

    Raises:
        ArchiveError: the file cannot be read, is of another network, or leaves open what it means.
    """
    path = Path(path)
    networks.known_name(network, list(networks.NETWORKS), 'network')
    contents = _chosen(path, formats.read(path, _float32_bytes(network)), beginning)
    digests = sources.digests_of(path)
    source = sources.of_file(digests)
    if source and source.network != network:
        raise ArchiveError(f'{path} is {source.file}, of {source.network}; convert it --as '
                           f'{source.network}')
    chosen = layout or _find_layout(path, contents, network, source and source.layout)
    networks.known_name(chosen, list(LAYOUTS), 'layout')
    translation = _fitting(path, contents, network, chosen)
    arrays, extra = translation.arrays()
    if extra:
        _require_no_larger(path, contents, network, chosen, len(translation.here))
    _require_original(path, network, chosen, arrays)
    if extra:
        log.warning('%s: left out what is no layer of %s: %s', path, network, _listed(extra, 30))
    if contents.kind == 'npz_list':
        log.warning('%s only counts its arrays; read as %s, whose kernels correlate, in BGR; if '
                    'those of your network convolved, as those of Lasagne do by default, turn them '
                    'by 180 degrees first', path, chosen)
    told = _unlike_the_published(network, arrays)
    if told:
        log.warning('%s: stored as %s, but it is not that of the papers: %s', path, network, told)
    for note in contents.notes:
        log.warning('%s: %s', path, note)
    provenance = {'network': network, 'file': path.name, 'bytes': path.stat().st_size, **digests,
                  'source': source.name if source else None, 'url': url,
                  'licence': source.licence if source else None, 'layout': chosen,
                  'converter': VERSION,
                  'arrays': {key: files.array_sha256(array) for key, array in arrays.items()}}
    arrays.update(_descriptions(path, contents, network, translation, arrays))
    files.write(target, arrays, provenance)
    return provenance


def _chosen(path, contents, beginning):
    """Choose the part of a file's contents whose names begin so.

    Raises:
        ArchiveError: there are none, or far too many to be a network's.
    """
    if len(contents.arrays) > MOST_ARRAYS:
        raise ArchiveError(f'{path} holds {len(contents.arrays)} arrays; no network here has more '
                           f'than {MOST_ARRAYS}')
    if beginning is None:
        return contents
    arrays = OrderedDict((key, array) for key, array in contents.arrays.items()
                         if key.startswith(beginning))
    if not arrays:
        raise ArchiveError(f'nothing in {path} begins with {beginning!r}; it holds '
                           f'{_listed(contents.modules())}')
    return replace(contents, arrays=arrays)


def _unlike_the_published(network, arrays):
    """Say in what a network differs from the one that is known by the name, or ''."""
    shapes = skeleton(network)[1]
    (first, kernel), (last, final) = next(iter(arrays.items())), list(arrays.items())[-2]
    told = []
    if kernel.shape[0] != shapes[first][0]:
        told.append(f'{kernel.shape[0]} filters in the first layer instead of {shapes[first][0]}')
    if last == list(shapes)[-2] and final.shape[0] != shapes[last][0] and _classifies(network):
        told.append(f'{final.shape[0]} classes instead of {shapes[last][0]}')
    others = [other for other in networks.NETWORKS if other != network and told
              and all(skeleton(other)[1].get(key) == array.shape for key, array in arrays.items())]
    return ' and '.join(told) + (f'; it has the shapes of {others[0]}: --as {others[0]}'
                                 if others else '')


def _classifies(network):
    return list(networks.NETWORKS[network]())[-1][0] == 'prob'


def skeleton(network, width=1, classes=None):
    """Build a network without weights: (net, '<layer>.W' or '.b' -> shape), in order."""
    return _skeleton(networks.NETWORKS[network], network, width, classes)


@lru_cache(maxsize=128)  # a file is held against all networks and layouts
def _skeleton(layers, network, width, classes):
    shapes = OrderedDict()

    def array(key, shape):
        shapes[key] = tuple(shape)
        return np.broadcast_to(np.float32(0), shape)

    return networks.build(network, array=array, width=width, classes=classes), shapes


def _float32_bytes(network):
    return sum(4 * bounds.product(shape) for shape in skeleton(network)[1].values())


def width_of(network, arrays):
    """Find {'width': factor} where the first layer of some weights has another number of filters
    than the network, else nothing, as it stands in a weight file."""
    key, kernel = next(iter(arrays.items()))
    width = kernel.shape[0] / skeleton(network)[1][key][0]
    return {} if width == 1 else {'width': np.float64(width)}


class _NothingInCommon(ArchiveError):
    """A layout has nothing to do with a file."""


def _translated(path, contents, network, layout):
    """Make the `_Translation` of a file by a layout, under whichever names it has its layers.

    Raises:
        _NothingInCommon: the layout does not know the network, or the file has none of its layers.
        ArchiveError: layers are missing below others, or several networks in the file fit.
    """
    known = LAYOUTS[layout]
    layers = [key[:-2] for key in skeleton(network)[1] if key.endswith('.W')]
    expected = known.modules(network, layers, ()) if contents.kind in known.kinds else None
    if expected is None:
        raise _NothingInCommon(f'{path}: the layout {layout} is not one of {network} in such a '
                               'file')
    found, problem = [], None
    for names in naming.views(contents.modules(), _tuple(expected[layers[0]])[0]):
        try:
            translation = _Translation(path, contents, network, layout, layers, names)
        except _NothingInCommon:
            continue
        except ArchiveError as missing:
            problem = problem or missing
            continue
        if all(translation.modules != other.modules for other in found):
            found.append(translation)
    if not found:
        raise problem or _NothingInCommon(f'{path} has no layer of {network}; it holds '
                                          f'{_listed(contents.modules())}')
    fitting = [each for each in found if each.misfit() is None]
    return (_only_one(path, network, fitting) if fitting
            else max(found, key=lambda translation: len(translation.here)))


def _fitting(path, contents, network, layout):
    """Make the `_Translation` of a file, if its arrays have the right shapes.

    Raises:
        ArchiveError: they have not; says what the file is, where that is known.
    """
    try:
        translation = _translated(path, contents, network, layout)
        problem = translation.misfit()
    except ArchiveError as nothing:
        problem = nothing
    if problem:
        raise ArchiveError(_why_none_fits(path, contents, network, problem))
    return translation


def _only_one(path, network, translations):
    """Choose the translation with the most layers.

    Raises:
        ArchiveError: there are several, of different numbers.
    """
    most = max(len(translation.here) for translation in translations)
    largest = [translation for translation in translations if len(translation.here) == most]
    for usual in USUAL_BEGINNINGS:
        best = [each for each in largest if each.beginning().startswith(usual)]
        best = [each for each in best if not each.beginning()] or best
        if best:
            break
    if any(not best[0].has_numbers_of(other) for other in best[1:]):
        told = ' or '.join(f'--beginning {each.beginning()}' for each in best[:3])
        raise ArchiveError(f'{path} holds several networks that can be {network}; say which: '
                           f'{told}')
    return best[0]


class _Translation:
    """A file's arrays, one after another in the archive's form.

    Args:
        path: of the file, for messages.
        contents: of the file.
        network: whose weights they should be.
        layout: a key of layouts.LAYOUTS.
        layers: of the network, those with weights.
        names: `naming.Names` of the file's modules.

    Raises:
        ArchiveError: the file has none of the network's layers, or lacks some below others.
    """

    def __init__(self, path, contents, network, layout, layers, names):
        self.path, self.contents, self.network, self.names = path, contents, network, names
        self.layout = LAYOUTS[layout]
        expected = self.layout.modules(network, layers, names)
        self.modules = {layer: tuple(names.get(name) for name in _tuple(expected[layer]))
                        for layer in layers if layer in expected}
        self.here = [layer for layer in layers if self._has(layer)]
        if not self.here:
            raise _NothingInCommon(path)
        missing = layers[:layers.index(self.here[-1])]
        missing = [layer for layer in missing if layer not in self.here]
        if len(missing) > len(self.here):
            raise _NothingInCommon(path)
        if missing:
            raise ArchiveError(f'{path} lacks {_listed(missing)} of {network}, and has '
                               f'{self.here[-1]}, which stands on it')
        self.net, self.shapes = skeleton(network)
        self._fit_width_and_classes(layers)

    def beginning(self):
        """Find the common beginning of the names in the file."""
        common = os.path.commonprefix([name for layer in self.here for name in self.modules[layer]])
        return re.match(r'(.*[./:_])?', common)[0]

    def has_numbers_of(self, other):
        """Tell whether another translation gives the same arrays."""
        return all(np.array_equal(self._joined(layer, ending), other._joined(layer, ending))
                   for layer in self.here for ending in 'Wb')

    def first_kernel(self):
        """Read the first kernel in the archive's form, colours as in the file, or None."""
        layer = self.here[0]
        array = self._joined(layer, 'W')
        return (self._kernel(array) if array.ndim <= 4 and not self._is_dense(layer)
                else None)

    def misfit(self):
        """Say which array has not the shape that the network needs, or None."""
        for layer in self.here:
            try:
                kernel, bias = self._joined(layer, 'W'), self._joined(layer, 'b')
            except ArchiveError as problem:
                return str(problem)
            if kernel.ndim > 4:
                return self._told_misfit(f'{layer}.W', kernel)
            kernel = np.broadcast_to(np.float32(0), kernel.shape)  # turning copies no numbers
            kernel = self._dense(layer, kernel) if self._is_dense(layer) else self._kernel(kernel)
            for key, array in ((f'{layer}.W', kernel), (f'{layer}.b', bias.ravel())):
                if not self._has_shape(key, array):
                    return self._told_misfit(key, array)
        return None

    def arrays(self):
        """Convert the file: (arrays by the archive's keys, float32; modules of no layer).

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
        return found, self.extra()

    def extra(self):
        """List the modules in the file that belong to no layer."""
        used = {module for layer in self.here for module in self.modules[layer]}
        used.add(self.first_module())
        return [module for module in self.contents.modules() if module not in used]

    def _has(self, layer):
        return all(f'{module}.W' in self.contents.arrays
                   for module in self.modules.get(layer, (None,)))

    def first_module(self):
        """Find the module in the file that stands before the network, or None."""
        return self.layout.first and self.names.get(self.layout.first)

    def _joined(self, layer, ending):
        keys = [f'{module}.{ending}' for module in self.modules[layer]]
        for key in keys:
            if key not in self.contents.arrays:
                raise ArchiveError(f'{self.path} has no {key} for {layer} of {self.network}')
        parts = [self.contents.arrays[key] for key in keys]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _is_dense(self, layer):
        return isinstance(self.net[layer], DenseLayer)

    def _kernel(self, array):
        """Read a convolution's array as (out, in, rows, columns), correlating."""
        array = array.reshape(array.shape + (1,) * (4 - array.ndim))  # MATLAB drops ones at the end
        axes = self.layout.kernel.split()
        array = array.transpose([axes.index(axis) for axis in ('out', 'in', 'rows', 'columns')])
        return array[:, :, ::-1, ::-1] if self.layout.flipped else array

    def _dense(self, layer, array):
        """Read a dense layer's array as (out, in) or (out, channels, rows, columns)."""
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

    def _has_shape(self, key, array):
        shape = self.shapes[key]
        return array.size == int(np.prod(shape)) and array.shape[:1] == shape[:1]

    def _told_misfit(self, key, array):
        shape, published = self.shapes[key], skeleton(self.network)[1][key]
        fitted = '' if shape == published else f', or {shape} at the width of this file'
        return (f'{self.path} has the weights of another network than {self.network}: {key} is '
                f'{tuple(array.shape)} and must be {published}{fitted}')

    def _checked(self, key, array):
        if not self._has_shape(key, array):
            raise ArchiveError(self._told_misfit(key, array))
        with np.errstate(over='ignore'):
            array = np.ascontiguousarray(array.reshape(self.shapes[key]), 'float32')
        if not np.isfinite(array).all():
            raise ArchiveError(f'{self.path}: {key} holds numbers that are not finite, or not in '
                               'single precision')
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
        return _classifies(self.network)


def _find_layout(path, contents, network, stated):
    """Find the key of the layout that a file has.

    Args:
        path: of the file, for messages.
        contents: of the file.
        network: whose weights it has.
        stated: the key that the table of sources has for a file of this hash, or None.

    Raises:
        ArchiveError: none fits, or several do.
    """
    fitting, nearest, problem = {}, (), None
    for key, layout in LAYOUTS.items():
        if contents.kind not in layout.kinds:
            continue
        try:
            translation = _translated(path, contents, network, key)
        except _NothingInCommon:
            continue
        except ArchiveError as found:
            problem = found
            continue
        misfit = translation.misfit()
        if misfit and len(translation.here) > len(nearest):
            nearest, problem = translation.here, ArchiveError(misfit)
        if not misfit:
            fitting[key] = translation
            kernel = translation.first_kernel()
            if network in OXFORDS[:2] and _is_oxfords(_in_bgr(layout, kernel)):
                return key  # nothing is surer
    if stated in fitting:
        return stated
    sure = [key for key in fitting if not LAYOUTS[key].only_if_proved]
    if not sure:
        raise ArchiveError(_why_none_fits(path, contents, network, problem))
    proved = [key for key in sure if LAYOUTS[key].names_are_shared
              and LAYOUTS[key].is_proved_by(contents.kind, fitting[key].names)]
    if proved:
        return proved[0]
    if LAYOUTS[sure[0]].names_are_shared:
        retrained = f'{network}_torchvision'
        hint = (f'; or, if they are the weights that torchvision trained, --as {retrained}'
                if retrained in networks.NETWORKS and contents.kind != 'list' else '')
        raise ArchiveError(f'the names in {path} leave open what its numbers mean; say what it is: '
                           f'--from {" or --from ".join(fitting)}{hint}')
    return sure[0]


def _why_none_fits(path, contents, network, problem):
    """Say why no layout makes a network of a file: what it is, what is missing, what to do."""
    others = _networks_that_fit(path, contents)
    told = str(problem or f'{path} does not fit {network}: it holds {_listed(contents.modules())}')
    if others:
        return f'{told}; it fits {" and ".join(others)}: convert it --as {others[0]}'
    recognised = architectures.recognised(contents)
    return f'{told}; {recognised}' if recognised else told


def _networks_that_fit(path, contents):
    """Find the networks to which all modules of a file belong."""
    found = []
    for network in networks.NETWORKS:
        for key, layout in LAYOUTS.items():
            if contents.kind in layout.kinds and network not in found:
                try:
                    translation = _translated(path, contents, network, key)
                    fits = translation.misfit() is None and not translation.extra()
                except ArchiveError:
                    continue
                if fits:
                    found.append(network)
    return found


def _require_no_larger(path, contents, network, layout, used):
    """Look for a network that has more of a file's layers: VGG-19 has all names of VGG-16.

    Raises:
        ArchiveError: there is one.
    """
    for other in networks.NETWORKS:
        try:
            translation = _translated(path, contents, other, layout)
        except ArchiveError:
            continue
        if len(translation.here) > used and translation.misfit() is None:
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
                           'another layout: omit --from, or name another')
    if normalised != (network == 'vgg19_normalized'):
        told = ('normalised; convert it --as vgg19_normalized' if normalised else
                'not normalised; convert it --as vgg19, then normalise it: '
                'python -m models.weights normalise vgg19 --photos FOLDER')
        raise ArchiveError(f'{path} holds a VGG-19 that is {told}')


def _descriptions(path, contents, network, translation, arrays):
    """Find what else stands in a file: the mean, the class names, the width."""
    mean_pixel = contents.mean_pixel
    if translation.layout.first:
        mean_pixel = _mean_of_first(path, contents, translation.first_module())
    if mean_pixel is None:
        mean_pixel = translation.layout.mean_pixel(network)
    described = {'mean_pixel': np.asarray(mean_pixel, 'float32')}
    full = skeleton(network)[1]
    described.update(width_of(network, arrays))
    count = len(next(reversed(arrays.values())))
    complete = next(reversed(arrays)) == next(reversed(full))
    if complete and _classifies(network):
        words = contents.classes
        words = None if words is None else files.class_names(path, words)
        if words is None and count != 1000:
            words = [f'class {index}' for index in range(count)]
        if words is not None:
            if len(words) != count:
                raise ArchiveError(f'{path} names {len(words)} classes and has {count} outputs')
            described['classes'] = np.array(words)
    return described


def _mean_of_first(path, contents, module):
    """Compute the mean of a 1x1 convolution that makes BGR 0..255 minus mean of RGB 0..1.

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
