# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Limits for how long a coroutine runs, without losing a cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar('Result')

AGAIN_S = 0.2


async def within(limit_s: float, job: Coroutine[Any, Any, Result]) -> Result:
    """
    Run a coroutine with a time limit.

    Before Python 3.12, ``asyncio.wait_for`` loses a cancellation that arrives at the moment in
    which the coroutine ends, and its caller goes on (python/cpython issue 86296).

    :raises asyncio.TimeoutError: if the limit passes; the coroutine was cancelled and has ended.
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
    """Cancel tasks, again every 0.2 s, until all have ended; their errors are dropped."""
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        # Cancelled again after a moment: a task can lose a cancellation, see above.
        await asyncio.wait(waiting, timeout=AGAIN_S)
    for task in tasks:
        if not task.cancelled():
            task.exception()
