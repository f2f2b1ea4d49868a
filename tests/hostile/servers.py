"""Servers that never give the file, each in its own way, and what a download makes of them.

    python tests/hostile/servers.py FOLDER MEGABYTES PATIENCE

fetches from each of them alone, all at once, and prints a line of JSON for each: what it said, how
long it took, how often it was asked, what it left.
"""

import hashlib
import json
import logging
import os
import resource
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models.errors import ArchiveError
from models.weights import download

CONTENT = bytes(range(256)) * 4000
WANTED = 'sha256:' + hashlib.sha256(CONTENT).hexdigest()
LARGEST = 4_000_000
ESCAPE = '\x1b]0;owned\x07\x1b[2J'


def head(status='200 OK', **headers):
    """Return the head of an answer."""
    lines = [f'HTTP/1.1 {status}', *[f'{name.replace("_", "-")}: {value}'
                                     for name, value in headers.items()]]
    return ('\r\n'.join(lines) + '\r\n\r\n').encode('latin-1')


def first_byte(request):
    """Return the first byte that a request asks for, or None."""
    found = request.partition(b'bytes=')[2].partition(b'-')[0]
    return int(found) if found else None


def endless(first, block, pause=0):
    """Return a server that sends `first`, and then `block` again and again."""
    def serve(connection, request):
        connection.sendall(first)
        while True:
            connection.sendall(block)
            time.sleep(pause)
    return serve


def once(*parts, pause=0):
    """Return a server that sends some parts and hangs up."""
    def serve(connection, request):
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
    return serve


def breaking(rest):
    """Return a server that breaks off half of the way, and answers what asks for the rest."""
    def serve(connection, request):
        first = first_byte(request)
        if first is None:
            connection.sendall(head(Content_Length=len(CONTENT)) + CONTENT[:500_000])
        else:
            connection.sendall(rest(first))
    return serve


def one_byte(connection, request):
    """Send one byte a connection."""
    first = first_byte(request) or 0
    connection.sendall(head('206 Partial Content', Content_Length=len(CONTENT) - first,
                            Content_Range=f'bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}')
                       + CONTENT[first:first + 1])


def silent(connection, request):
    """Say nothing."""
    connection.recv(1)


def ranged(first, **headers):
    return head('206 Partial Content', **headers)


SERVERS = {
    'breaks off, then 416': breaking(lambda first: head('416 No', Content_Length=0)),
    'breaks off, then 416 of another size': breaking(
        lambda first: head('416 No', Content_Range='bytes */5', Content_Length=0)),
    'breaks off, then 206 without a range': breaking(lambda first: ranged(first) + CONTENT),
    'breaks off, then another range': breaking(
        lambda first: ranged(first, Content_Range=f'bytes 0-9/{len(CONTENT)}') + CONTENT[:10]),
    'breaks off, then a range that is none': breaking(
        lambda first: ranged(first, Content_Range='bytes ²-/x') + CONTENT[:10]),
    'breaks off, then wrong bytes': breaking(
        lambda first: ranged(first, Content_Range=f'bytes {first}-{len(CONTENT) - 1}/'
                             f'{len(CONTENT)}') + bytes(len(CONTENT) - first)),
    'breaks off, then nothing': breaking(lambda first: b''),
    'breaks off, then 500': breaking(lambda first: head('500 No', Content_Length=0)),
    'wrong bytes': once(head(Content_Length=9), b'something'),
    'an endless body': endless(head(), b'x' * 65536),
    'an endless body in chunks': endless(head(Transfer_Encoding='chunked'),
                                         b'10000\r\n' + b'x' * 65536 + b'\r\n'),
    'an endless chunk length': endless(head(Transfer_Encoding='chunked'), b'0' * 1000),
    'a chunk length that is none': once(head(Transfer_Encoding='chunked') + b'zz\r\nx'),
    'a negative chunk': once(head(Transfer_Encoding='chunked') + b'-5\r\nxxxxx\r\n0\r\n\r\n'),
    'a chunk of 10^18 bytes': once(head(Transfer_Encoding='chunked') + b'DE0B6B3A7640000\r\nx'),
    'an endless trailer': endless(head(Transfer_Encoding='chunked') + b'0\r\n', b'a: b\r\n'),
    'one byte a connection': one_byte,
    'a trickling body': endless(head(Content_Length=len(CONTENT)), b'x', 0.05),
    'trickling headers': endless(b'HTTP/1.1 200 OK\r\na: ', b'x', 0.05),
    'a trickling status': endless(b'HTTP/1.1 200 ', b'O', 0.05),
    'endless headers': endless(b'HTTP/1.1 200 OK\r\n', b'a: b\r\n'),
    'an endless header': endless(b'HTTP/1.1 200 OK\r\na: ', b'x' * 1000),
    'an endless status': endless(b'HTTP/1.1 200 ', b'O' * 1000),
    'for ever "go on"': endless(b'', b'HTTP/1.1 100 Continue\r\n\r\n'),
    'silent': silent,
    'hangs up': once(b''),
    'hangs up later': once(b'', pause=0.5),
    'no HTTP': once(b'SSH-2.0-OpenSSH\r\n'),
    'noise': once(os.urandom(1000)),
    'zeros': endless(b'', bytes(1000)),
    'a length of 5000 digits': once(head(Content_Length='9' * 5000), b'x'),
    'a length of superscripts': once(head(Content_Length='²'), b'x'),
    'a negative length': once(head(Content_Length=-5), b'x'),
    'an empty length': once(head(Content_Length=''), b'x'),
    'a length with a sign': once(head(Content_Length='+5'), b'xxxxx'),
    'a length with escapes': once(head(Content_Length=ESCAPE), b'x'),
    'a length of 10^18': once(head(Content_Length=10 ** 18), b'x'),
    'a length that is too long': once(head(Content_Length=len(CONTENT)), b'x'),
    'a length that is too short': once(head(Content_Length=5), CONTENT),
    'a reason with escapes': once(head(f'404 {ESCAPE}', Content_Length=0)),
    'a long reason': once(head('404 ' + 'x' * 60_000, Content_Length=0)),
    'a state that is none': once(head('abc')),
    'a state of 5 digits': once(head('99999 x')),
    'state 204': once(head('204 No Content')),
    'state 206 unasked': once(ranged(0, Content_Range='bytes 5-9/10', Content_Length=5), b'xxxxx'),
    'a redirection to itself': once(head('302 x', Location='/', Content_Length=0)),
    'a redirection with an endless body': endless(head('302 x', Location='/'), b'x' * 65536),
    'a redirection nowhere': once(head('302 x', Content_Length=0)),
    'a redirection to a file': once(head('302 x', Location='file:///etc/hostname')),
    'a redirection to ftp': once(head('302 x', Location='ftp://127.0.0.1/x')),
    'a redirection with escapes': once(head('302 x', Location=f'x:{ESCAPE}')),
    'a busy server': once(head('503 busy', Content_Length=0)),
    'an endless page of an error': endless(head('500 No'), b'x' * 65536),
}


class Server:
    """Listens on 127.0.0.1 and answers each connection in a thread, until it is closed."""

    def __init__(self, serve):
        self.serve, self.asked = serve, 0
        self.socket = socket.create_server(('127.0.0.1', 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f'http://127.0.0.1:{self.socket.getsockname()[1]}/'

    def _accept(self):
        while True:
            connection, _ = self.socket.accept()
            self.asked += 1
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection):
        request = b''
        try:
            while b'\r\n\r\n' not in request:
                request += connection.recv(1 << 16)
            self.serve(connection, request)
        except OSError:
            pass  # the other side had enough
        finally:
            connection.close()


def attempt(name, folder, mirror=None):
    """Fetch from one server, and perhaps a mirror behind it; return what became of it."""
    server = Server(SERVERS[name])
    target = folder / f'{list(SERVERS).index(name)}{"-mirrored" if mirror else ""}' / 'file'
    start = time.monotonic()
    try:
        urls = [server.url()] + ([mirror] if mirror else [])
        outcome = download.fetch(urls, target, WANTED, quiet=True, largest=LARGEST)
        outcome = 'mirror' if outcome == mirror else 'wrong'
        told = ''
    except ArchiveError as problem:
        outcome, told = 'refused', str(problem)
    except BaseException as problem:
        outcome, told = 'traceback', f'{type(problem).__name__}: {problem}'[:500]
    return {'name': name, 'outcome': outcome, 'message': told, 'asked': server.asked,
            'seconds': time.monotonic() - start,
            'bytes': sum(path.stat().st_size for path in target.parent.iterdir())}


def main(folder, megabytes, patience):
    """Try every server, alone and with a mirror behind it, at the same time."""
    logging.disable()
    download.PATIENCE, download.SILENCE = patience, patience / 2
    with open('/proc/self/statm') as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    threading.stack_size(256 << 10)
    most = now + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    mirror = Server(once(head(Content_Length=len(CONTENT)), CONTENT))
    with ThreadPoolExecutor(2 * len(SERVERS)) as pool:
        tried = [pool.submit(attempt, name, folder, url)
                 for name in SERVERS for url in (None, mirror.url())]
        for future in tried:
            print(json.dumps(future.result()), flush=True)


if __name__ == '__main__':
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
