"""Compare outputs with the published figures, or two runs with each other.

    python recipes/compare.py RUN FIGURES
    python recipes/compare.py RUN_A RUN_B
    python recipes/compare.py --reproduce recipes-style-grid

The first cuts the figures into panels, undoes what they do to pictures (scaling, JPEG, frames,
small shifts), and measures each panel against the picture of the run: SSIM, the earth mover's
distance of the colours in L*a*b*, the distance of Gram matrices and the correlation of activations
in layers of a network; of maps the rank correlation and how much of the brightest 5 % is the same.
The second tells which parameters differ, how far pictures and losses are apart, and in which round
they part. The third makes a figure again by the call that the manifest has, and compares. Each
writes compare.html, a page that needs nothing besides itself. The exit status is 1 where something
is not alike.
"""

import importlib
import shlex
from collections import namedtuple
from pathlib import Path

from models.errors import ArchiveError, Incomplete
from models.weights import npz

import numpy as np

from recipes.common import command_line, figures as drawing, images, maps, runs
from recipes.common.names import in_page
from recipes.measures import alignment, grids, judging, manifest, pictures

FIGURES = Path(__file__).resolve().parent.parent.parent / 'shared' / 'data' / 'figures'
PAGE = images.ASSETS / 'compare.html'
STATUSES = ('exit status: 0 everything that has a limit keeps it; 1 something does not, told in '
            'one line; 2 something must be mended first, told in one line; 130 stopped by Ctrl-C, '
            '143 by SIGTERM, 129 by SIGHUP')

QUALITY = 90      # of the JPEGs in the page
SAME_PHOTO = 0.5  # SSIM: measured 0.75 and more for the photo of a figure, 0.35 and less for others

# A pair of pictures that was measured: what of it stands where; RGB uint8 arrays of one shape; what
# was done to align them, in words; its kind in the manifest; a list of `judging.Judged`.
Compared = namedtuple('Compared', 'figure title ours theirs done kind judged')

# What a comparison has found: Compared of each pair; tables as (heading, columns, rows); what is
# not alike, and what else is to be told, one line each; figures of the manifest that were compared.
Findings = namedtuple('Findings', 'compared tables failures notes figures', defaults=([],))


def main(arguments=None):
    """Run the recipe with command-line arguments; None takes the process's own."""
    options = parse(arguments)
    published, kinds = manifest.read()
    if options.list:
        list_figures(published, options)
        return
    if options.reproduce:
        names = list(published) if options.reproduce == ['all'] else options.reproduce
        wanted = [manifest.known_figure(name, published) for name in dict.fromkeys(names)]
        found, run = reproduce(wanted, kinds, options)
    else:
        found, run = compare(published, kinds, options)
    with run.recorded():
        save(run, found)
    if not options.quiet:
        show(run, found)
    if found.failures:
        raise Incomplete(f'{len(found.failures)} not alike: {"; ".join(found.failures)}')


def parse(arguments):
    """Read the command line."""
    parser = command_line.ArgumentParser(description=__doc__.split('\n')[0], epilog=STATUSES)
    add = parser.add_argument
    add('ours', nargs='?', metavar='RUN', help='folder of a run, or of pictures')
    add('theirs', nargs='?', metavar='FIGURES|RUN',
        help='folder of published figures, or one of them; folder of pictures; another run')
    parser.add_run_options()
    add('--reproduce', nargs='+', metavar='FIGURE',
        help='make figures of the manifest again, and compare; `all` takes all that can be made')
    add('--figure', nargs='+', metavar='FIGURE',
        help='the figures of the manifest to compare with (default: those that show what the run '
             'has made)')
    add('--figures', metavar='FOLDER', help='of the published figures and what they are made from '
                                            '(default: ../shared/data/figures)')
    add('--list', action='store_true', help='list the figures of the manifest, and end')
    add('--kind', default='same', help='of pictures that the manifest does not have: how alike '
                                       'they should be, one of its kinds')
    add('--grid', type=grid, metavar='ROWSxCOLUMNS',
        help='the figure is not in the manifest and has so many panels, in the order of the '
             "pictures' names")
    add('--model', default=command_line.DEFAULT,
        help='network in whose layers pictures are compared')
    add('--weights', metavar='FILE', help='of the network in whose layers pictures are compared')
    options = parser.parse_args(arguments)
    if not options.list and bool(options.reproduce) == bool(options.ours):
        parser.error('name a run and what to compare it with, or --reproduce FIGURE; --list lists '
                     'the figures')
    if options.ours and not options.theirs:
        parser.error(f'what shall {options.ours} be compared with? Name a folder of figures, or '
                     'another run')
    if options.figures is None and FIGURES.is_dir():
        options.figures = FIGURES
    return options


def grid(text):
    """Read (rows, columns) from '3x3', for argparse."""
    parts = text.lower().split('x')
    if len(parts) != 2 or not all(part.isdecimal() and 0 < int(part) <= 99 for part in parts):
        raise command_line.argparse.ArgumentTypeError(f'{text!r} is no grid; write rows and '
                                                      'columns like 3x3')
    return tuple(map(int, parts))


def list_figures(published, options):
    """Print a line on each figure of the manifest, and what is missing to make it again."""
    rows = []
    for figure in published.values():
        try:
            find_all(figure, options.figures)
            state = 'can be made'
        except ArchiveError as problem:
            state = str(problem)
        rows.append([figure.name, f'{figure.paper}, {figure.number}', figure.shows, state])
    command_line.print_table(rows)


def find_all(figure, folder):
    """Find what makes a figure again: (its path, name to path of inputs, weight file or None).

    Raises:
        ArchiveError: something is missing; says where it comes from.
    """
    path = manifest.find(figure, folder)
    inputs = {name: manifest.find_input(figure, name, folder)
              for name, source in figure.inputs.items() if not isinstance(source, int)}
    return path, inputs, manifest.find_weights(figure, folder)


def reproduce(wanted, kinds, options):
    """Make figures again by the calls of the manifest, and compare.

    Of several figures those that cannot be made are told, and the others are done.

    Returns:
        (Findings, run).
    """
    ready, missing = {}, []
    for figure in wanted:
        try:
            ready[figure.name] = find_all(figure, options.figures)
        except ArchiveError as problem:
            if len(wanted) == 1:
                raise
            missing.append(str(problem))
    if not ready:
        raise ArchiveError(f'none of the figures can be made: {"; ".join(missing)}')
    network = pictures.InNetwork.of(options.model, options.weights)
    run = runs.Run('compare', options.out, options.force)
    run.save_record(parameters={'reproduce': list(ready), 'model': options.model}, cells=[])
    found, made = Findings([], [], [], missing, [figure for figure in wanted
                                                 if figure.name in ready]), {}
    with run.recorded():
        for figure in found.figures:
            folder = make(figure, ready[figure.name], made, run, options)
            found.compared.extend(compare_figure(figure, folder, ready[figure.name][0],
                                                 kinds, network))
        return judged(found), run


def make(figure, found, made, run, options):
    """Make a figure again, unless the same call was done for another one: the recipe's folder.

    Args:
        figure: `manifest.Figure`.
        found: as `find_all` gives it.
        made: call -> folder, of what was made so far; it is added to.
        run: of the comparison.
    """
    path, inputs, weights = found
    panels = grids.cut(images.read(path), *figure.grid)
    for name, source in figure.inputs.items():
        if isinstance(source, int):
            picture = without_frame(panels[source]) if figure.framed else panels[source]
            file = f'{figure.name}_{name}.png'
            run.save_picture(file, picture, {'figure': figure.name})
            inputs = {**inputs, name: run.folder / file}
    values = {**inputs, 'weights': weights}
    arguments = filled(figure.arguments, values)
    call = (figure.recipe, *arguments)
    if call not in made:
        if not options.quiet:
            print(shlex.join(['python', f'recipes/{figure.recipe}.py', *arguments]))
        made[call] = run.folder / figure.name
        run.save_record(cells=[*run.record['cells'], figure.name])
        recipe = importlib.import_module(f'recipes.{figure.recipe}')
        recipe.main([*arguments, '--out', str(made[call]), *['--quiet'] * options.quiet])
    return made[call]


def without_frame(panel):
    """Replace a panel's frame, its outermost pixels, by their neighbours; its sides stay."""
    frame = alignment.FRAME
    return np.pad(images.trim(panel, frame), ((frame, frame), (frame, frame), (0, 0)), mode='edge')


def filled(arguments, values):
    """Fill the places of {names} in the arguments of a call with paths.

    An option whose value is none of ours, such as weights that the archive finds by itself, is left
    out.
    """
    result = []
    for argument in arguments:
        name = argument[1:-1] if argument.startswith('{') else None
        if name is None:
            result.append(argument)
        elif values[name] is None:
            result.pop()
        else:
            result.append(str(values[name]))
    return result


def compare(published, kinds, options):
    """Compare a run with figures, with another run, or pictures with pictures: (Findings, run)."""
    ours, theirs = Path(options.ours), Path(options.theirs)
    if not ours.is_dir():
        raise ArchiveError(f'there is no folder {ours}; name the folder of a run, or of pictures')
    if not theirs.exists():
        known = f'; --reproduce {theirs} makes it' if str(theirs) in published else ''
        raise ArchiveError(f'there is no folder or file {theirs} to compare with{known}')
    is_run = [(folder / 'run.json').exists() for folder in (ours, theirs)]
    records = [finished_record(folder) if there else None
               for folder, there in zip((ours, theirs), is_run)]
    wanted = [] if all(is_run) else figures_for(published, kinds, ours, theirs, options)
    network = pictures.InNetwork.of(options.model, options.weights)
    if all(is_run):
        compared = compare_runs(ours, theirs, records, kinds, network)
    elif wanted:
        compared = Findings([one for figure in wanted for one in compare_figure(
            figure, ours, manifest.find(figure, theirs), kinds, network)], [], [], [], wanted)
    else:
        compared = Findings(compare_pictures(ours, theirs, kinds, network, options), [], [], [])
    run = runs.Run('compare', options.out, options.force)
    run.save_record(parameters={'ours': str(ours), 'theirs': str(theirs), 'model': options.model,
                                'figures': [figure.name for figure in wanted]})
    return judged(compared), run


def finished_record(folder):
    """Read what run.json of a run says.

    Raises:
        ArchiveError: it is broken, or the run did not come to its end.
    """
    record = runs.read_record(folder)
    status = record.get('status', 'running')
    lost = [name for name in record['files'] if not (Path(folder) / name).exists()]
    if status != 'finished':
        raise ArchiveError(f'{folder} is half a run, its status is {status!r}: wait for its end, '
                           'or go on with it (--resume) or run it again')
    if lost:
        raise ArchiveError(f'{folder} lacks {len(lost)} of the files that its run.json lists, such '
                           f'as {lost[0]}; run it again')
    return record


def figures_for(published, kinds, ours, theirs, options):
    """List the figures of the manifest that a folder is to be compared with, or none.

    Without --figure: those that are there, whose panels the folder has, and of those with a photo
    the ones that show its photo.
    """
    if options.figure:
        return [manifest.known_figure(name, published) for name in dict.fromkeys(options.figure)]
    if options.grid:
        return []
    if theirs.is_file():
        return [figure for figure in published.values() if theirs.name == Path(figure.file).name
                or theirs.stem == figure.name]
    recipe = runs.read_record(ours)['recipe'] if (ours / 'run.json').exists() else None
    there = [figure for figure in published.values() if manifest.is_there(figure, theirs)]
    fitting = [figure for figure in there if recipe in (None, figure.recipe)
               and all(has_panel(ours, panel['ours']) for panel in figure.panels)]
    if there and not fitting:
        raise ArchiveError(f'{ours} has not the pictures of any figure in {theirs}; name one with '
                           f'--figure ({", ".join(figure.name for figure in there)}) or make it '
                           'with --reproduce')
    return [figure for figure in fitting if shows_its_photo(figure, ours, theirs)] or fitting


def shows_its_photo(figure, ours, theirs):
    """Tell whether the photo of a folder is the one of a figure; True where the figure has none."""
    path = manifest.find(figure, theirs)
    panels = grids.cut(images.read(path), *figure.grid)
    for panel in figure.panels:
        if panel['kind'] != 'photo':
            continue
        try:
            pair = alignment.align(read_ours(ours, panel['ours']), panels[panel['at']],
                                   figure.framed, figure.scaling)
        except ArchiveError:  # of another shape
            return False
        return pictures.ssim(pair.ours, pair.theirs) > SAME_PHOTO
    return True


def has_panel(folder, wanted):
    """Tell whether a folder has what a panel is compared with."""
    try:
        read_ours(folder, wanted)
    except ArchiveError:
        return False
    return True


def read_ours(folder, wanted):
    """Read what a panel is compared with: RGB uint8 array.

    Args:
        folder: of a run.
        wanted: dict of file, a pattern; of array and part, where the file has several.

    Raises:
        ArchiveError: it is not there, or there are several.
    """
    paths = sorted(Path(folder).glob(wanted['file']))
    if len(paths) != 1:
        raise ArchiveError(f'{folder} has {len(paths)} files {wanted["file"]}, and one is needed; '
                           'name the folder of the run that has made this figure')
    if 'array' not in wanted:
        return images.read(paths[0])
    try:
        array = npz.read_all(paths[0])[wanted['array']]
        return array if 'part' not in wanted else maps.panels(array, 100)[wanted['part']]
    except (OSError, ValueError, KeyError) as problem:
        raise ArchiveError(f'{paths[0]} has no {wanted["array"]} that can be read; run the recipe '
                           'again with this method') from problem


def compare_figure(figure, folder, path, kinds, network):
    """Compare a folder with a figure of the manifest: a list of Compared.

    Args:
        figure: `manifest.Figure`.
        folder: of the run.
        path: of the figure's file.
        kinds: name to limits.
        network: `pictures.InNetwork`.

    Raises:
        ArchiveError: the figure has other panels or shapes, or the folder lacks pictures.
    """
    try:
        panels = grids.cut(images.read(path), *figure.grid)
        found, offset = [], None
        for panel in figure.panels:
            kind = panel['kind']
            is_map = kind == 'map'  # a map lies where the photo before it lies
            pair = alignment.align(read_ours(folder, panel['ours']), panels[panel['at']],
                                   figure.framed, figure.scaling,
                                   None if is_map else alignment.jpeg_of(path),
                                   offset if is_map else None)
            offset = pair.offset
            found.append(Compared(figure.name, panel['title'], *pair[:3], kind, judging.judge(
                pair.ours, pair.theirs, kinds[kind], network)))
    except ArchiveError as problem:
        raise ArchiveError(f'{figure.name}, {path}: {problem}') from problem
    return found


def compare_pictures(ours, theirs, kinds, network, options):
    """Compare pictures that the manifest does not know, by their names: a list of Compared.

    Raises:
        ArchiveError: there are none, or none belong together.
    """
    limits = kinds[manifest.models.known_name(options.kind, list(kinds), 'kind')]
    found = []
    for name, first, second, path in pairs_of(ours, theirs, options.grid):
        try:
            pair = alignment.align(first, second, jpeg=alignment.jpeg_of(path))
        except ArchiveError as problem:
            raise ArchiveError(f'{name}: {problem}') from problem
        found.append(Compared(path.name, name, *pair[:3], options.kind,
                              judging.judge(pair.ours, pair.theirs, limits, network)))
    return found


def pairs_of(ours, theirs, shape):
    """Yield (name, our picture, their picture, their path).

    Args:
        ours: a folder.
        theirs: a folder, or a figure.
        shape: (rows, columns) of the panels of the one figure, or None.
    """
    own = pictures_in(ours)
    others = [theirs] if theirs.is_file() else pictures_in(theirs)
    if shape is not None:
        if len(others) != 1:
            raise ArchiveError(f'--grid cuts one figure, and {theirs} has {len(others)}')
        panels = grids.cut(images.read(others[0]), *shape)
        if len(panels) != len(own):
            raise ArchiveError(f'{others[0]} has {len(panels)} panels and {ours} {len(own)} '
                               'pictures; leave in the folder those that are on the figure')
        for path, panel in zip(own, panels):
            yield path.name, images.read(path), panel, others[0]
        return
    by_name = {path.stem: path for path in others}
    couples = [(path, by_name[path.stem]) for path in own if path.stem in by_name]
    if not couples and len(own) == len(others) == 1:
        couples = [(own[0], others[0])]
    if not couples:
        raise ArchiveError(f'no picture of {ours} is named like one of {theirs}; name them alike, '
                           'or a figure of the manifest with --figure')
    for first, second in couples:
        yield first.name, images.read(first), images.read(second), second


def pictures_in(folder):
    """List the pictures of a folder by name.

    Raises:
        ArchiveError: there are none.
    """
    paths = sorted(path for path in Path(folder).iterdir()
                   if images.named_like_a_picture(path) and path.is_file())
    if not paths:
        raise ArchiveError(f'there is no picture in {folder}')
    return paths


def compare_runs(first, second, records, kinds, network):
    """Compare two runs of one recipe: Findings.

    Args:
        first, second: folders.
        records: what their run.json says.
        kinds: name to limits; those of 'same' hold.
        network: `pictures.InNetwork`.

    Raises:
        ArchiveError: they are of two recipes, or have no pictures.
    """
    if records[0]['recipe'] != records[1]['recipe']:
        raise ArchiveError(f'{first} is a run of {records[0]["recipe"]} and {second} one of '
                           f'{records[1]["recipe"]}; compare runs of one recipe')
    names = [[name for name in record['files']
              if images.named_like_a_picture(Path(name)) and not name.startswith('frames/')
              and Path(name).stem != 'figure' and not name.endswith('.gif')] for record in records]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        raise ArchiveError(f'{first} and {second} have no picture of the same name')
    failures = [f'{name} is in {folder} only' for folder, own, others in
                ((first, *names), (second, *names[::-1])) for name in own if name not in others]
    compared = []
    for name in common:
        pair = [images.read(folder / name) for folder in (first, second)]
        if pair[0].shape != pair[1].shape:
            failures.append(f'{name} has other sides in the two')
            continue
        done = ['the same pixels'] if (pair[0] == pair[1]).all() else []
        compared.append(Compared('pictures', name, *pair, done, 'same',
                                 judging.judge(*pair, kinds['same'], network)))
    tables = [tables_of_records(records), *tables_of_losses(first, second, records)]
    return Findings(compared, tables, failures, [])


def tables_of_records(records):
    """Tell what two runs were asked for differently, and ran on: a table."""
    rows = [row for part in ('parameters', 'versions')
            for row in judging.differences(*(record.get(part, {}) for record in records))]
    rows += [(part, *(record.get(part) for record in records)) for part in ('threads', 'seconds')
             if records[0].get(part) != records[1].get(part)]
    return 'Differences in parameters and versions', ['', 'first run', 'second run'], rows


def tables_of_losses(first, second, records):
    """Measure how far the losses of two runs are apart, term by term: one table, or none."""
    losses = [judging.read_losses(folder) for folder in (first, second)]
    if None in losses:
        return []
    rows = []
    for term, a, b, apart, parts in judging.compare_losses(*losses):
        where = 'never' if parts is None else f'evaluation {parts}'
        number = None if parts is None else judging.round_of(parts, records[0].get('rounds', []))
        rows.append((term, *('none' if value is None else f'{value:.6g}' for value in (a, b)),
                     'none' if apart is None else f'{100 * apart:.3g} %',
                     where if number is None else f'{where}, round {number}'))
    return [('Losses at the end', ['term', 'first run', 'second run', 'apart', 'they part at'],
             rows)]


def judged(found):
    """Move what keeps no limit among the failures of findings."""
    failures = list(found.failures)
    for one in found.compared:
        worst = [f'{judging.NAMES[row.measure]} {row.value:.3f} {limit_in_words(row.limit)}'
                 for row in one.judged if row.passes is False]
        if worst:
            failures.append(f'{one.figure}, {one.title}: {", ".join(worst)}')
    return found._replace(failures=failures)


def limit_in_words(limit):
    """Write a limit as it stands in a table."""
    if limit.at_least is not None:
        return f'(at least {limit.at_least:g})'
    return '(no limit)' if limit.at_most is None else f'(at most {limit.at_most:g})'


def show(run, found):
    """Print the measures, and where the page is."""
    for note in found.notes:
        print(f'left out: {note}')
    for heading, columns, rows in found.tables:
        print(f'\n{heading}')
        command_line.print_table([columns, *([str(cell) for cell in row] for row in rows)])
    rows = [[one.figure, one.title, *(f'{judging.NAMES[row.measure]} {row.value:.3f} '
                                      + limit_in_words(row.limit) for row in one.judged[:4]),
             WORDS[judging.verdict(one.judged)]] for one in found.compared]
    print()
    for row in rows:
        print('  '.join(row))
    print(run.folder / 'compare.html')


WORDS = {True: 'alike', False: 'NOT alike', None: 'no verdict'}
CLASSES = {True: 'good', False: 'bad', None: 'open'}


def save(run, found):
    """Save measures.csv and the page."""
    run.save_table('measures.csv', ['figure', 'panel', 'kind', 'measure', 'value', 'at_least',
                                    'at_most', 'passes'],
                   [[one.figure, one.title, one.kind, row.measure, repr(row.value),
                     row.limit.at_least, row.limit.at_most, row.passes]
                    for one in found.compared for row in one.judged])
    for heading, columns, rows in found.tables:
        run.save_table(f'{heading.split()[0].lower()}.csv', columns, rows)
    run.save_record(failures=found.failures, notes=found.notes)
    verdict = f'{len(found.failures)} not alike' if found.failures else 'alike'
    without = sum(judging.verdict(one.judged) is None for one in found.compared)
    if without:
        verdict += f', {without} of {len(found.compared)} panels without a verdict'
    drawing.fill_page(run, 'compare.html', PAGE, {
        'verdict': verdict, 'class': 'bad' if found.failures else 'good',
        'failures': ''.join(f'<li>{in_page(line)}</li>' for line in found.failures),
        'notes': ''.join(f'<li>left out: {in_page(line)}</li>' for line in found.notes),
        'tables': ''.join(table_in_page(*table) for table in found.tables),
        'figures': ''.join(map(figure_in_page, found.figures)),
        'pairs': ''.join(pair_in_page(number, one)
                         for number, one in enumerate(found.compared, start=1))})


def figure_in_page(figure):
    """Write for the page what the manifest says of a figure."""
    where = in_page(f'{figure.paper}, {figure.number}')
    return (f'<p><b>{in_page(figure.name)}</b>, {where}: {in_page(figure.shows)}. '
            f'{in_page(figure.note)}<br><code>python recipes/compare.py --reproduce '
            f'{in_page(figure.name)}</code></p>')


def table_in_page(heading, columns, rows):
    """Write a table of texts as it stands in the page."""
    if not rows:
        return f'<h2>{in_page(heading)}</h2><p>Nothing.</p>'
    head = ''.join(f'<th>{in_page(column)}</th>' for column in columns)
    body = ''.join('<tr>' + ''.join(f'<td>{in_page(cell)}</td>' for cell in row) + '</tr>'
                   for row in rows)
    return (f'<h2>{in_page(heading)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
            f'<tbody>{body}</tbody></table></div>')


def pair_in_page(number, one):
    """Write a pair of pictures with its measures as it stands in the page."""
    passes = judging.verdict(one.judged)
    title = in_page(f'{one.figure}, {one.title}')
    rows = ''.join(
        f'<tr class="{CLASSES[row.passes]}"><td title="{in_page(row.limit.because)}">'
        f'{judging.NAMES[row.measure]}</td><td>{row.value:.3f}</td>'
        f'<td>{in_page(limit_in_words(row.limit).strip("()"))}</td></tr>' for row in one.judged)
    reasons = ''.join(f'<dt>{judging.NAMES[row.measure]}</dt><dd>{in_page(row.limit.because)}</dd>'
                      for row in one.judged)
    ours, theirs, apart = (drawing.data_uri(rgb, QUALITY)
                           for rgb in (one.ours, one.theirs, difference(one)))
    return (f'<section class="pair" id="pair-{number}"><h3>{title} '
            f'<b class="{CLASSES[passes]}">{WORDS[passes]}</b></h3>'
            f'<div class="stage"><figure class="ours"><img src="{ours}" '
            f'alt="{title}: ours"><figcaption>ours</figcaption></figure>'
            f'<figure class="theirs"><img src="{theirs}" alt="{title}: the other">'
            '<figcaption>figure or second run</figcaption></figure>'
            f'<figure class="difference"><img src="{apart}" '
            f'alt="{title}: difference"><figcaption>ours minus the other, around grey</figcaption>'
            '</figure></div><input class="slider" type="range" min="0" max="100" value="50" '
            f'aria-label="{title}: how much of ours is shown">'
            f'<table><tbody>{rows}</tbody></table><details><summary>what was done, and why these '
            f'limits</summary><p>{in_page("; ".join(one.done) or "nothing was done")}</p>'
            f'<dl>{reasons}</dl></details></section>')


def difference(one):
    """Draw the difference of a pair around grey, RGB uint8."""
    signed = 128 + (one.ours.astype(int) - one.theirs.astype(int)) // 2
    return signed.clip(0, 255).astype('uint8')


if __name__ == '__main__':
    command_line.run(main)
