"""The training of the embedded network: it learns, stays within its bounds, and goes on exactly."""

import shutil

import models
from models.embedded import train
from models.errors import ArchiveError

import numpy as np
import pytest
from PIL import Image

from recipes.common import training

WIDTH = 0.125


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Photos of two of the embedded network's classes: smooth blobs of two colours."""
    place = tmp_path_factory.mktemp('photos')
    random = np.random.RandomState(0)
    for wnid, colour in (('n01443537', (220, 120, 30)), ('n02124075', (40, 90, 200))):
        (place / wnid / 'images').mkdir(parents=True)
        for index in range(4):
            small = np.clip(random.normal(colour, 40, (4, 4, 3)), 0, 255).astype('uint8')
            Image.fromarray(small).resize((64, 64), Image.BICUBIC).save(
                place / wnid / 'images' / f'{index}.png')
    return place


@pytest.fixture(scope='module')
def teacher(tmp_path_factory):
    """Random weights of a narrow VGG-19 to conv3_1, as a file."""
    net = models.build('vgg19_normalized', deepest='conv3_1', width=WIDTH, seed=5)
    path = tmp_path_factory.mktemp('teacher') / 'teacher.npz'
    arrays = {parameter.name: parameter.get_value() for layer in net.values()
              for parameter in layer.get_params()}
    np.savez(path, **arrays, mean_pixel=train.MEAN_PIXEL, width=WIDTH)
    return path


@pytest.fixture(autouse=True)
def small_steps(monkeypatch):
    monkeypatch.setattr(train, 'SIZES', ((16, 4, 1.0),))
    monkeypatch.setattr(train, 'AVERAGE', 1.0)  # one function to compile instead of two
    monkeypatch.setattr(train, 'SAVE_EVERY', 2)
    monkeypatch.setattr(train, 'BATCH', 4)


def lower(folder, teacher, out, *more):
    train.main(['lower', str(folder), '--teacher', str(teacher), '--out', str(out), '--quiet',
                *map(str, more)])
    return out


def test_the_lower_part_goes_on_to_the_same_bytes(folder, teacher, tmp_path, monkeypatch):
    def save_and_keep(run, distillation, settings, step, history):
        save(run, distillation, settings, step, history)
        if step == 2:
            shutil.copy(run.folder / 'checkpoint.npz', tmp_path)

    save = train.save_lower
    monkeypatch.setattr(train, 'save_lower', save_and_keep)
    whole = lower(folder, teacher, tmp_path / 'whole', '--steps', 4)
    errors = np.loadtxt(whole / 'steps.csv', delimiter=',', skiprows=1)
    assert errors.shape == (4, 3 + len(train.DISTILLED)) and np.isfinite(errors).all()
    resumed = lower(folder, teacher, tmp_path / 'resumed', '--steps', 4,
                    '--resume', tmp_path / 'checkpoint.npz')
    for name in ('weights.npz', 'checkpoint.npz'):
        with np.load(whole / name) as one, np.load(resumed / name) as other:
            assert one.files == other.files
            for key in one.files:
                assert np.array_equal(one[key], other[key]), key


def test_a_student_learns_its_teacher():
    """A hundred steps on one batch bring them nearer, from projections that are fitted already."""
    student = models.build(train.MODEL, deepest='conv3_1', width=WIDTH, seed=1)
    teacher = models.build('vgg19_normalized', deepest='conv3_1', width=WIDTH, seed=2)
    batch = np.random.RandomState(3).normal(0, 60, (4, 3, 16, 16)).astype('float32')
    for net in (student, teacher):
        train.normalise(net, [batch])
    distillation = train.Distillation(student, teacher, [batch])
    steps = [distillation.step(batch, True, np.array([0, 0]), 1e-3).sum() for _ in range(100)]
    assert steps[-1] < 0.8 * steps[0], (steps[0], steps[-1])


def test_pictures_change_within_their_radius_and_the_loss_rises_on_the_way():
    net = models.build(train.MODEL, width=WIDTH, classes=3, seed=1)
    classifier = train.Classifier(net)
    random = np.random.RandomState(4)
    batch = random.normal(0, 60, (6, 3, 32, 32)).astype('float32')
    labels = random.randint(0, 3, 6).astype('int32')
    seen = []
    step = classifier.step

    def spy(pictures, labels):
        seen.append(pictures - batch)
        return step(pictures, labels)

    classifier.step = spy
    plain, _ = classifier.replay(batch, labels, 1, 0.0, 0.0)
    moved, _ = classifier.replay(batch, labels, 4, 200.0, 0.0)  # a rate of 0: nothing is learnt
    assert not seen[0].any()
    # A change of the batch less the batch: float32 rounds both, 1e-4 of 200 is far above that.
    assert all(train.lengths(change).max() <= 200 * (1 + 1e-4) for change in seen)
    assert moved > plain
    for _ in range(30):
        learnt, _ = classifier.replay(batch, labels, 1, 0.0, 1e-3)
    assert learnt < plain


def test_the_upper_part_starts_as_the_earlier_network_and_is_saved_as_it_ships(folder, tmp_path):
    start = models.build(train.MODEL, deepest='conv3_1', seed=3)
    np.savez(tmp_path / 'lower.npz', mean_pixel=train.MEAN_PIXEL,
             **{p.name: p.get_value() for layer in start.values() for p in layer.get_params()})
    out = tmp_path / 'upper'
    train.main(['upper', str(folder), '--lower', str(tmp_path / 'lower.npz'), '--test', str(folder),
                '--steps', '4', '--out', str(out), '--quiet'])
    net, classes, mean_pixel = models.load(train.MODEL, out / 'weights.npz')
    assert len(classes) == 202 and np.array_equal(mean_pixel, train.MEAN_PIXEL)
    for name in train.DISTILLED:  # the lower part stays, but for the precision of kernels
        given, own = start[name].W.get_value(), net[name].W.get_value()
        assert np.abs(given - own).max() <= 2 ** -11 * np.abs(given).max()
    table = np.loadtxt(out / 'steps.csv', delimiter=',', skiprows=1)
    assert table[-1, 0] == 4 and np.isfinite(table[-1]).all()


def test_what_is_missing_or_wrong_is_told(folder, teacher, tmp_path):
    with pytest.raises(ArchiveError, match='--teacher'):
        train.main(['lower', str(folder)])
    with pytest.raises(ArchiveError, match='--lower'):
        train.main(['upper', str(folder)])
    start = models.build(train.MODEL, deepest='conv3_1', seed=3)
    np.savez(tmp_path / 'lower.npz', mean_pixel=train.MEAN_PIXEL,
             **{p.name: p.get_value() for layer in start.values() for p in layer.get_params()})
    (folder / 'n01443537').rename(folder / 'goldfish')
    try:
        with pytest.raises(ArchiveError, match='a folder goldfish, which is none of the 202'):
            train.main(['upper', str(folder), '--lower', str(tmp_path / 'lower.npz'), '--quiet'])
    finally:
        (folder / 'goldfish').rename(folder / 'n01443537')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ArchiveError, match='no photo'):
        lower(tmp_path / 'empty', teacher, tmp_path / 'run')
    done = lower(folder, teacher, tmp_path / 'done', '--steps', 2)
    with pytest.raises(ArchiveError, match='other options .steps 2'):
        lower(folder, teacher, tmp_path / 'other', '--steps', 3, '--resume',
              done / 'checkpoint.npz')
    with pytest.raises(ArchiveError, match='run that is finished'):
        lower(folder, teacher, done, '--steps', 2, '--force', '--resume', done / 'checkpoint.npz')
    assert (done / 'checkpoint.npz').exists()
    with pytest.raises(ArchiveError, match='no checkpoint'):
        lower(folder, teacher, tmp_path / 'third', '--resume', done / 'weights.npz')


def test_the_rate_rises_and_falls():
    rates = [training.cosine(step, 100, 2.0, 10) for step in range(100)]
    assert rates[0] == 0.2 and max(rates) == rates[10] == 2.0 and rates[99] < 0.01
    assert all(a >= b for a, b in zip(rates[10:], rates[11:]))
