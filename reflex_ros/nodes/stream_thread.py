# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one thread that runs asyncio in a node, and the way in and out of it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
import concurrent.futures
import threading
import time
from typing import Any

CANCEL_AGAIN_S = 0.2


class StreamThread:
    """
    An asyncio loop in a thread of its own.

    rclpy's futures are not asyncio's, so nothing is awaited across the border: work goes in as a
    coroutine, results come out through callbacks and plain values.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._task: asyncio.Task[Any] | None = None
        self._ended = threading.Event()
        self._thread.start()

    def run(self, job: Coroutine[Any, Any, Any], timeout_s: float) -> Any:
        """
        Run something short and wait for it.

        :raises TimeoutError: when it takes longer than ``timeout_s``; it is cancelled then.
        """
        future = asyncio.run_coroutine_threadsafe(job, self._loop)
        try:
            return future.result(timeout_s)
        except concurrent.futures.TimeoutError as exc:
            future.cancel()
            raise TimeoutError(f'no result within {timeout_s:g} s') from exc

    def begin(self, job: Coroutine[Any, Any, Any]) -> None:
        """Start the long-running job; ``end`` ends it."""
        self._ended.clear()

        def start() -> None:
            self._task = self._loop.create_task(job)
            self._task.add_done_callback(lambda _: self._ended.set())

        self._loop.call_soon_threadsafe(start)

    def failure(self) -> BaseException | None:
        """Return what ended the long-running job, if something unexpected did."""
        task = self._task
        if task is None or not task.done() or task.cancelled():
            return None
        return task.exception()

    def end(self, timeout_s: float) -> bool:
        """Cancel the long-running job and wait for it; return whether it ended in time."""
        if self._task is None:
            return True
        deadline = time.monotonic() + timeout_s
        while not self._ended.is_set() and time.monotonic() < deadline:
            # More than once: before Python 3.12, wait_for loses a cancellation that arrives
            # together with the result.
            self._loop.call_soon_threadsafe(self._task.cancel)
            self._ended.wait(CANCEL_AGAIN_S)
        self._task = None
        return self._ended.is_set()

    def close(self, timeout_s: float = 2.0) -> None:
        """End everything and join the thread, within a bound; may be called twice."""
        if self._loop.is_closed():
            return
        self.end(timeout_s)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._loop.close()
