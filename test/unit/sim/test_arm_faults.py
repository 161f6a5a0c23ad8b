# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the adapter, of a servo's firmware and mechanics, and when they begin and end."""

from __future__ import annotations

import pytest

from reflex_ros.errors import BusTimeout, ConfigurationError, PortLost
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus
from reflex_ros.sim.arm.client import ArmControlError
from reflex_ros.sim.arm.faults import fault_arguments, FAULTS, parse_fault
from reflex_ros.sim.arm.joints import POSES
from reflex_ros.sim.arm.settings import Model, Settings
from reflex_ros.sim.arm.virtual import VirtualArm

PING_1 = bytes.fromhex('FF FF 01 02 01 FB')
PONG_1 = bytes.fromhex('FF FF 01 02 00 FC')
READ_MODEL_3 = bytes.fromhex('FF FF 03 04 02 03 02 F1')
ROLL = 5


class Rig:
    """An arm in virtual time, its bus and its control."""

    def __init__(self, **options: object) -> None:
        options = {'dither': False, 'pose': (0.0,) * 6, **options}
        self.arm = VirtualArm(Settings(**options))  # type: ignore[arg-type]
        self.control, self.clock = self.arm.control, self.arm.clock
        self.bus = Bus(self.arm.open())

    def ask(self, frame: bytes, count: int) -> bytes:
        self.bus.port.drain()
        self.bus.port.write(frame)
        return self.bus.port.read(count)

    def move(self, servo_id: int, ticks: int, seconds: float = 3.0) -> int:
        """Command a goal to a joint, and return its position after a while."""
        self.bus.write(servo_id, reg.GOAL_POSITION, ticks)
        self.clock.sleep(seconds)
        return self.bus.read(servo_id, reg.PRESENT_POSITION)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_fault_begins_and_ends_when_it_was_told_to(rig: Rig) -> None:
    rig.control.fault('silent', ids=[1], after_s=1.0, duration_s=2.0)
    answers = []
    for _ in range(4):
        answers.append(rig.ask(PING_1, 6) == PONG_1)
        rig.clock.sleep(0.9)
    assert answers == [True, True, False, False]
    rig.clock.sleep(0.2)
    assert rig.ask(PING_1, 6) == PONG_1


def test_a_planned_fault_can_be_called_off(rig: Rig) -> None:
    rig.control.fault('silent', after_s=1.0)
    assert rig.control.clear() == 1
    rig.clock.sleep(2.0)
    assert rig.ask(PING_1, 6) == PONG_1


def test_the_command_line_says_the_same_as_the_socket() -> None:
    arguments = fault_arguments('drop:ids=2+3,probability=0.5,after_s=1,duration_s=2')
    assert parse_fault(arguments.pop('name'), 0, **arguments) == parse_fault(
        'drop', 0, ids=[2, 3], probability=0.5, after_s=1, duration_s=2)
    assert fault_arguments('echo') == {'name': 'echo'}
    for text in ('drop:ids=x', 'drop:ms', 'drop:=,'):
        with pytest.raises(ValueError, match='is not written as key=number'):
            fault_arguments(text)


@pytest.mark.parametrize('name', FAULTS)
def test_every_fault_can_be_switched_on_and_off_and_leaves_a_working_arm(name: str) -> None:
    rig = Rig(fast=True)
    rig.control.fault(name)
    for frame in (PING_1, READ_MODEL_3):
        try:
            rig.ask(frame, 40)
        except PortLost:
            assert name in ('blocked', 'unplug')
    rig.clock.sleep(0.1)
    rig.control.clear()
    rig.clock.sleep(1.0)
    port = rig.arm.open()
    port.drain()
    port.write(PING_1)
    assert port.read(7)[-6:-2] == PONG_1[:4]


def test_a_lost_and_an_extra_byte(rig: Rig) -> None:
    rig.control.fault('lost_byte', byte=3)
    assert rig.ask(PING_1, 6) == PONG_1[:3] + PONG_1[4:]
    rig.control.clear()
    rig.control.fault('extra_byte', byte=2)
    reply = rig.ask(PING_1, 7)
    assert len(reply) == 7 and reply[:2] + reply[3:] == PONG_1


def test_the_cable_comes_out_and_goes_in_again_under_a_new_number(rig: Rig) -> None:
    before = rig.control.state()['device']
    rig.control.fault('unplug', after_s=0.5, duration_s=1.0)
    rig.clock.sleep(0.6)
    with pytest.raises(PortLost):
        rig.ask(PING_1, 6)
    with pytest.raises(ConfigurationError):
        rig.arm.open()
    rig.clock.sleep(1.0)
    again = rig.arm.open()
    again.write(PING_1)
    assert again.read(6) == PONG_1
    assert rig.control.state()['device'] != before


def test_another_program_holds_the_port(rig: Rig) -> None:
    rig.control.fault('port_held')
    with pytest.raises(ConfigurationError, match='in use'):
        rig.arm.open()
    rig.control.clear()
    rig.arm.open()


def test_wires_of_some_ohm_let_the_supply_sag_under_load() -> None:
    lowest = {}
    for ohm in (0, 1):
        rig = Rig(model=Model.PHYSICAL)
        rig.control.fault('sag', volts=0, ohm=ohm)
        rig.control.fault('jam')
        for servo_id in range(1, 7):
            rig.bus.write(servo_id, reg.GOAL_POSITION, 2600)
        rig.clock.sleep(0.5)
        lowest[ohm] = rig.bus.read(1, reg.PRESENT_VOLTAGE)
    assert lowest[1] < lowest[0] - 20


def test_a_brown_out_restarts_all_servos_but_5_volts_do_not(rig: Rig) -> None:
    rig.move(ROLL, 2100, 0.5)
    rig.control.fault('sag', volts=7.1, duration_s=0.2)
    rig.clock.sleep(1.0)
    assert rig.bus.read(ROLL, reg.TORQUE_ENABLE) == 1
    rig.control.fault('sag', volts=10, duration_s=0.2)
    rig.clock.sleep(0.1)
    with pytest.raises(BusTimeout):
        rig.bus.ping(ROLL)
    rig.clock.sleep(0.5)
    with pytest.raises(BusTimeout):
        rig.bus.ping(ROLL)
    rig.clock.sleep(0.5)
    assert rig.bus.read(ROLL, reg.TORQUE_ENABLE) == 0
    assert rig.bus.read(ROLL, reg.GOAL_POSITION) == 0


def test_a_loose_wire_is_silent_at_some_angles_only(rig: Rig) -> None:
    assert rig.move(ROLL, 2300) == 2300
    rig.control.fault('loose_wire', ids=[ROLL], low=2000, high=2200)
    assert rig.move(ROLL, 2400, 1.0) == 2400
    with pytest.raises(BusTimeout):
        rig.move(ROLL, 2100)


def test_a_wall_stops_the_joint_and_overload_trips(rig: Rig) -> None:
    rig.move(ROLL, 2000)
    rig.control.fault('wall', ids=[ROLL], ticks=2200)
    assert rig.move(ROLL, 3000, 2.0) == 2200
    rig.clock.sleep(1.5)
    assert rig.bus.read(ROLL, reg.STATUS) == 0x20
    rig.control.fault('heat', ids=[1])
    assert rig.bus.read(ROLL, reg.PRESENT_POSITION) == 2200
    rig.control.clear()
    rig.bus.write(ROLL, reg.TORQUE_ENABLE, 0)
    assert rig.move(ROLL, 3000) == 3000


def test_a_wall_stays_on_its_side_when_another_fault_comes(rig: Rig) -> None:
    rig.move(ROLL, 3000)
    rig.control.fault('wall', ids=[ROLL], ticks=2200)
    assert rig.move(ROLL, 2000, 1.0) == 2200
    rig.control.fault('heat', ids=[1])
    assert rig.move(ROLL, 1900, 1.0) == 2200
    assert rig.move(ROLL, 2500, 1.0) == 2500


def test_backlash_lets_the_output_lag_behind_on_each_side(rig: Rig) -> None:
    rig.control.fault('backlash', ids=[ROLL], deg=1)
    assert rig.move(ROLL, 2500) == 2494
    assert rig.move(ROLL, 2300) == 2306


def test_another_model_firmware_and_id_are_shown_and_answered_to(rig: Rig) -> None:
    rig.control.fault('other_model', ids=[3], model=2825, major=3, minor=9)
    assert rig.bus.read(3, reg.MODEL_NUMBER) == 2825
    assert rig.bus.read(3, reg.FIRMWARE_MINOR) == 9
    assert rig.bus.read(4, reg.MODEL_NUMBER) == 777
    rig.control.fault('other_id', ids=[4], as_id=40)
    assert rig.bus.read(40, reg.ID) == 40
    with pytest.raises(BusTimeout):
        rig.bus.ping(4)
    rig.control.clear()
    assert rig.bus.read(3, reg.MODEL_NUMBER) == 777


def test_two_servos_of_one_id_spoil_each_others_replies() -> None:
    rig = Rig(pose=POSES['ready'])
    rig.control.fault('other_id', ids=[2], as_id=1)
    with pytest.raises(BusTimeout):
        rig.bus.read(1, reg.PRESENT_POSITION)


def test_status_level_0_keeps_silent_after_writes(rig: Rig) -> None:
    rig.control.fault('status_level', ids=[1])
    with pytest.raises(BusTimeout):
        rig.bus.write(1, reg.ACCELERATION, 20)
    assert rig.bus.read(1, reg.ACCELERATION) == 20
    assert rig.bus.read(1, reg.RESPONSE_LEVEL) == 0


def test_a_big_endian_servo_swaps_words_both_ways(rig: Rig) -> None:
    rig.control.fault('big_endian', ids=[3])
    assert rig.ask(READ_MODEL_3, 8)[5:7] == b'\x03\x09'
    rig.bus.write(3, reg.GOAL_SPEED, 0x0102)
    assert rig.bus.read(3, reg.GOAL_SPEED) == 0x0102
    rig.control.clear()
    assert rig.bus.read(3, reg.GOAL_SPEED) == 0x0201
    assert rig.bus.read(3, reg.ACCELERATION) == 0


def test_eeprom_is_busy_for_as_long_as_it_was_told(rig: Rig) -> None:
    rig.control.fault('eeprom_busy', ids=[1])
    for servo_id in (1, 2):
        rig.bus.write(servo_id, reg.LOCK, 0)
        rig.bus.write(servo_id, reg.P_COEFFICIENT, 20)
    assert [rig.bus.read(i, reg.P_COEFFICIENT) for i in (1, 2)] == [0, 20]
    rig.clock.sleep(0.3)
    assert rig.bus.read(1, reg.P_COEFFICIENT) == 20


def test_a_foreign_tool_changes_the_offset_for_good(rig: Rig) -> None:
    before = rig.bus.read(1, reg.HOMING_OFFSET), rig.bus.read(1, reg.PRESENT_POSITION)
    rig.control.fault('offset_changed', ids=[1], ticks=50)
    rig.control.power(False)
    rig.control.power(True)
    rig.clock.sleep(1.0)
    assert rig.bus.read(1, reg.HOMING_OFFSET) == before[0] + 50
    assert rig.bus.read(1, reg.PRESENT_POSITION) == before[1] - 50


def test_servos_can_be_plugged_into_the_chain_one_by_one() -> None:
    rig = Rig(factory=True)
    rig.control.chain()
    with pytest.raises(BusTimeout):
        rig.bus.ping(1)
    rig.control.chain('gripper')
    rig.clock.sleep(1.0)
    for register, value in ((reg.LOCK, 0), (reg.ID, 6)):
        rig.bus.write(1, register, value)
    rig.clock.sleep(0.5)
    rig.control.chain('gripper', 'wrist_roll')
    rig.clock.sleep(1.0)
    assert rig.bus.read(6, reg.HOMING_OFFSET) == 85
    assert rig.bus.read(1, reg.HOMING_OFFSET) == 85
    with pytest.raises(ArmControlError, match='allowed is a list of shoulder_pan'):
        rig.control.chain('nose')


def test_six_servos_out_of_their_boxes_collide() -> None:
    rig = Rig(factory=True)
    assert rig.ask(PING_1, 6) == PONG_1
    with pytest.raises(BusTimeout):
        rig.bus.read(1, reg.PRESENT_POSITION)
