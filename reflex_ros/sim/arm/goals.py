# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Translate the goal registers into a goal for the joint, depending on the operating mode."""

from __future__ import annotations

import math

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.dynamics import Motion
from reflex_ros.sim.arm.memory import Memory
from reflex_ros.sim.arm.tuning import POSITION, SPEED, Tuning

_ACCELERATION = 41


def command(memory: Memory, motion: Motion, tuning: Tuning, turn_ticks: int, now_ns: int, *,
            is_goal: bool) -> None:
    """
    Give the joint the goal that the registers describe.

    :param turn_ticks: raw angle at which the counted turns begin, in multi-turn operation.
    :param is_goal: whether a goal position was written; in step mode only that moves the joint.
    """
    acceleration = min(100.0 * memory.live[_ACCELERATION], tuning.max_acceleration)
    speed = float(memory.get(reg.GOAL_SPEED) * tuning.speed_unit)
    if tuning.is_positioning:
        limit = min(abs(speed) or tuning.default_speed, tuning.top_speed)
        goal, target = memory.get(reg.GOAL_POSITION), motion.last_target
        if tuning.mode == POSITION:
            target = tuning.direction * (
                tuning.clamp(goal) + tuning.offset + _turn(motion, tuning, turn_ticks))
        elif is_goal:
            target += tuning.direction * goal
        motion.command(now_ns, target, limit, acceleration)
    elif tuning.mode == SPEED:
        motion.command(now_ns, math.copysign(1e9, tuning.direction * speed),
                       min(abs(speed), tuning.top_speed), acceleration)


def _turn(motion: Motion, tuning: Tuning, turn_ticks: int) -> int:
    """Return the ticks to add to a goal so that it lies in the joint's present turn."""
    if tuning.multi_turn:
        return turn_ticks
    angle = tuning.direction * motion.angle
    return 4096 * math.floor((angle - tuning.offset + 0.5) / 4096)
