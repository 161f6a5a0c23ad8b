# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An event loop in a thread of its own, for callers that know nothing of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
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
        result: concurrent.futures.Future[Result] = concurrent.futures.Future()
        tasks: list[asyncio.Task[Result]] = []

        async def held() -> Result:
            try:
                return await job
            except (KeyboardInterrupt, SystemExit) as exc:
                # A task lets these end the loop, and nobody would be told.
                result.set_exception(exc)
                raise asyncio.CancelledError from exc

        def begin() -> None:
            tasks.append(asyncio.get_running_loop().create_task(held()))
            tasks[0].add_done_callback(finish)

        def finish(task: asyncio.Task[Result]) -> None:
            # One that was cancelled at once was never begun.
            job.close()
            if result.done():
                return
            error = (RuntimeError(f'{self._name} was closed meanwhile') if task.cancelled()
                     else task.exception())
            if error is not None:
                result.set_exception(error)
            else:
                result.set_result(task.result())

        def give_up() -> None:
            if tasks:
                tasks[0].cancel()
            else:
                job.close()
                result.cancel()
                # Who waits for it is woken by this only.
                result.set_running_or_notify_cancel()

        # Both in one block: an interruption may come as soon as the job has begun.
        try:
            self._schedule(begin)
            return result.result()
        except BaseException:
            if not result.done():
                self._give_up(give_up)
                # What it holds is to be free when the caller goes on.
                concurrent.futures.wait([result], LEAVE_S)
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

    def _give_up(self, give_up: Callable[[], None]) -> None:
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(give_up)
                return
        # There is no loop in which anything could have begun.
        give_up()

    def _schedule(self, begin: Callable[[], None]) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise RuntimeError(f'{self._name} blocks, and an event loop runs in this thread: use '
                               f'Async{self._name} there')
        with self._lock:
            if self._is_closed:
                raise RuntimeError(f'{self._name} is closed; make a new one')
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                # Who forgets to close it must not be kept from leaving.
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            self._loop.call_soon_threadsafe(begin)


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
