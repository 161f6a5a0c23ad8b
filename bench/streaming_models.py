# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
What the streaming bench plays with: policies, a service, and a servo, all in virtual time.

The policies are models of what a VLA does: they read how far the task has come from the state
that they are shown, and answer with rows that lead the state by the servo's own lag, as recorded
data does. The service works on one observation at a time; the network is no part of its line.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
import math
import random

import numpy as np

DT = 0.01
"""Period of every control loop here [s]."""
DEAD_S, LAG_S = 0.085, 0.03
"""Dead time and lag of the servo model, those of the emulator [s]."""
AMPLITUDE = np.array([0.5, 0.4, 0.3, 0.3, 0.2, 0.1])
SHIFT = 0.3 * np.arange(6)
BASE = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.5])
OMEGA = 1.2
GRASP_RAD, GRASP_S, GRASP_EVERY_S = 1.4, 0.25, 6.0
WRIST_RAD, WRIST_S = 0.8, 0.27
SWING_RAD = math.radians(5.0)


def path(progress: np.ndarray) -> np.ndarray:
    """Return the task's pose at a progress [s] (..., 6) [rad]: up to 0.6 rad/s."""
    angle = OMEGA * np.asarray(progress)[..., None] + SHIFT
    return BASE + AMPLITUDE * (np.sin(angle) - np.sin(SHIFT))


@dataclass
class Policy:
    """
    A policy that reads its progress from the state.

    :param rate_hz: rate of its rows.
    :param horizon: rows per chunk.
    :param noise_deg: white noise of each row.
    :param offset_deg: each chunk is off by so much, per joint.
    :param two_ways: each chunk chooses anew between a way 12 degrees left or right.
    :param grasp: the gripper closes by 1.4 rad in 0.25 s, every 6 s.
    :param wrist: the wrist turns at 3 rad/s, every 6 s.
    :param swing_hz: the first joint swings by 5 degrees, that often a second.
    """

    rate_hz: float = 30.0
    horizon: int = 50
    noise_deg: float = 0.0
    offset_deg: float = 0.0
    two_ways: bool = False
    grasp: bool = False
    wrist: bool = False
    swing_hz: float = 0.0
    seed: int = 0
    progress: float = 0.0

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)

    def infer(self, state: np.ndarray, now: float) -> np.ndarray:
        """Return the rows for a state (6,) that was observed at ``now`` (horizon, 6) [rad]."""
        near = self.progress + np.linspace(-0.6, 2.2, 561)
        # A wrist that turns by itself says nothing about the progress.
        told = slice(0, 4 if self.wrist else 5)
        distance = ((path(near) - state)[:, told] ** 2).sum(axis=1)
        self.progress = float(near[distance.argmin()])
        times = np.arange(self.horizon) / self.rate_hz
        rows = path(self.progress + DEAD_S + LAG_S + times)
        rows = rows + math.radians(self.noise_deg) * self._rng.standard_normal(rows.shape)
        rows = rows + math.radians(self.offset_deg) * self._rng.standard_normal(6)
        if self.two_ways:
            side = self._rng.choice([-1.0, 1.0])
            beside = state[0] - path(np.array(self.progress))[0]
            aside = side * math.radians(12.0) - beside
            rows[:, 0] += beside + aside * np.minimum(times / 0.5, 1.0)
        absolute = self.progress + times
        if self.grasp:
            rows[:, 5] = 0.1 + GRASP_RAD * toggled(absolute, GRASP_S)
        if self.wrist:
            rows[:, 4] = WRIST_RAD * toggled(absolute, WRIST_S)
        if self.swing_hz:
            rows[:, 0] = SWING_RAD * np.sin(2.0 * math.pi * self.swing_hz * (now + times))
        return rows


def toggled(times: np.ndarray, duration_s: float) -> np.ndarray:
    """Go from 0 to 1, and 3 s later back, in ``duration_s`` each, every 6 s (times,)."""
    at = times % GRASP_EVERY_S
    half = GRASP_EVERY_S / 2.0
    return np.clip((at - half + duration_s) / duration_s, 0.0, 1.0) \
        - np.clip((at - GRASP_EVERY_S + duration_s) / duration_s, 0.0, 1.0)


@dataclass
class Link:
    """
    Times of service and network, all in seconds.

    :param infer_s: of one inference.
    :param jitter_s: added to it, uniform from 0.
    :param network_s: there and back together; not in line.
    :param network_jitter_s: added to the way back, uniform from 0.
    :param stall_s: how long the link delivers nothing, every ``stall_every_s``.
    """

    infer_s: float
    jitter_s: float = 0.0
    network_s: float = 0.0
    network_jitter_s: float = 0.0
    stall_s: float = 0.0
    stall_every_s: float = 10.0
    dies_at: float = math.inf


@dataclass
class Answer:
    """An answer on its way: when it arrives, what it answers, and what the service says."""

    arrives_at: float
    seq: int
    observed_at: float
    rows: np.ndarray
    total_s: float
    infer_s: float
    waited_s: float


@dataclass
class Service:
    """The service: one observation at a time, answers in order."""

    policy: Policy
    link: Link
    seed: int = 0
    answers: list[Answer] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    asked: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._free_at = 0.0
        self._last_back = 0.0

    def ask(self, seq: int, state: np.ndarray, observed_at: float, now: float,
            rows: np.ndarray | None = None) -> None:
        """Take an observation that is sent now; ``rows`` replaces what the policy answers."""
        link = self.link
        arrives = now + link.network_s / 2.0
        begins = max(arrives, self._free_at)
        infer_s = link.infer_s + self._rng.uniform(0.0, link.jitter_s)
        done = self._free_at = begins + infer_s
        back = done + link.network_s / 2.0 + self._rng.uniform(0.0, link.network_jitter_s)
        if link.stall_s:
            phase = back % link.stall_every_s
            begin = link.stall_every_s / 2.0
            if begin <= phase < begin + link.stall_s:
                back += begin + link.stall_s - phase
        back = self._last_back = max(back, self._last_back)
        if rows is None:
            rows = self.policy.infer(state, observed_at)
        self.asked += 1
        self.waited_s.append(begins - arrives)
        if back < link.dies_at:
            self.answers.append(Answer(back, seq, observed_at, rows, done - arrives, infer_s,
                                       begins - arrives))

    def due(self, now: float) -> list[Answer]:
        """Remove and return the answers that have arrived."""
        arrived = [answer for answer in self.answers if answer.arrives_at <= now]
        self.answers = [answer for answer in self.answers if answer.arrives_at > now]
        return arrived


class Servo:
    """Six joints that follow their goals with dead time and lag, as the emulator's do."""

    def __init__(self, pose: np.ndarray) -> None:
        self.position = pose.copy()
        self._goals: deque[np.ndarray] = deque(
            [pose.copy()] * round(DEAD_S / DT))

    def tick(self, goal: np.ndarray) -> np.ndarray:
        """Advance by one period; return the position (6,) [rad]."""
        self._goals.append(goal.copy())
        delayed = self._goals.popleft()
        self.position = self.position + (delayed - self.position) * (1.0 - math.exp(-DT / LAG_S))
        return self.position


def measure(goals: np.ndarray, commanded: np.ndarray, progress_s: float, duration_s: float,
            ages: np.ndarray, borders: list[int], *, skip_s: float = 2.0) -> dict[str, float]:
    """
    Compute the figures of one run.

    Speed, acceleration and jerk are those of a joint that follows the goals with the servo's lag.

    :param goals: (ticks, 6) [rad].
    :param commanded: whether each tick had rows to play (ticks,).
    :param ages: age of the observation behind each tick's goal (ticks,) [s].
    :param borders: ticks at which a new chunk took over.
    """
    first = round(skip_s / DT)
    follow = np.empty_like(goals)
    joint = goals[0].copy()
    share = 1.0 - math.exp(-DT / LAG_S)
    for index, goal in enumerate(goals):
        joint = joint + (goal - joint) * share
        follow[index] = joint
    arm = follow[first:, :5]
    velocity = np.diff(arm, axis=0) / DT
    acceleration = np.diff(velocity, axis=0) / DT
    jerk = np.diff(acceleration, axis=0) / DT
    steps = np.abs(np.diff(goals[:, :5], axis=0)).max(axis=1)
    waits, longest = 0, 0
    for is_commanded in commanded[first:]:
        waits = 0 if is_commanded else waits + 1
        longest = max(longest, waits)
    places = np.arange(0.0, 2.0 * math.pi / OMEGA, 0.01)
    line = path(places)[:, :5]
    sampled = arm[::10]
    error = np.sqrt(((sampled[:, None, :] - line[None]) ** 2).sum(axis=2).min(axis=1))
    inside = [steps[index:index + 5].max() for index in borders
              if first <= index < len(steps) - 5]
    return {
        'commanded_percent': float(commanded[first:].mean() * 100.0),
        'longest_wait_s': longest * DT,
        'largest_step_rad': float(steps[first:].max()),
        'peak_speed': float(np.abs(velocity).max()),
        'peak_acceleration': float(np.abs(acceleration).max()),
        'rms_acceleration': float(np.sqrt((acceleration ** 2).mean())),
        'rms_jerk': float(np.sqrt((jerk ** 2).mean())),
        'border_step_deg': float(np.degrees(max(inside, default=0.0))),
        'contour_error_deg': float(np.degrees(np.percentile(error, 95))),
        'progress': progress_s / duration_s,
        'age_p50_ms': float(np.median(ages[first:]) * 1e3),
    }
