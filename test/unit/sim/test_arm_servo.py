# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The effects of reading and writing the registers of one servo."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.servo import Servo
from reflex_ros.sim.arm.settings import Model, OverloadClears, Settings

MS = 1_000_000
S = 1_000_000_000


def make_bus(**options: object) -> ArmBus:
    options = {'fast': True, 'dither': False, 'model': Model.INSTANT, **options}
    return ArmBus(Settings(**options))  # type: ignore[arg-type]


@pytest.fixture
def bus() -> ArmBus:
    return make_bus()


@pytest.fixture
def servo(bus: ArmBus) -> Servo:
    """Return the wrist roll: it has no stops and no load."""
    return bus.servos[4]


def read(servo: Servo, register: reg.Register, now_ns: int = 0) -> int:
    return register.decode(servo.read(register.address, register.size, now_ns))


def write(servo: Servo, register: reg.Register, value: int, now_ns: int = 0) -> None:
    servo.write(register.address, register.encode(value), now_ns)


def test_calibrated_arm_has_its_limits_offsets_and_power_on_values(bus: ArmBus) -> None:
    widths = []
    for number, servo in enumerate(bus.servos, 1):
        assert read(servo, reg.ID) == number
        assert servo.read(0, 5, 0) == bytes.fromhex('03 0A 00 09 03')
        assert read(servo, reg.MAX_INPUT_VOLTAGE) == 140
        assert (read(servo, reg.P_COEFFICIENT), read(servo, reg.PHASE)) == (16, 12)
        assert (read(servo, reg.TORQUE_ENABLE), read(servo, reg.GOAL_POSITION)) == (0, 0)
        assert (read(servo, reg.LOCK), read(servo, reg.TORQUE_LIMIT)) == (1, 1000)
        assert read(servo, reg.HOMING_OFFSET) != 0
        low, high = read(servo, reg.MIN_POSITION_LIMIT), read(servo, reg.MAX_POSITION_LIMIT)
        assert low <= read(servo, reg.PRESENT_POSITION) <= high
        widths.append(high - low)
    assert widths == [2725, 2350, 2222, 2329, 4095, 1475]


def test_goal_write_away_from_the_pose_switches_torque_on(servo: Servo) -> None:
    write(servo, reg.GOAL_POSITION, servo.present_ticks(0))
    assert not servo.torque_on
    write(servo, reg.GOAL_POSITION, servo.present_ticks(0) + 10)
    assert servo.torque_on


def test_goal_write_leaves_torque_off_when_told_so() -> None:
    servo = make_bus(torque_on_goal_write=False).servos[4]
    write(servo, reg.GOAL_POSITION, 1000)
    assert not servo.torque_on


def test_torque_on_goes_to_the_stale_goal(bus: ArmBus, servo: Servo) -> None:
    write(servo, reg.TORQUE_ENABLE, 1)
    bus.advance(10 * MS)
    assert read(servo, reg.PRESENT_POSITION, 10 * MS) == 0


def test_torque_on_can_be_made_to_keep_the_pose() -> None:
    bus = make_bus(latch_goal_on_torque=True)
    before = read(bus.servos[4], reg.PRESENT_POSITION)
    write(bus.servos[4], reg.TORQUE_ENABLE, 1)
    bus.advance(10 * MS)
    assert read(bus.servos[4], reg.PRESENT_POSITION) == before
    assert read(bus.servos[4], reg.GOAL_POSITION) == before


def test_goal_outside_the_limits_is_clamped(bus: ArmBus) -> None:
    pan = bus.servos[0]
    write(pan, reg.GOAL_POSITION, 4000)
    assert read(pan, reg.GOAL_POSITION) == pan.spec.max_ticks
    figures = bus.journal.bus.goals['shoulder_pan']
    assert (figures.writes, figures.outside_limits) == (1, 1)


def test_both_limits_zero_means_no_limits(servo: Servo) -> None:
    servo.write(9, bytes(4), 0)
    write(servo, reg.GOAL_POSITION, -5000)
    assert read(servo, reg.GOAL_POSITION) == -5000


def test_offset_shifts_the_present_position_at_once(servo: Servo) -> None:
    before = read(servo, reg.PRESENT_POSITION)
    write(servo, reg.HOMING_OFFSET, read(servo, reg.HOMING_OFFSET) + 100)
    assert read(servo, reg.PRESENT_POSITION) == before - 100


def test_offset_and_mode_keep_their_value_under_torque_when_told_so() -> None:
    servo = make_bus(mode_change_under_torque=False).servos[4]
    write(servo, reg.GOAL_POSITION, 1000)
    before = read(servo, reg.HOMING_OFFSET)
    write(servo, reg.HOMING_OFFSET, 7)
    write(servo, reg.OPERATING_MODE, 1)
    assert (read(servo, reg.HOMING_OFFSET), read(servo, reg.OPERATING_MODE)) == (before, 0)


def test_writing_128_makes_here_the_middle(servo: Servo) -> None:
    servo.place(1.0)
    write(servo, reg.TORQUE_ENABLE, 128)
    assert read(servo, reg.PRESENT_POSITION) == 2048
    assert read(servo, reg.TORQUE_ENABLE) == 0
    assert abs(read(servo, reg.HOMING_OFFSET)) <= 2047


def test_read_only_registers_keep_their_value(servo: Servo) -> None:
    write(servo, reg.MODEL_NUMBER, 1)
    write(servo, reg.PRESENT_VOLTAGE, 1)
    assert (read(servo, reg.MODEL_NUMBER), read(servo, reg.PRESENT_VOLTAGE)) == (777, 121)


def test_one_byte_of_a_word_can_be_written(servo: Servo) -> None:
    servo.write(48, b'\x10', 0)
    assert read(servo, reg.TORQUE_LIMIT) == 0x310


@pytest.mark.parametrize('lock, kept', ((0, 50), (1, 16)))
def test_lock_decides_what_survives_a_power_cycle(servo: Servo, lock: int, kept: int) -> None:
    write(servo, reg.LOCK, lock)
    write(servo, reg.P_COEFFICIENT, 50)
    servo.power_cycle(1 * S, 0.0)
    assert read(servo, reg.P_COEFFICIENT, 2 * S) == kept
    assert read(servo, reg.LOCK, 2 * S) == 1


def test_power_cycle_brings_power_on_values_back(servo: Servo) -> None:
    write(servo, reg.LOCK, 0)
    write(servo, reg.MAX_TORQUE, 500)
    assert read(servo, reg.TORQUE_LIMIT) == 1000
    servo.write(41, bytes.fromhex('20 E8 03 00 00 E8 03'), 0)
    servo.power_cycle(1 * S, 0.0)
    assert servo.read(40, 10, 1 * S) == bytes.fromhex('00 00 00 00 00 00 00 00 F4 01')


def test_power_cut_right_after_an_eeprom_write_loses_it(servo: Servo) -> None:
    write(servo, reg.LOCK, 0)
    write(servo, reg.P_COEFFICIENT, 50, 1 * S)
    servo.power_cycle(1 * S + 200 * MS, 0.0)
    assert read(servo, reg.P_COEFFICIENT, 2 * S) == 16


def test_eeprom_reads_back_at_once(servo: Servo) -> None:
    write(servo, reg.LOCK, 0)
    write(servo, reg.P_COEFFICIENT, 50, 1 * S)
    assert read(servo, reg.P_COEFFICIENT, 1 * S) == 50


def test_eeprom_reads_zero_while_it_is_being_written() -> None:
    servo = make_bus(eeprom_read_s=0.25).servos[4]
    write(servo, reg.LOCK, 0)
    write(servo, reg.P_COEFFICIENT, 50, 1 * S)
    assert read(servo, reg.P_COEFFICIENT, 1 * S + 200 * MS) == 0
    assert read(servo, reg.P_COEFFICIENT, 1 * S + 250 * MS) == 50
    assert read(servo, reg.D_COEFFICIENT, 1 * S + 200 * MS) == 32


def test_multi_turn_phase_lets_the_position_leave_one_turn(servo: Servo) -> None:
    offset = read(servo, reg.HOMING_OFFSET)
    servo.motion.place(100.0)
    assert read(servo, reg.PRESENT_POSITION) == (100 - offset) % 4096
    write(servo, reg.PHASE, 12 | 16)
    assert read(servo, reg.PRESENT_POSITION) == 100 - offset < 0


def test_turns_can_be_forgotten_in_multi_turn(servo: Servo) -> None:
    write(servo, reg.PHASE, 12 | 16)
    offset = read(servo, reg.HOMING_OFFSET)
    servo.motion.place(5000.0)
    assert read(servo, reg.PRESENT_POSITION) == 5000 - offset
    servo.reset_turns()
    assert read(servo, reg.PRESENT_POSITION) == 904 - offset


def test_reg_write_waits_for_action(servo: Servo) -> None:
    servo.store_pending(42, bytes.fromhex('00 04'))
    assert (read(servo, reg.ASYNC_WRITE_FLAG), read(servo, reg.GOAL_POSITION)) == (1, 0)
    servo.execute_pending(0)
    assert (read(servo, reg.ASYNC_WRITE_FLAG), read(servo, reg.GOAL_POSITION)) == (0, 1024)


def test_recovery_restores_parameters_but_not_the_id(servo: Servo) -> None:
    write(servo, reg.GOAL_POSITION, 1000)
    servo.recover()
    assert (read(servo, reg.ID), read(servo, reg.HOMING_OFFSET)) == (5, 0)
    assert (read(servo, reg.TORQUE_ENABLE), read(servo, reg.GOAL_POSITION)) == (0, 0)


def test_backup_is_what_recovery_brings_back(servo: Servo) -> None:
    servo.memory.backup()
    write(servo, reg.P_COEFFICIENT, 99)
    servo.recover()
    assert read(servo, reg.P_COEFFICIENT) == 16


def test_calibrate_instruction_sets_the_present_position(servo: Servo) -> None:
    servo.calibrate(1234, 0)
    assert read(servo, reg.PRESENT_POSITION) == 1234


def test_speed_mode_turns_for_ever(bus: ArmBus, servo: Servo) -> None:
    bus = make_bus(model=Model.IDENTIFIED)
    servo = bus.servos[4]
    write(servo, reg.OPERATING_MODE, 1)
    write(servo, reg.GOAL_SPEED, -500)
    assert servo.torque_on
    bus.advance(2 * S)
    assert read(servo, reg.PRESENT_SPEED, 2 * S) == pytest.approx(-500, abs=2)
    write(servo, reg.GOAL_SPEED, 0, 2 * S)
    bus.advance(3 * S)
    assert read(servo, reg.PRESENT_SPEED, 3 * S) == 0


def test_step_mode_adds_up(bus: ArmBus, servo: Servo) -> None:
    write(servo, reg.OPERATING_MODE, 3)
    start = servo.motion.angle
    for k in range(3):
        write(servo, reg.GOAL_POSITION, -100, k * MS)
    bus.advance(1 * S)
    assert servo.motion.angle == start - 300


def test_voltage_bit_shows_but_cuts_nothing_by_default(bus: ArmBus, servo: Servo) -> None:
    bus.plant.supply_v = 14.5
    write(servo, reg.GOAL_POSITION, 1000)
    bus.advance(100 * MS)
    assert (read(servo, reg.STATUS, 100 * MS), servo.error_bits) == (0x01, 0x01)
    assert read(servo, reg.PRESENT_POSITION, 100 * MS) == 1000
    bus.plant.supply_v = 12.0
    bus.advance(200 * MS)
    assert servo.error_bits == 0


def test_hot_servo_lets_go_until_it_has_cooled(bus: ArmBus, servo: Servo) -> None:
    bus = make_bus(model=Model.IDENTIFIED)
    servo = bus.servos[4]
    write(servo, reg.GOAL_POSITION, servo.present_ticks(0) + 1)
    servo.sensors.temperature_c = 75.0
    bus.advance(50 * MS)
    assert servo.error_bits == 0x04
    write(servo, reg.GOAL_POSITION, 1000, 50 * MS)
    bus.advance(1 * S)
    assert abs(read(servo, reg.PRESENT_POSITION) - 1000) > 500
    servo.sensors.temperature_c = 64.0
    bus.advance(3 * S)
    assert servo.error_bits == 0
    assert read(servo, reg.PRESENT_POSITION) == 1000


def trip(bus: ArmBus) -> tuple[Servo, int]:
    """Jam the roll and ask for 1500 ticks until it trips; return the time of the trip [ns]."""
    servo = bus.servos[4]
    servo.disturbance.is_jammed = True
    write(servo, reg.GOAL_POSITION, 500)
    now = 0
    while not servo.error_bits and now < 5 * S:
        now += 10 * MS
        bus.advance(now)
    return servo, now


def test_jam_trips_after_two_seconds_and_leaves_a_fifth(bus: ArmBus) -> None:
    servo, now = trip(make_bus(model=Model.IDENTIFIED))
    assert servo.error_bits == 0x20
    # 2.0 s from the moment the setpoint is 0.3 rad away.
    assert now / S == pytest.approx(2.0 + 0.085 + 0.3 / 5.2, abs=0.03)
    assert servo.torque_on


def test_load_saturates_at_the_torque_limit_and_falls_after_a_trip() -> None:
    bus = make_bus(model=Model.IDENTIFIED)
    write(bus.servos[4], reg.TORQUE_LIMIT, 900)
    servo, now = trip(bus)
    bus.advance(now + 50 * MS)
    assert read(servo, reg.PRESENT_LOAD, now + 50 * MS) == -200


Clear = Callable[[Servo, int], None]


def torque_off(servo: Servo, now: int) -> None:
    write(servo, reg.TORQUE_ENABLE, 0, now)


def new_goal(servo: Servo, now: int) -> None:
    write(servo, reg.GOAL_POSITION, 2000, now)


def power(servo: Servo, now: int) -> None:
    servo.power_cycle(now, 0.0)


@pytest.mark.parametrize('option, act, clears', (
    (OverloadClears.TORQUE_OFF, torque_off, True),
    (OverloadClears.TORQUE_OFF, new_goal, False),
    (OverloadClears.NEW_GOAL, new_goal, True),
    (OverloadClears.NEW_GOAL, torque_off, True),
    (OverloadClears.POWER_CYCLE, torque_off, False),
    (OverloadClears.POWER_CYCLE, new_goal, False),
    (OverloadClears.POWER_CYCLE, power, True),
))
def test_what_clears_an_overload(option: OverloadClears, act: Clear, clears: bool) -> None:
    servo, now = trip(make_bus(model=Model.IDENTIFIED, overload_clears=option))
    act(servo, now)
    assert (servo.error_bits == 0) == clears
