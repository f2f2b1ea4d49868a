"""Dropping the circles of a style leaves triangles and no circles: seen by a detector that knows
neither the network nor the loss."""

import base64
import json

import models

import numpy as np
import pytest
from PIL import Image

from recipes import feature_atlas, styletransfer
from recipes.common import images, projections, runs
from recipes.measures import drawn_shapes
from recipes.style import motifs, selections

SIZE, RADIUS, SPACING = 192, 8, 22
LAYERS = 'conv1_1,conv1_2,conv2_1,conv2_2,conv3_1,conv3_2,conv3_3,conv3_4'
SEEN_IN = 'conv3_1,conv3_2,conv3_3,conv3_4,conv4_1'  # whose units see a whole shape
THRESHOLD = 0.15


def motifs_on(atlas, circles, threshold):
    """Return the motifs that somebody would drop who sees the heat maps: those which fire on
    circles at least four times as much as elsewhere, and on at least a third of them."""
    found = []
    for motif in atlas['motifs']:
        heat = np.frombuffer(base64.b64decode(motif['heat']), 'uint8')
        heat = heat.reshape(motif['rows'], motif['columns'])
        place = np.array(Image.fromarray(circles).resize(heat.shape[::-1], Image.BOX))
        hot = heat >= threshold * 255
        on, off = (hot * place).sum() / place.sum(), (hot * (1 - place)).sum() / (1 - place).sum()
        if on > 1 / 3 and on > 4 * off:
            found.append(motif)
    return found


def selection_without(atlas, dropped, path, picture):
    layers = {layer['name']: {'channels': layer['channels'], 'dropped': sorted(
        channel for motif in dropped if motif['layer'] == layer['name']
        for channel in motif['channels'])} for layer in atlas['layers']}
    path.write_text(json.dumps({
        'format': selections.FORMAT, 'version': selections.VERSION, 'model': atlas['model'],
        'picture': {'name': picture.name, 'pixels': runs.pixel_hash(images.read(picture))},
        'threshold': THRESHOLD, 'layers': layers, 'motifs': dropped}))
    return path


def test_the_detector_tells_circles_from_triangles_and_squares():
    rgb, circles = drawn_shapes.draw(SIZE, RADIUS, SPACING)
    gallery = images.ASSETS / 'gallery' / 'circles_and_triangles.png'
    np.testing.assert_array_equal(images.read(gallery), rgb)
    assert drawn_shapes.rounds_and_others(rgb, RADIUS) == (32, 27)  # some corners lie on the border
    without = np.where(circles[..., None] > 0.02, drawn_shapes.GROUND, rgb).astype('uint8')
    assert drawn_shapes.rounds_and_others(without, RADIUS)[0] == 0
    for side in (11, 30):
        square = np.zeros((40, 40), bool)
        square[5:5 + side, 5:5 + side] = True
        # The contour cuts half a pixel off each corner: 0.70 of 11 pixels, 0.66 of 30.
        assert drawn_shapes.filled(square) == pytest.approx(2 / np.pi, abs=0.07)
    rows, columns = np.mgrid[:41, :41]
    assert drawn_shapes.filled((rows - 20) ** 2 + (columns - 20) ** 2 <= 225) > 0.9


def test_a_motif_of_the_embedded_network_is_the_circles():
    """It fires on most of each circle, and hardly on triangles of the same colour and area."""
    rgb, circles = drawn_shapes.draw(SIZE, RADIUS, SPACING)
    dark = rgb.mean(axis=2) < 128
    net, _, mean_pixel = models.load('vgg19_quarter', pool='average_exc_pad', deepest='conv3_4')
    (activations,) = projections.compile_activations(net, ['conv3_4'])(
        images.prepare(rgb, mean_pixel))
    heats = motifs.heats(activations[0], motifs.group(activations[0]))
    hot = np.array([np.array(Image.fromarray(heat.astype('float32')).resize((SIZE, SIZE)))
                    for heat in heats]) >= THRESHOLD
    on = hot[:, circles > 0.5].mean(axis=1)
    elsewhere = hot[:, dark & (circles < 0.01)].mean(axis=1)
    best = on.argmax()
    assert on[best] > 0.8 and elsewhere[best] < 0.25


@pytest.mark.slow
def test_dropping_the_circles_leaves_triangles(tmp_path):
    rgb, circles = drawn_shapes.draw(SIZE, RADIUS, SPACING)
    drawn = drawn_shapes.rounds_and_others(rgb, RADIUS)
    assert min(drawn) > 25  # the detector sees what was drawn
    picture, plain = tmp_path / 'both.png', tmp_path / 'plain.png'
    Image.fromarray(rgb).save(picture)
    Image.new('RGB', (128, 128), drawn_shapes.GROUND).save(plain)
    feature_atlas.main([str(picture), '--layers', SEEN_IN, '--size', str(SIZE), '--patches', '1',
                        '--out', str(tmp_path / 'atlas'), '--quiet'])
    text = (tmp_path / 'atlas' / 'atlas.html').read_text()
    atlas = json.loads(text.split('id="atlas">')[1].split('</script>')[0])
    dropped = motifs_on(atlas, circles.astype('float32'), THRESHOLD)
    assert dropped
    selection = selection_without(atlas, dropped, tmp_path / 'selection.json', picture)

    found = {}
    for name, more in (('all', []), ('dropped', ['--features', str(selection)])):
        styletransfer.main(['--content', str(plain), '--style', str(picture), '--size', '128',
                            '--style-scale', '1.5', '--content-weight', '0', '--tv-weight', '1e-8',
                            '--style-layers', LAYERS, '--rounds', '3', '--evals', '150', '--quiet',
                            '--out', str(tmp_path / name), *more])
        result = images.read(tmp_path / name / 'result.png')
        found[name] = drawn_shapes.rounds_and_others(result, RADIUS)
    print([(motif['layer'], motif['motif'], len(motif['channels'])) for motif in dropped], found)
    assert found['all'][0] >= 4 and found['dropped'][0] == 0
    assert found['dropped'][1] >= 5
