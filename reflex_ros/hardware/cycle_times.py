# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Start, lateness and work time of the last bus cycles, and their summary (pure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW = 1000
"""Number of cycles for rate and percentiles: 10 s at 100 Hz."""
_BEGAN, _LATE, _WORK = range(3)


@dataclass(frozen=True, slots=True)
class CycleSummary:
    """
    Summary of the last cycles; all zero before the first cycle.

    :param rate_hz: cycles per second.
    :param work_ms_p50: median work time of a cycle, including waits for the bus [ms].
    :param late_ms_p99: 99th percentile of the delay of a cycle's start [ms].
    """

    rate_hz: float = 0.0
    work_ms_p50: float = 0.0
    work_ms_p99: float = 0.0
    late_ms_p99: float = 0.0
    late_ms_max: float = 0.0


class CycleTimes:
    """
    A ring buffer of the last cycles: one thread records, other threads may call ``summary``.

    :param window: number of cycles to keep.
    """

    def __init__(self, window: int = WINDOW) -> None:
        # A fixed array, because ``summary`` runs twenty times a second: converting lists of
        # thousands of floats each time would cost too much.
        self._ring = np.zeros((3, window))
        self._recorded = 0

    def record(self, began: float, late_s: float, work_s: float) -> None:
        """
        Record one cycle.

        :param began: monotonic time of its start [s].
        """
        self._ring[:, self._recorded % self._ring.shape[1]] = began, late_s, work_s
        self._recorded += 1

    def summary(self) -> CycleSummary:
        """Summarise the last cycles; a percentile between two values is the lower one."""
        recorded, window = self._recorded, self._ring.shape[1]
        count = min(recorded, window)
        if not count:
            return CycleSummary()
        began = self._ring[_BEGAN]
        seconds = float(began[(recorded - 1) % window] - began[(recorded - count) % window])
        p50, p99 = (count - 1) // 2, (count - 1) * 99 // 100
        # np.partition copies; the other thread keeps writing into the ring.
        late = np.partition(self._ring[_LATE, :count], p99)
        work = np.partition(self._ring[_WORK, :count], (p50, p99))
        return CycleSummary(
            rate_hz=(count - 1) / seconds if seconds > 0.0 else 0.0,
            work_ms_p50=float(work[p50]) * 1e3, work_ms_p99=float(work[p99]) * 1e3,
            late_ms_p99=float(late[p99]) * 1e3, late_ms_max=float(late[p99:].max()) * 1e3)
