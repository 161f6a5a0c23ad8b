# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether two living nodes share a name.

The ROS graph cannot tell: a process that was killed stays in it until its lease ends, some 20 s.
Beats can: each carries the id of its process, and only the living beat.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 2.0


class InstanceWatch:
    """Sees the process ids in the beats of one name."""

    def __init__(self) -> None:
        self._present = ''
        # Three that live beat in turn: the one before the present one is not enough.
        self._before: deque[str] = deque(maxlen=8)
        self._alternated_at = -1e9

    def record(self, instance: str, now: float) -> None:
        """Take in the id of one beat that was received at ``now`` (monotonic) [s]."""
        if instance == self._present:
            return
        if instance in self._before:
            # One from before came back: both live. A restart never does that.
            self._alternated_at = now
        self._before.append(self._present)
        self._present = instance

    def is_double(self, now: float) -> bool:
        """Whether two of them beat within the last two seconds."""
        return now - self._alternated_at < WINDOW_S
