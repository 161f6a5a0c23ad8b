# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The serial port of the bus; the only module that imports pyserial.

This module turns every foreign exception into :class:`~reflex_ros.errors.PortLost`. After the
cable is unplugged, pyserial raises ``SerialException``, ``OSError``, ``termios.error`` or, when
another thread has closed the port, ``TypeError`` (SO-101 reference, section 8.1).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
import select
import termios
from typing import Protocol

import serial

from reflex_ros.errors import ConfigurationError, PortLost

READ_SLICE_S = 0.005
"""Longest single wait for bytes: the reply timeout of the SO-101 reference, section 4.5."""
WRITE_TIMEOUT_S = 0.25
"""Longest wait for room in the adapter's buffer."""
SLOW_TIMER_MS = 4
_LOST = (OSError, termios.error, TypeError)


class Port(Protocol):
    """A port that sends and receives bytes."""

    name: str

    def write(self, data: bytes) -> None:
        """
        Send bytes; blocks at most 0.25 s.

        :raises PortLost: when the bytes cannot be sent.
        """

    def read(self, count: int) -> bytes:
        """
        Return up to ``count`` bytes; fewer after 5 ms without a new byte.

        :raises PortLost: when the port is gone.
        """

    def drain(self) -> None:
        """
        Discard the received bytes that were not read.

        :raises PortLost: when the port is gone.
        """

    def close(self) -> None:
        """Close the port; may be called twice."""


class SerialPort:
    """
    A serial port, locked exclusively for this process.

    :param name: device path, e.g. a link under /dev/serial/by-id.
    :param baud: bits per second; new servos use 1 Mbit/s.
    :raises ConfigurationError: when the port does not exist, must not be opened by this user, or
        is in use by another process (the text names the process).
    """

    def __init__(self, name: str, baud: int = 1_000_000) -> None:
        self.name = name
        try:
            self._serial = serial.Serial(name, baud, timeout=READ_SLICE_S, exclusive=True)
        except (OSError, termios.error) as exc:
            raise ConfigurationError(_open_error(name, exc)) from exc

    def write(self, data: bytes) -> None:
        """
        Send bytes; blocks at most 0.25 s.

        :raises PortLost: when the bytes cannot be sent.
        """
        try:
            # Not pyserial's write: it counts time in which this process does not run, and then
            # reports an adapter as blocked that has taken every byte.
            fd = self._serial.fileno()
            while data := data[self._write_some(fd, data):]:
                if not select.select((), (fd,), (), WRITE_TIMEOUT_S)[1]:
                    raise TimeoutError(f'the adapter takes no byte for {WRITE_TIMEOUT_S:g} s')
        except _LOST as exc:
            raise self._lost('write', exc) from exc

    def read(self, count: int) -> bytes:
        """
        Return up to ``count`` bytes; fewer after 5 ms without a new byte.

        :raises PortLost: when the port is gone.
        """
        try:
            return bytes(self._serial.read(count))
        except _LOST as exc:
            raise self._lost('read', exc) from exc

    def drain(self) -> None:
        """
        Discard the received bytes that were not read.

        :raises PortLost: when the port is gone.
        """
        try:
            self._serial.reset_input_buffer()
        except _LOST as exc:
            raise self._lost('drain', exc) from exc

    def close(self) -> None:
        """Close the port; may be called twice."""
        try:
            self._serial.close()
        except _LOST as exc:
            raise self._lost('close', exc) from exc

    @staticmethod
    def _write_some(fd: int, data: bytes) -> int:
        try:
            return os.write(fd, data)
        except BlockingIOError:
            return 0

    def _lost(self, what: str, exc: Exception) -> PortLost:
        return PortLost(f'port {self.name}: {what} failed ({exc}). Check the cable, and that no '
                        'other program reads the port')


def latency_warning(name: str, root: Path = Path('/')) -> str:
    """
    Return a warning when the adapter delays every reply, else an empty text.

    By default, FTDI adapters wait up to 16 ms for more bytes; other adapters have no such timer
    (SO-101 reference, section 7.5).

    :param root: root of the file system, for tests.
    """
    device = Path(name).resolve().name
    timer = root / 'sys/bus/usb-serial/devices' / device / 'latency_timer'
    try:
        milliseconds = int(timer.read_text(encoding='ascii'))
    except (OSError, ValueError):
        return ''
    if milliseconds <= SLOW_TIMER_MS:
        return ''
    return (f'port {name}: the adapter delays replies by up to {milliseconds} ms. Install the '
            f'udev rule (doc/so101.md), or: echo 1 | sudo tee {timer}')


def _open_error(name: str, exc: Exception) -> str:
    """Return the error text for a port that cannot be opened: name, reason, next step."""
    # When pyserial cannot configure a port, the error number is in the exception's context.
    code = next((cause.args[0] for cause in (exc, exc.__context__)
                 if cause is not None and cause.args and isinstance(cause.args[0], int)), None)
    path = Path(name)
    if code == errno.ENOENT or not path.exists():
        return (f'port {name} does not exist. Plug the arm in, list /dev/serial/by-id, and set '
                "the parameter 'port' of so101 (or REFLEX_SO101_PORT)")
    if code == errno.EACCES:
        return (f'port {name}: permission denied. Join the group dialout (uucp on Arch; '
                'sudo usermod -aG dialout $USER), then log in again; or install the udev rule '
                '(doc/so101.md)')
    if code == errno.EPERM:
        return (f'port {name}: this container or sandbox may not open the device. Start it with '
                f'access to it, for example docker run --device {name}')
    # EAGAIN: another program has locked the port. EBUSY: it has opened it with TIOCEXCL.
    if code in (errno.EAGAIN, errno.EBUSY):
        return (f'port {name} is in use by {_owner(path)}. Stop that program first; only one '
                'program may drive the arm')
    if code in (errno.ENOTTY, errno.EINVAL):
        return (f'port {name} is not a serial port. `reflex so101 find` lists the ports of this '
                'machine')
    return f'port {name} cannot be opened: {exc}. Unplug the adapter and plug it in again'


def _owner(path: Path) -> str:
    """Name the process that has locked a device; without a lock, the processes that opened it."""
    device = os.path.realpath(path)
    holder = _lock_holder(device)
    owners = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            if entry.name == str(os.getpid()) or (entry.name != holder if holder else not any(
                    os.path.realpath(fd) == device for fd in (entry / 'fd').iterdir())):
                continue
            command = (entry / 'cmdline').read_bytes().replace(b'\0', b' ').decode(
                errors='replace').strip()
        except OSError:
            continue
        # Only three words: another program's command line may be long or hold secrets.
        owners.append(f'process {entry.name} ({" ".join(command.split()[:3])})')
    return ', '.join(owners) or 'another process'


def _lock_holder(device: str) -> str:
    """Return the id of the process that has locked a device, or an empty text (not on Linux)."""
    try:
        status = os.stat(device)
        place = f'{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}'
        locks = Path('/proc/locks').read_text(encoding='ascii').splitlines()
    except OSError:
        return ''
    # 1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF
    return next((fields[4] for fields in map(str.split, locks)
                 if fields[1:2] == ['FLOCK'] and fields[5] == place), '')
