# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Servo libraries that we did not write, on the emulator's port as it is.

None of them is a dependency of ours. To run these tests, install them beside pytest, click and
pyserial: ``pip install feetech-servo-sdk st3215 rustypot``.
"""

from __future__ import annotations

from collections.abc import Iterator
import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from reflex_ros.sim.arm.client import ArmControl

REPOSITORY = Path(__file__).parents[3]
SUCCESS = 0
ROLL = 5
WHY = 'a foreign servo library; see the head of this file'


@pytest.fixture(scope='module')
def ready() -> Iterator[dict[str, Any]]:
    """Run an arm with the timing of the real line; return its ready line."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'reflex_ros.sim.arm', '--model', 'instant'],
        stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY)})
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=10)


@pytest.fixture
def control(ready: dict[str, Any]) -> Iterator[ArmControl]:
    with ArmControl(ready['control']) as client:
        client.set(pose='zero')
        yield client
        client.fault('torque_dropped')
        for servo_id in range(1, 7):
            client.set(id=servo_id, register='operating_mode', value=0)


def test_feetech_servo_sdk(ready: dict[str, Any], control: ArmControl) -> None:
    sdk = pytest.importorskip('scservo_sdk', reason=WHY)
    port, packets = sdk.PortHandler(ready['port']), sdk.PacketHandler(0)
    assert port.openPort() and port.setBaudRate(1_000_000)
    try:
        assert packets.ping(port, 1) == (777, SUCCESS, 0)
        assert packets.ping(port, 30)[1] != SUCCESS
        for address, value in ((55, 0), (21, 33), (55, 1)):
            assert packets.write1ByteTxRx(port, ROLL, address, value) == (SUCCESS, 0)
        assert packets.read1ByteTxRx(port, ROLL, 21) == (33, SUCCESS, 0)
        # Buffered, then executed.
        packets.regWriteTxRx(port, ROLL, 42, 2, [0, 8])
        assert packets.read1ByteTxRx(port, ROLL, 64)[0] == 1
        packets.action(port, 254)
        assert packets.read1ByteTxRx(port, ROLL, 64)[0] == 0
        # Make the present position the middle.
        assert packets.write1ByteTxRx(port, ROLL, 40, 0) == (SUCCESS, 0)
        assert packets.write1ByteTxRx(port, ROLL, 40, 128) == (SUCCESS, 0)
        assert packets.read2ByteTxRx(port, ROLL, 56) == (2048, SUCCESS, 0)
        # Six at once.
        write, read = (sdk.GroupSyncWrite(port, packets, 42, 2),
                       sdk.GroupSyncRead(port, packets, 56, 4))
        for servo_id in range(1, 7):
            write.addParam(servo_id, [0xD0, 0x07])
            read.addParam(servo_id)
        assert write.txPacket() == SUCCESS
        # An instant joint arrives at the next step of a millisecond.
        for _ in range(2):
            assert read.txRxPacket() == SUCCESS
        assert [read.getData(i, 56, 2) for i in range(1, 7)] == [2000] * 6
        # Another id, another speed, and back.
        packets.write1ByteTxRx(port, ROLL, 5, 15)
        packets.write1ByteTxRx(port, 15, 6, 4)
        port.setBaudRate(115_200)
        assert packets.ping(port, 15) == (777, SUCCESS, 0)
        packets.write1ByteTxRx(port, 15, 6, 0)
        port.setBaudRate(1_000_000)
        packets.write1ByteTxRx(port, 15, 5, ROLL)
        assert packets.ping(port, ROLL) == (777, SUCCESS, 0)
    finally:
        port.closePort()


def test_st3215(ready: dict[str, Any], control: ArmControl) -> None:
    library = pytest.importorskip('st3215', reason=WHY)
    servo = library.ST3215(ready['port'])
    try:
        assert servo.ListServos() == [1, 2, 3, 4, 5, 6]
        assert servo.ReadVoltage(ROLL) == pytest.approx(12.1, abs=0.2)
        assert servo.ReadMode(ROLL) == 0
        assert servo.MoveTo(ROLL, 2300)
        while servo.IsMoving(ROLL):
            pass
        assert servo.ReadPosition(ROLL) == 2300
        # It presses the joint against its stops and trusts the moving flag.
        assert servo.Rotate(1, 3000) is not None
        while not servo.IsMoving(1):
            pass
        while servo.IsMoving(1):
            pass
        assert servo.ReadPosition(1) == 3416
    finally:
        servo.portHandler.closePort()


def test_rustypot(ready: dict[str, Any], control: ArmControl) -> None:
    library = pytest.importorskip('rustypot', reason=WHY)
    servos = library.Sts3215PyController(serial_port=ready['port'], baudrate=1_000_000,
                                         timeout=0.5)
    ids = list(range(1, 7))
    assert all(servos.ping(servo_id) for servo_id in ids)
    servos.sync_write_torque_enable(ids, [True] * 6)
    servos.sync_write_goal_position(ids, [0.2] * 6)
    for _ in range(2):
        positions = servos.sync_read_present_position(ids)
    assert positions == pytest.approx([0.2] * 6, abs=0.002)
    servos.sync_write_torque_enable(ids, [False] * 6)
