# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface through which a servo reports goals and events to the journal."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class GoalWrite(NamedTuple):
    """
    One write of a goal position [tick], as commanded, before it is clamped to the limits.

    :param step: distance from the previous goal; None for the first goal after torque on.
    :param lead: distance from the present position; None when torque is off after the write.
    """

    name: str
    previous: int
    goal: int
    step: int | None
    lead: int | None
    outside_limits: bool


class Listener(Protocol):
    """Receiver of what happens in a servo."""

    def record_goal(self, write: GoalWrite, now_ns: int) -> None:
        """Record a goal position."""

    def record_event(self, now_ns: int, text: str) -> None:
        """Record any other event, as text."""
