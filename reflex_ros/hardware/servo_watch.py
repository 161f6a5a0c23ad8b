# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a measurement says about the health of the servos; pure, with time passed in.

Error bits, heat, supply, and a joint that is told to move and does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reflex_ros.domain.action import Vector
from reflex_ros.domain.joints import GRIPPER, SO101_JOINTS
from reflex_ros.domain.motion_guard import Cause
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout
from reflex_ros.hardware.codec import StatusError

OVERHEAT_C = 62.0
"""Before the servo's own trip at 70, which lets the arm fall."""
LOW_SUPPLY_SAMPLES = 3
BLOCKED_LEAD = 0.9
"""Part of the lead bound; what does not move there will not move further."""
BLOCKED_SPEED = 0.1
BLOCKED_S = 0.3

_CODES = {StatusError.OVERLOAD: 'OVERLOAD', StatusError.CURRENT: 'OVERCURRENT',
          StatusError.TEMPERATURE: 'OVERHEAT', StatusError.VOLTAGE: 'UNDERVOLT'}


class ServoWatch:
    """
    Watches the servos of one activation.

    :param max_lead_rad: bound of the distance between setpoint and measured position [rad].
    :param supply_problem: says what is wrong with the supply in a sample, or nothing.
    """

    def __init__(self, max_lead_rad: float, supply_problem: Callable[[JointSample], str]) -> None:
        self._blocked_lead = BLOCKED_LEAD * max_lead_rad
        self._supply_problem = supply_problem
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._low_supply = 0
        self._blocked_since: float | None = None

    def judge(self, sample: JointSample, setpoint: Vector, now: float) -> Cause | None:
        """
        Judge one sample; return the first thing that is wrong.

        :param setpoint: where the joints are told to be (joints,) [rad].
        :param now: monotonic instant [s].
        """
        return (self._judge_servos(sample) or self._judge_supply(sample)
                or self._judge_tracking(sample, setpoint, now))

    @staticmethod
    def _judge_servos(sample: JointSample) -> Cause | None:
        for joint, bits, heat in zip(SO101_JOINTS, sample.errors, sample.temperature,
                                     strict=True):
            if bits:
                return name_error(joint.name, bits)
            if heat >= OVERHEAT_C:
                return Cause('OVERHEAT', f'{joint.name} is at {heat:.0f} degC')
        return None

    def _judge_supply(self, sample: JointSample) -> Cause | None:
        problem = self._supply_problem(sample)
        self._low_supply = self._low_supply + 1 if problem else 0
        return Cause('UNDERVOLT', problem) if self._low_supply >= LOW_SUPPLY_SAMPLES else None

    def _judge_tracking(self, sample: JointSample, setpoint: Vector, now: float) -> Cause | None:
        lead = np.abs(setpoint - sample.position)
        stuck = (lead > self._blocked_lead) & (np.abs(sample.velocity) < BLOCKED_SPEED)
        # A gripper that holds something does not get where it is told to go.
        stuck[GRIPPER] = False
        if not stuck.any():
            self._blocked_since = None
            return None
        if self._blocked_since is None:
            self._blocked_since = now
        if now - self._blocked_since <= BLOCKED_S:
            return None
        worst = int(np.where(stuck, lead, 0.0).argmax())
        return Cause('TRACKING', f'{SO101_JOINTS[worst].name} does not follow: {lead[worst]:.2f} '
                     'rad behind and not moving. Is it blocked?')


def name_silence(exc: BusTimeout) -> Cause:
    """Say what it means that servos stay silent."""
    if len(exc.servo_ids) == len(SO101_JOINTS):
        return Cause('UNPOWERED', 'no servo answers, the adapter is there. Is the supply on?')
    names = ', '.join(joint.name for joint in SO101_JOINTS if joint.servo_id in exc.servo_ids)
    return Cause('SERVO_MISSING', f'{names} does not answer. Check the cable before it')


def name_error(joint: str, bits: int) -> Cause:
    """Say what the error bits of a joint mean."""
    for bit, code in _CODES.items():
        if bits & bit:
            return Cause(code, f'{joint} reports {code.lower()} (error bits 0x{bits:02X})')
    return Cause('SERVO_FAULT', f'{joint} reports error bits 0x{bits:02X}')
