"""Downloads that are whole, or leave nothing under the file's name.

Bytes go into `<file>.part`, which a later try goes on with; only when its hash is right does it
take its name. Proxies (`https_proxy` and so on) and `file://` work as urllib has them.
"""

import contextlib
import errno
import http.client
import io
import os
import re
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from models.errors import ArchiveError, one_line
from models.weights import sources

import filelock
from tqdm import tqdm

ATTEMPTS = 4        # at one address, as long as none brings a byte that is new
PATIENCE = 20       # seconds that an address may keep us waiting, in all its attempts together
SILENCE = 10        # seconds without a byte until a connection counts as stalled
SLOWEST = 32 << 10  # new bytes that give a second back
PAUSE = 1           # seconds before the second attempt, then twice as many each time
BLOCK = 1 << 18     # bytes
LARGEST = 2 * 10 ** 9  # bytes, where nothing tells how large a file is
PASSING = (408, 429, 500, 502, 503, 504)  # states of a server that may be over in a moment
REASONS = {401: 'the server wants a password', 403: 'the server forbids it',
           404: 'the server does not have it', 410: 'the server does not have it any more'}
LENGTH = re.compile('[0-9]{1,19}')
RANGE = re.compile('bytes (?:([0-9]{1,19})-[0-9]{1,19}|[*])/([0-9]{1,19}|[*])')


class _Failure(Exception):
    """An address did not give the file."""

    def __init__(self, reason, may_pass=False):
        super().__init__(reason)
        self.may_pass = may_pass


class _Misfit(_Failure):
    """What is there of a file is no beginning of what the address has."""

    def __init__(self, reason):
        super().__init__(reason, may_pass=True)


class _Patience:
    """The time that an address may still keep us waiting.

    It starts with PATIENCE seconds, and never has more; bytes that are new give some back. So an
    address that brings nothing is left after PATIENCE seconds, however it holds us up, and one
    that brings less than SLOWEST a second a little later.
    """

    def __init__(self):
        self.left, self.now = PATIENCE, time.monotonic()

    def spend(self):
        """Count the time that went by.

        Raises:
            _Failure: there is none left.
        """
        now = time.monotonic()
        self.left, self.now = self.left - (now - self.now), now
        if self.left <= 0:
            raise _Failure('the connection stalled; it kept us waiting for '
                           f'{PATIENCE} seconds')

    def earn(self, count):
        """Get time for new bytes."""
        self.spend()
        self.left = min(PATIENCE, self.left + count / SLOWEST)

    def timeout(self):
        """Count the seconds until the next byte must have come."""
        self.spend()
        return min(SILENCE, self.left)


class _Timed(io.RawIOBase):
    """What a server sends; each read has the time that is left, headers included."""

    def __init__(self, raw, sock, patience):
        super().__init__()
        self.raw, self.sock, self.patience = raw, sock, patience

    def readable(self):
        return True

    def readinto(self, buffer):
        self.sock.settimeout(self.patience.timeout())
        return self.raw.readinto(buffer)

    def close(self):
        self.raw.close()
        super().close()


def _opener(patience):
    """Make what opens http, https and file addresses and waits no longer than it may."""

    class Response(http.client.HTTPResponse):
        def __init__(self, sock, *arguments, **named):
            super().__init__(sock, *arguments, **named)
            self.fp = io.BufferedReader(_Timed(self.fp.detach(), sock, patience))

        def read(self, count=None):  # urllib reads what comes with a redirection, all of it
            return super().read(BLOCK if count is None else count)

    class Connection(http.client.HTTPConnection):
        response_class = Response

    class SecureConnection(http.client.HTTPSConnection):
        response_class = Response

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(Connection, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(SecureConnection, request)

    # A new one each time, for it keeps the proxies that it found when it was made.
    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler, Handler, SecureHandler,
                    urllib.request.FileHandler, urllib.request.UnknownHandler,
                    urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor,
                    urllib.request.HTTPRedirectHandler):
        opener.add_handler(handler())
    return opener


def fetch(urls, target, wanted, quiet=False, largest=LARGEST):
    """Download a file from the first address that gives the right one.

    A second process that wants the same file waits for the first and takes what it got.

    Args:
        urls: addresses in the order of trying; http, https or file.
        target: path of the file; its folder is made.
        wanted: its hash, '<algorithm>:<hexadecimal digits>'.
        quiet: show no progress.
        largest: bytes that it has at most; an address that has more has another file.

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
            return _from_any(urls, part, target, wanted, quiet, largest)
    except OSError as problem:
        raise _of_disk(problem, target) from problem


def _from_any(urls, part, target, wanted, quiet, largest):
    reasons = []
    for url in urls:
        try:
            _Address(url, part, wanted, quiet, largest).fetch()
        except _Failure as problem:
            reasons.append(f'{url}: {one_line(problem, 300)}')
            continue
        os.replace(part, target)
        return url
    kept = f'; {part} is kept, the next try goes on with it' if _size(part) else ''
    if not kept:
        _remove(part)
    raise ArchiveError(f'{target.name} ({wanted.replace(":", " ", 1)}) could not be fetched: '
                       f'{"; ".join(reasons)}{kept}')


class _Address:
    """One address, and the file that is to come from it.

    Args:
        url: the address.
        part: path of what is there of the file.
        wanted, quiet, largest: as for `fetch`.
    """

    def __init__(self, url, part, wanted, quiet, largest):
        self.url, self.part, self.wanted = url, part, wanted
        self.quiet, self.largest = quiet, largest
        self.patience = _Patience()
        self.reached = _size(part)  # bytes; only what goes beyond is new
        self.may_restart = True

    def fetch(self):
        """Download until the hash is right.

        Raises:
            _Failure: it did not work out; what came is kept if it may be a beginning.
        """
        attempt = 0
        while True:
            before = self.reached
            try:
                return self._fetch_once()
            except _Misfit:
                _remove(self.part)
                if not self.may_restart:
                    raise
                # The beginning that was there may be of another file: once more from the start.
                self.may_restart, self.reached, self.patience = False, 0, _Patience()
            except _Failure as problem:
                attempt = 1 if self.reached > before else attempt + 1
                if not problem.may_pass or attempt >= ATTEMPTS:
                    raise
                self._pause(attempt, problem)

    def _pause(self, attempt, problem):
        """Wait before the next attempt; where no time is left, raise what the last one met."""
        try:
            self.patience.spend()
            time.sleep(min(PAUSE * 2 ** (attempt - 1), self.patience.left))
            self.patience.spend()
        except _Failure:
            raise problem from None

    def _fetch_once(self):
        resumed = self._go_on()
        digests = sources.digests_of(self.part)
        if sources.is_right(self.wanted, digests):
            return
        algorithm, _, digits = self.wanted.partition(':')
        told = (f'what came has the {algorithm} {digests[algorithm]}, not {digits}; nothing of it '
                'was kept')
        if resumed:
            raise _Misfit(told)
        _remove(self.part)
        raise _Failure(told)

    def _go_on(self):
        """Download the rest of the file; return whether something of it was there before.

        Raises:
            _Failure: it is not whole.
        """
        begun = _size(self.part)
        if begun > self.largest:
            raise _Misfit(f'what was there has {begun} bytes, more than the file')
        headers = {'User-Agent': 'lasagne-archive', 'Accept-Encoding': 'identity'}
        if begun:
            headers['Range'] = f'bytes={begun}-'
        try:
            response = _opener(self.patience).open(
                urllib.request.Request(self.url, headers=headers), timeout=self.patience.timeout())
        except urllib.error.HTTPError as problem:
            if problem.code == 416 and begun:  # nothing is left of it, or it is another file
                if _extent_of(problem.headers)[1] != begun:
                    raise _Misfit('what was there did not fit') from problem
                return True
            told = REASONS.get(problem.code) or one_line(problem.reason, 200)
            raise _Failure(f'{told} ({problem.code})', problem.code in PASSING) from problem
        except urllib.error.URLError as problem:
            raise _broken(problem.reason) from problem
        except (OSError, http.client.HTTPException) as problem:
            raise _broken(problem) from problem
        except ValueError as problem:
            raise _Failure(f'this is no address ({problem})') from problem
        with response:
            begun, total = self._extent(response, begun)
            if total is not None and total > self.largest:
                raise _Failure(f'the server has {total} bytes, more than the file')
            _require_space(self.part, total and total - begun)
            self._copy(response, begun, total)
        return begun > 0

    def _extent(self, response, begun):
        """Read (first byte that comes, bytes of the whole file or None)."""
        length = response.headers.get('Content-Length')
        if length is not None and not LENGTH.fullmatch(length.strip()):
            raise _Failure(f'the server names a length that is none, {one_line(length, 60)}')
        length = length and int(length)
        if begun and getattr(response, 'status', None) == 206:
            first, total = _extent_of(response.headers)
            if first != begun:
                raise _Misfit('the server sent another part than was asked for')
            return begun, total or (length and begun + length)
        return 0, length  # it sends the whole

    def _copy(self, response, begun, total):
        with open(self.part, 'r+b' if begun else 'wb') as file, \
                tqdm(total=total, initial=begun, unit='B', unit_scale=True, disable=self.quiet,
                     desc=self.part.name[:-len('.part')]) as bar:
            file.seek(begun)
            end = begun
            while block := _some(response):
                if end + len(block) > self.largest:
                    break
                file.write(block)
                bar.update(len(block))
                end += len(block)
                self.patience.earn(max(0, end - self.reached))
                self.reached = max(self.reached, end)
        if block:
            _remove(self.part)
            raise _Failure(f'the server sent more than {self.largest} bytes; nothing of it was '
                           'kept')
        if total is not None and end < total:
            raise _Failure(f'the connection broke off after {end} of {total} bytes', may_pass=True)


def _some(response):
    """Read the bytes that came, as soon as there are any."""
    read = getattr(response, 'read1', response.read)
    try:
        return read(BLOCK)
    except (OSError, ValueError, http.client.HTTPException) as problem:
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


def _broken(problem):
    """Name the failure that an error of the connection means."""
    if isinstance(problem, (TimeoutError, socket.timeout)):  # one and the same from 3.10 on
        return _Failure('the connection stalled', may_pass=True)
    passing = isinstance(problem, (ConnectionError, ValueError, http.client.HTTPException))
    told = problem if str(problem) else type(problem).__name__
    return _Failure(f'the connection broke off ({told})' if passing else str(told), passing)


def _extent_of(headers):
    """Read (first byte, bytes of the whole) of 'bytes 5-9/10' or 'bytes */10', or None each."""
    found = RANGE.fullmatch((headers.get('Content-Range') or '').strip())
    return tuple(int(digits) if (digits or '*') != '*' else None
                 for digits in (found.groups() if found else (None, None)))


def _size(part):
    return part.stat().st_size if part.exists() else 0


def _remove(part):
    with contextlib.suppress(FileNotFoundError):
        os.remove(part)
