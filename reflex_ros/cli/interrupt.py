# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How Ctrl-C, SIGTERM and SIGHUP end a command that has started processes."""

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
    Let SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does.

    The exception is raised again every 0.2 s until the block ends, and never while a process is
    being started: it would run on, and nobody would know of it.
    """
    def interrupt(number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        if not processes.is_starting():
            raise KeyboardInterrupt

    with _handling(interrupt):
        yield


@contextmanager
def shielded() -> Iterator[None]:
    """Ignore all signals, such as a second Ctrl-C, while the arm is brought to rest."""
    with _handling(signal.SIG_IGN):
        yield


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None] | signal.Handlers
              ) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, found in before.items():
            signal.signal(number, found)
