"""The memory that a run predicts is what it takes."""

import json
from pathlib import Path

import models

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
# Not ru_maxrss: that begins with what the process that started this one has.
PEAK = ('import re, runpy, sys; sys.argv = sys.argv[1:]\n'
        'try:\n    runpy.run_path(sys.argv[0], run_name="__main__")\n'
        'finally:\n    status = open("/proc/self/status").read()\n'
        '    print(1024 * int(re.search(r"VmHWM:\\s+(\\d+)", status)[1]))')


def memory_of(python, out, *arguments):
    """Paint, and give (bytes predicted, bytes measured at most, run.json)."""
    run = python('-c', PEAK, ROOT / 'recipes' / 'styletransfer.py', '--quiet', '--rounds', '1',
                 '--out', out, *arguments, timeout=6000)
    assert run.returncode == 0, run.stderr
    record = json.loads((out / 'run.json').read_text())
    return record['plan']['bytes'], int(run.stdout), record


@pytest.fixture(scope='module')
def full_vgg19(tmp_path_factory):
    """Return the file of a VGG-19 of full width with random weights."""
    path = tmp_path_factory.mktemp('weights') / 'vgg19.npz'
    net = models.build('vgg19_normalized', 'average_exc_pad', 'conv5_1')
    np.savez(path, **{parameter.name: parameter.get_value() for layer in net.values()
                      for parameter in layer.get_params()})
    return path


def test_the_default_run_takes_what_it_predicts(python, tmp_path):
    predicted, measured, _ = memory_of(python, tmp_path / 'run', '--evals', '12')
    assert abs(predicted / measured - 1) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize('arguments', [
    ['--size', '512'], ['--size', '1024'], ['--size', '1024', '--memory', '1100M'],
    ['--size', '1024', '--optimiser', 'adam'], ['--size', '1024', '--bounds']])
def test_the_embedded_network_takes_what_it_predicts(python, tmp_path, arguments):
    predicted, measured, _ = memory_of(python, tmp_path / 'run', '--evals', '12', *arguments)
    assert abs(predicted / measured - 1) < 0.25


@pytest.mark.slow
@pytest.mark.parametrize('arguments', [
    ['--size', '512'], ['--size', '512', '--memory', '1200M']])
def test_a_full_vgg19_takes_what_it_predicts(python, tmp_path, full_vgg19, arguments):
    predicted, measured, _ = memory_of(python, tmp_path / 'run', '--evals', '12', '--model',
                                       'vgg19', '--weights', full_vgg19, '--impl', 'recipes',
                                       *arguments)
    assert abs(predicted / measured - 1) < 0.25


@pytest.mark.slow
def test_2048x2048_on_a_full_vgg19_stays_below_6_gigabytes(python, tmp_path, full_vgg19):
    predicted, measured, record = memory_of(
        python, tmp_path / 'run', '--evals', '5', '--model', 'vgg19', '--weights', full_vgg19,
        '--impl', 'recipes', '--size', '2048', '--style-scale', '0.25', '--memory', '6G')
    assert measured < 6e9 and abs(predicted / measured - 1) < 0.25
    assert record['evaluations'] >= 5 and record['plan']['core'] is not None


@pytest.mark.slow
def test_4096x4096_on_the_embedded_network_in_tiles(python, tmp_path):
    predicted, measured, record = memory_of(
        python, tmp_path / 'run', '--evals', '1', '--optimiser', 'adam', '--size', '4096',
        '--style-scale', '0.125', '--memory', '6G')
    assert measured < 6e9 and abs(predicted / measured - 1) < 0.25
    assert record['plan']['core'] is not None
