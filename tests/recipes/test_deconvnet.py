"""The deconvnet's figure, its choices of units, its diagnosis, and wrong requests."""

import csv
import json

import models

import numpy as np
import pytest
from lasagne.layers import Conv2DLayer, InputLayer
from PIL import Image

from recipes import deconvnet


@pytest.fixture(scope='module')
def finished(tmp_path_factory, folder_of_photos):
    """Return the folder of a run on three photos and a broken one."""
    out = tmp_path_factory.mktemp('runs') / 'short'
    with pytest.raises(deconvnet.photos.Incomplete, match='1 of 4 photos'):
        deconvnet.main([str(folder_of_photos), '--layer', 'conv2_2', '--channels', '4', '--top',
                        '2', '--size', '48', '--out', str(out), '--quiet'])
    return out


def table(path):
    with open(path) as file:
        return list(csv.DictReader(file))


def test_the_strongest_channels_are_projected_with_their_best_photos(finished):
    channels = table(finished / 'channels.csv')
    best = sorted(channels, key=lambda row: -float(row['mean']))[:4]
    sheets = sorted(finished.glob('conv2_2_*.npz'))
    assert {path.stem.split('_')[-1] for path in sheets} == {row['channel'] for row in best}
    for path in sheets:
        with np.load(path) as arrays:
            names = list(arrays)
            assert len(names) == 6 and names[0].split()[0] == 'patch'
            for name in names:
                array = arrays[name]
                if name.startswith('window'):
                    first, end, begin, stop = array
                    assert 0 <= first < end <= 48 and end - first == stop - begin
                    continue
                assert array.shape == ((14, 14, 3) if 'patch' in name else (3, 14, 14))
                assert array.any()
    assert (finished / 'figure.png').exists() and (finished / 'filters.png').exists()
    record = json.loads((finished / 'run.json').read_text())
    assert record['status'] == 'finished' and 'c.jpg' in record['problems'][0]


def test_dead_channels_are_reported(finished):
    survey = object.__new__(deconvnet.Survey)
    survey.layer, survey.paths, survey.positions = 'conv1_1', ['a', 'b'], 10
    survey.sums = np.array([20.0, 0, 10.0, 1e-3])
    survey.peaks = np.array([5.0, 0, 3.0, 2e-4])  # the layer's mean is 0.75
    assert survey.dead().tolist() == [False, True, False, True]
    assert '2 of 4 channels are dead on these 2 photos: 1, 3' in survey.sentence()
    for row in table(finished / 'channels.csv'):
        assert row['dead'] == '0' and 0 < float(row['share_active']) <= 1


def test_a_layer_that_never_fires_is_told(tmp_path, error_of, monkeypatch):
    original = deconvnet.models.load

    def dead(*arguments):
        net, classes, mean_pixel = original(*arguments)
        net['conv1_1'].b.set_value(net['conv1_1'].b.get_value() - 1e6)
        return net, classes, mean_pixel

    monkeypatch.setattr(deconvnet.models, 'load', dead)
    status, errors = error_of(deconvnet.main, ['--layer', 'conv1_1', '--quiet', '--out',
                                               tmp_path / 'run'])
    assert status == 2 and 'no channel of conv1_1 is above zero' in errors


@pytest.mark.parametrize('keep, expected', [('unit', 2), ('channel', 2), ('together', 1)])
def test_units_channels_or_all_units_at_once(tmp_path, keep, expected):
    deconvnet.main(['--layer', 'conv2_1', '--unit', '3', '--unit', '4', '--keep', keep,
                    '--size', '48', '--out', str(tmp_path / 'run'), '--quiet'])
    sheets = sorted((tmp_path / 'run').glob('conv2_1*.npz'))
    assert len(sheets) == expected
    with np.load(sheets[0]) as arrays:
        projection = arrays['projection astronaut']
    assert projection.shape == ((3, 10, 10) if keep == 'unit' else (3, 48, 48))
    # Winograd leaves rounding errors, 1e-7 of the largest, where nothing comes from.
    touched = (np.abs(projection) > 1e-5 * np.abs(projection).max()).any(axis=0).sum()
    if keep == 'together':  # the fields of two units, and no more
        assert 0 < touched <= 200
    if keep == 'channel':
        assert touched > 200


def test_explicit_and_gradient_draw_the_same(tmp_path):
    one = ['--layer', 'conv3_1', '--channels', '2', '--size', '48', '--quiet']
    deconvnet.main([*one, '--out', str(tmp_path / 'gradient')])
    deconvnet.main([*one, '--explicit', '--out', str(tmp_path / 'explicit')])
    assert (tmp_path / 'explicit' / 'steps.png').exists()
    assert not (tmp_path / 'gradient' / 'steps.png').exists()
    for path in (tmp_path / 'gradient').glob('conv3_1*.npz'):
        with np.load(path) as gradient, np.load(tmp_path / 'explicit' / path.name) as explicit:
            for name in gradient:
                largest = np.abs(gradient[name]).max()
                np.testing.assert_allclose(explicit[name], gradient[name], rtol=0,
                                           atol=1e-5 * largest)


def test_tiles_are_large_and_hold_the_signal_without_bars(finished):
    for path in finished.glob('conv2_2_*.png'):
        assert min(Image.open(path).size) >= 512
    random = np.random.RandomState(0)
    projection, rgb = np.zeros((3, 40, 50), 'float32'), random.randint(0, 256, (40, 50, 3), 'uint8')
    projection[:, :7, 45:] = random.normal(size=(3, 7, 5))  # in the corner
    net = first_layer(np.ones((2, 3, 3, 3), 'float32'), 1)
    shown = deconvnet.show(rgb, None, [(0, (2, 47))], lambda x: [np.ones((1, 2, 38, 48))],
                           lambda x, seed: projection[None], net['conv1'])
    first, end, begin, stop = shown.window
    assert (first, stop) == (0, 50) and end - first == stop - begin <= 9 and end >= 6
    assert shown.drawn_patch.shape == shown.drawn_projection.shape == (96, 96, 3)
    # Each pixel is a block of one colour, and the photo's own: no bar of grey.
    side = end - first
    rows = np.arange(96) * side // 96
    np.testing.assert_array_equal(shown.drawn_patch, rgb[first:end, begin:stop][np.ix_(rows, rows)])
    # The strongest colour alone reaches an end of the scale: nothing is clipped.
    drawn = shown.drawn_projection[[np.flatnonzero(rows == row)[0] for row in range(side)]]
    ends = ((drawn == 0) | (drawn == 255))[:, [np.flatnonzero(rows == c)[0] for c in range(side)]]
    assert ends.sum() == 1


@pytest.fixture
def drawn(monkeypatch):
    """Return the list of (titles, options) of the figures that are drawn, which are not."""
    saved = []
    monkeypatch.setattr(deconvnet.figures, 'save_grid',
                        lambda path, pictures, titles, *columns, **options: (
                            saved.append((titles, options)), path.write_text('')))
    return saved


ONE = ['--layer', 'conv2_1', '--size', '48']
BELOW = ', projected down by a deconvnet (left), and where that is in the photo (right)'


def test_the_figure_tells_network_layer_method_activations_and_order(tmp_path, drawn):
    deconvnet.main([*ONE, '--channels', '3', '--out', str(tmp_path / 'run'), '--quiet'])
    ((titles, options),) = drawn
    assert options['heading'] == f'vgg19_quarter, conv2_1: what excites each channel most{BELOW}'
    peaks = {row['channel']: float(row['peak'])
             for row in table(tmp_path / 'run' / 'channels.csv')}
    assert len(titles) == 3
    for title in titles:
        channel, activation = title[len('channel '):].split(': activation ')
        assert float(activation) == pytest.approx(peaks[channel], rel=0.005)
    for words in ('Grey is zero', 'colours are signed sums', 'the 3 channels with the largest sums',
                  'Channels that fire together stand together'):
        assert words in options['caption']


@pytest.mark.parametrize('keep, heading, title', [
    ('channel', 'all that excites each channel', 'channel 3 at row 2, column 5: activation '),
    ('together', 'what excites these units together', 'channels 3,2,5, 4')])
def test_the_figure_tells_what_was_kept(tmp_path, drawn, keep, heading, title):
    deconvnet.main([*ONE, '--unit', '3,2,5', '--unit', '4', '--keep', keep, '--out',
                    str(tmp_path / 'run'), '--quiet'])
    ((titles, options),) = drawn
    assert heading + BELOW in options['heading'] and titles[0].startswith(title)
    assert 'largest sums' not in options['caption'] and 'stand' not in options['caption']


def test_many_photos_have_their_range_of_activations():
    title = deconvnet.title_of([(7, None)], [250.4, 30, 4.567])
    assert title == 'channel 7: activations 250 to 4.57'
    assert deconvnet.heading_of('vgg19', 'conv1_1', 'unit', 2).endswith('in the photos (right)')


def test_one_photo_is_told_that_many_are_wanted(tmp_path, drawn, capsys):
    one = [*ONE, '--channels', '1']
    deconvnet.main([*one, '--out', str(tmp_path / 'run')])
    told = capsys.readouterr().err
    (line,) = [line for line in told.splitlines() if 'one photo' in line]
    assert 'the 9 that excite a channel most want a folder of many' in line
    assert 'layer_features.py --method deconvnet' in line
    for number, quiet in enumerate((['--quiet'], ['--top', '1'])):
        deconvnet.main([*one, *quiet, '--out', str(tmp_path / f'run-{number}')])
        assert 'one photo' not in capsys.readouterr().err


def test_strides_that_leave_a_pattern_are_told():
    net = models.build('squeezenet', width=1 / 16, deepest='pool3')
    words = deconvnet.stepped_over(net['pool3'])
    assert 'conv1 (3x3 every 2 pixels)' in words and 'pool3' in words
    assert deconvnet.stepped_over(models.build('vgg16', width=1 / 64)['conv3_1']) is None


def first_layer(kernels, stride):
    net = {'input': InputLayer((None, 3, None, None), name='input')}
    net['conv1'] = Conv2DLayer(net['input'], len(kernels), kernels.shape[2], stride=stride,
                               W=kernels, flip_filters=False, name='conv1')
    return net


def test_filters_that_their_stride_cannot_carry_are_aliased():
    """A stripe of two pixels a period is lost at stride 2; a smooth blob is not, nor at stride 1
    anything."""
    rows, columns = np.mgrid[:8, :8]
    stripe = np.where(columns % 2, 1.0, -1.0)
    blob = np.exp(-((rows - 3.5) ** 2 + (columns - 3.5) ** 2) / 8)
    kernels = np.array([[stripe] * 3, [blob] * 3], 'float32')
    assert deconvnet.FirstFilters(first_layer(kernels, 2)).aliased().tolist() == [True, False]
    assert deconvnet.FirstFilters(first_layer(kernels, 1)).aliased().tolist() == [False, False]
    sentence = deconvnet.FirstFilters(first_layer(kernels, 2)).sentence()
    assert 'conv1: 1 of 2 filters are aliased by its stride of 2: 0' in sentence


@pytest.mark.parametrize('arguments, words', [
    (['--layer', 'conv9_1'], ['conv9_1', 'did you mean']),
    (['--layer', 'fc8'], ['fc8 has no rows and columns']),
    (['--unit', '64'], ['conv3_4 has the channels 0 to 63', 'no 64']),
    (['--unit', '0,99,0'], ['32x32 units', '99,0']),
    (['--layer', 'conv1_1', '--unit', '{dead},0,0', '{black}'], ['is zero in every photo']),
    (['--keep', 'together'], ['needs units', '--unit']),
    (['--explicit', '--pool', 'average_exc_pad', '--layer', 'conv2_1'], ['no way down', 'pool1']),
    (['nowhere'], ['no picture or folder nowhere']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, error_of, monkeypatch, arguments,
                                                  words, dead_on_black):
    monkeypatch.chdir(tmp_path)
    black, dead = dead_on_black
    arguments = [argument.format(dead=dead, black=black) for argument in arguments]
    status, errors = error_of(deconvnet.main, [*arguments, '--quiet'])
    assert status == 2
    for word in words:
        assert word in errors
