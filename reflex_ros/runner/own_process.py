# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What this process runs out of, before the kernel says so in the middle of a motion."""

from __future__ import annotations

import os
import resource

MOST_MB = 1000.0
"""Memory of one process; the largest of ours needs a tenth of it [MB]."""
FILES_SHARE = 0.8
"""Share of the descriptors that a process may have."""
_PAGE = os.sysconf('SC_PAGE_SIZE')


def shortage() -> str:
    """Return in one line what runs out, with the numbers; empty if nothing does."""
    try:
        # As bytes: the first text of an encoding imports it, and an arm may be under torque.
        with open('/proc/self/statm', 'rb') as file:
            memory_mb = int(file.read().split()[1]) * _PAGE / 1e6
        files = len(os.listdir('/proc/self/fd'))
    except OSError as exc:
        # Reading takes a descriptor too.
        return f'the process cannot look at itself: {exc.strerror}'
    return text(memory_mb, files, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def text(memory_mb: float, files: int, most_files: int) -> str:
    """
    Return what runs out; empty if nothing does.

    :param memory_mb: memory that is held [MB].
    :param files: descriptors that are open.
    :param most_files: descriptors that may be open.
    """
    if memory_mb > MOST_MB:
        return f'the process holds {memory_mb:.0f} MB of memory, allowed {MOST_MB:.0f} MB'
    if files > FILES_SHARE * most_files:
        return f'the process has {files} of {most_files} descriptors open'
    return ''
