"""`.safetensors` files, by the library of that name."""

from models.errors import ArchiveError
from models.weights.bounds import Refused
from models.weights.formats.contents import from_named
from models.weights.formats.pytorch import from_bfloat16

import numpy as np
import safetensors

TYPES = {'F64': '<f8', 'F32': '<f4', 'F16': '<f2', 'I64': '<i8', 'I32': '<i4', 'I16': '<i2',
         'I8': 'i1', 'U8': 'u1', 'BOOL': '?'}

LARGEST_TABLE = 4 << 20  # bytes; a tensor takes about 100


def read(path, budget):
    """Read the contents of a `.safetensors` file.

    Args:
        path: of the file.
        budget: what reading it may cost.

    Raises:
        Refused: the table of its tensors is larger than that of any weights.
        ArchiveError: it has numbers of an unknown type.
        SafetensorError: it is broken.
    """
    data = path.read_bytes()
    if int.from_bytes(data[:8], 'little') > LARGEST_TABLE:
        raise Refused(f'{path} was refused: the table of its tensors is larger than '
                      f'{LARGEST_TABLE} bytes')
    budget.take_bytes(len(data))
    entries = safetensors.deserialize(data)
    budget.take_parts(len(entries))
    tensors = {}
    for name, entry in entries:
        kind = entry['dtype']
        if kind != 'BF16' and kind not in TYPES:
            raise ArchiveError(f'{path}: {name} has numbers of type {kind}; save it as F32')
        numbers = (from_bfloat16(entry['data']) if kind == 'BF16'
                   else np.frombuffer(entry['data'], TYPES[kind]))
        tensors[name] = numbers.reshape(entry['shape'])
    return from_named('safetensors', tensors)
