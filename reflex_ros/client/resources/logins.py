# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Device login: request an API key that a person approves in a browser (section b.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from reflex_ros.client.messages import parse
from reflex_ros.client.messages.logins import LoginRequest, LoginStatus
from reflex_ros.errors import ServiceProtocolError

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex

OVER = frozenset({'expired', 'consumed', 'unknown'})
"""Final statuses without a key; any status but these and ``approved`` can still change."""


def approval_url(site_url: str, request_id: str) -> str:
    """Return the URL at which a person approves a request."""
    return f'{site_url}/cli/authorize?requestId={quote(request_id, safe="")}'


async def create(service: AsyncReflex, hostname: str) -> LoginRequest:
    """
    Start a login; errors as in :meth:`.RpcClient.call`.

    :param hostname: name of this machine, shown to the person who approves.
    :raises ServiceProtocolError: also if the answer has no request id.
    """
    value = await service.rpc.call(
        'mutation', 'cliAuth:createRequest', 'Unable to start the login', hostname=hostname)
    request = parse(LoginRequest, value, 'cliAuth:createRequest')
    if not request.request_id:
        raise ServiceProtocolError('cliAuth:createRequest did not return requestId.')
    return request


async def poll(service: AsyncReflex, request_id: str) -> LoginStatus:
    """
    Read the status of a login, and its API key once it is approved.

    The service sends the key only once, so this call is not repeated. Errors as in
    :meth:`.RpcClient.call`.

    :raises ServiceProtocolError: also if the login is approved and the answer has no key.
    """
    value = await service.rpc.call(
        'mutation', 'cliAuth:poll', 'Unable to poll the login', id=request_id)
    status = parse(LoginStatus, value, 'cliAuth:poll')
    if status.status == 'approved' and not status.api_key:
        raise ServiceProtocolError('Approved login did not return an API key.')
    return status
