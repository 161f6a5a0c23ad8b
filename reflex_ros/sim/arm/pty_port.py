# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pseudo-terminal that stands for the USB adapter: open, plug out, plug in, baud."""

from __future__ import annotations

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
# Linux's TCGETS2 tells the speed as a number, also one without a name such as 128000.
_TCGETS2, _TERMIOS2 = 0x802C542A, struct.Struct('=4I20B2I')


class PtyPort:
    """
    A raw pty whose slave end the driver opens; `link` is a stable name for it.

    A slave descriptor stays open here: without it the master's read fails as soon as the client
    closes. Plugging out closes both and removes the link, so that the client sees what a pulled
    cable gives; plugging in makes a new pty behind the same link.
    """

    def __init__(self, link: Path | None = None) -> None:
        self._link = link
        self._master: int | None = None
        self._slave: int | None = None
        self.device = ''

    @property
    def is_plugged(self) -> bool:
        """Whether there is a device at all."""
        return self._master is not None

    @property
    def path(self) -> str:
        """What a client opens."""
        return str(self._link) if self._link is not None else self.device

    def fileno(self) -> int:
        """
        Return the master's descriptor for `select`.

        :raises OSError: while plugged out.
        """
        if self._master is None:
            raise OSError('the simulated adapter is plugged out')
        return self._master

    def plug(self) -> None:
        """
        Make the device and its link; without effect when it is there.

        :raises FileExistsError: when `link` is there, and not a pseudo-terminal's link.
        """
        if self._master is not None:
            return
        link = self._link
        if link is not None and link.exists() and not _is_pty_link(link):
            raise FileExistsError(f'{link} exists and is no link of a simulated port: '
                                  'choose another name')
        master, slave = _new_pty(self.device)
        # At once: the default has echo on, which looks like an adapter that echoes.
        tty.setraw(slave, termios.TCSANOW)
        os.set_blocking(master, False)
        self._master, self._slave = master, slave
        self.device = os.ttyname(slave)
        if link is not None:
            link.parent.mkdir(parents=True, exist_ok=True)
            fresh = link.with_name(f'.{link.name}.{os.getpid()}')
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(self.device)
            fresh.replace(link)

    def unplug(self) -> None:
        """Pull the cable; may be called twice."""
        if self._master is None or self._slave is None:
            return
        if self._link is not None and self._is_ours(self._link):
            self._link.unlink()
        self.hold(False)
        os.close(self._slave)
        os.close(self._master)
        self._master = self._slave = None

    def hold(self, is_held: bool) -> None:
        """Take the lock that an exclusive opener asks for, unless one has it, or give it back."""
        if self._slave is None:
            return
        try:
            fcntl.flock(self._slave, fcntl.LOCK_EX | fcntl.LOCK_NB if is_held else fcntl.LOCK_UN)
        except BlockingIOError:
            _log.info('the port is locked by a client already')

    def read(self) -> bytes:
        """Return what the client has written, or nothing."""
        try:
            return os.read(self.fileno(), _READ_SIZE)
        except BlockingIOError:
            return b''

    def write(self, data: bytes) -> int:
        """Hand bytes to the client and return how many fitted; a real adapter loses the rest."""
        try:
            return os.write(self.fileno(), data)
        except OSError:
            # Full, or plugged out.
            return 0

    def baud(self) -> int:
        """Return the speed that the client has set [bit/s], 0 when unknown."""
        fd = self.fileno()
        try:
            found = fcntl.ioctl(fd, _TCGETS2, bytes(_TERMIOS2.size))
        except OSError:
            return _BAUDS.get(termios.tcgetattr(fd)[_OUTPUT_SPEED], 0)
        return int(_TERMIOS2.unpack(found)[-1])

    def _is_ours(self, link: Path) -> bool:
        return link.is_symlink() and os.readlink(link) == self.device


def _new_pty(taken: str) -> tuple[int, int]:
    """Make a pty of another name than `taken`: a real adapter, too, comes back as another one."""
    first = os.openpty()
    if os.ttyname(first[1]) != taken:
        return first
    second = os.openpty()
    for fd in first:
        os.close(fd)
    return second


def _is_pty_link(link: Path) -> bool:
    """Whether a killed emulator may have left this; a link to a real device is not ours."""
    return link.is_symlink() and os.readlink(link).startswith(('/dev/pts/', '/dev/ttys'))
