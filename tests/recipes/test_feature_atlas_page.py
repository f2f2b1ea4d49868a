"""The page of the atlas, used as a designer would, in headless Chromium."""

import base64
import json

import numpy as np
import pytest
from PIL import Image

from recipes import feature_atlas
from recipes.common import images
from recipes.style import selections


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Return the path of an atlas of two layers."""
    folder = tmp_path_factory.mktemp('atlas')
    Image.fromarray(images.resize(images.read(images.PAINTING), 64)).save(folder / 'p.png')
    feature_atlas.main([str(folder / 'p.png'), '--layers', 'conv1_1,conv3_1', '--size', '64',
                        '--patches', '1', '--out', str(folder / 'run'), '--quiet'])
    return folder / 'run' / 'atlas.html'


class Hands:
    """What a person does on the page, and sees there."""

    def __init__(self, driver, downloads):
        self.driver, self.downloads = driver, downloads

    def all(self, selector):
        return self.driver.find_elements('css selector', selector)

    def one(self, selector):
        return self.driver.find_element('css selector', selector)

    def visible_cards(self):
        return [card for card in self.all('.card') if card.get_property('hidden') is False]

    def press(self, *keys):
        from selenium.webdriver import ActionChains
        chain = ActionChains(self.driver)
        for key in keys[:-1]:
            chain.key_down(key)
        chain.send_keys(keys[-1])
        for key in keys[:-1]:
            chain.key_up(key)
        chain.perform()

    def click(self, element):
        """Click, once nothing else is in front: pictures that arrive move the cards."""
        from selenium.common.exceptions import ElementClickInterceptedException
        from selenium.webdriver.support.ui import WebDriverWait
        waiting = WebDriverWait(self.driver, 20,
                                ignored_exceptions=[ElementClickInterceptedException])
        waiting.until(lambda driver: element.click() is None)

    def set(self, selector, value):
        self.driver.execute_script(
            'const e = document.querySelector(arguments[0]); e.value = arguments[1];'
            'e.dispatchEvent(new Event("input")); e.dispatchEvent(new Event("change"));',
            selector, value)

    def count(self):
        return self.one('#count').text

    def wait(self, true):
        from selenium.webdriver.support.ui import WebDriverWait
        return WebDriverWait(self.driver, 20).until(lambda driver: true())

    def export(self):
        path = self.downloads / 'selection.json'
        path.unlink(missing_ok=True)
        self.one('#export').click()
        self.wait(path.exists)
        return path


@pytest.fixture
def hands(browser, page):
    """Return `Hands` on the page as somebody finds it who never was there."""
    driver, downloads = browser
    driver.get(page.as_uri())
    driver.execute_script('localStorage.clear()')
    driver.refresh()
    yield Hands(driver, downloads)
    errors = [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']
    assert not errors


def test_tick_undo_export_reload_import(hands):
    from selenium.webdriver.common.keys import Keys
    all_ = len(hands.all('.card'))
    assert all_ > 60 and hands.count() == f'{all_} of {all_} features kept, 0 motifs dropped'
    card = hands.one('.card[data-key^=conv1_1]')
    name, number = card.get_attribute('data-key').split('/')
    hands.click(card.find_element('css selector', 'input'))
    assert hands.count().startswith(f'{all_ - 1} of {all_}')
    assert 'dropped' in card.get_attribute('class')

    block = next(block for block in hands.all('.motif')
                 if block.get_attribute('data-motif').startswith('conv3_1'))
    inside = len(block.find_elements('css selector', '.card'))
    toggle = block.find_element('css selector', '.toggle')  # away from the heading that stays
    hands.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', toggle)
    toggle.click()
    assert hands.count() == f'{all_ - 1 - inside} of {all_} features kept, 1 motif dropped'
    hands.one('#undo').click()
    assert hands.count().startswith(f'{all_ - 1} of {all_}')
    hands.press(Keys.CONTROL, Keys.SHIFT, 'z')
    assert hands.count().endswith(', 1 motif dropped')

    path = hands.export()
    selection = selections.read(path)  # what the recipe itself takes
    assert int(number) in selection.dropped[name] and len(selection.motifs) == 1
    assert sum(map(len, selection.dropped.values())) == 1 + inside

    before = hands.count()
    hands.driver.refresh()
    hands.wait(lambda: hands.count() == before)  # a choice outlives the page
    hands.one('#reset').click()
    assert hands.count().startswith(f'{all_} of {all_}')
    hands.one('#file').send_keys(str(path))
    hands.wait(lambda: hands.count() == before)
    assert hands.one('#message').text == 'Imported.'
    assert json.loads(hands.export().read_text()) == json.loads(path.read_text())


def test_filters_search_and_clear(hands):
    everything = len(hands.visible_cards())
    hands.set('#layer', 'conv1_1')
    few = hands.visible_cards()
    assert 0 < len(few) < everything
    assert all(card.get_attribute('data-key').startswith('conv1_1/') for card in few)
    hands.one('#clear').click()
    hands.set('#strength', 60)
    assert 0 < len(hands.visible_cards()) < everything
    hands.one('#clear').click()
    hands.set('#size-from', 8)
    assert 0 < len(hands.visible_cards()) < everything
    hands.one('#clear').click()
    hands.one('#colours button').click()
    assert 0 < len(hands.visible_cards()) < everything
    hands.one('#clear').click()
    hands.one('#search').send_keys('conv3_1 7')
    assert [card.get_attribute('data-key') for card in hands.visible_cards()
            if card.get_attribute('data-key').endswith('/7')] == ['conv3_1/7']
    hands.one('#clear').click()
    hands.one('#search').send_keys('Motif 1')
    found = {card.get_attribute('data-key') for card in hands.visible_cards()}
    assert found == {card.get_attribute('data-key') for block in hands.all('.motif')
                     if block.get_attribute('data-motif').endswith('#1')
                     for card in block.find_elements('css selector', '.card')}
    hands.one('#clear').click()
    assert not hands.one('#nothing').is_displayed()
    hands.set('#state', 'dropped')
    assert not hands.visible_cards() and '0 shown' in hands.count()
    assert hands.one('#nothing').is_displayed()
    hands.one('#clear').click()
    assert len(hands.visible_cards()) == everything


def test_a_double_click_enlarges_a_card_and_keeps_it(hands):
    from selenium.webdriver import ActionChains
    image = hands.one('.card img')
    ActionChains(hands.driver).double_click(image).perform()
    assert hands.one('#large').get_property('open')
    assert 'dropped' not in hands.one('.card').get_attribute('class')
    assert not hands.one('#undo').is_enabled() and not hands.one('#redo').is_enabled()


def test_the_slider_tells_how_much_is_taken_out(hands):
    def hatched():
        return hands.driver.execute_script(
            'const c = document.getElementById("heat");'
            'return c.getContext("2d").getImageData(0, 0, c.width, c.height).data'
            '.filter((v, i) => i % 4 === 3 && v > 0).length')

    assert hatched() == 0
    hands.one('.toggle').click()
    hands.set('#threshold', 60)
    little = hatched()
    hands.set('#threshold', 10)
    assert hatched() > little > 0
    assert 'hatched' in hands.one('#caption').text
    assert selections.read(hands.export()).threshold == 0.1
    hands.one('#reset').click()
    assert hatched() == 0 and hands.one('#threshold').get_property('value') == '30'


def test_keys_heat_and_zoom(hands):
    from selenium.webdriver.common.keys import Keys
    hands.press(Keys.ARROW_RIGHT)
    first = hands.driver.switch_to.active_element
    assert 'card' in first.get_attribute('class')
    told = hands.one('#caption').text
    assert told.startswith('conv3_1, channel ')  # where shapes are and 'pixels across' in told
    lit = hands.driver.execute_script(
        'const c = document.getElementById("heat");'
        'return c.getContext("2d").getImageData(0, 0, c.width, c.height).data'
        '.filter((v, i) => i % 4 === 0 && v > 200).length')
    assert lit > 0
    hands.press(Keys.SPACE)
    assert 'dropped' in first.get_attribute('class')
    hands.press(Keys.CONTROL, 'z')
    assert 'dropped' not in first.get_attribute('class')
    hands.press('m')
    assert hands.count().endswith(', 1 motif dropped')
    width = first.size['width']
    hands.press('+')
    assert first.size['width'] > width
    hands.press(Keys.ENTER)
    assert hands.one('#large').get_property('open')
    hands.press(Keys.ESCAPE)
    assert not hands.one('#large').get_property('open')
    hands.press('/')
    assert hands.driver.switch_to.active_element.get_attribute('id') == 'search'


def firing_at(page, x, y):
    """Return the motifs with 15 % of their largest at a place or next to it, strongest first."""
    text = page.read_text().split('id="atlas">')[1].split('</script>')[0]
    found = []
    for motif in json.loads(text)['motifs']:
        heat = np.frombuffer(base64.b64decode(motif['heat']), 'uint8')
        heat = np.pad(heat.reshape(motif['rows'], motif['columns']), 1)
        row, column = int(y * motif['rows']), int(x * motif['columns'])
        level = heat[row:row + 3, column:column + 3].max() / 255
        if level >= 0.15:
            found.append((f'{motif["layer"]}#{motif["motif"]}', level))
    return sorted(found, key=lambda one: -one[1])


def listed(hands):
    return [block.get_attribute('data-motif') for block in hands.all('#there-motifs .motif')]


def test_a_click_on_the_painting_lists_the_motifs_of_the_place_first(hands, page):
    from selenium.webdriver import ActionChains

    def order():
        return [block.get_attribute('data-motif') for block in hands.all('.motif')]

    before, painting = order(), hands.one('#place')
    width, height = painting.size['width'], painting.size['height']
    ActionChains(hands.driver).move_to_element_with_offset(
        painting, round(-0.205 * width), round(-0.27 * height)).click().perform()
    expected = firing_at(page, 0.295, 0.23)
    assert len(expected) >= 2 and listed(hands) == [key for key, _ in expected]
    assert order()[:len(expected)] == listed(hands) and sorted(order()) == sorted(before)
    assert {block.get_attribute('data-motif') for block in hands.all('.motif.here')} == set(
        listed(hands))
    block = hands.one('.motif')
    assert f'fires here with {round(100 * expected[0][1])} % of its largest' in block.text
    assert expected[0][0].split('#')[0] in block.find_element('css selector', 'h3').text
    assert f'{len(expected)} motif' in hands.one('#there-told').text
    assert hands.one('#mark').is_displayed() and hands.one('#there h2').is_displayed()
    block.find_element('css selector', '.toggle').click()
    assert hands.count().endswith(', 1 motif dropped') and listed(hands)
    motif, = json.loads(hands.export().read_text())['motifs']
    assert set(motif) == {'layer', 'motif', 'channels', 'rows', 'columns', 'heat'}
    hands.one('#undo').click()
    hands.one('#all').click()
    assert hands.driver.switch_to.active_element.get_attribute('id') == 'place'
    assert order() == before and not listed(hands) and not hands.all('.motif.here')
    assert not hands.one('#mark').is_displayed() and not hands.one('#there h2').is_displayed()
    assert hands.one('#there-told').text == ''


def test_keys_list_the_motifs_of_a_place_and_filters_hold_there(hands, page):
    from selenium.webdriver.common.keys import Keys
    hands.driver.execute_script('document.getElementById("place").focus()')
    hands.press(Keys.ENTER)
    assert listed(hands) == [key for key, _ in firing_at(page, 0.5, 0.5)]
    assert hands.one('#there-told').text.startswith('50 % from the left, 50 % from the top: ')
    hands.press(Keys.ARROW_LEFT)
    hands.press(Keys.ARROW_UP)
    assert listed(hands) == [key for key, _ in firing_at(page, 0.45, 0.45)]
    for _ in range(12):
        hands.press(Keys.ARROW_LEFT)  # the mark stops at the edge
    assert hands.one('#there-told').text.startswith('0 % from the left, 45 % from the top')
    hands.driver.execute_script(
        'goTo({ x: 0.295, y: 0.23 }); document.getElementById("place").focus()')
    all_ = listed(hands)
    hands.set('#layer', 'conv1_1')
    shown = [block.get_attribute('data-motif') for block in hands.all('#there-motifs .motif')
             if block.is_displayed()]
    assert shown == [key for key in all_ if key.startswith('conv1_1')]
    assert len(shown) < len(all_) and f'; {len(shown)} shown' in hands.one('#there-told').text
    hands.one('#clear').click()
    assert not listed(hands)
    hands.driver.execute_script(
        'goTo({ x: 0.295, y: 0.23 }); document.getElementById("place").focus()')
    hands.press(Keys.ESCAPE)
    assert not listed(hands)


def test_arrows_go_from_card_to_card_in_the_order_of_the_list(hands):
    from selenium.webdriver.common.keys import Keys
    hands.driver.execute_script('goTo({ x: 0.295, y: 0.23 }); document.activeElement.blur()')
    cards = [card.get_attribute('data-key') for card in hands.all('.card')]
    for expected in cards[:4]:
        hands.press(Keys.ARROW_RIGHT)
        assert hands.driver.switch_to.active_element.get_attribute('data-key') == expected
    hands.press(Keys.ESCAPE)
    assert not listed(hands)
    assert hands.driver.switch_to.active_element.get_attribute('data-key') == cards[3]


@pytest.mark.parametrize('text, words', [
    ('{', 'no selection'), ('{}', 'no selection'),
    ('{"format": "style features", "version": 9}', 'Version 9'),
    ('{"format": "style features", "version": 1, "model": "vgg19"}', 'made with vgg19')])
def test_files_that_are_no_selection_change_nothing(hands, tmp_path, text, words):
    before = hands.count()
    (tmp_path / 'other.json').write_text(text)
    hands.one('#file').send_keys(str(tmp_path / 'other.json'))
    hands.wait(lambda: words in hands.one('#message').text)
    assert hands.count() == before
