# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The port on a real pseudo-terminal: ports that cannot be opened, and an unplugged cable."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import os
from pathlib import Path
import subprocess
import sys
import threading
import time
import tty

import pytest

from reflex_ros.errors import ConfigurationError, PortLost
from reflex_ros.hardware.port import latency_warning, SerialPort, WRITE_TIMEOUT_S

REPOSITORY = Path(__file__).parents[3]
HOLD_PORT = """
import sys, serial
port = serial.Serial(sys.argv[1], 1_000_000, exclusive=True)
print('held', flush=True)
sys.stdin.read()
"""
OPEN_AS_NOBODY = """
import os, sys
from reflex_ros.errors import ConfigurationError
from reflex_ros.hardware.port import latency_warning, SerialPort
if os.geteuid() == 0:
    os.setuid(65534)
try:
    SerialPort(sys.argv[1])
except ConfigurationError as error:
    print(error)
"""


every_call = pytest.mark.parametrize('call', (
    lambda port: port.write(b'\xff'), lambda port: port.read(1), lambda port: port.drain(),
), ids=('write', 'read', 'drain'))


class Pty:
    """A raw pseudo-terminal; `unplug` has the effect of an unplugged cable."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.name = os.ttyname(self._slave)
        self._is_plugged = True

    def unplug(self) -> None:
        if self._is_plugged:
            self._is_plugged = False
            os.close(self._slave)
            os.close(self.master)


@pytest.fixture
def pty() -> Iterator[Pty]:
    made = Pty()
    yield made
    made.unplug()


@pytest.fixture
def port(pty: Pty) -> Iterator[SerialPort]:
    opened = SerialPort(pty.name)
    yield opened
    opened.close()


def refusal(name: str | Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        SerialPort(str(name))
    text = str(caught.value)
    assert text.startswith((f'port {name} ', f'port {name}: '))
    return text


def test_bytes_go_out_and_come_in(pty: Pty, port: SerialPort) -> None:
    port.write(b'\xff\xff\x01\x02\x01\xfb')
    assert os.read(pty.master, 100) == b'\xff\xff\x01\x02\x01\xfb'
    os.write(pty.master, b'\xff\xff\x01\x02\x00\xfc\x11\x13\r\n')
    assert port.read(6) == b'\xff\xff\x01\x02\x00\xfc'
    assert port.read(10) == b'\x11\x13\r\n'


def test_silent_read_returns_nothing_after_a_few_milliseconds(port: SerialPort) -> None:
    began = time.monotonic()
    assert port.read(10) == b''
    assert 0.004 < time.monotonic() - began < 0.5


def test_drain_throws_away_what_was_received(pty: Pty, port: SerialPort) -> None:
    os.write(pty.master, b'old')
    port.drain()
    os.write(pty.master, b'new')
    assert port.read(10) == b'new'


def test_port_that_does_not_exist_says_where_to_look(tmp_path: Path) -> None:
    text = refusal(tmp_path / 'ttyACM0')
    assert 'does not exist' in text and '/dev/serial/by-id' in text and 'REFLEX_SO101_PORT' in text


def test_link_whose_device_is_away_does_not_exist(tmp_path: Path) -> None:
    (tmp_path / 'arm').symlink_to(tmp_path / 'ttyACM0')
    assert 'does not exist' in refusal(tmp_path / 'arm')


def test_file_is_not_a_serial_port(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('x')
    assert 'file is not a serial port. `reflex so101 find`' in refusal(tmp_path / 'file')
    assert (tmp_path / 'file').read_text() == 'x'


def test_null_device_is_not_a_serial_port() -> None:
    assert refusal('/dev/null').startswith('port /dev/null is not a serial port. ')


def test_folder_cannot_be_opened(tmp_path: Path) -> None:
    assert 'cannot be opened' in refusal(tmp_path)


def test_port_in_use_names_the_process(pty: Pty, tmp_path: Path) -> None:
    link = tmp_path / 'arm'
    link.symlink_to(pty.name)
    with subprocess.Popen([sys.executable, '-c', HOLD_PORT, str(link)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None and holder.stdout is not None
        assert holder.stdout.readline() == 'held\n'
        text = refusal(pty.name)
        assert f'process {holder.pid} (' in text and 'Stop that program first' in text
        holder.stdin.close()
    SerialPort(pty.name).close()


def test_second_opener_in_this_process_is_refused_too(pty: Pty, port: SerialPort) -> None:
    assert 'in use by another process' in refusal(pty.name)


def test_missing_permission_names_the_group(pty: Pty) -> None:
    os.chmod(pty.name, 0)
    child = subprocess.run([sys.executable, '-c', OPEN_AS_NOBODY, pty.name], text=True,
                           capture_output=True, timeout=20, check=False,
                           env={**os.environ, 'PYTHONPATH': str(REPOSITORY)})
    assert 'permission denied' in child.stdout and 'group dialout' in child.stdout, child


@every_call
def test_pulled_cable_is_a_lost_port_for_every_call(
        pty: Pty, port: SerialPort, call: Callable[[SerialPort], object]) -> None:
    pty.unplug()
    with pytest.raises(PortLost, match=f'port {pty.name}: .*Check the cable'):
        call(port)
    port.close()


@every_call
def test_closed_port_is_a_lost_port_for_every_call(
        port: SerialPort, call: Callable[[SerialPort], object]) -> None:
    port.close()
    with pytest.raises(PortLost):
        call(port)


def test_pulled_cable_ends_a_waiting_read(pty: Pty, port: SerialPort) -> None:
    timer = threading.Timer(0.02, pty.unplug)
    timer.start()
    with pytest.raises(PortLost):
        while True:
            port.read(100)
    timer.join()


def test_port_that_another_thread_closes_is_a_lost_port(port: SerialPort) -> None:
    timer = threading.Timer(0.02, port.close)
    timer.start()
    with pytest.raises(PortLost):
        while True:
            port.read(100)
    timer.join()


def test_adapter_that_takes_no_bytes_is_a_lost_port(port: SerialPort) -> None:
    with pytest.raises(PortLost, match='write failed'):
        port.write(bytes(200_000))


def test_stall_of_this_process_is_no_blocked_adapter(port: SerialPort) -> None:
    def stall(_frame: object, event: str, function: object) -> None:
        if event == 'c_return' and function is os.write:
            # As long as a garbage collection in a large program, or a suspended process.
            time.sleep(1.5 * WRITE_TIMEOUT_S)

    sys.setprofile(stall)
    try:
        port.write(b'\xff')
    finally:
        sys.setprofile(None)


def test_write_goes_on_when_the_adapter_has_room_again(pty: Pty, port: SerialPort) -> None:
    got = bytearray()

    def drain() -> None:
        while len(got) < 200_000:
            got.extend(os.read(pty.master, 65_536))

    thread = threading.Thread(target=drain)
    thread.start()
    port.write(bytes(range(250)) * 800)
    thread.join(8.0)
    assert bytes(got) == bytes(range(250)) * 800


def test_port_may_be_closed_twice_and_opened_again(pty: Pty, port: SerialPort) -> None:
    port.close()
    port.close()
    SerialPort(pty.name).close()


def test_port_may_be_closed_twice_after_the_cable_was_pulled(pty: Pty, port: SerialPort) -> None:
    pty.unplug()
    port.close()
    port.close()


@pytest.mark.parametrize('content, warns', (
    ('16\n', True), ('5', True), ('4\n', False), ('1\n', False), ('', False), ('x', False),
    (None, False)))
def test_adapter_that_holds_replies_back_is_warned_of(tmp_path: Path, content: str | None,
                                                      warns: bool) -> None:
    folder = tmp_path / 'sys/bus/usb-serial/devices/ttyUSB3'
    folder.mkdir(parents=True)
    if content is not None:
        (folder / 'latency_timer').write_text(content)
    link = tmp_path / 'by-id'
    link.symlink_to('/dev/ttyUSB3')
    text = latency_warning(str(link), tmp_path)
    assert bool(text) is warns
    if warns:
        assert f'up to {int(content or 0)} ms' in text
        assert f'echo 1 | sudo tee {folder}/latency_timer' in text
