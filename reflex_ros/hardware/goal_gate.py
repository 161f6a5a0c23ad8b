# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The last check of every goal before it goes onto the wire (pure).

A goal may differ from the last written one by one step only. It may not go beyond the limits or
further from the measured joint than the lead bound; a joint that is beyond them already may come
back, and go no further. The last written goal itself always passes, so there is always a goal
that may be written, and a wrong measurement can hold a joint, but never throw it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reflex_ros.domain.arm_description import ArmDescription
from reflex_ros.domain.joints import Vector

SLACK_RAD = 1e-6
"""For rounding, when a goal is compared with its bounds."""


@dataclass(frozen=True, slots=True)
class GoalBounds:
    """
    How far a goal may go; arrays are (joints,) [rad].

    :param lower: limits of position.
    :param step: largest difference between two goals.
    :param lead: largest distance between a goal and the measured joint.
    """

    lower: Vector
    upper: Vector
    step: Vector
    lead: Vector

    @classmethod
    def of(cls, arm: ArmDescription, period_s: float, max_lead_rad: float) -> GoalBounds:
        """
        Return the bounds of an arm whose goals are written once per period.

        :param period_s: time between two goals [s].
        :param max_lead_rad: largest distance between a goal and the measured joint [rad].
        """
        return cls(arm.lower, arm.upper, arm.velocity * period_s,
                   np.full(len(arm.joints), max_lead_rad))


class GoalGate:
    """
    The only way from a wanted pose to goals on the bus, for one time under torque.

    :param bounds: how far a goal may go.
    :param held: goals that the servos hold when they are put under torque (joints,) [rad].
    :param write: puts goals (joints,) [rad] onto the bus.
    """

    def __init__(self, bounds: GoalBounds, held: Vector, write: Callable[[Vector], None]) -> None:
        self._bounds = bounds
        self._write = write
        self.last: Vector = np.array(held, dtype=float)
        """The last written goals (joints,) [rad]."""

    def write(self, wanted: Vector, measured: Vector) -> Vector:
        """
        Write goals, bounded; return the goals that were written (joints,) [rad].

        :param wanted: where the joints are to be commanded (joints,) [rad].
        :param measured: where they were measured last (joints,) [rad]; NaN where they were not.
        :raises ValueError: for a wanted pose that is not finite; nothing is written then.
        """
        if wanted.shape != self.last.shape or not np.isfinite(wanted).all():
            raise ValueError(f'pose {wanted}: expected {len(self.last)} finite angles')
        bounds, last = self._bounds, self.last
        # Each bound has the last goal inside, so together they leave at least that one; fmin and
        # fmax hold a joint that was not measured.
        lowest = np.maximum(np.fmin(np.maximum(bounds.lower, measured - bounds.lead), last),
                            last - bounds.step)
        highest = np.minimum(np.fmax(np.minimum(bounds.upper, measured + bounds.lead), last),
                             last + bounds.step)
        goal: Vector = np.minimum(np.maximum(wanted, lowest), highest)
        self._write(goal)
        self.last = goal
        return goal
