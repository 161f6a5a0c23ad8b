# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
When the next observation is due, and which ones wait for their chunk.

An observation asks for the next chunk. It is due so early that the chunk arrives before the
present one ends, and at least once per replan interval, with a bounded number on the way. Pure:
time is passed in, all instants are monotonic [s]. Belongs to one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
import math

import numpy as np

from reflex_ros.domain.observation import Observation

UNKNOWN_ROUND_TRIP_S = 0.5
"""Assumed until the first answer [s]."""
ROUND_TRIPS = 200
"""How many round trips are remembered."""


def nearest_rank(values: Collection[float], share: float) -> float:
    """
    Return the smallest value that a share of the values does not exceed.

    :param values: at least one; a tenth of the time of numpy's percentile for 200.
    :param share: above 0, up to 1.
    """
    return sorted(values)[math.ceil(share * len(values)) - 1]


@dataclass(frozen=True, slots=True)
class Request:
    """
    An observation that was sent.

    :param sent_at: instant at which sending began.
    :param epoch: epoch of the permit at that instant.
    """

    observation: Observation
    sent_at: float
    epoch: int


class RequestSchedule:
    """
    The requests of one stream at a time.

    :param replan_s: longest time between two requests [s].
    :param margin_s: how long before the end of a chunk the next one shall be there [s].
    :param max_in_flight: requests that may wait for their chunk.
    """

    def __init__(self, replan_s: float, margin_s: float, max_in_flight: int) -> None:
        self._replan_s = replan_s
        self._margin_s = margin_s
        self._max_in_flight = max_in_flight
        self._waiting: dict[int, Request] = {}
        self._round_trips: deque[float] = deque(maxlen=ROUND_TRIPS)
        self._round_trip_s = UNKNOWN_ROUND_TRIP_S
        self._next_seq = 0
        self._sent_at = 0.0
        self._chunk_ends_at = 0.0

    @property
    def in_flight(self) -> int:
        """Number of requests that wait for their chunk."""
        return len(self._waiting)

    def due_at(self) -> float:
        """Return when the next observation is due; infinity until an answer makes room."""
        if len(self._waiting) >= self._max_in_flight:
            return math.inf
        replan_at = self._sent_at + self._replan_s
        if self._waiting:
            return replan_at
        return min(replan_at, self._chunk_ends_at - self._round_trip_s - self._margin_s)

    def oldest_sent_at(self) -> float:
        """Return when the request was sent that waits longest; infinity when none waits."""
        return min((request.sent_at for request in self._waiting.values()), default=math.inf)

    def round_trip_ms(self, share: float) -> float:
        """Return the round trip [ms] that a share of them does not exceed; -1 before the first."""
        return nearest_rank(self._round_trips, share) * 1e3 if self._round_trips else -1.0

    def restart(self) -> None:
        """Begin a new stream: nothing waits, the next observation is due and has number 0."""
        self._waiting.clear()
        self._next_seq = 0
        self._sent_at = self._chunk_ends_at = 0.0

    def add(self, observation: Observation, epoch: int, now: float) -> int:
        """Record a request that is sent now; return its sequence number."""
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        self._sent_at = now
        self._waiting[seq] = Request(observation, now, epoch)
        return seq

    def answer(self, seq: int, now: float) -> Request | None:
        """Record an answer that arrives now; return its request, None when none waits for it."""
        request = self._waiting.pop(seq, None)
        if request is not None:
            self._round_trips.append(now - request.sent_at)
            self._round_trip_s = float(np.percentile(self._round_trips, 95))
        return request

    def answer_oldest(self) -> None:
        """
        Record an answer that does not say which request it is for.

        Answers come in order, so it is for the oldest one. Another request must be sent for it,
        or the link would seem silent.
        """
        self._waiting.pop(min(self._waiting, default=-1), None)

    def accept(self, seq: int, ends_at: float) -> int:
        """
        Record that the chunk of a request is played.

        Older requests are dropped: their chunks would only be refused.

        :param ends_at: instant of the chunk's last row.
        :returns: how many older requests were dropped.
        """
        self._chunk_ends_at = ends_at
        older = [waiting for waiting in self._waiting if waiting < seq]
        for waiting in older:
            del self._waiting[waiting]
        return len(older)
