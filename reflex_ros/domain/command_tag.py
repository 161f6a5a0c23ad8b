# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tag of a command: what a message on ``so101/command`` carries beside its rows."""

from __future__ import annotations

from dataclasses import dataclass

MAX_AGE_MS = 1e7


@dataclass(frozen=True, slots=True)
class CommandTag:
    """
    The values from which the connector decides whether it plays a chunk.

    They need no clock but the connector's own.

    :param epoch: of the permit under which the chunk was requested, 0 or more.
    :param seq: number of the observation that the chunk answers, 0 or more.
    :param age_ms: age of that observation when the command was sent [ms], below 1e7.
    """

    epoch: int
    seq: int
    age_ms: float

    def __post_init__(self) -> None:
        """Raise ValueError for a number outside its range."""
        if self.epoch < 0 or self.seq < 0 or not 0.0 <= self.age_ms < MAX_AGE_MS:
            raise ValueError(f'a command cannot have {self}')
