# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A loop that hangs is told from one that waits, and stops the arm as fast as silence does."""

import asyncio
from contextlib import contextmanager
import threading

import pytest

from reflex_ros.client.loop_thread import LoopThread
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard, Verdict
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.runner.loop_watch import LoopWatch

BEAT_S = 0.02
CYCLE_S = 0.01
LIMIT_S = 10.0


@pytest.fixture
def watch():
    return LoopWatch()


@pytest.fixture
def thread(watch):
    thread = LoopThread('watched', selector=watch)
    yield thread
    thread.close()


def rest(thread):
    """Return when the loop has run what it was given and waits again."""
    thread.run(asyncio.sleep(0), LIMIT_S)


@contextmanager
def hanging(thread):
    """Hold the loop up in one callback."""
    hangs, end = threading.Event(), threading.Event()

    def hang():
        hangs.set()
        end.wait(LIMIT_S)

    thread.schedule(hang)
    assert hangs.wait(LIMIT_S)
    try:
        yield
    finally:
        end.set()


def looks_until(watch, expected, most=100_000):
    """Look again and again until the answer is as expected."""
    assert any(watch.has_worked() is expected for _ in range(most))


def test_loop_that_waits_works_and_is_not_woken_for_it(thread, watch):
    rest(thread)
    looks_until(watch, True)
    while watch._steps % 2 == 0:
        pass
    steps = watch._steps
    assert all(watch.has_worked() for _ in range(1000))
    assert watch._steps == steps


def test_loop_that_hangs_does_not_work_and_recovers(thread, watch):
    rest(thread)
    with hanging(thread):
        # The turn that hangs began after the last look.
        watch.has_worked()
        assert not any(watch.has_worked() for _ in range(1000))
    rest(thread)
    assert watch.has_worked()


def test_loop_that_is_busy_turn_after_turn_works(thread, watch):
    async def spin():
        for _ in range(2000):
            await asyncio.sleep(0)

    job = thread.begin(spin())
    seen = 0
    while not job.wait(0.001):
        seen += watch.has_worked()
    assert watch.has_worked() or seen


def test_loop_that_has_not_begun_or_has_ended_does_not_work(watch):
    assert not watch.has_worked()
    thread = LoopThread('watched', selector=watch)
    rest(thread)
    assert watch.has_worked()
    thread.close()
    watch.has_worked()
    assert not watch.has_worked()


def test_guard_stops_the_arm_when_the_loop_hangs(thread, watch):
    """Beat and bus cycle in virtual time, the loop and its hang are real."""
    guard = MotionGuard(GuardBounds())
    guard.renew_permit(Permit(1, Mode.APPLY_ACTIONS), 0.0)
    assert guard.begin(0.0) == ''
    guard.arm(0.0)
    progress, verdicts = 0, {}

    def run(begin_s, seconds):
        nonlocal progress
        for tick in range(round(seconds / CYCLE_S)):
            now = begin_s + tick * CYCLE_S
            guard.renew_permit(Permit(1, Mode.APPLY_ACTIONS), now)
            guard.record_playing(now)
            if tick % round(BEAT_S / CYCLE_S) == 0:
                progress += watch.has_worked()
                guard.renew_beat(progress, None, now)
            verdicts[round(now - 1.0, 3)] = guard.evaluate(now, 0.0)

    rest(thread)
    looks_until(watch, True)
    while watch._steps % 2 == 0:
        pass
    run(0.0, 1.0)
    assert set(verdicts.values()) == {Verdict.GO}
    with hanging(thread):
        run(1.0, 0.5)
    # One beat may still show the turn in which it hangs.
    slow_at = min(at for at, verdict in verdicts.items() if verdict is Verdict.SLOW)
    stop_at = min(at for at, verdict in verdicts.items() if verdict is Verdict.STOP)
    assert slow_at <= 0.06 + CYCLE_S
    assert stop_at <= 0.2 + CYCLE_S
    assert guard.cause.code is FaultCode.STREAM_DEAD
