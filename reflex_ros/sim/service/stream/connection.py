# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
One WebSocket of the action stream: an inbox, and ways to send, with and without faults.

It knows messages and faults of the link, and nothing of sessions.
"""

from __future__ import annotations

import asyncio
from collections import deque
import time

from aiohttp import web, WSMsgType

from reflex_ros.sim.service.faults import corruption, wire
from reflex_ros.sim.service.state import ServiceState
from reflex_ros.sim.service.stream import messages
from reflex_ros.sim.service.stream.messages import (
    BadInput,
    Observation,
    SessionClose,
    SessionOpen,
    StreamEnd,
)

# [s] between looks at the clock while nothing happens; every change ends a pause at once.
LOOK_S = 0.1
MOST_WAITING = 1000


Message = SessionOpen | Observation
# Messages with the monotonic times [s] of their receipt.
Inbox = deque[tuple[Message | BadInput, float]]


class Connection:
    """
    Read from and write to one client.

    :param socket: accepted WebSocket, without automatic pongs.
    :param transport: below it, for what a WebSocket library would not send.
    """

    def __init__(
        self, state: ServiceState, socket: web.WebSocketResponse, transport: asyncio.Transport
    ) -> None:
        self._state = state
        self._socket = socket
        self._transport = transport
        # A pong must not come between the pieces of a frame that we send raw.
        self._sending = asyncio.Lock()
        self._wake = asyncio.Event()
        self._inbox: Inbox = deque()
        self._pinged_s = time.monotonic()
        self.is_ending = False

    async def read_all(self) -> bool:
        """Fill the inbox until the client leaves; return whether it sent ``session.close``."""
        while True:
            while self._state.faults.is_on('deaf') and not self._state.is_stopping:
                await asyncio.sleep(LOOK_S)
            received = await self._socket.receive()
            received_s = time.monotonic()
            if received.type is WSMsgType.TEXT:
                try:
                    message = messages.parse(received.data)
                except BadInput as exc:
                    self._put(exc, received_s)
                    continue
                if isinstance(message, SessionClose):
                    return True
                if isinstance(message, Observation):
                    self._state.counters['observations_received'] += 1
                    number = self._state.counters['observations_received']
                    self._state.seen.append({
                        'number': number, 'received_s': received_s, **message.model_dump()})
                self._put(message, received_s)
            elif received.type is WSMsgType.BINARY:
                self._put(BadInput('unsupported_data', 'binary frames are not accepted',
                                   messages.UNSUPPORTED), received_s)
            elif received.type is WSMsgType.PING:
                async with self._sending:
                    await self._socket.pong(received.data)
            elif received.type is not WSMsgType.PONG:
                return False

    def pop(self) -> tuple[Message, float] | None:
        """Return the oldest message and its time of receipt, or None; raise a bad one."""
        if not self._inbox:
            return None
        message, received_s = self._inbox.popleft()
        if isinstance(message, BadInput):
            raise message
        return message, received_s

    def wake(self) -> None:
        """End a pause early."""
        self._wake.set()

    async def pause(self, until_s: float | None = None) -> None:
        """Sleep until something happens, ``LOOK_S`` at most and not beyond a monotonic time."""
        if until_s is None and self._inbox:
            return
        self._wake.clear()
        wait_s = LOOK_S if until_s is None else min(LOOK_S, until_s - time.monotonic())
        try:
            await asyncio.wait_for(self._wake.wait(), max(0.0, wait_s))
        except asyncio.TimeoutError:
            await self._ping()

    async def send(self, frame: corruption.Frame) -> None:
        """Send a frame without any fault; ``ConnectionError`` when the client is gone."""
        await self._send_text(corruption.to_text(frame))

    async def deliver(self, frame: corruption.Frame) -> None:
        """Send a chunk, with the faults of the link; ``ConnectionError`` as for ``send``."""
        faults = self._state.faults
        if fault := faults.consume('garbage'):
            raw = wire.frame(*corruption.garbage(fault.text, frame))
        elif fault := faults.consume('bomb'):
            raw = wire.bomb(max(1, int(fault.number)))
        elif fault := faults.consume('fragments'):
            async with self._sending:
                fragments = wire.endless_fragments(max(1, int(fault.number)))
                await wire.pour(self._transport, fragments)
            return
        else:
            text = corruption.write(frame)
            if fault := faults.consume('oversize'):
                text = f'{text[:-1]},"pad":"{"x" * int(fault.number * (1 << 20))}"}}'
            if not faults.is_on('trickle'):
                await self._send_text(text)
                return
            raw = wire.frame(wire.TEXT, text.encode())
        async with self._sending:
            if fault := faults.consume('trickle'):
                await wire.trickle(self._transport, raw, fault.number * 1e-3)
            else:
                await wire.pour(self._transport, iter((raw,)))

    async def end(self, end: StreamEnd, session_id: str = '') -> None:
        """End the connection; the peer gets 0.5 s to answer our Close."""
        self.is_ending = True
        if end.close_code is None:
            wire.reset(self._transport)
            return
        try:
            if end.error is not None:
                self._state.counters['errors_sent'] += 1
                await self.send(messages.error_frame(*end.error, session_id))
            await self._socket.close(code=end.close_code)
        except ConnectionError:
            # The peer left first.
            return

    def cut(self) -> None:
        """End the connection at once, without a Close."""
        self._transport.abort()

    async def leave(self) -> None:
        """Answer the client's ``session.close``."""
        if not self.is_ending:
            await self._socket.close()

    def _put(self, message: Message | BadInput, received_s: float) -> None:
        if len(self._inbox) >= MOST_WAITING:
            self._inbox.clear()
            message = BadInput('too_many_observations', f'{MOST_WAITING} wait for an answer')
        self._inbox.append((message, received_s))
        self._wake.set()

    async def _send_text(self, text: str) -> None:
        async with self._sending:
            await self._socket.send_str(text)

    async def _ping(self) -> None:
        period_s = self._state.settings.ping_s
        if period_s and time.monotonic() - self._pinged_s >= period_s:
            self._pinged_s = time.monotonic()
            async with self._sending:
                await self._socket.ping()
