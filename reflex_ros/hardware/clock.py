# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clock by which bus and driver act: that of the machine, or one that a test owns."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The two calls of the module ``time`` that are needed; the module itself is one."""

    def monotonic(self) -> float:
        """Return an instant [s] that only grows."""

    def sleep(self, seconds: float) -> None:
        """Let time pass [s]."""


def suspended_s() -> float:
    """
    Return how long this machine has slept since some fixed instant [s]; constant off Linux.

    The monotonic clock stands still meanwhile: to leases and chunks nothing would have happened.
    """
    if not hasattr(time, 'CLOCK_BOOTTIME'):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
