"""Generators: parameters, sizes, what padding promises, and PyTorch's output."""

from pathlib import Path

from models import feedforward
from models.errors import ArchiveError
from models.feedforward import DIALECTS
from models.weights import generators as conversion

import lasagne
import numpy as np
import pytest

from recipes.feedforward import generators

GOLDEN = Path(__file__).parents[1] / 'golden'


@pytest.mark.parametrize('dialect, width, count', [
    ('johnson_eccv16', 1, 1679235), ('johnson', 0.5, 424899), ('pytorch', 1, 1679235),
    ('archive', 0.25, 108771), ('texture', 1, 116915), ('texture_paper', 1, 71659),
    ('stylisation_paper', 1, 118211),
    # 68,411 are stored, of which the merges' lack 96: their eight stand for all.
    ('stylisation', 1, 68411 + 96)])
def test_generators_have_the_published_numbers_of_parameters(dialect, width, count):
    net = feedforward.build(DIALECTS[dialect]._replace(width=width))
    assert feedforward.parameter_count(net) == count


def test_plain_blocks_have_as_many_parameters_as_residual_ones():
    counts = {feedforward.parameter_count(feedforward.build(DIALECTS['archive']._replace(
        block=block))) for block in ('residual', 'plain')}
    assert len(counts) == 1


@pytest.mark.parametrize('dialect', ['johnson', 'archive', 'pytorch', 'tensorflow'])
def test_output_sizes_follow_the_law(dialect):
    description = DIALECTS[dialect]
    net = feedforward.build(description._replace(width=0.1))
    for rows, columns in ((16, 17), (18, 19), (681, 1024), (630, 1200), (101, 64)):
        found = lasagne.layers.get_output_shape(net['output'],
                                                {net['input']: (1, 3, rows, columns)})
        wanted = [feedforward.output_size(description, length) for length in (rows, columns)]
        assert list(found) == [1, 3, *wanted]


@pytest.mark.parametrize('photo, published', [((1024, 681), (1022, 682)), ((512, 340), (510, 338)),
                                              ((1200, 631), (1198, 630))])
def test_published_sizes_are_the_laws_without_the_median_filters_border(photo, published):
    # jcjohnson/fast-neural-style shows its results through a median of 3x3, whole windows only.
    found = tuple(feedforward.output_size(DIALECTS['johnson'], length) - 2 for length in photo)
    assert found == published


def test_pyramids_take_multiples_only():
    assert feedforward.output_size(DIALECTS['texture'], 96) == 96
    with pytest.raises(ArchiveError, match='multiples of 32'):
        feedforward.output_size(DIALECTS['texture'], 100)
    assert feedforward.multiple(DIALECTS['stylisation']) == 16


def test_textures_go_round(tmp_path):
    description = DIALECTS['texture_instance']._replace(scales=3, width=0.5)
    net = feedforward.build(description)
    paint = generators.compile_generator(net, description)
    noise = feedforward.noise_for(description, 24, 32, 1, np.random.RandomState(0))
    whole = paint(*noise)
    assert whole.shape == (1, 3, 24, 32) and whole.std() > 0
    # Rolled by one at the coarsest scale is rolled by two and four at the finer ones.
    rolled = paint(*(np.roll(array, 2 ** index, axis=(2, 3)) for index, array in enumerate(noise)))
    np.testing.assert_allclose(rolled, np.roll(whole, 4, axis=(2, 3)), atol=1e-5)


def test_a_legacy_pth_generator_gives_pytorchs_output(tmp_path):
    target = tmp_path / 'mosaic.npz'
    provenance = conversion.convert(GOLDEN / 'generator_legacy.pth', target)
    net, description = generators.load(target)
    assert description == DIALECTS['pytorch']._replace(width=1 / 16)
    assert provenance['parameters'] == feedforward.parameter_count(net)
    with np.load(GOLDEN / 'generators.npz') as golden:
        photo, wanted = golden['photo'], golden['painted']
    mean = np.reshape(feedforward.VGG_MEAN_PIXEL, (1, 3, 1, 1)).astype('float32')
    painted = generators.compile_generator(net, description)(photo[:, ::-1] - mean)
    found = (painted + mean)[:, ::-1]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-5 * 255)


def test_a_description_out_of_a_file_is_checked():
    entries = DIALECTS['archive']._asdict()
    assert generators.checked('a.npz', entries) == DIALECTS['archive']
    for name, value in (('padding', 'mirror'), ('width', 1e9), ('blocks', 2.5), ('width', True),
                        ('normalise_last', 'yes'), ('scales', 40)):
        with pytest.raises(ArchiveError, match=f'not known: {name}'):
            generators.checked('a.npz', {**entries, name: value})
    with pytest.raises(ArchiveError, match='broken at description'):
        generators.checked('a.npz', {'width': 1})
