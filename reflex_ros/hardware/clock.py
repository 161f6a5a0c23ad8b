# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clock of bus and driver: the machine's, or one that a test controls."""

from __future__ import annotations

import time
from typing import Protocol

READINGS = 5
READING_S = 0.01
"""Longest time that one reading of both clocks may take."""


class Clock(Protocol):
    """The two functions of the module ``time`` that bus and driver use; the module itself fits."""

    def monotonic(self) -> float:
        """Return the monotonic time [s]."""

    def sleep(self, seconds: float) -> None:
        """Wait for ``seconds`` [s]."""


def suspended_s() -> float:
    """
    Return the total time that this machine has been suspended [s]; always 0 except on Linux.

    The monotonic clock stops during a suspend, so leases and chunks do not age.
    """
    if not hasattr(time, 'CLOCK_BOOTTIME'):
        return 0.0
    for _ in range(READINGS):
        before = time.monotonic()
        since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
        after = time.monotonic()
        # A thread that lost its core between the readings would take that time for a suspension.
        if after - before < READING_S:
            break
    return since_boot - after
