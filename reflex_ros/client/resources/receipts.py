# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Receipts: records of what deployments did (protocol reference, section i.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reflex_ros.client.messages import parse
from reflex_ros.client.messages.deployments import ReceiptList

if TYPE_CHECKING:
    from reflex_ros.client.async_client import AsyncReflex


async def list_all(service: AsyncReflex, deployment_id: str | None = None) -> ReceiptList:
    """List receipts, all or of one deployment; errors as in :meth:`.RpcClient.call`."""
    value = await service.rpc.call(
        'mutation', 'publicApi:listDeploymentReceipts', 'Unable to list receipts', is_read=True,
        rows='receipts', deploymentId=deployment_id)
    return parse(ReceiptList, value, 'publicApi:listDeploymentReceipts')
