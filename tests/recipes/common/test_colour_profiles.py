"""Colour profiles: pictures come out in sRGB, and a profile that cannot be used is told."""

import io
import struct
import warnings

from models.errors import Notice

import numpy as np
import pytest
from PIL import Image, ImageCms

from recipes.common import images

ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))  # chromaticities of red, green and blue
SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65, D50 = (0.95047, 1, 1.08883), (0.9642, 1, 0.8249)  # white, XYZ
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367],
                     [0.0389, -0.0685, 1.0296]])
FIELDS = {(200, 60, 40): (231, 57, 34), (60, 180, 70): (0, 181, 57), (40, 60, 180): (21, 57, 185)}


def to_xyz(primaries):
    """Return the matrix from linear light to XYZ, for a white of D65."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    return columns * np.linalg.solve(columns, D65)


def profile_of(primaries, gamma=2.2, space=b'RGB '):
    """Return an ICC profile of version 2: primaries, adapted to D50, and a gamma."""
    cones = BRADFORD @ np.array(D50) / (BRADFORD @ np.array(D65))
    adapted = np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ to_xyz(primaries)
    curve = struct.pack('>4sIIHxx', b'curv', 0, 1, round(gamma * 256))
    tags = {b'desc': b'desc' + bytes(4) + struct.pack('>I', 5) + b'test\0' + bytes(79),
            b'cprt': b'text' + bytes(4) + b'none\0', b'wtpt': xyz(D50)}
    if space == b'GRAY':
        tags[b'kTRC'] = curve
    else:
        for name, column in zip((b'r', b'g', b'b'), adapted.T):
            tags.update({name + b'XYZ': xyz(column), name + b'TRC': curve})
    table, body = struct.pack('>I', len(tags)), b''
    for name, content in tags.items():
        table += struct.pack('>4sII', name, 132 + 12 * len(tags) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    header = struct.pack('>I4xI4s4s4s12x4s28x', 128 + len(table) + len(body), 0x02100000, b'mntr',
                         space, b'XYZ ', b'acsp') + struct.pack('>3i', *fixed(D50))
    return header.ljust(128, b'\0') + table + body


def fixed(values):
    return [round(value * 65536) for value in values]


def xyz(values):
    return b'XYZ ' + bytes(4) + struct.pack('>3i', *fixed(values))


def expected(rgb, primaries, gamma=2.2):
    """Return colours in sRGB by numpy: IEC 61966-2-1, out of gamut cut off."""
    light = np.linalg.solve(to_xyz(SRGB), to_xyz(primaries) @ (np.array(rgb) / 255) ** gamma)
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def fields(mode='RGB'):
    """Return a picture of the fields, each 16 by 16 pixels."""
    return Image.fromarray(np.repeat(np.repeat(np.array([list(FIELDS)], 'uint8'), 16, 0), 16, 1)
                           ).convert(mode)


def read(path, image, **options):
    image.save(path, **options)
    return images.read(path)


@pytest.mark.parametrize('ending, options', [
    ('png', {}), ('tif', {}), ('tif', {'compression': 'tiff_lzw'}), ('webp', {'lossless': True}),
    ('jpg', {'quality': 100, 'subsampling': 0})])
def test_wide_colours_come_out_as_srgb(tmp_path, ending, options):
    rgb = read(tmp_path / f'wide.{ending}', fields(), icc_profile=profile_of(ADOBE), **options)
    for number, (colour, stated) in enumerate(FIELDS.items()):
        found = rgb[8, 16 * number + 8].astype(int)
        assert abs(found - expected(colour, ADOBE)).max() <= 2, colour
        assert abs(found - stated).max() <= 2, colour


def test_transparency_stays_where_colours_change(tmp_path):
    image = fields('RGBA')
    image.putalpha(Image.fromarray(np.tile(np.uint8([0, 255]), (16, 24))))
    rgb = read(tmp_path / 'a.png', image, icc_profile=profile_of(ADOBE))
    assert (rgb[:, ::2] == 255).all()
    assert abs(rgb[8, 9].astype(int) - FIELDS[200, 60, 40]).max() <= 2


@pytest.mark.parametrize('profile', [
    ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()], ids=['Little CMS'])
def test_srgb_by_name_changes_no_pixel(tmp_path, profile):
    rgb = np.random.RandomState(0).randint(0, 256, (40, 50, 3), 'uint8')
    np.testing.assert_array_equal(
        read(tmp_path / 'a.png', Image.fromarray(rgb), icc_profile=profile), rgb)


def test_a_grey_picture_of_another_gamma(tmp_path):
    ramp = np.tile(np.arange(256, dtype='uint8'), (16, 1))
    rgb = read(tmp_path / 'a.png', Image.fromarray(ramp), icc_profile=profile_of(ADOBE, 1.0,
                                                                                 b'GRAY'))
    light = np.arange(256) / 255
    wanted = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert abs(rgb[0, :, 0] - wanted).max() <= 2 and (rgb == rgb[:, :, :1]).all()


def test_a_profile_in_several_segments(tmp_path):
    """A JPEG's segment has 64 kB, and they may stand in any order."""
    large = profile_of(ADOBE) + bytes(100000)
    fields().save(tmp_path / 'a.jpg', quality=100, subsampling=0, icc_profile=large)
    data = (tmp_path / 'a.jpg').read_bytes()
    first = data.index(b'\xff\xe2')
    second = first + 2 + int.from_bytes(data[first + 2:first + 4], 'big')
    end = second + 2 + int.from_bytes(data[second + 2:second + 4], 'big')
    assert data[second:second + 2] == b'\xff\xe2'
    (tmp_path / 'a.jpg').write_bytes(data[:first] + data[second:end] + data[first:second]
                                     + data[end:])
    rgb = images.read(tmp_path / 'a.jpg')
    assert abs(rgb[8, 8].astype(int) - FIELDS[200, 60, 40]).max() <= 2


@pytest.mark.parametrize('profile, mode, words', [
    (b'no profile', 'RGB', 'it is broken'), (b'', 'RGB', 'it is broken'),
    (profile_of(ADOBE)[:200], 'RGB', 'it is broken'),
    (profile_of(ADOBE, space=b'GRAY'), 'RGB', 'of the kind GRAY, and the picture is RGB'),
    (profile_of(ADOBE), 'CMYK', 'of the kind RGB, and the picture is CMYK'),
], ids=['text', 'empty', 'cut off', 'grey', 'CMYK'])
def test_a_profile_that_cannot_be_used_is_told_and_left_out(tmp_path, profile, mode, words):
    image = fields(mode)
    plain = read(tmp_path / 'plain.tif', image)
    path = tmp_path / 'a.tif'
    image.save(path, tiffinfo={34675: profile or b'\0'}, icc_profile=None)
    with pytest.warns(Notice, match=f'the colour profile of .*a.tif is left out: .*{words}'):
        np.testing.assert_array_equal(images.read(path), plain)


def test_a_png_with_a_profile_that_cannot_be_unpacked(tmp_path):
    file = io.BytesIO()
    fields().save(file, 'PNG', icc_profile=profile_of(ADOBE))
    data = file.getvalue()
    place = data.index(b'iCCP')
    body = place + data[place:].index(b'\0') + 2
    (tmp_path / 'a.png').write_bytes(data[:body] + b'\xff' * 8 + data[body + 8:])
    with pytest.warns(Notice, match='left out: it is broken'):
        assert images.read(tmp_path / 'a.png')[0, 0].tolist() == [200, 60, 40]


def test_a_notice_is_one_line_told_once(tmp_path, capsys):
    from recipes.common import command_line

    fields().save(tmp_path / 'a.tif', tiffinfo={34675: b'x\x1b[2J'})
    with warnings.catch_warnings():
        warnings.simplefilter('default')
        command_line.run(lambda: [images.read(tmp_path / 'a.tif') for _ in range(3)])
    errors = capsys.readouterr().err
    assert errors.count('\n') == 1 and 'the colour profile of' in errors
