"""Rerun the notebooks, one paper each: all of them, or those that are named.

    python notebooks/run.py 06_artistic_style 07_control

A notebook's source is a script, `NAME.py`, with text between its cells (jupytext's percent
format); what it showed when it was run last stands beside it, `NAME.ipynb`. A run with the sources'
own parameters renews the stored notebooks and the gallery, `index.html`; with --model, --size or
--quick the results go into a new folder, runs/notebooks-NNN, and the stored ones stay as they are.
"""

import ast
import contextlib
import hashlib
import re
import sys
import time
from pathlib import Path

import models

try:
    import jupytext
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
except ModuleNotFoundError as problem:
    print(f"run.py: error: {problem}; notebooks need more: pip install -e '.[notebooks]'",
          file=sys.stderr)
    sys.exit(2)
from models.errors import ArchiveError, one_line

import gallery
from tqdm import tqdm

from recipes.common import command_line, runs

FOLDER = Path(__file__).parent
SOURCES = {path.stem: path for path in sorted(FOLDER.glob('[0-9][0-9]_*.py'))}
PARAMETERS, INJECTED = 'parameters', 'injected-parameters'  # tags of cells, as papermill has them
QUICK = {'SIZE': 64, 'STEPS': 2, 'ROWS': 2}  # every formula still runs, on few small pictures
LONGEST = 3600  # seconds of one cell


def main(arguments=None):
    """Run notebooks with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    names = [models.known_name(name, list(SOURCES), 'notebook') for name in options.names]
    changed = parameters_of(options)
    run = runs.Run('notebooks', options.out, options.force) if changed or options.out else None
    folder = FOLDER if run is None else run.folder
    with contextlib.nullcontext() if run is None else run.recorded():
        for name in dict.fromkeys(names or SOURCES):
            began = time.perf_counter()
            text = nbformat.writes(execute(name, changed, options.quiet)) + '\n'
            save(run, f'{name}.ipynb', text)
            if not options.quiet:
                print(f'{name}: {time.perf_counter() - began:.0f} s, {len(text) / 1e6:.2f} MB')
        stored = {name: folder / f'{name}.ipynb' for name in SOURCES}
        save(run, 'index.html', gallery.page_of({name: nbformat.read(path, 4) for name, path in
                                                 stored.items() if path.exists()}))
        if run is not None:
            run.save_record(parameters=changed)
    if not options.quiet:
        print(folder / 'index.html')


def save(run, name, text):
    """Save a file whole: in a run's folder, or without one (None) in the place of a stored one."""
    if run is not None:
        with run.writing(name) as path:
            path.write_text(text, encoding='utf-8')
        return
    partial = FOLDER / f'{name}.partial'
    partial.write_text(text, encoding='utf-8')
    partial.replace(FOLDER / name)


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0])
    add = parser.add_argument
    add('names', nargs='*', metavar='NAME', help=f'of {", ".join(SOURCES)} (default: all)')
    parser.add_run_options()
    add('--model', help='network, where a notebook leaves it open (default: what it says itself)')
    add('--size', type=command_line.pixels,
        help="pixels of the pictures' shorter side (default: what each notebook says)")
    add('--quick', action='store_true',
        help='small pictures, few steps and few rows: does every cell run?')
    options = parser.parse_args(arguments)
    if options.model is not None:
        models.facts_of(options.model)  # stop where there is no such network
    return options


def parameters_of(options):
    """What the command line changes of the notebooks' parameters, a dict."""
    changed = dict(QUICK) if options.quick else {}
    changed.update({name: value for name, value in (('MODEL', options.model),
                                                    ('SIZE', options.size)) if value is not None})
    return changed


def source_hash(text):
    """The hash of a source that is stored with its outputs, and tells whether they are older."""
    return hashlib.sha256(text.encode()).hexdigest()


def problems_of(text, stored):
    """Say what is wrong with a stored notebook, one line each.

    Args:
        text: of the source.
        stored: the notebook with its outputs.
    """
    problems = []
    if stored.metadata.get('archive', {}).get('sha256') != source_hash(text):
        problems.append('its outputs are older than its source')
    shown = [cell.source for cell in stored.cells]
    if shown != [cell.source for cell in jupytext.reads(text, fmt='py:percent').cells]:
        problems.append('its cells are not those of its source')
    for number, cell in enumerate(stored.cells):
        if cell.cell_type != 'code':
            continue
        if cell.execution_count is None:
            problems.append(f'cell {number} was not run')
        for output in cell.outputs:
            if output.output_type == 'error' or output.get('name') == 'stderr':
                problems.append(f'cell {number} shows an error or a warning')
    return problems


def read(name):
    """Read a source as a notebook without outputs."""
    text = SOURCES[name].read_text(encoding='utf-8')
    parsed = jupytext.reads(text, fmt='py:percent')
    notebook = nbformat.v4.new_notebook(cells=parsed.cells, metadata={
        'kernelspec': {'name': 'python3', 'display_name': 'Python 3', 'language': 'python'},
        'archive': {'source': f'{name}.py', 'sha256': source_hash(text)}})
    for number, cell in enumerate(notebook.cells):
        cell.id = f'cell-{number:02d}'  # jupytext's are random: every run would change every cell
    return notebook


def with_parameters(notebook, changed):
    """Put a cell behind the parameters that changes those which the notebook has.

    A parameter that a notebook does not have is not its own to choose: that of 2015's notebooks
    has no MODEL, as their scripts write out every layer.
    """
    place, cell = next((number, cell) for number, cell in enumerate(notebook.cells)
                       if PARAMETERS in cell.metadata.get('tags', ()))
    own = {target.id for statement in ast.parse(cell.source).body
           if isinstance(statement, ast.Assign) for target in statement.targets}
    lines = [f'{name} = {value!r}' for name, value in changed.items() if name in own]
    if lines:
        injected = nbformat.v4.new_code_cell('\n'.join(lines), metadata={'tags': [INJECTED]})
        injected.id = 'cell-injected'
        notebook.cells.insert(place + 1, injected)
    return notebook


def execute(name, changed=(), quiet=False):
    """Run a notebook in a kernel of its own, in the folder of the notebooks.

    Args:
        name: of SOURCES.
        changed: parameters to change, a dict.
        quiet: no progress.

    Returns:
        The notebook with its outputs.

    Raises:
        ArchiveError: a cell raised; says which, and what.
    """
    notebook = with_parameters(read(name), dict(changed))
    count = sum(cell.cell_type == 'code' for cell in notebook.cells)
    with tqdm(total=count, desc=name, unit='cell', disable=quiet) as bar:
        client = NotebookClient(notebook, timeout=LONGEST, startup_timeout=LONGEST,
                                kernel_name='python3', record_timing=False,
                                resources={'metadata': {'path': str(FOLDER)}},
                                extra_arguments=['--log-level=ERROR'],
                                on_cell_executed=lambda **_: bar.update())
        try:
            client.execute()
        except CellExecutionError as problem:
            raise ArchiveError(f'{name}: a cell raised {problem.ename}: {plain(problem.evalue)}; '
                               'open the source, or run it in Jupyter, to see where'
                               ) from problem
        except (RuntimeError, TimeoutError) as problem:  # nbclient's, of a kernel that was killed
            raise ArchiveError(f'{name}: its kernel ended or does not answer: '
                               f'{plain(str(problem))}; is there enough memory?') from problem
    notebook.metadata.pop('language_info', None)  # has the version of this machine's Python
    return notebook


def plain(text):
    """A text without the colours of a terminal, in one line."""
    return one_line(re.sub(r'\x1b\[[0-9;]*m', '', text))


if __name__ == '__main__':
    command_line.run(main)
