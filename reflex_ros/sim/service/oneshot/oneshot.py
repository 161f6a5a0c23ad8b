# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Inference without a stream: a caller that asks again within 10 s continues the same motion.

Time is that of the observations, and callers do not influence each other.
"""

from __future__ import annotations

import asyncio
import random
import time

from reflex_ros.sim.service.policy.inference import PoseInference
from reflex_ros.sim.service.so101 import Pose, Rows
from reflex_ros.sim.service.state import ServiceState

# [s] of silence after which a caller starts a new motion, and how many callers are remembered.
FORGET_S = 10.0
MOST_CALLERS = 64


class OneShot:
    """Answer single observations."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        # Caller -> its motion and when it last asked [s], the longest silent one first.
        self._callers: dict[str, tuple[PoseInference, float]] = {}
        self._random = random.Random(state.settings.seed)

    async def infer(
        self, caller: str, prompt: str, pose: Pose, capture_ns: int | None = None,
        count: int | None = None,
    ) -> tuple[Rows, float]:
        """
        Return (count, 6) rows in degrees and percent, and how long it took [ms].

        :param caller: any text that tells callers apart.
        :param count: the settings' chunk size when None.
        """
        began_s = time.monotonic()
        poses, seen_s = self._callers.pop(caller, (None, 0.0))
        if poses is None or began_s - seen_s > FORGET_S:
            poses = PoseInference(self._state)
        self._callers[caller] = poses, began_s
        if len(self._callers) > MOST_CALLERS:
            del self._callers[next(iter(self._callers))]
        rows = poses.rows(prompt, pose, capture_ns, began_s, count=count)
        await asyncio.sleep(self._state.settings.latency_s(self._random))
        return rows, round((time.monotonic() - began_s) * 1e3, 3)
