# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measurements of servos in SI units, against the reference's golden frame (section 1.6)."""

from __future__ import annotations

import math

from arm_fixture import SimulatedArm
from hypothesis import given
from hypothesis import strategies as st
import pytest

from reflex_ros.errors import BusTimeout
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.calibration import from_range
from reflex_ros.hardware.codec import StatusError
from reflex_ros.hardware.survey import error_names, joint_name, Servo, Survey, to_reading

# Position 2048, speed -100, load -300, 12.0 V, 38 degC, moving, current 31.
GOLDEN = bytes.fromhex('0008 6480 2C05 78 26 00 00 01 0000 1F00')
CONTROL = bytes([1]) + bytes(15)
PAN = from_range(0, 700, 3425, 953)


def servo(phase: int = 12, calibrated: bool = True) -> Servo:
    return Servo(1, {reg.PHASE: phase}, PAN if calibrated else None, '')


def test_golden_frame_in_si_units() -> None:
    found = to_reading(servo(), 0, CONTROL + GOLDEN)
    assert found.ticks == 2048 and found.torque
    assert found.position == pytest.approx((2048 - 2062.5) * 2 * math.pi / 4096)
    assert found.velocity == pytest.approx(-0.153398, abs=1e-6)
    assert found.load == pytest.approx(-0.3)
    assert found.current == pytest.approx(0.2015)
    assert (found.voltage, found.temperature, found.errors) == (12.0, 38, ())


def test_speed_counts_fifty_ticks_with_the_other_phase() -> None:
    assert to_reading(servo(phase=8), 0, CONTROL + GOLDEN).velocity == pytest.approx(-7.66990)


def test_position_of_an_uncalibrated_servo_is_in_ticks_only() -> None:
    found = to_reading(servo(calibrated=False), 0, bytes(16) + GOLDEN)
    assert found.position is None and found.ticks == 2048 and not found.torque


def test_errors_of_frame_and_register_are_both_named() -> None:
    block = bytearray(CONTROL + GOLDEN)
    block[65 - 40] = 0x04
    assert to_reading(servo(), 0x20, bytes(block)).errors == ('temperature', 'overload')


@given(st.integers(0, 255))
def test_every_error_bit_has_a_name(bits: int) -> None:
    names = error_names(bits)
    assert sum(StatusError[name.upper()] if not name.startswith('0x') else int(name, 16)
               for name in names) == bits


def test_short_block_is_refused() -> None:
    with pytest.raises(ValueError, match='feedback block'):
        to_reading(servo(), 0, (CONTROL + GOLDEN)[:-1])


def test_foreign_id_has_no_joint() -> None:
    assert [joint_name(id_) for id_ in (1, 6, 7)] == ['shoulder_pan', 'gripper', 'servo_7']


def test_servo_that_falls_silent_is_left_out_until_it_is_back(instant_arm: SimulatedArm) -> None:
    instant_arm.reset()
    arm = instant_arm.open()
    try:
        survey = Survey(arm.bus)
        assert set(survey.read()[1]) == {1, 2, 3, 4, 5, 6}
        instant_arm.control.fault('silent', ids=[2, 5])
        assert set(survey.read()[1]) == {1, 3, 4, 6} and survey.silent == (2, 5)
        instant_arm.control.fault('bus_silent')
        assert survey.read()[1] == {}
        instant_arm.control.clear()
        assert set(survey.read()[1]) == {1, 2, 3, 4, 5, 6} and survey.silent == ()
        instant_arm.control.fault('bus_silent')
        with pytest.raises(BusTimeout, match='no servo answers'):
            Survey(arm.bus)
    finally:
        arm.close()
        instant_arm.reset()
