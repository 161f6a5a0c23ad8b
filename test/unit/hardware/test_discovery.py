# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which ports are probed, in which order, and the error text when no arm is found."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import re
import subprocess
import sys
import tty

from arm_fixture import REPOSITORY, SimulatedArm
import pytest
import serial
from test_port import HOLD_PORT

from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.discovery import BAUD_RATES, candidates, find_arm, USB_IDS, VARIABLE


class FakeHost:
    """A /dev and a /sys tree with ports that a test chooses."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / 'dev/serial/by-id').mkdir(parents=True)
        (root / 'sys/class/tty').mkdir(parents=True)

    def port(self, name: str, target: str = '') -> Path:
        """Make a device file; without a target it is an empty file."""
        path = self.root / 'dev' / name
        if target:
            path.symlink_to(target)
        else:
            path.touch()
        return path

    def usb(self, name: str, usb_id: str, serial: str, target: str = '') -> Path:
        """Make a device file of a USB adapter, as the kernel lays it out."""
        vendor, product = usb_id.split(':')
        device = self.root / f'sys/devices/pci/usb1/{serial}'
        interface = device / '1-1:1.0'
        interface.mkdir(parents=True)
        for key, value in (('idVendor', vendor), ('idProduct', product), ('serial', serial)):
            (device / key).write_text(f'{value}\n')
        entry = self.root / 'sys/class/tty' / name
        entry.mkdir()
        (entry / 'device').symlink_to(interface)
        return self.port(name, target)

    def link(self, name: str, path: Path) -> Path:
        link = self.root / 'dev/serial/by-id' / name
        link.symlink_to(path)
        return link

    def find(self, **environ: str) -> tuple[str, int]:
        return find_arm(environ, self.root)

    def refusal(self, **environ: str) -> str:
        with pytest.raises(ConfigurationError) as caught:
            self.find(**environ)
        return str(caught.value)


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)


@pytest.fixture
def silent() -> Iterator[str]:
    """Return a serial port on which no servo answers."""
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def test_candidates_come_in_the_documented_order_each_once(host: FakeHost) -> None:
    other = host.port('ttyUSB0')
    cable = host.usb('ttyUSB1', '0403:6001', 'FT1')
    board = host.usb('ttyACM0', '1a86:55d3', '5A46')
    stable = host.link('usb-1a86_USB_Single_Serial_5A46-if00', board)
    printer = host.usb('ttyACM1', 'cafe:0001', 'P1')
    linked = host.link('usb-printer-if00', printer)
    mac = host.port('cu.usbmodem1')
    found = candidates({VARIABLE: '/somewhere/arm'}, host.root)
    assert [item.path for item in found] == [
        '/somewhere/arm', str(stable), str(cable), str(linked), str(mac), str(other)]
    assert [item.source for item in found] == [
        VARIABLE, 'USB 1a86:55d3 (CH343)', 'USB 0403:6001 (FTDI FT232R)', 'by-id link',
        'common name', 'common name']
    assert found[1].serial == '5A46'


def test_named_port_is_not_asked_twice(host: FakeHost) -> None:
    board = host.usb('ttyACM0', '1a86:55d3', '5A46')
    found = candidates({VARIABLE: str(board)}, host.root)
    assert [(item.path, item.source) for item in found] == [(str(board), VARIABLE)]


def test_arm_is_found_behind_a_silent_adapter(host: FakeHost, instant_arm: SimulatedArm,
                                              silent: str) -> None:
    host.usb('ttyACM0', '1a86:55d3', 'A', silent)
    arm = host.usb('ttyACM1', '1a86:55d3', 'B', str(instant_arm.link))
    assert host.find() == (str(arm), 1_000_000)


def test_named_arm_is_taken_without_asking_the_others(host: FakeHost,
                                                      instant_arm: SimulatedArm) -> None:
    host.port('ttyACM0')
    assert host.find(REFLEX_SO101_PORT=str(instant_arm.link)) == (
        str(instant_arm.link), 1_000_000)


def test_arm_that_nobody_named_does_not_stand_in_for_the_one_that_was(
        host: FakeHost, instant_arm: SimulatedArm, silent: str) -> None:
    other = host.usb('ttyACM0', '1a86:55d3', 'B', str(instant_arm.link))
    for named in (silent, '/dev/reflex_unplugged'):
        said = host.refusal(REFLEX_SO101_PORT=named)
        assert named in said and f'An arm answers at {other}' in said


def test_what_is_left_of_the_named_arm_counts_before_a_whole_one(
        host: FakeHost, instant_arm: SimulatedArm, moving_arm: SimulatedArm) -> None:
    host.usb('ttyACM0', '1a86:55d3', 'B', str(moving_arm.link))
    named = str(instant_arm.link)
    instant_arm.control.fault('silent', ids=[3])
    try:
        assert find_arm({VARIABLE: named}, host.root, partial=True) == (named, 1_000_000)
        assert 'An arm answers at' in host.refusal(REFLEX_SO101_PORT=named)
    finally:
        instant_arm.reset()


def test_no_candidate_says_so_with_a_next_step(host: FakeHost) -> None:
    said = host.refusal()
    assert said.startswith('Could not auto-detect an SO-101 serial bus. '
                           'Checked no serial candidates.')
    assert 'Plug the arm in' in said and VARIABLE in said


def test_port_in_use_is_the_first_thing_that_is_said(host: FakeHost, silent: str) -> None:
    port = host.port('ttyUSB0', silent)
    other = host.port('ttyUSB1')
    with serial.Serial(silent, exclusive=True):
        said = host.refusal()
        assert said.startswith('Could not auto-detect an SO-101 serial bus: port '
                               f'{port} is in use by ')
        assert 'Checked no serial candidates' not in said and str(other) in said
        said = host.refusal(REFLEX_SO101_PORT=str(port))
        assert said.startswith(f'port {port} is in use by ')
        assert said.endswith(f'. {VARIABLE} names this port') and str(other) not in said


def test_silent_port_is_listed_with_every_baud_rate(host: FakeHost, silent: str) -> None:
    port = host.port('ttyUSB0', silent)
    checked = ', '.join(f'{port}@{baud}' for baud in BAUD_RATES)
    assert host.refusal().startswith(
        f'Could not auto-detect an SO-101 serial bus. Checked {checked}.')


def test_bus_with_a_missing_servo_names_those_that_answered(
        host: FakeHost, instant_arm: SimulatedArm) -> None:
    port = host.port('ttyACM0', str(instant_arm.link))
    instant_arm.control.fault('silent', ids=[3])
    try:
        said = host.refusal()
    finally:
        instant_arm.reset()
    assert said.startswith(
        'Found a Feetech-like bus but not all SO-101 motors responded (best '
        f'{port}@1000000: 1:777, 2:777, 4:777, 5:777, 6:777).')
    assert 'Check the cable' in said


def test_two_arms_are_not_chosen_between(host: FakeHost, instant_arm: SimulatedArm,
                                         moving_arm: SimulatedArm) -> None:
    # Tests before this one may have left them without supply or with other ids.
    for arm in (instant_arm, moving_arm):
        arm.reset()
    first = host.usb('ttyACM0', '1a86:55d3', 'A', str(instant_arm.link))
    second = host.usb('ttyACM1', '1a86:55d3', 'B', str(moving_arm.link))
    said = host.refusal()
    assert said.startswith(f'2 arms are connected: {first}, {second}. Select one')
    assert host.find(REFLEX_SO101_PORT=str(second)) == (str(second), 1_000_000)


def test_port_that_another_program_holds_is_named_with_it(host: FakeHost, silent: str) -> None:
    port = host.port('ttyACM0', silent)
    with subprocess.Popen([sys.executable, '-c', HOLD_PORT, silent], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == 'held\n'
        said = host.refusal()
        holder.stdin.close()
    assert f'port {port} is in use by process {holder.pid} (' in said


def test_udev_rule_knows_the_adapters_that_discovery_knows() -> None:
    rules = (REPOSITORY / 'resource/60-reflex-so101.rules').read_text()
    active = '\n'.join(line for line in rules.splitlines() if not line.startswith('#'))
    assert {':'.join(pair) for pair in re.findall(
        r'ATTRS\{idVendor\}=="(\w+)", ATTRS\{idProduct\}=="(\w+)"', active)} == set(USB_IDS)
