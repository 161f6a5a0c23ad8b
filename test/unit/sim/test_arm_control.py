# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The control channel's operations and figures, without a socket."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reflex_ros.sim.arm.bus import ArmBus
from reflex_ros.sim.arm.control import Control
from reflex_ros.sim.arm.image import load_image, save_image
from reflex_ros.sim.arm.pty_port import PtyPort
from reflex_ros.sim.arm.settings import Model, Settings

MS = 1_000_000
S = 1_000_000_000


class Arm:
    """A control channel on a fresh arm, with its clock."""

    def __init__(self, model: Model = Model.IDENTIFIED) -> None:
        self.now = 10 * S
        self.bus = ArmBus(Settings(fast=True, dither=False, model=model), self.now)
        self.control = Control(self.bus, PtyPort())

    def call(self, op: str, **arguments: object) -> dict[str, Any]:
        reply = self.control.handle({'op': op, **arguments}, self.now)
        json.dumps(reply, allow_nan=False)
        return reply

    def goal(self, joint: int, ticks: int) -> None:
        self.bus.servos[joint].write(42, ticks.to_bytes(2, 'little'), self.now)

    def wait(self, ms: int) -> None:
        self.now += ms * MS
        self.bus.advance(self.now)


@pytest.fixture
def arm() -> Arm:
    return Arm()


def test_state_shows_all_joints_in_order_at_the_rest_pose(arm: Arm) -> None:
    state = arm.call('state')
    assert state['ok'] and state['now_ns'] == arm.now
    joints = state['joints']
    assert list(joints) == ['shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex',
                            'wrist_roll', 'gripper']
    positions = [joint['position_rad'] for joint in joints.values()]
    assert positions == pytest.approx([0, -1.745, 1.571, 0.873, 0, -0.175], abs=0.001)
    assert not any(joint['torque'] for joint in joints.values())
    assert state['at_rest_since_ns'] == 10 * S
    assert state['goal_last_change_ns'] is None


def test_largest_goal_step_counts_only_under_torque(arm: Arm) -> None:
    for ticks in (2054, 2100, 2110, 2150, 2145):
        arm.goal(0, ticks)
        arm.wait(10)
    joint = arm.call('state')['joints']['shoulder_pan']
    assert joint['max_goal_step_ticks'] == 40
    assert joint['goal_writes'] == 5
    assert joint['goal_last_change_ns'] == arm.now - 10 * MS


def test_first_goal_after_torque_on_is_no_step_but_a_lead(arm: Arm) -> None:
    servo = arm.bus.servos[0]
    servo.write(40, b'\x01', arm.now)
    servo.write(40, b'\x00', arm.now)
    arm.goal(0, 2054)
    servo.write(40, b'\x01', arm.now)
    arm.goal(0, 2500)
    joint = arm.call('state')['joints']['shoulder_pan']
    assert (joint['max_goal_step_ticks'], joint['max_goal_lead_ticks']) == (0, 446)
    arm.goal(0, 2510)
    servo.write(40, b'\x00', arm.now)
    servo.write(40, b'\x01', arm.now)
    arm.goal(0, 3000)
    assert arm.call('state')['joints']['shoulder_pan']['max_goal_step_ticks'] == 10


def test_repeated_goal_is_no_change(arm: Arm) -> None:
    arm.goal(0, 2100)
    changed_ns = arm.now
    arm.wait(10)
    arm.goal(0, 2100)
    assert arm.call('state')['goal_last_change_ns'] == changed_ns


def test_rest_is_that_of_the_simulated_joints(arm: Arm) -> None:
    arm.goal(4, 2500)
    arm.wait(150)
    moving = arm.call('state')
    assert moving['at_rest_since_ns'] is None
    assert moving['joints']['wrist_roll']['velocity_rad_s'] > 1
    arm.wait(2000)
    at_rest = arm.call('state')
    assert arm.now - 2000 * MS < at_rest['at_rest_since_ns'] < arm.now - 1000 * MS
    assert at_rest['joints']['wrist_roll']['travel_rad'] == pytest.approx(0.694, abs=0.01)
    assert 1 < at_rest['joints']['wrist_roll']['max_abs_velocity_rad_s'] < 5.3


def test_mark_starts_the_figures_anew(arm: Arm) -> None:
    arm.goal(4, 2500)
    arm.wait(2000)
    assert arm.call('mark')['now_ns'] == arm.now
    state = arm.call('state')
    joint = state['joints']['wrist_roll']
    assert joint['travel_rad'] == joint['goal_writes'] == joint['max_abs_velocity_rad_s'] == 0
    assert state['mark_ns'] == arm.now
    assert state['at_rest_since_ns'] < arm.now


def test_log_keeps_frames_goals_and_events(arm: Arm) -> None:
    arm.bus.receive(bytes.fromhex('FF FF 01 05 03 2A 00 08 C4'), arm.now)
    arm.wait(5)
    arm.call('fault', name='drop', duration_s=1)
    entries = arm.call('log')['entries']
    assert [arm.now - 5 * MS, 'request', 'ffff0105032a0008c4'] in entries
    assert [arm.now - 5 * MS, 'goal', ('shoulder_pan', 0, 2048)] in entries
    assert entries[-1] == [arm.now, 'event', 'fault drop on']
    assert arm.call('log', since_ns=arm.now)['entries'] == [entries[-1]]
    assert arm.call('log', limit=1)['entries'] == [entries[-1]]


def test_faults_are_listed_and_cleared(arm: Arm) -> None:
    arm.call('fault', name='drop', ids=[1, 2], probability=0.5)
    arm.call('fault', name='sag', volts=3)
    faults = arm.call('state')['faults']
    assert [(f['name'], f['ids']) for f in faults] == [('drop', [1, 2]), ('sag', None)]
    assert arm.call('clear', name='sag')['cleared'] == 1
    assert arm.call('clear')['cleared'] == 1
    assert arm.call('state')['faults'] == []


def test_set_changes_supply_temperature_pose_and_registers(arm: Arm) -> None:
    assert arm.call('set', supply_v=11.0)['ok']
    assert arm.call('set', temperature_c=60, ids=[2])['ok']
    assert arm.call('set', pose='zero')['ok']
    assert arm.call('set', id=3, register='firmware_minor', value=9)['ok']
    arm.wait(100)
    state = arm.call('state')
    lift = state['joints']['shoulder_lift']
    assert lift['temperature_c'] == pytest.approx(60, abs=0.1)
    assert lift['voltage_v'] == pytest.approx(10.97, abs=0.01)
    assert state['joints']['shoulder_pan']['position_rad'] == pytest.approx(0, abs=0.001)
    assert arm.bus.servos[2].read(1, 1, arm.now) == b'\x09'


@pytest.mark.parametrize('request_object, text', (
    ([], 'expected a JSON object'),
    ({}, 'unknown op None; known are: state, mark'),
    ({'op': 'dance'}, "unknown op 'dance'"),
    ({'op': ['state']}, 'unknown op'),
    ({'op': 'state', 'x': 1}, "unknown argument 'x'"),
    ({'op': 'fault'}, '"name" is missing'),
    ({'op': 'fault', 'name': 'drop', 'now_ns': 3}, 'now_ns'),
    ({'op': 'clear', 'name': 'x'}, "unknown fault 'x'"),
    ({'op': 'log', 'limit': 0}, 'limit 0: allowed are whole numbers from 1'),
    ({'op': 'power'}, 'allowed are true and false'),
    ({'op': 'set', 'supply_v': 1e9}, 'allowed are 0 to 25'),
    ({'op': 'set', 'supply_v': True}, 'allowed are 0 to 25'),
    ({'op': 'set', 'pose': [1, 2]}, 'six angles'),
    ({'op': 'set', 'pose': 5}, 'six angles'),
    ({'op': 'set', 'ids': [9], 'temperature_c': 30}, 'allowed is a list of'),
    ({'op': 'set', 'register': 'x'}, "unknown register 'x'"),
    ({'op': 'set', 'register': 'id', 'value': 3}, '"id" is missing'),
    ({'op': 'set', 'register': 'id', 'value': 300, 'id': 1}, '300 does not fit'),
))
def test_bad_request_is_refused_with_the_reason(arm: Arm, request_object: object,
                                                text: str) -> None:
    reply = arm.control.handle(request_object, arm.now)
    assert reply['ok'] is False
    assert text in reply['error']


def test_eeprom_image_survives_a_restart(arm: Arm, tmp_path: Path) -> None:
    image = tmp_path / 'arm.json'
    servo = arm.bus.servos[0]
    servo.write(55, b'\x00', arm.now)
    servo.write(21, b'\x30', arm.now)
    arm.wait(1000)
    save_image(image, arm.bus.servos, arm.now)
    fresh = Arm()
    load_image(image, fresh.bus.servos)
    assert fresh.bus.servos[0].read(21, 1, fresh.now) == b'\x30'
    assert fresh.bus.servos[0].read(5, 1, fresh.now) == b'\x01'


@pytest.mark.parametrize('content', ('', '[]', '{"format": "x", "servos": []}', '{"servos": 3}'))
def test_wrong_image_file_is_named(tmp_path: Path, content: str) -> None:
    image = tmp_path / 'arm.json'
    image.write_text(content)
    with pytest.raises(ValueError, match='arm.json is not an EEPROM image'):
        load_image(image, Arm().bus.servos)
