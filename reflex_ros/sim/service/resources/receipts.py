# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What happened under a deployment: one receipt per event of its sessions.

The fields of the real rows are not known (protocol i.3); these are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.resources.rows import given, ids
from reflex_ros.sim.service.storage.table import new_id, Row, Table

# The oldest go first.
MOST_RECEIPTS = 1000


@dataclass(frozen=True)
class Receipt(Row):
    """
    One event.

    :param event: authorized, promoted, demoted, promotion_refused, closed, expired or failed.
    :param mode: of the session after the event.
    :param reason: why it was refused or has ended, empty otherwise.
    """

    id: str
    deployment_id: str
    session_id: str
    event: str
    mode: str
    reason: str
    created_ms: int

    def to_json(self) -> dict[str, object]:
        """Return the row of ``listDeploymentReceipts``."""
        return ids('receiptId', self.id) | {
            'event': self.event,
            'deploymentId': self.deployment_id, 'sessionId': self.session_id, 'mode': self.mode,
            'createdAt': self.created_ms,
        } | given({'reason': self.reason})


class Receipts:
    """
    The latest receipts.

    :param clock: stamps them.
    """

    def __init__(self, clock: ServiceClock) -> None:
        """Start without any."""
        self._clock = clock
        self.table = Table(Receipt, Reason.INVALID_PARAMETERS, limit=MOST_RECEIPTS)

    def write(
        self, deployment_id: str, session_id: str, event: str, mode: str, reason: str = ''
    ) -> None:
        """Add a receipt; a session without a deployment has none."""
        if not deployment_id:
            return
        self.table.add(Receipt(
            new_id('receipt'), deployment_id, session_id, event, mode, reason,
            self._clock.now_ms()))
