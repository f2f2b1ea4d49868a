"""The loss that is put together: against numpy, with a term more, from Python."""

import models

import numpy as np
import pytest
import theano.tensor as T

from recipes.common import losses, projections
from recipes.style.loss import VARIATION, Painting, StyleLoss, Targets, Term, only, style_transfer
from recipes.style.tiled_loss import TiledStyleLoss

CONTENT, STYLE = {'conv2_1': 2.0}, {'conv1_1': 3.0, 'conv2_1': 0.5}


@pytest.fixture(scope='module')
def net():
    return models.build('vgg19', 'average_exc_pad', 'conv2_1', width=0.1, seed=1)


@pytest.fixture(scope='module')
def pictures():
    """Return (photo, one painting, another of another size)."""
    random = np.random.RandomState(4)
    return [random.uniform(-100, 100, (1, 3, *size)).astype('float32')
            for size in ((20, 30), (24, 18), (16, 16))]


@pytest.fixture(scope='module')
def activations(net):
    look = projections.compile_activations(net, ['conv1_1', 'conv2_1'])
    return lambda picture: dict(zip(['conv1_1', 'conv2_1'], look(picture)))


def gram(x):
    x = x[0].reshape(x.shape[1], -1).astype('float64')
    return x @ x.T / x.shape[1]


def terms_of(activations, picture, photo, grams):
    """Return content, conv1_1's and conv2_1's style loss, unweighted, by numpy."""
    found, wanted = activations(picture), activations(photo)
    content = 0.5 * ((found['conv2_1'].astype('float64') - wanted['conv2_1']) ** 2).sum()
    return [content, *(((gram(found[layer]) - grams[layer]) ** 2).sum()
                       / (4 * found[layer].shape[1] ** 2) for layer in STYLE)]


def test_style_transfer_is_the_papers_total_loss(net, pictures, activations):
    photo, painting, _ = pictures
    objective = style_transfer(net, photo, painting, CONTENT, STYLE, tv_weight=1e-3)
    picture = photo + np.random.RandomState(0).normal(0, 9, photo.shape).astype('float32')
    grams = {layer: gram(x) for layer, x in activations(painting).items()}
    expected = np.dot([2.0, 3.0, 0.5], terms_of(activations, picture, photo, grams))
    down = picture[:, :, :-1, :-1] - picture[:, :, 1:, :-1]
    right = picture[:, :, :-1, :-1] - picture[:, :, :-1, 1:]
    expected += 1e-3 * ((down.astype('float64') ** 2 + right ** 2) ** 1.25).sum()
    # Sums of 600 positions in float32.
    assert objective.eval_loss(picture.ravel()) == pytest.approx(expected, rel=1e-5)
    gradient = objective.eval_grad(picture.ravel())
    step = 0.05 * np.sign(gradient)  # along all pixels: one alone is lost in float32's sum
    above, below = (objective.eval_loss(picture.ravel() + sign * step) for sign in (1, -1))
    assert above - below == pytest.approx(2 * 0.05 * np.abs(gradient).sum(), rel=1e-2)


def test_two_paintings_pull_to_the_mean_of_their_gram_matrices(net, pictures, activations):
    photo, one, other = pictures
    objective = style_transfer(net, photo, [Painting(one, share=3.0), Painting(other)], CONTENT,
                               STYLE)
    each = [activations(painting) for painting in (one, other)]
    grams = {layer: (3 * gram(each[0][layer]) + gram(each[1][layer])) / 4 for layer in STYLE}
    expected = np.dot([2.0, 3.0, 0.5], terms_of(activations, photo, photo, grams))
    assert objective.eval_loss(photo.ravel()) == pytest.approx(expected, rel=1e-5)


def test_relative_losses_are_shares_of_the_pictures_own(net, pictures, activations):
    photo, painting, _ = pictures
    objective = style_transfer(net, photo, painting, CONTENT, STYLE, tv_weight=5.0, relative=True)
    grams = {layer: gram(x) for layer, x in activations(painting).items()}
    _, *style = terms_of(activations, photo, photo, grams)
    own = [(grams[layer] ** 2).sum() / (4 * len(grams[layer]) ** 2) for layer in STYLE]
    terms = objective.eval_terms(photo.ravel())
    np.testing.assert_allclose(terms, [0, 3.0 * style[0] / own[0], 0.5 * style[1] / own[1], 5.0],
                               rtol=1e-5, atol=1e-9)


def test_a_part_of_a_painting_is_its_style(net, pictures, activations):
    """Rows of the painting that do not count change nothing; a photo without regions counts."""
    photo, painting, _ = pictures
    upper = np.ones((1, *painting.shape[2:]))
    upper[:, 12:] = 0
    other = painting.copy()
    other[:, :, 16:] = 0  # below what the units of the upper half see
    losses_ = [style_transfer(net, photo, [Painting(one, regions)], {}, {'conv1_1': 1.0}).eval_loss(
        photo.ravel()) for one, regions in ((painting, upper), (other, upper), (painting, None))]
    assert losses_[0] == pytest.approx(losses_[1], rel=1e-6) and losses_[0] != losses_[2]
    with pytest.raises(ValueError, match=r'\[1, 2\] regions'):
        style_transfer(net, photo, [Painting(painting, upper)], {}, {'conv1_1': 1.0},
                       regions=np.ones((2, *photo.shape[2:])))


class WithBrightness(StyleLoss):
    """One term more: half the squared distance of every pixel from 10."""

    def terms(self, view):
        return [*super().terms(view),
                Term('brightness', [0.5 * ((view.pixels[:, :, :-1, :-1] - 10) ** 2).sum()], only)]


class WithBrightnessInTiles(WithBrightness, TiledStyleLoss):
    """The same in tiles."""


def test_a_new_term_is_one_line_whole_and_in_tiles(net, pictures):
    photo, _, _ = pictures
    empty = Targets({}, {}, {}, {})
    whole = WithBrightness(net, [], [])
    tiled = WithBrightnessInTiles(core=(8, 10), net=net, content_layers=[], style_layers=[])
    expected = 0.5 * ((photo[:, :, :-1, :-1].astype('float64') - 10) ** 2).sum()
    gradients = []
    for loss in (whole, tiled):
        assert loss.names == [VARIATION, 'brightness']
        loss.aim_at(empty)
        loss.weigh({VARIATION: 0.0, 'brightness': 2.0})
        terms, gradient = loss(photo)
        np.testing.assert_allclose(terms, [0, 2 * expected], rtol=1e-5)
        gradients.append(gradient)
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-5)
    assert gradients[0].any()


def test_losses_of_a_batch_are_those_of_its_pictures(pictures):
    """Training takes batches: each loss is the sum over the pictures."""
    x, p, a = T.tensor4(), T.tensor4(), T.tensor4()
    random = np.random.RandomState(2)
    batch, photos = random.uniform(0, 2, (2, 3, 4, 5, 6)).astype('float32')
    painting = random.uniform(0, 2, (1, 4, 7, 3)).astype('float32')
    content = losses.content_loss({'l': p}, {'l': x}, 'l')
    style = losses.style_loss({'l': a}, {'l': x}, 'l')
    found = content.eval({x: batch, p: photos}), style.eval({x: batch, a: painting.repeat(3, 0)})
    expected = [0.5 * ((batch.astype('float64') - photos) ** 2).sum(),
                sum(((gram(one[None]) - gram(painting)) ** 2).sum() / (4 * 4 ** 2)
                    for one in batch)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
