# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The SO-101 arm: bring-up checks, one sample, one command, arming, torque off.

Not thread-safe: one thread owns the arm. Nothing here sleeps longer than a servo needs, and
nothing moves the arm by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import logging
import math
import time

import numpy as np

from reflex_ros.domain.action import Vector
from reflex_ros.domain.joints import SO101_JOINTS
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusError, BusTimeout, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import from_range, JointCalibration

_log = logging.getLogger(__name__)

SERVO_IDS = tuple(joint.servo_id for joint in SO101_JOINTS)
MAX_LEAD_RAD = math.radians(10.0)
GOAL_SPEED = 1630
"""The servo's own speed cap [tick/s]: 2.5 rad/s, above our limit of 2; 0 would be full speed."""
GOAL_ACCELERATION = 254
"""Steepest profile: the stream of goals shapes the motion, not the servo."""
STALL_TORQUE = {'7.4 V': 1.91, '12 V': 2.94}
SUPPLY_V = {'7.4 V': (5.0, 8.4), '12 V': (10.0, 13.5)}
BEYOND_LIMIT_TICKS = 23
"""How far outside its calibrated range a joint may rest: 2 degrees, twice the backlash."""
PHASE_UNUSUAL_BITS = 0b10010001
"""Reversed drive, multi-turn feedback, reversed feedback: with any of them angles are wrong."""


@dataclass(frozen=True, slots=True)
class ServoInfo:
    """What one servo says of itself: model, firmware, supply variant."""

    servo_id: int
    model: int
    firmware: str
    supply: str


class So101Arm:
    """
    Six STS3215 on one bus.

    :param bus: open; closed by ``close``.
    :param reference: calibration that the servos must agree with, or None to take theirs.
    """

    def __init__(self, bus: Bus, reference: Sequence[JointCalibration] | None = None) -> None:
        self.bus = bus
        self._reference = tuple(reference) if reference else None
        self.servos: tuple[ServoInfo, ...] = ()
        self.calibration: tuple[JointCalibration, ...] = ()
        self._zero = np.zeros(len(SERVO_IDS))
        self._scale = np.ones(len(SERVO_IDS))
        self._stall_torque = STALL_TORQUE['12 V']
        self._speed_unit = np.ones(len(SERVO_IDS))
        self._goal_speed = [GOAL_SPEED] * len(SERVO_IDS)
        self.has_torque = False
        """Whether all joints were under torque when last asked."""

    def bring_up(self) -> None:
        """
        Check that this is a calibrated SO-101 that may be driven; write no goal, move nothing.

        :raises BusTimeout: naming the servos that do not answer.
        :raises ConfigurationError: for a wrong model, mode, phase or calibration.
        :raises ServoFault: for a supply or an error state that forbids driving.
        """
        self.bus.detect_echo(SERVO_IDS[0])
        self._ping_all()
        blocks = [self.bus.read_block(servo_id, 0, 40) for servo_id in SERVO_IDS]
        self.servos = tuple(map(_identify, SERVO_IDS, blocks))
        self.calibration = tuple(
            from_range(index, _from(block, reg.MIN_POSITION_LIMIT),
                       _from(block, reg.MAX_POSITION_LIMIT), _from(block, reg.HOMING_OFFSET))
            for index, block in enumerate(blocks))
        self._compare_with_reference()
        self._zero = np.array([own.zero_ticks for own in self.calibration])
        self._scale = np.array([own.rad_per_tick for own in self.calibration])
        self._stall_torque = STALL_TORQUE[self.servos[0].supply]
        # Phase bit 2: whether the speed registers count 1 or 50 ticks per second.
        self._speed_unit = np.array(
            [1.0 if _from(block, reg.PHASE) & 0b100 else 50.0 for block in blocks])
        self._goal_speed = [int(GOAL_SPEED / unit) for unit in self._speed_unit]
        self._check_supply(self.read())
        self.has_torque = self.read_torque()

    def read(self, *, retries: int = 2) -> JointSample:
        """
        Measure all joints in one exchange.

        :raises BusTimeout: when a servo stays silent.
        """
        address, length = reg.FEEDBACK_BLOCK
        answers = self.bus.sync_read(SERVO_IDS, address, length, retries=retries)
        taken_at = time.monotonic()
        raw = [reg.Feedback.from_block(answers[servo_id].data) for servo_id in SERVO_IDS]
        return JointSample(
            taken_at=taken_at,
            position=(np.array([f.position for f in raw]) - self._zero) * self._scale,
            velocity=np.array([f.speed for f in raw]) * self._speed_unit * self._scale,
            effort=np.array([f.load for f in raw]) * (self._stall_torque / 1000.0),
            current=np.array([f.current for f in raw]) * 0.0065,
            voltage=np.array([f.voltage for f in raw]) / 10.0,
            temperature=np.array([f.temperature for f in raw], dtype=float),
            errors=tuple(answers[servo_id].error | f.status
                         for servo_id, f in zip(SERVO_IDS, raw, strict=True)))

    def command(self, pose: Vector) -> None:
        """Write a goal for every joint (joints,) [rad]; the caller has checked it."""
        self._write_goals(self._to_ticks(pose))

    def read_torque(self) -> bool:
        """Ask whether every joint is under torque."""
        return all(self._read_all(reg.TORQUE_ENABLE))

    def read_goals(self) -> Vector:
        """Read back the goals that the servos hold (joints,) [rad]."""
        return (np.array(self._read_all(reg.GOAL_POSITION)) - self._zero) * self._scale

    def supply_problem(self, sample: JointSample) -> str:
        """Say which servo has a supply that its variant may not have, or return an empty text."""
        for servo, joint, volts in zip(self.servos, SO101_JOINTS, sample.voltage, strict=True):
            low, high = SUPPLY_V[servo.supply]
            if not low <= volts <= high:
                return (f'servo {joint.servo_id} ({joint.name}) has {volts:.1f} V, allowed '
                        f'{low:g} to {high:g} V for the {servo.supply} variant. Check the servo '
                        'supply')
        return ''

    def check_control_block(self, index: int) -> str:
        """
        Read one servo's control registers back.

        :returns: what is not as we left it, or an empty text.
        """
        data = self.bus.read_block(SERVO_IDS[index], 40, 10)
        torque, acceleration = data[0], data[1]
        speed = reg.GOAL_SPEED.decode(data[6:8])
        if self.has_torque and torque != 1:
            return f'its torque is {torque}, expected 1'
        cap = self._goal_speed[index]
        if self.has_torque and (acceleration, speed) != (GOAL_ACCELERATION, cap):
            return (f'its acceleration and speed cap are {acceleration}, {speed}, expected '
                    f'{GOAL_ACCELERATION}, {cap}')
        return ''

    def arm(self) -> Vector:
        """
        Put the joints under torque where they are; return the pose that they hold [rad].

        A joint that is under torque already keeps its goal when that lies near the measured
        position: rewriting it would let a loaded arm sag. For a joint that is limp the order is:
        torque limit to zero, goal := measured, read back, torque on, read back, limit restored.
        That holds whatever the firmware does with a stale goal (SO-101 reference, 2.7). A joint
        under torque without strength is what a driver leaves that was killed in between: it
        counts as limp. When anything fails, the joints that were limp are limp again.

        :raises BusTimeout: when a servo stays silent.
        :raises ServoFault: when a servo is not in the state that was written, or a joint is
            outside its calibrated range.
        """
        sample = self.read()
        self._check_supply(sample)
        self._check_errors(sample)
        torque, strength = self._read_all(reg.TORQUE_ENABLE), self._read_all(reg.TORQUE_LIMIT)
        limp = [servo_id for servo_id, on, limit in zip(SERVO_IDS, torque, strength, strict=True)
                if on != 1 or limit == 0]
        self._check_range(sample, limp)
        limits = dict(zip(SERVO_IDS, self._read_all(reg.MAX_TORQUE), strict=True))
        try:
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_LIMIT, 0)
            for servo_id, cap in zip(SERVO_IDS, self._goal_speed, strict=True):
                self.bus.write(servo_id, reg.ACCELERATION, GOAL_ACCELERATION)
                self.bus.write(servo_id, reg.GOAL_SPEED, cap)
            ticks = [min(max(goal, own.lower_ticks), own.upper_ticks) for goal, own in zip(
                self._to_ticks(self._pose_to_hold(limp)), self.calibration, strict=True)]
            self._write_goals(ticks)
            self._expect(reg.GOAL_POSITION, ticks)
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_ENABLE, 1)
            self._expect(reg.TORQUE_ENABLE, [1] * len(SERVO_IDS))
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_LIMIT, limits[servo_id])
        except Exception:
            self._make_limp(limp, limits)
            raise
        self.has_torque = True
        return (np.array(ticks) - self._zero) * self._scale

    def torque_off(self) -> None:
        """
        Let every joint go, whatever the servos report; the arm falls unless it rests.

        :raises ServoFault: naming the joints that would not let go after three tries.
        """
        stuck = list(SERVO_IDS)
        for _ in range(3):
            stuck = [servo_id for servo_id in stuck if not self._lets_go(servo_id)]
            if not stuck:
                self.has_torque = False
                return
        raise ServoFault(f'servo {", ".join(map(str, stuck))} would not let go', stuck[0])

    def close(self) -> None:
        """Close the port; torque stays as it is. May be called twice."""
        self.bus.close()

    def _lets_go(self, servo_id: int) -> bool:
        try:
            self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
            return self.bus.read(servo_id, reg.TORQUE_ENABLE) == 0
        except BusTimeout:
            return False

    def _make_limp(self, servo_ids: Sequence[int], limits: Mapping[int, int]) -> None:
        """Undo half an arming, servo by servo, whatever fails."""
        for servo_id in servo_ids:
            try:
                self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
                self.bus.write(servo_id, reg.TORQUE_LIMIT, limits[servo_id])
            except BusError as exc:
                _log.warning('servo %d was not made limp again: %s', servo_id, exc)

    def _ping_all(self) -> None:
        missing = []
        for joint in SO101_JOINTS:
            try:
                self.bus.ping(joint.servo_id)
            except BusTimeout:
                missing.append(joint)
        if len(missing) == len(SO101_JOINTS):
            raise BusTimeout(f'port {self.bus.port.name}: no servo answers. Is the servo supply '
                             'on, and is this the right port?', SERVO_IDS)
        if missing:
            names = ', '.join(f'{joint.servo_id} ({joint.name})' for joint in missing)
            raise BusTimeout(f'port {self.bus.port.name}: servo {names} does not answer. Check '
                             'the cable before it', [joint.servo_id for joint in missing])

    def _compare_with_reference(self) -> None:
        if self._reference is None:
            return
        for joint, wanted, found in zip(SO101_JOINTS, self._reference, self.calibration,
                                        strict=True):
            if wanted != found:
                raise ConfigurationError(
                    f'servo {joint.servo_id} ({joint.name}) holds the calibration '
                    f'{found.lower_ticks}..{found.upper_ticks}, offset {found.offset_ticks}; the '
                    f'file says {wanted.lower_ticks}..{wanted.upper_ticks}, offset '
                    f'{wanted.offset_ticks}. Use the right file, or calibrate again')

    def _check_supply(self, sample: JointSample) -> None:
        problem = self.supply_problem(sample)
        if problem:
            raise ServoFault(problem)

    def _check_range(self, sample: JointSample, servo_ids: Sequence[int]) -> None:
        """Refuse a joint that torque would move: a servo clamps its goal to the range."""
        for joint, own, position in zip(SO101_JOINTS, self.calibration, sample.position,
                                        strict=True):
            ticks = own.to_ticks(position)
            if joint.servo_id in servo_ids and not (
                    own.lower_ticks - BEYOND_LIMIT_TICKS <= ticks
                    <= own.upper_ticks + BEYOND_LIMIT_TICKS):
                raise ServoFault(
                    f'servo {joint.servo_id} ({joint.name}) is outside its calibrated range: at '
                    f'{ticks}, allowed {own.lower_ticks}..{own.upper_ticks}. Move it inside by '
                    'hand, or calibrate again', joint.servo_id)

    @staticmethod
    def _check_errors(sample: JointSample) -> None:
        for joint, bits in zip(SO101_JOINTS, sample.errors, strict=True):
            if bits:
                raise ServoFault(f'servo {joint.servo_id} ({joint.name}) reports error bits '
                                 f'0x{bits:02X}. Take the load off, let it cool, then try again',
                                 joint.servo_id)

    def _pose_to_hold(self, limp: Sequence[int]) -> Vector:
        measured, goals = self.read().position, self.read_goals()
        keeps = np.abs(goals - measured) <= MAX_LEAD_RAD
        keeps &= np.array([servo_id not in limp for servo_id in SERVO_IDS])
        return np.where(keeps, goals, measured)

    def _to_ticks(self, pose: Vector) -> list[int]:
        return [own.to_ticks(position)
                for own, position in zip(self.calibration, pose, strict=True)]

    def _write_goals(self, ticks: Sequence[int]) -> None:
        self.bus.sync_write(reg.GOAL_POSITION, dict(zip(SERVO_IDS, ticks, strict=True)))

    def _read_all(self, register: reg.Register) -> list[int]:
        answers = self.bus.sync_read(SERVO_IDS, register.address, register.size)
        return [register.decode(answers[servo_id].data) for servo_id in SERVO_IDS]

    def _expect(self, register: reg.Register, values: Sequence[int]) -> None:
        found = self._read_all(register)
        for joint, wanted, value in zip(SO101_JOINTS, values, found, strict=True):
            if wanted != value:
                raise ServoFault(f'servo {joint.servo_id} ({joint.name}) holds {value} in '
                                 f'{register.name}, {wanted} was written', joint.servo_id)


def _from(block: bytes, register: reg.Register) -> int:
    return register.decode(block[register.address:register.address + register.size])


def _identify(servo_id: int, block: bytes) -> ServoInfo:
    joint = SO101_JOINTS[SERVO_IDS.index(servo_id)]
    model = _from(block, reg.MODEL_NUMBER)
    if model != reg.MODEL_STS3215:
        raise ConfigurationError(f'servo {servo_id} ({joint.name}) is model {model}, expected '
                                 f'{reg.MODEL_STS3215} (STS3215)')
    mode, phase = _from(block, reg.OPERATING_MODE), _from(block, reg.PHASE)
    if mode != 0 or phase & PHASE_UNUSUAL_BITS:
        raise ConfigurationError(f'servo {servo_id} ({joint.name}) has operating mode {mode} and '
                                 f'phase {phase}; expected mode 0 and none of the phase bits 0, 4 '
                                 'and 7. Configure it for LeRobot first')
    # The 12 V part leaves the factory with a limit of 14 V, the 7.4 V part with 8 V.
    supply = '12 V' if _from(block, reg.MAX_INPUT_VOLTAGE) > 100 else '7.4 V'
    return ServoInfo(servo_id, model, f'{block[0]}.{block[1]}', supply)
