# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The timing, the mailbox, the jobs and the end of the bus thread, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
import threading

import pytest

from reflex_ros.errors import PortLost, ReflexError, ServoFault
from reflex_ros.hardware.bus_loop import BusLoop
from reflex_ros.sim.arm.clock import VirtualClock

PERIOD_S = 0.01
DEADLINE_S = 8.0


class Bench:
    """A loop with a cycle that a test provides; it ends after some cycles."""

    def __init__(self, cycles: int, work: Callable[[int], None] = lambda number: None) -> None:
        self.clock = VirtualClock()
        self.due: list[float] = []
        self.ended: list[Exception | None] = []
        self._cycles = cycles
        self._work = work
        self.loop: BusLoop[str] = BusLoop(PERIOD_S, self.clock, self._cycle, self._end)

    def _cycle(self, due: float) -> None:
        self.due.append(due)
        self._work(len(self.due))
        if len(self.due) == self._cycles:
            # From inside, so that no other thread decides how many cycles there are.
            self.loop._stopping.set()

    def _end(self, error: Exception | None) -> None:
        self.ended.append(error)

    def run(self) -> None:
        self.loop.start()
        self.loop._thread.join(DEADLINE_S)
        assert not self.loop.is_running


def test_cycles_come_at_the_period() -> None:
    bench = Bench(5)
    bench.run()
    assert bench.due == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04])
    assert (bench.loop.late_cycles, bench.ended) == (0, [None])
    assert bench.loop.times.summary().rate_hz == pytest.approx(100.0)


def test_long_cycle_delays_the_next_one_which_is_not_caught_up() -> None:
    bench = Bench(5, lambda number: bench.clock.sleep(0.035 if number == 2 else 0.001))
    bench.run()
    # The second ends at 0.045: the third is told that it was due at 0.02. From there on, one
    # period after the other.
    assert bench.due == pytest.approx([0.0, 0.01, 0.02, 0.055, 0.065])
    assert bench.loop.times.summary().work_ms_p99 == pytest.approx(1.0)


def test_cycle_that_begins_more_than_half_a_period_late_is_counted() -> None:
    bench = Bench(5, lambda number: bench.clock.sleep({2: 0.016, 4: 0.014}.get(number, 0.001)))
    bench.run()
    # 6 ms late counts, 4 ms do not; less than a period is caught up.
    assert bench.loop.late_cycles == 1
    assert bench.due == pytest.approx([0.0, 0.01, 0.02, 0.03, 0.04])
    assert bench.loop.times.summary().late_ms_max == pytest.approx(6.0)


def test_mailbox_keeps_the_newest_item_only() -> None:
    popped: list[str | None] = []

    def work(number: int) -> None:
        if number == 1:
            bench.loop.put('first')
            bench.loop.put('second')
        popped.append(bench.loop.pop())
        if number == 2:
            bench.loop.put('third')
            bench.loop.clear()

    bench = Bench(3, work)
    bench.run()
    assert popped == ['second', None, None]


def test_jobs_run_after_the_cycle_in_their_order() -> None:
    events: list[str] = []

    def work(number: int) -> None:
        events.append(f'cycle {number}')
        if number == 1:
            for name in ('a', 'b'):
                bench.loop.submit(lambda name=name: events.append(name))

    bench = Bench(2, work)
    bench.run()
    assert events == ['cycle 1', 'a', 'b', 'cycle 2']


def test_job_that_submits_jobs_does_not_delay_the_next_cycle() -> None:
    ran: list[int] = []

    def again() -> None:
        ran.append(len(bench.due))
        bench.loop.submit(again)

    def work(number: int) -> None:
        if number == 1:
            again()

    bench = Bench(4, work)
    bench.run()
    # Once directly, then once after each cycle.
    assert ran == [1, 1, 2, 3, 4]


@pytest.fixture
def waiting() -> Iterator[tuple[Bench, threading.Event]]:
    """Give a loop whose first cycle waits, so that a test can submit jobs meanwhile."""
    entered, released = threading.Event(), threading.Event()

    def work(number: int) -> None:
        if number == 1:
            entered.set()
            released.wait(DEADLINE_S)

    bench = Bench(3, work)
    bench.loop.start()
    assert entered.wait(DEADLINE_S)
    yield bench, released
    released.set()
    bench.loop.stop(DEADLINE_S)


@pytest.mark.parametrize('error, ends_the_thread', (
    (ReflexError('refused'), False), (ServoFault('servo 1 stalls', 1), False),
    (PortLost('gone'), True), (ValueError('a mistake'), True)))
def test_error_of_a_job_reaches_its_caller(waiting: tuple[Bench, threading.Event],
                                           error: Exception, ends_the_thread: bool) -> None:
    bench, released = waiting

    def job() -> None:
        raise error

    future, after = bench.loop.submit(job), bench.loop.submit(lambda: 7)
    released.set()
    assert future.exception(DEADLINE_S) is error
    bench.loop._thread.join(DEADLINE_S)
    assert bench.ended == [error if ends_the_thread else None]
    if ends_the_thread:
        assert isinstance(after.exception(DEADLINE_S), PortLost)
    else:
        assert after.result(DEADLINE_S) == 7


def test_cancelled_job_does_not_run(waiting: tuple[Bench, threading.Event]) -> None:
    bench, released = waiting
    ran: list[int] = []
    assert bench.loop.submit(lambda: ran.append(1)).cancel()
    released.set()
    bench.loop._thread.join(DEADLINE_S)
    assert ran == [] and bench.ended == [None]


def test_error_of_a_cycle_ends_the_thread_and_fails_all_jobs() -> None:
    error = ValueError('a mistake')

    def work(number: int) -> None:
        bench.loop.submit(lambda: 7).add_done_callback(lambda job: jobs.append(job.exception()))
        raise error

    jobs: list[BaseException | None] = []
    bench = Bench(9, work)
    bench.run()
    assert bench.ended == [error] and not bench.loop.is_stopping
    late = bench.loop.submit(lambda: 7)
    assert [type(found) for found in (*jobs, late.exception(0))] == [PortLost, PortLost]


def test_loop_that_never_started_can_be_stopped_and_runs_no_job() -> None:
    bench = Bench(1)
    bench.loop.stop()
    assert isinstance(bench.loop.submit(lambda: 7).exception(0), PortLost)
    assert bench.loop.is_stopping and not bench.loop.is_running
