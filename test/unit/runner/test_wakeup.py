# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A coroutine wakes up at its deadline, or at a call from its loop or another thread."""

import asyncio
import threading

import pytest

from reflex_ros.runner.wakeup import Wakeup


async def turns_until(task, most=20):
    """Count the turns of the loop until a task is done."""
    for turn in range(most):
        if task.done():
            return turn
        await asyncio.sleep(0)
    raise AssertionError(f'not done after {most} turns')


def test_wait_ends_at_its_deadline_and_not_before(run):
    async def main():
        loop, wakeup = asyncio.get_running_loop(), Wakeup()
        until = loop.time() + 0.02
        await wakeup.wait(until)
        # The loop calls a timer up to one tick of its clock early.
        assert loop.time() >= until - 1e-6

    run(main())


def test_deadline_that_is_over_ends_the_wait_at_once(run):
    async def main():
        await turns_until(asyncio.create_task(Wakeup().wait(0.0)))

    run(main())


@pytest.mark.parametrize('in_thread', [False, True])
def test_call_ends_the_wait_in_a_few_turns(run, in_thread):
    async def main():
        wakeup = Wakeup()
        waiting = asyncio.create_task(wakeup.wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        if in_thread:
            thread = threading.Thread(target=wakeup.call_from_thread)
            thread.start()
            thread.join()
        else:
            wakeup.call()
        assert await turns_until(waiting) <= 4

    run(main())


def test_calls_before_the_wait_count_once(run):
    async def main():
        wakeup = Wakeup()
        for _ in range(3):
            wakeup.call()
        await turns_until(asyncio.create_task(wakeup.wait()))
        second = asyncio.create_task(wakeup.wait())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not second.done()
        wakeup.call()
        await turns_until(second)

    run(main())


def test_timer_of_an_earlier_wait_does_not_end_the_next(run):
    async def main():
        loop, wakeup = asyncio.get_running_loop(), Wakeup()
        wakeup.call()
        await wakeup.wait(loop.time() + 0.01)
        began = loop.time()
        await wakeup.wait(began + 0.05)
        assert loop.time() - began >= 0.049

    run(main())


def test_waiting_may_be_cancelled(run):
    async def main():
        wakeup = Wakeup()
        waiting = asyncio.create_task(wakeup.wait(asyncio.get_running_loop().time() + 60.0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    run(main())


def test_call_after_the_end_of_the_loop_is_ignored():
    made = []

    async def main():
        made.append(Wakeup())

    asyncio.run(main())
    made[0].call_from_thread()
