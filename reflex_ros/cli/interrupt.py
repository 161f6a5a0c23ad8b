# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What Ctrl-C and its relatives do to a command that has started processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import signal
from types import FrameType

from reflex_ros.bringup import processes

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
AGAIN_S = 0.2


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Let SIGTERM and SIGHUP do what Ctrl-C does: raise KeyboardInterrupt.

    It is raised again until it has got us out of here, and not while a process is being started:
    Python can only print, and ignore, what is raised in the hooks that it calls around a fork.
    """
    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        if not processes.is_starting():
            raise KeyboardInterrupt

    with _handled_by(interrupt):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Let nothing interrupt while the arm is brought to rest: a second Ctrl-C is ignored."""
    with _handled_by(signal.SIG_IGN):
        yield


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None] | signal.Handlers
                ) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, found in before.items():
            signal.signal(number, found)
