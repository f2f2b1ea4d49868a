"""Mutated pictures, read in a process of their own: `python pictures.py FORMS COUNT SEED`, and
whole files: `python pictures.py FILE`.

Each form is a way to save a small picture. COUNT mutants of each are read; every one must become a
picture or an `ArchiveError` of one line. What is being read stands in the last line of the output,
so that a crash of a decoder has a name. The last line of all is the result, in JSON.
"""

import io
import json
import resource
import sys
import time
import warnings

from models.errors import LONGEST, ArchiveError, Notice

import numpy as np
from mutations import mutated
from PIL import Image, ImageCms

from recipes.common import images

MEMORY = 10 ** 9    # bytes that may be taken besides what the process has at the beginning
SECONDS = 20        # of the processor, for one picture


def picture():
    """A smooth picture with some noise, 48 by 64 pixels."""
    random = np.random.RandomState(0)
    small = Image.fromarray(random.randint(0, 255, (6, 8, 3), 'uint8')).resize((64, 48))
    return Image.fromarray(np.asarray(small) // 2 + random.randint(0, 120, (48, 64, 3), 'uint8'))


def exif():
    """EXIF data with an orientation, texts and numbers."""
    found = Image.Exif()
    found[274], found[271], found[282], found[305] = 6, 'maker', 72.0, 'software'
    return found.tobytes()


def saved(form, mode='RGB', **options):
    """A picture in a format, bytes."""
    file = io.BytesIO()
    picture().convert(mode).save(file, form, **options)
    return file.getvalue()


def frames(form, **options):
    """An animation of three frames, bytes."""
    more = [picture().rotate(90 * number) for number in (1, 2)]
    return saved(form, save_all=True, append_images=more, **options)


def forms():
    """Name of a form to its file, bytes."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    found = {
        'jpeg': saved('JPEG', exif=exif(), icc_profile=profile),
        'jpeg-progressive': saved('JPEG', progressive=True, subsampling=0),
        'jpeg-cmyk': saved('JPEG', 'CMYK'), 'jpeg-several': frames('MPO'),
        'png': saved('PNG', exif=exif(), icc_profile=profile),
        'png-palette': saved('PNG', 'P', transparency=3), 'png-alpha': saved('PNG', 'RGBA'),
        'png-16': saved('PNG', 'I;16'), 'png-animated': frames('PNG'),
        'tiff': saved('TIFF', exif=exif(), icc_profile=profile),
        'tiff-alpha': saved('TIFF', 'RGBA', big_tiff=True), 'tiff-cmyk': saved('TIFF', 'CMYK'),
        'tiff-32': saved('TIFF', 'I'), 'tiff-several': frames('TIFF'),
        'webp': saved('WEBP', exif=exif(), icc_profile=profile),
        'webp-lossless': saved('WEBP', 'RGBA', lossless=True), 'webp-animated': frames('WEBP'),
        'gif': saved('GIF', 'P', transparency=3), 'gif-animated': frames('GIF', comment=b'x' * 300),
        'bmp': saved('BMP'), 'ppm': saved('PPM'), 'jpeg2000': saved('JPEG2000'),
        'jpeg2000-tiled': saved('JPEG2000', 'RGBA', tile_size=(32, 32), no_jp2=True)}
    for name in ('tiff_lzw', 'tiff_deflate', 'jpeg', 'packbits', 'group4'):
        found[f'tiff-{name}'] = saved('TIFF', '1' if name == 'group4' else 'RGB', compression=name)
    if 'AVIF' in Image.SAVE:
        found['avif'] = saved('AVIF', exif=exif(), speed=10)
    return found


def read(data, name):
    """'read' or 'refused' of a picture; what is no such outcome is raised."""
    try:
        rgb, alpha = images.decode(io.BytesIO(data), name)
    except ArchiveError as problem:
        told = str(problem)
        assert told.isprintable() and name in told and len(told) <= LONGEST, told
        return 'refused'
    assert rgb.dtype == 'uint8' and rgb.ndim == 3 and rgb.shape[2] == 3, rgb.shape
    assert alpha is None or (alpha.dtype == 'uint8' and alpha.shape == rgb.shape[:2])
    return 'read'


def taken():
    """The most memory that the process ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def limit_memory():
    """Let the process take no more than it has and MEMORY on top."""
    with open('/proc/self/statm') as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def read_file(path):
    """Read a file and print what came of it."""
    limit_memory()
    before, began = taken(), time.process_time()
    with open(path, 'rb') as file:
        try:
            outcome = str(images.decode(file, 'a picture')[0].shape)
        except ArchiveError as problem:
            outcome = str(problem)
    print(json.dumps({'outcome': outcome, 'seconds': time.process_time() - began,
                      'taken': taken() - before}))


def main(names, count, seed):
    """Read the mutants and print what came of them."""
    files = forms()
    Image.init()
    for data in files.values():  # decoders are loaded, and read what is not mutated
        assert read(data, 'a picture') == 'read'
    limit_memory()
    before, result = taken(), {'read': 0, 'refused': 0, 'slowest': 0.0}
    warnings.simplefilter('ignore', Notice)
    for name in files if names == 'all' else names.split(','):
        random = np.random.RandomState([seed, sum(map(ord, name))])
        for number in range(count):
            print(f'{name} {number} of seed {seed}', flush=True)
            data, began = mutated(files[name], random), time.process_time()
            result[read(data, 'a picture')] += 1
            result['slowest'] = max(result['slowest'], time.process_time() - began)
    print(json.dumps({**result, 'taken': taken() - before}))


if __name__ == '__main__':
    if len(sys.argv) == 2:
        read_file(sys.argv[1])
    else:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
