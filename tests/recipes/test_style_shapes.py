"""Pictures that belong together have one shape, and transparency that is put back."""

import json

from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes import styletransfer
from recipes.common import images
from recipes.style import masks, work

# Few layers, since every set of them is compiled.
SHALLOW = ['--content-layers', 'conv2_2', '--style-layers', 'conv1_1,conv2_1']
SMALL = ['--size', '32', '--rounds', '1', '--evals', '2', '--quiet', *SHALLOW]


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Return a folder with a photo of 48x64 pixels, the same as a camera held upright stores it,
    masks of several shapes and a photo whose left half is transparent."""
    folder = tmp_path_factory.mktemp('shapes')
    random = np.random.RandomState(0)
    photo = Image.fromarray(random.randint(0, 255, (6, 8, 3), 'uint8')).resize((64, 48))
    photo.save(folder / 'photo.png')
    exif = Image.Exif()
    exif[274] = 6
    photo.save(folder / 'turned.png', exif=exif)  # to be shown as 48x64
    for name, size in (('same', (64, 48)), ('half', (32, 24)), ('upright', (48, 64)),
                       ('square', (64, 64)), ('nearly', (63, 48))):
        mask = Image.new('RGB', size)
        mask.paste((255, 255, 255), (0, 0, size[0] // 2, size[1]))
        mask.save(folder / f'{name}.png')
        mask.save(folder / f'{name}_turned.png', exif=exif)
    clear = photo.convert('RGBA')
    clear.paste((200, 30, 30, 0), (0, 0, 32, 48))
    clear.save(folder / 'clear.png')
    clear.save(folder / 'clear_turned.png', exif=exif)
    return folder


def scene_of(folder, *arguments):
    arguments = [argument.format(**{path.stem: path for path in folder.iterdir()})
                 for argument in arguments]
    return work.read_scene(styletransfer.parse([*SMALL, *arguments]))


@pytest.mark.parametrize('arguments', [
    ['--masks', '{same}', '{same}'], ['--masks', '{half}', '{nearly}'],
    ['--masks', '{same}', '{same}', '--crop'], ['--style-mask', '{half}'],
    ['--content', '{turned}', '--masks', '{same_turned}', '{half}'],
    ['--content', '{turned}', '--masks', '{upright}', '{half}'],
    ['--style', '{turned}', '--style-mask', '{same_turned}']])
def test_masks_of_one_shape_with_their_picture_are_taken(pictures, arguments):
    scene = scene_of(pictures, '--content', '{photo}', '--style', '{photo}', *arguments)
    assert scene.guided and not scene.notes
    if '--crop' in arguments:
        assert scene.photo.shape == scene.photo_mask.shape == (48, 48, 3)


@pytest.mark.parametrize('arguments, words', [
    (['--masks', '{square}', '{same}'], 'square.png is 64x64 pixels and its picture .*photo.png, '
                                        'upright as its camera says, 64x48: draw it'),
    (['--masks', '{same}', '{upright}'], 'upright.png is 48x64 pixels'),
    (['--content', '{turned}', '--masks', '{same}', '{same}'],
     'same.png is 64x48 pixels and its picture .*turned.png.*48x64: turn it too'),
    (['--content', '{photo}', '--masks', '{same_turned}', '{same}'], 'same_turned.png is 48x64'),
    (['--masks', '{square}', '{square}', '--crop'], 'square.png is 64x64'),
    (['--style-mask', '{square}'], 'the mask .*square.png is 64x64 pixels'),
    (['--style', '{turned}', '--style-mask', '{same}'], 'turn it too')])
def test_masks_of_another_shape_are_refused(pictures, arguments, words):
    with pytest.raises(ArchiveError, match=words):
        scene_of(pictures, '--content', '{photo}', '--style', '{photo}', *arguments)


@pytest.mark.parametrize('shape, other, same', [
    ((480, 640), (481, 641), True), ((480, 640), (480, 600), False),
    ((1000, 667), (100, 67), True), ((1000, 667), (100, 66), True),
    ((1000, 667), (100, 64), False), ((160, 2000), (160, 1900), False)])
def test_shapes_are_compared_within_a_pixel(shape, other, same):
    assert masks.same_shape(shape, other) == masks.same_shape(other, shape) == same


def test_a_start_of_another_shape_is_stretched_and_told(pictures):
    scene = scene_of(pictures, '--content', '{photo}', '--init', '{upright}')
    assert len(scene.notes) == 1 and 'it is stretched' in scene.notes[0]
    assert '48x64 pixels and the photo 64x48' in scene.notes[0]
    assert scene_of(pictures, '--content', '{photo}', '--init', '{half}').notes == []


def test_transparency_is_put_back_on_the_result(pictures, tmp_path):
    out = tmp_path / 'run'
    styletransfer.main([*SMALL, '--content', str(pictures / 'clear.png'), '--keep-transparency',
                        '--out', str(out)])
    result = np.asarray(Image.open(out / 'result.png'))
    assert result.shape == (32, 43, 4)
    assert not result[:, :19, 3].any() and (result[:, 24:, 3] == 255).all()
    assert Image.open(out / 'round_01.png').mode == 'RGB'
    record = json.loads((out / 'run.json').read_text())
    assert record['parameters']['alpha_pixels'] and record['notes'] == []
    opaque, alpha = images.read_with_alpha(out / 'result.png')
    np.testing.assert_array_equal(np.dstack([opaque, alpha]), result)


def test_transparency_is_turned_and_cropped_with_its_photo(pictures):
    scene = scene_of(pictures, '--content', '{clear_turned}', '--keep-transparency')
    assert scene.photo.shape == (64, 48, 3) and scene.alpha.shape == (64, 48)
    assert not scene.alpha[:32].any() and (scene.alpha[32:] == 255).all()
    assert (scene.photo[:32] == 255).all()  # painted over white
    cropped = scene_of(pictures, '--content', '{clear}', '--keep-transparency', '--crop')
    assert cropped.alpha.shape == (48, 48)
    assert cropped.with_alpha(np.zeros((20, 20, 3), 'uint8')).shape == (20, 20, 4)


def test_a_photo_without_transparency_is_told(pictures):
    scene = scene_of(pictures, '--content', '{photo}', '--keep-transparency')
    assert 'nothing of' in scene.notes[0] and scene.alpha is None
    rgb = images.read(pictures / 'photo.png')
    assert scene.with_alpha(rgb) is rgb
