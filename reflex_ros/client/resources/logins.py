# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The device login: ask for a key that a person approves in a browser (section b.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from reflex_ros.client.messages import parse
from reflex_ros.client.messages.logins import LoginRequest, LoginStatus
from reflex_ros.errors import ServiceProtocolError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

OVER = frozenset({'expired', 'consumed', 'unknown'})
"""Statuses after which a request is of no use; any other that is not ``approved`` may change."""


def approval_url(site_url: str, request_id: str) -> str:
    """Make the address at which a person approves a request."""
    return f'{site_url}/cli/authorize?requestId={quote(request_id, safe="")}'


async def create(service: AsyncReflex, hostname: str) -> LoginRequest:
    """
    Ask for a login; errors as :meth:`.RpcClient.call`.

    :param hostname: what the person who approves it is shown.
    :raises ServiceProtocolError: also when the answer names no request.
    """
    value = await service.rpc.call(
        'mutation', 'cliAuth:createRequest', 'Unable to start the login', hostname=hostname)
    request = parse(LoginRequest, value, 'cliAuth:createRequest')
    if not request.request_id:
        raise ServiceProtocolError('cliAuth:createRequest did not return requestId.')
    return request


async def poll(service: AsyncReflex, request_id: str) -> LoginStatus:
    """
    Ask what became of a login; errors as :meth:`.RpcClient.call`.

    The key is handed out once, so this is never sent twice.

    :raises ServiceProtocolError: also when it is approved and there is no key.
    """
    value = await service.rpc.call(
        'mutation', 'cliAuth:poll', 'Unable to poll the login', id=request_id)
    status = parse(LoginStatus, value, 'cliAuth:poll')
    if status.status == 'approved' and not status.api_key:
        raise ServiceProtocolError('Approved login did not return an API key.')
    return status
