"""The main job, end to end on small pictures, and every wrong request."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer
from recipes.common import command_line, images

ROOT = Path(__file__).parent.parent.parent
# Few layers, since every set of them is compiled.
SHALLOW = ['--content-layers', 'conv2_2', '--style-layers', 'conv1_1,conv2_1']
SMALL = ['--size', '32', '--rounds', '2', '--evals', '4', '--quiet', *SHALLOW]
NARROW = ['--model', 'vgg19', '--weights', '{narrow}']


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """Return the folder of a short run on the bundled pictures."""
    folder = tmp_path_factory.mktemp('runs') / 'short'
    styletransfer.main([*SMALL, '--out', str(folder)])
    return folder


def record_of(folder):
    return json.loads((folder / 'run.json').read_text())


def pixels(path):
    return np.array(Image.open(path).convert('RGB'))


def test_a_run_folder_has_everything(finished):
    names = sorted(path.name for path in finished.iterdir())
    assert names == ['figure.png', 'losses.csv', 'result.png', 'round_00.png', 'round_01.png',
                     'round_02.png', 'run.json', 'state_00.npz', 'state_01.npz', 'state_02.npz']
    record = json.loads((finished / 'run.json').read_text())
    assert record['status'] == 'finished'
    assert record['versions']['Theano-PyMC'] == '1.1.2' and record['threads'] >= 1
    assert len(record['parameters']['weights_sha256']) == 64
    assert record['parameters']['seed'] == 1 and record['seconds'] > 0


def test_the_loss_falls_and_the_table_adds_up(finished):
    with open(finished / 'losses.csv') as file:
        rows = list(csv.reader(file))
    assert rows[0][:4] == ['evaluation', 'total', 'content conv2_2', 'style conv1_1']
    table = np.array(rows[1:], float)
    np.testing.assert_allclose(table[:, 1], table[:, 2:].sum(axis=1), rtol=1e-12)
    assert table[-1, 1] < 0.9 * table[0, 1]
    record = json.loads((finished / 'run.json').read_text())
    assert record['loss'] == table[:, 1].min() and record['evaluations'] == len(table)


def test_pictures_carry_their_parameters_and_nothing_that_changes(finished):
    image = Image.open(finished / 'result.png')
    parameters = json.loads(image.text['Parameters'])
    assert parameters['recipe'] == 'styletransfer' and parameters['model'] == 'vgg19_quarter'
    assert set(image.text) == {'Software', 'Parameters'}
    assert str(finished.parent) not in str(image.text) and image.size == (32, 32)


def test_the_start_is_noise_and_the_result_is_the_last_round(finished):
    start, last = pixels(finished / 'round_00.png'), pixels(finished / 'round_02.png')
    assert start.std() > 60
    np.testing.assert_array_equal(last, pixels(finished / 'result.png'))
    assert (start != last).mean() > 0.5


def test_the_same_seed_gives_the_same_bytes_in_every_process(tmp_path, python):
    arguments = ['--size', '48', '--rounds', '2', '--evals', '6', '--quiet']
    results = []
    for hash_seed, seed in (('1', '5'), ('2', '5'), ('1', '6')):
        out = tmp_path / f'{hash_seed}-{seed}'
        run = python(ROOT / 'recipes' / 'styletransfer.py', *arguments, '--out', out, '--seed',
                     seed, PYTHONHASHSEED=hash_seed)
        assert (run.returncode, run.stdout, run.stderr) == (0, '', '')
        results.append([(out / name).read_bytes() for name in ('result.png', 'round_01.png',
                                                               'losses.csv')])
    assert results[0] == results[1]
    assert results[0][0] != results[2][0]


def test_progress_and_the_results_path_are_shown_unless_quiet(tmp_path, python):
    run = python(ROOT / 'recipes' / 'styletransfer.py', '--size', '16', '--rounds', '1',
                 '--evals', '2', '--out', tmp_path / 'run')
    assert run.stdout == f'{tmp_path}/run/result.png\n'
    assert 'round 1/1' in run.stderr and 'loss' in run.stderr


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_keep_the_best_picture(tmp_path, number):
    out = tmp_path / 'run'
    process = subprocess.Popen(
        [sys.executable, str(ROOT / 'recipes' / 'styletransfer.py'), '--size', '64', '--rounds',
         '1', '--evals', '100000', '--save-every', '20', '--out', str(out), '--quiet'],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)})
    while not (out / 'frames' / 'frame_00020.png').exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 128 + number
    assert errors == f'stopped; what was done until then is in {out}\n'
    assert json.loads((out / 'run.json').read_text())['status'] == 'interrupted'
    assert (pixels(out / 'result.png') != pixels(out / 'round_00.png')).mean() > 0.5
    assert (out / 'losses.csv').exists()


def test_without_out_each_run_has_a_new_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        styletransfer.main(['--size', '16', '--rounds', '1', '--evals', '1', '--quiet'])
    assert [path.name for path in sorted(Path('runs').iterdir())] == [
        'styletransfer-001', 'styletransfer-002']


def test_size_is_the_short_side_and_crop_a_square(tmp_path):
    photo = tmp_path / 'photo.png'
    Image.fromarray(np.random.RandomState(0).randint(0, 255, (40, 60, 3), 'uint8')).save(photo)
    one = ['--content', str(photo), '--size', '20', '--rounds', '1', '--evals', '1', '--quiet']
    styletransfer.main([*one, '--out', str(tmp_path / 'whole')])
    styletransfer.main([*one, '--out', str(tmp_path / 'square'), '--crop'])
    assert Image.open(tmp_path / 'whole' / 'result.png').size == (30, 20)
    assert Image.open(tmp_path / 'square' / 'result.png').size == (20, 20)


@pytest.mark.parametrize('init', ['content', 'file'])
def test_a_run_can_start_from_a_picture(tmp_path, finished, init):
    source = finished / 'result.png'
    styletransfer.main(['--size', '32', '--rounds', '1', '--evals', '1', '--quiet', '--init',
                        'content' if init == 'content' else str(source), '--out',
                        str(tmp_path / 'run')])
    photo = images.resize(images.read(images.bundled_photo()), 32)
    expected = photo if init == 'content' else pixels(source)
    np.testing.assert_array_equal(pixels(tmp_path / 'run' / 'round_00.png'), expected)


def test_force_replaces_an_earlier_run_and_keeps_what_else_is_there(tmp_path):
    one = ['--size', '16', '--evals', '1', '--quiet', '--force', '--out', str(tmp_path)]
    (tmp_path / 'mine.txt').write_text('mine')
    (tmp_path / 'round_09.png').write_text('not of a run')
    styletransfer.main([*one, '--rounds', '2'])
    assert (tmp_path / 'mine.txt').read_text() == 'mine'
    assert (tmp_path / 'round_09.png').exists() and (tmp_path / 'round_02.png').exists()
    styletransfer.main([*one, '--rounds', '1'])
    assert not (tmp_path / 'round_02.png').exists() and (tmp_path / 'round_01.png').exists()


def test_adapted_weights_look_alike_at_every_size(tmp_path):
    """The terms of the loss at the noise start stay within a factor two from 48 to 96 pixels."""
    terms = {}
    for impl in ('archive', 'recipes'):
        for size in ('48', '96'):
            out = tmp_path / f'{impl}-{size}'
            styletransfer.main(['--size', size, '--impl', impl, '--rounds', '1', '--evals', '1',
                                *SHALLOW, '--quiet', '--out', str(out)])
            terms[impl, size] = record_of(out)['rounds'][0]['losses']
    for name in ('content conv2_2', 'total variation'):
        assert 0.5 < terms['archive', '96'][name] / terms['archive', '48'][name] < 2, name
        assert terms['recipes', '96'][name] / terms['recipes', '48'][name] > 3, name


def test_the_recipes_implementation_has_the_notebooks_constants():
    options = styletransfer.parse(['--impl', 'recipes'])
    assert (options.content_weight, options.style_weight, options.tv_weight) == (1e-3, 2e5, 1e-8)
    assert (options.factr, options.pgtol) == (1e7, 1e-5)  # scipy's defaults
    assert list(options.content_layers) == ['conv4_2'] and options.margin == 0
    assert options.style_layers == {f'conv{block}_1': 1 for block in range(1, 6)}


def test_layer_factors_multiply_the_weight():
    options = styletransfer.parse(['--style-layers', 'conv1_1,conv2_1=0.5'])
    assert options.style_layers == {'conv1_1': 1, 'conv2_1': 0.5}


@pytest.mark.parametrize('arguments, words', [
    (['--content', 'nowhere.jpg'], ['there is no picture nowhere.jpg']),
    (['--style', '.'], ['is a folder']),
    (['--init', 'nowhere.png'], ['nowhere.png']),
    (['--content-layers', 'conv42'], ['conv42', 'did you mean', 'conv4_2']),
    (['--style-layers', 'conv1_1,,conv2_1'], ['--style-layers', 'empty place']),
    (['--style-layers', 'conv1_1=2,conv1_1'], ['conv1_1 twice']),
    (['--style-layers', 'conv1_1=much'], ["'much' is not a number"]),
    (['--model', 'vgg99'], ['vgg99', 'vgg19']),
    (['--model', 'vgg19'], ['vgg19', '--weights FILE']),
    (['--model', 'vgg16', '--weights', '{embedded}'], ['another network']),
    (['--weights', 'nowhere.npz'], ['there is no weight file nowhere.npz']),
    (['--pool', 'median'], ['median', 'average_exc_pad']),
    (['--content-weight', '-1'], ["'-1' is not a number from 0 up"]),
    (['--tv-weight', 'nan'], ["'nan' is not"]),
    (['--size', '0'], ["'0' is not a whole number"]),
    (['--size', '8'], ['from 16 up']),
    (['--rounds', '1.5'], ["'1.5' is not a whole number"]),
    (['--seed', '-1'], ['--seed']),
    (['--impl', 'mine'], ['archive', 'recipes']),
    (['--out', '{existing}'], ['exists already', '--force']),
    (['--out', '{file}/run'], ['cannot make', '--out']),
    (['--out', ''], ['exists already']),
    (['--content', 'x' * 300], ['File name too long']),
    (['--out', 'x' * 300], ['File name too long']),
    (['--weights', 'x' * 300], ['File name too long']),
    (['--style-layers', 'fc8'], ['fc8 has no rows and columns']),
    (['--size', '16', '--impl', 'paper', *NARROW, '--style-layers', 'conv1_1,pool5'],
     ['nothing is left at pool5 of the photo at 16x16 pixels', 'larger --size']),
    (['--size', '32', '--phases', '2', '--impl', 'paper', *NARROW, '--content-layers', 'pool5'],
     ['nothing is left at pool5 of the photo at 16x16']),
    (['--size', '32', '--style-scale', '0.5', *NARROW, '--style-layers', 'pool5'],
     ['nothing is left at pool5 of the painting']),
    (['--size', '16', '--impl', 'paper', *NARROW, '--grid', 'style-layers', 'conv1_1', 'pool5'],
     ['style-layers pool5: nothing is left at pool5']),
    (['--grid', 'seed', '1', '2', '--grid', 'content-layers', 'conv1_1', 'conv42'],
     ['seed 1, content-layers conv42: there is no layer']),
    (['--grid', 'style-scale', '1', '1e8'], ['style-scale 1e8: a picture of', 'too large']),
    (['--size', '9' * 400], ['is not a whole number']),
    (['--phases', '100000'], ['--phases']),
    (['--rounds', '9' * 400], ['is not a whole number']),
    (['--style-scale', '1e308'], ["'1e308' is not a number above 0"]),
    (['--size', '99999999999'], ['too large', '--size']),
    (['--content', '{tall}', '--memory', '2G'],
     ['256x64000 pixels is too large'.replace('256x64000', '272x64016'), 'for 2.00 GB of memory',
      'GB: take a smaller --size, or --optimiser adam, or a larger --memory']),
    (['--out', 'picture.png'], ['named like a picture']),
    (['--unknown'], ['--unknown']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, capsys, monkeypatch, narrow_vgg19,
                                                  arguments, words):
    (tmp_path / 'file').write_text('')
    (tmp_path / 'existing').mkdir()
    Image.new('RGB', (16, 4000)).save(tmp_path / 'tall.png')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('ARCHIVE_WEIGHTS', raising=False)
    places = {'existing': tmp_path / 'existing', 'narrow': narrow_vgg19, 'file': tmp_path / 'file',
              'tall': tmp_path / 'tall.png',
              'embedded': ROOT / 'models' / 'embedded' / 'vgg19_quarter.npz'}
    arguments = [argument.format(**places) for argument in arguments]
    with pytest.raises(SystemExit) as exit_:
        command_line.run(lambda: styletransfer.main(arguments))
    errors = capsys.readouterr().err
    assert exit_.value.code == 2
    assert errors.count('\n') == 1 and 'Traceback' not in errors
    for word in words:
        assert word in errors
    assert not (tmp_path / 'runs').exists()  # nothing is begun that cannot be done


@pytest.mark.parametrize('arguments, words', [
    (['--content', 'no.jpg'], 'there is no picture'),
    (['--model', 'vgg16', '--weights', ROOT / 'models' / 'embedded' / 'vgg19_quarter.npz'],
     'another network')])
def test_one_line_and_status_2_reach_the_shell(python, arguments, words):
    run = python(ROOT / 'recipes' / 'styletransfer.py', '--quiet', *arguments)
    assert run.returncode == 2
    assert run.stderr.count('\n') == 1 and words in run.stderr


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / 'round_00.png').mkdir()
    with pytest.raises(SystemExit) as exit_:
        command_line.run(lambda: styletransfer.main(
            ['--size', '16', '--rounds', '1', '--evals', '1', '--quiet', '--force', '--out',
             str(tmp_path)]))
    assert exit_.value.code == 2
    assert 'round_00.png' in capsys.readouterr().err
    assert json.loads((tmp_path / 'run.json').read_text())['status'] == 'failed'


def test_a_loss_that_explodes_stops_with_the_remedy(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        command_line.run(lambda: styletransfer.main(
            [*SMALL, '--out', str(tmp_path / 'run'), '--style-weight', '1e200']))
    assert exit_.value.code == 2
    assert 'divide all weights by the same factor' in capsys.readouterr().err
    assert json.loads((tmp_path / 'run' / 'run.json').read_text())['status'] == 'failed'


@pytest.mark.slow
def test_real_weights_paint_tuebingen(shared_data, tmp_path):
    figures = shared_data / 'figures' / 'lasagne_style'
    painting, = figures.glob('*Starry_Night*')
    styletransfer.main(['--model', 'vgg19', '--weights',
                        str(shared_data / 'weights' / 'vgg19_normalised_to_conv3_1.npz'),
                        '--style-layers', 'conv1_1,conv2_1,conv3_1', '--content-layers', 'conv3_1',
                        '--content', str(figures / 'Tuebingen_Neckarfront.jpg'), '--style',
                        str(painting), '--size', '192', '--rounds', '4', '--out',
                        str(tmp_path / 'run')])
    result = pixels(tmp_path / 'run' / 'result.png').astype(float)
    photo, style = (images.resize(images.read(path), 192).astype(float)
                    for path in (figures / 'Tuebingen_Neckarfront.jpg', painting))
    # The painting's palette: the mean colour is nearer to its own than to the photo's.
    to_style, to_photo = (abs(result.mean((0, 1)) - other.mean((0, 1))).sum()
                          for other in (style, photo))
    assert to_style < to_photo
    # The photo's scene: its edges are where the result's are.
    edges = [np.hypot(*np.gradient(picture.mean(axis=2))) for picture in (result, photo)]
    assert np.corrcoef(edges[0].ravel(), edges[1].ravel())[0, 1] > 0.3
    # The painting's strokes: little is left of the distance between the Gram matrices.
    with open(tmp_path / 'run' / 'losses.csv') as file:
        rows = list(csv.DictReader(file))
    for layer in ('conv1_1', 'conv2_1', 'conv3_1'):
        assert float(rows[-1][f'style {layer}']) < 0.02 * float(rows[0][f'style {layer}'])
