# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detection of two running nodes with the same name.

The ROS graph cannot tell: a process that was killed stays in it until its lease ends, some 20 s.
Beats can: each carries the id of its process, and only a running process sends beats.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 2.0


class InstanceWatch:
    """Watches the process ids in the beats of one node name."""

    def __init__(self) -> None:
        self._present = ''
        # Three running nodes beat in turn: remembering one earlier id is not enough.
        self._before: deque[str] = deque(maxlen=8)
        self._alternated_at = -1e9

    def record(self, instance: str, now: float) -> None:
        """Record the process id of a beat that was received at ``now`` (monotonic) [s]."""
        if instance == self._present:
            return
        if instance in self._before:
            # An earlier id came back, so both run: after a restart the old id never comes back.
            self._alternated_at = now
        self._before.append(self._present)
        self._present = instance

    def is_double(self, now: float) -> bool:
        """Tell whether two processes have sent beats in the last two seconds."""
        return now - self._alternated_at < WINDOW_S
