# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When the last cycles of the bus thread began, how late, and how long they worked; pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW = 1000
"""Cycles over which rate and percentiles are taken: 10 s at 100 Hz."""
_BEGAN, _LATE, _WORK = range(3)


@dataclass(frozen=True, slots=True)
class CycleSummary:
    """
    The last cycles; zeros before the first one.

    :param rate_hz: how often one began [1/s].
    :param work_ms_p50: of the work in one cycle, waits for the bus included [ms].
    :param late_ms_p99: of the beginning being late [ms].
    """

    rate_hz: float = 0.0
    work_ms_p50: float = 0.0
    work_ms_p99: float = 0.0
    late_ms_p99: float = 0.0
    late_ms_max: float = 0.0


class CycleTimes:
    """
    A ring of the last cycles: one thread notes them, another one may sum them up.

    :param window: how many cycles are kept.
    """

    def __init__(self, window: int = WINDOW) -> None:
        # An array from the beginning: twenty summaries a second make none of thousands of floats.
        self._ring = np.zeros((3, window))
        self._noted = 0

    def note(self, began: float, late_s: float, work_s: float) -> None:
        """
        Take in one cycle.

        :param began: monotonic instant [s].
        """
        self._ring[:, self._noted % self._ring.shape[1]] = began, late_s, work_s
        self._noted += 1

    def summary(self) -> CycleSummary:
        """Sum up; percentiles are the next value below."""
        noted, window = self._noted, self._ring.shape[1]
        count = min(noted, window)
        if not count:
            return CycleSummary()
        began = self._ring[_BEGAN]
        seconds = float(began[(noted - 1) % window] - began[(noted - count) % window])
        p50, p99 = (count - 1) // 2, (count - 1) * 99 // 100
        # Copies: the ring is written meanwhile.
        late = np.partition(self._ring[_LATE, :count], p99)
        work = np.partition(self._ring[_WORK, :count], (p50, p99))
        return CycleSummary(
            rate_hz=(count - 1) / seconds if seconds > 0.0 else 0.0,
            work_ms_p50=float(work[p50]) * 1e3, work_ms_p99=float(work[p99]) * 1e3,
            late_ms_p99=float(late[p99]) * 1e3, late_ms_max=float(late[p99:].max()) * 1e3)
