# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Whether the driver may move the arm now: leases, own lateness, and the latch.

Absence of permission means stop. Two leases must be renewed: the supervisor's permit and the
stream's beat. Past its soft bound a lease slows the arm down, past its hard bound it latches.
Everything is judged by local receipt on one monotonic clock, passed in. This is the last layer
that runs: it needs nobody alive (safety design, sections 2, 3 and 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.permit import Mode, Permit


class Verdict(Enum):
    """What the player may do in this cycle."""

    GO = 'go'
    SLOW = 'slow'
    STOP = 'stop'


@dataclass(frozen=True, slots=True)
class GuardBounds:
    """
    Bounds of the leases and of our own lateness, all in seconds.

    :param starved_s: how long the arm may rest with nothing to play before it is a fault.
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
        self._permit: Permit | None = None
        self._permit_at = 0.0
        self._beat_at = 0.0
        self._progress = -1
        self._is_armed = False
        self.epoch = 0
        """Epoch of the present activation, or of the last one."""
        self._fed_at = 0.0
        self._has_fed = False
        self.cause: Cause | None = None
        """What stopped this activation, or None. Only the first cause counts."""

    @property
    def mode(self) -> Mode:
        """What the newest permit allows; HOLD when there is none."""
        return self._permit.mode if self._permit else Mode.HOLD

    @property
    def speed_scale(self) -> float:
        """Upper bound of the playback speed, from the permit."""
        return self._permit.speed_scale if self._permit else 0.0

    def why_not_arm(self, now: float) -> str:
        """Say why the arm may not be armed now, or return an empty text."""
        if self._permit is None or now - self._permit_at > self._bounds.permit_hard_s:
            return ('no permit from the supervisor. Start it, and let it activate this node '
                    '(ros2 service call /supervisor/promote std_srvs/srv/Trigger)')
        if self._permit.mode is Mode.HOLD:
            return ('the supervisor permits no motion now. Ask it why: '
                    'ros2 service call /supervisor/gate std_srvs/srv/Trigger')
        return ''

    def arm(self, now: float) -> None:
        """Begin an activation under the newest permit; ``why_not_arm`` was asked before."""
        assert self._permit is not None
        self._is_armed = True
        self.epoch = self._permit.epoch
        self._permit_at = self._beat_at = self._fed_at = now
        self._has_fed = False
        self.cause = None

    def disarm(self) -> None:
        """End the activation."""
        self._is_armed = False

    def renew_permit(self, permit: Permit, now: float) -> None:
        """Take in a permit that was received now."""
        self._permit, self._permit_at = permit, now

    def renew_beat(self, progress: int, fault: Cause | None, now: float) -> None:
        """
        Take in the stream's beat: only one that shows progress renews the lease.

        :param progress: a counter that grows with work done.
        :param fault: what the stream itself has found, or None.
        """
        if progress != self._progress:
            self._progress, self._beat_at = progress, now
        if fault is not None and self.mode is Mode.APPLY_ACTIONS:
            self.fail(fault)

    def feed(self, now: float) -> None:
        """Note that there is something to play."""
        self._fed_at, self._has_fed = now, True

    def fail(self, cause: Cause) -> None:
        """Latch; only while armed, and only the first cause counts."""
        if self._is_armed and self.cause is None:
            self.cause = cause

    def tick(self, now: float, late_s: float) -> Verdict:
        """
        Judge this cycle.

        :param late_s: how much later than planned this cycle began [s].
        """
        if not self._is_armed or self._permit is None:
            return Verdict.STOP
        bounds = self._bounds
        if late_s > bounds.late_hard_s:
            self.fail(Cause(FaultCode.DRV_STALL,
                            f'the driver itself was held up for {late_s:.2f} s'))
        elif late_s > bounds.late_soft_s:
            # Nobody else is to blame for what we could not receive meanwhile; what was received
            # all the same is no fresher than now.
            self._permit_at = min(self._permit_at + late_s, now)
            self._beat_at = min(self._beat_at + late_s, now)
        permit_age = now - self._permit_at
        if permit_age > bounds.permit_hard_s:
            self.fail(Cause(FaultCode.SUPERVISOR_DEAD, f'no permit for {permit_age * 1e3:.0f} ms'))
        if self._permit.epoch != self.epoch:
            self.fail(Cause(FaultCode.SEQ_EPOCH,
                            f'the permit is of epoch {self._permit.epoch}, this '
                            f'activation of {self.epoch}'))
        slow = permit_age > bounds.permit_soft_s or late_s > bounds.late_soft_s
        if self._permit.mode is Mode.APPLY_ACTIONS:
            slow |= self._judge_stream(now)
        if self.cause is not None or self._permit.mode is Mode.HOLD:
            return Verdict.STOP
        return Verdict.SLOW if slow else Verdict.GO

    def _judge_stream(self, now: float) -> bool:
        bounds = self._bounds
        beat_age = now - self._beat_at
        if beat_age > bounds.beat_hard_s:
            self.fail(Cause(FaultCode.STREAM_DEAD, 'no sign of work from action_stream for '
                            f'{beat_age * 1e3:.0f} ms'))
        starved_s = now - self._fed_at
        if starved_s > (bounds.starved_s if self._has_fed else bounds.first_chunk_s):
            self.fail(Cause(FaultCode.UNDERRUN, f'nothing to play for {starved_s:.1f} s'))
        return beat_age > bounds.beat_soft_s
