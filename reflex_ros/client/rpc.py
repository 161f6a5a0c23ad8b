# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Calls to the RPC backend: one POST each, the key inside the arguments (section c).

Reads are tried again while the service is overloaded or unreachable; a call that changes
something is never sent twice. An answer is bounded in size and in time, and what it says is shown
without the key, which the real backend repeats when it finds the arguments invalid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
import json
import random
from types import TracebackType
from typing import Any

import httpx

from reflex_ros import __version__
from reflex_ros.client import messages, retry
from reflex_ros.client.credentials import Secret
from reflex_ros.client.deadline import within
from reflex_ros.client.messages import printable
from reflex_ros.errors import (
    AuthenticationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
CALL_S = 30.0
"""For a whole answer: the timeouts above begin anew with every byte."""
MAX_ANSWER = 8 * 2 ** 20
READ_WINDOW_S = 20.0
KEY_REASONS = frozenset({'unknown_key', 'invalid_key', 'key_revoked'})
NEXT_STEPS = {
    'deployment_not_ready': 'Run `reflex doctor <deployment-id>`, fix each failed check, then try '
                            'again',
    'session_closed': 'Start a fresh session',
    'session_dry_run': 'The session is still in dry_run. Run `reflex sessions promote '
                       '<session-id> --to apply_actions`',
    'session_expired': 'Start a fresh session',
    'session_failed': 'Start a fresh session',
}


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    text: str
    retry_after: str | None


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
            headers={'Accept': 'application/json', 'Accept-Encoding': 'identity',
                     'User-Agent': f'reflex-ros/{__version__}'})

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
        answer = await self._post(f'{self.url}/api/{kind}', body, is_read=is_read)
        envelope = self._open(answer, function)
        if envelope.status == 'error':
            raise ServiceRefused(envelope.error_message or f'Convex function {function} failed')
        outcome = messages.parse(messages.Outcome, envelope.value, function)
        if not outcome.ok:
            reason = outcome.reason or outcome.message or 'unknown'
            if reason in KEY_REASONS:
                raise AuthenticationError(f'Reflex API key is not valid: {reason}. Run '
                                          '`reflex login`.')
            raise ServiceRefused(f'{action}: {reason}. {NEXT_STEPS.get(reason, "")}'.rstrip(),
                                 reason)
        value: dict[str, Any] = envelope.value
        return value

    async def _post(self, url: str, body: Mapping[str, object], *,
                    is_read: bool) -> _Answer:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self._window_s if is_read else 0.0)
        for wait in retry.backoff(self._random):
            failure: ServiceUnavailable
            asked_for = 0.0
            try:
                answer = await within(CALL_S, self._exchange(url, body))
                if answer.status not in retry.TRANSIENT_READ:
                    return answer
                failure = ServiceUnavailable(_http_error(answer))
                asked_for = retry.retry_after(answer.retry_after)
            except (httpx.HTTPError, httpx.InvalidURL, asyncio.TimeoutError) as exc:
                failure = ServiceUnavailable(
                    f'Cannot reach the Reflex backend at {self.url}: {_reason(exc)}. Check the '
                    'network, or unset REFLEX_CONVEX_URL')
            wait = max(wait, asked_for)
            if not is_read or loop.time() + wait > deadline:
                raise failure
            await asyncio.sleep(wait)
        raise AssertionError('the back-off never ends')

    async def _exchange(self, url: str, body: Mapping[str, object]) -> _Answer:
        content = bytearray()
        async with self._http.stream('POST', url, json=body) as response:
            # As it came: what is compressed although we did not ask for it stays so.
            async for part in response.aiter_raw():
                content += part
                if len(content) > MAX_ANSWER:
                    raise ServiceProtocolError(f'{self.url} answered with more than {MAX_ANSWER} '
                                               'bytes')
        return _Answer(response.status_code, self._key.hide_in(content.decode(errors='replace')),
                       response.headers.get('retry-after'))

    @staticmethod
    def _open(answer: _Answer, function: str) -> messages.Envelope:
        if answer.status == 401:
            raise AuthenticationError('Reflex API key is not valid: HTTP 401. Run '
                                      '`reflex login`.')
        try:
            content = json.loads(answer.text)
        except (ValueError, RecursionError) as exc:
            if answer.status != 200:
                raise ServiceProtocolError(_http_error(answer)) from exc
            raise ServiceProtocolError(
                f'Invalid Convex response: {printable(answer.text, 200)}') from exc
        is_error_body = isinstance(content, dict) and content.get('status') == 'error'
        if answer.status != 200 and not is_error_body:
            raise ServiceProtocolError(_http_error(answer))
        return messages.parse(messages.Envelope, content, function)


def _http_error(answer: _Answer) -> str:
    return f'Convex HTTP {answer.status}: {printable(answer.text, 200)}'


def _reason(exc: Exception) -> str:
    if isinstance(exc, asyncio.TimeoutError):
        return f'no whole answer within {CALL_S:g} s'
    return printable(str(exc), 200) or type(exc).__name__
