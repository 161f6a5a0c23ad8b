# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The example of a stop button, with the whole simulated system and its real processes."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

from reflex_ros.bringup import process_table
from reflex_ros.bringup.system import System
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.safe_stop import State
from reflex_ros.sim.arm.client import ArmControl

from .conftest import wait_for

pytest.importorskip('rclpy')

EXAMPLE = Path(__file__).parents[2] / 'doc' / 'examples' / 'stop_button.py'
CONFIG = """
/**/supervisor:
  ros__parameters:
    stop_devices: ["button"]
    gate.dry_run_s: 1.0
"""


class Button:
    """A button on a pipe in place of /dev/input, and the example that reads it."""

    def __init__(self, path, environment):
        if not path.exists():
            os.mkfifo(path)
        self._process = subprocess.Popen(
            [sys.executable, str(EXAMPLE), str(path)], env={**os.environ, **environment},
            stderr=subprocess.PIPE, text=True)
        self._pipe = os.open(path, os.O_WRONLY)

    def press(self, value):
        # struct input_event, by hand: the example has its own.
        os.write(self._pipe, bytes(16) + (1).to_bytes(2, 'little') + (28).to_bytes(2, 'little')
                 + value.to_bytes(4, 'little'))

    def unplug(self):
        """Close the device; return exit code and last words of the example."""
        os.close(self._pipe)
        _, said = self._process.communicate(timeout=20.0)
        return self._process.returncode, said

    def kill(self):
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def system(domain, tmp_path, monkeypatch):
    """Start the whole simulated system with a stop device."""
    for name, value in domain.items():
        monkeypatch.setenv(name, value)
    config = tmp_path / 'robot.yaml'
    config.write_text(CONFIG)
    system = System(tmp_path / 'logs', config=config, world=process_table.make_world(),
                    environment=domain)
    try:
        system.start()
        yield system
    finally:
        assert not system.end()


def move(system):
    system.wait_state(State.READY, timeout_s=60.0)
    answer = system.call('promote')
    assert answer['success'], answer
    system.wait_state(State.ACTIVE, timeout_s=15.0)


def test_button_that_is_pressed_or_gone_stops_the_arm(system, domain, tmp_path):
    system.wait_state(State.DRY_RUN, timeout_s=60.0)
    wait_for(lambda: 'the stop device button was never heard' in system.call('gate')['message'],
             20.0, 'red item')
    button = Button(tmp_path / 'event', domain)
    try:
        move(system)
        with ArmControl(system.world.control) as arm:
            button.press(1)
            system.wait_state(State.LATCHED, timeout_s=5.0)
            cause = system.view.causes[0]
            assert cause.code is FaultCode.OP_STOP
            assert cause.text == 'the stop device button is pressed'
            arm.mark()
            wait_for(lambda: 'button is pressed. Release it' in system.call('reset')['message'],
                     5.0, 'refusal')
            assert all(joint['goal_last_change_ns'] is None
                       for joint in arm.state()['joints'].values())
        button.press(0)
        wait_for(lambda: system.call('reset')['success'], 10.0, 'reset')
        move(system)
        code, said = button.unplug()
        assert code == 1 and 'is gone' in said
        system.wait_state(State.LATCHED, timeout_s=5.0)
        cause = system.view.causes[0]
        assert cause.code is FaultCode.OP_LOCK_LOST and 'has been silent for' in cause.text
    finally:
        button.kill()
