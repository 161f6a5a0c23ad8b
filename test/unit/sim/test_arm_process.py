# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The emulator as a process: its port opened with pyserial, its control socket, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import gc
import json
import os
from pathlib import Path
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from typing import Any

import pytest

from reflex_ros.sim.arm.client import ArmControl, ArmControlError
from reflex_ros.sim.arm.command import main
from reflex_ros.sim.arm.emulator import run
from reflex_ros.sim.arm.settings import Settings

pytestmark = pytest.mark.live

serial = pytest.importorskip('serial')

REPOSITORY = Path(__file__).parents[3]
PING_1 = bytes.fromhex('FF FF 01 02 01 FB')
PONG_1 = bytes.fromhex('FF FF 01 02 00 FC')
SYNC_READ_15 = bytes.fromhex('FF FF FE 0A 82 38 0F 01 02 03 04 05 06 19')
# Generous: the machine may be busy; a healthy answer takes a millisecond.
TIMEOUT_S = 2.0


class Emulator:
    """A running emulator, its ready line and its files."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.link, self.socket = folder / 'arm', folder / 'control.sock'
        environment = {**os.environ, 'PYTHONPATH': str(REPOSITORY)}
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'reflex_ros.sim.arm', '--link', str(self.link),
             '--control', str(self.socket), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(self.process.communicate()[1])
        self.ready: dict[str, Any] = json.loads(line)

    def open(self, **options: object) -> Any:
        options = {'baudrate': 1_000_000, 'timeout': TIMEOUT_S, 'exclusive': True, **options}
        return serial.Serial(self.ready['port'], **options)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Send a signal and return exit code, the rest of stdout, and stderr."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=10)
        return self.process.returncode, output, errors


@pytest.fixture(scope='module')
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp('arm'), '--fast', '--model', 'instant')
    yield running
    running.end()


@pytest.fixture
def control(emulator: Emulator) -> Iterator[ArmControl]:
    with ArmControl(emulator.socket) as client:
        yield client
        client.clear()


def test_ready_line_says_where_and_what(emulator: Emulator) -> None:
    assert emulator.ready['ready'] is True
    assert emulator.ready['port'] == str(emulator.link)
    assert emulator.ready['control'] == str(emulator.socket)
    assert emulator.ready['model'] == 'instant'
    assert len(emulator.ready['joints']) == 6


def test_round_trip_through_the_port(emulator: Emulator, control: ArmControl) -> None:
    with emulator.open() as port:
        port.write(PING_1)
        assert port.read(6) == PONG_1
        port.write(SYNC_READ_15)
        block = port.read(126)
        assert [block[21 * k + 2] for k in range(6)] == [1, 2, 3, 4, 5, 6]
    state = control.state()
    assert state['joints']['shoulder_pan']['position_ticks'] == int.from_bytes(
        block[5:7], 'little')
    assert state['bus']['requests'] >= 2


def test_port_works_again_after_the_client_has_gone(emulator: Emulator) -> None:
    for _ in range(3):
        with emulator.open() as port:
            port.write(PING_1)
            assert port.read(6) == PONG_1


def test_second_exclusive_opener_is_refused(emulator: Emulator) -> None:
    with emulator.open():
        with pytest.raises(serial.SerialException, match='exclusively lock'):
            emulator.open()


def test_wrong_baud_meets_silence(emulator: Emulator) -> None:
    with emulator.open(baudrate=115_200, timeout=0.1) as port:
        port.write(PING_1)
        assert port.read(6) == b''
    with emulator.open() as port:
        port.write(PING_1)
        assert port.read(6) == PONG_1


def test_a_baud_without_a_name_is_understood(emulator: Emulator, control: ArmControl) -> None:
    control.set(id=1, register='baud_index', value=3)
    try:
        with emulator.open(baudrate=128_000) as port:
            port.write(PING_1)
            assert port.read(6) == PONG_1
        assert control.state()['baud'] == 128_000
    finally:
        control.set(id=1, register='baud_index', value=0)


def test_unplugged_cable_raises_what_pyserial_raises(emulator: Emulator,
                                                     control: ArmControl) -> None:
    port = emulator.open()
    control.unplug()
    assert not emulator.link.is_symlink()
    with pytest.raises(serial.SerialException, match='returned no data'):
        port.read(1)
    with pytest.raises(serial.SerialException, match='write failed'):
        port.write(PING_1)
    with pytest.raises(OSError) as caught:
        assert port.in_waiting
    assert not isinstance(caught.value, serial.SerialException) and caught.value.errno == 5
    for call in (port.reset_input_buffer, port.flush):
        with pytest.raises(termios.error):
            call()
    assert port.is_open
    port.close()
    with pytest.raises(serial.SerialException) as missing:
        emulator.open()
    assert missing.value.errno == 2
    assert control.state()['plugged'] is False
    before = control.state()['device']
    assert control.replug() == str(emulator.link)
    assert control.state()['device'] != before
    with emulator.open() as again:
        again.write(PING_1)
        assert again.read(6) == PONG_1


def test_unplugging_wakes_a_blocked_read(emulator: Emulator, control: ArmControl) -> None:
    with emulator.open() as port:
        timer = threading.Timer(0.1, control.unplug)
        timer.start()
        started = time.monotonic()
        with pytest.raises(serial.SerialException):
            port.read(1)
        assert time.monotonic() - started < TIMEOUT_S
        timer.join()
    control.replug()


def test_blocked_adapter_makes_writes_time_out(emulator: Emulator, control: ArmControl) -> None:
    with emulator.open(write_timeout=0.1) as port:
        control.fault('blocked')
        with pytest.raises(serial.SerialTimeoutException):
            port.write(bytes(200_000))
    control.unplug()
    control.clear()
    control.replug()


def test_faults_and_power_act_through_the_socket(emulator: Emulator, control: ArmControl) -> None:
    with emulator.open(timeout=0.1) as port:
        control.fault('silent', ids=[1])
        port.write(PING_1)
        assert port.read(6) == b''
        control.clear()
        control.power(False)
        port.write(PING_1)
        assert port.read(6) == b''
        control.power(True)
        deadline = time.monotonic() + 5
        reply = b''
        while not reply and time.monotonic() < deadline:
            port.write(PING_1)
            reply = port.read(6)
        assert reply[:4] == PONG_1[:4]


def test_refused_request_says_what_is_allowed(control: ArmControl) -> None:
    with pytest.raises(ArmControlError, match='known are: drop'):
        control.fault('gremlin')
    assert control.state()['ok']


def test_many_clients_and_garbage_do_not_disturb(emulator: Emulator, control: ArmControl) -> None:
    for garbage in (b'\n', b'{"op"\n', b'[' * 70_000, b'\xff\xfe\n'):
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(emulator.socket))
            peer.sendall(garbage)
    clients = [ArmControl(emulator.socket) for _ in range(8)]
    assert all(client.state()['ok'] for client in clients)
    for client in clients:
        client.close()


def test_log_can_be_fetched_whole(emulator: Emulator, control: ArmControl) -> None:
    since_ns = control.mark()
    with emulator.open() as port:
        for _ in range(500):
            port.write(PING_1)
            assert port.read(6) == PONG_1
    kinds = [kind for _, kind, _ in control.log(since_ns, limit=200_000)]
    assert (kinds.count('request'), kinds.count('reply')) == (500, 500)


@pytest.mark.parametrize('number', (signal.SIGINT, signal.SIGTERM))
def test_signal_ends_it_cleanly_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    running = Emulator(tmp_path, '--image', str(tmp_path / 'eeprom.json'))
    started = time.monotonic()
    code, output, errors = running.end(number)
    assert (code, output, errors) == (0, '', '')
    assert time.monotonic() - started < 1.0
    assert [path.name for path in tmp_path.iterdir()] == ['eeprom.json']


def test_lingering_arm_answers_after_the_first_signal_and_goes_at_the_second(
        tmp_path: Path) -> None:
    running = Emulator(tmp_path, '--linger-s', '30')
    running.process.send_signal(signal.SIGTERM)
    with running.open() as port:
        for _ in range(20):
            port.write(PING_1)
            assert port.read(6) == PONG_1
    assert running.end(signal.SIGINT)[0] == 0


def test_lingering_arm_has_one_thread(tmp_path: Path) -> None:
    running = Emulator(tmp_path, '--linger-s', '30')
    running.process.send_signal(signal.SIGTERM)
    with ArmControl(running.socket) as client:
        for _ in range(5):
            assert client.state()['powered']
    assert len(list(Path(f'/proc/{running.process.pid}/task').iterdir())) == 1
    assert running.end()[0] == 0


def test_lingering_arm_goes_by_itself(tmp_path: Path) -> None:
    running = Emulator(tmp_path, '--linger-s', '0.1')
    assert running.end() == (0, '', '')


def test_time_runs_as_fast_as_it_was_told(tmp_path: Path) -> None:
    running = Emulator(tmp_path, '--speed', '20')
    instants = []
    with ArmControl(running.socket) as client, running.open() as port:
        for _ in range(2):
            for _ in range(50):
                port.write(SYNC_READ_15)
                assert len(port.read(126)) == 126
            before_ns = time.monotonic_ns()
            instants.append((before_ns, client.mark(), time.monotonic_ns()))
        assert client.state()['speed'] == 20
    (first, start_ns, last), (next_first, end_ns, next_last) = instants
    assert 20 * (next_first - last) <= end_ns - start_ns <= 20 * (next_last - first)
    running.end()


def test_every_byte_is_in_the_log_once(emulator: Emulator, control: ArmControl) -> None:
    since_ns = control.mark()
    with emulator.open() as port:
        port.write(b'\x00\xff' + PING_1 + bytes.fromhex('FF FF 01 02 01 FA') + PING_1)
        assert port.read(12) == PONG_1 * 2
    entries = control.log(since_ns)
    kinds = [(kind, bytes.fromhex(data)) for _, kind, data in entries if kind != 'event']
    assert [data for kind, data in kinds if kind == 'request'] == [PING_1] * 2
    assert [data for kind, data in kinds if kind == 'reply'] == [PONG_1] * 2
    assert [data for kind, data in kinds if kind == 'noise'] == [
        bytes.fromhex('00 FF FF FF 01 02 01 FA')]
    assert [at_ns for at_ns, _, _ in entries] == sorted(at_ns for at_ns, _, _ in entries)


def test_replies_that_nobody_reads_are_logged_as_lost(emulator: Emulator,
                                                      control: ArmControl) -> None:
    port = emulator.open()
    since_ns = control.mark()
    for _ in range(400):
        port.write(SYNC_READ_15)
        if control.state()['bus']['bytes_lost']:
            break
    lost = sum(len(data) // 2 for _, kind, data in control.log(since_ns, limit=100_000)
               if kind == 'lost')
    assert lost == control.state()['bus']['bytes_lost'] > 0
    port.close()
    control.unplug()
    control.replug()


def test_another_program_holds_the_port(emulator: Emulator, control: ArmControl) -> None:
    control.fault('port_held')
    with pytest.raises(serial.SerialException, match='exclusively lock'):
        emulator.open()
    control.clear()
    emulator.open().close()


def test_a_replugged_cable_may_have_another_number(emulator: Emulator,
                                                   control: ArmControl) -> None:
    with emulator.open():
        before = os.readlink(emulator.link)
        control.fault('unplug', duration_s=0.1)
        deadline = time.monotonic() + 5
        while not control.state()['plugged'] and time.monotonic() < deadline:
            time.sleep(0.01)
        # The old device is still held open by its client.
        assert os.readlink(emulator.link) != before


def test_eeprom_survives_a_killed_emulator(tmp_path: Path) -> None:
    image = tmp_path / 'eeprom.json'
    running = Emulator(tmp_path, '--image', str(image))
    offset = bytes.fromhex('FF FF 01 05 03 1F B9 03 1B')
    with running.open() as port, ArmControl(running.socket) as client:
        for frame in (bytes.fromhex('FF FF 01 04 03 37 00 C0'), offset):
            port.write(frame)
            assert port.read(6) == PONG_1
        deadline = time.monotonic() + 5
        while not image.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.state()['joints']['shoulder_pan']['eeprom_commits']
    running.end(signal.SIGKILL)
    again = Emulator(tmp_path, '--image', str(image))
    with again.open() as port:
        port.write(bytes.fromhex('FF FF 01 04 02 1F 02 D7'))
        assert port.read(8)[5:7] == offset[6:8]
    again.end()


def test_two_arms_at_once_know_nothing_of_each_other(tmp_path: Path) -> None:
    left_folder, right_folder = tmp_path / 'left', tmp_path / 'right'
    left_folder.mkdir()
    right_folder.mkdir()
    left, right = Emulator(left_folder, '--seed', '1'), Emulator(right_folder, '--seed', '2')
    with ArmControl(left.socket) as client, left.open() as one, right.open(timeout=0.1) as two:
        client.fault('silent', ids=[2])
        client.power(False)
        client.power(True)
        for _ in range(20):
            two.write(SYNC_READ_15)
            assert len(two.read(126)) == 126
        assert client.state()['bus']['requests'] == 0
        two.write(PING_1)
        assert two.read(6) == PONG_1
        client.unplug()
        with pytest.raises(serial.SerialException):
            one.read(1)
        two.write(PING_1)
        assert two.read(6) == PONG_1
    assert left.end()[0] == right.end()[0] == 0


def test_faults_from_the_command_line_at_the_start_and_later(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    running = Emulator(tmp_path, '--fault', 'silent:ids=1+2', '--chain', 'shoulder_pan,gripper')
    with ArmControl(running.socket) as client, running.open(timeout=0.1) as port:
        assert [(f['name'], f['ids']) for f in client.state()['faults']] == [('silent', [1, 2])]
        at = ['--at', str(running.socket)]
        assert main([*at, '--clear', '--fault', 'echo']) == 0
        assert [f['name'] for f in client.state()['faults']] == ['echo']
        port.write(PING_1)
        assert port.read(12) == PING_1 + PONG_1
        assert main([*at, '--fault', 'gremlin']) == 1
        assert 'unknown fault' in capsys.readouterr().err
    running.end()
    assert main(['--at', str(running.socket), '--clear']) == 1
    assert 'no simulated arm listens there' in capsys.readouterr().err
    assert main(['--clear']) == 2
    assert main(['--fault', 'drop:x']) == 2
    assert main(['--list-faults']) == 0
    assert 'big_endian' in capsys.readouterr().out


def test_a_wrong_fault_at_the_start_ends_the_emulator(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match='unknown fault'):
        Emulator(tmp_path, '--fault', 'gremlin')
    assert list(tmp_path.iterdir()) == []


def test_quit_ends_it(tmp_path: Path) -> None:
    running = Emulator(tmp_path)
    with ArmControl(running.socket) as client:
        client.quit()
    assert running.process.wait(timeout=5) == 0
    running.end()
    assert list(tmp_path.iterdir()) == []


def test_second_emulator_on_the_same_socket_is_refused(emulator: Emulator) -> None:
    with pytest.raises(AssertionError, match='another simulated arm listens there'):
        Emulator(emulator.link.parent)
    assert emulator.link.is_symlink()


def test_leftovers_of_a_killed_emulator_are_replaced(tmp_path: Path) -> None:
    Emulator(tmp_path).end(signal.SIGKILL)
    running = Emulator(tmp_path)
    with running.open() as port:
        port.write(PING_1)
        assert port.read(6) == PONG_1
    assert running.end()[0] == 0


@pytest.mark.parametrize('arguments, text', (
    (['--pose', 'upside'], 'rest, zero'),
    (['--supply-v', '99'], 'supply_v 99.0: allowed are 0 to 25'),
    (['--model', 'magic'], 'identified'),
    (['--speed', '51'], 'speed 51.0: allowed are 0.01 to 50'),
))
def test_wrong_option_is_a_usage_error(arguments: list[str], text: str,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert text in capsys.readouterr().err


def test_link_never_replaces_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, 'disable', lambda: None)
    precious = tmp_path / 'precious'
    precious.write_text('x')
    assert main(['--link', str(precious)]) == 1
    assert 'Choose another name' in capsys.readouterr().err
    assert precious.read_text() == 'x'
    real = tmp_path / 'ttyACM'
    real.symlink_to('/dev/null')
    assert main(['--link', str(real)]) == 1
    assert os.readlink(real) == '/dev/null'


def test_link_in_use_is_left_to_its_arm(emulator: Emulator, tmp_path: Path,
                                        capsys: pytest.CaptureFixture[str],
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, 'disable', lambda: None)
    before = os.readlink(emulator.link)
    assert main(['--link', str(emulator.link)]) == 1
    assert (f'{emulator.link} is in use by process {emulator.process.pid}. End it'
            in capsys.readouterr().err)
    assert os.readlink(emulator.link) == before


def test_link_of_an_arm_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    first = Emulator(tmp_path)
    with first.open():
        first.end(signal.SIGKILL)
        left = os.readlink(first.link)
        # The client still has its end open: it waits for the arm to come back.
        second = Emulator(tmp_path)
    try:
        assert os.readlink(second.link) != left
    finally:
        second.end()


def test_number_of_a_dead_port_may_be_that_of_a_terminal(tmp_path: Path) -> None:
    master, slave = os.openpty()
    name = os.ttyname(slave)
    with subprocess.Popen(['sleep', '60'], stdin=slave, stdout=slave, stderr=slave) as program:
        os.close(slave)
        (tmp_path / 'arm').symlink_to(name)
        try:
            Emulator(tmp_path).end()
        finally:
            program.kill()
            os.close(master)


@pytest.mark.parametrize('option', ('--link', '--control'))
def test_missing_folder_is_not_made(option: str, tmp_path: Path,
                                    capsys: pytest.CaptureFixture[str],
                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, 'disable', lambda: None)
    assert main([option, str(tmp_path / 'tpm' / 'arm')]) == 1
    assert f'there is no folder {tmp_path / "tpm"}. Make it' in capsys.readouterr().err
    assert not (tmp_path / 'tpm').exists()


def test_run_ends_when_its_event_is_set(tmp_path: Path) -> None:
    stop, lines = threading.Event(), list[str]()
    announce: Callable[[str], None] = lines.append
    thread = threading.Thread(target=run, args=(Settings(fast=True),), kwargs={
        'announce': announce, 'link': tmp_path / 'arm', 'stop': stop})
    thread.start()
    while not lines:
        time.sleep(0.005)
    with ArmControl(json.loads(lines[0])['control']) as client:
        assert client.state()['powered']
    stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
