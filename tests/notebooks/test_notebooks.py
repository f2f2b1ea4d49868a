"""The notebooks run, and what is stored of them is what their sources show."""

import base64
import importlib.util
import io
import re
from pathlib import Path

from models.errors import ArchiveError

import nbformat
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / 'notebooks'
NAMES = [path.stem for path in sorted(FOLDER.glob('[0-9][0-9]_*.py'))]
LARGEST = 1.5e6  # bytes of a stored notebook


@pytest.fixture
def run(monkeypatch):
    """Return notebooks/run.py as a module, whose kernels take this checkout."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    spec = importlib.util.spec_from_file_location('run_notebooks', FOLDER / 'run.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def stored():
    """Return a function that reads a stored notebook."""
    return lambda name: nbformat.read(FOLDER / f'{name}.ipynb', 4)


@pytest.fixture
def own_source(run, tmp_path, monkeypatch):
    """Return a function that makes a source the only notebook there is."""

    def write(cell):
        path = tmp_path / '01_own.py'
        path.write_text('# %% [markdown]\n# # Own\n#\n# Of a test.\n\n# %% tags=["parameters"]\n'
                        f'SIZE = 128\n\n# %%\n{cell}\n')
        monkeypatch.setattr(run, 'SOURCES', {'01_own': path})

    return write


def test_there_is_one_notebook_a_paper():
    assert [name[:3] for name in NAMES] == [f'{number:02d}_' for number in range(1, 11)]


@pytest.mark.parametrize('name', NAMES)
def test_every_cell_runs_on_small_pictures(run, name):
    notebook = run.execute(name, run.QUICK, quiet=True)
    for cell in notebook.cells:
        outputs = cell.get('outputs', ())
        assert not [output.text for output in outputs if output.get('name') == 'stderr']
        if run.gallery.SHOWN in cell.metadata.get('tags', ()):
            assert any('image/jpeg' in output.get('data', {}) for output in outputs), cell.source


@pytest.mark.parametrize('name', NAMES)
def test_stored_outputs_are_those_of_the_source(run, stored, name):
    assert run.problems_of(run.SOURCES[name].read_text(encoding='utf-8'), stored(name)) == []
    file = FOLDER / f'{name}.ipynb'
    assert file.stat().st_size < LARGEST
    assert not re.search(r'/(root|home|tmp|work|Users)/', file.read_text(encoding='utf-8'))


def test_outputs_older_than_the_source_are_noticed(run, stored):
    name = NAMES[0]
    text, notebook = run.SOURCES[name].read_text(encoding='utf-8'), stored(name)
    assert run.problems_of(text + '\n', notebook) == ['its outputs are older than its source']
    assert len(run.problems_of(text + '\n# %%\nprint(1)\n', notebook)) == 2
    code = next(cell for cell in notebook.cells if cell.cell_type == 'code')
    code.execution_count = None
    code.outputs = [nbformat.v4.new_output('error', ename='E', evalue='', traceback=[]),
                    nbformat.v4.new_output('stream', name='stderr', text='a warning')]
    assert len(run.problems_of(text, notebook)) == 3


def test_a_cell_that_raises_ends_the_run_in_one_line(run, own_source, tmp_path):
    own_source('raise ValueError("no\\nsuch thing")')
    with pytest.raises(ArchiveError, match=r'^01_own: a cell raised ValueError: no such thing;'):
        run.main(['--quiet', '--out', str(tmp_path / 'run')])
    assert not list(tmp_path.glob('run/*.ipynb'))


def test_a_kernel_that_dies_ends_the_run_in_one_line(run, own_source, tmp_path):
    own_source('import os\nos._exit(1)')
    with pytest.raises(ArchiveError, match='^01_own: its kernel ended'):
        run.main(['--quiet', '--out', str(tmp_path / 'run')])


def test_what_is_not_installed_is_told_in_one_line(python):
    run = python('-c', 'import runpy, sys; sys.modules["jupytext"] = None; '
                       f'runpy.run_path({str(FOLDER / "run.py")!r}, run_name="__main__")')
    assert run.returncode == 2 and run.stderr.count('\n') == 1, run.stderr
    assert "pip install -e '.[notebooks]'" in run.stderr


def test_a_run_with_other_parameters_leaves_the_stored_notebooks(run, own_source, tmp_path,
                                                                 capsys):
    own_source('print("pixels:", SIZE)')
    before = {path: path.read_bytes() for path in FOLDER.glob('*.[ih]*')}
    run.main(['--size', '48', '--model', 'vgg19_quarter', '--out', str(tmp_path / 'run')])
    assert str(tmp_path / 'run' / 'index.html') in capsys.readouterr().out
    notebook = nbformat.read(tmp_path / 'run' / '01_own.ipynb', 4)
    assert notebook.cells[-1].outputs[0].text == 'pixels: 48\n'
    assert [cell.source for cell in notebook.cells if 'injected-parameters' in
            cell.metadata.get('tags', ())] == ['SIZE = 48']  # it has no MODEL to change
    assert {path: path.read_bytes() for path in FOLDER.glob('*.[ih]*')} == before


def test_names_that_are_none_are_told_before_anything_runs(run):
    with pytest.raises(ArchiveError, match='did you mean 06_artistic_style'):
        run.main(['06_artistic_stile'])
    with pytest.raises(ArchiveError, match='no network'):
        run.main(['--model', 'vgg20', '06_artistic_style'])


def test_the_gallery_is_of_the_stored_notebooks_and_whole(run, stored):
    page = (FOLDER / 'index.html').read_text(encoding='utf-8')
    assert page == run.gallery.page_of({name: stored(name) for name in NAMES})
    pictures = re.findall(r'<img src="([^"]+)" alt="([^"]+)"', page)
    assert len(pictures) == page.count('<img') > 2 * len(NAMES)
    for source, _ in pictures:
        kind, data = re.fullmatch(r'data:image/(jpeg|png);base64,(.*)', source).groups()
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format.lower() == kind and picture.size[0] > 300
    assert not re.search(r'(src|href)="(https?:)?//(?!arxiv\.org|github\.com)', page)
    for name in re.findall(r'href="([^"#:]+)"', page):
        assert (FOLDER / name).exists(), name
