# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An arm under our own permit: what stops it, and that it holds afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys
import threading
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'hardware'))
from arm_fixture import simulated_arm, SimulatedArm, wait_for  # noqa: E402

from reflex_ros.errors import ReflexError, ServoFault  # noqa: E402
from reflex_ros.runner.manual_drive import ManualDrive  # noqa: E402

START = (0.0, -0.7, 0.7, 0.7, 0.0, 0.3)


@pytest.fixture(scope='module')
def running() -> Iterator[SimulatedArm]:
    with simulated_arm('--fast', '--model', 'instant') as arm:
        yield arm


@pytest.fixture
def arm(running: SimulatedArm) -> SimulatedArm:
    running.reset()
    running.control.set(pose=list(START))
    return running


@pytest.fixture
def drive(arm: SimulatedArm) -> Iterator[ManualDrive]:
    made = ManualDrive(arm.open(), velocity=0.5)
    made.open()
    yield made
    made.close()


def goals(arm: SimulatedArm) -> list[int]:
    return [write.value for write in arm.writes(0, 42) if write.servo_id == 1]


def test_opening_moves_nothing_and_closing_holds(arm: SimulatedArm) -> None:
    arm.control.mark()
    drive = ManualDrive(arm.open(), velocity=0.5)
    drive.open()
    assert all(arm.torque())
    drive.close()
    drive.close()
    assert all(arm.torque()) and arm.travel() < 0.002


def test_arm_that_may_not_be_driven_is_left_alone_and_its_port_is_free(arm: SimulatedArm) -> None:
    arm.control.fault('error_bits', ids=[2], bits=0x20)
    with pytest.raises(ServoFault, match='shoulder_lift'):
        ManualDrive(arm.open(), velocity=0.5).open()
    assert not any(arm.torque())
    arm.open().close()


def test_move_reaches_the_pose_smoothly(arm: SimulatedArm, drive: ManualDrive) -> None:
    drive.move(np.array([0.1, *START[1:]]), 0.5)
    assert arm.joint(0)['position_rad'] == pytest.approx(0.1, abs=0.002)
    steps = np.abs(np.diff(goals(arm)))
    assert steps.max() <= 4
    # A cosine begins and ends slowly.
    assert steps[:3].max() <= 2


@pytest.mark.slow
@pytest.mark.parametrize('way, speed', ((0.002, 0.2), (0.02, 0.5), (0.05, 0.02)))
def test_small_and_slow_moves_are_made_too(arm: SimulatedArm, drive: ManualDrive, way: float,
                                           speed: float) -> None:
    drive.move(np.array([way, *START[1:]]), speed)
    assert arm.joint(0)['position_rad'] == pytest.approx(way, abs=0.002)


def test_long_slow_move_holds_nothing_up_and_is_waited_for_long_enough(
        drive: ManualDrive, monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts_s: list[float] = []
    monkeypatch.setattr(drive, 'wait_for', lambda _, timeout_s, __: timeouts_s.append(timeout_s))
    # `reflex so101 jog shoulder_pan 60 --speed 0.02`: 1000 rows in 82 s.
    drive.move(np.array([1.05, *START[1:]]), 0.02)
    monkeypatch.undo()
    drive.wait_for(lambda: drive.setpoint[0] > 0.001, 8.0, 'the arm did not move')
    assert timeouts_s[0] > 1.25 * 82.0


def test_second_move_is_waited_for_too(arm: SimulatedArm, drive: ManualDrive) -> None:
    for target in (0.06, 0.0):
        drive.move(np.array([target, *START[1:]]), 0.5)
        assert arm.joint(0)['position_rad'] == pytest.approx(target, abs=0.002)


def test_arm_with_a_limp_joint_is_not_said_to_hold(arm: SimulatedArm, drive: ManualDrive) -> None:
    arm.control.fault('torque_dropped', ids=[2])
    with pytest.raises(ReflexError, match='SERVO_REBOOT.*support the arm'):
        drive.wait_for(lambda: False, 8.0, 'nothing happened')
    assert not drive.has_torque


def test_arm_stops_when_whoever_drives_it_hangs(arm: SimulatedArm, drive: ManualDrive) -> None:
    rows = np.linspace(START, (1.5, *START[1:]), 200)
    drive.play(rows, 40.0)
    drive.wait_for(lambda: arm.joint(0)['position_rad'] > 0.05, 8.0, 'the arm did not move')
    # Nobody calls step any more.
    wait_for(lambda: drive._report().cause is not None, 'the guard to stop it')
    wait_for(lambda: drive._report().at_rest, 'the arm to rest')
    assert arm.joint(0)['position_rad'] < 0.8 and all(arm.torque())
    with pytest.raises(ReflexError, match='SUPERVISOR_DEAD.*The arm holds'):
        drive.step()


@contextmanager
def fault_on_the_way(arm: SimulatedArm, name: str, **values: Any) -> Iterator[None]:
    """Switch a fault on as soon as the arm moves."""
    def trip() -> None:
        wait_for(lambda: arm.joint(0)['position_rad'] > 0.05, 'the arm to move')
        arm.control.fault(name, **values)

    thread = threading.Thread(target=trip)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_fault_on_the_way_is_told_and_the_arm_holds(arm: SimulatedArm, drive: ManualDrive) -> None:
    with fault_on_the_way(arm, 'error_bits', ids=[6], bits=0x20), \
            pytest.raises(ReflexError, match='OVERLOAD: gripper .*The arm holds'):
        drive.move(np.array([1.5, *START[1:]]), 0.5)
    assert all(arm.torque())


def test_arm_that_was_stopped_on_the_way_has_not_arrived(
        arm: SimulatedArm, drive: ManualDrive) -> None:
    # The setpoint rests at once then, as it does in the pose that was asked for.
    with fault_on_the_way(arm, 'bus_silent'), \
            pytest.raises(ReflexError, match='UNPOWERED.*support the arm'):
        drive.move(np.array([1.5, *START[1:]]), 0.5)


@pytest.mark.parametrize('target, joint', (((2.0, *START[1:]), 'shoulder_pan'),
                                           ((*START[:5], 2.2), 'gripper')))
def test_pose_outside_the_limits_is_refused(arm: SimulatedArm, drive: ManualDrive,
                                            target: tuple[float, ...], joint: str) -> None:
    arm.control.mark()
    with pytest.raises(ReflexError, match=f'{joint} would be at .* allowed'):
        drive.move(np.array(target), 0.5)
    assert arm.travel() < 0.002


def test_arm_that_sags_onto_a_stop_can_be_led_back_in(arm: SimulatedArm) -> None:
    # 3 degrees beyond the URDF's limit, as far as the mechanism allows.
    arm.control.set(pose=[0.0, -1.80, 0.7, 0.7, 0.0, 0.3])
    drive = ManualDrive(arm.open(), velocity=0.5)
    drive.open()
    try:
        drive.move(np.array([0.0, -1.70, 0.7, 0.7, 0.0, 0.3]), 0.5)
        assert arm.joint(1)['position_rad'] == pytest.approx(-1.70, abs=0.003)
    finally:
        drive.close()


def test_parking_ends_in_the_rest_pose_without_torque(arm: SimulatedArm) -> None:
    arm.control.set(pose=[0.1, -1.6, 1.5, 0.8, 0.0, 0.0])
    drive = ManualDrive(arm.open(), velocity=0.5, parks=True)
    drive.open()
    try:
        drive.park()
    finally:
        drive.close()
    assert not any(arm.torque())
    assert arm.joint(1)['position_rad'] == pytest.approx(np.radians(-100), abs=0.01)


def test_joint_far_outside_its_limits_is_named_with_the_way_back(arm: SimulatedArm) -> None:
    # Field fault h11: 0.1.0 said "refused: JUMP".
    arm.control.set(pose=[*START[:4], np.radians(176), START[5]])
    drive = ManualDrive(arm.open(), velocity=0.5)
    drive.open()
    try:
        arm.control.mark()
        with pytest.raises(ReflexError, match=r'wrist_roll is at 176\.\d deg, 13\.\d deg outside '
                                              r'of -157\.2 to 162\.8 deg\. Support the arm'):
            drive.move(np.array([*START[:4], np.radians(142.8), START[5]]), 0.2)
        assert arm.travel() < 0.002 and all(arm.torque())
    finally:
        drive.close()
