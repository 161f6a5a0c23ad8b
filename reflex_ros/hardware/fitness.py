# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What speaks against moving an arm that does not move yet, for the promotion gate; writes nothing.

Putting the arm under torque checks the same and refuses. A person should know before.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.cause import Cause
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout, PacketError
from reflex_ros.hardware.driven_arm import DrivenArm

LOOK_S = 0.2
"""Time between two looks; a problem counts when two in a row find it."""
CALIBRATION_S = 0.8
"""Time between two joints whose calibration is read: six are read every 5 s."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class Fitness:
    """Looks at an arm while it is not armed. Bus thread only; any thread may read ``problems``."""

    def __init__(self, arm: DrivenArm, description: ArmDescription) -> None:
        self._arm = arm
        self._calibration = [''] * len(description.joints)
        self._next = 0
        self._looked_at = self._read_at = arm.clock.monotonic()
        self._last = NOTHING
        self.problems = NOTHING
        """Text by item of the gate; never changed, always replaced."""

    def clear(self) -> None:
        """Find nothing: the arm has passed the checks of its activation."""
        self._last = self.problems = NOTHING

    def look(self, sample: JointSample | None, silence: Cause | None, now: float) -> None:
        """
        Look at a measurement of an arm that is not armed.

        :param sample: None when none came.
        :param silence: why the servos have been silent for too long; None while they answer.
        :param now: monotonic instant [s].
        """
        if silence is not None:
            self.problems = {'bus': str(silence)}
            return
        if sample is None or now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        found = self._arm.unfitness(sample)
        self._read_calibration(now)
        wrong = next(filter(None, self._calibration), '')
        self.problems = {name: text for name, text in found.items() if name in self._last} | (
            {'calibration': wrong} if wrong else {})
        self._last = found

    def _read_calibration(self, now: float) -> None:
        if now - self._read_at < CALIBRATION_S:
            return
        self._read_at = now
        index, self._next = self._next, (self._next + 1) % len(self._calibration)
        try:
            self._calibration[index] = self._arm.calibration_problem(index)
        except (BusTimeout, PacketError):
            return      # the next measurement says so, if it lasts
