# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Upload of a file to a URL that the service sent: in parts, with progress, resumed after a loss.

The URL belongs to a storage, not to the service: it gets the headers that the service sent with
it, and never the API key. The whole upload has no time limit, but a standstill has: ``STALL_S``
without progress, ``ANSWER_S`` between the last byte and the answer.

A resumable target gets the file in pieces with ``Content-Range``, and answers 308 with the
``Range`` that it has; an empty request with ``bytes */<size>`` asks for that range. This is the
common convention of storage services; section i.5 describes no resumable target. Any other target
gets the whole file in one request, and from its beginning again after each failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
import json
import math
import random
import re
from typing import Any
from urllib.parse import urlsplit

from reflex_ros.client import retry
from reflex_ros.client.answers import asked_wait_s, busy, stranger, told
from reflex_ros.client.deadline import end
from reflex_ros.client.endpoints import is_loopback, origin
from reflex_ros.client.file_source import PART, Source
from reflex_ros.client.texts import printable
from reflex_ros.client.transport import Answer, Request, Transport
from reflex_ros.errors import ServiceProtocolError, ServiceRefused, ServiceUnavailable

STALL_S = 60.0
"""One part of 256 KiB per minute: an upload slower than 4 KiB/s counts as a standstill."""
ANSWER_S = 300.0
"""The storage may copy and hash the whole file before it answers."""
LOOK_S = 0.5
PIECE = 64 * PART
"""16 MiB: a resumable target loses at most this much in an interruption."""
LONGEST_S = 60.0
"""A storage that asks to wait longer than this [s] is not waited for."""
TRIES = 6
"""Attempts in a row without a byte of progress; about 10 s of waiting."""
REPORT = 'Nothing was sent. Report this to the operator of the service'
FRAMING = frozenset({'host', 'content-length', 'transfer-encoding', 'connection'})

Progress = Callable[[int, int], None]
"""Called with the bytes sent so far, which can decrease after a failure, and the file size."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    Destination of an upload.

    :param headers: headers that the service wants in each request.
    :param is_resumable: whether the storage understands ``Content-Range``.
    :param what: start of the error texts, e.g. ``Dataset upload``.
    :raises ServiceProtocolError: if the URL is not valid or not encrypted, or if method or headers
        are not allowed.
    """

    url: str
    method: str = 'PUT'
    headers: Mapping[str, str] = field(default_factory=dict)
    is_resumable: bool = False
    what: str = 'Upload'

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            is_good = parts.hostname is not None and parts.port != 0 and self.url.isprintable()
        except ValueError:
            is_good = False
        if not is_good or parts.scheme not in ('http', 'https') or parts.username is not None:
            raise ServiceProtocolError(f'{self.what} failed: the service sent an upload address '
                                       f'that is not a valid http or https URL. {REPORT}')
        if parts.scheme == 'http' and not is_loopback(parts.hostname or ''):
            raise ServiceProtocolError(f'{self.what} failed: the file would be sent to '
                                       f'{origin(self.url)} unencrypted. {REPORT}')
        if self.method not in ('PUT', 'POST'):
            raise ServiceProtocolError(f'{self.what} failed: the service asked for the method '
                                       f'{printable(self.method, 20)}, but only PUT and POST are '
                                       f'allowed. {REPORT}')
        if bad := [name for name, value in self.headers.items() if not _is_header(name, value)]:
            raise ServiceProtocolError(f'{self.what} failed: the service asked for the header '
                                       f'{printable(bad[0], 40)!r}, which is not valid. {REPORT}')

    def headers_for(self, content_range: str, size: int) -> dict[str, str]:
        """Return the headers of a request with a body of ``size`` bytes."""
        # The client frames the message; such headers from the service would contradict it.
        wanted = {name: value for name, value in self.headers.items()
                  if name.lower() not in FRAMING}
        ranged = {'Content-Range': content_range} if self.is_resumable else {}
        return {**wanted, **ranged, 'Content-Length': str(size)}


@dataclass(frozen=True, slots=True)
class Uploaded:
    """
    A completed upload.

    :param sha256: SHA-256 of the bytes that were read from the file.
    :param answer: JSON object in the answer of the storage; empty for any other answer.
    """

    size: int
    sha256: str
    answer: Mapping[str, Any]


async def upload(transport: Transport, target: Target, source: Source,
                 on_progress: Progress | None = None) -> Uploaded:
    """
    Upload a file; to a resumable target, only the bytes that it does not have yet.

    May be cancelled at any moment; a resumable target keeps the bytes that have arrived.

    :raises ConfigurationError: if the file changes during the upload.
    :raises ServiceUnavailable: if the storage cannot be reached, or makes no progress.
    :raises ServiceRefused: if the storage refuses the file.
    :raises ServiceProtocolError: if the answer of the storage is not valid.
    """
    return await _Upload(transport, target, source, on_progress or (lambda sent, size: None)).run()


class _Upload:
    """One upload; ``_offset`` counts the bytes that the target confirmed."""

    def __init__(self, transport: Transport, target: Target, source: Source,
                 on_progress: Progress) -> None:
        self._transport = transport
        self._target = target
        self._source = source
        self._on_progress = on_progress
        self._offset = 0
        self._moved_at = 0.0
        self._is_sent = False

    async def run(self) -> Uploaded:
        """Send piece after piece until the target has the whole file."""
        failures = retry.Failures(asyncio.get_running_loop().time, random.Random())
        # A resumable target may have a part of the file from an earlier run.
        is_known, furthest = not self._target.is_resumable, 0
        while True:
            try:
                done = None if is_known else self._read(await self._ask())
                is_known = True
                done = done or self._read(await self._send())
                if done is not None:
                    return Uploaded(self._source.size, await self._source.sha256(),
                                    _object(done))
                if self._offset <= furthest:
                    raise ServiceUnavailable(f'{self._target.what} failed: the storage did not '
                                             'keep a part. Run the same command again')
                failures.in_a_row = 0
            except ServiceUnavailable as exc:
                is_known = not self._target.is_resumable
                if self._offset > furthest:
                    failures.restart()
                attempt = failures.add(str(exc), exc.retry_after_s)
                # A second POST of the whole file would store it twice.
                if (attempt.number >= TRIES or exc.retry_after_s > LONGEST_S
                        or (self._target.method == 'POST' and not self._target.is_resumable)):
                    raise
                await self._transport.pause(attempt)
            furthest = max(furthest, self._offset)

    async def _ask(self) -> Answer:
        """Ask a resumable target which bytes it has."""
        return await self._exchange(f'bytes */{self._source.size}', 0, 0)

    async def _send(self) -> Answer:
        """Send the next piece, or the whole file if the target is not resumable."""
        size, start = self._source.size, self._offset
        stop = min(start + PIECE, size) if self._target.is_resumable else size
        return await self._exchange(f'bytes {start}-{stop - 1}/{size}', start, stop)

    async def _exchange(self, text: str, start: int, stop: int) -> Answer:
        request = Request(
            self._target.method, self._target.url, content=self._body(start, stop),
            headers=self._target.headers_for(text, stop - start),
            limit_s=math.inf, quiet_s=ANSWER_S, unreachable=f'{self._target.what} failed: {{url}}',
            remedy='Check the network, then run the same command again', is_ticket=True)
        self._moved()
        task = asyncio.ensure_future(self._transport.send(request))
        try:
            while not task.done():
                await asyncio.wait([task], timeout=LOOK_S)
                limit_s = ANSWER_S if self._is_sent and stop > start else STALL_S
                if not task.done() and self._idle_s() > limit_s:
                    raise ServiceUnavailable(
                        f'{self._target.what} failed: {origin(self._target.url)} accepted '
                        f'no byte for {limit_s:g} s. Run the same command again')
            return task.result()
        finally:
            await end(task)

    async def _body(self, start: int, stop: int) -> AsyncIterator[bytes]:
        self._is_sent = False
        sent = start
        self._on_progress(sent, self._source.size)
        async for part in self._source.parts(start, stop):
            yield part
            # httpx asks for the next part after it has sent this one.
            sent += len(part)
            self._moved()
            self._on_progress(sent, self._source.size)
        self._is_sent = True

    def _read(self, answer: Answer) -> Answer | None:
        """Evaluate an answer; return it if the target has the whole file, else None."""
        if 200 <= answer.status < 300:
            if answer.content and (what := self._stranger(answer)):
                raise ServiceProtocolError(what)
            return answer
        if answer.status == 308 and self._target.is_resumable:
            self._offset = self._received(answer)
            return None
        text = f'{self._target.what} failed: {answer.status} {printable(answer.text, 200)}'
        if answer.status in retry.TRANSIENT_READ:
            raise ServiceUnavailable(
                f'{text.rstrip(".: ")}. {busy(answer.status, answer.headers)}', answer.status,
                asked_wait_s(answer.headers))
        if what := self._stranger(answer):
            raise ServiceProtocolError(what)
        raise ServiceRefused(text, f'http_{answer.status}')

    def _stranger(self, answer: Answer) -> str:
        """Say what answered instead of the storage; empty if it may have been the storage."""
        what = stranger(answer.status, answer.headers, answer.content)
        return f'{self._target.what} failed: {told(answer.place, what)}' if what else ''

    def _received(self, answer: Answer) -> int:
        text = answer.headers.get('range', '')
        if not text:
            return 0
        match = re.fullmatch(r'(?:bytes=)?0-(\d{1,18})', text.strip())
        count = int(match[1]) + 1 if match else -1
        if not 0 <= count < self._source.size:
            raise ServiceProtocolError(f'{self._target.what} failed: {answer.place} says that it '
                                       f'has the range {printable(text, 60)!r} of '
                                       f'{self._source.size} bytes')
        return count

    def _moved(self) -> None:
        self._moved_at = asyncio.get_running_loop().time()

    def _idle_s(self) -> float:
        return asyncio.get_running_loop().time() - self._moved_at


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        content = json.loads(answer.text)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_header(name: str, value: str) -> bool:
    is_token = re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) is not None
    return is_token and value.isascii() and value.isprintable()
