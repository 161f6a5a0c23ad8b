# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
A serial port as the bus needs it; the only module that imports pyserial.

Every foreign exception becomes :class:`~reflex_ros.errors.PortLost` here: a pulled cable shows
as ``SerialException``, plain ``OSError``, ``termios.error`` or, when another thread closed the
port, ``TypeError`` (SO-101 reference, section 8.1).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
import termios
from typing import Protocol

import serial

from reflex_ros.errors import ConfigurationError, PortLost

READ_SLICE_S = 0.005
"""Longest single wait for bytes: the reply timeout that section 4.5 asks for."""
WRITE_TIMEOUT_S = 0.25
"""pyserial also counts the time in which this process did not run: a short one would take our own
stall for a blocked adapter."""
SLOW_TIMER_MS = 4
_LOST = (OSError, termios.error, TypeError)


class Port(Protocol):
    """Bytes in, bytes out."""

    name: str

    def write(self, data: bytes) -> None:
        """Send bytes; raise PortLost when that is not possible."""

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes; fewer when 5 ms pass without one."""

    def drain(self) -> None:
        """Throw away what was received and not read."""

    def close(self) -> None:
        """Close; may be called twice."""


class SerialPort:
    """
    A serial port, locked for us alone.

    :param name: device path, e.g. a link under /dev/serial/by-id.
    :param baud: bits per second; the servos leave the factory with 1 Mbit/s.
    :raises ConfigurationError: when it does not exist, may not be opened, or belongs to another
        process, which is named.
    """

    def __init__(self, name: str, baud: int = 1_000_000) -> None:
        self.name = name
        try:
            self._serial = serial.Serial(name, baud, timeout=READ_SLICE_S,
                                         write_timeout=WRITE_TIMEOUT_S, exclusive=True)
        except (OSError, termios.error) as exc:
            raise ConfigurationError(_why_not(name, exc)) from exc

    def write(self, data: bytes) -> None:
        """Send bytes."""
        try:
            self._serial.write(data)
        except _LOST as exc:
            raise self._lost('write', exc) from exc

    def read(self, count: int) -> bytes:
        """Return up to ``count`` bytes; fewer when 5 ms pass without one."""
        try:
            return bytes(self._serial.read(count))
        except _LOST as exc:
            raise self._lost('read', exc) from exc

    def drain(self) -> None:
        """Throw away what was received and not read."""
        try:
            self._serial.reset_input_buffer()
        except _LOST as exc:
            raise self._lost('drain', exc) from exc

    def close(self) -> None:
        """Close; may be called twice."""
        try:
            self._serial.close()
        except _LOST as exc:
            raise self._lost('close', exc) from exc

    def _lost(self, what: str, exc: Exception) -> PortLost:
        return PortLost(f'port {self.name}: {what} failed ({exc}). Is the cable in, and does no '
                        'other program read the port?')


def latency_warning(name: str, root: Path = Path('/')) -> str:
    """
    Say when the adapter holds every reply back, or return an empty text.

    FTDI adapters wait up to 16 ms for more bytes unless told otherwise; others know no such timer
    (SO-101 reference, section 7.5).

    :param root: of the file system, for tests.
    """
    device = Path(name).resolve().name
    timer = root / 'sys/bus/usb-serial/devices' / device / 'latency_timer'
    try:
        milliseconds = int(timer.read_text(encoding='ascii'))
    except (OSError, ValueError):
        return ''
    if milliseconds <= SLOW_TIMER_MS:
        return ''
    return (f'port {name}: the adapter holds replies back for up to {milliseconds} ms. Install '
            f'the udev rule (doc/so101.md), or: echo 1 | sudo tee {timer}')


def _why_not(name: str, exc: Exception) -> str:
    # pyserial leaves the reason why a port cannot be set up in the exception before its own.
    code = next((cause.args[0] for cause in (exc, exc.__context__)
                 if cause is not None and cause.args and isinstance(cause.args[0], int)), None)
    path = Path(name)
    if code == errno.ENOENT or not path.exists():
        return (f'port {name} does not exist. Plug the arm in, look under /dev/serial/by-id, and '
                "set the parameter 'port' of so101 (or REFLEX_SO101_PORT)")
    if code == errno.EACCES:
        return (f'port {name}: permission denied. Join the group dialout (uucp on Arch; '
                'sudo usermod -aG dialout $USER), then log in again; or install the udev rule '
                '(doc/so101.md)')
    # EAGAIN: another program holds our lock. EBUSY: it asked the kernel for the port alone.
    if code in (errno.EAGAIN, errno.EBUSY):
        return (f'port {name} is in use by {_owner(path)}. Stop that program first; only one may '
                'drive the arm')
    if code in (errno.ENOTTY, errno.EINVAL):
        return f'port {name} is not a serial port'
    return f'port {name} cannot be opened: {exc}'


def _owner(path: Path) -> str:
    """Name the process that has locked a device, or else those that hold it open."""
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
        # At most three words, and no more: a command line may be long and is not ours.
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
