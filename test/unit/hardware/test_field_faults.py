# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Faults of arms as people have them, each with the number of the reference (field faults, 1).

Those of commands, parameter files and nodes are elsewhere; ``PROVOKED`` names a test of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import errno
import json
from pathlib import Path
import re
from typing import Any

from arm_fixture import SimulatedArm, wait_for
from calibrations import real_file
import pytest

from reflex_ros.domain.component_status import Level
from reflex_ros.errors import BusTimeout, ReflexError
from reflex_ros.hardware import port
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_diagnostics import _servo_status
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import from_range, WRIST_ROLL
from reflex_ros.hardware.discovery import Candidate, not_found_message, probe
from reflex_ros.hardware.lerobot_file import load
from reflex_ros.hardware.port import SerialPort

ALL = range(1, 7)
TESTS = Path(__file__).parents[2]
HERE = 'unit/hardware/test_field_faults.py'
COMMANDS = 'unit/cli/test_so101_commands.py'
PROVOKED = {
    1: (HERE, 'standard_kit_on_its_5_v_supply_can_be_driven'),
    2: (HERE, 'supply_above_what_the_servos_allow_says_so_with_both_numbers'),
    3: (HERE, 'servo_of_another_model_is_named_and_no_cable_is_blamed'),
    4: (HERE, 'servos_with_other_ids_are_listed'),
    5: (HERE, 'arm_at_an_unusual_speed_is_found'),
    6: (HERE, 'servo_at_another_speed_is_named_with_it'),
    7: (COMMANDS, 'file_whose_joint_was_not_swept_is_refused_without_an_explicit_yes'),
    8: ('unit/hardware/test_arm_driver.py', 'arm_that_cannot_reach_its_rest_pose_is_not_parked'),
    9: ('unit/hardware/test_range_recorder.py', 'gripper_that_does_not_end_closed_is_refused'),
    10: (HERE, 'swept_roll_has_the_angle_of_lerobot'),
    11: (COMMANDS,
         'jog_of_a_joint_far_outside_its_limits_says_where_it_is_and_how_to_get_back'),
    12: (COMMANDS, 'file_of_another_arm_is_shown_in_angles_and_refused'),
    13: (COMMANDS, 'teleop_with_exchanged_ports_does_not_drive_the_arm_in_the_hand'),
    14: ('unit/bringup/test_configuration.py',
         'section_or_parameter_that_reaches_no_node_is_refused_with_its_line'),
    15: ('ros/test_driver_node.py',
         'simulated_time_without_a_clock_gives_no_negative_stamp_and_a_warning'),
    16: (HERE, 'device_that_a_container_may_not_open_gets_one_sentence'),
    17: (HERE, 'file_with_other_joints_names_those_missing_and_those_found'),
    18: (HERE, 'file_that_is_nonsense_gets_one_line'),
    19: ('ros/test_parameters.py', 'parameter_of_another_node_is_warned_about_and_ignored'),
}
"""Number of the fault -> a test that provokes it, below ``test``."""


@pytest.fixture
def sim(instant_arm: SimulatedArm, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedArm]:
    monkeypatch.setattr(port, 'READ_SLICE_S', 0.02)
    instant_arm.reset_eeprom()
    instant_arm.reset()
    yield instant_arm
    instant_arm.control.clear()
    for servo_id in instant_arm.ids():
        instant_arm.control.set(id=servo_id, register='baud_index', value=0)
        instant_arm.control.set(id=servo_id, register='id', value=(servo_id - 1) % 6 + 1)
    instant_arm.reset()
    instant_arm.reset_eeprom()


def refusal(action: Callable[[], Any]) -> str:
    with pytest.raises(ReflexError) as caught:
        action()
    return str(caught.value)


def supplied(sim: SimulatedArm, volts: float) -> None:
    """Give the arm 7.4 V servos at a voltage."""
    for servo_id in ALL:
        sim.control.set(id=servo_id, register='max_input_voltage', value=80)
    sim.control.set(supply_v=volts)
    wait_for(lambda: abs(sim.joint(0)['voltage_v'] - volts) < 0.15, 'the supply to be felt')


def armed(sim: SimulatedArm) -> None:
    arm = sim.open()
    try:
        arm.bring_up()
        arm.arm()
    finally:
        arm.close()


@pytest.mark.parametrize('number', range(1, 20), ids='h{}'.format)
def test_fault_has_a_test_that_provokes_it(number: int) -> None:
    file, name = PROVOKED[number]
    assert f'def test_{name}(' in (TESTS / file).read_text()


# h1, h2: the supply


@pytest.mark.parametrize('volts', (4.7, 5.0, 5.3, 7.4))
def test_standard_kit_on_its_5_v_supply_can_be_driven(sim: SimulatedArm, volts: float) -> None:
    supplied(sim, volts)
    armed(sim)
    assert sim.torque() == [True] * 6


def test_supply_below_all_use_is_refused_with_its_bound(sim: SimulatedArm) -> None:
    supplied(sim, 4.4)
    assert 'Check the servo supply' in refusal(lambda: armed(sim))
    assert sim.torque() == [False] * 6


def test_supply_above_what_the_servos_allow_says_so_with_both_numbers(sim: SimulatedArm) -> None:
    supplied(sim, 8.3)
    wait_for(lambda: sim.joint(0)['error_bits'] & 1, 'the error bit')
    said = refusal(lambda: armed(sim))
    assert 'voltage: ' in said and 'cool' not in said
    assert re.search(r'\(8\.\d V; this servo allows 4 to 8 V\)', said)


@pytest.mark.parametrize('bits, name, other', (
    (0x02, 'sensor', 'cool'), (0x04, 'temperature: it is too hot. Let it cool', 'supply voltage'),
    (0x08, 'current', 'cool'), (0x20, 'overload', 'cool')))
def test_each_error_bit_has_its_own_remedy(sim: SimulatedArm, bits: int, name: str,
                                           other: str) -> None:
    sim.control.fault('error_bits', ids=[2], bits=bits)
    said = refusal(lambda: armed(sim))
    assert name in said and other not in said


# h3 to h6: which servos are there


def found(sim: SimulatedArm) -> str:
    finding = probe(Candidate(str(sim.link), '--port'))
    assert not finding.is_arm
    return not_found_message([finding])


def test_servo_of_another_model_is_named_and_no_cable_is_blamed(sim: SimulatedArm) -> None:
    sim.control.fault('other_model', ids=[2], model=2825, major=3, minor=10)
    said = found(sim)
    assert said.startswith('Found six servos at ')
    assert 'servo 2 (shoulder_lift) is model 2825' in said and 'cable' not in said


def test_servos_with_other_ids_are_listed(sim: SimulatedArm) -> None:
    for servo_id in ALL:
        sim.control.set(id=servo_id, register='id', value=servo_id + 6)
    said = found(sim)
    assert 'with ids 7, 8, 9, 10, 11, 12' in said and 'lerobot-setup-motors' in said
    assert 'supply' not in said
    arm = So101Arm(Bus(SerialPort(str(sim.link))))
    said = refusal(arm.bring_up)
    arm.close()
    assert 'but id 7, 8, 9, 10, 11, 12 does' in said and 'supply' not in said


def test_one_servo_with_another_id_is_named_with_it(sim: SimulatedArm) -> None:
    sim.control.fault('other_id', ids=[3], as_id=9)
    said = found(sim)
    assert 'Servo 3 does not answer, but the ids 9 do' in said and 'cable' not in said
    arm = sim.open()
    with pytest.raises(BusTimeout, match=r'servo 3 \(elbow_flex\) does not answer, but id 9 does'):
        arm.bring_up()
    arm.close()


@pytest.mark.parametrize('index, baud', ((5, 76_800), (7, 38_400)))
def test_arm_at_an_unusual_speed_is_found(sim: SimulatedArm, index: int, baud: int) -> None:
    for servo_id in ALL:
        sim.control.set(id=servo_id, register='baud_index', value=index)
    finding = probe(Candidate(str(sim.link), '--port'))
    assert finding.is_arm and finding.baud == baud


def test_servo_at_another_speed_is_named_with_it(sim: SimulatedArm) -> None:
    sim.control.set(id=4, register='baud_index', value=4)
    said = found(sim)
    assert 'Servo 4 answers at 115200 bit/s' in said and 'cable' not in said


# h7: a range that is plausible and wrong


@pytest.mark.parametrize('servo_id, low, high, name', (
    (3, 930, 2600, 'elbow_flex'), (2, 1800, 3229, 'shoulder_lift'), (1, 691, 3200, 'shoulder_pan'),
    (6, 1318, 3020, 'gripper')))
def test_range_that_other_arms_do_not_have_is_refused_by_whatever_drives_the_arm(
        sim: SimulatedArm, servo_id: int, low: int, high: int, name: str) -> None:
    sim.control.set(id=servo_id, register='min_position_limit', value=low)
    sim.control.set(id=servo_id, register='max_position_limit', value=high)
    arm = sim.open()
    said = refusal(arm.bring_up)
    arm.close()
    assert f'{name} travels {high - low} ticks' in said and '--accept-range' in said
    accepted = sim.open(accepts_range=True)
    accepted.bring_up()
    accepted.close()


# h9, h10: file and servos of LeRobot


def test_mirrored_gripper_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / 'arm.json'
    content = real_file()
    content['gripper']['drive_mode'] = 1
    path.write_text(json.dumps(content))
    assert 'gripper has drive_mode 1: it turns the other way round' in refusal(lambda: load(path))


def test_swept_roll_has_the_angle_of_lerobot() -> None:
    degrees = from_range(WRIST_ROLL, 66, 3894, 0).to_rad(2048) * 180.0 / 3.141592653589793
    assert degrees == pytest.approx(5.98, abs=0.01)


# h16: what a container says


def test_device_that_a_container_may_not_open_gets_one_sentence(tmp_path: Path) -> None:
    device = tmp_path / 'ttyACM0'
    device.touch()
    said = port._open_error(str(device), PermissionError(errno.EPERM, 'not permitted'))
    assert 'container' in said and f'--device {device}' in said
    assert said.count('ermitted') == 0


# h17, h18: files of another kind


@pytest.mark.parametrize('change, text', (
    (lambda file: {f'arm_{name}': entry for name, entry in file.items()},
     "shoulder_pan, shoulder_lift, elbow_flex, wrist_flex, wrist_roll, gripper is missing; it has "
     "'arm_shoulder_pan'"),
    (lambda file: {name: entry for name, entry in file.items() if name != 'gripper'},
     "gripper is missing; it has 'shoulder_pan'"),
))
def test_file_with_other_joints_names_those_missing_and_those_found(
        tmp_path: Path, change: Callable[[dict[str, Any]], object], text: str) -> None:
    path = tmp_path / 'arm.json'
    path.write_text(json.dumps(change(real_file())))
    assert text in refusal(lambda: load(path))


@pytest.mark.parametrize('content, text', (
    ('[' * 200_000, 'nested too deeply'),
    ('{"elbow_flex": {}, "elbow_flex": {}}', "'elbow_flex' stands there twice"),
))
def test_file_that_is_nonsense_gets_one_line(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / 'arm.json'
    path.write_text(content)
    said = refusal(lambda: load(path))
    assert text in said and '\n' not in said


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / 'arm.json'
    path.write_text('\ufeff' + json.dumps(real_file()), encoding='utf-8')
    assert len(load(path)) == 6


def test_arm_with_5_v_warns_that_heavy_joints_are_weak(sim: SimulatedArm) -> None:
    supplied(sim, 5.0)
    arm = sim.open()
    arm.bring_up()
    status = _servo_status(1, arm.read(), arm)
    arm.close()
    assert status.level is Level.WARN and 'heavy joints are weak' in status.message
