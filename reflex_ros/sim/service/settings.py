# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be set about the simulated service, at start and while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
import math
from typing import Any


def _number(default: float, low: float, high: float, help_text: str) -> Any:
    """Declare a setting; it is an integer when its default is one."""
    return field(default=default, metadata={'low': low, 'high': high, 'help': help_text})


@dataclass(frozen=True, slots=True)
class Settings:
    """
    The tunable values of one service process; replaced as a whole, never changed in place.

    The command line has an option for each; durations end in ``_s`` or ``_ms``.

    :param key: the one API key that is accepted.
    :raises ValueError: when a value is out of its range.
    """

    key: str = 'rfx_sim'
    latency_ms: float = _number(20.0, 0.0, 600e3, 'Duration of one inference in milliseconds.')
    jitter_ms: float = _number(
        0.0, 0.0, 600e3, 'Largest random extra duration of an inference in milliseconds.')
    hz: float = _number(30.0, 0.1, 1000.0, 'Rows per second, if the client requests no rate.')
    chunk_size: int = _number(50, 1, 1000, 'Rows per chunk, if the client requests no size.')
    expiry_s: float = _number(1800.0, 0.0, 1e9, 'Seconds until a session expires.')
    seed: int = _number(0, -2**63, 2**63, 'Seed of the random generator for jitter and policies.')
    inpaint: int = _number(
        1, 0, 1, 'Announce action_prefix in session.ready, and begin chunks with it; 0: do not.')
    disagreement: float = _number(
        0.0, 0.0, 90.0, 'Random offset of each chunk in degrees and percent, as standard '
        'deviation.')
    ping_s: float = _number(
        0.0, 0.0, 3600.0, 'Seconds between pings on the action stream; 0 sends none.')
    queue_s: float = _number(5.0, 0.0, 1e9, 'Seconds for which a training run is queued.')
    provision_s: float = _number(
        15.0, 0.0, 1e9, 'Seconds for which a training run is provisioned.')
    train_s: float = _number(100.0, 0.0, 1e9, 'Seconds for which a training run is running.')
    pull_s: float = _number(10.0, 0.0, 1e9, 'Seconds that the import of a model takes.')
    balance_usd: float = _number(
        100.0, -1e9, 1e9, 'Balance of the organisation in USD; below 5 nothing starts.')

    def __post_init__(self) -> None:
        if not isinstance(self.key, str) or not self.key:
            raise ValueError('key must be a text that is not empty')
        for each in numbers():
            value = getattr(self, each.name)
            low, high = each.metadata['low'], each.metadata['high']
            is_whole = isinstance(each.default, int)
            if isinstance(value, bool) or not isinstance(value, int if is_whole else (int, float)):
                raise ValueError(f'{each.name} must be {"an integer" if is_whole else "a number"}')
            if not (math.isfinite(value) and low <= value <= high):
                raise ValueError(f'{each.name} must be in {low:g}..{high:g}, got {value!r}')

    def changed(self, changes: dict[str, object]) -> Settings:
        """
        Make a copy with some values replaced.

        :param changes: setting name -> new value.
        :raises ValueError: on an unknown name or a bad value.
        """
        known = {each.name for each in fields(self)}
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


def numbers() -> list[Any]:
    """Return the fields of all settings but the key."""
    return [each for each in fields(Settings) if each.metadata]
