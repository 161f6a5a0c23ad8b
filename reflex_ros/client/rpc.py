# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Calls to the RPC backend: one POST each, the key inside the arguments (section c).

Reads are tried again while the service is overloaded or unreachable; a call that changes
something is sent again only when the connection failed before anything was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
import random
from types import TracebackType
from typing import Any

import httpx

from reflex_ros import __version__
from reflex_ros.client import messages, retry
from reflex_ros.client.credentials import Secret
from reflex_ros.errors import (
    AuthenticationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
MAX_ANSWER = 8 * 2 ** 20
READ_WINDOW_S = 20.0
KEY_REASONS = frozenset({'unknown_key', 'invalid_key', 'key_revoked'})


class RpcClient:
    """
    One backend and one key.

    :param url: base URL, from ``endpoints.rpc_url``.
    :param window_s: for how long reads are tried again [s].
    """

    def __init__(self, url: str, key: Secret, *, window_s: float = READ_WINDOW_S) -> None:
        self.url = url
        self._key = key
        self._window_s = window_s
        self._random = random.Random()
        # No redirects, no proxies from the environment: the key goes to this host only.
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT, follow_redirects=False, trust_env=False,
            headers={'Accept': 'application/json', 'User-Agent': f'reflex-ros/{__version__}'})

    async def __aenter__(self) -> RpcClient:
        """Return the client itself."""
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections; may be called twice."""
        await self._http.aclose()

    async def call(self, kind: str, function: str, action: str, *, is_read: bool = False,
                   **args: object) -> dict[str, Any]:
        """
        Call a function; arguments that are None are left out.

        :param kind: ``query``, ``mutation`` or ``action``.
        :param action: start of the error text, e.g. ``Unable to promote session``.
        :param is_read: whether it changes nothing and may be sent again.
        :returns: the function's value, whose ``ok`` is not false.
        :raises ServiceUnavailable: when the backend cannot be reached or is overloaded.
        :raises AuthenticationError: when it refuses the key.
        :raises ServiceRefused: when it refuses the call, with its reason.
        :raises ServiceProtocolError: when the answer is none.
        """
        body = {'path': function, 'format': 'json', 'args': {
            'apiKey': self._key.reveal(),
            **{name: value for name, value in args.items() if value is not None}}}
        response = await self._post(f'{self.url}/api/{kind}', body, is_read=is_read)
        envelope = self._open(response, function)
        if envelope.status == 'error':
            raise ServiceRefused(envelope.error_message or f'Convex function {function} failed')
        outcome = messages.parse(messages.Outcome, envelope.value, function)
        if not outcome.ok:
            reason = outcome.reason or outcome.message or 'unknown'
            if reason in KEY_REASONS:
                raise AuthenticationError(f'Reflex API key is not valid: {reason}. Run '
                                          '`reflex login`.')
            raise ServiceRefused(f'{action}: {reason}.', reason)
        value: dict[str, Any] = envelope.value
        return value

    async def _post(self, url: str, body: Mapping[str, object], *,
                    is_read: bool) -> httpx.Response:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._window_s if is_read else 0.0)
        for wait in retry.backoff(self._random):
            failure: ServiceUnavailable
            asked_for = 0.0
            try:
                response = await self._http.post(url, json=body)
                if response.status_code not in retry.TRANSIENT_READ:
                    return response
                failure = ServiceUnavailable(_http_error(response))
                asked_for = retry.retry_after(response.headers.get('retry-after'))
            except httpx.TransportError as exc:
                failure = ServiceUnavailable(
                    f'Cannot reach the Reflex backend at {self.url}: {_reason(exc)}. Check the '
                    'network, or unset REFLEX_CONVEX_URL')
            wait = max(wait, asked_for)
            if not is_read or loop.time() + wait > deadline:
                raise failure
            await asyncio.sleep(wait)
        raise AssertionError('the back-off never ends')

    @staticmethod
    def _open(response: httpx.Response, function: str) -> messages.Envelope:
        if response.status_code == 401:
            raise AuthenticationError('Reflex API key is not valid: HTTP 401. Run '
                                      '`reflex login`.')
        if len(response.content) > MAX_ANSWER:
            raise ServiceProtocolError(f'{function} answered with {len(response.content)} bytes')
        try:
            content = response.json()
        except ValueError as exc:
            if response.status_code != 200:
                raise ServiceProtocolError(_http_error(response)) from exc
            raise ServiceProtocolError(
                f'Invalid Convex response: {printable(response.text, 200)}') from exc
        is_error_body = isinstance(content, dict) and content.get('status') == 'error'
        if response.status_code != 200 and not is_error_body:
            raise ServiceProtocolError(_http_error(response))
        return messages.parse(messages.Envelope, content, function)


def printable(text: str, limit: int) -> str:
    """Cut and escape what a peer sent, so that it can be shown in a terminal or a log."""
    cut = text if len(text) <= limit else text[:limit] + '...'
    return ''.join(char if char.isprintable() else repr(char)[1:-1] for char in cut)


def _http_error(response: httpx.Response) -> str:
    return f'Convex HTTP {response.status_code}: {printable(response.text, 200)}'


def _reason(exc: httpx.TransportError) -> str:
    return str(exc) or type(exc).__name__
