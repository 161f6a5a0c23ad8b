# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was measured of the arm at one instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reflex_ros.domain.joints import Vector


@dataclass(frozen=True, slots=True)
class JointSample:
    """
    One reading of all joints, in joint order.

    :param taken_at: monotonic instant of the measurement [s].
    :param position: (joints,) [rad].
    :param velocity: (joints,) [rad/s].
    :param effort: (joints,) [N m], estimated from the duty of the drive, not measured.
    :param load: (joints,) share of full drive duty, -1..1.
    :param current: (joints,) [A].
    :param voltage: (joints,) [V].
    :param temperature: (joints,) [degC].
    :param errors: (joints,) condition bits as the servo reports them.
    """

    taken_at: float
    position: Vector
    velocity: Vector
    effort: Vector
    load: Vector
    current: Vector
    voltage: Vector
    temperature: Vector
    errors: tuple[int, ...]

    def is_at_rest(self, tolerance: float = 0.08) -> bool:
        """
        Tell whether no joint moves faster than ``tolerance`` [rad/s].

        The servo reports speed in steps of up to 50 ticks/s (0.077 rad/s).
        """
        return bool(np.abs(self.velocity).max() <= tolerance)
