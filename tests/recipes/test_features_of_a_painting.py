"""Dropping the yellow fields and the moon of the bundled painting leaves its blue night."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from recipes import feature_atlas, styletransfer
from recipes.common import images, palettes, runs
from recipes.style import selections

THRESHOLD = 0.2


def yellow(rgb):
    """Return where a picture is yellow or orange."""
    return palettes.to_lab(rgb)[..., 2] > 20


# What somebody chose who looked at the pages, as recipes/style/README.md has it.
@pytest.mark.slow
@pytest.mark.parametrize('model, layers, chosen, options', [
    ('vgg19_quarter', 'conv1_1,conv2_1,conv3_1,conv3_4', (('conv2_1', 2), ('conv3_1', 2)),
     ['--content-weight', '1e-2']),  # measured 0.08 of 0.24
    ('vgg19_small', 'conv2_1', (('conv2_1', 5),), [])])  # measured 0.08 of 0.33
def test_a_painting_without_its_fields(tmp_path, model, layers, chosen, options):
    feature_atlas.main(['--model', model, '--layers', layers, '--patches', '1', '--out',
                        str(tmp_path / 'atlas'), '--quiet'])
    text = (tmp_path / 'atlas' / 'atlas.html').read_text()
    atlas = json.loads(text.split('id="atlas">')[1].split('</script>')[0])
    dropped = [motif for motif in atlas['motifs'] if (motif['layer'], motif['motif']) in chosen]
    painting = images.read(images.PAINTING)
    for motif in dropped:  # the numbers still name what they did
        heat = np.frombuffer(base64.b64decode(motif['heat']), 'uint8')
        heat = np.array(Image.fromarray(heat.reshape(motif['rows'], motif['columns'])).resize(
            painting.shape[1::-1]))
        hot = heat >= THRESHOLD * 255
        assert yellow(painting)[hot].mean() > 1.5 * yellow(painting)[~hot].mean()
    selection = tmp_path / 'selection.json'
    layers = {layer['name']: {'channels': layer['channels'], 'dropped': [
        channel for motif in dropped if motif['layer'] == layer['name']
        for channel in motif['channels']]} for layer in atlas['layers']}
    selection.write_text(json.dumps({
        'format': selections.FORMAT, 'version': selections.VERSION, 'model': atlas['model'],
        'picture': {'name': 'windy_night.jpg', 'pixels': runs.pixel_hash(painting)},
        'threshold': THRESHOLD, 'layers': layers, 'motifs': dropped}))
    shares = []
    for name, more in (('all', []), ('dropped', ['--features', str(selection)])):
        styletransfer.main(['--model', model, '--size', '160', '--quiet', '--out',
                            str(tmp_path / name), *options, *more])
        shares.append(yellow(images.read(tmp_path / name / 'result.png')).mean())
    assert shares[1] < 0.5 * shares[0]
