# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Wake a coroutine at a deadline, from its own loop or from another thread."""

from __future__ import annotations

import asyncio
from contextlib import suppress
import math


class Wakeup:
    """
    Wakes the one coroutine that waits; make it in the loop of that coroutine.

    Calls while none waits end the next wait at once, and count as one. After waking, the
    coroutine checks what has changed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def call(self) -> None:
        """Wake the coroutine; in the loop's thread. Never blocks."""
        self._event.set()

    def call_from_thread(self) -> None:
        """Wake the coroutine; in any thread, also after the loop was closed. Never blocks."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, until: float = math.inf) -> None:
        """
        Wait for a call, or for an instant on the loop's clock [s].

        :param until: infinity waits for a call alone.
        """
        timer = None if until == math.inf else self._loop.call_at(until, self._event.set)
        try:
            await self._event.wait()
        finally:
            self._event.clear()
            if timer is not None:
                timer.cancel()
