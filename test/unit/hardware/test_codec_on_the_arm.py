# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every instruction of the manual, through a pseudo-terminal to the simulated servos and back."""

from __future__ import annotations

from collections.abc import Iterator
import time

from arm_fixture import DEADLINE_S, SimulatedArm, wait_for
import more_instructions
import pytest

from reflex_ros.errors import BusTimeout
from reflex_ros.hardware import codec, port
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.codec import Status, StatusParser

ACKNOWLEDGED = Status(2, 0, b'')


class Line:
    """The port: send one frame, receive the replies to it."""

    def __init__(self, sim: SimulatedArm, arm: So101Arm) -> None:
        self.sim, self.arm = sim, arm

    def ask(self, frame: bytes, answers: int = 1) -> list[Status]:
        """Send a frame and wait for its replies; with none, wait for the reply to a later ping."""
        opened, parser, found = self.arm.bus.port, StatusParser(), []
        opened.drain()
        opened.write(frame if answers else frame + codec.ping(1))
        deadline = time.monotonic() + DEADLINE_S
        while len(found) < max(answers, 1) and time.monotonic() < deadline:
            found += parser.parse(opened.read(codec.MAX_FRAME))
        assert parser.discarded == 0
        return found if answers else found[1:]

    def read(self, register: reg.Register, servo_id: int = 2) -> int:
        return self.arm.bus.read(servo_id, register)

    def is_back(self, servo_id: int) -> bool:
        try:
            return bool(self.arm.bus.ping(servo_id))
        except BusTimeout:
            return False


@pytest.fixture
def line(instant_arm: SimulatedArm, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(port, 'READ_SLICE_S', 0.02)
    instant_arm.reset_eeprom()
    instant_arm.reset()
    opened = instant_arm.open()
    yield Line(instant_arm, opened)
    opened.close()
    # RECOVERY and BACKUP change the EEPROM.
    instant_arm.reset_eeprom()


def test_ping(line: Line) -> None:
    assert line.ask(codec.ping(2)) == [ACKNOWLEDGED]
    assert [status.servo_id for status in line.ask(codec.ping(codec.BROADCAST), 6)] == [
        1, 2, 3, 4, 5, 6]


def test_read(line: Line) -> None:
    assert line.ask(codec.read(2, 3, 2)) == [Status(2, 0, b'\x09\x03')]


def test_write(line: Line) -> None:
    assert line.ask(codec.write(2, 41, b'\x32')) == [ACKNOWLEDGED]
    assert line.read(reg.ACCELERATION) == 50


def test_broadcast_write_is_done_by_all_and_answered_by_none(line: Line) -> None:
    assert line.ask(codec.write(codec.BROADCAST, 41, b'\x07'), 0) == []
    assert [line.read(reg.ACCELERATION, servo_id) for servo_id in range(1, 7)] == [7] * 6


def test_reg_write_waits_for_action(line: Line) -> None:
    assert line.ask(more_instructions.reg_write(2, 41, b'\x21')) == [ACKNOWLEDGED]
    assert (line.read(reg.ACCELERATION), line.read(reg.ASYNC_WRITE_FLAG)) == (0, 1)
    assert line.ask(more_instructions.action(), 0) == []
    assert (line.read(reg.ACCELERATION), line.read(reg.ASYNC_WRITE_FLAG)) == (33, 0)


def test_sync_read(line: Line) -> None:
    found = line.ask(codec.sync_read((3, 1), 3, 2), 2)
    assert found == [Status(3, 0, b'\x09\x03'), Status(1, 0, b'\x09\x03')]


def test_sync_write(line: Line) -> None:
    assert line.ask(codec.sync_write(41, {2: b'\x05', 3: b'\x06'}), 0) == []
    assert [line.read(reg.ACCELERATION, servo_id) for servo_id in (2, 3, 4)] == [5, 6, 0]


def test_backup_and_recovery(line: Line) -> None:
    line.arm.bus.write(2, reg.P_COEFFICIENT, 21)
    assert line.ask(more_instructions.backup(2)) == [ACKNOWLEDGED]
    line.arm.bus.write(2, reg.P_COEFFICIENT, 30)
    assert line.ask(more_instructions.recovery(2)) == [ACKNOWLEDGED]
    assert (line.read(reg.P_COEFFICIENT), line.read(reg.ID)) == (21, 2)


def test_reset_turns(line: Line) -> None:
    assert line.ask(more_instructions.reset_turns(2)) == [ACKNOWLEDGED]


@pytest.mark.parametrize('reads', (None, 1024))
def test_calibrate(line: Line, reads: int | None) -> None:
    assert line.ask(more_instructions.calibrate(2, reads)) == [ACKNOWLEDGED]
    assert line.read(reg.PRESENT_POSITION) == pytest.approx(reads or 2048, abs=1)


def test_reboot(line: Line) -> None:
    line.arm.bus.write(2, reg.ACCELERATION, 9)
    assert line.ask(more_instructions.reboot(2), 0) == []
    assert not line.is_back(2)
    wait_for(lambda: line.is_back(2), 'the servo to be back')
    assert line.read(reg.ACCELERATION) == 0
