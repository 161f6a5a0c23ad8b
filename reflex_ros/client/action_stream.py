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
from collections import deque
from collections.abc import Callable, Mapping, Sequence
import contextlib
import logging
import os
import random
import socket
import ssl
from types import TracebackType
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect

from reflex_ros import __version__
from reflex_ros.client import retry
from reflex_ros.client import stream_protocol as protocol
from reflex_ros.client.credentials import Secret
from reflex_ros.client.deadline import within
from reflex_ros.client.stream_faults import status_of, StreamFaults
from reflex_ros.client.stream_protocol import ChunkFrame, OpenRequest, Ready, ServerError
from reflex_ros.errors import (
    ChunkRejected,
    ServiceProtocolError,
    ServiceUnavailable,
    StreamClosed,
)

_log = logging.getLogger(__name__)
_wire = logging.getLogger(f'{__name__}.wire')
# At DEBUG the library writes the handshake, with the key, and every frame.
_wire.setLevel(logging.INFO)

ATTEMPT_S = 15.0
CLOSE_S = 0.2
"""How long to wait for the peer's closing handshake; a dead link must not be kept for long."""
MAX_QUEUE = 4
MAX_SKIPPED = 100
"""Broken frames that are remembered; a service could send them without end."""


class _Connection(ClientConnection):
    """
    Notes when TLS was done, and ends what the peer only says that it ends.

    The transport reports its connection only after TLS. After a closing handshake, or a frame that
    we refuse, the library's receive waits for the peer to close TCP, for ever if need be.
    """

    connected_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the time."""
        self.connected_at = asyncio.get_running_loop().time()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Give the peer a moment to close TCP when it has to."""
        super().data_received(data)
        if self.protocol.close_expected():
            asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)


class AsyncActionStream:
    """
    One stream: observations up, action chunks down.

    :param url: from ``endpoints.actions_url``.
    :param timeout_s: for ``recv_action`` and for one attempt to open, at most 15 s there [s].
    :param window_s: how long opening is retried [s]; 0 tries once.
    :param on_retry: called before each wait.
    """

    def __init__(self, url: str, key: Secret, request: OpenRequest, *, timeout_s: float = 30.0,
                 window_s: float = retry.DEFAULT_WINDOW_S,
                 on_retry: Callable[[retry.Attempt], None] | None = None) -> None:
        self.url = url
        self.session_id = request.session_id
        self.open_timing: dict[str, float] = {}
        """Milliseconds of the successful attempt (section d.4)."""
        self.skipped: deque[ChunkRejected] = deque(maxlen=MAX_SKIPPED)
        """The newest frames that ``recv_action`` refused and skipped; the caller empties it."""
        self._key = key
        self._faults = StreamFaults(url, key)
        self._request = request
        self._timeout_s = timeout_s
        self._window_s = window_s
        self._on_retry = on_retry
        self._random = random.Random()
        self._socket: ClientConnection | None = None
        self._next_seq = 0

    async def __aenter__(self) -> AsyncActionStream:
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
        :raises ServiceProtocolError: when it answers with anything but ``session.ready``, at
            once; also for a redirect and for a certificate that is not valid.
        :raises StreamClosed: when it speaks no WebSocket, or closes before it is ready, at once.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number, wait in enumerate(retry.backoff(self._random), start=1):
            try:
                await self._attempt()
                _log.debug('%s: open at attempt %d: %s', self._faults.place, number, ', '.join(
                    f'{name} {value:.0f}' for name, value in self.open_timing.items()))
                return
            except (OSError, asyncio.TimeoutError, websockets.InvalidStatus) as exc:
                failure: Exception = exc
            except websockets.WebSocketException as exc:
                raise StreamClosed(self._faults.at(str(exc))) from exc
            status, asked_for = status_of(failure)
            elapsed = loop.time() - began
            if status is not None and status not in retry.TRANSIENT_STATUS:
                raise self._faults.explain(failure, number, elapsed) from failure
            wait = max(wait, asked_for)
            _log.debug('%s: %s (attempt %d, %.0f ms)', self._faults.place,
                       self._faults.reason(failure), number, elapsed * 1e3)
            if elapsed + wait > self._window_s:
                raise self._faults.explain(failure, number, elapsed) from failure
            if self._on_retry is not None:
                self._on_retry(retry.Attempt(number, elapsed, wait, self._faults.reason(failure)))
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
        :raises ServiceError: as :meth:`recv_frame`, which notes broken frames itself.
        """
        limit = self._timeout_s if timeout_s is None else timeout_s
        try:
            return await within(limit, self._recv_whole())
        except asyncio.TimeoutError as exc:
            timing = ', '.join(f'{name} {value:.1f}' for name, value in self.open_timing.items())
            raise ServiceUnavailable(
                f'recv_action() timed out after {limit:g}s ({timing}). The model may be starting: '
                'raise the timeout for the first call, or check the network') from exc

    async def recv_frame(self) -> ChunkFrame:
        """
        Return the next action chunk, without a deadline.

        :raises ChunkRejected: for a broken frame; the stream goes on.
        :raises AuthenticationError: when the service reports that the key is refused.
        :raises ServiceRefused: when it reports that the session is over, with its reason.
        :raises StreamClosed: when it reports another error, or the stream ends.
        """
        while True:
            # Frames that are there already would not let anybody else run.
            await asyncio.sleep(0)
            event = protocol.parse_frame(await self._recv())
            if isinstance(event, ChunkFrame):
                return event
            if isinstance(event, ServerError):
                raise self._faults.reported(event)

    async def close(self) -> None:
        """Say good-bye and close; may be called twice, and never raises for a dead link."""
        link, self._socket = self._socket, None
        if link is None:
            return
        try:
            await within(2 * CLOSE_S, self._part(link))
        except (OSError, websockets.WebSocketException, asyncio.TimeoutError):
            return
        finally:
            # A peer that does not read would keep the library waiting for ever.
            link.transport.abort()

    async def _part(self, link: ClientConnection) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            await link.send(protocol.close_frame(self.session_id))
        await link.close()

    async def _recv_whole(self) -> ChunkFrame:
        while True:
            try:
                return await self.recv_frame()
            except ChunkRejected as exc:
                self.skipped.append(exc)

    async def _attempt(self) -> None:
        try:
            await within(min(self._timeout_s, ATTEMPT_S), self._connect_and_introduce())
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
        raw = await _dial(parts.hostname or '', port)
        connected = loop.time()
        try:
            self._socket = await connect(
                self.url, sock=raw,
                server_hostname=parts.hostname if parts.scheme == 'wss' else None,
                additional_headers={'Authorization': f'Bearer {self._key.reveal()}'},
                user_agent_header=f'reflex-ros/{__version__}', compression=None, proxy=None,
                open_timeout=None, ping_interval=None, close_timeout=CLOSE_S, logger=_wire,
                max_size=protocol.MAX_FRAME, max_queue=MAX_QUEUE,
                create_connection=_Connection)
        except BaseException as exc:
            raw.close()
            response = getattr(exc.__context__, 'response', None)
            if isinstance(exc, ssl.SSLCertVerificationError):
                raise ServiceProtocolError(f'{self._faults.at(str(exc))}. The key is not sent to '
                                           'a host that cannot prove who it is') from exc
            if response is not None and 300 <= response.status_code < 400:
                raise ServiceProtocolError(f'{self._faults.place}: a redirect (HTTP '
                                           f'{response.status_code}) is not followed. Fix '
                                           'service.url or REFLEX_ACTIONS_URL') from exc
            raise
        is_secure = parts.scheme == 'wss'
        secured = getattr(self._socket, 'connected_at', connected) if is_secure else connected
        upgraded = loop.time()
        self.open_timing = {
            'tcp_ms': (connected - began) * 1e3,
            'tls_ms': (secured - connected) * 1e3,
            'websocket_upgrade_ms': (upgraded - secured) * 1e3,
            'connect_ms': (upgraded - began) * 1e3}

    async def _introduce(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._send(protocol.open_frame(self._request))
        try:
            event = protocol.parse_frame(await self._recv())
        except ChunkRejected as exc:
            raise ServiceProtocolError(f'Expected session.ready, received {exc}') from exc
        if isinstance(event, ServerError):
            reported = self._faults.reported(event)
            if isinstance(reported, StreamClosed):
                raise ServiceProtocolError('Expected session.ready, received an error: '
                                           f'{self._faults.shown(event.detail)}')
            raise reported
        if not isinstance(event, Ready):
            raise ServiceProtocolError('Expected session.ready, received '
                                       f'{self._faults.shown(repr(event))}')
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
            raise self._faults.closed(exc) from exc

    async def _recv(self) -> str | bytes:
        if self._socket is None:
            raise StreamClosed('ActionStream is not open.')
        try:
            return await self._socket.recv()
        except UnicodeDecodeError as exc:
            raise ChunkRejected('BAD_FRAME', 'a text frame that is not UTF-8') from exc
        except websockets.ConnectionClosed as exc:
            raise self._faults.closed(exc) from exc


async def _dial(host: str, port: int) -> socket.socket:
    """
    Connect to the first address that answers.

    In the loop, not in a thread: an attempt that is given up must not go on behind our back.
    """
    loop = asyncio.get_running_loop()
    failure = OSError(f'{host} has no address')
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as exc:
        raise OSError(f'{host} is no name of a host') from exc
    for family, kind, proto, _, address in found:
        raw = socket.socket(family, kind, proto)
        try:
            raw.setblocking(False)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(raw, address)
            return raw
        except OSError as exc:
            raw.close()
            # asyncio's own text hides what happened behind "Connect call failed".
            failure = OSError(exc.errno, os.strerror(exc.errno)) if exc.errno else exc
        except BaseException:
            raw.close()
            raise
    raise failure
