# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The observations of one stream and the chunks that answer them, without I/O.

What is due, what is under way, what an answer is worth, and counts that always agree. The session
(``policy_session``) moves the frames; the bench plays the same object in virtual time. One thread
owns it; nothing here blocks.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field, replace
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.client import adapters
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.observation import Observation
from reflex_ros.domain.request_clock import RequestClock, RequestRules
from reflex_ros.domain.row_remarks import RowRemarks

MEMORY = 200
DELAY_MEMORY = 40
"""Answers from which the age of the next one is expected."""
UNKNOWN = (-1.0, -1.0, -1.0)


@dataclass(slots=True)
class Counts:
    """
    What became of observations and frames since the first stream; only grows.

    Each observation that was sent is under way, or was accepted, refused, superseded by the
    answer to a newer one, or left unanswered when its stream ended. Each frame that was received
    was accepted or refused; a stray one answers nothing that waits.
    """

    sent: int = 0
    received: int = 0
    accepted: int = 0
    refused: int = 0
    superseded: int = 0
    unanswered: int = 0
    strays: int = 0
    rejected: Counter[FaultCode] = field(default_factory=Counter)

    def copy(self) -> Counts:
        """Return a copy that nobody changes."""
        return replace(self, rejected=Counter(self.rejected))

    def agree(self, in_flight: int) -> bool:
        """Whether every observation and every frame is counted once."""
        return (self.sent == in_flight + self.accepted + self.refused + self.superseded
                + self.unanswered
                and self.received == self.accepted + self.rejected.total()
                and self.rejected.total() == self.refused + self.strays)


@dataclass(frozen=True, slots=True)
class Times:
    """
    Quantiles over the last answers, all in milliseconds; negative when nothing is known.

    :param round_trip: p50, p95 and p99 from sending to the answer.
    :param service: the same of the time at the service.
    :param network: the same of the way there and back.
    :param age: the same of the observation's age when its chunk arrives.
    """

    round_trip: tuple[float, float, float] = UNKNOWN
    service: tuple[float, float, float] = UNKNOWN
    network: tuple[float, float, float] = UNKNOWN
    age: tuple[float, float, float] = UNKNOWN


@dataclass(slots=True)
class _Pending:
    observation: Observation
    epoch: int
    sent_at: float
    prompt: str
    executed: NDArray[np.float64] | None


class Exchange:
    """
    One stream's exchange of observations and chunks.

    :param rate_hz: rate of the rows that the service sends [1/s].
    :param horizon: rows of a chunk that are used; 0 uses all.
    :param counts: counts of earlier streams, which go on.
    """

    def __init__(self, bounds: ChunkBounds, rules: RequestRules, rate_hz: float,
                 counts: Counts | None = None, horizon: int = 0) -> None:
        self.bounds = bounds
        """What a chunk must satisfy; may be replaced between two calls."""
        self.counts = counts or Counts()
        self.clock = RequestClock(rules)
        self._strays_in_a_row = self._newest_stray = 0
        self.refused_in_a_row = 0
        """Chunks refused one after another for what they say; late ones do not count."""
        self.last_refusal: ChunkRejected | None = None
        """The newest refusal of a chunk for what it says."""
        self.remark = ''
        """What the rows of a dry run look like, when they look like a mistake; else empty."""
        self._remarks = RowRemarks()
        self._rate_hz = rate_hz
        self._horizon = max(horizon, 2) if horizon else None
        self._pending: dict[int, _Pending] = {}
        self._next_seq = 0
        self._newest_seq = -1
        self._round_trips: deque[float] = deque(maxlen=MEMORY)
        self._services: deque[float] = deque(maxlen=MEMORY)
        self._networks: deque[float] = deque(maxlen=MEMORY)
        self._ages: deque[float] = deque(maxlen=MEMORY)
        self._delays_s: deque[float] = deque(maxlen=DELAY_MEMORY)
        self._has_answered = False

    @property
    def in_flight(self) -> int:
        """Number of observations that wait for their chunk."""
        return len(self._pending)

    def due_at(self, now: float) -> float:
        """Return when the next observation is due [s]; infinite: not before an answer comes."""
        return self.clock.due_at(now)

    @property
    def expected_age_s(self) -> float | None:
        """
        Age that an observation will hardly exceed when its chunk comes (p95) [s].

        None before the second answer: the first one may have waited for a cold start.
        """
        return _quantiles(self._delays_s)[1] if self._delays_s else None

    def begin(self, observation: Observation, epoch: int, now: float, prompt: str = '',
              executed: NDArray[np.float64] | None = None) -> int:
        """
        Record that an observation is sent, and return its sequence number.

        :param epoch: epoch of the permit under which its chunk is requested.
        :param prompt: the task that is sent with it; its chunk carries it.
        :param executed: rows that are executed between the observation and the first row of its
            chunk, when it was asked for a later instant (rows, joints) [rad].
        """
        seq, self._next_seq = self._next_seq, self._next_seq + 1
        self._pending[seq] = _Pending(observation, epoch, now, prompt, executed)
        self.clock.record_sent(seq, now)
        self.counts.sent += 1
        return seq

    def longest_wait_s(self, now: float) -> float:
        """Return for how long the oldest observation has waited for its chunk [s]."""
        return now - min((pending.sent_at for pending in self._pending.values()), default=now)

    @property
    def stray_text(self) -> str:
        """What is wrong with the answers that came since the last good one; empty if none did."""
        count = self._strays_in_a_row
        return count and (f'{count} answer{"s" * (count > 1)} came with a number that no '
                          f'observation has; the newest is {self._newest_stray}') or ''

    def answer(self, frame: ChunkFrame, now: float, is_moving: bool = False) -> ActionChunk:
        """
        Check the chunk of a frame that was received now.

        :param is_moving: whether the arm moves under the chunks of this stream.

        :raises ChunkRejected: for a chunk that must not be played; it is counted.
        """
        self.counts.received += 1
        pending = self._pending.pop(frame.seq, None)
        if pending is None:
            self.counts.strays += 1
            self._strays_in_a_row += 1
            self._newest_stray = frame.seq
            raise self._refuse(ChunkRejected(FaultCode.SEQ_OLD, f'chunk {frame.seq}: no '
                                             'observation waits for it'))
        self._measure(frame, pending, now)
        try:
            chunk = self._check(frame, pending, now, is_moving)
        except ChunkRejected as exc:
            self.counts.refused += 1
            raise self._refuse(self._with_hint(exc, frame, pending.observation)) from None
        self.counts.accepted += 1
        self.refused_in_a_row = self._strays_in_a_row = 0
        if not is_moving:
            self.remark = self._remarks.record(
                chunk.rows, pending.observation.position, self.bounds.arm)
        self._newest_seq = frame.seq
        self.clock.record_verdict(True, now + chunk.duration_s)
        # Older observations are overtaken: their chunks would only be refused.
        for seq in [seq for seq in self._pending if seq < frame.seq]:
            self._drop(seq)
            self.counts.superseded += 1
        return chunk

    def broken(self, exc: ChunkRejected) -> ChunkRejected:
        """
        Record a frame that says no chunk; answers come in order, so the oldest one is answered.

        :returns: the same exception.
        """
        self.counts.received += 1
        if self._pending:
            self._drop(min(self._pending))
            self.counts.refused += 1
        else:
            self.counts.strays += 1
        return self._refuse(exc)

    def abandon(self) -> None:
        """Record that the stream has ended: nothing that waits will be answered."""
        for seq in list(self._pending):
            self._drop(seq)
            self.counts.unanswered += 1

    def times(self) -> Times:
        """Return quantiles of the last answers."""
        return Times(*(_quantiles(values) for values in (
            self._round_trips, self._services, self._networks, self._ages)))

    def _check(self, frame: ChunkFrame, pending: _Pending, now: float,
               is_moving: bool) -> ActionChunk:
        arm, observation = self.bounds.arm, pending.observation
        width = len(arm.wire.values)
        if len(frame.rows[0]) != width:
            raise ChunkRejected(FaultCode.BAD_SHAPE, f'chunk {frame.seq}: rows of '
                                f'{len(frame.rows[0])}, expected {width}')
        rows = adapters.rows_from_wire(frame.rows[:self._horizon], arm)
        if pending.executed is not None:
            # So its first row belongs to the observation, as in every other chunk.
            rows = np.concatenate((pending.executed, rows))
        chunk = ActionChunk(
            frame.seq, rows, self._rate_hz,
            observation.captured_at, pending.epoch, joint_names=arm.joint_names,
            prompt=pending.prompt)
        # The first row belongs to the pose that was observed, not to where the arm is now.
        return check_chunk(chunk, self.bounds, now, observation.position,
                           reference_at=observation.captured_at, last_seq=self._newest_seq,
                           is_moving=is_moving)

    def _with_hint(self, exc: ChunkRejected, frame: ChunkFrame,
                   observation: Observation) -> ChunkRejected:
        hint = '' if exc.code.row.is_late else adapters.unit_hint(
            frame.rows, observation.position, self.bounds.arm)
        return ChunkRejected(exc.code, f'{exc}. {hint}') if hint else exc

    def _measure(self, frame: ChunkFrame, pending: _Pending, now: float) -> None:
        total_s, infer_s = (None if value is None else value * 1e-3
                            for value in (frame.total_ms, frame.infer_ms))
        self.clock.record_answer(frame.seq, now, total_s, infer_s)
        round_trip = (now - pending.sent_at) * 1e3
        self._round_trips.append(round_trip)
        age_s = now - pending.observation.captured_at
        self._ages.append(age_s * 1e3)
        if self._has_answered:
            self._delays_s.append(age_s)
        self._has_answered = True
        at_service = frame.total_ms if frame.total_ms is not None else frame.infer_ms
        if at_service is not None and 0.0 <= at_service <= round_trip:
            self._services.append(at_service)
            self._networks.append(round_trip - at_service)

    def _refuse(self, exc: ChunkRejected) -> ChunkRejected:
        self.counts.rejected[exc.code] += 1
        if not exc.code.row.is_late:
            self.refused_in_a_row += 1
            self.last_refusal = exc
            self.clock.record_verdict(False)
        return exc

    def _drop(self, seq: int) -> None:
        del self._pending[seq]
        self.clock.record_lost(seq)


def _quantiles(values: deque[float]) -> tuple[float, float, float]:
    ordered = sorted(values)
    if not ordered:
        return UNKNOWN
    p50, p95, p99 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95, 0.99))
    return p50, p95, p99
