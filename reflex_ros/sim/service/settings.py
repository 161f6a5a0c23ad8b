# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be set about the simulated service, at start and while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
import math


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The tunable values of one service process; replaced as a whole, never changed in place.

    :param key: the one API key that is accepted.
    :param latency_ms: time that one inference takes.
    :param jitter_ms: upper end of a uniform extra time per inference.
    :param hz: rate of the rows when ``session.open`` names none.
    :param chunk_size: rows per chunk when ``session.open`` names none, 1 to 1000.
    :param expiry_s: life of a session.
    :param seed: of the jitter and of the policies.
    :param ping_s: period of the server's pings; 0 sends none, as the vendor's clients prefer.
    :param queue_s: how long a training run is queued; ``provision_s`` and ``train_s`` follow.
    :param pull_s: how long the import of a model takes.
    :param balance_usd: of the organisation; below 5 nothing is started.
    :raises ValueError: when a value is out of its range.
    """

    key: str = 'rfx_sim'
    latency_ms: float = 20.0
    jitter_ms: float = 0.0
    hz: float = 30.0
    chunk_size: int = 50
    expiry_s: float = 1800.0
    seed: int = 0
    ping_s: float = 0.0
    queue_s: float = 5.0
    provision_s: float = 15.0
    train_s: float = 100.0
    pull_s: float = 10.0
    balance_usd: float = 100.0

    def __post_init__(self) -> None:
        """Refuse values that no run could use."""
        if not isinstance(self.key, str) or not self.key:
            raise ValueError('key must be a text that is not empty')
        for name, low, high in (
            ('latency_ms', 0.0, 600e3), ('jitter_ms', 0.0, 600e3), ('hz', 0.1, 1000.0),
            ('chunk_size', 1, 1000), ('expiry_s', 0.0, 1e9), ('seed', -2**63, 2**63),
            ('ping_s', 0.0, 3600.0),
            ('queue_s', 0.0, 1e9), ('provision_s', 0.0, 1e9), ('train_s', 0.0, 1e9),
            ('pull_s', 0.0, 1e9), ('balance_usd', -1e9, 1e9),
        ):
            value = getattr(self, name)
            whole = name in ('chunk_size', 'seed')
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                raise ValueError(f'{name} must be {"an integer" if whole else "a number"}')
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f'{name} must be in {low:g}..{high:g}, got {value!r}')

    def changed(self, changes: dict[str, object]) -> Settings:
        """
        Make a copy with some values replaced.

        :param changes: setting name -> new value.
        :raises ValueError: on an unknown name or a bad value.
        """
        known = {field.name for field in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise ValueError(f'unknown setting {unknown[0]!r}; known: {", ".join(sorted(known))}')
        # mypy cannot see through the mapping; __post_init__ checks every type.
        return replace(self, **changes)  # type: ignore[arg-type]

    def to_json(self) -> dict[str, object]:
        """Return every value but the key, for ``/admin/state``."""
        values = asdict(self)
        del values['key']
        return values
