# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clock of bus and driver: the machine's, or one that a test controls."""

from __future__ import annotations

import time
from typing import Protocol


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
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
