# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A guide drives a follower arm: a leader arm, moved by hand, or the keys of a terminal.

A leader is only read. The follower is led towards the pose of the guide without a leap, however
fast that moves (``domain.guided_motion``). When a leader stops answering, the follower comes to
rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import time
from typing import Protocol

import numpy as np

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.guided_motion import GuidedMotion, RATE_HZ
from reflex_ros.domain.joints import Vector
from reflex_ros.errors import BusTimeout, ConfigurationError, ReflexError
from reflex_ros.hardware import host_load
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_build import TWELVE_VOLT
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import gripper_travel, JointCalibration
from reflex_ros.hardware.lerobot_file import file_of, Role
from reflex_ros.hardware.silence import Silence
from reflex_ros.hardware.so101 import GRIPPER, SO101_JOINTS
from reflex_ros.hardware.survey import Survey, under_torque
from reflex_ros.runner.manual_drive import ManualDrive

LOST_S = 0.2
"""How long a leader may be asked in vain [s]: the follower rests by then."""
LONGEST_S = 2.0 / RATE_HZ
"""Time between two looks at the leader [s]: more than that is time in which nobody asked."""


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


class Guide(Protocol):
    """What a follower follows."""

    def target(self) -> Vector:
        """
        Return where the follower shall be, in its limits (joints,) [rad].

        :raises BusTimeout: when a leader did not answer this time.
        """


class LeaderArm:
    """
    An arm that is moved by hand; a ``Guide``.

    :param arm: brought up; closed by the caller.
    :param follower: returns the follower, with the limits and the gripper's travel that hold now.
    """

    def __init__(self, arm: So101Arm, follower: Callable[[], ArmDescription]) -> None:
        self._arm = arm
        self._follower = follower

    def target(self) -> Vector:
        """Read the leader's pose, in the follower's limits (joints,) [rad]."""
        pose = self._arm.read(retries=1).position.copy()
        # The trigger of a leader travels less than the jaw of a follower: share of the travel.
        percent = gripper_travel(self._arm.calibration).to_percent(pose[GRIPPER])
        arm = self._follower()
        pose[GRIPPER] = arm.gripper_travels[0].to_rad(percent)
        inside: Vector = np.clip(pose, arm.lower, arm.upper)
        return inside


class Teleop:
    """
    One guide and one follower.

    :param follower: open, under torque.
    :param speed: largest speed of a joint of the follower [rad/s].
    """

    def __init__(self, guide: Guide, follower: ManualDrive, speed: float) -> None:
        self._guide = guide
        self._follower = follower
        self._motion = GuidedMotion(speed)
        self._target: Vector | None = None
        self._silence = Silence()
        self._began_at = self._asked_at = self._due_at = 0.0
        self.statistics = TeleopStatistics()

    def follow(self, seconds: float | None = None) -> None:
        """
        Follow the guide until the time is over or the user interrupts; block until then.

        :param seconds: duration; None follows until interrupted.
        :raises ReflexError: when the leader is lost, or something stops the follower.
        """
        began = time.monotonic()
        while seconds is None or time.monotonic() - began < seconds:
            self.turn()

    def turn(self) -> None:
        """
        Follow the guide for one turn; blocks until the next one is due, about 20 ms.

        :raises ReflexError: when the leader is lost, or something stops the follower.
        """
        now = time.monotonic()
        if self._target is None:
            # The first look may fail like no other: nothing moves yet.
            self._target = self._guide.target()
            self._began_at = self._asked_at = self._due_at = now
        try:
            self._target = self._guide.target()
            self._silence = Silence()
        except BusTimeout as exc:
            self.statistics.misses += 1
            # A process that was held up itself has not asked meanwhile.
            self._silence.record(time.monotonic() - self._asked_at, LONGEST_S,
                                 is_busy=host_load.is_busy())
            if self._silence.is_fault(LOST_S):
                raise ReflexError(f'the leader was lost: {exc}') from exc
        self._asked_at = time.monotonic()
        self._lead_to(self._target)
        self._follower.step()
        self.statistics.turns += 1
        self.statistics.seconds = time.monotonic() - self._began_at
        self._due_at = max(self._due_at + 1.0 / RATE_HZ, time.monotonic())
        time.sleep(max(self._due_at - time.monotonic(), 0.0))

    def _lead_to(self, target: Vector) -> None:
        statistics, setpoint = self.statistics, self._follower.setpoint
        rows = self._motion.lead(target, setpoint, time.monotonic())
        statistics.has_met = self._motion.has_met
        if statistics.has_met:
            statistics.lag_rad = max(statistics.lag_rad, float(np.abs(target - setpoint).max()))
        self._follower.play(rows, RATE_HZ)


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


def require_roles(leader: So101Arm, follower: Bus, environ: Mapping[str, str]) -> None:
    """
    Check, before the follower gets torque, that the arms are not exchanged.

    Two arms with one calibration are not compared with the files, which cannot tell them apart:
    simulated arms come like this.

    :param leader: brought up.
    :raises ConfigurationError: when the leader has the supply of a follower, or one of the arms
        holds the calibration that LeRobot keeps for the other role.
    """
    if any(servo.supply is TWELVE_VOLT for servo in leader.servos):
        raise ConfigurationError(
            f'the leader at {leader.bus.port.name} has 12 V servos, so it is a follower: a leader '
            f'has 7.4 V ones. {_EXCHANGED}')
    found = Survey(follower).servos
    known = [found[joint.servo_id].calibration if joint.servo_id in found else None
             for joint in SO101_JOINTS]
    calibration = [own for own in known if own is not None]
    is_known = len(calibration) == len(SO101_JOINTS)
    if is_known and all(own.agrees_with(other) for own, other in zip(
            calibration, leader.calibration, strict=True)):
        return
    _refuse_role(leader.bus.port.name, 'leader', Role.FOLLOWER, leader.calibration, environ)
    if is_known:
        _refuse_role(follower.port.name, 'follower', Role.LEADER, calibration, environ)


_EXCHANGED = 'Are the ports exchanged? Exchange --leader and --follower'


def _refuse_role(port: str, asked: str, role: Role, calibration: Sequence[JointCalibration],
                 environ: Mapping[str, str]) -> None:
    file = file_of(calibration, environ, role)
    other = Role.LEADER if role is Role.FOLLOWER else Role.FOLLOWER
    if file is not None and file_of(calibration, environ, other) is None:
        raise ConfigurationError(f'the {asked} at {port} holds the calibration of the '
                                 f'{role.value} {file.stem} ({file}). {_EXCHANGED}')
