"""Photos by file and folder, in batches of one shape, and broken ones."""

import models
from models.errors import ArchiveError, Incomplete

import numpy as np
import pytest

from recipes.common import photos


@pytest.fixture(scope='module')
def net():
    return models.build('vgg19', deepest='conv1_1', width=1 / 16)


def test_folders_and_files_are_found_by_name(folder_of_photos):
    found = photos.find([folder_of_photos / 'd.png', folder_of_photos])
    assert [path.name for path in found] == ['d.png', 'a.png', 'b.jpg', 'c.jpg']


def test_batches_have_one_shape_and_name_what_is_broken(folder_of_photos, net):
    pictures = photos.Photos(photos.find([folder_of_photos]), net, 20)
    batches = list(pictures.batches())
    assert [[path.name for path, _ in batch] for batch in batches] == [['a.png', 'b.jpg'],
                                                                       ['d.png']]
    assert photos.stack([rgb for _, rgb in batches[0]], np.zeros(3)).shape == (2, 3, 20, 30)
    assert len(pictures.problems) == 1 and 'c.jpg' in pictures.problems[0]
    with pytest.raises(Incomplete, match='1 of 4 photos were left out, the others are done'):
        pictures.finish()
    small = photos.Photos(photos.find([folder_of_photos]), net, 20, batch=1, square=True)
    assert [batch[0][1].shape for batch in small.batches()] == [(20, 20, 3)] * 3


def test_files_of_one_name_get_names_of_their_own(folder_of_photos, net, tmp_path):
    (tmp_path / 'a.png').write_bytes((folder_of_photos / 'a.png').read_bytes())
    paths = photos.find([folder_of_photos / 'a.png', tmp_path / 'a.png'])
    assert list(photos.Photos(paths, net, 20).names.values()) == ['a', 'a-2']


def test_only_broken_photos_are_an_error(folder_of_photos, net):
    broken = folder_of_photos / 'c.jpg'
    with pytest.raises(ArchiveError, match='c.jpg'):
        photos.Photos([broken], net, 20)
    pictures = photos.Photos([broken, folder_of_photos / 'gone.jpg'], net, 20)
    with pytest.raises(ArchiveError, match='c.jpg.*gone.jpg'):
        list(pictures.batches())
    with pytest.raises(ArchiveError) as problem:
        pictures.finish()
    assert not isinstance(problem.value, Incomplete)
