"""No recipe is silent for long: the gaps between lines on stderr, on an empty compile cache."""

import os
import re
import selectors
import subprocess
import sys
import time
from pathlib import Path

from models import process, waiting
from models.runtime import compiling
from models.runtime.xla import devices

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 3.0  # seconds
SMALL = ['--size', '32']
RECIPES = {  # what compiles all that the recipe compiles, on as little as possible
    'saliency': SMALL, 'deconvnet': [*SMALL, '--channels', '1', '--explicit'],
    'occlusion': [*SMALL, '--stride', '16'], 'class_model': [*SMALL, '--iterations', '1'],
    'deepdream': ['--size', '64', '--octaves', '1', '--iterations', '1'],
    'layer_features': [*SMALL, '--channels', '1'],
    'reconstruct': [*SMALL, '--evals', '2', '--layers', 'conv1_1', '--frames', '2'],
    'feature_atlas': ['--size', '64', '--patches', '1'],
    'styletransfer': ['--size', '64', '--rounds', '1', '--evals', '2']}


def gaps_of(command, folder, cache):
    """Run a recipe; give the gaps between its lines on stderr, from its start to its end."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'PYTHONUNBUFFERED': '1',
                   'THEANO_FLAGS': f'base_compiledir={cache}'}
    process = subprocess.Popen([sys.executable, *command], cwd=folder, env=environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    lines, moments = [], [time.monotonic()]
    with selectors.DefaultSelector() as selector:
        selector.register(process.stderr, selectors.EVENT_READ)
        while True:
            selector.select()
            text = os.read(process.stderr.fileno(), 65536)
            moments.append(time.monotonic())
            if not text:
                break
            lines += [line for line in re.split('[\r\n]', text.decode()) if line.strip()]
    assert process.wait() == 0, lines
    return [later - earlier for earlier, later in zip(moments, moments[1:])], lines


@pytest.mark.parametrize('recipe, arguments', [
    pytest.param('saliency', [*SMALL, '--layer', 'conv1_1', '--unit', '0'], id='one layer'),
    *(pytest.param(recipe, arguments, id=recipe, marks=[pytest.mark.slow])
      for recipe, arguments in RECIPES.items())])
def test_no_recipe_is_silent_for_long_on_an_empty_cache(recipe, arguments, tmp_path):
    command = [ROOT / 'recipes' / f'{recipe}.py', '--model', 'vgg19_quarter', '--out',
               tmp_path / 'run', *arguments]
    gaps, lines = gaps_of(map(str, command), tmp_path, tmp_path / 'cache')
    busy = max(1, os.getloadavg()[0] / os.cpu_count())  # each process waits for its turn
    assert max(gaps) <= LONGEST * busy, (max(gaps), busy, lines)
    told = [line for line in lines if re.search(r'compiling \|.*\| \d+ of \d+ modules', line)]
    in_c = devices.current().name == 'cpu'  # JAX compiles no modules
    assert bool(told) == in_c and all('once, kept for later runs' in line for line in told), lines
    assert all(len(line) < 80 for line in told)  # a longer one breaks, and is not written over


def test_what_takes_long_is_told_with_its_count_and_what_does_not_is_not(capfd, monkeypatch):
    teller = waiting.Teller('starting', patience=0.3)
    monkeypatch.setattr(waiting, '_teller', teller)
    with waiting.doing('a short thing'):
        time.sleep(0.05)
    with waiting.doing('compiling', total=3, unit='modules') as activity:
        activity.step()
        time.sleep(1)
    waiting.end()
    told = capfd.readouterr().err
    assert '1 of 3 modules' in told and 'compiling' in told and 'short' not in told
    assert not teller.thread.is_alive() and '\n' not in told


def test_a_remark_stands_at_the_end_and_the_line_fits_a_terminal():
    activity = waiting.Activity('compiling', 148, 'modules', compiling.KEPT)
    activity.done, activity.began = 147, activity.began - 999
    told = activity.told()
    assert re.fullmatch(r'compiling \|#+ +\| 147 of 148 modules, \d+ s; once, kept for later runs',
                        told)
    assert len(told) < 80


def test_what_was_said_makes_room_for_what_is_written(capfd, monkeypatch):
    teller = waiting.Teller('starting', patience=0.2)
    monkeypatch.setattr(waiting, '_teller', teller)
    time.sleep(0.8)
    with process.lasting_streams():
        print('error: something', file=sys.stderr)
    waiting.end()
    told = capfd.readouterr().err
    before, after = told.split('error: something')
    assert 'starting ... ' in before and re.search('\r *\r$', before) and after.startswith('\n')


def test_other_programs_are_told_nothing(capfd, monkeypatch):
    monkeypatch.setattr(waiting, '_teller', None)
    waiting.begin('starting')
    with waiting.doing('reading') as activity:
        activity.step()
    assert waiting._teller is None and not capfd.readouterr().err


def test_quiet_is_quiet(monkeypatch):
    monkeypatch.setattr(waiting, '_teller', None)
    monkeypatch.setattr(waiting, '_is_a_recipe', lambda: True)
    monkeypatch.setattr(sys, 'argv', ['saliency.py', '--quiet'])
    waiting.begin('starting')
    assert waiting._teller is None
