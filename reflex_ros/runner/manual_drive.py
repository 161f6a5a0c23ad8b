# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Move an arm by hand, through the driver and all of its checks; no ROS, no service.

The same bus thread, player and guard as in the node ``so101``: limits, largest step, lead bound,
ramps, hold on any fault. The caller renews the leases from the loop that watches the motion: when
that loop hangs, the arm stops.
"""

from __future__ import annotations

from collections.abc import Callable
import math
import time

import numpy as np

from reflex_ros.domain.action import ActionChunk, ChunkBounds, MAX_HORIZON
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.connector_report import ConnectorReport
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import ReflexError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.calibration import calibrated_arm
from reflex_ros.hardware.so101 import SO101

LOOP_S = 0.01
ROWS_HZ = 50.0
FOLLOW_S = 1.5
"""Length of a chunk of a long path; a third of it later comes the next one."""
MARGIN_S = 5.0
"""How much longer than planned a motion may take: playback slows down for a joint that lags."""
MARGIN_SHARE = 0.5
"""The same as a share of a long motion: a busy machine loses cycles, which are not made up for."""
NO_TORQUE = 'Not every joint was seen under torque: support the arm'
# The leases are renewed in this process: no network delays them, but a busy machine may.
_LEASES = GuardBounds(permit_soft_s=0.2, permit_hard_s=0.6, beat_soft_s=0.2, beat_hard_s=0.6)


class ManualDrive:
    """
    An arm that this process permits to move.

    ``bring_up`` says where the arm is and may go. It is under torque from ``open`` on. ``close``
    brings it to rest and leaves torque on, because the arm would fall without it. Belongs to one
    thread.

    :param arm: opened, not brought up; closed at the end.
    :param velocity: largest speed of a joint [rad/s].
    :param parks: move to the rest pose and switch torque off, instead of moving on demand.
    """

    def __init__(self, arm: So101Arm, *, velocity: float, parks: bool = False) -> None:
        self._arm = arm
        self._velocity = velocity
        self._mode = Mode.PARK if parks else Mode.APPLY_ACTIONS
        self._guard = MotionGuard(_LEASES)
        self._driver: ArmDriver | None = None
        self._is_up = False
        self._beats = self._seq = 0
        self.sample: JointSample | None = None
        """The newest measurement."""
        self.was_torque_tried = False
        """Whether ``open`` got as far as switching torque on: some joints may hold."""
        self.bounds = ChunkBounds(SO101)

    def bring_up(self) -> Vector:
        """
        Bring the arm up and return its pose (joints,) [rad]; torque stays as it is.

        From then on ``bounds`` are those of this arm. Blocks up to a few seconds.

        :raises ReflexError: when the arm may not be driven.
        """
        try:
            self._arm.bring_up()
            # An arm that has sagged onto a stop may lie outside the limits: it is led back in.
            arm = calibrated_arm(self._arm.calibration, self._velocity)
            self.bounds = ChunkBounds(arm.with_velocity(self._velocity, grippers=True),
                                      clamp=True)
            self._is_up = True
            return self._arm.read().position.copy()
        except BaseException:
            self.close()
            raise

    def open(self) -> None:
        """
        Bring the arm up and put it under torque where it is. Blocks up to a few seconds.

        :raises ReflexError: when the arm may not be driven; nothing has moved then.
        """
        if not self._is_up:
            self.bring_up()
        try:
            driver = ArmDriver(self._arm, self._guard, self.bounds, Motion())
            driver.start(self._store)
            self._driver = driver
            self._renew()
            self.was_torque_tried = True
            if self._mode is Mode.PARK:
                driver.park()
            else:
                driver.activate()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Bring the arm to rest under torque; blocks up to 2 s. May be called twice."""
        if self._driver is not None:
            self._driver.close()
        self._arm.close()

    @property
    def arm(self) -> So101Arm:
        """The arm; its bus belongs to the driver."""
        return self._arm

    @property
    def has_torque(self) -> bool:
        """Whether all joints were under torque in the newest measurement."""
        return bool(self._arm.has_torque)

    @property
    def torque_text(self) -> str:
        """One sentence for a person who may have to support the arm."""
        if self._arm.has_torque is None:
            return 'Its torque is unknown, because not all servos answer: support the arm'
        return 'The arm holds' if self.has_torque else NO_TORQUE

    @property
    def setpoint(self) -> Vector:
        """Where the joints are commanded to be (joints,) [rad]."""
        return np.array(self._report().setpoint)

    def move(self, target: Vector, speed: float) -> None:
        """
        Move straight to a pose, with a smooth start and end, and wait until it is reached.

        :param target: (joints,) [rad].
        :param speed: largest speed of the joint that moves furthest [rad/s].
        :raises ReflexError: when the pose is outside the limits, or something stops the arm.
        """
        start = self.setpoint
        self.check_move(start, target)
        # The cosine's steepest slope is pi / 2 times its mean.
        duration_s = max(math.pi / 2 * float(np.abs(target - start).max()) / speed, 0.1)
        count = min(math.ceil(duration_s * ROWS_HZ) + 1, MAX_HORIZON)
        phase = np.linspace(0.0, math.pi, count)[:, None]
        rows = start + 0.5 * (1.0 - np.cos(phase)) * (target - start)
        before = self._report()
        self.play(rows, (count - 1) / duration_s)
        self.wait_for(lambda: self._has_arrived(before),
                      (1.0 + MARGIN_SHARE) * duration_s + MARGIN_S, 'the pose was not reached')

    def park(self) -> None:
        """
        Wait until the arm has reached its rest pose and torque is off.

        :raises ReflexError: when something stops the arm on its way; then it holds.
        """
        self.wait_for(lambda: self._report().is_parked, 30.0, 'the rest pose was not reached')

    def check_move(self, start: Vector, target: Vector) -> None:
        """
        Refuse a move that is not allowed; torque is not needed for this check.

        :param start: pose of now (joints,) [rad].
        :param target: (joints,) [rad].
        :raises ReflexError: naming the joint that is, or would be, outside its limits.
        """
        self.check_pose(target)
        self._check_start(start)

    def check_pose(self, target: Vector) -> None:
        """
        Refuse a pose outside the limits.

        :param target: (joints,) [rad].
        :raises ReflexError: naming the joint and its limits.
        """
        for joint, value in zip(self.bounds.arm.joints, target, strict=True):
            limits = joint.limits
            if not limits.contains(float(value), self.bounds.range_tolerance_rad):
                raise ReflexError(
                    f'{joint.name} would be at {math.degrees(value):.1f} deg, allowed '
                    f'{math.degrees(limits.lower):.1f} to {math.degrees(limits.upper):.1f} deg')

    def _check_start(self, start: Vector) -> None:
        """Refuse to begin too far outside the limits: the way back would begin with a leap."""
        for joint, value in zip(self.bounds.arm.joints, start, strict=True):
            limits = joint.limits
            beyond = max(limits.lower - value, value - limits.upper)
            if beyond > self.bounds.max_jump_rad and not joint.is_gripper:
                raise ReflexError(
                    f'{joint.name} is at {math.degrees(value):.1f} deg, '
                    f'{math.degrees(beyond):.1f} deg outside of {math.degrees(limits.lower):.1f} '
                    f'to {math.degrees(limits.upper):.1f} deg. Support the arm, run `reflex so101 '
                    'torque-off`, and move the joint inside by hand')

    def play(self, rows: Vector, rate_hz: float) -> None:
        """Hand rows (horizon, joints) [rad] to the driver, which checks them; never blocks."""
        assert self._driver is not None
        now = time.monotonic()
        self._seq += 1
        self._renew()
        self._driver.command(ActionChunk(
            self._seq, rows, rate_hz, now, self._guard.epoch,
            joint_names=self.bounds.arm.joint_names, is_scripted=True))

    def follow(self, rows: Vector, rate_hz: float) -> None:
        """
        Play a path of any length, chunk after chunk, and wait until the arm rests at its end.

        :param rows: (rows, joints) [rad]; the first one near the present setpoint.
        :raises ReflexError: when a row is refused, or something stops the arm.
        """
        for row in rows[[0, -1]]:
            self.check_pose(row)
        window, stride = round(FOLLOW_S * rate_hz), round(FOLLOW_S * rate_hz / 3)
        before, began = self._report(), time.monotonic()
        for index in range(0, max(len(rows) - window + stride, 1), stride):
            # By the clock: a chunk that comes late continues where the arm should be by now.
            while time.monotonic() < began + index / rate_hz:
                self.step()
                time.sleep(LOOP_S)
            first = max(index, round((time.monotonic() - began) * rate_hz))
            self.play(rows[min(first, len(rows) - 1):first + window], rate_hz)
        self.wait_for(lambda: self._has_arrived(before), FOLLOW_S + MARGIN_S,
                      'the end of the path was not reached')

    def step(self) -> None:
        """
        Renew the leases; must be called at least every 0.2 s, and never blocks.

        :raises ReflexError: when something has stopped the arm, with the cause.
        """
        self._renew()
        cause = self._report().cause
        if cause is not None:
            raise ReflexError(f'{cause}. {self.torque_text}')

    def wait_for(self, is_done: Callable[[], bool], timeout_s: float, failure: str) -> None:
        """
        Keep the leases renewed until a condition is true.

        :param failure: what has not happened, for the error after ``timeout_s``.
        :raises ReflexError: after ``timeout_s``, or when something has stopped the arm.
        """
        deadline = time.monotonic() + timeout_s
        while not is_done():
            self.step()
            if time.monotonic() > deadline:
                raise ReflexError(f'{failure} within {timeout_s:.0f} s. {self.torque_text}')
            time.sleep(LOOP_S)

    def _has_arrived(self, before: ConnectorReport) -> bool:
        report = self._report()
        refused = [code.name for code, count in report.rejected.items()
                   if count > before.rejected.get(code, 0)]
        if refused:
            raise ReflexError(f'the motion was refused: {", ".join(refused)}')
        # An arm that was stopped is at rest too: ``step`` raises the cause.
        return (report.cause is None and report.accepted > before.accepted and report.is_starved
                and report.at_rest)

    def _report(self) -> ConnectorReport:
        assert self._driver is not None
        return self._driver.report()

    def _renew(self) -> None:
        now = time.monotonic()
        self._beats += 1
        self._guard.renew_permit(Permit(1, self._mode), now)
        self._guard.renew_beat(self._beats, None, now)

    def _store(self, sample: JointSample) -> None:
        # In the bus thread.
        self.sample = sample
