"""What of a picture's file decides its pixels; the rest never reaches a decoder.

Photos carry texts, previews, further pictures and makers' notes. Nobody needs them here, decoders
stumble over them, and small files can make long work of them. So JPEG, PNG, TIFF and GIF files are
read as what they are, a row of parts, and only those parts go on that pixels are made of, with the
orientation and the colour profile beside them.

ITU-T T.81, annex B (JPEG); W3C, Portable Network Graphics, third edition; TIFF 6.0; GIF89a.
"""

import re
import struct
import zlib
from collections import namedtuple

PARTS = 2 * 10 ** 6       # of a file; a PNG of 500 MB has some 60000
SCANS = 100               # of a progressive JPEG; encoders make about ten
LARGEST_PROFILE = 2 ** 24  # bytes; the largest in use, of presses, have 4 million
PAGES = 1000              # of a TIFF that are looked at
STRIPS = 2 ** 18          # of a TIFF, strips or tiles
LARGEST_TILE = 2 ** 26    # pixels

# data: bytes for a decoder; orientation: 1 to 8 as in EXIF; profile: ICC profile, b'' where it is
# broken. Orientation and profile are None where the file says nothing, or where only its decoder
# knows.
Container = namedtuple('Container', 'data orientation profile', defaults=(None, None))

XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:\s*=\s*["\']|>)\s*([1-8])')
JPEG_MARKER = re.compile(rb'\xff[^\x00\x01\xd0-\xd8\xff]')
PNG_KEPT = (b'IHDR', b'PLTE', b'tRNS')
# Width, height, bits, compression, photometric interpretation, fill order, strips, samples, planes,
# options of fax, predictor, palette, tiles, inks, extra samples, sample format, JPEG's tables, and
# how luminance and colour differences lie.
TIFF_KEPT = (256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323,
             324, 325, 332, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530,
             531, 532)


def opened(data):
    """Open the `Container` of a file's bytes, or the file of another format as it is.

    Raises:
        ValueError: it is built to make long work, or broken.
    """
    try:
        return _opened(data)
    except (struct.error, IndexError) as problem:
        raise ValueError('it is truncated') from problem


def _opened(data):
    if data[:2] == b'\xff\xd8':
        return _jpeg(data)
    if data[:8] == b'\x89PNG\r\n\x1a\n':
        return _png(data)
    if data[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
        return _tiff(data)
    if data[:4] == b'GIF8':
        return Container(_gif(data))
    return Container(data)


def orientation_of(exif, xmp=None):
    """Read how a picture is to be turned, 1 to 8: from its EXIF data, else its XMP text, else None.

    Args:
        exif, xmp: bytes, or None.
    """
    found = None if exif is None else _orientation_in_exif(exif)
    if found is None and xmp is not None:
        match = XMP_ORIENTATION.search(xmp)
        found = match and int(match.group(1))
    return found


def _orientation_in_exif(exif):
    """Orientation in the first directory of EXIF data, or None; whatever else is in there."""
    tiff = exif[6:] if exif[:6] == b'Exif\0\0' else exif
    order = {b'II': '<', b'MM': '>'}.get(bytes(tiff[:2]))
    if order is None:
        return None
    try:
        offset, = struct.unpack_from(order + 'I', tiff, 4)
        count, = struct.unpack_from(order + 'H', tiff, offset)
        for number in range(count):
            tag, kind = struct.unpack_from(order + 'HH', tiff, offset + 2 + 12 * number)
            if tag == 274:
                return _orientation(order, kind, tiff, offset + 2 + 12 * number + 8)
    except struct.error:
        return None  # it ends before
    return None


def _orientation(order, kind, data, place):
    """Read the value of an orientation tag, 1 to 8, or None; kinds are bytes, shorts and longs."""
    code = {1: 'B', 3: 'H', 4: 'I', 6: 'b', 8: 'h', 9: 'i'}.get(kind)
    value = None if code is None else struct.unpack_from(order + code, data, place)[0]
    return value if value in range(1, 9) else None


def _count(parts):
    """Stop where a file has more parts than any honest one."""
    if parts > PARTS:
        raise ValueError(f'it is in more than {PARTS} parts; save it anew')


def _jpeg(data):
    """Make a JPEG file with its first picture only, and without notes."""
    kept, exif, xmp, profiles, position, parts = [data[:2]], None, None, {}, 2, 0
    while True:
        parts += 1
        _count(parts)
        match = JPEG_MARKER.search(data, position)
        if match is None:
            raise ValueError('it is truncated')
        position = match.start()
        marker, length = struct.unpack_from('>HH', data, position)
        if marker == 0xffda:
            break
        segment = data[position:position + 2 + length]
        body = segment[4:]
        if marker == 0xffe1 and body.startswith(b'Exif\0\0'):
            exif = body if exif is None else exif
        elif marker == 0xffe1 and body.startswith(b'http://ns.adobe.com/xap/1.0/'):
            xmp = body
        elif marker == 0xffe2 and body.startswith(b'ICC_PROFILE\0') and len(body) > 14:
            profiles[body[12]] = body[14:]
        elif not 0xffe1 <= marker <= 0xffef or marker == 0xffee:
            kept += [segment] if marker != 0xfffe else []  # 0xffee: Adobe's, on colours; comments
        position += 2 + max(2, length)
    kept.append(data[position:_end_of_scans(data, position)])
    profile = b''.join(profiles[number] for number in sorted(profiles)) if profiles else None
    return Container(b''.join(kept), orientation_of(exif, xmp), profile)


def _end_of_scans(data, position):
    """Find where a JPEG's first picture ends; each scan passes over the whole picture once more."""
    scans, inside = 0, position
    for parts, match in enumerate(JPEG_MARKER.finditer(data, position)):
        _count(parts)
        if match.start() < inside:  # in the middle of a table
            continue
        marker = data[match.start() + 1]
        if marker == 0xd9:
            return match.end()
        scans += marker == 0xda
        if scans > SCANS:
            raise ValueError(f'it is in more than {SCANS} scans; save it anew')
        inside = match.end() + int.from_bytes(data[match.end():match.end() + 2], 'big')
    return len(data)


def _png(data):
    """Make a PNG file of its pixels, palette and transparency; of an animation, its picture."""
    kept, pixels, exif, xmp, profile, position, parts = [data[:8]], [], None, None, None, 8, 0
    view = memoryview(data)
    while position + 8 <= len(data):
        parts += 1
        _count(parts)
        length, kind = struct.unpack_from('>I4s', data, position)
        body = view[position + 8:position + 8 + length]
        if kind in PNG_KEPT:
            kept.append(view[position:position + 12 + length])
        elif kind == b'IDAT':
            pixels.append(body)
        elif kind == b'iCCP':
            profile = _png_profile(bytes(body))
        elif kind == b'eXIf':
            exif = bytes(body)
        elif kind == b'iTXt' and body[:19] == b'XML:com.adobe.xmp\0\0':
            xmp = bytes(body)
        elif kind == b'IEND':
            break
        position += 12 + length
    kept += [*_chunk(b'IDAT', pixels), *_chunk(b'IEND', [])]
    return Container(b''.join(kept), orientation_of(exif, xmp), profile)


def _chunk(kind, bodies):
    """Make a chunk of a PNG file, in pieces, whose body is that of several."""
    check = zlib.crc32(kind)
    for body in bodies:
        check = zlib.crc32(body, check)
    return struct.pack('>I', sum(map(len, bodies))), kind, *bodies, struct.pack('>I', check)


def _png_profile(body):
    """Read the ICC profile of a PNG file; b'' where it cannot be unpacked."""
    packed = body[body.find(b'\0') + 2:]
    unpack = zlib.decompressobj()
    try:
        profile = unpack.decompress(packed, LARGEST_PROFILE)
    except zlib.error:
        return b''
    return b'' if unpack.unconsumed_tail else profile


def _gif(data):
    """Make a GIF file with its first picture only, and without comments."""
    position = 13 + _colours(data[10])
    kept, parts = [data[:position]], 0
    while data[position] != 0x3b:
        start = position
        picture = data[position] == 0x2c
        if picture:
            position += 11 + _colours(data[position + 9])
        elif data[position] == 0x21:
            position += 2
        else:
            position += 1
            parts += 1
            _count(parts)
            continue
        while position < len(data) and data[position]:
            position += 1 + data[position]
            parts += 1
            _count(parts)
        position += 1
        if picture or data[start + 1] == 0xf9:  # the picture, or what is transparent in it
            kept.append(data[start:position])
        if picture:
            break
    return b''.join([*kept, b'\x3b'])


def _colours(flags):
    """Bytes of the colour table that these flags of a GIF file announce."""
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


class _Directory:
    """A directory of a TIFF file, of the classic kind or a large one's.

    Args:
        data: the file.
        offset: of the directory, or None for the first.

    Attributes:
        entries: tag -> its entry, bytes.
        next: offset of the next directory, 0 after the last.
    """

    def __init__(self, data, offset=None):
        self.data, self.order = data, '<' if data[:2] == b'II' else '>'
        self.large = data[2:4] in (b'+\0', b'\0+')
        self.word, self.size = ('Q', 20) if self.large else ('I', 12)
        self.root = 8 if self.large else 4
        if offset is None:
            offset = self.unpack(self.word, data, self.root)
        count = self.unpack('Q' if self.large else 'H', data, offset)
        if count > 65535:
            raise ValueError('its directory is broken')
        start = offset + (8 if self.large else 2)
        self.next = self.unpack(self.word, data, start + count * self.size)
        self.entries = {}
        for place in range(start, start + count * self.size, self.size):
            self.entries.setdefault(self.unpack('H', data, place), data[place:place + self.size])

    def unpack(self, code, data, place):
        """Read one number."""
        return struct.unpack_from(self.order + code, data, place)[0]

    def count(self, tag):
        """Count the values of a tag; 0 where it is not there."""
        entry = self.entries.get(tag)
        return 0 if entry is None else self.unpack(self.word, entry, 4)

    def number(self, tag):
        """Read the value of a tag of one number; 0 where it is not there or is something else."""
        entry = self.entries.get(tag)
        code = None if entry is None else {1: 'B', 3: 'H', 4: 'I', 16: 'Q'}.get(
            self.unpack('H', entry, 2))
        if code is None or self.count(tag) != 1 or (code == 'Q' and not self.large):
            return 0
        return self.unpack(code, entry, self.size - struct.calcsize(self.word))

    def bytes_of(self, tag):
        """Read the value of a tag of bytes; None where it is not there."""
        if tag not in self.entries:
            return None
        start = self.unpack(self.word, self.entries[tag], self.size - struct.calcsize(self.word))
        return self.data[start:start + min(self.count(tag), LARGEST_PROFILE)]

    def alone(self):
        """Write the file with this directory as its only one, and in it what pixels are made of."""
        entries = [self.entries[tag] for tag in sorted(self.entries) if tag in TIFF_KEPT]
        count = struct.pack(self.order + ('Q' if self.large else 'H'), len(entries))
        padding = bytes(-len(self.data) % 8)
        offset = struct.pack(self.order + self.word, len(self.data) + len(padding))
        after = self.root + len(offset)
        return b''.join((self.data[:self.root], offset, memoryview(self.data)[after:], padding,
                         count, *entries, bytes(len(offset))))


def _tiff(data):
    """Make a TIFF file with its first full page only: scanners put a small picture before it."""
    first = page = _Directory(data)
    seen = set()
    while page.number(254) & 1 or page.number(255) == 2:  # a smaller version of another page
        if not page.next or page.next in seen or len(seen) >= PAGES:
            page = first
            break
        seen.add(page.next)
        page = _Directory(data, page.next)
    if max(map(page.count, (273, 279, 324, 325))) > STRIPS:
        raise ValueError(f'it is in more than {STRIPS} strips; save it anew')
    if page.number(322) * page.number(323) > LARGEST_TILE:
        raise ValueError('its tiles are too large; save it anew')
    orientation = page.number(274)
    return Container(page.alone(), orientation if orientation in range(1, 9) else None,
                     page.bytes_of(34675))
