# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A leader arm, moved by hand, drives a follower arm; an example of what ``HandDrive`` is for.

The leader is only read. What it says goes to the follower as short chunks that go on from what it
plays, towards the leader, at bounded speed and acceleration: a leap of the leader is a motion of
the follower, never a leap. When the leader falls silent the follower comes to rest.
"""

from __future__ import annotations

from dataclasses import dataclass
import time

import numpy as np

from reflex_ros.domain.action import row_at
from reflex_ros.domain.joints import Vector
from reflex_ros.errors import BusTimeout, ConfigurationError, ReflexError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.calibration import gripper_travel
from reflex_ros.hardware.so101 import GRIPPER
from reflex_ros.hardware.survey import under_torque
from reflex_ros.runner.manual_drive import HandDrive

RATE_HZ = 50.0
ROWS = 12
"""Of one chunk: 0.24 s, so that one late turn of our loop does not stop the arm."""
LOST_S = 0.2
APPROACH_SPEED = 0.3
ACCELERATION = 8.0
BRAKING = 5.0
"""Below the acceleration [rad/s^2]: what is planned in steps of 20 ms must not overshoot."""
ASTRAY_RAD = 0.05
NEAR_RAD = 0.1
"""Once the follower is so close, it follows at full speed."""


@dataclass(slots=True)
class Figures:
    """
    What happened so far.

    :param turns: of our loop, each with a position of the leader.
    :param misses: turns in which the leader did not answer.
    :param lag_rad: largest distance between leader and follower since they met [rad].
    """

    turns: int = 0
    misses: int = 0
    has_met: bool = False
    lag_rad: float = 0.0
    seconds: float = 0.0


class Teleop:
    """
    One leader and one follower.

    :param leader: opened, not brought up; closed by the caller.
    :param follower: open, under torque.
    :param speed: largest speed of a joint of the follower [rad/s].
    """

    def __init__(self, leader: So101Arm, follower: HandDrive, speed: float) -> None:
        self._leader = leader
        self._follower = follower
        self._speed = speed
        self._rows: Vector | None = None
        self._rows_at = 0.0
        self.figures = Figures()

    def follow(self, seconds: float | None = None) -> None:
        """
        Follow the leader for so long, or until interrupted.

        :raises ReflexError: when the leader is lost, or something stops the follower.
        """
        began = heard_at = due = time.monotonic()
        target = self._target()
        while seconds is None or time.monotonic() - began < seconds:
            try:
                target = self._target()
                heard_at = time.monotonic()
            except BusTimeout as exc:
                self.figures.misses += 1
                if time.monotonic() - heard_at > LOST_S:
                    raise ReflexError(f'the leader was lost: {exc}') from exc
            self._lead_to(target)
            self._follower.step()
            self.figures.turns += 1
            self.figures.seconds = time.monotonic() - began
            due = max(due + 1.0 / RATE_HZ, time.monotonic())
            time.sleep(max(due - time.monotonic(), 0.0))

    def _target(self) -> Vector:
        """Read where the leader is, as a pose that the follower can take (joints,) [rad]."""
        pose = self._leader.read(retries=1).position.copy()
        # A trigger travels less than a jaw: what counts is how far each is open.
        percent = gripper_travel(self._leader.calibration).to_percent(pose[GRIPPER])
        pose[GRIPPER] = gripper_travel(self._follower.arm.calibration).to_rad(percent)
        arm = self._follower.bounds.arm
        inside: Vector = np.clip(pose, arm.lower, arm.upper)
        return inside

    def _lead_to(self, target: Vector) -> None:
        figures, setpoint = self.figures, self._follower.setpoint
        distance = float(np.abs(target - setpoint).max())
        figures.has_met |= distance < NEAR_RAD
        if figures.has_met:
            figures.lag_rad = max(figures.lag_rad, distance)
        position, velocity = self._now(setpoint)
        self._rows = approach(position, velocity, target,
                              self._speed if figures.has_met else APPROACH_SPEED)
        self._rows_at = time.monotonic()
        self._follower.offer(self._rows, RATE_HZ)

    def _now(self, setpoint: Vector) -> tuple[Vector, Vector]:
        """Say where the rows are that play now, and how fast (joints,) [rad], [rad/s]."""
        place = (time.monotonic() - self._rows_at) * RATE_HZ
        if self._rows is None or place >= ROWS - 1:
            return setpoint, np.zeros_like(setpoint)
        position = row_at(self._rows, place)
        if float(np.abs(position - setpoint).max()) > ASTRAY_RAD:
            # The player was slowed down: by a joint that lags, or by the guard.
            return setpoint, np.zeros_like(setpoint)
        return position, (row_at(self._rows, place + 1.0) - position) * RATE_HZ


def approach(position: Vector, velocity: Vector, target: Vector, speed: float) -> Vector:
    """
    Plan the next rows of a motion that comes to rest at a target, without a leap in speed.

    :param position: first row (joints,) [rad].
    :param velocity: there (joints,) [rad/s].
    :param speed: bound of the speed of each joint [rad/s].
    :returns: (rows, joints) [rad].
    """
    rows = [position]
    for _ in range(ROWS - 1):
        way = target - rows[-1]
        # As fast as still allows to brake; the last bit in one step, or it would never end.
        wanted = np.sign(way) * np.minimum(np.sqrt(2.0 * BRAKING * np.abs(way)), speed)
        wanted = np.where(np.abs(way) < np.abs(wanted) / RATE_HZ, way * RATE_HZ, wanted)
        change = ACCELERATION / RATE_HZ
        velocity = np.clip(wanted, velocity - change, velocity + change)
        rows.append(rows[-1] + velocity / RATE_HZ)
    return np.array(rows)


def require_limp(leader: So101Arm) -> None:
    """
    Make sure that a person can move the leader.

    :raises ConfigurationError: when a joint of it is under torque.
    """
    held = under_torque(leader.bus)
    if held:
        raise ConfigurationError(
            f'the leader is under torque (servo {", ".join(map(str, held))}): nobody could move '
            f'it. Let it go: reflex so101 torque-off --port {leader.bus.port.name}')
