# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The STS3215 register map, one row per register.

Sources: Feetech memory table V3.6 and its newer online edition, as collected in the project's
SO-101 reference, section 2. Addresses are bytes; words are little endian; a register with a
``sign_bit`` is sign-magnitude, not two's complement.
"""

from __future__ import annotations

from dataclasses import dataclass
import struct

MODEL_STS3215 = 777


@dataclass(frozen=True, slots=True)
class Register:
    """
    One row of the servo's memory table.

    :param address: first byte.
    :param size: 1 or 2 bytes.
    :param default: factory value (EEPROM) or power-on value (SRAM), unsigned raw.
    :param minimum: smallest raw magnitude that the table allows.
    :param maximum: largest raw magnitude that the table allows.
    :param sign_bit: index of the sign bit, or None for an unsigned register.
    :param writable: whether a write changes the register.
    :param unit: unit of one count, as text.
    """

    name: str
    address: int
    size: int
    default: int
    minimum: int
    maximum: int
    sign_bit: int | None = None
    writable: bool = True
    unit: str = ''

    @property
    def is_eeprom(self) -> bool:
        """Whether the value survives a power cycle (when written with lock = 0)."""
        return self.address < 40

    def encode(self, value: int) -> bytes:
        """
        Encode a signed value as the register's bytes.

        :raises ValueError: when the value is outside the table's range.
        """
        lowest = self.minimum if self.sign_bit is None else -self.maximum
        if not lowest <= value <= self.maximum:
            raise ValueError(f'{self.name}: {value} does not fit, allowed is '
                             f'{lowest}..{self.maximum}')
        raw = abs(value) | (1 << self.sign_bit if self.sign_bit is not None and value < 0 else 0)
        return raw.to_bytes(self.size, 'little')

    def decode(self, data: bytes) -> int:
        """
        Decode a signed value from the register's bytes.

        :raises ValueError: when the number of bytes is not the register's size.
        """
        if len(data) != self.size:
            raise ValueError(f'{self.name}: {len(data)} bytes, expected {self.size}')
        raw = int.from_bytes(data, 'little')
        return raw if self.sign_bit is None else _signed(raw, self.sign_bit)

    def decode_in(self, block: bytes) -> int:
        """
        Decode a signed value from a block of bytes that begins at address 0.

        :raises ValueError: when the block ends before the register does.
        """
        return self.decode(block[self.address:self.address + self.size])


def _r(name: str, address: int, size: int, default: int, low: int, high: int, unit: str = '',
       *, sign_bit: int | None = None, writable: bool = True) -> Register:
    return Register(name, address, size, default, low, high, sign_bit, writable, unit)


# EEPROM: survives a power cycle when written with lock = 0.
FIRMWARE_MAJOR = _r('firmware_major', 0, 1, 3, 0, 255, writable=False)
FIRMWARE_MINOR = _r('firmware_minor', 1, 1, 10, 0, 255, writable=False)
ENDIANNESS = _r('endianness', 2, 1, 0, 0, 1, writable=False)
MODEL_NUMBER = _r('model_number', 3, 2, MODEL_STS3215, 0, 65535, writable=False)
ID = _r('id', 5, 1, 1, 0, 253)
BAUD_INDEX = _r('baud_index', 6, 1, 0, 0, 7)
RETURN_DELAY = _r('return_delay', 7, 1, 0, 0, 254, '2 us')
RESPONSE_LEVEL = _r('response_level', 8, 1, 1, 0, 1)
MIN_POSITION_LIMIT = _r('min_position_limit', 9, 2, 0, 0, 4094, 'tick')
MAX_POSITION_LIMIT = _r('max_position_limit', 11, 2, 4095, 1, 4095, 'tick')
MAX_TEMPERATURE = _r('max_temperature', 13, 1, 70, 0, 100, 'degC')
MAX_INPUT_VOLTAGE = _r('max_input_voltage', 14, 1, 80, 0, 254, '0.1 V')
MIN_INPUT_VOLTAGE = _r('min_input_voltage', 15, 1, 40, 0, 254, '0.1 V')
MAX_TORQUE = _r('max_torque', 16, 2, 1000, 0, 1000, '0.1 %')
PHASE = _r('phase', 18, 1, 12, 0, 254)
UNLOADING_CONDITION = _r('unloading_condition', 19, 1, 44, 0, 254)
LED_ALARM_CONDITION = _r('led_alarm_condition', 20, 1, 47, 0, 254)
P_COEFFICIENT = _r('p_coefficient', 21, 1, 32, 0, 254)
D_COEFFICIENT = _r('d_coefficient', 22, 1, 32, 0, 254)
I_COEFFICIENT = _r('i_coefficient', 23, 1, 0, 0, 254)
MIN_STARTUP_FORCE = _r('min_startup_force', 24, 2, 16, 0, 1000, '0.1 %')
CW_DEAD_ZONE = _r('cw_dead_zone', 26, 1, 1, 0, 32, 'tick')
CCW_DEAD_ZONE = _r('ccw_dead_zone', 27, 1, 1, 0, 32, 'tick')
PROTECTION_CURRENT = _r('protection_current', 28, 2, 500, 0, 2047, '6.5 mA')
ANGULAR_RESOLUTION = _r('angular_resolution', 30, 1, 1, 1, 128)
HOMING_OFFSET = _r('homing_offset', 31, 2, 0, 0, 2047, 'tick', sign_bit=11)
OPERATING_MODE = _r('operating_mode', 33, 1, 0, 0, 3)
PROTECTIVE_TORQUE = _r('protective_torque', 34, 1, 20, 0, 100, '%')
PROTECTION_TIME = _r('protection_time', 35, 1, 200, 0, 254, '10 ms')
OVERLOAD_TORQUE = _r('overload_torque', 36, 1, 80, 0, 100, '%')
SPEED_P = _r('speed_p', 37, 1, 10, 0, 100)
OVERCURRENT_TIME = _r('overcurrent_time', 38, 1, 200, 0, 254, '10 ms')
SPEED_I = _r('speed_i', 39, 1, 10, 0, 254)

# SRAM, control: has these values after every power cycle.
TORQUE_ENABLE = _r('torque_enable', 40, 1, 0, 0, 128)
ACCELERATION = _r('acceleration', 41, 1, 0, 0, 254, '100 tick/s^2')
GOAL_POSITION = _r('goal_position', 42, 2, 0, 0, 30719, 'tick', sign_bit=15)
GOAL_TIME = _r('goal_time', 44, 2, 0, 0, 1000, sign_bit=10)
GOAL_SPEED = _r('goal_speed', 46, 2, 0, 0, 3400, 'tick/s', sign_bit=15)
TORQUE_LIMIT = _r('torque_limit', 48, 2, 1000, 0, 1000, '0.1 %')
LOCK = _r('lock', 55, 1, 1, 0, 1)

# SRAM, feedback: 56..70 are 15 contiguous bytes, read as one block.
PRESENT_POSITION = _r('present_position', 56, 2, 0, 0, 32767, 'tick', sign_bit=15, writable=False)
PRESENT_SPEED = _r('present_speed', 58, 2, 0, 0, 32767, 'tick/s', sign_bit=15, writable=False)
PRESENT_LOAD = _r('present_load', 60, 2, 0, 0, 1000, '0.1 %', sign_bit=10, writable=False)
PRESENT_VOLTAGE = _r('present_voltage', 62, 1, 0, 0, 255, '0.1 V', writable=False)
PRESENT_TEMPERATURE = _r('present_temperature', 63, 1, 0, 0, 255, 'degC', writable=False)
ASYNC_WRITE_FLAG = _r('async_write_flag', 64, 1, 0, 0, 1, writable=False)
STATUS = _r('status', 65, 1, 0, 0, 255, writable=False)
MOVING = _r('moving', 66, 1, 0, 0, 1, writable=False)
TARGET_POSITION = _r('target_position', 67, 2, 0, 0, 32767, 'tick', sign_bit=15, writable=False)
PRESENT_CURRENT = _r('present_current', 69, 2, 0, 0, 32767, '6.5 mA', sign_bit=15, writable=False)
GOAL_POSITION_2 = _r('goal_position_2', 71, 2, 0, 0, 32767, 'tick', sign_bit=15, writable=False)

# Factory page.
MOVING_THRESHOLD = _r('moving_threshold', 80, 1, 1, 0, 254)
DTS_MS = _r('dts_ms', 81, 1, 10, 0, 254)
SPEED_UNIT_FACTOR = _r('speed_unit_factor', 82, 1, 1, 0, 254)
HTS = _r('hts', 83, 1, 0, 0, 254, '20.83 ns')
MAX_VELOCITY_LIMIT = _r('max_velocity_limit', 84, 1, 68, 0, 254, '0.732 rpm')
MAX_ACCELERATION = _r('max_acceleration', 85, 1, 254, 0, 254, '100 tick/s^2')
ACCELERATION_MULTIPLIER = _r('acceleration_multiplier', 86, 1, 1, 0, 254)

REGISTERS: tuple[Register, ...] = tuple(
    value for value in list(globals().values()) if isinstance(value, Register))

FEEDBACK_BLOCK = (PRESENT_POSITION.address, 15)
"""First address and length of the block with all measured values."""
CONTROL_BLOCK = (TORQUE_ENABLE.address, 16)
"""The commanded values: torque, profile, goal, torque limit, lock; the feedback follows it."""
CYCLE_BLOCK = (TORQUE_ENABLE.address, CONTROL_BLOCK[1] + FEEDBACK_BLOCK[1])
"""
Both blocks in one read. For six servos at 1 Mbit/s, 14 + 6 x 37 bytes and six turnarounds of 50 us
take 2.7 ms, with the goals 2.9 ms: 28 % of a cycle at 100 Hz, 59 % at 200 Hz (section 4.2 for 15
bytes: 2.0 ms). So a change of a commanded value is detected within one cycle.
"""
CONFIGURATION_BLOCK = (FIRMWARE_MAJOR.address, 40)
"""The whole EEPROM."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """The feedback block of one servo, raw counts (units as in the table)."""

    position: int
    speed: int
    load: int
    voltage: int
    temperature: int
    status: int
    moving: int
    current: int

    @classmethod
    def from_block(cls, data: bytes) -> Feedback:
        """
        Decode the 15 bytes from address 56 on.

        :raises ValueError: when the block is not 15 bytes long.
        """
        if len(data) != FEEDBACK_BLOCK[1]:
            raise ValueError(f'feedback block: {len(data)} bytes, expected {FEEDBACK_BLOCK[1]}')
        position, speed, load, voltage, temperature, _, status, moving, _, current = (
            _FEEDBACK_STRUCT.unpack(data))
        return cls(_signed(position, 15), _signed(speed, 15), _signed(load, 10), voltage,
                   temperature, status, moving, _signed(current, 15))


@dataclass(frozen=True, slots=True)
class Control:
    """The commanded values that one servo holds, raw counts (units as in the table)."""

    torque: int
    acceleration: int
    goal: int
    speed: int
    torque_limit: int

    @classmethod
    def from_block(cls, data: bytes) -> Control:
        """
        Decode the 16 bytes from address 40 on.

        :raises ValueError: when the block is not 16 bytes long.
        """
        if len(data) != CONTROL_BLOCK[1]:
            raise ValueError(f'control block: {len(data)} bytes, expected {CONTROL_BLOCK[1]}')
        torque, acceleration, goal, speed, limit = _CONTROL_STRUCT.unpack(data)
        return cls(torque, acceleration, _signed(goal, 15), _signed(speed, 15), limit)


# Between goal and speed is the goal time, which a servo in position mode ignores; unused bytes and
# the lock follow the torque limit.
_CONTROL_STRUCT = struct.Struct('<BBHxxHH6x')
_FEEDBACK_STRUCT = struct.Struct('<HHHBBBBBHH')


def _signed(raw: int, sign_bit: int) -> int:
    magnitude = raw & ((1 << sign_bit) - 1)
    return -magnitude if raw & (1 << sign_bit) else magnitude
