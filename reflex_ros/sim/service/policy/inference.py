# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an observed pose to the rows of an action chunk: clock, policy, faults of content."""

from __future__ import annotations

from reflex_ros.sim.service.context import Context
from reflex_ros.sim.service.faults.corruption import corrupt_rows
from reflex_ros.sim.service.policy.policies import ObservationClock, Policy
from reflex_ros.sim.service.so101 import Pose, Rows


class PoseInference:
    """The policy of one robot, from pose to rows, for the stream and for one-shot inference."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._policy = Policy(context.settings.seed)
        self._clock = ObservationClock()
        self._first_pose: Pose | None = None

    def rows(
        self, prompt: str, pose: Pose, capture_ns: int | None, receipt_s: float, *,
        hz: float | None = None, count: int | None = None,
    ) -> Rows:
        """
        Return the rows for an observed pose, corrupted by the faults that are on.

        :param capture_ns: the client's time of the observation, if it says.
        :param receipt_s: monotonic time of receipt.
        :param hz: rate of the rows, and ``count`` their number; the settings' when None.
        :returns: (count, 6) degrees and percent.
        """
        settings = self._context.settings
        self._first_pose = self._first_pose or pose
        rows = self._policy.rows(
            prompt, pose, self._clock.tick(capture_ns, receipt_s),
            hz=hz or settings.hz, count=count or settings.chunk_size)
        return corrupt_rows(rows, self._context.faults, self._first_pose)
