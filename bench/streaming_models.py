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
from functools import cache
import math
import random

import numpy as np

DT = 0.01
"""Period of every control loop here [s]."""
DEAD_S, LAG_S = 0.085, 0.03
"""Dead time and lag of the servo model, those of the emulator [s]."""
STILL = 0.1
"""Share of the task's speed below which the joints stand still."""
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
    pose: np.ndarray = BASE + AMPLITUDE * (np.sin(angle) - np.sin(SHIFT))
    return pose


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
        self._asked_at = 0.0

    @property
    def joints(self) -> slice:
        """Joints that tell the progress; a wrist that turns by itself says nothing about it."""
        if self.two_ways:
            return slice(1, 5)
        return slice(0, 4 if self.wrist else 5)

    def infer(self, state: np.ndarray, now: float) -> np.ndarray:
        """Return the rows for a state (6,) that was observed at ``now`` (horizon, 6) [rad]."""
        # The path comes back to each pose after one turn: search less than a turn, around where
        # a run at full speed would be by now.
        elapsed, self._asked_at = now - self._asked_at, now
        near = self.progress + np.arange(max(-0.6, elapsed - 3.0), elapsed + 1.5, 0.005)
        distance = ((path(near) - state)[:, self.joints] ** 2).sum(axis=1)
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
    :param stall_s: how long the link delivers nothing, either way, every ``stall_every_s``.
    """

    infer_s: float
    jitter_s: float = 0.0
    network_s: float = 0.0
    network_jitter_s: float = 0.0
    stall_s: float = 0.0
    stall_every_s: float = 10.0
    dies_at: float = math.inf

    def delivers_at(self, at: float) -> float:
        """Return when the link delivers what would arrive at ``at`` without a stall."""
        begin = self.stall_every_s / 2.0
        phase = at % self.stall_every_s
        if begin <= phase < begin + self.stall_s:
            return at + begin + self.stall_s - phase
        return at


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
        arrives = link.delivers_at(now + link.network_s / 2.0)
        begins = max(arrives, self._free_at)
        infer_s = link.infer_s + self._rng.uniform(0.0, link.jitter_s)
        done = self._free_at = begins + infer_s
        back = done + link.network_s / 2.0 + self._rng.uniform(0.0, link.network_jitter_s)
        back = self._last_back = max(link.delivers_at(back), self._last_back)
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


def follow(goals: np.ndarray) -> np.ndarray:
    """Return the positions of joints that follow the goals with the servo's lag (ticks, 6)."""
    followed = np.empty_like(goals)
    joint = goals[0].copy()
    share = 1.0 - math.exp(-DT / LAG_S)
    for index, goal in enumerate(goals):
        joint = joint + (goal - joint) * share
        followed[index] = joint
    return followed


def longest_run(flags: np.ndarray) -> int:
    """Return how many flags in a row are set at most."""
    longest = count = 0
    for flag in flags:
        count = count + 1 if flag else 0
        longest = max(longest, count)
    return longest


def progress_along(positions: np.ndarray, joints: slice, every: int = 10) -> np.ndarray:
    """Return how far positions (ticks, 6) have come along the path, every so many ticks [s]."""
    step, back, width = 0.005, 120, 300
    longest_s = len(positions) * DT * 2.0
    line = path(np.arange(-back, longest_s / step + width) * step)[:, joints]
    found, low = [], 0
    for position in positions[::every, joints]:
        near = line[low:low + width]
        low += int(((near - position) ** 2).sum(axis=1).argmin()) - back
        low = max(low, 0)
        found.append(low * step)
    return np.array(found)


def measure(goals: np.ndarray, commanded: np.ndarray, ages: np.ndarray, borders: list[int],
            policy: Policy, *, skip_s: float = 2.0) -> dict[str, float]:
    """
    Compute the figures of one run, without its first ``skip_s``.

    Speed, acceleration and jerk are those of a joint that follows the goals with the servo's lag;
    the gripper is left out. ``speed`` is the progress along the task's path over that of a player
    without latency; the joints stand still while it is under a tenth, whatever is commanded. A run
    that was stopped has lost all ticks after the stop.

    :param goals: (ticks, 6) [rad].
    :param commanded: whether each tick had rows to play (ticks,).
    :param ages: age of the observation behind each tick's goal (ticks,) [s].
    :param borders: ticks at which a new chunk took over.
    """
    figures = _figures(goals, commanded, ages, borders, policy, round(skip_s / DT))
    figures['speed'] /= _ideal_speed(policy.rate_hz)
    return figures


def _figures(goals: np.ndarray, commanded: np.ndarray, ages: np.ndarray, borders: list[int],
             policy: Policy, first: int) -> dict[str, float]:
    followed = follow(goals)
    arm = followed[first:, :5]
    velocity = np.diff(arm, axis=0) / DT
    acceleration = np.diff(velocity, axis=0) / DT
    jerk = np.diff(acceleration, axis=0) / DT
    # The step that leads to each tick.
    steps = np.abs(np.diff(goals[:, :5], axis=0, prepend=goals[:1, :5])).max(axis=1)
    joints = policy.joints
    line = path(np.arange(0.0, 2.0 * math.pi / OMEGA, 0.01))[:, joints]
    sampled = arm[::10, joints]
    error = np.sqrt(((sampled[:, None, :] - line[None]) ** 2).sum(axis=2).min(axis=1))
    # A client that holds rows writes the first new one up to one row later.
    width = math.ceil(1.0 / policy.rate_hz / DT) + 1
    inside = [steps[index:index + width].max() for index in borders
              if first <= index <= len(steps) - width]
    places = progress_along(followed, joints)
    begin = first // 10
    is_still = np.diff(places[begin:]) < STILL * 10 * DT
    return {
        'commanded_percent': float(commanded[first:].mean() * 100.0),
        'longest_wait_s': longest_run(~commanded[first:]) * DT,
        'longest_standstill_s': longest_run(is_still) * 10 * DT,
        'largest_step_rad': float(steps[first:].max()),
        'peak_speed': float(np.abs(velocity).max()),
        'peak_acceleration': float(np.abs(acceleration).max()),
        'rms_acceleration': float(np.sqrt((acceleration ** 2).mean())),
        'rms_jerk': float(np.sqrt((jerk ** 2).mean())),
        'border_step_deg': float(np.degrees(max(inside, default=0.0))),
        'contour_error_deg': float(np.degrees(np.percentile(error, 95))),
        'speed': float(places[-1] - places[begin]) / ((len(places) - 1 - begin) * 10 * DT),
        'age_p50_ms': float(np.median(ages[first:]) * 1e3),
    }


@cache
def _ideal_speed(rate_hz: float) -> float:
    """Return the speed of a player without latency, which asks twice a second [s/s]."""
    policy = Policy(rate_hz)
    servo = Servo(path(np.array(0.0)))
    ticks, every = round(24.0 / DT), round(0.5 / DT)
    goals = np.empty((ticks, 6))
    rows = np.empty((0, 6))
    for index in range(ticks):
        if index % every == 0:
            rows = policy.infer(servo.position, index * DT)
        at = index % every * DT * rate_hz
        low = int(at)
        goals[index] = rows[low] + (rows[low + 1] - rows[low]) * (at - low)
        servo.tick(goals[index])
    return _figures(goals, np.ones(ticks, dtype=bool), np.zeros(ticks), [], policy,
                    round(2.0 / DT))['speed']
