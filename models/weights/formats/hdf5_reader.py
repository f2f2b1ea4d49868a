"""Reads an HDF5 file for `hdf5.py`, as a script in a process of its own.

    python hdf5_reader.py FILE BYTES PARTS SECONDS

prints one line of JSON, {"root": group}; then, for each name of a data set in JSON that comes in, a
line {} and the numbers; or {"problem": ..., "traceback": ...}. It imports nothing of the archive,
whose other imports take seconds.
"""

import json
import os
import resource
import sys
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder or '.') != HERE]

import h5py  # noqa: E402 - not one of the modules beside this one
import numpy as np  # noqa: E402

NESTING = 32
LARGEST_ATTRIBUTE = 1 << 20  # bytes; Keras parts what is larger than 64 kB
SPARE = 1 << 18              # bytes that a data set may claim beside those that it holds
MOST_PACKED = 20             # times that packed numbers may unpack
WORKSPACE = 256 << 20        # bytes of memory for the library itself


class Walk:
    """Describes groups and data sets, and counts them."""

    def __init__(self, parts):
        self.parts_left, self.seen = parts, set()

    def take_part(self):
        self.parts_left -= 1
        if self.parts_left < 0:
            raise ValueError('it has too many parts')

    def group(self, group, depth=1):
        """Describe a group as JSON can have it; what links elsewhere is left out."""
        if group.id in self.seen:
            raise ValueError('a group that is in several places, or part of itself')
        self.seen.add(group.id)
        if depth > NESTING:
            raise ValueError(f'groups nested more than {NESTING} deep')
        members = {}
        for name in group:
            self.take_part()
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                members[name] = dataset(f'{group.name}/{name}', refused='takes its numbers from '
                                        'other files or places')
                continue
            member = group[name]
            if isinstance(member, h5py.Group):
                members[name] = self.group(member, depth + 1)
            elif isinstance(member, h5py.Dataset):
                members[name] = described(member)
        return {'attributes': self.attributes(group), 'members': members}

    def attributes(self, item):
        """Read the attributes that are text, lists of text, or whole numbers."""
        found = {}
        for name in item.attrs:
            self.take_part()
            identity = item.attrs.get_id(name)
            size = identity.dtype.itemsize * product(identity.shape or ())
            if size > LARGEST_ATTRIBUTE or identity.dtype.kind not in 'SOiu':
                continue
            value = item.attrs[name]
            if identity.dtype.kind in 'iu':
                if np.ndim(value) == 0:
                    found[name] = int(value)
                continue
            values = [text(part) for part in np.ravel(value)]
            self.parts_left -= len(values)
            if all(part is not None for part in values):
                found[name] = values[0] if np.ndim(value) == 0 else values
        return found


def text(value):
    """Convert text to a string, anything else to None."""
    if isinstance(value, bytes):
        return value.decode('utf-8', 'replace')
    return value if isinstance(value, str) else None


def described(member):
    """Tell what is known of a data set before it is read."""
    properties = member.id.get_create_plist()
    held = member.id.get_storage_size()
    refused = None
    if properties.get_external_count() or member.is_virtual:
        refused = 'takes its numbers from other files'
    elif member.nbytes > MOST_PACKED * held + SPARE:
        refused = f'claims {member.shape} and holds {held} bytes'
    elif member.chunks and chunk_bytes(member) > 2 * member.nbytes + SPARE:
        refused = f'claims {member.shape} and has chunks of {member.chunks}'
    is_numbers = member.dtype.kind in 'fiu' and member.shape is not None
    return dataset(member.name, member.shape or (), member.dtype.str if is_numbers else None,
                   refused)


def dataset(name, shape=(), dtype=None, refused=None):
    """Describe a data set; refused: why it is not read, or None."""
    return {'name': name, 'shape': [int(length) for length in shape], 'dtype': dtype,
            'refused': refused}


def chunk_bytes(member):
    """Compute the bytes that a chunk unpacks to."""
    return member.dtype.itemsize * product(member.chunks)


def product(shape):
    """Compute the number of elements of a shape, exactly."""
    count = 1
    for length in shape:
        count *= int(length)
    return count


def limit(size, seconds):
    """Let this process take no more memory and time; it writes no files."""
    with open('/proc/self/statm') as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    most = now + size + WORKSPACE
    for what, value in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, seconds),
                        (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(what, (value, value))


def serve(path, parts):
    """Answer until nobody asks any more."""
    with h5py.File(path, 'r') as file:
        tell({'root': Walk(parts).group(file)})
        for line in sys.stdin.buffer:
            array = np.ascontiguousarray(file[json.loads(line)]).reshape(-1)
            tell({})
            sys.stdout.buffer.write(array.view('u1') if array.size else b'')
            sys.stdout.buffer.flush()


def tell(answer):
    """Answer in one line of JSON."""
    sys.stdout.buffer.write(json.dumps(answer).encode() + b'\n')
    sys.stdout.buffer.flush()


def main(path, size, parts, seconds):
    """List a file's data sets, then send those that are asked for, within the limits."""
    limit(int(size), int(seconds))
    try:
        serve(path, int(parts))
    except Exception as problem:
        tell({'problem': f'{problem}'[:300] or type(problem).__name__,
              'traceback': traceback.format_exc()})


if __name__ == '__main__':
    main(*sys.argv[1:])
