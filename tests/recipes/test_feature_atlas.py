"""The atlas: patches and projections, motifs, the page's data, errors; the page itself in Chromium.
"""

import base64
import json

import models

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from recipes import feature_atlas, styletransfer
from recipes.common import images, palettes, projections, receptive_fields, runs
from recipes.common.networks import load_to
from recipes.style import motifs, selections
from recipes.style.loss import Looker, Painting, StyleLoss

LAYERS = 'conv1_1,conv3_1,conv4_1'


@pytest.fixture(scope='module')
def picture(tmp_path_factory):
    """Return the path of a picture that is no square, and has a name that HTML would take amiss."""
    path = tmp_path_factory.mktemp('pictures') / 'a <b> & c.png'
    Image.fromarray(images.resize(images.read(images.PAINTING), 72)).save(path)
    return path


@pytest.fixture(scope='module')
def finished(tmp_path_factory, picture):
    """Return the folder of an atlas of three layers."""
    out = tmp_path_factory.mktemp('runs') / 'atlas'
    feature_atlas.main([str(picture), '--layers', LAYERS, '--size', '72', '--out', str(out),
                        '--patches', '2', '--quiet'])
    return out


def data_of(folder):
    text = (folder / 'atlas.html').read_text()
    return json.loads(text.split('id="atlas">')[1].split('</script>')[0])


def heat_of(entry):
    heat = np.frombuffer(base64.b64decode(entry['heat']), 'uint8')
    return heat.reshape(entry['rows'], entry['columns'])


@pytest.fixture(scope='module')
def looked_at(picture):
    """Return (net, image, activations) of the picture."""
    net, _, mean_pixel = models.load('vgg19_quarter', pool='average_exc_pad', deepest='conv4_1')
    image = images.prepare(images.resize(images.read(picture), 72), mean_pixel)
    return net, image, projections.compile_activations(net, LAYERS.split(','))(image)


def test_every_channel_is_on_the_page_once(finished, looked_at):
    atlas = data_of(finished)
    for layer, activation in zip(LAYERS.split(','), looked_at[2]):
        silent = np.flatnonzero(activation[0].max(axis=(1, 2)) <= 1e-6 * activation.max())
        entry, = (entry for entry in atlas['layers'] if entry['name'] == layer)
        assert entry['silent'] == silent.tolist() and entry['channels'] == activation.shape[1]
        shown = [c['channel'] for c in atlas['channels'] if c['layer'] == layer]
        assert sorted([*shown, *silent]) == list(range(activation.shape[1]))
        grouped = [c for motif in atlas['motifs'] if motif['layer'] == layer
                   for c in motif['channels']]
        assert sorted(grouped) == sorted(shown)
        sums = activation[0].sum(axis=(1, 2))
        for channel in atlas['channels']:
            if channel['layer'] == layer:
                expected = sums[channel['channel']] / sums.max()
                assert channel['strength'] == pytest.approx(expected, abs=1e-4)


def test_heat_maps_are_hot_where_the_channel_fires(finished, looked_at):
    activation = looked_at[2][2][0]
    channels = [c for c in data_of(finished)['channels'] if c['layer'] == 'conv4_1']
    assert len(channels) > 50
    for entry in channels:  # 9 x 11 positions: no coarser grid is needed
        own = activation[entry['channel']]
        white = np.percentile(own, motifs.WHITE)
        np.testing.assert_allclose(heat_of(entry), np.clip(own / white, 0, 1) * 255, atol=0.51)


@pytest.mark.parametrize('layer', [0, 1, 2])
def test_projections_in_windows_are_those_of_the_whole_picture(looked_at, layer):
    net, image, activations = looked_at
    assert_windows_give_the_projections(net, LAYERS.split(',')[layer], image, activations[layer][0])


def test_windows_fit_a_network_without_padding(looked_at):
    """The maps of SqueezeNet and of AlexNet's kin are smaller than the picture by the strides."""
    net, image, name = models.build('squeezenet', width=1 / 8), looked_at[1], 'fire2/concat'
    (activations,) = projections.compile_activations(net, [name])(image)
    assert activations.shape[2] != image.shape[2] // 4
    assert_windows_give_the_projections(net, name, image, np.maximum(activations[0], 0))


def assert_windows_give_the_projections(net, name, image, activation):
    fields = receptive_fields.receptive_field(net[name])
    options = feature_atlas.parse(['--patches', '4', '--quiet'])
    project = projections.compile_projection(net, [name], 'guided')
    patches = [patch for channel in (0, 3, 5, 9) for patch in feature_atlas.strongest_patches(
        fields, activation, channel, image.shape[2:], options)]
    rows, columns = activation.shape[1:]
    edges = [feature_atlas.Patch(1, number, place, tuple(
        edge for field, index, length in zip(fields, place, image.shape[2:])
        for edge in feature_atlas.along(field, index, length)))
        for number, place in enumerate([(0, 0), (rows - 1, columns - 1), (0, columns // 2)])]
    found = feature_atlas.project_patches(net[name], project, image, [*patches, *edges], activation,
                                          fields, options)
    assert len(patches) >= 4
    for patch in [*patches, *edges]:
        seed = np.zeros((1, *activation.shape), 'float32')
        seed[(0, patch.channel, *patch.place)] = 1
        expected = project(image, seed)[0]
        first, end, begin, stop = patch.window
        own = np.zeros_like(expected)
        own[:, first:end, begin:stop] = found[patch.channel, patch.rank]
        # float32 through up to ten convolutions; Winograd's sums depend on the tile's place.
        np.testing.assert_allclose(own, expected, rtol=0, atol=2e-5 * abs(expected).max() + 1e-12)


def test_patches_are_the_strongest_and_apart(looked_at):
    net, image, activations = looked_at
    fields = receptive_fields.receptive_field(net['conv3_1'])
    options = feature_atlas.parse(['--patches', '5'])
    own = activations[1][0, 7]
    patches = feature_atlas.strongest_patches(fields, activations[1][0], 7, image.shape[2:],
                                              options)
    assert own[patches[0].place] == own.max()
    values = [own[patch.place] for patch in patches]
    assert values == sorted(values, reverse=True) and min(values) > 0.1 * own.max()
    for index, patch in enumerate(patches):
        for other in patches[:index]:
            assert np.abs(np.subtract(patch.place, other.place)).max() > 24 // 2 // 4


def test_channels_that_fire_at_the_same_things_are_a_motif():
    rows, columns = np.mgrid[:32, :32]
    random = np.random.RandomState(0)
    left, right = columns < 12, columns > 20
    activation = np.array([place * random.uniform(1, 2, (32, 32)) * scale for place, scale in (
        (left, 1), (right, 5), (left, 9), (right, 2), (left, 2), (rows < 0, 1))])
    numbers = motifs.group(activation, 2)
    assert numbers[5] == -1 and numbers[0] == numbers[2] == numbers[4] == 0  # the stronger first
    assert numbers[1] == numbers[3] == 1
    heats = motifs.heats(activation, numbers)
    assert heats.max() == 1 and heats[0][:, 16:].max() < 0.05 and heats[1][:, :16].max() < 0.05


def moon():
    """Return where the white middle of the moon is in the painting, boolean (256, 320), and the
    painting, RGB."""
    rows, columns = np.mgrid[:256, :320]
    return np.hypot(rows - 58, columns - 95) < 10, images.resize(images.read(images.PAINTING), 256)


def test_a_motif_has_the_colour_of_what_it_fires_on_most_densely():
    """Of the moon, though faint fire on the whole sky sums up to more."""
    there, rgb = moon()
    lab = palettes.to_lab(rgb)
    assert palettes.looks_of(lab, there)[0][0] == 'white'
    fire = np.where(there, 1.0, 0)
    fire[::4, ::4] = np.maximum(fire[::4, ::4], 0.6)  # single strokes, 3 times what the moon has
    assert palettes.looks_of(lab, fire)[0][0] == 'blue'
    small = fire[::2, ::2]  # as a layer after one pooling has it
    for map_ in (fire, small):
        look = feature_atlas.motif_look(motifs.fired_on(map_[None])[0], lab, 12.4)
        assert look.colours == ('white', 'yellow') and look.size == 12
        assert look.places[0] == 'upper left'


def test_a_map_that_is_everywhere_alike_has_the_colours_of_the_whole_picture():
    _, rgb = moon()
    lab = palettes.to_lab(rgb)
    kept = motifs.fired_on(np.ones((1, 64, 80)))[0]
    assert feature_atlas.colours_where(kept, lab)[0][0] == palettes.looks_of(
        lab, np.ones(lab.shape[:2]))[0][0]


@pytest.mark.parametrize('row, column, name', [
    (0, 0, 'upper left'), (4, 5, 'middle'), (8, 9, 'lower right'), (4, 0, 'middle left'),
    (0, 5, 'upper middle')])
def test_places_have_names(row, column, name):
    map_ = np.zeros((9, 10))
    map_[row, column] = 1
    map_[8, 0] += 0.5
    assert motifs.places(map_) == [name, 'lower left']


def test_titles_of_a_layer_differ():
    def look(colours, size=6, places=('upper left', 'middle'), two=False):
        return motifs.Look(colours, two, size, places)

    blue, mixed = ('blue', 'cyan'), ('blue', 'green')
    assert motifs.titles([look(blue), look(('red',)), look(blue, 7)]) == [
        'blue, 6 px, upper left', 'red, 6 px, upper left', 'blue, 7 px, upper left']
    assert motifs.titles([look(blue, two=True), look(blue, 7)]) == [
        'blue and cyan, 6 px, upper left', 'blue, 7 px, upper left']
    assert motifs.titles([look(blue), look(mixed)]) == [
        'blue and cyan, 6 px, upper left', 'blue and green, 6 px, upper left']
    assert motifs.titles([look(blue), look(blue, places=('upper left', 'lower left'))]) == [
        'blue and cyan, 6 px, upper left and middle',
        'blue and cyan, 6 px, upper left and lower left']
    assert motifs.titles([look(blue)] * 2 + [look(('red',))]) == [
        'blue and cyan, 6 px, upper left and middle, motif 0',
        'blue and cyan, 6 px, upper left and middle, motif 1', 'red, 6 px, upper left']


def test_titles_on_the_page_differ_and_name_the_pixels_that_a_motif_fires_on(finished, picture,
                                                                             looked_at):
    """Against a slow count, pixel by pixel: of those where the map on the page is half or more."""
    atlas, lab = data_of(finished), palettes.to_lab(images.resize(images.read(picture), 72))
    for layer in LAYERS.split(','):
        titles = [motif['title'] for motif in atlas['motifs'] if motif['layer'] == layer]
        assert len(titles) == len(set(titles)) >= 2
    activation = looked_at[2][0][0]  # of conv1_1, which has a position for each pixel
    white = np.percentile(activation, motifs.WHITE, axis=(1, 2))
    for motif in (motif for motif in atlas['motifs'] if motif['layer'] == 'conv1_1'):
        own = [np.clip(activation[channel] / white[channel], 0, 1) for channel in motif['channels']]
        fire = np.mean(own, axis=0)
        heat = gaussian_filter(fire.astype('float64'), 0.03 * min(fire.shape))
        heat = np.maximum(heat - np.median(heat), 0)
        shares = {}
        for row, column in np.argwhere(heat >= heat.max() / 2):
            name = str(palettes.names_of(lab[row, column]))
            shares[name] = shares.get(name, 0) + fire[row, column]
        first = max(shares, key=shares.get)
        assert motif['title'].startswith((f'{first},', f'{first} and '))


@pytest.mark.parametrize('layer, stride, titles', [
    ('conv1_2', 1, {5: 'yellow, 18 px, middle left', 4: 'yellow, 40 px, lower right'}),
    ('conv2_1', 2, {7: 'white and yellow, 12 px, upper left'})])
def test_the_motifs_that_the_readme_names_are_what_it_says(layer, stride, titles):
    """README.md of the style: of the default network and size; strongest at the moon."""
    _, rgb = moon()
    net, mean_pixel = load_to([layer], 'vgg19_small', None, 'average_exc_pad')
    (activation,) = projections.compile_activations(net, [layer])(
        images.prepare(rgb, mean_pixel))
    activation = np.maximum(activation[0], 0)
    numbers = motifs.group(activation)
    shown = motifs.normalised(activation)
    sizes = {channel: motifs.extent(shown[channel], stride)
             for channel in np.flatnonzero(numbers >= 0)}
    found = feature_atlas.describe_motifs(layer, activation, numbers, sizes, palettes.to_lab(rgb))
    assert {number: found[number]['title'] for number in titles} == titles
    at_moon = [heat_of(motif)[int(0.228 * motif['rows']), int(0.297 * motif['columns'])]
               for motif in found]
    assert np.argsort(at_moon)[::-1][:len(titles)].tolist() == list(titles)


def test_a_layer_without_a_channel_that_fires_has_no_motif():
    silent = np.zeros((3, 8, 9))
    numbers = motifs.group(silent)
    assert (numbers == -1).all()
    heats = motifs.heats(silent, numbers)
    assert heats.shape == (0, 8, 9) and len(motifs.on_grid(heats, (800, 900))) == 0


def test_the_page_needs_nothing_but_itself(finished):
    text = (finished / 'atlas.html').read_text()
    assert '{{' not in text.replace('{{style}}', '') and "default-src 'none'" in text
    assert 'http://' not in text and 'https://' not in text and 'src="/' not in text
    assert text.count('</script>') == 2  # the picture's name ends nothing
    record = json.loads((finished / 'run.json').read_text())
    assert record['status'] == 'finished' and record['files'] == ['atlas.html']


@pytest.mark.parametrize('arguments, words', [
    (['nowhere.png'], 'there is no picture nowhere.png'),
    (['--layers', 'conv9'], 'conv9'),
    (['--layers', 'fc8'], 'fc8 has no rows and columns'),
    (['--patches', '0'], '--patches'),
    (['--motifs', '0'], '--motifs'),
    (['--size', '4'], 'from 16 up'),
])
def test_wrong_requests_are_one_line(tmp_path, monkeypatch, error_of, arguments, words):
    monkeypatch.chdir(tmp_path)
    status, errors = error_of(feature_atlas.main, arguments)
    assert status == 2 and words in errors
    assert not (tmp_path / 'runs').exists()


# --- what style transfer makes of a selection ---------------------------------------------------

def select(path, source, atlas, channels=(), chosen=(), **changes):
    """Save a selection that drops channels (layer, number) and motifs (layer, number)."""
    layers = {layer['name']: {'channels': layer['channels'], 'dropped': sorted(
        number for name, number in channels if name == layer['name'])} for layer in atlas['layers']}
    path.write_text(json.dumps({
        'format': selections.FORMAT, 'version': selections.VERSION, 'model': 'vgg19_quarter',
        'picture': {'name': source.name, 'pixels': runs.pixel_hash(images.read(source))},
        'threshold': 0.3, 'layers': layers,
        'motifs': [motif for motif in atlas['motifs']
                   if (motif['layer'], motif['motif']) in chosen], **changes}))
    return path


def paint(out, picture, *arguments):
    styletransfer.main(['--size', '32', '--rounds', '1', '--evals', '2', '--quiet', '--style',
                        str(picture), '--style-layers', LAYERS, '--out', str(out),
                        *map(str, arguments)])
    return json.loads((out / 'run.json').read_text())


def test_dropped_channels_and_places_leave_the_loss(tmp_path, picture, finished):
    atlas = data_of(finished)
    whole = paint(tmp_path / 'whole', picture)
    nothing = paint(tmp_path / 'nothing', picture, '--features',
                    select(tmp_path / 'n.json', picture, atlas))
    assert nothing['rounds'][0]['losses'] == whole['rounds'][0]['losses']
    dropped = [('conv1_1', number) for number in range(16) if number not in (2, 5)]
    dropped += [('conv4_1', number) for number in range(128)]
    some = paint(tmp_path / 'some', picture, '--features',
                 select(tmp_path / 's.json', picture, atlas, dropped))
    own, other = (record['rounds'][0]['losses'] for record in (some, whole))
    assert 'style conv4_1' not in own
    assert own['style conv3_1'] == pytest.approx(other['style conv3_1'], rel=1e-5)
    assert own['style conv1_1'] != pytest.approx(other['style conv1_1'], rel=1e-2)
    assert some['parameters']['kept_pixels'] == [None]
    motif = next(motif for motif in atlas['motifs'] if motif['layer'] == 'conv4_1')
    masked = paint(tmp_path / 'masked', picture, '--features', select(
        tmp_path / 'm.json', picture, atlas, chosen=[('conv4_1', motif['motif'])]))
    assert masked['parameters']['kept_pixels'] != [None]
    assert (tmp_path / 'masked' / 'style.png').exists()
    assert masked['rounds'][0]['losses']['style conv1_1'] != pytest.approx(
        other['style conv1_1'], rel=1e-3)


def test_of_two_paintings_places_are_taken_out_of_one_and_it_is_told(tmp_path, picture, finished,
                                                                   capsys):
    atlas = data_of(finished)
    path = select(tmp_path / 's.json', picture, atlas,
                  chosen=[('conv4_1', atlas['motifs'][-1]['motif'])])
    out = tmp_path / 'run'
    styletransfer.main(['--size', '32', '--rounds', '1', '--evals', '1', '--style', str(picture),
                        str(images.PAINTING), '--features', str(path), '--out', str(out)])
    assert f'places that of {picture.name} only' in capsys.readouterr().err
    one, other = json.loads((out / 'run.json').read_text())['parameters']['kept_pixels']
    assert one is not None and other is None


def test_a_run_with_a_selection_goes_on(tmp_path, picture, finished, error_of):
    atlas = data_of(finished)
    path = select(tmp_path / 's.json', picture, atlas, [('conv1_1', 3)],
                  [('conv4_1', atlas['motifs'][-1]['motif'])])
    paint(tmp_path / 'two', picture, '--features', path, '--rounds', '2')
    paint(tmp_path / 'one', picture, '--features', path)
    styletransfer.main(['--resume', str(tmp_path / 'one'), '--rounds', '2', '--quiet'])
    ends = [(tmp_path / name / 'round_02.png').read_bytes() for name in ('one', 'two')]
    assert ends[0] == ends[1]
    select(path, picture, atlas, [('conv1_1', 4)])
    status, errors = error_of(styletransfer.main,
                              ['--resume', tmp_path / 'one', '--rounds', '3', '--quiet'])
    assert status == 2 and 'cannot go on: dropped was' in errors


def test_a_run_without_one_of_its_layers_goes_on(tmp_path, picture, finished):
    path = select(tmp_path / 's.json', picture, data_of(finished),
                  [('conv4_1', number) for number in range(128)])
    data = json.loads(path.read_text())
    data['layers'] = {'conv4_1': data['layers']['conv4_1']}
    path.write_text(json.dumps(data))
    paint(tmp_path / 'run', picture, '--features', path)
    styletransfer.main(['--resume', str(tmp_path / 'run'), '--rounds', '2', '--quiet'])
    assert (tmp_path / 'run' / 'round_02.png').exists()


def test_the_loss_of_kept_channels_is_that_of_their_gram_matrix(picture):
    """Against numpy: the squared distance of kept rows and columns over 4 K^2."""
    net, _, mean_pixel = models.load('vgg19_quarter', pool='average_exc_pad', deepest='conv3_1')
    kept = np.array([1, 4, 30])
    loss = StyleLoss(net, [], ['conv3_1'], channels={'conv3_1': kept})
    painting, photo = (images.prepare(images.resize(images.read(path), 48), mean_pixel)
                       for path in (images.PAINTING, images.bundled_photo()))
    loss.aim_at(Looker(loss).targets(photo, [Painting(painting)]))
    found, gradient = loss(photo)
    grams = []
    for x in (painting, photo):
        (f,) = projections.compile_activations(net, ['conv3_1'])(x)
        f = f[0, kept].reshape(3, -1).astype('float64')
        grams.append(f @ f.T / f.shape[1])
    expected = ((grams[0] - grams[1]) ** 2).sum() / (4 * 3 ** 2)
    assert found[0] == pytest.approx(expected, rel=1e-4) and np.abs(gradient).max() > 0


@pytest.mark.parametrize('changes, arguments, words', [
    ({'picture': {'name': 'x', 'pixels': '0'}}, [], 'made on another picture'),
    ({'model': 'vgg19'}, ['--model', 'vgg19_quarter'],
     'made with vgg19, and this is vgg19_quarter'),
    ({'threshold': 7}, [], 'the threshold 7'),
    ({'layers': {'conv1_1': {'channels': 16, 'dropped': list(range(16))}}},
     ['--style-layers', 'conv1_1'], 'drops every channel of conv1_1'),
    ({}, ['--style-layers', 'conv2_2'], 'none of the style layers'),
])
def test_selections_that_do_not_fit_are_one_line(tmp_path, monkeypatch, error_of, picture, finished,
                                                 changes, arguments, words):
    monkeypatch.chdir(tmp_path)
    path = select(tmp_path / 's.json', picture, data_of(finished), **changes)
    status, errors = error_of(styletransfer.main, ['--size', '32', '--style', picture,
                                                   '--features', path, *arguments])
    assert status == 2 and words in errors
    assert not (tmp_path / 'runs').exists()
