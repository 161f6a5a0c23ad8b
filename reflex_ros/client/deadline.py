# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting with a bound, without losing a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar('Result')

AGAIN_S = 0.2


async def within(limit_s: float, job: Coroutine[Any, Any, Result]) -> Result:
    """
    Run a job with a deadline.

    Before Python 3.12 ``asyncio.wait_for`` loses a cancellation that comes in the moment in which
    the job ends, and its caller cannot be stopped any more (python/cpython issue 86296).

    :raises asyncio.TimeoutError: when the deadline passes; the job was cancelled, and has ended.
    """
    task = asyncio.ensure_future(job)
    try:
        await asyncio.wait([task], timeout=limit_s)
        if task.done():
            return task.result()
    finally:
        await end(task)
    raise asyncio.TimeoutError


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks until they have ended; how they ended does not matter."""
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        # Again after a moment: one that lost its cancellation goes on as if nothing was.
        await asyncio.wait(waiting, timeout=AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()
