# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Where the arm will be told to be, unless another chunk comes.

A policy that is asked now answers later; until then the arm executes the plan that it has. The
outlook is that plan as it will really be executed: at the present rate, with its ramps and limits.
It begins in the past, because an observation is older than the plan that is known when it leaves.

A chunk is placed by *playback time*, the clock that is slowed down: row k of a new chunk is played
where the present plan is ``k / rate_hz`` of playback time after the observation. So the prefix of
that chunk is read by playback time too, and the new plan continues the old one at any rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
import math

import numpy as np
from numpy.typing import NDArray

from reflex_ros.domain.joints import Vector

OUTLOOK_HZ = 25.0
"""Rate of the rows of an outlook."""
OUTLOOK_S = 2.5
"""How far an outlook reaches: no chunk is older when it comes."""
OUTLOOK_PAST_S = 0.5
"""How far before its making an outlook begins: an observation may be as old."""
STALE_S = 0.5
"""Age after which an outlook says nothing: a new one is made 5 times a second while the arm
moves."""


class SendPrefix(Enum):
    """When an observation carries what the arm will execute meanwhile."""

    AUTO = 'auto'
    """When ``session.ready`` of the service offers it."""
    ALWAYS = 'always'
    NEVER = 'never'


@dataclass(frozen=True, slots=True)
class Prefix:
    """
    What is offered with an observation.

    :param rows: (count, joints) [rad]; row k belongs to row k of the chunk that will answer.
    :param committed: number of rows that will have been executed when the chunk comes.
    """

    rows: NDArray[np.float64]
    committed: int

    @property
    def executed(self) -> NDArray[np.float64]:
        """The rows that will have been executed when the chunk comes (committed, joints)."""
        return self.rows[:self.committed]

    @property
    def arrival(self) -> Vector:
        """The pose to be in when the chunk comes (joints,) [rad]."""
        pose: Vector = self.rows[min(self.committed, len(self.rows) - 1)]
        return pose


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """
    Setpoints at real instants.

    :param rows: (count, joints) [rad]; row k belongs to ``begins_at + k / rate_hz``.
    :param played_s: playback time of each row [s]; only differences count, and it never falls.
    :param begins_at: monotonic instant of the first row [s].
    :param made_at: monotonic instant of the first row that is not past [s].
    :param epoch: epoch of the permit under which it is executed.
    :param seq: number of the newest chunk in it.
    """

    rows: NDArray[np.float64]
    played_s: NDArray[np.float64]
    begins_at: float
    made_at: float
    rate_hz: float = OUTLOOK_HZ
    epoch: int = 0
    seq: int = 0

    def prefix(self, observed_at: float, delay_s: float, rate_hz: float,
               most: int) -> Prefix | None:
        """
        Resample the path from the instant of an observation on at the rate of a chunk's rows.

        :param observed_at: monotonic instant [s].
        :param delay_s: expected time from then to the arrival of the chunk.
        :param rate_hz: rows per second of playback time.
        :param most: largest number of rows.
        :returns: None where nothing is known or nothing moves: before the first row, or when
            less than two rows are left.
        """
        if not self.begins_at <= observed_at <= self._ends_at:
            return None
        played = self._played(observed_at)
        left = float(self.played_s[-1]) - played
        count = min(math.floor(left * rate_hz + 1e-6) + 1, most)
        if count < 2:
            return None
        wanted = played + np.arange(count) / rate_hz
        rows = np.stack([np.interp(wanted, self.played_s, column) for column in self.rows.T],
                        axis=1)
        delay_rows = (self._played(observed_at + delay_s) - played) * rate_hz
        return Prefix(rows, min(max(math.ceil(delay_rows - 1e-6), 0), count))

    @property
    def _ends_at(self) -> float:
        return self.begins_at + (len(self.rows) - 1) / self.rate_hz

    def _played(self, instant: float) -> float:
        place = (instant - self.begins_at) * self.rate_hz
        return float(np.interp(place, np.arange(len(self.played_s)), self.played_s))
