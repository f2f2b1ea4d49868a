"""`.safetensors` files, by the library of that name."""

import numpy as np
import safetensors

from models.errors import ArchiveError
from models.weights.formats.contents import from_named
from models.weights.formats.pytorch import from_bfloat16

TYPES = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I64': '<i8', 'I32': '<i4', 'I16': '<i2',
         'I8': 'i1', 'U8': 'u1', 'BOOL': '?'}


def read(path):
    """Return the contents of a `.safetensors` file.

    Raises:
        ArchiveError: it is broken, or has numbers of an unknown type.
    """
    try:
        entries = safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as problem:
        raise ArchiveError(f'{path} is a broken .safetensors file: {problem}') from problem
    tensors = {}
    for name, entry in entries:
        kind = entry['dtype']
        if kind != 'BF16' and kind not in TYPES:
            raise ArchiveError(f'{path}: {name} has numbers of type {kind}; save it as F32')
        numbers = (from_bfloat16(entry['data']) if kind == 'BF16'
                   else np.frombuffer(entry['data'], TYPES[kind]))
        tensors[name] = numbers.reshape(entry['shape'])
    return from_named('safetensors', tensors)
