"""The page of a comparison as a reader uses it, in headless Chromium."""

import shutil

import numpy as np
import pytest
from PIL import Image

from recipes import compare
from recipes.common import images


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """Return the path of the page of two pairs."""
    folder = tmp_path_factory.mktemp('comparison')
    rgb = images.resize(images.read(images.bundled_photo()), 96)
    for name, other in (('first', rgb), ('second', np.ascontiguousarray(rgb[:, ::-1]))):
        for place, picture in (('ours', rgb), ('theirs', other)):
            (folder / place).mkdir(exist_ok=True)
            Image.fromarray(picture).save(folder / place / f'{name}.png')
    with pytest.raises(compare.Incomplete):
        compare.main([str(folder / 'ours'), str(folder / 'theirs'), '--quiet', '--out',
                      str(folder / 'run')])
    shutil.rmtree(folder / 'ours')  # the page needs nothing besides itself
    return folder / 'run' / 'compare.html'


@pytest.fixture
def driver(browser, page):
    """Return the browser on the page."""
    driver, _ = browser
    driver.get(page.as_uri())
    yield driver
    assert not [entry for entry in driver.get_log('browser') if entry['level'] == 'SEVERE']


def press(driver, key):
    from selenium.webdriver import ActionChains
    ActionChains(driver).send_keys(key).perform()


@pytest.mark.parametrize('width', [400, 1400])
def test_every_picture_is_there_and_nothing_sticks_out(driver, width):
    driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
        'width': width, 'height': 800, 'deviceScaleFactor': 1, 'mobile': width < 640})
    for key in '123':
        press(driver, key)
        widths = driver.execute_script(
            'return [document.documentElement.scrollWidth, innerWidth]')
        assert widths[0] <= widths[1] == width
    assert driver.execute_script('return [...document.images].every(i => i.naturalWidth > 0)')
    driver.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def test_keys_change_the_view_and_the_slider_uncovers(driver):
    from selenium.webdriver.common.keys import Keys

    def shown(part):
        return driver.find_element('css selector', f'.{part}').is_displayed()

    assert shown('ours') and shown('theirs') and not shown('difference') and not shown('slider')
    press(driver, '3')
    assert shown('difference') and not shown('ours')
    press(driver, '2')
    assert shown('slider') and shown('ours') and shown('theirs')
    press(driver, 'j')
    press(driver, Keys.ARROW_RIGHT)
    press(driver, Keys.ARROW_RIGHT)
    clip = driver.execute_script(
        'return [...document.querySelectorAll(".stage")].map('
        's => s.style.getPropertyValue("--shown"))')
    assert '52%' in clip
    press(driver, '1')
    assert not shown('slider')


def test_the_verdicts_stand_there(driver):
    text = driver.find_element('css selector', 'body').text
    assert 'Comparison: 1 not alike' in text
    assert 'NOT alike' in text and 'SSIM' in text and 'at least 0.95' in text
