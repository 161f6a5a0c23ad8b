# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A loop in a thread: results, errors, interruption, long-running jobs, misuse."""

import asyncio
import gc
import os
import signal
import threading

import pytest

from reflex_ros.client import deadline
from reflex_ros.client.loop_thread import LoopThread


@pytest.fixture
def loop():
    """Return a loop thread named Thing; fail if a thread is left after the test."""
    before = threading.active_count()
    thing = LoopThread('Thing')
    yield thing
    thing.close()
    assert threading.active_count() == before


async def answer(value):
    """Return a value after one turn of the loop."""
    await asyncio.sleep(0)
    return value


async def for_ever(has_begun, notes):
    """Wait, and record that it ended."""
    has_begun.set()
    try:
        await asyncio.sleep(1000)
    finally:
        notes.append('ended')


async def ignore_cancellations(has_begun, count):
    """Ignore this many cancellations."""
    has_begun.set()
    for _ in range(count):
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            continue
    await asyncio.sleep(1000)


def test_jobs_of_several_threads_are_run_in_one_other_thread(loop):
    async def where():
        return threading.get_ident()

    found = set()
    threads = [threading.Thread(target=lambda: found.add(loop.run(where()))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5.0)
    assert len(found) == 1 and threading.get_ident() not in found
    assert loop.run(answer(5)) == 5


def test_error_of_a_job_is_raised_and_the_loop_goes_on(loop):
    async def fail():
        raise KeyError('x')

    with pytest.raises(KeyError):
        loop.run(fail())
    assert loop.run(answer(1)) == 1


@pytest.mark.parametrize('kind', [SystemExit, KeyboardInterrupt])
def test_job_that_ends_the_program_ends_it_here_and_not_there(loop, kind):
    async def leave():
        raise kind

    with pytest.raises(kind):
        loop.run(leave())
    assert loop.run(answer(4)) == 4


def test_ctrl_c_cancels_the_job_and_waits_for_its_end(loop):
    has_begun, notes = threading.Event(), []

    def interrupt():
        has_begun.wait(5.0)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        loop.run(for_ever(has_begun, notes))
    assert notes == ['ended']
    thread.join(5.0)
    assert loop.run(answer(2)) == 2


def test_close_ends_what_runs_and_tells_who_waits(loop):
    has_begun, notes, errors = threading.Event(), [], []

    def wait():
        try:
            loop.run(for_ever(has_begun, notes))
        except RuntimeError as exc:
            errors.append(str(exc))

    thread = threading.Thread(target=wait)
    thread.start()
    assert has_begun.wait(5.0)
    loop.close()
    thread.join(5.0)
    assert notes == ['ended']
    assert errors == ['Thing was closed during the call']


def test_closed_loop_runs_nothing(loop):
    loop.run(answer(1))
    loop.close()
    loop.close()
    for method in (loop.run, loop.begin):
        with pytest.raises(RuntimeError, match='^Thing is closed; make a new one$'):
            method(answer(1))


def test_thread_with_an_event_loop_is_not_blocked(loop):
    async def main():
        with pytest.raises(RuntimeError, match='event loop runs in this thread: use AsyncThing'):
            loop.run(answer(1))

    asyncio.run(main())
    assert loop.run(answer(3)) == 3


def test_run_with_a_limit_returns_what_is_there_in_time(loop):
    assert loop.run(answer(6), 5.0) == 6


def test_timeout_cancels_the_job_and_waits_for_its_end(loop):
    notes = []
    with pytest.raises(TimeoutError, match='^no result within 0.01 s$'):
        loop.run(for_ever(threading.Event(), notes), 0.01)
    assert notes == ['ended']
    assert loop.run(answer(2)) == 2


def test_timeout_error_of_the_job_itself_is_raised_unchanged(loop):
    async def fail():
        raise TimeoutError('mine')

    with pytest.raises(TimeoutError, match='^mine$'):
        loop.run(fail(), 5.0)


def test_ended_job_has_no_failure_and_another_may_begin(loop):
    for _ in range(2):
        has_begun, notes = threading.Event(), []
        job = loop.begin(for_ever(has_begun, notes))
        assert has_begun.wait(5.0) and job.failure is None
        assert loop.run(answer(7)) == 7
        assert job.end() and job.end()
        assert notes == ['ended'] and job.failure is None


def test_job_that_is_ended_at_once_ends(loop):
    notes = []
    assert loop.begin(for_ever(threading.Event(), notes)).end()
    assert loop.run(answer(1)) == 1
    # It may or may not have made its first step; it must not go on.
    assert notes in ([], ['ended'])


@pytest.mark.parametrize('kind', [KeyError, SystemExit])
def test_failure_of_a_job_is_kept_and_the_loop_goes_on(loop, kind):
    async def fail():
        raise kind('x')

    job = loop.begin(fail())
    assert job.wait(5.0)
    assert isinstance(job.failure, kind)
    assert loop.run(answer(1)) == 1
    assert job.end()


def test_job_that_loses_a_cancellation_is_cancelled_again(loop, monkeypatch):
    monkeypatch.setattr(deadline, 'AGAIN_S', 0.01)
    has_begun = threading.Event()
    job = loop.begin(ignore_cancellations(has_begun, 2))
    assert has_begun.wait(5.0)
    assert job.end()


def test_close_ends_the_long_running_job(loop):
    has_begun, notes = threading.Event(), []
    job = loop.begin(for_ever(has_begun, notes))
    assert has_begun.wait(5.0)
    loop.close()
    assert notes == ['ended'] and job.failure is None
    assert job.end()


def test_job_that_never_ends_is_left_behind_and_stands_still_after_close():
    loop, has_begun = LoopThread('Thing', leave_s=0.05), threading.Event()
    before = threading.active_count()
    job = loop.begin(ignore_cancellations(has_begun, 1000))
    assert has_begun.wait(5.0)
    assert not job.end() and job.failure is None
    assert loop.run(answer(3)) == 3
    thread, = (each for each in threading.enumerate() if each.name == 'Thing')
    loop.close()
    thread.join(5.0)
    assert threading.active_count() == before
    assert not job.end()
    # asyncio logs an error when the job is collected: now, while pytest captures the log.
    del job
    gc.collect()
