"""Training All-CNN-C: the loss falls, a checkpoint goes on bit by bit, data, wrong requests."""

import csv

import models
from models.weights import files

import numpy as np
import pytest
from PIL import Image

from recipes import saliency, train_all_cnn
from recipes.common import photos, projections, runs

SMALL = ['--width', '0.1', '--batch', '16', '--rate', '0.05', '--quiet']


@pytest.fixture(scope='module')
def stripes(tmp_path_factory):
    """Return an .npz file of two classes, horizontal and vertical stripes, and a third of noise."""
    random = np.random.RandomState(0)
    labels = np.arange(96) % 2
    columns = np.arange(32) // 4 % 2 * 160 + 48
    pictures = np.array([np.broadcast_to(columns[:, None] if label else columns, (32, 32))
                         for label in labels])[..., None] + random.normal(0, 20, (96, 32, 32, 3))
    path = tmp_path_factory.mktemp('data') / 'stripes.npz'
    np.savez(path, images=pictures.clip(0, 255).astype('uint8'), labels=labels,
             names=['rows', 'columns'], split=np.where(np.arange(96) < 64, 'train', 'held_out'))
    return path


@pytest.fixture(scope='module')
def finished(tmp_path_factory, stripes):
    """Return the folder of four epochs on the stripes."""
    out = tmp_path_factory.mktemp('runs') / 'four'
    train_all_cnn.main([str(stripes), *SMALL, '--epochs', '4', '--augment', '--out', str(out)])
    return out


def epochs_of(folder):
    with open(folder / 'epochs.csv') as file:
        return list(csv.DictReader(file))


def test_the_loss_falls(finished):
    losses = [float(row['train_loss']) for row in epochs_of(finished)]
    assert len(losses) == 4 and losses[-1] < 0.9 * losses[0]


def test_the_rate_falls_to_a_tenth_as_in_the_paper(finished):
    rates = [float(row['rate']) for row in epochs_of(finished)]
    # 200, 250 and 300 of 350 epochs are 2.3, 2.9 and 3.4 of four
    np.testing.assert_allclose(rates, [0.05, 0.05, 0.05, 0.0005], rtol=1e-6)


def test_a_checkpoint_goes_on_to_the_same_bytes(finished, tmp_path, stripes, monkeypatch):
    original = train_all_cnn.Training.epoch

    def interrupted(self, number, data, options):
        if number == 2:
            raise KeyboardInterrupt
        return original(self, number, data, options)

    monkeypatch.setattr(train_all_cnn.Training, 'epoch', interrupted)
    arguments = [str(stripes), *SMALL, '--epochs', '4', '--augment']
    with pytest.raises(KeyboardInterrupt):
        train_all_cnn.main([*arguments, '--out', str(tmp_path / 'first')])
    assert len(epochs_of(tmp_path / 'first')) == 2
    monkeypatch.setattr(train_all_cnn.Training, 'epoch', original)
    # Into its own folder: --force removes what is there, and the checkpoint was read before.
    checkpoint = tmp_path / 'first' / 'checkpoint.npz'
    sha256 = files.sha256(checkpoint)
    train_all_cnn.main([*arguments, '--out', str(tmp_path / 'first'), '--force', '--resume',
                        str(checkpoint)])
    for name in ('weights.npz', 'epochs.csv', 'checkpoint.npz'):
        assert (tmp_path / 'first' / name).read_bytes() == (finished / name).read_bytes()
    assert runs.read_record(tmp_path / 'first')['resumed_from'] == sha256


def test_a_checkpoint_of_an_earlier_version_is_one_line_and_stays(tmp_path, error_of, stripes,
                                                                   monkeypatch):
    """It had an array for each parameter by name, and the options as `parameters`."""
    monkeypatch.setattr(train_all_cnn.Training, 'compile_functions', lambda self: (None, None))
    (tmp_path / 'run').mkdir()
    checkpoint = tmp_path / 'run' / 'checkpoint.npz'
    np.savez(checkpoint, **{'conv1_1.W': np.zeros(3), 'velocity conv1_1.W': np.zeros(3),
                            'history': np.zeros((1, 5)), 'parameters': '{"model": "all_cnn_c"}'})
    before = checkpoint.read_bytes()
    status, errors = error_of(train_all_cnn.main, [
        stripes, *SMALL, '--out', tmp_path / 'run', '--force', '--resume', checkpoint])
    assert status == 2 and errors.count('\n') == 1
    assert 'of an earlier version' in errors and 'train anew without --resume' in errors
    assert checkpoint.read_bytes() == before


def test_the_saved_network_loads_and_gives_the_same_classes(finished, stripes):
    """Weights are for 0..255, training is not; and guided backprop works without switches."""
    data = train_all_cnn.read_data(stripes, 32)
    rows = epochs_of(finished)
    net, classes, mean_pixel = models.load('all_cnn_c', finished / 'weights.npz')
    assert classes == ['rows', 'columns']
    x = photos.stack(data.test_pictures, mean_pixel)
    (scores,) = projections.compile_activations(net, [models.scores(net).name])(x)
    error = 100 * (scores.argmax(axis=1) != data.test_labels).mean()
    assert error == pytest.approx(float(rows[-1]['test_error']))
    guided = projections.compile_projection(net, ['conv3_1'], 'guided')
    (activations,) = projections.compile_activations(net, ['conv3_1'])(x[:1])
    channel = int(activations[0].max(axis=(1, 2)).argmax())
    assert guided(x[:1], projections.unit_target(activations, 'conv3_1', channel)).any()


def test_every_recipe_takes_the_weights(finished, tmp_path):
    network = ['--model', 'all_cnn_c', '--weights', str(finished / 'weights.npz'), '--quiet']
    saliency.main([*network, '--out', str(tmp_path / 'saliency')])
    with np.load(tmp_path / 'saliency' / 'astronaut.npz') as arrays:
        assert arrays['guided'].shape == (3, 32, 32)  # the size that it was trained at


def test_dropout_keeps_the_mean_and_predictions_have_none(stripes):
    net = models.build('all_cnn_c', width=0.1, classes=2)
    training = train_all_cnn.Training(net, np.zeros(3))
    training.random.seed(3)
    import theano
    dropped = theano.function([], training.dropped(theano.tensor.ones((100, 100)), 0.2))()
    assert abs((dropped == 0).mean() - 0.2) < 0.02
    np.testing.assert_allclose(np.unique(dropped), [0, 1.25], rtol=1e-6)
    x = np.random.RandomState(0).normal(size=(4, 3, 32, 32)).astype('float32')
    np.testing.assert_array_equal(training.predict(x), training.predict(x))


def test_a_folder_of_classes_is_read(tmp_path):
    for part in ('train', 'test'):
        for label, name in enumerate(('cat', 'dog')):
            (tmp_path / part / name).mkdir(parents=True)
            for index in range(2):
                picture = np.full((20, 30, 3), 100 * label + index, 'uint8')
                Image.fromarray(picture).save(tmp_path / part / name / f'{index}.png')
    data = train_all_cnn.read_data(tmp_path, 16)
    assert data.names == ['cat', 'dog'] and data.train_labels.tolist() == [0, 0, 1, 1]
    assert data.test_pictures.shape == (4, 16, 16, 3)
    assert data.test_pictures[:, 0, 0, 0].tolist() == [0, 1, 100, 101]
    (tmp_path / 'train' / 'cat' / 'broken.png').write_text('no picture')
    (tmp_path / 'train' / '.hidden').mkdir()
    data = train_all_cnn.read_data(tmp_path / 'train', 16)
    assert len(data.train_labels) == 4 and not len(data.test_labels)
    assert len(data.problems) == 1 and 'broken.png' in data.problems[0]


def test_shared_photos_are_read(shared_data):
    data = train_all_cnn.read_data(shared_data / 'tiny_labelled_photos.npz', 32)
    assert len(data.names) == 20
    assert data.train_pictures.shape == (1200, 32, 32, 3) and len(data.test_labels) == 1000


@pytest.mark.parametrize('make, words', [
    (lambda path: path.mkdir(), ['0 classes', 'at least two']),
    (lambda path: None, ['no folder or file']),
    (lambda path: path.write_text('no npz'), ['no .npz file of labelled pictures']),
    (lambda path: save(path, labels=[0, 1]), ['no .npz file', 'images']),
    (lambda path: save(path, images=np.zeros((2, 16, 16, 3), 'uint8'), labels=[0]),
     ['2 pictures, 1 labels']),
    (lambda path: save(path, images=np.zeros((2, 16, 16, 3), 'uint8'), labels=[0, 5],
                       names=['a', 'b']), ['to 5, 2 names']),
    (lambda path: save(path, images=np.zeros((2, 16, 16, 3), 'uint8'), labels=[0, 0]),
     ['1 classes']),
    (lambda path: save(path, images=np.zeros((2, 16, 16), 'uint8'), labels=[0, 1]),
     ['not uint8 (rows, columns, 3)']),
    (lambda path: save(path, images=np.zeros((2, 16, 16, 3)), labels=[0, 1]), ['float64']),
    (lambda path: save(path, images=np.zeros((2, 16, 16, 3), 'uint8'), labels=[0, 1],
                       split=['train']), ['a split of (1,)']),
])
def test_bad_data_is_one_line_and_status_2(tmp_path, error_of, make, words):
    make(tmp_path / 'data')
    status, errors = error_of(train_all_cnn.main, [tmp_path / 'data', *SMALL])
    assert status == 2
    for word in words:
        assert word in errors


def save(path, **arrays):
    with open(path, 'wb') as file:
        np.savez(file, **{name: np.array(value) for name, value in arrays.items()})


@pytest.mark.parametrize('arguments, words', [
    (['--model', 'vgg16'], ['--model']),
    (['--resume', 'nowhere.npz'], ['no checkpoint nowhere.npz']),
    (['--resume', '{checkpoint}', '--epochs', '4', '--seed', '9'], ['other options (', 'seed 1']),
    (['--resume', '{checkpoint}', '--epochs', '4', '--model', 'conv_pool_cnn_c'],
     ['other options', 'model all_cnn_c']),
    (['--resume', '{checkpoint}', '--epochs', '4', '--augment'], ['run that is finished']),
    (['--rate', '1e30', '--epochs', '2'], ['the loss became', 'smaller --rate']),
])
def test_wrong_requests_are_one_line_and_status_2(tmp_path, error_of, finished, stripes, arguments,
                                                  words):
    arguments = [argument.format(checkpoint=finished / 'checkpoint.npz') for argument in arguments]
    status, errors = error_of(train_all_cnn.main, [stripes, *SMALL, '--out', tmp_path / 'run',
                                                   *arguments])
    assert status == 2
    for word in words:
        assert word in errors


def test_the_articles_function_takes_an_all_convolutional_network():
    net = models.build('all_cnn_c', width=0.1)
    compute = saliency.compile_saliency_function(net)
    maps, found = compute(np.random.RandomState(0).uniform(-100, 100, (2, 3, 32, 32))
                          .astype('float32'))
    assert maps.shape == (2, 3, 32, 32) and found.shape == (2,)
