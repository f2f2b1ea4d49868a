"""The embedded network is the one that its README describes."""

import io

import lasagne
import numpy as np
import theano
from PIL import Image

import models
from models.weights import files
from recipes.common import images


def test_the_file_is_the_one_of_the_readme():
    readme = (files.EMBEDDED.parent / 'README.md').read_text()
    assert files.sha256(files.EMBEDDED) in readme


def test_accuracy_on_held_out_photos(shared_data):
    """Top-1 and top-5 over all 202 classes: 18.4 % and 47.7 % when it was trained."""
    photos = np.load(shared_data / 'tiny_labelled_photos.npz')
    held_out = np.flatnonzero(photos['split'] == 'held_out')
    net, _, mean_pixel = models.load('vgg19_quarter')
    wnids = np.load(files.EMBEDDED)['wnids'].tolist()
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
    assert abs((ranks < 1).mean() - 0.184) <= 0.0021
    assert abs((ranks < 5).mean() - 0.477) <= 0.0021
