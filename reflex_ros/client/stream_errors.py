# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Errors of the action stream: what failed, why, and the next step.

Only here do errors of ``websockets`` and texts of the service become errors of this package.
"""

from __future__ import annotations

import websockets

from reflex_ros.client import retry
from reflex_ros.client import stream_protocol as protocol
from reflex_ros.client.credentials import Secret
from reflex_ros.client.endpoints import without_secrets
from reflex_ros.client.messages import printable
from reflex_ros.client.reasons import KEY_REASONS, key_refused, next_step
from reflex_ros.client.stream_protocol import ServerError
from reflex_ros.errors import (
    AuthenticationError,
    ServiceError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
    StreamClosed,
)


class StreamErrors:
    """
    Make the errors of one stream.

    :param key: API key, which is hidden in every text.
    """

    def __init__(self, url: str, key: Secret) -> None:
        self._url = url
        self._key = key

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
            return key_refused(event.code)
        text = f'the service reports: {self.printable(event.detail)}'
        step = next_step(event.code, {'sessionId': session_id})
        if step:
            return ServiceRefused(text, event.code, step)
        return StreamClosed(text, 1011)

    def closed(self, exc: websockets.ConnectionClosed) -> StreamClosed:
        """Make the error for a closed connection."""
        # A refused frame (too large, not UTF-8, compressed) closes the connection from this side.
        close, side = (exc.rcvd, 'server') if exc.rcvd is not None else (exc.sent, 'this client')
        if close is None or (side == 'this client' and close.code == 1000):
            return StreamClosed('WebSocket closed unexpectedly')
        closing = f'{close.code} {self.printable(close.reason)}'.rstrip()
        return StreamClosed(f'WebSocket closed by {side} ({closing})', close.code)

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
        status, _ = status_of(failure)
        reason = self.reason(failure)
        if status in (401, 403):
            return AuthenticationError(f'{self.place} refuses the API key: {reason} ({tried}). '
                                       'Run `reflex login` again, or fix REFLEX_API_KEY')
        hint = 'Check the network and the address'
        if status == 404:
            hint = 'The address is probably wrong: unset service.url, REFLEX_ACTIONS_URL'
        elif status == 429:
            hint = 'Too many requests: wait a minute, then try again'
        if status is not None and status not in retry.TRANSIENT_STATUS:
            return ServiceProtocolError(f'{self.place}: {reason} ({tried}). {hint}')
        return ServiceUnavailable(f'{self.place}: {reason} ({tried}). {hint}')


def status_of(failure: Exception) -> tuple[int | None, float]:
    """Return the HTTP status of a failed handshake, None without one, and Retry-After [s]."""
    if not isinstance(failure, websockets.InvalidStatus):
        return None, 0.0
    response = failure.response
    return response.status_code, retry.retry_after(response.headers.get('Retry-After'))
