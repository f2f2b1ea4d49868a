"""Downloads that are whole, or leave nothing under the file's name.

Bytes go into `<file>.part`, which a later try goes on with; only when its hash is right does it
take its name. Proxies (`https_proxy` and so on) and `file://` work as urllib has them.
"""

import contextlib
import errno
import http.client
import os
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import filelock
from tqdm import tqdm

from models.errors import ArchiveError
from models.weights import sources

ATTEMPTS = 4        # at one address, as long as none brings a byte
PATIENCE = 30       # seconds without (enough) bytes until a connection counts as stalled
SLOWEST = 1024      # bytes a second
PAUSE = 1           # seconds before the second attempt, then twice as many each time
BLOCK = 1 << 18     # bytes
PASSING = (408, 429, 500, 502, 503, 504)  # states of a server that may be over in a moment
REASONS = {401: 'the server wants a password', 403: 'the server forbids it',
           404: 'the server does not have it', 410: 'the server does not have it any more'}


class _Failure(Exception):
    """An address did not give the file."""

    def __init__(self, reason, may_pass=False):
        super().__init__(reason)
        self.may_pass = may_pass


def fetch(urls, target, wanted, quiet=False):
    """Download a file from the first address that gives the right one.

    A second process that wants the same file waits for the first and takes what it got.

    Args:
        urls: addresses in the order of trying; http, https, ftp or file.
        target: path of the file; its folder is made.
        wanted: its hash, '<algorithm>:<hexadecimal digits>'.
        quiet: show no progress.

    Returns:
        The address it came from; None if it was there already.

    Raises:
        ArchiveError: no address gave it, the disk is full, or the folder cannot be written.
    """
    target = Path(target)
    part = target.with_name(target.name + '.part')
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with alone(target, quiet):
            if target.exists() and sources.is_right(wanted, sources.digests_of(target)):
                return None
            return _from_any(urls, part, target, wanted, quiet)
    except OSError as problem:
        raise _of_disk(problem, target) from problem


def _from_any(urls, part, target, wanted, quiet):
    reasons = []
    for url in urls:
        try:
            _from(url, part, wanted, quiet)
        except _Failure as problem:
            reasons.append(f'{url}: {problem}')
            continue
        os.replace(part, target)
        return url
    kept = f'; {part} is kept, the next try goes on with it' if part.exists() else ''
    raise ArchiveError(f'{target.name} ({wanted.replace(":", " ", 1)}) could not be fetched: '
                       f'{"; ".join(reasons)}{kept}')


def _from(url, part, wanted, quiet):
    """Download from one address until the hash is right.

    Raises:
        _Failure: it did not work out; what came is kept if it may be a beginning.
    """
    attempt = 0
    while True:
        before = _size(part)
        try:
            resumed = _go_on(url, part, quiet)
        except _Failure as problem:
            attempt = 1 if _size(part) > before else attempt + 1
            if not problem.may_pass or attempt >= ATTEMPTS:
                raise
            time.sleep(PAUSE * 2 ** (attempt - 1))
            continue
        digests = sources.digests_of(part)
        if sources.is_right(wanted, digests):
            return
        os.remove(part)
        algorithm, _, digits = wanted.partition(':')
        if not resumed:
            raise _Failure(f'what came has the {algorithm} {digests[algorithm]}, not {digits}; '
                           'nothing of it was kept')
        # the beginning that was there may be of another file: once more from the start


def _go_on(url, part, quiet):
    """Download the rest of a file; return whether something of it was there before.

    Raises:
        _Failure: it is not whole.
    """
    begun = _size(part)
    headers = {'User-Agent': 'lasagne-archive', 'Accept-Encoding': 'identity'}
    if begun:
        headers['Range'] = f'bytes={begun}-'
    try:
        # A new opener, for it keeps the proxies that it found when it was made.
        response = urllib.request.build_opener().open(
            urllib.request.Request(url, headers=headers), timeout=PATIENCE)
    except urllib.error.HTTPError as problem:
        if problem.code == 416 and begun:  # nothing is left of it, or it is another file
            if _total(problem.headers.get('Content-Range')) != begun:
                os.remove(part)
                raise _Failure('what was there did not fit', may_pass=True) from problem
            return True
        told = REASONS.get(problem.code) or str(problem.reason).partition('\n')[0]
        raise _Failure(f'{told} ({problem.code})', problem.code in PASSING) from problem
    except urllib.error.URLError as problem:
        raise _broken(problem.reason) from problem
    except (OSError, http.client.HTTPException) as problem:
        raise _broken(problem) from problem
    except ValueError as problem:
        raise _Failure(f'this is no address ({problem})') from problem
    with response:
        begun, total = _extent(response, begun, part)
        _require_space(part, total and total - begun)
        _copy(response, part, begun, total, quiet)
    return begun > 0


def _extent(response, begun, part):
    """Return (first byte that comes, bytes of the whole file or None)."""
    length = response.headers.get('Content-Length')
    length = int(length) if length and length.isdigit() else None
    if begun and getattr(response, 'status', None) == 206:
        found = re.match(r'bytes (\d+)-', response.headers.get('Content-Range', ''))
        if found and int(found.group(1)) == begun:
            return begun, _total(response.headers.get('Content-Range')) or (
                length and begun + length)
        os.remove(part)
        raise _Failure('the server sent another part than was asked for', may_pass=True)
    return 0, length  # it sends the whole


def _copy(response, part, begun, total, quiet):
    with open(part, 'r+b' if begun else 'wb') as file, \
            tqdm(total=total, initial=begun, unit='B', unit_scale=True, disable=quiet,
                 desc=part.name[:-len('.part')]) as bar:
        file.seek(begun)
        window, came = time.monotonic(), 0
        while block := _some(response):
            file.write(block)
            bar.update(len(block))
            came += len(block)
            if time.monotonic() - window > PATIENCE:
                if came < SLOWEST * PATIENCE:
                    raise _stalled()
                window, came = time.monotonic(), 0
        end = file.tell()
    if total is not None and end < total:
        raise _Failure(f'the connection broke off after {end} of {total} bytes', may_pass=True)


def _some(response):
    """Return the bytes that came, as soon as there are any."""
    read = getattr(response, 'read1', response.read)
    try:
        return read(BLOCK)
    except (OSError, http.client.HTTPException) as problem:
        raise _broken(problem) from problem


@contextlib.contextmanager
def alone(target, quiet=False):
    """Hold the lock on a file that is fetched; wait for a process that has it.

    Args:
        target: path of the file; the lock is beside it and stays there.
        quiet: do not tell that it waits.
    """
    lock = filelock.FileLock(f'{target}.lock')
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if not quiet:
            tqdm.write(f'another process is fetching {target.name}; waiting for it',
                       file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _require_space(part, needed):
    free = shutil.disk_usage(part.parent).free
    if needed and needed > free:
        raise ArchiveError(f'the disk of {part.parent} has {free // 10 ** 6} MB left and '
                           f'{part.name[:-5]} needs {needed // 10 ** 6} MB more; make room, or '
                           'name another folder in $ARCHIVE_WEIGHTS')


def _of_disk(problem, target):
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return ArchiveError(f'the disk of {target.parent} is full; make room, or name another '
                            f'folder in $ARCHIVE_WEIGHTS, and try again: it goes on with what '
                            'is there')
    return ArchiveError(f'cannot write {problem.filename or target}: '
                        f'{problem.strerror or problem}; name another folder in $ARCHIVE_WEIGHTS')


def _stalled():
    return _Failure(f'the connection stalled for {PATIENCE} seconds', may_pass=True)


def _broken(problem):
    """Return the failure that an error of the connection means."""
    if isinstance(problem, (TimeoutError, socket.timeout)):  # one and the same from 3.10 on
        return _stalled()
    passing = isinstance(problem, (ConnectionError, http.client.HTTPException))
    told = problem if str(problem) else type(problem).__name__
    return _Failure(f'the connection broke off ({told})' if passing else str(told), passing)


def _total(content_range):
    """Return the size of the whole from 'bytes 5-9/10' or 'bytes */10', or None."""
    found = re.search(r'/(\d+)$', content_range or '')
    return int(found.group(1)) if found else None


def _size(part):
    return part.stat().st_size if part.exists() else 0
