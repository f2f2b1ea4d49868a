"""The page of a run that goes on: pictures, curves, time left, and how it refreshes itself."""

import csv
import html.parser
import os
import xml.etree.ElementTree

import numpy as np
from PIL import Image

from recipes import styletransfer
from recipes.style import watch_page


class Pictures(html.parser.HTMLParser):
    """Gathers the pictures that a page shows, and whether it refreshes itself."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.refreshes = [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == 'img':
            self.pictures.append(attributes['src'])
        if tag == 'body':
            self.refreshes = attributes['data-seconds'] != '0'


def test_the_page_follows_the_run(tmp_path, monkeypatch):
    pages = []
    original = watch_page.Watch.show

    def show(self, *arguments, **options):
        original(self, *arguments, **options)
        page = (self.run.folder / 'watch.html').read_text()
        if not pages or pages[-1] != page:
            pages.append(page)

    monkeypatch.setattr(watch_page, 'EVERY', 1e-9)
    monkeypatch.setattr(watch_page.Watch, 'show', show)
    styletransfer.main(['--size', '32', '--rounds', '2', '--evals', '3', '--quiet', '--watch',
                        '--out', str(tmp_path / 'run')])
    first, *between, last = map(Pictures, pages)
    assert first.refreshes and between[-1].refreshes and not last.refreshes
    assert first.pictures == ['round_00.png', 'round_00.png']  # large, and among the rounds
    assert last.pictures == ['result.png', 'round_02.png', 'round_01.png', 'round_00.png']
    assert all((tmp_path / 'run' / name).exists() for name in last.pictures)
    assert 'round 1 of 2, about' in pages[1] and 'left' in pages[1]
    assert '<h1>astronaut.png as windy_night.jpg: finished after ' in pages[-1]
    assert len(pages) > 5


def test_names_of_files_may_be_no_text_and_some_terms_not_counted(tmp_path):
    photo = tmp_path / os.fsdecode(b'M\xfcller.png')
    Image.new('RGB', (20, 20), 'teal').save(photo, format='PNG')
    out = tmp_path / 'run'
    styletransfer.main(['--size', '16', '--rounds', '1', '--evals', '2', '--quiet', '--watch',
                        '--impl', 'neural_style', '--content', str(photo), '--out', str(out)])
    page = (out / 'watch.html').read_text(encoding='utf-8')
    assert 'M\\udcfcller.png as ' in page
    with open(out / 'losses.csv') as file:
        *_, last = csv.DictReader(file)
    assert f'total <b>{float(last["total"]):.3g}</b>' in page


def test_without_the_option_there_is_no_page(tmp_path):
    styletransfer.main(['--size', '16', '--rounds', '1', '--evals', '1', '--quiet', '--out',
                        str(tmp_path / 'run')])
    assert not (tmp_path / 'run' / 'watch.html').exists()


def drawing(history, names):
    return xml.etree.ElementTree.fromstring(watch_page.curves(history, names).partition('<ul>')[0])


def test_curves_fall_as_the_losses_do():
    history = [[10.0 ** -index, 10.0 ** -index, 0.0] for index in range(5)]
    svg = drawing(history, ['style', 'total variation'])
    heights = [[float(point.split(',')[1]) for point in line.get('points').split()]
               for line in svg.iter('polyline')]
    assert len(heights) == 2  # the total and one term; what is zero all along is not drawn
    np.testing.assert_allclose(heights[0], 8 + 260 / 4 * np.arange(5), atol=0.06)  # told to 0.1
    words = [text.text for text in svg.iter('text')]
    assert words == ['1e-4', '1e-3', '1e-2', '1e-1', '1e0', '1', '3', '5', 'evaluations']
    lines = [float(line.get('y1')) for line in svg.iter('line')]
    np.testing.assert_allclose(lines, heights[0][::-1], atol=0.06)
    assert 'second evaluation' in watch_page.curves(history[:1], ['style'])


def test_curves_differ_in_colour_and_stay_inside():
    names = [f'style conv{index}' for index in range(11)]
    history = [[3e4] * 12, [1e-9] * 12]  # falls farther than is drawn
    svg = drawing(history, names)
    colours = [line.get('stroke') for line in svg.iter('polyline')]
    assert len(set(colours)) == len(colours) == 12
    heights = [float(point.split(',')[1]) for line in svg.iter('polyline')
               for point in line.get('points').split()]
    assert min(heights) >= 8 and max(heights) == 268
    assert len(list(svg.iter('line'))) == 6


def test_times_in_words():
    told = [watch_page.words(seconds) for seconds in (20, 300, 7200)]
    assert told == ['20 seconds', '5 minutes', '2.0 hours']
