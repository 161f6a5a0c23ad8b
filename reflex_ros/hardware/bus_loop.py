# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The bus thread: one thread that owns the port and calls one function at a fixed rate.

Other threads reach it in two ways: a mailbox that keeps only the newest item, and jobs, which run
between two cycles. What a cycle does is not decided here (see ``arm_driver``). Time is the bus's
clock, so that a test can run an hour in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
import logging
import queue
import threading
from typing import Any, Generic, TypeVar

from reflex_ros.errors import PortLost, ReflexError
from reflex_ros.hardware.clock import Clock
from reflex_ros.hardware.cycle_times import CycleTimes

Item = TypeVar('Item')
Result = TypeVar('Result')

_log = logging.getLogger(__name__)


class BusLoop(Generic[Item]):
    """
    A thread that calls ``cycle`` every ``period_s``, with a mailbox and jobs.

    A cycle that begins late is told when it was due, so that it can see that the thread was held
    up, wherever that was. The cycles that were missed meanwhile are not caught up.

    :param clock: clock of the bus.
    :param cycle: called in the bus thread with the time at which this cycle was due [s]. An
        exception ends the thread.
    :param on_end: called in the bus thread when it ends, with the exception that ended it, or
        None. Afterwards no cycle and no job runs.
    """

    def __init__(self, period_s: float, clock: Clock, cycle: Callable[[float], None],
                 on_end: Callable[[Exception | None], None]) -> None:
        self._period_s = period_s
        self._clock = clock
        self._cycle = cycle
        self._on_end = on_end
        self._mailbox: deque[Item] = deque(maxlen=1)
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='bus', daemon=True)
        self.times = CycleTimes()
        """Start, lateness and work time of the last cycles; any thread may summarise them."""
        self.late_cycles = 0
        """Number of cycles that began more than half a period late."""

    @property
    def is_running(self) -> bool:
        """Whether the thread runs: false before ``start`` and after its end."""
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        """Whether ``stop`` was called: then the end of the thread is not a fault."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start the thread. Any thread may call this, once; it returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """
        End the thread after its present cycle; may be called twice, and before ``start``.

        Any thread but the bus thread may call this; it blocks for at most ``timeout_s``.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=timeout_s)

    def put(self, item: Item) -> None:
        """Put an item into the mailbox; it replaces the one before. Any thread; never blocks."""
        self._mailbox.append(item)

    def pop(self) -> Item | None:
        """Remove and return the item in the mailbox, None if it is empty. Bus thread only."""
        return self._mailbox.popleft() if self._mailbox else None

    def clear(self) -> None:
        """Discard the item in the mailbox. Bus thread only."""
        self._mailbox.clear()

    def submit(self, job: Callable[[], Result]) -> Future[Result]:
        """
        Run a job in the bus thread, between two cycles. Any thread; never blocks.

        :returns: the result of the job; fails with PortLost when the thread has ended. A PortLost
            or a programming error in the job ends the thread as well.
        """
        future: Future[Result] = Future()
        if not self._thread.is_alive():
            future.set_exception(PortLost('the bus thread has ended'))
            return future
        self._jobs.put((job, future))
        if not self._thread.is_alive():
            # The thread may have failed its waiting jobs before this one was added.
            self._fail_jobs()
        return future

    # Everything below runs in the bus thread.

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._loop()
        except Exception as exc:
            error = exc
        finally:
            try:
                self._on_end(error)
            finally:
                self._fail_jobs()

    def _loop(self) -> None:
        clock, period_s = self._clock, self._period_s
        due = clock.monotonic()
        while not self._stopping.is_set():
            began = clock.monotonic()
            late_s = began - due
            self.late_cycles += late_s > 0.5 * period_s
            self._cycle(due)
            self._run_jobs()
            now = clock.monotonic()
            self.times.record(began, late_s, now - began)
            # From the begin of this cycle, not from its end: otherwise time in which it was held
            # up after its last check would be lost, and the next cycle would go on as before.
            due = (began if late_s > period_s else due) + period_s
            if now < due:
                clock.sleep(due - now)

    def _run_jobs(self) -> None:
        # Only the jobs that wait now: jobs that submit jobs must not delay the next cycle.
        for _ in range(self._jobs.qsize()):
            job, future = self._jobs.get_nowait()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except Exception as exc:
                future.set_exception(exc)
                if isinstance(exc, PortLost) or not isinstance(exc, ReflexError):
                    raise

    def _fail_jobs(self) -> None:
        with suppress(queue.Empty):
            while True:
                future = self._jobs.get_nowait()[1]
                if future.set_running_or_notify_cancel():
                    future.set_exception(PortLost('the bus thread has ended'))
