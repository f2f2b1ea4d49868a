"""The generators that ship are the ones that their README describes, and paint without faults."""

import json

from models import feedforward
from models.weights import files

import numpy as np
import pytest

from recipes.common import images, runs
from recipes.feedforward import applying, enlarging, generators, measures

PAINTERS = generators.named(photo=True)
TEXTURES = generators.named(photo=False)
ENLARGING = generators.named(enlarging=True)
SIZE = 96  # pixels


@pytest.fixture(scope='module')
def painters():
    """Return the painters by name."""
    return {name: applying.Painter(generators.find(name), 10 ** 10)
            for name in PAINTERS + TEXTURES}


def grain(seed, size=SIZE):
    """Give smooth noise that is alike everywhere: RGB uint8."""
    random = np.random.RandomState(seed)
    spectrum = np.fft.rfft2(random.normal(size=(size, size, 3)), axes=(0, 1))
    frequencies = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))[..., None]
    smooth = np.fft.irfft2(spectrum / (0.05 + frequencies) ** 1.5, axes=(0, 1))
    return np.clip(120 + 45 * smooth / smooth.std(), 0, 255).astype('uint8')


def test_there_are_styles_and_a_texture():
    assert len(PAINTERS) >= 3 and len(TEXTURES) >= 1 and len(ENLARGING) >= 2


@pytest.mark.parametrize('name', PAINTERS + TEXTURES + ENLARGING)
def test_each_has_its_log_its_hash_and_its_provenance(name):
    path = generators.find(name)
    readme = (path.parent / 'README.md').read_text()
    assert files.sha256(path)[:16] in readme and f'`{name}`' in readme
    log = json.loads(path.with_suffix('.json').read_text())
    assert log['val_loss_history'][-1] < 0.9 * log['val_loss_history'][0]
    with files.WeightFile(path) as file:
        settings = file.provenance()['settings']
        assert file.arrays['paint.W'].dtype == 'float16'
    assert len(log['train_loss_history']) == settings['steps'] // 20  # of each twentieth step
    painting = images.ASSETS / settings.get('painting', 'none')
    if painting.exists():
        rgb = images.resize(images.read(painting), settings['style_size'])
        assert runs.pixel_hash(rgb) == settings['style']


@pytest.mark.parametrize('name', PAINTERS)
def test_borders_look_like_the_inside(painters, name):
    # Rolled so, each pixel of the noise is near an edge equally often.
    step = 2 * measures.EDGE
    rolls = [np.roll(grain(0), (down, right), (0, 1)) for down in range(0, SIZE, step)
             for right in range(0, SIZE, step)]
    painted = np.array([painters[name].paint(rgb) for rgb in rolls])
    inside = painted[:, measures.EDGE:-measures.EDGE, measures.EDGE:-measures.EDGE]
    everywhere, within = (rgb.reshape(-1, 3).astype('float64') for rgb in (painted, inside))
    outside = ((everywhere.sum(axis=0) - within.sum(axis=0)) / (len(everywhere) - len(within)))
    assert np.abs(outside - within.mean(axis=0)).max() < 3  # 2.2 measured; a frame has tens
    assert 0.7 < np.mean([measures.border(rgb)[1] for rgb in painted]) < 1.4


@pytest.mark.parametrize('name', PAINTERS)
@pytest.mark.parametrize('level', [0, 128, 255])
def test_one_grey_becomes_one_colour(painters, name, level):
    painted = painters[name].paint(np.full((96, 130, 3), level, 'uint8'))
    assert np.ptp(painted, axis=(0, 1)).max() <= 1


@pytest.mark.parametrize('name', PAINTERS)
def test_the_photo_can_be_made_out_and_is_painted(painters, name):
    photo = images.resize(images.read(images.bundled_photo()), 128)
    painted = painters[name].paint(photo)
    greys = [images.resize_to(rgb, 16, 16).astype('float64').mean(axis=2).ravel()
             for rgb in (photo, painted)]
    assert np.corrcoef(greys)[0, 1] > 0.3  # in what is light and dark, coarsely
    assert np.abs(painted.astype(int) - photo).mean() > 20


@pytest.mark.parametrize('name', TEXTURES)
def test_textures_go_round_differ_and_have_the_colour(painters, name):
    made = [painters[name].texture(256, 256, seed) for seed in (1, 2, 3)]
    # One edge may fall between stones; steps between pairs of pixels are 1.2 times the mean.
    assert np.mean([measures.seam(rgb) for rgb in made]) < 1.4
    assert np.mean([measures.seam(rgb[:200, :200]) for rgb in made]) > 2
    assert measures.diversity(made) > 0.7
    with files.WeightFile(generators.find(name)) as file:
        settings = file.provenance()['settings']
    texture = images.read(images.ASSETS / settings['painting'])
    for rgb in made:
        assert np.abs(rgb.mean(axis=(0, 1)) - texture.mean(axis=(0, 1))).max() < 3


@pytest.mark.parametrize('name', PAINTERS)
def test_there_is_no_checkerboard(painters, name):
    for path in ('astronaut.png', 'chelsea.png'):
        photo = images.square(images.read(images.bundled_photo().with_name(path)), 192)
        assert measures.checkerboard(painters[name].paint(photo)) < 1.5  # without grid_loss 3 to 5


def test_features_restore_more_of_what_is_fine_and_pixels_a_higher_psnr():
    found = {}
    for name in ('enlarge_4', 'enlarge_4_pixels'):
        painter, rows = applying.Painter(generators.find(name), 10 ** 10), []
        for path in ('astronaut.png', 'chelsea.png', 'coffee.png'):
            photo = images.square(images.read(images.bundled_photo().with_name(path)), 192)
            rows.append(enlarging.measured(painter.paint(enlarging.lowered(photo, 4)), photo))
        found[name] = np.mean(rows, axis=0)
    assert found['enlarge_4'][2] > 1.2 * found['enlarge_4_pixels'][2]
    assert found['enlarge_4'][0] < found['enlarge_4_pixels'][0]


def test_they_have_the_parameters_that_are_told():
    for name, width, count in (('windy_night', 0.5, 424899), ('mosaic', 0.25, 108771)):
        net, description = generators.load(generators.find(name))
        assert feedforward.parameter_count(net) == count and description.width == width
