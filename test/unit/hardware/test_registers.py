# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The register table against the manual: addresses, signs, ranges, the feedback block."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.registers import Feedback, Register, REGISTERS

SIGNED = (
    (reg.HOMING_OFFSET, 953, 'B9 03'),
    (reg.HOMING_OFFSET, -1047, '17 0C'),
    (reg.HOMING_OFFSET, 2047, 'FF 07'),
    (reg.HOMING_OFFSET, -2047, 'FF 0F'),
    (reg.HOMING_OFFSET, 0, '00 00'),
    (reg.GOAL_POSITION, -100, '64 80'),
    (reg.GOAL_POSITION, 2048, '00 08'),
    (reg.GOAL_POSITION, 30719, 'FF 77'),
    (reg.GOAL_POSITION, -30719, 'FF F7'),
    (reg.GOAL_TIME, -1000, 'E8 07'),
    (reg.GOAL_SPEED, -3400, '48 8D'),
    (reg.PRESENT_POSITION, -1, '01 80'),
    (reg.PRESENT_SPEED, -100, '64 80'),
    (reg.PRESENT_LOAD, -300, '2C 05'),
    (reg.PRESENT_LOAD, 1000, 'E8 03'),
    (reg.PRESENT_CURRENT, 31, '1F 00'),
)

ADDRESSES = {
    'firmware_major': 0, 'model_number': 3, 'id': 5, 'baud_index': 6, 'return_delay': 7,
    'response_level': 8, 'min_position_limit': 9, 'max_position_limit': 11,
    'max_temperature': 13, 'max_input_voltage': 14, 'max_torque': 16, 'phase': 18,
    'unloading_condition': 19, 'p_coefficient': 21, 'protection_current': 28,
    'homing_offset': 31, 'operating_mode': 33, 'overload_torque': 36, 'torque_enable': 40,
    'acceleration': 41, 'goal_position': 42, 'goal_time': 44, 'goal_speed': 46,
    'torque_limit': 48, 'lock': 55, 'present_position': 56, 'present_speed': 58,
    'present_load': 60, 'present_voltage': 62, 'present_temperature': 63, 'status': 65,
    'moving': 66, 'target_position': 67, 'present_current': 69, 'max_acceleration': 85,
}

every_register = pytest.mark.parametrize('register', REGISTERS, ids=lambda row: row.name)


def values_of(register: Register) -> range:
    """Return every value that the table allows."""
    low = -register.maximum if register.sign_bit is not None else register.minimum
    return range(low, register.maximum + 1)


@pytest.mark.parametrize('register, value, wire', SIGNED)
def test_sign_is_a_bit_and_not_a_complement(register: Register, value: int, wire: str) -> None:
    assert register.encode(value).hex(' ').upper() == wire
    assert register.decode(bytes.fromhex(wire)) == value


def test_minus_zero_reads_zero() -> None:
    assert reg.PRESENT_POSITION.decode(b'\x00\x80') == 0


def test_bits_above_the_sign_do_not_change_the_value() -> None:
    assert reg.PRESENT_LOAD.decode(b'\x2c\xf5') == -300


@every_register
def test_register_encodes_and_decodes_over_its_whole_range(register: Register) -> None:
    for value in values_of(register):
        data = register.encode(value)
        assert len(data) == register.size
        assert register.decode(data) == value


@every_register
def test_register_refuses_what_the_table_does_not_allow(register: Register) -> None:
    lowest, highest = values_of(register)[0], values_of(register)[-1]
    for value in (lowest - 1, highest + 1, 1 << 16, -(1 << 16)):
        with pytest.raises(ValueError, match=f'{register.name}: {value} does not fit, allowed is '
                           f'{lowest}..{highest}'):
            register.encode(value)


@every_register
def test_register_refuses_another_number_of_bytes(register: Register) -> None:
    for size in {0, 1, 2, 3} - {register.size}:
        with pytest.raises(ValueError, match=f'{size} bytes, expected {register.size}'):
            register.decode(bytes(size))


@given(st.sampled_from(REGISTERS), st.binary(min_size=2, max_size=2))
def test_any_bytes_decode_and_what_the_table_allows_encodes(register: Register,
                                                            data: bytes) -> None:
    value = register.decode(data[:register.size])
    if value in values_of(register):
        assert register.decode(register.encode(value)) == value
    else:
        with pytest.raises(ValueError, match='does not fit'):
            register.encode(value)


def test_table_has_no_overlap_and_sane_rows() -> None:
    taken: dict[int, str] = {}
    for row in REGISTERS:
        assert row.size in (1, 2) and 0 <= row.minimum <= row.maximum
        assert row.default <= max(row.maximum, 1)
        for at in range(row.address, row.address + row.size):
            assert taken.setdefault(at, row.name) == row.name
    assert len({row.name for row in REGISTERS}) == len(REGISTERS)


def test_addresses_are_those_of_the_memory_table() -> None:
    assert {row.name: row.address for row in REGISTERS if row.name in ADDRESSES} == ADDRESSES


def test_eeprom_ends_where_torque_enable_begins() -> None:
    assert reg.SPEED_I.is_eeprom and not reg.TORQUE_ENABLE.is_eeprom


@given(st.binary(min_size=16, max_size=16))
def test_control_block_agrees_with_the_registers(block: bytes) -> None:
    def at(register: Register) -> int:
        start = register.address - reg.CONTROL_BLOCK[0]
        return register.decode(block[start:start + register.size])

    found = reg.Control.from_block(block)
    assert (found.torque, found.acceleration) == (at(reg.TORQUE_ENABLE), at(reg.ACCELERATION))
    assert (found.goal, found.speed) == (at(reg.GOAL_POSITION), at(reg.GOAL_SPEED))
    assert found.torque_limit == at(reg.TORQUE_LIMIT)


def test_blocks_lie_side_by_side() -> None:
    assert sum(reg.CONTROL_BLOCK) == reg.FEEDBACK_BLOCK[0]
    assert (reg.CONTROL_BLOCK[0],
            sum(reg.FEEDBACK_BLOCK) - reg.CONTROL_BLOCK[0]) == reg.CYCLE_BLOCK
    assert sum(reg.CONFIGURATION_BLOCK) == reg.CONTROL_BLOCK[0]


@pytest.mark.parametrize('size', (0, 15, 17))
def test_control_block_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f'{size} bytes, expected 16'):
        reg.Control.from_block(bytes(size))


def test_feedback_block_of_the_manual() -> None:
    block = bytes.fromhex('00 08 64 80 2C 05 78 26 00 00 01 00 00 1F 00')
    assert Feedback.from_block(block) == Feedback(
        position=2048, speed=-100, load=-300, voltage=120, temperature=38, status=0, moving=1,
        current=31)


@given(st.binary(min_size=15, max_size=15))
def test_feedback_block_agrees_with_the_registers(block: bytes) -> None:
    def at(register: Register) -> int:
        start = register.address - reg.FEEDBACK_BLOCK[0]
        return register.decode(block[start:start + register.size])

    found = Feedback.from_block(block)
    assert (found.position, found.speed) == (at(reg.PRESENT_POSITION), at(reg.PRESENT_SPEED))
    assert (found.voltage, found.temperature) == (
        at(reg.PRESENT_VOLTAGE), at(reg.PRESENT_TEMPERATURE))
    assert (found.status, found.moving) == (at(reg.STATUS), at(reg.MOVING))
    assert (found.load, found.current) == (at(reg.PRESENT_LOAD), at(reg.PRESENT_CURRENT))


@pytest.mark.parametrize('size', (0, 14, 16))
def test_feedback_block_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f'{size} bytes, expected 15'):
        Feedback.from_block(bytes(size))
