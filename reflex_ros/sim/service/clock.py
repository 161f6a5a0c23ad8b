# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The service's clock: it can be moved forward, so that no test waits for an expiry."""

from __future__ import annotations

from collections.abc import Callable
import time


class ServiceClock:
    """
    Epoch time that follows a monotonic source and only ever moves forward.

    :param source: monotonic seconds.
    :param epoch_s: epoch time [s] at construction; a later step of the wall clock has no effect.

    ``advanced_s`` is the sum of all moves forward [s].
    """

    def __init__(
        self, source: Callable[[], float] = time.monotonic, epoch_s: float | None = None
    ) -> None:
        self._source = source
        start_s = time.time() if epoch_s is None else epoch_s
        self._offset_s = start_s - source()
        self.advanced_s = 0.0

    def now_s(self) -> float:
        """Return seconds since the epoch."""
        return self._source() + self._offset_s

    def now_ms(self) -> int:
        """Return milliseconds since the epoch, the unit of every timestamp on the wire."""
        return round(self.now_s() * 1e3)

    def advance(self, seconds: float) -> None:
        """Move the clock forward, by a finite number of seconds."""
        if not 0.0 <= seconds < float('inf'):
            raise ValueError('the clock only moves forward, by a finite number of seconds')
        self._offset_s += seconds
        self.advanced_s += seconds

    def resume(self, advanced_s: float, not_before_s: float) -> None:
        """
        Continue where the clock of an earlier process stood.

        :param advanced_s: how far it had been moved [s].
        :param not_before_s: epoch time [s] that it had reached; the wall clock may have been set
            back since then.
        """
        self.advance(advanced_s)
        self._offset_s += max(0.0, not_before_s - self.now_s())
