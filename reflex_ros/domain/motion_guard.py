# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Decide whether the driver may move the arm now: leases, own lateness, and the latch.

Without permission the arm stops. Two leases must be renewed: the supervisor's permit and the
stream's beat. When a lease is older than its soft bound, the arm slows down; beyond its hard bound
the guard latches. All times are local receipt times on one monotonic clock, given as arguments.
This is the last layer that runs: it needs no other process (safety design, sections 2, 3 and 5).

Two threads write here: the executor (``renew_permit``, ``renew_beat``, ``fail``) and the bus
thread (``begin``, ``arm``, ``disarm``, ``record_playing``, ``evaluate``, ``fail``). Every method
takes one lock, so any thread may call any method. None of them blocks for longer than another one
computes: some microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import threading

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.permit import Mode, Permit


class Verdict(Enum):
    """What the player may do in this cycle."""

    GO = 'go'
    SLOW = 'slow'
    STOP = 'stop'


DEAF_S = 0.12
"""Time without a look at the messages after which missing ones are this process's own fault."""


class _Phase(Enum):
    """Progress of an activation."""

    IDLE = 'idle'
    ARMING = 'arming'
    ARMED = 'armed'


@dataclass(frozen=True, slots=True)
class GuardBounds:
    """
    Bounds of the leases and of the driver's own lateness, all in seconds.

    :param starved_s: longest time with nothing to play, after the first chunk.
    :param first_chunk_s: longest time from the activation to the first chunk.
    """

    permit_soft_s: float = 0.06
    permit_hard_s: float = 0.2
    beat_soft_s: float = 0.06
    beat_hard_s: float = 0.2
    late_soft_s: float = 0.06
    late_hard_s: float = 0.2
    starved_s: float = 2.0
    first_chunk_s: float = 10.0


class MotionGuard:
    """Leases and latch of one activation of the driver."""

    def __init__(self, bounds: GuardBounds) -> None:
        self._bounds = bounds
        self._lock = threading.Lock()
        self._phase = _Phase.IDLE
        self._is_alone = False
        self._early: Cause | None = None    # latched while arming
        self._permit: Permit | None = None
        self._permit_at = 0.0
        self._beat_at = 0.0
        self._progress = -1
        self._listened_at: float | None = None
        self._played_at = 0.0
        self._has_played = False
        self._barred: tuple[int, str] = (-1, '')
        self.epoch = 0
        """Epoch of the present activation, or of the last one."""
        self.cause: Cause | None = None
        """What stopped this activation, or None. Only the first cause counts."""
        self.codes: frozenset[FaultCode] = frozenset()
        """All that went wrong in this activation, the first cause and what came after it."""
        self.person_stops = 0
        """How often a person has stopped the arm, also while it was not active."""
        self.longest_permit_gap_s = 0.0
        """Longest time between two permits in this activation [s]."""
        self.longest_beat_gap_s = 0.0
        """The same between two signs of work from the stream [s]."""

    @property
    def mode(self) -> Mode:
        """What the newest permit allows; HOLD without a permit; PARK while it parks alone."""
        if self._is_alone:
            return Mode.PARK
        permit = self._permit
        return permit.mode if permit else Mode.HOLD

    @property
    def permitted_epoch(self) -> int:
        """Epoch of the newest permit; 0 without a permit."""
        permit = self._permit
        return permit.epoch if permit else 0

    @property
    def speed_scale(self) -> float:
        """Upper bound of the playback speed, from the newest permit."""
        if self._is_alone:
            return 1.0
        permit = self._permit
        return permit.speed_scale if permit else 0.0

    def refusal_reason(self, now: float) -> str:
        """Return why the arm may not be armed now, or an empty text."""
        with self._lock:
            return self._refusal_reason(now)

    def begin(self, now: float) -> str:
        """
        Begin an activation, before the arm is put under torque; ``arm`` or ``disarm`` must follow.

        From now on ``fail`` latches.

        :returns: why the arm may not be armed now; then nothing has begun. Else an empty text.
        """
        with self._lock:
            reason = self._refusal_reason(now)
            if not reason:
                self._phase, self._early, self._is_alone = _Phase.ARMING, None, False
            return reason

    def begin_alone(self) -> None:
        """
        Begin an activation that only parks, and needs nobody's permission.

        For an arm that would fall otherwise. A stop and every fault still end it.
        """
        with self._lock:
            self._phase, self._early, self._is_alone = _Phase.ARMING, None, True

    def arm(self, now: float) -> None:
        """
        Start the leases: the arm is under torque now, and ``begin`` has allowed it.

        A fault that arrived since ``begin`` is latched.
        """
        with self._lock:
            assert self._phase is _Phase.ARMING, 'begin was not called'
            self._phase = _Phase.ARMED
            if not self._is_alone:
                assert self._permit is not None
                self.epoch = self._permit.epoch
            self._permit_at = self._beat_at = self._played_at = now
            self._has_played = False
            self.longest_permit_gap_s = self.longest_beat_gap_s = 0.0
            self.cause = self._early
            self.codes = frozenset({self._early.code} if self._early else ())

    def disarm(self) -> None:
        """End the activation; ``cause`` stays until the next one."""
        with self._lock:
            self._phase, self._is_alone = _Phase.IDLE, False

    def renew_permit(self, permit: Permit, now: float) -> None:
        """Renew the supervisor's lease with a permit that was received now."""
        with self._lock:
            if self._phase is _Phase.ARMED:
                self.longest_permit_gap_s = max(self.longest_permit_gap_s, now - self._permit_at)
            self._permit, self._permit_at = permit, now

    def permit_age_s(self, now: float) -> float:
        """Return the time since the last permit [s]; negative before the first."""
        with self._lock:
            return -1.0 if self._permit is None else now - self._permit_at

    def renew_beat(self, progress: int, fault: Cause | None, now: float) -> None:
        """
        Renew the stream's lease, if its beat shows progress.

        :param progress: counter that grows with the work of the stream.
        :param fault: fault that the stream reports, or None; it latches while actions are applied.
        """
        with self._lock:
            if progress != self._progress:
                if self._phase is _Phase.ARMED and self.mode is Mode.APPLY_ACTIONS:
                    self.longest_beat_gap_s = max(self.longest_beat_gap_s, now - self._beat_at)
                self._progress, self._beat_at = progress, now
            if fault is not None and self.mode is Mode.APPLY_ACTIONS:
                self._latch(fault)

    def record_playing(self, now: float) -> None:
        """Record that there is something to play now."""
        with self._lock:
            self._played_at, self._has_played = now, True

    def record_listening(self, now: float) -> None:
        """
        Record that this process reads its messages now; due at least every 50 ms.

        It changes no bound. When a lease has run out because nobody read the messages, the arm
        stops all the same, and the cause does not blame their senders.
        """
        with self._lock:
            self._listened_at = now

    def fail(self, cause: Cause) -> None:
        """Latch a fault; ignored while no activation has begun, or another cause is latched."""
        with self._lock:
            self.person_stops += cause.code is FaultCode.OP_STOP
            self._latch(cause)

    def bar(self, reason: str) -> None:
        """
        Refuse the activation that is permitted now and has not begun; a later epoch is allowed.

        :param reason: and the next step.
        """
        with self._lock:
            if self._phase is _Phase.IDLE and self.mode is not Mode.HOLD:
                self._barred = self.permitted_epoch, reason

    def check_stall(self, late_s: float) -> bool:
        """
        Latch DRV_STALL when the driver was held up for too long.

        The arm is at rest by then, so whatever was planned before must not be played any more.

        :param late_s: how late the present cycle is now [s].
        :returns: whether it was.
        """
        if late_s <= self._bounds.late_hard_s:
            return False
        self.fail(_stalled(late_s))
        return True

    def evaluate(self, now: float, late_s: float) -> Verdict:
        """
        Check the leases for this cycle, and latch what has run out.

        :param late_s: how much later than planned this cycle began [s].
        :returns: what the player may do; STOP while not armed.
        """
        with self._lock:
            permit = self._permit
            if self._phase is _Phase.ARMED and self._is_alone:
                return Verdict.STOP if self.cause is not None else Verdict.GO
            if self._phase is not _Phase.ARMED or permit is None:
                return Verdict.STOP
            bounds = self._bounds
            if late_s > bounds.late_hard_s:
                self._latch(_stalled(late_s))
            elif late_s > bounds.late_soft_s:
                # Messages could not be received in this time, which is not the senders' fault. A
                # lease that was renewed all the same is no fresher than now.
                self._permit_at = min(self._permit_at + late_s, now)
                self._beat_at = min(self._beat_at + late_s, now)
            permit_age = now - self._permit_at
            if permit_age > bounds.permit_hard_s:
                self._latch(self._deafness(now) or Cause(
                    FaultCode.SUPERVISOR_DEAD, f'no permit for {permit_age * 1e3:.0f} ms'))
            if permit.epoch != self.epoch:
                self._latch(Cause(FaultCode.SEQ_EPOCH,
                                  f'the permit has epoch {permit.epoch}, this activation has '
                                  f'epoch {self.epoch}'))
            slow = permit_age > bounds.permit_soft_s or late_s > bounds.late_soft_s
            if permit.mode is Mode.APPLY_ACTIONS:
                slow |= self._check_stream(now)
            if self.cause is not None or permit.mode is Mode.HOLD:
                return Verdict.STOP
            return Verdict.SLOW if slow else Verdict.GO

    # The lock is held by the callers of everything below.

    def _refusal_reason(self, now: float) -> str:
        permit = self._permit
        if permit is None or now - self._permit_at > self._bounds.permit_hard_s:
            return ('no permit from the supervisor. Start it, and let it activate this node '
                    'with `reflex promote`')
        if permit.mode is Mode.HOLD:
            return ('the supervisor permits no motion now. `reflex status` '
                    'names the reason')
        epoch, reason = self._barred
        return reason if permit.epoch == epoch else ''

    def _latch(self, cause: Cause) -> None:
        if self._phase is _Phase.ARMED:
            self.codes |= {cause.code}
            self.cause = self.cause or cause
        elif self._phase is _Phase.ARMING and self._early is None:
            self._early = cause

    def _deafness(self, now: float) -> Cause | None:
        """Return the fault of this process if it has not read its messages lately."""
        deaf_s = now - self._listened_at if self._listened_at is not None else 0.0
        if deaf_s <= DEAF_S:
            return None
        return Cause(FaultCode.DRV_STALL,
                     f'the driver has not read its messages for {deaf_s:.2f} s')

    def _check_stream(self, now: float) -> bool:
        """Check the stream's lease and starvation; return whether to slow down."""
        bounds = self._bounds
        beat_age = now - self._beat_at
        if beat_age > bounds.beat_hard_s:
            self._latch(self._deafness(now) or Cause(
                FaultCode.STREAM_DEAD,
                f'no sign of work from action_stream for {beat_age * 1e3:.0f} ms'))
        starved_s = now - self._played_at
        if starved_s > (bounds.starved_s if self._has_played else bounds.first_chunk_s):
            self._latch(Cause(FaultCode.UNDERRUN, f'nothing to play for {starved_s:.1f} s'))
        return beat_age > bounds.beat_soft_s


def _stalled(late_s: float) -> Cause:
    return Cause(FaultCode.DRV_STALL, f'the driver itself was held up for {late_s:.2f} s')
