# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
HTTP requests with retries; RPC, REST and uploads use it (protocol reference, section c.3).

Redirects are not followed and no proxy but that of ``REFLEX_PROXY`` is used, so that the API key
goes only to the host in the URL. Compression is not requested. Size and time of an answer are
limited. While the service is overloaded, a repeatable request is retried for 20 s. A service that
cannot be reached is given up after 4 s, for every request: nothing was sent. Any other request is
sent once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, replace
import logging
import os
import random
import re
import ssl
import time
from types import TracebackType
from urllib.parse import urlsplit

from reflex_ros import __version__
from reflex_ros.client import answers, proxy, retry, trust
from reflex_ros.client.deadline import within
from reflex_ros.client.endpoints import origin, without_secrets
from reflex_ros.client.http import httpx
from reflex_ros.client.moments import moment_ms
from reflex_ros.client.texts import printable
from reflex_ros.errors import ServiceProtocolError, ServiceUnavailable

UNREACHABLE_S = 4.0
"""How long a service is looked for that cannot be reached [s]: a person waits for the answer."""
TIMEOUT = httpx.Timeout(30.0, connect=UNREACHABLE_S)
CALL_S = 30.0
"""Limit for a whole answer; the timeouts above start again with every byte."""
CLOCK_SLACK_MS = 3e3
"""A smaller difference is no offset: an answer may take that long."""
MAX_ANSWER = 8 * 2 ** 20
READ_WINDOW_S = 20.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    An HTTP answer.

    :param place: URL that answered, without secrets, for texts and logs.
    :param tried: how often and how long it was tried, for texts; empty for the first attempt.
    """

    status: int
    content: bytes
    headers: Mapping[str, str]
    place: str
    tried: str = ''

    @property
    def text(self) -> str:
        """The body as text; invalid UTF-8 is replaced."""
        return self.content.decode(errors='replace')


@dataclass(frozen=True, slots=True)
class Request:
    """
    An HTTP request, and how to treat its failures.

    :param is_repeatable: whether sending it again does no harm: it changes nothing, or a second
        copy has no effect.
    :param unreachable: start of the error text if there is no answer; ``{url}`` is replaced.
    :param remedy: next step in that error text.
    :param doubt: next step if the request was sent, must not be repeated, and got no answer;
        empty means ``remedy``.
    :param limit_s: limit for the whole exchange [s]; None means ``CALL_S``.
    :param quiet_s: longest time without a byte sent or received [s]; None means 30.
    :param name: name of the call in the log; empty: only the URL is logged.
    :param is_ticket: whether the URL itself gives write access; then only its host is shown.
    """

    method: str
    url: str
    json: object = None
    content: bytes | AsyncIterable[bytes] | None = None
    headers: Mapping[str, str] | None = None
    is_repeatable: bool = False
    unreachable: str = 'Failed to reach {url}'
    remedy: str = 'Check the network'
    doubt: str = ''
    limit_s: float | None = None
    quiet_s: float | None = None
    name: str = ''
    is_ticket: bool = False

    @property
    def place(self) -> str:
        """The URL without secrets, for texts and logs."""
        return origin(self.url) if self.is_ticket else without_secrets(self.url)


class Transport:
    """
    A pool of HTTP connections.

    :param window_s: how long a repeatable request is retried [s]; None means 20.
    :param on_retry: called before each wait between attempts.
    :param environment: environment variables; None uses those of the process.
    :raises ConfigurationError: if ``REFLEX_PROXY`` is not the URL of a proxy.
    """

    def __init__(self, *, window_s: float | None = None,
                 on_retry: Callable[[retry.Attempt], None] | None = None,
                 environment: Mapping[str, str] | None = None) -> None:
        self._window_s = READ_WINDOW_S if window_s is None else window_s
        self._on_retry = on_retry
        self._random = random.Random()
        self.clock_offset_ms = 0.0
        """How much the service's clock is ahead of this machine's [ms]; 0 if they agree."""
        self._environment = os.environ if environment is None else environment
        self._proxy = proxy.read(self._environment)
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; may be called twice."""
        for client in self._clients.values():
            await client.aclose()

    def service_now_ms(self) -> float:
        """
        Return the time by the service's clock [ms since 1970].

        Before the first answer, and from a service that sends no date, it is this machine's time.
        """
        return time.time() * 1e3 + self.clock_offset_ms

    async def send(self, request: Request) -> Answer:
        """
        Send a request and return the answer, with any HTTP status.

        A repeatable request is retried after a transient status; when its window is over, the
        last answer is returned.

        :raises ServiceUnavailable: if there is no answer within the window.
        :raises ServiceProtocolError: if the answer is larger than 8 MiB, or the certificate of
            the host is not valid.
        :raises ConfigurationError: if the lists of certificates cannot be read.
        """
        limit_s = CALL_S if request.limit_s is None else request.limit_s
        failures = retry.Failures(asyncio.get_running_loop().time, self._random)
        client = self._client(request.url)
        while True:
            answer: Answer | None = None
            asked_for_s = 0.0
            window_s = self._window_s if request.is_repeatable else 0.0
            try:
                answer = await within(limit_s, self._exchange(client, request))
                if not request.is_repeatable or answer.status not in retry.TRANSIENT_READ:
                    return answer
                reason = f'HTTP {answer.status}'
                asked_for_s = answers.asked_wait_s(answer.headers)
            except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError) as exc:
                reason = self._reason(exc, request, limit_s)
                if distrust := trust.distrust(request.place, exc):
                    raise distrust from exc
                # Nothing was sent, so a second attempt cannot do anything twice.
                is_unsent = isinstance(exc, (httpx.ConnectError, httpx.ConnectTimeout,
                                             httpx.ProxyError))
                if is_unsent:
                    window_s = min(self._window_s, UNREACHABLE_S)
                remedy = '' if is_unsent or request.is_repeatable else request.doubt
            attempt = failures.add(reason, asked_for_s)
            _log.debug('%s %s: %s (attempt %d, %.0f ms)', request.method, _label(request), reason,
                       attempt.number, attempt.elapsed_s * 1e3)
            if attempt.is_last(window_s):
                tried = f' ({attempt.tried})' if attempt.number > 1 else ''
                if answer is not None:
                    return replace(answer, tried=tried)
                raise ServiceUnavailable(
                    f'{request.unreachable.format(url=request.place)}: {reason}{tried}. '
                    f'{remedy or request.remedy}')
            await self.pause(attempt)

    async def pause(self, attempt: retry.Attempt) -> None:
        """Report a failed attempt to ``on_retry``, and wait until the next one."""
        if self._on_retry is not None:
            self._on_retry(attempt)
        await asyncio.sleep(attempt.wait_s)

    def _client(self, url: str) -> httpx.AsyncClient:
        """Return the connections for a URL; those without TLS need no certificates."""
        parts = urlsplit(url)
        is_tls = parts.scheme == 'https'
        tunnel = self._proxy if self._proxy is not None and self._proxy.serves(
            parts.scheme, parts.hostname or '') else None
        kind = is_tls, tunnel is not None
        if kind not in self._clients:
            verify = trust.context() if is_tls else False
            self._clients[kind] = httpx.AsyncClient(
                timeout=TIMEOUT, follow_redirects=False, trust_env=False, verify=verify,
                mounts={'https://': httpx.AsyncHTTPTransport(
                    verify=verify, proxy=httpx.Proxy(tunnel.url))} if tunnel else None,
                headers={'Accept': 'application/json', 'Accept-Encoding': 'identity',
                         'User-Agent': f'reflex-ros/{__version__}'})
        return self._clients[kind]

    async def _exchange(self, client: httpx.AsyncClient, request: Request) -> Answer:
        content = bytearray()
        timeout = (TIMEOUT if request.quiet_s is None
                   else httpx.Timeout(request.quiet_s, connect=TIMEOUT.connect))
        began = asyncio.get_running_loop().time()
        async with client.stream(
                request.method, request.url, json=request.json, content=request.content,
                headers=request.headers, timeout=timeout) as response:
            # Raw: a compressed answer, which was not requested, must not be expanded.
            async for part in response.aiter_raw():
                content += part
                if len(content) > MAX_ANSWER:
                    raise ServiceProtocolError(f'{request.place} answered with more than '
                                               f'{MAX_ANSWER} bytes')
        _log.debug('%s %s: HTTP %d, %d bytes, %.0f ms', request.method, _label(request),
                   response.status_code, len(content),
                   (asyncio.get_running_loop().time() - began) * 1e3)
        if not request.is_ticket:
            self._look_at_clock(response.headers.get('date'))
        return Answer(response.status_code, bytes(content), response.headers, request.place)

    def _look_at_clock(self, date: str | None) -> None:
        told_ms = moment_ms(date)
        if told_ms is not None:
            # The date is cut to whole seconds, and it was written a moment ago.
            offset_ms = told_ms + 500.0 - time.time() * 1e3
            self.clock_offset_ms = offset_ms if abs(offset_ms) > CLOCK_SLACK_MS else 0.0

    def _reason(self, exc: Exception, request: Request, limit_s: float) -> str:
        """Say in a few words why there is no answer, and whether a proxy has to do with it."""
        reason = _system_reason(exc, limit_s)
        parts = urlsplit(request.url)
        host = parts.hostname or ''
        tunnel = self._proxy
        if tunnel is None or not tunnel.serves(parts.scheme, host):
            hint = proxy.unused(self._environment, parts.scheme, host)
            return f'{reason}. {hint}' if hint else reason
        if isinstance(exc, httpx.ProxyError):
            match = re.match(r'\d{3}', reason)
            return tunnel.refusal(int(match[0]) if match else 0, reason)
        if isinstance(exc, (httpx.ConnectError, httpx.ConnectTimeout)):
            return f'the proxy {tunnel.place} ({proxy.NAME}): {reason}'
        return reason


def _label(request: Request) -> str:
    return f'{request.place} {request.name}'.rstrip()


def _system_reason(exc: Exception, limit_s: float) -> str:
    if isinstance(exc, asyncio.TimeoutError):
        return f'no whole answer within {limit_s:g} s'
    # httpx says only "All connection attempts failed"; the cause has the system error.
    for cause in trust.causes(exc):
        number = getattr(cause, 'errno', None) or 0
        if number > 0 and not isinstance(cause, ssl.SSLError):
            return f'[Errno {number}] {os.strerror(number)}'
    # Library texts end with a period; here the sentence goes on.
    if isinstance(exc, httpx.ConnectTimeout):
        return f'no connection within {UNREACHABLE_S:g} s'
    return printable(str(exc), 200).rstrip('.') or type(exc).__name__
