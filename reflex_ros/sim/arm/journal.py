# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The log of the bus, stamped with CLOCK_MONOTONIC, and figures since the last mark."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter

from reflex_ros.sim.arm.listener import GoalWrite

CAPACITY = 200_000
Entry = tuple[int, str, object]


@dataclass(slots=True)
class GoalFigures:
    """
    Figures about the goals that were written to one joint.

    :param last_change_ns: time of the last goal that differed from the previous one.
    :param max_step_ticks: largest change between consecutive goals under torque.
    :param max_lead_ticks: largest distance between a goal under torque and the present position.
    :param outside_limits: number of goals outside the limits in registers 9 and 11.
    """

    last_change_ns: int | None = None
    max_step_ticks: int = 0
    max_lead_ticks: int = 0
    writes: int = 0
    outside_limits: int = 0


@dataclass(slots=True)
class BusFigures:
    """
    Counters of the line, and the largest delays of the emulator itself.

    :param bytes_lost: bytes of replies that the client did not read in time.
    :param late_ns: largest delay of a reply after its due time.
    :param wake_late_ns: largest delay of the emulator's wake-up after a wait.
    """

    requests: int = 0
    replies: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    bytes_lost: int = 0
    late_ns: int = 0
    wake_late_ns: int = 0
    goals: dict[str, GoalFigures] = field(default_factory=dict)


class Journal:
    """
    A bounded log, and figures since the last mark.

    Entries are (time, kind, data). Every byte is in exactly one entry. Bytes from the client are
    `request` (an intact frame) or `noise` (anything else); bytes to the client are `reply`
    (delivered) or `lost` (not delivered). `goal` carries a tuple (joint, previous, new), `event`
    a text.
    """

    def __init__(self, joint_names: tuple[str, ...]) -> None:
        self._entries: deque[Entry] = deque(maxlen=CAPACITY)
        self._names = joint_names
        self.mark_ns = 0
        self.mark(0)

    def mark(self, now_ns: int) -> None:
        """Reset the figures; the log stays."""
        self.mark_ns = now_ns
        self.bus = BusFigures(goals={name: GoalFigures() for name in self._names})

    def record_request(self, now_ns: int, frame: bytes) -> None:
        """Record an intact request."""
        self.bus.requests += 1
        self._entries.append((now_ns, 'request', frame))

    def record_noise(self, now_ns: int, data: bytes) -> None:
        """Record bytes from the client, once it is certain that they belong to no request."""
        self._entries.append((now_ns, 'noise', data))

    def record_lost(self, now_ns: int, data: bytes) -> None:
        """Record bytes that did not reach the client: buffer full, or cable unplugged."""
        self.bus.bytes_lost += len(data)
        self._entries.append((now_ns, 'lost', data))

    def record_reply(self, now_ns: int, due_ns: int, data: bytes) -> None:
        """Record bytes that were delivered to the client at `now_ns`, due at `due_ns`."""
        figures = self.bus
        figures.replies += 1
        figures.bytes_out += len(data)
        if now_ns - due_ns > figures.late_ns:
            figures.late_ns = now_ns - due_ns
        self._entries.append((now_ns, 'reply', data))

    def record_goal(self, write: GoalWrite, now_ns: int) -> None:
        """Record a goal position; only changed goals enter the log."""
        figures = self.bus.goals[write.name]
        figures.writes += 1
        figures.outside_limits += write.outside_limits
        if write.step is not None and write.step > figures.max_step_ticks:
            figures.max_step_ticks = write.step
        if write.lead is not None and write.lead > figures.max_lead_ticks:
            figures.max_lead_ticks = write.lead
        if write.goal != write.previous:
            figures.last_change_ns = now_ns
            self._entries.append((now_ns, 'goal', (write.name, write.previous, write.goal)))

    def record_event(self, now_ns: int, text: str) -> None:
        """Record any other event: faults, power, plugs, marks."""
        self._entries.append((now_ns, 'event', text))

    def entries(self, since_ns: int = 0, limit: int = 1000) -> list[Entry]:
        """Return at most `limit` of the newest entries, from `since_ns` on, oldest first."""
        newest = list(islice(reversed(self._entries), limit))
        # A request has the time at which its last byte is on the line; that may be in the future.
        return sorted((entry for entry in reversed(newest) if entry[0] >= since_ns),
                      key=itemgetter(0))
