# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What others do with chunks, written from what their public sources and papers say.

Each client writes one row per policy tick and holds it until the next; none bounds speed or
acceleration. ``NAIVE`` asks, waits and plays the whole chunk. ``BROKER`` is openpi's
``ActionChunkBroker``: it plays the first half of a chunk, then asks and waits. ``WEIGHTED`` and
``LATEST`` are LeRobot's asynchronous client: it asks when half of its queue is played, and mixes
overlapping rows 0.3 : 0.7, or takes the newest. ``RTC`` is real-time chunking: the service keeps
the rows that will be played meanwhile, judged by the longest of the last delays, and lets the rest
fade over with the paper's soft mask (guidance taken as perfect). Where a client could ask up to
one row later than here, it is granted the earlier instant.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
import math

import numpy as np

from bench.streaming_models import Answer, DT, measure, path, Policy, Service, Servo

QUEUE_SHARE = 0.5
BROKER_ROWS = 25
RTC_ROWS = 10
RTC_DELAYS = 10
NEW_SHARE = 0.7


class Method(Enum):
    """A client of somebody else."""

    NAIVE = 'ask, wait, play all'
    BROKER = 'openpi broker'
    WEIGHTED = 'LeRobot weighted'
    LATEST = 'LeRobot latest'
    RTC = 'RTC, soft mask'


def run(method: Method, policy: Policy, service: Service, duration_s: float
        ) -> tuple[dict[str, float], np.ndarray]:
    """Play one run; return its figures and the goals (ticks, 6) [rad]."""
    client = _Client(method, policy, service)
    pose = path(np.array(0.0))
    servo = Servo(pose)
    goal = pose.copy()
    ticks = round(duration_s / DT)
    goals, commanded, ages = np.empty((ticks, 6)), np.zeros(ticks, dtype=bool), np.zeros(ticks)
    for index in range(ticks):
        now = index * DT
        row = client.tick(servo.position, now)
        if row is not None:
            goal = row
        # Between two rows the goal is held, and the row is being played.
        commanded[index] = client.plays
        goals[index], ages[index] = goal, now - client.observed_at
        servo.tick(goal)
    return measure(goals, commanded, ages, client.borders, policy), goals


class _Client:
    def __init__(self, method: Method, policy: Policy, service: Service) -> None:
        self.method, self.policy, self.service = method, policy, service
        self.queue: dict[int, tuple[np.ndarray, float]] = {}
        self.step = 0                       # next policy tick to play
        self.due_at = 0.0
        self.asked_at_step: dict[int, int] = {}
        self.in_flight = False
        self.played = 0
        self.plays = False
        self.observed_at = 0.0
        self.borders: list[int] = []
        self.delays: deque[int] = deque(maxlen=RTC_DELAYS)

    def tick(self, state: np.ndarray, now: float) -> np.ndarray | None:
        """Receive, ask, and return the row to write now, if one is due."""
        for answer in self.service.due(now):
            self.in_flight = False
            self._merge(answer, now)
        if not self.in_flight and self._wants():
            self._ask(state, now)
        if now < self.due_at - 1e-9:
            return None
        found = self.queue.pop(self.step, None)
        self.plays = found is not None
        if found is None:
            return None
        self.step += 1
        self.played += 1
        self.due_at = max(self.due_at, now - DT) + 1.0 / self.policy.rate_hz
        row, self.observed_at = found
        return row

    def _wants(self) -> bool:
        left, horizon = len(self.queue), self.policy.horizon
        if self.method is Method.NAIVE:
            return left == 0
        if self.method is Method.BROKER:
            return left == 0 or self.played >= BROKER_ROWS
        if self.method is Method.RTC:
            return left == 0 or self.played >= RTC_ROWS
        return left <= QUEUE_SHARE * horizon

    def _ask(self, state: np.ndarray, now: float) -> None:
        if self.method is Method.BROKER:
            self.queue.clear()
        rows = None
        if self.method is Method.RTC and self.queue:
            # What is left is given with the request; the service keeps what is played meanwhile.
            rows = self._inpaint(self.policy.infer(state, now))
        self.asked_at_step[self.service.asked] = self.step
        self.service.ask(self.service.asked, state, now, now, rows)
        self.in_flight, self.played = True, 0

    def _inpaint(self, new: np.ndarray) -> np.ndarray:
        rows = new.copy()
        left = sorted(self.queue)
        delay = max(self.delays, default=0)
        for step in left:
            index = step - self.step
            if index >= len(rows):
                break
            # Equations of arXiv 2506.07339: 1 up to the delay, then down to 0 where the old ends.
            near = min((len(left) - index) / max(len(left) - delay + 1, 1), 1.0)
            weight = 1.0 if index < delay else near * math.expm1(near) / math.expm1(1.0)
            rows[index] = weight * self.queue[step][0] + (1.0 - weight) * new[index]
        return rows

    def _merge(self, answer: Answer, now: float) -> None:
        begin = self.asked_at_step.pop(answer.seq)
        self.delays.append(math.ceil((now - answer.observed_at) * self.policy.rate_hz))
        self.borders.append(round(now / DT))
        if self.method in (Method.NAIVE, Method.BROKER):
            # They waited: the first row is played now.
            begin = self.step
        fresh = {begin + index: row for index, row in enumerate(answer.rows)
                 if begin + index >= self.step}
        if self.method is Method.WEIGHTED:
            fresh = {step: (1.0 - NEW_SHARE) * self.queue[step][0] + NEW_SHARE * row
                     if step in self.queue else row for step, row in fresh.items()}
        if self.method is Method.NAIVE:
            self.queue.clear()
        self.queue.update({step: (row, answer.observed_at) for step, row in fresh.items()})
        if not self.plays:
            self.due_at = now
