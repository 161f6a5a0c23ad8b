# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The life of a robot behind the connector interface, with the SO-101's connector by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'hardware'))
from arm_fixture import simulated_arm, SimulatedArm, wait_for  # noqa: E402

from reflex_ros.domain.action import ActionChunk  # noqa: E402
from reflex_ros.domain.cause import Cause  # noqa: E402
from reflex_ros.domain.component_status import Level  # noqa: E402
from reflex_ros.domain.fault_code import FaultCode  # noqa: E402
from reflex_ros.domain.heartbeats import MotionState  # noqa: E402
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard  # noqa: E402
from reflex_ros.domain.permit import Mode, Permit  # noqa: E402
from reflex_ros.domain.sample import JointSample  # noqa: E402
from reflex_ros.errors import BusTimeout, ConfigurationError, ReflexError  # noqa: E402
from reflex_ros.hardware.port import SerialPort  # noqa: E402
from reflex_ros.runner.connector import Connector  # noqa: E402
from reflex_ros.runner.connectors import connector_factory, FACTORIES  # noqa: E402

PATIENT = GuardBounds(5.0, 9.0, 5.0, 9.0, 5.0, 9.0, 99.0, 99.0)
NEAR_REST = [0.05, *np.radians([-95, 85, 50, 0, -5])]


@pytest.fixture(scope='module')
def running() -> Iterator[SimulatedArm]:
    with simulated_arm('--fast', '--model', 'instant') as arm:
        yield arm


@pytest.fixture
def arm(running: SimulatedArm) -> SimulatedArm:
    running.reset()
    running.control.set(pose=NEAR_REST)
    return running


def settings(arm: SimulatedArm, **changes: Any) -> dict[str, Any]:
    """Return the parameters of the driver node, with its defaults."""
    names = ('shoulder_pan', 'shoulder_lift', 'elbow_flex', 'wrist_flex', 'wrist_roll', 'gripper')
    return {'port': str(arm.link), 'baud': 1_000_000, 'rate_hz': 50.0, 'profile': 'follower',
            'calibration_file': '', 'accept_range': False,
            **{f'trim.{name}': 0.0 for name in names},
            'limits.velocity': 2.0, 'limits.acceleration': 10.0, 'interpolation': 'spline',
            'fade_s': 0.45, 'ensemble': 0.0, 'limits.jump': 0.1745, 'limits.lead': 0.1745,
            'limits.chunk_age_s': 1.0, 'limits.clamp': False, 'stop.acceleration': 10.0,
            'stop.back_off': 0.0,             **changes}


@pytest.fixture
def guard() -> MotionGuard:
    return MotionGuard(PATIENT)


@pytest.fixture
def connector(arm: SimulatedArm, guard: MotionGuard) -> Iterator[Connector]:
    made = connector_factory('so101').open(settings(arm), guard)
    yield made
    made.close()


def test_life_of_a_connector(arm: SimulatedArm, guard: MotionGuard,
                             connector: Connector) -> None:
    assert connector.read() is None and connector.diagnostics() == ()
    samples: list[JointSample] = []
    connector.start(samples.append)
    wait_for(lambda: len(samples) > 3, 'measurements')
    assert connector.report().state is MotionState.PASSIVE and arm.torque() == [False] * 6

    guard.renew_permit(Permit(1, Mode.APPLY_ACTIONS), time.monotonic())
    connector.activate()
    assert arm.torque() == [True] * 6
    rows = np.tile(np.array(connector.report().setpoint), (10, 1))
    rows[:, 0] += np.linspace(0.0, 0.1, 10)
    connector.command(ActionChunk(1, rows, 50.0, time.monotonic(), epoch=1,
                                  joint_names=connector.description.joint_names))
    wait_for(lambda: connector.report().accepted and connector.report().is_starved, 'the motion')
    # Two degrees of slack, and the resolution of a tick.
    assert arm.joint(0)['position_rad'] == pytest.approx(0.15, abs=0.005)

    assert connector.hold()
    assert connector.report().state is MotionState.PASSIVE and arm.torque() == [True] * 6
    connector.command(ActionChunk(2, rows - 0.1, 50.0, time.monotonic(), epoch=1,
                                  joint_names=connector.description.joint_names))
    guard.renew_permit(Permit(2, Mode.PARK), time.monotonic())
    connector.park()
    wait_for(lambda: connector.report().is_parked, 'the rest pose')
    assert arm.torque() == [False] * 6 and connector.report().accepted == 1

    connector.release()
    connector.close()
    connector.close()
    assert connector.hold()


def test_description_has_the_limits_of_calibration_and_settings(
        arm: SimulatedArm, guard: MotionGuard) -> None:
    made = connector_factory('so101').open(settings(arm, **{'limits.velocity': 0.5}), guard)
    try:
        description = made.description
        assert description.name == 'so101' and set(description.velocity[:5]) == {0.5}
        # 1475 ticks of travel from the closed end on.
        travel = description.gripper_travels[0]
        assert (travel.closed, travel.opened) == pytest.approx((-0.174533, 2.088), abs=0.001)
    finally:
        made.close()


def test_diagnostics_name_bus_and_every_servo(arm: SimulatedArm, connector: Connector) -> None:
    arm.control.set(temperature_c=57.0, ids=[2])
    connector.start()
    parts = wait_for(connector.diagnostics, 'the first measurement')
    assert [part.name for part in parts] == [
        'bus', 'servo_shoulder_pan', 'servo_shoulder_lift', 'servo_elbow_flex',
        'servo_wrist_flex', 'servo_wrist_roll', 'servo_gripper']
    assert {part.hardware_id for part in parts} == {str(arm.link)}
    warm = parts[2]
    assert warm.level is Level.WARN and warm.message.startswith('warm: 5')
    assert [part.level for part in parts if part is not warm] == [Level.OK] * 6
    arm.control.fault('error_bits', ids=[6], bits=0x20)
    wait_for(lambda: connector.diagnostics()[6].level is Level.ERROR, 'the error bit')
    assert connector.diagnostics()[6].message == 'error bits 0x20'


@pytest.mark.parametrize('changes, error, text', (
    ({'rate_hz': 1e6}, ConfigurationError, "'rate_hz' is 1e.06, but this bus carries at most"),
    ({'calibration_file': '/nowhere.json'}, ConfigurationError, 'cannot be read'),
    ({'port': '/dev/reflex_nothing'}, ConfigurationError, 'does not exist'),
))
def test_arm_that_cannot_be_opened_is_refused_and_its_port_is_free(
        arm: SimulatedArm, guard: MotionGuard, changes: dict[str, Any], error: type[ReflexError],
        text: str) -> None:
    with pytest.raises(error, match=text):
        connector_factory('so101').open(settings(arm, **changes), guard)
    SerialPort(str(arm.link)).close()


def test_silent_servo_is_named_and_the_port_is_free(arm: SimulatedArm,
                                                    guard: MotionGuard) -> None:
    arm.control.fault('silent', ids=[4])
    with pytest.raises(BusTimeout, match=r'servo 4 \(wrist_flex\)'):
        connector_factory('so101').open(settings(arm), guard)
    SerialPort(str(arm.link)).close()


def test_stop_of_another_thread_is_seen_by_the_connector(
        arm: SimulatedArm, guard: MotionGuard, connector: Connector) -> None:
    guard.renew_permit(Permit(1, Mode.APPLY_ACTIONS), time.monotonic())
    connector.start()
    connector.activate()
    cause = Cause(FaultCode.OP_STOP, 'a person said stop')
    thread = threading.Thread(target=guard.fail, args=(cause,))
    thread.start()
    thread.join()
    wait_for(lambda: connector.report().state is MotionState.HOLD, 'rest')
    assert connector.report().cause == cause and arm.torque() == [True] * 6


def test_every_factory_can_be_imported() -> None:
    for name in FACTORIES:
        assert hasattr(connector_factory(name), 'open')


@pytest.mark.parametrize('name, hint', (
    ('so100', "did you mean 'so101'"), ('ur5e', 'Known connectors: so101')))
def test_unknown_connector_is_refused_with_the_known_ones(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match=hint):
        connector_factory(name)
