# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every part of the service shares: settings, clock, faults, counters and tables."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
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


@dataclass(slots=True)
class Counters:
    """What ``/admin/state`` counts since the start of the process."""

    connections: int = 0
    open_connections: int = 0
    handshakes_refused: int = 0
    observations_received: int = 0
    observations_dropped: int = 0
    prefixes_used: int = 0
    chunks_sent: int = 0
    errors_sent: int = 0
    rpc_refused: int = 0
    log_lines: int = 0
    telemetry_samples: int = 0
    calls: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HTTP_FAMILIES, 0))

    def to_json(self) -> dict[str, object]:
        """Return every counter; HTTP requests are counted per family, as ``rpc_calls``."""
        counts = asdict(self)
        calls: dict[str, int] = counts.pop('calls')
        return counts | {f'{family}_calls': count for family, count in calls.items()}


@dataclass(frozen=True, slots=True)
class SeenObservation:
    """
    An observation as it came over a stream, for ``/admin/observations``.

    :param number: counts all observations of the process, from 1.
    :param received_s: monotonic time of its last byte, before it was parsed.
    :param fields: of the frame.
    """

    number: int
    received_s: float
    fields: Mapping[str, object]


class Context:
    """
    The part of the service's state that all resources and endpoints use.

    :param settings: the values to start with.
    :param clock: injected in tests.
    """

    def __init__(self, settings: Settings, clock: ServiceClock | None = None) -> None:
        self.settings = settings
        self.clock = clock or ServiceClock()
        self.faults = Faults()
        self.counters = Counters()
        # With their images: 32 of three 300 kB pictures are 40 MB at most.
        self.seen: deque[SeenObservation] = deque(maxlen=32)
        # Every table by the name that it has in the state file.
        self.tables: dict[str, Table[Any]] = {}
        self.base_url = ''
        self.key_revoked = False
        self.is_stopping = False
        self._listeners: set[Callable[[], None]] = set()

    def add_table(
        self, name: str, row_type: type[R], not_found: Reason = Reason.INVALID_PARAMETERS, *,
        limit: int | None = None,
    ) -> Table[R]:
        """Make a table whose rows survive a restart under a name."""
        table = self.tables[name] = Table(row_type, not_found, limit=limit)
        return table

    def record(self, fields: Mapping[str, object], received_s: float) -> None:
        """Keep an observation for ``/admin/observations``."""
        number = self.counters.observations_received
        self.seen.append(SeenObservation(number, received_s, fields))

    def is_balance_low(self) -> bool:
        """Return whether the organisation must top up before anything is started."""
        return self.settings.balance_usd < MINIMUM_USD or self.faults.is_on('balance_too_low')

    def has_worker(self, base_model: str) -> bool:
        """Return whether a worker is live for a base model; an empty name means any model."""
        is_served = base_model in (*BASE_MODELS, '')
        return is_served and not self.faults.is_on('no_inference_node')

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call the listener after each change that a stream must notice at once."""
        self._listeners.add(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Stop calling the listener."""
        self._listeners.discard(listener)

    def notify(self) -> None:
        """Tell the streams that something has changed."""
        for listener in tuple(self._listeners):
            listener()
