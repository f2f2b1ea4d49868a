"""The plan of a run keeps below its limit, or says what it would take."""

import re

import models
from models.errors import ArchiveError
from models.runtime.xla import devices

import numpy as np
import pytest

from recipes.common import command_line, machine
from recipes.style import memory

CONTENT, STYLE = ['conv4_2'], ['conv1_1', 'conv2_1', 'conv3_1', 'conv4_1', 'conv5_1']


def needs(size, adam=False, painting=256):
    net = models.build('vgg19_quarter', 'average_exc_pad', 'conv5_1')
    return memory.Needs(net, CONTENT, STYLE, (1, 3, size, size), [(1, 3, painting, painting)], adam)


def test_activations_are_counted_by_hand():
    net = models.build('vgg19', 'average_exc_pad', 'conv2_1')
    # The input, conv1_1 and conv1_2 at each pixel, pool1 and conv2_1 at one of four.
    assert memory.activations_per_pixel(net, ['conv2_1']) == 3 + 64 + 64 + 64 / 4 + 128 / 4


def test_a_picture_that_fits_is_not_cut():
    plan = memory.plan(needs(256), 1e9, 10)
    assert plan.core is None and plan.painting_core is None and plan.corrections == 10
    jax = memory.JAX * (devices.current().name != 'cpu')
    assert 0.2e9 < plan.bytes - jax < 0.5e9


@pytest.mark.parametrize('adam', [False, True])
def test_tiles_keep_below_the_limit_in_multiples_of_the_stride(adam):
    wanted = needs(1500, adam)
    whole = memory.plan(wanted, 1e12, None if adam else 10).bytes
    plan = memory.plan(wanted, 0.9 * whole, None if adam else 10)
    assert plan.core is not None and all(length % 16 == 0 for length in plan.core)
    assert plan.bytes <= 0.9 * whole and plan.corrections == (None if adam else 10)


def test_lbfgs_remembers_less_before_a_run_is_refused():
    wanted = needs(1500)
    tight = memory.plan(wanted, wanted.fixed(5) + 0.3e9, 10)
    assert 3 <= tight.corrections < 10
    with pytest.raises(ArchiveError, match='1500x1500 pixels is too large for 0.50 GB of memory; '
                                           'in the smallest tiles it needs') as refused:
        memory.plan(wanted, 0.5e9, 10)
    needed = float(re.search(r'needs (\d\.\d\d) GB', str(refused.value)).group(1))
    assert memory.plan(wanted, needed * 1e9, 10).corrections == memory.FEWEST_CORRECTIONS
    with pytest.raises(ArchiveError):
        memory.plan(wanted, (needed - 0.02) * 1e9, 10)


def test_regions_take_more():
    net = models.build('vgg19_quarter', 'average_exc_pad', 'conv5_1')
    taken = [memory.plan(memory.Needs(net, CONTENT, STYLE, (1, 3, 512, 512), [], regions=regions),
                         1e12, 10).bytes for regions in (0, 1, 8)]
    assert taken[2] - taken[0] == pytest.approx(8 * (taken[1] - taken[0]))
    # conv1_1 has 16 channels at each pixel, conv2_1 32 at one of 4, and so on; float32.
    activations = (16 + 32 / 4 + 64 / 16 + 128 / 64 + 128 / 256) * 512 * 512 * 4
    assert taken[1] - taken[0] == pytest.approx(memory.GUIDED * memory.PUSH * activations)


def test_a_large_painting_is_looked_at_in_tiles():
    wanted = needs(256, painting=2000)
    plan = memory.plan(wanted, 0.6e9, 10)
    assert plan.core is None and plan.painting_core is not None


def test_a_huge_picture_is_refused_at_once():
    with pytest.raises(ArchiveError, match='too large'):
        memory.plan(needs(10 ** 9), 4e9, 10)


@pytest.mark.parametrize('text, count', [('4G', 4e9), ('1.5g', 1.5e9), ('900M', 9e8)])
def test_memory_is_read_in_giga_and_megabytes(text, count):
    assert command_line.memory(text) == count


@pytest.mark.parametrize('text', ['4', 'G', '-1G', '0M', 'muchG', 'nanG', '1e400G'])
def test_what_is_no_memory_is_refused(text):
    with pytest.raises(command_line.argparse.ArgumentTypeError, match='write it like 4G'):
        command_line.memory(text)


def test_this_machine_has_some():
    assert 1e8 < machine.memory() < 1e15
    assert np.isfinite(machine.memory())
