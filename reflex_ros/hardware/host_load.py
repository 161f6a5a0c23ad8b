# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether this machine is busy now: then an answer that does not come may be late, not lost."""

from __future__ import annotations

import os
from pathlib import Path

_LOAD = Path('/proc/loadavg')


def is_busy() -> bool:
    """
    Return whether more threads want to run now than there are cores; False where unknown.

    Reads one line of /proc: some ten microseconds.
    """
    try:
        # As bytes: the first text of an encoding imports it, and an arm may be under torque.
        running = int(_LOAD.read_bytes().split()[3].partition(b'/')[0])
    except (OSError, ValueError, IndexError):
        return False
    return running > (os.cpu_count() or 1)
