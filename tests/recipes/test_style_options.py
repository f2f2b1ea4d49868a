"""What users of other tools know: several styles, masks, colours, phases, frames, sheets, tiles."""

import json

import models
from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer
from recipes.common import animations, colours, images, runs
from recipes.style import journal, memory, options, progress

# Few layers, since every set of them is compiled.
SHALLOW = ['--content-layers', 'conv2_2', '--style-layers', 'conv1_1,conv2_1']
SMALL = ['--size', '32', '--rounds', '1', '--evals', '3', '--quiet', *SHALLOW]


def paint(out, *arguments):
    styletransfer.main([*SMALL, *map(str, arguments), '--out', str(out)])
    return out


def record_of(folder):
    return json.loads((folder / 'run.json').read_text())


def terms_of(folder):
    return record_of(folder)['rounds'][0]['losses']


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Return a folder with a photo, two paintings and masks that part them into halves."""
    folder = tmp_path_factory.mktemp('pictures')
    random = np.random.RandomState(0)
    for name, scale in (('photo', (90, 160, 250)), ('red', (250, 60, 40)), ('blue', (30, 80, 240))):
        small = (random.uniform(0.2, 1, (6, 6, 1)) * scale).astype('uint8')
        Image.fromarray(small).resize((64, 64), Image.BICUBIC).save(folder / f'{name}.png')
    halves = np.zeros((64, 64, 3), 'uint8')
    halves[:, 32:] = (0, 255, 0)
    Image.fromarray(halves).save(folder / 'halves.png')
    for name, colour in (('black', (0, 0, 0)), ('green', (0, 255, 0)), ('white', (255,) * 3)):
        Image.new('RGB', (64, 64), colour).save(folder / f'{name}.png')
    return folder


@pytest.mark.parametrize('arguments, told', [
    (['--content-weight', '0'], True),
    (['--grid', 'content-weight', '0', '1'], True),
    (['--content-weight', '0', '--quiet'], False),
    (['--content-weight', '0', '--init', 'noise'], False),
    (['--content-weight', '0', '--init', 'content'], False),  # it was asked for
    (['--content-weight', '0', '--model', 'vgg19_quarter'], False),  # which starts from noise
    (['--content-weight', '1'], False), ([], False)])
def test_without_content_it_is_told_that_the_start_is_the_photo(capsys, arguments, told):
    options.parse(['--model', 'vgg19_small', *arguments])
    errors = capsys.readouterr().err
    assert errors.count('\n') == told and ('--init noise gives a texture' in errors) == told


@pytest.mark.parametrize('arguments, phases, rounds', [
    ([], 2, 2), (['--size', '192'], 2, 2), (['--size', '191'], 1, 4),
    (['--size', '191', '--phases', '2'], 2, 2), (['--phases', '1'], 1, 4),
    (['--phases', '3'], 3, 2), (['--phases', '1', '--rounds', '3'], 1, 3),
    (['--normalise-gradients'], 1, 4),
    (['--impl', 'recipes'], 1, 8), (['--model', 'vgg19_quarter'], 1, 8)])
def test_the_embedded_network_paints_from_coarse_to_fine(arguments, phases, rounds):
    found = options.parse(['--model', 'vgg19_small', *arguments])
    assert (found.phases, found.rounds) == (phases, rounds)


def test_the_time_left_counts_rounds_of_each_phase_by_its_pixels():
    shapes = [(1, 3, 10, 20), (1, 3, 20, 40)]
    assert progress.seconds_left(0.5, 40, [1, 3], shapes) == 0.5 * 40 * (1 + 3 * 4)
    assert progress.seconds_left(0.5, 40, [2], shapes[1:]) == 0.5 * 40 * 2


def test_shares_blend_the_statistics(tmp_path, pictures):
    """A painting twice is the painting once; all share to one is that one alone."""
    red, blue = pictures / 'red.png', pictures / 'blue.png'
    alone = terms_of(paint(tmp_path / 'alone', '--style', red))
    twice = terms_of(paint(tmp_path / 'twice', '--style', red, red, '--style-blend', 1, 3))
    nearly = terms_of(paint(tmp_path / 'nearly', '--style', red, blue, '--style-blend', 1, 1e-9))
    half = terms_of(paint(tmp_path / 'half', '--style', red, blue))
    for name, value in alone.items():
        assert twice[name] == pytest.approx(value, rel=1e-6)
        assert nearly[name] == pytest.approx(value, rel=1e-5)
    assert half['style conv1_1'] != pytest.approx(alone['style conv1_1'], rel=1e-2)


def test_masks_give_each_region_its_style(tmp_path, pictures):
    """The black half of the photo gets the red painting's colours, the green half the blue's."""
    out = paint(tmp_path / 'run', '--content', pictures / 'photo.png', '--style',
                pictures / 'red.png', pictures / 'blue.png', '--masks', pictures / 'halves.png',
                pictures / 'black.png', pictures / 'green.png', '--evals', '40')
    left, right = np.split(images.read(out / 'result.png').astype(float), 2, axis=1)
    redness = [(half[..., 0] - half[..., 2])[2:-2, 4:-4].mean() for half in (left, right)]
    assert redness[0] > redness[1] + 60
    assert len(record_of(out)['parameters']['mask_pixels']) == 3


def test_luminance_keeps_the_photos_colour_differences(tmp_path, pictures):
    out = paint(tmp_path / 'run', '--colours', 'luminance', '--content', pictures / 'photo.png')
    photo = images.resize(images.read(pictures / 'photo.png'), 32)
    result = images.read(out / 'result.png')
    expected = colours.with_colours_of(photo, result).astype(int)
    whole = (result > 0).all(axis=2) & (result < 255).all(axis=2)  # where nothing was clipped
    assert whole.mean() > 0.5 and abs(expected - result)[whole].max() <= 1
    assert abs(result.astype(int) - photo).mean() > 5


def test_matched_colours_change_the_target(tmp_path, pictures):
    own = terms_of(paint(tmp_path / 'own', '--style', pictures / 'red.png'))
    matched = terms_of(paint(tmp_path / 'matched', '--style', pictures / 'red.png', '--colours',
                             'matched'))
    assert matched['content conv2_2'] == own['content conv2_2']
    assert matched['style conv1_1'] != own['style conv1_1']


def test_phases_double_the_size_and_begin_with_the_last_picture(tmp_path):
    out = paint(tmp_path / 'run', '--size', '64', '--phases', '2')
    sizes = [Image.open(out / f'round_{number:02d}.png').size for number in range(3)]
    assert sizes == [(32, 32), (32, 32), (64, 64)]
    first, second = (journal.State.load(out / f'state_{number:02d}.npz') for number in (1, 2))
    assert (first.phase, second.phase) == (0, 1)
    assert second.history[second.began].sum() < first.history[0].sum()  # no noise to begin with


def test_frames_and_their_animation(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(animations, 'save_mp4', lambda *arguments: calls.append(arguments))
    out = paint(tmp_path / 'run', '--evals', '6', '--save-every', '2')
    names = sorted(path.name for path in (out / 'frames').iterdir())
    assert names[:3] == ['frame_00002.png', 'frame_00004.png', 'frame_00006.png']
    every = paint(tmp_path / 'every', '--size', '32', '--phases', '2', '--evals', '2',
                  '--save-every', '1')
    names_of_all = sorted(path.name for path in (every / 'frames').iterdir())
    count = record_of(every)['evaluations']
    assert names_of_all == [f'frame_{number:05d}.png' for number in range(1, count + 1)]
    with Image.open(out / 'process.gif') as gif:
        assert gif.n_frames == len(names) + 1 and gif.size == (32, 32)
    assert len(calls) == 2


def test_an_mp4_where_ffmpeg_is(tmp_path, monkeypatch):
    run = runs.Run('test', tmp_path / 'run')
    pictures = [np.full((17, 21, 3), level, 'uint8') for level in (0, 128, 255)]
    monkeypatch.setattr(animations.shutil, 'which', lambda name: None)
    assert animations.save_mp4(run, 'process.mp4', pictures) is False
    assert not (run.folder / 'process.mp4').exists()
    script = tmp_path / 'ffmpeg'
    monkeypatch.setattr(animations.shutil, 'which', lambda name: str(script))
    script.write_text('#!/bin/sh\nfor last; do :; done\nwc -c > "${last#file:}"\n')
    script.chmod(0o755)
    assert animations.save_mp4(run, 'process.mp4', pictures) is True
    # Three pictures of even size, and the last one for two seconds more.
    assert int((run.folder / 'process.mp4').read_text()) == 16 * 20 * 3 * (3 + 24)
    script.write_text('#!/bin/sh\ncat > /dev/null\necho no encoder >&2\nexit 1\n')
    with pytest.raises(ArchiveError, match='could not write process.mp4: no encoder'):
        animations.save_mp4(run, 'process.mp4', pictures)
    script.write_text('#!/bin/sh\necho no space >&2\nexit 1\n')  # reads nothing of it
    large = [np.zeros((400, 400, 3), 'uint8')]
    with pytest.raises(ArchiveError, match='could not write process.mp4: no space'):
        animations.save_mp4(run, 'process.mp4', large)


def test_a_folder_with_a_colon_is_no_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = runs.Run('test', 'run:1')
    script = tmp_path / 'ffmpeg'
    script.write_text('#!/bin/sh\nfor last; do :; done\ncat > /dev/null\n'
                      'echo "$last" > "${last#file:}"\n')
    script.chmod(0o755)
    monkeypatch.setattr(animations.shutil, 'which', lambda name: str(script))
    assert animations.save_mp4(run, 'process.mp4', [np.zeros((16, 16, 3), 'uint8')])
    assert (run.folder / 'process.mp4').read_text() == 'file:run:1/process.mp4.partial\n'


def test_a_film_that_fails_leaves_a_finished_run_and_status_1(tmp_path, monkeypatch, error_of):
    def fail(run, name, pictures):
        raise ArchiveError(f'ffmpeg could not write {name}: no encoder')

    monkeypatch.setattr(animations, 'save_mp4', fail)
    status, errors = error_of(styletransfer.main, [
        '--size', '16', '--rounds', '1', '--evals', '2', '--save-every', '1', '--quiet', '--out',
        tmp_path / 'run'])
    assert status == 1 and 'all is done but ffmpeg could not write process.mp4' in errors
    record = record_of(tmp_path / 'run')
    assert record['status'] == 'finished'
    assert record['problems'] == ['ffmpeg could not write process.mp4: no encoder']
    assert (tmp_path / 'run' / 'process.gif').exists()


def test_a_grid_is_a_sheet_of_runs(tmp_path):
    out = paint(tmp_path / 'grid', '--size', '16', '--evals', '1', '--grid', 'style-scale', '1',
                '2', '--grid', 'style-layers', 'conv1_1', 'conv1_1,conv2_1=0.5')
    assert sorted(path.name for path in out.iterdir()) == [
        'cell_00', 'cell_01', 'cell_02', 'cell_03', 'grid.png', 'run.json']
    parameters = record_of(out / 'cell_03')['parameters']
    assert parameters['style_scale'] == 2
    assert parameters['style_layers'] == {'conv1_1': 1, 'conv2_1': 0.5}
    assert Image.open(out / 'grid.png').size[0] == 600
    (out / 'cell_02' / 'mine.txt').write_text('kept')
    paint(out, '--size', '16', '--evals', '1', '--force', '--grid', 'seed', '1')
    assert sorted(path.name for path in out.iterdir()) == [
        'cell_00', 'cell_02', 'grid.png', 'run.json']
    assert [path.name for path in (out / 'cell_02').iterdir()] == ['mine.txt']


def test_a_run_may_start_from_what_it_replaces(tmp_path):
    out = paint(tmp_path / 'run')
    before = images.read(out / 'result.png')
    paint(out, '--init', out / 'result.png', '--force', '--evals', '1', '--tv-weight', '0')
    start = images.read(out / 'round_00.png').astype(int)
    assert abs(start - before).max() <= 1


def test_normalised_gradients_of_what_is_there_already_are_taken_at_noise(tmp_path):
    """A photo has no content loss: its content weight would stay what it is for a gradient of 1."""
    weights = {}
    for init in 'noise', 'content':
        out = paint(tmp_path / init, '--normalise-gradients', '--init', init)
        weights[init] = journal.State.load(out / 'state_00.npz').weights
    names = list(terms_of(tmp_path / 'noise'))
    of_content = [name.startswith('content') for name in names]
    np.testing.assert_allclose(weights['content'][of_content], weights['noise'][of_content])
    assert not np.allclose(weights['content'], weights['noise'])


def test_bounds_hold_from_the_start(tmp_path):
    out = paint(tmp_path / 'run', '--bounds')
    _, _, mean_pixel = models.load('vgg19_quarter', deepest='conv1_1')
    for path in out.glob('state_*.npz'):
        pixels = journal.State.load(path).x + np.reshape(mean_pixel, (1, 3, 1, 1))
        assert pixels.min() > -1e-4 and pixels.max() < 255 + 1e-4, path  # float32's last digit


def test_a_region_that_a_small_size_loses_is_named(tmp_path, pictures, error_of):
    mask = np.zeros((64, 64, 3), 'uint8')
    mask[:, 32:34] = 0, 255, 0
    Image.fromarray(mask).save(tmp_path / 'thin.png')
    arguments = ['--size', '64', '--phases', '3', '--content', pictures / 'photo.png', '--style',
                 pictures / 'red.png', '--masks', tmp_path / 'thin.png', pictures / 'halves.png']
    status, errors = error_of(styletransfer.main, [*arguments, '--out', tmp_path / 'run'])
    assert status == 2
    assert 'nothing of the photo is left in the region #00ff00 at --size 16' in errors
    assert not (tmp_path / 'run').exists()


def test_normalised_gradients_weigh_alike_at_the_start(tmp_path, monkeypatch):
    """Each term's weighted gradient has its weight's sum of absolute values."""
    out = paint(tmp_path / 'run', '--normalise-gradients', '--style-weight', '3',
                '--content-weight', '2', '--tv-weight', '1', '--content-layers', 'conv4_2',
                '--style-layers', 'conv1_1,conv2_1')
    state = journal.State.load(out / 'state_00.npz')
    seen = []
    original = styletransfer.balanced

    def balanced(loss, weights, start, noise):
        seen.append((loss, weights, start))
        return original(loss, weights, start, noise)

    monkeypatch.setattr(styletransfer, 'balanced', balanced)
    paint(tmp_path / 'again', '--normalise-gradients', '--style-weight', '3', '--content-weight',
          '2', '--tv-weight', '1', '--content-layers', 'conv4_2', '--style-layers',
          'conv1_1,conv2_1')
    (loss, expected, start), = seen
    for index, (name, weight) in enumerate(expected.items()):
        loss.weigh({**dict.fromkeys(loss.names, 0.0), name: state.weights[index]})
        _, gradient = loss(start.astype('float32'))
        assert np.abs(gradient).sum() == pytest.approx(weight, rel=1e-4), name


def test_a_tiled_run_paints_what_a_whole_one_does(tmp_path):
    arguments = ['--size', '160', '--content-layers', 'conv2_2', '--style-layers',
                 'conv1_1,conv2_1', '--evals', '2']
    whole = paint(tmp_path / 'whole', *arguments)
    parameters = record_of(whole)['parameters']
    limit = (record_of(whole)['plan']['bytes'] - 4e6) / (1 - memory.RESERVE)
    tiled = paint(tmp_path / 'tiled', *arguments, '--memory', f'{limit / 1e6:.0f}M')
    record = record_of(tiled)
    assert parameters['tiles'] is None and record['parameters']['tiles'] == record['plan']['core']
    assert all(length % 2 == 0 for length in record['plan']['core'])
    losses = [np.genfromtxt(folder / 'losses.csv', delimiter=',', skip_header=1)
              for folder in (whole, tiled)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)


@pytest.mark.parametrize('arguments, words', [
    (['--style', 'a.png', 'b.png', '--style-blend', '1'], '1 shares for 2 paintings'),
    (['--style-blend', '0'], "'0' is not a number above 0"),
    (['--style-scale', '-1'], "'-1' is not a number above 0"),
    (['--masks', 'a.png'], 'one of the photo and one of each painting, 2 in all'),
    (['--style', '{red}', '--masks', '{halves}', '{black}'],
     "#00ff00 of the photo's mask is in no painting's mask"),
    (['--masks', '{photo}', '{black}'], 'each is a region; take up to 8'),
    (['--masks', 'nowhere.png', '{black}'], 'there is no picture nowhere.png'),
    (['--phases', '4'], 'the first of 4 would have 4 pixels'),
    (['--style-statistics', 'mode'], 'mean_variance'),
    (['--colours', 'sepia'], 'luminance'),
    (['--optimiser', 'sgd'], 'adam'),
    (['--rate', '0'], "'0' is not a number above 0"),
    (['--save-every', '0'], "'0' is not a whole number from 1 up"),
    (['--memory', '4'], 'write it like 4G'),
    (['--memory', '100M'], 'too large for 0.10 GB of memory'),
    (['--grid', 'size', '1'], "'size' with 1 values; name one of content-layers"),
    (['--grid', 'tv-weight'], 'with 0 values'),
    (['--grid', 'tv-weight', 'much'], "tv-weight: 'much' is not a number"),
    (['--grid', 'pool', 'median'], "'median' is none of max"),
    (['--grid', 'seed', '1', '--grid', 'pool', 'max', '--grid', 'tv-weight', '1'],
     'two options at most'),
    (['--grid', 'seed', '1', '--grid', 'seed', '2'], 'seed is given twice'),
    (['--rate', '10'], "it is Adam's; add --optimiser adam"),
    (['--optimiser', 'adam', '--corrections', '10'], "they are L-BFGS's"),
    (['--impl', 'torch'], 'neural_style'),
])
def test_wrong_requests_are_one_line(tmp_path, monkeypatch, error_of, pictures, arguments, words):
    monkeypatch.chdir(tmp_path)
    arguments = [argument.format(**{path.stem: path for path in pictures.iterdir()})
                 for argument in arguments]
    status, errors = error_of(styletransfer.main, ['--size', '32', *arguments])
    assert status == 2 and words in errors
    assert not (tmp_path / 'runs').exists()


@pytest.fixture
def shrinking(tmp_path):
    """Return a weight file in whose network each layer's activations are a hundredth of the
    one's before, as default weights do not expect it."""
    random, arrays = np.random.RandomState(0), {}

    def array(key, shape):
        scale = 0.01 * np.sqrt(2 / np.prod(shape[1:])) if key.endswith('.W') else 0
        arrays[key] = (random.normal(size=shape) * scale).astype('float32')
        return arrays[key]

    models.build('vgg19_quarter', array=array)
    np.savez(tmp_path / 'shrinking.npz', **arrays)
    return tmp_path / 'shrinking.npz'


def test_weights_that_fit_the_network_badly_are_told_at_the_start(tmp_path, shrinking, caplog):
    weights = ['--weights', shrinking]
    out = paint(tmp_path / 'bad', *weights)
    told, = [message for message in caplog.messages if 'do not fit' in message]
    assert '--normalise-gradients' in told and 'conv1_1' in told and 'conv2_1' in told
    terms = [value for name, value in terms_of(out).items() if name.startswith('style')]
    assert max(terms) > 1e10 * min(terms)
    caplog.clear()
    paint(tmp_path / 'normalised', *weights, '--normalise-gradients')
    paint(tmp_path / 'one', *weights, '--style-layers', 'conv1_1')
    paint(tmp_path / 'embedded')
    assert not [message for message in caplog.messages if 'do not fit' in message]


def test_photo_and_paintings_may_be_given_by_their_places(error_of):
    for arguments in (['a.jpg', 'b.jpg', 'c.jpg', '--seed', '2'],
                      ['--content', 'a.jpg', '--style', 'b.jpg', 'c.jpg']):
        options = styletransfer.parse(arguments)
        assert options.content == 'a.jpg' and options.style == ['b.jpg', 'c.jpg']
    assert styletransfer.parse(['a.jpg', '--style', 'b.jpg']).style == ['b.jpg']
    status, errors = error_of(styletransfer.main, ['a.jpg', '--content', 'b.jpg'])
    assert status == 2 and 'argument --content: it is given twice' in errors
