# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two simulated arms, two driver nodes, one machine: config/two_arms.yaml as it ships."""

from contextlib import ExitStack
import math
import os
from pathlib import Path
import subprocess
import sys

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'unit' / 'hardware'))
from arm_fixture import CALIBRATION, simulated_arm, wait_for  # noqa: E402

rclpy = pytest.importorskip('rclpy')
pytestmark = pytest.mark.xdist_group('ros nodes')

ROOT = Path(__file__).parents[2]
PANS = {'left': 0.5, 'right': -0.4}
ELBOW_TRIM = -0.0873


@pytest.fixture
def arms():
    """Run two arms that stand differently; their links have the names of the example."""
    with ExitStack() as stack:
        made = {name: stack.enter_context(simulated_arm('--model', 'instant')) for name in PANS}
        for name, arm in made.items():
            arm.control.set(pose=[PANS[name], -0.7, 0.7, 0.7, 0.0, 0.3])
        yield made


@pytest.fixture
def config(tmp_path, monkeypatch, arms):
    """Return the example, with the ports of the simulated arms, and the calibrations it names."""
    from reflex_ros.hardware.calibration import from_range
    from reflex_ros.hardware.lerobot_file import path_of, save
    environ = {'HF_LEROBOT_CALIBRATION': str(tmp_path)}
    monkeypatch.setenv('HF_LEROBOT_CALIBRATION', str(tmp_path))
    text = (ROOT / 'config' / 'two_arms.yaml').read_text()
    for name, arm in arms.items():
        save(path_of(f'{name}_arm', environ),
             [from_range(index, *row) for index, row in enumerate(CALIBRATION)])
        assert text.count(f'/dev/so101_{name}') == 1
        text = text.replace(f'/dev/so101_{name}', str(arm.link))
    path = tmp_path / 'two_arms.yaml'
    path.write_text(text)
    return path


def configure(node, name):
    """Configure a driver by its lifecycle service, as the supervisor does."""
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState
    client = node.create_client(ChangeState, f'/{name}/so101/change_state')

    def done():
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
        future = client.call_async(request)
        rclpy.spin_until_future_complete(node, future, timeout_sec=3.0)
        return future.done() and future.result().success

    wait_for(client.service_is_ready, f'service of {name}', 30.0)
    wait_for(done, f'configured driver of {name}', 30.0)


def test_two_drivers_serve_two_arms_side_by_side(ros, domain, arms, config):
    from diagnostic_msgs.msg import DiagnosticArray
    from sensor_msgs.msg import JointState
    processes = [subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.nodes.so101_driver_node', '--ros-args',
         '--params-file', str(config), '-r', f'__ns:=/{name}'],
        env={**os.environ, **domain}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in PANS]
    try:
        with ros():
            node = rclpy.create_node('watcher')
            measured, told = {}, set()
            subscriptions = [node.create_subscription(
                JointState, f'/{name}/joint_states',
                lambda message, name=name: measured.update({name: list(message.position)}), 10)
                for name in PANS]
            subscriptions.append(node.create_subscription(
                DiagnosticArray, '/diagnostics',
                lambda message: told.update(status.name for status in message.status), 10))

            def heard(condition):
                rclpy.spin_once(node, timeout_sec=0.05)
                return condition()

            for name in PANS:
                configure(node, name)
            wait_for(lambda: heard(lambda: len(measured) == 2), 'joint states of both', 20.0)
            for name, pan in PANS.items():
                assert measured[name][0] == pytest.approx(pan, abs=0.01)
            # Each has a zero of its own.
            assert measured['left'][2] == pytest.approx(0.7, abs=0.01)
            assert measured['right'][2] == pytest.approx(0.7 + ELBOW_TRIM, abs=0.01)
            place = PANS['left']

            def is_there():
                # By hand, not faster than an arm can be: a leap is not believed.
                nonlocal place
                place = min(place + 0.02, 1.0)
                arms['left'].control.set(pose=[place, -0.7, 0.7, 0.7, 0.0, 0.3])
                return heard(lambda: math.isclose(measured['left'][0], 1.0, abs_tol=0.01))

            wait_for(is_there, 'motion of the left arm', 20.0)
            assert measured['right'][0] == pytest.approx(PANS['right'], abs=0.01)
            names = {f'{name}/so101: driver/bus' for name in PANS}
            wait_for(lambda: heard(lambda: names <= told), f'{names} in /diagnostics')
            node.destroy_node()
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(15) for process in processes]
    assert codes == [0, 0]
