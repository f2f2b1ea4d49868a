"""The pictures that `apply` is asked for, and the run that they go to."""

import glob
import hashlib
import sys
from pathlib import Path

from models import feedforward
from models.errors import ArchiveError, Incomplete

import threadpoolctl
from tqdm import tqdm

from recipes.common import images, names, photos
from recipes.feedforward import generators, workers
from recipes.feedforward.applying import Task

STANDARD_INPUT = '-'
TEXTURE_SIZE = 256  # pixels


def wanted(arguments):
    """Give the files that arguments name: files, folders, patterns, '-' for the standard input.

    Raises:
        ArchiveError: one names nothing.
    """
    found = []
    for argument in map(str, arguments):
        if argument == STANDARD_INPUT:
            found.append(argument)
        elif glob.has_magic(argument) and not Path(argument).exists():
            matching = sorted(filter(images.named_like_a_picture, map(Path, glob.glob(argument))))
            if not matching:
                raise ArchiveError(f'no picture matches {argument}')
            found += matching
        else:
            found += photos.find([argument])
    return list(dict.fromkeys(found))


def _reader(path):
    def read():
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read(images.LARGEST_FILE + 1), 'the standard input'
        return images.content_of(path), str(path)
    return read


def paint_all(run, path, found, options):
    """Paint pictures into a run.

    Args:
        run: a `runs.Run`.
        path: of the generator.
        found: what to paint, as `wanted` gives it.
        options: with size, keep_colours, memory, threads, seed, processes, scheduler, quiet.

    Raises:
        Incomplete: some could not be painted, the others are.
        ArchiveError: none could.
    """
    stems = names.unique({file: 'stdin' if file == STANDARD_INPUT else Path(file).stem
                          for file in found}, photos.TAKEN, 'photo')
    spread = options.processes > 1 or options.scheduler
    threads = 1 if spread else options.threads
    content, (_, description) = Path(path).read_bytes(), generators.load(path)
    task = Task(content, options.size, options.keep_colours, options.memory, threads, options.seed)
    parameters = {'generator': hashlib.sha256(content).hexdigest(), 'size': options.size,
                  'seed': options.seed, 'keep_colours': options.keep_colours,
                  'threads_of_a_worker': threads}
    run.save_record(parameters=parameters, generator=str(path), description=description._asdict(),
                    processes=options.processes, scheduler=options.scheduler)
    problems = []
    with run.recorded(), tqdm(total=len(found), unit='picture', disable=options.quiet) as bar:
        for file, painted, problem in _results(task, {file: _reader(file) for file in found},
                                               options):
            bar.update()
            if problem:
                problems.append(problem)
                continue
            run.save_picture(f'{stems[file]}.png', painted, parameters)
        run.save_record(problems=problems)
        if len(problems) == len(found):
            raise ArchiveError(photos.told(problems))
    if problems:
        raise Incomplete(f'{len(problems)} of {len(found)} pictures were left out, the others are '
                         f'done: {photos.told(problems)}')


def texture_size(size, description):
    """Give the rows and columns of textures.

    Args:
        size: one number or two, or None for the default.
        description: of the generator.

    Raises:
        ArchiveError: they are more numbers, or none that the generator can make.
    """
    if size and len(size) > 2:
        raise ArchiveError('--size of a texture is one number, or rows and columns')
    lengths = ((size or [TEXTURE_SIZE]) * 2)[:2]
    return [feedforward.output_size(description, length) for length in lengths]


def make_textures(run, painter, size, options):
    """Make textures of noise into a run.

    Args:
        run: a `runs.Run`.
        painter: a `Painter`.
        size: rows and columns.
        options: with count, threads, seed, quiet.
    """
    rows, columns = size
    parameters = {'generator': painter.net.origin.sha256, 'rows': rows, 'columns': columns,
                  'threads': options.threads}
    run.save_record(parameters=parameters, seeds=[options.seed, options.seed + options.count - 1])
    with run.recorded(), threadpoolctl.threadpool_limits(options.threads):
        for seed in tqdm(range(options.seed, options.seed + options.count), unit='texture',
                         disable=options.quiet):
            run.save_picture(f'texture_{seed}.png', painter.texture(rows, columns, seed),
                             {**parameters, 'seed': seed})


def _results(task, readers, options):
    if options.scheduler:
        return workers.on_cluster(task, readers, options.scheduler)
    if options.processes > 1:
        return workers.in_processes(task, readers, options.processes)
    return workers.here(task, readers)
