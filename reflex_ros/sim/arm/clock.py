# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clocks of a simulated arm: real time at any speed, and virtual time."""

from __future__ import annotations

import time


class SteadyClock:
    """
    Time that runs at `speed` times real time from construction on.

    :param speed: simulated seconds per real second.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return the simulated time [ns]; at speed 1 it equals CLOCK_MONOTONIC."""
        real_ns = time.monotonic_ns()
        if self.speed == 1.0:
            return real_ns
        return self._origin_ns + round((real_ns - self._origin_ns) * self.speed)


class VirtualClock:
    """
    Time that passes only when code sleeps on it or waits for a reply.

    `monotonic` and `sleep` replace those of the module `time` in code that takes a clock.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the virtual time [ns]."""
        return self._now_ns

    def monotonic(self) -> float:
        """Return the virtual time [s]."""
        return self._now_ns / 1e9

    def sleep(self, seconds: float) -> None:
        """Advance the time by `seconds`; return at once."""
        self.reach(self._now_ns + round(seconds * 1e9))

    def reach(self, now_ns: int) -> None:
        """Advance the time to `now_ns`; do nothing when that time has passed already."""
        self._now_ns = max(self._now_ns, now_ns)
