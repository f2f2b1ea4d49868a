"""Downloads from a server on this machine that misbehaves in every way it can."""

import hashlib
import http.server
import os
import socketserver
import subprocess
import sys
import threading
import time

from models.errors import ArchiveError
from models.weights import download

import numpy as np
import pytest

CONTENT = np.random.RandomState(0).bytes(1_500_000)
HASH = 'sha256:' + hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT, well or badly, by the first part of the path."""

    def do_GET(self):
        place = self.path[self.path.index('/', 8):] if self.path.startswith('http') else self.path
        kind = place.split('/')[1]
        self.server.requests.append((self.path, self.headers.get('Range')))
        getattr(self, f'serve_{kind}')()

    def first(self):
        wanted = self.headers.get('Range')
        return int(wanted[len('bytes='):-1]) if wanted else 0

    def head(self, status=200, length=None, **headers):
        self.send_response(status)
        if length is not None:
            self.send_header('Content-Length', str(length))
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()

    def serve_whole(self, content=CONTENT, stop=None):
        first = self.first()
        if first >= len(content):
            return self.head(416, 0, Content_Range=f'bytes */{len(content)}')
        if first:
            self.head(206, len(content) - first,
                      Content_Range=f'bytes {first}-{len(content) - 1}/{len(content)}')
        else:
            self.head(200, len(content))
        self.wfile.write(content[first:stop])

    def serve_breaks(self):
        """Breaks off after 400 kB of whatever was asked for."""
        self.serve_whole(stop=self.first() + 400_000)

    def serve_truncated(self):
        self.serve_whole(stop=900_000)

    def serve_short(self):
        self.serve_whole(CONTENT[:1_000_000])  # and says that this is all

    def serve_corrupted(self):
        self.serve_whole(CONTENT[:700_000] + b'X' + CONTENT[700_001:])

    def serve_noranges(self):
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT)

    def serve_nolength(self):
        self.head()
        self.wfile.write(CONTENT)

    def serve_otherrange(self):
        first = self.first()
        if not first:
            return self.serve_whole()
        self.head(206, 10, Content_Range=f'bytes {first + 1}-{first + 10}/{len(CONTENT)}')
        self.wfile.write(CONTENT[first + 1:first + 11])

    def serve_chunks(self):
        """Sends half of the file in chunks and breaks off."""
        self.protocol_version = 'HTTP/1.1'
        self.head(Transfer_Encoding='chunked')
        self.wfile.write(b'%x\r\n' % 750_000 + CONTENT[:750_000] + b'\r\n')
        self.close_connection = True

    def serve_redirected(self):
        self.head(302, 0, Location='/whole/file')

    def serve_loop(self):
        self.head(302, 0, Location='/loop/file')

    def serve_tofile(self):
        self.head(302, 0, Location='file:///etc/hostname')

    def serve_busy(self):
        """Is busy twice, then serves."""
        count = sum(path.startswith('/busy') for path, _ in self.server.requests)
        return self.head(503, 0) if count < 3 else self.serve_whole()

    def serve_page(self):
        self.serve_whole(b'<html>Please log in to the network</html>')

    def serve_stalls(self):
        self.head(200, len(CONTENT))
        self.wfile.write(CONTENT[:500_000])
        self.server.over.wait(20)

    def serve_drips(self):
        self.head(200, len(CONTENT))
        while not self.server.over.wait(0.05):
            self.wfile.write(b'x')

    def serve_silent(self):
        self.server.over.wait(20)

    def __getattr__(self, name):
        if name.startswith('serve_') and name[6:].isdigit():
            return lambda: self.head(int(name[6:]), 0)
        raise AttributeError(name)

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the other side had enough


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


@pytest.fixture
def server(monkeypatch):
    """Return a server on 127.0.0.1 with `url(kind)`; time limits are short."""
    for name in ('http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(download, 'PATIENCE', 2)
    monkeypatch.setattr(download, 'SILENCE', 0.6)
    monkeypatch.setattr(download, 'PAUSE', 0.01)
    with Server(('127.0.0.1', 0), Handler) as server:
        server.requests, server.over = [], threading.Event()
        server.url = lambda kind: f'http://127.0.0.1:{server.server_port}/{kind}/file'
        threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.02},
                         daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


@pytest.fixture
def target(tmp_path):
    return tmp_path / 'weights' / 'file'


def names(target):
    """List the folder's files, except the lock, which stays."""
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != '.lock')


def failure(urls, target, wanted=HASH):
    with pytest.raises(ArchiveError) as problem:
        download.fetch(urls, target, wanted, quiet=True)
    told = str(problem.value)
    assert '\n' not in told and not target.exists()
    return told


@pytest.mark.parametrize('kind, count', [
    ('whole', 1), ('breaks', 4), ('noranges', 1), ('nolength', 1), ('redirected', 2), ('busy', 3)])
def test_what_can_be_had_is_had(server, target, kind, count):
    assert download.fetch([server.url(kind)], target, HASH, quiet=True) == server.url(kind)
    assert target.read_bytes() == CONTENT and names(target) == ['file']
    assert len(server.requests) == count


def test_a_break_is_gone_on_with(server, target):
    download.fetch([server.url('breaks')], target, HASH, quiet=True)
    assert [first for _, first in server.requests] == [
        None, 'bytes=400000-', 'bytes=800000-', 'bytes=1200000-']


def test_what_an_earlier_try_left_is_gone_on_with(server, target):
    target.parent.mkdir()
    part = target.with_name('file.part')
    part.write_bytes(CONTENT[:1_000_000])
    download.fetch([server.url('whole')], target, HASH, quiet=True)
    assert server.requests == [('/whole/file', 'bytes=1000000-')]
    assert target.read_bytes() == CONTENT
    target.unlink()
    part.write_bytes(CONTENT)  # nothing is left to get
    download.fetch([server.url('whole')], target, HASH, quiet=True)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize('begun', [b'another file' * 1000, CONTENT + b'and more', CONTENT[:-1]])
@pytest.mark.parametrize('kind', ['whole', 'noranges', 'otherrange'])
def test_a_beginning_that_does_not_fit_is_forgotten(server, target, begun, kind):
    target.parent.mkdir()
    target.with_name('file.part').write_bytes(begun)
    download.fetch([server.url(kind)], target, HASH, quiet=True)
    assert target.read_bytes() == CONTENT and names(target) == ['file']


@pytest.mark.parametrize('kind, words, left', [
    ('truncated', ['broke off after 900000 of 1500000 bytes', 'is kept'], ['file.part']),
    ('short', ['sha256', HASH[7:], 'nothing of it was kept'], []),
    ('corrupted', ['sha256', HASH[7:], 'nothing of it was kept'], []),
    ('page', ['sha256', HASH[7:]], []),
    ('chunks', ['broke off'], ['file.part']),
    ('403', ['forbids it (403)'], []),
    ('404', ['does not have it (404)'], []),
    ('410', ['any more (410)'], []),
    ('500', ['(500)'], []),
    ('loop', ['infinite loop', '302'], []),
    ('tofile', ['302'], []),
    ('stalls', ['the connection stalled'], ['file.part']),
    ('drips', ['the connection stalled'], ['file.part']),
    ('silent', ['the connection stalled'], []),
])
def test_what_cannot_be_had_leaves_nothing_wrong(server, target, kind, words, left):
    told = failure([server.url(kind)], target)
    for word in [*words, server.url(kind), 'file (sha256 ' + HASH[7:]]:
        assert word in told, told
    assert names(target) == left


def test_a_wrong_hash_names_both(server, target):
    told = failure([server.url('corrupted')], target)
    wrong = hashlib.sha256(CONTENT[:700_000] + b'X' + CONTENT[700_001:]).hexdigest()
    assert wrong in told and HASH[7:] in told


def test_mirrors_are_tried_in_turn(server, target):
    urls = [server.url(kind) for kind in ('404', 'corrupted', 'whole', '500')]
    assert download.fetch(urls, target, HASH, quiet=True) == urls[2]
    told = failure(urls[:2], target.with_name('other'))
    assert '404' in told and 'sha256' in told


def test_an_address_that_nobody_answers_is_told(server, target):
    server.shutdown()
    server.server_close()
    assert 'refused' in failure([server.url('whole')], target)
    assert 'no address' in failure(['not an address'], target)


def test_a_begun_download_survives_a_broken_mirror(server, target):
    failure([server.url('truncated')], target)
    assert target.with_name('file.part').read_bytes() == CONTENT[:900_000]
    download.fetch([server.url('500'), server.url('whole')], target, HASH, quiet=True)
    assert target.read_bytes() == CONTENT


def test_a_local_file_has_an_address(tmp_path, target):
    (tmp_path / 'source').write_bytes(CONTENT)
    address = (tmp_path / 'source').as_uri()
    assert download.fetch([address], target, HASH, quiet=True) == address
    assert target.read_bytes() == CONTENT
    assert 'No such file' in failure([(tmp_path / 'none').as_uri()], target.with_name('b'))


def test_a_proxy_is_asked(server, target, monkeypatch):
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{server.server_port}')
    url = 'http://weights.example/whole/file'
    assert download.fetch([url], target, HASH, quiet=True) == url
    assert server.requests[0][0] == url and target.read_bytes() == CONTENT


def test_what_is_here_is_not_fetched_again(server, target):
    download.fetch([server.url('whole')], target, HASH, quiet=True)
    assert download.fetch([server.url('whole')], target, HASH, quiet=True) is None
    assert len(server.requests) == 1
    target.write_bytes(b'damaged')
    download.fetch([server.url('whole')], target, HASH, quiet=True)
    assert target.read_bytes() == CONTENT


def test_md5_sha1_and_the_beginning_of_a_sha256_are_hashes(server, target):
    for wanted in ('md5:' + hashlib.md5(CONTENT).hexdigest(),
                   'sha1:' + hashlib.sha1(CONTENT).hexdigest(), HASH[:15]):
        download.fetch([server.url('whole')], target.with_name(wanted[:4]), wanted, quiet=True)
    assert 'md5' in failure([server.url('whole')], target, 'md5:' + '0' * 32)


@pytest.mark.skipif(not os.path.exists('/dev/full'), reason='this system has no /dev/full')
def test_a_full_disk_is_told_and_leaves_nothing_under_the_name(server, target):
    target.parent.mkdir()
    target.with_name('file.part').symlink_to('/dev/full')  # writes fail as on a full disk
    told = failure([server.url('whole')], target)
    assert 'the disk' in told and 'is full' in told and '$ARCHIVE_WEIGHTS' in told


def test_too_little_space_is_told_before_anything_is_fetched(server, target, monkeypatch):
    free = type('Usage', (), {'free': 1_000_000})
    monkeypatch.setattr(download.shutil, 'disk_usage', lambda path: free)
    told = failure([server.url('whole')], target)
    assert '1 MB left' in told and names(target) == []


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path):
    (tmp_path / 'file').write_text('')
    told = failure([server.url('whole')], tmp_path / 'file' / 'sub' / 'x')
    assert 'cannot write' in told and '$ARCHIVE_WEIGHTS' in told


def test_ctrl_c_keeps_what_came(server, target, monkeypatch):
    count = 0

    def interrupted(response):
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return response.read1(100_000)

    monkeypatch.setattr(download, '_some', interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.fetch([server.url('whole')], target, HASH, quiet=True)
    assert names(target) == ['file.part']
    begun = target.with_name('file.part').read_bytes()
    assert begun and CONTENT.startswith(begun)


FETCHING = """
import sys
from models.weights import download
print(download.fetch([sys.argv[1]], sys.argv[2], sys.argv[3]), flush=True)
"""


def test_two_processes_at_once_fetch_it_once(server, target):
    """The second waits for the first and takes what it got."""
    command = [sys.executable, '-c', FETCHING, server.url('breaks'), str(target), HASH]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in both]
    assert sorted(out.strip() for out, _ in outputs) == ['None', server.url('breaks')], outputs
    assert sum('another process is fetching file' in err for _, err in outputs) == 1
    assert target.read_bytes() == CONTENT and names(target) == ['file']
    assert len(server.requests) == 4


def test_a_process_that_was_killed_holds_no_lock(server, target):
    command = [sys.executable, '-c', FETCHING, server.url('stalls'), str(target), HASH]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = target.with_name('file.part')
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    process.wait()
    server.over.set()
    assert names(target) == ['file.part']
    download.fetch([server.url('whole')], target, HASH, quiet=True)
    assert target.read_bytes() == CONTENT


def test_progress_is_shown_unless_it_is_not_wanted(server, target, capsys):
    download.fetch([server.url('whole')], target, HASH)
    assert 'file: 100%' in capsys.readouterr().err
    download.fetch([server.url('whole')], target.with_name('b'), HASH, quiet=True)
    assert capsys.readouterr().err == ''
