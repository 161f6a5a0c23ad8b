# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The model that one-shot inference with an API key uses (section i.7)."""

from __future__ import annotations

from reflex_ros.client.async_client import AsyncReflex
from reflex_ros.client.messages import parse, Row
from reflex_ros.client.rpc import NULL


async def bind(service: AsyncReflex, key_id: str, model_id: str) -> Row:
    """Bind an API key to a model; errors as in :meth:`.RpcClient.call`."""
    return await _bind(service, key_id, model_id)


async def unbind(service: AsyncReflex, key_id: str) -> Row:
    """Bind an API key to the default model again; errors as in :meth:`.RpcClient.call`."""
    return await _bind(service, key_id, NULL)


async def _bind(service: AsyncReflex, key_id: str, model_id: object) -> Row:
    value = await service.rpc.call(
        'action', 'publicApi:bindKeyToModel', 'Unable to bind key', keyId=key_id,
        modelId=model_id)
    return parse(Row, value, 'publicApi:bindKeyToModel')
