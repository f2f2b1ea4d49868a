"""The embedded networks are the ones that their README describes."""

import io

import models
from models.weights import files

import lasagne
import numpy as np
import pytest
import theano
from PIL import Image

from recipes.common import images

# Top-1 and top-5 over all 202 classes on 1000 held-out photos, in percent, when they were made.
ACCURACY = {'vgg19_small': (27.9, 57.2), 'vgg19_quarter': (18.4, 47.7)}


@pytest.mark.parametrize('name', files.EMBEDDED)
def test_the_file_is_the_one_of_the_readme(name):
    readme = (files.EMBEDDED[name].parent / 'README.md').read_text()
    assert files.sha256(files.EMBEDDED[name]) in readme
    assert files.EMBEDDED[name].stat().st_size < 12e6


@pytest.mark.parametrize('name', files.EMBEDDED)
def test_accuracy_on_held_out_photos(shared_data, name):
    photos = np.load(shared_data / 'tiny_labelled_photos.npz')
    held_out = np.flatnonzero(photos['split'] == 'held_out')
    net, _, mean_pixel = models.load(name)
    wnids = np.load(files.EMBEDDED[name])['wnids'].tolist()
    score = theano.function([net['input'].input_var],
                            lasagne.layers.get_output(models.scores(net)))
    ranks = []
    for batch in np.array_split(held_out, 20):
        jpegs = [photos['jpeg_bytes'][slice(*photos['offsets'][i:i + 2])] for i in batch]
        rgb = [np.array(Image.open(io.BytesIO(jpeg.tobytes())).convert('RGB')) for jpeg in jpegs]
        scores = score(np.concatenate([images.prepare(photo, mean_pixel) for photo in rgb]))
        wanted = [wnids.index(photos['wnids'][photos['labels'][i]]) for i in batch]
        own = scores[np.arange(len(batch)), wanted]
        ranks.extend((scores > own[:, None]).sum(axis=1))
    ranks = np.array(ranks)
    assert len(ranks) == 1000
    # One photo whose two scores differ in the last bit is 0.1 %.
    assert abs(100 * (ranks < 1).mean() - ACCURACY[name][0]) <= 0.21
    assert abs(100 * (ranks < 5).mean() - ACCURACY[name][1]) <= 0.21


def test_no_channel_of_the_style_is_dead_on_photos(shared_data):
    """Every channel's mean is above a hundredth of its layer's, to conv3_1."""
    net, _, mean_pixel = models.load('vgg19_small', deepest='conv3_1')
    layers = [layer for name, layer in net.items() if name.startswith('conv')]
    compute = theano.function([net['input'].input_var], [
        output.mean(axis=(0, 2, 3)) for output in lasagne.layers.get_output(layers)])
    photos = sorted((shared_data / 'photos').glob('*.jpg'))[::20]
    found = [compute(images.prepare(images.resize(images.read(path), 96), mean_pixel))
             for path in photos]
    for layer, means in zip(layers, zip(*found)):
        mean = np.mean(means, axis=0)
        assert mean.min() > 1e-2 * mean.mean(), layer.name
