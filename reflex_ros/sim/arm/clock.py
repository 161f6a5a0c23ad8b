# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The clocks of a simulated arm: the machine's, at any speed, and one nobody waits for."""

from __future__ import annotations

import time


class SteadyClock:
    """
    CLOCK_MONOTONIC, or time that runs `speed` times as fast from the moment of construction on.

    :param speed: simulated seconds per real second.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._origin_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """Return the simulated instant [ns]; at speed 1 it is CLOCK_MONOTONIC's."""
        real_ns = time.monotonic_ns()
        if self.speed == 1.0:
            return real_ns
        return self._origin_ns + round((real_ns - self._origin_ns) * self.speed)


class VirtualClock:
    """
    Time that passes only when somebody sleeps or waits for a reply.

    `monotonic` and `sleep` stand for those of the module `time` in code that takes a clock.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        """Return the instant [ns]."""
        return self._now_ns

    def monotonic(self) -> float:
        """Return the instant [s]."""
        return self._now_ns / 1e9

    def sleep(self, seconds: float) -> None:
        """Let time pass; returns at once."""
        self.reach(self._now_ns + round(seconds * 1e9))

    def reach(self, now_ns: int) -> None:
        """Go on to an instant; one that has passed changes nothing."""
        self._now_ns = max(self._now_ns, now_ns)
