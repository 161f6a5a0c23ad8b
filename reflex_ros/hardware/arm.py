# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The SO-101 arm: bring-up checks, one sample, one command, arming, torque off.

Not thread-safe: one thread owns the arm. Nothing here sleeps longer than a servo needs, and
nothing moves the arm by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math
import time

import numpy as np

from reflex_ros.domain.action import Vector
from reflex_ros.domain.joints import SO101_JOINTS
from reflex_ros.domain.sample import JointSample
from reflex_ros.errors import BusTimeout, ConfigurationError, ServoFault
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import from_range, JointCalibration

SERVO_IDS = tuple(joint.servo_id for joint in SO101_JOINTS)
MAX_LEAD_RAD = math.radians(10.0)
GOAL_SPEED = 1630
"""The servo's own speed cap [tick/s]: 2.5 rad/s, above our limit of 2; 0 would be full speed."""
GOAL_ACCELERATION = 254
"""Steepest profile: the stream of goals shapes the motion, not the servo."""
STALL_TORQUE = {'7.4 V': 1.91, '12 V': 2.94}
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
        if self.has_torque and (acceleration, speed) != (GOAL_ACCELERATION, GOAL_SPEED):
            return (f'its acceleration and speed cap are {acceleration}, {speed}, expected '
                    f'{GOAL_ACCELERATION}, {GOAL_SPEED}')
        return ''

    def arm(self) -> Vector:
        """
        Put the joints under torque where they are; return the pose that they hold [rad].

        A joint that is under torque already keeps its goal when that lies near the measured
        position: rewriting it would let a loaded arm sag. For a joint that is limp the order is:
        torque limit to zero, goal := measured, read back, torque on, read back, limit restored.
        That holds whatever the firmware does with a stale goal (SO-101 reference, 2.7).

        :raises ServoFault: when a servo is not in the state that was written.
        """
        sample = self.read()
        self._check_supply(sample)
        self._check_errors(sample)
        torque = self._read_all(reg.TORQUE_ENABLE)
        limp = [servo_id for servo_id, on in zip(SERVO_IDS, torque, strict=True) if on != 1]
        limits = dict(zip(SERVO_IDS, self._read_all(reg.MAX_TORQUE), strict=True))
        for servo_id in limp:
            self.bus.write(servo_id, reg.TORQUE_LIMIT, 0)
        try:
            self._write_all(reg.ACCELERATION, GOAL_ACCELERATION)
            self._write_all(reg.GOAL_SPEED, GOAL_SPEED)
            ticks = self._to_ticks(self._pose_to_hold(limp))
            self._write_goals(ticks)
            self._expect(reg.GOAL_POSITION, ticks)
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_ENABLE, 1)
            self._expect(reg.TORQUE_ENABLE, [1] * len(SERVO_IDS))
        finally:
            for servo_id in limp:
                self.bus.write(servo_id, reg.TORQUE_LIMIT, limits[servo_id])
        self.has_torque = True
        return (np.array(ticks) - self._zero) * self._scale

    def torque_off(self) -> None:
        """
        Let every joint go, whatever the servos report; the arm falls unless it rests.

        :raises ServoFault: naming the joints that would not let go after three tries.
        """
        stuck = list(SERVO_IDS)
        for _ in range(3):
            silent = []
            for servo_id in stuck:
                try:
                    self.bus.write(servo_id, reg.TORQUE_ENABLE, 0)
                except BusTimeout:
                    silent.append(servo_id)
            stuck = [servo_id for servo_id in stuck if servo_id in silent
                     or self.bus.read(servo_id, reg.TORQUE_ENABLE) != 0]
            if not stuck:
                self.has_torque = False
                return
        raise ServoFault(f'servo {", ".join(map(str, stuck))} would not let go', stuck[0])

    def close(self) -> None:
        """Close the port; torque stays as it is. May be called twice."""
        self.bus.close()

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
        low = 10.0 if self.servos[0].supply == '12 V' else 5.0
        high = 13.5 if self.servos[0].supply == '12 V' else 8.4
        for joint, volts in zip(SO101_JOINTS, sample.voltage, strict=True):
            if not low <= volts <= high:
                raise ServoFault(
                    f'servo {joint.servo_id} ({joint.name}) has {volts:.1f} V, allowed {low:g} to '
                    f'{high:g} V for the {self.servos[0].supply} variant. Check the servo supply',
                    joint.servo_id)

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

    def _write_all(self, register: reg.Register, value: int) -> None:
        for servo_id in SERVO_IDS:
            self.bus.write(servo_id, register, value)

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
