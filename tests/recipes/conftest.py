"""What the recipes' tests share."""

import shutil
import signal

import models
from models import process

import numpy as np
import pytest
from PIL import Image

from recipes.common import command_line, images, projections

FLAGS = ('--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
         '--disable-background-networking', '--disable-component-update', '--disable-sync',
         '--window-size=1366,768')
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')


@pytest.fixture(autouse=True, scope='session')
def signals_reach_children():
    """Ignore no signal: what tests in the background of a script ignore, their children would."""
    before = {number: signal.getsignal(number) for number in process.SIGNALS}
    for number, handler in before.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope='session')
def folder_of_photos(tmp_path_factory):
    """Return a folder with three photos of two shapes, a broken one, and a file that is none."""
    folder = tmp_path_factory.mktemp('photos')
    random = np.random.RandomState(0)
    for name, shape in (('a.png', (40, 60)), ('b.jpg', (40, 60)), ('d.png', (50, 50))):
        small = random.randint(0, 255, (5, 5, 3), 'uint8')
        Image.fromarray(small).resize(shape[::-1], Image.BICUBIC).save(folder / name)
    (folder / 'c.jpg').write_bytes(b'\xff\xd8 no more of it')
    (folder / 'notes.txt').write_text('no photo')
    return folder


@pytest.fixture
def error_of(capsys):
    """Return a function that runs a recipe's main and gives (exit status, its one line)."""

    def run(main, arguments):
        with pytest.raises(SystemExit) as exit_:
            command_line.run(lambda: main([str(argument) for argument in arguments]))
        errors = capsys.readouterr().err
        assert errors.count('\n') == 1 and 'Traceback' not in errors, errors
        return exit_.value.code, errors

    return run


@pytest.fixture(scope='session')
def dead_on_black(tmp_path_factory):
    """Return (path, channel): a black picture, and a channel of conv1_1 whose corner is zero."""
    path = tmp_path_factory.mktemp('black') / 'black.png'
    Image.new('RGB', (32, 32)).save(path)
    net, _, mean_pixel = models.load('vgg19_quarter', deepest='conv1_1')
    x = images.prepare(images.read(path), mean_pixel)
    (activations,) = projections.compile_activations(net, ['conv1_1'])(x)
    return path, int(np.flatnonzero(activations[0, :, 0, 0] == 0)[0])


@pytest.fixture(scope='session')
def narrow_vgg19(tmp_path_factory):
    """Return a weight file of VGG-19's convolutions, a fiftieth as wide, with random weights."""
    net = models.build('vgg19', width=0.02, deepest='pool5')
    path = tmp_path_factory.mktemp('narrow') / 'vgg19.npz'
    np.savez(path, width=0.02, mean_pixel=(104, 117, 123), **{
        f'{name}.{part}': getattr(layer, part).get_value()
        for name, layer in net.items() if hasattr(layer, 'W') for part in 'Wb'})
    return path


@pytest.fixture(scope='session')
def browser(tmp_path_factory):
    """Return (driver, folder of downloads), or skip where there is no Chromium."""
    found = next((shutil.which(name) for name in BROWSERS if shutil.which(name)), None)
    if found is None or shutil.which('chromedriver') is None:
        pytest.skip('there is no Chromium with its driver (apt-get install chromium '
                    'chromium-driver)')
    webdriver = pytest.importorskip('selenium.webdriver')
    downloads, own = tmp_path_factory.mktemp('downloads'), tmp_path_factory.mktemp('chromium')
    options = webdriver.ChromeOptions()
    options.binary_location = found
    for flag in (*FLAGS, f'--user-data-dir={own}'):
        options.add_argument(flag)
    options.add_experimental_option('prefs', {'download.default_directory': str(downloads),
                                              'download.prompt_for_download': False})
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    service = webdriver.ChromeService(executable_path=shutil.which('chromedriver'))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver, downloads
    finally:
        driver.quit()
