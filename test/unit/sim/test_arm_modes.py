# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Operating modes, directions, and the registers that report the motion."""

from __future__ import annotations

import pytest

from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus
from reflex_ros.sim.arm.settings import Model, Settings
from reflex_ros.sim.arm.virtual import VirtualArm

ROLL, PAN = 5, 1


class Rig:
    """A bus in virtual time; the arm is in its zero pose."""

    def __init__(self, **options: object) -> None:
        options = {'dither': False, 'pose': (0.0,) * 6, **options}
        self.arm = VirtualArm(Settings(**options))  # type: ignore[arg-type]
        self.clock = self.arm.clock
        self.bus = Bus(self.arm.open())

    def mode(self, servo_id: int, mode: int) -> None:
        self.bus.write(servo_id, reg.LOCK, 0)
        self.bus.write(servo_id, reg.OPERATING_MODE, mode)

    def read(self, register: reg.Register, servo_id: int = ROLL) -> int:
        return self.bus.read(servo_id, register)

    def angle(self) -> float:
        position: float = self.arm.control.state()['joints']['wrist_roll']['position_rad']
        return position


@pytest.mark.parametrize('model', Model)
def test_speed_mode_turns_at_the_goal_speed_and_stops_at_0(model: Model) -> None:
    rig = Rig(model=model)
    rig.mode(ROLL, 1)
    for speed in (800, -400):
        rig.bus.write(ROLL, reg.GOAL_SPEED, speed)
        assert rig.read(reg.TORQUE_ENABLE) == 1
        rig.clock.sleep(1.0)
        assert abs(rig.read(reg.PRESENT_SPEED) - speed) < 40
        assert rig.read(reg.MOVING) == 1
    rig.bus.write(ROLL, reg.GOAL_SPEED, 0)
    rig.bus.write(ROLL, reg.PHASE, 4)
    rig.bus.write(ROLL, reg.GOAL_SPEED, 0)
    rig.clock.sleep(1.0)
    assert rig.read(reg.PRESENT_SPEED) == 0
    assert rig.read(reg.MOVING) == 0


def test_a_joint_pressed_against_its_stop_does_not_say_that_it_moves() -> None:
    rig = Rig()
    rig.mode(PAN, 1)
    rig.bus.write(PAN, reg.GOAL_SPEED, 500)
    rig.clock.sleep(1.0)
    assert rig.read(reg.MOVING, PAN) == 1
    while rig.read(reg.PRESENT_POSITION, PAN) < 3416:
        rig.clock.sleep(0.1)
    rig.clock.sleep(0.3)
    assert rig.read(reg.MOVING, PAN) == 0


@pytest.mark.parametrize('model', Model)
def test_pwm_mode_drives_with_the_duty_itself(model: Model) -> None:
    rig = Rig(model=model)
    rig.mode(ROLL, 2)
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 1)
    speeds = []
    for duty in (300, 600, -300):
        rig.bus.write(ROLL, reg.GOAL_TIME, duty)
        rig.clock.sleep(1.0)
        assert rig.read(reg.PRESENT_LOAD) == duty
        speeds.append(rig.read(reg.PRESENT_SPEED))
    assert 0 < speeds[0] < speeds[1] < 2500 and speeds[2] == pytest.approx(-speeds[0], abs=20)
    rig.bus.write(ROLL, reg.GOAL_TIME, 900)
    rig.bus.write(ROLL, reg.TORQUE_LIMIT, 400)
    rig.clock.sleep(1.0)
    assert rig.read(reg.PRESENT_LOAD) == 400
    # Blocked, it draws the current of the duty.
    rig.arm.control.fault('jam', ids=[ROLL])
    rig.clock.sleep(0.5)
    assert rig.read(reg.PRESENT_LOAD) == 400
    assert rig.read(reg.PRESENT_CURRENT) > 130


def test_step_mode_goes_on_by_the_goal() -> None:
    rig = Rig()
    rig.mode(ROLL, 3)
    start = rig.read(reg.PRESENT_POSITION)
    for goal, position in ((200, start + 200), (200, start + 400), (-300, start + 100)):
        rig.bus.write(ROLL, reg.GOAL_POSITION, goal)
        rig.clock.sleep(1.5)
        assert abs(rig.read(reg.PRESENT_POSITION) - position) <= 1
    # Another speed, or torque anew, is no step.
    rig.bus.write(ROLL, reg.GOAL_SPEED, 1000)
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 0)
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 1)
    rig.clock.sleep(1.5)
    assert abs(rig.read(reg.PRESENT_POSITION) - start - 100) <= 1


@pytest.mark.parametrize('bit', (0x01, 0x80))
def test_a_reversed_servo_turns_the_wrong_way_and_still_arrives(bit: int) -> None:
    rig = Rig()
    rig.bus.write(ROLL, reg.LOCK, 0)
    rig.bus.write(ROLL, reg.PHASE, 12 | bit)
    rig.clock.sleep(0.5)
    before, position = rig.angle(), rig.read(reg.PRESENT_POSITION)
    rig.bus.write(ROLL, reg.GOAL_POSITION, position + 300)
    rig.clock.sleep(0.25)
    assert rig.read(reg.PRESENT_SPEED) > 0
    rig.clock.sleep(1.5)
    assert rig.read(reg.PRESENT_POSITION) == position + 300
    assert rig.angle() == pytest.approx(before - 300 * 6.283185 / 4096, abs=0.002)
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 0)
    rig.mode(ROLL, 1)
    rig.bus.write(ROLL, reg.GOAL_SPEED, 500)
    rig.clock.sleep(1.0)
    assert rig.read(reg.PRESENT_SPEED) == pytest.approx(500, abs=20)
    assert rig.angle() < before - 0.8


def test_the_dead_zone_of_the_registers_is_left_alone() -> None:
    parked = {}
    for zone in (1, 32):
        rig = Rig(model=Model.PHYSICAL)
        rig.bus.write(ROLL, reg.CW_DEAD_ZONE, zone)
        rig.bus.write(ROLL, reg.GOAL_POSITION, 2100)
        rig.clock.sleep(2.0)
        rig.bus.write(ROLL, reg.GOAL_POSITION, rig.read(reg.PRESENT_POSITION) + 25)
        rig.clock.sleep(2.0)
        parked[zone] = rig.read(reg.PRESENT_LOAD)
    assert parked[32] == 0 and parked[1] > 0


def test_a_mode_change_under_torque_ends_the_motion_until_the_next_goal() -> None:
    rig = Rig()
    rig.bus.write(ROLL, reg.GOAL_SPEED, 300)
    rig.bus.write(ROLL, reg.GOAL_POSITION, 3500)
    rig.clock.sleep(1.0)
    assert rig.read(reg.PRESENT_SPEED) == pytest.approx(300, abs=10)
    rig.mode(ROLL, 1)
    rig.clock.sleep(0.5)
    assert (rig.read(reg.PRESENT_SPEED), rig.read(reg.TORQUE_ENABLE)) == (0, 1)
    rig.bus.write(ROLL, reg.GOAL_SPEED, -300)
    rig.clock.sleep(1.0)
    assert rig.read(reg.PRESENT_SPEED) == pytest.approx(-300, abs=10)


def test_the_goal_speed_after_power_on_is_the_firmwares() -> None:
    assert Rig().read(reg.GOAL_SPEED) == 0
    assert Rig(power_on_speed=3400).read(reg.GOAL_SPEED) == 3400


def test_voltage_and_temperature_flicker_by_one_count() -> None:
    rig = Rig(dither=True)
    volts, degrees = set(), set()
    for _ in range(60):
        volts.add(rig.read(reg.PRESENT_VOLTAGE))
        degrees.add(rig.read(reg.PRESENT_TEMPERATURE))
    assert len(volts) == 3 and len(degrees) == 3
    assert max(volts) - min(volts) == max(degrees) - min(degrees) == 2


def test_broadcast_ping_is_answered_in_the_order_of_the_ids() -> None:
    rig = Rig()
    rig.bus.write(1, reg.ID, 9)
    rig.bus.port.drain()
    rig.bus.port.write(bytes.fromhex('FF FF FE 02 01 FE'))
    reply = rig.bus.port.read(36)
    assert [reply[6 * k + 2] for k in range(6)] == [2, 3, 4, 5, 6, 9]


def test_a_damped_joint_falls_more_slowly() -> None:
    fallen = []
    for torque in (0, 2):
        rig = Rig()
        rig.bus.write(2, reg.TORQUE_ENABLE, torque)
        rig.clock.sleep(0.5)
        fallen.append(rig.arm.control.state()['joints']['shoulder_lift']['position_rad'])
    assert 0 < 2 * fallen[1] < fallen[0]


@pytest.mark.parametrize('part, volts, ticks_s', (
    ('c018', 121, 3215), ('c001', 74, 3530), ('c001_bam', 74, 3430)))
def test_each_part_has_its_supply_its_limit_and_its_speed(part: str, volts: int,
                                                          ticks_s: int) -> None:
    rig = Rig(part=part, model=Model.PHYSICAL)
    assert abs(rig.read(reg.PRESENT_VOLTAGE) - volts) <= 1
    assert rig.read(reg.STATUS) == 0
    assert rig.read(reg.MAX_INPUT_VOLTAGE) == {121: 140, 74: 80}[volts]
    rig.mode(ROLL, 2)
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 1)
    rig.bus.write(ROLL, reg.GOAL_TIME, 1000)
    rig.clock.sleep(2.0)
    # Without load, less what friction and the wires take.
    assert ticks_s * 0.85 < rig.read(reg.PRESENT_SPEED) < ticks_s


def test_over_current_cuts_the_output_until_torque_is_off() -> None:
    rig = Rig()
    rig.bus.write(ROLL, reg.PROTECTION_CURRENT, 200)
    rig.bus.write(ROLL, reg.OVERLOAD_TORQUE, 100)
    rig.arm.control.fault('jam', ids=[ROLL])
    rig.bus.write(ROLL, reg.GOAL_POSITION, 3000)
    rig.clock.sleep(1.5)
    assert (rig.read(reg.STATUS), rig.read(reg.PRESENT_CURRENT) > 200) == (0, True)
    rig.clock.sleep(1.5)
    assert rig.read(reg.STATUS) == 0x08
    rig.clock.sleep(0.1)
    assert (rig.read(reg.PRESENT_LOAD), rig.read(reg.PRESENT_CURRENT)) == (0, 0)
    assert rig.read(reg.TORQUE_ENABLE) == 1
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 0)
    assert rig.read(reg.STATUS) == 0


def test_recovery_leaves_a_12_volt_servo_a_12_volt_servo() -> None:
    rig = Rig()
    rig.bus.port.write(bytes.fromhex('FF FF 05 02 06 F2'))
    assert rig.bus.port.read(6) == bytes.fromhex('FF FF 05 02 00 F8')
    rig.clock.sleep(0.5)
    assert (rig.read(reg.MAX_INPUT_VOLTAGE), rig.read(reg.HOMING_OFFSET)) == (140, 0)
    assert rig.read(reg.STATUS) == 0


# From the vendor's table: address, size, value of a calibrated shoulder_pan, writable.
TABLE = (
    (0, 1, 3, False), (1, 1, 10, False), (2, 1, 0, False), (3, 2, 777, False), (5, 1, 1, True),
    (6, 1, 0, True), (7, 1, 0, True), (8, 1, 1, True), (9, 2, 691, True), (11, 2, 3416, True),
    (13, 1, 70, True), (14, 1, 140, True), (15, 1, 40, True), (16, 2, 1000, True),
    (18, 1, 12, True), (19, 1, 44, True), (20, 1, 47, True), (21, 1, 16, True),
    (22, 1, 32, True), (23, 1, 0, True), (24, 2, 16, True), (26, 1, 1, True), (27, 1, 1, True),
    (28, 2, 500, True), (30, 1, 1, True), (31, 2, 412, True), (33, 1, 0, True), (34, 1, 20, True),
    (35, 1, 200, True), (36, 1, 80, True), (37, 1, 10, True), (38, 1, 200, True),
    (39, 1, 10, True), (40, 1, 0, True), (41, 1, 0, True), (44, 2, 0, True),
    (46, 2, 0, True), (48, 2, 1000, True), (55, 1, 1, True), (58, 2, 0, False),
    (60, 2, 0, False), (62, 1, 121, False), (64, 1, 0, False), (65, 1, 0, False),
    (66, 1, 0, False), (69, 2, 0, False), (80, 1, 1, True), (84, 1, 68, True),
    (85, 1, 254, True),
)


@pytest.mark.parametrize('address, size, value, writable', TABLE)
def test_register_has_its_width_value_access_and_persistence(address: int, size: int, value: int,
                                                             writable: bool) -> None:
    rig = Rig(pose=None)
    servo = rig.arm.bus.servos[0]

    def read() -> int:
        return int.from_bytes(servo.read(address, size, rig.clock.now_ns()), 'little')

    assert read() == value
    servo.write(55, b'\x00', 0)
    # Changes every byte of the register, and fits into all of them.
    other = value ^ int.from_bytes(b'\x01' * size, 'little')
    servo.write(address, other.to_bytes(size, 'little'), 0)
    assert read() == (other if writable else value)
    rig.clock.sleep(1.0)
    rig.arm.bus.advance(rig.clock.now_ns())
    if address != 55:
        servo.power_cycle(rig.clock.now_ns(), 0.0)
        rig.clock.sleep(0.1)
        rig.arm.bus.advance(rig.clock.now_ns())
        keeps = writable and (address < 40 or address >= 80)
        assert read() == (other if keeps else value)
