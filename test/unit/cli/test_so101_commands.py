# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``reflex so101 ...`` against a simulated arm in a process of its own, over a serial line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import csv
import json
import math
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from typing import Any

from arm_fixture import CALIBRATION, REPOSITORY, SimulatedArm, wait_for
from PIL import Image
import pytest

from reflex_ros.cli import main as module
from reflex_ros.cli.so101 import COMMANDS
from reflex_ros.hardware.so101 import JOINT_NAMES

READY = (0.0, math.radians(-45), math.radians(45), math.radians(45), 0.0, math.radians(20))
SHIELD = {'REFLEX_SO101_PORT': '', 'REFLEX_SO101_ID': ''}


class Outcome:
    """What a command did: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        assert 'Traceback' not in out + err

    @property
    def document(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


Command = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what commands write inside the test's folder."""
    monkeypatch.setenv('XDG_STATE_HOME', str(tmp_path / 'state'))
    monkeypatch.setenv('HF_LEROBOT_CALIBRATION', str(tmp_path / 'calibration'))
    for name in SHIELD:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def reflex(home: Path, monkeypatch: pytest.MonkeyPatch,
           capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command in this process, as the shell would; nobody is at a terminal."""
    def call(*argv: str) -> Outcome:
        monkeypatch.setattr(sys, 'argv', ['reflex', 'so101', *argv])
        code: Any = 0
        try:
            module.main()
        except SystemExit as exc:
            code = exc.code
        return Outcome(code, *capsys.readouterr())

    return call


@pytest.fixture
def arm(instant_arm: SimulatedArm, monkeypatch: pytest.MonkeyPatch,
        home: Path) -> Iterator[SimulatedArm]:
    """Return a simulated arm, as new, at the port that the environment names."""
    instant_arm.reset()
    instant_arm.reset_eeprom()
    monkeypatch.setenv('REFLEX_SO101_PORT', str(instant_arm.link))
    yield instant_arm
    instant_arm.reset()
    instant_arm.reset_eeprom()


def eeprom(arm: SimulatedArm) -> list[tuple[int, int, int]]:
    """Read range and offset of every servo, past every fault."""
    servo = arm.open()
    try:
        return [tuple(int.from_bytes(block[at:at + 2], 'little') for at in (9, 11, 31))
                for block in (servo.bus.read_block(id_, 0, 40) for id_ in range(1, 7))]
    finally:
        servo.close()


def signed(offset: int) -> int:
    """Make the bytes of a homing offset, by hand."""
    return offset if offset >= 0 else 0x800 | -offset


FACTORY = [(low, high, signed(offset)) for low, high, offset in CALIBRATION]


# ---- find, ping, info


def test_find_names_the_arm(reflex: Command, arm: SimulatedArm) -> None:
    outcome = reflex('find')
    assert outcome.code == 0
    assert f'{arm.link}' in outcome.out and 'SO-101 at 1000000 bit/s' in outcome.out


def test_find_as_json_tells_port_baud_and_models(reflex: Command, arm: SimulatedArm) -> None:
    found = reflex('find', '--json').document
    assert found['ok']
    port = next(port for port in found['ports'] if port['is_arm'])
    assert (port['port'], port['baud'], port['source']) == (
        str(arm.link), 1_000_000, 'REFLEX_SO101_PORT')
    assert port['models'] == {str(id_): 777 for id_ in range(1, 7)}


@pytest.mark.parametrize('options', ((), ('--json',)))
def test_find_at_a_port_that_does_not_exist_says_only_that(
        reflex: Command, tmp_path: Path, options: tuple[str, ...]) -> None:
    outcome = reflex('find', '--port', str(tmp_path / 'nothing'), *options)
    assert outcome.code == 1
    said = outcome.document['error'] if options else outcome.err
    assert f'port {tmp_path / "nothing"} does not exist' in said and 'auto-detect' not in said


@pytest.mark.parametrize('named_by', ('option', 'variable'))
def test_named_port_that_is_silent_is_no_failed_search(
        reflex: Command, arm: SimulatedArm, monkeypatch: pytest.MonkeyPatch,
        named_by: str) -> None:
    arm.control.fault('silent', ids=[1, 2, 3, 4, 5, 6])
    options = ('--port', str(arm.link)) if named_by == 'option' else ()
    for command in ('ping', 'find'):
        said = reflex(command, *options).err
        assert f'no servo answers at {arm.link}, at 38400, ' in said
        assert ('REFLEX_SO101_PORT names this port' in said) == (named_by == 'variable')
        assert 'auto-detect' not in said and '--port,' not in said
        # The command that lists the ports does not send the user to itself.
        assert ('`reflex so101 find`' in said) == (command == 'ping')


def test_ping_tells_who_answers(reflex: Command, arm: SimulatedArm) -> None:
    assert reflex('ping').out.count(' ok') == 6
    arm.control.fault('silent', ids=[3])
    outcome = reflex('ping', '--json')
    assert outcome.code == 1 and not outcome.document['ok']
    assert outcome.document['error'].startswith('servo 3 does not answer. Check the cable')
    assert [servo['answers'] for servo in outcome.document['servos']] == [
        True, True, False, True, True, True]
    outcome = reflex('ping', '3', '4')
    assert outcome.code == 1 and 'servo 3 does not answer. Check the cable' in outcome.err


def test_ping_names_error_bits(reflex: Command, arm: SimulatedArm) -> None:
    arm.control.fault('error_bits', ids=[6], bits=0x24)
    servos = reflex('ping', '--json').document['servos']
    assert servos[5]['errors'] == ['temperature', 'overload']


def test_info_shows_settings_and_compares_with_the_file(reflex: Command, arm: SimulatedArm,
                                                        home: Path) -> None:
    outcome = reflex('info')
    assert outcome.code == 0 and '691..3416' in outcome.out
    assert 'follower reflex_so101 has no LeRobot calibration' in outcome.out
    write_file(home, CALIBRATION)
    assert 'agrees with the servos' in reflex('info').out
    write_file(home, [*CALIBRATION[:5], (1318, 2700, -1290)])
    found = reflex('info', '--json').document
    assert 'differs at gripper' in found['calibration_file']
    assert found['servos'][0]['registers']['homing_offset'] == 412


def test_info_of_an_arm_without_a_servo_fails_and_shows_the_others(reflex: Command,
                                                                   arm: SimulatedArm) -> None:
    arm.control.fault('silent', ids=[1])
    outcome = reflex('info')
    assert outcome.code == 1
    assert 'servo 1 does not answer' in outcome.err and outcome.out.count(' yes') == 5


def test_info_has_a_column_for_the_model_and_names_the_servo_that_does_not_belong(
        reflex: Command, arm: SimulatedArm) -> None:
    # Field fault h3.
    arm.control.fault('other_model', ids=[2], model=2825, major=3, minor=10)
    outcome = reflex('info')
    head, *rows = [line.split() for line in outcome.out.splitlines()[2:9]]
    assert [row[head.index('model')] for row in rows] == ['777', '2825', *['777'] * 4]
    assert 'servo 2 (shoulder_lift) is no STS3215' in outcome.err
    assert [servo['model'] for servo in reflex('info', '--json').document['servos']] == [
        777, 2825, *[777] * 4]


def test_info_of_an_arm_that_was_never_calibrated_says_so(reflex: Command,
                                                          arm: SimulatedArm) -> None:
    arm.control.set(id=2, register='min_position_limit', value=0)
    arm.control.set(id=2, register='max_position_limit', value=4095)
    outcome = reflex('info')
    assert outcome.code == 0 and 'shoulder_lift) was never calibrated' in outcome.err


def write_file(home: Path, rows: Any, name: str = 'reflex_so101',
               folder: str = 'robots/so_follower') -> Path:
    """Write a calibration file as LeRobot does, by hand."""
    path = home / 'calibration' / folder / f'{name}.json'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({joint: {
        'id': index + 1, 'drive_mode': 0, 'homing_offset': offset, 'range_min': low,
        'range_max': high} for index, (joint, (low, high, offset)) in enumerate(
            zip(JOINT_NAMES, rows, strict=True))}, indent=4))
    return path


# ---- monitor


def test_monitor_reports_every_servo(reflex: Command, arm: SimulatedArm) -> None:
    arm.control.set(pose='ready')
    found = reflex('monitor', '--seconds', '0.2', '--json').document
    assert found['ok'] and found['samples'] >= 2 and found['port'] == str(arm.link)
    assert [servo['joint'] for servo in found['servos']] == list(JOINT_NAMES)
    for servo, expected in zip(found['servos'], READY, strict=True):
        assert servo['position_rad'] == pytest.approx(expected, abs=0.002)
        assert 11.5 < servo['voltage_v'] < 12.5 and servo['torque'] is False
        assert servo['errors'] == []


def test_monitor_writes_a_table_and_a_picture(reflex: Command, arm: SimulatedArm,
                                              tmp_path: Path) -> None:
    table, picture = tmp_path / 'arm.csv', tmp_path / 'arm.png'
    outcome = reflex('monitor', '--seconds', '0.3', '--csv', str(table), '--plot', str(picture))
    assert outcome.code == 0 and 'samples in' in outcome.out
    assert outcome.out.endswith(f'\nReadings: {table}\nCharts: {picture}\n')
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert len(rows) >= 12 and {row['joint'] for row in rows} == set(JOINT_NAMES)
    assert float(rows[0]['time_s']) == 0.0 < float(rows[-1]['time_s'])
    with Image.open(picture) as image:
        assert image.format == 'PNG'
        assert len(image.getcolors(1_000_000) or []) > 8


@pytest.mark.parametrize('option', ['--csv', '--plot'])
def test_monitor_names_the_option_of_a_file_that_cannot_be_written(
        reflex: Command, arm: SimulatedArm, option: str) -> None:
    outcome = reflex('monitor', '--seconds', '0.1', option, '/proc/x')
    assert outcome.code == 1
    assert re.search(rf'/proc/x cannot be written: .*\. Choose another file with {option}',
                     outcome.err)


def test_monitor_goes_on_without_a_servo(reflex: Command, arm: SimulatedArm) -> None:
    arm.control.fault('silent', ids=[4])
    outcome = reflex('monitor', '--seconds', '0.1', '--json')
    found = outcome.document
    assert outcome.code == 1 and not found['ok'] and found['absent'] == [4]
    assert [servo['id'] for servo in found['servos']] == [1, 2, 3, 5, 6]


def test_monitor_shows_an_arm_that_was_never_calibrated(reflex: Command,
                                                        arm: SimulatedArm) -> None:
    arm.control.set(id=1, register='min_position_limit', value=0)
    arm.control.set(id=1, register='max_position_limit', value=4095)
    servo = reflex('monitor', '--seconds', '0.1', '--json').document['servos'][0]
    assert servo['position_rad'] is None and servo['position_ticks'] > 0


def test_nothing_that_only_looks_writes_to_a_servo(reflex: Command, arm: SimulatedArm) -> None:
    since = arm.control.mark()
    for command in (('find',), ('ping',), ('info',), ('limits',), ('monitor', '--seconds', '0.1')):
        assert reflex(*command).code == 0
    assert arm.requests(since) > 20 and arm.writes(since) == []


# ---- what moves or drops the arm


@pytest.mark.parametrize('command', (
    ('jog', 'gripper', '10'), ('park',), ('torque-off',), ('limits', '--write'),
    ('calibrate', '--from', 'my_arm', '--accept-range')))
@pytest.mark.parametrize('options', ((), ('--json',)))
def test_nothing_dangerous_is_done_when_nobody_can_be_asked(
        reflex: Command, arm: SimulatedArm, home: Path, command: tuple[str, ...],
        options: tuple[str, ...]) -> None:
    write_file(home, [(700, 3400, 1)] * 4 + [(0, 4095, 1), (1400, 2700, 1)], 'my_arm')
    since = arm.control.mark()
    outcome = reflex(*command, *options)
    assert outcome.code == 2
    assert '--yes' in (outcome.document['error'] if options else outcome.err)
    assert arm.writes(since) == []


def test_torque_off_lets_every_joint_go(reflex: Command, arm: SimulatedArm) -> None:
    driver = arm.open()
    driver.bring_up()
    driver.arm()
    driver.close()
    assert all(arm.torque())
    assert reflex('torque-off', '--yes', '--json').document == {'ok': True, 'torque': False}
    assert not any(arm.torque())


def test_torque_off_names_a_servo_that_would_not_let_go(reflex: Command,
                                                        arm: SimulatedArm) -> None:
    arm.control.fault('silent', ids=[2])
    outcome = reflex('torque-off', '--yes')
    assert outcome.code == 1 and 'servo 2 keeps its torque' in outcome.err


@pytest.mark.parametrize('joint, delta, radians', (
    ('wrist_roll', 8.0, math.radians(8.0)), ('shoulder_pan', -5.0, math.radians(-5.0)),
    ('gripper', 10.0, 0.1 * (2793 - 1318) * 2 * math.pi / 4096)))
def test_jog_moves_one_joint_slowly_and_holds(reflex: Command, arm: SimulatedArm, joint: str,
                                              delta: float, radians: float) -> None:
    arm.control.set(pose='ready')
    since = arm.control.mark()
    outcome = reflex('jog', joint, str(delta), '--yes', '--json', '--speed', '0.5')
    assert outcome.code == 0, outcome.err or outcome.out
    index = JOINT_NAMES.index(joint)
    assert arm.joint(index)['position_rad'] - READY[index] == pytest.approx(radians, abs=0.004)
    assert outcome.document['target_rad'] - outcome.document['from_rad'] \
        == pytest.approx(radians, abs=1e-6)
    assert all(arm.torque())
    goals = [write.value for write in arm.writes(since, 42) if write.servo_id == index + 1]
    # Not faster than 0.5 rad/s: 3.3 ticks in a cycle of 10 ms.
    assert max(abs(b - a) for a, b in zip(goals, goals[1:], strict=False)) <= 4


@pytest.mark.parametrize('joint, delta', (
    ('elbow_flex', 60.0), ('gripper', -30.0), ('wrist_roll', 350.0)))
def test_jog_beyond_the_limits_is_refused_before_the_arm_gets_torque(
        reflex: Command, arm: SimulatedArm, joint: str, delta: float) -> None:
    arm.control.set(pose='ready')
    since = arm.control.mark()
    outcome = reflex('jog', joint, str(delta), '--yes')
    assert outcome.code == 1
    assert f'{joint} would be at' in outcome.err and 'allowed' in outcome.err
    assert arm.writes(since, 40) == [] and not any(arm.torque())
    assert 'The arm holds' not in outcome.err
    assert arm.joint(JOINT_NAMES.index(joint))['position_rad'] == pytest.approx(
        READY[JOINT_NAMES.index(joint)], abs=0.003)


@pytest.mark.parametrize('angle, delta, where', (
    (176.0, -20.0, r'176\.\d deg, 13\.\d deg outside of -157\.2 to 162\.8'),
    (-172.0, 20.0, r'-172\.\d deg, 14\.\d deg outside of -157\.2 to 162\.8')))
def test_jog_of_a_joint_far_outside_its_limits_says_where_it_is_and_how_to_get_back(
        reflex: Command, arm: SimulatedArm, angle: float, delta: float, where: str) -> None:
    # Field fault h11: 0.1.0 said "refused: JUMP".
    arm.control.set(pose=[*READY[:4], math.radians(angle), READY[5]])
    arm.control.mark()
    outcome = reflex('jog', 'wrist_roll', str(delta), '--yes')
    assert outcome.code == 1 and re.search(f'wrist_roll is at {where} deg', outcome.err)
    assert 'move the joint inside by hand' in outcome.err and 'JUMP' not in outcome.err
    assert arm.joint(4)['travel_rad'] < 0.003 and not any(arm.torque())


def test_jog_that_never_got_torque_does_not_say_that_the_arm_holds(reflex: Command,
                                                                   arm: SimulatedArm) -> None:
    arm.control.fault('error_bits', ids=[2], bits=0x20)
    outcome = reflex('jog', 'wrist_roll', '5', '--yes')
    assert outcome.code == 1 and 'shoulder_lift' in outcome.err and not any(arm.torque())
    assert 'holds its position under torque' not in outcome.err
    assert 'support the arm' in outcome.err


def test_jog_is_refused_while_the_driver_has_the_port(reflex: Command, arm: SimulatedArm) -> None:
    with subprocess.Popen(
            [sys.executable, '-c', 'import serial, sys; port = serial.Serial(sys.argv[1], '
             "exclusive=True); print('held', flush=True); sys.stdin.read()", str(arm.link)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == 'held\n'
        outcome = reflex('jog', 'gripper', '5', '--yes', '--port', str(arm.link))
        holder.stdin.close()
    assert outcome.code == 1 and 'under torque' not in outcome.err
    # The simulated arm has the port open too; it is not the one that is in the way.
    assert f'is in use by process {holder.pid} ({sys.executable} -c' in outcome.err


@pytest.mark.slow
def test_interrupted_jog_comes_to_rest_and_holds(arm: SimulatedArm, home: Path) -> None:
    arm.control.set(pose='ready')
    since = arm.control.mark()
    with in_background('jog', 'shoulder_pan', '60', '--yes', '--speed', '0.2') as process:
        wait_for(lambda: arm.joint(0)['position_rad'] > 0.05, 'the joint to move')
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and 'The arm holds its position under torque' in err
    assert all(arm.torque())
    goals = [write.value for write in arm.writes(since, 42) if write.servo_id == 1]
    # It ramped down where it was: 60 degrees would be 683 ticks.
    assert goals[-1] - goals[0] < 500 and abs(goals[-1] - goals[-2]) <= 1


def test_park_goes_to_the_rest_pose_and_lets_go(reflex: Command, arm: SimulatedArm) -> None:
    arm.control.set(pose=[0.1, -1.6, 1.5, 0.8, 0.1, 0.0])
    assert reflex('park', '--yes', '--json').document == {
        'ok': True, 'parked': True, 'torque': False}
    assert not any(arm.torque())
    for index, degrees in enumerate((0, -100, 90, 50, 0, -10)):
        assert arm.joint(index)['position_rad'] == pytest.approx(math.radians(degrees), abs=0.01)


# ---- teleop


@pytest.mark.slow
def test_teleop_follows_for_some_seconds_and_holds(reflex: Command, arm: SimulatedArm,
                                                   moving_arm: SimulatedArm) -> None:
    moving_arm.reset()
    make_leader(arm)
    arm.control.set(pose=[0.1, *READY[1:]])
    outcome = reflex('teleop', '--leader', str(arm.link), '--follower', str(moving_arm.link),
                     '--seconds', '1.5', '--yes', '--json')
    assert outcome.code == 0, outcome.out
    assert outcome.document['met'] and outcome.document['turns'] > 10
    assert moving_arm.joint(0)['position_rad'] == pytest.approx(0.1, abs=0.05)
    assert all(moving_arm.torque()) and not any(arm.torque())


def make_leader(arm: SimulatedArm) -> None:
    """Give an arm the servos of a leader: 7.4 V parts."""
    for servo_id in range(1, 7):
        arm.control.set(id=servo_id, register='max_input_voltage', value=80)
    arm.control.set(supply_v=7.4)
    wait_for(lambda: arm.joint(0)['voltage_v'] < 8.0, 'the supply to be felt')


def test_teleop_with_exchanged_ports_does_not_drive_the_arm_in_the_hand(
        reflex: Command, arm: SimulatedArm, moving_arm: SimulatedArm) -> None:
    # 0.1.0 drove the leader (field fault h13).
    moving_arm.reset()
    make_leader(arm)
    since = arm.control.mark()
    outcome = reflex('teleop', '--leader', str(moving_arm.link), '--follower', str(arm.link),
                     '--seconds', '1', '--yes')
    assert outcome.code == 1
    assert 'has 12 V servos, so it is a follower' in outcome.err
    assert 'Exchange --leader and --follower' in outcome.err
    assert arm.writes(since) == [] and not any(arm.torque())


def test_teleop_knows_a_leader_of_the_same_voltage_by_its_calibration(
        reflex: Command, arm: SimulatedArm, moving_arm: SimulatedArm, home: Path) -> None:
    moving_arm.reset()
    make_leader(arm)
    write_file(home, CALIBRATION, 'my_leader', 'teleoperators/so_leader')
    moving_arm.control.set(id=1, register='min_position_limit', value=700)
    try:
        outcome = reflex('teleop', '--leader', str(arm.link), '--follower', str(moving_arm.link),
                         '--seconds', '0.2', '--yes')
        assert outcome.code == 0, outcome.err
        # Both hold what only the leader should: nothing tells them apart, as with simulated arms.
        moving_arm.reset_eeprom()
        outcome = reflex('teleop', '--leader', str(arm.link), '--follower', str(moving_arm.link),
                         '--seconds', '0.2', '--yes')
        assert outcome.code == 0, outcome.err
        arm.control.set(id=1, register='min_position_limit', value=700)
        since = moving_arm.control.mark()
        outcome = reflex('teleop', '--leader', str(arm.link), '--follower', str(moving_arm.link),
                         '--seconds', '0.2', '--yes')
        assert outcome.code == 1
        assert 'holds the calibration of the leader my_leader' in outcome.err
        assert moving_arm.writes(since, 40) == []
    finally:
        moving_arm.reset_eeprom()


def test_two_arms_with_one_calibration_are_no_exchanged_ports(
        reflex: Command, arm: SimulatedArm, moving_arm: SimulatedArm, home: Path) -> None:
    # After `calibrate --undo` on a simulated arm, `record --sim` was refused for good.
    moving_arm.reset()
    make_leader(arm)
    write_file(home, CALIBRATION)
    outcome = reflex('teleop', '--leader', str(arm.link), '--follower', str(moving_arm.link),
                     '--seconds', '0.2', '--yes')
    assert outcome.code == 0, outcome.err
    arm.control.set(id=1, register='min_position_limit', value=700)
    write_file(home, [(700, *CALIBRATION[0][1:]), *CALIBRATION[1:]])
    outcome = reflex('teleop', '--leader', str(arm.link), '--follower', str(moving_arm.link),
                     '--seconds', '0.2', '--yes')
    assert outcome.code == 1
    assert 'holds the calibration of the follower reflex_so101' in outcome.err


def test_teleop_needs_two_arms_and_a_person(reflex: Command, arm: SimulatedArm,
                                            moving_arm: SimulatedArm) -> None:
    link = str(arm.link)
    outcome = reflex('teleop', '--leader', link, '--follower', link, '--yes')
    assert outcome.code == 1 and 'the same port' in outcome.err
    outcome = reflex('teleop', '--leader', link, '--follower', str(moving_arm.link))
    assert outcome.code == 2 and '--yes' in outcome.err


# ---- help


@pytest.mark.parametrize('command', sorted(COMMANDS))
def test_every_command_helps_with_an_example(reflex: Command, command: str) -> None:
    outcome = reflex(command, '--help')
    assert outcome.code == 0
    assert f'Example:\n    reflex so101 {command}' in outcome.out
    assert '--json' in outcome.out
    assert '--port' in outcome.out or ('--leader' in outcome.out and '--follower' in outcome.out)


# ---- limits


def test_limits_are_shown_and_written_with_proof(reflex: Command, arm: SimulatedArm,
                                                 home: Path) -> None:
    before = reflex('limits', '--json').document
    assert before['joints'][0]['min_ticks'] == 691 and before['written'] == []
    assert before['joints'][5]['soft_deg'] == pytest.approx([-10.0, 119.6], abs=0.1)
    outcome = reflex('limits', '--write', '--yes', '--json')
    assert outcome.code == 0
    assert before['differs'] == outcome.document['written'] and before['differs']
    # Only what changes is listed; the others are stored again, past the memory of the driver.
    assert outcome.document['stored_again'] > 20
    for change in outcome.document['written']:
        old, new = change.split(': ')[1].split(' -> ')
        assert old != new
    assert Path(outcome.document['backup']).is_file()
    assert reflex('limits', '--json').document['differs'] == []


def test_limits_are_written_for_good_although_a_driver_has_set_them(
        reflex: Command, arm: SimulatedArm, home: Path) -> None:
    arm.control.set(id=6, register='protection_current', value=500)
    driver = arm.open()
    driver.bring_up()
    driver.close()
    # What the driver set reads as wanted, and is gone with the power.
    outcome = reflex('limits', '--write', '--yes')
    assert outcome.code == 0
    assert 'protection_current:' not in outcome.out and 'stored again' in outcome.out
    arm.control.fault('power_loss')
    arm.control.clear()
    wait_for(lambda: reflex('ping').code == 0, 'the servos to be awake again')
    assert reflex('limits', '--json').document['differs'] == []


def test_limits_are_undone_without_a_file_of_lerobot(reflex: Command, arm: SimulatedArm,
                                                     home: Path) -> None:
    before = reflex('limits', '--json').document['joints']
    outcome = reflex('limits', '--write', '--yes')
    assert '(undo: reflex so101 limits --undo)' in outcome.out
    outcome = reflex('limits', '--undo', '--yes', '--json')
    assert outcome.code == 0 and outcome.document['written']
    assert reflex('limits', '--json').document['joints'] == before
    # The other command knows the same backups.
    outcome = reflex('calibrate', '--undo', '--yes', '--json')
    assert outcome.code == 0 and outcome.document['written']
    assert outcome.document['file'] is None and not (home / 'calibration').exists()
    outcome = reflex('limits', '--undo', '--write')
    assert outcome.code == 2 and '--undo excludes --write' in outcome.err


def test_limits_undo_leaves_a_calibration_to_the_command_that_knows_its_file(
        reflex: Command, arm: SimulatedArm, home: Path) -> None:
    write_file(home, [(700, 3400, 412), *CALIBRATION[1:]], 'other')
    outcome = reflex('limits', '--write', '--calibration', 'other', '--yes', '--id', 'my_arm')
    assert '(undo: reflex so101 calibrate --undo --id my_arm)' in outcome.out
    since = arm.control.mark()
    outcome = reflex('limits', '--undo', '--yes', '--id', 'my_arm')
    assert outcome.code == 1
    assert 'Undo it: reflex so101 calibrate --undo --id my_arm' in outcome.err
    assert arm.writes(since) == []


def test_limits_are_not_written_under_torque(reflex: Command, arm: SimulatedArm) -> None:
    driver = arm.open()
    driver.bring_up()
    driver.arm()
    driver.close()
    outcome = reflex('limits', '--write', '--yes')
    assert outcome.code == 1
    assert 'is under torque' in outcome.err and 'Nothing was written' in outcome.err
    assert reflex('limits', '--json').document['differs']


def test_limits_of_a_file_are_written(reflex: Command, arm: SimulatedArm, home: Path) -> None:
    write_file(home, [(700, 3400, 412), *CALIBRATION[1:]], 'other')
    assert reflex('limits', '--write', '--calibration', 'other', '--yes').code == 0
    assert eeprom(arm)[0][:2] == (700, 3400)


# ---- calibrate


NEW_RANGES = [(700, 3400), (900, 3200), (950, 3140), (900, 3200), (0, 4095), (1360, 2770)]
"""What a person sweeps, in the frame that the arm had before; inside its mechanical stops."""
MIDDLE = [2050, 2050, 2060, 2048, 2100, 2080]
TICK = 2 * math.pi / 4096


def place(arm: SimulatedArm, ticks: list[int]) -> None:
    """Put every joint at a position that the servos report, by hand: the arm is limp."""
    zeros = [(low + high) / 2 for low, high, _ in CALIBRATION]
    zeros[5] = CALIBRATION[5][0] + 0.174533 / TICK
    arm.control.set(pose=[(tick - zero) * TICK
                          for tick, zero in zip(ticks, zeros, strict=True)])


def reported(arm: SimulatedArm) -> list[int]:
    servo = arm.open()
    try:
        return [int.from_bytes(servo.bus.read_block(id_, 56, 2), 'little') for id_ in range(1, 7)]
    finally:
        servo.close()


def sweep(arm: SimulatedArm) -> None:
    """Move every joint to both of its ends and stay there until that was surely read."""
    closed = [*MIDDLE[:5], NEW_RANGES[5][0]]
    for target in ([low for low, _ in NEW_RANGES], MIDDLE, [high for _, high in NEW_RANGES],
                   closed):
        target[4] = MIDDLE[4]
        place(arm, target)
        seen = arm.requests()
        wait_for(lambda seen=seen: arm.requests() > seen + 3, 'the positions to be read')


def expected(middle: list[int]) -> list[tuple[int, int, int]]:
    """Work out by hand what a calibration must write: LeRobot's rule, raw - 2047."""
    rows = []
    for index, ((low, high), (_, _, offset)) in enumerate(zip(NEW_RANGES, CALIBRATION,
                                                              strict=True)):
        raw = middle[index] + offset
        shift = middle[index] - 2047
        new = (0, 4095) if index == 4 else (low - shift, high - shift)
        rows.append((*new, signed((raw % 4096) - 2047)))
    return rows


@contextmanager
def in_background(*argv: str, stdin: Any = subprocess.DEVNULL,
                  stderr: Any = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
    """Run a command as a process, which does not outlive the block."""
    with subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.cli.main', 'so101', *argv], stdin=stdin,
            stdout=subprocess.PIPE, stderr=stderr, text=True,
            env={**os.environ, 'PYTHONPATH': str(REPOSITORY), 'TERM': 'xterm',
                 'COLUMNS': '100'}) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


class Terminal:
    """A terminal for a child process: what it shows, and a keyboard."""

    def __init__(self) -> None:
        self._master, self.slave = os.openpty()
        os.set_blocking(self._master, False)
        self.text = ''

    def shows(self, text: str) -> bool:
        """Read what has come and tell whether a text is among it."""
        try:
            self.text += os.read(self._master, 65536).decode(errors='replace')
        except BlockingIOError:
            pass
        return text in self.text

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def close(self) -> None:
        os.close(self._master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


@pytest.mark.slow
def test_calibration_is_guided_recorded_written_and_undone(
        reflex: Command, arm: SimulatedArm, home: Path, terminal: Terminal) -> None:
    place(arm, MIDDLE)
    middle = reported(arm)
    since = arm.control.mark()
    with in_background('calibrate', '--id', 'my_arm', '--json', stdin=terminal.slave,
                       stderr=terminal.slave) as process:
        wait_for(lambda: terminal.shows('Then press Enter'), 'the question for the middle pose')
        terminal.type('\n')
        wait_for(lambda: terminal.shows('usual travel'), 'the live table')
        sweep(arm)
        terminal.type('\n')
        wait_for(lambda: terminal.shows('registers will be written. Continue?'),
                 'the last question')
        assert arm.writes(since) == []
        terminal.type('y\n')
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 0, terminal.text
    found = json.loads(out)
    for got, wanted in zip(eeprom(arm), expected(middle), strict=True):
        assert got == tuple(pytest.approx(value, abs=1) for value in wanted)
    written = json.loads(Path(found['file']).read_text())
    assert Path(found['file']) == home / 'calibration/robots/so_follower/my_arm.json'
    assert {name: (row['range_min'], row['range_max'], signed(row['homing_offset']))
            for name, row in written.items()} == dict(zip(JOINT_NAMES, eeprom(arm), strict=True))
    # In the new frame the middle pose reads 2047.
    place(arm, MIDDLE)
    undone = reflex('calibrate', '--undo', '--id', 'my_arm', '--yes', '--json')
    assert undone.code == 0 and eeprom(arm) == FACTORY
    assert json.loads(Path(found['file']).read_text())['gripper']['range_min'] == 1318


@pytest.mark.slow
def test_calibration_without_a_terminal_records_for_some_seconds(
        arm: SimulatedArm, home: Path) -> None:
    place(arm, MIDDLE)
    middle = reported(arm)
    with in_background('calibrate', '--seconds', '3', '--yes', stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert 'both ends of its travel' in process.stderr.readline()
        sweep(arm)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0, out + err
    for got, wanted in zip(eeprom(arm), expected(middle), strict=True):
        assert got == tuple(pytest.approx(value, abs=1) for value in wanted)


def test_interrupted_calibration_leaves_the_servos_as_they_were(
        arm: SimulatedArm, home: Path, terminal: Terminal) -> None:
    since = arm.control.mark()
    with in_background('calibrate', stdin=terminal.slave, stderr=terminal.slave) as process:
        wait_for(lambda: terminal.shows('Then press Enter'), 'the first question')
        terminal.type('\n')
        wait_for(lambda: terminal.shows('both ends of its travel'), 'the recording')
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    wait_for(lambda: terminal.shows('Nothing was written'), 'the last word')
    assert arm.writes(since) == []


def test_interrupt_while_writing_leaves_no_half_calibration(arm: SimulatedArm,
                                                            home: Path) -> None:
    rows = [(low + 1, high - 1, 5) if index != 4 else (0, 4095, 5)
            for index, (low, high, _) in enumerate(CALIBRATION)]
    write_file(home, rows, 'theirs')
    since = arm.control.mark()
    with in_background('calibrate', '--from', 'theirs', '--yes', '--accept-range') as process:
        wait_for(lambda: arm.writes(since), 'the first write')
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and '16 registers written and read back' in out, err
    assert eeprom(arm) == rows


def test_sweep_that_forgot_the_joints_writes_nothing(arm: SimulatedArm, home: Path,
                                                     reflex: Command) -> None:
    since = arm.control.mark()
    outcome = reflex('calibrate', '--seconds', '1', '--yes')
    assert outcome.code == 1 and 'moved by' in outcome.err
    assert arm.writes(since) == []


def test_calibration_needs_somebody_who_moves_the_arm(reflex: Command, arm: SimulatedArm) -> None:
    outcome = reflex('calibrate', '--yes')
    assert outcome.code == 2 and '--seconds or --from' in outcome.err


def test_file_of_lerobot_is_written_into_the_servos(reflex: Command, arm: SimulatedArm,
                                                    home: Path) -> None:
    rows = [(700, 3400, 953), (900, 3200, -1047), (950, 3140, 0), (900, 3200, 5), (0, 4095, -9),
            (1360, 2770, 77)]
    write_file(home, rows, 'theirs')
    outcome = reflex('calibrate', '--from', 'theirs', '--yes', '--json', '--accept-range')
    assert outcome.code == 0, outcome.out
    assert eeprom(arm) == [(low, high, signed(offset)) for low, high, offset in rows]
    again = reflex('calibrate', '--from', 'theirs', '--yes', '--json', '--accept-range').document
    assert again['written'] == [] and again['backup'] is None


def test_arm_under_torque_is_let_go_before_it_is_calibrated(reflex: Command, arm: SimulatedArm,
                                                            home: Path) -> None:
    driver = arm.open()
    driver.bring_up()
    driver.arm()
    driver.close()
    write_file(home, [(700, 3400, 953), *CALIBRATION[1:]], 'theirs')
    assert reflex('calibrate', '--from', 'theirs', '--accept-range').code == 2
    assert all(arm.torque())
    assert reflex('calibrate', '--from', 'theirs', '--yes', '--accept-range').code == 0
    assert not any(arm.torque()) and eeprom(arm)[0] == (700, 3400, 953)


def test_file_whose_joint_was_not_swept_is_refused_without_an_explicit_yes(
        reflex: Command, arm: SimulatedArm, home: Path) -> None:
    # Field fault h7: angles 24 degrees off.
    rows = [*CALIBRATION[:2], (930, 2600, 1204), *CALIBRATION[3:]]
    write_file(home, rows, 'half')
    for command in (('calibrate', '--from', 'half'),
                    ('limits', '--write', '--calibration', 'half')):
        since = arm.control.mark()
        said = reflex(*command, '--yes', '--json').document['error']
        assert 'elbow_flex travels 1670 ticks, other arms 2222 +- 27' in said
        assert '--accept-range' in said and arm.writes(since) == []
    found = reflex('calibrate', '--from', 'half', '--yes', '--json', '--accept-range').document
    assert found['doubts'] == ['elbow_flex travels 1670 ticks, other arms 2222 +- 27. '
                               'Was it moved to both ends?']
    # The range is in the servos now: whatever drives them refuses it too.
    for command in (('jog', 'gripper', '5'), ('park',)):
        outcome = reflex(*command, '--yes')
        assert outcome.code == 1 and 'elbow_flex travels 1670 ticks' in outcome.err
        assert not any(arm.torque())
    assert reflex('jog', 'gripper', '5', '--yes', '--accept-range').code == 0


def test_file_of_another_arm_is_shown_in_angles_and_refused(
        reflex: Command, arm: SimulatedArm, home: Path) -> None:
    # Field fault h12.
    arm.control.set(pose=list(READY))
    rows = [(low, high, offset + 900) for low, high, offset in CALIBRATION[:2]]
    write_file(home, [*rows, *CALIBRATION[2:]], 'theirs')
    since = arm.control.mark()
    outcome = reflex('calibrate', '--from', 'theirs', '--yes')
    assert outcome.code == 1 and 'shoulder_lift would be outside' in outcome.err
    assert 'Is this the file of another arm?' in outcome.err
    assert re.search(r'shoulder_pan: [+-]\d+\.\d -> [+-]\d+\.\d deg', outcome.err)
    assert arm.writes(since) == []


@pytest.mark.parametrize('options', (('--undo', '--from', 'a'), ('--backup', 'x'),
                                     ('--seconds', '1', '--undo')))
def test_options_of_calibrate_that_exclude_each_other_are_refused(
        reflex: Command, options: tuple[str, ...]) -> None:
    assert 'exclude each other' in reflex('calibrate', *options).err


def test_undo_without_a_backup_says_so(reflex: Command, arm: SimulatedArm) -> None:
    outcome = reflex('calibrate', '--undo', '--yes')
    assert outcome.code == 1 and 'nothing to undo' in outcome.err


def test_verbose_shows_what_the_servos_get_and_answer(reflex: Command, arm: SimulatedArm) -> None:
    said = reflex('ping', '1', '-v').err
    assert ': sent ff ff 01 02 01 fb\n' in said
    assert ': received servo 1 acknowledged\n' in said
    assert 'sent ff ff' not in reflex('ping', '1').err
