# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sign-up, and the account of an API key (protocol reference, section b.4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from reflex_ros.client import retry
from reflex_ros.client.answers import busy, stranger, told
from reflex_ros.client.credentials import Secret
from reflex_ros.client.endpoints import advice
from reflex_ros.client.messages import Account, parse
from reflex_ros.client.texts import printable
from reflex_ros.client.transport import Answer, Request
from reflex_ros.errors import (
    ConfigurationError,
    ServiceProtocolError,
    ServiceRefused,
    ServiceUnavailable,
)

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

MIN_PASSWORD = 8


async def whoami(service: AsyncReflex) -> Account:
    """Read the account of the API key; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'query', 'publicApi:whoami', 'Unable to read the account', is_read=True)
    return parse(Account, value, 'publicApi:whoami')


async def sign_up(service: AsyncReflex, name: str, email: str, password: Secret,
                  callback_url: str | None = None) -> str:
    """
    Create an account at the dashboard; does not log in.

    :param callback_url: target of the link in the confirmation mail.
    :returns: the e-mail address that was sent: trimmed, in lower case.
    :raises ConfigurationError: if a value is missing or the password is too short; nothing is
        sent.
    :raises ServiceUnavailable: if the dashboard cannot be reached or is overloaded.
    :raises ServiceRefused: if the dashboard refuses; the text is its own.
    :raises ServiceProtocolError: if something else answered, or redirects to another host.
    """
    name, email = name.strip(), email.strip().lower()
    for option, value in (('name', name), ('email', email), ('password', password.reveal())):
        if not value:
            raise ConfigurationError(f'--{option} is required.')
    if len(password.reveal()) < MIN_PASSWORD:
        raise ConfigurationError(f'--password must be at least {MIN_PASSWORD} characters.')
    body = {'name': name, 'email': email, 'password': password.reveal()}
    answer = await service.transport.send(Request(
        'POST', f'{service.site_url}/api/auth/sign-up/email',
        json=body | ({'callbackURL': callback_url} if callback_url else {}), name='sign-up',
        unreachable='Failed to reach Reflex Platform auth',
        remedy=advice(service.site_url)))
    is_busy = answer.status in retry.TRANSIENT_READ
    may_be_empty = 200 <= answer.status < 300 and not answer.content
    if not is_busy and not may_be_empty and (
            what := stranger(answer.status, answer.headers, answer.content)):
        raise ServiceProtocolError(f'{answer.place}: {told(service.site_url, what)}')
    if not 200 <= answer.status < 300:
        raise _refusal(answer, password)
    return email


def _refusal(answer: Answer, password: Secret) -> Exception:
    try:
        content = json.loads(password.hide_in(answer.text))
    except (ValueError, RecursionError):
        content = None
    fields = content if isinstance(content, dict) else {}
    error = fields.get('error')
    texts = (error.get('message') if isinstance(error, dict) else error, fields.get('message'))
    text = next((printable(each) for each in texts if isinstance(each, str) and each),
                f'Better Auth HTTP {answer.status}')
    if answer.status in retry.TRANSIENT_READ:
        return ServiceUnavailable(f'{text}. {busy(answer.status, answer.headers)}')
    return ServiceRefused(text)
