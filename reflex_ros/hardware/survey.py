# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the servos on a bus say of themselves, calibrated or not; nothing is written.

``So101Arm`` refuses an arm that may not be driven. This looks at any: one with a missing servo, a
wrong setting, no calibration yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
import time

from reflex_ros.domain.joints import SO101_JOINTS
from reflex_ros.errors import BusTimeout, ConfigurationError
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bring_up import read_configuration, take
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import from_range, JointCalibration, RAD_PER_TICK
from reflex_ros.hardware.codec import StatusError

AMPERE_PER_COUNT = 0.0065
JOINT_INDEX = {joint.servo_id: index for index, joint in enumerate(SO101_JOINTS)}


@dataclass(frozen=True, slots=True)
class Servo:
    """
    One servo's settings.

    :param values: every EEPROM register, raw.
    :param calibration: of its joint, or None.
    :param uncalibrated: why there is none, or an empty text.
    """

    servo_id: int
    values: Mapping[reg.Register, int]
    calibration: JointCalibration | None
    uncalibrated: str

    @property
    def name(self) -> str:
        """The joint that it moves."""
        return joint_name(self.servo_id)

    @property
    def firmware(self) -> str:
        """Version as the vendor writes it."""
        return f'{self.values[reg.FIRMWARE_MAJOR]}.{self.values[reg.FIRMWARE_MINOR]}'

    @property
    def speed_unit(self) -> int:
        """Ticks per second in one count of the speed registers: phase bit 2."""
        return 1 if self.values[reg.PHASE] & 0b100 else 50


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One servo at one instant.

    :param ticks: present position.
    :param position: the same about the URDF's zero [rad], or None when uncalibrated.
    :param velocity: [rad/s].
    :param load: of the drive's duty, -1..1.
    :param current: [A].
    :param voltage: [V].
    :param temperature: [degC].
    :param errors: names of the error bits that are set.
    """

    servo_id: int
    ticks: int
    position: float | None
    velocity: float
    load: float
    current: float
    voltage: float
    temperature: int
    torque: bool
    errors: tuple[str, ...]


class Survey:
    """
    The servos that answer, out of those asked for.

    :param servo_ids: whom to ask.
    :raises BusTimeout: when none of them answers.
    """

    def __init__(self, bus: Bus, servo_ids: Sequence[int] = tuple(JOINT_INDEX)) -> None:
        self._bus = bus
        self.servos: dict[int, Servo] = {}
        self.absent: tuple[int, ...]
        """Servos that did not answer at the beginning, and are not asked again."""
        self.silent: tuple[int, ...] = ()
        """Of the others, those that did not answer when last asked."""
        # Twice: a servo that was held up for a moment is not absent.
        for servo_id in (*servo_ids, *servo_ids):
            if servo_id not in self.servos:
                with suppress(BusTimeout):
                    self.servos[servo_id] = _read_settings(bus, servo_id)
        self.servos = dict(sorted(self.servos.items()))
        self.absent = tuple(servo_id for servo_id in servo_ids if servo_id not in self.servos)
        if not self.servos:
            raise BusTimeout(f'port {bus.port.name}: no servo answers. Is the servo supply on, '
                             'and is this the right port?', self.absent)

    def read(self) -> tuple[float, dict[int, Reading]]:
        """
        Read all servos in one exchange; those that stay silent are left out.

        :returns: the monotonic instant [s] and a reading for each id.
        """
        servo_ids = list(self.servos)
        try:
            answers = self._bus.sync_read(servo_ids, *reg.CYCLE_BLOCK)
        except BusTimeout as exc:
            there = [servo_id for servo_id in servo_ids if servo_id not in exc.servo_ids]
            try:
                answers = self._bus.sync_read(there, *reg.CYCLE_BLOCK) if there else {}
            except BusTimeout:
                answers = {}
        taken_at = time.monotonic()
        self.silent = tuple(servo_id for servo_id in servo_ids if servo_id not in answers)
        return taken_at, {servo_id: to_reading(self.servos[servo_id], answer.error, answer.data)
                          for servo_id, answer in answers.items()}


def under_torque(bus: Bus) -> list[int]:
    """Return the ids of the arm's servos that are under torque; errors as ``Bus.sync_read``."""
    answers = bus.sync_read(tuple(JOINT_INDEX), reg.TORQUE_ENABLE.address, 1)
    return [servo_id for servo_id, answer in sorted(answers.items()) if answer.data[0]]


def joint_name(servo_id: int) -> str:
    """Name the joint of a servo id; other devices may share the bus."""
    index = JOINT_INDEX.get(servo_id)
    return SO101_JOINTS[index].name if index is not None else f'servo_{servo_id}'


def error_names(bits: int) -> tuple[str, ...]:
    """Name the error bits of a status frame."""
    known = [error for error in StatusError if bits & error]
    rest = bits & ~sum(known)
    return (*(str(error.name).lower() for error in known), *([f'0x{rest:02x}'] if rest else []))


def _read_settings(bus: Bus, servo_id: int) -> Servo:
    block = read_configuration(bus, servo_id)
    values = {register: take(block, register) for register in reg.REGISTERS if register.is_eeprom}
    calibration, why = None, ''
    if servo_id in JOINT_INDEX:
        try:
            calibration = from_range(
                JOINT_INDEX[servo_id], values[reg.MIN_POSITION_LIMIT],
                values[reg.MAX_POSITION_LIMIT], values[reg.HOMING_OFFSET])
        except ConfigurationError as exc:
            why = str(exc)
    return Servo(servo_id, values, calibration, why)


def to_reading(servo: Servo, error: int, data: bytes) -> Reading:
    """
    Convert what a servo answers to SI units (SO-101 reference, section 3).

    :param error: error byte of the answer.
    :param data: its registers 40 to 70.
    :raises ValueError: when these are not 31 bytes.
    """
    feedback = reg.Feedback.from_block(data[reg.CONTROL_BLOCK[1]:])
    return Reading(
        servo_id=servo.servo_id, ticks=feedback.position,
        position=servo.calibration.to_rad(feedback.position) if servo.calibration else None,
        velocity=feedback.speed * servo.speed_unit * RAD_PER_TICK,
        load=feedback.load / 1000.0, current=feedback.current * AMPERE_PER_COUNT,
        voltage=feedback.voltage / 10.0, temperature=feedback.temperature,
        torque=data[0] == 1, errors=error_names(error | feedback.status))
