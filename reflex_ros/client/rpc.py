# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Calls to the RPC backend: one POST each, the key inside the arguments (section c).

Reads are tried again while the service is overloaded or unreachable; a call that changes
something is never sent twice. An answer is bounded in size and in time, and what it says is shown
without the key, which the real backend repeats when it finds the arguments invalid.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
import json
from typing import Any

from reflex_ros.client import messages, retry
from reflex_ros.client.credentials import hide_keys, Secret
from reflex_ros.client.messages import printable
from reflex_ros.client.transport import Answer, REDIRECT, Request, Transport
from reflex_ros.errors import (
    AuthenticationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

DOUBT = 'It may have been carried out all the same: look before you run it again'
KEY_REASONS = frozenset({'unknown_key', 'invalid_key', 'key_revoked'})
NEXT_STEPS = {
    'already_deleting': 'Nothing is left to do: it is on its way out',
    'balance_too_low': 'Top the balance up at the dashboard, under Billing (at least 5 USD)',
    'below_minimum_balance': 'Top the balance up at the dashboard, under Billing (at least 5 USD)',
    'dataset_not_found': 'Run `reflex datasets list`',
    'deployment_not_found': 'Run `reflex deployments list`',
    'deployment_not_ready': 'Run `reflex doctor <deployment-id>`, fix each failed check, then try '
                            'again',
    'model_not_found': 'Run `reflex models list`',
    'model_not_ready': 'Wait for it: `reflex models get <model-id> --wait`',
    'no_inference_node_available': 'No worker runs this model now: try again in a few minutes',
    'pairing_token_claimed': 'Make a new one with `reflex robots pair <robot-id>`',
    'pairing_token_expired': 'Make a new one with `reflex robots pair <robot-id>`',
    'robot_not_found': 'Run `reflex robots list`',
    'schema_not_found': 'Run `reflex robots schemas`',
    'session_closed': 'Start a fresh session',
    'session_dry_run': 'The session is still in dry_run. Run `reflex sessions promote '
                       '<session-id> --to apply_actions`',
    'session_expired': 'Start a fresh session',
    'session_failed': 'Start a fresh session',
    'session_not_found': 'Run `reflex sessions list`',
    'training_run_not_found': 'Run `reflex training list --all`',
}


class Null(Enum):
    """For the one argument that the protocol wants to be null instead of left out (c.1)."""

    NULL = None


NULL = Null.NULL


class RpcClient:
    """
    One backend and one key.

    :param url: base URL, from ``endpoints.rpc_url``.
    :param key: None for the few functions that need none.
    """

    def __init__(self, transport: Transport, url: str, key: Secret | None) -> None:
        self.url = url
        self._transport = transport
        self._key = key

    async def call(self, kind: str, function: str, action: str, *, is_read: bool = False,
                   is_keyless: bool = False, rows: str = '', **args: object) -> dict[str, Any]:
        """
        Call a function; arguments that are None are left out, ``NULL`` is sent as null.

        A ``Secret`` among them is sent and does not show when the answer repeats it.

        :param kind: ``query``, ``mutation`` or ``action``.
        :param action: start of the error text, e.g. ``Unable to promote session``.
        :param is_read: whether it may be sent again, because it changes nothing, or because it
            carries the id of the request.
        :param is_keyless: for the functions that take no key.
        :param rows: what a list is called that comes without an object around it; none may when
            empty.
        :returns: the function's value, whose ``ok`` is not false.
        :raises ServiceUnavailable: when the backend cannot be reached or is overloaded.
        :raises AuthenticationError: when it refuses the key.
        :raises ServiceRefused: when it refuses the call, with its reason.
        :raises ServiceProtocolError: when the answer is none.
        """
        given = {name: value for name, value in args.items() if value is not None}
        if self._key is not None and not is_keyless:
            given['apiKey'] = self._key
        secrets = [value for value in given.values() if isinstance(value, Secret)]
        answer = await self._transport.send(Request(
            'POST', f'{self.url}/api/{kind}',
            json={'path': function, 'format': 'json', 'args': {
                name: _plain(value) for name, value in given.items()}}, is_repeatable=is_read,
            name=function, unreachable=f'Cannot reach the Reflex backend at {self.url}',
            remedy='Check the network, or unset REFLEX_CONVEX_URL',
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
                raise AuthenticationError(f'Reflex API key is not valid: {reason}. Run '
                                          '`reflex login`.')
            more = next_step(reason, given) or (outcome.message if outcome.reason else None) or ''
            raise ServiceRefused(f'{action}: {reason}. {more}'.rstrip(), reason)
        checked: dict[str, Any] = value
        return checked

    @staticmethod
    def _open(answer: Answer, function: str, secrets: list[Secret]) -> messages.Envelope:
        text = answer.text
        # The real backend repeats the arguments when it finds them invalid.
        for secret in secrets:
            text = secret.hide_in(text)
        # An answer that is none may be the one that hands out a key.
        shown = printable(hide_keys(text), 200)
        http_error = f'Convex HTTP {answer.status}: {shown}'
        if answer.status in retry.TRANSIENT_READ:
            raise ServiceUnavailable(http_error)
        if answer.status == 401:
            raise AuthenticationError('Reflex API key is not valid: HTTP 401. Run '
                                      '`reflex login`.')
        if 300 <= answer.status < 400:
            raise ServiceProtocolError(f'Convex HTTP {answer.status}. {REDIRECT}. Fix '
                                       '--convex-url or REFLEX_CONVEX_URL')
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as exc:
            if answer.status != 200:
                raise ServiceProtocolError(http_error) from exc
            raise ServiceProtocolError(f'Invalid Convex response: {shown}') from exc
        is_error_body = isinstance(content, dict) and content.get('status') == 'error'
        if answer.status != 200 and not is_error_body:
            raise ServiceProtocolError(http_error)
        return messages.parse(messages.Envelope, content, function)


def next_step(reason: str, given: Mapping[str, object]) -> str:
    """Say what to do about a refusal, with the ids that it is about."""
    text = NEXT_STEPS.get(reason, '')
    for name, places in (('sessionId', {'The session': 'Session {}', '<session-id>': '{}'}),
                         ('deploymentId', {'<deployment-id>': '{}'}),
                         ('robotId', {'<robot-id>': '{}'})):
        value = given.get(name)
        if isinstance(value, str):
            for place, form in places.items():
                text = text.replace(place, form.format(printable(value, 80)))
    return text


def _plain(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    return None if value is NULL else value
