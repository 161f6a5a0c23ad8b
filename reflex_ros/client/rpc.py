# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Calls to the RPC backend: one POST each, the API key among the arguments (section c).

Reads are retried while the service is overloaded or unreachable; a call that changes something is
never sent twice. Size and time of an answer are limited. Error texts do not show the key, although
the real backend repeats it when it finds the arguments invalid.
"""

from __future__ import annotations

from enum import Enum
import json
from typing import Any

from reflex_ros.client import messages, retry
from reflex_ros.client.answers import asked_wait_s, busy, stranger, told
from reflex_ros.client.credentials import hide_keys, Secret
from reflex_ros.client.endpoints import advice, blame
from reflex_ros.client.reasons import absent, KEY_REASONS, key_refused, next_step
from reflex_ros.client.texts import printable
from reflex_ros.client.transport import Answer, Request, Transport
from reflex_ros.errors import ServiceProtocolError, ServiceRefused, ServiceUnavailable

DOUBT = 'The change may have been made all the same: check that before you run it again'


class Null(Enum):
    """Type of ``NULL``: an argument that is sent as null, not left out (section c.1)."""

    NULL = None


NULL = Null.NULL


class RpcClient:
    """
    An RPC backend, called with one API key.

    :param url: base URL, from ``endpoints.rpc_url``.
    :param key: None for the few functions that need no key.
    """

    def __init__(self, transport: Transport, url: str, key: Secret | None) -> None:
        self.url = url
        self._transport = transport
        self._key = key

    async def call(self, kind: str, function: str, action: str, *, is_read: bool = False,
                   is_keyless: bool = False, rows: str = '', **args: object) -> dict[str, Any]:
        """
        Call a function; arguments that are None are left out, ``NULL`` is sent as null.

        A ``Secret`` among the arguments is sent, and hidden where the answer repeats it.

        :param kind: ``query``, ``mutation`` or ``action``.
        :param action: start of the error text, e.g. ``Unable to promote session``.
        :param is_read: whether the call may be repeated, because it changes nothing or carries an
            idempotency key.
        :param is_keyless: send no API key.
        :param rows: field name for an answer that is a bare list; empty: a bare list is an error.
        :returns: the value of the function; its ``ok`` is not false.
        :raises ServiceUnavailable: if the backend cannot be reached or is overloaded.
        :raises AuthenticationError: if the backend refuses the key.
        :raises ServiceRefused: if the backend refuses the call; carries the reason.
        :raises ServiceProtocolError: if the answer does not follow the protocol.
        """
        arguments = {name: value for name, value in args.items() if value is not None}
        if self._key is not None and not is_keyless:
            arguments['apiKey'] = self._key
        secrets = [value for value in arguments.values() if isinstance(value, Secret)]
        answer = await self._transport.send(Request(
            'POST', f'{self.url}/api/{kind}',
            json={'path': function, 'format': 'json', 'args': {
                name: _plain(value) for name, value in arguments.items()}}, is_repeatable=is_read,
            name=function, unreachable=f'Cannot reach the Reflex backend at {self.url}',
            remedy=advice(self.url),
            doubt='' if self._key is None else DOUBT))
        envelope = self._open(answer, function, secrets)
        if envelope.status == 'error':
            raise ServiceRefused(envelope.error_message or f'Convex function {function} failed')
        value = envelope.value
        if rows and isinstance(value, list):
            value = {rows: value}
        outcome = messages.parse(messages.Outcome, value, function)
        if not outcome.ok:
            reason = outcome.reason or outcome.message or 'unknown'
            if reason in KEY_REASONS:
                raise key_refused(reason, self._key)
            more = next_step(reason, arguments)
            if not more and outcome.reason:
                more = outcome.message or ''
            fact = f'{action}: {reason}. {absent(reason, arguments)}'.strip()
            raise ServiceRefused(fact, reason, more)
        checked: dict[str, Any] = value
        return checked

    def _open(self, answer: Answer, function: str, secrets: list[Secret]) -> messages.Envelope:
        text = answer.text
        # The real backend repeats the arguments when it finds them invalid.
        for secret in secrets:
            text = secret.hide_in(text)
        # An answer that cannot be read may be the one that contains a new key.
        cleaned = printable(hide_keys(text), 200)
        http_error = f'Convex HTTP {answer.status}: {cleaned}'
        if answer.status in retry.TRANSIENT_READ:
            raise ServiceUnavailable(
                f'{http_error.rstrip(".")}{answer.tried}. {busy(answer.status, answer.headers)}',
                answer.status, asked_wait_s(answer.headers))
        if what := stranger(answer.status, answer.headers, answer.content):
            raise ServiceProtocolError(f'Convex HTTP {answer.status}: {told(self.url, what)}')
        if answer.status == 401:
            raise key_refused('HTTP 401', self._key)
        if answer.status == 404:
            http_error = '. '.join(filter(None, (http_error.rstrip('.'), blame(self.url))))
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as exc:
            if answer.status != 200:
                raise ServiceProtocolError(http_error) from exc
            raise ServiceProtocolError(f'Invalid Convex response: {cleaned}') from exc
        is_error_body = isinstance(content, dict) and content.get('status') == 'error'
        if answer.status != 200 and not is_error_body:
            raise ServiceProtocolError(http_error)
        return messages.parse(messages.Envelope, content, function)


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    return None if value is NULL else value
