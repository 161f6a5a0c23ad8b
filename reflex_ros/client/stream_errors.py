# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Errors of the action stream: what failed, why, and the next step.

Only here do errors of ``websockets`` and texts of the service become errors of this package.
"""

from __future__ import annotations

from collections.abc import Mapping
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import websockets

from reflex_ros.client import answers, endpoints, proxy, retry
from reflex_ros.client import stream_protocol as protocol
from reflex_ros.client.credentials import Secret
from reflex_ros.client.endpoints import without_secrets
from reflex_ros.client.reasons import KEY_REASONS, key_refused, next_step, NEXT_STEPS
from reflex_ros.client.stream_protocol import ServerError
from reflex_ros.client.texts import printable
from reflex_ros.errors import (
    AuthenticationError,
    ServiceError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
    StreamClosed,
)

if TYPE_CHECKING:
    from websockets.http11 import Response

KEY_CODES = frozenset({4401, 4403})
"""Close codes that mean HTTP 401 and 403; others above 4000 are not known."""
LATER = {
    1012: 'The service restarts: try again in a minute',
    1013: 'The service is overloaded: try again in a minute',
    4429: 'Too many requests: wait a minute, then try again'}
"""Close code -> next step, for codes that ask to come back later."""


class StreamErrors:
    """
    Make the errors of one stream.

    :param key: API key, which is hidden in every text.
    :param environment: environment variables, for a proxy that is set and not used.
    """

    def __init__(self, url: str, key: Secret, environment: Mapping[str, str] | None = None
                 ) -> None:
        self._url = url
        self._key = key
        self._environment = environment or {}

    @property
    def place(self) -> str:
        """The URL without secrets."""
        return without_secrets(self._url)

    def printable(self, text: str) -> str:
        """Hide the key in a text of the service, cut it and escape it."""
        return printable(self._key.hide_in(text), protocol.MAX_TEXT)

    def at(self, text: str) -> str:
        """Put the URL before a text of the service."""
        return f'{self.place}: {self.printable(text)}'

    def reported(self, event: ServerError, session_id: str = '') -> ServiceError:
        """Make the error for an error frame."""
        if event.code in KEY_REASONS:
            return key_refused(event.code, self._key)
        text = f'the service reports: {self.printable(event.detail)}'
        step = next_step(event.code, {'sessionId': session_id})
        if step:
            return ServiceRefused(text, event.code, step)
        return StreamClosed(text, 1011)

    def closed(self, exc: websockets.ConnectionClosed) -> ServiceError:
        """Make the error for a closed connection; some codes say that the key is refused."""
        # A refused frame (too large, not UTF-8, compressed) closes the connection from this side.
        close, side = (exc.rcvd, 'server') if exc.rcvd is not None else (exc.sent, 'this client')
        if close is None or (side == 'this client' and close.code == 1000):
            return StreamClosed('WebSocket closed unexpectedly')
        closing = f'{close.code} {self.printable(close.reason)}'.rstrip()
        if side == 'server' and _means_key(close.code, close.reason):
            return key_refused(f'WebSocket closed ({closing})', self._key)
        text = f'WebSocket closed by {side} ({closing})'
        step = LATER.get(close.code, '')
        return StreamClosed(f'{text}. {step}' if step else text, close.code)

    def stranger(self, response: Response) -> str:
        """Say what answered the handshake instead of the service; empty if it may be it."""
        what = answers.stranger(response.status_code, response.headers,
                                bytes(response.body or b''))
        return f'{self.place}: {answers.told(self._url, what)}' if what else ''

    def reason(self, failure: Exception) -> str:
        """Return in a few words why an attempt to open failed."""
        if isinstance(failure, websockets.InvalidStatus):
            response = failure.response
            return (f'WebSocket handshake failed: HTTP/1.1 {response.status_code} '
                    f'{self.printable(response.reason_phrase)}').rstrip()
        return self.printable(str(failure)) or type(failure).__name__

    def explain(self, failure: Exception, attempts: int, elapsed: float) -> ServiceError:
        """
        Make the error for a stream that cannot be opened, with the next step.

        :param elapsed: time since the first attempt began [s].
        """
        tried = f'{attempts} attempt{"s" * (attempts > 1)} in {elapsed:.1f} s'
        status, asked_for_s = status_of(failure)
        reason = self.reason(failure)
        response = getattr(failure, 'response', None)
        is_final = status is not None and status not in retry.TRANSIENT_STATUS
        is_busy = status in retry.TRANSIENT_READ
        if response is not None and not is_busy and (what := self.stranger(response)):
            text = f'{what} ({tried})'
            return ServiceProtocolError(text) if is_final else ServiceUnavailable(text, status)
        if status in (401, 403):
            source = f' The refused key is that of {self._key.source}' if self._key.source else ''
            return AuthenticationError(f'{self.place} refuses the API key: {reason} ({tried}). '
                                       f'Run `reflex login` again, or fix REFLEX_API_KEY.{source}')
        hint = endpoints.advice(self._url)
        if status == 404:
            hint = endpoints.blame(self._url) or hint
        elif is_busy:
            hint = answers.busy(status or 0, response.headers if response else {})
        elif status == 402:
            hint = NEXT_STEPS['balance_too_low']
        elif is_final:
            hint = 'The service refuses this request. Check robot, adapter and model'
        elif unused := proxy.unused(self._environment, *_scheme_and_host(self._url)):
            hint = f'{hint}. {unused}'
        text = f'{self.place}: {reason} ({tried}). {hint}'
        return ServiceProtocolError(text) if is_final else ServiceUnavailable(
            text, status, asked_for_s)


def _scheme_and_host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or ''


def _means_key(code: int, reason: str) -> bool:
    is_about_key = bool(re.search(r'token|api.?key|auth|credential', reason, re.IGNORECASE))
    return code in KEY_CODES or (code == 1008 and is_about_key)


def status_of(failure: Exception) -> tuple[int | None, float]:
    """Return the HTTP status of a failed handshake, None without one, and Retry-After [s]."""
    if not isinstance(failure, websockets.InvalidStatus):
        return None, 0.0
    return failure.response.status_code, answers.asked_wait_s(failure.response.headers)
