# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The supervisor's permit: a lease that somebody must keep renewing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """What a permit allows the connector to do."""

    HOLD = 'hold'
    APPLY_ACTIONS = 'apply_actions'
    PARK = 'park'


@dataclass(frozen=True, slots=True)
class Permit:
    """
    One renewal of the lease.

    :param epoch: grows at every promotion, reset and restart; chunks of another one are refused.
    :param mode: what is allowed.
    :param speed_scale: upper bound of the playback speed, 0..1.
    """

    epoch: int
    mode: Mode = Mode.HOLD
    speed_scale: float = 1.0

    def __post_init__(self) -> None:
        """Raise ValueError for a speed that is outside 0..1, or no number."""
        if not 0.0 <= self.speed_scale <= 1.0:
            raise ValueError(f'speed_scale is {self.speed_scale}, allowed is 0..1')
