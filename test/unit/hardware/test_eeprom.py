# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings that survive a power cycle: verified writes, backup, restore."""

from __future__ import annotations

from collections.abc import Iterator
import json
from pathlib import Path

from arm_fixture import SimulatedArm, wait_for
import pytest

from reflex_ros.errors import BusTimeout, ConfigurationError, ReflexError, ServoFault
from reflex_ros.hardware import eeprom
from reflex_ros.hardware import registers as reg
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.eeprom import Change
from reflex_ros.hardware.port import SerialPort
from reflex_ros.runner.servo_setup import write_with_backup

PAN = Change(1, reg.HOMING_OFFSET, 412, -300)
ROLL = Change(5, reg.MAX_POSITION_LIMIT, 4095, 4000)
NEVER = Change(2, reg.FIRMWARE_MAJOR, 3, 9)
"""No servo takes this."""


@pytest.fixture
def arm(instant_arm: SimulatedArm) -> Iterator[SimulatedArm]:
    instant_arm.reset()
    instant_arm.reset_eeprom()
    yield instant_arm
    instant_arm.reset()
    instant_arm.reset_eeprom()


@pytest.fixture
def bus(arm: SimulatedArm) -> Iterator[Bus]:
    opened = Bus(SerialPort(str(arm.link)))
    yield opened
    opened.close()


def test_written_values_survive_a_power_cycle_and_the_servos_are_locked_again(
        arm: SimulatedArm, bus: Bus) -> None:
    done: list[Change] = []
    eeprom.write(bus, [PAN, ROLL], done)
    assert done == [PAN, ROLL]
    assert [bus.read(id_, reg.LOCK) for id_ in (1, 5)] == [1, 1]
    arm.control.power(False)
    arm.control.power(True)
    wait_for(lambda: _answers(bus), 'the servos to start')
    assert bus.read(1, reg.HOMING_OFFSET) == -300
    assert bus.read(5, reg.MAX_POSITION_LIMIT) == 4000


def _answers(bus: Bus) -> bool:
    try:
        return bool(bus.sync_read(range(1, 7), 0, 1))
    except BusTimeout:
        return False


def test_servo_under_torque_is_not_written(arm: SimulatedArm, bus: Bus) -> None:
    bus.write(5, reg.TORQUE_ENABLE, 1)
    since = arm.control.mark()
    with pytest.raises(ServoFault, match='servo 5 is under torque'):
        eeprom.write(bus, [PAN, ROLL])
    assert arm.writes(since) == []


def test_value_that_is_not_taken_is_written_three_times_then_named(bus: Bus) -> None:
    done: list[Change] = []
    with pytest.raises(ServoFault, match='servo 2 does not hold 9 in firmware_major after 3'):
        eeprom.write(bus, [NEVER], done)
    assert done == [NEVER] * 3
    assert bus.read(2, reg.LOCK) == 1


def test_set_up_keeps_the_old_values_in_a_file(bus: Bus, tmp_path: Path) -> None:
    backup = write_with_backup(bus, [PAN], tmp_path / 'deep', 'arm')
    kept = eeprom.load_backup(backup)
    assert kept[1][reg.HOMING_OFFSET] == 412 and set(kept) == {1}
    found = eeprom.read_kept(bus, [1])
    assert eeprom.changes(found, kept) == [Change(1, reg.HOMING_OFFSET, -300, 412)]
    content = json.loads(backup.read_text())
    assert content['arm'] == 'arm' and content['port'] == bus.port.name and content['taken_at']


def test_failed_set_up_puts_everything_back(arm: SimulatedArm, bus: Bus, tmp_path: Path) -> None:
    with pytest.raises(ReflexError, match=r'written to \d+ registers? is restored'):
        write_with_backup(bus, [PAN, NEVER, ROLL], tmp_path, 'arm')
    assert bus.read(1, reg.HOMING_OFFSET) == 412
    assert bus.read(5, reg.MAX_POSITION_LIMIT) == 4095


def test_set_up_that_cannot_be_put_back_says_what_may_have_been_written(
        arm: SimulatedArm, bus: Bus, tmp_path: Path) -> None:
    original = eeprom.SETTLE_S

    class Unplug:
        """Disconnect servo 1 between the writes and the reads."""

        def __init__(self) -> None:
            self.count = 0

        def sleep(self, seconds: float) -> None:
            self.count += 1
            assert seconds == original
            arm.control.fault('silent', ids=[1])

        strftime = staticmethod(eeprom.time.strftime)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(eeprom, 'time', Unplug())
        with pytest.raises(ReflexError) as caught:
            write_with_backup(bus, [PAN, ROLL], tmp_path, 'arm')
    said = str(caught.value)
    assert 'These registers may have been written: servo 1 homing_offset: 412 -> -300; ' in said
    assert f'--undo --backup {next(tmp_path.iterdir())}' in said


def test_nothing_is_written_when_there_is_no_place_for_the_backup(
        arm: SimulatedArm, bus: Bus, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    since = arm.control.mark()
    with pytest.raises(ReflexError, match='nothing was changed'):
        write_with_backup(bus, [PAN], tmp_path / 'file', 'arm')
    assert arm.writes(since) == []


def test_backups_of_one_second_do_not_overwrite_each_other(bus: Bus, tmp_path: Path) -> None:
    found = eeprom.read_kept(bus, [1])
    paths = [eeprom.save_backup(tmp_path, 'arm', 'port', found) for _ in range(12)]
    assert len(set(paths)) == 12 and eeprom.newest_backup(tmp_path, 'arm') == paths[-1]
    eeprom.save_backup(tmp_path, 'arm-2', 'port', found)
    assert eeprom.newest_backup(tmp_path, 'arm') == paths[-1]
    with pytest.raises(ConfigurationError, match='no backup of other'):
        eeprom.newest_backup(tmp_path, 'other')


@pytest.mark.parametrize('content', (
    '', '[]', '{}', '{"servos": 1}', '{"servos": {"x": {}}}', '{"servos": {"1": {"id": 3}}}',
    '{"servos": {"1": {"homing_offset": 4000}}}', '{"servos": {"1": {"homing_offset": "x"}}}'))
def test_file_that_is_no_backup_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / 'arm.json'
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=f'backup {path} cannot be read'):
        eeprom.load_backup(path)
