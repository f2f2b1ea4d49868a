"""How much memory a run may have."""

import os
from pathlib import Path

from models.runtime.xla import devices

GROUPS = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')


def memory():
    """Measure the bytes that a run may have: the device's, else the machine's or its group's."""
    limits = [os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')]
    for group in GROUPS:
        try:
            limits.append(int(Path(group).read_text()))
        except (OSError, ValueError):
            pass  # no such group, or no limit
    return devices.memory() or min(limits)
