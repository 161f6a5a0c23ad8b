# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A loop in a thread: results, errors, interruption, misuse."""

import asyncio
import os
import signal
import threading

import pytest

from reflex_ros.client.loop_thread import LoopThread


@pytest.fixture
def loop():
    """Return a loop thread named Thing, closed after the test, with no thread left behind."""
    before = threading.active_count()
    thing = LoopThread('Thing')
    yield thing
    thing.close()
    assert threading.active_count() == before


async def answer(value):
    """Return a value after a turn of the loop."""
    await asyncio.sleep(0)
    return value


async def for_ever(has_begun, notes):
    """Wait, and note how it ends."""
    has_begun.set()
    try:
        await asyncio.sleep(1000)
    finally:
        notes.append('ended')


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
    assert errors == ['Thing was closed meanwhile']


def test_closed_loop_runs_nothing(loop):
    loop.run(answer(1))
    loop.close()
    loop.close()
    with pytest.raises(RuntimeError, match='^Thing is closed; make a new one$'):
        loop.run(answer(1))


def test_thread_with_an_event_loop_is_not_blocked(loop):
    async def main():
        with pytest.raises(RuntimeError, match='event loop runs in this thread: use AsyncThing'):
            loop.run(answer(1))

    asyncio.run(main())
    assert loop.run(answer(3)) == 3
