# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The bounds of one joint, and the travel of a gripper.

Which joints an arm has, and in which order, is said by its ``ArmDescription``.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.errors import ConfigurationError

Vector = NDArray[np.float64]
"""One value per joint, in the order of the arm's description."""


@dataclass(frozen=True, slots=True)
class JointLimits:
    """
    The bounds of one joint.

    :param lower: smallest position [rad].
    :param upper: largest position [rad].
    :param velocity: largest speed of the commanded position [rad/s].
    :param acceleration: largest acceleration of the commanded position [rad/s^2]; the default is
        that of the ramp to rest.
    :raises ConfigurationError: when a value is not finite, the range is empty, or the velocity or
        the acceleration is not positive.
    """

    lower: float
    upper: float
    velocity: float = 2.0
    acceleration: float = 10.0

    def __post_init__(self) -> None:
        values = (self.lower, self.upper, self.velocity, self.acceleration)
        if not (all(map(math.isfinite, values)) and self.lower < self.upper
                and self.velocity > 0.0 and self.acceleration > 0.0):
            raise ConfigurationError(
                f'joint limits {values}: expected four finite numbers, lower < upper, velocity > '
                '0 and acceleration > 0')

    def clamp(self, position: float) -> float:
        """Return the nearest position inside the bounds [rad]."""
        return min(max(position, self.lower), self.upper)

    def contains(self, position: float, tolerance: float = 0.0) -> bool:
        """Tell whether a position [rad] is inside, or outside by the tolerance [rad] at most."""
        return self.lower - tolerance <= position <= self.upper + tolerance


@dataclass(frozen=True, slots=True)
class GripperTravel:
    """
    The ends of a gripper's calibrated range: 0 % and 100 % for every policy.

    :param closed: angle at 0 % [rad].
    :param opened: angle at 100 % [rad]; above ``closed``.
    :raises ConfigurationError: when an angle is not finite, or ``opened`` is not above.
    """

    closed: float
    opened: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.closed) and math.isfinite(self.opened)
                and self.closed < self.opened):
            raise ConfigurationError(f'a gripper cannot travel from {self.closed} to '
                                     f'{self.opened} rad')

    def to_percent(self, position: float) -> float:
        """Convert an angle [rad] to percent: below 0 or above 100 beyond the ends."""
        return (position - self.closed) / (self.opened - self.closed) * 100.0

    def to_rad(self, percent: float) -> float:
        """Convert percent to an angle [rad]; not clamped."""
        return self.closed + percent / 100.0 * (self.opened - self.closed)
