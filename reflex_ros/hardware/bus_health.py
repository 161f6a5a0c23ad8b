# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the last cycles say about the bus: one bad packet is noise, many are a fault; pure.

A cycle is *bad* when something on the line was damaged, and *missed* when no measurement came. A
miss alone may be a host that was held up: how long it may last is judged by the driver.
"""

from __future__ import annotations

from collections import deque

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode

WINDOW = 100
MAX_BAD = 10
"""Of the window: more is a fault (safety design, section 5)."""
SLOW_AFTER = 3
"""Missed cycles in a row after which the arm is slowed down."""
RECOVERED_AFTER = 10
"""Good cycles in a row after which it may go on."""


class BusWatch:
    """Counts good, bad and missed cycles of one activation."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._bad: deque[bool] = deque(maxlen=WINDOW)
        self._bad_count = 0
        self._missed_in_a_row = 0
        self._good_in_a_row = 0
        self.is_degraded = False
        """Whether the arm should be slowed down along its path."""

    @property
    def bad_share(self) -> float:
        """Share of the last cycles that were bad."""
        return self._bad_count / len(self._bad) if self._bad else 0.0

    def note(self, *, is_bad: bool, is_missed: bool = False) -> None:
        """Take in one cycle."""
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

    def judge(self) -> Cause | None:
        """Say whether too many of the last cycles were bad."""
        if self._bad_count <= MAX_BAD:
            return None
        return Cause(FaultCode.BUS_NOISE,
                     f'{self._bad_count} of the last {len(self._bad)} cycles had '
                     'damaged answers. Check cables and supply, and that no other '
                     'program uses the port')
