# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who moves the arm that a data set is made of: a leader, keys, a hand on it, or somebody else."""

from __future__ import annotations

from collections.abc import Sequence
import time
from typing import Protocol

import numpy as np

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.heartbeats import Commander
from reflex_ros.domain.joints import GripperTravel, Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout, ReflexError
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.calibration import calibrated_arm
from reflex_ros.recording.sampler import Pose
from reflex_ros.runner.manual_drive import ManualDrive
from reflex_ros.runner.teleop import Teleop

READ_S = 0.01
"""Time between two measurements of an arm that a hand guides [s]."""
LOST_S = 0.5
FRESH_S = 0.1
"""Age from which goals are those of a motion that is over [s]."""


class Demonstrator(Protocol):
    """What moves the arm, and what it says about the arm."""

    description: ArmDescription
    shows_actions: bool
    """Whether the arm is commanded; else the action of a frame is the pose of the next one."""

    @property
    def problem(self) -> str:
        """Why no episode can begin yet; empty if one can."""

    def turn(self) -> None:
        """
        Do one turn; blocks for some 10 ms. Called all the time, also between episodes.

        :raises ReflexError: when the arm is lost, or something has stopped it.
        """

    def measure(self) -> JointSample | None:
        """Return the newest measurement. Any thread; never blocks."""

    def pose(self) -> Pose:
        """Return the newest pose. Any thread; never blocks."""


class LedArm:
    """A follower that a leader arm leads; a ``Demonstrator``."""

    shows_actions = True

    def __init__(self, teleop: Teleop, drive: ManualDrive) -> None:
        self._teleop = teleop
        self._drive = drive
        self.description = drive.bounds.arm

    @property
    def problem(self) -> str:
        """Say that the follower is still on its way to the leader."""
        return '' if self._teleop.statistics.has_met else 'the arm is on its way to the leader'

    def turn(self) -> None:
        """Lead the follower on."""
        self._teleop.turn()

    def measure(self) -> JointSample | None:
        """Return the newest measurement of the follower."""
        return self._drive.sample

    def pose(self) -> Pose:
        """Return the measured pose of the follower, and its goal."""
        sample = self._drive.sample
        assert sample is not None, 'the arm is under torque, so it was measured'
        return Pose(sample.taken_at, to_units(sample.position, self.description),
                    to_units(self._drive.setpoint, self.description))


class GuidedArm:
    """
    An arm without torque, which a hand guides; a ``Demonstrator``.

    :param arm: brought up, torque off; closed by the caller.
    """

    shows_actions = False

    def __init__(self, arm: So101Arm) -> None:
        self._arm = arm
        self.description = calibrated_arm(arm.calibration, 1.0)
        self._sample: JointSample = arm.read(retries=1)

    @property
    def problem(self) -> str:
        """There is none: the arm is where the hand holds it."""
        return ''

    def turn(self) -> None:
        """Measure the arm."""
        try:
            self._sample = self._arm.read(retries=1)
        except BusTimeout as exc:
            if time.monotonic() - self._sample.taken_at > LOST_S:
                raise ReflexError(f'the arm was lost: {exc}') from exc
        time.sleep(READ_S)

    def measure(self) -> JointSample | None:
        """Return the newest measurement."""
        return self._sample

    def pose(self) -> Pose:
        """Return the measured pose; nothing was commanded."""
        sample = self._sample
        state = to_units(sample.position, self.description)
        return Pose(sample.taken_at, state, state)


class HeardArm:
    """
    An arm that others move, and of which only messages are heard; a ``Demonstrator``.

    :param arm: without calibrated grippers: ``gripper`` brings their travel.
    """

    shows_actions = True

    def __init__(self, arm: ArmDescription) -> None:
        self.description = arm
        self._knows_travel = not arm.grippers
        self._measured: tuple[float, Vector] | None = None
        self._goals: tuple[float, Vector] | None = None
        self._commander: Commander | None = None

    def put_commander(self, commander: Commander) -> None:
        """Take who says where the arm goes. Any thread."""
        self._commander = commander

    def put_measured(self, position: Vector, at: float) -> None:
        """Take the measured pose (joints,) [rad] at a monotonic instant [s]. Any thread."""
        self._measured = at, position

    def put_goals(self, goals: Vector, at: float) -> None:
        """Take the goals (joints,) [rad] that were written at a monotonic instant [s]."""
        self._goals = at, goals

    def put_travel(self, travel: GripperTravel) -> None:
        """Take the calibrated travel of the gripper."""
        if not self._knows_travel:
            self.description = self.description.with_gripper_travel(travel)
            self._knows_travel = True

    @property
    def problem(self) -> str:
        """Say what of the arm is not heard."""
        if self._measured is None or time.monotonic() - self._measured[0] > LOST_S:
            return 'no joint_states are heard (does the driver run?)'
        return '' if self._knows_travel else 'the range of the gripper is not known yet'

    def turn(self) -> None:
        """Wait for a moment."""
        time.sleep(READ_S)

    def measure(self) -> JointSample | None:
        """There is no sample, only a pose."""
        return None

    def pose(self) -> Pose:
        """Return the measured pose and the goal; an arm that nobody commands has its own pose."""
        measured, goals = self._measured, self._goals
        assert measured is not None, 'no episode begins before the arm was heard'
        at, position = measured
        wanted = goals[1] if goals is not None and at - goals[0] < FRESH_S else position
        # Without a policy, who moves the arm is no news.
        is_guided = None if self._commander is None else self._commander is Commander.PERSON
        return Pose(at, to_units(position, self.description), to_units(wanted, self.description),
                    is_guided)


def to_units(position: Vector, arm: ArmDescription) -> Sequence[float]:
    """Convert angles (joints,) [rad] to LeRobot's units: degrees, and percent of a gripper."""
    values: list[float] = np.rad2deg(position).tolist()
    for index, travel in zip(arm.grippers, arm.gripper_travels, strict=True):
        values[index] = travel.to_percent(float(position[index]))
    return values
