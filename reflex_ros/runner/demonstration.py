# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Who moves the arm while a data set is recorded: a leader arm, or a hand on the arm itself."""

from __future__ import annotations

from collections.abc import Sequence
import time
from typing import Protocol

import numpy as np

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import Vector
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


def to_units(position: Vector, arm: ArmDescription) -> Sequence[float]:
    """Convert angles (joints,) [rad] to LeRobot's units: degrees, and percent of a gripper."""
    values: list[float] = np.rad2deg(position).tolist()
    for index, travel in zip(arm.grippers, arm.gripper_travels, strict=True):
        values[index] = travel.to_percent(float(position[index]))
    return values
