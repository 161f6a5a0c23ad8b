# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Inference without a stream: a caller that asks again within 10 s continues the same motion.

Time is that of the observations, and callers do not influence each other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
import random
import time

from reflex_ros.sim.service.policy.inference import PoseInference
from reflex_ros.sim.service.so101 import Pose, Rows
from reflex_ros.sim.service.state import ServiceState

# [s] of silence after which a caller starts a new motion, and how many callers are remembered.
FORGET_S = 10.0
MOST_CALLERS = 64


@dataclass(slots=True)
class _Caller:
    poses: PoseInference
    seen_s: float


class OneShot:
    """Answer single observations."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._callers: OrderedDict[str, _Caller] = OrderedDict()
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
        known = self._callers.pop(caller, None)
        if known is None or began_s - known.seen_s > FORGET_S:
            known = _Caller(PoseInference(self._state), began_s)
        known.seen_s = began_s
        self._callers[caller] = known
        while len(self._callers) > MOST_CALLERS:
            self._callers.popitem(last=False)
        rows = known.poses.rows(prompt, pose, capture_ns, began_s, count=count)
        settings = self._state.settings
        latency_ms = settings.latency_ms + self._random.uniform(0.0, settings.jitter_ms)
        await asyncio.sleep(latency_ms * 1e-3)
        return rows, round((time.monotonic() - began_s) * 1e3, 3)
