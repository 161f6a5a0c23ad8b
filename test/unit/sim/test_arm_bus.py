# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The replies of the six servos on their line: bytes, timing, and the effects of faults."""

from __future__ import annotations

import random

import pytest

from reflex_ros.hardware import registers as reg
from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.faults import FAULTS, parse_fault
from reflex_ros.sim.arm.settings import Model, Settings, Usb
from reflex_ros.sim.arm.usb import Delivery

MS = 1_000_000
S = 1_000_000_000
US = 1_000

PING_1 = 'FF FF 01 02 01 FB'
PONG_1 = 'FF FF 01 02 00 FC'
READ_POSITION_1 = 'FF FF 01 04 02 38 02 BE'
SYNC_READ_2 = 'FF FF FE 0A 82 38 02 01 02 03 04 05 06 26'
SYNC_READ_15 = 'FF FF FE 0A 82 38 0F 01 02 03 04 05 06 19'
SYNC_GOAL_2048 = 'FF FF FE 16 83 2A 02 01 00 08 02 00 08 03 00 08 04 00 08 05 00 08 06 00 08 F7'
SYNC_TORQUE_ON = 'FF FF FE 10 83 28 01 01 01 02 01 03 01 04 01 05 01 06 01 2A'
SYNC_TORQUE_OFF = 'FF FF FE 10 83 28 01 01 00 02 00 03 00 04 00 05 00 06 00 30'


class Line:
    """A bus and the client's side of its line."""

    def __init__(self, **options: object) -> None:
        options = {'fast': True, 'dither': False, 'model': Model.INSTANT, **options}
        self.bus = ArmBus(Settings(**options))  # type: ignore[arg-type]
        self.now = 0

    def send(self, frame: str) -> list[Delivery]:
        deliveries = self.bus.receive(bytes.fromhex(frame), self.now)
        return sorted(deliveries, key=lambda delivery: delivery.due_ns)

    def ask(self, frame: str) -> str:
        """Return all reply bytes as hex."""
        return b''.join(delivery.data for delivery in self.send(frame)).hex(' ').upper()

    def replies(self, frame: str) -> list[str]:
        return [delivery.data.hex(' ').upper() for delivery in self.send(frame)]

    def wait(self, ns: int) -> None:
        self.now += ns
        self.bus.advance(self.now)

    def set(self, servo_id: int, register: reg.Register, value: int) -> None:
        self.bus.servos[servo_id - 1].set_register(register, value)

    def fault(self, fault_name: str, **arguments: object) -> None:
        self.bus.add_fault(
            parse_fault(fault_name, self.now, **arguments), self.now)  # type: ignore[arg-type]


@pytest.fixture
def line() -> Line:
    return Line()


# Golden frames: request, reply.
@pytest.mark.parametrize('request_frame, reply', (
    (PING_1, PONG_1),
    ('FF FF 03 04 02 03 02 F1', 'FF FF 03 04 00 09 03 EC'),
    ('FF FF 01 04 03 37 00 C0', PONG_1),
    ('FF FF 01 04 03 37 01 BF', PONG_1),
    ('FF FF FE 04 03 37 00 C3', ''),
    ('FF FF 01 05 03 1F B9 03 1B', PONG_1),
    ('FF FF 01 05 03 1F 17 0C B4', PONG_1),
    ('FF FF 01 07 03 09 FD 02 89 0D 56', PONG_1),
    ('FF FF 01 04 03 28 80 4F', PONG_1),
    ('FF FF 01 05 04 2A 00 08 C3', PONG_1),
    ('FF FF FE 02 05 FA', ''),
    ('FF FF 01 02 08 F4', ''),
    ('FF FF 01 02 0A F2', PONG_1),
    ('FF FF 02 04 03 28 00 CE', 'FF FF 02 02 00 FB'),
    ('FF FF 01 09 03 2A 00 08 00 00 E8 03 D5', PONG_1),
    ('FF FF 01 0A 03 29 32 E8 03 00 00 E8 03 C0', PONG_1),
    (SYNC_GOAL_2048, ''),
    (SYNC_TORQUE_ON, ''),
    (SYNC_TORQUE_OFF, ''),
))
def test_golden_frames_are_answered(line: Line, request_frame: str, reply: str) -> None:
    assert line.ask(request_frame) == reply


def test_golden_position_replies(line: Line) -> None:
    pan, gripper = line.bus.servos[0], line.bus.servos[5]
    for ticks, reply in ((1304, 'FF FF 01 04 00 18 05 DD'), (2048, 'FF FF 01 04 00 00 08 F2')):
        pan.motion.place(ticks + pan.spec.offset_ticks)
        assert line.ask(READ_POSITION_1) == reply
    gripper.motion.place(1800 + gripper.spec.offset_ticks)
    line.fault('error_bits', ids=[6], bits=0x20)
    assert line.ask('FF FF 06 04 02 38 02 B9') == 'FF FF 06 04 20 08 07 C6'
    line.fault('error_bits', ids=[2], bits=0x20)
    assert line.ask('FF FF 02 04 03 28 00 CE') == 'FF FF 02 02 20 DB'


def test_limits_and_offset_frames_land_in_the_registers(line: Line) -> None:
    line.ask('FF FF 01 07 03 09 FD 02 89 0D 56')
    line.ask('FF FF 01 05 03 1F 17 0C B4')
    memory = line.bus.servos[0].memory
    assert memory.get(reg.MIN_POSITION_LIMIT) == 765
    assert memory.get(reg.MAX_POSITION_LIMIT) == 3465
    assert memory.get(reg.HOMING_OFFSET) == -1047


def test_sync_read_answers_in_list_order(line: Line) -> None:
    replies = line.replies(SYNC_READ_15)
    assert [reply[6:8] for reply in replies] == ['01', '02', '03', '04', '05', '06']
    assert all(len(reply.split()) == 21 for reply in replies)
    replies = line.replies('FF FF FE 06 82 38 02 05 02 38')
    assert [reply[6:8] for reply in replies] == ['05', '02']


def test_broadcast_ping_is_answered_by_all(line: Line) -> None:
    assert line.replies('FF FF FE 02 01 FE') == [
        PONG_1, 'FF FF 02 02 00 FB', 'FF FF 03 02 00 FA', 'FF FF 04 02 00 F9',
        'FF FF 05 02 00 F8', 'FF FF 06 02 00 F7']


@pytest.mark.parametrize('frame', (
    'FF FF 09 02 01 F3',              # unknown id
    'FF FF 01 02 55 A7',              # unknown instruction
    'FF FF 01 04 02 38 00 C0',        # nothing to read
    'FF FF 01 04 02 F0 20 E8',        # beyond the memory
    'FF FF 01 03 02 38 C1',           # read without a count
    'FF FF FE 04 02 38 02 C1',        # broadcast read
    'FF FF 01 05 82 38 02 01 3C',     # sync read to one servo
))
def test_what_a_servo_cannot_understand_is_not_answered(line: Line, frame: str) -> None:
    assert line.ask(frame) == ''
    assert line.ask(PING_1) == PONG_1


def test_sync_write_of_the_wrong_length_is_ignored(line: Line) -> None:
    line.ask('FF FF FE 07 83 2A 02 01 00 08 42')
    line.ask('FF FF FE 08 83 2A 02 01 00 08 02 3F')
    line.ask('FF FF FE 06 83 2A 02 01 00 4B')
    assert line.bus.journal.bus.goals['shoulder_pan'].writes == 1


def test_response_level_0_answers_reads_and_pings_only(line: Line) -> None:
    line.set(1, reg.RESPONSE_LEVEL, 0)
    assert line.ask('FF FF 01 04 03 37 00 C0') == ''
    assert line.ask(PING_1) == PONG_1
    assert line.ask(READ_POSITION_1) != ''


def test_id_change_is_acknowledged_by_the_old_id(line: Line) -> None:
    assert line.ask('FF FF 01 04 03 05 09 E9') == PONG_1
    assert line.ask(PING_1) == ''
    assert line.ask('FF FF 09 02 01 F3') == 'FF FF 09 02 00 F4'


def test_servo_at_another_baud_is_not_heard(line: Line) -> None:
    line.ask('FF FF 01 04 03 06 04 ED')
    assert line.ask(PING_1) == ''
    line.bus.set_baud(115_200)
    assert line.ask(PING_1) == PONG_1
    assert line.ask('FF FF 02 02 01 FA') == ''


def test_two_servos_with_one_id_spoil_each_other(line: Line) -> None:
    line.set(2, reg.ID, 1)
    assert line.ask(PING_1) == PONG_1
    reply = bytes.fromhex(line.ask(READ_POSITION_1))
    assert (sum(reply[2:]) & 0xFF) != 0xFF


def test_reboot_is_silent_for_a_while_and_resets_sram(line: Line) -> None:
    line.ask(SYNC_GOAL_2048)
    assert line.ask('FF FF 01 02 08 F4') == ''
    line.wait(700 * MS)
    assert line.ask(PING_1) == ''
    line.wait(101 * MS)
    assert line.ask('FF FF 01 04 02 28 04 CC') == 'FF FF 01 06 00 00 00 00 00 F8'


# Timing: 10 us per byte, 50 us of turnaround.
@pytest.mark.parametrize('frame, expected_us', (
    (SYNC_READ_2, 920), ('FF FF FE 0A 82 38 04 01 02 03 04 05 06 24', 1040),
    ('FF FF FE 0A 82 38 08 01 02 03 04 05 06 20', 1280), (SYNC_READ_15, 1700),
    (PING_1, 60 + 50 + 60),
))
def test_replies_are_due_as_on_the_wire(frame: str, expected_us: int) -> None:
    line = Line(fast=False)
    line.now = 5 * S
    assert line.send(frame)[-1].due_ns - line.now == expected_us * US


def test_request_waits_for_the_line() -> None:
    line = Line(fast=False)
    assert line.send(SYNC_GOAL_2048) == []
    assert line.send(SYNC_READ_2)[-1].due_ns == (260 + 920) * US


def test_missing_servo_leaves_a_gap_or_stops_the_chain() -> None:
    line = Line(fast=False)
    line.fault('silent', ids=[3])
    deliveries = line.send(SYNC_READ_2)
    assert [d.data[2] for d in deliveries] == [1, 2, 4, 5, 6]
    assert deliveries[-1].due_ns == 920 * US
    line = Line(chain_stops=True)
    line.fault('silent', ids=[3])
    assert [d.data[2] for d in line.send(SYNC_READ_2)] == [1, 2]


def test_return_delay_register_adds_two_microseconds_per_count() -> None:
    line = Line(fast=False)
    line.set(1, reg.RETURN_DELAY, 250)
    assert line.send(PING_1)[0].due_ns == (170 + 500) * US


def test_replies_arrive_in_packets_of_64_bytes_or_one_by_one() -> None:
    line = Line(fast=False, usb=Usb.BULK)
    assert [d.due_ns for d in line.send(SYNC_READ_15)] == [920 * US] * 3 + [1700 * US] * 3
    line = Line(fast=False, usb=Usb.BULK)
    assert [d.due_ns for d in line.send(SYNC_READ_2)] == [920 * US] * 6
    line = Line(fast=False)
    assert [d.due_ns for d in line.send(SYNC_READ_2)] == [
        (140 + 130 * k) * US for k in range(1, 7)]


def test_usb_frames_quantise_the_replies() -> None:
    line = Line(fast=False, usb=Usb.CDC_1MS)
    assert {d.due_ns for d in line.send(SYNC_READ_2)} == {1 * MS}
    line = Line(fast=False, usb=Usb.CDC_1MS)
    assert line.send(SYNC_READ_15)[-1].due_ns == 2 * MS


# Faults
def test_every_fault_can_be_switched_on_and_off(line: Line) -> None:
    before = line.ask(SYNC_READ_15)
    for name, kind in FAULTS.items():
        line = Line()
        line.fault(name, duration_s=0.01)
        line.ask(SYNC_READ_15)
        if kind.layer == 'once':
            continue
        assert [f.name for f in line.bus.faults.active] == [name]
        line.wait(1 * S)
        assert line.bus.faults.active == []
        line.wait(1 * S)
        assert len(line.ask(SYNC_READ_15)) == len(before)


@pytest.mark.parametrize('name, params, expected', (
    ('drop', {}, ''),
    ('bus_silent', {}, ''),
    ('request_loss', {}, ''),
    ('silent', {}, ''),
    ('chain_cut', {'id': 1}, ''),
    ('power_loss', {}, ''),
    ('truncate', {'keep': 4}, 'FF FF 01 02'),
    ('wrong_id', {'as_id': 7}, 'FF FF 07 02 00 F6'),
    ('duplicate', {}, PONG_1 + ' ' + PONG_1),
    ('echo', {}, PING_1 + ' ' + PONG_1),
    ('error_bits', {'bits': 0x20}, 'FF FF 01 02 20 DC'),
))
def test_what_a_fault_makes_of_a_reply(line: Line, name: str, params: dict[str, float],
                                       expected: str) -> None:
    line.fault(name, **params)
    assert line.ask(PING_1) == expected
    line.bus.clear_faults(line.now)
    line.wait(1 * S)
    assert line.ask(PING_1) == PONG_1


def test_corrupt_and_bad_checksum_break_the_sum_but_not_the_length(line: Line) -> None:
    for name, changed in (('corrupt', None), ('bad_checksum', 5)):
        line.bus.clear_faults(line.now)
        line.fault(name)
        reply, whole = bytes.fromhex(line.ask(PING_1)), bytes.fromhex(PONG_1)
        different = [k for k in range(6) if reply[k] != whole[k]]
        assert len(reply) == 6 and len(different) == 1
        assert changed is None or different == [changed]


def test_stale_repeats_the_reply_before(line: Line) -> None:
    line.ask(READ_POSITION_1)
    line.fault('stale')
    assert len(line.ask(PING_1).split()) == 8
    assert line.ask(READ_POSITION_1) == PONG_1


def test_value_changes_the_payload_with_a_right_checksum(line: Line) -> None:
    line.fault('value', ids=[1], offset=0, value=1304)
    assert line.ask(READ_POSITION_1) == 'FF FF 01 04 00 18 05 DD'
    assert line.ask(PING_1) == PONG_1


def test_delay_and_turnaround_come_later() -> None:
    for name, params, late_us in (
            ('delay', {'ms': 10.0}, 10_000), ('turnaround', {'us': 300.0}, 300)):
        line = Line(fast=False)
        line.fault(name, **params)
        assert line.send(PING_1)[0].due_ns == (170 + late_us) * US


def test_noise_surrounds_the_reply(line: Line) -> None:
    line.fault('noise', before=3, after=2)
    assert line.ask(PING_1)[9:26] == PONG_1 and len(line.ask(PING_1).split()) == 11


def test_probability_is_met_and_repeats_with_the_seed() -> None:
    def lost(seed: int) -> list[int]:
        line = Line(seed=seed)
        line.fault('drop', ids=[1], probability=0.2)
        return [k for k in range(1000) if line.ask(PING_1) == '']

    assert 150 < len(lost(1)) < 250
    assert lost(1) == lost(1) != lost(2)


def test_chain_cut_silences_what_lies_behind(line: Line) -> None:
    line.fault('chain_cut', id=4)
    assert [reply[6:8] for reply in line.replies(SYNC_READ_2)] == ['01', '02', '03']


def test_power_loss_resets_sram_and_switches_nothing_on(line: Line) -> None:
    line.ask(SYNC_GOAL_2048)
    line.fault('power_loss', duration_s=0.5)
    line.wait(400 * MS)
    assert line.ask(SYNC_READ_2) == ''
    line.wait(100 * MS)
    assert line.ask(SYNC_READ_2) == ''
    line.wait(801 * MS)
    assert line.ask('FF FF 01 04 02 28 04 CC') == 'FF FF 01 06 00 00 00 00 00 F8'
    assert not any(servo.torque_on for servo in line.bus.servos)


def test_bus_silent_keeps_everything_going(line: Line) -> None:
    line.fault('bus_silent', duration_s=0.1)
    assert line.ask(SYNC_GOAL_2048) == ''
    line.wait(200 * MS)
    assert line.ask(READ_POSITION_1) == 'FF FF 01 04 00 00 08 F2'


def test_jammed_joint_stays_and_the_others_go(line: Line) -> None:
    before = line.bus.servos[4].present_ticks(0)
    line.fault('jam', ids=[5])
    line.ask('FF FF FE 0A 83 2A 02 01 00 07 05 00 07 34')
    line.wait(10 * MS)
    assert line.bus.servos[4].present_ticks(line.now) == before
    assert line.bus.servos[0].present_ticks(line.now) == 0x700


def test_frozen_position_stands_while_the_joint_moves(line: Line) -> None:
    line.fault('frozen', ids=[1])
    before = line.ask(READ_POSITION_1)
    line.ask(SYNC_GOAL_2048)
    line.wait(10 * MS)
    assert line.ask(READ_POSITION_1) == before
    line.bus.clear_faults(line.now)
    assert line.ask(READ_POSITION_1) == 'FF FF 01 04 00 00 08 F2'


def test_ignored_goal_is_acknowledged_and_not_followed(line: Line) -> None:
    line.fault('goal_ignored', ids=[1])
    assert line.ask('FF FF 01 05 03 2A 00 07 C5') == PONG_1
    line.wait(10 * MS)
    servo = line.bus.servos[0]
    assert (servo.torque_on, servo.memory.get(reg.GOAL_POSITION)) == (False, 0)
    assert line.bus.journal.bus.goals['shoulder_pan'].writes == 1


def test_dropped_torque_reads_back_as_off(line: Line) -> None:
    line.ask(SYNC_TORQUE_ON)
    line.fault('torque_dropped', ids=[2])
    assert [servo.torque_on for servo in line.bus.servos] == [True, False, True, True, True, True]


def test_encoder_jump_and_drift_change_the_measured_position_only(line: Line) -> None:
    servo = line.bus.servos[0]
    angle, before = servo.motion.angle, servo.present_ticks(0)
    line.fault('encoder_jump', ids=[1], ticks=200, ticks_per_s=100)
    assert servo.present_ticks(0) == before + 200
    assert servo.present_ticks(1 * S) == before + 300
    assert servo.motion.angle == angle


def test_heat_rises_to_its_end_and_trips(line: Line) -> None:
    line.fault('heat', ids=[1], c_per_s=20, to_c=75)
    line.wait(5 * S)
    assert line.bus.servos[0].sensors.temperature_c == pytest.approx(75, abs=0.5)
    assert line.bus.servos[0].error_bits == 0x04


def test_sag_lowers_the_voltage_register(line: Line) -> None:
    line.fault('sag', volts=7)
    line.wait(100 * MS)
    assert line.ask('FF FF 01 04 02 3E 01 B9') == 'FF FF 01 03 00 33 C8'


def test_stuck_lock_lets_nothing_persist(line: Line) -> None:
    line.fault('lock_stuck', ids=[1])
    line.ask('FF FF 01 04 03 37 00 C0')
    line.ask('FF FF 01 04 03 15 63 7F')
    line.bus.set_power(False, 1 * S)
    line.bus.set_power(True, 2 * S)
    assert line.bus.servos[0].memory.get(reg.P_COEFFICIENT) == 16


@pytest.mark.parametrize('arguments, text', (
    ({'name': 'gremlin'}, 'known are: drop, delay'),
    ({'name': 'drop', 'probability': 2}, 'probability 2: allowed are 0 to 1'),
    ({'name': 'drop', 'duration_s': -1}, 'duration_s -1'),
    ({'name': 'drop', 'ids': [300]}, 'list of one or more ids'),
    ({'name': 'drop', 'ids': 'all'}, 'list of one or more ids'),
    ({'name': 'delay', 'ms': float('nan')}, 'delay.ms nan'),
    ({'name': 'delay', 'seconds': 1}, 'known are: ms'),
    ({'name': 'jam', 'probability': 0.5}, 'either on or off'),
    ({'name': 'sag', 'ids': [1]}, 'the whole line'),
))
def test_impossible_fault_is_refused_with_what_is_allowed(arguments: dict[str, object],
                                                          text: str) -> None:
    with pytest.raises(ValueError, match=text):
        parse_fault(now_ns=0, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize('model', tuple(Model))
def test_arbitrary_instructions_never_break_the_emulator(model: Model) -> None:
    rng = random.Random(model.value)
    line = Line(model=model, noise_ticks=1, dither=True)
    codes = (1, 2, 3, 3, 3, 4, 5, 6, 8, 9, 10, 11, 0x82, 0x83, 0x83, 0x55)
    addresses = (5, 6, 9, 11, 16, 18, 21, 31, 33, 40, 42, 42, 46, 48, 55, 80, 255)
    for _ in range(1500):
        rows = b''.join(bytes((k,)) + rng.randbytes(2) for k in range(1, 7))
        params = bytes((rng.choice(addresses), rng.choice((0, 1, 2, 255))))
        params += rng.choice((b'', rows, bytes(range(1, 7)), rng.randbytes(6)))
        body = bytes((rng.choice((1, 2, 3, 254)), len(params) + 2, rng.choice(codes))) + params
        frame = b'\xff\xff' + body + bytes((0xFF - sum(body) % 256,))
        line.bus.receive(rng.randbytes(rng.randint(0, 2)) + frame, line.now)
        line.wait(rng.choice((0, 1, 30)) * MS)
    line.bus.set_power(False, line.now)
    line.bus.set_power(True, line.now)
    assert len(line.bus.journal.entries()) == 1000
