# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Proof that an event loop works, without waking it up."""

from __future__ import annotations

import selectors


class LoopWatch(selectors.DefaultSelector):
    """
    The selector of an event loop; another thread asks it whether the loop works.

    A loop that waits in ``select`` works: it will run the next event. A loop that runs callbacks
    works if it has come back to ``select`` since the last question; if it has not, one callback
    has held it up for that long. A loop that has ended neither waits nor comes back.

    One watch serves one loop, as in ``LoopThread('name', selector=LoopWatch())``.
    """

    def __init__(self) -> None:
        super().__init__()
        # Odd while the loop waits. One number, written by the loop's thread alone.
        self._steps = 0
        self._seen = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events, as every selector does; called by the loop, in its thread."""
        self._steps += 1
        try:
            return super().select(timeout)
        finally:
            self._steps += 1

    def has_worked(self) -> bool:
        """
        Return whether the loop waits, or has come back since the last call of this method.

        To be called by one thread, at a steady rate; never blocks.
        """
        steps = self._steps
        waits, goes_on = steps % 2 == 1, steps != self._seen
        self._seen = steps
        return waits or goes_on
