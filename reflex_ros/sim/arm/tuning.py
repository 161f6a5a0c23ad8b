# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values that a servo derives from registers that change rarely, in working units."""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.dynamics import DUTY_PER_RAD_PER_P
from reflex_ros.sim.arm.joints import TICKS_PER_RAD
from reflex_ros.sim.arm.memory import Memory
from reflex_ros.sim.arm.protection import Thresholds

CURRENT_UNIT_A = 0.0065

_SPEED_UNIT_BIT, _ZERO_IS_FASTEST_BIT, _MULTI_TURN_BIT = 0x04, 0x08, 0x10
# Reversed drive or reversed feedback: either bit reverses the joint.
_REVERSED_BITS = 0x81
POSITION, SPEED, PWM, STEP = range(4)


@dataclass(frozen=True, slots=True)
class Tuning:
    """
    Working values of one servo.

    :param low, high: position limits [tick]; both 0 means no limits.
    :param speed_unit: one count of the speed registers [tick/s].
    :param top_speed: largest profile speed [tick/s].
    :param default_speed: speed for goal speed 0 [tick/s].
    :param duty_limit: torque limit as a fraction of full drive.
    :param multi_turn: positions may be outside 0..4095.
    :param direction: -1 when an increasing position turns the joint backwards.
    :param dead_zone: largest position error that is not corrected [tick].
    """

    offset: int
    low: int
    high: int
    mode: int
    multi_turn: bool
    direction: int
    dead_zone: int
    speed_unit: int
    top_speed: float
    default_speed: float
    max_acceleration: float
    duty_limit: float
    duty_per_tick: float
    thresholds: Thresholds

    @classmethod
    def read(cls, memory: Memory) -> Tuning:
        """Derive the values from the live registers."""
        get = memory.get
        phase = get(reg.PHASE)
        top_speed = 50.0 * get(reg.MAX_VELOCITY_LIMIT)
        return cls(
            # A goal is clamped to these limits, and must fit into its register.
            offset=get(reg.HOMING_OFFSET), low=min(get(reg.MIN_POSITION_LIMIT), 0x7FFF),
            high=min(get(reg.MAX_POSITION_LIMIT), 0x7FFF), mode=get(reg.OPERATING_MODE),
            multi_turn=bool(phase & _MULTI_TURN_BIT),
            direction=-1 if phase & _REVERSED_BITS else 1,
            dead_zone=max(get(reg.CW_DEAD_ZONE), get(reg.CCW_DEAD_ZONE)),
            speed_unit=1 if phase & _SPEED_UNIT_BIT else 50, top_speed=top_speed,
            default_speed=top_speed if phase & _ZERO_IS_FASTEST_BIT else 0.0,
            max_acceleration=100.0 * get(reg.MAX_ACCELERATION),
            duty_limit=min(get(reg.TORQUE_LIMIT), 1000) / 1000,
            duty_per_tick=DUTY_PER_RAD_PER_P * get(reg.P_COEFFICIENT) / TICKS_PER_RAD,
            thresholds=Thresholds(
                load=get(reg.OVERLOAD_TORQUE) / 100, load_time_s=get(reg.PROTECTION_TIME) / 100,
                current_a=get(reg.PROTECTION_CURRENT) * CURRENT_UNIT_A,
                current_time_s=get(reg.OVERCURRENT_TIME) / 100,
                temperature_c=get(reg.MAX_TEMPERATURE),
                low_v=get(reg.MIN_INPUT_VOLTAGE) / 10, high_v=get(reg.MAX_INPUT_VOLTAGE) / 10,
                reduced_duty=get(reg.PROTECTIVE_TORQUE) / 100,
                unloading=get(reg.UNLOADING_CONDITION)))

    @property
    def is_positioning(self) -> bool:
        """Whether the joint moves to a goal position in this mode."""
        return self.mode in (POSITION, STEP)

    def is_outside(self, goal: int) -> bool:
        """Whether a goal is outside the limits."""
        return bool(self.low or self.high) and not self.low <= goal <= self.high

    def clamp(self, goal: int) -> int:
        """Return the goal, clamped to the limits."""
        return min(max(goal, self.low), self.high) if self.low or self.high else goal
