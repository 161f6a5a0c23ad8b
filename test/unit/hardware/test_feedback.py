# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The measurements of several servos against the register table."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.feedback import FeedbackArrays
from reflex_ros.hardware.registers import Register


def test_feedback_arrays_of_the_manual() -> None:
    block = bytes.fromhex('00 08 64 80 2C 05 78 26 00 00 01 00 00 1F 00')
    found = FeedbackArrays(block + block)
    assert found.position.tolist() == [2048, 2048] and found.speed.tolist() == [-100, -100]
    assert found.load.tolist() == [-300, -300] and found.voltage.tolist() == [120, 120]
    assert found.temperature.tolist() == [38, 38] and found.status == [0, 0]
    assert found.current.tolist() == [31, 31]


@given(st.lists(st.binary(min_size=15, max_size=15), min_size=1, max_size=6))
def test_feedback_arrays_agree_with_the_registers(blocks: list[bytes]) -> None:
    def at(register: Register) -> list[int]:
        start = register.address - reg.FEEDBACK_BLOCK[0]
        return [register.decode(block[start:start + register.size]) for block in blocks]

    # No servo sets the bits above the sign of the load; the table's decode ignores them.
    blocks = [block[:5] + bytes((block[5] & 0x07,)) + block[6:] for block in blocks]
    found = FeedbackArrays(b''.join(blocks))
    assert found.position.tolist() == at(reg.PRESENT_POSITION)
    assert found.speed.tolist() == at(reg.PRESENT_SPEED)
    assert found.load.tolist() == at(reg.PRESENT_LOAD)
    assert found.voltage.tolist() == at(reg.PRESENT_VOLTAGE)
    assert found.temperature.tolist() == at(reg.PRESENT_TEMPERATURE)
    assert found.status == at(reg.STATUS)
    assert found.current.tolist() == at(reg.PRESENT_CURRENT)


@pytest.mark.parametrize('size', (14, 16, 31))
def test_feedback_arrays_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f'{size} bytes, expected 15 for each servo'):
        FeedbackArrays(bytes(size))
