# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The action stream over ``websockets``: open within a window, send, receive, close.

One attempt is one new TCP connection and one whole handshake. Redirects are never followed (we
hand over a connected socket, which ``websockets`` refuses to redirect), compression is never
offered, proxies are not taken from the environment. A stream whose receive timed out or failed is
not used again: open a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
import contextlib
from dataclasses import dataclass
import random
import socket
from types import TracebackType
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from reflex_ros import __version__
from reflex_ros.client import retry
from reflex_ros.client import stream_protocol as protocol
from reflex_ros.client.credentials import Secret
from reflex_ros.client.rpc import printable
from reflex_ros.client.stream_protocol import ChunkFrame, OpenRequest, Ready, ServerError
from reflex_ros.errors import (
    AuthenticationError,
    ChunkRejected,
    ServiceProtocolError,
    ServiceUnavailable,
    StreamClosed,
)

ATTEMPT_S = 15.0
CLOSE_S = 0.2
"""How long to wait for the peer's closing handshake; a dead link must not be kept for long."""
MAX_QUEUE = 4


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One failed attempt to open a stream, for whoever shows it.

    :param wait_s: until the next one [s].
    """

    number: int
    elapsed_s: float
    wait_s: float
    reason: str


class _TimedConnection(ClientConnection):
    """Notes when TLS was done: the transport reports its connection only then."""

    connected_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the time."""
        self.connected_at = asyncio.get_running_loop().time()
        super().connection_made(transport)


class ActionStream:
    """
    One stream: observations up, action chunks down.

    :param url: from ``endpoints.actions_url``.
    :param timeout_s: for ``recv_action`` and for one attempt to open, at most 15 s there [s].
    :param window_s: how long opening is retried [s]; 0 tries once.
    :param on_retry: called before each wait.
    """

    def __init__(self, url: str, key: Secret, request: OpenRequest, *, timeout_s: float = 30.0,
                 window_s: float = retry.DEFAULT_WINDOW_S,
                 on_retry: Callable[[Attempt], None] | None = None) -> None:
        self.url = url
        self.session_id = request.session_id
        self.open_timing: dict[str, float] = {}
        """Milliseconds of the successful attempt (section d.4)."""
        self.skipped: list[ChunkRejected] = []
        """Frames that ``recv_action`` refused and skipped; the caller empties it."""
        self._key = key
        self._request = request
        self._timeout_s = timeout_s
        self._window_s = window_s
        self._on_retry = on_retry
        self._random = random.Random()
        self._socket: ClientConnection | None = None
        self._next_seq = 0

    async def __aenter__(self) -> ActionStream:
        """Open the stream."""
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        """Close the stream."""
        await self.close()

    async def open(self) -> None:
        """
        Open the stream; retry transient failures for the window.

        :raises AuthenticationError: for 401, at once, and for 403 when it persists.
        :raises ServiceUnavailable: when the service stays unreachable for the window.
        :raises ServiceProtocolError: when it answers with anything but ``session.ready``.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, wait in enumerate(retry.backoff(self._random), start=1):
            try:
                await self._attempt()
                return
            except (OSError, asyncio.TimeoutError, websockets.InvalidStatus) as exc:
                failure: Exception = exc
            except websockets.WebSocketException as exc:
                raise StreamClosed(f'{self.url}: {exc}') from exc
            status, asked_for = _status(failure)
            elapsed = loop.time() - began
            if status is not None and status not in retry.TRANSIENT_STATUS:
                raise self._explain(failure, number, elapsed) from failure
            wait = max(wait, asked_for)
            if elapsed + wait > self._window_s:
                raise self._explain(failure, number, elapsed) from failure
            if self._on_retry is not None:
                self._on_retry(Attempt(number, elapsed, wait, _reason(failure)))
            await asyncio.sleep(wait)

    async def send_observation(self, state: Sequence[float], images: Mapping[str, bytes], *,
                               prompt: str | None = None, capture_time_ns: int | None = None,
                               seq: int | None = None,
                               extra: Mapping[str, object] | None = None) -> int:
        """
        Send one observation; arguments as :func:`stream_protocol.observation_frame`.

        :returns: its sequence number.
        :raises StreamClosed: when the stream is gone or was never open.
        """
        number = self._next_seq if seq is None else seq
        frame = protocol.observation_frame(number, state, images, prompt=prompt,
                                           capture_time_ns=capture_time_ns, extra=extra)
        self._next_seq = max(self._next_seq, number + 1)
        await self._send(frame)
        return number

    async def recv_action(self, timeout_s: float | None = None) -> ChunkFrame:
        """
        Return the next action chunk; broken frames are noted in ``skipped``, not returned.

        :param timeout_s: deadline of this call [s]; the stream's own when None.
        :raises ServiceUnavailable: when the deadline passes; the stream is of no use then.
        :raises StreamClosed: when the service reports an error or the stream ends.
        """
        limit = self._timeout_s if timeout_s is None else timeout_s
        try:
            return await asyncio.wait_for(self._recv_chunk(), limit)
        except asyncio.TimeoutError as exc:
            timing = ', '.join(f'{name} {value:.1f}' for name, value in self.open_timing.items())
            raise ServiceUnavailable(
                f'recv_action() timed out after {limit:g}s ({timing}). The model may be starting: '
                'raise the timeout for the first call, or check the network') from exc

    async def close(self) -> None:
        """Say good-bye and close; may be called twice, and never raises for a dead link."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError, websockets.WebSocketException, asyncio.TimeoutError):
            await asyncio.wait_for(self._socket.send(protocol.close_frame(self.session_id)),
                                   CLOSE_S)
        await self._socket.close()
        self._socket = None

    async def _recv_chunk(self) -> ChunkFrame:
        while True:
            try:
                event = protocol.parse_frame(await self._recv())
            except ChunkRejected as exc:
                self.skipped.append(exc)
                continue
            if isinstance(event, ChunkFrame):
                return event
            if isinstance(event, ServerError):
                raise StreamClosed(f'the service reports: {event.detail}')

    async def _attempt(self) -> None:
        try:
            await asyncio.wait_for(self._connect_and_introduce(),
                                   min(self._timeout_s, ATTEMPT_S))
        except BaseException:
            await self.close()
            raise

    async def _connect_and_introduce(self) -> None:
        await self._connect()
        await self._introduce()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == 'wss' else 80)
        began = loop.time()
        # Ours, so that its time can be told, and so that no redirect can be followed.
        raw = await asyncio.to_thread(socket.create_connection, (parts.hostname or '', port),
                                      min(self._timeout_s, ATTEMPT_S))
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = loop.time()
        self._socket = await connect(
            self.url, sock=raw, server_hostname=parts.hostname if parts.scheme == 'wss' else None,
            additional_headers={'Authorization': f'Bearer {self._key.reveal()}'},
            user_agent_header=f'reflex-ros/{__version__}', compression=None, proxy=None,
            open_timeout=None, ping_interval=None, close_timeout=CLOSE_S,
            max_size=protocol.MAX_FRAME, max_queue=MAX_QUEUE, create_connection=_TimedConnection)
        secured = getattr(self._socket, 'connected_at', connected)
        upgraded = loop.time()
        self.open_timing = {
            'tcp_ms': (connected - began) * 1e3,
            'tls_ms': (secured - connected) * 1e3 if parts.scheme == 'wss' else 0.0,
            'websocket_upgrade_ms': (upgraded - secured) * 1e3,
            'connect_ms': (upgraded - began) * 1e3}

    async def _introduce(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._send(protocol.open_frame(self._request))
        first = await self._recv()
        try:
            event = protocol.parse_frame(first)
        except ChunkRejected as exc:
            raise ServiceProtocolError(f'Expected session.ready, received {exc}') from exc
        if isinstance(event, ServerError):
            raise ServiceProtocolError(f'Expected session.ready, received an error: '
                                       f'{event.detail}')
        if not isinstance(event, Ready):
            raise ServiceProtocolError(f'Expected session.ready, received {event!r:.200}')
        self.session_id = event.session_id or self.session_id
        elapsed = (loop.time() - began) * 1e3
        self.open_timing |= {'session_ready_ms': elapsed,
                             'open_ms': self.open_timing['connect_ms'] + elapsed}

    async def _send(self, frame: str) -> None:
        if self._socket is None:
            raise StreamClosed('ActionStream is not open.')
        try:
            await self._socket.send(frame)
        except websockets.ConnectionClosed as exc:
            raise _closed(exc) from exc

    async def _recv(self) -> str | bytes:
        if self._socket is None:
            raise StreamClosed('ActionStream is not open.')
        try:
            return await self._socket.recv()
        except UnicodeDecodeError as exc:
            raise ChunkRejected('BAD_FRAME', 'a text frame that is not UTF-8') from exc
        except websockets.ConnectionClosed as exc:
            raise _closed(exc) from exc

    def _explain(self, failure: Exception, attempts: int, elapsed: float) -> Exception:
        tried = f'{attempts} attempt{"s" * (attempts > 1)} in {elapsed:.1f} s'
        status, _ = _status(failure)
        reason = _reason(failure)
        if status in (401, 403):
            return AuthenticationError(f'{self.url} refuses the API key: {reason} ({tried}). Run '
                                       '`reflex login` again, or fix REFLEX_API_KEY')
        hint = 'Check the network and the address'
        if status == 404:
            hint = 'The address is probably wrong: unset service.url, REFLEX_ACTIONS_URL'
        elif status == 429:
            hint = 'Too many requests: wait before you try again'
        if status is not None and status not in retry.TRANSIENT_STATUS:
            return ServiceProtocolError(f'{self.url}: {reason} ({tried}). {hint}')
        return ServiceUnavailable(f'{self.url}: {reason} ({tried}). {hint}')


def _status(failure: Exception) -> tuple[int | None, float]:
    if not isinstance(failure, websockets.InvalidStatus):
        return None, 0.0
    response = failure.response
    return response.status_code, retry.retry_after(response.headers.get('Retry-After'))


def _reason(failure: Exception) -> str:
    if isinstance(failure, websockets.InvalidStatus):
        response = failure.response
        return (f'WebSocket handshake failed: HTTP/1.1 {response.status_code} '
                f'{printable(response.reason_phrase, 80)}').rstrip()
    return str(failure) or type(failure).__name__


def _closed(exc: websockets.ConnectionClosed) -> StreamClosed:
    if exc.rcvd is None:
        return StreamClosed('WebSocket closed unexpectedly')
    closing = f'{exc.rcvd.code} {printable(exc.rcvd.reason, 200)}'.rstrip()
    return StreamClosed(f'WebSocket closed by server ({closing})', exc.rcvd.code)
