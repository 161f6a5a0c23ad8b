# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time limits of coroutines, and a cancellation at the worst moment."""

import asyncio

import pytest

from reflex_ros.client import deadline
from reflex_ros.client.deadline import end, within


def test_result_and_error_of_the_job_are_its_own(run):
    async def fail():
        raise ValueError('mine')

    async def main():
        assert await within(1.0, asyncio.sleep(0, 'done')) == 'done'
        with pytest.raises(ValueError, match='mine'):
            await within(1.0, fail())

    run(main())


def test_job_has_ended_when_its_deadline_passes(run):
    ended = []

    async def job():
        try:
            await asyncio.sleep(10.0)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await within(0.01, job())
        assert ended

    run(main())


def test_cancellation_is_not_lost_in_the_moment_in_which_the_job_ends(run):
    async def main():
        ready = asyncio.Event()
        outer = asyncio.create_task(within(1.0, ready.wait()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        ready.set()
        # Now the job has ended, and its waiter has not run yet.
        await asyncio.sleep(0)
        outer.cancel()
        await asyncio.wait([outer])
        assert outer.cancelled()

    for _ in range(3):
        run(main())


def test_task_that_ignores_its_cancellation_is_cancelled_again(run, monkeypatch):
    monkeypatch.setattr(deadline, 'AGAIN_S', 0.01)

    async def stubborn():
        for _ in range(3):
            try:
                await asyncio.sleep(10.0)
            except asyncio.CancelledError:
                continue

    async def main():
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await end(task)
        assert task.done()

    run(main())


def test_errors_of_ended_tasks_do_not_matter(run):
    async def fail():
        raise ValueError('nobody asks')

    async def main():
        tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(10.0))]
        await asyncio.sleep(0)
        await end(*tasks)
        assert all(task.done() for task in tasks)

    run(main())
