# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whose key is it? (protocol reference, section b.4)."""

from __future__ import annotations

from reflex_ros.client.messages import Account, parse
from reflex_ros.client.service import AsyncReflex


async def whoami(service: AsyncReflex) -> Account:
    """Ask whom the key belongs to; errors as :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'query', 'publicApi:whoami', 'Unable to read the account', is_read=True)
    return parse(Account, value, 'publicApi:whoami')
