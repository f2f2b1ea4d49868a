"""Pages: data that a page draws itself from, and pictures in it."""

import base64
import io
import json

import numpy as np
from PIL import Image

from recipes.common import figures, runs


def test_a_page_holds_its_style_its_script_and_data_that_cannot_end_its_element(tmp_path):
    page = tmp_path / 'page.html'
    page.write_text('<style>{{style}}</style><script>{{script}}</script>'
                    '<script id="data">{{data}}</script>')
    page.with_suffix('.css').write_text('p {}')
    page.with_suffix('.js').write_text('let a;')
    data = {'name': '</script><b>'}
    run = runs.Run('test', tmp_path / 'run')
    figures.fill_data_page(run, 'index.html', page, data=data)
    text = (tmp_path / 'run' / 'index.html').read_text()
    assert text.startswith('<style>p {}</style><script>let a;</script>')
    held = text.partition('id="data">')[2].removesuffix('</script>')
    assert '<' not in held and json.loads(held) == data


def test_a_picture_stands_in_a_page_as_a_jpeg():
    rgb = np.full((16, 24, 3), (200, 100, 50), 'uint8')
    kind, _, content = figures.data_uri(rgb[:, ::2], 90).partition(',')
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    assert kind == 'data:image/jpeg;base64' and decoded.shape == (16, 12, 3)
    assert np.abs(decoded.astype(int) - (200, 100, 50)).max() <= 2  # of JPEG's rounding
