# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pseudo-terminal that simulates the USB adapter: plug, unplug, lock, baud rate."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from pathlib import Path
import struct
import termios
import tty

_log = logging.getLogger(__name__)

_READ_SIZE = 4096
_BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios)
          if name[0] == 'B' and name[1:].isdigit()}
_OUTPUT_SPEED = 5
_MASTERS = {'/dev/ptmx', '/dev/pts/ptmx'}
# Linux's TCGETS2 returns the speed as a number, also a speed without a name such as 128000.
_TCGETS2, _TERMIOS2 = 0x802C542A, struct.Struct('=4I20B2I')


class PtyPort:
    """
    A raw pty whose slave end the client opens; `link` is a symbolic link to it.

    This object keeps a slave descriptor open: without it, reading from the master fails as soon as
    the client closes its end. `unplug` closes both ends and removes the link, so that the client
    gets the errors of an unplugged cable. `plug` makes a new pty behind the same link.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._master: int | None = None
        self._slave: int | None = None
        self.device = ''

    @property
    def is_plugged(self) -> bool:
        """Whether the cable is plugged in, so that a device exists."""
        return self._master is not None

    @property
    def path(self) -> str:
        """The name that a client opens."""
        return str(self._link) if self._link is not None else self.device

    def fileno(self) -> int:
        """
        Return the master's descriptor for `select`.

        :raises OSError: while unplugged.
        """
        if self._master is None:
            raise OSError('the simulated USB cable is unplugged')
        return self._master

    def plug(self) -> None:
        """
        Create the device and its link; do nothing when the device exists.

        :raises FileNotFoundError: when the folder of `link` does not exist.
        :raises FileExistsError: when `link` exists and is not a link to a pseudo-terminal, or
            another process uses that pseudo-terminal.
        """
        if self._master is not None:
            return
        link = self._link
        if link is not None:
            _check_link(link)
        master, slave = _new_pty(self.device)
        # Before anything else: by default a terminal echoes, like an adapter that echoes.
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(master, False)
        self._master, self._slave = master, slave
        self.device = os.ttyname(slave)
        if link is not None:
            fresh = link.with_name(f'.{link.name}.{os.getpid()}')
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.device)
            fresh.replace(link)

    def unplug(self) -> None:
        """Unplug the cable; may be called twice."""
        if self._master is None or self._slave is None:
            return
        if self._link is not None and self._is_ours(self._link):
            self._link.unlink()
        self.hold(False)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = None

    def hold(self, is_held: bool) -> None:
        """Lock the port as an exclusive opener would, or unlock it; a client's lock stays."""
        if self._slave is None:
            return
        try:
            fcntl.flock(self._slave, fcntl.LOCK_EX | fcntl.LOCK_NB if is_held else fcntl.LOCK_UN)
        except BlockingIOError:
            _log.info('the fault port_held has no effect: a client has locked the port already')

    def read(self) -> bytes:
        """Return the bytes that the client has written; empty when there are none."""
        try:
            return os.read(self.fileno(), _READ_SIZE)
        except BlockingIOError:
            return b''

    def write(self, data: bytes) -> int:
        """Write bytes to the client; return how many fitted. A real adapter loses the rest."""
        try:
            return os.write(self.fileno(), data)
        except OSError:
            # The buffer is full, or the cable is unplugged.
            return 0

    def baud(self) -> int:
        """Return the baud rate that the client has set [bit/s], 0 when unknown."""
        fd = self.fileno()
        try:
            found = fcntl.ioctl(fd, _TCGETS2, bytes(_TERMIOS2.size))
        except OSError:
            return _BAUDS.get(termios.tcgetattr(fd)[_OUTPUT_SPEED], 0)
        return int(_TERMIOS2.unpack(found)[-1])

    def _is_ours(self, link: Path) -> bool:
        return link.is_symlink() and os.readlink(link) == self.device


def _new_pty(taken: str) -> tuple[int, int]:
    """Make a pty with another name than `taken`: a real adapter also gets a new name."""
    first = os.openpty()
    if os.ttyname(first[1]) != taken:
        return first
    second = os.openpty()
    for fd in first:
        os.close(fd)
    return second


def _check_link(link: Path) -> None:
    """Refuse a link that must not be replaced, or that cannot be made; errors as in `plug`."""
    if not link.parent.is_dir():
        raise FileNotFoundError(f'{link}: there is no folder {link.parent}. Make it, or choose '
                                'another --link')
    # A link whose target is gone is none for exists().
    if not link.is_symlink() and not link.exists():
        return
    if not _is_pty_link(link):
        raise FileExistsError(f'{link} exists and is not the link of a simulated port. '
                              'Choose another name')
    if users := _users(os.readlink(link)):
        raise FileExistsError(f'{link} is in use by process {", ".join(map(str, users))}. End it, '
                              'or choose another --link')


def _is_pty_link(link: Path) -> bool:
    """Whether a link points to a pseudo-terminal, so that a killed emulator may have left it."""
    return link.is_symlink() and os.readlink(link).startswith(('/dev/pts/', '/dev/ttys'))


def _users(device: str) -> list[int]:
    """
    Return the emulators behind a pseudo-terminal, of those processes that this user may see.

    An emulator has both ends open. The number of a dead one may belong to somebody's terminal by
    now, whose programs have only the slave open, as a driver whose emulator was killed.
    """
    found = []
    for process in Path('/proc').glob('[0-9]*'):
        # Processes come and go, and those of other users cannot be looked into.
        with contextlib.suppress(OSError):
            opened = {_target(entry) for entry in (process / 'fd').iterdir()}
            if device in opened and opened & _MASTERS:
                found.append(int(process.name))
    return sorted(found)


def _target(descriptor: Path) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(descriptor)
    return ''
