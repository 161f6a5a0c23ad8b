# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How Ctrl-C and SIGTERM end a run: the first one as planned, the second one at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import signal
import threading
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOOK_S = 0.02


class Interrupted(BaseException):
    """The run ends now: by the second signal, or by the first one before the link is up."""


class StopRequest:
    """
    Whether a run is to end; any thread may ask for it.

    A plain flag and no event: to set an event takes a lock, and a signal that comes while its own
    thread waits for that event would wait for the lock for ever.
    """

    def __init__(self) -> None:
        self.is_set = False
        """Whether the run is to end."""
        self.was_interrupted = False
        """Whether a second signal came: nothing that takes long is done any more."""
        self._shields = 0
        self._is_starting = False

    def ask(self) -> None:
        """End the run as planned."""
        self.is_set = True

    def sleep(self, duration_s: float) -> None:
        """Block for a time, or until the run is to end."""
        deadline = time.monotonic() + duration_s
        while not self.is_set and (left := deadline - time.monotonic()) > 0.0:
            time.sleep(min(left, LOOK_S))

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """
        Let the first signal ask for the end, and the second one raise ``Interrupted``.

        In another thread than the main one, signals are left alone.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        for number, handler in before.items():
            # nohup starts its command with SIGHUP ignored.
            if handler is not signal.SIG_IGN:
                signal.signal(number, self._handle)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Let the first signal raise ``Interrupted`` already: nothing is open that could move."""
        self._is_starting = True
        try:
            yield
        finally:
            self._is_starting = False

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let no signal interrupt the block: the robot is being stopped in it."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            self.was_interrupted = True
        elif not self._is_starting:
            self.is_set = True
            return
        self.is_set = True
        if not self._shields:
            raise Interrupted
