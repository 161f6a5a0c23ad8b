# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
The action stream for asyncio: open with retries, send, receive, close.

Each attempt to open makes a new TCP connection and a whole handshake (``stream_socket``). Do not
use a stream again after a receive timed out or failed: open a new one.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
import contextlib
import logging
import os
import random
from types import TracebackType
from typing import Any, TYPE_CHECKING

import websockets
from websockets.asyncio.client import ClientConnection

from reflex_ros.client import adapters, proxy, retry, stream_frames, stream_settings
from reflex_ros.client import stream_protocol as protocol
from reflex_ros.client.credentials import Secret
from reflex_ros.client.deadline import within
from reflex_ros.client.endpoints import token_in
from reflex_ros.client.stream_errors import status_of, StreamErrors
from reflex_ros.client.stream_frames import Image, OpenRequest
from reflex_ros.client.stream_protocol import ChunkFrame, Ready, ServerError, Unknown
from reflex_ros.client.stream_settings import DEFAULT_TIMEOUT_S, StreamSettings
from reflex_ros.client.stream_socket import CLOSE_S, open_socket
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.errors import (
    ServiceError,
    ServiceProtocolError,
    ServiceUnavailable,
    StreamClosed,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

_log = logging.getLogger(__name__)

ATTEMPT_S = 15.0
MAX_TYPES = 5
MAX_SKIPPED = 100
"""Limit for the refused frames in ``skipped``; a service could send them without end."""


class AsyncActionStream:
    """
    One stream: observations up, action chunks down.

    Scripts use ``async with AsyncActionStream.for_task('pick up the cube') as stream:``. The
    constructor needs a URL and a key that were resolved before.

    :param url: from ``endpoints.actions_url``.
    :param key: API key; None if the URL contains a token, then no key is sent.
    :param timeout_s: limit for ``recv_action``, and for one attempt to open, there at most 15 [s].
    :param window_s: how long opening is retried [s]; 0 tries once.
    :param on_retry: called before each wait between attempts.
    :param row_keys: fields of a chunk that may hold its rows, the best first; None uses those of
        the requested adapter.
    :param ends_session: whether ``close`` also ends the session; None: only if this stream has
        made it, because the request names none.
    :param environment: environment variables; None uses those of the process.
    :raises ConfigurationError: if ``REFLEX_PROXY`` is not the URL of a proxy.
    """

    def __init__(self, url: str, key: Secret | None, request: OpenRequest, *,
                 timeout_s: float = DEFAULT_TIMEOUT_S,
                 window_s: float = retry.DEFAULT_WINDOW_S,
                 on_retry: Callable[[retry.Attempt], None] | None = None,
                 row_keys: Sequence[str] | None = None, ends_session: bool | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self.url = url
        self._ends_session = not request.session_id if ends_session is None else ends_session
        self.session_id = request.session_id
        self.open_timing: dict[str, float] = {}
        """Duration of each step of the successful attempt [ms] (section d.4)."""
        self.ready: Mapping[str, Any] = {}
        """All fields of ``session.ready``."""
        self.skipped: deque[ChunkRejected] = deque(maxlen=MAX_SKIPPED)
        """The newest frames that ``recv_action`` refused; the caller may clear it."""
        self.unknown_types: Counter[str] = Counter()
        """Messages since the last chunk that this version does not know, by their type."""
        self._key = key
        environment = os.environ if environment is None else environment
        self._proxy = proxy.read(environment)
        self._errors = StreamErrors(url, key or Secret(token_in(url)), environment)
        self._request = request
        self._row_keys = row_keys or adapters.row_keys(request.action_adapter, request.robot)
        self._timeout_s = timeout_s
        self._window_s = window_s
        self._on_retry = on_retry
        self._random = random.Random()
        self._socket: ClientConnection | None = None
        self._next_seq = 0

    @classmethod
    def for_task(cls, prompt: str, **settings: Unpack[StreamSettings]) -> AsyncActionStream:
        """
        Make a stream for a task; resolves URL and API key.

        :param settings: see :class:`.StreamSettings`.
        :raises AuthenticationError: if no API key is found.
        :raises ConfigurationError: if the URL is not valid, or others can read the credentials
            file.
        :raises TypeError: for an unknown setting.
        :raises ValueError: if a rate, a size or a time is not a positive number.
        """
        environment = settings.get('environment') or os.environ
        url, key = stream_settings.destination(
            settings.get('url'), settings.get('api_key'), environment)
        window = settings.get('connect_retry_seconds')
        return cls(url, key, stream_settings.request(prompt, settings),
                   timeout_s=settings.get('timeout', DEFAULT_TIMEOUT_S),
                   window_s=retry.window(environment) if window is None else window,
                   on_retry=settings.get('on_retry'), environment=environment)

    async def __aenter__(self) -> AsyncActionStream:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()

    async def open(self) -> None:
        """
        Open the stream; transient failures are retried for the window.

        :raises AuthenticationError: at once for HTTP 401; for HTTP 403 when the window is over.
        :raises ServiceUnavailable: if the service cannot be reached within the window.
        :raises ServiceProtocolError: at once if the first frame is not ``session.ready``, for a
            redirect, and if the certificate is not valid.
        :raises StreamClosed: at once if the service does not speak WebSocket, or closes the
            connection before ``session.ready``.
        """
        failures = retry.Failures(asyncio.get_running_loop().time, self._random)
        while True:
            try:
                await self._attempt()
                _log.debug('%s: open at attempt %d: %s', self._errors.place,
                           failures.in_a_row + 1, ', '.join(
                               f'{name} {value:.0f}' for name, value in self.open_timing.items()))
                return
            except (OSError, asyncio.TimeoutError, websockets.InvalidStatus) as exc:
                failure: Exception = exc
            except websockets.WebSocketException as exc:
                raise StreamClosed(self._errors.at(str(exc))) from exc
            status, asked_for_s = status_of(failure)
            attempt = failures.add(self._errors.reason(failure), asked_for_s)
            _log.debug('%s: %s (attempt %d, %.0f ms)', self._errors.place, attempt.reason,
                       attempt.number, attempt.elapsed_s * 1e3)
            is_final = status is not None and status not in retry.TRANSIENT_STATUS
            if is_final or attempt.is_last(self._window_s):
                raise self._errors.explain(
                    failure, attempt.number, attempt.elapsed_s) from failure
            if self._on_retry is not None:
                self._on_retry(attempt)
            await asyncio.sleep(attempt.wait_s)

    async def send_observation(self, state: Sequence[float],
                               images: Mapping[str, Image] | None = None, *,
                               prompt: str | None = None, seq: int | None = None,
                               capture_time_ns: int | None = None,
                               extra: Mapping[str, object] | None = None) -> int:
        """
        Send one observation.

        :param state: joint positions, in the units of the requested action adapter.
        :param images: camera name -> JPEG bytes, base64 text, or an object with encoding and data.
        :param prompt: new task text; None keeps the task.
        :param seq: number of the observation; None uses the next free number.
        :param capture_time_ns: wall-clock time of the capture [ns since 1970].
        :param extra: more fields of the frame, e.g. ``request_id`` or ``max_gpu_seconds``.
        :returns: the number of the observation.
        :raises StreamClosed: if the stream is closed or was never open.
        :raises ValueError: if a number is not finite; nothing is sent.
        :raises TypeError: if state or images have a wrong type; nothing is sent.
        """
        number = self._next_seq if seq is None else seq
        await self._send_numbered(number, stream_frames.observation_frame(
            number, state, images or {}, prompt=prompt, capture_time_ns=capture_time_ns,
            extra=extra))
        return number

    async def send_raw(self, fields: Mapping[str, object]) -> int:
        """
        Send one observation from a mapping of its fields.

        :param fields: ``state``, ``images`` and ``seq`` as in :meth:`send_observation`; other
            fields are sent unchanged.
        :returns: the number of the observation.
        :raises StreamClosed: if the stream is closed or was never open.
        :raises ValueError: if a number is not finite; nothing is sent.
        :raises TypeError: if state or images have a wrong type; nothing is sent.
        """
        seq = fields.get('seq')
        number = seq if type(seq) is int else self._next_seq
        await self._send_numbered(number, stream_frames.raw_frame(number, fields))
        return number

    async def recv_action(self, timeout_s: float | None = None, *,
                          seq: int | None = None) -> ChunkFrame:
        """
        Return the next action chunk; frames that it skips are recorded in ``skipped``.

        :param timeout_s: limit for this call [s]; None uses the limit of the stream.
        :param seq: number of the observation that the chunk must answer; None accepts any chunk.
            Other chunks and broken frames are skipped.
        :raises ServiceUnavailable: if the limit passes; do not use the stream after that.
        :raises ServiceError: as in :meth:`recv_frame`, but not for broken frames.
        """
        limit = self._timeout_s if timeout_s is None else timeout_s
        try:
            return await within(limit, self._recv_chunk(seq))
        except asyncio.TimeoutError as exc:
            timing = ', '.join(f'{name} {value:.1f}' for name, value in self.open_timing.items())
            hint = ('The model may be starting: raise the timeout for the first call, or check '
                    'the network')
            if self.skipped:
                hint = f'Frames arrived and were skipped, the last because of {self.skipped[-1]}'
            if self.unknown_types:
                hint = f'No chunk came, but {self.unknown_text}'
            raise ServiceUnavailable(
                f'recv_action() timed out after {limit:g}s ({timing}). {hint}') from exc

    async def recv_frame(self) -> ChunkFrame:
        """
        Return the next action chunk; waits without a limit.

        :raises ChunkRejected: for a broken frame; the stream stays usable.
        :raises AuthenticationError: if the service reports that it refuses the key.
        :raises ServiceRefused: if the service reports the end of the session; carries the reason.
        :raises StreamClosed: if the service reports another error, or the stream ends.
        """
        while True:
            # Frames in the buffer return without a pause; other tasks must run too.
            await asyncio.sleep(0)
            event = protocol.parse_frame(await self._recv(), self._row_keys)
            if isinstance(event, ChunkFrame):
                self.unknown_types.clear()
                return event
            if isinstance(event, ServerError):
                raise self._errors.reported(event, self.session_id)
            self._record_unknown(event)

    async def ping(self) -> float:
        """
        Send a WebSocket ping, and wait for its answer without a limit.

        The answer arrives only while somebody receives.

        :returns: the time from one to the other [s].
        :raises StreamClosed: if the stream ends before.
        """
        if self._socket is None:
            raise StreamClosed('ActionStream is not open. Call open first')
        try:
            return float(await (await self._socket.ping()))
        except websockets.ConnectionClosed as exc:
            raise self._errors.closed(exc) from exc

    async def close(self) -> None:
        """
        Close the connection, and before that the session if this stream has made it.

        May be called twice. A dead link raises nothing.
        """
        link, self._socket = self._socket, None
        if link is None:
            return
        try:
            await within(2 * CLOSE_S, self._say_goodbye(link))
        except (OSError, websockets.WebSocketException, asyncio.TimeoutError):
            return
        finally:
            # If the service does not read, the library would wait for ever.
            link.transport.abort()

    async def _say_goodbye(self, link: ClientConnection) -> None:
        if self._ends_session:
            with contextlib.suppress(websockets.ConnectionClosed):
                await link.send(stream_frames.close_frame(self.session_id))
        await link.close()

    async def _recv_chunk(self, seq: int | None) -> ChunkFrame:
        while True:
            try:
                frame = await self.recv_frame()
            except ChunkRejected as exc:
                self.skipped.append(exc)
                continue
            if seq is None or frame.seq == seq:
                return frame
            self.skipped.append(ChunkRejected(
                FaultCode.SEQ_OLD, f'chunk {frame.seq} does not answer observation {seq}'))

    def _record_unknown(self, event: protocol.Event) -> None:
        if not isinstance(event, Unknown):
            return
        name = self._errors.printable(event.type)
        if name in self.unknown_types or len(self.unknown_types) < MAX_TYPES:
            self.unknown_types[name] += 1

    @property
    def unknown_text(self) -> str:
        """What came instead of answers; empty if nothing did."""
        return ', '.join(f'{count} message{"s" * (count > 1)} of the unknown type {name}'
                         for name, count in self.unknown_types.items())

    async def _attempt(self) -> None:
        limit_s = min(self._timeout_s, ATTEMPT_S)
        self.unknown_types.clear()
        try:
            await within(limit_s, self._connect_and_open_session())
        except asyncio.TimeoutError as exc:
            await self.close()
            if not self.unknown_types:
                raise
            raise asyncio.TimeoutError(f'no session.ready within {limit_s:g} s, but '
                                       f'{self.unknown_text}') from exc
        except BaseException:
            await self.close()
            raise

    async def _connect_and_open_session(self) -> None:
        self._socket, self.open_timing = await open_socket(
            self.url, self._key, self._errors, self._proxy)
        await self._open_session()

    async def _open_session(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._send(stream_frames.open_frame(self._request))
        event: protocol.Event = Unknown('')
        while isinstance(event, Unknown):
            try:
                event = protocol.parse_frame(await self._recv())
            except ChunkRejected as exc:
                raise ServiceProtocolError(f'Expected session.ready, received {exc}') from exc
            self._record_unknown(event)
        if isinstance(event, ServerError):
            reported = self._errors.reported(event, self.session_id)
            if isinstance(reported, StreamClosed):
                raise ServiceProtocolError('Expected session.ready, received an error: '
                                           f'{self._errors.printable(event.detail)}')
            raise reported
        if not isinstance(event, Ready):
            raise ServiceProtocolError('Expected session.ready, received '
                                       f'{self._errors.printable(repr(event))}')
        self.session_id = event.session_id or self.session_id
        self.ready = event.fields
        elapsed = (loop.time() - began) * 1e3
        self.open_timing |= {'session_ready_ms': elapsed,
                             'open_ms': self.open_timing['connect_ms'] + elapsed}

    async def _send_numbered(self, number: int, frame: str) -> None:
        self._next_seq = max(self._next_seq, number + 1)
        await self._send(frame)

    async def _send(self, frame: str) -> None:
        if self._socket is None:
            raise StreamClosed('ActionStream is not open. Call open first')
        try:
            await self._socket.send(frame)
        except websockets.ConnectionClosed as exc:
            raise await self._error_before_close(self._socket) or self._errors.closed(exc) from exc

    async def _error_before_close(self, link: ClientConnection) -> ServiceError | None:
        """
        Return the error in an unread frame of a closed connection, if there is one.

        Chunks before that frame are dropped. If another task is receiving, it gets the frame, and
        this returns None.
        """
        while True:
            try:
                event = protocol.parse_frame(await within(CLOSE_S, link.recv()), self._row_keys)
            except (ChunkRejected, UnicodeDecodeError):
                continue
            except (websockets.ConnectionClosed, websockets.ConcurrencyError,
                    asyncio.TimeoutError):
                return None
            if isinstance(event, ServerError):
                return self._errors.reported(event, self.session_id)

    async def _recv(self) -> str | bytes:
        if self._socket is None:
            raise StreamClosed('ActionStream is not open. Call open first')
        try:
            return await self._socket.recv()
        except UnicodeDecodeError as exc:
            raise ChunkRejected(FaultCode.BAD_FRAME, 'a text frame that is not UTF-8') from exc
        except websockets.ConnectionClosed as exc:
            raise self._errors.closed(exc) from exc
