# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When to try again, and how long to wait; pure (protocol reference, sections c.3 and d.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import math
import random

TRANSIENT_STATUS = frozenset({403, 404, 408, 425, 429, 500, 502, 503, 504})
"""Worth another try while opening a stream."""
TRANSIENT_READ = TRANSIENT_STATUS - {403, 404}
"""Worth another try for a call that changes nothing."""
DEFAULT_WINDOW_S = 90.0
FIRST_S, FACTOR, CAP_S = 0.5, 1.6, 5.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One failed attempt, for whoever shows it.

    :param wait_s: until the next one [s].
    """

    number: int
    elapsed_s: float
    wait_s: float
    reason: str


def window(environment: Mapping[str, str]) -> float:
    """Read the retry window [s] from REFLEX_WS_CONNECT_RETRY_SECONDS; 90 when it is no number."""
    try:
        seconds = float(environment.get('REFLEX_WS_CONNECT_RETRY_SECONDS', ''))
    except ValueError:
        return DEFAULT_WINDOW_S
    # A window without an end would be a retry without an end.
    return max(0.0, seconds) if math.isfinite(seconds) else DEFAULT_WINDOW_S


def backoff(rng: random.Random) -> Iterator[float]:
    """Yield the waits [s]: 0.5, growing by 1.6 up to 5, each 20 percent more or less."""
    wait = FIRST_S
    while True:
        yield wait * rng.uniform(0.8, 1.2)
        wait = min(wait * FACTOR, CAP_S)


def retry_after(value: str | None) -> float:
    """Read a Retry-After header in seconds; 0 when there is none or it is a date."""
    try:
        return min(max(0.0, float(value or 0)), 60.0)
    except ValueError:
        return 0.0
