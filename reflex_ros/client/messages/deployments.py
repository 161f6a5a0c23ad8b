# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages about deployments and their receipts (section i.3)."""

from __future__ import annotations

from reflex_ros.client.messages import Deployment, Row


class DeploymentList(Row):
    """Answer of ``publicApi:listDeployments``."""

    deployments: tuple[Deployment, ...] = ()


class Receipt(Row):
    """One receipt; the fields of a real one are not known."""


class ReceiptList(Row):
    """Answer of ``publicApi:listDeploymentReceipts``."""

    receipts: tuple[Receipt, ...] = ()
