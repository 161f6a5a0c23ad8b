# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tell a link that is down from a service that is slow, by the pings of WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from reflex_ros.errors import StreamClosed

EVERY_S = 1.0
PATIENCE_S = 0.5
"""How long a ping is at least waited for before the link counts as down [s]."""
PATIENCE = 4.0
"""The same, in round trips of the last ping: a slow link is not down."""


class LinkPings:
    """
    Pings the other end of one stream while ``run`` runs.

    A service need not answer pings, so their silence means nothing before one was answered.

    :param ping: sends one ping, waits for its answer without a limit, returns the time of both
        [s].
    :param now: monotonic clock [s].
    """

    def __init__(self, ping: Callable[[], Awaitable[float]], now: Callable[[], float]) -> None:
        self._ping = ping
        self._now = now
        self._round_trip_s = -1.0
        self._waits_since: float | None = None

    @property
    def round_trip_ms(self) -> float:
        """Time of the last ping that was answered [ms]; negative before the first."""
        return self._round_trip_s * 1e3 if self._round_trip_s >= 0.0 else -1.0

    async def run(self) -> None:
        """Send a ping every second, and never two at a time, until cancelled."""
        try:
            while True:
                self._waits_since = self._now()
                self._round_trip_s = await self._ping()
                self._waits_since = None
                await asyncio.sleep(EVERY_S)
        except StreamClosed:
            # Whoever receives says why it was closed.
            await asyncio.Event().wait()

    def finding(self, now: float) -> str:
        """Return what the pings say about a service that is silent; empty if they say nothing."""
        if self._round_trip_s < 0.0:
            return ''
        waited = now - self._waits_since if self._waits_since is not None else 0.0
        if waited > max(PATIENCE_S, PATIENCE * self._round_trip_s):
            return f'no ping was answered for {waited:.1f} s either: the link is down'
        return f'pings are answered in {self.round_trip_ms:.1f} ms: the link is up, and the ' \
               'service is silent'
