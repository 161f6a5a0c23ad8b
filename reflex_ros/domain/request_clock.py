# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
When the next observation leaves, so that it never stands in line at the service.

A service works on one observation at a time (or on ``parallel`` of them). One that arrives while
the service is busy gets older in the line, and so does every chunk after it. So the next one
leaves as much before the service is free as it travels: the network is overlapped, the inference
is not. Pure, with time passed in; one thread owns it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
import heapq
import math

MEMORY = 20
"""Answers from which the times are estimated."""
BUSY_SHARE = 0.9
"""Quantile of the inference time after which the service counts as free."""
LEAST_NETWORK_SHARE = 0.1
"""Of the inference: a shorter way there and back is not worth a second observation."""
PATIENCE = 2
"""Refused chunks in a row that change nothing yet."""
LOST_S = 0.7
"""Time after which an answer that is overdue is no longer waited for."""
LONGEST_BACK_OFF_S = 5.0


@dataclass(frozen=True, slots=True)
class RequestRules:
    """
    How requests may follow each other.

    :param replan_s: shortest time between two observations [s].
    :param parallel: observations that the service works on at the same time.
    :param most_in_flight: observations that may be under way in all.
    :param waits: ``sync``: ask only when everything has been played.
    """

    replan_s: float = 0.25
    parallel: int = 1
    most_in_flight: int = 4
    waits: bool = False


@dataclass(slots=True)
class _Exchange:
    sent_at: float


class RequestClock:
    """The schedule of one session."""

    def __init__(self, rules: RequestRules) -> None:
        self._rules = rules
        self._pending: dict[int, _Exchange] = {}
        self._last_sent_at = -math.inf
        self._answers = 0
        self._infer_s: deque[float] = deque(maxlen=MEMORY)
        self._network_s: deque[float] = deque(maxlen=MEMORY)
        self._refused_in_a_row = 0
        self._plays_until = -math.inf

    @property
    def in_flight(self) -> int:
        """Number of observations that wait for their chunk."""
        return len(self._pending)

    @property
    def infer_s(self) -> float | None:
        """Usual time that the service works on one observation [s]; None before the second."""
        return _quantile(self._infer_s, BUSY_SHARE)

    @property
    def network_s(self) -> float:
        """Usual time of the way there and back [s]."""
        return _quantile(self._network_s, 0.5) or 0.0

    def record_sent(self, seq: int, now: float) -> None:
        """Record that an observation left at the monotonic instant ``now`` [s]."""
        self._pending[seq] = _Exchange(now)
        self._last_sent_at = now

    def record_answer(self, seq: int, now: float, total_s: float | None = None,
                      infer_s: float | None = None) -> None:
        """
        Record an answer.

        The first answer of a session may have waited for a cold start: it is no measurement.

        :param total_s: from receipt to answer at the service [s]; None when it does not say.
        :param infer_s: of the inference alone [s]; None when it does not say.
        """
        exchange = self._pending.pop(seq, None)
        if exchange is None:
            return
        self._answers += 1
        round_trip_s = max(now - exchange.sent_at, 0.0)
        if self._answers == 1:
            return
        # What the service says is believed as far as it fits into what was measured here.
        said = [time_s for time_s in (total_s, infer_s)
                if time_s is not None and 0.0 <= time_s <= round_trip_s]
        at_service_s = max(said, default=round_trip_s)
        self._network_s.append(round_trip_s - at_service_s)
        self._infer_s.append(min(said, default=round_trip_s))

    def record_lost(self, seq: int) -> None:
        """Record that no answer to an observation will come, or that it is not wanted."""
        self._pending.pop(seq, None)

    def record_verdict(self, is_accepted: bool, plays_until: float = -math.inf) -> None:
        """
        Record whether a chunk could be used: refused chunks make requests rarer.

        :param plays_until: monotonic instant at which an accepted chunk has been played [s].
        """
        self._refused_in_a_row = 0 if is_accepted else min(self._refused_in_a_row + 1, 20)
        if is_accepted:
            self._plays_until = max(self._plays_until, plays_until)

    def due_at(self, now: float) -> float:
        """
        Return when the next observation is due [s].

        Ask again after every answer, and at the returned instant: while an answer is overdue, it
        moves on. Infinite: not before an answer comes.
        """
        rules = self._rules
        earliest = self._last_sent_at + self._back_off()
        if rules.waits:
            return math.inf if self._pending else max(earliest, self._plays_until)
        if not self._pending:
            return earliest
        infer_s, network_s = self.infer_s, self.network_s
        if len(self._pending) < rules.parallel:
            return earliest
        if infer_s is None or len(self._pending) >= rules.most_in_flight:
            return math.inf
        # An answer that is overdue is lost, or the link stalls: what is sent at once would wait
        # behind it, and to send nothing would wait for ever.
        lost = max(earliest, self._last_sent_at + infer_s + network_s + LOST_S)
        if len(self._pending) >= rules.parallel + self._overlap(infer_s, network_s):
            return lost
        free = [-math.inf] * rules.parallel
        for exchange in sorted(self._pending.values(), key=lambda one: one.sent_at):
            begins = max(heapq.heappop(free), exchange.sent_at + 0.5 * network_s)
            heapq.heappush(free, begins + infer_s)
        due = max(earliest, free[0] - 0.5 * network_s)
        oldest = min(one.sent_at for one in self._pending.values())
        overdue = max(oldest + infer_s + network_s, free[0] + 0.5 * network_s)
        return lost if now > overdue else due

    def _overlap(self, infer_s: float, network_s: float) -> int:
        if network_s < LEAST_NETWORK_SHARE * infer_s or infer_s <= 0.0:
            return 0
        return math.ceil(network_s / infer_s) * self._rules.parallel

    def _back_off(self) -> float:
        if not self._refused_in_a_row:
            return self._rules.replan_s
        # One refused chunk is usual for a policy that scatters: the next one is asked for as
        # always. A policy that is always refused is asked ever more rarely.
        usual = max(self._rules.replan_s, (self.infer_s or 0.0) + self.network_s)
        factor = 2.0 ** max(self._refused_in_a_row - PATIENCE, 0)
        return max(min(usual * factor, LONGEST_BACK_OFF_S), usual)


def _quantile(values: deque[float], share: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[int(share * (len(ordered) - 1))]
