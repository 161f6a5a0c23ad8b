# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What a measurement says about the health of the servos; pure, with time passed in.

Error bits, heat, supply, strain, a joint that is told to move and does not, a servo that repeats
itself, and goals that swing to and fro. Bounds: SO-101 reference 8.3, safety design 5 and 6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout
from reflex_ros.hardware.codec import StatusError
from reflex_ros.hardware.so101 import GRIPPER, SO101_JOINTS

OVERHEAT_C = 62.0
"""Before the servo's own trip at 70, which lets the arm fall."""
PARKING_OVERHEAT_C = 68.0
"""While it is brought to its rest pose because of the heat: still below the trip."""
WARM_C = 55.0
LOW_SUPPLY_SAMPLES = 3
STRAINED_LOAD = 0.75
MAX_CURRENT_A = 2.0
STRAINED_S = 1.0
FROZEN_S = 0.3
FROZEN_RAD = 0.05
"""Travel of the setpoint during which a servo may send the same values again and again."""
SWING_SPEED = 0.4
"""Slower goals do not count as a swing: a fifth of the largest speed [rad/s]."""
SWINGS = 8
SWINGS_S = 1.0
"""More changes of direction than that in this time are an oscillation."""
BLOCKED_LEAD = 0.9
"""Part of the lead bound; what does not move there will not move further."""
BLOCKED_SPEED = 0.1
BLOCKED_S = 0.3

FAULT_BITS = ~StatusError.ANGLE
"""Sources disagree on what bit 4 means, and none calls it a fault."""

_CODES = {StatusError.OVERLOAD: FaultCode.OVERLOAD, StatusError.CURRENT: FaultCode.OVERCURRENT,
          StatusError.TEMPERATURE: FaultCode.OVERHEAT, StatusError.VOLTAGE: FaultCode.UNDERVOLT}


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
        self._blocked = _Lasting(BLOCKED_S)
        self._strained = _Lasting(STRAINED_S)
        self._drawing = _Lasting(STRAINED_S)
        self._repeats = _Repeats()
        self._swings = _Swings()

    def judge(self, sample: JointSample, setpoint: Vector, now: float, *,
              is_parking: bool = False) -> Cause | None:
        """
        Judge one sample; return the first thing that is wrong.

        :param setpoint: where the joints are told to be (joints,) [rad].
        :param now: monotonic instant [s].
        :param is_parking: whether the arm is on its way to the rest pose: heat may have sent it.
        """
        overheat = PARKING_OVERHEAT_C if is_parking else OVERHEAT_C
        return (self._judge_servos(sample, overheat) or self._judge_supply(sample)
                or self._judge_strain(sample, now) or self._judge_tracking(sample, setpoint, now)
                or self._repeats.judge(sample, setpoint, now) or self._swings.judge(setpoint, now))

    @staticmethod
    def _judge_servos(sample: JointSample, overheat: float) -> Cause | None:
        if any(sample.errors):
            for joint, bits in zip(SO101_JOINTS, sample.errors, strict=True):
                if bits & FAULT_BITS:
                    return name_error(joint.name, bits)
        hottest = int(sample.temperature.argmax())
        if sample.temperature[hottest] < overheat:
            return None
        return Cause(FaultCode.OVERHEAT, f'{SO101_JOINTS[hottest].name} is at '
                     f'{sample.temperature[hottest]:.0f} degC')

    def _judge_supply(self, sample: JointSample) -> Cause | None:
        problem = self._supply_problem(sample)
        self._low_supply = self._low_supply + 1 if problem else 0
        return Cause(FaultCode.UNDERVOLT,
                     problem) if self._low_supply >= LOW_SUPPLY_SAMPLES else None

    def _judge_strain(self, sample: JointSample, now: float) -> Cause | None:
        load = np.where(np.abs(sample.velocity) < BLOCKED_SPEED, np.abs(sample.load), 0.0)
        if self._strained.judge(bool(load.max() >= STRAINED_LOAD), now):
            return Cause(FaultCode.OVERLOAD,
                         f'{SO101_JOINTS[int(load.argmax())].name} pushes with '
                         f'{load.max():.0%} of its strength and does not move')
        current = np.abs(sample.current)
        if self._drawing.judge(bool(current.max() >= MAX_CURRENT_A), now):
            return Cause(FaultCode.OVERCURRENT,
                         f'{SO101_JOINTS[int(current.argmax())].name} draws '
                         f'{current.max():.1f} A')
        return None

    def _judge_tracking(self, sample: JointSample, setpoint: Vector, now: float) -> Cause | None:
        lead = np.abs(setpoint - sample.position)
        stuck = (lead > self._blocked_lead) & (np.abs(sample.velocity) < BLOCKED_SPEED)
        # A gripper that holds something does not get where it is told to go.
        stuck[GRIPPER] = False
        if not self._blocked.judge(bool(stuck.any()), now):
            return None
        worst = int(np.where(stuck, lead, 0.0).argmax())
        return Cause(FaultCode.TRACKING,
                     f'{SO101_JOINTS[worst].name} does not follow: {lead[worst]:.2f} '
                     'rad behind and not moving. Is it blocked?')


class _Lasting:
    """Whether something has been so without a break for longer than a time [s]."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def judge(self, is_so: bool, now: float) -> bool:
        if not is_so:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since > self._seconds


class _Repeats:
    """A servo whose values stand still while it is told to move: it measures nothing."""

    def __init__(self) -> None:
        self._last: JointSample | None = None
        self._changed_at = np.zeros(len(SO101_JOINTS))
        self._setpoint_then = np.zeros(len(SO101_JOINTS))

    def judge(self, sample: JointSample, setpoint: Vector, now: float) -> Cause | None:
        last, self._last = self._last, sample
        if last is None:
            changed = np.ones(len(SO101_JOINTS), dtype=bool)
        else:
            changed = ((sample.position != last.position) | (sample.velocity != last.velocity)
                       | (sample.load != last.load) | (sample.current != last.current)
                       | (sample.voltage != last.voltage))
        self._changed_at[changed] = now
        self._setpoint_then[changed] = setpoint[changed]
        frozen = (now - self._changed_at > FROZEN_S) & (
            np.abs(setpoint - self._setpoint_then) > FROZEN_RAD)
        if not frozen.any():
            return None
        return Cause(FaultCode.JOINTS_STALE,
                     f'{SO101_JOINTS[int(frozen.argmax())].name} sends the same '
                     'values again and again while it is told to move')


class _Swings:
    """Goals that change their direction again and again, at speed."""

    def __init__(self) -> None:
        self._last: tuple[float, Vector] | None = None
        self._direction = np.zeros(len(SO101_JOINTS))
        self._turned_at: list[deque[float]] = [
            deque(maxlen=SWINGS + 1) for _ in SO101_JOINTS]

    def judge(self, setpoint: Vector, now: float) -> Cause | None:
        last, self._last = self._last, (now, setpoint)
        if last is None or now <= last[0]:
            return None
        speed = (setpoint - last[1]) / (now - last[0])
        direction = np.where(np.abs(speed) > SWING_SPEED, np.sign(speed), self._direction)
        turned = direction * self._direction < 0.0
        self._direction = direction
        for index in np.flatnonzero(turned):
            times = self._turned_at[index]
            times.append(now)
            if len(times) > SWINGS and now - times[0] <= SWINGS_S:
                return Cause(FaultCode.OSCILLATION,
                             f'{SO101_JOINTS[index].name} is told to swing: '
                             f'{len(times)} changes of direction in {now - times[0]:.1f} s')
        return None


def name_silence(exc: BusTimeout) -> Cause:
    """Say what it means that servos stay silent."""
    if len(exc.servo_ids) == len(SO101_JOINTS):
        return Cause(FaultCode.UNPOWERED,
                     'no servo answers, the adapter is there. Is the supply on?')
    names = ', '.join(joint.name for joint in SO101_JOINTS if joint.servo_id in exc.servo_ids)
    return Cause(FaultCode.SERVO_MISSING, f'{names} does not answer. Check the cable before it')


def name_error(joint: str, bits: int) -> Cause:
    """Say what the error bits of a joint mean."""
    for bit, code in _CODES.items():
        if bits & bit:
            return Cause(code, f'{joint} reports {code.name.lower()} (error bits 0x{bits:02X})')
    return Cause(FaultCode.SERVO_FAULT, f'{joint} reports error bits 0x{bits:02X}')
