# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An event loop in a thread of its own, for callers that know nothing of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
import concurrent.futures
import threading
from typing import Any, TypeVar

from reflex_ros.client.deadline import end

Result = TypeVar('Result')

LEAVE_S = 5.0
"""How long a job that was cancelled may take to end; one that does not is left to its fate."""


class LoopThread:
    """
    Runs jobs for threads that wait for them; the thread starts with the first job.

    :param name: whose loop it is, for errors.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, job: Coroutine[Any, Any, Result]) -> Result:
        """
        Run a job and wait for it; Ctrl-C, and whatever else ends the wait, cancels it.

        :raises RuntimeError: when this thread runs an event loop, which would stand still
            meanwhile, and after ``close``.
        """
        try:
            self._refuse_in_a_loop()
            loop = self._started()
        except RuntimeError:
            job.close()
            raise
        has_ended = threading.Event()

        async def followed() -> Result:
            try:
                return await job
            finally:
                has_ended.set()

        future = asyncio.run_coroutine_threadsafe(followed(), loop)
        try:
            return future.result()
        except concurrent.futures.CancelledError as exc:
            raise RuntimeError(f'{self._name} was closed meanwhile') from exc
        except BaseException:
            if future.cancel():
                # What it holds is to be free when the caller goes on.
                has_ended.wait(LEAVE_S)
            raise

    def close(self) -> None:
        """Cancel what runs and end the thread; may be called twice."""
        with self._lock:
            self._is_closed = True
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(_end_all(), loop)
        thread.join(LEAVE_S)

    def _refuse_in_a_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(f'{self._name} blocks, and an event loop runs in this thread: use '
                           f'Async{self._name} there')

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise RuntimeError(f'{self._name} is closed; make a new one')
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # Who forgets to close it must not be kept from leaving.
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _end_all() -> None:
    await end(*(asyncio.all_tasks() - {asyncio.current_task()}))
    asyncio.get_running_loop().stop()
