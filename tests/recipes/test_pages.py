"""The pages work on a telephone and on a projector, and pass an automated accessibility check.

In headless Chromium, by axe-core where the test extra brought it (Python 3.10 and later).
"""

import importlib.resources
import time
from pathlib import Path

import pytest
from PIL import Image

from recipes import compare, feature_atlas, layer_features, styletransfer
from recipes.common import images

WIDTHS = (400, 1400)
NOTEBOOKS = Path(__file__).parents[2] / 'notebooks' / 'index.html'


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Return {name: address}: an atlas and a tour of two layers, of one small picture; what a style
    transfer shows of itself; a comparison; the gallery of notebooks."""
    folder = tmp_path_factory.mktemp('pages')
    Image.fromarray(images.resize(images.read(images.PAINTING), 64)).save(folder / 'p.png')
    small = [str(folder / 'p.png'), '--layers', 'conv1_1,conv2_1', '--size', '64', '--quiet',
             '--out']
    feature_atlas.main([*small, str(folder / 'atlas'), '--patches', '1'])
    layer_features.main([*small, str(folder / 'tour'), '--channels', '3'])
    watch = folder / 'watch'
    styletransfer.main(['--size', '16', '--rounds', '1', '--evals', '2', '--quiet', '--watch',
                        '--out', str(watch)])
    text = (watch / 'watch.html').read_text()  # while a run goes on, the page loads itself again
    (watch / 'on.html').write_text(text.replace('data-seconds="0"', 'data-seconds="0.5"'))
    compare.main([str(watch), str(watch), '--quiet', '--out', str(folder / 'compare')])
    files = {'atlas': folder / 'atlas' / 'atlas.html', 'tour': folder / 'tour' / 'index.html',
             'watch': watch / 'watch.html', 'watch on': watch / 'on.html',
             'compare': folder / 'compare' / 'compare.html',
             'notebooks': NOTEBOOKS}
    return {name: path.as_uri() for name, path in files.items()}


@pytest.fixture
def driver(browser):
    """Return the browser at its own size, and find no error in it afterwards."""
    driver, _ = browser
    driver.get_log('browser')
    yield driver
    driver.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
    driver.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', {'enabled': False})
    assert not [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']


def open_at(driver, address, width):
    """Open a page as a telephone or as a projector shows it."""
    driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
        'width': width, 'height': 800, 'deviceScaleFactor': 1, 'mobile': width < 600})
    driver.get('about:blank')
    driver.get(address)


def one(driver, selector):
    return driver.find_element('css selector', selector)


def every(driver, selector):
    return driver.find_elements('css selector', selector)


@pytest.mark.parametrize('width', WIDTHS)
@pytest.mark.parametrize('name', ['atlas', 'tour', 'watch', 'watch on', 'compare',
                                  'notebooks'])
def test_pages_fit_and_are_accessible(driver, pages, name, width):
    open_at(driver, pages[name], width)
    assert_fits_and_is_accessible(driver)


def assert_fits_and_is_accessible(driver):
    assert driver.execute_script('return document.documentElement.scrollWidth <= innerWidth')
    package = pytest.importorskip('axe_core_python')
    driver.execute_script((importlib.resources.files(package) / 'axe.min.js').read_text())
    found = driver.execute_async_script(
        'const done = arguments[0]; axe.run().then(found => done(found.violations.map('
        'one => `${one.id}: ${one.help}: ${one.nodes[0].html}`)));')
    assert not found


def test_a_page_of_a_run_that_goes_on_can_be_held(driver, pages):
    from selenium.webdriver.support.ui import WebDriverWait

    def is_another():
        return driver.execute_script('return window.seen') is None

    open_at(driver, pages['watch'], 1400)
    assert not one(driver, '#hold').is_displayed()
    open_at(driver, pages['watch on'], 1400)
    driver.execute_script('window.seen = true')
    WebDriverWait(driver, 20).until(lambda _: is_another())
    one(driver, '#hold').click()
    driver.execute_script('window.seen = true')
    time.sleep(1.5)
    assert not is_another()


def test_the_tour_is_browsed_by_list_keys_and_search_and_outlives_a_reload(driver, pages):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(key):
        ActionChains(driver).send_keys(key).perform()

    def heading():
        return one(driver, 'h2').text

    open_at(driver, pages['tour'], 1400)
    assert heading() == 'conv1_1' and len(every(driver, '.card')) == len(every(driver, '.box')) == 3
    press(Keys.ARROW_DOWN)
    assert heading() == 'conv2_1'
    driver.refresh()
    assert heading() == 'conv2_1' and one(driver, '[aria-current]').text.startswith('conv2_1')
    one(driver, 'nav a').click()
    assert heading() == 'conv1_1'

    ActionChains(driver).move_to_element(one(driver, '.card')).perform()
    assert 'on' in one(driver, '.box').get_attribute('class').split()
    one(driver, '.card').click()
    assert one(driver, '#large').get_property('open')
    first = one(driver, '#large-caption').text
    press(Keys.ARROW_RIGHT)
    assert one(driver, '#large-caption').text != first and 'conv1_1, channel' in first
    press(Keys.ESCAPE)
    assert not one(driver, '#large').get_property('open')

    press('/')
    press('conv2')
    assert heading() == 'conv2_1' and one(driver, '#told').text == '1 of 2 layers'
    number = one(driver, '.card b').text.split()[-1]
    one(driver, '#search').send_keys(f' channel {number}')
    assert len(every(driver, '.card')) == 1
    driver.refresh()
    assert one(driver, '#search').get_property('value').endswith(number)
    assert len(every(driver, '.card')) == len(every(driver, '.box')) == 1


def test_the_atlas_opens_where_shapes_are_and_names_its_motifs(driver, pages):
    open_at(driver, pages['atlas'], 1400)
    assert one(driver, 'section[data-layer] h2').text.startswith('conv2_1')
    for title in every(driver, '.motif h3'):
        colour, size, place = title.text.split('conv')[0].split(', ')[:3]
        assert colour.split(' and ')[0].isalpha() and place.split()[0] in (
            'upper', 'middle', 'lower')
        assert size.removesuffix(' px').isdecimal() and size.endswith(' px')
    swatch = one(driver, '#colours button')
    assert swatch.text and swatch.text in one(driver, '.motif h3').text or len(
        every(driver, '#colours button')) > 1
    bright = driver.execute_async_script('''
        const done = arguments[0], canvas = document.querySelector('.motif canvas');
        setTimeout(() => {
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          done(data.filter((v, i) => i % 4 < 3).reduce((a, b) => a + b) / (0.75 * data.length));
        }, 500);''')
    assert bright > 110  # a mean grey level, of 255


def test_what_the_atlas_shows_outlives_a_reload(driver, pages):
    open_at(driver, pages['atlas'], 1400)
    driver.execute_script('localStorage.clear()')
    driver.refresh()
    one(driver, '#search').send_keys('conv1_1')
    one(driver, '#colours button').click()
    shown = len([card for card in every(driver, '.card') if card.is_displayed()])
    driver.refresh()
    assert one(driver, '#search').get_property('value') == 'conv1_1'
    assert one(driver, '#colours button').get_attribute('aria-pressed') == 'true'
    assert len([card for card in every(driver, '.card') if card.is_displayed()]) == shown
    one(driver, '#clear').click()
    driver.execute_script('localStorage.clear()')


@pytest.mark.parametrize('width', WIDTHS)
def test_a_place_of_the_painting_is_clicked_or_tapped_and_its_motifs_come_into_view(driver, pages,
                                                                                    width):
    from selenium.webdriver.support.ui import WebDriverWait
    finger = width < 600
    driver.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', {'enabled': finger})
    open_at(driver, pages['atlas'], width)
    box = driver.execute_script(
        'const r = document.getElementById("picture").getBoundingClientRect();'
        'return [r.left, r.top, r.width, r.height]')
    x, y = box[0] + 0.295 * box[2], box[1] + 0.23 * box[3]
    if finger:
        for kind, points in (('touchStart', [{'x': x, 'y': y}]), ('touchEnd', [])):
            driver.execute_cdp_cmd('Input.dispatchTouchEvent',
                                   {'type': kind, 'touchPoints': points})
    else:
        from selenium.webdriver import ActionChains
        ActionChains(driver).move_to_element_with_offset(
            one(driver, '#picture'), -0.205 * box[2], -0.27 * box[3]).click().perform()
    WebDriverWait(driver, 20).until(lambda _: every(driver, '#there-motifs .motif'))
    told = one(driver, '#there-told').text
    assert told.startswith(('29 %', '30 %')) and ' fire' in told
    WebDriverWait(driver, 20).until(lambda _: 0 <= driver.execute_script(
        'return document.querySelector(".motif.here").getBoundingClientRect().top') < 700)
    mark = driver.execute_script(
        'const r = document.getElementById("mark").getBoundingClientRect();'
        'return [r.left + r.width / 2, r.top + r.height / 2]')
    painting = driver.execute_script(  # scrolled meanwhile
        'const r = document.getElementById("picture").getBoundingClientRect();'
        'return [r.left, r.top, r.width, r.height]')
    assert mark[0] == pytest.approx(painting[0] + 0.295 * painting[2], abs=2)
    assert mark[1] == pytest.approx(painting[1] + 0.23 * painting[3], abs=2)
    assert_fits_and_is_accessible(driver)
    one(driver, '#all').click()
    assert not every(driver, '#there-motifs .motif')


def touch(driver, card):
    """Touch a card's picture with a finger."""
    x, y = driver.execute_script(
        'arguments[0].scrollIntoView({block: "end"});'
        'const r = arguments[0].querySelector("img").getBoundingClientRect();'
        'return [r.left + r.width / 2, r.top + r.height / 2]', card)
    for kind, points in (('touchStart', [{'x': x, 'y': y}]), ('touchEnd', [])):
        driver.execute_cdp_cmd('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})


def test_a_finger_sees_where_a_feature_fires_and_the_painting_stays_in_view(driver, pages):
    driver.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', {'enabled': True})
    open_at(driver, pages['atlas'], 400)
    card = every(driver, '.card')[-1]
    layer, number = card.get_attribute('data-key').split('/')

    def seen_at_last():
        """Touch until it is seen: on a busy machine a touch lasts too long, and is no click."""
        if f'{layer}, channel {number}:' not in one(driver, '#caption').text:
            touch(driver, card)
        return f'{layer}, channel {number}:' in one(driver, '#caption').text

    from selenium.webdriver.support.ui import WebDriverWait
    WebDriverWait(driver, 30, poll_frequency=1).until(lambda _: seen_at_last())
    assert 'dropped' not in card.get_attribute('class').split()
    seen = driver.execute_script(
        'const r = document.getElementById("picture").getBoundingClientRect();'
        'return [r.top, r.bottom]')
    assert 0 <= seen[0] < seen[1] <= 400  # in the upper half of 800 pixels
    card.find_element('css selector', 'input').click()
    assert 'dropped' in card.get_attribute('class').split()
    driver.execute_script('localStorage.clear()')
