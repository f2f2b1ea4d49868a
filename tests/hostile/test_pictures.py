"""Mutated and hostile pictures: each is read or told in one line, in bounded time and memory.

A decoder may crash or take all memory, so they run in processes of their own, under limits.
"""

import io
import json
import signal
from pathlib import Path

import pytest
from PIL import Image

from recipes.common import images

SCRIPT = Path(__file__).parent / 'pictures.py'


def outcome_of(python, *arguments, timeout):
    """Read mutants of some formats, or a file, in a process of its own: the outcome."""
    done = python(SCRIPT, *arguments, timeout=timeout)
    last = done.stdout.splitlines()[-1:] or ['nothing']
    killed = signal.Signals(-done.returncode).name if done.returncode < 0 else 'an error'
    assert done.returncode == 0, f'{last[0]} ended in {killed}: {done.stderr[-2000:]}'
    assert not done.stderr, done.stderr[-2000:]  # decoders say nothing of their own
    return json.loads(last[0])


def check(result, count):
    assert result['read'] + result['refused'] >= count
    assert result['read'] > 0 and result['refused'] > 0  # neither too few mutations nor too many
    assert result['taken'] <= 10 ** 9 and result['slowest'] <= 20, result


def test_some_hundred_mutants_are_read_or_refused(python):
    """29 forms, or 28 where Pillow has no AVIF."""
    result = outcome_of(python, 'all', 15, 1, timeout=300)
    check(result, 28 * 15)


@pytest.mark.slow
@pytest.mark.parametrize('seed', range(2, 12))
def test_many_mutants_are_read_or_refused(python, seed):
    check(outcome_of(python, 'all', 1000, seed, timeout=3000), 28 * 1000)


def largest(form, mode, **options):
    """Return the largest picture of a format that is read, bytes."""
    side = int(images.FORMATS[form][0] ** 0.5)
    file = io.BytesIO()
    Image.new(mode, (side, side), 128).save(file, form, **options)
    return file.getvalue()


def many_scans(data, count=80):
    """Return a progressive JPEG whose last scan is there many times."""
    last = data[data.rindex(b'\xff\xda'):-2]
    return data[:-2] + last * count + data[-2:]


@pytest.mark.slow
@pytest.mark.parametrize('make', [
    lambda: many_scans(largest('JPEG', 'RGB', progressive=True, subsampling=0)),
    lambda: largest('JPEG', 'CMYK', progressive=True), lambda: largest('PNG', 'RGBA'),
    lambda: largest('TIFF', 'RGB', compression='tiff_deflate'), lambda: largest('GIF', 'L'),
    lambda: largest('BMP', 'RGB'), lambda: largest('WEBP', 'RGBA', lossless=True, method=0),
    lambda: largest('JPEG2000', 'RGBA')],
    ids=['scans', 'CMYK', 'PNG', 'TIFF', 'GIF', 'BMP', 'WebP', 'JPEG 2000'])
def test_the_largest_pictures_take_what_is_promised(python, tmp_path, make):
    (tmp_path / 'large').write_bytes(make())
    result = outcome_of(python, tmp_path / 'large', timeout=600)
    assert result['outcome'].endswith(', 3)'), result  # read, and not refused for want of memory
    assert result['taken'] <= 10 ** 9 and result['seconds'] <= 20, result
