# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which failures are retried, and when; pure (protocol reference, sections c.3 and d.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
import math
import random
import time

from reflex_ros.client.moments import moment_ms

TRANSIENT_STATUS = frozenset({403, 404, 408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which opening a stream is retried."""
TRANSIENT_READ = TRANSIENT_STATUS - {403, 404}
"""HTTP statuses after which a repeatable request is retried."""
DEFAULT_WINDOW_S = 90.0
FIRST_S, FACTOR, CAP_S = 0.5, 1.6, 5.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One failed attempt, and the wait after it.

    :param number: 1 for the first attempt.
    :param elapsed_s: since the first attempt began [s].
    :param wait_s: until the next attempt begins [s].
    """

    number: int
    elapsed_s: float
    wait_s: float
    reason: str

    def is_last(self, window_s: float) -> bool:
        """Whether the next attempt would begin after the retry window [s]."""
        return self.elapsed_s + self.wait_s > window_s

    @property
    def tried(self) -> str:
        """The attempts so far and their time, for an error text."""
        return f'{self.number} attempt{"s" * (self.number > 1)} in {self.elapsed_s:.1f} s'


class Failures:
    """
    Count the failed attempts at one job, and space them by :func:`backoff`.

    :param clock: monotonic time [s], e.g. ``loop.time``.
    """

    def __init__(self, clock: Callable[[], float], rng: random.Random) -> None:
        self.in_a_row = 0
        self._clock = clock
        self._rng = rng
        self._began = clock()
        self._waits = backoff(rng)

    def add(self, reason: str, asked_for_s: float = 0.0) -> Attempt:
        """
        Record a failed attempt.

        :param asked_for_s: Retry-After of the service [s]; the wait is at least that long.
        """
        self.in_a_row += 1
        return Attempt(self.in_a_row, self._clock() - self._began,
                       max(next(self._waits), asked_for_s), reason)

    def restart(self) -> None:
        """Start count and back-off from the beginning, after progress."""
        self.in_a_row = 0
        self._waits = backoff(self._rng)


def window(environment: Mapping[str, str]) -> float:
    """Read the retry window [s] from REFLEX_WS_CONNECT_RETRY_SECONDS; 90 if not a number."""
    try:
        seconds = float(environment.get('REFLEX_WS_CONNECT_RETRY_SECONDS', ''))
    except ValueError:
        return DEFAULT_WINDOW_S
    # An infinite window would retry for ever.
    return max(0.0, seconds) if math.isfinite(seconds) else DEFAULT_WINDOW_S


def backoff(rng: random.Random) -> Iterator[float]:
    """Yield waits [s] from 0.5, times 1.6 each, up to 5; each varies by 20 percent."""
    wait = FIRST_S
    while True:
        yield wait * rng.uniform(0.8, 1.2)
        wait = min(wait * FACTOR, CAP_S)


def retry_after(value: str | None, date: str | None = None) -> float:
    """
    Read a Retry-After header, up to a day [s]; 0 if it is missing or means nothing.

    :param date: the Date header of the same answer. A date in Retry-After is by the clock of the
        service, which may differ from the clock of this machine.
    """
    try:
        wait_s = float(value or 0)
    except ValueError:
        moment, now = moment_ms(value), moment_ms(date)
        wait_s = 0.0 if moment is None else (
            moment - (time.time() * 1e3 if now is None else now)) / 1e3
    return min(max(0.0, wait_s), DAY_S) if math.isfinite(wait_s) else 0.0
