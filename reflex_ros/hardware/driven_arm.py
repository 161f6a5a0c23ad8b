# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface between the bus thread and one kind of arm; ``So101Arm`` is one implementation."""

from __future__ import annotations

from typing import Protocol

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout
from reflex_ros.hardware.clock import Clock
from reflex_ros.hardware.goal_gate import GoalBounds
from reflex_ros.hardware.written_goals import Deviation


class DrivenArm(Protocol):
    """
    One arm on a bus, brought up. Not thread-safe: only the bus thread calls it.

    A method that talks to the servos blocks for one exchange (some milliseconds), ``arm`` and
    ``torque_off`` for some tens. It raises BusTimeout when a servo does not answer, and PortLost
    when the port is gone.
    """

    has_torque: bool | None
    """Whether all joints were under torque when last measured; None when that is unknown."""

    holds: bool
    """Whether any joint was under torque when last measured."""

    @property
    def clock(self) -> Clock:
        """The clock of the bus."""

    @property
    def damaged(self) -> int:
        """Number of exchanges with damaged bytes so far."""

    def read(self, *, retries: int = 2) -> JointSample:
        """Measure all joints, and read the control registers with them."""

    def command(self, pose: Vector) -> Vector:
        """
        Write a goal for every joint (joints,) [rad] through a ``GoalGate``.

        :returns: the goals that were written (joints,) [rad].
        """

    def deviation(self) -> Deviation | None:
        """Return the first joint that did not hold its written values in the last measurement."""

    def confirm(self, deviation: Deviation) -> Deviation | None:
        """Read that joint again; return its deviation, or None if the first answer was wrong."""

    def check_configuration(self, index: int) -> Deviation | None:
        """Compare the permanent settings of one joint with those at bring-up."""

    def calibration_problem(self, index: int) -> str:
        """Return how one joint's calibration differs from that at bring-up; mostly empty."""

    def unfitness(self, sample: JointSample) -> dict[str, str]:
        """
        Return what in a measurement speaks against putting the arm under torque.

        :returns: text by item of the gate (``domain.gate.ARM_ITEMS``).
        """

    def supply_problem(self, sample: JointSample) -> str:
        """Return what is wrong with the supply in a sample, or an empty text."""

    def silence_cause(self, exc: BusTimeout) -> Cause:
        """Return the fault that the silent servos of ``exc`` indicate."""

    def arm(self, bounds: GoalBounds) -> Vector:
        """
        Put all joints under torque where they are; return the pose that they hold [rad].

        :param bounds: bounds of every goal from now on.

        :raises ServoFault: when a joint may not be put under torque, or does not obey.
        """

    def torque_off(self) -> None:
        """
        Switch the torque of all joints off.

        :raises ServoFault: when a joint keeps its torque.
        """

    def close(self) -> None:
        """Close the port; may be called twice, and from another thread."""
