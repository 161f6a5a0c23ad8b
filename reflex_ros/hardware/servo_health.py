# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Detect faults of the servos in their measurements (pure; time is an argument).

Faults are error bits, heat, a wrong supply, strain, a joint that does not follow its goal, a servo
that repeats its values, and goals that swing. Bounds: SO-101 reference 8.3, safety design 5 and 6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
import math

import numpy as np

from reflex_ros.domain.cause import Cause
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector
from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.codec import StatusError

OVERHEAT_C = 62.0
"""Below the servo's own trip at 70 degC, which lets the arm fall."""
PARKING_OVERHEAT_C = 68.0
"""Bound while a hot arm moves to its rest pose: still below the servo's own trip."""
WARM_C = 55.0
"""From here on, torque is not switched on, and the diagnostics warn."""
SAMPLES = 3
"""Samples in a row of a wrong supply or of heat that are a fault: one alone may be wrong."""
STRAINED_LOAD = 0.75
MAX_CURRENT_A = 2.0
STRAINED_S = 1.0
FROZEN_S = 0.3
FROZEN_RAD = 0.05
"""Travel of the setpoint after which unchanged values of a servo are a fault."""
SWING_RAD = math.radians(3.0)
"""Way back after which a goal has turned: noise of the rows, smoothed, does not go so far."""
SWINGS = 6
SWINGS_S = 1.0
"""More than ``SWINGS`` turns in this time, 3 Hz, are an oscillation. It is playback time: a swing
that the limits have slowed down is none the better for it."""
BLOCKED_LEAD = 0.9
"""Share of the lead bound from which a joint that does not move is blocked."""
BLOCKED_SPEED = 0.1
BLOCKED_S = 0.3

FAULT_BITS = ~StatusError.ANGLE
"""All bits but bit 4: the sources disagree on its meaning, and none calls it a fault."""

_CODES = {StatusError.OVERLOAD: FaultCode.OVERLOAD,
          StatusError.CURRENT: FaultCode.OVERCURRENT,
          StatusError.TEMPERATURE: FaultCode.OVERHEAT,
          StatusError.VOLTAGE: FaultCode.UNDERVOLT}


REMEDIES = {
    StatusError.VOLTAGE: 'its supply voltage is outside its range. Check the servo supply',
    StatusError.SENSOR: 'its encoder fails. Switch the supply off and on, or replace the servo',
    StatusError.TEMPERATURE: 'it is too hot. Let it cool',
    StatusError.CURRENT: 'its current is too high. Find out what blocks the joint, then switch '
                         'torque off and on',
    StatusError.OVERLOAD: 'it was overloaded. Take the load off, then switch torque off and on',
}
"""What each error bit means, and what a person does."""


class ServoHealth:
    """
    Checks of the servos of one activation.

    :param joint_names: one per servo, for the texts.
    :param grippers: indices of the grippers. A gripper that holds an object does not reach its
        goal, so it is never counted as blocked.
    :param max_lead_rad: bound of the distance between setpoint and measured position [rad].
    :param supply_problem: returns what is wrong with the supply in a sample, or an empty text.
    """

    def __init__(self, joint_names: Sequence[str], grippers: Collection[int], max_lead_rad: float,
                 supply_problem: Callable[[JointSample], str]) -> None:
        self._names = tuple(joint_names)
        self._grippers = list(grippers)
        self._blocked_lead = BLOCKED_LEAD * max_lead_rad
        self._supply_problem = supply_problem
        self.reset()

    def reset(self) -> None:
        """Forget all samples, for a new activation."""
        self._low_supply = self._hot = 0
        self._blocked = _Duration(BLOCKED_S)
        self._strained = _Duration(STRAINED_S)
        self._drawing = _Duration(STRAINED_S)
        self._repeats = _Repeats(self._names)
        self._swings = _Swings(self._names)

    def evaluate(self, sample: JointSample, setpoint: Vector, now: float, *,
                 played_s: float | None = None, is_parking: bool = False,
                 is_alone: bool = False) -> Cause | None:
        """
        Evaluate one sample; return the first fault, or None.

        :param setpoint: goals of the joints (joints,) [rad].
        :param now: monotonic time [s].
        :param played_s: playback time of the setpoint [s]; ``now`` when None.
        :param is_parking: whether the arm moves to its rest pose, perhaps because it is hot.
        :param is_alone: whether it does so by itself: stopping would only make it hotter.
        """
        overheat = math.inf if is_alone else PARKING_OVERHEAT_C if is_parking else OVERHEAT_C
        return (self._check_servos(sample, overheat) or self._check_supply(sample)
                or self._check_strain(sample, now) or self._check_tracking(sample, setpoint, now)
                or self._repeats.evaluate(sample, setpoint, now)
                or self._swings.evaluate(setpoint, now if played_s is None else played_s))

    def _check_servos(self, sample: JointSample, overheat: float) -> Cause | None:
        if any(sample.errors):
            for name, bits in zip(self._names, sample.errors, strict=True):
                if bits & FAULT_BITS:
                    return error_cause(name, bits)
        hottest = int(sample.temperature.argmax())
        self._hot = self._hot + 1 if sample.temperature[hottest] >= overheat else 0
        if self._hot < SAMPLES:
            return None
        return Cause(FaultCode.OVERHEAT, f'{self._names[hottest]} is at '
                     f'{sample.temperature[hottest]:.0f} degC')

    def _check_supply(self, sample: JointSample) -> Cause | None:
        problem = self._supply_problem(sample)
        self._low_supply = self._low_supply + 1 if problem else 0
        if self._low_supply < SAMPLES:
            return None
        return Cause(FaultCode.UNDERVOLT, problem)

    def _check_strain(self, sample: JointSample, now: float) -> Cause | None:
        load = np.where(np.abs(sample.velocity) < BLOCKED_SPEED, np.abs(sample.load), 0.0)
        if self._strained.exceeds(bool(load.max() >= STRAINED_LOAD), now):
            return Cause(FaultCode.OVERLOAD, f'{self._names[int(load.argmax())]} pushes with '
                         f'{load.max():.0%} of its strength and does not move')
        current = np.abs(sample.current)
        if self._drawing.exceeds(bool(current.max() >= MAX_CURRENT_A), now):
            return Cause(FaultCode.OVERCURRENT, f'{self._names[int(current.argmax())]} draws '
                         f'{current.max():.1f} A')
        return None

    def _check_tracking(self, sample: JointSample, setpoint: Vector, now: float) -> Cause | None:
        lead = np.abs(setpoint - sample.position)
        stuck = (lead > self._blocked_lead) & (np.abs(sample.velocity) < BLOCKED_SPEED)
        stuck[self._grippers] = False
        if not self._blocked.exceeds(bool(stuck.any()), now):
            return None
        worst = int(np.where(stuck, lead, 0.0).argmax())
        return Cause(FaultCode.TRACKING, f'{self._names[worst]} does not follow: '
                     f'{lead[worst]:.2f} rad behind and not moving. Is it blocked?')


class _Duration:
    """Whether a condition has been true without a break for longer than a time [s]."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None

    def exceeds(self, is_true: bool, now: float) -> bool:
        if not is_true:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since > self._seconds


class _Repeats:
    """Detect a servo whose values do not change while its goal moves: it measures nothing."""

    def __init__(self, joint_names: Sequence[str]) -> None:
        self._names = joint_names
        self._last: JointSample | None = None
        self._changed_at = np.zeros(len(joint_names))
        self._setpoint_then = np.zeros(len(joint_names))

    def evaluate(self, sample: JointSample, setpoint: Vector, now: float) -> Cause | None:
        last, self._last = self._last, sample
        if last is None:
            changed = np.ones(len(self._names), dtype=bool)
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
        return Cause(FaultCode.JOINTS_STALE, f'{self._names[int(frozen.argmax())]} repeats the '
                     'same values although its goal moves')


class _Swings:
    """Detect goals that swing to and fro, by amplitude and frequency."""

    def __init__(self, joint_names: Sequence[str]) -> None:
        self._names = joint_names
        self._extreme: Vector | None = None
        self._direction = np.ones(len(joint_names))
        self._turned_at: list[deque[float]] = [
            deque(maxlen=SWINGS + 1) for _ in joint_names]

    def evaluate(self, setpoint: Vector, played_s: float) -> Cause | None:
        if self._extreme is None:
            self._extreme = setpoint.copy()
        ahead = self._direction * (setpoint - self._extreme)
        turned = ahead <= -SWING_RAD
        self._extreme = np.where((ahead > 0.0) | turned, setpoint, self._extreme)
        self._direction = np.where(turned, -self._direction, self._direction)
        for index in np.flatnonzero(turned).tolist():
            times = self._turned_at[index]
            times.append(played_s)
            if len(times) > SWINGS and played_s - times[0] <= SWINGS_S:
                return Cause(FaultCode.OSCILLATION, f'the goals of {self._names[index]} swing: '
                             f'{len(times)} turns of {math.degrees(SWING_RAD):.0f} degrees or '
                             f'more in {played_s - times[0]:.1f} s')
        return None


def error_cause(joint: str, bits: int) -> Cause:
    """Return the fault that the error bits of a joint report."""
    for bit, code in _CODES.items():
        if bits & bit:
            return Cause(code, f'{joint} reports {code.name.lower()} (error bits 0x{bits:02X})')
    return Cause(FaultCode.SERVO_FAULT, f'{joint} reports error bits 0x{bits:02X}')


def error_remedy(bits: int) -> str:
    """Say for each error bit what it means and what to do; empty without a known bit."""
    return '; '.join(f'{str(bit.name).lower()}: {text}' for bit, text in REMEDIES.items()
                     if bits & bit)
