# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Single keys of a terminal, read while a live view is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import os
import select
import signal
import sys
import termios
import threading

POLL_S = 0.2


@contextmanager
def pressed(on_key: Callable[[str], None], *, quiet: bool = False) -> Iterator[bool]:
    """
    Call a function with each key that is pressed while the block runs.

    Ctrl-C, Ctrl-Z and the like keep their meaning. A command in the background reads nothing, and
    leaves the terminal as the shell wants it.

    :param on_key: called in a thread of its own.
    :param quiet: read nothing.
    :returns: whether keys are read: stdin and stderr must be a terminal.
    """
    if quiet or not (sys.stdin.isatty() and sys.stderr.isatty()):
        yield False
        return
    # By default, the terminal stops a process that reads or changes it from the background.
    before = {number: signal.signal(number, signal.SIG_IGN)
              for number in (signal.SIGTTIN, signal.SIGTTOU)}
    keyboard = _Keyboard(on_key)
    try:
        yield True
    finally:
        keyboard.close()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Keyboard:
    def __init__(self, on_key: Callable[[str], None]) -> None:
        self._on_key = on_key
        self._descriptor = sys.stdin.fileno()
        self._usual = termios.tcgetattr(self._descriptor)
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._read, name='keys', daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_ending.set()
        self._thread.join(1.0)
        if self._is_foreground():
            with suppress(termios.error):
                # What was typed last is for the next program.
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._usual)

    def _read(self) -> None:
        while not self._is_ending.is_set():
            # Looked at each time: the shell sets its own mode when it brings a command back.
            if not self._is_foreground():
                self._is_ending.wait(POLL_S)
                continue
            try:
                self._set_mode()
                if not select.select([self._descriptor], [], [], POLL_S)[0]:
                    continue
                key = os.read(self._descriptor, 1)
            except (OSError, termios.error):
                # Put into the background between the two.
                self._is_ending.wait(POLL_S)
                continue
            if not key:
                return
            self._on_key(key.decode('ascii', 'replace'))

    def _is_foreground(self) -> bool:
        with suppress(OSError):
            return os.tcgetpgrp(self._descriptor) == os.getpgrp()
        return False

    def _set_mode(self) -> None:
        """Let each key arrive at once, and unprinted."""
        mode = termios.tcgetattr(self._descriptor)
        if mode[3] & (termios.ICANON | termios.ECHO):
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._descriptor, termios.TCSANOW, mode)
