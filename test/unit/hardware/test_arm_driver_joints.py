# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The bus thread with a made-up arm of seven joints: it knows no SO-101."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import sys
import time

from arm_fixture import wait_for
import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / 'domain'))
from made_up_arms import SEVEN  # noqa: E402

from reflex_ros.domain.action import ActionChunk, ChunkBounds  # noqa: E402
from reflex_ros.domain.cause import Cause  # noqa: E402
from reflex_ros.domain.chunk_player import Motion  # noqa: E402
from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.heartbeats import MotionState  # noqa: E402
from reflex_ros.domain.joints import Vector  # noqa: E402
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard  # noqa: E402
from reflex_ros.domain.permit import Mode, Permit  # noqa: E402
from reflex_ros.domain.sample import JointSample  # noqa: E402
from reflex_ros.errors import BusTimeout  # noqa: E402
from reflex_ros.hardware.arm_driver import ArmDriver  # noqa: E402
from reflex_ros.hardware.clock import Clock  # noqa: E402
from reflex_ros.hardware.goal_gate import GoalBounds  # noqa: E402
from reflex_ros.hardware.written_goals import Deviation  # noqa: E402

COUNT = len(SEVEN.joints)
START = np.array([0.1, 0.4, 0.0, 0.5, 0.0, 0.0, 0.3])
PATIENT = GuardBounds(5.0, 9.0, 5.0, 9.0, 5.0, 9.0, 99.0, 99.0)


class SevenJoints:
    """An arm in memory whose joints are at their goals at once: a `DrivenArm`."""

    clock: Clock = time
    damaged = 0

    def __init__(self) -> None:
        self.pose = START.copy()
        self.has_torque = False
        self.temperature = np.full(COUNT, 35.0)
        self.checked: set[int] = set()
        self.changed: int | None = None
        self.fastest = 0.0
        self._reads = 0

    @property
    def holds(self) -> bool:
        return self.has_torque

    def read(self, *, retries: int = 2) -> JointSample:
        self._reads += 1
        zero = np.zeros(COUNT)
        # A real servo's voltage flickers.
        volts = np.full(COUNT, 12.0 + 0.1 * (self._reads % 2))
        return JointSample(self.clock.monotonic(), self.pose.copy(), zero, zero, zero, zero, volts,
                           self.temperature.copy(), (0,) * COUNT)

    def command(self, pose: Vector) -> Vector:
        self.fastest = max(self.fastest, float(np.abs(pose - self.pose).max()))
        self.pose = pose.copy()
        return pose

    def deviation(self) -> Deviation | None:
        return None

    def confirm(self, deviation: Deviation) -> Deviation | None:
        return deviation

    def check_configuration(self, index: int) -> Deviation | None:
        self.checked.add(index)
        if index != self.changed:
            return None
        return Deviation(index, FaultCode.CALIBRATION, 'its offset changed')

    def calibration_problem(self, index: int) -> str:
        return ''

    def unfitness(self, sample: JointSample) -> dict[str, str]:
        return {}

    def supply_problem(self, sample: JointSample) -> str:
        return ''

    def silence_cause(self, exc: BusTimeout) -> Cause:
        return Cause(FaultCode.UNPOWERED, str(exc))

    def arm(self, bounds: GoalBounds) -> Vector:
        self.has_torque = True
        return self.pose.copy()

    def torque_off(self) -> None:
        self.has_torque = False

    def close(self) -> None:
        pass


class Rig:
    """A driver of that arm, with a permit that lasts."""

    def __init__(self, mode: Mode) -> None:
        self.arm = SevenJoints()
        self.guard = MotionGuard(PATIENT)
        self.driver = ArmDriver(self.arm, self.guard, ChunkBounds(SEVEN), Motion(period_s=0.005))
        self.guard.renew_permit(Permit(1, mode), time.monotonic())
        self.driver.start()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(Mode.APPLY_ACTIONS)
    yield made
    made.driver.close()


@pytest.fixture
def parking() -> Iterator[Rig]:
    made = Rig(Mode.PARK)
    yield made
    made.driver.close()


def test_seven_joints_are_measured_and_held(rig: Rig) -> None:
    rig.driver.activate()
    wait_for(lambda: rig.driver.report().cycles > 5, 'measurements')
    sample, report = rig.driver.read(), rig.driver.report()
    assert sample is not None and len(sample.position) == COUNT
    assert report.state is MotionState.HOLD and report.setpoint == pytest.approx(START)
    assert rig.driver.description is SEVEN


def test_seven_joints_are_parked_in_the_rest_pose_of_their_description(parking: Rig) -> None:
    parking.driver.park()
    wait_for(lambda: parking.driver.report().is_parked, 'the rest pose')
    assert parking.arm.pose == pytest.approx(SEVEN.rest_pose, abs=1e-6)
    assert 0.0 < parking.arm.fastest < 0.02 and not parking.arm.has_torque


@pytest.mark.parametrize('index', (0, COUNT - 1))
def test_fault_names_the_joint_of_the_description(rig: Rig, index: int) -> None:
    rig.driver.activate()
    rig.arm.temperature[index] = 63.0
    cause = wait_for(lambda: rig.driver.report().cause, 'the latch')
    assert cause == Cause(FaultCode.OVERHEAT, f'{SEVEN.joint_names[index]} is at 63 degC')


def test_permanent_settings_of_every_joint_are_checked(
        rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('reflex_ros.hardware.arm_monitor.CHECK_CONFIGURATION_S', 0.01)
    rig.driver.activate()
    wait_for(lambda: rig.arm.checked == set(range(COUNT)), 'every joint to be checked')
    rig.arm.changed = COUNT - 1
    cause = wait_for(lambda: rig.driver.report().cause, 'the latch')
    assert cause == Cause(FaultCode.CALIBRATION, 'jaw: its offset changed')


def test_chunk_for_seven_joints_is_played(rig: Rig) -> None:
    rig.driver.activate()
    rows = np.linspace(START, START + 0.05, 20)
    rig.driver.command(ActionChunk(1, rows, 100.0, time.monotonic(), epoch=1,
                                   joint_names=SEVEN.joint_names))
    wait_for(lambda: rig.driver.report().accepted and rig.driver.report().is_starved, 'its end')
    assert rig.arm.pose == pytest.approx(START + 0.05, abs=1e-6)


def test_chunk_for_another_arm_is_refused(rig: Rig) -> None:
    rig.driver.activate()
    rig.driver.command(ActionChunk(1, np.zeros((5, 6)), 50.0, time.monotonic(), epoch=1,
                                   joint_names=SEVEN.joint_names[:6]))
    wait_for(lambda: rig.driver.report().rejected == {FaultCode.BAD_SHAPE: 1}, 'the refusal')
    assert rig.arm.pose == pytest.approx(START)
