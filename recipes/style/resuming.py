"""Going on with a run: its options, state and plan, read back and checked."""

import json
from pathlib import Path

from models.errors import ArchiveError

from recipes.common import command_line, runs
from recipes.style import journal, memory
from recipes.style.options import (
    OF_THE_MOMENT,
    PATHS,
    check,
    dashed,
    fill_in,
    last_round,
    make_parser,
    take_positional,
)

# Of the options in run.json; they had no number before the first. A new one is needed where an
# option's meaning changes, not where one is added: what is missing has its default.
VERSION = 1


def remembered(options):
    """Collect the options that a run goes on with, for run.json; paths from anywhere."""
    kept = {name: value for name, value in vars(options).items()
            if name not in (*OF_THE_MOMENT, 'grid')}
    for name in ('content', 'weights', 'init', 'features'):
        if kept[name] not in (None, 'noise', 'content'):
            kept[name] = str(Path(kept[name]).resolve())
    for name in ('style', 'masks', 'style_mask'):
        kept[name] = kept[name] and [str(Path(path).resolve()) for path in kept[name]]
    return kept


def resumed(options):
    """Find (options, state, whether in a new folder) to go on with a run.

    Raises:
        ArchiveError: there is no such run or round, nothing is left to do, or what it has kept
            cannot be used.
    """
    record = runs.read_record(options.resume)
    if record['recipe'] != 'styletransfer' or not {'options', 'plan'} <= set(record):
        raise ArchiveError(f'{options.resume} is no run of this recipe that can go on')
    known = restored(options.resume, record)
    for name in (*OF_THE_MOMENT, *options.moved):
        setattr(known, name, getattr(options, name))
    require_files(known)
    known.watch |= options.watch or 'watch.html' in record['files']
    if options.rounds is not None:  # of all phases but the last the number stays
        known.last_rounds = options.rounds
    state = journal.find(options.resume, options.round)
    left = last_round(known) - (0 if state is None else state.number)
    if left < 0 or (left == 0 and record.get('status') == 'finished'):
        in_last = state.number - known.rounds * (known.phases - 1)
        in_phases = f', {in_last} of them in the last phase' if known.phases > 1 else ''
        raise ArchiveError(f'{options.resume} has all of its {state.number} rounds{in_phases}; '
                           'give more --rounds, or an earlier round with --from')
    last = state is None or state.number == journal.numbers(options.resume)[-1]
    return known, state, not last or options.out is not None


def restored(folder, record):
    """Restore the options in a run's run.json, read and checked as the command line is.

    What is missing there, as of a run of before there was such an option, has its default.

    Raises:
        ArchiveError: they are of a later version, or something cannot be.
    """
    def refuse(message):
        raise ArchiveError(f'{folder} cannot go on, its run.json was changed: {message}')

    version = record.get('options_version', 0)
    if type(version) is not int or not 0 <= version <= VERSION:
        raise ArchiveError(f'{folder} cannot go on: its options have version {version!r}, and '
                           f'0 to {VERSION} are known; take the archive that made it')
    parser = make_parser()
    parser.error = refuse
    kept = record['options']
    try:
        arguments = [argument for action in parser._actions if action.dest in kept
                     and action.dest not in (*OF_THE_MOMENT, 'grid')
                     for argument in as_written(action, kept[action.dest])]
    except ValueError as problem:
        refuse(problem)
    options = parser.parse_args(arguments)
    take_positional(parser, options, [])
    fill_in(options)
    check(parser, options, [])
    return options


def as_written(action, value):
    """Write an option's value of run.json as on a command line, a list.

    Args:
        action: argparse's, of the option.
        value: None where the option was not given.

    Raises:
        ValueError: it is of another kind.
    """
    option = action.option_strings[0]
    if value is None or (value is False and action.nargs == 0):
        return []
    if value is True and action.nargs == 0:
        return [option]
    if action.nargs == '+' and isinstance(value, list) and all(map(_is_one, value)):
        return [option, *map(_words, value)] if value else []
    if action.nargs is None:
        if action.type is command_line.layer_weights and isinstance(value, dict):
            value = ','.join(f'{layer}={_words(factor)}' for layer, factor in value.items())
        elif action.type is command_line.memory and type(value) is int:
            value = f'{value}B'
        if _is_one(value):
            return [f'{option}={_words(value)}']
    raise ValueError(f'{option} cannot be {value!r:.80}')


def _is_one(value):
    """Tell whether a value is one text that a file can be named by, or one number."""
    return type(value) in (int, float) or (isinstance(value, str) and '\0' not in value)


def _words(value):
    return value if isinstance(value, str) else repr(value)


def resumed_plan(folder):
    """Restore the plan of a run's memory, as it was.

    Raises:
        ArchiveError: it cannot be.
    """
    kept = runs.read_record(folder).get('plan', {})
    plan = memory.Plan(**{name: kept.get(name) for name in memory.Plan._fields})
    cores = [core for core in (plan.core, plan.painting_core) if core is not None]
    if (any(not isinstance(core, list) or len(core) != 2 or not all(map(_is_count, core))
            for core in cores) or not _is_count(plan.corrections or 1)
            or type(plan.bytes) not in (int, float) or not 0 < plan.bytes < 2 ** 63):
        raise ArchiveError(f'{folder} cannot go on: the plan in its run.json was changed')
    return plan


def _is_count(value):
    return type(value) is int and 0 < value < 2 ** 31


def require_files(options):
    """Stop where a file of a run that goes on is no longer where it was.

    Raises:
        ArchiveError: says how to tell where it is.
    """
    for name in PATHS:
        value = getattr(options, name)
        for path in value if isinstance(value, list) else [value]:
            if path not in (None, 'noise', 'content') and not Path(path).exists():
                raise ArchiveError(f'{options.resume} cannot go on without {path}; where has it '
                                   f'moved? Name it with --{dashed(name)}')


def check_state(state, options, shapes, terms):
    """Stop where a state is not one that a run with these options has kept.

    Args:
        state: `journal.State`.
        options: of the run.
        shapes: of the picture in each phase.
        terms: how many the loss has.

    Raises:
        ArchiveError: says what differs.
    """
    phase = min(max(0, state.number - 1) // options.rounds, options.phases - 1)
    wanted = {'phase': (state.phase, phase), 'seed': (state.seed, options.seed),
              'number of terms': (len(state.weights), terms),
              'shape': (state.x.shape, shapes[min(phase, len(shapes) - 1)]),
              'optimiser': (bool(state.optimiser),
                            options.optimiser == 'adam' and state.number > 0)}
    other = [name for name, (found, right) in wanted.items() if found != right]
    if other:
        file = journal.STATE.format(state.number)
        raise ArchiveError(f'{options.resume} cannot go on: {file} is of another run, by its '
                           f'{" and ".join(other)}')


def open_run(options, parameters, state=None, elsewhere=False):
    """Open the folder of a new run, or of one that goes on.

    Args:
        options: of the run.
        parameters: that decide its pixels.
        state: `journal.State` to go on from, or None.
        elsewhere: whether a run that goes on does so in a new folder.

    Raises:
        ArchiveError: its pictures or weights are not what they were.
    """
    if not options.resume:
        return runs.Run('styletransfer', options.out, options.force)
    earlier = runs.read_record(options.resume).get('parameters', {})
    for name, value in json.loads(json.dumps(parameters)).items():
        if name not in earlier:
            raise ArchiveError(f'{options.resume} cannot go on: its run.json does not say what '
                               f'{name.replace("_", " ")} was')
        if earlier[name] != value:
            raise ArchiveError(f'{options.resume} cannot go on: {name.replace("_", " ")} was '
                               f'{earlier[name]} and is {value} now')
    return journal.reopen('styletransfer', options.resume, state, options.out, options.force,
                          elsewhere)
