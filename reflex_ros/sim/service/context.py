# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every part of the service shares: settings, clock, faults, counters and tables."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from reflex_ros.sim.service.clock import ServiceClock
from reflex_ros.sim.service.faults.kinds import HTTP_FAMILIES
from reflex_ros.sim.service.faults.switches import Faults
from reflex_ros.sim.service.refusals import Reason
from reflex_ros.sim.service.settings import Settings
from reflex_ros.sim.service.storage.table import R, Table

# Below this balance nothing is started (protocol c.3, h.1).
MINIMUM_USD = 5.0
# Base models that have a live worker.
BASE_MODELS = ('pi0.5', 'pi0.7-flash', 'molmoact2-bimanualyam')


# What ``/admin/state`` counts since the start of the process, and HTTP requests per family.
COUNTERS = (
    'connections', 'open_connections', 'handshakes_refused', 'observations_received',
    'observations_dropped', 'prefixes_used', 'chunks_sent', 'errors_sent', 'rpc_refused',
    'log_lines', 'telemetry_samples', *(f'{family}_calls' for family in HTTP_FAMILIES))


class Context:
    """What all resources and endpoints share; a test may inject a clock."""

    def __init__(self, settings: Settings, clock: ServiceClock | None = None) -> None:
        self.settings = settings
        self.clock = clock or ServiceClock()
        self.faults = Faults()
        self.counters = dict.fromkeys(COUNTERS, 0)
        # For ``/admin/observations``, with their images: 32 of three 300 kB are 40 MB at most.
        self.seen: deque[dict[str, Any]] = deque(maxlen=32)
        # Every table by the name that it has in the state file.
        self.tables: dict[str, Table[Any]] = {}
        self.base_url = ''
        self.key_revoked = False
        self.is_stopping = False
        # Called after each change that a stream must notice at once.
        self.listeners: set[Callable[[], None]] = set()

    def add_table(
        self, name: str, row_type: type[R], not_found: Reason = Reason.INVALID_PARAMETERS, *,
        limit: int | None = None,
    ) -> Table[R]:
        """Make a table whose rows survive a restart under a name."""
        table = self.tables[name] = Table(row_type, not_found, limit=limit)
        return table

    def is_balance_low(self) -> bool:
        """Return whether the organisation must top up before anything is started."""
        return self.settings.balance_usd < MINIMUM_USD or self.faults.is_on('balance_too_low')

    def has_worker(self, base_model: str) -> bool:
        """Return whether a worker is live for a base model; an empty name means any model."""
        is_served = base_model in (*BASE_MODELS, '')
        return is_served and not self.faults.is_on('no_inference_node')

    def notify(self) -> None:
        """Tell the streams that something has changed."""
        for listener in tuple(self.listeners):
            listener()
