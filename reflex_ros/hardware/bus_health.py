# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Evaluate the last bus cycles: one damaged packet is noise, many are a fault (pure).

A cycle is *bad* when bytes on the line were damaged, and *missed* when it got no measurement. A
missed cycle alone may come from a busy machine; the driver decides how long that may last.
"""

from __future__ import annotations

from collections import deque

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode

WINDOW = 100
"""Number of last cycles that are evaluated."""
MAX_BAD = 10
"""More bad cycles than this in the window are a fault (safety design, section 5)."""
SLOW_AFTER = 3
"""Missed cycles in a row after which the arm is slowed down."""
RECOVERED_AFTER = 10
"""Good cycles in a row after which the arm moves at full speed again."""


class BusHealth:
    """Counts of good, bad and missed cycles in one activation."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all cycles, for a new activation."""
        self._bad: deque[bool] = deque(maxlen=WINDOW)
        self._bad_count = 0
        self._missed_in_a_row = 0
        self._good_in_a_row = 0
        self.is_degraded = False
        """Whether the arm must slow down along its path."""

    @property
    def bad_share(self) -> float:
        """Share of bad cycles in the window, 0..1."""
        return self._bad_count / len(self._bad) if self._bad else 0.0

    def record_cycle(self, *, is_bad: bool, is_missed: bool = False) -> None:
        """Record one cycle."""
        if len(self._bad) == WINDOW:
            self._bad_count -= self._bad[0]
        self._bad.append(is_bad)
        self._bad_count += is_bad
        self._missed_in_a_row = self._missed_in_a_row + 1 if is_missed else 0
        self._good_in_a_row = 0 if is_bad or is_missed else self._good_in_a_row + 1
        if self._missed_in_a_row >= SLOW_AFTER:
            self.is_degraded = True
        elif self._good_in_a_row >= RECOVERED_AFTER:
            self.is_degraded = False

    def evaluate(self) -> Cause | None:
        """Return BUS_NOISE when too many cycles in the window were bad, else None."""
        if self._bad_count <= MAX_BAD:
            return None
        return Cause(FaultCode.BUS_NOISE, f'{self._bad_count} of the last {len(self._bad)} cycles '
                     'had damaged answers. Check cables and supply, and that no other '
                     'program uses the port')
