# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A simulated arm in a process of its own, and its byte log (``stepped_arm``: in virtual time).

This module decodes requests by hand, without the code under test.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import json
import math
import os
from pathlib import Path
import select
import subprocess
import sys
import tempfile
import time
from typing import Any, ClassVar, NamedTuple, TypeVar

from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import RAD_PER_TICK
from reflex_ros.hardware.port import SerialPort
from reflex_ros.hardware.so101 import JOINT_NAMES, SO101_JOINTS
from reflex_ros.sim.arm.client import ArmControl, ArmOperations, Json

T = TypeVar('T')

REPOSITORY = Path(__file__).parents[3]
DEADLINE_S = 8.0
"""For everything that must happen soon: the machine may be busy."""
POLL_S = 0.002
BROADCAST = 0xFE
TORQUE, GOAL, LIMIT = 40, 42, 48


def wait_for(condition: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """
    Poll until a condition is true and return its value; fail with ``what`` at the deadline.

    The newest simulated arm says how time passes meanwhile.
    """
    deadline = time.monotonic() + deadline_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'waited {deadline_s:g} s in vain: {what}')
        if WatchedArm.running:
            WatchedArm.running[-1].let_time_pass()
        else:
            time.sleep(POLL_S)


class Write(NamedTuple):
    """One register write on the line; a sync write gives one per servo."""

    at_ns: int
    servo_id: int
    address: int
    data: bytes

    @property
    def value(self) -> int:
        return int.from_bytes(self.data, 'little')


def writes_in(entries: list[list[Any]]) -> Iterator[Write]:
    """Decode WRITE and SYNC WRITE instructions."""
    for at_ns, kind, data in entries:
        frame = bytes.fromhex(data) if kind == 'request' else b''
        if frame[4:5] == b'\x03':
            yield Write(at_ns, frame[2], frame[5], frame[6:-1])
        elif frame[4:5] == b'\x83':
            address, size = frame[5], frame[6]
            for start in range(7, len(frame) - 1, size + 1):
                yield Write(at_ns, frame[start], address, frame[start + 1:start + 1 + size])


class WatchedControl(ArmOperations):
    """
    The control operations of an arm, with the largest goal steps over every mark.

    The emulator measures a step from the goal before, under torque. The first goal after torque on
    is no step: there the goal is written to the measured pose.
    """

    def __init__(self, control: ArmOperations) -> None:
        self._control = control
        self.largest_ticks = dict.fromkeys(JOINT_NAMES, 0)

    def call(self, op: str, **arguments: object) -> Json:
        return self._control.call(op, **arguments)

    def look(self) -> None:
        for name, joint in self.state()['joints'].items():
            self.largest_ticks[name] = max(self.largest_ticks[name],
                                           joint['max_goal_step_ticks'])

    def mark(self) -> int:
        self.look()
        return super().mark()

    def forget(self) -> None:
        super().mark()
        self.largest_ticks = dict.fromkeys(JOINT_NAMES, 0)


class WatchedArm(ABC):
    """
    A running simulated arm, and what the tests ask it.

    After every test, no goal may have differed from the one before by more than a step (see
    ``check_goal_steps``).
    """

    running: ClassVar[list[WatchedArm]] = []

    def __init__(self, control: ArmOperations) -> None:
        self.control = WatchedControl(control)
        self.has_foreign_leap = False
        self.running.append(self)

    @abstractmethod
    def open(self, **options: Any) -> So101Arm:
        """Open the port, not yet brought up."""

    def close(self) -> None:
        """End the arm."""
        self.running.remove(self)
        self.check_goal_steps()

    def let_time_pass(self) -> None:
        """Wait between two looks of a test."""
        time.sleep(POLL_S)

    @property
    def has_ended(self) -> bool:
        """Whether the test itself has ended the arm."""
        return False

    def allow_foreign_leap(self) -> None:
        """Say that this test itself writes a goal far away, as another program would."""
        self.has_foreign_leap = True

    def check_goal_steps(self) -> None:
        """Fail if a goal has leapt since the last check: further than 10 ms at full speed."""
        if self.has_ended:
            return
        self.control.look()
        largest, is_checked = self.control.largest_ticks, not self.has_foreign_leap
        self.control.forget()
        self.has_foreign_leap = False
        assert not is_checked or all(
            largest[joint.name] <= math.ceil(joint.limits.velocity * 0.01 / RAD_PER_TICK)
            for joint in SO101_JOINTS), f'goals have leapt: {largest} ticks'

    def joint(self, index: int) -> dict[str, Any]:
        """Return the true state of one joint."""
        joint: dict[str, Any] = self.control.state()['joints'][JOINT_NAMES[index]]
        return joint

    def ids(self) -> list[int]:
        """Return the ids that the servos have now."""
        return [joint['id'] for joint in self.control.state()['joints'].values()]

    def torque(self) -> list[bool]:
        return [joint['torque'] for joint in self.control.state()['joints'].values()]

    def travel(self) -> float:
        """Return the largest travel of a joint since the last mark [rad]."""
        return max(joint['travel_rad'] for joint in self.control.state()['joints'].values())

    def writes(self, since_ns: int = 0, address: int | None = None) -> list[Write]:
        """Return the register writes that servos received."""
        return [write for write in writes_in(self.control.log(since_ns, limit=100_000))
                if address is None or write.address == address]

    def requests(self, since_ns: int = 0) -> int:
        return sum(entry[1] == 'request' for entry in self.control.log(since_ns, limit=100_000))

    def reset(self, pose: str = 'ready') -> None:
        """
        Reset the arm: plugged in, powered, limp, at a pose, without faults, figures at zero.

        `reset_eeprom` resets the EEPROM.
        """
        control = self.control
        control.clear()
        control.power(True)
        if not control.state()['plugged']:
            control.replug()
        # This clears latched protection bits as well.
        control.fault('torque_dropped')
        for servo_id in range(1, 7):
            self._set(servo_id, POWER_ON)
        control.set(pose=pose, supply_v=12.1, temperature_c=35.0)
        control.mark()

    def reset_eeprom(self) -> None:
        """Reset the EEPROM to that of six calibrated 12 V servos."""
        for servo_id, (low, high, offset) in enumerate(CALIBRATION, 1):
            self._set(servo_id, {**FACTORY, 'min_position_limit': low, 'max_position_limit': high,
                                 'homing_offset': offset})

    def _set(self, servo_id: int, values: dict[str, int]) -> None:
        for register, value in values.items():
            self.control.set(id=servo_id, register=register, value=value)


class SimulatedArm(WatchedArm):
    """An emulator in a process of its own, behind a pseudo-terminal."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.link = folder / 'arm'
        socket = folder / 'control.sock'
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.sim.arm', '--link', str(self.link),
             '--control', str(socket), *options],
            stdout=subprocess.PIPE, text=True,
            env={**os.environ, 'PYTHONPATH': str(REPOSITORY)})
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], (), (), 30.0)[0]:
            self._process.kill()
            raise AssertionError('the simulated arm did not start')
        assert json.loads(self._process.stdout.readline())['ready']
        self._connection = ArmControl(socket)
        super().__init__(self._connection)

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._connection.close()
            self._process.terminate()
            self._process.communicate(timeout=10)

    def open(self, **options: Any) -> So101Arm:
        return So101Arm(Bus(SerialPort(str(self.link))), **options)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None


FACTORY = {'model_number': 777, 'operating_mode': 0, 'phase': 12, 'max_input_voltage': 140,
           'max_torque': 1000, 'max_temperature': 70, 'unloading_condition': 44,
           'protection_current': 250, 'overload_torque': 80, 'return_delay': 0,
           'response_level': 1, 'endianness': 0, 'angular_resolution': 1, 'firmware_minor': 10}
POWER_ON = {'torque_limit': 1000, 'goal_position': 0, 'acceleration': 0, 'goal_speed': 0,
            'lock': 1}
CALIBRATION = ((691, 3416, 412), (879, 3229, -731), (930, 3152, 1204), (884, 3213, -87),
               (0, 4095, 356), (1318, 2793, -1290))


@contextmanager
def simulated_arm(*options: str) -> Iterator[SimulatedArm]:
    """Run an emulator with short paths: the path of a socket must be short."""
    with tempfile.TemporaryDirectory(prefix='reflex_hw_') as folder:
        running = SimulatedArm(Path(folder), *options)
        try:
            yield running
        finally:
            running.close()


def check_goal_steps() -> None:
    """Check every simulated arm that runs; called after each test (test/conftest.py)."""
    for arm in WatchedArm.running:
        arm.check_goal_steps()
