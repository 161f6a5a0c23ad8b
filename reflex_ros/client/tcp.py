# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Connect one TCP socket to a host with several addresses, side by side (RFC 8305).

A host often has an IPv6 address that leads nowhere. Each attempt gets a short start before the
next one begins, and the first connection that is made is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import chain, zip_longest
import os
import socket
from typing import Any

from reflex_ros.client.deadline import end

START_S = 0.25
"""How long an attempt has before the next one begins beside it [s] (RFC 8305, section 5)."""
Found = tuple[Any, Any, int, str, Any]
"""What ``getaddrinfo`` says about one address."""


async def connect(host: str, port: int) -> socket.socket:
    """
    Connect to the first address of the host that answers.

    Runs in the event loop, not in a thread, so that a cancelled attempt ends at once.

    :raises OSError: if no address answers; the reason is that of the last one.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise OSError(f'{host} is not a valid host name') from exc
    waiting = _interleaved(found)
    running: list[asyncio.Task[socket.socket]] = []
    failure = OSError(f'{host} has no address')
    try:
        while waiting or running:
            if waiting:
                running.append(asyncio.create_task(_connect(waiting.pop(0))))
            done, _ = await asyncio.wait(running, timeout=START_S if waiting else None,
                                         return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                running.remove(task)
                if task.exception() is None:
                    return task.result()
                if isinstance(task.exception(), OSError):
                    failure = task.exception()  # type: ignore[assignment]
                else:
                    task.result()
        raise failure
    finally:
        await end(*running)
        for task in running:
            # A second connection that was made at the same moment.
            if not task.cancelled() and task.exception() is None:
                task.result().close()


def _interleaved(found: Sequence[Found]) -> list[Found]:
    """Put the families in turn: the first address of each, then the second."""
    families = dict.fromkeys(each[0] for each in found)
    rows = zip_longest(*([each for each in found if each[0] == family] for family in families))
    return [each for each in chain.from_iterable(rows) if each is not None]


async def _connect(where: Found) -> socket.socket:
    family, kind, proto, _, address = where
    raw = socket.socket(family, kind, proto)
    try:
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(raw, address)
        return raw
    except OSError as exc:
        raw.close()
        # The text of asyncio says only "Connect call failed".
        if exc.errno:
            raise OSError(exc.errno, os.strerror(exc.errno)) from exc
        raise
    except BaseException:
        raw.close()
        raise
