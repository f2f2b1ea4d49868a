"""Metadata that nobody needs, and files that are built to make long work."""

import io
import os
import struct
import time
import zlib

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin

from recipes.common import containers, images

SHORT, ASCII, RATIONAL, DOUBLE, BYTE = 3, 2, 5, 12, 1


@pytest.fixture(scope='module')
def rgb():
    """Return a smooth RGB picture of 24 rows and 40 columns."""
    r, c = np.mgrid[0:24, 0:40]
    return np.stack([r * 10, c * 6, 255 - r * 5 - c], axis=2).astype('uint8')


def exif_of(*entries, order='<'):
    """Return EXIF data with entries (tag, kind, count, four bytes of value)."""
    start = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(order + 'I', 8)
    body = b''.join(struct.pack(order + 'HHI', *entry[:3]) + entry[3] for entry in entries)
    return b'Exif\0\0' + start + struct.pack(order + 'H', len(entries)) + body + bytes(4)


def turned(orientation=6, order='<'):
    return 274, SHORT, 1, struct.pack(order + 'HH', orientation, 0)


def read(image, form, **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return read_bytes(file.getvalue())


def read_bytes(data):
    return images.over_white(*images.decode(io.BytesIO(data), 'a picture'))


@pytest.mark.parametrize('entry', [
    (282, ASCII, 4, b'72\0\0'), (282, BYTE, 1, b'H\0\0\0'), (282, RATIONAL, 1, b'\xff' * 4),
    (256, ASCII, 4, b'40\0\0'), (271, RATIONAL, 1, b'\0\0\0\0'), (271, DOUBLE, 1, b'\0\0\0\0'),
    (34665, SHORT, 9, b'\xff' * 4), (34853, 77, 2 ** 31, b'\xff' * 4), (37500, 7, 2 ** 32 - 1,
                                                                        b'\0' * 4)])
@pytest.mark.parametrize('form', ['JPEG', 'PNG', 'WEBP'])
def test_other_metadata_does_not_matter(rgb, entry, form):
    exif = exif_of(*sorted([turned(), entry]))
    options = {'JPEG': {'quality': 100, 'subsampling': 0}, 'PNG': {}, 'WEBP': {'lossless': True}}
    found = read(Image.fromarray(np.rot90(rgb)), form, exif=exif, **options[form])
    assert found.shape == rgb.shape and abs(found.astype(int) - rgb).max() <= 4


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('form', ['PNG', 'TIFF', 'WEBP', 'JPEG'])
def test_the_eight_orientations_are_pillows(rgb, orientation, form):
    image, exif = Image.fromarray(rgb), Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    image.save(file, form, exif=exif, **{'WEBP': {'lossless': True}}.get(form, {}))
    wanted = ImageOps.exif_transpose(Image.open(file))
    np.testing.assert_array_equal(read_bytes(file.getvalue()), np.asarray(wanted))


@pytest.mark.parametrize('exif', [
    b'', b'Exif\0\0', b'Exif\0\0II*\0', b'Exif\0\0II*\0\xff\xff\xff\xff', b'no EXIF',
    exif_of(turned(9)), exif_of(turned(0)), exif_of((274, ASCII, 2, b'6\0\0\0')),
    exif_of(turned())[:-8]])
def test_an_orientation_that_is_none_is_upright(exif):
    assert containers.orientation_of(exif) is None


def test_orientation_of_either_byte_order_and_of_xmp():
    assert containers.orientation_of(exif_of(turned(8, '>'), order='>')) == 8
    assert containers.orientation_of(None, b'<x tiff:Orientation="6">') == 6
    assert containers.orientation_of(None, b'<tiff:Orientation>3</tiff:Orientation>') == 3
    assert containers.orientation_of(exif_of(turned(3)), b'tiff:Orientation="6"') == 3


def test_a_png_with_megabytes_of_text_and_profile(rgb):
    text = PngImagePlugin.PngInfo()
    text.add_text('Comment', 'x' * 3 * 2 ** 20, zip=True)
    text.add_text('More', 'y' * 3 * 2 ** 20)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, 'PNG', pnginfo=text)
    np.testing.assert_array_equal(read_bytes(file.getvalue()), rgb)
    profile = b'p\0\0' + zlib.compress(bytes(2 ** 21))
    data = file.getvalue()
    with pytest.warns(UserWarning, match='profile of a picture is left out'):
        found = read_bytes(data[:33] + chunk(b'iCCP', profile) + data[33:])
    np.testing.assert_array_equal(found, rgb)


def chunk(kind, body):
    return struct.pack('>I', len(body)) + kind + body + struct.pack('>I', zlib.crc32(kind + body))


def test_a_damaged_checksum_of_what_nobody_needs(rgb):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, 'PNG')
    data = file.getvalue()
    broken = chunk(b'pHYs', bytes(9))[:-1] + b'!'
    np.testing.assert_array_equal(read_bytes(data[:33] + broken + data[33:]), rgb)


@pytest.mark.parametrize('options', [{}, {'compression': 'tiff_lzw'}, {'big_tiff': True}])
def test_a_tiff_with_a_resolution_that_is_text(rgb, options):
    found = read(Image.fromarray(rgb), 'TIFF', tiffinfo={270: 'x' * 1000, 700: b'\xff' * 1000},
                 **options)
    np.testing.assert_array_equal(found, rgb)
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, 'TIFF', dpi=(72, 72), **options)
    data, tag = file.getvalue(), struct.pack('<HH', 282, RATIONAL)
    assert data.count(tag) == 1
    np.testing.assert_array_equal(read_bytes(data.replace(tag, struct.pack('<HH', 282, ASCII))),
                                  rgb)


@pytest.mark.parametrize('tag, value', [(254, 1), (255, 2)])
def test_a_preview_before_a_tiffs_page_is_not_the_page(rgb, tag, value):
    page, preview = Image.fromarray(np.kron(rgb, np.ones((2, 2, 1), 'uint8'))), Image.fromarray(rgb)
    file = io.BytesIO()
    preview.save(file, 'TIFF', save_all=True, append_images=[page])
    data = bytearray(file.getvalue())
    first = struct.unpack_from('<I', data, 4)[0]
    np.testing.assert_array_equal(read_bytes(bytes(data)), rgb)  # nothing says that it is one
    count = struct.unpack_from('<H', data, first)[0]
    entries = bytes(data[first + 2:first + 2 + 12 * count])
    later = struct.unpack_from('<I', data, first + 2 + 12 * count)[0]
    directory = struct.pack('<H', count + 1) + struct.pack('<HHII', tag, SHORT, 1, value)
    struct.pack_into('<I', data, 4, len(data))
    data += directory + entries + struct.pack('<I', later)
    np.testing.assert_array_equal(read_bytes(bytes(data)), np.asarray(page))


@pytest.mark.parametrize('largest, factor', [(255, 1), (65535, 257)])
def test_integers_of_32_bits(rgb, largest, factor):
    levels = rgb[:, :, 0].astype('int32') * factor
    levels[0, 0] = largest
    found = read(Image.fromarray(levels), 'TIFF')
    np.testing.assert_array_equal(found[:, :, 1], np.rint(levels / factor))
    with pytest.raises(ArchiveError, match='more than 16 bits'):
        read(Image.fromarray(levels * 70000), 'TIFF')


def test_a_dark_picture_of_16_bits_stays_dark(rgb):
    found = read(Image.fromarray(rgb[:, :, 0].astype('uint16')), 'PNG')
    assert found.max() <= 1


def test_a_gif_with_megabytes_of_comment_and_many_frames(rgb):
    file = io.BytesIO()
    frames = [Image.fromarray(np.roll(rgb, shift, 1)).convert('P') for shift in range(20)]
    frames[0].save(file, 'GIF', save_all=True, append_images=frames[1:])
    data = file.getvalue()
    comment = b'\x21\xfe' + (b'\xff' + bytes(255)) * 40000 + b'\0'
    place = 13 + (3 << (data[10] % 8 + 1))
    began = time.process_time()
    found = read_bytes(data[:place] + comment + data[place:])
    assert time.process_time() - began < 3
    np.testing.assert_array_equal(found, read(frames[0], 'GIF'))


FORMATS = ['JPEG', 'PNG', 'TIFF', 'GIF', 'BMP', 'WEBP', 'PPM', 'JPEG2000']


@pytest.mark.parametrize('form', FORMATS)
@pytest.mark.parametrize('share', [0, 0.1, 0.5, 0.9])
def test_what_is_cut_off_is_told(form, share):
    file = io.BytesIO()
    noise = np.random.RandomState(0).randint(0, 255, (64, 64, 3), 'uint8')
    Image.fromarray(noise).convert('P' if form == 'GIF' else 'RGB').save(file, form)
    data = file.getvalue()
    with pytest.raises(ArchiveError, match='cannot be read as a picture|not a picture') as problem:
        read_bytes(data[:int(share * len(data))])
    assert '\n' not in str(problem.value)


@pytest.mark.parametrize('problem', [
    MemoryError(), TypeError('x'), struct.error('x'), AttributeError('x\n\x1b[2Jx' * 1000),
    RecursionError(), KeyError('x'), ZeroDivisionError(), AssertionError(), BufferError()])
def test_whatever_a_decoder_raises_is_told(rgb, monkeypatch, problem):
    def fail(*_, **__):
        raise problem

    monkeypatch.setattr(images.Image, 'open', fail)
    with pytest.raises(ArchiveError, match='cannot be read as a picture, it is broken') as told:
        read(Image.fromarray(rgb), 'PNG')
    assert str(told.value).isprintable() and len(str(told.value)) < 400


@pytest.mark.parametrize('form, content', [
    ('EPS', b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n'),
    ('HDF5', b'\x89HDF\r\n\x1a\n' + bytes(100)), ('ICO', b'\0\0\1\0' + bytes(100)),
    ('WMF', b'\xd7\xcd\xc6\x9a\0\0' + bytes(100))])
def test_formats_that_are_not_promised_are_not_opened(form, content):
    with pytest.raises(ArchiveError, match='is not a picture that can be read; take one of JPEG'):
        read_bytes(content)


def jpeg_of_scans(rgb, count):
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, 'JPEG', progressive=True)
    data = file.getvalue()
    last = data[data.rindex(b'\xff\xda'):-2]
    return data[:-2] + last * count + data[-2:]


def test_a_jpeg_of_many_scans_is_refused(rgb):
    read_bytes(jpeg_of_scans(rgb, 50))
    with pytest.raises(ArchiveError, match='more than 100 scans'):
        read_bytes(jpeg_of_scans(rgb, 200))


def tiff_of(rgb, **changes):
    """Return a TIFF file with some of its entries (tag: kind, count, value) changed."""
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, 'TIFF')
    data = bytearray(file.getvalue())
    first = struct.unpack_from('<I', data, 4)[0]
    for place in range(first + 2, first + 2 + 12 * struct.unpack_from('<H', data, first)[0], 12):
        tag = struct.unpack_from('<H', data, place)[0]
        if f'tag_{tag}' in changes:
            struct.pack_into('<HII', data, place + 2, *changes[f'tag_{tag}'])
    return bytes(data)


def test_a_tiff_of_many_strips_or_in_a_circle_is_refused(rgb):
    np.testing.assert_array_equal(read_bytes(tiff_of(rgb)), rgb)
    with pytest.raises(ArchiveError, match='more than 262144 strips'):
        read_bytes(tiff_of(rgb, tag_273=(4, 2 ** 28, 8)))
    data = bytearray(tiff_of(rgb, tag_256=(4, 1, 40)))
    first = struct.unpack_from('<I', data, 4)[0]
    count = struct.unpack_from('<H', data, first)[0]
    struct.pack_into('<HHII', data, first + 2, 254, 4, 1, 1)  # a preview, and its next is itself
    struct.pack_into('<I', data, first + 2 + 12 * count, first)
    with pytest.raises(ArchiveError, match='not a picture that can be read'):  # it has no width
        read_bytes(bytes(data))


@pytest.mark.parametrize('content', [
    b'P3 20 20 255\n' + b'1 ' * 1200, b'P6 20 20 100\n' + bytes(1200)])
def test_slow_kinds_of_ppm_are_refused(content):
    with pytest.raises(ArchiveError, match='save it as PNG'):
        read_bytes(content)
    assert read_bytes(b'P6 20 20 255\n' + bytes(1200)).shape == (20, 20, 3)


@pytest.mark.parametrize('form', FORMATS)
def test_the_limits_hold(rgb, monkeypatch, form):
    monkeypatch.setitem(images.FORMATS, form, (24 * 40, ()))
    assert read(Image.fromarray(rgb), form).shape == rgb.shape
    with pytest.raises(ArchiveError, match='has too many pixels'):
        read(Image.fromarray(rgb).resize((40, 25)), form)


def test_pipes_devices_and_sparse_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / 'pipe.jpg')
    for path in (tmp_path / 'pipe.jpg', '/dev/zero'):
        with pytest.raises(ArchiveError, match='is no file but a pipe or a device'):
            images.read(path)
    with open(tmp_path / 'large.png', 'wb') as file:
        file.truncate(2 ** 40)
    with pytest.raises(ArchiveError, match='large.png has 1099512 MB; up to 537 are read'):
        images.read(tmp_path / 'large.png')
    with pytest.raises(ArchiveError, match='there is no picture|cannot be read'):
        images.read(tmp_path / ('x' * 300))
