"""What somebody keeps of a style: selection.json, which the page of feature_atlas.py exports.

    {"format": "style features", "version": 1, "model": "vgg19_quarter",
     "picture": {"name": "painting.jpg", "pixels": "0123456789abcdef"},
     "threshold": 0.4,
     "layers": {"conv1_1": {"channels": 16, "dropped": [3, 5]}, ...},
     "motifs": [{"layer": "conv4_1", "motif": 2, "channels": [7, 9],
                 "rows": 30, "columns": 40, "heat": "base64 of one byte a position"}]}

`layers` has the channels that leave the loss. `motifs` has those that were dropped as a whole, with
where in the picture they fire, 0 to 255: what is at the threshold or above is masked out.
"""

import base64
import binascii
import json
from collections import namedtuple
from pathlib import Path

from models.errors import ArchiveError

import numpy as np

from recipes.style import masks

FORMAT, VERSION = 'style features', 1
REMEDY = 'take a selection.json that the page of feature_atlas.py exported'
LARGEST = 4096  # positions along one side of a heat map; beyond it the file is no atlas's

# layer: its name; heat: float32 (rows, columns), 0..1.
Motif = namedtuple('Motif', 'layer motif heat')


class Selection(namedtuple('Selection', 'path model picture pixels threshold channels dropped '
                                      'motifs')):
    """A selection.

    path: of its file; model: name of the network; picture: name of its file; pixels: hash of it, as
    `runs.pixel_hash` gives it; threshold: 0..1; channels: layer to how many there are; dropped:
    layer to a sorted list of channels; motifs: list of `Motif`.
    """

    def kept(self, rgb):
        """Map how much each pixel of the picture counts, float32 (rows, columns) of 0 and 1.

        Args:
            rgb: the picture, of any size.

        Returns:
            None where no motif was dropped.
        """
        if not self.motifs:
            return None
        heats = [masks.fitted(motif.heat, *rgb.shape[:2]) for motif in self.motifs]
        return (np.max(heats, axis=0) < self.threshold).astype('float32')

    def layers_kept(self, layers):
        """Return, of a dict by layer, those of which some channel is kept.

        Raises:
            ArchiveError: none is.
        """
        left = {layer: value for layer, value in layers.items()
                if layer not in self.dropped
                or len(self.dropped[layer]) < self.channels[layer]}
        if layers and not left:
            raise ArchiveError(f'{self.path} drops every channel of {", ".join(layers)}; keep some')
        return left

    def channels_kept(self, layers):
        """Map each layer to the int64 array of its kept channels, for those that lack some."""
        return {layer: np.setdiff1d(np.arange(self.channels[layer]), self.dropped[layer])
                for layer in layers if self.dropped.get(layer)}

    def check(self, net, model, layers):
        """Stop where the selection was made with another network or other layers.

        Args:
            net: ordered dict of layers.
            model: its name.
            layers: of the style.

        Raises:
            ArchiveError: says what differs.
        """
        if self.model != model:
            raise ArchiveError(f'{self.path} was made with {self.model}, and this is {model}; '
                               f'take --model {self.model}, or make an atlas with --model {model}')
        for layer in layers:
            if layer in self.channels and self.channels[layer] != net[layer].output_shape[1]:
                raise ArchiveError(f'{self.path} has {self.channels[layer]} channels in {layer}, '
                                   f'and this network {net[layer].output_shape[1]}')
        if not set(layers) & set(self.channels):
            raise ArchiveError(f'{self.path} has none of the style layers {", ".join(layers)}; it '
                               f'has {", ".join(self.channels)}')


def read(path):
    """Read the `Selection` in a file.

    Raises:
        ArchiveError: it is none, or something in it cannot be.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
    except FileNotFoundError as problem:
        raise ArchiveError(f'there is no selection {path}; {REMEDY}') from problem
    except (OSError, UnicodeDecodeError) as problem:
        raise ArchiveError(f'{path} cannot be read; {REMEDY}') from problem
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get('format') != FORMAT:
        raise ArchiveError(f'{path} is no selection; {REMEDY}')
    if found.get('version') != VERSION:
        raise ArchiveError(f'{path} has version {found.get("version")!r}, and version {VERSION} '
                           'is known; export it anew')
    try:
        return _checked(path, found)
    except Exception as problem:  # whatever an entry of another kind leads to
        raise ArchiveError(f'{path} is no selection as the page exports it: {told(problem)}'
                           ) from problem


def told(problem):
    """Say what is wrong."""
    return f'{problem.args[0]!r} is missing' if isinstance(problem, KeyError) else str(problem)


def _checked(path, found):
    threshold = found['threshold']
    if not _is_number(threshold) or not 0 < threshold <= 1:
        raise ValueError(f'the threshold {threshold!r} is not above 0 and up to 1')
    channels, dropped = {}, {}
    for layer, entry in found['layers'].items():
        count, numbers = entry['channels'], entry['dropped']
        if not _is_whole(count) or count < 1:
            raise ValueError(f'{layer} has {count!r} channels')
        for number in numbers:
            if not _is_whole(number) or not 0 <= number < count:
                raise ValueError(f'{layer} has the channels 0 to {count - 1}; there is no '
                                 f'{number!r}')
        channels[layer], dropped[layer] = count, sorted(set(numbers))
    if not channels:
        raise ValueError('it has no layers')
    motifs = [_motif(entry) for entry in found['motifs']]
    model, picture, pixels = found['model'], found['picture']['name'], found['picture']['pixels']
    if not all(isinstance(name, str) for name in (model, picture, pixels)):
        raise ValueError('model, name and pixels are texts')
    return Selection(str(path), model, picture, pixels, float(threshold), channels, dropped, motifs)


def _motif(entry):
    rows, columns = entry['rows'], entry['columns']
    name = f'motif {entry["motif"]} of {entry["layer"]}'
    if not all(_is_whole(length) and 1 <= length <= LARGEST for length in (rows, columns)):
        raise ValueError(f'{name} has {rows!r}x{columns!r} positions')
    try:
        heat = np.frombuffer(base64.b64decode(entry['heat'], validate=True), 'uint8')
    except (binascii.Error, TypeError, ValueError) as problem:
        raise ValueError(f'the heat map of {name} is no base64') from problem
    if len(heat) != rows * columns:
        raise ValueError(f'the heat map of {name} has {len(heat)} positions, not {rows}x{columns}')
    return Motif(str(entry['layer']), entry['motif'],
                 heat.reshape(rows, columns).astype('float32') / 255)


def _is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)
