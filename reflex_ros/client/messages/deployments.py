# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lists of deployments and of their receipts (section i.3)."""

from __future__ import annotations

from reflex_ros.client.messages import Deployment, Row


class DeploymentList(Row):
    """Answer of ``publicApi:listDeployments``."""

    deployments: tuple[Deployment, ...] = ()


class Receipt(Row):
    """One receipt; nobody has seen which fields a real one has."""


class ReceiptList(Row):
    """Answer of ``publicApi:listDeploymentReceipts``."""

    receipts: tuple[Receipt, ...] = ()
