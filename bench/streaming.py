# Copyright 2026 The reflex_ros authors
# SPDX-License-Identifier: Apache-2.0
"""
Measure whether and how smoothly the arm moves with policies and networks as they are.

Our side is the real exchange, checks, player and driver on the emulated bus, in virtual time; the
others are ``streaming_baselines``, on a servo model with the same dead time and lag. Same
policies, same service. ``run_matrix`` returns every cell; ``streaming`` yields the figures of the
aims. Nothing here depends on the machine but the time that it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
import math
import threading

import numpy as np

from bench import streaming_baselines as baselines
from bench.streaming_models import DT, Link, measure, path, Policy, Service
from reflex_ros.client import adapters
from reflex_ros.client.stream_protocol import ChunkFrame
from reflex_ros.domain.action import ChunkBounds
from reflex_ros.domain.cause import ChunkRejected
from reflex_ros.domain.chunk_player import Motion
from reflex_ros.domain.motion_guard import GuardBounds, MotionGuard
from reflex_ros.domain.observation import Observation
from reflex_ros.domain.permit import Mode, Permit
from reflex_ros.domain.request_clock import RequestRules
from reflex_ros.domain.sample import JointSample
from reflex_ros.hardware.arm import So101Arm
from reflex_ros.hardware.arm_driver import ArmDriver
from reflex_ros.hardware.bus import Bus
from reflex_ros.hardware.calibration import calibrated_arm
from reflex_ros.runner.exchange import Exchange
from reflex_ros.sim.arm.settings import Settings
from reflex_ros.sim.arm.virtual import VirtualArm

OURS = 'reflex_ros'


@dataclass(frozen=True)
class Case:
    """
    One cell of the matrix.

    :param rate_hz: rate of the rows.
    """

    name: str
    link: Link
    rate_hz: float = 30.0
    noise_deg: float = 0.0
    offset_deg: float = 0.0
    two_ways: bool = False
    grasp: bool = False
    wrist: bool = False
    swing_hz: float = 0.0
    seconds: float = 40.0
    rules: RequestRules = RequestRules()

    def policy(self, seed: int) -> Policy:
        """Make the policy of this cell."""
        return Policy(self.rate_hz, 50, self.noise_deg, self.offset_deg, self.two_ways,
                      self.grasp, self.wrist, self.swing_hz, seed)


class Ours:
    """Our chain in one run; the driver's thread calls it with every measurement."""

    def __init__(self, case: Case, seed: int, motion: Motion) -> None:
        self.case = case
        self.policy = case.policy(seed)
        self.service = Service(self.policy, case.link, seed)
        self.sim = VirtualArm(Settings(seed=seed, pose=tuple(path(np.array(0.0)))))
        arm = So101Arm(Bus(self.sim.open(), self.sim.clock))
        arm.bring_up()
        self.arm = calibrated_arm(arm.calibration, 2.0)
        bounds = ChunkBounds(self.arm)
        self.exchange = Exchange(bounds, case.rules, case.rate_hz)
        self.guard = MotionGuard(GuardBounds())
        self.driver = ArmDriver(arm, self.guard, bounds, motion)
        ticks = round(case.seconds / DT)
        self.goals = np.zeros((ticks, 6))
        self.commanded = np.zeros(ticks, dtype=bool)
        self.ages = np.zeros(ticks)
        self.paces = np.ones(ticks)
        self.borders: list[int] = []
        self.tick = -1
        self.began_at = 0.0
        self.stopped = ''
        self.stopped_at = math.inf
        self.is_over = threading.Event()
        self.is_activating = threading.Event()
        self.renew()

    def renew(self) -> None:
        """Renew both leases, as supervisor and stream do."""
        now = self.sim.clock.monotonic()
        self.guard.renew_permit(Permit(epoch=1, mode=Mode.APPLY_ACTIONS), now)
        self.guard.renew_beat(self.tick, None, now)

    def on_sample(self, sample: JointSample) -> None:
        """Play network and service up to this instant; record what the driver did."""
        # Virtual time stands still until the arm is about to be held: a limp one would fall.
        self.is_activating.wait()
        self.renew()
        if not self.guard.epoch or self.is_over.is_set():
            return
        if self.tick < 0:
            self.began_at = sample.taken_at
        self.tick += 1
        if self.tick >= len(self.goals):
            self.is_over.set()
            return
        now = sample.taken_at - self.began_at
        report = self.driver.report()
        self.goals[self.tick] = report.setpoint
        self.commanded[self.tick] = report.playback_rate > 0.0 and report.cause is None
        self.ages[self.tick] = report.observation_age_s
        self.paces[self.tick] = report.pace
        if report.cause is not None and not self.stopped:
            self.stopped, self.stopped_at = report.cause.code.name, now
        self.stream(sample, now)

    def stream(self, sample: JointSample, now: float) -> None:
        """Receive what has arrived, and send what is due."""
        for answer in self.service.due(now):
            rows = tuple(tuple(adapters.state_to_wire(row, self.arm)) for row in answer.rows)
            try:
                chunk = self.exchange.answer(ChunkFrame(
                    answer.seq, rows, answer.infer_s * 1e3, answer.total_s * 1e3, {}), now,
                    is_moving=True)
            except ChunkRejected:
                continue
            self.borders.append(self.tick)
            self.driver.command(replace(chunk, observed_at=chunk.observed_at + self.began_at))
        if now >= self.exchange.due_at(now):
            seq = self.exchange.begin(
                Observation(now, 0, tuple(sample.position.tolist()), {}), 1, now)
            self.service.ask(seq, sample.position, now, now)

    def run(self) -> dict[str, float]:
        """Play the whole run; return its figures."""
        progress = self.policy.progress
        self.driver.start(self.on_sample)
        self.is_activating.set()
        try:
            self.driver.activate(timeout_s=60.0)
            if not self.is_over.wait(timeout=600.0):
                raise TimeoutError(f'{self.case.name} did not end')
        finally:
            self.driver.close()
        figures = measure(self.goals, self.commanded, self.policy.progress - progress,
                          self.case.seconds, self.ages, self.borders)
        return figures | {
            'pace': float(self.paces[-1]), 'latched': float(bool(self.stopped)),
            'in_line_s': max(self.service.waited_s, default=0.0),
            'requests_per_s': self.service.asked / self.case.seconds}


def play(case: Case, method: baselines.Method | str, seed: int = 0,
         motion: Motion | None = None) -> tuple[dict[str, float], np.ndarray, str]:
    """Play one cell with one method; return figures, goals (ticks, 6) [rad], and a stop."""
    if isinstance(method, str):
        ours = Ours(case, seed, motion or Motion())
        figures = ours.run()
        return figures, ours.goals, ours.stopped
    policy = case.policy(seed)
    figures, goals = baselines.run(method, policy, Service(policy, case.link, seed),
                                   case.seconds)
    return figures, goals, ''


AIMS: tuple[tuple[Case, int], ...] = (
    (Case('400+0..200 ms', Link(0.4, 0.2), seconds=120.0), 5),
    (Case('550 ms', Link(0.55)), 1), (Case('600 ms', Link(0.6)), 1),
    (Case('800 ms', Link(0.8)), 1), (Case('400+0..300 ms', Link(0.4, 0.3)), 2),
    (Case('800+0..300 ms', Link(0.8, 0.3)), 2),
    (Case('480 ms + 580 ms network, jitter 0..200', Link(
        0.48, network_s=0.58, network_jitter_s=0.2)), 2),
    (Case('grasp 1.4 rad in 0.25 s', Link(0.4, 0.2), grasp=True), 1),
    (Case('wrist at 3 rad/s', Link(0.4, 0.2), wrist=True), 1),
    (Case('noise 1 deg at 50 Hz', Link(0.4, 0.2), rate_hz=50.0, noise_deg=1.0), 1),
    (Case('noise 0.5 deg', Link(0.4, 0.2), noise_deg=0.5), 1),
    (Case('disagreement 5 deg', Link(0.4, 0.2), offset_deg=5.0), 2),
    (Case('two ways', Link(0.4, 0.2), two_ways=True), 2),
    (Case('1 s stalls, 400+0..100 ms', Link(0.4, 0.1, stall_s=1.0)), 2),
)
FIGURES = {
    'commanded_percent': ('%', min), 'longest_wait_s': ('s', max),
    'largest_step_rad': ('rad', max),
    'peak_acceleration': ('rad/s^2', max), 'rms_jerk': ('rad/s^3', max), 'progress': ('x', min),
    'age_p50_ms': ('ms', max), 'pace': ('x', min), 'latched': ('runs', max),
    'in_line_s': ('s', max), 'requests_per_s': ('1/s', max),
}
"""Unit of a figure, and which of several seeds is the worst."""


def streaming() -> Iterator[dict]:
    """Yield the figures of the aims, ours beside LeRobot's client where there is a rival."""
    for case, seeds in AIMS:
        runs = [play(case, OURS, seed) for seed in range(seeds)]
        rival, _, _ = play(case, baselines.Method.WEIGHTED)
        for name, (unit, worst) in FIGURES.items():
            row = {'figure': f'{case.name}: {name}', 'unit': unit, 'n': seeds,
                   'value': worst(figures[name] for figures, _, _ in runs)}
            if name in rival:
                row['lerobot_async'] = rival[name]
            yield row
