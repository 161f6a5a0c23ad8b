# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Read settings and measurements of the servos on a bus, calibrated or not; write nothing.

``So101Arm`` refuses an arm that must not be driven. This module reads any arm: also one with a
missing servo, a wrong setting, or no calibration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
import time

from reflex_ros.errors import BusTimeout, ConfigurationError
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bring_up import read_configuration
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import from_range, JointCalibration, RAD_PER_TICK
from reflex_ros.hardware.codec import StatusError
from reflex_ros.hardware.so101 import SO101_JOINTS

AMPERE_PER_COUNT = 0.0065
JOINT_INDEX = {joint.servo_id: index for index, joint in enumerate(SO101_JOINTS)}


@dataclass(frozen=True, slots=True)
class Servo:
    """
    The settings of one servo.

    :param values: every EEPROM register, raw.
    :param calibration: calibration of its joint, or None.
    :param uncalibrated: why ``calibration`` is None, or an empty text.
    """

    servo_id: int
    values: Mapping[reg.Register, int]
    calibration: JointCalibration | None
    uncalibrated: str

    @property
    def name(self) -> str:
        """Name of the joint that the servo moves."""
        return joint_name(self.servo_id)

    @property
    def firmware(self) -> str:
        """Firmware version in the vendor's notation, e.g. 3.10."""
        return f'{self.values[reg.FIRMWARE_MAJOR]}.{self.values[reg.FIRMWARE_MINOR]}'

    @property
    def speed_unit(self) -> int:
        """One count of the speed registers in ticks per second (phase bit 2)."""
        return 1 if self.values[reg.PHASE] & 0b100 else 50


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The measurements of one servo at one instant.

    :param ticks: present position.
    :param position: present position relative to the URDF's zero [rad]; None when uncalibrated.
    :param velocity: [rad/s].
    :param load: duty of the drive, -1..1.
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
    The servos that answer.

    :param servo_ids: ids to ask for.
    :raises BusTimeout: when no servo answers.
    """

    def __init__(self, bus: Bus, servo_ids: Sequence[int] = tuple(JOINT_INDEX)) -> None:
        self._bus = bus
        self.servos: dict[int, Servo] = {}
        self.absent: tuple[int, ...]
        """Ids that did not answer at the start; ``read`` does not ask for them."""
        self.silent: tuple[int, ...] = ()
        """Ids of the other servos that did not answer the last ``read``."""
        # Two tries: a servo that was busy for a moment is not absent.
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
        Read all servos in one exchange; servos that do not answer are left out.

        :returns: the monotonic time [s], and a reading for each id.
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
    """
    Return the ids of the arm's servos that are under torque.

    :raises BusTimeout: when a servo does not answer.
    """
    answers = bus.sync_read(tuple(JOINT_INDEX), reg.TORQUE_ENABLE.address, 1)
    return [servo_id for servo_id, answer in sorted(answers.items()) if answer.data[0]]


def joint_name(servo_id: int) -> str:
    """Return the joint name of a servo id, ``servo_7`` for another device on the bus."""
    index = JOINT_INDEX.get(servo_id)
    return SO101_JOINTS[index].name if index is not None else f'servo_{servo_id}'


def error_names(bits: int) -> tuple[str, ...]:
    """Return the names of the error bits of a status frame."""
    known = [error for error in StatusError if bits & error]
    rest = bits & ~sum(known)
    return (*(str(error.name).lower() for error in known), *([f'0x{rest:02x}'] if rest else []))


def _read_settings(bus: Bus, servo_id: int) -> Servo:
    block = read_configuration(bus, servo_id)
    values = {register: register.decode_in(block)
              for register in reg.REGISTERS if register.is_eeprom}
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
    Convert a reply of a servo to SI units (SO-101 reference, section 3).

    :param error: error byte of the reply.
    :param data: registers 40 to 70, 31 bytes.
    :raises ValueError: when ``data`` is not 31 bytes long.
    """
    feedback = reg.Feedback.from_block(data[reg.CONTROL_BLOCK[1]:])
    return Reading(
        servo_id=servo.servo_id, ticks=feedback.position,
        position=servo.calibration.to_rad(feedback.position) if servo.calibration else None,
        velocity=feedback.speed * servo.speed_unit * RAD_PER_TICK,
        load=feedback.load / 1000.0, current=feedback.current * AMPERE_PER_COUNT,
        voltage=feedback.voltage / 10.0, temperature=feedback.temperature,
        torque=data[0] == 1, errors=error_names(error | feedback.status))
