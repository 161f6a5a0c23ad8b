# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A thread for work that neither a control loop nor the executor has time for."""

from __future__ import annotations

from collections.abc import Callable
import threading

END_S = 1.0


class CallThread:
    """
    Call a function each time that another thread asks for it.

    Requests that come while it runs count as one. The executor that runs the nodes knows no guard
    conditions, so this is a thread of its own.
    """

    def __init__(self, name: str, function: Callable[[], None]) -> None:
        self._function = function
        self._event = threading.Event()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def request(self) -> None:
        """Ask for a call. Any thread; never blocks."""
        self._event.set()

    def end(self) -> None:
        """End the thread after the call that runs; blocks for 1 s at most."""
        self._is_ending = True
        self._event.set()
        self._thread.join(END_S)

    def _run(self) -> None:
        while True:
            self._event.wait()
            self._event.clear()
            if self._is_ending:
                return
            self._function()
