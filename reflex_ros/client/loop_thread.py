# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An event loop in a thread of its own, for callers without asyncio: scripts and ROS nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
import concurrent.futures
import selectors
import threading
from typing import Any, Generic, TypeVar

from reflex_ros.client.deadline import end

Result = TypeVar('Result')

LEAVE_S = 5.0


class LoopThread:
    """
    Run coroutines in the thread of one event loop, side by side.

    The thread starts with the first of them. All methods may be called from any thread but this.

    :param name: class of the owner, for errors and as the name of the thread.
    :param leave_s: how long a cancelled coroutine may take to end before it is left behind [s].
    :param selector: selector of the loop, which the loop closes; None takes the default one.
    """

    def __init__(self, name: str, *, leave_s: float = LEAVE_S,
                 selector: selectors.BaseSelector | None = None) -> None:
        self.leave_s = leave_s
        self._name = name
        self._selector = selector
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, coroutine: Coroutine[Any, Any, Result],
            timeout_s: float | None = None) -> Result:
        """
        Run a coroutine and return its result.

        Blocks until it has ended, without a limit if ``timeout_s`` is None. A timeout and Ctrl-C
        cancel it and wait up to ``leave_s`` for its end, so that its sockets are closed then.

        :raises TimeoutError: when there is no result after ``timeout_s``.
        :raises RuntimeError: in a thread that runs an event loop, because that would stand still
            meanwhile; after ``close``, and when ``close`` cancelled the coroutine.
        """
        job = Job(self, coroutine)
        # One block: Ctrl-C may come as soon as the job is scheduled.
        try:
            self._refuse_inside_a_loop()
            self.schedule(job.start)
            if not job.wait(timeout_s):
                raise TimeoutError(f'no result within {timeout_s:g} s')
            return job.future.result()
        except concurrent.futures.CancelledError as exc:
            raise RuntimeError(f'{self._name} was closed during the call') from exc
        except BaseException:
            job.end()
            raise

    def begin(self, coroutine: Coroutine[Any, Any, Result]) -> Job[Result]:
        """
        Start a coroutine that runs on its own; the job ends it. Never blocks.

        :raises RuntimeError: after ``close``.
        """
        job = Job(self, coroutine)
        try:
            self.schedule(job.start)
        except RuntimeError:
            job.end()
            raise
        return job

    def schedule(self, callback: Callable[[], None]) -> None:
        """
        Call a function in the loop's thread soon; never blocks.

        :raises RuntimeError: after ``close``.
        """
        with self._lock:
            if self._is_closed:
                raise RuntimeError(f'{self._name} is closed; make a new one')
            if self._loop is None:
                self._loop = asyncio.new_event_loop() if self._selector is None \
                    else asyncio.SelectorEventLoop(self._selector)
                # A daemon: a program that forgot to close it can still exit.
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            self._loop.call_soon_threadsafe(callback)

    def close(self) -> None:
        """
        Cancel all jobs and end the thread; may be called twice.

        Blocks until the thread has ended, at most ``leave_s``. Then the loop stops: a job that
        ignored its cancellation never runs again.
        """
        with self._lock:
            self._is_closed = True
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_stop(self.leave_s), loop)
            thread.join(self.leave_s)

    def _refuse_inside_a_loop(self) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return
        raise RuntimeError(f'{self._name} blocks, and an event loop runs in this thread: use '
                           f'Async{self._name} there')


class Job(Generic[Result]):
    """A coroutine in the thread of a loop; ``future`` tells other threads how it ended."""

    def __init__(self, home: LoopThread, coroutine: Coroutine[Any, Any, Result]) -> None:
        self.future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self._home = home
        self._coroutine = coroutine
        self._task: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    # In any thread but the loop's.

    @property
    def failure(self) -> BaseException | None:
        """The error that ended it; None while it runs and after ``end``. Never blocks."""
        error = self.future.exception() if self.future.done() else None
        return None if isinstance(error, concurrent.futures.CancelledError) else error

    def wait(self, timeout_s: float | None) -> bool:
        """Block until it has ended, at most ``timeout_s``; return whether it has."""
        return bool(concurrent.futures.wait([self.future], timeout_s).done)

    def end(self) -> bool:
        """
        Cancel it, and again every 0.2 s: a cancellation can be lost before Python 3.12.

        Blocks until it has ended, at most ``leave_s``.

        :returns: whether it has ended.
        """
        if not self.future.done():
            try:
                self._home.schedule(self._cancel)
            except RuntimeError:
                # Closed: the loop ends what has begun there, and nothing else will begin.
                if self._task is None:
                    self._drop()
        return self.wait(self._home.leave_s)

    # In the loop's thread, or before it was scheduled there.

    def start(self) -> None:
        """Take the first step soon."""
        if not self.future.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
            # Cancelled before its first step, it never gets as far as the coroutine.
            self._task.add_done_callback(lambda _: self._drop())

    def _cancel(self) -> None:
        if self._task is None:
            self._drop()
        else:
            self._ending = asyncio.ensure_future(end(self._task))

    def _drop(self) -> None:
        if not self.future.done():
            self.future.set_exception(concurrent.futures.CancelledError())
            # Python warns about a coroutine that was never awaited.
            self._coroutine.close()

    async def _run(self) -> None:
        try:
            result = await self._coroutine
        except asyncio.CancelledError:
            self.future.set_exception(concurrent.futures.CancelledError())
            raise
        except BaseException as exc:
            # KeyboardInterrupt too: asyncio would end the loop, and no thread would be told.
            self.future.set_exception(exc)
        else:
            self.future.set_result(result)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def _stop(limit_s: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.wait([asyncio.ensure_future(end(*tasks))], timeout=limit_s)
    asyncio.get_running_loop().stop()
