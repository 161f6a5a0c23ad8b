# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
How long servos have been asked in vain (pure; times are arguments).

Nothing is written while servos are silent. What is decided here is when that is a fault, and
whose: only time in which this process really asked counts, and on a busy machine servos are asked
for longer.
"""

from __future__ import annotations

from dataclasses import dataclass

BUSY_S = 0.3
"""How long servos are asked at least while this machine is busy or was held up [s]: a servo that
restarts needs 0.8 s, and must be missed before."""


@dataclass(slots=True)
class Silence:
    """
    The failed exchanges since the last good one.

    :param asked_s: time in which servos were asked in vain [s].
    :param was_busy: whether the machine was busy, or this process was held up.
    """

    asked_s: float = 0.0
    was_busy: bool = False

    def record(self, passed_s: float, longest_s: float, *, is_busy: bool) -> None:
        """
        Record a failed exchange.

        :param passed_s: time since the exchange before [s].
        :param longest_s: time that one exchange and the wait for it take at most [s]: more than
            that is time in which nobody asked.
        :param is_busy: whether the machine is busy now.
        """
        self.asked_s += min(passed_s, longest_s)
        self.was_busy |= is_busy or passed_s > longest_s

    def is_fault(self, bound_s: float) -> bool:
        """Whether servos were asked in vain for more than ``bound_s`` of a quiet machine [s]."""
        return self.asked_s > (max(bound_s, BUSY_S) if self.was_busy else bound_s)
