# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the bus thread shows of its plan, and what another thread makes of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reflex_ros.domain.chunk_player import ChunkPlayer
from reflex_ros.domain.outlook import Outlook

PLAN_PERIOD_S = 0.2
"""How often the plan is shown while the arm moves; each accepted chunk is shown at once."""


class ShownPlan:
    """The newest plan; the bus thread writes it, and any other thread may ask for its outlook."""

    def __init__(self) -> None:
        # A copy of the player, the instant of its last tick, epoch and newest chunk.
        self._shown: tuple[ChunkPlayer, float, int, int] | None = None
        self._due_at = 0.0
        self.on_change: Callable[[], None] = lambda: None
        """Called in the bus thread when there is a new plan."""

    def forget(self) -> None:
        """Show nothing until the next chunk."""
        self._shown = None

    def make_due(self) -> None:
        """Show the plan in this cycle: it has changed."""
        self._due_at = 0.0

    def show(self, player: ChunkPlayer, now: float, epoch: int, seq: int) -> None:
        """
        Show the plan if that is due.

        :param now: monotonic instant of the player's last tick [s].
        :param seq: number of the newest chunk.
        """
        if now < self._due_at or (player.is_at_rest and self._due_at > 0.0):
            return
        self._due_at = now + PLAN_PERIOD_S
        self._shown = player.snapshot(), now, epoch, seq
        self.on_change()

    def outlook(self) -> Outlook | None:
        """Return where the arm will be told to be. Any thread but the bus thread; takes 3 ms."""
        shown = self._shown
        if shown is None:
            return None
        player, now, epoch, seq = shown
        return replace(player.outlook(now), epoch=epoch, seq=seq)
