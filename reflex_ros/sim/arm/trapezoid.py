# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The trapezoid profile inside a servo: from a goal to a setpoint that moves."""

from __future__ import annotations

import math

STEP_S = 0.001


class Profile:
    """
    One joint's setpoint, advanced in steps of 1 ms; ticks, ticks/s, ticks/s^2.

    Without an acceleration the setpoint has its full speed at once. A new goal re-plans from the
    speed at which the setpoint is just moving.
    """

    __slots__ = ('setpoint', 'speed', 'target', 'max_speed', 'acceleration')

    def __init__(self, position: float) -> None:
        self.max_speed = self.acceleration = 0.0
        self.reset(position)

    @property
    def is_running(self) -> bool:
        """Whether the setpoint is still on its way."""
        return self.setpoint != self.target or self.speed != 0.0

    def reset(self, position: float) -> None:
        """Stand at a position, with no way to go."""
        self.setpoint = self.target = position
        self.speed = 0.0

    def jump(self) -> None:
        """Be at the target at once."""
        self.reset(self.target)

    def step(self) -> float:
        """Move the setpoint by 1 ms and return it."""
        error = self.target - self.setpoint
        limit = self.max_speed
        if not self.acceleration:
            reach = limit * STEP_S
            if -reach <= error <= reach:
                self.setpoint, self.speed = self.target, 0.0
            else:
                self.speed = limit if error > 0 else -limit
                self.setpoint += self.speed * STEP_S
            return self.setpoint
        change = self.acceleration * STEP_S
        # The fastest speed from which the remaining way suffices to stop, in whole steps.
        wanted = math.sqrt(change * change / 4 + 2 * self.acceleration * abs(error)) - change / 2
        wanted = min(wanted, limit) if error > 0 else -min(wanted, limit)
        delta = wanted - self.speed
        self.speed += min(max(delta, -change), change)
        self.setpoint += self.speed * STEP_S
        if (abs(self.target - self.setpoint) <= max(change * STEP_S, 0.02)
                and abs(self.speed) <= 2 * change):
            self.setpoint, self.speed = self.target, 0.0
        return self.setpoint
