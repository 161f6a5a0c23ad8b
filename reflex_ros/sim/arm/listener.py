# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a servo tells to whoever keeps the records."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class GoalWrite(NamedTuple):
    """
    One write of a goal position [tick], as commanded, before the clamp.

    :param step: distance from the goal before it; None for the first goal since torque came on.
    :param lead: distance from the present position; None while torque is off afterwards.
    """

    name: str
    previous: int
    goal: int
    step: int | None
    lead: int | None
    outside_limits: bool


class Listener(Protocol):
    """Who wants to know what happens in a servo."""

    def goal(self, write: GoalWrite, now_ns: int) -> None:
        """Take note of a goal position."""

    def event(self, now_ns: int, text: str) -> None:
        """Take note of anything else."""
