# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A leader arm, moved by hand, drives a follower arm; an example of what ``ManualDrive`` is for.

The leader is only read. The follower gets short chunks that begin where its present motion is and
lead towards the pose of the leader, at bounded speed and acceleration: however fast the leader
moves, the follower does not leap. When the leader stops answering, the follower comes to rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import time

import numpy as np

from reflex_ros.domain.action import row_at
from reflex_ros.domain.joints import Vector
from reflex_ros.errors import BusTimeout, ConfigurationError, ReflexError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_build import TWELVE_VOLT
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import gripper_travel, JointCalibration
from reflex_ros.hardware.lerobot_file import file_of, Role
from reflex_ros.hardware.so101 import GRIPPER, SO101_JOINTS
from reflex_ros.hardware.survey import Survey, under_torque
from reflex_ros.runner.manual_drive import ManualDrive

RATE_HZ = 50.0
ROWS = 12
"""Rows of one chunk: 0.24 s, so that one late turn of the loop does not stop the arm."""
LOST_S = 0.2
APPROACH_SPEED = 0.3
ACCELERATION = 8.0
BRAKING = 5.0
"""Below ``ACCELERATION`` [rad/s^2]: a plan in steps of 20 ms must not overshoot."""
ASTRAY_RAD = 0.05
NEAR_RAD = 0.1
"""Distance to the leader below which the follower moves at full speed [rad]."""


@dataclass(slots=True)
class TeleopStatistics:
    """
    What happened so far.

    :param turns: turns of the loop.
    :param misses: turns in which the leader did not answer.
    :param has_met: whether the follower has come near the leader once.
    :param lag_rad: largest distance between leader and follower since then [rad].
    :param seconds: since the beginning.
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

    def __init__(self, leader: So101Arm, follower: ManualDrive, speed: float) -> None:
        self._leader = leader
        self._follower = follower
        self._speed = speed
        self._rows: Vector | None = None
        self._rows_at = 0.0
        self._target: Vector | None = None
        self._began_at = self._heard_at = self._due_at = 0.0
        self.statistics = TeleopStatistics()

    def follow(self, seconds: float | None = None) -> None:
        """
        Follow the leader until the time is over or the user interrupts; block until then.

        :param seconds: duration; None follows until interrupted.
        :raises ReflexError: when the leader is lost, or something stops the follower.
        """
        began = time.monotonic()
        while seconds is None or time.monotonic() - began < seconds:
            self.turn()

    def turn(self) -> None:
        """
        Follow the leader for one turn; blocks until the next one is due, about 20 ms.

        :raises ReflexError: when the leader is lost, or something stops the follower.
        """
        now = time.monotonic()
        if self._target is None:
            # The first look may fail like no other: nothing moves yet.
            self._target = self._read_target()
            self._began_at = self._heard_at = self._due_at = now
        try:
            self._target = self._read_target()
            self._heard_at = time.monotonic()
        except BusTimeout as exc:
            self.statistics.misses += 1
            if time.monotonic() - self._heard_at > LOST_S:
                raise ReflexError(f'the leader was lost: {exc}') from exc
        self._lead_to(self._target)
        self._follower.step()
        self.statistics.turns += 1
        self.statistics.seconds = time.monotonic() - self._began_at
        self._due_at = max(self._due_at + 1.0 / RATE_HZ, time.monotonic())
        time.sleep(max(self._due_at - time.monotonic(), 0.0))

    def _read_target(self) -> Vector:
        """Read the leader's pose, in the follower's limits (joints,) [rad]."""
        pose = self._leader.read(retries=1).position.copy()
        # The trigger of a leader travels less than the jaw of a follower: share of the travel.
        percent = gripper_travel(self._leader.calibration).to_percent(pose[GRIPPER])
        pose[GRIPPER] = gripper_travel(self._follower.arm.calibration).to_rad(percent)
        arm = self._follower.bounds.arm
        inside: Vector = np.clip(pose, arm.lower, arm.upper)
        return inside

    def _lead_to(self, target: Vector) -> None:
        statistics, setpoint = self.statistics, self._follower.setpoint
        distance = float(np.abs(target - setpoint).max())
        statistics.has_met |= distance < NEAR_RAD
        if statistics.has_met:
            statistics.lag_rad = max(statistics.lag_rad, distance)
        position, velocity = self._present_motion(setpoint)
        self._rows = approach(position, velocity, target,
                              self._speed if statistics.has_met else APPROACH_SPEED)
        self._rows_at = time.monotonic()
        self._follower.play(self._rows, RATE_HZ)

    def _present_motion(self, setpoint: Vector) -> tuple[Vector, Vector]:
        """Return position [rad] and velocity [rad/s] of the rows that play now (joints,)."""
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
    :param velocity: velocity in the first row (joints,) [rad/s].
    :param speed: largest speed of each joint [rad/s].
    :returns: (rows, joints) [rad].
    """
    rows = [position]
    for _ in range(ROWS - 1):
        left = target - rows[-1]
        # As fast as braking allows; the last bit in one step, or it would never end.
        wanted = np.sign(left) * np.minimum(np.sqrt(2.0 * BRAKING * np.abs(left)), speed)
        wanted = np.where(np.abs(left) < np.abs(wanted) / RATE_HZ, left * RATE_HZ, wanted)
        change = ACCELERATION / RATE_HZ
        velocity = np.clip(wanted, velocity - change, velocity + change)
        rows.append(rows[-1] + velocity / RATE_HZ)
    return np.array(rows)


def require_torque_off(leader: So101Arm) -> None:
    """
    Check that a person can move the leader.

    :raises ConfigurationError: when one of its joints is under torque.
    """
    held = under_torque(leader.bus)
    if held:
        raise ConfigurationError(
            f'the leader is under torque (servo {", ".join(map(str, held))}), so it cannot be '
            'moved by hand. Switch torque off: reflex so101 torque-off --port '
            f'{leader.bus.port.name}')


def require_leader(arm: So101Arm, environ: Mapping[str, str]) -> None:
    """
    Check that the arm that is moved by hand is no follower.

    :raises ConfigurationError: when it has the supply of a follower, or a follower's calibration.
    """
    if any(servo.supply is TWELVE_VOLT for servo in arm.servos):
        raise ConfigurationError(
            f'the leader at {arm.bus.port.name} has 12 V servos, so it is a follower: a leader '
            f'has 7.4 V ones. {_EXCHANGED}')
    _refuse_role(arm.bus.port.name, 'leader', Role.FOLLOWER, arm.calibration, environ)


def require_follower(bus: Bus, environ: Mapping[str, str]) -> None:
    """
    Check, before the arm gets torque, that the arm to be driven is not the one held by a hand.

    :raises ConfigurationError: when its servos hold the calibration of a known leader.
    """
    found = {servo.servo_id: servo.calibration for servo in Survey(bus).servos.values()}
    calibration = [found.get(joint.servo_id) for joint in SO101_JOINTS]
    known = tuple(own for own in calibration if own is not None)
    if len(known) == len(calibration):
        _refuse_role(bus.port.name, 'follower', Role.LEADER, known, environ)


_EXCHANGED = 'Are the ports exchanged? Exchange --leader and --follower'


def _refuse_role(port: str, asked: str, role: Role, calibration: Sequence[JointCalibration],
                 environ: Mapping[str, str]) -> None:
    file = file_of(calibration, environ, role)
    other = Role.LEADER if role is Role.FOLLOWER else Role.FOLLOWER
    if file is not None and file_of(calibration, environ, other) is None:
        raise ConfigurationError(f'the {asked} at {port} holds the calibration of the '
                                 f'{role.value} {file.stem} ({file}). {_EXCHANGED}')
