"""Pictures spread over processes of this machine, or over a cluster of Dask's.

A worker imports the models itself and was never forked from a process that has used Theano, whose
memory and locks do not survive that. The first picture is painted alone: it compiles what all need,
and Theano's lock on the folder of compiled code gives up after two minutes. Each worker has one
thread, for the last bits of a picture depend on their number. Contents of files travel, so there
need be no shared disk; only the process that was asked writes results.
"""

import concurrent.futures
import contextlib
import multiprocessing
import os

from models.errors import ArchiveError

ATTEMPTS = 3    # workers that may die over one picture
PATIENCE = 30   # seconds to reach a scheduler
THREADS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')


def here(task, contents):
    """Do a task for each picture in this process, one after another.

    Args:
        task: function (content, name) -> (result, problem).
        contents: dict of key -> function that gives (content, name); it may raise ArchiveError.

    Yields:
        (key, result or None, problem or None).
    """
    for key, read in contents.items():
        yield (key, *_done(task, read))


def _done(task, read):
    try:
        content = read()
    except ArchiveError as problem:
        return None, str(problem)
    return task(*content)


def in_processes(task, contents, count):
    """Do a task in so many processes; as `here`, in the order in which they are done."""
    left, deaths = dict(contents), dict.fromkeys(contents, 0)
    warm = 1  # the first alone
    while left:
        with _one_thread(), concurrent.futures.ProcessPoolExecutor(
                warm, multiprocessing.get_context('spawn')) as pool:
            running = {}
            for key, read in list(left.items())[:1 if warm == 1 and count > 1 else None]:
                try:
                    running[pool.submit(task, *read())] = key
                except ArchiveError as problem:
                    del left[key]
                    yield key, None, str(problem)
            broken = []
            for future in concurrent.futures.as_completed(running):
                key = running[future]
                try:
                    result = future.result()
                except concurrent.futures.process.BrokenProcessPool:
                    broken.append(key)
                    continue
                del left[key]
                yield (key, *result)
            for key in broken:
                deaths[key] += 1
                if deaths[key] >= ATTEMPTS:
                    del left[key]
                    yield key, None, f'{key}: {ATTEMPTS} processes have died over it'
        # After a death one at a time for a while: the picture that kills is then the only one.
        warm = count if not broken else 1


@contextlib.contextmanager
def _one_thread():
    """Let processes that are started inside have one thread each."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, '1'))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def on_cluster(task, contents, address):
    """Do a task on the workers of a Dask scheduler; as `here`, in the order in which they are done.

    A worker that dies loses nothing: its pictures are done by others.

    Raises:
        ArchiveError: Dask is not installed, or there is no scheduler at the address.
    """
    client = _client(address)
    try:
        sent = client.scatter(task, broadcast=True)
        pending, contents = [], dict(contents)
        for key, read in contents.items():
            try:
                content = read()
            except ArchiveError as problem:
                yield key, None, str(problem)
                continue
            future = client.submit(_run, sent, *content, key=f'paint-{id(task)}-{key}',
                                   retries=ATTEMPTS, pure=False)
            if not pending:  # it compiles what all need
                yield (key, *_result(future, key))
                pending.append(None)
                continue
            pending.append((key, future))
        yield from _collected(dict(pair[::-1] for pair in pending if pair))
    finally:
        client.close()


def _client(address):
    try:
        from distributed import Client
    except ImportError as problem:
        raise ArchiveError("--scheduler needs Dask: pip install -e '.[cluster]'") from problem
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as problem:
        raise ArchiveError(f'there is no scheduler at {address}; start one (dask scheduler) and '
                           'workers (dask worker ADDRESS --nthreads 1) first') from problem


def _run(task, content, name):
    return task(content, name)


def _result(future, key):
    try:
        return future.result()
    except Exception as problem:  # whatever a worker and what it runs may raise
        return None, f'{key}: {problem}'


def _collected(futures):
    from distributed import as_completed

    for future in as_completed(list(futures)):
        yield (futures[future], *_result(future, futures[future]))
