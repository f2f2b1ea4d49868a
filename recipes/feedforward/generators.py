"""Generators as files: what they are and their weights, and how they are called by name."""

import json
from pathlib import Path

import models
from models import feedforward
from models.errors import ArchiveError
from models.feedforward import Description
from models.weights import bounds, files

import lasagne
import numpy as np
import theano
import theano.tensor as T

EMBEDDED = Path(models.__file__).parent / 'embedded' / 'generators'
DEFAULTS = ('windy_night', 'stones', 'enlarge_4')  # the first keeps most of the photo
LONGEST_DESCRIPTION = 4000  # characters
LATER = ('factor', 'enlarged_sum', 'surround')  # entries that earlier files have not


def arrays_of(net):
    """Give every array of a generator by name: '<layer>.W' and so on, averages too."""
    return {name: parameter.get_value() for name, parameter in _named(net)}


def _named(net):
    for layer in net.values():
        for parameter in layer.get_params():
            part = parameter.name.rpartition('.')[2]
            yield f'{layer.name}.{part}', parameter


def save(run, name, description, net, provenance):
    """Save a generator in a run, in half precision, which changes no grey level.

    Args:
        run: a `runs.Run`.
        name: of the file.
        description: the `Description`.
        net: its layers.
        provenance: where it comes from, what JSON can hold.
    """
    arrays = {key: array.astype('float16') for key, array in arrays_of(net).items()}
    run.save_arrays(name, {**arrays, 'description': json.dumps(description._asdict()),
                           'provenance': json.dumps(provenance, sort_keys=True)})


def named(photo=True, enlarging=False):
    """List the shipped generators, the default first.

    Args:
        photo: whether those that take a photo, or those that make a texture.
        enlarging: whether those that enlarge a photo.
    """
    found = [(path.stem, _description_of(path)) for path in sorted(EMBEDDED.glob('*.npz'))]
    chosen = [name for name, description in found if description.photo == photo
              and (description.family == 'enlarging') == enlarging]
    return sorted(chosen, key=lambda name: name not in DEFAULTS)


def find(name):
    """Give the path of a generator: one that ships with the archive, or a file.

    Raises:
        ArchiveError: there is none.
    """
    shipped = EMBEDDED / f'{name}.npz'
    if shipped.parent == EMBEDDED and '/' not in str(name) and shipped.exists():
        return shipped
    if Path(name).is_file():
        return Path(name)
    there = ', '.join(path.stem for path in sorted(EMBEDDED.glob('*.npz'))) or 'none'
    raise ArchiveError(f'there is no generator {name}; name an .npz file, or one that comes with '
                       f'the archive: {there}')


def load(path):
    """Build a generator with its trained weights.

    Args:
        path: of its .npz.

    Returns:
        (net, description): `Network` of layers, with its origin; the `Description`.

    Raises:
        ArchiveError: it is no file of a generator, or a broken one.
    """
    with files.WeightFile(path) as file:
        description = _description_in(file)
        net = feedforward.build(description, file.array)
        net.origin = file.origin()
        for key, parameter in _named(net):  # running averages are not asked for while building
            if key.endswith(('.mean', '.inv_std')):
                parameter.set_value(file.array(key, parameter.get_value().shape))
    return net, description


def _description_of(path):
    with files.WeightFile(path) as file:
        return _description_in(file)


def _description_in(file):
    if 'description' not in file.arrays.files:
        raise ArchiveError(f'{file.path} is no generator of the archive: it says not what network '
                           'it is; convert it (python -m models.weights convert), or train one')
    with bounds.guarded(f'{file.path}, at description,'):
        text = str(file.arrays['description'])
        if len(text) > LONGEST_DESCRIPTION:
            raise bounds.Refused(f'{file.path} was refused: its description is too long')
        entries = json.loads(text)
    return checked(file.path, entries)


def checked(path, entries):
    """Give the `Description` of a dict out of a file.

    Raises:
        ArchiveError: it has other entries than a description, or values that it cannot have.
    """
    if isinstance(entries, dict):
        entries = {**{name: Description._field_defaults[name] for name in LATER}, **entries}
    if not isinstance(entries, dict) or set(entries) != set(Description._fields):
        raise ArchiveError(f'{path} is broken at description: it has not the entries of one')
    wrong = [name for name, value in entries.items() if not feedforward.allows(name, value)]
    if wrong:
        told = ', '.join(f'{name} {entries[name]!r}' for name in wrong)
        raise ArchiveError(f'{path} is of a dialect that is not known: {told}')
    description = Description(**entries)
    if not feedforward.fits(description):
        raise ArchiveError(f'{path} is of a dialect that is not known: {description.family}, by '
                           f'{description.factor}, photo {description.photo}')
    return description


def has_own_statistics(description):
    """Tell whether batch normalisation takes a picture's own statistics, also after training.

    DmitryUlyanov/texture_nets runs its generators as in training (stylization_process.lua).
    """
    return description.family == 'pyramid' and description.normalisation == 'batch'


def output_of(net, description, inputs):
    """Give the expression of a generator's output after training.

    Args:
        net: its layers.
        description: its `Description`.
        inputs: dict of input layers to expressions.
    """
    own = has_own_statistics(description)
    return lasagne.layers.get_output(net['output'], inputs, deterministic=not own,
                                     **({'batch_norm_update_averages': False} if own else {}))


def compile_generator(net, description):
    """Compile (photo and noise, as the generator's inputs are in order) -> BGR minus mean."""
    inputs = feedforward.inputs_of(net)
    variables = [T.tensor4(layer.name) for layer in inputs]
    return theano.function(variables, output_of(net, description, dict(zip(inputs, variables))))


def padded_to(x, multiple):
    """Give a picture mirrored at its lower and right edges to a multiple of so many pixels.

    Args:
        x: (batch, 3, rows, columns).
    """
    rows, columns = (-length % multiple for length in x.shape[2:])
    if not rows and not columns:
        return x
    return np.pad(x, ((0, 0), (0, 0), (0, rows), (0, columns)), mode='symmetric')
