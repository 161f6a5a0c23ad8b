# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an observed pose to the rows of an action chunk: clock, policy, faults of content."""

from __future__ import annotations

from collections.abc import Sequence
import random

from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.faults.corruption import corrupt_rows
from reflex_ros.sim.service.policy.inpaint import inpaint
from reflex_ros.sim.service.policy.policies import ObservationClock, Policy
from reflex_ros.sim.service.so101 import LOWER, Pose, Rows, UPPER

# [s] after which a chunk that disagrees is where it wants to be.
DISAGREE_S = 0.3


class PoseInference:
    """The policy of one robot, from pose to rows, for the stream and for one-shot inference."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._policy = Policy(context.settings.seed)
        self._clock = ObservationClock()
        self._random = random.Random(context.settings.seed)
        self._first_pose: Pose | None = None

    def rows(
        self, prompt: str, pose: Pose, capture_ns: int | None, receipt_s: float, *,
        hz: float | None = None, count: int | None = None, prefix: Sequence[Pose] = (),
        frozen: int = 0,
    ) -> Rows:
        """
        Return the rows for an observed pose, corrupted by the faults that are on.

        :param capture_ns: the client's time of the observation, if it says.
        :param receipt_s: monotonic time of receipt.
        :param prefix: what the client will execute unless this answer comes; empty for none.
        :param frozen: rows of it that will have been executed when this answer comes.
        :param hz: rate of the rows, and ``count`` their number; the settings' when None.
        :returns: (count, 6) degrees and percent.
        """
        settings = self._context.settings
        self._first_pose = self._first_pose or pose
        rows = self._policy.rows(
            prompt, pose, self._clock.tick(capture_ns, receipt_s),
            hz=hz or settings.hz, count=count or settings.chunk_size)
        if settings.disagreement:
            rows = self._disagree(rows, hz or settings.hz)
        rows = inpaint(rows, prefix, frozen, hz or settings.hz)
        return corrupt_rows(rows, self._context.faults, self._first_pose)

    def _disagree(self, rows: Rows, hz: float) -> Rows:
        """Lead a chunk elsewhere than the one before, as policies do; row 0 stays."""
        size = self._context.settings.disagreement
        offset = [self._random.gauss(0.0, size) for _ in rows[0]]
        return [[min(max(value + shift * min(k / hz / DISAGREE_S, 1.0), min(low, value)),
                     max(high, value))
                 for value, shift, low, high in zip(row, offset, LOWER, UPPER, strict=True)]
                for k, row in enumerate(rows)]
