"""Servers that never give the file: each is left in time, and the next one is asked."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SERVERS = re.findall(r"^    '(.+)': ", (HERE / 'servers.py').read_text(), re.MULTILINE)
MEGABYTES = 1000
MOST_REQUESTS = 40


def tried(folder, patience):
    """Try each server alone and with a mirror, for so many seconds each: a list of outcomes."""
    environment = {name: value for name, value in os.environ.items()
                   if not name.lower().endswith('_proxy')}
    run = subprocess.run(
        [sys.executable, str(HERE / 'servers.py'), str(folder), str(MEGABYTES), str(patience)],
        env={**environment, 'PYTHONPATH': str(HERE.parents[1]),
             'MALLOC_ARENA_MAX': '1'},  # else each thread reserves 128 MB of addresses
        capture_output=True, text=True,
        timeout=300)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def require_the_guarantee(found, patience):
    assert len(SERVERS) > 50 and len(found) == 2 * len(SERVERS)
    for server in found:
        assert server['outcome'] in ('refused', 'mirror'), server
        # A second for each pause and for what this machine does besides.
        assert server['seconds'] < patience + 10, server
        assert server['asked'] <= MOST_REQUESTS and server['bytes'] <= 4_000_000, server
        assert server['message'].isprintable() and len(server['message']) < 1500, server
    for alone, mirrored in zip(found[::2], found[1::2]):
        assert (alone['outcome'], mirrored['outcome']) == ('refused', 'mirror'), (alone, mirrored)


def test_hostile_servers_are_left_and_the_mirror_is_asked(tmp_path):
    require_the_guarantee(tried(tmp_path, 4), 4)


@pytest.mark.slow
def test_hostile_servers_are_left_within_the_seconds_of_the_guarantee(tmp_path):
    require_the_guarantee(tried(tmp_path, 20), 20)
