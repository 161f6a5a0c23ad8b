# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The driver's own check of chunks: it counts, and stops the arm after three bad ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import logging

from reflex_ros.domain.action import ActionChunk, check_chunk, ChunkBounds
from reflex_ros.domain.cause import Cause, ChunkRejected
from reflex_ros.domain.fault_code import FaultCode
from reflex_ros.domain.joints import Vector

_log = logging.getLogger(__name__)

REJECTS_IN_A_ROW = 3
"""Refused chunks in a row that stop the arm; late chunks are not counted."""


class ChunkCheck:
    """
    Checks of the chunks of one connector. Bus thread only; any thread may read the counts.

    :param fail: called with the fault when too many chunks were refused in a row.
    """

    def __init__(self, bounds: ChunkBounds, fail: Callable[[Cause], None]) -> None:
        self._bounds = bounds
        self._fail = fail
        self._rejects_in_a_row = 0
        self.last_seq = -1
        """Number of the newest chunk of this activation; -1 before the first one."""
        self.accepted = 0
        """Number of accepted chunks."""
        self.rejected: Mapping[FaultCode, int] = {}
        """Number of refused chunks by reason."""

    def reset(self) -> None:
        """Begin a new activation; the counts stay."""
        self.last_seq = -1
        self._rejects_in_a_row = 0

    def check(self, chunk: ActionChunk, now: float, reference: Vector, *, epoch: int,
              is_moving: bool) -> ActionChunk | None:
        """
        Check a chunk; the caller counts it in ``accepted`` when it plays it.

        :param reference: pose that the chunk must begin near (joints,) [rad].
        :returns: the chunk to play, None when it is refused.
        """
        try:
            chunk = check_chunk(chunk, self._bounds, now, reference, last_seq=self.last_seq,
                                epoch=epoch, is_moving=is_moving)
        except ChunkRejected as exc:
            # Replaced, not changed: another thread may read it.
            self.rejected = {**self.rejected, exc.code: self.rejected.get(exc.code, 0) + 1}
            self._rejects_in_a_row += not exc.code.row.is_late
            _log.warning('%s: %s', exc.code.name, exc)
            if self._rejects_in_a_row >= REJECTS_IN_A_ROW:
                self._fail(Cause(exc.code, str(exc)))
            return None
        self._rejects_in_a_row = 0
        self.last_seq = chunk.seq
        return chunk
