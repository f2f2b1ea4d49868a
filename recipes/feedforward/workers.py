"""Pictures spread over processes of this machine, or over a cluster of Dask's.

A worker imports the models itself and was never forked from a process that has used Theano, whose
threads and locks do not survive that. The first picture is painted alone: it compiles what all
need, and Theano's lock on the folder of compiled code gives up after two minutes. Each worker has
one thread, for the last bits of a picture depend on their number. Contents of files travel, so
there need be no shared disk; only the process that was asked writes results.

A task is a function (content, name) -> (result, problem); pictures are a dict from a key to a
function that gives (content, name) and may raise ArchiveError. Results are (key, result or None,
problem or None), in the order in which they are done.
"""

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import pickle
from concurrent.futures.process import BrokenProcessPool

from models.errors import ArchiveError

from recipes.feedforward import remote

ATTEMPTS = 3    # workers that may die over one picture
PATIENCE = 30   # seconds to reach a scheduler and its first worker
AHEAD = 2       # pictures in memory for each worker
THREADS = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')


def here(task, pictures):
    """Yield the results of a task that is done in this process."""
    for key, read in pictures.items():
        try:
            content = read()
        except ArchiveError as problem:
            yield key, None, str(problem)
            continue
        yield (key, *task(*content))


def in_processes(task, pictures, count):
    """Yield the results of a task that is done in so many processes.

    Where one dies, new ones do what it did and what is left, the suspects one after another.
    """
    left, suspects, deaths = dict(pictures), list(pictures)[:1], dict.fromkeys(pictures, 0)
    while left:
        broken, counted = [], len(suspects)
        with _one_thread(), concurrent.futures.ProcessPoolExecutor(
                count, multiprocessing.get_context('spawn')) as pool:
            done = itertools.chain(*(
                _through(_submitter(pool, task), _first_completed, chosen, window)
                for chosen, window in _alone_and_rest(left, suspects, AHEAD * count)))
            for key, outcome in done:
                try:
                    result = outcome if isinstance(outcome, tuple) else outcome.result()
                except BrokenProcessPool:
                    broken.append(key)
                    continue
                counted -= key in suspects
                del left[key]
                yield (key, *result)
        if broken and counted:  # it ran alone
            deaths[broken[0]] += 1
            if deaths[broken[0]] == ATTEMPTS:
                del left[broken[0]]
                yield broken[0], None, f'{broken[0]}: {ATTEMPTS} processes have died over it'
        suspects = [key for key in broken[:AHEAD * count] if key in left]


def on_cluster(task, pictures, address):
    """Yield the results of a task that is done by the workers of a Dask scheduler.

    A worker that dies loses nothing: its pictures are done by others.

    Raises:
        ArchiveError: Dask is not installed, or there is no scheduler or no worker.
    """
    client, wait = _client(address)
    try:
        sent = client.scatter(pickle.dumps(task), broadcast=True)
        window = AHEAD * max(1, sum(client.nthreads().values()))

        def submit(*content):
            return client.submit(remote.run, sent, *content, pure=False, retries=ATTEMPTS)

        def first(futures):
            return wait(list(futures), return_when='FIRST_COMPLETED').done

        for chosen, ahead in _alone_and_rest(pictures, list(pictures)[:1], window):
            for key, outcome in _through(submit, first, chosen, ahead):
                yield (key, *(outcome if isinstance(outcome, tuple) else _result(outcome, key)))
    finally:
        client.close()


def _alone_and_rest(pictures, alone, window):
    """Split pictures into those that are done one at a time, and the others: (dict, window)."""
    first = {key: pictures[key] for key in alone if key in pictures}
    return [(first, 1), ({key: pictures[key] for key in pictures if key not in first}, window)]


def _through(submit, first_completed, pictures, window):
    """Submit pictures, so many at a time, and yield (key, future, or what stands for a result)."""
    waiting, running = list(pictures.items())[::-1], {}
    while waiting or running:
        while waiting and len(running) < window:
            key, read = waiting.pop()
            try:
                content = read()
            except ArchiveError as problem:
                yield key, (None, str(problem))
                continue
            running[submit(*content)] = key
        for future in first_completed(running) if running else ():
            yield running.pop(future), future


def _submitter(pool, task):
    def submit(*content):
        try:
            return pool.submit(task, *content)
        except BrokenProcessPool as problem:
            failed = concurrent.futures.Future()
            failed.set_exception(problem)
            return failed
    return submit


def _first_completed(futures):
    return concurrent.futures.wait(futures,
                                   return_when=concurrent.futures.FIRST_COMPLETED).done


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


def _client(address):
    """Connect to a scheduler: (client, distributed.wait)."""
    try:
        from distributed import Client, wait
    except ImportError as problem:
        raise ArchiveError("--scheduler needs Dask: pip install -e '.[cluster]'") from problem
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as problem:
        raise ArchiveError(f'there is no scheduler at {address}; start one (dask scheduler) and '
                           'workers (dask worker ADDRESS --nthreads 1) first') from problem
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except Exception as problem:
        client.close()
        raise ArchiveError(f'the scheduler at {address} has no worker; start some '
                           f'(dask worker {address} --nthreads 1)') from problem
    return client, wait


def _result(future, key):
    try:
        return future.result()
    except Exception as problem:  # whatever a worker, and what it runs, may raise
        return None, f'{key}: {problem}'
